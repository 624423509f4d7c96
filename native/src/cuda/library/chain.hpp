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
    virtual void forward(const ChainForward& call) = 0;
    virtual void backward(const ChainBackward& call) = 0;

    Device& device;
};

/** @throws Error */
std::unique_ptr<Chain> make_chain(Device& device, const ChainParameters& parameters);

} // namespace ortho::cuda
