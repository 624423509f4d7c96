#pragma once

#include <cstdint>

#include "cpu/device.hpp"

namespace ortho::cpu {

struct Loss {
    double mean;
    int64_t correct;
};

/**
 * Mean cross-entropy of softmax(logits) with smoothed targets.
 * @throws Error ORTHO_NOT_FINITE; nothing is then written
 */
template <class T> Loss softmax_cross_entropy(CpuDevice& device, const SoftmaxCrossEntropy& call);

/**
 * Mean squared error.
 * @throws Error ORTHO_NOT_FINITE; nothing is then written
 */
template <class T> double mean_squared_error(CpuDevice& device, const MeanSquaredError& call);

} // namespace ortho::cpu
