// How kernels are launched and get shared memory: the two things that CUDA has syntax of its own for, so that
// everything else is plain C++ and also compiles against the emulator of the tests.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include "cuda/library/status.hpp"

namespace ortho::cuda {

struct LaunchShape {
    dim3 grid;
    dim3 block;
    /** Bytes of shared memory of a block. */
    size_t shared = 0;
    /** All blocks run at once, so that they can wait for each other. */
    bool cooperative = false;
};

/** Threads of a block where nothing speaks for another number. */
constexpr int block_threads = 256;
constexpr int warp_size = 32;
/** Blocks of a grid in its second and its third dimension. */
constexpr int64_t most_blocks_across = 65535;
/** The lanes of a warp that take part in an exchange: all of them. */
constexpr unsigned whole_warp = 0xffffffffu;

/** Blocks for a loop over `count` elements in strides of the whole grid. */
inline LaunchShape flat_shape(int64_t count) {
    constexpr int64_t most_blocks = 4096;
    const int64_t blocks = std::clamp<int64_t>((count + block_threads - 1) / block_threads, 1, most_blocks);
    return {dim3(static_cast<unsigned>(blocks)), dim3(block_threads), 0, false};
}

/** The block's shared memory. All of it is dynamic; a kernel divides it up itself. */
template <class T> __device__ __forceinline__ T* shared_memory() {
#if defined(ORTHO_CUDA_EMULATOR)
    return static_cast<T*>(ortho_cuda_emulator::shared_memory());
#else
    extern __shared__ __align__(16) unsigned char dynamic_shared_memory[];
    return reinterpret_cast<T*>(dynamic_shared_memory);
#endif
}

/** How often memory that others change is read before pause(): in the emulator they only run meanwhile. */
#if defined(ORTHO_CUDA_EMULATOR)
constexpr int eager_polls = 0;
#else
constexpr int eager_polls = 32;
#endif

/** Lets the other threads run while this one waits for memory to change. */
__device__ __forceinline__ void pause() {
#if defined(ORTHO_CUDA_EMULATOR)
    ortho_cuda_emulator::yield();
#elif __CUDA_ARCH__ >= 700
    __nanosleep(20);
#endif
}

/** Launches kernel(arguments...). */
template <class... Parameters, class... Arguments>
cudaError_t try_launch(void (*kernel)(Parameters...), const LaunchShape& shape, cudaStream_t stream,
                       Arguments&&... arguments) {
#if defined(ORTHO_CUDA_EMULATOR)
    return ortho_cuda_emulator::launch(kernel, shape.grid, shape.block, shape.shared, stream, shape.cooperative,
                                       std::forward<Arguments>(arguments)...);
#else
    std::tuple<std::remove_const_t<Parameters>...> values(std::forward<Arguments>(arguments)...);
    return std::apply(
        [&](auto&... value) {
            void* addresses[] = {&value...};
            const auto* function = reinterpret_cast<const void*>(kernel);
            return shape.cooperative
                       ? cudaLaunchCooperativeKernel(function, shape.grid, shape.block, addresses, shape.shared, stream)
                       : cudaLaunchKernel(function, shape.grid, shape.block, addresses, shape.shared, stream);
        },
        values);
#endif
}

/** Launches kernel(arguments...). @throws Error, naming the kernel */
template <class... Parameters, class... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), const LaunchShape& shape, cudaStream_t stream,
            Arguments&&... arguments) {
    check(try_launch(kernel, shape, stream, std::forward<Arguments>(arguments)...), name);
}

/** Index of the thread in the grid, and the number of threads of the grid: for loops over flat buffers. */
__device__ __forceinline__ int64_t flat_index() {
    return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ int64_t flat_stride() {
    return static_cast<int64_t>(gridDim.x) * blockDim.x;
}

} // namespace ortho::cuda
