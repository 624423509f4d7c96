// GRU and LSTM cells against their equations in double precision, and against central differences.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "prepared_weights.hpp"

using namespace ortho::test;

namespace {

constexpr ortho_cell cells[] = {ORTHO_CELL_GRU, ORTHO_CELL_LSTM};

TEST(Cells, Agree_with_their_equations) {
    std::mt19937 random(5);
    for (const ortho_cell cell : cells)
        for (const Shape shape : {Shape{1, 1, 1, 1}, Shape{7, 3, 2, 5}, Shape{12, 40, 1, 20}, Shape{5, 9, 0, 33},
                                  Shape{9, 1, 3, 17}, Shape{4, 70, 6, 130}, Shape{30, 8, 1, 64}})
            for (const bool with_lengths : {false, true}) {
                Problem p = problem_of_gates(cell, shape, shape.batch % 2 == 1);
                if (with_lengths)
                    for (int64_t b = 0; b < shape.batch; ++b)
                        p.lengths.push_back(static_cast<int32_t>(random() % static_cast<uint32_t>(shape.steps + 1)));
                p.checkpoint_every = shape.inputs == 2 ? 3 : 0;
                SCOPED_TRACE(describe(p));
                const Result expected = reference(p, {});
                const Device device = make_device(1 + static_cast<int>(shape.steps % 3));
                const Chain in_doubles(device, options_of(p, ORTHO_FLOAT64));
                const Chain in_floats(device, options_of(p, ORTHO_FLOAT32));
                expect_close(p, expected, run<double>(p, in_doubles), std::ldexp(1, -53));
                expect_close(p, expected, run<float>(p, in_floats), std::ldexp(1, -24));
                if (HasFatalFailure())
                    return;
            }
}

/** Σ outputs · their gradients + Σ final states · theirs. */
double objective(const Problem& p, const Result& result) {
    double sum = 0;
    for (size_t i = 0; i < p.arriving.size(); ++i)
        sum += p.arriving[i] * result.outputs[i];
    for (size_t i = 0; i < p.final_gradients.size(); ++i)
        sum += p.final_gradients[i] * result.final_states[i];
    return sum;
}

TEST(Cells, Gradients_are_central_differences) {
    for (const ortho_cell cell : cells)
        for (const Shape shape : {Shape{6, 3, 2, 7}, Shape{5, 2, 3, 19}, Shape{4, 5, 1, 1}}) {
            Problem p = problem_of_gates(cell, shape, true);
            SCOPED_TRACE(describe(p));
            const Device device = make_device(1);
            const Chain chain(device, options_of(p, ORTHO_FLOAT64));
            const Result exact = run<double>(p, chain);
            const struct {
                const char* name;
                std::vector<double>& values;
                const std::vector<double>& gradients;
            } parts[] = {{"weights", p.weights, exact.weights},
                         {"input_weights", p.input_weights, exact.input_weights},
                         {"bias", p.bias, exact.bias},
                         {"inputs", p.inputs, exact.inputs},
                         {"initial", p.x0, exact.initial}};
            for (const auto& part : parts)
                for (size_t i = 0; i < part.values.size(); i += 1 + part.values.size() / 40) {
                    // The difference is off by h^2 / 6 times a third derivative, some hundreds here, and by the
                    // rounding of the objective, some 1e-14, over h.
                    constexpr double h = 1e-5;
                    const double value = part.values[i];
                    part.values[i] = value + h;
                    const double above = objective(p, run<double>(p, chain));
                    part.values[i] = value - h;
                    const double below = objective(p, run<double>(p, chain));
                    part.values[i] = value;
                    ASSERT_NEAR(part.gradients[i], (above - below) / (2 * h), 1e-8) << part.name << "[" << i << "]";
                }
        }
}

TEST(Cells, Threads_and_checkpoints_do_not_change_a_bit) {
    for (const ortho_cell cell : cells) {
        Problem p = problem_of_gates(cell, {23, 70, 3, 40}, true);
        for (int32_t b = 0; b < 70; ++b)
            p.lengths.push_back(b * 5 % 24);
        const Device one = make_device(1);
        const Result expected = run<float>(p, Chain(one, options_of(p, ORTHO_FLOAT32)));
        for (const int64_t every : {0, 1, 7})
            for (const int32_t threads : {1, 2, 3, 5, 7, 16}) {
                p.checkpoint_every = every;
                SCOPED_TRACE(describe(p) + " on " + std::to_string(threads) + ", every " + std::to_string(every));
                const Device device = make_device(threads);
                expect_same_bits(expected, run<float>(p, Chain(device, options_of(p, ORTHO_FLOAT32))));
            }
    }
}

template <class T> void expect_states_of_training(const Problem& p) {
    const Device device = make_device(1);
    const Chain chain(device, options_of(p, static_cast<ortho_dtype>(dtype_of<T>)));
    const Result trained = run<T>(p, chain);
    const auto forward = [&](const Problem& of) {
        const Arrays<T> a(of, device.get());
        EXPECT_TRUE(
            succeeds(ortho_chain_forward(chain, of.shape.steps, of.shape.batch, nullptr, nullptr, of.output_steps, 0,
                                         a.weights.data(), a.input_weights.data(), a.bias.data(), a.inputs.data(),
                                         a.x0.data(), a.outputs.data(), a.final_states.data())));
        return std::pair(doubles_of(a.outputs.values()), doubles_of(a.final_states.values()));
    };
    const auto [outputs, final_states] = forward(p);
    EXPECT_EQ(trained.outputs, outputs);
    EXPECT_EQ(trained.final_states, final_states);
    // Each sample alone.
    const auto [steps, batch, inputs, n] = p.shape;
    for (int64_t b = 0; b < batch; ++b) {
        const auto column = [&, all = batch](const std::vector<double>& values, int64_t rows, int64_t width) {
            std::vector<double> part;
            for (int64_t row = 0; row < rows; ++row)
                part.insert(part.end(), values.begin() + (row * all + b) * width,
                            values.begin() + (row * all + b + 1) * width);
            return part;
        };
        Problem one = p;
        one.shape.batch = 1;
        one.inputs = column(p.inputs, steps, inputs);
        one.x0 = column(p.x0, p.state_vectors(), n);
        one.arriving = column(p.arriving, p.output_steps, n);
        one.final_gradients = column(p.final_gradients, p.state_vectors(), n);
        const auto [alone, last] = forward(one);
        ASSERT_EQ(column(trained.outputs, p.output_steps, n), alone) << "sample " << b;
        ASSERT_EQ(column(trained.final_states, p.state_vectors(), n), last) << "sample " << b;
    }
}

TEST(Cells, Inference_gives_the_states_of_training_in_any_batch) {
    for (const ortho_cell cell : cells)
        for (const Shape shape : {Shape{5, 13, 2, 21}, Shape{4, 7, 3, 130}}) {
            const Problem p = problem_of_gates(cell, shape, true);
            SCOPED_TRACE(describe(p));
            expect_states_of_training<float>(p);
            expect_states_of_training<double>(p);
        }
}

TEST(Cells, One_bias_is_two_of_which_the_second_is_zero) {
    for (const ortho_cell cell : cells) {
        Problem one = problem_of_gates(cell, {8, 6, 3, 21}, false), two = problem_of_gates(cell, {8, 6, 3, 21}, true);
        two.bias = one.bias;
        two.bias.resize(2 * one.bias.size());
        const Device device = make_device(1);
        const Result expected = run<float>(one, Chain(device, options_of(one, ORTHO_FLOAT32)));
        Result result = run<float>(two, Chain(device, options_of(two, ORTHO_FLOAT32)));
        result.bias.resize(one.bias.size());
        expect_same_bits(expected, result);
    }
}

TEST(Cells, Chains_on_prepared_weights_have_the_same_bits) {
    for (const ortho_cell cell : cells) {
        Problem p = problem_of_gates(cell, {9, 12, 2, 50}, true);
        p.final_gradients.clear();
        const Device device = make_device(1);
        const Result expected = run<float>(p, Chain(device, options_of(p, ORTHO_FLOAT32)));
        const Weights weights(device, p, ORTHO_FLOAT32);
        weights.prepare<float>(p, 1, true);
        expect_same_bits(expected, run_prepared<float>(p, PreparedChain(weights), device.get()));
    }
}

TEST(Cells, Saturated_gates_stay_within_their_bounds) {
    for (const ortho_cell cell : cells) {
        Problem p = problem_of_gates(cell, {50, 3, 1, 16}, true);
        for (double& value : p.weights)
            value *= 1000;
        for (double& value : p.inputs)
            value *= 1e6;
        p.initial = false;
        p.x0.clear();
        const Device device = make_device(1);
        const Result result = run<float>(p, Chain(device, options_of(p, ORTHO_FLOAT32)));
        for (const double state : result.outputs)
            ASSERT_LE(std::abs(state), 1);
        for (const std::vector<double>* gradients : {&result.weights, &result.inputs, &result.initial})
            for (const double gradient : *gradients)
                ASSERT_TRUE(std::isfinite(gradient));
    }
}

TEST(Cells, What_they_do_not_have_is_refused_by_name) {
    const Device device = make_device(1);
    const Problem p = problem_of_gates(ORTHO_CELL_GRU, {2, 2, 1, 3}, false);
    const double one = 1;
    const struct {
        void (*change)(ortho_chain_options&, const double*);
        const char* message;
    } wrong[] = {
        {[](ortho_chain_options& o, const double*) { o.cell = 3; }, "cell is 3; it must be from 0 to 2"},
        {[](ortho_chain_options& o, const double*) { o.cell = -1; }, "cell is -1; it must be from 0 to 2"},
        {[](ortho_chain_options& o, const double*) { o.recurrent_bias = 2; },
         "recurrent_bias is 2; it must be from 0 to 1"},
        {[](ortho_chain_options& o, const double*) {
             o.model = ORTHO_FEEDFORWARD;
             o.layers = 2;
             o.input_size = 0;
         },
         "model is 1; it must be 0 (recurrent) where the cell has no filter"},
        {[](ortho_chain_options& o, const double*) { o.activation = ORTHO_RELU; },
         "activation is 1; it must be 0 where the cell has no filter"},
        {[](ortho_chain_options& o, const double*) { o.filter = ORTHO_FILTER_CYCLE; },
         "filter is 1; it must be 0 where the cell has no filter"},
        {[](ortho_chain_options& o, const double*) { o.seed = 7; },
         "seed is 7; it must be 0 where the cell has no filter"},
        {[](ortho_chain_options& o, const double*) { o.filter_index = 2; },
         "filter_index is 2; it must be 0 where the cell has no filter"},
        {[](ortho_chain_options& o, const double* value) { o.alpha = value; }, "alpha is given; it must be null"},
        {[](ortho_chain_options& o, const double*) { o.filter = ORTHO_FILTER_BLOCKS; },
         "filter is 5; it must be 0 where the cell has no filter"},
        {[](ortho_chain_options& o, const double*) {
             static const ortho_filter_block block{3, ORTHO_FILTER_HAAR, 0, nullptr};
             o.blocks = &block;
         },
         "blocks is given; it must be null where the cell has no filter"},
        {[](ortho_chain_options& o, const double*) { o.block_count = 1; },
         "block_count is 1; it must be 0 where the cell has no filter"},
        {[](ortho_chain_options& o, const double*) { o.beta_count = 1; },
         "beta_count is 1; it must be 0 where the cell has no filter"},
        {[](ortho_chain_options& o, const double*) {
             o.cell = ORTHO_CELL_FILTER;
             o.recurrent_bias = 1;
         },
         "recurrent_bias is 1; it must be 0"},
    };
    for (const auto& w : wrong) {
        ortho_chain_options options = options_of(p, ORTHO_FLOAT32);
        w.change(options, &one);
        ortho_chain* chain = nullptr;
        EXPECT_TRUE(is_refused(ortho_chain_create(&chain, device.get(), &options), w.message));
        EXPECT_EQ(chain, nullptr);
    }
    const Chain chain(device, options_of(p, ORTHO_FLOAT32));
    double matrix[9];
    EXPECT_TRUE(is_refused(ortho_chain_filter(chain, 0, matrix), "chain has no filter; it must be of filter cells"));
}

} // namespace
