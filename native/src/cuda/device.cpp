#include "cuda/device.hpp"

#include <algorithm>
#include <mutex>

#include "core/error.hpp"
#include "core/fork.hpp"
#include "core/memory.hpp"
#include "core/orthogonal.hpp"
#include "model/chain.hpp"
#include "model/streams.hpp"

namespace ortho::cuda {
namespace {

/** A GPU. Its calls are made one after another, whatever threads they come from. */
class CudaDevice final : public ortho_device {
public:
    CudaDevice(const plugin::Table& table, const ortho_device_options& options) : CudaDevice(table) {
        call(table_.device_create, &device_, &options);
        ortho_device_info info{};
        call(table_.device_describe, device_, &info);
        // Managed memory may lie in that of the host.
        all_memory_ = info.total_memory + total_memory();
    }

    /** Calls a function of the library that can fail. */
    template <class... Parameters, class... Arguments>
    void call(ortho_status (*function)(Parameters...), Arguments... arguments) {
        if (is_of_parent())
            fail(ORTHO_INVALID_STATE, "the CUDA device was created before this process was forked, which CUDA does not "
                                      "survive; use it in the parent");
        const std::lock_guard lock(mutex_);
        plugin::Failure failure{};
        if (const ortho_status status = function(arguments..., &failure); status != ORTHO_OK)
            throw failure.error(status);
    }

    /** In the child of a fork, where CUDA cannot be called, what is freed is left to the end of the process. */
    template <class... Arguments> void free(void (*function)(Arguments...), Arguments... arguments) noexcept {
        if (is_of_parent())
            return;
        const std::lock_guard lock(mutex_);
        function(arguments...);
    }

    const plugin::Table& functions() const noexcept { return table_; }
    plugin::Device* handle() const noexcept { return device_; }

    const char* name() const noexcept override { return table_.device_name(device_); }
    int threads() const noexcept override { return 0; }
    void describe(ortho_device_info& info) override {
        info.kind = ORTHO_DEVICE_CUDA;
        call(table_.device_describe, device_, &info);
    }
    void synchronize() override { call(table_.device_synchronize, device_); }
    bool may_hold(const void*, int64_t bytes) const noexcept override { return bytes <= all_memory_; }

    std::unique_ptr<ortho_buffer> make_buffer(int64_t bytes) override;
    std::unique_ptr<ortho_buffer> wrap(void* data, int64_t bytes) override {
        call(table_.check_memory, device_, data);
        return std::make_unique<ortho_buffer>(*this, data, bytes);
    }
    std::unique_ptr<ortho_staging> make_staging(int64_t bytes) override;
    std::unique_ptr<ortho_chain> make_chain(ChainSpec spec) override;
    ortho_weights* make_weights(ChainSpec spec) override;

#define ORTHO_FORWARD(Operation)                                                                                       \
    void run(const Operation& operation) override {                                                                    \
        call(table_.run_##Operation, device_, &operation);                                                             \
    }
    ORTHO_OPERATIONS(ORTHO_FORWARD)
#undef ORTHO_FORWARD

private:
    /** Whole from here on, so that what the other constructor made is freed if it fails afterwards. */
    explicit CudaDevice(const plugin::Table& table) noexcept : table_(table) {}
    ~CudaDevice() override {
        if (device_ != nullptr && !is_of_parent())
            table_.device_free(device_);
    }

    bool is_of_parent() const noexcept {
        return forks_so_far() != forks_;
    }

    const plugin::Table& table_;
    const uint32_t forks_ = forks_so_far();
    std::mutex mutex_;
    plugin::Device* device_ = nullptr;
    int64_t all_memory_ = 0;
};

struct CudaBuffer final : ortho_buffer {
    CudaBuffer(CudaDevice& owner, void* memory, int64_t size) : ortho_buffer(owner, memory, size), cuda(owner) {}
    ~CudaBuffer() override { cuda.free(cuda.functions().release, cuda.handle(), data); }

    CudaDevice& cuda;
};

struct CudaStaging final : ortho_staging {
    CudaStaging(CudaDevice& owner, plugin::Staging* made, void* memory, int64_t size)
        : ortho_staging(owner, memory, size), cuda(owner), staging(made) {}
    ~CudaStaging() override { cuda.free(cuda.functions().staging_free, staging); }

    void upload(void* destination, int64_t count) override {
        cuda.call(cuda.functions().staging_upload, staging, destination, count);
    }
    void join() override { cuda.call(cuda.functions().staging_join, staging); }
    void wait() override { cuda.call(cuda.functions().staging_wait, staging); }

    CudaDevice& cuda;
    plugin::Staging* const staging;
};

/** @param spec  must outlive the parameters */
plugin::ChainParameters parameters_of(const ChainSpec& spec) {
    plugin::ChainParameters parameters{};
    parameters.dtype = spec.dtype;
    parameters.model = spec.model;
    parameters.activation = spec.activation;
    parameters.cell = spec.cell;
    parameters.recurrent_bias = spec.recurrent_bias;
    parameters.structured = spec.structured();
    parameters.filter_per_layer = spec.filter_per_layer;
    parameters.check_finite = spec.check_finite;
    parameters.hidden_size = spec.hidden_size;
    parameters.input_size = spec.input_size;
    parameters.layers = spec.layers;
    parameters.checkpoint_every = spec.checkpoint_every;
    parameters.max_state_bytes = spec.max_state_bytes;
    parameters.alpha = spec.alpha.data();
    parameters.beta = spec.beta.data();
    parameters.context = const_cast<ChainSpec*>(&spec);
    parameters.read_matrix = [](void* context, int64_t layer, double* matrix, plugin::Failure* failure) {
        return plugin::guard(failure, [&] { static_cast<const ChainSpec*>(context)->write_matrix(layer, matrix); });
    };
    parameters.read_permutation = [](void* context, int64_t layer, int32_t* source, double* sign,
                                     plugin::Failure* failure) {
        return plugin::guard(failure,
                             [&] { static_cast<const ChainSpec*>(context)->write_permutation(layer, source, sign); });
    };
    return parameters;
}

class CudaChain final : public ortho_chain {
public:
    CudaChain(CudaDevice& owner, ChainSpec chain_spec) : ortho_chain(owner, std::move(chain_spec)), cuda_(owner) {
        const plugin::ChainParameters parameters = parameters_of(spec);
        cuda_.call(cuda_.functions().chain_create, cuda_.handle(), &parameters, &chain_);
    }
    CudaChain(CudaDevice& owner, ortho_weights& prepared, plugin::Weights* handle)
        : ortho_chain(prepared), cuda_(owner) {
        cuda_.call(cuda_.functions().chain_create_on, handle, &chain_);
    }
    ~CudaChain() override { cuda_.free(cuda_.functions().chain_free, chain_); }

    void forward(const ChainForward& call) override {
        ChainForward all = call;
        all.steps = spec.recurrent() ? call.steps : spec.layers;
        cuda_.call(cuda_.functions().chain_forward, chain_, &all);
    }
    void backward(const ChainBackward& call) override { cuda_.call(cuda_.functions().chain_backward, chain_, &call); }
    int64_t state_bytes(int64_t steps, int64_t batch, bool training) const override {
        return memory(steps, batch, training).states;
    }
    int64_t sum_bytes(int64_t steps, int64_t batch) const override { return memory(steps, batch, true).sums; }

private:
    struct Bytes {
        int64_t states;
        int64_t sums;
    };
    Bytes memory(int64_t steps, int64_t batch, bool training) const {
        Bytes bytes{};
        cuda_.call(cuda_.functions().chain_memory, static_cast<const plugin::Chain*>(chain_),
                   spec.recurrent() ? steps : spec.layers, batch, training, &bytes.states, &bytes.sums);
        return bytes;
    }

    CudaDevice& cuda_;
    plugin::Chain* chain_ = nullptr;
};

class CudaStreams final : public ortho_streams {
public:
    CudaStreams(CudaDevice& owner, ortho_weights& prepared, plugin::Weights* handle, int64_t stream_count)
        : ortho_streams(prepared, stream_count), cuda_(owner) {
        cuda_.call(cuda_.functions().streams_create, handle, stream_count, &streams_);
    }
    ~CudaStreams() override { cuda_.free(cuda_.functions().streams_free, streams_); }

    void step(const uint8_t* resets, const void* inputs, void* outputs) override {
        cuda_.call(cuda_.functions().streams_step, streams_, resets, inputs, outputs);
    }
    void read(void* states) const override {
        cuda_.call(cuda_.functions().streams_read, static_cast<const plugin::Streams*>(streams_), states);
    }
    void write(const void* states) override { cuda_.call(cuda_.functions().streams_write, streams_, states); }

private:
    CudaDevice& cuda_;
    plugin::Streams* streams_ = nullptr;
};

class CudaWeights final : public ortho_weights {
public:
    CudaWeights(CudaDevice& owner, ChainSpec chain_spec) : ortho_weights(owner, std::move(chain_spec)), cuda_(owner) {
        const plugin::ChainParameters parameters = parameters_of(spec);
        cuda_.call(cuda_.functions().weights_create, cuda_.handle(), &parameters, &weights_);
    }

    std::unique_ptr<ortho_chain> make_chain() override { return std::make_unique<CudaChain>(cuda_, *this, weights_); }
    std::unique_ptr<ortho_streams> make_streams(int64_t count) override {
        return std::make_unique<CudaStreams>(cuda_, *this, weights_, count);
    }

private:
    ~CudaWeights() override { cuda_.free(cuda_.functions().weights_free, weights_); }

    void prepare_forward(const WeightsSource& source) override {
        cuda_.call(cuda_.functions().weights_prepare, weights_, &source);
    }
    void prepare_backward(const WeightsSource&) override {}

    CudaDevice& cuda_;
    plugin::Weights* weights_ = nullptr;
};

std::unique_ptr<ortho_buffer> CudaDevice::make_buffer(int64_t bytes) {
    void* data = nullptr;
    call(table_.allocate, device_, bytes, &data);
    try {
        return std::make_unique<CudaBuffer>(*this, data, bytes);
    } catch (...) {
        free(table_.release, device_, data);
        throw;
    }
}

std::unique_ptr<ortho_staging> CudaDevice::make_staging(int64_t bytes) {
    plugin::Staging* staging = nullptr;
    void* data = nullptr;
    call(table_.staging_create, device_, bytes, &staging, &data);
    try {
        return std::make_unique<CudaStaging>(*this, staging, data, bytes);
    } catch (...) {
        free(table_.staging_free, staging);
        throw;
    }
}

std::unique_ptr<ortho_chain> CudaDevice::make_chain(ChainSpec spec) {
    return std::make_unique<CudaChain>(*this, std::move(spec));
}

ortho_weights* CudaDevice::make_weights(ChainSpec spec) {
    return new CudaWeights(*this, std::move(spec));
}

} // namespace

ortho_device* make_device(const ortho_device_options& options) {
    return new CudaDevice(table(), options);
}

} // namespace ortho::cuda
