// The epilogues of a cell of gates, whose arithmetic model/cells has.
#pragma once

#include "cuda/library/gate_columns.hpp"
#include "cuda/library/step_kernels.hpp"

namespace ortho::cuda {

/** One step forward, but for its products: the state, and what the cell keeps. */
template <class T> struct GateForward {
    int64_t batch;
    int64_t units;
    const T* products; // W h: [batch, G N], in the order of W's vectors in a row of deltas
    const T* drive;    // V u: [batch, G N], rows drive_stride apart; null: none. May be what is kept.
    int64_t drive_stride;
    const T* bias;     // [sums, N]: what the biases add to each sum
    const T* previous; // carried vectors [batch, N], vector_stride apart
    T* next;           // likewise; may be previous
    int64_t vector_stride;
    T* kept; // [batch, kept vectors, N]; null: not wanted. Not of samples that have ended
    StepOfSamples samples;
};

template <class Cell, class T> __global__ void gate_forward_kernel(GateForward<T> step) {
    using Columns = GateColumns<Cell>;
    for_each_element(step.batch, step.units, [&](int64_t row, int64_t i) {
        const int64_t at = row * step.units + i;
        T state[Cell::carried_vectors];
#pragma unroll
        for (int v = 0; v < Cell::carried_vectors; ++v)
            state[v] = step.previous[v * step.vector_stride + at];
        if (!step.samples.has(row)) {
#pragma unroll
            for (int v = 0; v < Cell::carried_vectors; ++v)
                step.next[v * step.vector_stride + at] = state[v];
            return;
        }
        const T* const products = step.products + row * Cell::gates * step.units + i;
        const T* const drive = step.drive != nullptr ? step.drive + row * step.drive_stride + i : nullptr;
        T sum[Cell::sums];
#pragma unroll
        for (int s = 0; s < Cell::sums; ++s) {
            sum[s] = step.bias[s * step.units + i];
            if (unpacked(Columns::weight_gates, s) != packed_none)
                sum[s] += products[unpacked(Columns::of_sums, s) * step.units];
            if (unpacked(Columns::input_gates, s) != packed_none && drive != nullptr)
                sum[s] += drive[unpacked(Columns::input_gates, s) * step.units];
        }
        const auto done = Cell().template forward<CudaMath, T>(sum, state);
#pragma unroll
        for (int v = 0; v < Cell::carried_vectors; ++v)
            step.next[v * step.vector_stride + at] = done.state[v];
        if (step.kept == nullptr)
            return;
        T* const kept = step.kept + row * Cell::kept_vectors * step.units + i;
#pragma unroll
        for (int v = 0; v < Cell::kept_vectors; ++v)
            kept[v * step.units] = done.kept[v];
    });
}

/**
 * One step backward, but for its product: the gradient at the state before step k, and from it the deltas of step
 * k - 1. The gradient of a sample that has ended before step k passes through, and its deltas are 0.
 */
template <class T> struct GateBackward {
    int64_t batch;
    int64_t units;
    const T* product;        // what W and the deltas of step k add to the gradient at h: [batch, N]; null: a segment's
                             // end, where no step is done
    bool starts_from_zero;   // at an end: there is no gradient yet
    const T* arriving;       // gradient that arrives at h from outside: [batch, N]; null: none
    T* gradient;             // in: what step k passes on, or the gradient at an end; out: the same of step k - 1, or
                             // the gradient where there is none. Carried vectors [batch, N], one behind another
    const T* previous_state; // before step k - 1: carried vectors [batch, N], vector_stride apart
    int64_t vector_stride;
    T* previous_deltas;    // in: what step k - 1 kept, out: its deltas: [batch, sums, N]; null: there is no such step
    StepOfSamples samples; // step k
};

template <class Cell, class T> __global__ void gate_backward_kernel(GateBackward<T> step) {
    using Columns = GateColumns<Cell>;
    const int64_t vector = step.batch * step.units;
    for_each_element(step.batch, step.units, [&](int64_t row, int64_t i) {
        const int64_t at = row * step.units + i;
        const bool stepped = step.product != nullptr && step.samples.has(row);
        T gradient[Cell::carried_vectors];
#pragma unroll
        for (int v = 0; v < Cell::carried_vectors; ++v) {
            const bool is_there = stepped ? unpacked(Columns::passes, v) != 0 : !step.starts_from_zero;
            gradient[v] = is_there ? step.gradient[v * vector + at] : T(0);
        }
        if (stepped)
            gradient[0] += step.product[at];
        if (step.arriving != nullptr)
            gradient[0] += step.arriving[at];
        T* const deltas =
            step.previous_deltas != nullptr ? step.previous_deltas + row * Cell::sums * step.units + i : nullptr;
        if (deltas == nullptr || !step.samples.before_has(row)) {
#pragma unroll
            for (int v = 0; v < Cell::carried_vectors; ++v)
                step.gradient[v * vector + at] = gradient[v];
            if (deltas != nullptr) {
#pragma unroll
                for (int s = 0; s < Cell::sums; ++s)
                    deltas[s * step.units] = T(0);
            }
            return;
        }
        T kept[Cell::kept_vectors], state[Cell::carried_vectors];
#pragma unroll
        for (int v = 0; v < Cell::kept_vectors; ++v)
            kept[v] = deltas[v * step.units];
#pragma unroll
        for (int v = 0; v < Cell::carried_vectors; ++v)
            state[v] = step.previous_state[v * step.vector_stride + at];
        const auto done = Cell().template backward<CudaMath, T>(kept, state, gradient);
#pragma unroll
        for (int s = 0; s < Cell::sums; ++s)
            deltas[unpacked(Columns::of_sums, s) * step.units] = done.delta[s];
#pragma unroll
        for (int v = 0; v < Cell::carried_vectors; ++v)
            if (unpacked(Columns::passes, v) != 0)
                step.gradient[v * vector + at] = done.passed[v];
    });
}

/** What the biases [1 or 2, G, N] add to each sum: [sums, N]. */
template <class Cell, class T> __global__ void sum_biases_kernel(int64_t units, bool second, const T* bias, T* sums) {
    using Columns = GateColumns<Cell>;
    for (int64_t i = flat_index(); i < units; i += flat_stride()) {
#pragma unroll
        for (int s = 0; s < Cell::sums; ++s) {
            T sum = 0;
            if (unpacked(Columns::input_gates, s) != packed_none)
                sum += bias[unpacked(Columns::input_gates, s) * units + i];
            if (second && unpacked(Columns::weight_gates, s) != packed_none)
                sum += bias[(Cell::gates + unpacked(Columns::weight_gates, s)) * units + i];
            sums[s * units + i] = sum;
        }
    }
}

} // namespace ortho::cuda
