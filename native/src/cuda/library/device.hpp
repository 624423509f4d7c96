// A GPU: its stream, its cuBLAS handle, and what its kernels report.
#pragma once

#include <cstdint>

#include "cuda/library/resources.hpp"
#include "model/plugin.hpp"

namespace ortho::cuda {

using plugin::ChainParameters;
using plugin::Failure;

/** Values that are checked for NaN and infinity, in the order in which a finding is reported. */
enum class Checked : int {
    inputs,
    initial,
    /** The initial state of a feedforward chain: its inputs. */
    feedforward_inputs,
    /** Those that streams are given. */
    states,
    output_gradients,
    final_gradients,
    logits,
    predictions,
    targets,
    gradient_norm,
    gradients,
    /** A parameter whose step would make it, or a moment of it, NaN or infinite. */
    step
};

/** What kernels leave for the host, in the GPU's memory. */
struct Report {
    /** 0: all values were finite; otherwise the complement of (Checked << 48 | index) of the first that was not. */
    unsigned long long finding;
    double value;
    /** Of a loss: what each leaf of the call adds to it, and its rows that were classified correctly. */
    double leaf_losses[Leaves::most];
    long long leaf_correct[Leaves::most];
    /** What gradients are to be scaled with, one after the other: ClipFactors, both 1 where they are short enough. */
    double first_scale;
    double second_scale;
};

/** Tells the host about a value that is not finite. The first one of the first buffer wins, whatever the order. */
__device__ __forceinline__ void report_not_finite(Report* report, Checked checked, int64_t index) {
    const unsigned long long code =
        static_cast<unsigned long long>(checked) << 48 | static_cast<unsigned long long>(index);
    atomicMax(&report->finding, ~code);
}

/** Which GPU the options ask for. @throws Error ORTHO_NOT_SUPPORTED if it, or the driver, is missing */
int find_device(const ortho_device_options& options);

struct Device : plugin::Device {
    /** Makes a device of the thread's current GPU, which find_device named. */
    explicit Device(const ortho_device_options& options);
    ~Device();
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;

    /**
     * Makes the handle ready for products of this device, before the first of a call: others who share the handle set
     * its stream, its workspace and its modes to what they need.
     */
    void set_up_blas();

    void describe(ortho_device_info& info);

    /** Waits for all work, and for the results of reductions in `result()`. @throws Error what kernels found */
    void wait();
    /** What kernels wrote into the report, after wait(). */
    const Report& result() const { return *host_report_.as<Report>(); }
    Report* report() const { return report_.as<Report>(); }

    /** Scratch memory for one call; what it held before is lost. */
    template <class T> T* scratch(int64_t elements) {
        reserve_scratch(elements * static_cast<int64_t>(sizeof(T)));
        return scratch_.as<T>();
    }
    /** Makes sure of scratch memory before a call has changed anything. */
    void reserve_scratch(int64_t bytes) { scratch_.reserve(memory, bytes, "scratch"); }

    int index;
    cudaDeviceProp properties;
    ortho_matrix_precision matrix_precision;
    ortho_matrix_precision filter_precision;

private:
    Stream own_stream_; // none where the stream is the caller's
    Stream own_copy_stream_;
    Stream own_rehearsal_stream_;

public:
    cudaStream_t stream;
    cudaStream_t copy_stream;
    /** Given no work: what is launched on it is captured and discarded. */
    cudaStream_t rehearsal_stream;
    MemoryPool memory;
    cublasHandle_t blas;

private:
    BlasHandle own_blas_;
    cudaStream_t lent_blas_stream_ = nullptr; // that of a handle of the caller's before it was set
    DeviceMemory workspace_;
    DeviceMemory report_;
    WorkMemory scratch_;
    PinnedMemory host_report_;
};

/** Whether a GPU has been used by this process: if it has a context. */
bool is_in_use(int index);

/**
 * Makes a GPU the thread's current one, and the one before it current again at the end. A thread that never chose one
 * has GPU 0; making that current would start a context there, so where nothing uses it the thread stays with its new
 * GPU.
 */
class CurrentDevice {
public:
    explicit CurrentDevice(int index) {
        check(cudaGetDevice(&before_), "cudaGetDevice");
        restores_ = before_ != index && is_in_use(before_);
        if (before_ != index)
            check(cudaSetDevice(index), "cudaSetDevice");
    }
    ~CurrentDevice() {
        if (restores_)
            static_cast<void>(cudaSetDevice(before_));
    }
    CurrentDevice(const CurrentDevice&) = delete;
    CurrentDevice& operator=(const CurrentDevice&) = delete;

private:
    int before_ = 0;
    bool restores_ = false;
};

/** Copies on the device's stream. */
inline void copy_on_device(Device& device, void* destination, const void* source, int64_t bytes) {
    if (bytes > 0)
        check(cudaMemcpyAsync(destination, source, static_cast<size_t>(bytes), cudaMemcpyDeviceToDevice, device.stream),
              "cudaMemcpyAsync");
}

/**
 * Copies on the device's stream. The source may be overwritten when this returns: memory that the GPU may read
 * itself is waited for, other memory has been read.
 */
void copy_to_device(Device& device, void* destination, const void* source, int64_t bytes);

/** Sets each byte, on the device's stream. */
inline void fill_bytes(Device& device, void* data, int value, int64_t bytes) {
    check(cudaMemsetAsync(data, value, static_cast<size_t>(bytes), device.stream), "cudaMemsetAsync");
}

inline void clear(Device& device, void* data, int64_t bytes) {
    fill_bytes(device, data, 0, bytes);
}

} // namespace ortho::cuda
