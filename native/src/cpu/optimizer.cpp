#include <algorithm>
#include <atomic>
#include <bit>
#include <cinttypes>
#include <cmath>
#include <string>

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

/** @param factors_of  those of a group */
template <class Rule, class T, class FactorsOf>
StepMagnitudes measure(CpuDevice& device, const OptimizerStep& step, const StepBuffers<T>& buffers,
                       FactorsOf&& factors_of) {
    LargestMagnitude gradient, parameter, states[max_states];
    for_each_piece(device, step, [&](const ortho_parameter_group& group, FlatRange range) {
        constexpr int most = 2 + Rule::measured_count;
        const T* read[most] = {buffers.gradients};
        LargestMagnitude* of[most] = {&gradient};
        int count = 1;
        const auto add = [&](const T* values, LargestMagnitude& largest) {
            read[count] = values;
            of[count++] = &largest;
        };
        if (factors_of(group).gradient_decay != 0)
            add(buffers.parameters, parameter);
        for (int i = 0; i < Rule::measured_count; ++i)
            add(buffers.states[i], states[i]);
        T largest[most];
        device.kernels.of<T>().vector.largest_magnitudes(read, count, range, largest);
        for (int i = 0; i < count; ++i)
            of[i]->take(static_cast<double>(largest[i]));
    });
    StepMagnitudes result{gradient.value(), parameter.value(), {}};
    for (int i = 0; i < max_states; ++i)
        result.states[i] = states[i].value();
    return result;
}

/** Refuses a step because of one element. */
template <class Rule, class T>
[[noreturn]] void refuse(const StepBuffers<T>& buffers, const Rule& rule, const GroupFactors<T>& group,
                         int64_t element) {
    const auto require_finite = [element](const char* name, T value) {
        if (!std::isfinite(value))
            fail(ORTHO_NOT_FINITE, Argument{name, element}, "is %s; it must be finite",
                 NumberText(static_cast<double>(value)).c_str());
    };
    require_finite("gradients", buffers.gradients[element]);
    require_finite("parameters", buffers.parameters[element]);
    for (int i = 0; i < Rule::state_count; ++i)
        require_finite(Rule::state_names[i], buffers.states[i][element]);
    const Updated<T> result = updated(rule, group, buffers, element, StateIndices<Rule>{});
    std::string what = "parameter";
    for (int i = 0; i < Rule::state_count; ++i)
        if (!std::isfinite(result.state[i]))
            what = Rule::state_names[i];
    std::replace(what.begin(), what.end(), '_', ' ');
    fail(ORTHO_NOT_FINITE, Argument{"gradients", element}, "is %s; with it the %s would not stay finite",
         NumberText(static_cast<double>(buffers.gradients[element])).c_str(), what.c_str());
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

template <class Rule>
void make_step(CpuDevice& device, const OptimizerStep& step, const typename Rule::Options& options, const Rule& rule) {
    using T = typename Rule::Type;
    const FloatingPointScope scope(environment_of(step));
    const StepKernels<Rule>& kernels = device.kernels.of<T>().vector.steps;
    const StepBuffers<T> buffers = buffers_of<Rule>(step, options);
    const auto factors_of = [&](const ortho_parameter_group& group) { return Rule::group(options, group); };
    const StepMagnitudes largest = measure<Rule>(device, step, buffers, factors_of);
    if (!all_groups(step, [&](const auto& group) { return rule.is_finite(factors_of(group), largest); })) {
        const int64_t failing = find_first(device, step, [&](const ortho_parameter_group& group, FlatRange range) {
            return kernels.find_failing(buffers, rule, factors_of(group), range);
        });
        if (failing >= 0)
            refuse(buffers, rule, factors_of(group_of(step, failing)), failing);
    }
    for_each_piece(device, step, [&](const ortho_parameter_group& group, FlatRange range) {
        kernels.step(buffers, rule, factors_of(group), range);
    });
}

template <class Call> void make_step(CpuDevice& device, const Call& call) {
    dispatch(call.dtype, [&]<class T>(T*) {
        with_rule<T>(call.options, [&](const auto& rule) { make_step(device, call.step, call.options, rule); });
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

void run(CpuDevice& device, const Scale& call) {
    dispatch(call.dtype, [&]<class T>(T*) {
        const auto scale = device.kernels.of<T>().vector.scale;
        T* const values = static_cast<T*>(call.values);
        for_each_block(device.pool, call.count, flat_block, [&](int64_t begin, int64_t end) {
            scale(values + begin, end - begin, static_cast<T>(call.factor));
        });
    });
}

void run(CpuDevice& device, const Average& call) {
    // Averages of parameters that are 0 fade.
    const FloatingPointScope scope(FloatingPointEnvironment::without_subnormals());
    dispatch(call.dtype, [&]<class T>(T*) {
        const auto average = device.kernels.of<T>().vector.average;
        T* const averages = static_cast<T*>(call.averages);
        const T* const values = static_cast<const T*>(call.values);
        for_each_block(device.pool, call.count, flat_block, [&](int64_t begin, int64_t end) {
            average(averages + begin, values + begin, end - begin, call.decay);
        });
    });
}

void run(CpuDevice& device, const SgdStep& call) {
    make_step(device, call);
}

void run(CpuDevice& device, const AdamStep& call) {
    make_step(device, call);
}

void run(CpuDevice& device, const RmspropStep& call) {
    make_step(device, call);
}

void run(CpuDevice& device, const LionStep& call) {
    make_step(device, call);
}

} // namespace ortho::cpu
