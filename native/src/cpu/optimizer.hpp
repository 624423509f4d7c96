#pragma once

#include <cstdint>

#include "cpu/device.hpp"

namespace ortho::cpu {

/**
 * Scales gradients down to max_norm. @return their Euclidean norm before
 * @throws Error ORTHO_NOT_FINITE if the norm is; the gradients are then unchanged
 */
template <class T> double clip_gradient_norm(CpuDevice& device, int64_t count, T* gradients, double max_norm);

template <class T> void sgd_step(CpuDevice& device, const OptimizerStep& step, const SgdOptions& options);

template <class T> void adam_step(CpuDevice& device, const OptimizerStep& step, const AdamOptions& options);

} // namespace ortho::cpu
