// Prepared weights, and chains and streams on them, for tests.
#pragma once

#include <algorithm>
#include <utility>

#include "chain_problem.hpp"

namespace ortho::test {

class Weights {
public:
    Weights(const Device& device, const Problem& p, int32_t dtype) : device_(device.get()) {
        const ortho_chain_options options = options_of(p, static_cast<ortho_dtype>(dtype));
        EXPECT_TRUE(succeeds(ortho_weights_create(&weights_, device.get(), &options)));
    }
    ~Weights() { ortho_weights_free(weights_); }
    Weights(const Weights&) = delete;
    Weights& operator=(const Weights&) = delete;
    operator ortho_weights*() const { return weights_; }

    template <class T> ortho_status try_prepare(const Problem& p, uint64_t version, bool training) const {
        const DeviceArray<T> w(device_, convert<T>(p.weights)), v(device_, convert<T>(p.input_weights)),
            b(device_, convert<T>(p.bias));
        return ortho_weights_prepare(weights_, version, training, w.data(), v.data(), b.data());
    }
    template <class T> void prepare(const Problem& p, uint64_t version, bool training) const {
        EXPECT_TRUE(succeeds(try_prepare<T>(p, version, training)));
    }

private:
    ortho_device* device_;
    ortho_weights* weights_ = nullptr;
};

class PreparedChain {
public:
    explicit PreparedChain(ortho_weights* weights) { EXPECT_TRUE(succeeds(ortho_chain_create_on(&chain_, weights))); }
    ~PreparedChain() { ortho_chain_free(chain_); }
    PreparedChain(const PreparedChain&) = delete;
    PreparedChain& operator=(const PreparedChain&) = delete;
    operator ortho_chain*() const { return chain_; }

private:
    ortho_chain* chain_ = nullptr;
};

class Streams {
public:
    Streams(ortho_weights* weights, int64_t count) {
        EXPECT_TRUE(succeeds(ortho_streams_create(&streams_, weights, count)));
    }
    ~Streams() { ortho_streams_free(streams_); }
    Streams(const Streams&) = delete;
    Streams& operator=(const Streams&) = delete;
    operator ortho_streams*() const { return streams_; }

private:
    ortho_streams* streams_ = nullptr;
};

template <class T> std::vector<double> doubles_of(const std::vector<T>& values) {
    return {values.begin(), values.end()};
}

/** As run() with a chain that has weights of its own. */
template <class T> Result run_prepared(const Problem& p, ortho_chain* chain, ortho_device* device) {
    const Arrays<T> a(p, device);
    EXPECT_TRUE(succeeds(ortho_chain_forward(chain, p.recurrent() ? p.shape.steps : 0, p.shape.batch, nullptr, nullptr,
                                             p.output_steps, 1, nullptr, nullptr, nullptr, a.inputs.data(), a.x0.data(),
                                             a.outputs.data(), nullptr)));
    EXPECT_TRUE(
        succeeds(ortho_chain_backward(chain, 0, nullptr, nullptr, nullptr, a.inputs.data(), a.arriving.data(), nullptr,
                                      a.dw.data(), a.dv.data(), a.db.data(), a.du.data(), a.initial.data())));
    const auto doubles = [](const DeviceArray<T>& array) { return doubles_of(array.values()); };
    return {doubles(a.outputs), doubles(a.dw), doubles(a.dv), doubles(a.db), doubles(a.du), doubles(a.initial)};
}

} // namespace ortho::test
