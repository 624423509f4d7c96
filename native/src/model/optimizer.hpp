#pragma once

#include <cstdint>

#include "model/device.hpp"
#include "orthonative/orthonative.h"

namespace ortho {

/**
 * Scales gradients down to max_norm. @return their Euclidean norm before
 * @throws Error ORTHO_NOT_FINITE if the norm is; the gradients are then unchanged
 */
template <class T> double clip_gradient_norm(ortho_device& device, int64_t count, T* gradients, double max_norm);

struct SgdOptions {
    double momentum;
    bool nesterov;
};

/** Buffers of ortho_sgd_step; velocity may be null where momentum is 0. */
template <class T>
void sgd_step(ortho_device& device, int64_t count, T* parameters, const T* gradients, T* velocity,
              const SgdOptions& options, const ortho_parameter_group* groups, int64_t group_count);

struct AdamOptions {
    int64_t step;
    double beta1;
    double beta2;
    double epsilon;
    bool decoupled;
};

/** Buffers of ortho_adam_step. */
template <class T>
void adam_step(ortho_device& device, int64_t count, T* parameters, const T* gradients, T* first_moment,
               T* second_moment, const AdamOptions& options, const ortho_parameter_group* groups, int64_t group_count);

} // namespace ortho
