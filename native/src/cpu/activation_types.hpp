// What the kernels of activations and gates work on.
#pragma once

#include <cstdint>

#include "orthonative/orthonative.h"

namespace ortho::cpu {

/** An element's result depends on its own operands alone, not on where it stands. Arrays as in the C interface. */
template <class T> struct ActivationKernels {
    /** y may be x. */
    void (*forward)(ortho_activation activation, const T* x, T* y, int64_t count);
    /** x_gradients may be y_gradients. */
    void (*backward)(ortho_activation activation, const T* x, const T* y_gradients, T* x_gradients, int64_t count);
    void (*gate_forward)(const T* x, T* y, int64_t rows, int64_t units);
    void (*gate_backward)(const T* x, const T* y_gradients, T* x_gradients, int64_t rows, int64_t units);
};

} // namespace ortho::cpu
