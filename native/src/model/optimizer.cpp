#include "model/optimizer.hpp"

#include <cmath>

#include "core/error.hpp"
#include "model/flat.hpp"

namespace ortho {
namespace {

/** Calls body(group, begin, end) for the pieces that blocks of the whole buffer cut out of the groups. */
template <class Body>
void for_each_piece(ortho_device& device, int64_t count, const ortho_parameter_group* groups, int64_t group_count,
                    Body&& body) {
    for_each_block(device.pool, count, flat_block, [&](int64_t block_begin, int64_t block_end) {
        for (int64_t i = 0; i < group_count; ++i) {
            const ortho_parameter_group& group = groups[i];
            const int64_t begin = std::max(block_begin, group.offset);
            const int64_t end = std::min(block_end, group.offset + group.count);
            if (begin < end)
                body(group, begin, end);
        }
    });
}

} // namespace

template <class T> double clip_gradient_norm(ortho_device& device, int64_t count, T* gradients, double max_norm) {
    const cpu::VectorKernels<T>& kernels = device.kernels.of<T>().vector;
    const double squares = sum_blocks<double>(device, count, flat_block, [&](int64_t begin, int64_t end) {
        return kernels.sum_of_squares(gradients + begin, end - begin);
    });
    const double norm = std::sqrt(squares);
    // A NaN may carry a sign, which would be printed.
    if (!std::isfinite(norm))
        fail(ORTHO_NOT_FINITE, "the norm of gradients is %g; it must be finite", std::abs(norm));
    if (norm > max_norm)
        for_each_block(device.pool, count, flat_block, [&](int64_t begin, int64_t end) {
            kernels.scale(gradients + begin, end - begin, static_cast<T>(max_norm / norm));
        });
    return norm;
}

template <class T>
void sgd_step(ortho_device& device, int64_t count, T* parameters, const T* gradients, T* velocity,
              const SgdOptions& options, const ortho_parameter_group* groups, int64_t group_count) {
    const cpu::SgdStep<T> step{parameters, gradients, options.momentum == 0 ? nullptr : velocity,
                               static_cast<T>(options.momentum), options.nesterov};
    for_each_piece(device, count, groups, group_count,
                   [&](const ortho_parameter_group& group, int64_t begin, int64_t end) {
                       device.kernels.of<T>().vector.sgd(step, {begin, end, static_cast<T>(group.learning_rate),
                                                                static_cast<T>(group.weight_decay), T{1}});
                   });
}

template <class T>
void adam_step(ortho_device& device, int64_t count, T* parameters, const T* gradients, T* first_moment,
               T* second_moment, const AdamOptions& options, const ortho_parameter_group* groups, int64_t group_count) {
    const double steps = static_cast<double>(options.step);
    const double first_correction = 1 - std::pow(options.beta1, steps);
    const double second_correction = 1 - std::pow(options.beta2, steps);
    const cpu::AdamStep<T> step{
        .parameters = parameters,
        .gradients = gradients,
        .first_moment = first_moment,
        .second_moment = second_moment,
        .beta1 = static_cast<T>(options.beta1),
        .one_minus_beta1 = static_cast<T>(1 - options.beta1),
        .beta2 = static_cast<T>(options.beta2),
        .one_minus_beta2 = static_cast<T>(1 - options.beta2),
        .epsilon = static_cast<T>(options.epsilon),
        .second_correction = static_cast<T>(1 / std::sqrt(second_correction)),
    };
    for_each_piece(
        device, count, groups, group_count, [&](const ortho_parameter_group& group, int64_t begin, int64_t end) {
            const double decay = group.weight_decay;
            device.kernels.of<T>().vector.adam(
                step, {.begin = begin,
                       .end = end,
                       .step_size = static_cast<T>(group.learning_rate / first_correction),
                       .gradient_decay = static_cast<T>(options.decoupled ? 0 : decay),
                       .parameter_scale = static_cast<T>(options.decoupled ? 1 - group.learning_rate * decay : 1)});
        });
}

template double clip_gradient_norm(ortho_device&, int64_t, float*, double);
template double clip_gradient_norm(ortho_device&, int64_t, double*, double);
template void sgd_step(ortho_device&, int64_t, float*, const float*, float*, const SgdOptions&,
                       const ortho_parameter_group*, int64_t);
template void sgd_step(ortho_device&, int64_t, double*, const double*, double*, const SgdOptions&,
                       const ortho_parameter_group*, int64_t);
template void adam_step(ortho_device&, int64_t, float*, const float*, float*, float*, const AdamOptions&,
                        const ortho_parameter_group*, int64_t);
template void adam_step(ortho_device&, int64_t, double*, const double*, double*, double*, const AdamOptions&,
                        const ortho_parameter_group*, int64_t);

} // namespace ortho
