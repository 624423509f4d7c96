// All layers of a feedforward chain in one launch, for layers so small that launches would take longer than they do.
#pragma once

#include <cstdint>
#include <optional>

#include "cuda/library/device.hpp"
#include "cuda/library/persistent.hpp"

namespace ortho::cuda {

struct LayersProblem {
    int64_t batch;
    int64_t units;
    bool structured;
    bool filter_per_layer;
};

/** Rows of the batch that a block takes through all layers, by the sizes and the GPU alone; nothing if it is no use. */
std::optional<int> choose_layer_rows(const Device& device, const LayersProblem& problem);

/** Elements from what one layer has to what the next one has; 0: all layers share it. */
struct LayerStrides {
    int64_t permutation;
    int64_t filter;
    int64_t weights;
    int64_t bias;
};

/** A segment forward. The problem names what its first layer has; there are no drives. */
void layers_forward(Device& device, int rows, const PersistentForward& problem, const LayerStrides& strides);

/** A segment backward. The problem names what its first layer has. */
void layers_backward(Device& device, int rows, const PersistentBackward& problem, const LayerStrides& strides);

} // namespace ortho::cuda
