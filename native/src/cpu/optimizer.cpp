#include "cpu/optimizer.hpp"

#include <cmath>

#include "core/error.hpp"
#include "cpu/flat.hpp"

namespace ortho::cpu {
namespace {

/** Calls body(group, range) for the pieces that blocks of the whole buffer cut out of the groups. */
template <class Body> void for_each_piece(CpuDevice& device, const OptimizerStep& step, Body&& body) {
    for_each_block(device.pool, step.count, flat_block, [&](int64_t block_begin, int64_t block_end) {
        for (int64_t i = 0; i < step.group_count; ++i) {
            const ortho_parameter_group& group = step.groups[i];
            const FlatRange range{std::max(block_begin, group.offset), std::min(block_end, group.offset + group.count)};
            if (range.begin < range.end)
                body(group, range);
        }
    });
}

} // namespace

template <class T> double clip_gradient_norm(CpuDevice& device, int64_t count, T* gradients, double max_norm) {
    const VectorKernels<T>& kernels = device.kernels.of<T>().vector;
    double squares = sum_blocks<double>(device, count, flat_block, [&](int64_t begin, int64_t end) {
        return kernels.sum_of_squares(gradients + begin, end - begin);
    });
    const double scale = square_scale<T>(squares, count);
    if (scale != 1)
        squares = sum_blocks<double>(device, count, flat_block, [&](int64_t begin, int64_t end) {
            double sum = 0;
            for (int64_t i = begin; i < end; ++i) {
                const double value = scale * static_cast<double>(gradients[i]);
                sum += value * value;
            }
            return sum;
        });
    const double norm = std::sqrt(squares) / scale;
    if (!std::isfinite(norm))
        fail(ORTHO_NOT_FINITE, "the norm of gradients is %s; it must be finite", NumberText(norm).c_str());
    if (norm > max_norm) {
        const ClipFactors<T> factors(max_norm, norm);
        for_each_block(device.pool, count, flat_block, [&](int64_t begin, int64_t end) {
            kernels.scale(gradients + begin, end - begin, factors.first);
            if (factors.second != 1)
                kernels.scale(gradients + begin, end - begin, factors.second);
        });
    }
    return norm;
}

template <class T> void sgd_step(CpuDevice& device, const OptimizerStep& step, const SgdOptions& options) {
    const StepBuffers<T> buffers{static_cast<T*>(step.parameters), static_cast<const T*>(step.gradients),
                                 options.momentum == 0 ? nullptr : static_cast<T*>(options.velocity), nullptr};
    const SgdFactors<T> factors(options);
    for_each_piece(device, step, [&](const ortho_parameter_group& group, FlatRange range) {
        device.kernels.of<T>().vector.sgd(buffers, factors, GroupFactors<T>::of_sgd(group), range);
    });
}

template <class T> void adam_step(CpuDevice& device, const OptimizerStep& step, const AdamOptions& options) {
    const StepBuffers<T> buffers{static_cast<T*>(step.parameters), static_cast<const T*>(step.gradients),
                                 static_cast<T*>(options.first_moment), static_cast<T*>(options.second_moment)};
    const AdamFactors<T> factors(options);
    for_each_piece(device, step, [&](const ortho_parameter_group& group, FlatRange range) {
        device.kernels.of<T>().vector.adam(buffers, factors, GroupFactors<T>::of_adam(options, group), range);
    });
}

template double clip_gradient_norm(CpuDevice&, int64_t, float*, double);
template double clip_gradient_norm(CpuDevice&, int64_t, double*, double);
template void sgd_step<float>(CpuDevice&, const OptimizerStep&, const SgdOptions&);
template void sgd_step<double>(CpuDevice&, const OptimizerStep&, const SgdOptions&);
template void adam_step<float>(CpuDevice&, const OptimizerStep&, const AdamOptions&);
template void adam_step<double>(CpuDevice&, const OptimizerStep&, const AdamOptions&);

} // namespace ortho::cpu
