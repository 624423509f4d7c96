// What the kernels of losses, norms and optimizers work on.
#pragma once

#include <cstdint>

#include "model/arithmetic.hpp"
#include "model/update_rules.hpp"

namespace ortho::cpu {

/** Mean cross-entropy of softmax(logits) with smoothed targets. */
template <class T> struct SoftmaxProblem {
    double per_row; // 1 over the weight of the rows of which the mean is taken
    int64_t classes;
    double label_smoothing;
    const T* logits;        // [rows, classes]
    const int32_t* targets; // [rows]
    T* gradients;           // [rows, classes], gradient of the mean; null: not wanted
    // The weighted kernel alone reads these.
    const float* row_weights;   // [rows]; null: 1
    const float* class_weights; // [classes]; null: 1
    double class_weight_sum;    // of all classes
};

/** Mean of a loss of single elements. */
template <class T> struct ElementwiseProblem {
    ortho_loss_kind kind;
    const double* parameters;
    int64_t parameter_count;
    double per_element; // 1 over the weight of the elements of which the mean is taken
    int64_t units;
    int64_t row_targets;      // targets of a row
    const T* predictions;     // [rows, units]
    const T* targets;         // [rows, row_targets]
    const float* row_weights; // [rows]; null: 1
    T* gradients;             // [rows, units], gradient of the mean; null: not wanted
};

/** What rows add to the loss. */
struct LossSum {
    double loss;
    int64_t correct;
};

/** Values of one sample at some steps, `stride` elements apart. */
template <class T> struct SampleSteps {
    const T* values; // those of the first step
    int64_t stride;
    int64_t steps; // those that count, at least 1
    int64_t units;
};

/** Sums side by side, as many as a kernel adds to at a time, which vectors hold. */
struct RunningSums {
    double values[32] = {};

    /** Their sum, in halves. */
    double total() const {
        double sums[16];
        for (int i = 0; i < 16; ++i)
            sums[i] = values[i] + values[16 + i];
        for (int half = 8; half > 0; half /= 2)
            for (int i = 0; i < half; ++i)
                sums[i] += sums[half + i];
        return sums[0];
    }
};

/** The kernels of an update rule. */
template <class Rule> struct StepKernels {
    using T = typename Rule::Type;
    void (*step)(const StepBuffers<T>& buffers, const Rule& rule, const GroupFactors<T>& group, FlatRange range);
    /** First element of which the step would make something NaN or infinite, -1 if there is none; changes nothing. */
    int64_t (*find_failing)(const StepBuffers<T>& buffers, const Rule& rule, const GroupFactors<T>& group,
                            FlatRange range);
};

template <class... Rules> struct StepKernelsOf : StepKernels<Rules>... {};

/** Those of all rules, by their type. */
template <class T>
using AllStepKernels = StepKernelsOf<SgdRule<T, false>, SgdRule<T, true>, AdamRule<T, false>, AdamRule<T, true>,
                                     RmspropRule<T, false, false>, RmspropRule<T, true, false>,
                                     RmspropRule<T, false, true>, RmspropRule<T, true, true>, LionRule<T>>;

template <class T> struct VectorKernels {
    bool (*all_finite)(const T* values, int64_t count);
    /** Largest magnitude of the values of each of up to four buffers; infinity or NaN where there is one. */
    void (*largest_magnitudes)(const T* const* buffers, int buffer_count, FlatRange range, T* largest);
    double (*sum_of_squares)(const T* values, int64_t count);
    void (*scale)(T* values, int64_t count, T factor);
    /** z = x + y; z may be x or y. */
    void (*add)(const T* x, const T* y, T* z, int64_t count);
    /** Adds (predictions - targets)^2; gradients (null: not wanted) = factor * (predictions - targets). */
    void (*squared_error)(const T* predictions, const T* targets, int64_t count, T factor, T* gradients,
                          RunningSums& sums);
    /** Adds what the rows add, row by row. */
    void (*softmax_cross_entropy)(const SoftmaxProblem<T>& problem, int64_t row_begin, int64_t row_end, LossSum& sum);
    /** The same with weights of rows, classes or both. */
    void (*weighted_softmax_cross_entropy)(const SoftmaxProblem<T>& problem, int64_t row_begin, int64_t row_end,
                                           LossSum& sum);
    /** Adds what the elements of the rows add. Squared errors without weights have their own kernel. */
    void (*elementwise_loss)(const ElementwiseProblem<T>& problem, int64_t row_begin, int64_t row_end,
                             RunningSums& sums);
    /** The mean over the steps, summed in double precision from the first to the last. */
    void (*mean_of_steps)(const SampleSteps<T>& x, T* mean);
    /** The largest values and the first steps that have them, each null if not wanted; NaN is larger than numbers. */
    void (*largest_of_steps)(const SampleSteps<T>& x, T* largest, int64_t* first_step);
    /** averages = decay averages + (1 - decay) values, in double precision. */
    void (*average)(T* averages, const T* values, int64_t count, double decay);
    AllStepKernels<T> steps;
};

} // namespace ortho::cpu
