#include "cuda/library/device.hpp"

#include <dlfcn.h>

#include <algorithm>

#include "cuda/library/operations.hpp"

namespace ortho::cuda {
namespace {

/** cuBLAS promises the same bits from run to run for one stream with a workspace of its own; so large for Hopper. */
constexpr int64_t workspace_bytes = int64_t{32} << 20;

const char* name_of(Checked checked) {
    switch (checked) {
    case Checked::inputs:
        return "inputs";
    case Checked::initial:
        return "initial";
    case Checked::feedforward_inputs:
        return "initial[] of a feedforward chain";
    case Checked::states:
        return "states";
    case Checked::output_gradients:
        return "output_gradients";
    case Checked::final_gradients:
        return "final_gradients";
    case Checked::logits:
        return "logits";
    case Checked::predictions:
        return "predictions";
    case Checked::targets:
        return "targets";
    case Checked::gradient_norm:
        break;
    case Checked::gradients:
        return "gradients";
    case Checked::step:
        return "parameters";
    }
    return "a value";
}

cudaDeviceProp properties_of(int index) {
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
    return properties;
}

BlasHandle make_blas() {
    cublasHandle_t handle = nullptr;
    check(cublasCreate(&handle), "cublasCreate");
    return BlasHandle(handle);
}

} // namespace

int find_device(const ortho_device_options& options) {
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status != cudaSuccess) {
        static_cast<void>(cudaGetLastError());
        fail(ORTHO_NOT_SUPPORTED,
             "the NVIDIA driver is missing, too old for this build, or finds no GPU (%s: %s); install the driver or a "
             "newer one",
             cudaGetErrorName(status), cudaGetErrorString(status));
    }
    if (options.index >= count)
        fail(ORTHO_NOT_SUPPORTED, Argument{"options->index"}, "is %d; there %s %d GPU%s, counted from 0",
             static_cast<int>(options.index), count == 1 ? "is" : "are", count, count == 1 ? "" : "s");
    return options.index;
}

Device::Device(const ortho_device_options& options)
    : index(options.index), properties(properties_of(index)),
      matrix_precision(static_cast<ortho_matrix_precision>(options.matrix_precision)),
      filter_precision(static_cast<ortho_matrix_precision>(options.filter_precision)),
      own_stream_(options.cuda_stream == nullptr ? make_stream() : Stream()), own_copy_stream_(make_stream()),
      own_rehearsal_stream_(make_stream()),
      stream(options.cuda_stream == nullptr ? own_stream_.get() : static_cast<cudaStream_t>(options.cuda_stream)),
      copy_stream(own_copy_stream_.get()), rehearsal_stream(own_rehearsal_stream_.get()),
      memory(index, stream, copy_stream), blas(static_cast<cublasHandle_t>(options.cublas_handle)),
      own_blas_(blas == nullptr ? make_blas() : BlasHandle()),
      workspace_(memory, workspace_bytes, "the workspace of cuBLAS"), report_(memory, sizeof(Report), "the report"),
      host_report_(sizeof(Report)) {
    if (std::max(options.matrix_precision, options.filter_precision) > ORTHO_MATRIX_FLOAT32 && properties.major < 8)
        fail(ORTHO_NOT_SUPPORTED,
             Argument{options.matrix_precision > ORTHO_MATRIX_FLOAT32 ? "options->matrix_precision"
                                                                      : "options->filter_precision"},
             "is %d; %s has compute capability %d.%d, which only takes %d (float32)",
             static_cast<int>(std::max(options.matrix_precision, options.filter_precision)), properties.name,
             properties.major, properties.minor, static_cast<int>(ORTHO_MATRIX_FLOAT32));
    require_code(properties);
    if (blas == nullptr)
        blas = own_blas_.get();
    if (own_blas_.get() == nullptr)
        check(cublasGetStream(blas, &lent_blas_stream_), "cublasGetStream");
    // Whoever asks for the handle finds it on the device's stream.
    set_up_blas();
    clear(*this, report(), sizeof(Report));
}

Device::~Device() {
    // Not of the streams alone: what a caller captured may be running on another one, with memory of the device.
    static_cast<void>(cudaDeviceSynchronize());
    // A handle of the caller's must not keep a stream and a workspace that are about to be freed. Setting the stream
    // gives it the workspace of cuBLAS back; setting a workspace of no bytes would leave it without any.
    if (own_blas_.get() == nullptr)
        static_cast<void>(cublasSetStream(blas, lent_blas_stream_));
}

void Device::set_up_blas() {
    check(cublasSetStream(blas, stream), "cublasSetStream"); // forgets the workspace, so it comes first
    check(cublasSetWorkspace(blas, workspace_.data(), static_cast<size_t>(workspace_bytes)), "cublasSetWorkspace");
    check(cublasSetPointerMode(blas, CUBLAS_POINTER_MODE_HOST), "cublasSetPointerMode");
    check(cublasSetMathMode(blas, CUBLAS_DEFAULT_MATH), "cublasSetMathMode");
    check(cublasSetAtomicsMode(blas, CUBLAS_ATOMICS_NOT_ALLOWED), "cublasSetAtomicsMode");
}

bool is_in_use(int index) {
    // The runtime cannot tell without starting a context. The driver can; it is loaded already.
    void* const driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
    if (driver == nullptr)
        return true;
    using GetState = int (*)(int device, unsigned* flags, int* active);
    const auto get_state = reinterpret_cast<GetState>(dlsym(driver, "cuDevicePrimaryCtxGetState"));
    unsigned flags = 0;
    int active = 1;
    if (get_state == nullptr || get_state(index, &flags, &active) != 0)
        active = 1;
    dlclose(driver);
    return active != 0;
}

void copy_to_device(Device& device, void* destination, const void* source, int64_t bytes) {
    check(cudaMemcpyAsync(destination, source, static_cast<size_t>(bytes), cudaMemcpyHostToDevice, device.stream),
          "cudaMemcpyAsync");
    cudaPointerAttributes attributes{};
    check(cudaPointerGetAttributes(&attributes, source), "cudaPointerGetAttributes");
    // A GPU that shares the host's page tables may read pageable memory itself, without a copy made before.
    if (attributes.type != cudaMemoryTypeUnregistered || device.properties.pageableMemoryAccessUsesHostPageTables != 0)
        check(cudaStreamSynchronize(device.stream), "cudaStreamSynchronize");
}

void Device::describe(ortho_device_info& info) {
    int driver = 0, runtime = 0, blas_version = 0;
    check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
    check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
    check(cublasGetVersion(blas, &blas_version), "cublasGetVersion");
    size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    info.index = index;
    info.compute_capability = 10 * properties.major + properties.minor;
    info.multiprocessors = properties.multiProcessorCount;
    info.driver_version = driver;
    info.runtime_version = runtime;
    info.cublas_version = blas_version;
    info.total_memory = static_cast<int64_t>(total);
    info.free_memory = std::min(static_cast<int64_t>(free) + memory.reusable(), info.total_memory);
    info.cuda_stream = stream;
    info.cublas_handle = blas;
}

void Device::wait() {
    check(cudaMemcpyAsync(host_report_.data(), report(), sizeof(Report), cudaMemcpyDeviceToHost, stream),
          "cudaMemcpyAsync");
    check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
    if (result().finding == 0)
        return;
    const unsigned long long code = ~result().finding;
    clear(*this, report(), sizeof(Report));
    const auto checked = static_cast<Checked>(code >> 48);
    if (checked == Checked::gradient_norm)
        fail(ORTHO_NOT_FINITE, "the norm of gradients is NaN or infinite; it must be finite");
    const Argument argument{name_of(checked), static_cast<int64_t>(code & ((1ULL << 48) - 1))};
    if (checked == Checked::step)
        fail(ORTHO_NOT_FINITE, argument, "would not stay finite in an optimizer step; no step was made since");
    fail(ORTHO_NOT_FINITE, argument, "is NaN or infinite; all values must be finite");
}

} // namespace ortho::cuda
