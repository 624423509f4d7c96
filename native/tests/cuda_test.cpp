// CUDA devices against the formulas and against the CPU: on a GPU, or on the emulator that ORTHONATIVE_CUDA_LIBRARY
// names.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "batch.hpp"
#include "cuda_support.hpp"
#include "fork.hpp"
#include "loss_problem.hpp"
#include "prepared_weights.hpp"

namespace ortho::test {
namespace {

/** Launches of a training step. */
int64_t launches_of(const Problem& p, const Device& device = cuda()) {
    const int64_t before = emulator().counters().launches;
    run_chain<float>(p, device);
    return emulator().counters().launches - before;
}

// The statuses by which CUDA refuses a launch of blocks that wait for each other.
constexpr int cooperative_launch_too_large = 720, launch_out_of_resources = 701, not_supported = 801,
              memory_allocation = 2;

constexpr int usual_multiprocessors = 16;

/** A device of so many multiprocessors: the fewer, the more rows and units a block takes. */
Device make_small_device(int multiprocessors) {
    emulator().set_multiprocessors(multiprocessors);
    Device small = make_cuda_device();
    emulator().set_multiprocessors(usual_multiprocessors);
    return small;
}

/** Gives the emulated GPU so many multiprocessors for a while, for devices that are made and used meanwhile. */
class Multiprocessors {
public:
    explicit Multiprocessors(int count) { emulator().set_multiprocessors(count); }
    ~Multiprocessors() { emulator().set_multiprocessors(usual_multiprocessors); }
    Multiprocessors(const Multiprocessors&) = delete;
    Multiprocessors& operator=(const Multiprocessors&) = delete;
};

Problem make_layers(Shape shape) {
    Problem p = make_problem(shape);
    p.model = ORTHO_FEEDFORWARD;
    fill(p);
    return p;
}

void expect_formulas(const Problem& p) {
    SCOPED_TRACE(describe(p));
    const Chain chain(cuda(), options_of(p, ORTHO_FLOAT64));
    const Result expected = reference(p, filters_of(p, chain));
    {
        SCOPED_TRACE("float64");
        expect_close(p, expected, run<double>(p, chain), float64_roundoff);
    }
    {
        SCOPED_TRACE("float32");
        expect_close(p, expected, run_chain<float>(p), float32_roundoff);
    }
}

class CudaChain : public ::testing::TestWithParam<const char*> {};

TEST_P(CudaChain, Every_size_agrees_with_the_formulas) {
    const Plan plan(GetParam());
    constexpr Shape shapes[] = {{1, 1, 1, 1},  {3, 2, 5, 2},   {5, 1, 2, 3},   {17, 5, 3, 17}, {4, 17, 1, 33},
                                {3, 33, 9, 8}, {2, 37, 2, 64}, {3, 12, 7, 65}, {5, 7, 0, 16},  {70, 2, 1, 100}};
    int index = 0;
    for (const Shape& shape : shapes) {
        Problem p = make_problem(shape);
        p.filter = filters[index % 4];
        p.activation = index % 3 == 1 ? ORTHO_RELU : ORTHO_TANH;
        p.per_unit = index % 2 == 1;
        p.initial = index % 4 != 2;
        p.output_steps = index % 3 == 2 ? shape.steps : 1;
        fill(p);
        expect_formulas(p);
        ++index;
    }
}

TEST_P(CudaChain, Every_filter_agrees_with_the_formulas) {
    const Plan plan(GetParam());
    for (const ortho_chain_model model : {ORTHO_RECURRENT, ORTHO_FEEDFORWARD})
        for (const ortho_filter_kind filter : filters)
            for (const bool per_layer : {false, true}) {
                if (per_layer && model == ORTHO_RECURRENT)
                    continue;
                Problem p = make_problem({9, 6, 2, 20});
                p.model = model;
                p.filter = filter;
                p.filter_per_layer = per_layer;
                p.output_steps = 3;
                fill(p);
                expect_formulas(p);
            }
}

// A GPU multiplies the whole matrix, or permutes where all blocks do.
TEST_P(CudaChain, Filters_of_blocks_agree_with_the_formulas) {
    const Plan plan(GetParam());
    for (const ortho_chain_model model : {ORTHO_RECURRENT, ORTHO_FEEDFORWARD})
        for (const bool structured : {false, true})
            for (const bool per_layer : {false, true}) {
                if (per_layer && model == ORTHO_RECURRENT)
                    continue;
                Problem p = make_problem({9, 6, 2, 20});
                p.model = model;
                p.filter_per_layer = per_layer;
                p.per_unit = true;
                p.output_steps = 3;
                if (structured)
                    set_blocks(p,
                               {{9, ORTHO_FILTER_PERMUTATION}, {1, ORTHO_FILTER_IDENTITY}, {10, ORTHO_FILTER_CYCLE}});
                else
                    set_mixed_blocks(p);
                fill(p);
                expect_formulas(p);
            }
}

TEST_P(CudaChain, Repeated_calls_give_the_same_bits_and_checkpoints_change_only_roundings) {
    const Plan plan(GetParam());
    for (const ortho_filter_kind filter : {ORTHO_FILTER_HAAR, ORTHO_FILTER_PERMUTATION})
        for (const ortho_chain_model model : {ORTHO_RECURRENT, ORTHO_FEEDFORWARD}) {
            Problem p = make_problem({22, 5, 2, 18});
            p.model = model;
            p.filter = filter;
            p.output_steps = 6;
            fill(p);
            const Result expected = run_chain<float>(p);
            for (const int64_t every : {0, 1, 4, 7, 22}) {
                SCOPED_TRACE("checkpoint_every " + std::to_string(every));
                p.checkpoint_every = every;
                const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
                const Arrays<float> arrays(p, cuda().get());
                const Result first = run(p, chain, arrays);
                // The second and third time a captured loop may be replayed.
                expect_same_bits(first, run(p, chain, arrays));
                expect_same_bits(first, run(p, chain, arrays));
                // Products over several steps have other shapes, for which cuBLAS may sum in another order.
                expect_close(p, expected, first, float32_roundoff);
            }
        }
}

TEST_P(CudaChain, Gradients_are_added_where_asked) {
    const Plan plan(GetParam());
    for (const ortho_chain_model model : {ORTHO_RECURRENT, ORTHO_FEEDFORWARD}) {
        Problem p = make_problem({6, 4, 3, 10});
        p.model = model;
        p.checkpoint_every = 4;
        fill(p);
        const Chain chain(cuda(), options_of(p, ORTHO_FLOAT64));
        Result set = run<double>(p, chain);
        const Result added = run<double>(p, chain, true);
        for (std::vector<double>* values : {&set.weights, &set.input_weights, &set.bias})
            for (double& value : *values)
                value += 1;
        expect_close(p, set, added, float64_roundoff);
    }
}

TEST_P(CudaChain, Inference_gives_the_states_of_training) {
    const Plan plan(GetParam());
    for (const ortho_chain_model model : {ORTHO_RECURRENT, ORTHO_FEEDFORWARD}) {
        Problem p = make_problem({30, 3, 2, 12});
        p.model = model;
        p.output_steps = 30;
        fill(p);
        const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
        const Arrays<float> a(p, cuda().get());
        const auto forward = [&](int32_t training) {
            EXPECT_TRUE(succeeds(ortho_chain_forward(chain, p.recurrent() ? 30 : 0, 3, nullptr, nullptr, 30, training,
                                                     a.weights.data(), a.input_weights.data(), a.bias.data(),
                                                     a.inputs.data(), a.x0.data(), a.outputs.data(), nullptr)));
            return a.outputs.values();
        };
        const std::vector<float> trained = forward(1);
        EXPECT_EQ(trained, forward(0));
        EXPECT_TRUE(fails(ortho_chain_backward(chain, 0, a.weights.data(), a.input_weights.data(), a.bias.data(),
                                               a.inputs.data(), a.arriving.data(), nullptr, a.dw.data(), a.dv.data(),
                                               a.db.data(), nullptr, nullptr),
                          ORTHO_INVALID_STATE, "backward needs a training forward call"));
    }
}

// Blocks know by a value alone that it is there: it must never be one that an earlier call or segment left.
TEST_P(CudaChain, Calls_take_nothing_from_the_calls_before) {
    const Plan plan(GetParam());
    for (const ortho_filter_kind filter : {ORTHO_FILTER_HAAR, ORTHO_FILTER_PERMUTATION})
        for (const int64_t every : {0, 5}) {
            Problem p = make_problem({13, 20, 2, 36});
            p.filter = filter;
            p.checkpoint_every = every;
            p.output_steps = 2;
            fill(p);
            SCOPED_TRACE(describe(p));
            const Result expected = run_chain<float>(p);
            const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
            Problem other = p;
            for (std::vector<double>* values : {&other.inputs, &other.x0, &other.arriving})
                std::reverse(values->begin(), values->end());
            run<float>(other, chain);
            expect_same_bits(expected, run<float>(p, chain));
        }
}

// All bits of this one are set, as in memory that no block has written yet.
TEST_P(CudaChain, NaN_stays_with_its_sample_whatever_its_bits_are) {
    const Plan plan(GetParam());
    Problem p = make_problem({6, 3, 0, 20});
    fill(p);
    ortho_chain_options options = options_of(p, ORTHO_FLOAT32);
    options.check_finite = 0;
    const Result finite = run<float>(p, Chain(cuda(), options));
    const uint64_t all_bits = ~uint64_t{0};
    std::memcpy(&p.x0[20 + 7], &all_bits, sizeof all_bits);
    const Result result = run<float>(p, Chain(cuda(), options));
    for (size_t i = 0; i < result.outputs.size(); ++i)
        if (i / 20 == 1)
            EXPECT_TRUE(std::isnan(result.outputs[i])) << i;
        else
            EXPECT_EQ(finite.outputs[i], result.outputs[i]) << i;
    for (const double gradient : result.weights)
        EXPECT_TRUE(std::isnan(gradient));
}

INSTANTIATE_TEST_SUITE_P(Plans, CudaChain, ::testing::Values("steps", "graph", "persistent"),
                         [](const auto& plan) { return std::string(plan.param); });

TEST(CudaWeights, Chains_on_them_have_the_bits_of_chains_with_their_own) {
    for (const ortho_chain_model model : {ORTHO_RECURRENT, ORTHO_FEEDFORWARD}) {
        Problem p = make_problem({6, 5, model == ORTHO_RECURRENT ? 2 : 0, 20});
        p.model = model;
        fill(p);
        Problem other = p;
        for (double& value : other.weights)
            value *= 0.5;
        const Weights weights(cuda(), p, ORTHO_FLOAT32);
        const PreparedChain chain(weights);
        weights.prepare<float>(p, 1, true);
        expect_same_bits(run_chain<float>(p), run_prepared<float>(p, chain, cuda().get()));
        weights.prepare<float>(other, 1, true); // the same version: not read
        expect_same_bits(run_chain<float>(p), run_prepared<float>(p, chain, cuda().get()));
        weights.prepare<float>(other, 2, true);
        expect_same_bits(run_chain<float>(other), run_prepared<float>(other, chain, cuda().get()));
    }
}

TEST(CudaWeights, Chains_share_them_and_keep_them) {
    Problem small = make_problem({5, 3, 2, 24}), large = make_problem({6, 20, 2, 24});
    fill(small);
    fill(large);
    for (const char* name : {"steps", "graph", "persistent"}) {
        SCOPED_TRACE(name);
        const Plan plan(name);
        auto weights = std::make_unique<Weights>(cuda(), small, ORTHO_FLOAT32);
        weights->prepare<float>(small, 1, true);
        const PreparedChain a(*weights), b(*weights);
        weights.reset();
        for (int i = 0; i < 3; ++i) {
            expect_same_bits(run_chain<float>(small), run_prepared<float>(small, a, cuda().get()));
            expect_same_bits(run_chain<float>(large), run_prepared<float>(large, b, cuda().get()));
        }
    }
}

// What a chain has besides its states lies in the weights.
TEST(CudaWeights, Chains_on_them_take_no_memory_for_the_filter) {
    NEEDS_EMULATOR();
    constexpr int64_t units = 200;
    Problem p = make_problem({2, 1, 1, units});
    fill(p);
    const Weights weights(cuda(), p, ORTHO_FLOAT32);
    const int64_t before = emulator().counters().live_objects;
    const PreparedChain first(weights), second(weights);
    EXPECT_EQ(emulator().counters().live_objects, before);
}

template <class T> void expect_streams_of_a_chain(const Problem& p) {
    const auto [steps, count, d, n] = p.shape;
    const Weights weights(cuda(), p, dtype_of<T>);
    weights.prepare<T>(p, 1, false);
    const Chain chain(cuda(), options_of(p, static_cast<ortho_dtype>(dtype_of<T>)));
    const Arrays<T> a(p, cuda().get());
    ASSERT_TRUE(succeeds(ortho_chain_forward(chain, steps, count, nullptr, nullptr, steps, 0, a.weights.data(),
                                             a.input_weights.data(), a.bias.data(), a.inputs.data(), nullptr,
                                             a.outputs.data(), nullptr)));
    const std::vector<T> states = a.outputs.values();
    const std::vector<double> expected(states.begin(), states.end());
    const Streams streams(weights, count);
    const DeviceArray<T> outputs(cuda().get(), static_cast<size_t>(count * n), 0);
    const double length = static_cast<double>((n + d + 4) * (steps + 1));
    for (int64_t step = 0; step < steps; ++step) {
        const T* const inputs = d > 0 ? a.inputs.data() + step * count * d : nullptr;
        // Every third step is asked for its states afterwards only.
        const bool later = step % 3 == 2;
        ASSERT_TRUE(succeeds(ortho_streams_step(streams, nullptr, inputs, later ? nullptr : outputs.data())));
        if (later) {
            ASSERT_TRUE(succeeds(ortho_streams_read(streams, outputs.data())));
        }
        const std::vector<T> found = outputs.values();
        const auto first = expected.begin() + step * count * n;
        expect_close("states", {first, first + count * n}, {found.begin(), found.end()}, rounding<T>, length);
    }
}

TEST(CudaStreams, Every_step_agrees_with_that_of_a_chain) {
    int index = 0;
    for (const Shape& shape : {Shape{7, 1, 1, 16}, Shape{5, 3, 0, 65}, Shape{6, 37, 3, 20}})
        for (const ortho_filter_kind filter : filters) {
            Problem p = make_problem(shape);
            p.filter = filter;
            p.per_unit = index % 2 == 1;
            p.activation = index % 3 == 1 ? ORTHO_RELU : ORTHO_TANH;
            p.output_steps = shape.steps;
            ++index;
            fill(p);
            SCOPED_TRACE(describe(p));
            expect_streams_of_a_chain<float>(p);
            expect_streams_of_a_chain<double>(p);
        }
}

TEST(CudaStreams, A_reset_starts_a_stream_again_and_no_other_and_states_can_be_replaced) {
    Problem p = make_problem({4, 3, 2, 20});
    fill(p);
    const Weights weights(cuda(), p, ORTHO_FLOAT32);
    weights.prepare<float>(p, 1, false);
    const Streams streams(weights, 3);
    const DeviceArray<float> inputs(cuda().get(), convert<float>(p.inputs)), outputs(cuda().get(), 60, 0),
        saved(cuda().get(), 60, 0);
    const auto step = [&](int64_t number, const uint8_t* resets) {
        EXPECT_TRUE(succeeds(ortho_streams_step(streams, resets, inputs.data() + number * 6, outputs.data())));
        return outputs.values();
    };
    const std::vector<float> first = step(0, nullptr);
    ASSERT_TRUE(succeeds(ortho_streams_read(streams, saved.data())));
    EXPECT_EQ(saved.values(), first);
    const std::vector<float> second = step(1, nullptr);
    const uint8_t resets[] = {0, 1, 0};
    const std::vector<float> with_reset = step(0, resets);
    for (size_t i = 0; i < with_reset.size(); ++i)
        EXPECT_EQ(with_reset[i] == first[i], i / 20 == 1) << i;
    ASSERT_TRUE(succeeds(ortho_streams_write(streams, saved.data())));
    EXPECT_EQ(step(1, nullptr), second);
}

TEST(CudaStreams, A_state_that_is_not_finite_is_named) {
    Problem p = make_problem({4, 3, 2, 20});
    fill(p);
    const Weights weights(cuda(), p, ORTHO_FLOAT32);
    weights.prepare<float>(p, 1, false);
    const Streams streams(weights, 3);
    std::vector<float> states(60, 0.0f);
    states[41] = std::nanf("");
    const DeviceArray<float> written(cuda().get(), states);
    static_cast<void>(ortho_streams_write(streams, written.data()));
    EXPECT_TRUE(fails(ortho_device_synchronize(cuda().get()), ORTHO_NOT_FINITE, "states[41] is NaN or infinite"));
}

TEST(CudaStreams, A_captured_step_can_be_replayed_any_number_of_times) {
    NEEDS_EMULATOR();
    for (const ortho_filter_kind filter : filters) {
        Problem p = make_problem({1, 3, 2, 20});
        p.filter = filter;
        fill(p);
        SCOPED_TRACE(describe(p));
        const Device device = make_cuda_device();
        ortho_device_info info{};
        info.struct_size = sizeof info;
        ASSERT_TRUE(succeeds(ortho_device_get_info(device.get(), &info)));
        const Weights weights(device, p, ORTHO_FLOAT32);
        weights.prepare<float>(p, 1, false);
        const Streams streams(weights, 3), captured_streams(weights, 3);
        const DeviceArray<float> inputs(device.get(), convert<float>(p.inputs)), outputs(device.get(), 60, 0);
        const auto step = [&](ortho_streams* of, const uint8_t* resets) {
            return ortho_streams_step(of, resets, inputs.data(), outputs.data());
        };
        std::vector<std::vector<float>> expected;
        for (int i = 0; i < 7; ++i) {
            ASSERT_TRUE(succeeds(step(streams, nullptr)));
            expected.push_back(outputs.values());
        }
        const uint8_t resets[] = {0, 1, 0};
        emulator().begin_capture(info.cuda_stream);
        EXPECT_TRUE(
            fails(step(captured_streams, resets), ORTHO_INVALID_STATE, "resets is given while the stream is captured"));
        EXPECT_TRUE(succeeds(step(captured_streams, nullptr)));
        void* const captured = emulator().end_capture(info.cuda_stream);
        ASSERT_NE(captured, nullptr) << "the capture was ended by an error";
        size_t done = 0;
        const auto replay = [&] {
            emulator().replay(captured, info.cuda_stream);
            EXPECT_EQ(outputs.values(), expected[done++]);
        };
        for (int i = 0; i < 5; ++i)
            replay();
        // A step that is not replayed goes on from there, and a replay from it.
        EXPECT_TRUE(succeeds(step(captured_streams, nullptr)));
        EXPECT_EQ(outputs.values(), expected[done++]);
        replay();
        emulator().discard(captured);
        EXPECT_TRUE(succeeds(step(captured_streams, resets)));
    }
}

TEST(CudaStreams, A_step_takes_no_memory_and_uses_weights_that_were_prepared_anew) {
    NEEDS_EMULATOR();
    Problem p = make_problem({2, 3, 2, 20}), other = p;
    fill(p);
    fill(other);
    for (double& value : other.weights)
        value *= 0.5;
    const Weights weights(cuda(), p, ORTHO_FLOAT32);
    weights.prepare<float>(p, 1, false);
    const Streams streams(weights, 3), others(weights, 3);
    const DeviceArray<float> inputs(cuda().get(), convert<float>(p.inputs)), outputs(cuda().get(), 60, 0);
    const auto before = emulator().counters();
    const auto step = [&](ortho_streams* of, int64_t number) {
        EXPECT_TRUE(succeeds(ortho_streams_step(of, nullptr, inputs.data() + number * 6, outputs.data())));
        return outputs.values();
    };
    step(streams, 0);
    const std::vector<float> old = step(streams, 1);
    step(others, 0);
    const auto after = emulator().counters();
    EXPECT_EQ(after.live_objects, before.live_objects);
    EXPECT_EQ(after.device_waits, before.device_waits);
    // A check for NaN and infinity and an epilogue; products with V and with [alpha O; W].
    EXPECT_EQ(after.launches - before.launches, 3 * 2);
    EXPECT_EQ(after.products - before.products, 3 * 2);
    weights.prepare<float>(other, 2, false);
    EXPECT_NE(step(others, 1), old);
}

TEST(CudaChainPlans, A_loop_is_captured_the_second_time_and_gives_the_same_bits) {
    Problem p = make_problem({12, 5, 2, 18});
    fill(p);
    std::vector<Result> results;
    for (const char* name : {"steps", "graph"}) {
        const Plan plan(name);
        const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
        const Arrays<float> arrays(p, cuda().get());
        for (int i = 0; i < 3; ++i)
            results.push_back(run(p, chain, arrays));
    }
    for (const Result& result : results)
        expect_same_bits(results[0], result);
    NEEDS_EMULATOR();
    const Plan plan("graph");
    const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
    const int64_t before = emulator().counters().graph_launches;
    const Arrays<float> arrays(p, cuda().get());
    run(p, chain, arrays);
    EXPECT_EQ(emulator().counters().graph_launches, before);
    run(p, chain, arrays);
    EXPECT_EQ(emulator().counters().graph_launches, before + 2); // forward and backward
}

TEST(CudaChainPlans, The_loops_of_a_thousand_layers_are_captured_once_and_then_replayed) {
    NEEDS_EMULATOR();
    constexpr int64_t layers = 1024, segments = 32;
    Problem p = make_layers({layers, 1, 0, 4});
    p.checkpoint_every = layers / segments;
    const Plan plan("graph");
    const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
    const Arrays<float> arrays(p, cuda().get());
    const Result expected = run(p, chain, arrays);
    for (int step = 1; step < 3; ++step)
        run(p, chain, arrays);
    const auto before = emulator().counters();
    expect_same_bits(expected, run(p, chain, arrays));
    expect_same_bits(expected, run(p, chain, arrays));
    const auto after = emulator().counters();
    EXPECT_EQ(after.captures, before.captures);
    // All segments forward, all but the last again, all backward.
    EXPECT_EQ(after.graph_launches - before.graph_launches, 2 * (segments + (segments - 1) + segments));
    // Besides the graphs: two checks for NaN and infinity, and for each segment a product for its gradients, a sum of
    // rows, and the fold of their leaves.
    EXPECT_EQ(after.launches - before.launches, 2 * (2 + 2 * segments));
    EXPECT_EQ(after.products - before.products, 2 * segments);
}

TEST(CudaChainPlans, Loops_whose_sizes_change_take_bounded_memory_and_make_room_for_the_next) {
    NEEDS_EMULATOR();
    constexpr int64_t steps = 4096, most_captured_steps = 4 * 8192, nodes_of_step = 2; // a product and a kernel
    constexpr int64_t loops = 2;                                                       // forward and backward
    const Plan plan("graph");
    Problem p = make_problem({steps, 6, 0, 1});
    fill(p);
    const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
    const Arrays<float> arrays(p, cuda().get());
    const auto train = [&](int64_t batch) {
        p.shape.batch = batch;
        const auto before = emulator().counters();
        run(p, chain, arrays);
        const auto after = emulator().counters();
        // A node more where a segment's end is.
        EXPECT_LE(after.graph_nodes, most_captured_steps * nodes_of_step + most_captured_steps / steps);
        return after.captures - before.captures;
    };
    train(6); // the largest one first, since graphs of memory that grows are forgotten
    const auto round = [&] {
        int64_t captures = 0;
        for (int64_t batch = 1; batch <= 5; ++batch)
            captures += train(batch);
        return captures;
    };
    EXPECT_EQ(round(), 0);
    // Of ten loops that take turns, eight have room. They stay, and the others run as they are.
    EXPECT_EQ(round(), most_captured_steps / steps);
    EXPECT_EQ(round(), 0);
    // They give way to what has been run twice since their last run.
    EXPECT_EQ(train(6), 0);
    EXPECT_EQ(train(6), loops);
    EXPECT_EQ(train(6), 0);
}

TEST(CudaChainPlans, A_stream_that_cannot_be_captured_runs_its_loops_as_they_are) {
    NEEDS_EMULATOR();
    constexpr int capture_unsupported = 900;
    Problem p = make_problem({12, 5, 2, 18});
    fill(p);
    const Plan plan("graph");
    const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
    const Arrays<float> arrays(p, cuda().get());
    const Result expected = run(p, chain, arrays);
    for (int loops = 0; loops < 2; ++loops) // forward and backward
        emulator().fail_next("cudaStreamBeginCapture", capture_unsupported, 0);
    const int64_t before = emulator().counters().graph_launches;
    expect_same_bits(expected, run(p, chain, arrays));
    EXPECT_EQ(emulator().counters().graph_launches, before);
    // The next time it is tried again.
    expect_same_bits(expected, run(p, chain, arrays));
    EXPECT_EQ(emulator().counters().graph_launches, before + 2);
}

TEST(CudaChainPlans, All_steps_run_in_one_kernel_where_the_weights_fit) {
    NEEDS_EMULATOR();
    Problem p = make_problem({40, 5, 0, 18});
    fill(p);
    const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
    const int64_t before = emulator().counters().launches;
    run<float>(p, chain);
    EXPECT_LT(emulator().counters().launches - before, 40);
    const Plan plan("steps");
    const Chain stepped(cuda(), options_of(p, ORTHO_FLOAT32));
    const int64_t begin = emulator().counters().launches;
    run<float>(p, stepped);
    EXPECT_GE(emulator().counters().launches - begin, 80);
}

TEST(CudaChainPlans, A_GPU_with_too_few_multiprocessors_runs_step_by_step) {
    NEEDS_EMULATOR();
    Problem p = make_problem({40, 5, 0, 40});
    fill(p);
    const Device small = make_small_device(1);
    const int64_t before = emulator().counters().launches;
    const Result stepped = run_chain<float>(p, small);
    EXPECT_GE(emulator().counters().launches - before, 80);
    expect_close(p, run_chain<float>(p), stepped, float32_roundoff);
}

TEST(CudaChainPlans, Blocks_of_every_size_give_the_same_bits) {
    NEEDS_EMULATOR();
    struct Case {
        Shape shape;
        std::vector<int> multiprocessors;
    };
    // 16 x 32, 8 x 32, 8 x 16, 4 x 16 and 2 x 16 rows and units; 16 x 16; rows that are no quads and end within a
    // block.
    const Case cases[] = {{{6, 16, 2, 32}, {1, 2, 4, 8, 16}},
                          {{6, 16, 2, 16}, {1, 2, 4, 8}},
                          {{3, 13, 1, 35}, {2, 4, 6, 12}},
                          {{3, 6, 1, 68}, {3, 5, 10, 15}}};
    for (const Case& c : cases)
        for (const ortho_filter_kind filter : {ORTHO_FILTER_HAAR, ORTHO_FILTER_PERMUTATION}) {
            Problem p = make_problem(c.shape);
            p.filter = filter;
            p.output_steps = 2;
            fill(p);
            SCOPED_TRACE(describe(p));
            expect_formulas(p);
            const Result expected = run_chain<float>(p, make_small_device(c.multiprocessors[0]));
            for (const int multiprocessors : c.multiprocessors) {
                const Device device = make_small_device(multiprocessors);
                const int64_t before = emulator().counters().products;
                expect_same_bits(expected, run_chain<float>(p, device));
                // With V, and for the gradients of W and of inputs.
                EXPECT_EQ(emulator().counters().products - before, 3) << "steps were multiplied by cuBLAS";
            }
        }
}

// A block's threads read up to 8 packs of a state at once, of four units or, where N is no multiple of four, of one:
// 2048 packs. These sizes have more.
TEST(CudaChainPlans, States_that_a_block_reads_in_several_passes_agree_with_the_formulas) {
    NEEDS_EMULATOR();
    struct Case {
        Shape shape;
        ortho_filter_kind filter;
        int multiprocessors; // so many that blocks take the rows in question, and no fewer
        int rows;            // of a block
    };
    constexpr Case cases[] = {{{2, 16, 1, 516}, ORTHO_FILTER_HAAR, 33, 16},
                              {{2, 16, 0, 600}, ORTHO_FILTER_PERMUTATION, 38, 16},
                              {{2, 3, 1, 1030}, ORTHO_FILTER_HAAR, 65, 4},
                              {{2, 2, 0, 2047}, ORTHO_FILTER_PERMUTATION, 128, 2}};
    constexpr int packs_at_once = 8 * 256;
    for (const Case& c : cases) {
        const int64_t units = c.shape.units;
        ASSERT_GT(std::min<int64_t>(c.rows, c.shape.batch) * (units % 4 == 0 ? units / 4 : units), packs_at_once);
        Problem p = make_problem(c.shape);
        p.filter = c.filter;
        fill(p);
        SCOPED_TRACE(describe(p));
        const Multiprocessors all_needed(c.multiprocessors);
        const Device device = make_cuda_device();
        const Chain chain(device, options_of(p, ORTHO_FLOAT32));
        const int64_t before = emulator().counters().products;
        const Result result = run<float>(p, chain);
        EXPECT_LE(emulator().counters().products - before, 3) << "steps were multiplied by cuBLAS";
        expect_close(p, reference(p, filters_of(p, chain)), result, float32_roundoff);
    }
}

TEST(CudaChainPlans, Two_launches_share_a_batch_that_is_too_large_for_one_and_give_the_same_bits) {
    NEEDS_EMULATOR();
    struct Case {
        int64_t batch;
        int multiprocessors; // so few that a launch has no room for all rows
    };
    // Two blocks for 16 rows: 129 rows need 18, and 257 need 34.
    for (const Case& c : {Case{129, 16}, Case{200, 16}, Case{257, 18}})
        for (const ortho_filter_kind filter : {ORTHO_FILTER_HAAR, ORTHO_FILTER_PERMUTATION}) {
            Problem p = make_problem({3, c.batch, 1, 64});
            p.filter = filter;
            p.output_steps = 2;
            p.checkpoint_every = 2;
            fill(p);
            SCOPED_TRACE(describe(p));
            struct Run {
                Result result;
                int64_t launches, products;
            };
            const auto run_on = [&](int multiprocessors) {
                const Multiprocessors those(multiprocessors);
                const Device device = make_cuda_device();
                const Chain chain(device, options_of(p, ORTHO_FLOAT32));
                const auto before = emulator().counters();
                Result result = run<float>(p, chain);
                const auto after = emulator().counters();
                return Run{std::move(result), after.launches - before.launches, after.products - before.products};
            };
            const Run whole = run_on(64), halves = run_on(c.multiprocessors);
            expect_same_bits(whole.result, halves.result);
            EXPECT_EQ(whole.products, halves.products);
            // Two segments forward, one of them again, two backward.
            EXPECT_EQ(whole.launches + 5, halves.launches);
            const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
            expect_close(p, reference(p, filters_of(p, chain)), halves.result, float32_roundoff);
            // With so few that two launches have no room, either.
            const Run graph = run_on(c.multiprocessors - 8);
            EXPECT_GT(graph.products, halves.products);
        }
}

TEST(CudaFaults, A_second_launch_that_fails_is_named) {
    NEEDS_EMULATOR();
    Problem p = make_problem({3, 200, 0, 64});
    fill(p);
    const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
    const Arrays<float> a(p, cuda().get());
    emulator().fail_next("cudaLaunchCooperativeKernel", launch_out_of_resources, 1);
    EXPECT_TRUE(fails(ortho_chain_forward(chain, 3, 200, nullptr, nullptr, 1, 1, a.weights.data(), nullptr,
                                          a.bias.data(), nullptr, a.x0.data(), a.outputs.data(), nullptr),
                      ORTHO_INTERNAL, "persistent_forward failed"));
    EXPECT_EQ(emulator().forget_failures(), 0);
    EXPECT_TRUE(succeeds(ortho_chain_forward(chain, 3, 200, nullptr, nullptr, 1, 1, a.weights.data(), nullptr,
                                             a.bias.data(), nullptr, a.x0.data(), a.outputs.data(), nullptr)));
}

TEST(CudaChainPlans, All_layers_run_in_one_kernel_where_launches_would_take_longer) {
    NEEDS_EMULATOR();
    const Problem p = make_layers({10, 5, 0, 18});
    EXPECT_LT(launches_of(p), 10);
    {
        const Plan plan("steps");
        EXPECT_GE(launches_of(p), 20);
    }
    // Kernels of our own compute in float32 alone.
    EXPECT_GE(launches_of(p, make_cuda_device([](auto& o) { o.matrix_precision = ORTHO_MATRIX_TF32; })), 20);
    EXPECT_GE(launches_of(p, make_cuda_device([](auto& o) { o.filter_precision = ORTHO_MATRIX_BFLOAT16; })), 20);
    EXPECT_GE(launches_of(make_layers({3, 1, 0, 129})), 6);
    EXPECT_GE(launches_of(make_layers({3, 32, 0, 128}), make_small_device(1)), 6);
}

void expect_layers(Problem p, const Device& device) {
    fill(p);
    SCOPED_TRACE(describe(p));
    const Chain chain(device, options_of(p, ORTHO_FLOAT32));
    expect_close(p, reference(p, filters_of(p, chain)), run<float>(p, chain), float32_roundoff);
}

TEST(CudaChainPlans, Layers_of_every_size_agree_with_the_formulas) {
    struct Case {
        Shape shape;
        ortho_filter_kind filter;
        bool per_layer;
        int64_t checkpoint_every;
    };
    // Layers, batch, no inputs, units: each padded size, with and without quads, with batches that end within a block.
    constexpr Case cases[] = {
        {{1, 1, 0, 1}, ORTHO_FILTER_HAAR, false, 0},         {{12, 7, 0, 5}, ORTHO_FILTER_HAAR, true, 5},
        {{10, 3, 0, 32}, ORTHO_FILTER_CYCLE, false, 0},      {{3, 7, 0, 33}, ORTHO_FILTER_PERMUTATION, true, 2},
        {{1, 64, 0, 33}, ORTHO_FILTER_HAAR, false, 0},       {{4, 7, 0, 64}, ORTHO_FILTER_HAAR, false, 3},
        {{2, 64, 0, 64}, ORTHO_FILTER_HAAR, true, 0},        {{2, 1, 0, 100}, ORTHO_FILTER_HAAR, true, 1},
        {{2, 3, 0, 100}, ORTHO_FILTER_PERMUTATION, true, 0}, {{2, 1, 0, 127}, ORTHO_FILTER_HAAR, true, 0},
        {{2, 3, 0, 128}, ORTHO_FILTER_HAAR, false, 0}};
    int index = 0;
    for (const Case& c : cases) {
        Problem p = make_layers(c.shape);
        p.filter = c.filter;
        p.filter_per_layer = c.per_layer;
        p.checkpoint_every = c.checkpoint_every;
        p.activation = index % 3 == 1 ? ORTHO_RELU : ORTHO_TANH;
        p.per_unit = index % 2 == 1;
        p.initial = index % 4 != 2;
        p.output_steps = index % 2 == 1 ? c.shape.steps : 1;
        expect_layers(p, cuda());
        ++index;
    }
}

TEST(CudaChainPlans, Layers_agree_with_the_formulas_when_a_block_takes_many_rows) {
    NEEDS_EMULATOR();
    const Device small = make_small_device(1);
    for (const Shape& shape : {Shape{2, 20, 0, 32}, Shape{2, 7, 0, 64}, Shape{2, 8, 0, 128}})
        for (const bool structured : {false, true}) {
            Problem p = make_layers(shape);
            p.filter = structured ? ORTHO_FILTER_PERMUTATION : ORTHO_FILTER_HAAR;
            p.filter_per_layer = structured;
            expect_layers(p, small);
        }
}

TEST(CudaChainPlans, Layers_may_be_more_than_cuBLAS_multiplies_in_one_call) {
    const Plan plan("steps");
    Problem p = make_layers({33000, 1, 0, 1});
    p.output_steps = p.shape.steps; // or gradients vanish
    expect_layers(p, cuda());
}

TEST(CudaChainPlans, Layers_take_weights_that_are_not_aligned_to_four_elements) {
    const Problem p = make_layers({3, 3, 0, 16});
    Problem shifted = p;
    shifted.weights.insert(shifted.weights.begin(), 0.0);
    const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
    const Arrays<float> a(p, cuda().get()), b(shifted, cuda().get());
    const Result expected = run(p, chain, a);
    ASSERT_TRUE(succeeds(ortho_chain_forward(chain, 0, 3, nullptr, nullptr, 1, 1, b.weights.data() + 1, nullptr,
                                             b.bias.data(), nullptr, b.x0.data(), b.outputs.data(), nullptr)));
    ASSERT_TRUE(succeeds(ortho_chain_backward(chain, 0, b.weights.data() + 1, nullptr, b.bias.data(), nullptr,
                                              b.arriving.data(), nullptr, b.dw.data() + 1, nullptr, b.db.data(),
                                              nullptr, b.initial.data())));
    const auto doubles = [](const std::vector<float>& values, size_t first) {
        return std::vector<double>(values.begin() + static_cast<ptrdiff_t>(first), values.end());
    };
    expect_close(p, expected,
                 {doubles(b.outputs.values(), 0),
                  doubles(b.dw.values(), 1),
                  {},
                  doubles(b.db.values(), 0),
                  {},
                  doubles(b.initial.values(), 0)},
                 float32_roundoff);
}

TEST(CudaChainPlans, Gradients_of_few_inputs_are_summed_with_those_of_biases) {
    for (const int64_t inputs : {1, 3, 4, 5}) {
        Problem p = make_problem({70, 33, inputs, 5}); // so many rows that they are summed in parts
        p.checkpoint_every = inputs == 3 ? 40 : 0;
        p.output_steps = p.shape.steps;
        fill(p);
        expect_formulas(p);
    }
    NEEDS_EMULATOR();
    const auto products = [](int64_t inputs) {
        Problem p = make_problem({4, 3, inputs, 5});
        fill(p);
        const int64_t before = emulator().counters().products;
        run_chain<float>(p);
        return emulator().counters().products - before;
    };
    EXPECT_EQ(products(4) + 1, products(5));
}

TEST(CudaChainPlans, Unknown_plans_are_refused) {
    const Plan plan("fast");
    Problem p = make_problem({2, 1, 1, 2});
    fill(p);
    const ortho_chain_options options = options_of(p, ORTHO_FLOAT32);
    ortho_chain* chain = nullptr;
    EXPECT_TRUE(fails(ortho_chain_create(&chain, cuda().get(), &options), ORTHO_NOT_SUPPORTED,
                      "ORTHONATIVE_CUDA_CHAIN is 'fast'; it must be 'steps', 'graph' or 'persistent'"));
}

TEST(CudaChainPrecision, Lower_precision_rounds_the_factors_of_products_and_nothing_else) {
    // Smaller products stay in float32 on some GPUs: cuBLAS takes the lower precision where it is faster.
    const int64_t units = emulator().present() ? 32 : 512;
    const Plan plan("steps");
    Problem p = make_problem({1, 64, 4, units});
    fill(p);
    const Result exact = run_chain<float>(p);
    struct Case {
        ortho_matrix_precision precision;
        double roundoff; // of a factor
    };
    for (const Case& c : {Case{ORTHO_MATRIX_TF32, 0x1p-11}, Case{ORTHO_MATRIX_BFLOAT16, 0x1p-8}}) {
        const Device device = make_cuda_device([&](auto& o) { o.matrix_precision = c.precision; });
        const Result rounded = run_chain<float>(p, device);
        EXPECT_NE(rounded.outputs, exact.outputs);
        const double length = 2.0 * static_cast<double>(units + 4);
        expect_close("outputs", exact.outputs, rounded.outputs, c.roundoff, length);
        expect_close("weight_gradients", exact.weights, rounded.weights, c.roundoff, length);
        // Without W, what remains of a step is the filter, whose product was not asked to be rounded.
        Problem filter_alone = p;
        std::fill(filter_alone.weights.begin(), filter_alone.weights.end(), 0.0);
        std::fill(filter_alone.input_weights.begin(), filter_alone.input_weights.end(), 0.0);
        const double unit = float32_roundoff;
        expect_close("filtered states", run_chain<float>(filter_alone).outputs,
                     run_chain<float>(filter_alone, device).outputs, unit, length);
        const Device all_rounded = make_cuda_device([&](auto& o) { o.filter_precision = c.precision; });
        EXPECT_NE(run_chain<float>(filter_alone, all_rounded).outputs, run_chain<float>(filter_alone).outputs);
    }
}

TEST(CudaValues, What_is_not_finite_is_reported_once_and_stops_the_optimizer) {
    Problem p = make_problem({4, 2, 3, 5});
    fill(p);
    p.inputs[17] = std::nan("");
    const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
    const Arrays<float> a(p, cuda().get());
    ASSERT_TRUE(
        succeeds(ortho_chain_forward(chain, 4, 2, nullptr, nullptr, 1, 1, a.weights.data(), a.input_weights.data(),
                                     a.bias.data(), a.inputs.data(), a.x0.data(), a.outputs.data(), nullptr)));
    const DeviceArray<float> parameters(cuda().get(), 10, 1), gradients(cuda().get(), 10, 1);
    const ortho_parameter_group group{0, 10, 0.5, 0};
    ASSERT_TRUE(succeeds(ortho_sgd_step(cuda().get(), ORTHO_FLOAT32, 10, parameters.data(), gradients.data(), nullptr,
                                        0, 0, &group, 1)));
    EXPECT_TRUE(fails(ortho_device_synchronize(cuda().get()), ORTHO_NOT_FINITE, "inputs[17] is NaN or infinite"));
    EXPECT_EQ(parameters.values(), std::vector<float>(10, 1));
    ASSERT_TRUE(succeeds(ortho_sgd_step(cuda().get(), ORTHO_FLOAT32, 10, parameters.data(), gradients.data(), nullptr,
                                        0, 0, &group, 1)));
    EXPECT_EQ(parameters.values(), std::vector<float>(10, 0.5));
}

TEST(CudaValues, What_is_not_finite_before_the_first_step_is_named_by_the_model) {
    for (const auto& [model, name] : {std::pair{ORTHO_RECURRENT, "initial[7] is NaN"},
                                      std::pair{ORTHO_FEEDFORWARD, "initial[7] of a feedforward chain is NaN"}}) {
        Problem p = make_problem({4, 2, model == ORTHO_RECURRENT ? 3 : 0, 5});
        p.model = model;
        fill(p);
        p.x0[7] = std::nan("");
        const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
        const Arrays<float> a(p, cuda().get());
        const bool recurrent = model == ORTHO_RECURRENT;
        ASSERT_TRUE(succeeds(ortho_chain_forward(chain, recurrent ? 4 : 0, 2, nullptr, nullptr, 1, 1, a.weights.data(),
                                                 recurrent ? a.input_weights.data() : nullptr, a.bias.data(),
                                                 recurrent ? a.inputs.data() : nullptr, a.x0.data(), a.outputs.data(),
                                                 nullptr)));
        EXPECT_TRUE(fails(ortho_device_synchronize(cuda().get()), ORTHO_NOT_FINITE, name));
    }
}

/** Values of a call on the CPU and on the GPU. */
template <class T> class Both {
public:
    Both() : cpu_(make_device(1)) {}

    /** call(device) is made on both; it returns what is to be compared. */
    template <class Call> void expect_close_values(const char* what, double length, Call&& call) {
        const std::vector<T> expected = call(cpu_.get()), actual = call(cuda().get());
        expect_close(what, std::vector<double>(expected.begin(), expected.end()),
                     std::vector<double>(actual.begin(), actual.end()), rounding<T>, length);
    }

private:
    const Device cpu_;
};

template <class T> class CudaOperations : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(CudaOperations, Types);

TYPED_TEST(CudaOperations, Dense_layers_agree_with_the_CPU) {
    using T = TypeParam;
    for (const auto& [rows, inputs, outputs] :
         {std::tuple<int64_t, int64_t, int64_t>{1, 1, 1}, {7, 5, 3}, {3000, 17, 10}, {33, 64, 65}}) {
        const auto x = normal_values<T>(rows * inputs, 1), w = normal_values<T>(outputs * inputs, 2),
                   c = normal_values<T>(outputs, 3), dy = normal_values<T>(rows * outputs, 4);
        for (int which = 0; which < 4; ++which)
            Both<T>().expect_close_values(
                "dense", static_cast<double>(which == 0 ? inputs + 2 : rows + outputs + 2) * 4,
                [&](ortho_device* device) {
                    const DeviceArray<T> xs(device, x), ws(device, w), cs(device, c), dys(device, dy),
                        y(device, dy.size(), 0), dw(device, w.size(), 2), dc(device, c.size(), 2),
                        dx(device, x.size(), 0);
                    EXPECT_TRUE(succeeds(ortho_dense_forward(device, dtype_of<T>, rows, inputs, outputs, ws.data(),
                                                             cs.data(), xs.data(), y.data())));
                    EXPECT_TRUE(succeeds(ortho_dense_backward(device, dtype_of<T>, nullptr, which % 2, 1, rows, inputs,
                                                              outputs, ws.data(), xs.data(), dys.data(), dw.data(),
                                                              dc.data(), dx.data())));
                    return which == 0 ? y.values() : which == 1 ? dw.values() : which == 2 ? dc.values() : dx.values();
                });
    }
}

TYPED_TEST(CudaOperations, Losses_agree_with_the_CPU) {
    using T = TypeParam;
    for (const auto& [rows, classes] : {std::pair<int64_t, int64_t>{1, 1}, {5, 10}, {70, 33}, {300, 3}})
        for (const double smoothing : {0.0, 0.1}) {
            const auto logits = normal_values<T>(rows * classes, 1);
            std::vector<int32_t> targets;
            for (int64_t i = 0; i < rows; ++i)
                targets.push_back(static_cast<int32_t>(i * 7 % classes));
            std::vector<int64_t> correct;
            std::vector<double> losses;
            Both<T>().expect_close_values("logit gradients", 32, [&](ortho_device* device) {
                const DeviceArray<T> values(device, logits), gradients(device, logits.size(), 0);
                double loss = 0;
                int64_t right = 0;
                EXPECT_TRUE(succeeds(ortho_softmax_cross_entropy(device, dtype_of<T>, 1, rows, nullptr, nullptr,
                                                                 nullptr, classes, nullptr, smoothing, values.data(),
                                                                 targets.data(), &loss, &right, gradients.data())));
                losses.push_back(loss);
                correct.push_back(right);
                return gradients.values();
            });
            EXPECT_EQ(correct[0], correct[1]);
            EXPECT_NEAR(losses[0], losses[1], 32 * rounding<T> * (1 + losses[0]));
            const auto predictions = normal_values<T>(rows * classes, 2);
            losses.clear();
            Both<T>().expect_close_values("prediction gradients", 8, [&](ortho_device* device) {
                const DeviceArray<T> a(device, predictions), b(device, logits), gradients(device, logits.size(), 0);
                double loss = 0;
                EXPECT_TRUE(succeeds(ortho_elementwise_loss(device, dtype_of<T>, ORTHO_LOSS_SQUARED_ERROR, 1,
                                                            rows * classes, nullptr, nullptr, nullptr, 1, nullptr, 0,
                                                            a.data(), b.data(), &loss, gradients.data())));
                losses.push_back(loss);
                return gradients.values();
            });
            EXPECT_NEAR(losses[0], losses[1], 1e-13 * losses[0]); // sums in double precision
        }
}

/** A batch of several leaves, whole (no part) or the samples of some leaves of it. */
struct BatchCase {
    int64_t steps, batch;
    Samples samples;
    bool is_part;
};

void PrintTo(const BatchCase& c, std::ostream* stream) {
    *stream << c.steps << " x " << c.batch << (c.is_part ? ", a part" : "");
}

const BatchCase batch_cases[] = {{1, 40, {0, 40}, false},   {7, 40, {0, 40}, false},  {70, 33, {0, 33}, false},
                                 {1, 200, {25, 150}, true}, {5, 128, {16, 80}, true}, {3, 128, {32, 16}, true}};

TYPED_TEST(CudaOperations, Sums_of_dense_layers_by_leaves_agree_with_the_CPU) {
    using T = TypeParam;
    constexpr int64_t inputs = 17, outputs = 10, parameters = (inputs + 1) * outputs;
    for (const BatchCase& c : batch_cases)
        for (const int32_t accumulate : {0, 1}) {
            SCOPED_TRACE(testing::PrintToString(c));
            const int64_t rows = c.steps * c.samples.count;
            const auto x = normal_values<T>(rows * inputs, 1), dy = normal_values<T>(rows * outputs, 4);
            const int64_t sums = c.is_part ? partial_sums(c.batch, c.samples) : 1, stride = parameters + 3;
            const ortho_batch_part part = make_part(c.batch, c.samples, stride);
            std::vector<std::vector<T>> found;
            for (int repeat = 0; repeat < 2; ++repeat)
                Both<T>().expect_close_values("dense", static_cast<double>(rows + 2) * 4, [&](ortho_device* device) {
                    const DeviceArray<T> xs(device, x), dys(device, dy),
                        gradients(device, static_cast<size_t>(sums * stride), 2);
                    EXPECT_TRUE(succeeds(ortho_dense_backward(device, dtype_of<T>, c.is_part ? &part : nullptr,
                                                              accumulate, c.steps, c.samples.count, inputs, outputs,
                                                              nullptr, xs.data(), dys.data(), gradients.data(),
                                                              gradients.data() + inputs * outputs, nullptr)));
                    found.push_back(gradients.values());
                    return found.back();
                });
            EXPECT_TRUE(same_bits(found[1], found[3])) << "other bits for the same call";
        }
}

TYPED_TEST(CudaOperations, Losses_of_sequences_and_parts_agree_with_the_CPU) {
    using T = TypeParam;
    constexpr int64_t columns = 5;
    for (const BatchCase& c : batch_cases)
        for (const bool with_lengths : {false, true})
            for (const bool squares : {false, true}) {
                SCOPED_TRACE(testing::PrintToString(c) + (with_lengths ? " with lengths" : ""));
                const int64_t samples = c.samples.count, rows = c.steps * samples;
                const std::vector<int32_t> lengths = some_lengths(c.steps, samples, 3);
                const auto predictions = normal_values<T>(rows * columns, 1),
                           wanted = normal_values<T>(rows * columns, 2);
                std::vector<int32_t> classes;
                for (int64_t i = 0; i < rows; ++i)
                    classes.push_back(static_cast<int32_t>(i * 7 % columns));
                const ortho_batch_part part = make_part(c.batch, c.samples, 0, 10 * rows);
                const int64_t sums = c.is_part ? partial_sums(c.batch, c.samples) : 1;
                const auto run = [&](ortho_device* device, const std::vector<T>& values, const std::vector<T>& others,
                                     const std::vector<int32_t>& targets, std::vector<double>& losses,
                                     int64_t& correct) {
                    const DeviceArray<T> a(device, values), b(device, others), gradients(device, values.size(), 3);
                    losses.assign(static_cast<size_t>(sums), 77);
                    const int32_t* const given = with_lengths ? lengths.data() : nullptr;
                    const ortho_batch_part* const of = c.is_part ? &part : nullptr;
                    EXPECT_TRUE(succeeds(
                        squares ? ortho_elementwise_loss(device, dtype_of<T>, ORTHO_LOSS_SQUARED_ERROR, c.steps,
                                                         samples, given, nullptr, of, columns, nullptr, 0, a.data(),
                                                         b.data(), losses.data(), gradients.data())
                                : ortho_softmax_cross_entropy(device, dtype_of<T>, c.steps, samples, given, nullptr, of,
                                                              columns, nullptr, 0.1, a.data(), targets.data(),
                                                              losses.data(), &correct, gradients.data())));
                    return gradients.values();
                };
                std::vector<std::vector<double>> losses;
                std::vector<int64_t> corrects;
                std::vector<std::vector<T>> gradients;
                Both<T>().expect_close_values("gradients", 32, [&](ortho_device* device) {
                    losses.emplace_back();
                    corrects.push_back(0);
                    gradients.push_back(run(device, predictions, wanted, classes, losses.back(), corrects.back()));
                    return gradients.back();
                });
                EXPECT_EQ(corrects[0], corrects[1]);
                ASSERT_EQ(losses[0].size(), losses[1].size());
                for (size_t i = 0; i < losses[0].size(); ++i)
                    EXPECT_NEAR(losses[0][i], losses[1][i], 32 * rounding<T> * (1 + losses[0][i])) << i;
                if (!with_lengths)
                    continue;
                // Whatever the padding holds, the GPU gives the same bits.
                auto values = predictions, others = wanted;
                auto targets = classes;
                set_padding(values, samples, columns, lengths, std::numeric_limits<T>::quiet_NaN());
                set_padding(others, samples, columns, lengths, std::numeric_limits<T>::infinity());
                set_padding(targets, samples, 1, lengths, -7);
                std::vector<double> same_losses;
                int64_t correct = 0;
                EXPECT_TRUE(same_bits(run(cuda().get(), values, others, targets, same_losses, correct), gradients[1]));
                EXPECT_TRUE(same_bits(same_losses, losses[1]));
                EXPECT_TRUE(succeeds(ortho_device_synchronize(cuda().get())));
            }
}

TYPED_TEST(CudaOperations, Losses_of_every_kind_agree_with_the_CPU) {
    using T = TypeParam;
    for (const LossCase& loss : loss_cases())
        for (const BatchCase& c : batch_cases)
            for (const bool with_lengths : {false, true})
                for (const bool with_weights : {false, true}) {
                    SCOPED_TRACE(testing::PrintToString(loss) + ", " + testing::PrintToString(c) +
                                 (with_lengths ? " with lengths" : "") + (with_weights ? " with weights" : ""));
                    // Rows that do not count hold what must not be read.
                    const LossProblem<T> whole(loss, c.steps, c.batch, with_lengths, with_weights);
                    const LossProblem<T> problem = c.is_part ? whole.samples(c.samples) : whole;
                    ortho_batch_part part = make_part(c.batch, c.samples);
                    part.weight = whole.weight_sum();
                    std::vector<std::vector<double>> sums;
                    std::vector<int64_t> corrects;
                    Both<T>().expect_close_values("gradients", 64, [&](ortho_device* device) {
                        const DeviceArray<T> predictions(device, problem.predictions), targets(device, problem.targets),
                            gradients(device, problem.predictions.size(), 3);
                        sums.emplace_back(c.is_part ? partial_sums(c.batch, c.samples) : 1, 77);
                        corrects.push_back(0);
                        EXPECT_TRUE(succeeds(problem.call(device, c.is_part ? &part : nullptr, predictions.data(),
                                                          targets.data(), sums.back().data(), &corrects.back(),
                                                          gradients.data())));
                        return gradients.values();
                    });
                    EXPECT_EQ(corrects[0], corrects[1]);
                    // Distances from the largest logit and so exponentials are off by 64 units; sums are in double
                    // precision, of terms without a sign but for logarithms, which are small beside the sum.
                    for (size_t i = 0; i < sums[0].size(); ++i)
                        EXPECT_NEAR(sums[0][i], sums[1][i], 2 * 64 * rounding<T> * (1 + sums[0][i])) << i;
                }
}

TYPED_TEST(CudaOperations, Sequences_are_pooled_and_reversed_as_on_the_CPU) {
    using T = TypeParam;
    for (const auto& [steps, batch, units] : {std::array<int64_t, 3>{1, 1, 1}, {9, 5, 7}, {40, 3, 300}})
        for (const bool with_lengths : {false, true}) {
            const auto lengths = some_lengths(steps, batch, 3);
            const int32_t* const given = with_lengths ? lengths.data() : nullptr;
            auto x = normal_values<T>(steps * batch * units, 1);
            for (size_t i = 0; i < x.size(); i += 3)
                x[i] = static_cast<T>(std::round(x[i]));
            if (with_lengths)
                set_padding(x, batch, units, lengths, std::numeric_limits<T>::quiet_NaN());
            if (steps > 1 && batch > 1)
                x[static_cast<size_t>(batch * units)] = std::numeric_limits<T>::quiet_NaN(); // of the second step
            const auto dy = normal_values<T>(batch * units, 2);
            const Device cpu = make_device(1);
            std::vector<std::vector<T>> found;
            for (ortho_device* const device : {cpu.get(), cuda().get()}) {
                const DeviceArray<T> xs(device, x), dys(device, dy), y(device, dy.size(), 3), z(device, x.size(), 3);
                for (const int32_t pooling : {ORTHO_POOL_LAST, ORTHO_POOL_MEAN, ORTHO_POOL_MAX}) {
                    EXPECT_TRUE(succeeds(ortho_pool_forward(device, dtype_of<T>, pooling, steps, batch, units, given,
                                                            xs.data(), y.data())));
                    found.push_back(y.values());
                    EXPECT_TRUE(succeeds(ortho_pool_backward(device, dtype_of<T>, pooling, steps, batch, units, given,
                                                             pooling == ORTHO_POOL_MAX ? xs.data() : nullptr,
                                                             dys.data(), z.data())));
                    found.push_back(z.values());
                }
                EXPECT_TRUE(
                    succeeds(ortho_reverse(device, dtype_of<T>, steps, batch, units, given, xs.data(), z.data())));
                found.push_back(z.values());
            }
            // Sums in double precision in the same order, divisions and moves: the same bits, but for those of NaN.
            ASSERT_EQ(found.size(), 14u);
            for (size_t i = 0; i < 7; ++i)
                for (size_t j = 0; j < found[i].size(); ++j)
                    ASSERT_TRUE(found[i][j] == found[i + 7][j] ||
                                (std::isnan(found[i][j]) && std::isnan(found[i + 7][j])))
                        << "result " << i << ", element " << j;
        }
}

TYPED_TEST(CudaOperations, Partial_sums_are_added_as_on_the_CPU) {
    using T = TypeParam;
    constexpr int64_t count = 300, stride = 310;
    const Device cpu = make_device(1);
    // Leaf 1 to 6 and 7 to 14 of 16: four and four nodes, six of both.
    const Samples before{16, 96}, next{112, 128};
    const auto sums = normal_values<T>(6 * stride, 1), next_sums = normal_values<T>(6 * stride, 2);
    std::vector<std::vector<T>> found;
    for (ortho_device* const device : {cpu.get(), cuda().get()}) {
        const DeviceArray<T> into(device, sums), from(device, next_sums);
        ASSERT_TRUE(succeeds(ortho_add_partial_sums(device, dtype_of<T>, count, 256, before.first, before.count,
                                                    next.count, into.data(), stride, from.data(), stride)));
        found.push_back(into.values());
    }
    EXPECT_TRUE(same_bits(found[0], found[1]));
    EXPECT_FALSE(same_bits(found[0], sums));
}

TYPED_TEST(CudaOperations, Losses_agree_with_the_CPU_at_the_ends_of_the_range) {
    using T = TypeParam;
    constexpr T largest = std::numeric_limits<T>::max();
    const std::vector<T> one{largest, -largest, 0, -largest, largest / 3, largest};
    const std::vector<T> other{-largest, largest, largest, -largest, -largest / 5, largest};
    std::vector<double> losses;
    Both<T>().expect_close_values("prediction gradients", 8, [&](ortho_device* device) {
        const DeviceArray<T> predictions(device, one), targets(device, other), gradients(device, one.size(), 0);
        double loss = 0;
        EXPECT_TRUE(succeeds(ortho_elementwise_loss(device, dtype_of<T>, ORTHO_LOSS_SQUARED_ERROR, 1, 6, nullptr,
                                                    nullptr, nullptr, 1, nullptr, 0, predictions.data(), targets.data(),
                                                    &loss, gradients.data())));
        losses.push_back(loss);
        const auto found = gradients.values();
        EXPECT_TRUE(std::all_of(found.begin(), found.end(), [](T gradient) { return std::isfinite(gradient); }));
        return found;
    });
    const std::vector<int32_t> targets{1, 1};
    Both<T>().expect_close_values("logit gradients", 8, [&](ortho_device* device) {
        const DeviceArray<T> logits(device, one), gradients(device, one.size(), 0);
        double loss = 0;
        EXPECT_TRUE(
            succeeds(ortho_softmax_cross_entropy(device, dtype_of<T>, 1, 2, nullptr, nullptr, nullptr, 3, nullptr, 0.1,
                                                 logits.data(), targets.data(), &loss, nullptr, gradients.data())));
        losses.push_back(loss);
        return gradients.values();
    });
    for (const size_t i : {0, 2}) {
        if (sizeof(T) == sizeof(float)) {
            EXPECT_NEAR(losses[i], losses[i + 1], 16 * rounding<double> * losses[i]); // six terms in double precision
        } else {
            EXPECT_EQ(losses[i], losses[i + 1]); // infinite
        }
    }
}

TYPED_TEST(CudaOperations, Logits_that_are_equal_count_as_the_first_of_them) {
    using T = TypeParam;
    const DeviceArray<T> logits(cuda().get(), std::vector<T>(40 * 3, T(1)));
    std::vector<int32_t> targets(3, 0);
    targets[1] = 39;
    int64_t correct = 0;
    ASSERT_TRUE(
        succeeds(ortho_softmax_cross_entropy(cuda().get(), dtype_of<T>, 1, 3, nullptr, nullptr, nullptr, 40, nullptr, 0,
                                             logits.data(), targets.data(), nullptr, &correct, nullptr)));
    EXPECT_EQ(correct, 2);
}

TYPED_TEST(CudaOperations, Losses_report_what_is_not_finite_and_targets_that_are_no_class) {
    using T = TypeParam;
    std::vector<T> values(12, T(1));
    const DeviceArray<T> finite(cuda().get(), values);
    values[5] = std::numeric_limits<T>::infinity();
    const DeviceArray<T> infinite(cuda().get(), values);
    const std::vector<int32_t> targets{0, 1, 3};
    double loss = 7;
    EXPECT_TRUE(fails(ortho_softmax_cross_entropy(cuda().get(), dtype_of<T>, 1, 3, nullptr, nullptr, nullptr, 4,
                                                  nullptr, 0, infinite.data(), targets.data(), &loss, nullptr, nullptr),
                      ORTHO_NOT_FINITE, "logits[5] is NaN or infinite"));
    EXPECT_TRUE(is_refused(
        ortho_softmax_cross_entropy(cuda().get(), dtype_of<T>, 1, 4, nullptr, nullptr, nullptr, 3, nullptr, 0,
                                    finite.data(), std::vector<int32_t>{0, 1, 3, 0}.data(), &loss, nullptr, nullptr),
        "targets[2] is 3; it must be from 0 to 2"));
    EXPECT_TRUE(
        fails(ortho_elementwise_loss(cuda().get(), dtype_of<T>, ORTHO_LOSS_SQUARED_ERROR, 1, 12, nullptr, nullptr,
                                     nullptr, 1, nullptr, 0, finite.data(), infinite.data(), &loss, nullptr),
              ORTHO_NOT_FINITE, "targets[5] is NaN or infinite"));
    EXPECT_EQ(loss, 7);
    EXPECT_TRUE(
        succeeds(ortho_elementwise_loss(cuda().get(), dtype_of<T>, ORTHO_LOSS_SQUARED_ERROR, 1, 12, nullptr, nullptr,
                                        nullptr, 1, nullptr, 0, finite.data(), finite.data(), &loss, nullptr)));
    EXPECT_EQ(loss, 0);
}

TYPED_TEST(CudaOperations, Optimizers_agree_with_the_CPU) {
    using T = TypeParam;
    constexpr int64_t count = 50'000;
    const auto start = normal_values<T>(count, 1), gradient = normal_values<T>(count, 2);
    const ortho_parameter_group groups[] = {
        {0, 100, 0.1, 0}, {100, 0, 0.1, 0}, {200, 40'000, 0.01, 0.1}, {49'999, 1, 0.5, 0}};
    enum { sgd, momentum, nesterov, adam, adamw, amsgrad, rmsprop, centered, rmsprop_momentum, lion, kinds };
    for (int kind = 0; kind < kinds; ++kind)
        // The first steps of RMSprop divide by 0.1 of a gradient.
        Both<T>().expect_close_values("parameters", kind < rmsprop ? 3 * 16 : 10 * 3 * 16, [&](ortho_device* device) {
            const DeviceArray<T> parameters(device, start), gradients(device, gradient), first(device, count, 0),
                second(device, count, 0), third(device, count, 0);
            for (int step = 1; step <= 3; ++step)
                if (kind < adam) {
                    EXPECT_TRUE(succeeds(ortho_sgd_step(device, dtype_of<T>, count, parameters.data(), gradients.data(),
                                                        kind == sgd ? nullptr : first.data(), kind == sgd ? 0 : 0.9,
                                                        kind == nesterov, groups, 4)));
                } else if (kind < rmsprop) {
                    EXPECT_TRUE(succeeds(ortho_adam_step(
                        device, dtype_of<T>, count, parameters.data(), gradients.data(), first.data(), second.data(),
                        kind == amsgrad ? third.data() : nullptr, step, 0.9, 0.99, 1e-6, kind == adamw, groups, 4)));
                } else if (kind < lion) {
                    EXPECT_TRUE(succeeds(ortho_rmsprop_step(
                        device, dtype_of<T>, count, parameters.data(), gradients.data(), first.data(),
                        kind == rmsprop ? nullptr : second.data(), kind == rmsprop_momentum ? third.data() : nullptr,
                        0.99, kind == rmsprop_momentum ? 0.9 : 0, 1e-6, groups, 4)));
                } else {
                    EXPECT_TRUE(succeeds(ortho_lion_step(device, dtype_of<T>, count, parameters.data(),
                                                         gradients.data(), first.data(), 0.9, 0.99, groups, 4)));
                }
            return parameters.values();
        });
}

TYPED_TEST(CudaOperations, Steps_that_do_not_stay_finite_are_reported_and_change_nothing) {
    using T = TypeParam;
    constexpr int64_t count = 9'000;
    constexpr double largest = std::numeric_limits<T>::max();
    const bool is_float = sizeof(T) == sizeof(float);
    const ortho_parameter_group groups[] = {{4'000, 5'000, 0.1, 0}, {0, 3'000, 0.2, 0.1}};
    enum { sgd, momentum, lion, adam, adamw, amsgrad, rmsprop, kinds };
    struct Case {
        double gradient, parameter;
        const char* message;
        bool squares_alone; // of optimizers that square gradients
    };
    const Case cases[] = {
        {std::nan(""), 1, "gradients[7000] is NaN or infinite", false},
        {-std::numeric_limits<double>::infinity(), 1, "gradients[7000] is NaN or infinite", false},
        {0, std::nan(""), "parameters[7000] would not stay finite in an optimizer step", false},
        {is_float ? 1e21 : 1e160, 1, "parameters[7000] would not stay finite in an optimizer step", true},
        {largest, -largest, "parameters[7000] would not stay finite in an optimizer step", false},
    };
    for (const Case& c : cases)
        for (int kind = c.squares_alone ? adam : sgd; kind < kinds; ++kind) {
            SCOPED_TRACE(std::string(c.message) + ", kind " + std::to_string(kind));
            if (kind == lion && c.gradient == largest)
                continue; // of which only the sign counts
            std::vector<T> start(count, T(1)), gradient(count, T(1));
            start[7'000] = static_cast<T>(c.parameter);
            gradient[7'000] = static_cast<T>(c.gradient);
            const DeviceArray<T> parameters(cuda().get(), start), bad(cuda().get(), gradient),
                good(cuda().get(), count, 1), first(cuda().get(), count, 0), second(cuda().get(), count, 0),
                third(cuda().get(), count, 0);
            int64_t number = 0;
            const auto step = [&](const DeviceArray<T>& gradients) {
                if (kind == lion) {
                    EXPECT_TRUE(succeeds(ortho_lion_step(cuda().get(), dtype_of<T>, count, parameters.data(),
                                                         gradients.data(), first.data(), 0.9, 0.99, groups, 2)));
                } else if (kind == rmsprop) {
                    EXPECT_TRUE(succeeds(ortho_rmsprop_step(cuda().get(), dtype_of<T>, count, parameters.data(),
                                                            gradients.data(), second.data(), third.data(), first.data(),
                                                            0.99, 0.9, 1e-8, groups, 2)));
                } else if (kind < adam) {
                    EXPECT_TRUE(succeeds(ortho_sgd_step(cuda().get(), dtype_of<T>, count, parameters.data(),
                                                        gradients.data(), kind == sgd ? nullptr : first.data(),
                                                        kind == sgd ? 0 : 0.9, 0, groups, 2)));
                } else {
                    EXPECT_TRUE(
                        succeeds(ortho_adam_step(cuda().get(), dtype_of<T>, count, parameters.data(), gradients.data(),
                                                 first.data(), second.data(), kind == amsgrad ? third.data() : nullptr,
                                                 ++number, 0.9, 0.999, 1e-8, kind == adamw, groups, 2)));
                }
            };
            step(bad);
            step(good); // waits for the report, too
            EXPECT_TRUE(fails(ortho_device_synchronize(cuda().get()), ORTHO_NOT_FINITE, c.message));
            EXPECT_TRUE(same_bits(parameters.values(), start));
            EXPECT_EQ(first.values(), std::vector<T>(count, T(0)));
            EXPECT_EQ(second.values(), std::vector<T>(count, T(0)));
            EXPECT_EQ(third.values(), std::vector<T>(count, T(0)));
            if (std::isnan(c.parameter))
                continue;
            number = 0;
            step(good);
            ASSERT_TRUE(succeeds(ortho_device_synchronize(cuda().get())));
            EXPECT_LT(parameters.values()[0], T(1));
        }
}

TYPED_TEST(CudaOperations, Scaling_and_averages_agree_with_the_CPU) {
    using T = TypeParam;
    constexpr int64_t count = 40'000;
    const auto start = normal_values<T>(count, 1), other = normal_values<T>(count, 2);
    Both<T>().expect_close_values("values", 1, [&](ortho_device* device) {
        const DeviceArray<T> values(device, start);
        EXPECT_TRUE(succeeds(ortho_scale(device, dtype_of<T>, count, 1.0 / 3, values.data())));
        return values.values();
    });
    Both<T>().expect_close_values("averages", 3 * 4, [&](ortho_device* device) {
        const DeviceArray<T> averages(device, start), values(device, other);
        for (int step = 0; step < 3; ++step)
            EXPECT_TRUE(succeeds(ortho_average(device, dtype_of<T>, count, 0.9, values.data(), averages.data())));
        return averages.values();
    });
}

TYPED_TEST(CudaOperations, Clipping_agrees_with_the_CPU) {
    using T = TypeParam;
    const auto gradient = normal_values<T>(40'000, 2);
    for (const double limit : {1.0, 1e9, std::numeric_limits<double>::infinity()}) {
        std::vector<double> norms;
        Both<T>().expect_close_values("gradients", 4, [&](ortho_device* device) {
            const DeviceArray<T> values(device, gradient);
            double norm = 0;
            EXPECT_TRUE(succeeds(ortho_clip_gradient_norm(device, dtype_of<T>, 40'000, values.data(), limit, &norm)));
            norms.push_back(norm);
            return values.values();
        });
        EXPECT_NEAR(norms[0], norms[1], 1e-12 * norms[0]);
    }
    std::vector<T> values(20'000, T(1));
    values[19'999] = std::numeric_limits<T>::quiet_NaN();
    const DeviceArray<T> gradients(cuda().get(), values);
    EXPECT_TRUE(succeeds(ortho_clip_gradient_norm(cuda().get(), dtype_of<T>, 20'000, gradients.data(), 0.5, nullptr)));
    EXPECT_TRUE(fails(ortho_device_synchronize(cuda().get()), ORTHO_NOT_FINITE, "the norm of gradients"));
    EXPECT_EQ(gradients.values()[0], T(1));
}

TYPED_TEST(CudaOperations, Clipping_agrees_with_the_CPU_at_the_ends_of_the_range) {
    using T = TypeParam;
    using Limits = std::numeric_limits<T>;
    const Device cpu = make_device(1);
    constexpr int64_t count = 20'000;
    for (const T size : {Limits::max() / 1024, Limits::min(), Limits::min() / 1024})
        for (const double limit : {static_cast<double>(size), 1e-3, static_cast<double>(Limits::denorm_min())}) {
            auto gradients = normal_values<T>(count, 2);
            for (T& value : gradients)
                value *= size;
            const auto clipped = [&](ortho_device* device, double& norm) {
                const DeviceArray<T> values(device, gradients);
                EXPECT_TRUE(
                    succeeds(ortho_clip_gradient_norm(device, dtype_of<T>, count, values.data(), limit, &norm)));
                return values.values();
            };
            double expected_norm = 0, norm = 0;
            const auto expected = clipped(cpu.get(), expected_norm), actual = clipped(cuda().get(), norm);
            // Sums of the same terms in another order, and then the same factors and products but for their roundings;
            // those of subnormal numbers are of whole units.
            constexpr double sum_bound = 2 * count * rounding<double>;
            EXPECT_NEAR(norm, expected_norm, sum_bound * expected_norm + std::numeric_limits<double>::denorm_min());
            EXPECT_GT(norm, 0);
            for (size_t i = 0; i < expected.size(); ++i)
                ASSERT_NEAR(static_cast<double>(actual[i]), static_cast<double>(expected[i]),
                            (sum_bound + 8 * rounding<T>)*std::abs(static_cast<double>(expected[i])) +
                                6 * static_cast<double>(Limits::denorm_min()))
                    << i;
        }
    std::vector<T> values(16, Limits::max());
    const DeviceArray<T> largest(cuda().get(), values);
    double norm = 42;
    const ortho_status status = ortho_clip_gradient_norm(cuda().get(), dtype_of<T>, 16, largest.data(), 1, &norm);
    if (sizeof(T) == sizeof(float)) {
        EXPECT_TRUE(succeeds(status));
        EXPECT_NEAR(static_cast<double>(largest.values()[0]), 0.25, 4 * rounding<T> * 0.25);
    } else {
        EXPECT_TRUE(fails(status, ORTHO_NOT_FINITE, "the norm of gradients"));
        EXPECT_EQ(norm, 42);
        EXPECT_EQ(largest.values(), values);
    }
}

/** Shapes [steps, batch, units] with whole and broken blocks of four units. */
constexpr int64_t noise_shapes[][3] = {{1, 1, 1}, {3, 2, 2}, {2, 5, 3}, {35, 3, 4}, {3, 7, 43}};

TYPED_TEST(CudaOperations, Noise_is_that_of_the_CPU_bit_for_bit) {
    using T = TypeParam;
    const Device cpu = make_device(1);
    for (const auto& [steps, batch, units] : noise_shapes) {
        const auto x = normal_values<T>(steps * batch * units, 1);
        const auto noisy = [&, steps = steps, batch = batch, units = units](ortho_device* device) {
            const DeviceArray<T> values(device, x);
            EXPECT_TRUE(
                succeeds(ortho_add_normal_noise(device, dtype_of<T>, 0x123456789abcdef, 0xfedcb, 0x9abcdef0, 0.25,
                                                0x6789ab, steps, batch, units, values.data(), values.data())));
            return values.values();
        };
        EXPECT_TRUE(same_bits(noisy(cpu.get()), noisy(cuda().get()))) << steps << " " << batch << " " << units;
    }
}

TYPED_TEST(CudaOperations, Dropout_is_that_of_the_CPU_bit_for_bit) {
    using T = TypeParam;
    const Device cpu = make_device(1);
    for (const auto& [steps, batch, units] : noise_shapes)
        for (const double rate : {0.0, 0.3, 0.99})
            for (const int32_t same : {0, 1}) {
                const auto x = normal_values<T>(steps * batch * units, 1);
                const auto dropped = [&, steps = steps, batch = batch, units = units](ortho_device* device,
                                                                                      bool in_place) {
                    const DeviceArray<T> from(device, x), to(device, x);
                    EXPECT_TRUE(succeeds(ortho_dropout(device, dtype_of<T>, 0x123456789abcdef, 0xfedcb, 0x9abcdef0,
                                                       rate, same, 0x6789ab, steps, batch, units,
                                                       (in_place ? to : from).data(), to.data())));
                    return to.values();
                };
                const auto expected = dropped(cpu.get(), false);
                EXPECT_TRUE(same_bits(dropped(cuda().get(), false), expected)) << units << " " << rate << " " << same;
                EXPECT_TRUE(same_bits(dropped(cuda().get(), true), expected)) << units << " " << rate << " " << same;
            }
}

TEST(CudaDevice, Describes_itself) {
    ortho_device_info info = ORTHO_DEVICE_INFO_INIT;
    ASSERT_TRUE(succeeds(ortho_device_get_info(cuda().get(), &info)));
    EXPECT_EQ(info.kind, ORTHO_DEVICE_CUDA);
    EXPECT_EQ(info.index, 0);
    EXPECT_GE(info.compute_capability, 70);
    EXPECT_GT(info.multiprocessors, 0);
    EXPECT_GE(info.driver_version, 11080);
    EXPECT_GT(info.free_memory, 0);
    EXPECT_LE(info.free_memory, info.total_memory);
    EXPECT_NE(info.cuda_stream, nullptr);
    EXPECT_NE(info.cublas_handle, nullptr);
    EXPECT_STRNE(ortho_device_name(cuda().get()), "");
    EXPECT_EQ(ortho_device_threads(cuda().get()), 0);
}

TEST(CudaDevice, Works_on_the_stream_and_with_the_handle_of_somebody_else) {
    ortho_device_info info = ORTHO_DEVICE_INFO_INIT;
    const Device owner = make_cuda_device();
    ASSERT_TRUE(succeeds(ortho_device_get_info(owner.get(), &info)));
    const Device guest = make_cuda_device([&](auto& o) {
        o.cuda_stream = info.cuda_stream;
        o.cublas_handle = info.cublas_handle;
    });
    ortho_device_info shared = ORTHO_DEVICE_INFO_INIT;
    ASSERT_TRUE(succeeds(ortho_device_get_info(guest.get(), &shared)));
    EXPECT_EQ(shared.cuda_stream, info.cuda_stream);
    EXPECT_EQ(shared.cublas_handle, info.cublas_handle);
    Problem p = make_problem({5, 3, 2, 9});
    fill(p);
    expect_same_bits(run_chain<float>(p), run_chain<float>(p, guest));
}

TEST(CudaDevice, Shares_a_handle_that_both_sides_set_up_for_themselves) {
    ortho_device_info info = ORTHO_DEVICE_INFO_INIT;
    const Device owner = make_cuda_device();
    ASSERT_TRUE(succeeds(ortho_device_get_info(owner.get(), &info)));
    Problem p = make_problem({5, 3, 2, 9});
    fill(p);
    const Plan plan("graph");
    const Chain chain(owner, options_of(p, ORTHO_FLOAT32));
    const Arrays<float> arrays(p, owner.get());
    const Result expected = run(p, chain, arrays);
    {
        const Device guest = make_cuda_device([&](auto& o) {
            o.cuda_stream = info.cuda_stream;
            o.cublas_handle = info.cublas_handle;
        });
        expect_same_bits(expected, run_chain<float>(p, guest));
        // Captured while the guest's workspace is in the handle, and replayed when it is gone.
        expect_same_bits(expected, run(p, chain, arrays));
    }
    expect_same_bits(expected, run(p, chain, arrays));
}

TEST(CudaDevice, What_a_caller_captured_stays_valid_when_later_calls_need_more_memory) {
    NEEDS_EMULATOR();
    ortho_device_info info = ORTHO_DEVICE_INFO_INIT;
    const Device owner = make_cuda_device();
    ASSERT_TRUE(succeeds(ortho_device_get_info(owner.get(), &info)));
    for (const char* name : {"steps", "graph", "persistent"}) {
        SCOPED_TRACE(name);
        const Plan plan(name);
        Problem p = make_problem({8, 3, 2, 18});
        p.checkpoint_every = 3;
        fill(p);
        const Chain chain(owner, options_of(p, ORTHO_FLOAT32));
        const auto train = [&](const Arrays<float>& a, int64_t batch) {
            const ortho_status status =
                ortho_chain_forward(chain, 8, batch, nullptr, nullptr, 1, 1, a.weights.data(), a.input_weights.data(),
                                    a.bias.data(), a.inputs.data(), a.x0.data(), a.outputs.data(), nullptr);
            return status != ORTHO_OK
                       ? status
                       : ortho_chain_backward(chain, 0, a.weights.data(), a.input_weights.data(), a.bias.data(),
                                              a.inputs.data(), a.arriving.data(), nullptr, a.dw.data(), a.dv.data(),
                                              a.db.data(), a.du.data(), a.initial.data());
        };
        Problem larger = p;
        larger.shape.batch = 31;
        fill(larger);
        const Arrays<float> arrays(p, owner.get()), larger_arrays(larger, owner.get());
        const Result expected = run(p, chain, arrays);

        emulator().begin_capture(info.cuda_stream);
        EXPECT_TRUE(succeeds(train(arrays, 3)));
        EXPECT_TRUE(fails(train(larger_arrays, 31), ORTHO_INVALID_STATE, "and the stream is captured"));
        void* const captured = emulator().end_capture(info.cuda_stream);
        ASSERT_NE(captured, nullptr);
        const auto replays = [&] {
            for (const DeviceArray<float>* values : {&arrays.outputs, &arrays.dw, &arrays.initial})
                ASSERT_TRUE(succeeds(ortho_fill(owner.get(), ORTHO_FLOAT32, 3 * 18, values->data(), -1)));
            emulator().replay(captured, info.cuda_stream);
            const auto same = [](const std::vector<double>& a, const std::vector<float>& b) {
                return a == std::vector<double>(b.begin(), b.end());
            };
            EXPECT_TRUE(same(expected.outputs, arrays.outputs.values()));
            EXPECT_TRUE(same(expected.weights, arrays.dw.values()));
            EXPECT_TRUE(same(expected.initial, arrays.initial.values()));
        };
        replays();
        const Result larger_result = run(larger, chain, larger_arrays);
        replays();
        expect_same_bits(larger_result, run(larger, chain, larger_arrays));
        emulator().discard(captured);
    }
}

TEST(CudaDevice, A_handle_is_on_the_device_s_stream_from_the_start_and_gets_a_lent_one_s_back) {
    NEEDS_EMULATOR();
    ortho_device_info info = ORTHO_DEVICE_INFO_INIT;
    const Device owner = make_cuda_device();
    ASSERT_TRUE(succeeds(ortho_device_get_info(owner.get(), &info)));
    EXPECT_EQ(emulator().blas_stream(info.cublas_handle), info.cuda_stream);
    {
        const Device guest = make_cuda_device([&](auto& o) { o.cublas_handle = info.cublas_handle; });
        EXPECT_NE(emulator().blas_stream(info.cublas_handle), info.cuda_stream);
    }
    EXPECT_EQ(emulator().blas_stream(info.cublas_handle), info.cuda_stream);
}

TEST(CudaDevice, A_GPU_that_the_library_has_no_code_for_is_named) {
    NEEDS_EMULATOR();
    constexpr int no_kernel_image = 209;
    emulator().fail_next("cudaFuncGetAttributes", no_kernel_image, 0);
    ortho_device* device = nullptr;
    const ortho_device_options options = device_options(ORTHO_DEVICE_CUDA, 0);
    EXPECT_TRUE(fails(ortho_device_create(&device, &options), ORTHO_NOT_SUPPORTED, "for which this build has no code"));
    EXPECT_EQ(device, nullptr);
}

TEST(CudaDevice, A_GPU_that_is_not_there_is_named) {
    ortho_device* device = nullptr;
    const ortho_device_options options = device_options(ORTHO_DEVICE_CUDA, 0, 1000);
    EXPECT_TRUE(fails(ortho_device_create(&device, &options), ORTHO_NOT_SUPPORTED, "options->index is 1000; there"));
    NEEDS_EMULATOR();
    emulator().set_device_count(0);
    const ortho_device_options first = device_options(ORTHO_DEVICE_CUDA, 0);
    EXPECT_TRUE(
        fails(ortho_device_create(&device, &first), ORTHO_NOT_SUPPORTED, "the NVIDIA driver is missing, too old"));
    emulator().set_device_count(1);
    EXPECT_EQ(device, nullptr);
}

TEST(CudaBuffer, Memory_is_zeroed_copied_and_filled) {
    const DeviceArray<double> values(cuda().get(), normal_values<double>(1000, 1));
    ortho_buffer* buffer = nullptr;
    ASSERT_TRUE(succeeds(ortho_buffer_create(&buffer, cuda().get(), 8000)));
    std::vector<double> host(1000, 1);
    ASSERT_TRUE(succeeds(ortho_copy_to_host(cuda().get(), host.data(), ortho_buffer_data(buffer), 8000)));
    EXPECT_EQ(host, std::vector<double>(1000, 0));
    ASSERT_TRUE(succeeds(ortho_copy(cuda().get(), ortho_buffer_data(buffer), values.data(), 8000)));
    ASSERT_TRUE(succeeds(ortho_copy_to_host(cuda().get(), host.data(), ortho_buffer_data(buffer), 8000)));
    EXPECT_EQ(host, values.values());
    ASSERT_TRUE(succeeds(ortho_fill(cuda().get(), ORTHO_FLOAT64, 999, ortho_buffer_data(buffer), 2.5)));
    ASSERT_TRUE(succeeds(ortho_copy_to_host(cuda().get(), host.data(), ortho_buffer_data(buffer), 8000)));
    EXPECT_EQ(host[998], 2.5);
    EXPECT_EQ(host[999], values.values()[999]);
    ortho_buffer* view = nullptr;
    ASSERT_TRUE(succeeds(ortho_buffer_wrap(&view, cuda().get(), ortho_buffer_data(buffer), 8000)));
    EXPECT_EQ(ortho_buffer_data(view), ortho_buffer_data(buffer));
    ortho_buffer_free(view);
    EXPECT_TRUE(is_refused(ortho_buffer_wrap(&view, cuda().get(), host.data(), 8000), "data is not memory of GPU 0"));
    ortho_buffer_free(buffer);
}

TEST(CudaBuffer, Uploads_wait_for_earlier_work_and_later_work_for_them) {
    constexpr int64_t count = 1 << 16, bytes = count * 4;
    const DeviceArray<float> target(cuda().get(), count, 1), sum(cuda().get(), count, 0);
    ortho_staging* stagings[2] = {};
    for (ortho_staging*& staging : stagings)
        ASSERT_TRUE(succeeds(ortho_staging_create(&staging, cuda().get(), bytes)));
    std::vector<float> expected;
    for (int round = 0; round < 6; ++round) {
        ortho_staging* const staging = stagings[round % 2];
        ASSERT_TRUE(succeeds(ortho_staging_wait(staging)));
        std::fill_n(static_cast<float*>(ortho_staging_data(staging)), count, static_cast<float>(round + 2));
        // The work of the round before still reads the target when this upload is asked for.
        ASSERT_TRUE(succeeds(ortho_staging_upload(staging, target.data(), bytes)));
        ASSERT_TRUE(succeeds(ortho_staging_join(staging)));
        ASSERT_TRUE(succeeds(ortho_copy(cuda().get(), sum.data(), target.data(), bytes)));
    }
    EXPECT_EQ(sum.values(), std::vector<float>(count, 7));
    for (ortho_staging* staging : stagings)
        ortho_staging_free(staging);
}

TEST(CudaLoss, Targets_in_page_locked_memory_may_be_overwritten_at_once) {
    constexpr int64_t rows = 300, classes = 7;
    ortho_staging* staging = nullptr;
    ASSERT_TRUE(succeeds(ortho_staging_create(&staging, cuda().get(), rows * 4)));
    auto* const targets = static_cast<int32_t*>(ortho_staging_data(staging));
    std::vector<int32_t> kept(rows);
    for (int64_t i = 0; i < rows; ++i)
        kept[static_cast<size_t>(i)] = targets[i] = static_cast<int32_t>(i % classes);
    const DeviceArray<float> logits(cuda().get(), normal_values<float>(rows * classes, 3));
    const DeviceArray<float> gradients(cuda().get(), rows * classes, 0), expected(cuda().get(), rows * classes, 0);
    ASSERT_TRUE(
        succeeds(ortho_softmax_cross_entropy(cuda().get(), ORTHO_FLOAT32, 1, rows, nullptr, nullptr, nullptr, classes,
                                             nullptr, 0, logits.data(), targets, nullptr, nullptr, gradients.data())));
    std::fill_n(targets, rows, 0);
    ASSERT_TRUE(succeeds(ortho_softmax_cross_entropy(cuda().get(), ORTHO_FLOAT32, 1, rows, nullptr, nullptr, nullptr,
                                                     classes, nullptr, 0, logits.data(), kept.data(), nullptr, nullptr,
                                                     expected.data())));
    EXPECT_EQ(gradients.values(), expected.values());
    ortho_staging_free(staging);
}

/** A buffer of a device, freed at the end or before. */
class Buffer {
public:
    Buffer(const Device& device, int64_t bytes) {
        EXPECT_TRUE(succeeds(ortho_buffer_create(&buffer_, device.get(), bytes)));
    }
    ~Buffer() { free(); }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    float* data() const { return static_cast<float*>(ortho_buffer_data(buffer_)); }
    void free() {
        ortho_buffer_free(buffer_);
        buffer_ = nullptr;
    }

private:
    ortho_buffer* buffer_ = nullptr;
};

TEST(CudaBuffer, Memory_that_was_freed_is_used_again_without_a_wait_for_the_GPU) {
    NEEDS_EMULATOR();
    const Device device = make_cuda_device();
    const DeviceArray<float> result(device.get(), 1000, 0);
    {
        // So that there is enough for all that follows.
        const Buffer first(device, 4000), second(device, 4000);
    }
    ASSERT_TRUE(succeeds(ortho_device_synchronize(device.get())));
    const auto before = emulator().counters();
    for (int i = 0; i < 100; ++i) {
        const Buffer values(device, 4000), others(device, 4000);
        ASSERT_TRUE(succeeds(ortho_fill(device.get(), ORTHO_FLOAT32, 1000, values.data(), i)));
        ASSERT_TRUE(succeeds(ortho_copy(device.get(), result.data(), values.data(), 4000)));
    }
    EXPECT_EQ(result.values(), std::vector<float>(1000, 99.0f));
    EXPECT_EQ(emulator().counters().device_waits, before.device_waits);
    EXPECT_EQ(emulator().counters().live_objects, before.live_objects);
}

TEST(CudaBuffer, Memory_may_be_freed_while_copies_to_it_are_under_way) {
    const Device device = make_cuda_device();
    ortho_staging* staging = nullptr;
    ASSERT_TRUE(succeeds(ortho_staging_create(&staging, device.get(), 4000)));
    std::fill_n(static_cast<float*>(ortho_staging_data(staging)), 1000, 5.0f);
    for (int i = 0; i < 3; ++i) {
        Buffer target(device, 4000);
        ASSERT_TRUE(succeeds(ortho_staging_upload(staging, target.data(), 4000)));
        target.free();
        const Buffer next(device, 4000);
        std::vector<float> values(1000, 1.0f);
        ASSERT_TRUE(succeeds(ortho_copy_to_host(device.get(), values.data(), next.data(), 4000)));
        EXPECT_EQ(values, std::vector<float>(1000, 0.0f));
    }
    ortho_staging_free(staging);
}

TEST(CudaBuffer, Memory_that_a_pool_keeps_in_the_wrong_pieces_is_given_back_before_it_runs_out) {
    NEEDS_EMULATOR();
    constexpr int64_t half = 1 << 20;
    const Device device = make_cuda_device();
    ASSERT_TRUE(succeeds(ortho_device_synchronize(device.get())));
    emulator().set_memory_left(2 * half);
    {
        const Buffer first(device, half), second(device, half);
        ortho_buffer* more = nullptr;
        EXPECT_TRUE(
            fails(ortho_buffer_create(&more, device.get(), half), ORTHO_OUT_OF_MEMORY, "memory needed for buffer"));
    }
    // Both together are enough.
    const Buffer larger(device, half + half / 2);
    emulator().set_memory_left(0);
}

TEST(CudaBuffer, A_pool_keeps_a_part_of_the_memory_and_gives_back_the_rest) {
    NEEDS_EMULATOR();
    const Device device = make_cuda_device();
    ASSERT_TRUE(succeeds(ortho_device_synchronize(device.get())));
    const auto free_memory = [&] {
        ortho_device_info info{};
        info.struct_size = sizeof info;
        EXPECT_TRUE(succeeds(ortho_device_get_info(device.get(), &info)));
        return info.free_memory;
    };
    const int64_t before = emulator().counters().device_bytes, free_before = free_memory();
    {
        const Buffer small(device, 1000), large(device, int64_t{1} << 29);
        EXPECT_GT(emulator().counters().device_bytes, before);
        EXPECT_LT(free_memory(), free_before);
    }
    // Freed where the stream has come to here; a quarter of the memory is more than a pool keeps.
    ASSERT_TRUE(succeeds(ortho_device_synchronize(device.get())));
    EXPECT_LT(emulator().counters().device_bytes, before + (int64_t{1} << 29));
    EXPECT_GE(free_memory(), free_before); // what is kept counts as free
}

TEST(CudaBuffer, A_GPU_without_memory_pools_gives_the_same_values) {
    NEEDS_EMULATOR();
    Problem p = make_problem({6, 5, 2, 18});
    fill(p);
    const Result expected = run_chain<float>(p);
    emulator().set_memory_pools(0);
    // The devices that there are keep theirs.
    const Device device = make_cuda_device();
    run_chain<float>(p, device); // takes scratch memory, which the device keeps
    const auto before = emulator().counters();
    expect_same_bits(expected, run_chain<float>(p, device));
    EXPECT_GT(emulator().counters().device_waits, before.device_waits);
    EXPECT_EQ(emulator().counters().device_bytes, before.device_bytes);
    ortho_buffer* buffer = nullptr;
    emulator().fail_next("cudaMalloc", memory_allocation, 0);
    EXPECT_TRUE(
        fails(ortho_buffer_create(&buffer, device.get(), 4000), ORTHO_OUT_OF_MEMORY, "memory needed for buffer"));
    emulator().set_memory_pools(1);
}

TEST(CudaBuffer, Buffers_are_not_made_and_may_be_freed_while_the_stream_is_captured) {
    NEEDS_EMULATOR();
    for (const int pools : {1, 0}) {
        SCOPED_TRACE(pools);
        emulator().set_memory_pools(pools);
        const Device device = make_cuda_device();
        ortho_device_info info{};
        info.struct_size = sizeof info;
        ASSERT_TRUE(succeeds(ortho_device_get_info(device.get(), &info)));
        const int64_t before = emulator().counters().live_objects;
        Buffer source(device, 4000);
        const DeviceArray<float> target(device.get(), 1000, 1);
        emulator().begin_capture(info.cuda_stream);
        ASSERT_TRUE(succeeds(ortho_fill(device.get(), ORTHO_FLOAT32, 1000, target.data(), 7)));
        ortho_buffer* refused = nullptr;
        EXPECT_TRUE(fails(ortho_buffer_create(&refused, device.get(), 4000), ORTHO_INVALID_STATE,
                          "buffer needs memory, and the stream is captured"));
        source.free();
        void* const captured = emulator().end_capture(info.cuda_stream);
        ASSERT_NE(captured, nullptr) << "the capture was ended by an error";
        EXPECT_EQ(target.values(), std::vector<float>(1000, 1.0f));
        emulator().replay(captured, info.cuda_stream);
        EXPECT_EQ(target.values(), std::vector<float>(1000, 7.0f));
        emulator().discard(captured);
        { const Buffer next(device, 4000); }
        EXPECT_EQ(emulator().counters().live_objects, before + 1); // the target
    }
    emulator().set_memory_pools(1);
}

TEST(CudaBuffer, Memory_of_the_host_may_be_overwritten_at_once_even_if_the_GPU_reads_it_itself) {
    NEEDS_EMULATOR();
    emulator().set_host_page_tables(1);
    const Device device = make_cuda_device();
    const DeviceArray<double> values(device.get(), 100, 0);
    std::vector<double> host(100, 1);
    EXPECT_TRUE(succeeds(ortho_copy_from_host(device.get(), values.data(), host.data(), 800)));
    std::fill(host.begin(), host.end(), 2);
    EXPECT_EQ(values.values(), std::vector<double>(100, 1));
    emulator().set_host_page_tables(0);
}

TEST(CudaBuffer, Memory_that_cannot_be_had_is_reported_with_what_is_free) {
    ortho_device_info info = ORTHO_DEVICE_INFO_INIT;
    ASSERT_TRUE(succeeds(ortho_device_get_info(cuda().get(), &info)));
    ortho_buffer* buffer = nullptr;
    EXPECT_TRUE(fails(ortho_buffer_create(&buffer, cuda().get(), info.total_memory + (int64_t{1} << 30)),
                      ORTHO_OUT_OF_MEMORY, " of the GPU's memory needed for buffer, "));
    Problem p = make_problem({2, 1, 0, 64});
    fill(p);
    const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
    const Arrays<float> a(p, cuda().get());
    const int64_t steps = info.total_memory / 256;
    EXPECT_TRUE(fails(ortho_chain_forward(chain, steps, 1, nullptr, nullptr, 1, 1, a.weights.data(), nullptr,
                                          a.bias.data(), nullptr, nullptr, a.outputs.data(), nullptr),
                      ORTHO_OUT_OF_MEMORY, "units of float32 states (fewer with checkpointing or a smaller batch)"));
    EXPECT_TRUE(succeeds(ortho_chain_forward(chain, 2, 1, nullptr, nullptr, 1, 1, a.weights.data(), nullptr,
                                             a.bias.data(), nullptr, nullptr, a.outputs.data(), nullptr)));
}

TEST(CudaFaults, A_launch_that_fails_names_its_kernel) {
    NEEDS_EMULATOR();
    constexpr int launch_failure = 719;
    const Problem p = make_layers({3, 2, 0, 4});
    const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
    const Arrays<float> a(p, cuda().get());
    std::string messages;
    for (int skip = 0;; ++skip) {
        ASSERT_LT(skip, 100);
        emulator().fail_next("cudaLaunchKernel", launch_failure, skip);
        const bool forward =
            ortho_chain_forward(chain, 0, 2, nullptr, nullptr, 1, 1, a.weights.data(), nullptr, a.bias.data(), nullptr,
                                a.x0.data(), a.outputs.data(), nullptr) == ORTHO_OK;
        if (forward &&
            ortho_chain_backward(chain, 0, a.weights.data(), nullptr, a.bias.data(), nullptr, a.arriving.data(),
                                 nullptr, a.dw.data(), nullptr, a.db.data(), nullptr, a.initial.data()) == ORTHO_OK)
            break;
        messages += ortho_last_error();
    }
    // The fault that is left over hits a launch of no meaning.
    EXPECT_NE(ortho_fill(cuda().get(), ORTHO_FLOAT32, 1, a.initial.data(), 0), ORTHO_OK);
    EXPECT_NE(messages.find("layers_forward"), std::string::npos) << messages;
    EXPECT_NE(messages.find("layers_backward"), std::string::npos) << messages;
}

TEST(CudaFaults, Blocks_that_may_not_all_run_at_once_leave_their_steps_to_the_graph) {
    NEEDS_EMULATOR();
    constexpr int refusals[] = {cooperative_launch_too_large, launch_out_of_resources, not_supported,
                                memory_allocation};
    Problem p = make_problem({40, 5, 2, 18});
    p.checkpoint_every = 15;
    p.output_steps = 3;
    for (const ortho_filter_kind filter : {ORTHO_FILTER_HAAR, ORTHO_FILTER_PERMUTATION}) {
        p.filter = filter;
        fill(p);
        const Result expected = run_chain<float>(p);
        // Three segments forward, then two of them again and three backward.
        for (int skip = 0; skip < 8; ++skip) {
            const int refusal = refusals[(skip + (filter == ORTHO_FILTER_HAAR ? 0 : 1)) % 4];
            SCOPED_TRACE(std::to_string(refusal) + " after " + std::to_string(skip));
            const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
            const Arrays<float> arrays(p, cuda().get());
            std::vector<int64_t> launches;
            emulator().fail_next("cudaLaunchCooperativeKernel", refusal, skip);
            for (int i = 0; i < 3; ++i) {
                const auto before = emulator().counters();
                expect_close(p, expected, run(p, chain, arrays), float32_roundoff);
                launches.push_back(emulator().counters().launches - before.launches);
            }
            EXPECT_GE(launches[1], 40); // it is not tried again
        }
    }
}

// An error would end the capture, so it must be known before.
TEST(CudaFaults, Blocks_that_a_capture_would_refuse_leave_their_steps_to_other_kernels) {
    NEEDS_EMULATOR();
    Problem p = make_problem({12, 5, 2, 18});
    fill(p);
    ortho_device_info info{};
    info.struct_size = sizeof info;
    const Device device = make_cuda_device();
    ASSERT_TRUE(succeeds(ortho_device_get_info(device.get(), &info)));
    struct Case {
        const char* name;
        std::function<void(bool)> refuse;
        int least_launches;
        int most_launches;
    };
    const Case cases[] = {
        {"nothing is refused", [](bool) {}, 1, 11},
        {"such blocks cannot be captured", [](bool on) { emulator().set_cooperative_capture(on ? 0 : 1); }, 24, 40},
        {"a multiprocessor has no room", [](bool on) { emulator().set_room_for_blocks(on ? 0 : 1); }, 24, 40},
        {"the launch finds too little memory",
         [](bool on) {
             if (on)
                 emulator().fail_next("cudaLaunchCooperativeKernel", memory_allocation, 0);
             else
                 emulator().forget_failures();
         },
         24, 40}};
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        const Chain chain(device, options_of(p, ORTHO_FLOAT32));
        const Arrays<float> arrays(p, device.get());
        const Result expected = run(p, chain, arrays);
        const int64_t before = emulator().counters().launches;
        c.refuse(true);
        emulator().begin_capture(info.cuda_stream);
        EXPECT_TRUE(succeeds(ortho_chain_forward(chain, 12, 5, nullptr, nullptr, 1, 1, arrays.weights.data(),
                                                 arrays.input_weights.data(), arrays.bias.data(), arrays.inputs.data(),
                                                 arrays.x0.data(), arrays.outputs.data(), nullptr)));
        EXPECT_TRUE(succeeds(ortho_chain_backward(
            chain, 0, arrays.weights.data(), arrays.input_weights.data(), arrays.bias.data(), arrays.inputs.data(),
            arrays.arriving.data(), nullptr, arrays.dw.data(), arrays.dv.data(), arrays.db.data(), nullptr, nullptr)));
        void* const captured = emulator().end_capture(info.cuda_stream);
        c.refuse(false);
        EXPECT_GE(emulator().counters().launches - before, c.least_launches);
        EXPECT_LE(emulator().counters().launches - before, c.most_launches);
        ASSERT_NE(captured, nullptr) << "the capture was ended by an error";
        for (const DeviceArray<float>* values : {&arrays.outputs, &arrays.dw})
            ASSERT_TRUE(succeeds(ortho_fill(device.get(), ORTHO_FLOAT32, 5 * 18, values->data(), -1)));
        emulator().replay(captured, info.cuda_stream);
        Result replayed = expected;
        const auto doubles = [](const DeviceArray<float>& array) {
            const std::vector<float> values = array.values();
            return std::vector<double>(values.begin(), values.end());
        };
        replayed.outputs = doubles(arrays.outputs);
        replayed.weights = doubles(arrays.dw);
        expect_close(p, expected, replayed, float32_roundoff);
        emulator().discard(captured);
    }
}

TEST(CudaFaults, A_call_that_fails_is_named_and_leaves_nothing_behind) {
    NEEDS_EMULATOR();
    Problem p = make_problem({6, 2, 2, 7});
    fill(p);
    const auto whole_program = [&](bool& created) {
        ortho_device_options options = device_options(ORTHO_DEVICE_CUDA, 0);
        ortho_device* device = nullptr;
        ortho_status status = ortho_device_create(&device, &options);
        created = status == ORTHO_OK;
        if (!created)
            return status;
        const ortho_chain_options chain_options = options_of(p, ORTHO_FLOAT32);
        ortho_chain* chain = nullptr;
        ortho_buffer* buffer = nullptr;
        ortho_staging* staging = nullptr;
        const int64_t bytes = 4096;
        std::vector<float> host(1024, 0.5f);
        double loss = 0;
        const auto then = [&](auto call) {
            if (status == ORTHO_OK)
                status = call();
        };
        then([&] { return ortho_chain_create(&chain, device, &chain_options); });
        then([&] { return ortho_buffer_create(&buffer, device, bytes); });
        then([&] { return ortho_staging_create(&staging, device, bytes); });
        auto* const data = static_cast<float*>(ortho_buffer_data(buffer));
        then([&] { return ortho_copy_from_host(device, data, host.data(), bytes); });
        then([&] { return ortho_staging_upload(staging, data, bytes); });
        then([&] { return ortho_staging_join(staging); });
        constexpr int32_t some_lengths[] = {6, 3};
        for (const int32_t* lengths : {static_cast<const int32_t*>(nullptr), some_lengths, some_lengths}) {
            then([&] {
                return ortho_chain_forward(chain, 6, 2, lengths, nullptr, 1, 1, data, data, data, data, nullptr,
                                           data + 512, nullptr);
            });
            then([&] {
                return ortho_chain_backward(chain, 0, data, data, data, data, data + 512, nullptr, data + 600,
                                            data + 700, data + 720, nullptr, data + 730);
            });
        }
        then([&] {
            return ortho_elementwise_loss(device, ORTHO_FLOAT32, ORTHO_LOSS_SQUARED_ERROR, 1, 8, nullptr, nullptr,
                                          nullptr, 1, nullptr, 0, data, data, &loss, nullptr);
        });
        then([&] { return ortho_copy_to_host(device, host.data(), data, bytes); });
        ortho_staging_free(staging);
        ortho_buffer_free(buffer);
        ortho_chain_free(chain);
        ortho_device_free(device);
        return status;
    };
    const Plan plan("graph");
    bool created = false;
    const int64_t before = emulator().counters().live_objects;
    ASSERT_TRUE(succeeds(whole_program(created)));
    ASSERT_EQ(emulator().counters().live_objects, before);
    constexpr int launch_failure = 719, out_of_memory = 2, execution_failed = 13;
    struct Fault {
        const char* function;
        int status;
        ortho_status expected;
    };
    constexpr Fault faults[] = {{"cudaGetDeviceProperties", launch_failure, ORTHO_INTERNAL},
                                {"cudaFuncGetAttributes", launch_failure, ORTHO_INTERNAL},
                                {"cudaStreamCreateWithFlags", launch_failure, ORTHO_INTERNAL},
                                {"cublasCreate", execution_failed, ORTHO_INTERNAL},
                                {"cudaDeviceGetAttribute", launch_failure, ORTHO_INTERNAL},
                                {"cudaMallocFromPoolAsync", launch_failure, ORTHO_INTERNAL},
                                {"cudaMallocHost", out_of_memory, ORTHO_OUT_OF_MEMORY},
                                {"cudaEventCreateWithFlags", launch_failure, ORTHO_INTERNAL},
                                {"cudaMemsetAsync", launch_failure, ORTHO_INTERNAL},
                                {"cudaMemcpyAsync", launch_failure, ORTHO_INTERNAL},
                                {"cudaLaunchKernel", launch_failure, ORTHO_INTERNAL},
                                {"cublasGemmEx", execution_failed, ORTHO_INTERNAL},
                                {"cudaStreamBeginCapture", launch_failure, ORTHO_INTERNAL},
                                {"cudaStreamEndCapture", launch_failure, ORTHO_INTERNAL},
                                {"cudaGraphInstantiateWithFlags", launch_failure, ORTHO_INTERNAL},
                                {"cudaGraphLaunch", launch_failure, ORTHO_INTERNAL},
                                {"cudaStreamWaitEvent", launch_failure, ORTHO_INTERNAL},
                                {"cudaEventRecord", launch_failure, ORTHO_INTERNAL},
                                {"cudaStreamSynchronize", launch_failure, ORTHO_INTERNAL}};
    for (const Fault& fault : faults) {
        int failures = 0;
        for (int skip = 0;; ++skip) {
            emulator().fail_next(fault.function, fault.status, skip);
            const ortho_status status = whole_program(created);
            const std::string message = ortho_last_error();
            EXPECT_EQ(emulator().counters().live_objects, before) << fault.function << " after " << skip;
            if (status == ORTHO_OK)
                break;
            ++failures;
            EXPECT_EQ(status, fault.expected) << fault.function << ": " << message;
            ASSERT_LT(skip, 1000) << fault.function;
        }
        EXPECT_GT(failures, 0) << fault.function << " is never called";
        // What was left over must not hit the next function's turn.
        while (whole_program(created) != ORTHO_OK) {
        }
    }
}

#if defined(ORTHO_CAN_FORK)

TEST(CudaFork, Devices_of_the_parent_are_refused_in_the_child_and_continue_in_the_parent) {
    Problem p = make_problem({5, 3, 2, 24});
    fill(p);
    const int64_t before = ortho_live_objects();
    Device device = make_cuda_device();
    ortho_buffer* buffer = nullptr;
    ASSERT_TRUE(succeeds(ortho_buffer_create(&buffer, device.get(), 400)));
    ortho_staging* staging = nullptr;
    ASSERT_TRUE(succeeds(ortho_staging_create(&staging, device.get(), 400)));
    const ortho_chain_options options = options_of(p, ORTHO_FLOAT32);
    ortho_chain* chain = nullptr;
    ASSERT_TRUE(succeeds(ortho_chain_create(&chain, device.get(), &options)));
    std::vector<float> values(100, 3.0f);
    in_child([&] {
        const char* const text = "the CUDA device was created before this process was forked";
        EXPECT_TRUE(fails(ortho_device_synchronize(device.get()), ORTHO_INVALID_STATE, text));
        EXPECT_TRUE(fails(ortho_copy_to_host(device.get(), values.data(), ortho_buffer_data(buffer), 400),
                          ORTHO_INVALID_STATE, text));
        EXPECT_TRUE(fails(ortho_staging_upload(staging, ortho_buffer_data(buffer), 400), ORTHO_INVALID_STATE, text));
        ortho_buffer* another = nullptr;
        EXPECT_TRUE(fails(ortho_buffer_create(&another, device.get(), 400), ORTHO_INVALID_STATE, text));
        ortho_chain* second = nullptr;
        EXPECT_TRUE(fails(ortho_chain_create(&second, device.get(), &options), ORTHO_INVALID_STATE, text));
        int64_t bytes = 0;
        EXPECT_TRUE(fails(ortho_chain_memory(chain, 5, 3, 1, &bytes, nullptr), ORTHO_INVALID_STATE, text));
        const ortho_device_options cuda_options = device_options(ORTHO_DEVICE_CUDA, 0);
        ortho_device* fresh = nullptr;
        EXPECT_TRUE(fails(ortho_device_create(&fresh, &cuda_options), ORTHO_NOT_SUPPORTED,
                          "CUDA was in use when this process was forked"));
        ortho_chain_free(chain);
        ortho_staging_free(staging);
        ortho_buffer_free(buffer);
        device.reset();
        EXPECT_EQ(ortho_live_objects(), before);
        // The CPU works.
        const Device cpu = make_device(2);
        expect_same_bits(run<float>(p, Chain(cpu, options)), run<float>(p, Chain(cpu, options)));
    });
    EXPECT_TRUE(succeeds(ortho_copy_from_host(device.get(), ortho_buffer_data(buffer), values.data(), 400)));
    std::vector<float> back(100);
    EXPECT_TRUE(succeeds(ortho_copy_to_host(device.get(), back.data(), ortho_buffer_data(buffer), 400)));
    EXPECT_EQ(back, values);
    ortho_chain_free(chain);
    ortho_staging_free(staging);
    ortho_buffer_free(buffer);
}

#endif

/** A device of its own, a chain on it, and all arrays of its calls: one buffer, since the emulator guards each. */
struct FaultWorld {
    explicit FaultWorld(const Problem& small_problem)
        : small(small_problem), large(doubled(small_problem)),
          chain(std::make_unique<Chain>(device, options_of(small, ORTHO_FLOAT32))),
          array(std::make_unique<DeviceArray<float>>(device.get(), initial_contents())),
          values(array->data() + values_at), others(array->data() + others_at) {}
    ~FaultWorld() {
        ortho_buffer_free(buffer);
        ortho_staging_free(staging);
        ortho_chain_free(made);
        ortho_device_free(other);
    }
    FaultWorld(const FaultWorld&) = delete;
    FaultWorld& operator=(const FaultWorld&) = delete;

    static constexpr size_t values_at = 0, others_at = 40000, chain_at = 80000, part = 20000;
    /** Array `index` of the chain's. */
    float* of_chain(size_t index) const { return array->data() + chain_at + index * part; }
    float* driven(size_t index) const { return small.inputs.empty() ? nullptr : of_chain(index); }

    std::vector<float> initial_contents() const {
        std::vector<float> all(chain_at + 11 * part, 1.0f);
        std::fill_n(all.begin(), others_at, 0.25f);
        std::fill_n(all.begin() + others_at, chain_at - others_at, 0.5f);
        size_t index = 0;
        for (const auto* from :
             {&small.weights, &small.input_weights, &small.bias, &large.inputs, &large.x0, &large.arriving}) {
            EXPECT_LE(from->size(), part);
            std::copy(from->begin(), from->end(), all.begin() + static_cast<ptrdiff_t>(chain_at + part * index++));
        }
        return all;
    }
    static Problem doubled(Problem p) {
        (p.recurrent() ? p.shape.steps : p.shape.batch) *= 2;
        fill(p);
        return p;
    }
    ortho_status forward(bool of_large, const int32_t* lengths = nullptr) {
        const Problem& p = of_large ? large : small;
        return ortho_chain_forward(*chain, p.recurrent() ? p.shape.steps : 0, p.shape.batch, lengths, nullptr, 1, 1,
                                   of_chain(0), driven(1), of_chain(2), driven(3), of_chain(4), of_chain(6), nullptr);
    }
    /** Where sequences have lengths: some shorter than others. */
    ortho_status forward_lengths() {
        std::vector<int32_t> lengths(static_cast<size_t>(small.shape.batch), 1);
        lengths.front() = static_cast<int32_t>(small.shape.steps);
        return forward(false, small.recurrent() ? lengths.data() : nullptr);
    }
    ortho_status backward() {
        return ortho_chain_backward(*chain, 1, of_chain(0), driven(1), of_chain(2), driven(3), of_chain(5), nullptr,
                                    of_chain(7), driven(8), of_chain(9), nullptr, of_chain(10));
    }
    ortho_status train() {
        const ortho_status status = forward(false);
        return status == ORTHO_OK ? backward() : status;
    }
    std::vector<float> contents() const {
        std::vector<float> all = array->values();
        all.push_back(static_cast<float>(number));
        for (const void* object : {static_cast<const void*>(buffer), static_cast<const void*>(staging),
                                   static_cast<const void*>(made), static_cast<const void*>(other)})
            all.push_back(object != nullptr ? 1.0f : 0.0f);
        return all;
    }

    Problem small, large;
    Device device = make_cuda_device();
    std::unique_ptr<Chain> chain;
    std::unique_ptr<DeviceArray<float>> array;
    float *values, *others;
    double number = 7;
    ortho_buffer* buffer = nullptr;
    ortho_staging* staging = nullptr;
    ortho_chain* made = nullptr;
    ortho_device* other = nullptr;
};

TEST(CudaFaults, Calls_that_run_out_of_memory_have_changed_nothing_and_can_be_repeated) {
    NEEDS_EMULATOR();
    struct Operation {
        const char* name;
        std::vector<const char*> faults;
        std::function<ortho_status(FaultWorld&)> call;
        std::function<void(FaultWorld&)> before = [](FaultWorld&) {};
        std::function<ortho_status(FaultWorld&)> after = [](FaultWorld&) { return ORTHO_OK; };
        std::function<ortho_status(FaultWorld&)> still_works = [](FaultWorld&) { return ORTHO_OK; };
    };
    static const std::vector<int32_t> targets(400, 1);
    static constexpr int32_t lengths[] = {7, 0, 3, 5};
    const auto pass = [](FaultWorld& w) { EXPECT_TRUE(succeeds(w.forward(false))); };
    const auto once = [](FaultWorld& w) { EXPECT_TRUE(succeeds(w.train())); };
    std::vector<Operation> operations = {
        {"ortho_device_create",
         {"cudaMallocFromPoolAsync", "cudaMallocHost"},
         [](FaultWorld& w) {
             const ortho_device_options options = device_options(ORTHO_DEVICE_CUDA, 0);
             return ortho_device_create(&w.other, &options);
         }},
        {"ortho_buffer_create",
         {"cudaMallocFromPoolAsync"},
         [](FaultWorld& w) { return ortho_buffer_create(&w.buffer, w.device.get(), 100); }},
        {"ortho_staging_create",
         {"cudaMallocHost"},
         [](FaultWorld& w) { return ortho_staging_create(&w.staging, w.device.get(), 100); }},
        {"ortho_chain_create",
         {"cudaMallocFromPoolAsync"},
         [](FaultWorld& w) {
             const ortho_chain_options options = options_of(w.small, ORTHO_FLOAT32);
             return ortho_chain_create(&w.made, w.device.get(), &options);
         }},
        {"ortho_dense_backward",
         {"cudaMallocFromPoolAsync"},
         [](FaultWorld& w) {
             // So many rows that their sums need scratch memory.
             return ortho_dense_backward(w.device.get(), ORTHO_FLOAT32, nullptr, 1, 1, 3000, 3, 2, w.values + 30000,
                                         w.values, w.values + 9000, w.others, w.others + 10, w.others + 20);
         }},
        {"ortho_dense_backward of steps",
         {"cudaMallocFromPoolAsync"},
         [](FaultWorld& w) {
             return ortho_dense_backward(w.device.get(), ORTHO_FLOAT32, nullptr, 1, 3, 40, 3, 2, w.values + 30000,
                                         w.values, w.values + 9000, w.others, w.others + 10, w.others + 20);
         }},
        {"ortho_pool_forward",
         {"cudaMallocFromPoolAsync"},
         [](FaultWorld& w) {
             return ortho_pool_forward(w.device.get(), ORTHO_FLOAT32, ORTHO_POOL_MEAN, 7, 4, 5, lengths, w.values,
                                       w.others);
         }},
        {"ortho_reverse",
         {"cudaMallocFromPoolAsync"},
         [](FaultWorld& w) {
             return ortho_reverse(w.device.get(), ORTHO_FLOAT32, 7, 4, 5, lengths, w.values, w.others);
         }},
        {"ortho_mask",
         {"cudaMallocFromPoolAsync"},
         [](FaultWorld& w) { return ortho_mask(w.device.get(), ORTHO_FLOAT32, 7, 4, 5, lengths, w.values, w.others); }},
        {"ortho_layer_norm_backward",
         {"cudaMallocFromPoolAsync"},
         [](FaultWorld& w) {
             return ortho_layer_norm_backward(w.device.get(), ORTHO_FLOAT32, nullptr, 1, 1, 3000, 3, w.values + 30000,
                                              w.values, w.values + 20000, w.values + 9000, w.others, w.others + 10,
                                              w.others + 20);
         }},
        {"ortho_softmax_cross_entropy",
         {"cudaMallocFromPoolAsync"},
         [](FaultWorld& w) {
             return ortho_softmax_cross_entropy(w.device.get(), ORTHO_FLOAT32, 1, 400, nullptr, nullptr, nullptr, 3,
                                                nullptr, 0, w.values, targets.data(), &w.number, nullptr, w.others);
         }},
        {"ortho_elementwise_loss",
         {"cudaMallocFromPoolAsync"},
         [](FaultWorld& w) {
             return ortho_elementwise_loss(w.device.get(), ORTHO_FLOAT32, ORTHO_LOSS_SQUARED_ERROR, 1, 40000, nullptr,
                                           nullptr, nullptr, 1, nullptr, 0, w.values, w.others, &w.number, nullptr);
         }},
        {"ortho_clip_gradient_norm",
         {"cudaMallocFromPoolAsync"},
         [](FaultWorld& w) {
             return ortho_clip_gradient_norm(w.device.get(), ORTHO_FLOAT32, 40000, w.values, 0.5, &w.number);
         }},
        {"ortho_chain_forward",
         {"cudaMallocFromPoolAsync"},
         [](FaultWorld& w) { return w.forward(false); },
         [](FaultWorld&) {},
         [](FaultWorld& w) { return w.backward(); }},
        {"ortho_chain_forward of more after another",
         {"cudaMallocFromPoolAsync"},
         [](FaultWorld& w) { return w.forward(true); },
         pass,
         [](FaultWorld& w) { return w.backward(); },
         [](FaultWorld& w) { return w.backward(); }},
        {"ortho_chain_backward", {"cudaMallocFromPoolAsync"}, [](FaultWorld& w) { return w.backward(); }, pass},
        {"ortho_chain_forward with lengths",
         {"cudaMallocFromPoolAsync"},
         [](FaultWorld& w) { return w.forward_lengths(); },
         [](FaultWorld&) {},
         [](FaultWorld& w) { return w.backward(); }},
        {"ortho_chain_backward with lengths",
         {"cudaMallocFromPoolAsync"},
         [](FaultWorld& w) { return w.backward(); },
         [](FaultWorld& w) { EXPECT_TRUE(succeeds(w.forward_lengths())); }},
        // The second time loops are captured, the third time they are replayed.
        {"a second step",
         {"cudaStreamBeginCapture", "cudaGraphInstantiateWithFlags", "cudaGraphLaunch"},
         [](FaultWorld& w) { return w.train(); },
         once,
         [](FaultWorld& w) { return w.train(); }},
    };
    struct Fault {
        const char* function;
        bool can_be_done_without;
    };
    constexpr int out_of_memory = 2;
    constexpr Fault faults[] = {{"cudaMallocFromPoolAsync", false},
                                {"cudaMallocHost", false},
                                {"cudaStreamBeginCapture", true},
                                {"cudaGraphInstantiateWithFlags", true},
                                {"cudaGraphLaunch", true}};
    int hits[std::size(faults)] = {};
    struct Way {
        const char* plan;
        ortho_chain_model model;
    };
    for (const auto& [plan_name, model] : {Way{"graph", ORTHO_RECURRENT}, Way{"steps", ORTHO_FEEDFORWARD}}) {
        const Plan plan(plan_name);
        const bool first_way = std::string(plan_name) == "graph";
        // So many rows, and so many a layer, that the sums of gradients need scratch memory.
        Problem p = make_problem(model == ORTHO_RECURRENT ? Shape{3, 700, 2, 4} : Shape{2, 2050, 0, 4});
        p.model = model;
        fill(p);
        for (const Operation& operation : operations) {
            if (!first_way && std::string(operation.name).find("ortho_chain") != 0)
                continue;
            SCOPED_TRACE(std::string(plan_name) + ", " + operation.name);
            const auto contents_after = [&](const std::function<ortho_status(FaultWorld&)>& last) {
                FaultWorld world(p);
                operation.before(world);
                EXPECT_TRUE(succeeds(last(world)));
                return world.contents();
            };
            const std::vector<float> expected = contents_after([&](FaultWorld& w) {
                const ortho_status status = operation.call(w);
                return status == ORTHO_OK ? operation.after(w) : status;
            });
            const std::vector<float> expected_without = contents_after(operation.still_works);
            for (size_t f = 0; f < std::size(faults); ++f) {
                const std::string function = faults[f].function;
                if (std::find(operation.faults.begin(), operation.faults.end(), function) == operation.faults.end())
                    continue;
                for (int skip = 0;; ++skip) {
                    SCOPED_TRACE(function + " after " + std::to_string(skip));
                    ASSERT_LT(skip, 100);
                    bool hit = false;
                    for (const bool again : {true, false}) {
                        FaultWorld world(p);
                        operation.before(world);
                        const std::vector<float> before = world.contents();
                        const int64_t objects = ortho_live_objects();
                        emulator().fail_next(faults[f].function, out_of_memory, skip);
                        if (function == "cudaMallocFromPoolAsync") // which is tried once more
                            emulator().fail_next(faults[f].function, out_of_memory, 0);
                        const ortho_status status = operation.call(world);
                        const std::string message = ortho_last_error();
                        hit = emulator().forget_failures() == 0;
                        if (!hit || faults[f].can_be_done_without) {
                            ASSERT_TRUE(succeeds(status));
                            ASSERT_TRUE(succeeds(operation.after(world)));
                            EXPECT_TRUE(same_bits(world.contents(), expected));
                            break;
                        }
                        EXPECT_EQ(status, ORTHO_OUT_OF_MEMORY) << message;
                        EXPECT_NE(message.find("memory"), std::string::npos) << message;
                        EXPECT_EQ(ortho_live_objects(), objects);
                        EXPECT_TRUE(same_bits(world.contents(), before)) << "something was written";
                        if (again) {
                            ASSERT_TRUE(succeeds(operation.call(world)));
                            ASSERT_TRUE(succeeds(operation.after(world)));
                            EXPECT_TRUE(same_bits(world.contents(), expected));
                        } else {
                            ASSERT_TRUE(succeeds(operation.still_works(world)));
                            EXPECT_TRUE(same_bits(world.contents(), expected_without));
                        }
                    }
                    if (!hit)
                        break;
                    ++hits[f];
                }
            }
        }
    }
    for (size_t f = 0; f < std::size(faults); ++f)
        EXPECT_GT(hits[f], 0) << faults[f].function;
}

} // namespace
} // namespace ortho::test

int main(int argc, char** argv) {
    constexpr int skipped = 77;
    const ortho_device_options options = ortho::test::device_options(ORTHO_DEVICE_CUDA, 0);
    ortho_device* device = nullptr;
    if (ortho_device_create(&device, &options) != ORTHO_OK) {
        std::printf("skipped: %s\n", ortho_last_error());
        return skipped;
    }
    std::printf("on %s\n", ortho_device_name(device));
    ortho_device_free(device);
    ::testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
