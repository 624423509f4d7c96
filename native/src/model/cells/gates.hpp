// What cells of several gates share: GRU and LSTM.
//
// Such a cell has `gates` matrices [N, N] of W, one above the other, as many [N, D] of V, and sums of their products:
// what W x_{k-1}, V u_k and the biases add up to before a nonlinearity. A gate's two products usually go to the same
// sum; where they do not, weight_sums and input_sums say to which each goes. Backward, a sum's delta is the gradient at
// it.
#pragma once

#include "core/host_device.hpp"

namespace ortho {

/** The logistic function 1 / (1 + e^-x), by tanh: its error is absolute, half of that of tanh(x / 2). */
template <class Math, class V> ORTHO_HOST_DEVICE V logistic(V x) {
    const V one = V{} + 1;
    const V half = one / 2;
    return Math::multiply_add(half, Math::tanh(half * x), half);
}

/** A step forward: the vectors that are carried on, and those that are kept for backward. */
template <class V, int carried, int kept_count> struct GatesForward {
    V state[carried];
    V kept[kept_count];
};

/** A step backward: the deltas of the sums, and what is passed to the step before apart from their products with W. */
template <class V, int sums, int carried> struct GatesBackward {
    V delta[sums];
    V passed[carried];
};

/** Which gate's product goes to a sum: of W, given the cell's weight_sums, or of V, given its input_sums; -1: none. */
template <int gates> constexpr int gate_of_sum(const int (&sums)[gates], int sum) {
    for (int gate = 0; gate < gates; ++gate)
        if (sums[gate] == sum)
            return gate;
    return -1;
}

} // namespace ortho
