#include <cmath>

#include "cuda/library/operations.hpp"
#include "cuda/library/reductions.hpp"
#include "model/arithmetic.hpp"

namespace ortho::cuda {
namespace {

template <class T> __global__ void squares_kernel(int64_t count, const T* values, double* partial) {
    sum_block_of(count, partial, [&](int64_t i) {
        const auto value = static_cast<double>(values[i]);
        return value * value;
    });
}

__global__ void norm_kernel(const double* partial, int64_t parts, double max_norm, Report* report) {
    const double norm = sqrt(sum_of(partial, parts));
    if (threadIdx.x != 0)
        return;
    if (!(norm - norm == 0))
        report_not_finite(report, Checked::gradient_norm, 0);
    report->value = norm;
    report->scale = norm > max_norm ? max_norm / norm : 1;
}

template <class T> __global__ void scale_kernel(int64_t count, T* values, const Report* report) {
    if (report->finding != 0 || report->scale == 1)
        return;
    const T factor = static_cast<T>(report->scale);
    for (int64_t i = flat_index(); i < count; i += flat_stride())
        values[i] *= factor;
}

template <class T>
__global__ void sgd_kernel(SgdFactors<T> step, GroupFactors<T> group, int64_t count, const T* gradients, T* parameters,
                           T* velocity, const Report* report) {
    if (report->finding != 0)
        return;
    for (int64_t i = flat_index(); i < count; i += flat_stride())
        if (velocity != nullptr)
            sgd_update(step, group, gradients[i], parameters[i], velocity[i]);
        else
            sgd_update(group, gradients[i], parameters[i]);
}

template <class T>
__global__ void adam_kernel(AdamFactors<T> step, GroupFactors<T> group, int64_t count, const T* gradients,
                            T* parameters, T* first_moment, T* second_moment, const Report* report) {
    if (report->finding != 0)
        return;
    for (int64_t i = flat_index(); i < count; i += flat_stride())
        adam_update(step, group, gradients[i], parameters[i], first_moment[i], second_moment[i]);
}

/** Calls body(group) for the groups that have parameters. */
template <class Body> void for_each_group(const OptimizerStep& step, Body&& body) {
    for (int64_t i = 0; i < step.group_count; ++i)
        if (step.groups[i].count > 0)
            body(step.groups[i]);
}

} // namespace

template <class T> void clip_gradient_norm(Device& device, int64_t count, T* gradients, double max_norm, double* norm) {
    const LaunchShape shape = sum_shape(count);
    double* const partial = device.scratch<double>(shape.grid.x);
    launch("squares", squares_kernel<T>, shape, device.stream, count, gradients, partial);
    launch("norm", norm_kernel, total_shape(), device.stream, partial, static_cast<int64_t>(shape.grid.x), max_norm,
           device.report());
    if (std::isfinite(max_norm))
        launch("scale", scale_kernel<T>, flat_shape(count), device.stream, count, gradients, device.report());
    if (norm == nullptr)
        return;
    device.wait();
    *norm = device.result().value;
}

template <class T> void sgd_step(Device& device, const OptimizerStep& step, const SgdOptions& options) {
    const SgdFactors<T> factors(options);
    auto* const velocity = options.momentum == 0 ? nullptr : static_cast<T*>(options.velocity);
    for_each_group(step, [&](const ortho_parameter_group& group) {
        launch("sgd", sgd_kernel<T>, flat_shape(group.count), device.stream, factors, GroupFactors<T>::of_sgd(group),
               group.count, static_cast<const T*>(step.gradients) + group.offset,
               static_cast<T*>(step.parameters) + group.offset, velocity != nullptr ? velocity + group.offset : nullptr,
               device.report());
    });
}

template <class T> void adam_step(Device& device, const OptimizerStep& step, const AdamOptions& options) {
    const AdamFactors<T> factors(options);
    for_each_group(step, [&](const ortho_parameter_group& group) {
        launch("adam", adam_kernel<T>, flat_shape(group.count), device.stream, factors,
               GroupFactors<T>::of_adam(options, group), group.count,
               static_cast<const T*>(step.gradients) + group.offset, static_cast<T*>(step.parameters) + group.offset,
               static_cast<T*>(options.first_moment) + group.offset,
               static_cast<T*>(options.second_moment) + group.offset, device.report());
    });
}

template void clip_gradient_norm(Device&, int64_t, float*, double, double*);
template void clip_gradient_norm(Device&, int64_t, double*, double, double*);
template void sgd_step<float>(Device&, const OptimizerStep&, const SgdOptions&);
template void sgd_step<double>(Device&, const OptimizerStep&, const SgdOptions&);
template void adam_step<float>(Device&, const OptimizerStep&, const AdamOptions&);
template void adam_step<double>(Device&, const OptimizerStep&, const AdamOptions&);

} // namespace ortho::cuda
