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

template <class T>
__global__ void norm_kernel(int64_t count, const T* values, const double* partial, int64_t parts, double max_norm,
                            Report* report) {
    double squares = sum_of(partial, parts);
    const double scale = square_scale<T>(squares, count);
    // So rare that this one block may take its time over it.
    if (scale != 1)
        squares = sum_of_terms(0, count, [&](int64_t i) {
            const double value = scale * static_cast<double>(values[i]);
            return value * value;
        });
    const double norm = sqrt(squares) / scale;
    if (threadIdx.x != 0)
        return;
    if (!(norm - norm == 0))
        report_not_finite(report, Checked::gradient_norm, 0);
    report->value = norm;
    const ClipFactors<T> factors(max_norm, norm);
    report->first_scale = norm > max_norm ? factors.first : 1;
    report->second_scale = norm > max_norm ? factors.second : 1;
}

template <class T> __global__ void scale_kernel(int64_t count, T* values, const Report* report) {
    if (report->finding != 0 || (report->first_scale == 1 && report->second_scale == 1))
        return;
    const T first = static_cast<T>(report->first_scale);
    const T second = static_cast<T>(report->second_scale);
    for (int64_t i = flat_index(); i < count; i += flat_stride())
        values[i] = values[i] * first * second;
}

template <class T> __device__ __forceinline__ bool is_finite(T value) {
    return value - value == T(0);
}

/** Reports an element of which a step would make `results` that are not finite, or whose gradient is not. */
template <class T>
__device__ __forceinline__ void check_step(Report* report, int64_t element, T gradient, bool results_are_finite) {
    if (!is_finite(gradient))
        report_not_finite(report, Checked::gradients, element);
    else if (!results_are_finite)
        report_not_finite(report, Checked::step, element);
}

/** Makes the steps of a group without storing them. @param offset  first element of the group */
template <class T>
__global__ void check_sgd_kernel(SgdFactors<T> step, GroupFactors<T> group, int64_t offset, int64_t count,
                                 const T* gradients, const T* parameters, const T* velocity, Report* report) {
    for (int64_t i = flat_index(); i < count; i += flat_stride()) {
        T parameter = parameters[i];
        T speed = 0;
        if (velocity != nullptr) {
            speed = velocity[i];
            sgd_update(step, group, gradients[i], parameter, speed);
        } else {
            sgd_update(group, gradients[i], parameter);
        }
        check_step(report, offset + i, gradients[i], is_finite(parameter) && is_finite(speed));
    }
}

template <class T>
__global__ void check_adam_kernel(AdamFactors<T> step, GroupFactors<T> group, int64_t offset, int64_t count,
                                  const T* gradients, const T* parameters, const T* first_moment,
                                  const T* second_moment, Report* report) {
    for (int64_t i = flat_index(); i < count; i += flat_stride()) {
        T parameter = parameters[i];
        T first = first_moment[i];
        T second = second_moment[i];
        adam_update(step, group, gradients[i], parameter, first, second);
        check_step(report, offset + i, gradients[i], is_finite(parameter) && is_finite(first) && is_finite(second));
    }
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

template <class T> void clip_gradient_norm(Device& device, const ClipGradientNorm& call) {
    auto* const gradients = static_cast<T*>(call.gradients);
    const LaunchShape shape = sum_shape(call.count);
    double* const partial = device.scratch<double>(shape.grid.x);
    launch("squares", squares_kernel<T>, shape, device.stream, call.count, gradients, partial);
    launch("norm", norm_kernel<T>, total_shape(), device.stream, call.count, gradients, partial,
           static_cast<int64_t>(shape.grid.x), call.max_norm, device.report());
    if (std::isfinite(call.max_norm))
        launch("scale", scale_kernel<T>, flat_shape(call.count), device.stream, call.count, gradients, device.report());
    if (call.norm == nullptr)
        return;
    device.wait();
    *call.norm = device.result().value;
}

template <class T> void sgd_step(Device& device, const OptimizerStep& step, const SgdOptions& options) {
    const SgdFactors<T> factors(options);
    auto* const velocity = options.momentum == 0 ? nullptr : static_cast<T*>(options.velocity);
    // Of all groups before any of them changes: a step is made as a whole or not at all.
    for_each_group(step, [&](const ortho_parameter_group& group) {
        launch("check_sgd", check_sgd_kernel<T>, flat_shape(group.count), device.stream, factors,
               GroupFactors<T>::of_sgd(group), group.offset, group.count,
               static_cast<const T*>(step.gradients) + group.offset,
               static_cast<const T*>(step.parameters) + group.offset,
               velocity != nullptr ? velocity + group.offset : nullptr, device.report());
    });
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
        launch("check_adam", check_adam_kernel<T>, flat_shape(group.count), device.stream, factors,
               GroupFactors<T>::of_adam(options, group), group.offset, group.count,
               static_cast<const T*>(step.gradients) + group.offset,
               static_cast<const T*>(step.parameters) + group.offset,
               static_cast<const T*>(options.first_moment) + group.offset,
               static_cast<const T*>(options.second_moment) + group.offset, device.report());
    });
    for_each_group(step, [&](const ortho_parameter_group& group) {
        launch("adam", adam_kernel<T>, flat_shape(group.count), device.stream, factors,
               GroupFactors<T>::of_adam(options, group), group.count,
               static_cast<const T*>(step.gradients) + group.offset, static_cast<T*>(step.parameters) + group.offset,
               static_cast<T*>(options.first_moment) + group.offset,
               static_cast<T*>(options.second_moment) + group.offset, device.report());
    });
}

} // namespace

void run(Device& device, const ClipGradientNorm& call) {
    dispatch(call.dtype, [&](auto* type) { clip_gradient_norm<Pointee<decltype(type)>>(device, call); });
}

void run(Device& device, const SgdStep& call) {
    dispatch(call.dtype, [&](auto* type) { sgd_step<Pointee<decltype(type)>>(device, call.step, call.options); });
}

void run(Device& device, const AdamStep& call) {
    dispatch(call.dtype, [&](auto* type) { adam_step<Pointee<decltype(type)>>(device, call.step, call.options); });
}

} // namespace ortho::cuda
