#pragma once

#include <cstdint>
#include <utility>

#include "orthonative/orthonative.h"

namespace ortho {

/** Calls body with a null pointer of the type that a checked dtype names: body(float*) or body(double*). */
template <class Body> decltype(auto) dispatch(int32_t dtype, Body&& body) {
    if (dtype == ORTHO_FLOAT32)
        return std::forward<Body>(body)(static_cast<float*>(nullptr));
    return std::forward<Body>(body)(static_cast<double*>(nullptr));
}

} // namespace ortho
