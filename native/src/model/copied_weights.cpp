#include "model/copied_weights.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "core/error.hpp"
#include "model/streams.hpp"

namespace ortho {
namespace {

class CopiedWeights final : public ortho_weights {
public:
    CopiedWeights(ortho_device& owner, ChainSpec chain_spec) : ortho_weights(owner, std::move(chain_spec)) {
        const int64_t element = spec.dtype == ORTHO_FLOAT32 ? sizeof(float) : sizeof(double);
        const int64_t n = spec.hidden_size, layers = std::max<int64_t>(1, spec.layers);
        weights_ = owner.make_buffer(layers * n * n * element);
        bias_ = owner.make_buffer(layers * n * element);
        if (spec.input_size > 0)
            input_weights_ = owner.make_buffer(n * spec.input_size * element);
    }

    std::unique_ptr<ortho_chain> make_chain() override {
        auto chain = device->make_chain(spec);
        chain->weights = WeightsReference(*this);
        return chain;
    }

    std::unique_ptr<ortho_streams> make_streams(int64_t) override {
        fail(ORTHO_NOT_SUPPORTED, "device '%s' has no streams; they run on a CPU", device->name());
    }

    WeightsSource parameters() const noexcept override {
        return {true, weights_->data, input_weights_ ? input_weights_->data : nullptr, bias_->data};
    }

private:
    ~CopiedWeights() override = default;

    void prepare_forward(const WeightsSource& source) override {
        copy(*weights_, source.weights);
        copy(*bias_, source.bias);
        if (input_weights_)
            copy(*input_weights_, source.input_weights);
    }
    void prepare_backward(const WeightsSource&) override {}

    void copy(const ortho_buffer& to, const void* from) { device->run(CopyOnDevice{to.data, from, to.bytes}); }

    std::unique_ptr<ortho_buffer> weights_;
    std::unique_ptr<ortho_buffer> input_weights_;
    std::unique_ptr<ortho_buffer> bias_;
};

} // namespace

ortho_weights* make_copied_weights(ortho_device& device, ChainSpec spec) {
    return new CopiedWeights(device, std::move(spec));
}

} // namespace ortho
