// The library's one door: the table of functions that the core calls.
#include <cstring>
#include <memory>

#include "cuda/library/chain.hpp"
#include "cuda/library/operations.hpp"
#include "cuda/library/streams.hpp"

namespace ortho::cuda {

/** Page-locked memory, and the copy from it that is under way. */
struct Staging : plugin::Staging {
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

/** A reference to weights. */
struct SharedWeights : plugin::Weights {
    explicit SharedWeights(std::shared_ptr<cuda::Weights> weights) : shared(std::move(weights)) {}

    std::shared_ptr<cuda::Weights> shared;
};

namespace {

Device& object_of(plugin::Device* device) {
    return *static_cast<Device*>(device);
}
const Device& object_of(const plugin::Device* device) {
    return *static_cast<const Device*>(device);
}
Staging& object_of(plugin::Staging* staging) {
    return *static_cast<Staging*>(staging);
}
SharedWeights& object_of(plugin::Weights* weights) {
    return *static_cast<SharedWeights*>(weights);
}
Streams& object_of(plugin::Streams* streams) {
    return *static_cast<Streams*>(streams);
}
const Streams& object_of(const plugin::Streams* streams) {
    return *static_cast<const Streams*>(streams);
}
Chain& object_of(plugin::Chain* chain) {
    return *static_cast<Chain*>(chain);
}
const Chain& object_of(const plugin::Chain* chain) {
    return *static_cast<const Chain*>(chain);
}

int index_of(const Device& device) {
    return device.index;
}
int index_of(const Staging& staging) {
    return staging.device.index;
}
int index_of(const SharedWeights& weights) {
    return weights.shared->device.index;
}
int index_of(const Chain& chain) {
    return chain.device.index;
}
int index_of(const Streams& streams) {
    return streams.device.index;
}

/** Runs the body of an entry point with a GPU current. */
template <class Body> ortho_status guard(int index, Failure* failure, Body&& body) noexcept {
    return plugin::guard(failure, [&] {
        const CurrentDevice current(index);
        body();
    });
}

/** Runs body(object) with the object's GPU current. */
template <class Handle, class Body> ortho_status guard(Handle* handle, Failure* failure, Body&& body) noexcept {
    auto& object = object_of(handle);
    return guard(index_of(object), failure, [&] { body(object); });
}

/** Destroys an object with its GPU current. */
template <class Handle> void destroy(Handle* handle) noexcept {
    auto* const object = &object_of(handle);
    Failure ignored;
    // After an error that CUDA does not recover from, no GPU can be made current; what the host holds is freed even so.
    bool deleted = false;
    static_cast<void>(guard(index_of(*object), &ignored, [&] {
        delete object;
        deleted = true;
    }));
    if (!deleted)
        delete object;
}

ortho_status device_create(plugin::Device** device, const ortho_device_options* options, Failure* failure) {
    return plugin::guard(failure, [&] {
        const CurrentDevice current(find_device(*options));
        *device = new Device(*options);
    });
}

void device_free(plugin::Device* device) {
    destroy(device);
}

const char* device_name(const plugin::Device* device) {
    return object_of(device).properties.name;
}

ortho_status device_describe(plugin::Device* handle, ortho_device_info* info, Failure* failure) {
    return guard(handle, failure, [&](Device& device) { device.describe(*info); });
}

ortho_status device_synchronize(plugin::Device* handle, Failure* failure) {
    return guard(handle, failure, [&](Device& device) {
        check(cudaStreamSynchronize(device.copy_stream), "cudaStreamSynchronize");
        device.wait();
    });
}

ortho_status allocate(plugin::Device* handle, int64_t bytes, void** data, Failure* failure) {
    return guard(handle, failure, [&](Device& device) {
        DeviceMemory memory(device.memory, bytes, "buffer");
        clear(device, memory.data(), bytes);
        *data = memory.release();
    });
}

void release(plugin::Device* handle, void* data) {
    Failure ignored;
    static_cast<void>(guard(handle, &ignored, [&](Device& device) { device.memory.free(data); }));
}

ortho_status check_memory(plugin::Device* handle, const void* data, Failure* failure) {
    return guard(handle, failure, [&](Device& device) {
        cudaPointerAttributes attributes{};
        check(cudaPointerGetAttributes(&attributes, data), "cudaPointerGetAttributes");
        const bool reachable = attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged;
        if (!reachable || (attributes.type == cudaMemoryTypeDevice && attributes.device != device.index))
            fail(ORTHO_INVALID_ARGUMENT, Argument{"data"}, "is not memory of GPU %d; it must have been allocated there",
                 device.index);
    });
}

ortho_status staging_create(plugin::Device* handle, int64_t bytes, plugin::Staging** staging, void** data,
                            Failure* failure) {
    return guard(handle, failure, [&](Device& device) {
        auto made = std::make_unique<Staging>(device, bytes);
        std::memset(made->memory.data(), 0, static_cast<size_t>(bytes));
        *data = made->memory.data();
        *staging = made.release();
    });
}

void staging_free(plugin::Staging* handle) {
    destroy(handle);
}

ortho_status staging_upload(plugin::Staging* handle, void* destination, int64_t bytes, Failure* failure) {
    return guard(handle, failure, [&](Staging& staging) {
        const Device& device = staging.device;
        // Earlier work may still be reading what is at the destination.
        check(cudaEventRecord(staging.earlier_work.get(), device.stream), "cudaEventRecord");
        check(cudaStreamWaitEvent(device.copy_stream, staging.earlier_work.get(), 0), "cudaStreamWaitEvent");
        check(cudaMemcpyAsync(destination, staging.memory.data(), static_cast<size_t>(bytes), cudaMemcpyHostToDevice,
                              device.copy_stream),
              "cudaMemcpyAsync");
        check(cudaEventRecord(staging.uploaded.get(), device.copy_stream), "cudaEventRecord");
    });
}

ortho_status staging_join(plugin::Staging* handle, Failure* failure) {
    return guard(handle, failure, [](Staging& staging) {
        check(cudaStreamWaitEvent(staging.device.stream, staging.uploaded.get(), 0), "cudaStreamWaitEvent");
    });
}

ortho_status staging_wait(plugin::Staging* handle, Failure* failure) {
    return guard(handle, failure,
                 [](Staging& staging) { check(cudaEventSynchronize(staging.uploaded.get()), "cudaEventSynchronize"); });
}

ortho_status weights_create(plugin::Device* handle, const ChainParameters* parameters, plugin::Weights** weights,
                            Failure* failure) {
    return guard(handle, failure,
                 [&](Device& device) { *weights = new SharedWeights(make_weights(device, *parameters)); });
}

void weights_free(plugin::Weights* handle) {
    destroy(handle);
}

ortho_status weights_prepare(plugin::Weights* handle, const WeightsSource* source, Failure* failure) {
    return guard(handle, failure, [&](const SharedWeights& weights) {
        weights.shared->prepare(source->weights, source->input_weights, source->bias);
    });
}

ortho_status chain_create(plugin::Device* handle, const ChainParameters* parameters, plugin::Chain** chain,
                          Failure* failure) {
    return guard(handle, failure, [&](Device& device) { *chain = make_chain(device, *parameters).release(); });
}

void chain_free(plugin::Chain* handle) {
    destroy(handle);
}

ortho_status chain_memory(const plugin::Chain* handle, int64_t steps, int64_t batch, bool training,
                          int64_t* state_bytes, int64_t* sum_bytes, Failure* failure) {
    return guard(handle, failure, [&](const Chain& chain) {
        *state_bytes = chain.state_bytes(steps, batch, training);
        *sum_bytes = training ? chain.sum_bytes(steps, batch) : 0;
    });
}

ortho_status chain_forward(plugin::Chain* handle, const ChainForward* call, Failure* failure) {
    return guard(handle, failure, [&](Chain& chain) {
        chain.device.set_up_blas();
        chain.forward(*call);
    });
}

ortho_status chain_backward(plugin::Chain* handle, const ChainBackward* call, Failure* failure) {
    return guard(handle, failure, [&](Chain& chain) {
        chain.device.set_up_blas();
        chain.backward(*call);
    });
}

ortho_status chain_create_on(plugin::Weights* handle, plugin::Chain** chain, Failure* failure) {
    return guard(handle, failure, [&](const SharedWeights& weights) { *chain = make_chain(weights.shared).release(); });
}

ortho_status streams_create(plugin::Weights* handle, int64_t count, plugin::Streams** streams, Failure* failure) {
    return guard(handle, failure,
                 [&](const SharedWeights& weights) { *streams = make_streams(weights.shared, count).release(); });
}

void streams_free(plugin::Streams* handle) {
    destroy(handle);
}

ortho_status streams_step(plugin::Streams* handle, const uint8_t* resets, const void* inputs, void* outputs,
                          Failure* failure) {
    return guard(handle, failure, [&](Streams& streams) {
        streams.device.set_up_blas();
        streams.step(resets, inputs, outputs);
    });
}

ortho_status streams_read(const plugin::Streams* handle, void* states, Failure* failure) {
    return guard(handle, failure, [&](const Streams& streams) { streams.read(states); });
}

ortho_status streams_write(plugin::Streams* handle, const void* states, Failure* failure) {
    return guard(handle, failure, [&](Streams& streams) { streams.write(states); });
}

template <class Operation> ortho_status run_operation(plugin::Device* handle, const Operation* call, Failure* failure) {
    return guard(handle, failure, [&](Device& device) { run(device, *call); });
}

plugin::Table make_table() {
    plugin::Table table{};
    table.size = sizeof table;
    table.version = ORTHO_VERSION;
    table.header_hash = ORTHO_HEADER_HASH;
    table.device_create = device_create;
    table.device_free = device_free;
    table.device_name = device_name;
    table.device_describe = device_describe;
    table.device_synchronize = device_synchronize;
    table.allocate = allocate;
    table.release = release;
    table.check_memory = check_memory;
    table.staging_create = staging_create;
    table.staging_free = staging_free;
    table.staging_upload = staging_upload;
    table.staging_join = staging_join;
    table.staging_wait = staging_wait;
    table.weights_create = weights_create;
    table.weights_free = weights_free;
    table.weights_prepare = weights_prepare;
    table.chain_create = chain_create;
    table.chain_create_on = chain_create_on;
    table.chain_free = chain_free;
    table.chain_memory = chain_memory;
    table.chain_forward = chain_forward;
    table.chain_backward = chain_backward;
    table.streams_create = streams_create;
    table.streams_free = streams_free;
    table.streams_step = streams_step;
    table.streams_read = streams_read;
    table.streams_write = streams_write;
#define ORTHO_ENTRY(Operation) table.run_##Operation = run_operation<Operation>;
    ORTHO_OPERATIONS(ORTHO_ENTRY)
#undef ORTHO_ENTRY
    return table;
}

} // namespace
} // namespace ortho::cuda

extern "C" ORTHO_API const ortho::plugin::Table* ortho_plugin(void);

const ortho::plugin::Table* ortho_plugin(void) {
    static const ortho::plugin::Table table = ortho::cuda::make_table();
    return &table;
}
