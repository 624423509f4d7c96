#pragma once

#include <cublas_v2.h>
#include <cuda_runtime.h>

namespace ortho::cuda {

/** @throws Error if a call of the CUDA runtime failed; the message names it */
void check(cudaError_t status, const char* call);

/** @throws Error if a call of cuBLAS failed; the message names it */
void check(cublasStatus_t status, const char* call);

} // namespace ortho::cuda
