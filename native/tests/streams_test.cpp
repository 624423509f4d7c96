// Streams: every step has the bits of a chain's step.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "prepared_weights.hpp"

using namespace ortho::test;

namespace {

/** All states of a chain, [T, B, N], from states of zeros. */
template <class T> std::vector<T> states_of_chain(Problem p, const Device& device) {
    const Chain chain(device, options_of(p, static_cast<ortho_dtype>(dtype_of<T>)));
    const auto w = convert<T>(p.weights), v = convert<T>(p.input_weights), b = convert<T>(p.bias),
               u = convert<T>(p.inputs);
    std::vector<T> states(static_cast<size_t>(p.shape.steps * p.shape.batch * p.shape.units));
    EXPECT_TRUE(
        succeeds(ortho_chain_forward(chain, p.shape.steps, p.shape.batch, nullptr, nullptr, p.shape.steps, 0, w.data(),
                                     data_or_null(v), b.data(), data_or_null(u), nullptr, states.data(), nullptr)));
    return states;
}

/** Elements of `values`, [T, B, elements], of one step. */
template <class T> std::vector<T> of_step(const std::vector<T>& values, int64_t step, int64_t size) {
    return {values.begin() + step * size, values.begin() + (step + 1) * size};
}

template <class T> void compare_with_chain(const Problem& p) {
    const auto [steps, batch, d, n] = p.shape;
    const Device device = make_device(1);
    const std::vector<T> expected = states_of_chain<T>(p, device), inputs = convert<T>(p.inputs);
    const Weights weights(device, p, dtype_of<T>);
    weights.prepare<T>(p, 1, false);
    const Streams streams(weights, batch);
    std::vector<T> outputs(static_cast<size_t>(batch * n)),
        states(outputs.size() * static_cast<size_t>(p.state_vectors()));
    for (int64_t step = 0; step < steps; ++step) {
        const std::vector<T> u = of_step(inputs, step, batch * d);
        // Every third step is asked for its states afterwards only.
        ASSERT_TRUE(
            succeeds(ortho_streams_step(streams, nullptr, data_or_null(u), step % 3 == 2 ? nullptr : outputs.data())));
        ASSERT_TRUE(succeeds(ortho_streams_read(streams, states.data())));
        // What was read can be written back.
        ASSERT_TRUE(succeeds(ortho_streams_write(streams, states.data())));
        const std::vector<T> h(states.begin(), states.begin() + batch * n);
        ASSERT_EQ(h, of_step(expected, step, batch * n)) << "step " << step;
        if (step % 3 != 2) {
            ASSERT_EQ(outputs, h) << "step " << step;
        }
    }
}

TEST(Streams, Every_step_has_the_bits_of_a_chain) {
    int index = 0;
    for (const Shape shape : {Shape{9, 1, 1, 16}, Shape{7, 1, 3, 65}, Shape{5, 7, 0, 100}, Shape{6, 33, 2, 129},
                              Shape{4, 128, 1, 48}, Shape{40, 1, 2, 256}})
        for (const ortho_filter_kind filter :
             {ORTHO_FILTER_HAAR, ORTHO_FILTER_CYCLE, ORTHO_FILTER_PERMUTATION, ORTHO_FILTER_IDENTITY}) {
            Problem p = make_problem(shape);
            p.filter = filter;
            p.per_unit = index % 2 == 1;
            p.activation = index % 3 == 1 ? ORTHO_RELU : ORTHO_TANH;
            ++index;
            fill(p);
            SCOPED_TRACE(describe(p));
            compare_with_chain<float>(p);
            compare_with_chain<double>(p);
            if (HasFatalFailure())
                return;
        }
}

TEST(Streams, Every_step_of_gates_has_the_bits_of_a_chain) {
    for (const Shape shape : {Shape{9, 1, 1, 16}, Shape{7, 1, 3, 65}, Shape{5, 7, 0, 100}, Shape{6, 33, 2, 129}})
        for (const ortho_cell cell : {ORTHO_CELL_GRU, ORTHO_CELL_LSTM}) {
            Problem p = make_problem(shape);
            p.cell = cell;
            p.recurrent_bias = shape.steps % 2 == 1;
            fill(p);
            SCOPED_TRACE(describe(p));
            compare_with_chain<float>(p);
            compare_with_chain<double>(p);
            if (HasFatalFailure())
                return;
        }
}

/** Streams of a problem, [steps, units], one after another in the order of `rows`, as many at a time as there are. */
struct OneForAll {
    Problem p = make_problem({12, 6, 3, 70});
    Device device = make_device(1);
    std::vector<float> inputs, expected;

    OneForAll() {
        fill(p);
        inputs = convert<float>(p.inputs);
        expected = states_of_chain<float>(p, device);
    }
    const float* input(int64_t step, int64_t row) const {
        return inputs.data() + (step * p.shape.batch + row) * p.shape.inputs;
    }
    bool is_state(const float* state, int64_t step, int64_t row) const {
        const float* const from = expected.data() + (step * p.shape.batch + row) * p.shape.units;
        return std::equal(from, from + p.shape.units, state);
    }
};

TEST(Streams, A_stream_does_not_depend_on_the_others) {
    const OneForAll all;
    const auto [steps, batch, d, n] = all.p.shape;
    const Weights weights(all.device, all.p, ORTHO_FLOAT32);
    weights.prepare<float>(all.p, 1, false);
    // Row r of the batch as stream r of more streams than rows, the others given the inputs of other rows.
    for (const int64_t count : {1, 2, 5, 40}) {
        const Streams streams(weights, count);
        std::vector<float> u(static_cast<size_t>(count * d)), states(static_cast<size_t>(count * n));
        for (int64_t step = 0; step < steps; ++step) {
            for (int64_t s = 0; s < count; ++s)
                std::copy_n(all.input(step, (s * 5 + 1) % batch), d, u.data() + s * d);
            ASSERT_TRUE(succeeds(ortho_streams_step(streams, nullptr, u.data(), states.data())));
            for (int64_t s = 0; s < count; ++s)
                ASSERT_TRUE(all.is_state(states.data() + s * n, step, (s * 5 + 1) % batch)) << s << " of " << count;
        }
    }
}

TEST(Streams, A_reset_starts_a_stream_again_and_no_other) {
    const OneForAll all;
    const auto [steps, batch, d, n] = all.p.shape;
    const Weights weights(all.device, all.p, ORTHO_FLOAT32);
    weights.prepare<float>(all.p, 1, false);
    const Streams streams(weights, batch);
    std::vector<int64_t> age(static_cast<size_t>(batch), 0);
    std::vector<float> u(static_cast<size_t>(batch * d)), states(static_cast<size_t>(batch * n));
    for (int64_t step = 0; step < 30; ++step) {
        std::vector<uint8_t> resets(static_cast<size_t>(batch), 0);
        for (int64_t s = 0; s < batch; ++s)
            if (age[static_cast<size_t>(s)] == steps - s) {
                resets[static_cast<size_t>(s)] = static_cast<uint8_t>(s + 1);
                age[static_cast<size_t>(s)] = 0;
            }
        for (int64_t s = 0; s < batch; ++s)
            std::copy_n(all.input(age[static_cast<size_t>(s)], s), d, u.data() + s * d);
        ASSERT_TRUE(succeeds(ortho_streams_step(streams, resets.data(), u.data(), states.data())));
        for (int64_t s = 0; s < batch; ++s)
            ASSERT_TRUE(all.is_state(states.data() + s * n, age[static_cast<size_t>(s)]++, s)) << step << " " << s;
    }
}

TEST(Streams, Threads_with_streams_of_their_own_share_weights) {
    const OneForAll all;
    const auto [steps, batch, d, n] = all.p.shape;
    const Weights weights(all.device, all.p, ORTHO_FLOAT32);
    weights.prepare<float>(all.p, 1, false);
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int64_t t = 0; t < 8; ++t)
        threads.emplace_back([&, t] {
            for (int64_t round = 0; round < 50; ++round) {
                const int64_t row = (t + round) % batch;
                const Streams streams(weights, 1);
                std::vector<float> state(static_cast<size_t>(n));
                for (int64_t step = 0; step < steps; ++step)
                    if (ortho_streams_step(streams, nullptr, all.input(step, row), state.data()) != ORTHO_OK ||
                        !all.is_state(state.data(), step, row))
                        ++wrong;
            }
        });
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_EQ(wrong, 0);
}

TEST(Streams, Two_threads_in_the_same_streams_are_refused_or_served_never_mixed) {
    const OneForAll all;
    const auto [steps, batch, d, n] = all.p.shape;
    const Weights weights(all.device, all.p, ORTHO_FLOAT32);
    weights.prepare<float>(all.p, 1, false);
    const Streams streams(weights, batch);
    std::atomic<int64_t> done{0};
    std::atomic<int> unexpected{0};
    // The same inputs at every step, so that the state tells how many steps were done.
    const auto work = [&] {
        for (int i = 0; i < 400; ++i) {
            const ortho_status status = ortho_streams_step(streams, nullptr, all.input(0, 0), nullptr);
            if (status == ORTHO_OK)
                ++done;
            else if (status != ORTHO_INVALID_STATE)
                ++unexpected;
        }
    };
    std::thread other(work);
    work();
    other.join();
    EXPECT_EQ(unexpected, 0);
    const Streams alone(weights, batch);
    for (int64_t i = 0; i < done; ++i)
        ASSERT_TRUE(succeeds(ortho_streams_step(alone, nullptr, all.input(0, 0), nullptr)));
    std::vector<float> a(static_cast<size_t>(batch * n)), b(a.size());
    ASSERT_TRUE(succeeds(ortho_streams_read(streams, a.data())));
    ASSERT_TRUE(succeeds(ortho_streams_read(alone, b.data())));
    EXPECT_EQ(a, b);
}

TEST(Streams, States_are_read_and_written) {
    const OneForAll all;
    const auto [steps, batch, d, n] = all.p.shape;
    const Weights weights(all.device, all.p, ORTHO_FLOAT32);
    weights.prepare<float>(all.p, 1, false);
    const Streams first(weights, batch), second(weights, batch);
    std::vector<float> states(static_cast<size_t>(batch * n)), outputs(states.size());
    for (int64_t step = 0; step < 5; ++step)
        ASSERT_TRUE(succeeds(ortho_streams_step(first, nullptr, all.input(step, 0), nullptr)));
    ASSERT_TRUE(succeeds(ortho_streams_read(first, states.data())));
    ASSERT_TRUE(succeeds(ortho_streams_write(second, states.data())));
    for (int64_t step = 5; step < steps; ++step) {
        ASSERT_TRUE(succeeds(ortho_streams_step(second, nullptr, all.input(step, 0), outputs.data())));
        ASSERT_EQ(outputs, of_step(all.expected, step, batch * n));
    }
}

TEST(Streams, Weights_prepared_anew_are_used_from_the_next_step_on) {
    OneForAll all;
    const auto [steps, batch, d, n] = all.p.shape;
    const Weights weights(all.device, all.p, ORTHO_FLOAT32);
    weights.prepare<float>(all.p, 1, false);
    const Streams streams(weights, batch);
    Problem other = all.p;
    for (double& value : other.weights)
        value *= -0.5;
    std::vector<float> states(static_cast<size_t>(batch * n)), outputs(states.size());
    ASSERT_TRUE(succeeds(ortho_streams_step(streams, nullptr, all.input(0, 0), states.data())));
    weights.prepare<float>(other, 2, false);
    ASSERT_TRUE(succeeds(ortho_streams_step(streams, nullptr, all.input(1, 0), outputs.data())));
    // A chain of the other weights, from the state that the first ones left.
    const Chain chain(all.device, options_of(other, ORTHO_FLOAT32));
    const auto w = convert<float>(other.weights), v = convert<float>(other.input_weights),
               b = convert<float>(other.bias);
    std::vector<float> expected(states.size());
    ASSERT_TRUE(succeeds(ortho_chain_forward(chain, 1, batch, nullptr, nullptr, 1, 0, w.data(), v.data(), b.data(),
                                             all.input(1, 0), states.data(), expected.data(), nullptr)));
    EXPECT_EQ(outputs, expected);
}

TEST(Streams, Bad_calls_are_named_and_leave_the_streams_usable) {
    const OneForAll all;
    const auto [steps, batch, d, n] = all.p.shape;
    const Weights weights(all.device, all.p, ORTHO_FLOAT32);
    const Streams streams(weights, batch);
    std::vector<float> states(static_cast<size_t>(batch * n));
    EXPECT_TRUE(
        fails(ortho_streams_step(streams, nullptr, all.input(0, 0), nullptr), ORTHO_INVALID_STATE, "not prepared"));
    weights.prepare<float>(all.p, 1, false);
    EXPECT_TRUE(is_refused(ortho_streams_step(nullptr, nullptr, all.input(0, 0), nullptr), "streams"));
    EXPECT_TRUE(is_refused(ortho_streams_step(streams, nullptr, nullptr, nullptr), "inputs"));
    EXPECT_TRUE(is_refused(ortho_streams_read(nullptr, states.data()), "streams"));
    EXPECT_TRUE(is_refused(ortho_streams_read(streams, nullptr), "states"));
    EXPECT_TRUE(is_refused(ortho_streams_write(nullptr, states.data()), "streams"));
    EXPECT_TRUE(is_refused(ortho_streams_write(streams, nullptr), "states"));
    ortho_streams* made = nullptr;
    EXPECT_TRUE(is_refused(ortho_streams_create(nullptr, weights, 1), "streams"));
    EXPECT_TRUE(is_refused(ortho_streams_create(&made, nullptr, 1), "prepared"));
    EXPECT_TRUE(is_refused(ortho_streams_create(&made, weights, 0), "count"));
    EXPECT_FALSE(ortho_streams_create(&made, weights, std::numeric_limits<int64_t>::max()) == ORTHO_OK);
    Problem layers = make_problem({3, 1, 0, 8});
    layers.model = ORTHO_FEEDFORWARD;
    fill(layers);
    const Weights of_layers(all.device, layers, ORTHO_FLOAT32);
    EXPECT_TRUE(is_refused(ortho_streams_create(&made, of_layers, 1), "feedforward"));
    EXPECT_EQ(made, nullptr);
    ortho_streams_free(nullptr);

    // A number that is not finite is named, and the states are those of before.
    std::vector<float> bad(all.inputs.begin(), all.inputs.begin() + batch * d);
    bad[4] = std::numeric_limits<float>::quiet_NaN();
    const std::vector<uint8_t> resets(static_cast<size_t>(batch), 1);
    ASSERT_TRUE(succeeds(ortho_streams_step(streams, nullptr, all.input(0, 0), nullptr)));
    EXPECT_TRUE(fails(ortho_streams_step(streams, resets.data(), bad.data(), nullptr), ORTHO_NOT_FINITE, "inputs[4]"));
    states[7] = std::numeric_limits<float>::infinity();
    EXPECT_TRUE(fails(ortho_streams_write(streams, states.data()), ORTHO_NOT_FINITE, "states[7]"));
    ASSERT_TRUE(succeeds(ortho_streams_step(streams, nullptr, all.input(1, 0), states.data())));
    EXPECT_EQ(states, of_step(all.expected, 1, batch * n));
}

} // namespace
