// Kernels of sums of elements, losses, norms and optimizers: one pass over flat buffers, sums in double precision and a
// fixed order.
//
// What needs no sum is written as plain loops, which the compiler turns into vectors.
#pragma once

#include <limits>
#include <type_traits>

#include "cpu/simd.hpp"
#include "cpu/vector_types.hpp"
#include "model/losses.hpp"

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

/** Values of type T taken as doubles, as many as one vector of doubles holds. */
template <class T> struct AsDouble {
    using vec = Simd<double>::vec;
    static constexpr int width = Simd<double>::width;
    typedef T narrow __attribute__((vector_size(width * sizeof(T))));
    typedef T unaligned __attribute__((vector_size(width * sizeof(T)), aligned(alignof(T)), may_alias));

    static vec load(const T* p) {
        return __builtin_convertvector(static_cast<narrow>(*reinterpret_cast<const unaligned*>(p)), vec);
    }

    /** The first n elements (0 <= n), zeros behind them. */
    static vec load_partial(const T* p, int64_t n) {
        if (n >= width)
            return load(p);
        narrow v{};
        __builtin_memcpy(&v, p, static_cast<size_t>(n) * sizeof(T));
        return __builtin_convertvector(v, vec);
    }
};

/** Simd::multiply_add of numbers, for loops that the compiler turns into vectors. */
template <class T> [[gnu::always_inline]] inline T multiply_add(T a, T b, T c) {
#if defined(__FMA__) || defined(__aarch64__)
    if constexpr (sizeof(T) == sizeof(float))
        return __builtin_fmaf(a, b, c);
    else
        return __builtin_fma(a, b, c);
#else
    return a * b + c;
#endif
}

/** Sum of a vector's lanes from the first to the last. */
inline double sum_of_lanes(Simd<double>::vec v) {
    double sum = v[0];
    for (int l = 1; l < Simd<double>::width; ++l)
        sum += v[l];
    return sum;
}

template <class T> struct VectorPass {
    using S = Simd<T>;
    using D = AsDouble<T>;
    using vec = typename S::vec;
    static constexpr int unroll = 4;

    static bool all_finite(const T* values, int64_t count) {
        using integer = typename S::integer;
        using Limits = std::numeric_limits<T>;
        constexpr integer exponent = integer{2 * Limits::max_exponent - 1} << (Limits::digits - 1);
        typename S::ivec bad{};
        for (int64_t i = 0; i < count; i += S::width) {
            const auto bits = (typename S::ivec)S::load_partial(values + i, count - i);
            bad |= (bits & exponent) == exponent;
        }
        integer any = 0;
        for (int l = 0; l < S::width; ++l)
            any |= bad[l];
        return any == 0;
    }

    /** The buffers are read side by side: memory gives more of several streams than of one after the other. */
    template <int buffer_count> static void largest_of(const T* const* buffers, FlatRange range, T* largest) {
        // As whole numbers, the magnitudes of floating-point numbers are in the same order, with infinity and NaN last.
        using ivec = typename S::ivec;
        using integer = typename S::integer;
        constexpr integer magnitude = std::numeric_limits<integer>::max();
        ivec found[buffer_count][unroll] = {};
        const auto take = [&](ivec& most, vec v) {
            const ivec bits = (ivec)v & magnitude;
            most = bits > most ? bits : most;
        };
        int64_t i = range.begin;
        for (; i + unroll * S::width <= range.end; i += unroll * S::width)
#pragma GCC unroll 4
            for (int b = 0; b < buffer_count; ++b)
#pragma GCC unroll 4
                for (int u = 0; u < unroll; ++u)
                    take(found[b][u], S::load(buffers[b] + i + u * S::width));
        for (; i < range.end; i += S::width)
            for (int b = 0; b < buffer_count; ++b)
                take(found[b][0], S::load_partial(buffers[b] + i, range.end - i));
        for (int b = 0; b < buffer_count; ++b) {
            integer all = 0;
            for (int u = 0; u < unroll; ++u)
                for (int l = 0; l < S::width; ++l)
                    all = found[b][u][l] > all ? integer{found[b][u][l]} : all;
            __builtin_memcpy(largest + b, &all, sizeof all);
        }
    }

    static void largest_magnitudes(const T* const* buffers, int buffer_count, FlatRange range, T* largest) {
        const auto measure = buffer_count == 1   ? largest_of<1>
                             : buffer_count == 2 ? largest_of<2>
                             : buffer_count == 3 ? largest_of<3>
                                                 : largest_of<4>;
        measure(buffers, range, largest);
    }

    static void add_square(Simd<double>::vec value, Simd<double>::vec& sum) {
        sum = Simd<double>::multiply_add(value, value, sum);
    }

    /** Four running sums hide the latency of the additions. */
    static double sum_of_squares(const T* values, int64_t count) {
        Simd<double>::vec sums[unroll] = {};
        int64_t i = 0;
        for (; i + unroll * D::width <= count; i += unroll * D::width)
#pragma GCC unroll 4
            for (int u = 0; u < unroll; ++u)
                add_square(D::load(values + i + u * D::width), sums[u]);
        for (; i < count; i += D::width)
            add_square(D::load_partial(values + i, count - i), sums[0]);
        return sum_of_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
    }

    static void scale(T* __restrict values, int64_t count, T factor) {
        for (int64_t i = 0; i < count; ++i)
            values[i] *= factor;
    }

    /** In double precision, since the factors of a slow average add up to 1 there and not in float32. */
    static void average(T* __restrict averages, const T* __restrict values, int64_t count, double decay) {
        const double rest = 1 - decay;
        for (int64_t i = 0; i < count; ++i)
            averages[i] = static_cast<T>(
                multiply_add(decay, static_cast<double>(averages[i]), rest * static_cast<double>(values[i])));
    }

    static void add(const T* x, const T* y, T* z, int64_t count) {
        int64_t i = 0;
        for (; i + S::width <= count; i += S::width)
            S::store(z + i, S::load(x + i) + S::load(y + i));
        for (; i < count; ++i)
            z[i] = x[i] + y[i];
    }

    static void squared_error(const T* predictions, const T* targets, int64_t count, T factor, T* __restrict gradients,
                              RunningSums& running) {
        if (gradients != nullptr)
            for (int64_t i = 0; i < count; ++i)
                gradients[i] = squared_error_gradient(factor, predictions[i], targets[i]);
        Simd<double>::vec sums[unroll];
        for (int u = 0; u < unroll; ++u)
            sums[u] = Simd<double>::load(running.values + u * D::width);
        int64_t i = 0;
        for (; i + unroll * D::width <= count; i += unroll * D::width)
#pragma GCC unroll 4
            for (int u = 0; u < unroll; ++u)
                add_square(D::load(predictions + i + u * D::width) - D::load(targets + i + u * D::width), sums[u]);
        for (int u = 0; i + D::width <= count; i += D::width, ++u)
            add_square(D::load(predictions + i) - D::load(targets + i), sums[u]);
        if (i < count)
            add_square(D::load_partial(predictions + i, count - i) - D::load_partial(targets + i, count - i), sums[0]);
        for (int u = 0; u < unroll; ++u)
            Simd<double>::store(running.values + u * D::width, sums[u]);
    }

    static void elementwise_loss(const ElementwiseProblem<T>& problem, int64_t row_begin, int64_t row_end,
                                 RunningSums& sums) {
        with_loss(problem.kind, problem.parameters, problem.parameter_count, problem.parameters,
                  [&](auto loss) { elementwise_loss(loss, problem, row_begin, row_end, sums); });
    }

    template <class Loss>
    static void elementwise_loss(const Loss& loss, const ElementwiseProblem<T>& problem, int64_t row_begin,
                                 int64_t row_end, RunningSums& running) {
        RunningSums sums = running;
        if (problem.row_weights == nullptr && !Loss::by_unit) {
            const int64_t first = row_begin * problem.units;
            add_elements(loss, problem, first, first, (row_end - row_begin) * problem.units, 1, sums);
        } else {
            for (int64_t row = row_begin; row < row_end; ++row)
                add_elements(loss, problem, row * problem.units, row * problem.row_targets, problem.units,
                             problem.row_weights == nullptr ? 1 : loss_weight(problem.row_weights[row]), sums);
        }
        running = sums;
    }

    /** Adds elements of one weight; units are counted from the first of them. */
    template <class Loss>
    [[gnu::always_inline]] static void add_elements(const Loss& loss, const ElementwiseProblem<T>& problem,
                                                    int64_t first, int64_t first_target, int64_t count, double weight,
                                                    RunningSums& sums) {
        constexpr int lanes = sizeof(RunningSums) / sizeof(double);
        const T* const predictions = problem.predictions + first;
        const T* const targets = problem.targets + first_target;
        const auto prediction = [&](int64_t i) { return static_cast<double>(predictions[i]); };
        const auto target = [&](int64_t i) { return static_cast<double>(targets[loss.target_of(i)]); };
        if (problem.gradients != nullptr) {
            T* __restrict const gradients = problem.gradients + first;
            const double factor = problem.per_element * weight;
            for (int64_t i = 0; i < count; ++i)
                gradients[i] = static_cast<T>(loss.gradient(factor, prediction(i), target(i), i));
        }
        int64_t i = 0;
        for (; i + lanes <= count; i += lanes)
            for (int l = 0; l < lanes; ++l)
                sums.values[l] =
                    multiply_add(weight, loss.value(prediction(i + l), target(i + l), i + l), sums.values[l]);
        for (int l = 0; i < count; ++i, ++l)
            sums.values[l] = multiply_add(weight, loss.value(prediction(i), target(i), i), sums.values[l]);
    }

    static void softmax_cross_entropy(const SoftmaxProblem<T>& problem, int64_t row_begin, int64_t row_end,
                                      LossSum& total) {
        add_softmax_rows<false>(problem, row_begin, row_end, total);
    }

    static void weighted_softmax_cross_entropy(const SoftmaxProblem<T>& problem, int64_t row_begin, int64_t row_end,
                                               LossSum& total) {
        add_softmax_rows<true>(problem, row_begin, row_end, total);
    }

    template <bool weighted>
    [[gnu::always_inline]] static void add_softmax_rows(const SoftmaxProblem<T>& problem, int64_t row_begin,
                                                        int64_t row_end, LossSum& total) {
        const int64_t classes = problem.classes;
        const double smoothing = problem.label_smoothing / static_cast<double>(classes);
        const double at_target = 1 - problem.label_smoothing;
        const double per_row = problem.per_row;
        typename S::ivec lanes{};
        for (int l = 0; l < S::width; ++l)
            lanes[l] = l;
        LossSum result = total;
        for (int64_t i = row_begin; i < row_end; ++i) {
            const T* logits = problem.logits + i * classes;
            const int64_t target = problem.targets[i];
            const T largest = maximum(logits, classes);
            T* gradients = problem.gradients != nullptr ? problem.gradients + i * classes : nullptr;
            Simd<double>::vec power_sums{};
            Simd<double>::vec distance_sums{};
            for (int64_t j = 0; j < classes; j += S::width) {
                const int64_t count = classes - j;
                const auto is_class = lanes < static_cast<typename S::integer>(count < S::width ? count : S::width);
                // Lanes behind the last class repeat the largest logit, at no distance from it.
                const vec values = is_class ? S::load_partial(logits + j, count) : S::splat(largest);
                const vec power = exponential<T>(values - largest);
                if (gradients != nullptr)
                    S::store_partial(gradients + j, power, count);
                add_lanes(is_class ? power : vec{}, 0, power_sums);
                if constexpr (!weighted)
                    add_lanes(values, static_cast<double>(largest), distance_sums);
            }
            const double exponentials = sum_of_lanes(power_sums);
            if constexpr (weighted) {
                add_weighted_row(problem, i, largest, exponentials, result);
                continue;
            }
            // An infinite sum (of values at the end of float64's range) counts only where it is wanted.
            const double distances = smoothing > 0 ? sum_of_lanes(distance_sums) : 0;
            const double target_distance = static_cast<double>(logits[target]) - static_cast<double>(largest);
            result.loss += __builtin_log(exponentials) - at_target * target_distance - smoothing * distances;
            result.correct += logits[target] == largest && is_first(logits, target);
            if (gradients != nullptr) {
                const T factor = static_cast<T>(per_row / exponentials);
                const T offset = static_cast<T>(per_row * smoothing);
                for (int64_t j = 0; j < classes; ++j)
                    gradients[j] = multiply_add(gradients[j], factor, -offset);
                gradients[target] -= static_cast<T>(per_row * at_target);
            }
        }
        total = result;
    }

    /**
     * Adds a row with weights. The loss of a row is the sum over the classes c of w_c q_c (-log p_c), and its gradient
     * p_j (sum of all w_c q_c) - w_j q_j, with q the target distribution.
     * @param exponentials  the sum of all e^(logit - largest), which the gradients are yet
     */
    [[gnu::always_inline]] static void add_weighted_row(const SoftmaxProblem<T>& problem, int64_t row, T largest,
                                                        double exponentials, LossSum& result) {
        const int64_t classes = problem.classes;
        const int64_t target = problem.targets[row];
        const T* const logits = problem.logits + row * classes;
        const float* const class_weights = problem.class_weights;
        const double smoothing = problem.label_smoothing / static_cast<double>(classes);
        const double at_target =
            (1 - problem.label_smoothing) * (class_weights == nullptr ? 1 : loss_weight(class_weights[target]));
        const double weight = problem.row_weights == nullptr ? 1 : loss_weight(problem.row_weights[row]);
        const double all = at_target + smoothing * problem.class_weight_sum;
        const auto distance = [&](int64_t j) { return static_cast<double>(logits[j]) - static_cast<double>(largest); };
        double loss = all * __builtin_log(exponentials);
        // An infinite distance (of values at the end of float64's range) counts only where it has a weight.
        if (at_target > 0)
            loss -= at_target * distance(target);
        if (smoothing > 0) {
            double distances = 0;
            for (int64_t j = 0; j < classes; ++j) {
                const double of_class = class_weights == nullptr ? 1 : loss_weight(class_weights[j]);
                distances += of_class > 0 ? of_class * distance(j) : 0;
            }
            loss -= smoothing * distances;
        }
        result.loss += weight * loss;
        result.correct += logits[target] == largest && is_first(logits, target);
        if (problem.gradients == nullptr)
            return;
        T* __restrict const gradients = problem.gradients + row * classes;
        const double per_row = problem.per_row * weight;
        const double factor = per_row * all / exponentials;
        const double offset = per_row * smoothing;
        for (int64_t j = 0; j < classes; ++j) {
            const double of_class = class_weights == nullptr ? 1 : loss_weight(class_weights[j]);
            gradients[j] = static_cast<T>(multiply_add(static_cast<double>(gradients[j]), factor, -offset * of_class));
        }
        gradients[target] -= static_cast<T>(per_row * at_target);
    }

    static void mean_of_steps(const SampleSteps<T>& x, T* mean) {
        constexpr int64_t most = 64;
        double sums[most];
        for (int64_t first = 0; first < x.units; first += most) {
            const int64_t units = x.units - first < most ? x.units - first : most;
            for (int64_t i = 0; i < units; ++i)
                sums[i] = 0;
            const T* values = x.values + first;
            for (int64_t step = 0; step < x.steps; ++step, values += x.stride)
                for (int64_t i = 0; i < units; ++i)
                    sums[i] += static_cast<double>(values[i]);
            for (int64_t i = 0; i < units; ++i)
                mean[first + i] = static_cast<T>(sums[i] / static_cast<double>(x.steps));
        }
    }

    static void largest_of_steps(const SampleSteps<T>& x, T* largest, int64_t* first_step) {
        constexpr int64_t most = 64;
        T found[most];
        int64_t at[most];
        for (int64_t first = 0; first < x.units; first += most) {
            const int64_t units = x.units - first < most ? x.units - first : most;
            const T* values = x.values + first;
            for (int64_t i = 0; i < units; ++i) {
                found[i] = values[i];
                at[i] = 0;
            }
            for (int64_t step = 1; step < x.steps; ++step) {
                values += x.stride;
                for (int64_t i = 0; i < units; ++i) {
                    const T value = values[i];
                    const bool is_first_nan = (value != value) & (found[i] == found[i]);
                    const bool is_larger = (value > found[i]) | is_first_nan;
                    found[i] = is_larger ? value : found[i];
                    at[i] = is_larger ? step : at[i];
                }
            }
            for (int64_t i = 0; i < units; ++i) {
                if (largest != nullptr)
                    largest[first + i] = found[i];
                if (first_step != nullptr)
                    first_step[first + i] = at[i];
            }
        }
    }

    /** Adds values - origin to sums in double precision, in as many steps as the vector takes. */
    static void add_lanes(vec values, double origin, Simd<double>::vec& sums) {
        T lanes[S::width];
        S::store(lanes, values);
        for (int l = 0; l < S::width; l += D::width)
            sums += D::load(lanes + l) - origin;
    }

    static T maximum(const T* values, int64_t count) {
        T largest = values[0];
        int64_t i = 0;
        if (count >= S::width) {
            auto lanes = S::load(values);
            for (i = S::width; i + S::width <= count; i += S::width) {
                const auto v = S::load(values + i);
                lanes = v > lanes ? v : lanes;
            }
            for (int l = 0; l < S::width; ++l)
                largest = lanes[l] > largest ? lanes[l] : largest;
        }
        for (; i < count; ++i)
            largest = values[i] > largest ? values[i] : largest;
        return largest;
    }

    /** Whether no earlier value equals values[index]. */
    static bool is_first(const T* values, int64_t index) {
        for (int64_t i = 0; i < index; ++i)
            if (values[i] == values[index])
                return false;
        return true;
    }

    /** The states are apart from each other and from all other buffers, which lets the compiler make vectors. */
    template <class Rule, size_t... index, class... State>
    static void step_apart(const Rule& rule, const GroupFactors<T>& group, FlatRange range,
                           const T* __restrict gradients, T* __restrict parameters, std::index_sequence<index...>,
                           State* __restrict... states) {
        for (int64_t i = range.begin; i < range.end; ++i) {
            const Updated<T> result = updated(rule, group, gradients[i], parameters[i], states[i]...);
            parameters[i] = result.parameter;
            ((states[i] = result.state[index]), ...);
        }
    }

    template <class Rule, size_t... index>
    static void step_of(const StepBuffers<T>& buffers, const Rule& rule, const GroupFactors<T>& group, FlatRange range,
                        std::index_sequence<index...> indices) {
        step_apart(Rule(rule), GroupFactors<T>(group), range, buffers.gradients, buffers.parameters, indices,
                   buffers.states[index]...);
    }

    template <class Rule>
    static void step(const StepBuffers<T>& buffers, const Rule& rule, const GroupFactors<T>& group, FlatRange range) {
        step_of(buffers, rule, group, range, StateIndices<Rule>{});
    }

    template <class Rule>
    static int64_t find_failing(const StepBuffers<T>& buffers, const Rule& rule, const GroupFactors<T>& group,
                                FlatRange range) {
        for (int64_t i = range.begin; i < range.end; ++i)
            if (!updated(rule, group, buffers, i, StateIndices<Rule>{}).is_finite(Rule::state_count))
                return i;
        return -1;
    }

    template <class... Rules> static constexpr StepKernelsOf<Rules...> kernels_of(const StepKernelsOf<Rules...>&) {
        return {StepKernels<Rules>{step<Rules>, find_failing<Rules>}...};
    }

    static constexpr VectorKernels<T> table{
        .all_finite = all_finite,
        .largest_magnitudes = largest_magnitudes,
        .sum_of_squares = sum_of_squares,
        .scale = scale,
        .add = add,
        .squared_error = squared_error,
        .softmax_cross_entropy = softmax_cross_entropy,
        .weighted_softmax_cross_entropy = weighted_softmax_cross_entropy,
        .elementwise_loss = elementwise_loss,
        .mean_of_steps = mean_of_steps,
        .largest_of_steps = largest_of_steps,
        .average = average,
        .steps = kernels_of(AllStepKernels<T>{}),
    };
};

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
