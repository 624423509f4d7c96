// Sequences that are fed step by step, many at once.
#pragma once

#include <memory>

#include "cuda/library/chain.hpp"

namespace ortho::cuda {

struct Streams : plugin::Streams {
    Streams(std::shared_ptr<Weights> prepared, int64_t streams)
        : device(prepared->device), weights(std::move(prepared)), count(streams) {}
    virtual ~Streams() = default;
    Streams(const Streams&) = delete;
    Streams& operator=(const Streams&) = delete;

    /**
     * @param resets   [S] in the host's memory; null: none
     * @param inputs   [S, D]; null where D is 0
     * @param outputs  [S, N]; null: not wanted
     */
    virtual void step(const uint8_t* resets, const void* inputs, void* outputs) = 0;
    virtual void read(void* states) const = 0;
    virtual void write(const void* states) = 0;

    Device& device;
    const std::shared_ptr<Weights> weights;
    const int64_t count;
};

/** All states are zeros. @throws Error */
std::unique_ptr<Streams> make_streams(const std::shared_ptr<Weights>& weights, int64_t count);

} // namespace ortho::cuda
