#pragma once

#include "core/check.hpp"
#include "model/weights.hpp"

namespace ortho::check {

inline void prepared(const ortho_weights* weights) {
    if (weights == nullptr)
        fail(ORTHO_INVALID_ARGUMENT, Argument::missing("prepared"), "is null; it must be prepared weights");
}

} // namespace ortho::check
