// An emulation of what the library uses of the CUDA runtime, for tests on machines without a GPU: kernels run as plain
// C++, a fiber for each thread. It is strict where a GPU is forgiving:
//  - work that was given to a stream is done only when something waits for it, so a missing wait is seen;
//  - the host cannot touch device memory: outside of kernels and copies its pages are locked;
//  - memory is full of 0xff until it is written, and what lies behind a buffer is watched;
//  - memory of a pool can be touched from where the stream allocates it to where it frees it, and never again after
//  that;
//  - blocks, and the threads of a block, run in a scrambled order.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

enum cudaError {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInvalidConfiguration = 9,
    cudaErrorInsufficientDriver = 35,
    cudaErrorNoDevice = 100,
    cudaErrorInvalidDeviceFunction = 98,
    cudaErrorInvalidDevice = 101,
    cudaErrorInvalidKernelImage = 200,
    cudaErrorNoKernelImageForDevice = 209,
    cudaErrorInvalidPtx = 218,
    cudaErrorJitCompilerNotFound = 221,
    cudaErrorUnsupportedPtxVersion = 222,
    cudaErrorJitCompilationDisabled = 223,
    cudaErrorInvalidResourceHandle = 400,
    cudaErrorNotReady = 600,
    cudaErrorLaunchOutOfResources = 701,
    cudaErrorLaunchFailure = 719,
    cudaErrorCooperativeLaunchTooLarge = 720,
    cudaErrorNotSupported = 801,
    cudaErrorStreamCaptureUnsupported = 900,
    cudaErrorStreamCaptureInvalidated = 901,
    cudaErrorStreamCaptureImplicit = 906
};
using cudaError_t = cudaError;

struct dim3 {
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
    unsigned x, y, z;
};
struct uint3 {
    unsigned x, y, z;
};
struct alignas(16) float4 {
    float x, y, z, w;
};

namespace ortho_cuda_emulator {
struct StreamObject;
struct EventObject;
struct GraphObject;
struct PoolObject;
} // namespace ortho_cuda_emulator
using cudaStream_t = ortho_cuda_emulator::StreamObject*;
using cudaEvent_t = ortho_cuda_emulator::EventObject*;
using cudaGraph_t = ortho_cuda_emulator::GraphObject*;
using cudaGraphExec_t = ortho_cuda_emulator::GraphObject*;
using cudaMemPool_t = ortho_cuda_emulator::PoolObject*;

enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
enum cudaMemoryType {
    cudaMemoryTypeUnregistered = 0,
    cudaMemoryTypeHost = 1,
    cudaMemoryTypeDevice = 2,
    cudaMemoryTypeManaged = 3
};
enum cudaStreamCaptureMode { cudaStreamCaptureModeGlobal = 0, cudaStreamCaptureModeThreadLocal = 1 };
enum cudaStreamCaptureStatus { cudaStreamCaptureStatusNone = 0, cudaStreamCaptureStatusActive = 1 };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum cudaDeviceAttr { cudaDevAttrMemoryPoolsSupported = 115 };
enum cudaMemAllocationType { cudaMemAllocationTypeInvalid = 0, cudaMemAllocationTypePinned = 1 };
enum cudaMemAllocationHandleType { cudaMemHandleTypeNone = 0 };
enum cudaMemLocationType { cudaMemLocationTypeInvalid = 0, cudaMemLocationTypeDevice = 1 };
enum cudaMemPoolAttr {
    cudaMemPoolAttrReleaseThreshold = 4,
    cudaMemPoolAttrReservedMemCurrent = 5,
    cudaMemPoolAttrUsedMemCurrent = 7
};
constexpr unsigned cudaStreamNonBlocking = 1;
constexpr unsigned cudaEventDisableTiming = 2;

struct cudaPointerAttributes {
    cudaMemoryType type;
    int device;
    void* devicePointer;
    void* hostPointer;
};

struct cudaMemLocation {
    cudaMemLocationType type;
    int id;
};

struct cudaMemPoolProps {
    cudaMemAllocationType allocType;
    cudaMemAllocationHandleType handleTypes;
    cudaMemLocation location;
};

struct cudaDeviceProp {
    char name[256];
    size_t totalGlobalMem;
    size_t sharedMemPerBlockOptin;
    int major;
    int minor;
    int multiProcessorCount;
    int cooperativeLaunch;
    int pageableMemoryAccessUsesHostPageTables;
};

const char* cudaGetErrorName(cudaError_t error);
const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();

cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaDeviceSynchronize();
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaRuntimeGetVersion(int* version);

cudaError_t cudaMalloc(void** data, size_t bytes);
cudaError_t cudaFree(void* data);
cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps* properties);
cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool);
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value);
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value);
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t bytes);
cudaError_t cudaMallocFromPoolAsync(void** data, size_t bytes, cudaMemPool_t pool, cudaStream_t stream);
cudaError_t cudaFreeAsync(void* data, cudaStream_t stream);
cudaError_t cudaMallocHost(void** data, size_t bytes);
cudaError_t cudaFreeHost(void* data);
cudaError_t cudaMemGetInfo(size_t* free, size_t* total);
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* data);

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventDestroy(cudaEvent_t event);

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                              size_t height, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* data, int value, size_t bytes, cudaStream_t stream);

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);

// What a kernel sees of its place; set for the fiber that runs.
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

void __syncthreads();

namespace ortho_cuda_emulator {

// For kernels.

/** The running block's dynamic shared memory. */
void* shared_memory();
/** Lets other threads run while this one waits for memory to change. */
void yield();
/**
 * Now and then lets all others come as far as they can without this thread: where memory is read or written that other
 * blocks use meanwhile.
 */
void interleave();
/** Gives a lane's 8 bytes to its warp and takes those of another one. */
uint64_t exchange(unsigned mask, uint64_t value, unsigned from_lane);

/** What a launch runs: one thread of one block. */
struct Launch {
    std::function<void()> thread;
    dim3 grid;
    dim3 block;
    size_t shared;
    bool cooperative;
};
cudaError_t enqueue(const void* kernel, Launch launch, cudaStream_t stream);
cudaError_t set_shared_limit(const void* kernel, int bytes);
/** How many blocks of a kernel a multiprocessor runs at once. */
cudaError_t resident_blocks(int* blocks, const void* kernel, int threads, size_t shared);

/** Gives kernel(arguments...) to a stream. */
template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared, cudaStream_t stream,
                   bool cooperative, Arguments&&... arguments) {
    std::tuple<std::remove_const_t<Parameters>...> values(std::forward<Arguments>(arguments)...);
    return enqueue(reinterpret_cast<const void*>(kernel),
                   {[kernel, values] { std::apply(kernel, values); }, grid, block, shared, cooperative}, stream);
}

// For tests. The library exports the same as ortho_cuda_emulator_* functions of C.

struct Counters {
    int64_t launches;
    int64_t graph_launches;
    int64_t products;
    /** Allocations, streams, events, graphs and handles that were not given back. */
    int64_t live_objects;
    /** Memory of the GPU that is allocated, or kept by a pool. */
    int64_t device_bytes;
    /** Captures that were begun. */
    int64_t captures;
    /** Nodes of all graphs that can be launched. */
    int64_t graph_nodes;
    /** Calls that wait for all of the GPU's work, or may do so: cudaMalloc, cudaFree, a pool that grows or shrinks. */
    int64_t device_waits;
};
Counters counters();
void set_device_count(int count);
void set_multiprocessors(int count);
/** Empties the pools and limits the GPU's memory: so much more than is allocated; 0: as at first. */
void set_memory_left(int64_t bytes);
/** Whether the GPU has memory pools. */
void set_memory_pools(bool supported);
/** Whether a multiprocessor has room for a block whose neighbours wait for it. */
void set_room_for_blocks(bool room);
/** Whether launches of blocks that wait for each other can be captured. */
void set_cooperative_capture(bool possible);
/** Whether the GPU reads pageable memory of the host itself, when its turn comes. */
void set_host_page_tables(bool used);
/** The call of that name after `skip` others fails with this status, once. */
void fail_next(const char* function, int status, int skip);
/** @return how many calls were still to fail, which now they are not */
int forget_failures();

} // namespace ortho_cuda_emulator

struct cudaFuncAttributes {};
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel);

template <class... Parameters>
cudaError_t cudaFuncSetAttribute(void (*kernel)(Parameters...), cudaFuncAttribute, int value) {
    return ortho_cuda_emulator::set_shared_limit(reinterpret_cast<const void*>(kernel), value);
}

template <class... Parameters>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void (*kernel)(Parameters...), int threads,
                                                          size_t shared) {
    return ortho_cuda_emulator::resident_blocks(blocks, reinterpret_cast<const void*>(kernel), threads, shared);
}

template <class T> T __shfl_xor_sync(unsigned mask, T value, int distance) {
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    const unsigned lane = (threadIdx.x + threadIdx.y * blockDim.x) % 32;
    bits = ortho_cuda_emulator::exchange(mask, bits, lane ^ static_cast<unsigned>(distance));
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

inline unsigned __float_as_uint(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}
inline float __uint_as_float(unsigned bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// Fibers change places in known spots only, so that plain operations are atomic.
template <class T> T atomicMax(T* address, T value) {
    const T old = *address;
    *address = old > value ? old : value;
    return old;
}
