#include <algorithm>
#include <atomic>
#include <bit>
#include <cinttypes>
#include <cmath>

#include "core/dtype.hpp"
#include "core/error.hpp"
#include "core/floating_point.hpp"
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

/** Largest of many magnitudes, found by several threads. */
class LargestMagnitude {
public:
    void take(double magnitude) {
        const auto bits = std::bit_cast<uint64_t>(magnitude);
        uint64_t largest = bits_.load(std::memory_order_relaxed);
        while (bits > largest && !bits_.compare_exchange_weak(largest, bits, std::memory_order_relaxed)) {
        }
    }
    double value() const { return std::bit_cast<double>(bits_.load(std::memory_order_relaxed)); }

private:
    /** As whole numbers, magnitudes are in the same order, with infinity and NaN last. */
    std::atomic<uint64_t> bits_{0};
};

/** @param decays  whether weight decay is added to gradients */
template <class T>
StepMagnitudes measure(CpuDevice& device, const OptimizerStep& step, const StepBuffers<T>& buffers, bool decays) {
    LargestMagnitude gradient, parameter, first_moment;
    for_each_piece(device, step, [&](const ortho_parameter_group& group, FlatRange range) {
        const T* read[3] = {buffers.gradients};
        LargestMagnitude* of[3] = {&gradient};
        int count = 1;
        const auto add = [&](const T* values, LargestMagnitude& largest) {
            read[count] = values;
            of[count++] = &largest;
        };
        if (decays && group.weight_decay != 0)
            add(buffers.parameters, parameter);
        if (buffers.first_moment != nullptr)
            add(buffers.first_moment, first_moment);
        T largest[3];
        device.kernels.of<T>().vector.largest_magnitudes(read, count, range, largest);
        for (int i = 0; i < count; ++i)
            of[i]->take(static_cast<double>(largest[i]));
    });
    return {gradient.value(), parameter.value(), first_moment.value()};
}

/** A buffer that a step changes, and what it would make of one element. */
template <class T> struct Stepped {
    const char* name;
    const char* what; // its element in words
    const T* values;  // null: there is none
    T result;
};

/** Refuses a step because of one element. */
template <class T, size_t count>
[[noreturn]] void refuse(const T* gradients, int64_t element, const Stepped<T> (&stepped)[count]) {
    const auto require_finite = [element](const char* name, T value) {
        if (!std::isfinite(value))
            fail(ORTHO_NOT_FINITE, Argument{name, element}, "is %s; it must be finite",
                 NumberText(static_cast<double>(value)).c_str());
    };
    require_finite("gradients", gradients[element]);
    for (const Stepped<T>& buffer : stepped)
        if (buffer.values != nullptr)
            require_finite(buffer.name, buffer.values[element]);
    const char* what = stepped[0].what;
    for (const Stepped<T>& buffer : stepped)
        if (!std::isfinite(buffer.result))
            what = buffer.what;
    fail(ORTHO_NOT_FINITE, Argument{"gradients", element}, "is %s; with it the %s would not stay finite",
         NumberText(static_cast<double>(gradients[element])).c_str(), what);
}

const ortho_parameter_group& group_of(const OptimizerStep& step, int64_t element) {
    return *std::find_if(step.groups, step.groups + step.group_count, [element](const ortho_parameter_group& group) {
        return element >= group.offset && element - group.offset < group.count;
    });
}

/** Smallest element that find(group, range) finds, -1 if there is none. */
template <class Find> int64_t find_first(CpuDevice& device, const OptimizerStep& step, Find&& find) {
    std::atomic<int64_t> first{step.count};
    for_each_piece(device, step, [&](const ortho_parameter_group& group, FlatRange range) {
        const int64_t found = find(group, range);
        int64_t before = first.load(std::memory_order_relaxed);
        while (found >= 0 && found < before && !first.compare_exchange_weak(before, found, std::memory_order_relaxed)) {
        }
    });
    return first == step.count ? -1 : first.load();
}

template <class Test> bool all_groups(const OptimizerStep& step, Test&& test) {
    return std::all_of(step.groups, step.groups + step.group_count, test);
}

/**
 * Moments, velocities and decaying parameters fade, too. A number below the smallest normal one, min, moves a parameter
 * by learning_rate min in SGD, and by some learning_rate sqrt(min) in Adam, whose epsilon is larger than sqrt(min).
 * Where that counts, subnormal numbers are kept.
 */
FloatingPointEnvironment environment_of(const OptimizerStep& step) {
    const bool harmless = all_groups(step, [](const ortho_parameter_group& group) { return group.learning_rate <= 1; });
    return harmless ? FloatingPointEnvironment::without_subnormals() : FloatingPointEnvironment::standard();
}

/**
 * Scales gradients down to max_norm. @return their Euclidean norm before
 * @throws Error ORTHO_NOT_FINITE if the norm is; the gradients are then unchanged
 */
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
    const FloatingPointScope scope(environment_of(step));
    const VectorKernels<T>& kernels = device.kernels.of<T>().vector;
    const StepBuffers<T> buffers{static_cast<T*>(step.parameters), static_cast<const T*>(step.gradients),
                                 options.momentum == 0 ? nullptr : static_cast<T*>(options.velocity), nullptr};
    const SgdFactors<T> factors(options);
    using Group = GroupFactors<T>;
    const StepMagnitudes largest = measure(device, step, buffers, true);
    if (!all_groups(step, [&](const auto& group) { return sgd_is_finite(Group::of_sgd(group), largest); })) {
        const int64_t failing = find_first(device, step, [&](const ortho_parameter_group& group, FlatRange range) {
            return kernels.find_failing_sgd(buffers, factors, Group::of_sgd(group), range);
        });
        if (failing >= 0) {
            const bool has_velocity = buffers.first_moment != nullptr;
            T parameter = buffers.parameters[failing];
            T velocity = has_velocity ? buffers.first_moment[failing] : 0;
            sgd_update(factors, Group::of_sgd(group_of(step, failing)), buffers.gradients[failing], parameter,
                       velocity);
            refuse<T>(buffers.gradients, failing,
                      {{"parameters", "parameter", buffers.parameters, parameter},
                       {"velocity", "velocity", buffers.first_moment, has_velocity ? velocity : 0}});
        }
    }
    for_each_piece(device, step, [&](const ortho_parameter_group& group, FlatRange range) {
        kernels.sgd(buffers, factors, Group::of_sgd(group), range);
    });
}

template <class T> void adam_step(CpuDevice& device, const OptimizerStep& step, const AdamOptions& options) {
    const FloatingPointScope scope(environment_of(step));
    const VectorKernels<T>& kernels = device.kernels.of<T>().vector;
    const StepBuffers<T> buffers{static_cast<T*>(step.parameters), static_cast<const T*>(step.gradients),
                                 static_cast<T*>(options.first_moment), static_cast<T*>(options.second_moment)};
    const AdamFactors<T> factors(options);
    const auto factors_of = [&](const ortho_parameter_group& group) {
        return GroupFactors<T>::of_adam(options, group);
    };
    const StepMagnitudes largest = measure(device, step, buffers, !options.decoupled);
    if (!all_groups(step, [&](const auto& group) { return adam_is_finite(factors, factors_of(group), largest); })) {
        const int64_t failing = find_first(device, step, [&](const ortho_parameter_group& group, FlatRange range) {
            return kernels.find_failing_adam(buffers, factors, factors_of(group), range);
        });
        if (failing >= 0) {
            T parameter = buffers.parameters[failing];
            T first = buffers.first_moment[failing];
            T second = buffers.second_moment[failing];
            adam_update(factors, factors_of(group_of(step, failing)), buffers.gradients[failing], parameter, first,
                        second);
            refuse<T>(buffers.gradients, failing,
                      {{"parameters", "parameter", buffers.parameters, parameter},
                       {"first_moment", "first moment", buffers.first_moment, first},
                       {"second_moment", "second moment", buffers.second_moment, second}});
        }
    }
    for_each_piece(device, step, [&](const ortho_parameter_group& group, FlatRange range) {
        kernels.adam(buffers, factors, factors_of(group), range);
    });
}

} // namespace

void run(CpuDevice& device, const ClipGradientNorm& call) {
    dispatch(call.dtype, [&]<class T>(T*) {
        const double norm = clip_gradient_norm(device, call.count, static_cast<T*>(call.gradients), call.max_norm);
        if (call.norm != nullptr)
            *call.norm = norm;
    });
}

void run(CpuDevice& device, const SgdStep& call) {
    dispatch(call.dtype, [&]<class T>(T*) { sgd_step<T>(device, call.step, call.options); });
}

void run(CpuDevice& device, const AdamStep& call) {
    dispatch(call.dtype, [&]<class T>(T*) { adam_step<T>(device, call.step, call.options); });
}

} // namespace ortho::cpu
