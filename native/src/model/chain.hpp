// The filter chain: what every model of the library runs on.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "core/live_objects.hpp"
#include "model/chain_spec.hpp"
#include "model/device.hpp"
#include "model/part.hpp"
#include "model/weights.hpp"
#include "orthonative/orthonative.h"

/** A chain on some device; a backend implements it. */
struct ortho_chain {
    /** With weights of its own, which it prepares in each call. */
    ortho_chain(ortho_device& owner, ortho::ChainSpec chain_spec)
        : device(owner), own_spec_(std::make_unique<ortho::ChainSpec>(std::move(chain_spec))), spec(*own_spec_) {}
    /** On prepared weights. */
    explicit ortho_chain(ortho_weights& prepared) : device(*prepared.device), weights(prepared), spec(prepared.spec) {}
    virtual ~ortho_chain() = default;
    ortho_chain(const ortho_chain&) = delete;
    ortho_chain& operator=(const ortho_chain&) = delete;

    virtual void forward(const ortho::ChainForward& call) = 0;
    virtual void backward(const ortho::ChainBackward& call) = 0;
    virtual int64_t state_bytes(int64_t steps, int64_t batch, bool training) const = 0;
    /** Of a backward call. */
    virtual int64_t sum_bytes(int64_t steps, int64_t batch) const = 0;

    ortho::DeviceReference device;
    /** None: the chain has weights of its own. */
    ortho::WeightsReference weights;

private:
    const std::unique_ptr<const ortho::ChainSpec> own_spec_;

public:
    const ortho::ChainSpec& spec;
    /** Which contents of the prepared weights the forward pass read that backward is to follow; 0: none. */
    uint64_t weights_generation = 0;
    /** The sizes of that pass. */
    struct Pass {
        int64_t steps, batch, output_steps;
        ortho::BatchPart part;
    } pass{};
    /** 0, or where a thread is using it, 1 + forks_so_far() of the process of that thread. */
    std::atomic<uint64_t> in_use{0};
    ortho::LiveObject live;
};
