#include "cuda/library/status.hpp"

#include "core/error.hpp"

namespace ortho::cuda {

void check(cudaError_t status, const char* call) {
    if (status == cudaSuccess)
        return;
    // An error that is not the end of everything must not be found again by the next call.
    static_cast<void>(cudaGetLastError());
    const ortho_status kind = status == cudaErrorMemoryAllocation ? ORTHO_OUT_OF_MEMORY
                              : status == cudaErrorNotSupported   ? ORTHO_NOT_SUPPORTED
                                                                  : ORTHO_INTERNAL;
    fail(kind, "%s failed: %s (%s)", call, cudaGetErrorName(status), cudaGetErrorString(status));
}

void check(cublasStatus_t status, const char* call) {
    if (status == CUBLAS_STATUS_SUCCESS)
        return;
    const ortho_status kind = status == CUBLAS_STATUS_ALLOC_FAILED    ? ORTHO_OUT_OF_MEMORY
                              : status == CUBLAS_STATUS_NOT_SUPPORTED ? ORTHO_NOT_SUPPORTED
                                                                      : ORTHO_INTERNAL;
    fail(kind, "%s failed: %s", call, cublasGetStatusName(status));
}

} // namespace ortho::cuda
