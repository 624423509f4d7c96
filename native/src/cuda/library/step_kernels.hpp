// The epilogue of a step: what follows its matrix products, in one pass over the batch, for any cell whose arithmetic
// model/cells has.
#pragma once

#include "cuda/library/launch.hpp"
#include "model/cells/filter.hpp"

namespace ortho::cuda {

/** A structured filter times alpha: unit i is scale[i] times unit source[i]. Null: the filter is a matrix. */
template <class T> struct ScaledPermutation {
    const int32_t* source; // [N]
    const T* scale;        // [N]
};

/** What a cell's arithmetic takes from the backend. Host-device as the cells are: nvcc warns otherwise. */
struct CudaMath {
    ORTHO_HOST_DEVICE static float tanh(float z) { return ::tanhf(z); }
    ORTHO_HOST_DEVICE static double tanh(double z) { return ::tanh(z); }
};

/**
 * Which samples have a step; the others have ended. How many steps are left of each lies in the GPU's memory, so a
 * captured loop reads those of the call that replays it.
 */
struct StepOfSamples {
    const int32_t* remaining; // [batch]: steps of a segment that each sample has; null: all
    int64_t step;             // of the segment

    __device__ __forceinline__ bool has(int64_t row) const { return remaining == nullptr || step < remaining[row]; }
    __device__ __forceinline__ bool before_has(int64_t row) const {
        return remaining == nullptr || step - 1 < remaining[row];
    }
};

/** One step forward, but for its products: x_k, and what the cell keeps, of what filter and weights make of x_{k-1}. */
template <class Cell, class T> struct ForwardEpilogue {
    Cell cell;
    int64_t batch;
    int64_t units;
    ScaledPermutation<T> permutation;
    const T* filtered; // alpha O x_{k-1}: [batch, N], rows product_stride apart; null: structured
    const T* weighted; // W x_{k-1}, likewise
    int64_t product_stride;
    const T* drive;    // V u: [batch, N]; null: none. May be what is kept.
    const T* bias;     // [N]
    const T* beta;     // [N]
    const T* previous; // x_{k-1}: [batch, N]; read where the filter is structured, and of samples that have ended
    T* next;           // x_k: [batch, N]; not previous where that is read
    T* kept;           // what backward needs of the step, such as phi(z_k): [batch, N]; not of samples that have ended
    StepOfSamples samples;
};

/** Calls body(row, unit) for the elements of a state [batch, N] that a thread of step_shape's grid takes. */
template <class Body> __device__ __forceinline__ void for_each_element(int64_t batch, int64_t units, Body&& body) {
    for (int64_t row = static_cast<int64_t>(blockIdx.y) * blockDim.y + threadIdx.y; row < batch;
         row += static_cast<int64_t>(gridDim.y) * blockDim.y)
        for (int64_t i = flat_index(); i < units; i += flat_stride())
            body(row, i);
}

template <class Cell, class T> __global__ void forward_epilogue_kernel(ForwardEpilogue<Cell, T> step) {
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
        const T drive = step.drive != nullptr ? step.drive[at] : T(0);
        const T driven = step.weighted[product_at] + drive + step.bias[i];
        const auto done = step.cell.template forward<CudaMath>(filtered, driven, step.beta[i]);
        step.kept[at] = done.kept;
        step.next[at] = done.state;
    });
}

/**
 * One step backward, but for its products: g_{k-1}, and from it delta_{k-1}. The gradient of a sample that has ended
 * before step k passes through, and its delta is 0.
 */
template <class Cell, class T> struct BackwardEpilogue {
    Cell cell;
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
    T* previous_delta;     // in: what the step before kept, out: delta_{k-1}: [batch, N]; null: there is no step before
    T* delta_copy;         // delta_{k-1} again, rows gradient_stride apart; null: not wanted
    StepOfSamples samples; // step k
};

template <class Cell, class T> __global__ void backward_epilogue_kernel(BackwardEpilogue<Cell, T> step) {
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
                                ? step.cell.backward(step.previous_delta[at], gradient, step.beta[i])
                                : T(0);
            step.previous_delta[at] = delta;
            if (step.delta_copy != nullptr)
                step.delta_copy[gradient_row + i] = delta;
        }
    });
}

/** Threads over units and rows of the batch. */
inline LaunchShape step_shape(int64_t batch, int64_t units) {
    constexpr int across = 64;
    constexpr int down = 4;
    const int64_t rows = (batch + down - 1) / down;
    return {dim3(static_cast<unsigned>((units + across - 1) / across),
                 static_cast<unsigned>(std::min(rows, most_blocks_across))),
            dim3(across, down), 0, false};
}

} // namespace ortho::cuda
