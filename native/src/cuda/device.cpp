#include "cuda/device.hpp"

#include <algorithm>
#include <exception>
#include <mutex>
#include <new>

#include "core/error.hpp"
#include "core/fork.hpp"
#include "core/memory.hpp"
#include "core/orthogonal.hpp"
#include "model/chain.hpp"
#include "model/copied_weights.hpp"

namespace ortho::cuda {
namespace {

static_assert(sizeof(Failure::message) == Error::message_capacity);

/** A GPU. Its calls are made one after another, whatever threads they come from. */
class CudaDevice final : public ortho_device {
public:
    CudaDevice(const Backend& backend, const ortho_device_options& options) : CudaDevice(backend) {
        call(backend_.device_create, &device_, &options);
        ortho_device_info info{};
        call(backend_.device_describe, device_, &info);
        // Managed memory may lie in that of the host.
        all_memory_ = info.total_memory + total_memory();
    }

    /** Calls a function of the backend that can fail. */
    template <class... Parameters, class... Arguments>
    void call(ortho_status (*function)(Parameters...), Arguments... arguments) {
        if (is_of_parent())
            fail(ORTHO_INVALID_STATE, "the CUDA device was created before this process was forked, which CUDA does not "
                                      "survive; use it in the parent");
        const std::lock_guard lock(mutex_);
        Failure failure{};
        if (const ortho_status status = function(arguments..., &failure); status != ORTHO_OK)
            throw Error(status, failure.message);
    }

    /** In the child of a fork, where CUDA cannot be called, what is freed is left to the end of the process. */
    template <class... Arguments> void free(void (*function)(Arguments...), Arguments... arguments) noexcept {
        if (is_of_parent())
            return;
        const std::lock_guard lock(mutex_);
        function(arguments...);
    }

    const Backend& functions() const noexcept { return backend_; }
    Device* handle() const noexcept { return device_; }

    const char* name() const noexcept override { return backend_.device_name(device_); }
    int threads() const noexcept override { return 0; }
    void describe(ortho_device_info& info) override {
        info.kind = ORTHO_DEVICE_CUDA;
        call(backend_.device_describe, device_, &info);
    }
    void synchronize() override { call(backend_.device_synchronize, device_); }
    bool may_hold(const void*, int64_t bytes) const noexcept override { return bytes <= all_memory_; }

    std::unique_ptr<ortho_buffer> make_buffer(int64_t bytes) override;
    std::unique_ptr<ortho_buffer> wrap(void* data, int64_t bytes) override {
        call(backend_.check_memory, device_, data);
        return std::make_unique<ortho_buffer>(*this, data, bytes);
    }
    std::unique_ptr<ortho_staging> make_staging(int64_t bytes) override;
    std::unique_ptr<ortho_chain> make_chain(ChainSpec spec) override;
    ortho_weights* make_weights(ChainSpec spec) override;

    void copy_from_host(void* destination, const void* source, int64_t bytes) override {
        call(backend_.copy_from_host, device_, destination, source, bytes);
    }
    void copy_to_host(void* destination, const void* source, int64_t bytes) override {
        call(backend_.copy_to_host, device_, destination, source, bytes);
    }
    void copy(void* destination, const void* source, int64_t bytes) override {
        call(backend_.copy, device_, destination, source, bytes);
    }
    void fill(ortho_dtype dtype, int64_t count, void* values, double value) override {
        call(backend_.fill, device_, dtype, count, values, value);
    }

    void add_normal_noise(ortho_dtype dtype, const NoiseStream& stream, double standard_deviation, int64_t count,
                          const void* x, void* y) override {
        call(backend_.add_normal_noise, device_, dtype, &stream, standard_deviation, count, x, y);
    }
    void dense_forward(ortho_dtype dtype, const DenseShape& shape, const void* weights, const void* bias, const void* x,
                       void* y) override {
        call(backend_.dense_forward, device_, dtype, &shape, weights, bias, x, y);
    }
    void dense_backward(ortho_dtype dtype, const DenseShape& shape, bool accumulate, const void* weights, const void* x,
                        const void* y_gradients, void* weight_gradients, void* bias_gradients,
                        void* x_gradients) override {
        call(backend_.dense_backward, device_, dtype, &shape, accumulate, weights, x, y_gradients, weight_gradients,
             bias_gradients, x_gradients);
    }
    void softmax_cross_entropy(ortho_dtype dtype, const SoftmaxCrossEntropy& arguments, double* loss,
                               int64_t* correct) override {
        call(backend_.softmax_cross_entropy, device_, dtype, &arguments, loss, correct);
    }
    void mean_squared_error(ortho_dtype dtype, const MeanSquaredError& arguments, double* loss) override {
        call(backend_.mean_squared_error, device_, dtype, &arguments, loss);
    }
    void clip_gradient_norm(ortho_dtype dtype, int64_t count, void* gradients, double max_norm, double* norm) override {
        call(backend_.clip_gradient_norm, device_, dtype, count, gradients, max_norm, norm);
    }
    void sgd_step(ortho_dtype dtype, const OptimizerStep& step, const SgdOptions& options) override {
        call(backend_.sgd_step, device_, dtype, &step, &options);
    }
    void adam_step(ortho_dtype dtype, const OptimizerStep& step, const AdamOptions& options) override {
        call(backend_.adam_step, device_, dtype, &step, &options);
    }

private:
    /** Whole from here on, so that what the other constructor made is freed if it fails afterwards. */
    explicit CudaDevice(const Backend& backend) noexcept : backend_(backend) {}
    ~CudaDevice() override {
        if (device_ != nullptr && !is_of_parent())
            backend_.device_free(device_);
    }

    bool is_of_parent() const noexcept { return forks_so_far() != forks_; }

    const Backend& backend_;
    const uint32_t forks_ = forks_so_far();
    std::mutex mutex_;
    Device* device_ = nullptr;
    int64_t all_memory_ = 0;
};

struct CudaBuffer final : ortho_buffer {
    CudaBuffer(CudaDevice& owner, void* memory, int64_t size) : ortho_buffer(owner, memory, size), cuda(owner) {}
    ~CudaBuffer() override { cuda.free(cuda.functions().release, cuda.handle(), data); }

    CudaDevice& cuda;
};

struct CudaStaging final : ortho_staging {
    CudaStaging(CudaDevice& owner, Staging* made, void* memory, int64_t size)
        : ortho_staging(owner, memory, size), cuda(owner), staging(made) {}
    ~CudaStaging() override { cuda.free(cuda.functions().staging_free, staging); }

    void upload(void* destination, int64_t count) override {
        cuda.call(cuda.functions().staging_upload, staging, destination, count);
    }
    void join() override { cuda.call(cuda.functions().staging_join, staging); }
    void wait() override { cuda.call(cuda.functions().staging_wait, staging); }

    CudaDevice& cuda;
    Staging* const staging;
};

/** Runs what may throw between two calls of the backend. */
template <class Body> ortho_status between_calls(Failure* failure, Body&& body) noexcept {
    const auto failed = [failure](const Error& error) {
        std::copy_n(error.what(), std::char_traits<char>::length(error.what()) + 1, failure->message);
        return error.status();
    };
    try {
        body();
        return ORTHO_OK;
    } catch (const Error& error) {
        return failed(error);
    } catch (const std::bad_alloc&) {
        return failed(Error(ORTHO_OUT_OF_MEMORY, "out of memory: drawing the filter needs memory of the host"));
    } catch (...) {
        return failed(Error(ORTHO_INTERNAL, "the filter could not be drawn"));
    }
}

class CudaChain final : public ortho_chain {
public:
    CudaChain(CudaDevice& owner, ChainSpec chain_spec) : ortho_chain(owner, std::move(chain_spec)), cuda_(owner) {
        ChainParameters parameters{};
        parameters.dtype = spec.dtype;
        parameters.model = spec.model;
        parameters.activation = spec.activation;
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
        parameters.read_matrix = [](void* context, int64_t layer, double* matrix, Failure* failure) {
            return between_calls(failure, [&] { static_cast<const ChainSpec*>(context)->write_matrix(layer, matrix); });
        };
        parameters.read_moves = [](void* context, int64_t layer, int32_t* source, double* sign, Failure* failure) {
            return between_calls(failure, [&] {
                const auto* const chain_spec = static_cast<const ChainSpec*>(context);
                const SignedPermutation moves = structured_filter(chain_spec->filter_of(layer));
                std::copy(moves.source.begin(), moves.source.end(), source);
                std::copy(moves.sign.begin(), moves.sign.end(), sign);
            });
        };
        cuda_.call(cuda_.functions().chain_create, cuda_.handle(), &parameters, &chain_);
    }
    ~CudaChain() override { cuda_.free(cuda_.functions().chain_free, chain_); }

    void forward(const ChainForward& call) override {
        ChainForward all = call;
        all.steps = spec.recurrent() ? call.steps : spec.layers;
        cuda_.call(cuda_.functions().chain_forward, chain_, &all);
    }
    void backward(const ChainBackward& call) override { cuda_.call(cuda_.functions().chain_backward, chain_, &call); }
    int64_t state_bytes(int64_t steps, int64_t batch, bool training) const override {
        int64_t bytes = 0;
        cuda_.call(cuda_.functions().chain_state_bytes, static_cast<const Chain*>(chain_),
                   spec.recurrent() ? steps : spec.layers, batch, training, &bytes);
        return bytes;
    }

private:
    CudaDevice& cuda_;
    Chain* chain_ = nullptr;
};

std::unique_ptr<ortho_buffer> CudaDevice::make_buffer(int64_t bytes) {
    void* data = nullptr;
    call(backend_.allocate, device_, bytes, &data);
    try {
        return std::make_unique<CudaBuffer>(*this, data, bytes);
    } catch (...) {
        free(backend_.release, device_, data);
        throw;
    }
}

std::unique_ptr<ortho_staging> CudaDevice::make_staging(int64_t bytes) {
    Staging* staging = nullptr;
    void* data = nullptr;
    call(backend_.staging_create, device_, bytes, &staging, &data);
    try {
        return std::make_unique<CudaStaging>(*this, staging, data, bytes);
    } catch (...) {
        free(backend_.staging_free, staging);
        throw;
    }
}

std::unique_ptr<ortho_chain> CudaDevice::make_chain(ChainSpec spec) {
    return std::make_unique<CudaChain>(*this, std::move(spec));
}

ortho_weights* CudaDevice::make_weights(ChainSpec spec) {
    return make_copied_weights(*this, std::move(spec));
}

} // namespace

ortho_device* make_device(const ortho_device_options& options) {
    return new CudaDevice(backend(), options);
}

} // namespace ortho::cuda
