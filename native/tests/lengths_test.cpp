// Batches of sequences of different lengths, against each sample computed alone and against the formulas.
#include <gtest/gtest.h>

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "chain_problem.hpp"

namespace ortho::test {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

std::string describe_lengths(const Problem& p) {
    std::string text = describe(p) + " every=" + std::to_string(p.checkpoint_every) + " lengths=";
    for (const int32_t length : p.lengths)
        text += std::to_string(length) + ",";
    return text;
}

/** Lengths from 0 to the steps, so that every count of steps can be one. */
std::vector<int32_t> random_lengths(std::mt19937& random, Shape shape) {
    std::vector<int32_t> lengths(static_cast<size_t>(shape.batch));
    for (int32_t& length : lengths)
        length = static_cast<int32_t>(random() % static_cast<uint32_t>(shape.steps + 1));
    return lengths;
}

/** Calls body(index) for the elements [steps, batch, width] that lie beyond the lengths. */
template <class Body> void for_padding(const Problem& p, int64_t width, Body&& body) {
    for (int64_t k = 0; k < p.shape.steps; ++k)
        for (int64_t b = 0; b < p.shape.batch; ++b)
            for (int64_t i = 0; i < width && k >= p.length(b); ++i)
                body(static_cast<size_t>((k * p.shape.batch + b) * width + i));
}

void fill_padding(Problem& p, double value) {
    for_padding(p, p.shape.inputs, [&](size_t i) { p.inputs[i] = value; });
}

/** One column [.., batch, width] of an array. */
std::vector<double> sample_of(const std::vector<double>& values, int64_t first_step, int64_t steps, int64_t batch,
                              int64_t sample, int64_t width) {
    std::vector<double> part;
    for (int64_t k = first_step; k < first_step + steps; ++k)
        for (int64_t i = 0; i < width; ++i)
            part.push_back(values[static_cast<size_t>((k * batch + sample) * width + i)]);
    return part;
}

/**
 * Compares a sample of a batch with the same sample alone, at its own length: the states and gradients have the same
 * bits. Adds the sample's weight gradients to `sums`.
 */
template <class T>
void expect_sample_as_alone(const Problem& p, const Result& batch, int64_t sample, const Chain& chain, Result& sums) {
    const auto [steps, count, inputs, n] = p.shape;
    const int64_t length = p.length(sample), first_output = steps - p.output_steps;
    const int64_t vectors = p.state_vectors();
    const std::vector<double> initial = p.initial ? sample_of(p.x0, 0, vectors, count, sample, n)
                                                  : std::vector<double>(static_cast<size_t>(vectors * n));

    // What arrives beyond the length is added from the last step back.
    std::vector<T> last(static_cast<size_t>(n));
    for (int64_t k = steps - 1; k >= std::max(length - 1, first_output) && k >= 0; --k)
        for (int64_t i = 0; i < n; ++i)
            last[static_cast<size_t>(i)] +=
                static_cast<T>(p.arriving[static_cast<size_t>(((k - first_output) * count + sample) * n + i)]);

    const auto output = [&](int64_t k) { return sample_of(batch.outputs, k - first_output, 1, count, sample, n); };
    if (length == 0) {
        std::vector<double> expected;
        for (int64_t i = 0; i < n; ++i)
            expected.push_back(static_cast<T>(initial[static_cast<size_t>(i)]));
        for (int64_t k = first_output; k < steps; ++k)
            ASSERT_EQ(output(k), expected);
        std::vector<double> gradients(last.begin(), last.end());
        gradients.resize(static_cast<size_t>(vectors * n));
        ASSERT_EQ(sample_of(batch.initial, 0, vectors, count, sample, n), gradients);
        return;
    }

    Problem alone = p;
    alone.shape = {length, 1, inputs, n};
    alone.lengths.clear();
    alone.inputs = sample_of(p.inputs, 0, length, count, sample, inputs);
    if (p.initial)
        alone.x0 = initial;
    alone.output_steps = std::max<int64_t>(1, length - first_output);
    alone.arriving.clear();
    if (length > first_output)
        alone.arriving = sample_of(p.arriving, 0, length - first_output - 1, count, sample, n);
    alone.arriving.insert(alone.arriving.end(), last.begin(), last.end());
    const Result expected = run<T>(alone, chain);

    const std::vector<double> last_state(expected.outputs.end() - n, expected.outputs.end());
    for (int64_t k = first_output; k < steps; ++k)
        ASSERT_EQ(output(k),
                  k < length ? sample_of(expected.outputs, k - (length - alone.output_steps), 1, 1, 0, n) : last_state)
            << "step " << k;
    ASSERT_EQ(sample_of(batch.inputs, 0, length, count, sample, inputs), expected.inputs);
    ASSERT_EQ(sample_of(batch.initial, 0, vectors, count, sample, n), expected.initial);
    const auto add = [](std::vector<double>& to, const std::vector<double>& values) {
        to.resize(values.size());
        for (size_t i = 0; i < values.size(); ++i)
            to[i] += values[i];
    };
    add(sums.weights, expected.weights);
    add(sums.input_weights, expected.input_weights);
    add(sums.bias, expected.bias);
}

template <class T> void expect_samples_as_alone(const Problem& p, double unit_roundoff) {
    const Device device = make_device(p.threads);
    const Chain chain(device, options_of(p, sizeof(T) == 4 ? ORTHO_FLOAT32 : ORTHO_FLOAT64));
    const Result batch = run<T>(p, chain);
    Problem other = p;
    fill_padding(other, nan);
    expect_same_bits(batch, run<T>(other, chain));
    for_padding(p, p.shape.inputs, [&](size_t i) { ASSERT_EQ(batch.inputs[i], 0); });

    const Device one = make_device(1);
    Problem keeps_all = p;
    keeps_all.checkpoint_every = 0;
    const Chain for_one(one, options_of(keeps_all, sizeof(T) == 4 ? ORTHO_FLOAT32 : ORTHO_FLOAT64));
    Result sums;
    for (int64_t sample = 0; sample < p.shape.batch; ++sample) {
        SCOPED_TRACE("sample " + std::to_string(sample));
        expect_sample_as_alone<T>(keeps_all, batch, sample, for_one, sums);
        if (::testing::Test::HasFatalFailure())
            return;
    }
    if (sums.weights.empty())
        return; // all lengths are 0, and so are the gradients
    // The same products, summed in another order: of k of them, either sum is off by at most k u times the sum of their
    // magnitudes, which is at most k times the largest one; the largest gradient of many is not below a typical one.
    const double products = static_cast<double>(p.shape.steps * p.shape.batch);
    expect_close("weight_gradients", sums.weights, batch.weights, unit_roundoff, 2 * products);
    expect_close("input_weight_gradients", sums.input_weights, batch.input_weights, unit_roundoff, 2 * products);
    expect_close("bias_gradients", sums.bias, batch.bias, unit_roundoff, 2 * products);
}

TEST(Lengths, Every_sample_has_the_bits_of_that_sample_alone) {
#if defined(ORTHO_SANITIZED)
    constexpr int batches = 20;
#else
    constexpr int batches = 200;
#endif
    std::mt19937 random(18);
    for (int batch = 0; batch < batches; ++batch) {
        const auto up_to = [&](int64_t most) {
            return 1 + static_cast<int64_t>(random() % static_cast<uint32_t>(most));
        };
        Problem p = make_problem({up_to(300), up_to(70), up_to(5) - 1, up_to(70)});
        p.activation = batch % 2 ? ORTHO_RELU : ORTHO_TANH;
        p.filter = batch % 4 == 3 ? ORTHO_FILTER_PERMUTATION : ORTHO_FILTER_HAAR;
        p.initial = batch % 3 != 0;
        p.output_steps = batch % 3 == 0 ? 1 : batch % 3 == 1 ? p.shape.steps : up_to(p.shape.steps);
        p.checkpoint_every = batch % 5 == 0 ? up_to(p.shape.steps) : 0;
        p.threads = static_cast<int32_t>(up_to(3));
        fill(p);
        p.lengths = random_lengths(random, p.shape);
        SCOPED_TRACE("batch " + std::to_string(batch) + ": " + describe_lengths(p));
        if (batch % 8 == 0)
            expect_samples_as_alone<double>(p, std::ldexp(1, -53));
        else
            expect_samples_as_alone<float>(p, std::ldexp(1, -24));
        if (HasFatalFailure())
            return;
    }
}

TEST(Lengths, Every_sample_of_gates_has_the_bits_of_that_sample_alone) {
#if defined(ORTHO_SANITIZED)
    constexpr int batches = 8;
#else
    constexpr int batches = 80;
#endif
    std::mt19937 random(19);
    for (int batch = 0; batch < batches; ++batch) {
        const auto up_to = [&](int64_t most) {
            return 1 + static_cast<int64_t>(random() % static_cast<uint32_t>(most));
        };
        Problem p = make_problem({up_to(150), up_to(70), up_to(5) - 1, up_to(70)});
        p.cell = batch % 2 ? ORTHO_CELL_LSTM : ORTHO_CELL_GRU;
        p.recurrent_bias = batch % 3 == 0;
        p.initial = batch % 5 != 0;
        p.output_steps = batch % 3 == 0 ? 1 : batch % 3 == 1 ? p.shape.steps : up_to(p.shape.steps);
        p.checkpoint_every = batch % 4 == 0 ? up_to(p.shape.steps) : 0;
        p.threads = static_cast<int32_t>(up_to(3));
        fill(p);
        p.lengths = random_lengths(random, p.shape);
        SCOPED_TRACE("batch " + std::to_string(batch) + ": " + describe_lengths(p));
        if (batch % 8 < 2)
            expect_samples_as_alone<double>(p, std::ldexp(1, -53));
        else
            expect_samples_as_alone<float>(p, std::ldexp(1, -24));
        if (HasFatalFailure())
            return;
    }
}

TEST(Lengths, Agree_with_the_formulas) {
    std::mt19937 random(3);
    for (const Shape shape : {Shape{7, 3, 2, 5}, Shape{12, 40, 1, 20}, Shape{5, 9, 0, 33}, Shape{9, 1, 3, 17}})
        for (const int64_t every : {0, 2, 5}) {
            Problem p = make_problem(shape);
            p.output_steps = every == 2 ? 1 : shape.steps - 1;
            p.checkpoint_every = every;
            p.per_unit = every == 5;
            fill(p);
            p.lengths = random_lengths(random, shape);
            SCOPED_TRACE(describe_lengths(p));
            const Device device = make_device(2);
            const Chain chain(device, options_of(p, ORTHO_FLOAT64));
            expect_close(p, reference(p, filters_of(p, chain)), run<double>(p, chain), std::ldexp(1, -53));
            if (HasFatalFailure())
                return;
        }
}

TEST(Lengths, Threads_and_checkpoints_do_not_change_a_bit) {
    std::mt19937 random(4);
    for (const Shape shape : {Shape{37, 5, 2, 70}, Shape{21, 50, 2, 65}, Shape{9, 131, 1, 20}}) {
        Problem p = make_problem(shape);
        p.output_steps = 5;
        fill(p);
        p.lengths = random_lengths(random, shape);
        const Device one = make_device(1);
        const Result expected = run<float>(p, Chain(one, options_of(p, ORTHO_FLOAT32)));
        for (const int32_t threads : {1, 2, 3, 5, 7, 16})
            for (const int64_t every : {0, 1, 4, 1000}) {
                p.checkpoint_every = every;
                SCOPED_TRACE(describe_lengths(p) + " threads=" + std::to_string(threads));
                const Device device = make_device(threads);
                expect_same_bits(expected, run<float>(p, Chain(device, options_of(p, ORTHO_FLOAT32))));
            }
    }
}

TEST(Lengths, That_are_all_the_steps_change_no_bit) {
    Problem p = make_problem({19, 40, 3, 33});
    p.output_steps = 4;
    fill(p);
    const Device device = make_device(2);
    const Chain chain(device, options_of(p, ORTHO_FLOAT32));
    const Result expected = run<float>(p, chain);
    p.lengths.assign(40, 19);
    expect_same_bits(expected, run<float>(p, chain));
}

TEST(Lengths, That_are_all_shorter_give_the_bits_of_fewer_steps) {
    Problem longer = make_problem({19, 20, 3, 33});
    longer.output_steps = 19;
    fill(longer);
    longer.lengths.assign(20, 11);
    // Nothing but the last state's gradient arrives behind it.
    for (size_t i = 11 * 20 * 33; i < longer.arriving.size(); ++i)
        longer.arriving[i] = 0;
    Problem shorter = longer;
    shorter.shape.steps = shorter.output_steps = 11;
    shorter.lengths.clear();
    shorter.inputs.resize(11 * 20 * 3);
    shorter.arriving.resize(11 * 20 * 33);
    for (const int64_t every : {0, 4}) {
        longer.checkpoint_every = shorter.checkpoint_every = every;
        const Device device = make_device(2);
        const Chain chain(device, options_of(longer, ORTHO_FLOAT32));
        Result expected = run<float>(shorter, chain);
        const std::vector<double> last(expected.outputs.end() - 20 * 33, expected.outputs.end());
        for (int step = 11; step < 19; ++step)
            expected.outputs.insert(expected.outputs.end(), last.begin(), last.end());
        expected.inputs.resize(longer.inputs.size());
        expect_same_bits(expected, run<float>(longer, chain));
    }
}

TEST(Lengths, Of_zero_keep_the_initial_states_and_give_no_gradients) {
    Problem p = make_problem({6, 17, 2, 20});
    p.output_steps = 2;
    fill(p);
    p.lengths.assign(17, 0);
    fill_padding(p, nan);
    const Device device = make_device(1);
    const Result result = run<double>(p, Chain(device, options_of(p, ORTHO_FLOAT64)));
    std::vector<double> twice = p.x0;
    twice.insert(twice.end(), p.x0.begin(), p.x0.end());
    EXPECT_EQ(result.outputs, twice);
    for (const auto* gradients : {&result.weights, &result.input_weights, &result.bias, &result.inputs})
        EXPECT_EQ(*gradients, std::vector<double>(gradients->size()));
    for (size_t i = 0; i < result.initial.size(); ++i)
        EXPECT_EQ(result.initial[i], p.arriving[17 * 20 + i] + p.arriving[i]);
}

TEST(Lengths, Inference_gives_the_states_of_training) {
    std::mt19937 random(5);
    Problem p = make_problem({25, 33, 2, 40});
    p.output_steps = 25;
    fill(p);
    p.lengths = random_lengths(random, p.shape);
    const Device device = make_device(2);
    const Chain chain(device, options_of(p, ORTHO_FLOAT32));
    const Result trained = run<float>(p, chain);
    const Arrays<float> a(p, device.get());
    ASSERT_TRUE(succeeds(ortho_chain_forward(chain, 25, 33, p.lengths.data(), nullptr, 25, 0, a.weights.data(),
                                             a.input_weights.data(), a.bias.data(), a.inputs.data(), a.x0.data(),
                                             a.outputs.data(), nullptr)));
    const std::vector<float> outputs = a.outputs.values();
    EXPECT_EQ(trained.outputs, std::vector<double>(outputs.begin(), outputs.end()));
}

TEST(Lengths, Batches_of_changing_lengths_reuse_a_chain) {
    std::mt19937 random(6);
    Problem p = make_problem({30, 20, 3, 24});
    p.output_steps = 30;
    fill(p);
    const Device device = make_device(2);
    const Chain chain(device, options_of(p, ORTHO_FLOAT32));
    for (int batch = 0; batch < 6; ++batch) {
        p.lengths = batch % 3 == 2 ? std::vector<int32_t>() : random_lengths(random, p.shape);
        SCOPED_TRACE(describe_lengths(p));
        expect_same_bits(run<float>(p, Chain(device, options_of(p, ORTHO_FLOAT32))), run<float>(p, chain));
    }
}

TEST(Lengths, Values_are_checked_within_the_lengths_alone) {
    Problem p = make_problem({4, 3, 2, 5});
    fill(p);
    p.lengths = {2, 4, 0};
    fill_padding(p, nan);
    const Device device = make_device(1);
    const Chain chain(device, options_of(p, ORTHO_FLOAT32));
    run<float>(p, chain);
    p.inputs[(1 * 3 + 0) * 2 + 1] = -std::numeric_limits<double>::infinity();
    const Arrays<float> a(p, device.get());
    EXPECT_TRUE(fails(ortho_chain_forward(chain, 4, 3, p.lengths.data(), nullptr, 1, 1, a.weights.data(),
                                          a.input_weights.data(), a.bias.data(), a.inputs.data(), a.x0.data(),
                                          a.outputs.data(), nullptr),
                      ORTHO_NOT_FINITE, "inputs[7] is -Infinity; all values must be finite"));
}

TEST(Lengths, That_are_wrong_are_named_and_leave_the_forward_pass_before) {
    Problem p = make_problem({4, 3, 1, 5});
    fill(p);
    const Device device = make_device(1);
    const Chain chain(device, options_of(p, ORTHO_FLOAT32));
    const Result expected = run<float>(p, chain);
    const Arrays<float> a(p, device.get());
    const auto forward = [&](const std::vector<int32_t>& lengths) {
        return ortho_chain_forward(chain, 4, 3, data_or_null(lengths), nullptr, 1, 1, a.weights.data(),
                                   a.input_weights.data(), a.bias.data(), a.inputs.data(), a.x0.data(),
                                   a.outputs.data(), nullptr);
    };
    ASSERT_TRUE(succeeds(forward({})));
    EXPECT_TRUE(is_refused(forward({1, 5, 2}), "lengths[1] is 5; it must be from 0 to 4"));
    EXPECT_TRUE(is_refused(forward({1, 2, -1}), "lengths[2] is -1; it must be from 0 to 4"));
    ASSERT_TRUE(succeeds(ortho_chain_backward(chain, 0, a.weights.data(), a.input_weights.data(), a.bias.data(),
                                              a.inputs.data(), a.arriving.data(), nullptr, a.dw.data(), a.dv.data(),
                                              a.db.data(), a.du.data(), a.initial.data())));
    const std::vector<float> gradients = a.dw.values();
    EXPECT_EQ(expected.weights, std::vector<double>(gradients.begin(), gradients.end()));

    Problem layers = make_problem({2, 3, 0, 5});
    layers.model = ORTHO_FEEDFORWARD;
    fill(layers);
    const Chain feedforward(device, options_of(layers, ORTHO_FLOAT32));
    const Arrays<float> b(layers, device.get());
    const int32_t lengths[] = {1, 1, 1};
    EXPECT_TRUE(is_refused(ortho_chain_forward(feedforward, 0, 3, lengths, nullptr, 1, 1, b.weights.data(), nullptr,
                                               b.bias.data(), nullptr, b.x0.data(), b.outputs.data(), nullptr),
                           "lengths is given; it must be null where the chain is feedforward"));
}

#if defined(__linux__)
TEST(Lengths, Steps_that_all_samples_lack_are_not_read) {
    Problem p = make_problem({8, 3, 1024, 5});
    fill(p);
    p.lengths = {3, 1, 2};
    const Device device = make_device(1);
    const Chain chain(device, options_of(p, ORTHO_FLOAT32));
    const Result expected = run<float>(p, chain);

    // Inputs of the fourth step on lie on pages that cannot be read: a step is 3 x 4096 bytes.
    const std::vector<float> values = convert<float>(p.inputs);
    const size_t bytes = values.size() * sizeof(float), readable = bytes / 8 * 3;
    void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    std::memcpy(memory, values.data(), readable);
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    ASSERT_EQ(readable % page, 0u);
    ASSERT_EQ(mprotect(static_cast<char*>(memory) + readable, bytes - readable, PROT_NONE), 0);
    const Arrays<float> a(p, device.get());
    EXPECT_TRUE(succeeds(ortho_chain_forward(chain, 8, 3, p.lengths.data(), nullptr, 1, 1, a.weights.data(),
                                             a.input_weights.data(), a.bias.data(), memory, a.x0.data(),
                                             a.outputs.data(), nullptr)));
    EXPECT_TRUE(succeeds(ortho_chain_backward(chain, 0, a.weights.data(), a.input_weights.data(), a.bias.data(), memory,
                                              a.arriving.data(), nullptr, a.dw.data(), a.dv.data(), a.db.data(),
                                              a.du.data(), a.initial.data())));
    const std::vector<float> gradients = a.dv.values();
    EXPECT_EQ(expected.input_weights, std::vector<double>(gradients.begin(), gradients.end()));
    munmap(memory, bytes);
}
#endif

} // namespace
} // namespace ortho::test
