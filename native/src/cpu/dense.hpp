#pragma once

#include <cstdint>

#include "cpu/device.hpp"

namespace ortho::cpu {

/** y = x A^T + c; bias may be null. Shapes as in ortho_dense_forward. */
template <class T>
void dense_forward(CpuDevice& device, const DenseShape& shape, const T* weights, const T* bias, const T* x, T* y);

/** Gradients of dense_forward; bias_gradients and x_gradients may be null, weights too where x_gradients is. */
template <class T>
void dense_backward(CpuDevice& device, const DenseShape& shape, bool accumulate, const T* weights, const T* x,
                    const T* y_gradients, T* weight_gradients, T* bias_gradients, T* x_gradients);

} // namespace ortho::cpu
