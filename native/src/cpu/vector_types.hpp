// What the kernels of losses, norms and optimizers work on.
#pragma once

#include <cstdint>

namespace ortho::cpu {

/** Mean cross-entropy of softmax(logits) with smoothed targets. */
template <class T> struct SoftmaxProblem {
    int64_t rows;
    int64_t classes;
    double label_smoothing;
    const T* logits;        // [rows, classes]
    const int32_t* targets; // [rows]
    T* gradients;           // [rows, classes], gradient of the mean; null: not wanted
};

/** What a block of rows adds to the loss. */
struct LossSum {
    double loss;
    int64_t correct;
};

/** One step of stochastic gradient descent. */
template <class T> struct SgdStep {
    T* parameters;
    const T* gradients;
    T* velocity; // null: no momentum
    T momentum;
    bool nesterov;
};

/** One step of Adam. */
template <class T> struct AdamStep {
    T* parameters;
    const T* gradients;
    T* first_moment;
    T* second_moment;
    T beta1;
    T one_minus_beta1;
    T beta2;
    T one_minus_beta2;
    T epsilon;
    /** 1 / sqrt(1 - beta2^step) */
    T second_correction;
};

/** How a range of parameters is stepped. */
template <class T> struct StepRange {
    int64_t begin;
    int64_t end;
    /** SGD: the learning rate; Adam: divided by 1 - beta1^step. */
    T step_size;
    /** Added to the gradient as so many times the parameter. */
    T gradient_decay;
    /** The parameter is multiplied by it first; 1 without decoupled weight decay. */
    T parameter_scale;
};

template <class T> struct VectorKernels {
    bool (*all_finite)(const T* values, int64_t count);
    double (*sum_of_squares)(const T* values, int64_t count);
    void (*scale)(T* values, int64_t count, T factor);
    /** Sum of (predictions - targets)^2; gradients (null: not wanted) = factor * (predictions - targets). */
    double (*squared_error)(const T* predictions, const T* targets, int64_t count, T factor, T* gradients);
    LossSum (*softmax_cross_entropy)(const SoftmaxProblem<T>& problem, int64_t row_begin, int64_t row_end);
    void (*sgd)(const SgdStep<T>& step, const StepRange<T>& range);
    void (*adam)(const AdamStep<T>& step, const StepRange<T>& range);
};

} // namespace ortho::cpu
