// Owners of the GPU's memory and of page-locked memory.
#pragma once

#include <cinttypes>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/memory.hpp"
#include "cuda/library/memory_pool.hpp"

namespace ortho::cuda {

/** Memory of the GPU; not cleared. */
class DeviceMemory {
public:
    DeviceMemory() noexcept = default;

    /**
     * @param pool   must outlive the memory
     * @param bytes  0 owns nothing
     * @param what   named in the error
     * @throws Error as MemoryPool::allocate
     */
    DeviceMemory(MemoryPool& pool, int64_t bytes, const char* what) : pool_(&pool) {
        if (bytes > 0)
            data_ = pool.allocate(bytes, what);
        bytes_ = bytes;
    }
    DeviceMemory(DeviceMemory&& other) noexcept
        : pool_(other.pool_), data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    DeviceMemory& operator=(DeviceMemory&& other) noexcept {
        std::swap(pool_, other.pool_);
        std::swap(data_, other.data_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~DeviceMemory() {
        if (data_ != nullptr)
            pool_->free(data_);
    }

    void* data() const noexcept { return data_; }
    template <class T> T* as() const noexcept { return static_cast<T*>(data_); }
    int64_t bytes() const noexcept { return bytes_; }
    /** Gives the memory up without freeing it. */
    void* release() noexcept {
        bytes_ = 0;
        return std::exchange(data_, nullptr);
    }

private:
    MemoryPool* pool_ = nullptr;
    void* data_ = nullptr;
    int64_t bytes_ = 0;
};

/** Memory of the GPU that grows to what calls need. What a caller captured uses it later too, so that is kept. */
class WorkMemory {
public:
    /**
     * To be called before work that uses the memory is given to the stream. What it held is lost where it grows.
     * @throws Error ORTHO_INVALID_STATE if it would have to grow while the stream is captured
     */
    void reserve(MemoryPool& pool, int64_t bytes, const char* what) {
        DeviceMemory grown = beyond(pool, bytes, what, false);
        use(pool.stream(), std::move(grown));
    }

    /**
     * The first half of reserve: what can fail.
     * @param keep  what is there stays as it is; otherwise it may go first, so that both need not fit at once
     * @return memory that takes the place of what is there; none where that is enough
     */
    DeviceMemory beyond(MemoryPool& pool, int64_t bytes, const char* what, bool keep) {
        if (bytes <= memory_.bytes())
            return DeviceMemory();
        if (is_captured(pool.stream()))
            fail(ORTHO_INVALID_STATE,
                 "%s needs memory, and the stream is captured; make the same call once before the capture", what);
        kept_.reserve(kept_.size() + 1);
        if (!keep && !captured_)
            memory_ = DeviceMemory();
        return DeviceMemory(pool, bytes, what);
    }

    /** The second half of reserve. */
    void use(cudaStream_t stream, DeviceMemory grown) {
        if (grown.bytes() == 0) {
            captured_ = captured_ || is_captured(stream);
            return;
        }
        std::swap(memory_, grown);
        if (std::exchange(captured_, false))
            kept_.push_back(std::move(grown)); // for which there is room
    }

    template <class T> T* as() const noexcept { return memory_.as<T>(); }
    int64_t bytes() const noexcept { return memory_.bytes(); }

private:
    DeviceMemory memory_;
    std::vector<DeviceMemory> kept_;
    bool captured_ = false;
};

/** Page-locked memory of the host. */
class PinnedMemory {
public:
    explicit PinnedMemory(int64_t bytes) {
        // The system may end the process instead of refusing what it does not have.
        require_available(bytes, "page-locked memory");
        void* data = nullptr;
        const cudaError_t status = cudaMallocHost(&data, static_cast<size_t>(bytes));
        if (status == cudaErrorMemoryAllocation) {
            static_cast<void>(cudaGetLastError());
            fail(ORTHO_OUT_OF_MEMORY, "out of memory: %s needed for page-locked memory, %s free",
                 ByteText(bytes).c_str(), ByteText(available_memory()).c_str());
        }
        check(status, "cudaMallocHost");
        data_ = Owned<void*, cudaFreeHost>(data);
    }

    void* data() const noexcept { return data_.get(); }
    template <class T> T* as() const noexcept { return static_cast<T*>(data_.get()); }

private:
    Owned<void*, cudaFreeHost> data_;
};

} // namespace ortho::cuda
