// All cells.
#pragma once

#include "model/cells/filter.hpp"
#include "model/cells/gru.hpp"
#include "model/cells/lstm.hpp"
#include "orthonative/orthonative.h"

namespace ortho {

/** Calls body with the cell of a kind; the default one of filter cells. */
template <class Body> auto with_cell(ortho_cell kind, Body&& body) {
    switch (kind) {
    case ORTHO_CELL_GRU:
        return body(GruCell());
    case ORTHO_CELL_LSTM:
        return body(LstmCell());
    default:
        return body(FilterCell());
    }
}

} // namespace ortho
