// The cells that there are on a GPU. A new one is its arithmetic in model/cells and a line here, if it is one of gates.
#pragma once

#include "cuda/library/filter_steps.hpp"
#include "cuda/library/gate_steps.hpp"
#include "model/cells/gru.hpp"
#include "model/cells/lstm.hpp"

namespace ortho::cuda {

/** What chains and streams are templates of. */
template <class T, class C> struct NumbersAndCell {
    using Numbers = T;
    using Cell = C;
};

/** Calls body(NumbersAndCell<T, Cell>()) with what a chain's parameters name. */
template <class Body> auto with_types(const ChainParameters& parameters, Body&& body) {
    const auto with_cell = [&](auto number) {
        using T = decltype(number);
        switch (parameters.cell) {
        case ORTHO_CELL_GRU:
            return body(NumbersAndCell<T, GruCell>());
        case ORTHO_CELL_LSTM:
            return body(NumbersAndCell<T, LstmCell>());
        default:
            return body(NumbersAndCell<T, FilterCell>());
        }
    };
    return parameters.dtype == ORTHO_FLOAT32 ? with_cell(float()) : with_cell(double());
}

} // namespace ortho::cuda
