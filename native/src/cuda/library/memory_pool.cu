#include "cuda/library/memory_pool.hpp"

#include "core/error.hpp"
#include "core/memory.hpp"

namespace ortho::cuda {
namespace {

/** Of a GPU's memory, the part that a pool keeps when it is not in use; what is beyond goes back at the next wait. */
constexpr uint64_t kept_part = 8;

bool has_pools(int gpu) {
    int supported = 0;
    check(cudaDeviceGetAttribute(&supported, cudaDevAttrMemoryPoolsSupported, gpu), "cudaDeviceGetAttribute");
    return supported != 0;
}

std::shared_ptr<PoolHandle> make_pool(int gpu) {
    cudaMemPoolProps properties{};
    properties.allocType = cudaMemAllocationTypePinned;
    properties.handleTypes = cudaMemHandleTypeNone;
    properties.location.type = cudaMemLocationTypeDevice;
    properties.location.id = gpu;
    cudaMemPool_t made = nullptr;
    check(cudaMemPoolCreate(&made, &properties), "cudaMemPoolCreate");
    auto pool = std::make_shared<PoolHandle>(made);
    size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    uint64_t kept = total / kept_part;
    check(cudaMemPoolSetAttribute(made, cudaMemPoolAttrReleaseThreshold, &kept), "cudaMemPoolSetAttribute");
    return pool;
}

/** The pool of a GPU, for as long as a device has it; null: the GPU has none. */
std::shared_ptr<PoolHandle> shared_pool(int gpu) {
    if (!has_pools(gpu))
        return nullptr;
    static std::mutex mutex;
    static std::vector<std::weak_ptr<PoolHandle>> pools;
    const std::lock_guard<std::mutex> lock(mutex);
    const auto index = static_cast<size_t>(gpu);
    if (pools.size() <= index)
        pools.resize(index + 1);
    std::shared_ptr<PoolHandle> pool = pools[index].lock();
    if (pool == nullptr)
        pools[index] = pool = make_pool(gpu);
    return pool;
}

/** @return whether there was memory. @throws Error if the call failed otherwise */
bool is_allocated(cudaError_t status, const char* call) {
    if (status == cudaErrorMemoryAllocation) {
        static_cast<void>(cudaGetLastError());
        return false;
    }
    check(status, call);
    return true;
}

} // namespace

bool is_captured(cudaStream_t stream) {
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

MemoryPool::MemoryPool(int gpu, cudaStream_t stream, cudaStream_t copies)
    : stream_(stream), copies_(copies), pool_(shared_pool(gpu)), copied_(make_event()) {}

MemoryPool::~MemoryPool() {
    free_postponed();
}

void* MemoryPool::allocate(int64_t bytes, const char* what) {
    const std::lock_guard<std::mutex> lock(mutex_);
    // Memory from the pool would be part of the graph, and other memory would end the capture.
    if (is_captured(stream_))
        fail(ORTHO_INVALID_STATE, "%s needs memory, and the stream is captured; allocate it before the capture", what);
    free_postponed();
    postponed_.reserve(allocated_ + 1);
    void* data = try_allocate(bytes);
    if (data == nullptr && pool_ != nullptr) {
        // What the pool keeps may be in the wrong pieces, or wait for the stream to be free.
        check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
        check(cudaMemPoolTrimTo(pool_->get(), 0), "cudaMemPoolTrimTo");
        data = try_allocate(bytes);
    }
    if (data == nullptr) {
        size_t free = 0, total = 0;
        check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
        fail(ORTHO_OUT_OF_MEMORY, "out of memory: %s of the GPU's memory needed for %s, %s of %s free",
             ByteText(bytes).c_str(), what, ByteText(static_cast<int64_t>(free)).c_str(),
             ByteText(static_cast<int64_t>(total)).c_str());
    }
    ++allocated_;
    return data;
}

void* MemoryPool::try_allocate(int64_t bytes) {
    void* data = nullptr;
    const auto size = static_cast<size_t>(bytes);
    const bool there = pool_ != nullptr ? is_allocated(cudaMallocFromPoolAsync(&data, size, pool_->get(), stream_),
                                                       "cudaMallocFromPoolAsync")
                                        : is_allocated(cudaMalloc(&data, size), "cudaMalloc");
    return there ? data : nullptr;
}

void MemoryPool::free(void* data) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
    if (cudaStreamIsCapturing(stream_, &capture) != cudaSuccess)
        static_cast<void>(cudaGetLastError());
    // Freeing it would be an error, which ends the capture.
    if (capture != cudaStreamCaptureStatusNone) {
        postponed_.push_back(data);
        return;
    }
    free_postponed();
    free_now(data);
}

void MemoryPool::free_postponed() noexcept {
    for (void* const data : postponed_)
        free_now(data);
    postponed_.clear();
}

void MemoryPool::free_now(void* data) noexcept {
    --allocated_;
    if (pool_ == nullptr) {
        static_cast<void>(cudaFree(data));
        return;
    }
    // A batch may be on its way to this memory.
    static_cast<void>(cudaEventRecord(copied_.get(), copies_));
    static_cast<void>(cudaStreamWaitEvent(stream_, copied_.get(), 0));
    static_cast<void>(cudaFreeAsync(data, stream_));
}

int64_t MemoryPool::reusable() const {
    if (pool_ == nullptr)
        return 0;
    uint64_t reserved = 0, used = 0;
    check(cudaMemPoolGetAttribute(pool_->get(), cudaMemPoolAttrReservedMemCurrent, &reserved),
          "cudaMemPoolGetAttribute");
    check(cudaMemPoolGetAttribute(pool_->get(), cudaMemPoolAttrUsedMemCurrent, &used), "cudaMemPoolGetAttribute");
    return reserved > used ? static_cast<int64_t>(reserved - used) : 0;
}

} // namespace ortho::cuda
