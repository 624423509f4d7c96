#include "model/chain.hpp"

#include <algorithm>
#include <cinttypes>
#include <cmath>

#include "core/check.hpp"
#include "core/error.hpp"
#include "core/memory.hpp"
#include "core/orthogonal.hpp"

namespace ortho {

namespace {

std::vector<double> one_for_each_unit(ortho_dtype dtype, const char* name, const double* values, const char* count_name,
                                      int64_t count, int64_t units) {
    if (values == nullptr)
        fail(ORTHO_INVALID_ARGUMENT, Argument::missing(name), "is null; it must hold one factor or one for each unit");
    if (count != 1 && count != units)
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range(count_name),
             "is %" PRId64 "; it must be 1 or the number of units, %" PRId64, count, units);
    for (int64_t i = 0; i < count; ++i)
        if (!check::finite_in(dtype, values[i]))
            fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range(name, i), "is %s; it must be finite in this dtype",
                 NumberText(values[i]).c_str());
    if (count == 1)
        return std::vector<double>(static_cast<size_t>(units), values[0]);
    return std::vector<double>(values, values + count);
}

/** Largest |(OᵀO - I)_ij| of a matrix [n, n]. */
double distance_from_orthogonal(const double* matrix, int64_t n) {
    double worst = 0;
    std::vector<double> row(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) {
        std::fill(row.begin(), row.end(), 0.0);
        for (int64_t k = 0; k < n; ++k)
            for (int64_t j = 0; j < n; ++j)
                row[static_cast<size_t>(j)] += matrix[k * n + i] * matrix[k * n + j];
        row[static_cast<size_t>(i)] -= 1;
        for (const double value : row) {
            // No number that follows may take the place of one that is none.
            if (std::isnan(value))
                return value;
            worst = std::max(worst, std::abs(value));
        }
    }
    return worst;
}

/** Cells without a filter refuse what describes one. */
void check_no_filter(const ortho_chain_options& options) {
    const char* const when = "where the cell has no filter";
    const auto zero = [when](const char* name, int64_t value) {
        if (value != 0)
            fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range(name), "is %" PRId64 "; it must be 0 %s", value, when);
    };
    if (options.model != ORTHO_RECURRENT)
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("model"), "is %d; it must be %d (recurrent) %s",
             static_cast<int>(options.model), static_cast<int>(ORTHO_RECURRENT), when);
    zero("activation", options.activation);
    zero("filter", options.filter);
    zero("filter_index", options.filter_index);
    zero("alpha_count", options.alpha_count);
    zero("beta_count", options.beta_count);
    if (options.seed != 0)
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("seed"), "is %" PRIu64 "; it must be 0 %s", options.seed,
             when);
    check::null("alpha", options.alpha, when);
    check::null("beta", options.beta, when);
    check::null("filter_matrix", options.filter_matrix, when);
    check::null("blocks", options.blocks, when);
    zero("block_count", options.block_count);
}

/**
 * Checks and copies the matrices of a custom filter or block.
 * @param name     of the argument
 * @param element  of which block; -1: of the filter
 * @param given    [matrices, size, size], or null where the filter is of another kind
 */
std::vector<double> read_matrices(const char* name, int64_t element, ortho_filter_kind kind, const double* given,
                                  int64_t matrices, int64_t size) {
    if (kind != ORTHO_FILTER_CUSTOM) {
        if (given != nullptr)
            fail(ORTHO_INVALID_ARGUMENT, Argument{name, element},
                 "is given with filter %d; only filter %d (custom) takes one", static_cast<int>(kind),
                 static_cast<int>(ORTHO_FILTER_CUSTOM));
        return {};
    }
    if (given == nullptr)
        fail(ORTHO_INVALID_ARGUMENT, Argument::missing(name, element),
             "is null; filter %d (custom) needs an orthogonal matrix", static_cast<int>(ORTHO_FILTER_CUSTOM));
    const int64_t elements = matrices * size * size;
    const int64_t bytes = elements * static_cast<int64_t>(sizeof(double));
    if (!may_be_memory(given, bytes))
        check::too_small(name, bytes, element);
    require_available(bytes, "the filter");
    for (int64_t m = 0; m < matrices; ++m) {
        const double distance = distance_from_orthogonal(given + m * size * size, size);
        if (!(distance <= 1e-6))
            fail(ORTHO_INVALID_ARGUMENT, Argument{name, element},
                 "(number %" PRId64 ") is %s away from orthogonal (largest entry of |O^T O - I|); "
                 "the distance must be at most 1e-6",
                 m, NumberText(distance).c_str());
    }
    return std::vector<double>(given, given + elements);
}

} // namespace

ChainSpec::ChainSpec(const ortho_chain_options& options) {
    check::range("dtype", options.dtype, ORTHO_FLOAT32, ORTHO_FLOAT64);
    check::range("model", options.model, ORTHO_RECURRENT, ORTHO_FEEDFORWARD);
    if (options.activation != ORTHO_TANH && options.activation != ORTHO_RELU)
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("activation"),
             "is %" PRId32 "; it must be %d (tanh) or %d (ReLU)", options.activation, ORTHO_TANH, ORTHO_RELU);
    check::range("filter", options.filter, ORTHO_FILTER_HAAR, ORTHO_FILTER_BLOCKS);
    check::range("check_finite", options.check_finite, 0, 1);
    check::range("hidden_size", options.hidden_size, 1, 65536);
    const bool is_recurrent = options.model == ORTHO_RECURRENT;
    check::range("filter_per_layer", options.filter_per_layer, 0, is_recurrent ? 0 : 1);
    check::range("input_size", options.input_size, 0, is_recurrent ? 1048576 : 0);
    check::range("layers", options.layers, is_recurrent ? 0 : 1, is_recurrent ? 0 : INT32_MAX);
    check::range("checkpoint_every", options.checkpoint_every, 0, INT64_MAX);
    check::range("max_state_bytes", options.max_state_bytes, 0, INT64_MAX);
    check::range("cell", options.cell, ORTHO_CELL_FILTER, ORTHO_CELL_LSTM);
    check::range("recurrent_bias", options.recurrent_bias, 0, options.cell == ORTHO_CELL_FILTER ? 0 : 1);
    check::addressable("layers", std::max<int64_t>(1, options.layers), options.hidden_size * options.hidden_size,
                       "weights");
    if (options.checkpoint_every > 0 && options.max_state_bytes > 0)
        fail(ORTHO_INVALID_ARGUMENT, Argument{"checkpoint_every"},
             "is %" PRId64 " and the states may take %" PRId64 " bytes; one of the two must be 0",
             options.checkpoint_every, options.max_state_bytes);

    dtype = static_cast<ortho_dtype>(options.dtype);
    model = static_cast<ortho_chain_model>(options.model);
    activation = static_cast<ortho_activation>(options.activation);
    filter_per_layer = options.filter_per_layer == 1;
    check_finite = options.check_finite == 1;
    hidden_size = options.hidden_size;
    input_size = options.input_size;
    layers = options.layers;
    seed = options.seed;
    filter_index = options.filter_index;
    checkpoint_every = options.checkpoint_every;
    max_state_bytes = options.max_state_bytes;
    cell = static_cast<ortho_cell>(options.cell);
    recurrent_bias = options.recurrent_bias == 1;
    if (cell != ORTHO_CELL_FILTER) {
        check_no_filter(options);
        return;
    }
    alpha = one_for_each_unit(dtype, "alpha", options.alpha, "alpha_count", options.alpha_count, hidden_size);
    beta = one_for_each_unit(dtype, "beta", options.beta, "beta_count", options.beta_count, hidden_size);

    read_blocks(options);
    structured_ =
        std::all_of(blocks.begin(), blocks.end(), [](const FilterBlock& block) { return block.structured(); });
    for (const FilterBlock& block : blocks)
        filter_elements_ += structured_ ? 0 : block.size * block.size;
}

void ChainSpec::read_blocks(const ortho_chain_options& options) {
    const int64_t matrices = filter_per_layer ? layers : 1;
    const auto filter = static_cast<ortho_filter_kind>(options.filter);
    std::vector<double> matrix =
        read_matrices("filter_matrix", -1, filter, options.filter_matrix, matrices, hidden_size);
    if (filter != ORTHO_FILTER_BLOCKS) {
        check::null("blocks", options.blocks, "where the filter is not of blocks");
        check::range("block_count", options.block_count, 0, 0);
        blocks.push_back({filter, 0, hidden_size, std::move(matrix)});
        return;
    }
    check::range("block_count", options.block_count, 1, 1024);
    check::memory("blocks", options.blocks, options.block_count * static_cast<int64_t>(sizeof *options.blocks));
    int64_t units = 0;
    for (int64_t b = 0; b < options.block_count; ++b) {
        const ortho_filter_block& block = options.blocks[b];
        check::at_least("blocks[].size", block.size, 1, b);
        if (block.size > hidden_size - units)
            fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("blocks[].size", b),
                 "is %" PRId64 "; it must be at most %" PRId64 ", what the blocks before it leave of %" PRId64 " units",
                 block.size, hidden_size - units, hidden_size);
        check::range("blocks[].filter", block.filter, ORTHO_FILTER_HAAR, ORTHO_FILTER_CUSTOM, b);
        check::range("blocks[].reserved", block.reserved, 0, 0, b);
        blocks.push_back({static_cast<ortho_filter_kind>(block.filter), units, block.size});
        units += block.size;
    }
    if (units != hidden_size)
        fail(ORTHO_INVALID_ARGUMENT, Argument{"blocks"},
             "has sizes that add up to %" PRId64 "; they must add up to the number of units, %" PRId64, units,
             hidden_size);
    for (size_t b = 0; b < blocks.size(); ++b)
        blocks[b].matrix = read_matrices("blocks[].matrix", static_cast<int64_t>(b), blocks[b].kind,
                                         options.blocks[b].matrix, matrices, blocks[b].size);
}

FilterSpec ChainSpec::draws(int64_t layer, const FilterBlock& block) const noexcept {
    const auto stream = layer * static_cast<int64_t>(blocks.size()) + (&block - blocks.data());
    return {block.kind, block.size, seed, filter_index + static_cast<uint32_t>(stream)};
}

void ChainSpec::write_block(int64_t layer, const FilterBlock& block, BlockScratch& scratch,
                            double* matrix) const noexcept {
    if (block.custom()) {
        std::copy_n(custom_block(layer, block), block.size * block.size, matrix);
    } else if (block.structured()) {
        structured_filter(draws(layer, block), scratch.source.data(), scratch.sign.data());
        std::fill_n(matrix, block.size * block.size, 0.0);
        for (int64_t i = 0; i < block.size; ++i)
            matrix[i * block.size + scratch.source[static_cast<size_t>(i)]] = scratch.sign[static_cast<size_t>(i)];
    } else {
        haar_matrix(draws(layer, block), scratch.haar, matrix);
    }
}

void ChainSpec::write_matrix(int64_t layer, double* matrix) const {
    BlockScratch scratch(*this);
    if (blocks.size() == 1) {
        write_block(layer, blocks[0], scratch, matrix);
        return;
    }
    const int64_t largest = largest_block([](const FilterBlock&) { return true; });
    std::vector<double> drawn(static_cast<size_t>(largest * largest));
    std::fill_n(matrix, hidden_size * hidden_size, 0.0);
    for (const FilterBlock& block : blocks) {
        write_block(layer, block, scratch, drawn.data());
        for (int64_t i = 0; i < block.size; ++i)
            std::copy_n(drawn.data() + i * block.size, block.size,
                        matrix + (block.first + i) * hidden_size + block.first);
    }
}

void ChainSpec::write_permutation(int64_t layer, int32_t* source, double* sign) const noexcept {
    for (const FilterBlock& block : blocks) {
        structured_filter(draws(layer, block), source + block.first, sign + block.first);
        for (int64_t i = block.first; i < block.first + block.size; ++i)
            source[i] += static_cast<int32_t>(block.first);
    }
}

BlockScratch::BlockScratch(const ChainSpec& spec)
    : haar(spec.largest_block(&FilterBlock::haar)),
      source(static_cast<size_t>(spec.largest_block(&FilterBlock::structured))), sign(source.size()) {}

} // namespace ortho
