// All steps of a recurrent chain in one launch, or two, for shapes whose weights fit into the GPU's shared memory.
#pragma once

#include <cstdint>
#include <optional>

#include "cuda/library/device.hpp"
#include "cuda/library/filter_kernels.hpp"

namespace ortho::cuda {

struct PersistentProblem {
    int64_t batch;
    int64_t units;
    bool structured;
};

/** Who computes what: a block owns some units of some rows of the batch for all steps. */
struct PersistentShape {
    int rows;
    int units;
    /** Of a launch. Where they have fewer rows than the batch, the rest of the batch has another launch. */
    int row_blocks;
    int unit_blocks;
};

/** The shape for a problem, by its sizes and the GPU's alone; nothing if it does not fit. */
std::optional<PersistentShape> choose_persistent_shape(const Device& device, const PersistentProblem& problem);

/** A segment forward: states[step + 1] and activations[step] of states[step], for all of its steps. */
struct PersistentForward {
    FilterCell cell;
    int64_t batch;
    int64_t units;
    int64_t steps;
    ScaledPermutation<float> permutation;
    const float* filter;  // alpha O: [N, N]; null: structured
    const float* weights; // W: [N, N]
    const float* drive;   // V u: [steps, batch, N]; null: none. May be the activations.
    const float* bias;    // [N]
    const float* beta;    // [N]
    float* states;        // [steps + 1, batch, N]
    float* activations;   // [steps, batch, N]
};

/** @return false if CUDA refuses to run its blocks at once; only states behind the first were overwritten then */
bool persistent_forward(Device& device, const PersistentShape& shape, const PersistentForward& problem);

/** A gradient and the number of the exchange between blocks that it is part of. */
struct __align__(8) NumberedGradient {
    float value;
    unsigned number;
};

/** A segment backward: deltas take the place of activations, and g_k of the segment's end becomes that of its start. */
struct PersistentBackward {
    FilterCell cell;
    int64_t batch;
    int64_t units;
    int64_t steps;
    ScaledPermutation<float> permutation; // of alpha O^T
    const float* filter;                  // alpha O: [N, N]; null: structured
    const float* weights;                 // W: [N, N]
    const float* beta;                    // [N]
    float* activations;                   // [steps, batch, N]
    bool started;                         // gradient holds what arrives at the last state, but for arriving_at_end
    const float* arriving_at_end; // gradient that arrives at the last state from outside: [batch, N]; null: none
    const float* arriving;        // gradients that arrive from outside: [.., batch, N]; null: none
    int64_t arriving_offset;      // that at the state before step k is number k + arriving_offset, if not negative
    float* gradient;              // g: [batch, N], rows gradient_stride apart
    int64_t gradient_stride;
    NumberedGradient* exchange[2]; // [batch, N]: room that blocks which wait for each other use
};

/** @return false if CUDA refuses to run its blocks at once; only the exchange was overwritten then */
bool persistent_backward(Device& device, const PersistentShape& shape, const PersistentBackward& problem);

} // namespace ortho::cuda
