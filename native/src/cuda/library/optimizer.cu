#include <cmath>

#include "cuda/library/operations.hpp"
#include "cuda/library/reductions.hpp"
#include "model/update_rules.hpp"

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

template <class T> __global__ void clip_kernel(int64_t count, T* values, const Report* report) {
    if (report->finding != 0 || (report->first_scale == 1 && report->second_scale == 1))
        return;
    const T first = static_cast<T>(report->first_scale);
    const T second = static_cast<T>(report->second_scale);
    for (int64_t i = flat_index(); i < count; i += flat_stride())
        values[i] = values[i] * first * second;
}

template <class T> __global__ void scale_kernel(int64_t count, T factor, T* values) {
    for (int64_t i = flat_index(); i < count; i += flat_stride())
        values[i] *= factor;
}

/** In double precision, since the factors of a slow average add up to 1 there and not in float32. */
template <class T> __global__ void average_kernel(int64_t count, double decay, const T* values, T* averages) {
    for (int64_t i = flat_index(); i < count; i += flat_stride())
        averages[i] =
            static_cast<T>(decay * static_cast<double>(averages[i]) + (1 - decay) * static_cast<double>(values[i]));
}

/** Makes the steps of a group without storing them, and reports an element that would not stay finite. */
template <class Rule, class T>
__global__ void check_step_kernel(Rule rule, GroupFactors<T> group, FlatRange range, StepBuffers<T> buffers,
                                  Report* report) {
    for (int64_t i = range.begin + flat_index(); i < range.end; i += flat_stride()) {
        const T gradient = buffers.gradients[i];
        if (!(gradient - gradient == T(0)))
            report_not_finite(report, Checked::gradients, i);
        else if (!updated(rule, group, buffers, i, StateIndices<Rule>{}).is_finite(Rule::state_count))
            report_not_finite(report, Checked::step, i);
    }
}

template <class T, size_t... index>
__device__ __forceinline__ void store(const StepBuffers<T>& buffers, int64_t i, const Updated<T>& result,
                                      std::index_sequence<index...>) {
    buffers.parameters[i] = result.parameter;
    ((buffers.states[index][i] = result.state[index]), ...);
}

template <class Rule, class T>
__global__ void step_kernel(Rule rule, GroupFactors<T> group, FlatRange range, StepBuffers<T> buffers,
                            const Report* report) {
    if (report->finding != 0)
        return;
    for (int64_t i = range.begin + flat_index(); i < range.end; i += flat_stride())
        store(buffers, i, updated(rule, group, buffers, i, StateIndices<Rule>{}), StateIndices<Rule>{});
}

template <class T> void clip_gradient_norm(Device& device, const ClipGradientNorm& call) {
    auto* const gradients = static_cast<T*>(call.gradients);
    const LaunchShape shape = sum_shape(call.count);
    double* const partial = device.scratch<double>(shape.grid.x);
    launch("squares", squares_kernel<T>, shape, device.stream, call.count, gradients, partial);
    launch("norm", norm_kernel<T>, total_shape(), device.stream, call.count, gradients, partial,
           static_cast<int64_t>(shape.grid.x), call.max_norm, device.report());
    if (std::isfinite(call.max_norm))
        launch("clip", clip_kernel<T>, flat_shape(call.count), device.stream, call.count, gradients, device.report());
    if (call.norm == nullptr)
        return;
    device.wait();
    *call.norm = device.result().value;
}

template <class Rule>
void make_step(Device& device, const OptimizerStep& step, const typename Rule::Options& options, const Rule& rule) {
    using T = typename Rule::Type;
    const StepBuffers<T> buffers = buffers_of<Rule>(step, options);
    const auto launch_for_groups = [&](const char* name, const auto& kernel) {
        for (int64_t i = 0; i < step.group_count; ++i) {
            const ortho_parameter_group& group = step.groups[i];
            if (group.count > 0)
                launch(name, kernel, flat_shape(group.count), device.stream, rule, Rule::group(options, group),
                       FlatRange{group.offset, group.offset + group.count}, buffers, device.report());
        }
    };
    // Of all groups before any of them changes: a step is made as a whole or not at all.
    launch_for_groups("check_step", check_step_kernel<Rule, T>);
    launch_for_groups("step", step_kernel<Rule, T>);
}

template <class Call> void make_step(Device& device, const Call& call) {
    dispatch(call.dtype, [&](auto* type) {
        with_rule<Pointee<decltype(type)>>(call.options,
                                           [&](const auto& rule) { make_step(device, call.step, call.options, rule); });
    });
}

} // namespace

void run(Device& device, const ClipGradientNorm& call) {
    dispatch(call.dtype, [&](auto* type) { clip_gradient_norm<Pointee<decltype(type)>>(device, call); });
}

void run(Device& device, const Scale& call) {
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        launch("scale", scale_kernel<T>, flat_shape(call.count), device.stream, call.count, static_cast<T>(call.factor),
               static_cast<T*>(call.values));
    });
}

void run(Device& device, const Average& call) {
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        launch("average", average_kernel<T>, flat_shape(call.count), device.stream, call.count, call.decay,
               static_cast<const T*>(call.values), static_cast<T*>(call.averages));
    });
}

void run(Device& device, const SgdStep& call) {
    make_step(device, call);
}

void run(Device& device, const AdamStep& call) {
    make_step(device, call);
}

void run(Device& device, const RmspropStep& call) {
    make_step(device, call);
}

void run(Device& device, const LionStep& call) {
    make_step(device, call);
}

} // namespace ortho::cuda
