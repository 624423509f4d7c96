// The cells that there are on a GPU.
#pragma once

#include "cuda/library/filter_steps.hpp"

namespace ortho::cuda {

/** What chains and streams are templates of. */
template <class T, class C> struct NumbersAndCell {
    using Numbers = T;
    using Cell = C;
};

/** Calls body(NumbersAndCell<T, Cell>()) with what a chain's parameters name. */
template <class Body> auto with_types(const ChainParameters& parameters, Body&& body) {
    const auto with_cell = [&](auto number) { return body(NumbersAndCell<decltype(number), FilterCell>()); };
    return parameters.dtype == ORTHO_FLOAT32 ? with_cell(float()) : with_cell(double());
}

} // namespace ortho::cuda
