// The filter chain against a plain double-precision reference that is written here from the formulas alone.
#include <gtest/gtest.h>

#if defined(__GLIBC__) // defined by any header of the C library, as above
#include <malloc.h>
#include <sys/resource.h>
#endif

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "chain_problem.hpp"

using namespace ortho::test;

namespace {

void check_against_reference(Problem p) {
    fill(p);
    const Device device = make_device(p.threads);
    const Chain chain32(device, options_of(p, ORTHO_FLOAT32));
    const Chain chain64(device, options_of(p, ORTHO_FLOAT64));
    const Result expected = reference(p, filters_of(p, chain64));
    {
        SCOPED_TRACE("float64");
        expect_close(p, expected, run<double>(p, chain64), std::ldexp(1, -53));
    }
    {
        SCOPED_TRACE("float32");
        expect_close(p, expected, run<float>(p, chain32), std::ldexp(1, -24));
    }
}

constexpr ortho_filter_kind filters[] = {ORTHO_FILTER_HAAR, ORTHO_FILTER_CYCLE, ORTHO_FILTER_PERMUTATION,
                                         ORTHO_FILTER_IDENTITY};

TEST(Chain, Every_size_agrees_with_the_formulas) {
    // Sizes below, at and beyond the widths of vectors, tiles, panels and leaves.
    constexpr Shape shapes[] = {{1, 1, 1, 1},   {3, 2, 5, 2},   {5, 1, 2, 3},    {2, 3, 1, 5},     {17, 5, 3, 17},
                                {4, 17, 1, 33}, {3, 33, 17, 8}, {2, 37, 2, 64},  {3, 12, 7, 65},   {2, 50, 33, 100},
                                {5, 7, 0, 16},  {3, 70, 1, 31}, {2, 128, 1, 48}, {300, 2, 1, 129}, {40, 1, 16, 80}};
    int index = 0;
    for (const Shape& shape : shapes) {
        Problem p = make_problem(shape);
        p.filter = filters[index % 4];
        p.activation = index % 3 == 1 ? ORTHO_RELU : ORTHO_TANH;
        p.per_unit = index % 2 == 1;
        p.initial = index % 5 != 4;
        p.output_steps = index % 3 == 0 ? 1 : index % 3 == 1 ? shape.steps : (shape.steps + 1) / 2;
        p.threads = 1 + index % 3;
        ++index;
        SCOPED_TRACE(describe(p));
        check_against_reference(p);
        if (HasFatalFailure())
            return;
    }
}

TEST(Chain, Every_filter_and_activation_agrees_with_the_formulas) {
    for (const ortho_filter_kind filter : filters)
        for (const ortho_activation activation : {ORTHO_TANH, ORTHO_RELU})
            for (const bool per_unit : {false, true}) {
                Problem p = make_problem({7, 19, 3, 70});
                p.filter = filter;
                p.activation = activation;
                p.per_unit = per_unit;
                p.output_steps = 4;
                SCOPED_TRACE(describe(p));
                check_against_reference(p);
                if (HasFatalFailure())
                    return;
            }
}

/** Where row i of a signed permutation has its entry, and that entry. */
std::vector<std::pair<size_t, double>> entries_of(const std::vector<double>& filter, int64_t units) {
    std::vector<std::pair<size_t, double>> entries(static_cast<size_t>(units));
    for (size_t i = 0; i < filter.size(); ++i)
        if (filter[i] != 0)
            entries[i / entries.size()] = {i % entries.size(), filter[i]};
    return entries;
}

/** Without weights, states and gradients are permuted and multiplied by alpha, which is rounded once a step. */
template <class T> void check_permuted(const Problem& p, const Device& device) {
    const Chain chain(device, options_of(p, sizeof(T) == sizeof(float) ? ORTHO_FLOAT32 : ORTHO_FLOAT64));
    const auto entries = entries_of(filters_of(p, chain)[0], p.shape.units);
    const size_t n = entries.size(), batch = static_cast<size_t>(p.shape.batch);
    std::vector<double> x = p.x0, g = p.arriving;
    for (int64_t step = 0; step < p.shape.steps; ++step) {
        const std::vector<double> before = x, later = g;
        for (size_t row = 0; row < batch; ++row)
            for (size_t i = 0; i < n; ++i) {
                const auto [source, sign] = entries[i];
                const T scale = static_cast<T>(p.alpha[i] * sign);
                x[row * n + i] = static_cast<T>(before[row * n + source]) * scale;
                g[row * n + source] = static_cast<T>(later[row * n + i]) * scale;
            }
    }
    const Result found = run<T>(p, chain);
    EXPECT_EQ(x, found.outputs);
    EXPECT_EQ(g, found.initial);
}

TEST(Chain, Structured_filters_permute_exactly_at_every_size) {
    // All sizes up to some panels, and those at which the kernels change how they permute.
    std::vector<int64_t> sizes = {447, 448, 449, 512, 520};
    for (int64_t units = 1; units <= 300; ++units)
        sizes.push_back(units);
    const Device device = make_device(1);
    for (const int64_t units : sizes)
        for (const ortho_filter_kind filter : {ORTHO_FILTER_CYCLE, ORTHO_FILTER_PERMUTATION}) {
            Problem p = make_problem({2, 1 + units % 13, 0, units}); // tiles of all numbers of rows
            p.filter = filter;
            p.per_unit = true;
            fill(p);
            std::fill(p.weights.begin(), p.weights.end(), 0.0);
            std::fill(p.bias.begin(), p.bias.end(), 0.0);
            SCOPED_TRACE(describe(p));
            check_permuted<float>(p, device);
            check_permuted<double>(p, device);
            if (HasFailure())
                return;
        }
}

template <class T> void check_rows_alone(const Problem& p, const Device& device) {
    const auto forward = [&](const Chain& chain, int64_t batch, int32_t training, const T* x0) {
        std::vector<T> outputs(static_cast<size_t>(batch * p.shape.units));
        EXPECT_EQ(ORTHO_OK, ortho_chain_forward(chain, p.shape.steps, batch, nullptr, nullptr, 1, training,
                                                convert<T>(p.weights).data(), nullptr, convert<T>(p.bias).data(),
                                                nullptr, x0, outputs.data(), nullptr))
            << ortho_last_error();
        return outputs;
    };
    const Chain chain(device, options_of(p, sizeof(T) == sizeof(float) ? ORTHO_FLOAT32 : ORTHO_FLOAT64));
    const std::vector<T> x0 = convert<T>(p.x0);
    std::vector<T> alone;
    for (int64_t row = 0; row < p.shape.batch; ++row) {
        const std::vector<T> outputs = forward(chain, 1, 0, x0.data() + row * p.shape.units);
        alone.insert(alone.end(), outputs.begin(), outputs.end());
    }
    for (int64_t batch = 1; batch <= p.shape.batch; ++batch)
        for (const int32_t training : {0, 1}) {
            const std::vector<T> outputs = forward(chain, batch, training, x0.data());
            EXPECT_TRUE(std::equal(outputs.begin(), outputs.end(), alone.begin()))
                << "batch=" << batch << " training=" << training;
        }
}

TEST(Chain, A_row_has_the_same_bits_in_any_tile_and_in_training) {
    const Device device = make_device(1);
    for (const ortho_filter_kind filter : filters)
        for (const ortho_activation activation : {ORTHO_TANH, ORTHO_RELU})
            for (const int64_t units : {5, 16, 30, 48, 64, 80, 129}) {
                Problem p = make_problem({3, 13, 0, units});
                p.filter = filter;
                p.activation = activation;
                p.per_unit = true;
                fill(p);
                SCOPED_TRACE(describe(p));
                check_rows_alone<float>(p, device);
                check_rows_alone<double>(p, device);
            }
}

TEST(Chain, Feedforward_layers_agree_with_the_formulas) {
    for (const ortho_filter_kind filter : filters)
        for (const bool per_layer : {false, true})
            for (const int32_t threads : {1, 2, 3})
                for (const Shape shape : {Shape{9, 5, 0, 17}, Shape{4, 40, 0, 70}, Shape{1, 1, 0, 3}}) {
                    Problem p = make_problem(shape);
                    p.model = ORTHO_FEEDFORWARD;
                    p.filter = filter;
                    p.filter_per_layer = per_layer;
                    p.threads = threads;
                    p.checkpoint_every = threads == 2 ? 2 : 0;
                    SCOPED_TRACE(describe(p));
                    check_against_reference(p);
                    if (HasFatalFailure())
                        return;
                }
}

TEST(Chain, Threads_and_checkpoints_do_not_change_a_bit) {
    for (const Shape shape : {Shape{37, 1, 2, 70}, Shape{23, 9, 1, 33}, Shape{21, 50, 2, 65}, Shape{9, 131, 1, 20}})
        for (const ortho_filter_kind filter : {ORTHO_FILTER_HAAR, ORTHO_FILTER_CYCLE}) {
            Problem p = make_problem(shape);
            p.filter = filter;
            p.output_steps = 5;
            fill(p);
            const Device one = make_device(1);
            const Chain first(one, options_of(p, ORTHO_FLOAT32));
            const Result expected = run<float>(p, first);
            expect_same_bits(expected, run<float>(p, first));
            for (const int32_t threads : {1, 2, 3, 5})
                for (const int64_t every : {0, 1, 4, 7, 1000}) {
                    p.checkpoint_every = every;
                    const Device device = make_device(threads);
                    const Chain chain(device, options_of(p, ORTHO_FLOAT32));
                    SCOPED_TRACE(describe(p) + " threads=" + std::to_string(threads) +
                                 " every=" + std::to_string(every));
                    expect_same_bits(expected, run<float>(p, chain));
                }
        }
}

TEST(Chain, How_many_threads_work_is_worth_does_not_change_a_bit) {
    const EnvironmentVariable by_work("ORTHONATIVE_CPU_THREADS", "");
    // Sizes at which none, some or all of the threads take part: too little in all, between two waits, and enough.
    constexpr Shape shapes[] = {{1, 1, 1, 16}, {20, 9, 1, 128}, {40, 1, 1, 260}, {8, 40, 1, 96}, {60, 200, 0, 16}};
    for (const Shape& shape : shapes)
        for (const ortho_chain_model model : {ORTHO_RECURRENT, ORTHO_FEEDFORWARD}) {
            Problem p = make_problem(shape);
            p.model = model;
            fill(p);
            const Device one = make_device(1);
            const Result expected = run<float>(p, Chain(one, options_of(p, ORTHO_FLOAT32)));
            for (const int32_t threads : {2, 3, 5}) {
                SCOPED_TRACE(describe(p) + " threads=" + std::to_string(threads));
                const Device device = make_device(threads);
                expect_same_bits(expected, run<float>(p, Chain(device, options_of(p, ORTHO_FLOAT32))));
            }
        }
}

/** A fading chain, driven by its first state and the gradient at its last one: all its values are 0 or normal numbers.
 */
template <class T> void check_fading(ortho_chain_model model, ortho_filter_kind filter, int64_t checkpoint_every) {
    // tanh(z) < z, and no row of W has a norm above 0.7: as the filter has no part in it, a step leaves at most 0.7
    // of a state's largest value in each unit. 0.7^300 is below the smallest float, 0.7^2200 below the smallest double.
    constexpr int64_t steps = sizeof(T) == sizeof(float) ? 300 : 2200, batch = 33, n = 9;
    Problem p = make_problem({steps, batch, 0, n});
    p.model = model;
    p.filter = filter;
    p.output_steps = steps;
    p.checkpoint_every = checkpoint_every;
    fill(p);
    p.alpha = {0};
    p.beta = {1};
    for (int64_t i = 0; i < p.weight_matrices() * n * n; ++i)
        p.weights[static_cast<size_t>(i)] = i / n % n == i % n ? 0.7 : 0;
    std::fill(p.bias.begin(), p.bias.end(), 0);
    std::fill(p.arriving.begin(), p.arriving.end() - batch * n, 0);
    for (const int32_t threads : {1, 3}) {
        const Device device = make_device(threads);
        const Result result = run<T>(p, Chain(device, options_of(p, static_cast<ortho_dtype>(dtype_of<T>))));
        for (const auto* values : {&result.outputs, &result.weights, &result.bias, &result.initial}) {
            const auto is_subnormal = [](double value) {
                return value != 0 && std::abs(value) < static_cast<double>(std::numeric_limits<T>::min());
            };
            EXPECT_EQ(std::count_if(values->begin(), values->end(), is_subnormal), 0) << threads;
        }
        // Small ones are not lost before they are subnormal, and those behind them are 0.
        EXPECT_NE(result.outputs[static_cast<size_t>(steps / 2 * batch * n)], 0);
        EXPECT_EQ(result.outputs.back(), 0);
        EXPECT_EQ(result.initial.back(), 0);
    }
}

TEST(Chain, Float32_values_that_fade_become_zero_and_never_subnormal) {
    for (const ortho_chain_model model : {ORTHO_RECURRENT, ORTHO_FEEDFORWARD})
        for (const ortho_filter_kind filter : {ORTHO_FILTER_HAAR, ORTHO_FILTER_IDENTITY})
            for (const int64_t every : {0, 17})
                check_fading<float>(model, filter, every);
}
TEST(Chain, Float64_values_that_fade_become_zero_and_never_subnormal) {
    check_fading<double>(ORTHO_RECURRENT, ORTHO_FILTER_HAAR, 0);
    check_fading<double>(ORTHO_FEEDFORWARD, ORTHO_FILTER_CYCLE, 100);
}

TEST(Chain, Unknown_ways_to_use_threads_are_refused) {
    const EnvironmentVariable unknown("ORTHONATIVE_CPU_THREADS", "some");
    Problem p = make_problem({1, 1, 1, 1});
    fill(p);
    const Device device = make_device(1);
    const ortho_chain_options options = options_of(p, ORTHO_FLOAT32);
    ortho_chain* chain = nullptr;
    EXPECT_TRUE(fails(ortho_chain_create(&chain, device.get(), &options), ORTHO_NOT_SUPPORTED,
                      "ORTHONATIVE_CPU_THREADS is 'some'; it must be 'all'"));
    EXPECT_EQ(chain, nullptr);
}

TEST(Chain, States_fit_into_the_memory_that_is_allowed) {
    Problem p = make_problem({1000, 2, 1, 16});
    fill(p);
    const Device device = make_device(2);
    const Chain unlimited(device, options_of(p, ORTHO_FLOAT32));
    const Result expected = run<float>(p, unlimited);
    int64_t all = 0;
    ASSERT_EQ(ORTHO_OK, ortho_chain_memory(unlimited, 1000, 2, 1, &all, nullptr));
    for (const int64_t divisor : {1, 2, 10, 20}) {
        p.max_state_bytes = all / divisor;
        const Chain chain(device, options_of(p, ORTHO_FLOAT32));
        int64_t bytes = 0;
        ASSERT_EQ(ORTHO_OK, ortho_chain_memory(chain, 1000, 2, 1, &bytes, nullptr)) << ortho_last_error();
        EXPECT_LE(bytes, p.max_state_bytes);
        EXPECT_GT(bytes, p.max_state_bytes / 3) << "memory that was allowed is left unused";
        expect_same_bits(expected, run<float>(p, chain));
    }
    p.max_state_bytes = 1000;
    const Chain chain(device, options_of(p, ORTHO_FLOAT32));
    int64_t bytes = 0;
    EXPECT_EQ(ORTHO_OUT_OF_MEMORY, ortho_chain_memory(chain, 1000, 2, 1, &bytes, nullptr));
    EXPECT_NE(nullptr, std::strstr(ortho_last_error(), "max_state_bytes is 1000"));
}

TEST(Chain, Gradients_can_be_added_to_what_is_there) {
    for (const ortho_chain_model model : {ORTHO_RECURRENT, ORTHO_FEEDFORWARD}) {
        Problem p = make_problem({5, 6, 2, 20});
        p.model = model;
        fill(p);
        const Device device = make_device(2);
        const Chain chain(device, options_of(p, ORTHO_FLOAT64));
        const Result set = run<double>(p, chain), added = run<double>(p, chain, true);
        for (size_t i = 0; i < set.weights.size(); ++i)
            EXPECT_EQ(set.weights[i] + 1, added.weights[i]);
        for (size_t i = 0; i < set.input_weights.size(); ++i)
            EXPECT_EQ(set.input_weights[i] + 1, added.input_weights[i]);
        for (size_t i = 0; i < set.bias.size(); ++i)
            EXPECT_EQ(set.bias[i] + 1, added.bias[i]);
    }
}

TEST(Chain, Inference_gives_the_states_of_training) {
    for (const ortho_chain_model model : {ORTHO_RECURRENT, ORTHO_FEEDFORWARD}) {
        Problem p = make_problem({8, 3, 2, 70});
        p.model = model;
        p.output_steps = 8;
        fill(p);
        const Device device = make_device(2);
        const Chain chain(device, options_of(p, ORTHO_FLOAT64));
        const Result trained = run<double>(p, chain);
        std::vector<double> outputs(trained.outputs.size());
        ASSERT_EQ(ORTHO_OK, ortho_chain_forward(chain, p.recurrent() ? 8 : 0, 3, nullptr, nullptr, 8, 0,
                                                p.weights.data(), data_or_null(p.input_weights), p.bias.data(),
                                                data_or_null(p.inputs), p.x0.data(), outputs.data(), nullptr));
        EXPECT_EQ(trained.outputs, outputs);
        EXPECT_EQ(ORTHO_INVALID_STATE,
                  ortho_chain_backward(chain, 0, p.weights.data(), data_or_null(p.input_weights), p.bias.data(),
                                       data_or_null(p.inputs), p.arriving.data(), nullptr, p.weights.data(),
                                       data_or_null(p.input_weights), p.bias.data(), nullptr, nullptr));
        EXPECT_NE(nullptr, std::strstr(ortho_last_error(), "a training forward call"));
    }
}

TEST(Chain, Batches_of_changing_size_reuse_the_memory) {
    const Device device = make_device(2);
    Problem p = make_problem({6, 33, 2, 20});
    p.filter = ORTHO_FILTER_PERMUTATION;
    fill(p);
    const Chain chain(device, options_of(p, ORTHO_FLOAT64));
    const auto filter_matrices = filters_of(p, chain);
    for (const int64_t batch : {33, 7, 1, 33, 64}) {
        p.shape.batch = batch;
        fill(p);
        SCOPED_TRACE(describe(p));
        expect_close(p, reference(p, filter_matrices), run<double>(p, chain), std::ldexp(1, -53));
    }
}

TEST(Chain, Custom_filter_is_used_as_given) {
    Problem p = make_problem({4, 3, 2, 5});
    fill(p);
    const Device device = make_device(1);
    const Chain haar(device, options_of(p, ORTHO_FLOAT64));
    const auto drawn = filters_of(p, haar);
    p.filter = ORTHO_FILTER_CUSTOM;
    ortho_chain_options options = options_of(p, ORTHO_FLOAT64);
    options.filter_matrix = drawn[0].data();
    const Chain custom(device, options);
    expect_same_bits(run<double>(p, haar), run<double>(p, custom));

    std::vector<double> skewed = drawn[0];
    skewed[3] += 1e-3;
    options.filter_matrix = skewed.data();
    ortho_chain* refused = nullptr;
    EXPECT_EQ(ORTHO_INVALID_ARGUMENT, ortho_chain_create(&refused, device.get(), &options));
    EXPECT_NE(nullptr, std::strstr(ortho_last_error(), "filter_matrix")) << ortho_last_error();
    EXPECT_EQ(nullptr, refused);
}

TEST(Chain, Bad_options_are_named) {
    const Device device = make_device(1);
    Problem p = make_problem({4, 3, 2, 5});
    fill(p);
    const ortho_chain_options good = options_of(p, ORTHO_FLOAT32);
    const double nan = std::numeric_limits<double>::quiet_NaN();
    struct Case {
        const char* named;
        void (*spoil)(ortho_chain_options&);
    };
    const Case cases[] = {
        {"struct_size", [](auto& o) { o.struct_size = 4; }},
        {"dtype", [](auto& o) { o.dtype = 2; }},
        {"model", [](auto& o) { o.model = -1; }},
        {"activation", [](auto& o) { o.activation = 7; }},
        {"filter is", [](auto& o) { o.filter = 9; }},
        {"filter_per_layer", [](auto& o) { o.filter_per_layer = 1; }},
        {"hidden_size", [](auto& o) { o.hidden_size = 0; }},
        {"hidden_size", [](auto& o) { o.hidden_size = -5; }},
        {"hidden_size", [](auto& o) { o.hidden_size = 70000; }},
        {"input_size", [](auto& o) { o.input_size = -1; }},
        {"layers", [](auto& o) { o.layers = 3; }},
        {"check_finite", [](auto& o) { o.check_finite = 2; }},
        {"alpha is null", [](auto& o) { o.alpha = nullptr; }},
        {"alpha_count", [](auto& o) { o.alpha_count = 2; }},
        {"beta_count", [](auto& o) { o.beta_count = 0; }},
        {"filter_matrix", [](auto& o) { o.filter = ORTHO_FILTER_CUSTOM; }},
        {"filter_matrix", [](auto& o) { o.filter_matrix = o.alpha; }},
        {"checkpoint_every", [](auto& o) { o.checkpoint_every = -1; }},
        {"checkpoint_every", [](auto& o) { o.checkpoint_every = o.max_state_bytes = 5; }},
    };
    for (const Case& c : cases) {
        ortho_chain_options options = good;
        c.spoil(options);
        ortho_chain* chain = nullptr;
        EXPECT_EQ(ORTHO_INVALID_ARGUMENT, ortho_chain_create(&chain, device.get(), &options)) << c.named;
        EXPECT_NE(nullptr, std::strstr(ortho_last_error(), c.named)) << ortho_last_error();
        EXPECT_EQ(nullptr, chain);
    }
    ortho_chain_options options = good;
    options.beta = &nan;
    ortho_chain* chain = nullptr;
    EXPECT_EQ(ORTHO_INVALID_ARGUMENT, ortho_chain_create(&chain, device.get(), &options));
    EXPECT_NE(nullptr, std::strstr(ortho_last_error(), "beta[0] is NaN")) << ortho_last_error();
    const double beyond_float = -1e39;
    options = good;
    options.alpha = &beyond_float;
    options.alpha_count = 1;
    EXPECT_EQ(ORTHO_INVALID_ARGUMENT, ortho_chain_create(&chain, device.get(), &options));
    EXPECT_NE(nullptr, std::strstr(ortho_last_error(), "alpha[0] is -1e+39; it must be finite in this dtype"))
        << ortho_last_error();
}

TEST(Chain, Bad_calls_are_named_and_leave_the_chain_usable) {
    const Device device = make_device(1);
    Problem p = make_problem({4, 3, 2, 5});
    fill(p);
    const Chain chain(device, options_of(p, ORTHO_FLOAT64));
    const Result expected = run<double>(p, chain);
    std::vector<double> outputs(p.arriving.size());
    const auto forward = [&](int64_t steps, int64_t batch, int64_t output_steps, const double* weights,
                             const double* inputs, double* out) {
        return ortho_chain_forward(chain, steps, batch, nullptr, nullptr, output_steps, 1, weights,
                                   p.input_weights.data(), p.bias.data(), inputs, p.x0.data(), out, nullptr);
    };
    const auto expect = [&](ortho_status expected_status, const char* named, ortho_status status) {
        EXPECT_EQ(expected_status, status) << named;
        EXPECT_NE(nullptr, std::strstr(ortho_last_error(), named)) << ortho_last_error();
    };
    const double* w = p.weights.data();
    const double* u = p.inputs.data();
    double* out = outputs.data();
    expect(ORTHO_INVALID_ARGUMENT, "steps is 0", forward(0, 3, 1, w, u, out));
    expect(ORTHO_INVALID_ARGUMENT, "batch is -3", forward(4, -3, 1, w, u, out));
    expect(ORTHO_INVALID_ARGUMENT, "output_steps is 5", forward(4, 3, 5, w, u, out));
    expect(ORTHO_INVALID_ARGUMENT, "weights is null", forward(4, 3, 1, nullptr, u, out));
    expect(ORTHO_INVALID_ARGUMENT, "inputs is null", forward(4, 3, 1, w, nullptr, out));
    expect(ORTHO_INVALID_ARGUMENT, "outputs is null", forward(4, 3, 1, w, u, nullptr));
    expect(ORTHO_INVALID_ARGUMENT, "chain is null",
           ortho_chain_forward(nullptr, 1, 1, nullptr, nullptr, 1, 1, w, nullptr, w, nullptr, nullptr, out, nullptr));
    std::vector<double> spoiled = p.inputs;
    spoiled[5] = std::numeric_limits<double>::quiet_NaN();
    expect(ORTHO_NOT_FINITE, "inputs[5] is NaN", forward(4, 3, 1, w, spoiled.data(), out));
    spoiled[5] = std::numeric_limits<double>::infinity();
    expect(ORTHO_NOT_FINITE, "inputs[5] is Infinity", forward(4, 3, 1, w, spoiled.data(), out));
    expect_same_bits(expected, run<double>(p, chain));
}

TEST(Chain, States_beyond_memory_are_refused_with_the_arithmetic) {
    const Device device = make_device(1);
    Problem p = make_problem({4, 3, 0, 512});
    fill(p);
    const Chain chain(device, options_of(p, ORTHO_FLOAT32));
    const std::vector<float> weights = convert<float>(p.weights), b = convert<float>(p.bias);
    EXPECT_TRUE(fails(ortho_chain_forward(chain, 1000000, 1000000, nullptr, nullptr, 0, 1, weights.data(), nullptr,
                                          b.data(), nullptr, nullptr, nullptr, nullptr),
                      ORTHO_OUT_OF_MEMORY,
                      "out of memory: 3.6 PiB needed for 1000000 steps x batch 1000000 x 512 units of float32 states "
                      "(fewer with checkpointing or a smaller batch), "));
    for (const int64_t steps : {INT64_MAX, INT64_MAX / 1024})
        EXPECT_EQ(ORTHO_OUT_OF_MEMORY, ortho_chain_forward(chain, steps, steps, nullptr, nullptr, 0, 1, weights.data(),
                                                           nullptr, b.data(), nullptr, nullptr, nullptr, nullptr));
}

#if defined(__GLIBC__) && !defined(ORTHO_SANITIZED)
/** Exits with 0 if a chain whose filters find no room says so. */
[[noreturn]] void run_without_room_for_filters() {
    // Large blocks always come from the system, never from memory that was freed before.
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    const Device device = make_device(2);
    Problem p = make_problem({2, 1, 0, 1024});
    p.model = ORTHO_FEEDFORWARD;
    p.filter_per_layer = true;
    p.alpha = {1};
    p.beta = {0.5};
    const Chain chain(device, options_of(p, ORTHO_FLOAT32));
    const std::vector<float> weights(2 * 1024 * 1024), bias(2 * 1024), x0(1024);
    std::vector<float> outputs(1024);
    const auto forward = [&] {
        return ortho_chain_forward(chain, 0, 1, nullptr, nullptr, 1, 0, weights.data(), nullptr, bias.data(), nullptr,
                                   x0.data(), outputs.data(), nullptr);
    };
    // The states of one sample still find room in the heap, a matrix of 8 MB finds none.
    rlimit limit{};
    getrlimit(RLIMIT_AS, &limit);
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = 1;
    setrlimit(RLIMIT_AS, &limit);
    const ortho_status refused = forward();
    limit.rlim_cur = before;
    setrlimit(RLIMIT_AS, &limit);
    const ortho_status served = forward();
    std::_Exit(refused != ORTHO_OUT_OF_MEMORY ? 1 : served != ORTHO_OK ? 2 : 0);
}

TEST(Chain, Filter_that_cannot_be_drawn_is_an_error_and_leaves_the_chain_usable) {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    EXPECT_EXIT(run_without_room_for_filters(), testing::ExitedWithCode(0), "");
}
#endif

TEST(Chain, Two_threads_in_one_chain_are_refused_or_served_never_mixed) {
    const Device device = make_device(2);
    Problem p = make_problem({200, 8, 1, 40});
    fill(p);
    const Chain chain(device, options_of(p, ORTHO_FLOAT64));
    const Result expected = run<double>(p, chain);
#if defined(ORTHO_SANITIZED)
    constexpr int calls = 50;
#else
    constexpr int calls = 200;
#endif
    std::atomic<int> refused{0}, served{0};
    const auto worker = [&] {
        std::vector<double> outputs(expected.outputs.size());
        for (int i = 0; i < calls; ++i) {
            const ortho_status status =
                ortho_chain_forward(chain, 200, 8, nullptr, nullptr, 1, 0, p.weights.data(), p.input_weights.data(),
                                    p.bias.data(), p.inputs.data(), p.x0.data(), outputs.data(), nullptr);
            if (status == ORTHO_OK) {
                ++served;
                EXPECT_EQ(expected.outputs, outputs);
            } else {
                EXPECT_EQ(ORTHO_INVALID_STATE, status);
                EXPECT_NE(nullptr, std::strstr(ortho_last_error(), "another thread"));
                ++refused;
            }
        }
    };
    std::thread other(worker);
    worker();
    other.join();
    EXPECT_EQ(2 * calls, refused + served);
    EXPECT_GT(served, 0);
}

TEST(Chain, Tanh_keeps_its_promise_over_the_whole_range) {
    // One unit, α = 0, β = 1, W = 0: the state after one step is tanh of the input itself.
    const Device device = make_device(2);
    Problem p = make_problem({1, 1, 1, 1});
    fill(p);
    p.alpha = {0};
    p.beta = {1};
    ortho_chain_options options = options_of(p, ORTHO_FLOAT32);
    options.check_finite = 0;
    const Chain chain(device, options);
    const float zero = 0, one = 1;
    constexpr int64_t batch = 1 << 16;
    std::vector<float> inputs(batch), outputs(batch);
    double worst = 0;
    // Every 61st float, of both signs.
    for (uint64_t first = 0; first < (uint64_t(1) << 32); first += 61 * batch) {
        for (int64_t i = 0; i < batch; ++i) {
            const auto bits = static_cast<uint32_t>(first + 61 * static_cast<uint64_t>(i));
            std::memcpy(&inputs[static_cast<size_t>(i)], &bits, sizeof bits);
        }
        ASSERT_EQ(ORTHO_OK, ortho_chain_forward(chain, 1, batch, nullptr, nullptr, 1, 0, &zero, &one, &zero,
                                                inputs.data(), nullptr, outputs.data(), nullptr))
            << ortho_last_error();
        for (int64_t i = 0; i < batch; ++i) {
            const float x = inputs[static_cast<size_t>(i)], y = outputs[static_cast<size_t>(i)];
            if (std::isnan(x)) {
                ASSERT_TRUE(std::isnan(y));
                continue;
            }
            // Chains take subnormal numbers for 0.
            const double expected = std::fpclassify(x) == FP_SUBNORMAL ? 0 : std::tanh(static_cast<double>(x));
            int exponent;
            std::frexp(expected, &exponent);
            const double ulp = std::ldexp(1.0, std::max(exponent - 24, -149));
            worst = std::max(worst, std::abs(y - expected) / ulp);
            ASSERT_LE(std::abs(y), 1.0f);
        }
    }
    EXPECT_LE(worst, 4) << "ulp";
}

TEST(Chain, Final_states_are_the_last_outputs_and_take_their_gradients) {
    for (const ortho_dtype dtype : {ORTHO_FLOAT32, ORTHO_FLOAT64})
        for (const int64_t checkpoint_every : {0, 4})
            for (const int32_t threads : {1, 3}) {
                Problem p = make_problem({11, 37, 3, 21});
                p.threads = threads;
                p.checkpoint_every = checkpoint_every;
                fill(p);
                const Device device = make_device(threads);
                expect_final_states(device, p, dtype);
                for (int32_t b = 0; b < 37; ++b)
                    p.lengths.push_back(b * 7 % 12);
                expect_final_states(device, p, dtype);
                p.lengths.assign(37, 0);
                p.lengths[3] = 5; // fewer steps than the call has
                expect_final_states(device, p, dtype);
                Problem layers = make_problem({9, 5, 0, 18});
                layers.model = ORTHO_FEEDFORWARD;
                layers.checkpoint_every = checkpoint_every;
                fill(layers);
                expect_final_states(device, layers, dtype);
            }
}

TEST(Chain, Gradients_at_final_states_must_be_finite) {
    Problem p = make_problem({4, 3, 2, 5});
    fill(p);
    const Device device = make_device(1);
    const Chain chain(device, options_of(p, ORTHO_FLOAT32));
    const Arrays<float> a(p, device.get());
    std::vector<float> last(15, 1.0F);
    last[7] = std::numeric_limits<float>::infinity();
    ASSERT_TRUE(
        succeeds(ortho_chain_forward(chain, 4, 3, nullptr, nullptr, 1, 1, a.weights.data(), a.input_weights.data(),
                                     a.bias.data(), a.inputs.data(), a.x0.data(), a.outputs.data(), nullptr)));
    const auto backward = [&] {
        return ortho_chain_backward(chain, 0, a.weights.data(), a.input_weights.data(), a.bias.data(), a.inputs.data(),
                                    a.arriving.data(), last.data(), a.dw.data(), a.dv.data(), a.db.data(), nullptr,
                                    nullptr);
    };
    EXPECT_TRUE(fails(backward(), ORTHO_NOT_FINITE, "final_gradients[7] is Infinity; all values must be finite"));
    last[7] = 0;
    EXPECT_TRUE(succeeds(backward()));
}

} // namespace
