// The GRU cell, with the equations and the order of gates r, z, n of PyTorch (b of the inputs, b' of the state):
//
//     r = logistic(V_r u + b_r + W_r h + b'_r)
//     z = logistic(V_z u + b_z + W_z h + b'_z)
//     n = tanh(V_n u + b_n + r (W_n h + b'_n))
//     h' = (1 - z) n + z h
#pragma once

#include "model/cells/gates.hpp"

namespace ortho {

struct GruCell {
    static constexpr int gates = 3;
    /** Those of r, of z, of n over the state, and of n over the inputs. */
    static constexpr int sums = 4;
    static constexpr int weight_sums[gates] = {0, 1, 2};
    static constexpr int input_sums[gates] = {0, 1, 3};
    /** h. */
    static constexpr int carried_vectors = 1;
    /** r, z, n and the sum of n over the state, in whose places the deltas of the sums are written. */
    static constexpr int kept_vectors = sums;
    /** Whether backward passes a gradient of the vector to the step before, apart from the products with W. */
    static constexpr bool passes[carried_vectors] = {true};

    template <class V> using Forward = GatesForward<V, carried_vectors, kept_vectors>;
    template <class V> using Backward = GatesBackward<V, sums, carried_vectors>;

    /** @param state  before the step */
    template <class Math, class V> ORTHO_HOST_DEVICE Forward<V> forward(const V* sum, const V* state) const {
        const V r = logistic<Math>(sum[0]);
        const V z = logistic<Math>(sum[1]);
        const V n = Math::tanh(Math::multiply_add(r, sum[2], sum[3]));
        return {{Math::multiply_add(z, state[0] - n, n)}, {r, z, n, sum[2]}};
    }

    /** @param state  before the step @param gradient  at the state after it */
    template <class Math, class V>
    ORTHO_HOST_DEVICE Backward<V> backward(const V* kept, const V* state, const V* gradient) const {
        const V one = V{} + 1;
        const V r = kept[0], z = kept[1], n = kept[2];
        const V delta_n = gradient[0] * (one - z) * Math::multiply_add(-n, n, one);
        return {{delta_n * kept[3] * r * (one - r), gradient[0] * (state[0] - n) * z * (one - z), delta_n * r, delta_n},
                {gradient[0] * z}};
    }
};

} // namespace ortho
