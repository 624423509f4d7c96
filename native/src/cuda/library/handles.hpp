// Owners of handles that CUDA and cuBLAS return.
#pragma once

#include <utility>

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
using PoolHandle = Owned<cudaMemPool_t, cudaMemPoolDestroy>;
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

} // namespace ortho::cuda
