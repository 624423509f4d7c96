// GRU and LSTM cells on CUDA devices.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "cuda_support.hpp"
#include "prepared_weights.hpp"

namespace ortho::test {
namespace {

constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

/** Lengths from 0 to the steps, both among them. */
std::vector<int32_t> some_lengths(const Shape& shape) {
    std::vector<int32_t> lengths;
    for (int64_t b = 0; b < shape.batch; ++b)
        lengths.push_back(static_cast<int32_t>((b * 7 + 1) % (shape.steps + 1)));
    lengths.front() = static_cast<int32_t>(shape.steps);
    return lengths;
}

void fill_padding(Problem& p, double value) {
    const auto [steps, batch, inputs, units] = p.shape;
    for (int64_t k = 0; k < steps; ++k)
        for (int64_t b = 0; b < batch; ++b)
            if (k >= p.length(b))
                std::fill_n(p.inputs.begin() + (k * batch + b) * inputs, inputs, value);
}

std::string name_of(ortho_cell cell) {
    return cell == ORTHO_CELL_GRU ? "gru" : "lstm";
}

class CudaCells : public ::testing::TestWithParam<std::tuple<ortho_cell, const char*>> {
protected:
    const ortho_cell cell = std::get<0>(GetParam());
    const Plan plan{std::get<1>(GetParam())};
};
INSTANTIATE_TEST_SUITE_P(Plans, CudaCells,
                         ::testing::Combine(::testing::Values(ORTHO_CELL_GRU, ORTHO_CELL_LSTM),
                                            ::testing::Values("steps", "graph", "persistent")),
                         [](const auto& of) { return name_of(std::get<0>(of.param)) + "_" + std::get<1>(of.param); });

TEST_P(CudaCells, Agree_with_their_equations_and_equal_calls_give_the_same_bits) {
    struct Case {
        Shape shape;
        int64_t checkpoint_every;
        bool lengths;
        bool recurrent_bias;
    };
    // One, two and four leaves, equal and not; no, few and many inputs; more units than a block has across.
    constexpr Case cases[] = {{{1, 1, 1, 1}, 0, false, true},    {{7, 3, 2, 5}, 3, true, false},
                              {{12, 32, 1, 11}, 0, false, true}, {{6, 35, 7, 17}, 4, true, true},
                              {{5, 9, 0, 33}, 1, true, true},    {{9, 75, 6, 10}, 0, true, false},
                              {{4, 64, 9, 65}, 3, false, true},  {{60, 5, 1, 3}, 7, true, true}};
    for (const Case& c : cases) {
        Problem p = problem_of_gates(cell, c.shape, c.recurrent_bias);
        p.checkpoint_every = c.checkpoint_every;
        if (c.lengths)
            p.lengths = some_lengths(c.shape);
        SCOPED_TRACE(describe(p));
        const Result expected = reference(p, {});
        fill_padding(p, no_number);
        const Chain in_doubles(cuda(), options_of(p, ORTHO_FLOAT64)), in_floats(cuda(), options_of(p, ORTHO_FLOAT32));
        expect_close(p, expected, run<double>(p, in_doubles), float64_roundoff);
        // As it is, captured, and replayed, from the same arrays: others would lie elsewhere.
        const Arrays<float> arrays(p, cuda().get());
        const Result first = run(p, in_floats, arrays);
        expect_close(p, expected, first, float32_roundoff);
        expect_same_bits(first, run(p, in_floats, arrays));
        expect_same_bits(first, run(p, in_floats, arrays));
        if (HasFailure())
            return;
    }
}

TEST_P(CudaCells, Inference_gives_the_states_of_training) {
    for (const bool lengths : {false, true}) {
        Problem p = problem_of_gates(cell, {11, 6, 2, 7});
        p.output_steps = 11; // without checkpoints, with which training would make V u in products of other shapes
        fill(p);
        if (lengths)
            p.lengths = some_lengths(p.shape);
        const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
        const Arrays<float> a(p, cuda().get());
        const Result trained = run(p, chain, a);
        // In turns, as loops of both kinds are captured and replayed.
        for (int call = 0; call < 3; ++call) {
            ASSERT_TRUE(succeeds(ortho_chain_forward(
                chain, 11, 6, data_or_null(p.lengths), nullptr, 11, 0, a.weights.data(), a.input_weights.data(),
                a.bias.data(), a.inputs.data(), a.x0.data(), a.outputs.data(), a.final_states.data())));
            EXPECT_EQ(trained.outputs, doubles_of(a.outputs.values()));
            EXPECT_EQ(trained.final_states, doubles_of(a.final_states.values()));
            expect_same_bits(trained, run(p, chain, a));
        }
    }
}

TEST_P(CudaCells, Calls_take_nothing_from_the_calls_before) {
    const Problem small = problem_of_gates(cell, {6, 3, 2, 9}), large = problem_of_gates(cell, {9, 40, 2, 9});
    Problem ended = large;
    ended.lengths = some_lengths(ended.shape);
    fill_padding(ended, no_number);
    const Chain chain(cuda(), options_of(small, ORTHO_FLOAT32));
    const Problem* const problems[] = {&small, &large, &ended};
    std::vector<Result> expected;
    for (const Problem* p : problems)
        expected.push_back(run_chain<float>(*p));
    for (const size_t which : {0, 1, 2, 1, 0, 2, 2, 0, 1})
        expect_same_bits(expected[which], run<float>(*problems[which], chain));
}

TEST_P(CudaCells, Gradients_are_added_where_asked) {
    Problem p = problem_of_gates(cell, {6, 40, 5, 4});
    p.checkpoint_every = 4;
    const Chain chain(cuda(), options_of(p, ORTHO_FLOAT64));
    Result set = run<double>(p, chain);
    const Result added = run<double>(p, chain, true);
    for (std::vector<double>* values : {&set.weights, &set.input_weights, &set.bias})
        for (double& value : *values)
            value += 1; // what Arrays starts them from
    expect_close(p, set, added, float64_roundoff);
}

TEST_P(CudaCells, Samples_without_steps_keep_what_they_are_given) {
    Problem p = problem_of_gates(cell, {3, 4, 2, 5});
    p.output_steps = 2;
    fill(p);
    p.lengths.assign(4, 0);
    fill_padding(p, no_number);
    const Result result = run_chain<double>(p);
    for (size_t i = 0; i < result.outputs.size(); ++i)
        EXPECT_EQ(result.outputs[i], p.x0[i % 20]);
    EXPECT_EQ(result.final_states, p.x0);
    for (size_t i = 0; i < result.initial.size(); ++i)
        EXPECT_EQ(result.initial[i],
                  i < 20 ? p.final_gradients[i] + p.arriving[20 + i] + p.arriving[i] : p.final_gradients[i]);
    for (const auto* gradients : {&result.weights, &result.input_weights, &result.bias, &result.inputs})
        for (const double gradient : *gradients)
            EXPECT_EQ(gradient, 0.0);
}

// A sample that has ended keeps its state, which is multiplied by deltas of 0 from then on.
TEST_P(CudaCells, A_last_state_that_is_not_finite_leaves_gradients_of_weights_alone) {
    Problem p = problem_of_gates(cell, {4, 5, 0, 6});
    p.lengths = {4, 4, 0, 4, 4};
    ortho_chain_options options = options_of(p, ORTHO_FLOAT32);
    options.check_finite = 0;
    const Chain chain(cuda(), options);
    const Result expected = run<float>(p, chain);
    for (int64_t vector = 0; vector < p.state_vectors(); ++vector)
        std::fill_n(p.x0.begin() + vector * 30 + 2 * 6, 6, no_number);
    const Result result = run<float>(p, chain);
    EXPECT_EQ(expected.weights, result.weights);
    EXPECT_EQ(expected.bias, result.bias);
    EXPECT_EQ(expected.initial, result.initial);
}

TEST_P(CudaCells, Final_states_are_the_last_outputs_and_take_their_gradients) {
    if (cell == ORTHO_CELL_LSTM)
        GTEST_SKIP() << "final states of LSTM have more than outputs have; the equations are checked elsewhere";
    for (const int64_t checkpoint_every : {0, 4}) {
        Problem p = problem_of_gates(cell, {11, 37, 3, 21});
        p.checkpoint_every = checkpoint_every;
        p.final_gradients.clear();
        expect_final_states(cuda(), p, ORTHO_FLOAT32);
        p.lengths = some_lengths(p.shape);
        expect_final_states(cuda(), p, ORTHO_FLOAT32);
        expect_final_states(cuda(), p, ORTHO_FLOAT64);
    }
}

/** Tests of one plan. */
class CudaCell : public ::testing::TestWithParam<ortho_cell> {
protected:
    const ortho_cell cell = GetParam();
};
INSTANTIATE_TEST_SUITE_P(Cells, CudaCell, ::testing::Values(ORTHO_CELL_GRU, ORTHO_CELL_LSTM),
                         [](const auto& of) { return name_of(of.param); });

TEST_P(CudaCell, A_step_is_one_product_and_one_kernel_each_way) {
    NEEDS_EMULATOR();
    const Plan plan("steps");
    constexpr int64_t steps = 5;
    Problem p = problem_of_gates(cell, {steps, 3, 6, 9});
    ortho_chain_options options = options_of(p, ORTHO_FLOAT32);
    options.check_finite = 0;
    const Chain chain(cuda(), options);
    const Arrays<float> a(p, cuda().get());
    run(p, chain, a);
    const auto start = emulator().counters();
    ASSERT_TRUE(succeeds(ortho_chain_forward(chain, steps, 3, nullptr, nullptr, p.output_steps, 1, a.weights.data(),
                                             a.input_weights.data(), a.bias.data(), a.inputs.data(), a.x0.data(),
                                             a.outputs.data(), nullptr)));
    const auto middle = emulator().counters();
    ASSERT_TRUE(succeeds(ortho_chain_backward(chain, 0, a.weights.data(), a.input_weights.data(), a.bias.data(),
                                              a.inputs.data(), a.arriving.data(), a.last.data(), a.dw.data(),
                                              a.dv.data(), a.db.data(), a.du.data(), a.initial.data())));
    const auto end = emulator().counters();
    // V u of all steps; the sum of the biases.
    EXPECT_EQ(middle.products - start.products, steps + 1);
    EXPECT_EQ(middle.launches - start.launches, steps + 1);
    // dW, dV and du. The last step's deltas, sums of deltas, and folds of dW, dV and the biases, of which GRU writes
    // W's gates in two pieces.
    const int64_t pieces = cell == ORTHO_CELL_GRU ? 2 : 1;
    EXPECT_EQ(end.products - middle.products, steps + 3);
    EXPECT_EQ(end.launches - middle.launches, steps + 1 + 1 + pieces + 1 + 1 + pieces);
}

TEST_P(CudaCell, Lengths_that_change_need_no_new_capture) {
    NEEDS_EMULATOR();
    const Plan plan("graph");
    Problem p = problem_of_gates(cell, {12, 33, 3, 10});
    p.checkpoint_every = 4;
    const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
    const Arrays<float> arrays(p, cuda().get());
    p.lengths = some_lengths(p.shape);
    for (int call = 0; call < 5; ++call) {
        std::rotate(p.lengths.begin(), p.lengths.begin() + 1, p.lengths.end());
        const Result expected = [&] {
            const Plan step_by_step("steps");
            return run_chain<float>(p);
        }();
        const auto before = emulator().counters();
        expect_same_bits(expected, run(p, chain, arrays));
        const auto after = emulator().counters();
        if (call < 2)
            continue;
        EXPECT_EQ(after.captures, before.captures);
        // Three segments forward, two of them again, three backward.
        EXPECT_EQ(after.graph_launches - before.graph_launches, 8);
    }
}

TEST_P(CudaCell, Takes_the_memory_that_is_told_and_no_more) {
    NEEDS_EMULATOR();
    for (const int64_t checkpoint_every : {0, 3})
        for (const bool training : {true, false}) {
            Problem p = problem_of_gates(cell, {20, 40, 6, 30});
            p.checkpoint_every = checkpoint_every;
            const Device device = make_cuda_device();
            const Chain chain(device, options_of(p, ORTHO_FLOAT32));
            const Arrays<float> a(p, device.get());
            int64_t states = 0, sums = 0;
            ASSERT_TRUE(succeeds(ortho_chain_memory(chain, 20, 40, training, &states, &sums)));
            const auto forward = [&] {
                const std::vector<int32_t> lengths = some_lengths(p.shape);
                return ortho_chain_forward(chain, 20, 40, lengths.data(), nullptr, p.output_steps, training,
                                           a.weights.data(), a.input_weights.data(), a.bias.data(), a.inputs.data(),
                                           a.x0.data(), a.outputs.data(), a.final_states.data());
            };
            const auto backward = [&] {
                return ortho_chain_backward(chain, 0, a.weights.data(), a.input_weights.data(), a.bias.data(),
                                            a.inputs.data(), a.arriving.data(), a.last.data(), a.dw.data(), a.dv.data(),
                                            a.db.data(), a.du.data(), a.initial.data());
            };
            emulator().set_memory_left(states - 1);
            EXPECT_TRUE(fails(forward(), ORTHO_OUT_OF_MEMORY, "20 steps x batch 40 x 30 units of float32 states"));
            emulator().set_memory_left(states);
            EXPECT_TRUE(succeeds(forward()));
            if (training) {
                emulator().set_memory_left(sums - 1);
                EXPECT_TRUE(fails(backward(), ORTHO_OUT_OF_MEMORY, "needed for scratch"));
                emulator().set_memory_left(sums);
                EXPECT_TRUE(succeeds(backward()));
            }
            emulator().set_memory_left(0);
        }
}

TEST_P(CudaCell, States_keep_within_a_limit_of_their_memory) {
    Problem p = problem_of_gates(cell, {100, 8, 3, 24});
    int64_t all = 0, limited = 0, sums = 0;
    const Chain free_chain(cuda(), options_of(p, ORTHO_FLOAT64));
    ASSERT_TRUE(succeeds(ortho_chain_memory(free_chain, 100, 8, 1, &all, &sums)));
    p.max_state_bytes = all / 3;
    const Chain chain(cuda(), options_of(p, ORTHO_FLOAT64));
    ASSERT_TRUE(succeeds(ortho_chain_memory(chain, 100, 8, 1, &limited, &sums)));
    EXPECT_LE(limited, p.max_state_bytes);
    expect_close(p, reference(p, {}), run<double>(p, chain), float64_roundoff);
}

TEST_P(CudaCell, Chains_on_prepared_weights_have_the_bits_of_chains_with_their_own) {
    Problem p = problem_of_gates(cell, {9, 12, 2, 20}), other = p;
    p.final_gradients.clear(); // run_prepared gives none
    other.final_gradients.clear();
    for (double& value : other.weights)
        value *= 0.5;
    for (double& value : other.bias)
        value *= 0.5;
    const Weights weights(cuda(), p, ORTHO_FLOAT32);
    const PreparedChain chain(weights);
    weights.prepare<float>(p, 1, true);
    for (int call = 0; call < 3; ++call)
        expect_same_bits(run_chain<float>(p), run_prepared<float>(p, chain, cuda().get()));
    weights.prepare<float>(other, 2, true);
    expect_same_bits(run_chain<float>(other), run_prepared<float>(other, chain, cuda().get()));
}

template <class T> void expect_streams_of_a_chain(const Problem& p) {
    const auto [steps, count, d, n] = p.shape;
    const Weights weights(cuda(), p, sizeof(T) == 4 ? ORTHO_FLOAT32 : ORTHO_FLOAT64);
    weights.prepare<T>(p, 1, false);
    const Result expected = reference(p, {});
    const double roundoff = sizeof(T) == 4 ? float32_roundoff : float64_roundoff;
    const double length = static_cast<double>((p.gates() * n + d + 4) * (steps + 1));
    const Streams streams(weights, count);
    const DeviceArray<T> inputs(cuda().get(), convert<T>(p.inputs)), x0(cuda().get(), convert<T>(p.x0)),
        states(cuda().get(), p.x0.size(), 0), outputs(cuda().get(), static_cast<size_t>(count * n), 0);
    ASSERT_TRUE(succeeds(ortho_streams_write(streams, x0.data())));
    for (int64_t step = 0; step < steps; ++step) {
        ASSERT_TRUE(succeeds(ortho_streams_step(streams, nullptr, d > 0 ? inputs.data() + step * count * d : nullptr,
                                                step % 3 == 2 ? nullptr : outputs.data())));
        ASSERT_TRUE(succeeds(ortho_streams_read(streams, states.data())));
        std::vector<double> h = doubles_of(states.values());
        h.resize(static_cast<size_t>(count * n));
        if (step % 3 != 2) {
            EXPECT_EQ(h, doubles_of(outputs.values()));
        }
        const auto first = expected.outputs.begin() + step * count * n;
        expect_close("states", {first, first + count * n}, h, roundoff, length);
    }
    expect_close("final states", expected.final_states, doubles_of(states.values()), roundoff, length);
}

TEST_P(CudaCell, Every_step_of_streams_agrees_with_the_equations) {
    for (const Shape& shape : {Shape{7, 1, 1, 16}, Shape{5, 3, 0, 65}, Shape{6, 37, 6, 20}}) {
        Problem p = problem_of_gates(cell, shape, shape.steps != 7);
        p.output_steps = shape.steps;
        fill(p);
        SCOPED_TRACE(describe(p));
        expect_streams_of_a_chain<float>(p);
        expect_streams_of_a_chain<double>(p);
    }
}

TEST_P(CudaCell, Streams_are_reset_one_by_one_and_captured_steps_are_replayed) {
    NEEDS_EMULATOR();
    const Problem p = problem_of_gates(cell, {1, 3, 2, 20});
    const auto size = static_cast<size_t>(p.state_vectors() * 60);
    const Device device = make_cuda_device();
    ortho_device_info info = ORTHO_DEVICE_INFO_INIT;
    ASSERT_TRUE(succeeds(ortho_device_get_info(device.get(), &info)));
    const Weights weights(device, p, ORTHO_FLOAT32);
    weights.prepare<float>(p, 1, false);
    const Streams streams(weights, 3), captured_streams(weights, 3);
    const DeviceArray<float> inputs(device.get(), convert<float>(p.inputs)), states(device.get(), size, 0);
    const auto step = [&](ortho_streams* of, const uint8_t* resets) {
        const ortho_status status = ortho_streams_step(of, resets, inputs.data(), nullptr);
        return status != ORTHO_OK ? status : ortho_streams_read(of, states.data());
    };
    std::vector<std::vector<float>> expected;
    const auto before = emulator().counters();
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(succeeds(step(streams, nullptr)));
        expected.push_back(states.values());
    }
    const auto after = emulator().counters();
    // A check for NaN and infinity and an epilogue; products with V and with W.
    EXPECT_EQ(after.launches - before.launches, 5 * 2);
    EXPECT_EQ(after.products - before.products, 5 * 2);
    const uint8_t resets[] = {0, 1, 0};
    ASSERT_TRUE(succeeds(step(streams, resets)));
    const std::vector<float> with_reset = states.values();
    for (size_t i = 0; i < size; ++i)
        EXPECT_EQ(with_reset[i] == expected[0][i], i / 20 % 3 == 1) << i;

    emulator().begin_capture(info.cuda_stream);
    EXPECT_TRUE(succeeds(step(captured_streams, nullptr)));
    void* const captured = emulator().end_capture(info.cuda_stream);
    ASSERT_NE(captured, nullptr) << "the capture was ended by an error";
    for (const std::vector<float>& values : expected) {
        emulator().replay(captured, info.cuda_stream);
        EXPECT_EQ(states.values(), values);
    }
    emulator().discard(captured);
}

TEST_P(CudaCell, What_is_not_finite_is_named) {
    Problem p = problem_of_gates(cell, {3, 2, 1, 4});
    const size_t last = p.x0.size() - 1; // of the last vector that a state has
    const std::string index = "[" + std::to_string(last) + "] is NaN or infinite";
    const auto expect_named = [&](const Problem& wrong, const std::string& text) {
        const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
        const Arrays<float> a(wrong, cuda().get());
        static_cast<void>(ortho_chain_forward(chain, 3, 2, nullptr, nullptr, p.output_steps, 1, a.weights.data(),
                                              a.input_weights.data(), a.bias.data(), a.inputs.data(), a.x0.data(),
                                              a.outputs.data(), nullptr));
        static_cast<void>(ortho_chain_backward(chain, 0, a.weights.data(), a.input_weights.data(), a.bias.data(),
                                               a.inputs.data(), a.arriving.data(), a.last.data(), a.dw.data(),
                                               a.dv.data(), a.db.data(), a.du.data(), a.initial.data()));
        EXPECT_TRUE(fails(ortho_device_synchronize(cuda().get()), ORTHO_NOT_FINITE, text.c_str()));
    };
    Problem wrong = p;
    wrong.x0[last] = no_number;
    expect_named(wrong, "initial" + index);
    wrong = p;
    wrong.final_gradients[last] = no_number;
    expect_named(wrong, "final_gradients" + index);
    const Weights weights(cuda(), p, ORTHO_FLOAT32);
    weights.prepare<float>(p, 1, false);
    const Streams streams(weights, 2);
    std::vector<float> states(p.x0.size());
    states[last] = std::nanf("");
    const DeviceArray<float> written(cuda().get(), states);
    static_cast<void>(ortho_streams_write(streams, written.data()));
    EXPECT_TRUE(fails(ortho_device_synchronize(cuda().get()), ORTHO_NOT_FINITE, ("states" + index).c_str()));
}

TEST_P(CudaCell, Products_have_the_precision_of_matrices_and_not_of_filters) {
    NEEDS_EMULATOR();
    const Problem p = problem_of_gates(cell, {5, 4, 3, 16});
    const Result expected = run_chain<float>(p);
    const Device other_filters =
        make_cuda_device([](ortho_device_options& o) { o.filter_precision = ORTHO_MATRIX_BFLOAT16; });
    expect_same_bits(expected, run_chain<float>(p, other_filters));
    const Device other_matrices =
        make_cuda_device([](ortho_device_options& o) { o.matrix_precision = ORTHO_MATRIX_BFLOAT16; });
    const Result rounded = run_chain<float>(p, other_matrices);
    EXPECT_NE(expected.outputs, rounded.outputs);
    // Each factor is off by 2^-9 at most, so a product by 2^-8. A sum has 16 products of weights of deviation 0.175
    // with states within 1, and 3 of weights of deviation 0.5 with inputs of about 1; slopes are at most 1, and there
    // are 5 steps.
    for (size_t i = 0; i < expected.outputs.size(); ++i)
        EXPECT_NEAR(expected.outputs[i], rounded.outputs[i], 5 * 0x1p-8 * (16 * 0.175 + 3 * 0.5));
    EXPECT_EQ(run_chain<double>(p).outputs, run_chain<double>(p, other_matrices).outputs);
}

TEST_P(CudaCell, A_captured_training_step_can_be_replayed) {
    NEEDS_EMULATOR();
    for (const char* name : {"steps", "graph"}) {
        SCOPED_TRACE(name);
        const Plan plan(name);
        const Device device = make_cuda_device();
        ortho_device_info info = ORTHO_DEVICE_INFO_INIT;
        ASSERT_TRUE(succeeds(ortho_device_get_info(device.get(), &info)));
        Problem p = problem_of_gates(cell, {8, 3, 2, 18});
        p.checkpoint_every = 3;
        const Chain chain(device, options_of(p, ORTHO_FLOAT32));
        const Arrays<float> a(p, device.get());
        const Result expected = run(p, chain, a);
        emulator().begin_capture(info.cuda_stream);
        EXPECT_TRUE(succeeds(ortho_chain_forward(chain, 8, 3, nullptr, nullptr, p.output_steps, 1, a.weights.data(),
                                                 a.input_weights.data(), a.bias.data(), a.inputs.data(), a.x0.data(),
                                                 a.outputs.data(), a.final_states.data())));
        EXPECT_TRUE(succeeds(ortho_chain_backward(chain, 0, a.weights.data(), a.input_weights.data(), a.bias.data(),
                                                  a.inputs.data(), a.arriving.data(), a.last.data(), a.dw.data(),
                                                  a.dv.data(), a.db.data(), a.du.data(), a.initial.data())));
        void* const captured = emulator().end_capture(info.cuda_stream);
        ASSERT_NE(captured, nullptr);
        const DeviceArray<float>* const written[] = {&a.outputs, &a.dw,      &a.dv,          &a.db,
                                                     &a.du,      &a.initial, &a.final_states};
        for (int call = 0; call < 2; ++call) {
            for (const DeviceArray<float>* values : written)
                ASSERT_TRUE(
                    succeeds(ortho_fill(device.get(), ORTHO_FLOAT32,
                                        values->bytes() / static_cast<int64_t>(sizeof(float)), values->data(), -1)));
            emulator().replay(captured, info.cuda_stream);
            const auto doubles = [](const DeviceArray<float>& values) { return doubles_of(values.values()); };
            expect_same_bits(expected, {doubles(a.outputs), doubles(a.dw), doubles(a.dv), doubles(a.db), doubles(a.du),
                                        doubles(a.initial), doubles(a.final_states)});
        }
        emulator().discard(captured);
    }
}

} // namespace
} // namespace ortho::test
