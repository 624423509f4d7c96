#pragma once

/** Marks a function that host code and CUDA kernels share; always inlined, so that no instruction set's copy of it is
   ever linked in place of another's. */
#if defined(__CUDACC__)
#define ORTHO_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define ORTHO_HOST_DEVICE [[gnu::always_inline]] inline
#endif
