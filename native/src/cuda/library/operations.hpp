// What a training step does besides the chain: fills, noise, dense layers, losses, clipping, optimizers.
#pragma once

#include "cuda/library/device.hpp"

namespace ortho::cuda {

/** @throws Error ORTHO_NOT_SUPPORTED if the library has no code for the thread's current GPU */
void require_code(const cudaDeviceProp& gpu);

template <class T> void fill(Device& device, int64_t count, T* values, T value);

/** Reports the first value that is NaN or infinite. */
template <class T> void check_finite(Device& device, Checked checked, int64_t count, const T* values);

template <class T>
void add_normal_noise(Device& device, const NoiseStream& stream, double standard_deviation, int64_t count, const T* x,
                      T* y);

template <class T>
void dense_forward(Device& device, const DenseShape& shape, const T* weights, const T* bias, const T* x, T* y);

template <class T>
void dense_backward(Device& device, const DenseShape& shape, bool accumulate, const T* weights, const T* x,
                    const T* y_gradients, T* weight_gradients, T* bias_gradients, T* x_gradients);

template <class T>
void softmax_cross_entropy(Device& device, const SoftmaxCrossEntropy& call, double* loss, int64_t* correct);

template <class T> void mean_squared_error(Device& device, const MeanSquaredError& call, double* loss);

template <class T> void clip_gradient_norm(Device& device, int64_t count, T* gradients, double max_norm, double* norm);

template <class T> void sgd_step(Device& device, const OptimizerStep& step, const SgdOptions& options);

template <class T> void adam_step(Device& device, const OptimizerStep& step, const AdamOptions& options);

} // namespace ortho::cuda
