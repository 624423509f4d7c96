// Owners of what CUDA and cuBLAS hand out.
#pragma once

#include <cinttypes>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/memory.hpp"
#include "cuda/library/status.hpp"

namespace ortho::cuda {

/** Owner of a handle that `Release` gives back. */
template <class Handle, auto Release> class Owned {
public:
    Owned() noexcept = default;
    explicit Owned(Handle handle) noexcept : handle_(handle) {}
    Owned(Owned&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Owned& operator=(Owned&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Owned() {
        if (handle_ != nullptr)
            static_cast<void>(Release(handle_));
    }

    Handle get() const noexcept { return handle_; }
    /** Gives the handle up without giving it back. */
    Handle release() noexcept { return std::exchange(handle_, nullptr); }

private:
    Handle handle_ = nullptr;
};

using Stream = Owned<cudaStream_t, cudaStreamDestroy>;
using Event = Owned<cudaEvent_t, cudaEventDestroy>;
using Graph = Owned<cudaGraph_t, cudaGraphDestroy>;
using GraphExec = Owned<cudaGraphExec_t, cudaGraphExecDestroy>;
using BlasHandle = Owned<cublasHandle_t, cublasDestroy>;

inline Stream make_stream() {
    cudaStream_t stream = nullptr;
    // Without the implicit order of the default stream, in which other code's work would hold up ours.
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    return Stream(stream);
}

inline Event make_event() {
    cudaEvent_t event = nullptr;
    check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    return Event(event);
}

/** Memory of the GPU; not cleared. */
class DeviceMemory {
public:
    DeviceMemory() noexcept = default;

    /**
     * @param bytes  0 owns nothing
     * @param what   named in the error
     * @throws Error ORTHO_OUT_OF_MEMORY with the bytes asked for and the bytes free
     */
    DeviceMemory(int64_t bytes, const char* what) {
        if (bytes == 0)
            return;
        void* data = nullptr;
        const cudaError_t status = cudaMalloc(&data, static_cast<size_t>(bytes));
        if (status == cudaErrorMemoryAllocation) {
            static_cast<void>(cudaGetLastError());
            size_t free = 0, total = 0;
            check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
            fail(ORTHO_OUT_OF_MEMORY, "out of memory: %s of the GPU's memory needed for %s, %s of %s free",
                 ByteText(bytes).c_str(), what, ByteText(static_cast<int64_t>(free)).c_str(),
                 ByteText(static_cast<int64_t>(total)).c_str());
        }
        check(status, "cudaMalloc");
        data_ = Owned<void*, cudaFree>(data);
        bytes_ = bytes;
    }

    void* data() const noexcept { return data_.get(); }
    template <class T> T* as() const noexcept { return static_cast<T*>(data_.get()); }
    int64_t bytes() const noexcept { return bytes_; }
    /** Gives the memory up without freeing it. */
    void* release() noexcept {
        bytes_ = 0;
        return data_.release();
    }

private:
    Owned<void*, cudaFree> data_;
    int64_t bytes_ = 0;
};

/** Whether the owner of a stream is capturing it: what is given to it then runs later, as often as they like. */
inline bool is_captured(cudaStream_t stream) {
    cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
    const cudaError_t status = cudaStreamIsCapturing(stream, &capture);
    // Asked about the default stream while another one is captured.
    if (status == cudaErrorStreamCaptureImplicit) {
        static_cast<void>(cudaGetLastError());
        return false;
    }
    check(status, "cudaStreamIsCapturing");
    return capture != cudaStreamCaptureStatusNone;
}

/** Memory of the GPU that grows to what calls need. What a caller captured uses it later too, so that is kept. */
class WorkMemory {
public:
    /**
     * To be called before work that uses the memory is given to the stream. What it held is lost where it grows.
     * @throws Error ORTHO_INVALID_STATE if it would have to grow while the stream is captured
     */
    void reserve(cudaStream_t stream, int64_t bytes, const char* what) {
        DeviceMemory grown = beyond(stream, bytes, what, false);
        use(stream, std::move(grown));
    }

    /**
     * The first half of reserve: what can fail.
     * @param keep  what is there stays as it is; otherwise it may go first, so that both need not fit at once
     * @return memory that takes the place of what is there; none where that is enough
     */
    DeviceMemory beyond(cudaStream_t stream, int64_t bytes, const char* what, bool keep) {
        if (bytes <= memory_.bytes())
            return DeviceMemory();
        if (is_captured(stream))
            fail(ORTHO_INVALID_STATE,
                 "%s cannot take memory while the stream is captured; make the same call once before", what);
        kept_.reserve(kept_.size() + 1);
        if (!keep && !captured_)
            memory_ = DeviceMemory();
        return DeviceMemory(bytes, what);
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
