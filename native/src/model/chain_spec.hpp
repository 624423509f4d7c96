// What a chain is.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

#include "core/orthogonal.hpp"
#include "model/cells/cells.hpp"
#include "orthonative/orthonative.h"

namespace ortho {

struct BlockScratch;

/** A block on the diagonal of a filter. */
struct FilterBlock {
    ortho_filter_kind kind;
    int64_t first; // its first unit
    int64_t size;
    std::vector<double> matrix = {}; // [1 or L, size, size]; empty unless custom

    bool haar() const noexcept { return kind == ORTHO_FILTER_HAAR; }
    bool custom() const noexcept { return kind == ORTHO_FILTER_CUSTOM; }
    bool structured() const noexcept { return !haar() && !custom(); }
};

/** What a chain is: ortho_chain_options, checked and owned. */
struct ChainSpec {
    ortho_dtype dtype;
    ortho_chain_model model;
    ortho_activation activation;
    bool filter_per_layer;
    bool check_finite;
    int64_t hidden_size;
    int64_t input_size;
    int64_t layers;
    uint64_t seed;
    uint32_t filter_index;
    ortho_cell cell;
    bool recurrent_bias;
    std::vector<double> alpha; // [N]
    std::vector<double> beta;  // [N]
    /** The filter, in the order of the units: one block of all units where it is not of ORTHO_FILTER_BLOCKS, none where
        the cell has no filter. */
    std::vector<FilterBlock> blocks;
    int64_t checkpoint_every;
    int64_t max_state_bytes;

    /** @throws Error ORTHO_INVALID_ARGUMENT */
    explicit ChainSpec(const ortho_chain_options& options);

    bool recurrent() const noexcept { return model == ORTHO_RECURRENT; }
    /** Whether the filter is a signed permutation. */
    bool structured() const noexcept { return structured_; }

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

    /** Elements of O that a product with it takes: those of all blocks, none where it is structured. */
    int64_t filter_elements() const noexcept { return filter_elements_; }
    /** Size of the largest block of which `is` is true; 0: it is true of none. */
    template <class Predicate> int64_t largest_block(Predicate&& is) const {
        int64_t largest = 0;
        for (const FilterBlock& block : blocks)
            if (std::invoke(is, block))
                largest = std::max(largest, block.size);
        return largest;
    }

    /** Writes the filter of a layer as a dense matrix [N, N]. What it throws it throws before it writes. */
    void write_matrix(int64_t layer, double* matrix) const;
    /** Writes a structured filter of a layer: (O x)_i = sign_i x[source_i]. */
    void write_permutation(int64_t layer, int32_t* source, double* sign) const noexcept;
    /** Writes a block of the filter of a layer as a dense matrix [size, size]. */
    void write_block(int64_t layer, const FilterBlock& block, BlockScratch& scratch, double* matrix) const noexcept;
    /** A custom block of a layer as the caller gave it, [size, size]. */
    const double* custom_block(int64_t layer, const FilterBlock& block) const noexcept {
        return block.matrix.data() + layer * block.size * block.size;
    }

private:
    int64_t matrices() const noexcept { return recurrent() ? 1 : layers; }
    void read_blocks(const ortho_chain_options& options);
    /** What a block of a layer is drawn from. */
    FilterSpec draws(int64_t layer, const FilterBlock& block) const noexcept;

    bool structured_ = false;
    int64_t filter_elements_ = 0;
};

/** Memory for drawing the blocks of a chain's filter one after another, beside their matrices. */
struct BlockScratch {
    explicit BlockScratch(const ChainSpec& spec);

    HaarScratch haar;
    std::vector<int32_t> source;
    std::vector<double> sign;
};

} // namespace ortho
