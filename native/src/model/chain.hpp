// The filter chain: what every model of the library runs on.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/live_objects.hpp"
#include "core/orthogonal.hpp"
#include "model/device.hpp"
#include "orthonative/orthonative.h"

namespace ortho {

/** What a chain is: ortho_chain_options, checked and owned. */
struct ChainSpec {
    ortho_dtype dtype;
    ortho_chain_model model;
    ortho_activation activation;
    ortho_filter_kind filter;
    bool filter_per_layer;
    bool check_finite;
    int64_t hidden_size;
    int64_t input_size;
    int64_t layers;
    uint64_t seed;
    uint32_t filter_index;
    std::vector<double> alpha;         // [N]
    std::vector<double> beta;          // [N]
    std::vector<double> filter_matrix; // [1 or L, N, N]; empty unless custom
    int64_t checkpoint_every;
    int64_t max_state_bytes;

    /** @throws Error ORTHO_INVALID_ARGUMENT */
    explicit ChainSpec(const ortho_chain_options& options);

    bool recurrent() const noexcept { return model == ORTHO_RECURRENT; }
    bool structured() const noexcept { return filter != ORTHO_FILTER_HAAR && filter != ORTHO_FILTER_CUSTOM; }

    /** What the filter of a layer is drawn from. */
    FilterSpec filter_of(int64_t layer) const noexcept {
        return {filter, hidden_size, seed, filter_index + static_cast<uint32_t>(layer)};
    }
    /** Writes the filter of a layer as a dense matrix [N, N]. What it throws it throws before it writes. */
    void write_matrix(int64_t layer, double* matrix) const;
    /** Filter of a layer as the caller gave it, [N, N]; custom filters only. */
    const double* custom_matrix(int64_t layer) const noexcept {
        return filter_matrix.data() + layer * hidden_size * hidden_size;
    }
};

} // namespace ortho

/** A chain on some device; a backend implements it. */
struct ortho_chain {
    ortho_chain(ortho_device& owner, ortho::ChainSpec chain_spec) : device(owner), spec(std::move(chain_spec)) {}
    virtual ~ortho_chain() = default;
    ortho_chain(const ortho_chain&) = delete;
    ortho_chain& operator=(const ortho_chain&) = delete;

    virtual void forward(const ortho::ChainForward& call) = 0;
    virtual void backward(const ortho::ChainBackward& call) = 0;
    virtual int64_t state_bytes(int64_t steps, int64_t batch, bool training) const = 0;

    ortho::DeviceReference device;
    const ortho::ChainSpec spec;
    /** 0, or where a thread is using it, 1 + forks_so_far() of the process of that thread. */
    std::atomic<uint64_t> in_use{0};
    ortho::LiveObject live;
};
