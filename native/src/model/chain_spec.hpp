// What a chain is.
#pragma once

#include <cstdint>
#include <vector>

#include "core/orthogonal.hpp"
#include "model/cells/cells.hpp"
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
    ortho_cell cell;
    bool recurrent_bias;
    std::vector<double> alpha;         // [N]
    std::vector<double> beta;          // [N]
    std::vector<double> filter_matrix; // [1 or L, N, N]; empty unless custom
    int64_t checkpoint_every;
    int64_t max_state_bytes;

    /** @throws Error ORTHO_INVALID_ARGUMENT */
    explicit ChainSpec(const ortho_chain_options& options);

    bool recurrent() const noexcept { return model == ORTHO_RECURRENT; }
    bool structured() const noexcept { return filter != ORTHO_FILTER_HAAR && filter != ORTHO_FILTER_CUSTOM; }

    /** Matrices [N, N] of W in a layer. */
    int64_t gates() const noexcept {
        return with_cell(cell, []<class Cell>(Cell) { return Cell::gates; });
    }
    /** Vectors [N] that a state has. */
    int64_t state_vectors() const noexcept {
        return with_cell(cell, []<class Cell>(Cell) { return Cell::carried_vectors; });
    }
    /** Elements of W, V and b of all layers, and of the state of a sample. */
    int64_t weight_count() const noexcept { return matrices() * gates() * hidden_size * hidden_size; }
    int64_t input_weight_count() const noexcept { return gates() * hidden_size * input_size; }
    int64_t bias_count() const noexcept { return matrices() * gates() * hidden_size * (recurrent_bias ? 2 : 1); }
    int64_t state_count() const noexcept { return state_vectors() * hidden_size; }

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

private:
    int64_t matrices() const noexcept { return recurrent() ? 1 : layers; }
};

} // namespace ortho
