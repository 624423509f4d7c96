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
}

} // namespace

ChainSpec::ChainSpec(const ortho_chain_options& options) {
    check::range("dtype", options.dtype, ORTHO_FLOAT32, ORTHO_FLOAT64);
    check::range("model", options.model, ORTHO_RECURRENT, ORTHO_FEEDFORWARD);
    if (options.activation != ORTHO_TANH && options.activation != ORTHO_RELU)
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("activation"),
             "is %" PRId32 "; it must be %d (tanh) or %d (ReLU)", options.activation, ORTHO_TANH, ORTHO_RELU);
    check::range("filter", options.filter, ORTHO_FILTER_HAAR, ORTHO_FILTER_CUSTOM);
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
    filter = static_cast<ortho_filter_kind>(options.filter);
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

    if (filter != ORTHO_FILTER_CUSTOM) {
        if (options.filter_matrix != nullptr)
            fail(ORTHO_INVALID_ARGUMENT, Argument{"filter_matrix"},
                 "is given with filter %d; only filter %d (custom) takes one", static_cast<int>(filter),
                 static_cast<int>(ORTHO_FILTER_CUSTOM));
        return;
    }
    if (options.filter_matrix == nullptr)
        fail(ORTHO_INVALID_ARGUMENT, Argument::missing("filter_matrix"),
             "is null; filter %d (custom) needs an orthogonal matrix", static_cast<int>(ORTHO_FILTER_CUSTOM));
    const int64_t matrices = filter_per_layer ? layers : 1;
    const int64_t size = hidden_size * hidden_size;
    const int64_t elements = matrices * size;
    const int64_t bytes = elements * static_cast<int64_t>(sizeof(double));
    check::memory("filter_matrix", options.filter_matrix, bytes);
    require_available(bytes, "the filter");
    for (int64_t m = 0; m < matrices; ++m) {
        const double distance = distance_from_orthogonal(options.filter_matrix + m * size, hidden_size);
        if (!(distance <= 1e-6))
            fail(ORTHO_INVALID_ARGUMENT, Argument{"filter_matrix"},
                 "(number %" PRId64 ") is %s away from orthogonal (largest entry of |O^T O - I|); "
                 "the distance must be at most 1e-6",
                 m, NumberText(distance).c_str());
    }
    filter_matrix.assign(options.filter_matrix, options.filter_matrix + elements);
}

void ChainSpec::write_matrix(int64_t layer, double* matrix) const {
    const int64_t size = hidden_size * hidden_size;
    if (filter == ORTHO_FILTER_CUSTOM) {
        std::copy_n(custom_matrix(layer), size, matrix);
    } else if (filter == ORTHO_FILTER_HAAR) {
        HaarScratch scratch(hidden_size);
        haar_matrix(filter_of(layer), scratch, matrix);
    } else {
        const SignedPermutation permutation = structured_filter(filter_of(layer));
        std::fill_n(matrix, size, 0.0);
        for (int64_t i = 0; i < hidden_size; ++i)
            matrix[i * hidden_size + permutation.source[static_cast<size_t>(i)]] =
                permutation.sign[static_cast<size_t>(i)];
    }
}

} // namespace ortho
