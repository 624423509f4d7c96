// What a training step does besides the chain: copies, fills, noise, dense layers, losses, clipping, optimizers.
#pragma once

#include <type_traits>

#include "core/dtype.hpp"
#include "cuda/library/device.hpp"
#include "cuda/library/memory_pool.hpp"
#include "model/operations.hpp"

namespace ortho::cuda {

/** @throws Error ORTHO_INVALID_STATE if an array of the host's memory is given during a caller's capture */
inline void refuse_captured(const Device& device, const char* name, const void* array) {
    if (array != nullptr && is_captured(device.stream))
        fail(ORTHO_INVALID_STATE, Argument{name},
             "is given while the stream is captured; a replay would not read the host's memory again");
}

inline void refuse_captured_lengths(const Device& device, const int32_t* lengths) {
    refuse_captured(device, "lengths", lengths);
}

// What the operations do on a GPU.
#define ORTHO_DECLARE_RUN(Operation) void run(Device& device, const Operation& call);
ORTHO_OPERATIONS(ORTHO_DECLARE_RUN)
#undef ORTHO_DECLARE_RUN

/** float or double: what dispatch() passes a null pointer of. */
template <class Pointer> using Pointee = std::remove_pointer_t<Pointer>;

/** @throws Error ORTHO_NOT_SUPPORTED if the library has no code for the thread's current GPU */
void require_code(const cudaDeviceProp& gpu);

/** Reports the first value that is NaN or infinite. */
template <class T> void check_finite(Device& device, Checked checked, int64_t count, const T* values);

/** Sequences of a batch: [steps, batch, columns]. */
struct SequencesShape {
    int64_t steps;
    int64_t batch;
    int64_t columns;
    const int32_t* lengths; // [batch], on the device
};

/** The same where values lie within the lengths of sequences; others are not read. */
template <class T> void check_finite(Device& device, Checked checked, const SequencesShape& shape, const T* values);

} // namespace ortho::cuda
