// Sums over buffers, cut by their size alone and added in a fixed order: the same bits from run to run.
#pragma once

#include "cuda/library/device.hpp"
#include "cuda/library/launch.hpp"

namespace ortho::cuda {

/** Elements that one block sums up. */
constexpr int64_t sum_block = 16384;

/** Sum over the lanes of a warp, given to all of them. */
__device__ __forceinline__ double sum_over_warp(double value) {
    for (int distance = warp_size / 2; distance > 0; distance /= 2)
        value += __shfl_xor_sync(whole_warp, value, distance);
    return value;
}

/** Sum over the threads of a block, given to all of them; `shared` has an element for each. */
__device__ __forceinline__ double sum_over_block(double value, double* shared) {
    shared[threadIdx.x] = value;
    __syncthreads();
    for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half)
            shared[threadIdx.x] += shared[threadIdx.x + half];
        __syncthreads();
    }
    const double sum = shared[0];
    __syncthreads();
    return sum;
}

/** The shape of a kernel in which each block sums up sum_block elements. */
inline LaunchShape sum_shape(int64_t count) {
    return {dim3(static_cast<unsigned>((count + sum_block - 1) / sum_block)), dim3(block_threads),
            block_threads * sizeof(double), false};
}

/** The shape of a kernel of one block that adds up what sum_shape's blocks left. */
inline LaunchShape total_shape() {
    return {dim3(1), dim3(block_threads), block_threads * sizeof(double), false};
}

/** Sum of term(begin..end), given to all threads of a block. */
template <class Term> __device__ double sum_of_terms(int64_t begin, int64_t end, Term&& term) {
    double sum = 0;
    for (int64_t i = begin + threadIdx.x; i < end; i += blockDim.x)
        sum += term(i);
    return sum_over_block(sum, shared_memory<double>());
}

/** Sum of a block of terms, 0 behind the last of them, written to partial[block]. */
template <class Term> __device__ void sum_block_of(int64_t count, double* partial, Term&& term) {
    const int64_t begin = static_cast<int64_t>(blockIdx.x) * sum_block;
    const int64_t end = begin + sum_block < count ? begin + sum_block : count;
    const double sum = sum_of_terms(begin, end, term);
    if (threadIdx.x == 0)
        partial[blockIdx.x] = sum;
}

/** Sum of partial[0..count), given to all threads of the one block. */
__device__ __forceinline__ double sum_of(const double* partial, int64_t count) {
    return sum_of_terms(0, count, [partial](int64_t i) { return partial[i]; });
}

} // namespace ortho::cuda
