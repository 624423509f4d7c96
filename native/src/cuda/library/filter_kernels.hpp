// The epilogues of the filter cell, whose arithmetic model/cells has.
#pragma once

#include "cuda/library/step_kernels.hpp"
#include "model/cells/filter.hpp"

namespace ortho::cuda {

/** A structured filter times alpha: unit i is scale[i] times unit source[i]. Null: the filter is a matrix. */
template <class T> struct ScaledPermutation {
    const int32_t* source; // [N]
    const T* scale;        // [N]
};

/** One step forward, but for its products: x_k and phi(z_k), of what filter and weights make of x_{k-1}. */
template <class T> struct FilterForward {
    FilterCell cell;
    int64_t batch;
    int64_t units;
    ScaledPermutation<T> permutation;
    const T* filtered; // alpha O x_{k-1}: [batch, N], rows product_stride apart; null: structured
    const T* weighted; // W x_{k-1}, likewise
    int64_t product_stride;
    const T* drive; // V u: [batch, N], rows drive_stride apart; null: none. May be what is kept.
    int64_t drive_stride;
    const T* bias;     // [N]
    const T* beta;     // [N]
    const T* previous; // x_{k-1}: [batch, N]; read where the filter is structured, and of samples that have ended
    T* next;           // x_k: [batch, N]; not previous where that is read
    T* kept;           // phi(z_k), for backward: [batch, N]; null: not wanted. Not of samples that have ended
    StepOfSamples samples;
};

template <class T> __global__ void filter_forward_kernel(FilterForward<T> step) {
    for_each_element(step.batch, step.units, [&](int64_t row, int64_t i) {
        const int64_t at = row * step.units + i;
        if (!step.samples.has(row)) {
            step.next[at] = step.previous[at];
            return;
        }
        const int64_t product_at = row * step.product_stride + i;
        const T filtered =
            step.permutation.source != nullptr
                ? step.permutation.scale[i] * step.previous[row * step.units + step.permutation.source[i]]
                : step.filtered[product_at];
        const T drive = step.drive != nullptr ? step.drive[row * step.drive_stride + i] : T(0);
        const T driven = step.weighted[product_at] + drive + step.bias[i];
        const auto done = step.cell.template forward<CudaMath>(filtered, driven, step.beta[i]);
        if (step.kept != nullptr)
            step.kept[at] = done.kept;
        step.next[at] = done.state;
    });
}

/**
 * One step backward, but for its products: g_{k-1}, and from it delta_{k-1}. The gradient of a sample that has ended
 * before step k passes through, and its delta is 0.
 */
template <class T> struct FilterBackward {
    FilterCell cell;
    int64_t batch;
    int64_t units;
    ScaledPermutation<T> permutation; // of alpha O^T
    const T* product;     // what the products with g_k and delta_k add to g_{k-1}: [batch, N]; null: a segment's end,
                          // where no step is done and g_{k-1} is g_k
    const T* gradient;    // g_k: [batch, N], rows gradient_stride apart; read if the filter is structured, and where
                          // no step is done. Null, at an end: 0
    const T* arriving;    // gradient that arrives at x_{k-1} from outside: [batch, N]; null: none
    const T* beta;        // [N]
    T* previous_gradient; // g_{k-1}: rows gradient_stride apart; may be gradient if the filter is a matrix
    int64_t gradient_stride;
    T* previous_delta;     // in: phi(z_{k-1}), out: delta_{k-1}: [batch, N]; null: there is no step before
    T* delta_copy;         // delta_{k-1} again, rows gradient_stride apart; null: not wanted
    StepOfSamples samples; // step k
};

template <class T> __global__ void filter_backward_kernel(FilterBackward<T> step) {
    for_each_element(step.batch, step.units, [&](int64_t row, int64_t i) {
        const int64_t at = row * step.units + i;
        const int64_t gradient_row = row * step.gradient_stride;
        T gradient = 0;
        if (step.product != nullptr && step.samples.has(row)) {
            gradient = step.product[at];
            if (step.permutation.source != nullptr)
                gradient += step.permutation.scale[i] * step.gradient[gradient_row + step.permutation.source[i]];
        } else if (step.gradient != nullptr) {
            gradient = step.gradient[gradient_row + i];
        }
        if (step.arriving != nullptr)
            gradient += step.arriving[at];
        step.previous_gradient[gradient_row + i] = gradient;
        if (step.previous_delta != nullptr) {
            const T delta = step.samples.before_has(row)
                                ? step.cell.template backward<CudaMath>(step.previous_delta[at], gradient, step.beta[i])
                                : T(0);
            step.previous_delta[at] = delta;
            if (step.delta_copy != nullptr)
                step.delta_copy[gradient_row + i] = delta;
        }
    });
}

} // namespace ortho::cuda
