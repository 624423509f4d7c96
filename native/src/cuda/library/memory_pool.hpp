// Where the memory of a GPU comes from.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "cuda/library/handles.hpp"

namespace ortho::cuda {

/**
 * Memory of one device. Where the GPU has memory pools, what is freed is used again in the order of the device's
 * stream, and neither allocating nor freeing waits for the GPU. Devices of one GPU share a pool. Elsewhere, cudaMalloc
 * and cudaFree, which may wait for all of the GPU's work.
 *
 * Whoever frees memory must know that work on streams other than the device's and its copies' has ended.
 *
 * All members may be called from several threads.
 */
class MemoryPool {
public:
    /** @param stream  on which the memory is used, and on `copies` too; both must outlive the pool */
    MemoryPool(int gpu, cudaStream_t stream, cudaStream_t copies);
    ~MemoryPool();
    MemoryPool(const MemoryPool&) = delete;
    MemoryPool& operator=(const MemoryPool&) = delete;

    /**
     * @param bytes  at least 1
     * @param what   named in the error
     * @throws Error ORTHO_OUT_OF_MEMORY with the bytes asked for and the bytes free;
     *         ORTHO_INVALID_STATE if the stream is captured
     */
    void* allocate(int64_t bytes, const char* what);

    /** Frees what allocate returned: later, if the stream is captured. */
    void free(void* data) noexcept;

    /** Bytes that the pool keeps, and that its next allocations take. */
    int64_t reusable() const;

    cudaStream_t stream() const noexcept { return stream_; }

private:
    void* try_allocate(int64_t bytes);
    void free_now(void* data) noexcept;
    void free_postponed() noexcept;

    const cudaStream_t stream_;
    const cudaStream_t copies_;
    /** Shared by the devices of a GPU; null: the GPU has none. */
    const std::shared_ptr<PoolHandle> pool_;
    const Event copied_;
    mutable std::mutex mutex_;
    std::vector<void*> postponed_; // has room for all that is allocated
    size_t allocated_ = 0;
};

/** Whether the owner of a stream is capturing it: what is given to it then runs later, as often as they like. */
bool is_captured(cudaStream_t stream);

} // namespace ortho::cuda
