#include "cuda/library/launch.hpp"
#include "cuda/library/operations.hpp"

namespace ortho::cuda {
namespace {

template <class T> __global__ void fill_kernel(int64_t count, T* values, T value) {
    for (int64_t i = flat_index(); i < count; i += flat_stride())
        values[i] = value;
}

template <class T>
__global__ void check_finite_kernel(Checked checked, int64_t count, const T* values, Report* report) {
    for (int64_t i = flat_index(); i < count; i += flat_stride())
        // x - x is 0 for finite x alone.
        if (!(values[i] - values[i] == T(0)))
            report_not_finite(report, checked, i);
}

template <class T>
__global__ void check_sequences_finite_kernel(Checked checked, SequencesShape shape, const T* values, Report* report) {
    for (int64_t i = flat_index(); i < shape.steps * shape.batch * shape.columns; i += flat_stride()) {
        const int64_t row = i / shape.columns;
        if (row / shape.batch < shape.lengths[row % shape.batch] && !(values[i] - values[i] == T(0)))
            report_not_finite(report, checked, i);
    }
}

} // namespace

void require_code(const cudaDeviceProp& gpu) {
    cudaFuncAttributes attributes{};
    const cudaError_t status = cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(fill_kernel<float>));
    if (status == cudaErrorNoKernelImageForDevice || status == cudaErrorInvalidDeviceFunction ||
        status == cudaErrorInvalidKernelImage || status == cudaErrorInvalidPtx ||
        status == cudaErrorUnsupportedPtxVersion || status == cudaErrorJitCompilerNotFound ||
        status == cudaErrorJitCompilationDisabled) {
        static_cast<void>(cudaGetLastError());
        fail(ORTHO_NOT_SUPPORTED,
             "%s has compute capability %d.%d, for which this build has no code that its driver takes (%s)", gpu.name,
             gpu.major, gpu.minor, cudaGetErrorName(status));
    }
    check(status, "cudaFuncGetAttributes");
}

void run(Device& device, const Fill& call) {
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        launch("fill", fill_kernel<T>, flat_shape(call.count), device.stream, call.count, static_cast<T*>(call.values),
               static_cast<T>(call.value));
    });
}

template <class T> void check_finite(Device& device, Checked checked, int64_t count, const T* values) {
    launch("check_finite", check_finite_kernel<T>, flat_shape(count), device.stream, checked, count, values,
           device.report());
}

template <class T> void check_finite(Device& device, Checked checked, const SequencesShape& shape, const T* values) {
    launch("check_finite", check_sequences_finite_kernel<T>, flat_shape(shape.steps * shape.batch * shape.columns),
           device.stream, checked, shape, values, device.report());
}

template void check_finite(Device&, Checked, int64_t, const float*);
template void check_finite(Device&, Checked, int64_t, const double*);
template void check_finite(Device&, Checked, const SequencesShape&, const float*);
template void check_finite(Device&, Checked, const SequencesShape&, const double*);

} // namespace ortho::cuda
