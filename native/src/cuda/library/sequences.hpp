#pragma once

#include "cuda/library/operations.hpp"

namespace ortho::cuda {

/** The same shape with the lengths on the device, in scratch memory. */
inline SequenceShape on_device(Device& device, SequenceShape shape) {
    if (shape.lengths == nullptr)
        return shape;
    refuse_captured_lengths(device, shape.lengths);
    int32_t* const lengths = device.scratch<int32_t>(shape.batch);
    copy_to_device(device, lengths, shape.lengths, shape.batch * static_cast<int64_t>(sizeof *lengths));
    shape.lengths = lengths;
    return shape;
}

__device__ __forceinline__ int64_t length_of(const SequenceShape& shape, int64_t sample) {
    return shape.lengths == nullptr ? shape.steps : shape.lengths[sample];
}

} // namespace ortho::cuda
