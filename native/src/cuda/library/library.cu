// The library's one door: the table of functions that the core calls.
#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "cuda/library/chain.hpp"
#include "cuda/library/operations.hpp"

namespace ortho::cuda {

/** Page-locked memory, and the copy from it that is under way. */
struct Staging {
    Staging(Device& owner, int64_t bytes)
        : device(owner), memory(bytes), uploaded(make_event()), earlier_work(make_event()) {}
    ~Staging() { static_cast<void>(cudaEventSynchronize(uploaded.get())); }
    Staging(const Staging&) = delete;
    Staging& operator=(const Staging&) = delete;

    Device& device;
    PinnedMemory memory;
    Event uploaded;
    Event earlier_work;
};

namespace {

ortho_status fail_with(Failure* failure, const Error& error) noexcept {
    failure->set(error.report());
    return error.status();
}

/** Runs the body of an entry point with the GPU current; what it throws becomes a status and a message. */
template <class Body> ortho_status guard(int index, Failure* failure, Body&& body) noexcept {
    try {
        const CurrentDevice current(index);
        body();
        return ORTHO_OK;
    } catch (const Error& error) {
        return fail_with(failure, error);
    } catch (const std::bad_alloc&) {
        return fail_with(failure,
                         Error(ORTHO_OUT_OF_MEMORY, "out of memory: the library's own bookkeeping needs more"));
    } catch (const std::exception& error) {
        return fail_with(failure, Error(ORTHO_INTERNAL, error.what()));
    } catch (...) {
        return fail_with(failure, Error(ORTHO_INTERNAL, "an unknown C++ exception was thrown"));
    }
}

template <class Body> ortho_status guard(const Device* device, Failure* failure, Body&& body) noexcept {
    return guard(device->index, failure, body);
}

/** Calls body(float*) or body(double*) with a null pointer of the dtype's type. */
template <class Body> void dispatch(ortho_dtype dtype, Body&& body) {
    if (dtype == ORTHO_FLOAT32)
        body(static_cast<float*>(nullptr));
    else
        body(static_cast<double*>(nullptr));
}

/** Destroys an object of a device with the GPU current. */
template <class Object> void destroy(int index, Object* object) noexcept {
    Failure ignored;
    // After an error that CUDA does not recover from, no GPU can be made current; what the host holds is freed even so.
    bool deleted = false;
    static_cast<void>(guard(index, &ignored, [&] {
        delete object;
        deleted = true;
    }));
    if (!deleted)
        delete object;
}

ortho_status device_create(Device** device, const ortho_device_options* options, Failure* failure) {
    int index = 0;
    try {
        index = find_device(*options);
    } catch (const Error& error) {
        return fail_with(failure, error);
    }
    return guard(index, failure, [&] { *device = new Device(*options); });
}

void device_free(Device* device) {
    destroy(device->index, device);
}

const char* device_name(const Device* device) {
    return device->properties.name;
}

ortho_status device_describe(Device* device, ortho_device_info* info, Failure* failure) {
    return guard(device, failure, [&] { device->describe(*info); });
}

ortho_status device_synchronize(Device* device, Failure* failure) {
    return guard(device, failure, [&] {
        check(cudaStreamSynchronize(device->copy_stream), "cudaStreamSynchronize");
        device->wait();
    });
}

ortho_status allocate(Device* device, int64_t bytes, void** data, Failure* failure) {
    return guard(device, failure, [&] {
        DeviceMemory memory(bytes, "buffer");
        clear(*device, memory.data(), bytes);
        *data = memory.release();
    });
}

void release(Device* device, void* data) {
    Failure ignored;
    static_cast<void>(guard(device, &ignored, [&] { check(cudaFree(data), "cudaFree"); }));
}

ortho_status check_memory(Device* device, const void* data, Failure* failure) {
    return guard(device, failure, [&] {
        cudaPointerAttributes attributes{};
        check(cudaPointerGetAttributes(&attributes, data), "cudaPointerGetAttributes");
        const bool reachable = attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged;
        if (!reachable || (attributes.type == cudaMemoryTypeDevice && attributes.device != device->index))
            fail(ORTHO_INVALID_ARGUMENT, Argument{"data"}, "is not memory of GPU %d; it must have been allocated there",
                 device->index);
    });
}

ortho_status copy_from_host(Device* device, void* destination, const void* source, int64_t bytes, Failure* failure) {
    return guard(device, failure, [&] { copy_to_device(*device, destination, source, bytes); });
}

ortho_status copy_to_host(Device* device, void* destination, const void* source, int64_t bytes, Failure* failure) {
    return guard(device, failure, [&] {
        check(cudaMemcpyAsync(destination, source, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost, device->stream),
              "cudaMemcpyAsync");
        device->wait();
    });
}

ortho_status copy(Device* device, void* destination, const void* source, int64_t bytes, Failure* failure) {
    return guard(device, failure, [&] { copy_on_device(*device, destination, source, bytes); });
}

ortho_status fill_values(Device* device, ortho_dtype dtype, int64_t count, void* values, double value,
                         Failure* failure) {
    return guard(device, failure, [&] {
        dispatch(dtype, [&](auto* type) {
            using T = std::remove_pointer_t<decltype(type)>;
            fill(*device, count, static_cast<T*>(values), static_cast<T>(value));
        });
    });
}

ortho_status staging_create(Device* device, int64_t bytes, Staging** staging, void** data, Failure* failure) {
    return guard(device, failure, [&] {
        auto made = std::make_unique<Staging>(*device, bytes);
        std::memset(made->memory.data(), 0, static_cast<size_t>(bytes));
        *data = made->memory.data();
        *staging = made.release();
    });
}

void staging_free(Staging* staging) {
    destroy(staging->device.index, staging);
}

ortho_status staging_upload(Staging* staging, void* destination, int64_t bytes, Failure* failure) {
    Device& device = staging->device;
    return guard(&device, failure, [&] {
        // Earlier work may still be reading what is at the destination.
        check(cudaEventRecord(staging->earlier_work.get(), device.stream), "cudaEventRecord");
        check(cudaStreamWaitEvent(device.copy_stream, staging->earlier_work.get(), 0), "cudaStreamWaitEvent");
        check(cudaMemcpyAsync(destination, staging->memory.data(), static_cast<size_t>(bytes), cudaMemcpyHostToDevice,
                              device.copy_stream),
              "cudaMemcpyAsync");
        check(cudaEventRecord(staging->uploaded.get(), device.copy_stream), "cudaEventRecord");
    });
}

ortho_status staging_join(Staging* staging, Failure* failure) {
    Device& device = staging->device;
    return guard(&device, failure,
                 [&] { check(cudaStreamWaitEvent(device.stream, staging->uploaded.get(), 0), "cudaStreamWaitEvent"); });
}

ortho_status staging_wait(Staging* staging, Failure* failure) {
    return guard(&staging->device, failure,
                 [&] { check(cudaEventSynchronize(staging->uploaded.get()), "cudaEventSynchronize"); });
}

ortho_status noise(Device* device, ortho_dtype dtype, const NoiseStream* stream, double standard_deviation,
                   int64_t count, const void* x, void* y, Failure* failure) {
    return guard(device, failure, [&] {
        dispatch(dtype, [&](auto* type) {
            using T = std::remove_pointer_t<decltype(type)>;
            add_normal_noise(*device, *stream, standard_deviation, count, static_cast<const T*>(x), static_cast<T*>(y));
        });
    });
}

ortho_status dense_layer_forward(Device* device, ortho_dtype dtype, const DenseShape* shape, const void* weights,
                                 const void* bias, const void* x, void* y, Failure* failure) {
    return guard(device, failure, [&] {
        device->set_up_blas();
        dispatch(dtype, [&](auto* type) {
            using T = std::remove_pointer_t<decltype(type)>;
            dense_forward(*device, *shape, static_cast<const T*>(weights), static_cast<const T*>(bias),
                          static_cast<const T*>(x), static_cast<T*>(y));
        });
    });
}

ortho_status dense_layer_backward(Device* device, ortho_dtype dtype, const DenseShape* shape, bool accumulate,
                                  const void* weights, const void* x, const void* y_gradients, void* weight_gradients,
                                  void* bias_gradients, void* x_gradients, Failure* failure) {
    return guard(device, failure, [&] {
        device->set_up_blas();
        dispatch(dtype, [&](auto* type) {
            using T = std::remove_pointer_t<decltype(type)>;
            dense_backward(*device, *shape, accumulate, static_cast<const T*>(weights), static_cast<const T*>(x),
                           static_cast<const T*>(y_gradients), static_cast<T*>(weight_gradients),
                           static_cast<T*>(bias_gradients), static_cast<T*>(x_gradients));
        });
    });
}

ortho_status cross_entropy(Device* device, ortho_dtype dtype, const SoftmaxCrossEntropy* call, double* loss,
                           int64_t* correct, Failure* failure) {
    return guard(device, failure, [&] {
        dispatch(dtype, [&](auto* type) {
            softmax_cross_entropy<std::remove_pointer_t<decltype(type)>>(*device, *call, loss, correct);
        });
    });
}

ortho_status squared_error(Device* device, ortho_dtype dtype, const MeanSquaredError* call, double* loss,
                           Failure* failure) {
    return guard(device, failure, [&] {
        dispatch(dtype,
                 [&](auto* type) { mean_squared_error<std::remove_pointer_t<decltype(type)>>(*device, *call, loss); });
    });
}

ortho_status clip(Device* device, ortho_dtype dtype, int64_t count, void* gradients, double max_norm, double* norm,
                  Failure* failure) {
    return guard(device, failure, [&] {
        dispatch(dtype, [&](auto* type) {
            using T = std::remove_pointer_t<decltype(type)>;
            clip_gradient_norm(*device, count, static_cast<T*>(gradients), max_norm, norm);
        });
    });
}

ortho_status sgd(Device* device, ortho_dtype dtype, const OptimizerStep* step, const SgdOptions* options,
                 Failure* failure) {
    return guard(device, failure, [&] {
        dispatch(dtype, [&](auto* type) { sgd_step<std::remove_pointer_t<decltype(type)>>(*device, *step, *options); });
    });
}

ortho_status adam(Device* device, ortho_dtype dtype, const OptimizerStep* step, const AdamOptions* options,
                  Failure* failure) {
    return guard(device, failure, [&] {
        dispatch(dtype,
                 [&](auto* type) { adam_step<std::remove_pointer_t<decltype(type)>>(*device, *step, *options); });
    });
}

ortho_status chain_create(Device* device, const ChainParameters* parameters, Chain** chain, Failure* failure) {
    return guard(device, failure, [&] { *chain = make_chain(*device, *parameters).release(); });
}

void chain_free(Chain* chain) {
    destroy(chain->device.index, chain);
}

ortho_status chain_state_bytes(const Chain* chain, int64_t steps, int64_t batch, bool training, int64_t* bytes,
                               Failure* failure) {
    return guard(&chain->device, failure, [&] { *bytes = chain->state_bytes(steps, batch, training); });
}

ortho_status chain_forward(Chain* chain, const ChainForward* call, Failure* failure) {
    return guard(&chain->device, failure, [&] {
        chain->device.set_up_blas();
        chain->forward(*call);
    });
}

ortho_status chain_backward(Chain* chain, const ChainBackward* call, Failure* failure) {
    return guard(&chain->device, failure, [&] {
        chain->device.set_up_blas();
        chain->backward(*call);
    });
}

} // namespace
} // namespace ortho::cuda

extern "C" ORTHO_API const ortho::cuda::Backend* ortho_cuda_backend(void);

const ortho::cuda::Backend* ortho_cuda_backend(void) {
    using namespace ortho::cuda;
    static const Backend backend{sizeof(Backend),
                                 ORTHO_VERSION,
                                 ORTHO_HEADER_HASH,
                                 device_create,
                                 device_free,
                                 device_name,
                                 device_describe,
                                 device_synchronize,
                                 allocate,
                                 release,
                                 check_memory,
                                 copy_from_host,
                                 copy_to_host,
                                 copy,
                                 fill_values,
                                 staging_create,
                                 staging_free,
                                 staging_upload,
                                 staging_join,
                                 staging_wait,
                                 noise,
                                 dense_layer_forward,
                                 dense_layer_backward,
                                 cross_entropy,
                                 squared_error,
                                 clip,
                                 sgd,
                                 adam,
                                 chain_create,
                                 chain_free,
                                 chain_state_bytes,
                                 chain_forward,
                                 chain_backward};
    return &backend;
}
