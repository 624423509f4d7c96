// The LSTM cell, with the equations and the order of gates i, f, g, o of PyTorch (b stands for the sum of its two
// biases):
//
//     i = logistic(V_i u + W_i h + b_i)    f = logistic(V_f u + W_f h + b_f)
//     g = tanh(V_g u + W_g h + b_g)        o = logistic(V_o u + W_o h + b_o)
//     c' = f c + i g                       h' = o tanh(c')
#pragma once

#include "model/cells/gates.hpp"

namespace ortho {

struct LstmCell {
    static constexpr int gates = 4;
    static constexpr int sums = 4;
    static constexpr int weight_sums[gates] = {0, 1, 2, 3};
    static constexpr int input_sums[gates] = {0, 1, 2, 3};
    /** h and c. */
    static constexpr int carried_vectors = 2;
    /** i, f, g and o, in whose places the deltas of the sums are written. */
    static constexpr int kept_vectors = sums;
    /** Whether backward passes a gradient of the vector to the step before, apart from the products with W. */
    static constexpr bool passes[carried_vectors] = {false, true};

    template <class V> using Forward = GatesForward<V, carried_vectors, kept_vectors>;
    template <class V> using Backward = GatesBackward<V, sums, carried_vectors>;

    /** @param state  before the step */
    template <class Math, class V> ORTHO_HOST_DEVICE Forward<V> forward(const V* sum, const V* state) const {
        const V i = logistic<Math>(sum[0]);
        const V f = logistic<Math>(sum[1]);
        const V g = Math::tanh(sum[2]);
        const V o = logistic<Math>(sum[3]);
        const V c = next_c<Math>(i, f, g, state[1]);
        return {{o * Math::tanh(c), c}, {i, f, g, o}};
    }

    /** @param state  before the step @param gradient  at the state after it */
    template <class Math, class V>
    ORTHO_HOST_DEVICE Backward<V> backward(const V* kept, const V* state, const V* gradient) const {
        const V one = V{} + 1;
        const V i = kept[0], f = kept[1], g = kept[2], o = kept[3];
        const V t = Math::tanh(next_c<Math>(i, f, g, state[1]));
        const V at_c = Math::multiply_add(gradient[0] * o, Math::multiply_add(-t, t, one), gradient[1]);
        return {{at_c * g * i * (one - i), at_c * state[1] * f * (one - f), at_c * i * Math::multiply_add(-g, g, one),
                 gradient[0] * t * o * (one - o)},
                {V{}, at_c * f}};
    }

private:
    template <class Math, class V> ORTHO_HOST_DEVICE static V next_c(V i, V f, V g, V c) {
        return Math::multiply_add(f, c, i * g);
    }
};

} // namespace ortho
