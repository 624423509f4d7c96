// Kernels of functions of elements, and of gates.
#pragma once

#include "cpu/activation_types.hpp"
#include "cpu/simd.hpp"
#include "model/activations.hpp"

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

template <class T> struct ActivationPass {
    using S = Simd<T>;
    using vec = typename S::vec;

    /**
     * Calls body(from, to) for blocks of `vectors` vectors, which reads those of the inputs and writes that of y. What
     * is left is filled up with zeros in a block apart, so that all elements pass through the same instructions. y may
     * be one of the inputs.
     */
    template <int vectors, int inputs, class Body>
    [[gnu::always_inline]] static void for_each_block(const T* const (&x)[inputs], T* y, int64_t count, Body&& body) {
        constexpr int64_t block = vectors * S::width;
        for (int64_t i = 0; i < count; i += block) {
            const int64_t left = count - i;
            const T* from[inputs];
            T* to = y + i;
            T copies[inputs][block];
            for (int of = 0; of < inputs; ++of)
                from[of] = x[of] + i;
            if (left < block) {
                for (int of = 0; of < inputs; ++of) {
                    for (int64_t j = 0; j < block; ++j)
                        copies[of][j] = j < left ? from[of][j] : T(0);
                    from[of] = copies[of];
                }
                to = copies[0];
            }
            body(from, to);
            if (left < block)
                for (int64_t j = 0; j < left; ++j)
                    y[i + j] = copies[0][j];
        }
    }

    template <class Function> static void forward_of(const T* x, T* y, int64_t count) {
        for_each_block<1, 1>(
            {x}, y, count, [](const T* const(&from)[1], T* to) __attribute__((always_inline)) {
                S::store(to, Function::template value<SimdMath>(S::load(from[0])));
            });
    }

    /** tanh works on several vectors at once. */
    static void tanh_forward(const T* x, T* y, int64_t count) {
        static constexpr int vectors = tanh_vectors<T>;
        for_each_block<vectors, 1>(
            {x}, y, count, [](const T* const(&from)[1], T* to) __attribute__((always_inline)) {
                vec v[vectors];
                for (int i = 0; i < vectors; ++i)
                    v[i] = S::load(from[0] + i * S::width);
                tanh_of_each<T>(v);
                for (int i = 0; i < vectors; ++i)
                    S::store(to + i * S::width, v[i]);
            });
    }

    static void forward(ortho_activation activation, const T* x, T* y, int64_t count) {
        if (activation == ORTHO_TANH)
            return tanh_forward(x, y, count);
        with_activation(activation, [=](auto function) { forward_of<decltype(function)>(x, y, count); });
    }

    template <class Function> static void backward_of(const T* x, const T* y_gradients, T* x_gradients, int64_t count) {
        for_each_block<1, 2>(
            {x, y_gradients}, x_gradients, count, [](const T* const(&from)[2], T* to) __attribute__((always_inline)) {
                const vec slope = Function::template slope<SimdMath>(S::load(from[0]));
                S::store(to, slope * S::load(from[1]));
            });
    }

    static void backward(ortho_activation activation, const T* x, const T* y_gradients, T* x_gradients, int64_t count) {
        with_activation(activation,
                        [=](auto function) { backward_of<decltype(function)>(x, y_gradients, x_gradients, count); });
    }

    static void gate_forward(const T* x, T* y, int64_t rows, int64_t units) {
        for (int64_t row = 0; row < rows; ++row, x += 2 * units, y += units)
            for (int64_t i = 0; i < units; i += S::width) {
                const int64_t left = units - i;
                const vec a = S::load_partial(x + i, left), b = S::load_partial(x + units + i, left);
                S::store_partial(y + i, LinearGate::value<SimdMath>(a, b), left);
            }
    }

    static void gate_backward(const T* x, const T* y_gradients, T* x_gradients, int64_t rows, int64_t units) {
        for (int64_t row = 0; row < rows; ++row, x += 2 * units, y_gradients += units, x_gradients += 2 * units)
            for (int64_t i = 0; i < units; i += S::width) {
                const int64_t left = units - i;
                const vec a = S::load_partial(x + i, left), b = S::load_partial(x + units + i, left);
                const auto gradients = LinearGate::gradients<SimdMath>(a, b, S::load_partial(y_gradients + i, left));
                S::store_partial(x_gradients + i, gradients.a, left);
                S::store_partial(x_gradients + units + i, gradients.b, left);
            }
    }

    static constexpr ActivationKernels<T> table{
        .forward = forward,
        .backward = backward,
        .gate_forward = gate_forward,
        .gate_backward = gate_backward,
    };
};

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
