#pragma once

#include <cstdint>

#include "model/device.hpp"

namespace ortho {

struct Loss {
    double mean;
    int64_t correct;
};

/**
 * Mean cross-entropy of softmax(logits) with smoothed targets; shapes as in ortho_softmax_cross_entropy.
 * @param gradients  null: not wanted
 * @throws Error ORTHO_INVALID_ARGUMENT for a target outside the classes, ORTHO_NOT_FINITE; nothing is then written
 */
template <class T>
Loss softmax_cross_entropy(ortho_device& device, int64_t rows, int64_t classes, double label_smoothing, const T* logits,
                           const int32_t* targets, T* gradients);

/**
 * Mean squared error.
 * @param gradients  null: not wanted
 * @throws Error ORTHO_NOT_FINITE; nothing is then written
 */
template <class T>
double mean_squared_error(ortho_device& device, int64_t count, const T* predictions, const T* targets, T* gradients);

} // namespace ortho
