// The filter cell: x_k = alpha O x_{k-1} + beta phi(z_k), z_k = W x_{k-1} + d_k.
//
// A cell is the arithmetic of one step, forward and backward, written once for the CPU's vectors and for CUDA's
// threads. It says what it multiplies, carries and keeps; rows, steps and threads are the drivers' business. V is a
// number, or a vector of numbers where the compiler has them. Math has the functions that each backend computes in its
// own way: tanh(V) and multiply_add(V, V, V).
#pragma once

#include <cstdint>

#include "core/host_device.hpp"
#include "orthonative/orthonative.h"

namespace ortho {

enum class Nonlinearity : int32_t { tanh = ORTHO_TANH, relu = ORTHO_RELU };

struct FilterCell {
    /** Matrices [N, N] of W, and sums of products before the nonlinearity: z. */
    static constexpr int gates = 1;
    static constexpr int sums = 1;
    /** The sum that a gate's product with W goes to, and that with V. */
    static constexpr int weight_sums[gates] = {0};
    static constexpr int input_sums[gates] = {0};
    /** Vectors [N] that a step hands to the next one: x. */
    static constexpr int carried_vectors = 1;
    /** Vectors [N] that are kept of a step for backward: phi(z), in whose place delta is written. */
    static constexpr int kept_vectors = 1;

    Nonlinearity nonlinearity;

    /** x_k, and what backward needs of the step: a = phi(z_k). */
    template <class V> struct Forward {
        V state;
        V kept;
    };

    /**
     * @param filtered  alpha O x_{k-1}: V, or what else Math adds beta phi(z_k) to
     * @param driven    z_k
     */
    template <class Math, class V, class Filtered>
    ORTHO_HOST_DEVICE Forward<V> forward(const Filtered& filtered, V driven, V beta) const {
        const V a = phi<Math, V>(driven);
        return {Math::multiply_add(beta, a, filtered), a};
    }

    /** @return delta_k = beta phi'(z_k) g_k of a = phi(z_k) and the gradient g_k at x_k */
    template <class Math, class V> ORTHO_HOST_DEVICE V backward(V kept, V gradient, V beta) const {
        return beta * slope<Math>(kept) * gradient;
    }

private:
    /** NaN stays NaN. */
    template <class Math, class V> ORTHO_HOST_DEVICE V phi(V z) const {
        return nonlinearity == Nonlinearity::tanh ? Math::tanh(z) : (z < 0 ? V{} : z);
    }

    /** phi'(z) from a = phi(z). */
    template <class Math, class V> ORTHO_HOST_DEVICE V slope(V a) const {
        const V one = V{} + 1;
        return nonlinearity == Nonlinearity::tanh ? Math::multiply_add(-a, a, one) : (a > 0 ? one : V{});
    }
};

} // namespace ortho
