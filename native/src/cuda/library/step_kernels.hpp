// What the epilogues of all cells share: what follows the matrix products of a step, in one pass over the batch. The
// filter cell has its own in filter_kernels.hpp, cells of gates in gate_kernels.hpp; the arithmetic is in model/cells.
#pragma once

#include "core/host_device.hpp"
#include "cuda/library/launch.hpp"
#include "cuda/library/math.hpp"

namespace ortho::cuda {

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

/** Calls body(row, unit) for the elements of a state [batch, N] that a thread of step_shape's grid takes. */
template <class Body> __device__ __forceinline__ void for_each_element(int64_t batch, int64_t units, Body&& body) {
    for (int64_t row = static_cast<int64_t>(blockIdx.y) * blockDim.y + threadIdx.y; row < batch;
         row += static_cast<int64_t>(gridDim.y) * blockDim.y)
        for (int64_t i = flat_index(); i < units; i += flat_stride())
            body(row, i);
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
