// The filter chain on a GPU.
#pragma once

#include <memory>

#include "cuda/library/device.hpp"

namespace ortho::cuda {

struct Chain : plugin::Chain {
    Chain(Device& owner) : device(owner) {}
    virtual ~Chain() = default;
    Chain(const Chain&) = delete;
    Chain& operator=(const Chain&) = delete;

    virtual int64_t state_bytes(int64_t steps, int64_t batch, bool training) const = 0;
    /** Of a backward call. */
    virtual int64_t sum_bytes(int64_t steps, int64_t batch) const = 0;
    virtual void forward(const ChainForward& call) = 0;
    virtual void backward(const ChainBackward& call) = 0;

    Device& device;
};

/** A filter and parameters that any number of chains share. */
struct Weights {
    Weights(Device& owner, const ChainParameters& given) : device(owner), parameters(given) {
        // What these point to is the caller's.
        parameters.alpha = parameters.beta = nullptr;
        parameters.context = nullptr;
    }
    virtual ~Weights() = default;
    Weights(const Weights&) = delete;
    Weights& operator=(const Weights&) = delete;

    /** Copies the parameters, on the device's stream. */
    virtual void prepare(const void* weights, const void* input_weights, const void* bias) = 0;

    Device& device;
    ChainParameters parameters;
};

/** @throws Error */
std::shared_ptr<Weights> make_weights(Device& device, const ChainParameters& parameters);

/** With weights of its own, which it prepares in each call. @throws Error */
std::unique_ptr<Chain> make_chain(Device& device, const ChainParameters& parameters);

/** On prepared weights: calls are given no parameters. @throws Error */
std::unique_ptr<Chain> make_chain(const std::shared_ptr<Weights>& weights);

} // namespace ortho::cuda
