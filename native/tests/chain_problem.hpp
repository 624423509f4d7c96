// A problem for a chain, its solution by the formulas of the header, and its solution by the library: what the tests of
// all devices share.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support.hpp"

namespace ortho::test {

struct Shape {
    int64_t steps;
    int64_t batch;
    int64_t inputs;
    int64_t units;
};

/** A chain's whole problem: sizes, weights, data, and the gradient that arrives at its outputs. */
struct Problem {
    Shape shape;
    ortho_chain_model model = ORTHO_RECURRENT;
    ortho_cell cell = ORTHO_CELL_FILTER;
    bool recurrent_bias = false;
    ortho_activation activation = ORTHO_TANH;
    ortho_filter_kind filter = ORTHO_FILTER_HAAR;
    bool filter_per_layer = false;
    bool per_unit = false;
    int64_t output_steps = 1;
    int64_t checkpoint_every = 0;
    int64_t max_state_bytes = 0;
    int32_t threads = 1;
    bool initial = true;
    std::vector<double> alpha, beta, weights, input_weights, bias, inputs, x0, arriving;
    std::vector<double> final_gradients;    // empty: none are given, and no final states asked for
    std::vector<int32_t> lengths;           // empty: all are shape.steps
    std::vector<double> filter_matrix;      // of ORTHO_FILTER_CUSTOM
    std::vector<ortho_filter_block> blocks; // of ORTHO_FILTER_BLOCKS, see set_blocks()
    std::vector<std::shared_ptr<const std::vector<double>>> block_matrices; // which blocks point to

    int64_t length(int64_t sample) const {
        return lengths.empty() ? shape.steps : lengths[static_cast<size_t>(sample)];
    }
    bool recurrent() const { return model == ORTHO_RECURRENT; }
    int64_t weight_matrices() const { return recurrent() ? gates() : shape.steps; }
    int64_t gates() const { return cell == ORTHO_CELL_GRU ? 3 : cell == ORTHO_CELL_LSTM ? 4 : 1; }
    int64_t state_vectors() const { return cell == ORTHO_CELL_LSTM ? 2 : 1; }
};

inline std::vector<double> normal(uint32_t index, double deviation, int64_t count) {
    std::vector<double> values(static_cast<size_t>(count));
    if (count > 0) {
        EXPECT_EQ(ORTHO_OK, ortho_random_normal(7, ORTHO_STREAM_DATA, index, 0, deviation, ORTHO_FLOAT64, 0, count,
                                                values.data()));
    }
    // Both precisions start from the same numbers.
    for (double& value : values)
        value = static_cast<float>(value);
    return values;
}

inline Problem make_problem(Shape shape) {
    Problem p;
    p.shape = shape;
    return p;
}

/** An orthogonal matrix, not symmetric: the rows of a reflection in another order. */
inline std::vector<double> orthogonal_matrix(int64_t size, uint32_t index) {
    const std::vector<double> v = normal(100 + index, 1, size);
    double squares = 0;
    for (const double value : v)
        squares += value * value;
    std::vector<double> matrix;
    for (int64_t row = 0; row < size; ++row)
        for (int64_t j = 0; j < size; ++j) {
            const int64_t i = (row + 1) % size;
            matrix.push_back((i == j ? 1 : 0) - 2 * v[static_cast<size_t>(i)] * v[static_cast<size_t>(j)] / squares);
        }
    return matrix;
}

/** Makes the filter one of blocks, whose sizes and kinds are given. What is custom gets a matrix for each layer. */
inline void set_blocks(Problem& p, const std::vector<std::pair<int64_t, ortho_filter_kind>>& blocks) {
    p.filter = ORTHO_FILTER_BLOCKS;
    p.blocks.clear();
    p.block_matrices.clear();
    for (const auto& [size, kind] : blocks) {
        ortho_filter_block block{size, kind, 0, nullptr};
        if (kind == ORTHO_FILTER_CUSTOM) {
            std::vector<double> matrices;
            for (int64_t layer = 0; layer < (p.filter_per_layer ? p.shape.steps : 1); ++layer) {
                const auto matrix = orthogonal_matrix(size, static_cast<uint32_t>(layer));
                matrices.insert(matrices.end(), matrix.begin(), matrix.end());
            }
            p.block_matrices.push_back(std::make_shared<const std::vector<double>>(std::move(matrices)));
            block.matrix = p.block_matrices.back()->data();
        }
        p.blocks.push_back(block);
    }
}

/** The same with blocks of all kinds, whose sizes fit no tile and no panel. */
inline void set_mixed_blocks(Problem& p) {
    constexpr ortho_filter_kind kinds[] = {ORTHO_FILTER_HAAR,  ORTHO_FILTER_PERMUTATION, ORTHO_FILTER_CUSTOM,
                                           ORTHO_FILTER_CYCLE, ORTHO_FILTER_IDENTITY,    ORTHO_FILTER_HAAR};
    std::vector<std::pair<int64_t, ortho_filter_kind>> blocks;
    int64_t left = p.shape.units;
    for (const ortho_filter_kind kind : kinds) {
        const int64_t size = blocks.size() + 1 == std::size(kinds) ? left : std::min(left, 1 + left / 3);
        if (size > 0)
            blocks.emplace_back(size, kind);
        left -= size;
    }
    set_blocks(p, blocks);
}

inline void fill(Problem& p) {
    const auto [steps, batch, inputs, units] = p.shape;
    const double scale = 0.7 / std::sqrt(static_cast<double>(units));
    p.alpha = {0.9375};
    p.beta = {0.25};
    if (p.per_unit) {
        p.alpha.clear();
        p.beta.clear();
        for (int64_t i = 0; i < units; ++i) {
            p.alpha.push_back(1.0 - 0.125 * static_cast<double>(i % 3));
            p.beta.push_back(0.125 + 0.125 * static_cast<double>(i % 5));
        }
    }
    p.weights = normal(1, scale, p.weight_matrices() * units * units);
    p.input_weights = normal(2, 0.5, p.recurrent() ? p.gates() * units * inputs : 0);
    p.bias = normal(3, 0.5, p.weight_matrices() * units * (p.recurrent_bias ? 2 : 1));
    p.inputs = normal(4, 1, p.recurrent() ? steps * batch * inputs : 0);
    p.x0 = p.initial ? normal(5, 0.5, p.state_vectors() * batch * units) : std::vector<double>();
    p.arriving = normal(6, 1, p.output_steps * batch * units);
}

/** A problem of GRU or LSTM cells, with gradients at outputs and at final states. */
inline Problem problem_of_gates(ortho_cell cell, Shape shape, bool recurrent_bias = true) {
    Problem p = make_problem(shape);
    p.cell = cell;
    p.recurrent_bias = recurrent_bias;
    p.output_steps = std::max<int64_t>(1, shape.steps / 2);
    fill(p);
    p.final_gradients = normal(8, 1, p.state_vectors() * shape.batch * shape.units);
    return p;
}

struct Result {
    std::vector<double> outputs, weights, input_weights, bias, inputs, initial;
    std::vector<double> final_states = {}; // where gradients at them are given
};

inline double phi(ortho_activation activation, double z) {
    return activation == ORTHO_TANH ? std::tanh(z) : std::max(z, 0.0);
}
inline double slope(ortho_activation activation, double a) {
    return activation == ORTHO_TANH ? 1 - a * a : a > 0 ? 1.0 : 0.0;
}

inline Result reference_of_gates(const Problem& p);

/** The formulas of the header, sample by sample. `filters` holds O of each layer, or the one of all. */
inline Result reference(const Problem& p, const std::vector<std::vector<double>>& filters) {
    if (p.cell != ORTHO_CELL_FILTER)
        return reference_of_gates(p);
    const auto [steps, batch, inputs, n] = p.shape;
    const auto alpha = [&](int64_t i) { return p.alpha[p.per_unit ? static_cast<size_t>(i) : 0]; };
    const auto beta = [&](int64_t i) { return p.beta[p.per_unit ? static_cast<size_t>(i) : 0]; };
    const auto filter = [&](int64_t k) -> const std::vector<double>& {
        return filters[filters.size() > 1 ? static_cast<size_t>(k) : 0];
    };
    const auto at = [](auto& values, int64_t i) -> auto& {
        return values[static_cast<size_t>(i)];
    };
    const int64_t d_count = p.recurrent() ? inputs : 0;
    Result result;
    result.outputs.resize(static_cast<size_t>(p.output_steps * batch * n));
    result.weights.resize(p.weights.size());
    result.input_weights.resize(p.input_weights.size());
    result.bias.resize(p.bias.size());
    result.inputs.resize(p.inputs.size());
    result.initial.resize(static_cast<size_t>(batch * n));
    result.final_states.resize(p.final_gradients.size());
    for (int64_t b = 0; b < batch; ++b) {
        std::vector<double> x(static_cast<size_t>((steps + 1) * n)), a(static_cast<size_t>(steps * n));
        for (int64_t i = 0; i < n && p.initial; ++i)
            at(x, i) = at(p.x0, b * n + i);
        const int64_t length = p.length(b);
        for (int64_t k = 0; k < steps; ++k) {
            const int64_t layer = p.recurrent() ? 0 : k;
            for (int64_t i = 0; i < n && k >= length; ++i)
                at(x, (k + 1) * n + i) = at(x, k * n + i);
            for (int64_t i = 0; i < n && k < length; ++i) {
                double z = at(p.bias, layer * n + i), filtered = 0;
                for (int64_t d = 0; d < d_count; ++d)
                    z += at(p.input_weights, i * d_count + d) * at(p.inputs, (k * batch + b) * d_count + d);
                for (int64_t j = 0; j < n; ++j) {
                    z += at(p.weights, (layer * n + i) * n + j) * at(x, k * n + j);
                    filtered += at(filter(k), i * n + j) * at(x, k * n + j);
                }
                at(a, k * n + i) = phi(p.activation, z);
                at(x, (k + 1) * n + i) = alpha(i) * filtered + beta(i) * at(a, k * n + i);
            }
            const int64_t output = k - (steps - p.output_steps);
            for (int64_t i = 0; i < n && output >= 0; ++i)
                at(result.outputs, (output * batch + b) * n + i) = at(x, (k + 1) * n + i);
        }
        std::vector<double> g(static_cast<size_t>(n));
        for (int64_t i = 0; i < n && !p.final_gradients.empty(); ++i) {
            at(g, i) = at(p.final_gradients, b * n + i);
            at(result.final_states, b * n + i) = at(x, steps * n + i);
        }
        for (int64_t k = steps - 1; k >= 0; --k) {
            const int64_t layer = p.recurrent() ? 0 : k;
            const int64_t output = k - (steps - p.output_steps);
            std::vector<double> previous(static_cast<size_t>(n));
            for (int64_t i = 0; i < n; ++i) {
                if (output >= 0)
                    at(g, i) += at(p.arriving, (output * batch + b) * n + i);
                if (k >= length) {
                    at(previous, i) = at(g, i);
                    continue;
                }
                const double delta = beta(i) * slope(p.activation, at(a, k * n + i)) * at(g, i);
                at(result.bias, layer * n + i) += delta;
                for (int64_t d = 0; d < d_count; ++d) {
                    at(result.input_weights, i * d_count + d) += delta * at(p.inputs, (k * batch + b) * d_count + d);
                    at(result.inputs, (k * batch + b) * d_count + d) += delta * at(p.input_weights, i * d_count + d);
                }
                for (int64_t j = 0; j < n; ++j) {
                    at(result.weights, (layer * n + i) * n + j) += delta * at(x, k * n + j);
                    at(previous, j) +=
                        alpha(i) * at(filter(k), i * n + j) * at(g, i) + at(p.weights, (layer * n + i) * n + j) * delta;
                }
            }
            g = previous;
        }
        for (int64_t i = 0; i < n; ++i)
            at(result.initial, b * n + i) = at(g, i);
    }
    return result;
}

/** The same for GRU and LSTM cells. */
inline Result reference_of_gates(const Problem& p) {
    const auto [steps, batch, inputs, n] = p.shape;
    const int64_t gates = p.gates(), vectors = p.state_vectors();
    const bool lstm = p.cell == ORTHO_CELL_LSTM;
    const auto at = [](auto& values, int64_t i) -> auto& {
        return values[static_cast<size_t>(i)];
    };
    const auto logistic = [](double z) { return 1 / (1 + std::exp(-z)); };
    const auto zeros = [](int64_t count) { return std::vector<double>(static_cast<size_t>(count)); };
    Result result;
    result.outputs = zeros(p.output_steps * batch * n);
    result.weights = zeros(gates * n * n);
    result.input_weights = zeros(gates * n * inputs);
    result.bias = zeros(static_cast<int64_t>(p.bias.size()));
    result.inputs = zeros(steps * batch * inputs);
    result.initial = zeros(vectors * batch * n);
    result.final_states = zeros(static_cast<int64_t>(p.final_gradients.size()));
    for (int64_t b = 0; b < batch; ++b) {
        const int64_t length = p.length(b);
        // h and c before each step; the activations of the gates; W_n h + c_n of GRU.
        std::vector<double> h = zeros((steps + 1) * n), c = h, gate = zeros(steps * gates * n), inner = h;
        for (int64_t i = 0; i < n && p.initial; ++i) {
            at(h, i) = at(p.x0, b * n + i);
            if (lstm)
                at(c, i) = at(p.x0, (batch + b) * n + i);
        }
        for (int64_t k = 0; k < steps; ++k) {
            for (int64_t i = 0; i < n; ++i) {
                double& next = at(h, (k + 1) * n + i);
                if (k >= length) {
                    next = at(h, k * n + i);
                    at(c, (k + 1) * n + i) = at(c, k * n + i);
                    continue;
                }
                for (int64_t g = 0; g < gates; ++g) {
                    const int64_t row = g * n + i;
                    double of_inputs = at(p.bias, row), of_state = p.recurrent_bias ? at(p.bias, gates * n + row) : 0;
                    for (int64_t d = 0; d < inputs; ++d)
                        of_inputs += at(p.input_weights, row * inputs + d) * at(p.inputs, (k * batch + b) * inputs + d);
                    for (int64_t j = 0; j < n; ++j)
                        of_state += at(p.weights, row * n + j) * at(h, k * n + j);
                    double& value = at(gate, (k * gates + g) * n + i);
                    if (lstm) {
                        value = g == 2 ? std::tanh(of_inputs + of_state) : logistic(of_inputs + of_state);
                    } else if (g < 2) {
                        value = logistic(of_inputs + of_state);
                    } else {
                        at(inner, k * n + i) = of_state;
                        value = std::tanh(of_inputs + at(gate, k * gates * n + i) * of_state);
                    }
                }
                const auto of = [&](int64_t g) { return at(gate, (k * gates + g) * n + i); };
                if (lstm) {
                    at(c, (k + 1) * n + i) = of(1) * at(c, k * n + i) + of(0) * of(2);
                    next = of(3) * std::tanh(at(c, (k + 1) * n + i));
                } else {
                    next = (1 - of(1)) * of(2) + of(1) * at(h, k * n + i);
                }
            }
            const int64_t output = k - (steps - p.output_steps);
            for (int64_t i = 0; i < n && output >= 0; ++i)
                at(result.outputs, (output * batch + b) * n + i) = at(h, (k + 1) * n + i);
        }
        std::vector<double> at_h = zeros(n), at_c = zeros(n);
        for (int64_t i = 0; i < n && !p.final_gradients.empty(); ++i) {
            at(at_h, i) = at(p.final_gradients, b * n + i);
            at(result.final_states, b * n + i) = at(h, steps * n + i);
            if (lstm) {
                at(at_c, i) = at(p.final_gradients, (batch + b) * n + i);
                at(result.final_states, (batch + b) * n + i) = at(c, steps * n + i);
            }
        }
        for (int64_t k = steps - 1; k >= 0; --k) {
            const int64_t output = k - (steps - p.output_steps);
            for (int64_t i = 0; i < n && output >= 0; ++i)
                at(at_h, i) += at(p.arriving, (output * batch + b) * n + i);
            if (k >= length)
                continue;
            std::vector<double> before = zeros(n);
            for (int64_t i = 0; i < n; ++i) {
                const auto of = [&](int64_t g) { return at(gate, (k * gates + g) * n + i); };
                double of_inputs[4], of_state[4]; // the deltas that V and W take
                const double g = at(at_h, i);
                if (lstm) {
                    const double t = std::tanh(at(c, (k + 1) * n + i));
                    const double cell = at(at_c, i) + g * of(3) * (1 - t * t);
                    of_inputs[0] = cell * of(2) * of(0) * (1 - of(0));
                    of_inputs[1] = cell * at(c, k * n + i) * of(1) * (1 - of(1));
                    of_inputs[2] = cell * of(0) * (1 - of(2) * of(2));
                    of_inputs[3] = g * t * of(3) * (1 - of(3));
                    std::copy_n(of_inputs, 4, of_state);
                    at(at_c, i) = cell * of(1);
                } else {
                    of_inputs[2] = g * (1 - of(1)) * (1 - of(2) * of(2));
                    of_inputs[1] = g * (at(h, k * n + i) - of(2)) * of(1) * (1 - of(1));
                    of_inputs[0] = of_inputs[2] * at(inner, k * n + i) * of(0) * (1 - of(0));
                    std::copy_n(of_inputs, 3, of_state);
                    of_state[2] *= of(0);
                    at(before, i) += g * of(1);
                }
                for (int64_t q = 0; q < gates; ++q) {
                    const int64_t row = q * n + i;
                    at(result.bias, row) += of_inputs[q];
                    if (p.recurrent_bias)
                        at(result.bias, gates * n + row) += of_state[q];
                    for (int64_t d = 0; d < inputs; ++d) {
                        const int64_t u = (k * batch + b) * inputs + d;
                        at(result.input_weights, row * inputs + d) += of_inputs[q] * at(p.inputs, u);
                        at(result.inputs, u) += of_inputs[q] * at(p.input_weights, row * inputs + d);
                    }
                    for (int64_t j = 0; j < n; ++j) {
                        at(result.weights, row * n + j) += of_state[q] * at(h, k * n + j);
                        at(before, j) += of_state[q] * at(p.weights, row * n + j);
                    }
                }
            }
            at_h = before;
        }
        for (int64_t i = 0; i < n; ++i) {
            at(result.initial, b * n + i) = at(at_h, i);
            if (lstm)
                at(result.initial, (batch + b) * n + i) = at(at_c, i);
        }
    }
    return result;
}

class Chain {
public:
    Chain(const Device& device, const ortho_chain_options& options) : device_(device.get()) {
        EXPECT_EQ(ORTHO_OK, ortho_chain_create(&chain_, device_, &options)) << ortho_last_error();
    }
    ~Chain() { ortho_chain_free(chain_); }
    Chain(const Chain&) = delete;
    Chain& operator=(const Chain&) = delete;
    operator ortho_chain*() const { return chain_; }
    ortho_device* device() const { return device_; }

private:
    ortho_device* device_;
    ortho_chain* chain_ = nullptr;
};

inline ortho_chain_options options_of(const Problem& p, ortho_dtype dtype) {
    ortho_chain_options options = ORTHO_CHAIN_OPTIONS_INIT;
    options.dtype = dtype;
    options.model = p.model;
    options.cell = p.cell;
    options.recurrent_bias = p.recurrent_bias;
    options.activation = p.activation;
    options.filter = p.filter;
    options.filter_per_layer = p.filter_per_layer;
    options.hidden_size = p.shape.units;
    options.input_size = p.recurrent() ? p.shape.inputs : 0;
    options.layers = p.recurrent() ? 0 : p.shape.steps;
    options.check_finite = 1;
    if (p.cell == ORTHO_CELL_FILTER) {
        options.seed = 3;
        options.filter_index = 2;
        options.alpha = p.alpha.data();
        options.beta = p.beta.data();
        options.alpha_count = static_cast<int64_t>(p.alpha.size());
        options.beta_count = static_cast<int64_t>(p.beta.size());
    }
    options.filter_matrix = p.filter_matrix.empty() ? nullptr : p.filter_matrix.data();
    options.blocks = p.blocks.empty() ? nullptr : p.blocks.data();
    options.block_count = static_cast<int64_t>(p.blocks.size());
    options.checkpoint_every = p.checkpoint_every;
    options.max_state_bytes = p.max_state_bytes;
    return options;
}

inline std::vector<std::vector<double>> filters_of(const Problem& p, ortho_chain* chain) {
    std::vector<std::vector<double>> filters;
    if (p.cell != ORTHO_CELL_FILTER)
        return filters;
    for (int64_t layer = 0; layer < (p.filter_per_layer ? p.shape.steps : 1); ++layer) {
        filters.emplace_back(static_cast<size_t>(p.shape.units * p.shape.units));
        EXPECT_EQ(ORTHO_OK, ortho_chain_filter(chain, layer, filters.back().data())) << ortho_last_error();
    }
    return filters;
}

/** The same problem, with the filter of a chain given as matrices. */
inline Problem with_matrices_of(Problem p, ortho_chain* chain) {
    p.filter_matrix.clear();
    for (const std::vector<double>& matrix : filters_of(p, chain))
        p.filter_matrix.insert(p.filter_matrix.end(), matrix.begin(), matrix.end());
    p.filter = ORTHO_FILTER_CUSTOM;
    p.blocks.clear();
    return p;
}

template <class T> std::vector<T> convert(const std::vector<double>& values) {
    return {values.begin(), values.end()};
}
template <class T> const T* data_or_null(const std::vector<T>& values) {
    return values.empty() ? nullptr : values.data();
}
template <class T> T* data_or_null(std::vector<T>& values) {
    return values.empty() ? nullptr : values.data();
}

/** Elements on a device. */
template <class T> class DeviceArray {
public:
    DeviceArray(ortho_device* device, const std::vector<T>& values) : device_(device), count_(values.size()) {
        if (count_ == 0)
            return;
        EXPECT_EQ(ORTHO_OK, ortho_buffer_create(&buffer_, device_, bytes())) << ortho_last_error();
        EXPECT_EQ(ORTHO_OK, ortho_copy_from_host(device_, data(), values.data(), bytes())) << ortho_last_error();
    }
    DeviceArray(ortho_device* device, size_t count, T value) : DeviceArray(device, std::vector<T>(count, value)) {}
    ~DeviceArray() { ortho_buffer_free(buffer_); }
    DeviceArray(const DeviceArray&) = delete;
    DeviceArray& operator=(const DeviceArray&) = delete;

    /** Null if there are no elements. */
    T* data() const { return static_cast<T*>(ortho_buffer_data(buffer_)); }
    int64_t bytes() const { return static_cast<int64_t>(count_ * sizeof(T)); }
    std::vector<T> values() const {
        std::vector<T> copy(count_);
        if (count_ > 0) {
            EXPECT_EQ(ORTHO_OK, ortho_copy_to_host(device_, copy.data(), data(), bytes())) << ortho_last_error();
        }
        return copy;
    }

private:
    ortho_device* device_;
    size_t count_;
    ortho_buffer* buffer_ = nullptr;
};

/** The arrays of a problem, on the device of its chain. */
template <class T> struct Arrays {
    Arrays(const Problem& p, ortho_device* device)
        : weights(device, convert<T>(p.weights)), input_weights(device, convert<T>(p.input_weights)),
          bias(device, convert<T>(p.bias)), inputs(device, convert<T>(p.inputs)), x0(device, convert<T>(p.x0)),
          arriving(device, convert<T>(p.arriving)), outputs(device, p.arriving.size(), 0),
          initial(device, static_cast<size_t>(p.state_vectors() * p.shape.batch * p.shape.units), 0),
          last(device, convert<T>(p.final_gradients)), final_states(device, p.final_gradients.size(), 7),
          dw(device, p.weights.size(), 1), dv(device, p.input_weights.size(), 1), db(device, p.bias.size(), 1),
          du(device, p.inputs.size(), 1) {}

    DeviceArray<T> weights, input_weights, bias, inputs, x0, arriving, outputs, initial, last, final_states, dw, dv, db,
        du;
};

/** Forward and backward through the library, with arrays that were made for the problem. */
template <class T> Result run(const Problem& p, const Chain& chain, const Arrays<T>& a, bool accumulate = false) {
    EXPECT_EQ(ORTHO_OK,
              ortho_chain_forward(chain, p.recurrent() ? p.shape.steps : 0, p.shape.batch, data_or_null(p.lengths),
                                  nullptr, p.output_steps, 1, a.weights.data(), a.input_weights.data(), a.bias.data(),
                                  a.inputs.data(), a.x0.data(), a.outputs.data(), a.final_states.data()))
        << ortho_last_error();
    EXPECT_EQ(ORTHO_OK, ortho_chain_backward(chain, accumulate, a.weights.data(), a.input_weights.data(), a.bias.data(),
                                             a.inputs.data(), a.arriving.data(), a.last.data(), a.dw.data(),
                                             a.dv.data(), a.db.data(), a.du.data(), a.initial.data()))
        << ortho_last_error();
    const auto doubles = [](const DeviceArray<T>& array) {
        const std::vector<T> values = array.values();
        return std::vector<double>(values.begin(), values.end());
    };
    return {doubles(a.outputs), doubles(a.dw),      doubles(a.dv),          doubles(a.db),
            doubles(a.du),      doubles(a.initial), doubles(a.final_states)};
}

/** The same with new arrays: gradients are set or, for `accumulate`, added to ones. */
template <class T> Result run(const Problem& p, const Chain& chain, bool accumulate = false) {
    return run(p, chain, Arrays<T>(p, chain.device()), accumulate);
}

/**
 * Largest difference allowed, relative to the largest magnitude in `expected`: each value is the end of `length` sums
 * and products, each rounding by at most u relative to magnitudes that the chain keeps within a small factor of the
 * result's, and roundings add up like a random walk at most linearly; 4 u for φ at each step.
 */
inline void expect_close(const char* what, const std::vector<double>& expected, const std::vector<double>& actual,
                         double unit_roundoff, double length) {
    ASSERT_EQ(expected.size(), actual.size()) << what;
    double magnitude = 0;
    for (const double value : expected)
        magnitude = std::max(magnitude, std::abs(value));
    const double allowed = length * unit_roundoff * magnitude;
    for (size_t i = 0; i < expected.size(); ++i)
        ASSERT_NEAR(expected[i], actual[i], allowed) << what << "[" << i << "]";
}

inline void expect_close(const Problem& p, const Result& expected, const Result& actual, double unit_roundoff) {
    const auto [steps, batch, inputs, n] = p.shape;
    const double length =
        static_cast<double>((p.gates() * n + inputs + 4) * (steps + 1)) + static_cast<double>(batch * steps);
    expect_close("outputs", expected.outputs, actual.outputs, unit_roundoff, length);
    expect_close("weight_gradients", expected.weights, actual.weights, unit_roundoff, length);
    expect_close("input_weight_gradients", expected.input_weights, actual.input_weights, unit_roundoff, length);
    expect_close("bias_gradients", expected.bias, actual.bias, unit_roundoff, length);
    expect_close("input_gradients", expected.inputs, actual.inputs, unit_roundoff, length);
    expect_close("initial_gradients", expected.initial, actual.initial, unit_roundoff, length);
    expect_close("final_states", expected.final_states, actual.final_states, unit_roundoff, length);
}

inline void expect_same_bits(const Result& a, const Result& b) {
    EXPECT_EQ(a.outputs, b.outputs);
    EXPECT_EQ(a.weights, b.weights);
    EXPECT_EQ(a.input_weights, b.input_weights);
    EXPECT_EQ(a.bias, b.bias);
    EXPECT_EQ(a.inputs, b.inputs);
    EXPECT_EQ(a.initial, b.initial);
    EXPECT_EQ(a.final_states, b.final_states);
}

inline std::string describe(const Problem& p) {
    return "T=" + std::to_string(p.shape.steps) + " B=" + std::to_string(p.shape.batch) +
           " D=" + std::to_string(p.shape.inputs) + " N=" + std::to_string(p.shape.units) +
           " cell=" + std::to_string(p.cell) + " model=" + std::to_string(p.model) +
           " filter=" + std::to_string(p.filter) + " activation=" + std::to_string(p.activation) +
           " threads=" + std::to_string(p.threads) + " outputs=" + std::to_string(p.output_steps);
}

/**
 * Final states are the last outputs, bit for bit, and gradients at them do what those at the last outputs do, alone and
 * beside others.
 */
inline void expect_final_states(const Device& device, Problem p, ortho_dtype dtype) {
    SCOPED_TRACE(describe(p));
    const auto test = [&]<class T>(T) {
        const Chain chain(device, options_of(p, dtype));
        const int64_t state = p.shape.batch * p.shape.units, steps = p.recurrent() ? p.shape.steps : 0;
        // Multiples of 1/8, whose sums are exact in any order.
        std::vector<double> last(static_cast<size_t>(state)), all(static_cast<size_t>(2 * state));
        for (size_t i = 0; i < all.size(); ++i)
            all[i] = static_cast<double>(i % 29) / 8 - 1.5;
        for (size_t i = 0; i < last.size(); ++i)
            last[i] = static_cast<double>(i % 17) / 8 - 1;
        struct Call {
            int64_t output_steps;
            std::vector<double> arriving, last;
        };
        const auto run_call = [&](const Call& call) {
            Problem of_call = p;
            of_call.output_steps = call.output_steps;
            of_call.arriving = call.arriving;
            const Arrays<T> a(of_call, device.get());
            const DeviceArray<T> states(device.get(), static_cast<size_t>(state), 7);
            const DeviceArray<T> gradients(device.get(), convert<T>(call.last));
            EXPECT_TRUE(succeeds(ortho_chain_forward(chain, steps, p.shape.batch, data_or_null(p.lengths), nullptr,
                                                     call.output_steps, 1, a.weights.data(), a.input_weights.data(),
                                                     a.bias.data(), a.inputs.data(), a.x0.data(), a.outputs.data(),
                                                     call.last.empty() ? nullptr : states.data())));
            EXPECT_TRUE(succeeds(ortho_chain_backward(chain, 0, a.weights.data(), a.input_weights.data(), a.bias.data(),
                                                      a.inputs.data(), a.arriving.data(), gradients.data(), a.dw.data(),
                                                      a.dv.data(), a.db.data(), a.du.data(), a.initial.data())));
            const auto doubles = [](const DeviceArray<T>& array) {
                const std::vector<T> values = array.values();
                return std::vector<double>(values.begin(), values.end());
            };
            Result result{{}, doubles(a.dw), doubles(a.dv), doubles(a.db), doubles(a.du), doubles(a.initial)};
            result.outputs = doubles(call.last.empty() ? a.outputs : states);
            return result;
        };
        expect_same_bits(run_call({1, last, {}}), run_call({0, {}, last}));
        std::vector<double> sums = all;
        for (size_t i = 0; i < last.size(); ++i)
            sums[last.size() + i] += last[i];
        const Result beside_others = run_call({2, all, last});
        Result expected = run_call({2, sums, {}});
        expected.outputs.erase(expected.outputs.begin(), expected.outputs.begin() + state);
        expect_same_bits(expected, beside_others);
    };
    if (dtype == ORTHO_FLOAT32)
        test(0.0F);
    else
        test(0.0);
}

} // namespace ortho::test
