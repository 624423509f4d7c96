// Chains of CUDA devices on sequences of any length, and on parts of a batch.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "cuda_support.hpp"
#include "model/fold.hpp"

namespace ortho::test {
namespace {

using Lengths = std::vector<int32_t>;

/** Some number from 0 to most for each sample, 0 and most among them. */
Lengths some_lengths(int64_t batch, int64_t most, uint32_t seed) {
    std::vector<double> uniform(static_cast<size_t>(batch));
    EXPECT_TRUE(
        succeeds(ortho_random_uniform(seed, ORTHO_STREAM_DATA, 0, 0, 1, ORTHO_FLOAT64, 0, batch, uniform.data())));
    Lengths lengths;
    for (const double value : uniform)
        lengths.push_back(static_cast<int32_t>(value * static_cast<double>(most + 1)));
    lengths[0] = static_cast<int32_t>(most);
    lengths[lengths.size() / 2] = 0;
    return lengths;
}

/** Writes a value into the inputs beyond the lengths. */
void fill_padding(Problem& p, const Lengths& lengths, double value) {
    const auto [steps, batch, inputs, units] = p.shape;
    for (int64_t k = 0; k < steps; ++k)
        for (int64_t b = 0; b < batch; ++b)
            if (k >= lengths[static_cast<size_t>(b)])
                std::fill_n(p.inputs.begin() + (k * batch + b) * inputs, inputs, value);
}

/** Each sample alone, at its own length: what arrives at outputs beyond that arrives at its last state. */
Result reference(const Problem& p, const Lengths& lengths, const std::vector<std::vector<double>>& filters) {
    const int64_t steps = p.shape.steps, batch = p.shape.batch, inputs = p.shape.inputs, n = p.shape.units;
    const int64_t first_output = steps - p.output_steps;
    Result all;
    all.outputs.resize(p.arriving.size());
    all.weights.resize(p.weights.size());
    all.input_weights.resize(p.input_weights.size());
    all.bias.resize(p.bias.size());
    all.inputs.resize(p.inputs.size());
    all.initial.resize(static_cast<size_t>(batch * n));
    for (int64_t b = 0; b < batch; ++b) {
        const int64_t length = lengths[static_cast<size_t>(b)];
        const auto rows = [&](const std::vector<double>& values, int64_t count, int64_t columns) {
            std::vector<double> of_sample;
            for (int64_t k = 0; k < count; ++k)
                of_sample.insert(of_sample.end(), values.begin() + (k * batch + b) * columns,
                                 values.begin() + (k * batch + b + 1) * columns);
            return of_sample;
        };
        const auto put = [&](const std::vector<double>& from, int64_t from_row, std::vector<double>& to, int64_t to_row,
                             int64_t columns) {
            std::copy_n(from.begin() + from_row * columns, columns, to.begin() + (to_row * batch + b) * columns);
        };
        std::vector<double> state = p.initial ? rows(p.x0, 1, n) : std::vector<double>(static_cast<size_t>(n));
        std::vector<double> gradient(static_cast<size_t>(n)); // at the initial state of a sample without steps
        Problem one = p;
        one.shape = {length, 1, inputs, n};
        one.output_steps = length;
        one.inputs = rows(p.inputs, length, inputs);
        if (p.initial)
            one.x0 = state;
        one.arriving.assign(static_cast<size_t>(length * n), 0.0);
        for (int64_t output = 0; output < p.output_steps; ++output)
            for (int64_t i = 0; i < n; ++i) {
                const double arriving = p.arriving[static_cast<size_t>((output * batch + b) * n + i)];
                if (length == 0)
                    gradient[static_cast<size_t>(i)] += arriving;
                else
                    one.arriving[static_cast<size_t>(std::min(first_output + output, length - 1) * n + i)] += arriving;
            }
        const Result alone = length > 0 ? reference(one, filters) : Result{state, {}, {}, {}, {}, gradient};
        for (int64_t output = 0; output < p.output_steps; ++output)
            put(alone.outputs, std::max<int64_t>(std::min(first_output + output, length - 1), 0), all.outputs, output,
                n);
        for (int64_t k = 0; k < length; ++k)
            put(alone.inputs, k, all.inputs, k, inputs);
        put(alone.initial, 0, all.initial, 0, n);
        const auto add = [](const std::vector<double>& from, std::vector<double>& to) {
            for (size_t i = 0; i < from.size(); ++i)
                to[i] += from[i];
        };
        add(alone.weights, all.weights);
        add(alone.input_weights, all.input_weights);
        add(alone.bias, all.bias);
    }
    return all;
}

/** What a call says about its batch, beside its arrays. */
struct BatchCall {
    const int32_t* lengths = nullptr;
    const ortho_batch_part* part = nullptr;
    bool accumulate = false;
};

template <class T> ortho_status forward(const Problem& p, ortho_chain* chain, const Arrays<T>& a, const BatchCall& of) {
    return ortho_chain_forward(chain, p.recurrent() ? p.shape.steps : 0, p.shape.batch, of.lengths, of.part,
                               p.output_steps, 1, a.weights.data(), a.input_weights.data(), a.bias.data(),
                               a.inputs.data(), a.x0.data(), a.outputs.data(), nullptr);
}

template <class T> ortho_status backward(ortho_chain* chain, const Arrays<T>& a, bool accumulate, T* dw, T* dv, T* db) {
    return ortho_chain_backward(chain, accumulate, a.weights.data(), a.input_weights.data(), a.bias.data(),
                                a.inputs.data(), a.arriving.data(), nullptr, dw, dv, db, a.du.data(), a.initial.data());
}

template <class T> std::vector<double> doubles(const DeviceArray<T>& array) {
    const std::vector<T> values = array.values();
    return std::vector<double>(values.begin(), values.end());
}

template <class T> Result run_batch(const Problem& p, ortho_chain* chain, const Arrays<T>& a, const BatchCall& of) {
    EXPECT_TRUE(succeeds(forward(p, chain, a, of)));
    EXPECT_TRUE(succeeds(backward(chain, a, of.accumulate, a.dw.data(), a.dv.data(), a.db.data())));
    return {doubles(a.outputs), doubles(a.dw), doubles(a.dv), doubles(a.db), doubles(a.du), doubles(a.initial)};
}

template <class T> constexpr ortho_dtype dtype = sizeof(T) == 4 ? ORTHO_FLOAT32 : ORTHO_FLOAT64;

/** Of a new chain on the shared device. */
template <class T> Result run_lengths(const Problem& p, const Lengths& lengths) {
    const Chain chain(cuda(), options_of(p, dtype<T>));
    return run_batch(p, chain, Arrays<T>(p, cuda().get()), {lengths.data()});
}

constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

template <class T> void expect_padding(const Problem& p, const Lengths& lengths, const Result& result) {
    const int64_t row = p.shape.inputs;
    for (size_t i = 0; i < result.inputs.size(); ++i) {
        const auto k = static_cast<int64_t>(i) / row / p.shape.batch, b = static_cast<int64_t>(i) / row % p.shape.batch;
        if (k >= lengths[static_cast<size_t>(b)]) {
            ASSERT_EQ(result.inputs[i], 0.0) << "gradient of padding, element " << i;
        }
    }
}

class CudaSequences : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Plans, CudaSequences, ::testing::Values("steps", "graph", "persistent"),
                         [](const auto& plan) { return std::string(plan.param); });

TEST_P(CudaSequences, Any_lengths_agree_with_each_sample_alone) {
    const Plan plan(GetParam());
    struct Case {
        Shape shape;
        int64_t output_steps;
        int64_t checkpoint_every;
    };
    // One, two and four leaves, equal and not; few inputs, many and none; last states, some and all.
    constexpr Case cases[] = {{{1, 3, 2, 4}, 1, 0},    {{9, 2, 0, 5}, 9, 4},   {{13, 7, 6, 9}, 1, 5},
                              {{12, 32, 1, 11}, 4, 0}, {{7, 35, 5, 17}, 7, 3}, {{11, 65, 3, 8}, 1, 1},
                              {{6, 64, 9, 65}, 3, 0},  {{9, 75, 0, 6}, 9, 4},  {{300, 5, 2, 3}, 1, 0}};
    uint32_t index = 0;
    for (const Case& c : cases)
        for (const ortho_activation activation : {ORTHO_TANH, ORTHO_RELU}) {
            Problem p = make_problem(c.shape);
            p.activation = activation;
            p.filter = filters[index % 4];
            p.per_unit = index % 3 == 1;
            p.initial = index % 5 != 2;
            p.output_steps = c.output_steps;
            p.checkpoint_every = c.checkpoint_every;
            fill(p);
            const Lengths lengths = some_lengths(c.shape.batch, c.shape.steps, ++index);
            SCOPED_TRACE(describe(p) + " checkpoints=" + std::to_string(c.checkpoint_every));
            const Chain chain(cuda(), options_of(p, ORTHO_FLOAT64));
            const Result expected = reference(p, lengths, filters_of(p, chain));
            fill_padding(p, lengths, no_number);
            const Result in_doubles = run_lengths<double>(p, lengths), in_floats = run_lengths<float>(p, lengths);
            expect_close(p, expected, in_doubles, float64_roundoff);
            expect_close(p, expected, in_floats, float32_roundoff);
            expect_padding<double>(p, lengths, in_doubles);
            expect_padding<float>(p, lengths, in_floats);
        }
}

TEST_P(CudaSequences, Equal_calls_give_the_same_bits_whatever_padding_holds_and_other_calls_did) {
    const Plan plan(GetParam());
    Problem p = make_problem({14, 35, 6, 10});
    p.output_steps = 5;
    p.checkpoint_every = 6;
    fill(p);
    const Lengths lengths = some_lengths(35, 14, 1), others = some_lengths(35, 14, 2);
    const Result expected = run_lengths<float>(p, lengths);
    const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
    for (const double padding : {no_number, std::numeric_limits<double>::infinity(), -7.0}) {
        fill_padding(p, lengths, padding);
        const Arrays<float> arrays(p, cuda().get());
        expect_same_bits(expected, run_batch(p, chain, arrays, {lengths.data()}));
        fill_padding(p, Lengths(35, 0), 0.5); // the others read more
        run_batch(p, chain, Arrays<float>(p, cuda().get()), {others.data()});
        run_batch(p, chain, Arrays<float>(p, cuda().get()), {});
        fill(p);
    }
}

TEST_P(CudaSequences, Lengths_that_are_all_T_have_the_bits_of_none) {
    const Plan plan(GetParam());
    Problem p = make_problem({8, 33, 5, 12});
    p.output_steps = 3;
    fill(p);
    const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
    const Arrays<float> arrays(p, cuda().get());
    const Result expected = run_batch(p, chain, arrays, {});
    const Lengths all(33, 8);
    expect_same_bits(expected, run_batch(p, chain, arrays, {all.data()}));
    NEEDS_EMULATOR();
    const auto launches = [&](const int32_t* lengths) {
        const int64_t before = emulator().counters().launches;
        run_batch(p, chain, arrays, {lengths});
        return emulator().counters().launches - before;
    };
    EXPECT_EQ(launches(nullptr), launches(all.data()));
}

TEST_P(CudaSequences, Inference_gives_the_states_of_training) {
    const Plan plan(GetParam());
    Problem p = make_problem({11, 6, 2, 7});
    p.output_steps = 11; // without checkpoints, with which training would make V u in products of other shapes
    fill(p);
    const Lengths lengths = some_lengths(6, 11, 4);
    fill_padding(p, lengths, no_number);
    const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
    const Arrays<float> a(p, cuda().get());
    ASSERT_TRUE(succeeds(forward(p, chain, a, {lengths.data()})));
    const std::vector<float> trained = a.outputs.values();
    ASSERT_TRUE(succeeds(ortho_chain_forward(chain, 11, 6, lengths.data(), nullptr, 11, 0, a.weights.data(),
                                             a.input_weights.data(), a.bias.data(), a.inputs.data(), a.x0.data(),
                                             a.outputs.data(), nullptr)));
    EXPECT_EQ(trained, a.outputs.values());
}

TEST_P(CudaSequences, Final_states_are_the_last_outputs_and_take_their_gradients) {
    const Plan plan(GetParam());
    for (const ortho_filter_kind filter : {ORTHO_FILTER_HAAR, ORTHO_FILTER_CYCLE})
        for (const int64_t checkpoint_every : {0, 4}) {
            Problem p = make_problem({11, 37, 3, 21});
            p.filter = filter;
            p.checkpoint_every = checkpoint_every;
            fill(p);
            expect_final_states(cuda(), p, ORTHO_FLOAT32);
            for (int32_t b = 0; b < 37; ++b)
                p.lengths.push_back(b * 7 % 12);
            expect_final_states(cuda(), p, ORTHO_FLOAT32);
            expect_final_states(cuda(), p, ORTHO_FLOAT64);
            Problem layers = make_problem({9, 5, 0, 18});
            layers.model = ORTHO_FEEDFORWARD;
            layers.filter = filter;
            layers.checkpoint_every = checkpoint_every;
            fill(layers);
            expect_final_states(cuda(), layers, ORTHO_FLOAT32);
        }
}

TEST_P(CudaSequences, All_samples_may_be_without_steps) {
    const Plan plan(GetParam());
    Problem p = make_problem({3, 4, 2, 5});
    p.output_steps = 2;
    fill(p);
    const Lengths none(4, 0);
    fill_padding(p, none, no_number);
    const Result result = run_lengths<double>(p, none);
    for (size_t i = 0; i < result.outputs.size(); ++i)
        EXPECT_EQ(result.outputs[i], p.x0[i % 20]);
    for (size_t i = 0; i < result.initial.size(); ++i)
        EXPECT_EQ(result.initial[i], p.arriving[20 + i] + p.arriving[i]);
    for (const auto* gradients : {&result.weights, &result.input_weights, &result.bias, &result.inputs})
        for (const double gradient : *gradients)
            EXPECT_EQ(gradient, 0.0);
}

// A sample that has ended keeps its state, which is multiplied by a delta of 0 from then on.
TEST_P(CudaSequences, A_last_state_that_is_not_finite_leaves_gradients_of_weights_alone) {
    const Plan plan(GetParam());
    Problem p = make_problem({4, 5, 0, 6});
    p.activation = ORTHO_RELU;
    fill(p);
    const Lengths lengths{4, 4, 0, 4, 4};
    ortho_chain_options options = options_of(p, ORTHO_FLOAT32);
    options.check_finite = 0;
    const Chain chain(cuda(), options);
    const Result expected = run_batch(p, chain, Arrays<float>(p, cuda().get()), {lengths.data()});
    std::fill_n(p.x0.begin() + 2 * 6, 6, no_number);
    const Result result = run_batch(p, chain, Arrays<float>(p, cuda().get()), {lengths.data()});
    EXPECT_EQ(expected.weights, result.weights);
    EXPECT_EQ(expected.bias, result.bias);
    EXPECT_EQ(expected.initial, result.initial);
}

TEST_P(CudaSequences, What_is_not_finite_is_named_within_the_lengths_alone) {
    const Plan plan(GetParam());
    Problem p = make_problem({5, 3, 2, 4});
    fill(p);
    const Lengths lengths{2, 5, 4};
    fill_padding(p, lengths, no_number);
    const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
    {
        const Arrays<float> arrays(p, cuda().get());
        EXPECT_TRUE(succeeds(forward(p, chain, arrays, {lengths.data()})));
        EXPECT_TRUE(succeeds(ortho_device_synchronize(cuda().get())));
    }
    p.inputs[(3 * 3 + 2) * 2 + 1] = no_number; // the last step of the last sample
    const Arrays<float> arrays(p, cuda().get());
    EXPECT_TRUE(succeeds(forward(p, chain, arrays, {lengths.data()})));
    EXPECT_TRUE(fails(ortho_device_synchronize(cuda().get()), ORTHO_NOT_FINITE, "inputs[23] is NaN or infinite"));
}

TEST(CudaSequences, Lengths_that_change_need_no_new_capture) {
    NEEDS_EMULATOR();
    Problem p = make_problem({12, 33, 3, 10});
    p.checkpoint_every = 4;
    fill(p);
    std::vector<Result> expected;
    {
        const Plan plan("steps");
        for (uint32_t call = 0; call < 6; ++call)
            expected.push_back(run_lengths<float>(p, some_lengths(33, 12, call)));
    }
    const Plan plan("graph");
    const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
    const Arrays<float> arrays(p, cuda().get());
    for (uint32_t call = 0; call < 6; ++call) {
        const auto before = emulator().counters();
        const Result result = run_batch(p, chain, arrays, {some_lengths(33, 12, call).data()});
        const auto after = emulator().counters();
        expect_same_bits(expected[call], result);
        if (call < 2)
            continue;
        EXPECT_EQ(after.captures, before.captures);
        // Three segments forward, two of them again, three backward.
        EXPECT_EQ(after.graph_launches - before.graph_launches, 8);
    }
}

TEST(CudaSequences, Lengths_are_refused_while_the_stream_is_captured) {
    NEEDS_EMULATOR();
    ortho_device_info info = ORTHO_DEVICE_INFO_INIT;
    const Device owner = make_cuda_device();
    ASSERT_TRUE(succeeds(ortho_device_get_info(owner.get(), &info)));
    Problem p = make_problem({6, 3, 2, 7});
    fill(p);
    const Lengths lengths{3, 0, 6};
    const Chain chain(owner, options_of(p, ORTHO_FLOAT32));
    const Arrays<float> arrays(p, owner.get());
    const Result expected = run_batch(p, chain, arrays, {lengths.data()});
    ASSERT_TRUE(succeeds(forward(p, chain, arrays, {lengths.data()})));
    emulator().begin_capture(info.cuda_stream);
    EXPECT_TRUE(
        fails(forward(p, chain, arrays, {lengths.data()}), ORTHO_INVALID_STATE,
              "lengths is given while the stream is captured; a replay would not read the host's memory again"));
    // Replayed behind another forward call, backward would use the lengths of that one.
    EXPECT_TRUE(fails(backward(chain, arrays, false, arrays.dw.data(), arrays.dv.data(), arrays.db.data()),
                      ORTHO_INVALID_STATE, "backward cannot be captured behind a forward call with lengths"));
    const auto refused = [](ortho_status status) {
        return fails(status, ORTHO_INVALID_STATE, "lengths is given while the stream is captured");
    };
    EXPECT_TRUE(refused(ortho_pool_forward(owner.get(), ORTHO_FLOAT32, ORTHO_POOL_LAST, 6, 3, 2, lengths.data(),
                                           arrays.inputs.data(), arrays.outputs.data())));
    EXPECT_TRUE(refused(
        ortho_reverse(owner.get(), ORTHO_FLOAT32, 6, 3, 2, lengths.data(), arrays.inputs.data(), arrays.du.data())));
    EXPECT_TRUE(refused(ortho_elementwise_loss(owner.get(), ORTHO_FLOAT32, ORTHO_LOSS_SQUARED_ERROR, 6, 3,
                                               lengths.data(), nullptr, nullptr, 2, nullptr, 0, arrays.inputs.data(),
                                               arrays.du.data(), nullptr, nullptr)));
    void* const captured = emulator().end_capture(info.cuda_stream);
    ASSERT_NE(captured, nullptr);
    emulator().discard(captured);
    // Nothing was changed by that.
    ASSERT_TRUE(succeeds(backward(chain, arrays, false, arrays.dw.data(), arrays.dv.data(), arrays.db.data())));
    EXPECT_EQ(expected.weights, doubles(arrays.dw));
}

TEST(CudaSequences, Weights_of_losses_are_refused_while_the_stream_is_captured) {
    NEEDS_EMULATOR();
    ortho_device_info info = ORTHO_DEVICE_INFO_INIT;
    const Device owner = make_cuda_device();
    ASSERT_TRUE(succeeds(ortho_device_get_info(owner.get(), &info)));
    const DeviceArray<float> values(owner.get(), 12, 1.0f);
    const std::vector<int32_t> targets(3, 0);
    const std::vector<float> weights(4, 1);
    const double quantile = 0.5;
    const auto entropy = [&](const float* row_weights, const float* class_weights) {
        return ortho_softmax_cross_entropy(owner.get(), ORTHO_FLOAT32, 1, 3, nullptr, row_weights, nullptr, 4,
                                           class_weights, 0, values.data(), targets.data(), nullptr, nullptr,
                                           values.data());
    };
    emulator().begin_capture(info.cuda_stream);
    const std::string captured_name = " is given while the stream is captured";
    EXPECT_TRUE(fails(entropy(weights.data(), nullptr), ORTHO_INVALID_STATE, "row_weights" + captured_name));
    EXPECT_TRUE(fails(entropy(nullptr, weights.data()), ORTHO_INVALID_STATE, "class_weights" + captured_name));
    EXPECT_TRUE(fails(ortho_elementwise_loss(owner.get(), ORTHO_FLOAT32, ORTHO_LOSS_QUANTILE, 1, 3, nullptr, nullptr,
                                             nullptr, 4, &quantile, 1, values.data(), values.data(), nullptr, nullptr),
                      ORTHO_INVALID_STATE, "parameters" + captured_name));
    emulator().discard(emulator().end_capture(info.cuda_stream));
}

/** Some of a batch's samples, from those of the whole problem. */
Problem samples_of(const Problem& p, Span samples) {
    Problem part = p;
    part.shape.batch = samples.size();
    const auto cut = [&](const std::vector<double>& values, int64_t columns) {
        std::vector<double> some;
        const int64_t row = p.shape.batch * columns;
        for (int64_t at = 0; row > 0 && at < static_cast<int64_t>(values.size()); at += row)
            some.insert(some.end(), values.begin() + at + samples.begin * columns,
                        values.begin() + at + samples.end * columns);
        return some;
    };
    part.inputs = cut(p.inputs, p.shape.inputs);
    part.x0 = cut(p.x0, p.shape.units);
    part.arriving = cut(p.arriving, p.shape.units);
    return part;
}

/** The sums of all parts, put together by the tree: [weights, input_weights, bias]. */
template <class T>
Result run_parts(const Problem& p, const Lengths& lengths, const std::vector<int64_t>& first_leaves) {
    const Leaves leaves(p.shape.batch);
    struct Sums {
        std::vector<T> weights, input_weights, bias;
    };
    std::vector<Sums> slots(Leaves::most);
    Folding folding;
    const auto join = [&](Sums& into, const Sums& from, bool adds) {
        if (!adds) {
            into = from;
            return;
        }
        const auto add = [](std::vector<T>& to, const std::vector<T>& values) {
            for (size_t i = 0; i < to.size(); ++i)
                to[i] += values[i];
        };
        add(into.weights, from.weights);
        add(into.input_weights, from.input_weights);
        add(into.bias, from.bias);
    };
    for (size_t number = 0; number < first_leaves.size(); ++number) {
        const Span held{first_leaves[number],
                        number + 1 < first_leaves.size() ? first_leaves[number + 1] : leaves.count()};
        const Problem part = samples_of(p, {leaves.begin(held.begin), leaves.begin(held.end)});
        const Cover nodes(held);
        const auto stride = static_cast<int64_t>(std::max({p.weights.size(), p.input_weights.size(), p.bias.size()}) +
                                                 3); // of which 3 are nobody's
        ortho_batch_part described = ORTHO_BATCH_PART_INIT;
        described.batch = p.shape.batch;
        described.first = leaves.begin(held.begin);
        described.stride = stride;
        const Chain chain(cuda(), options_of(part, dtype<T>));
        const Arrays<T> arrays(part, cuda().get());
        const auto room = static_cast<size_t>(stride * nodes.count());
        const DeviceArray<T> dw(cuda().get(), room, -1), db(cuda().get(), room, -1),
            dv(cuda().get(), p.input_weights.empty() ? 0 : room, -1);
        EXPECT_TRUE(succeeds(
            forward(part, chain, arrays, {lengths.empty() ? nullptr : lengths.data() + described.first, &described})));
        EXPECT_TRUE(succeeds(backward(chain, arrays, false, dw.data(), dv.data(), db.data())));
        const auto sum_of = [&](const DeviceArray<T>& sums, int64_t which, size_t count) {
            const std::vector<T> values = sums.values();
            const auto begin = values.begin() + (count > 0 ? which * stride : 0);
            for (size_t i = count; count > 0 && i < static_cast<size_t>(stride); ++i)
                EXPECT_EQ(begin[static_cast<ptrdiff_t>(i)], T(-1)) << "written behind a partial sum";
            return std::vector<T>(begin, begin + static_cast<ptrdiff_t>(count));
        };
        for (int64_t which = 0; which < nodes.count(); ++which) {
            const Sums sums{sum_of(dw, which, p.weights.size()), sum_of(dv, which, p.input_weights.size()),
                            sum_of(db, which, p.bias.size())};
            folding.take(
                nodes[which], [&](int64_t slot, bool joined) { join(slots[static_cast<size_t>(slot)], sums, joined); },
                [&](int64_t into, int64_t from) {
                    join(slots[static_cast<size_t>(into)], slots[static_cast<size_t>(from)], true);
                });
        }
    }
    EXPECT_EQ(folding.count(), 1);
    const auto converted = [](const std::vector<T>& values) {
        return std::vector<double>(values.begin(), values.end());
    };
    return {{}, converted(slots[0].weights), converted(slots[0].input_weights), converted(slots[0].bias), {}, {}};
}

TEST(CudaParts, Parts_of_a_batch_put_together_are_the_whole) {
    struct Case {
        Shape shape;
        ortho_chain_model model;
        int64_t checkpoint_every;
        bool lengths;
        ortho_cell cell = ORTHO_CELL_FILTER;
    };
    // 4 leaves, equal and not; 8, equal and not; 16. Few inputs and many.
    constexpr Case cases[] = {{{7, 64, 2, 9}, ORTHO_RECURRENT, 0, false},
                              {{9, 75, 6, 10}, ORTHO_RECURRENT, 4, true},
                              {{4, 150, 0, 5}, ORTHO_RECURRENT, 3, true},
                              {{3, 256, 1, 4}, ORTHO_RECURRENT, 0, false},
                              {{2, 128, 7, 6}, ORTHO_RECURRENT, 1, false},
                              {{6, 75, 0, 8}, ORTHO_FEEDFORWARD, 4, false},
                              {{5, 128, 0, 7}, ORTHO_FEEDFORWARD, 0, false},
                              {{5, 75, 6, 7}, ORTHO_RECURRENT, 2, true, ORTHO_CELL_GRU},
                              {{4, 64, 2, 9}, ORTHO_RECURRENT, 0, false, ORTHO_CELL_GRU},
                              {{3, 150, 1, 5}, ORTHO_RECURRENT, 0, true, ORTHO_CELL_LSTM},
                              {{1, 128, 7, 6}, ORTHO_RECURRENT, 0, false, ORTHO_CELL_LSTM}};
    for (const Case& c : cases) {
        Problem p = make_problem(c.shape);
        p.model = c.model;
        p.cell = c.cell;
        p.recurrent_bias = c.cell != ORTHO_CELL_FILTER;
        p.checkpoint_every = c.checkpoint_every;
        p.output_steps = std::min<int64_t>(2, c.shape.steps);
        fill(p);
        SCOPED_TRACE(describe(p));
        const Lengths lengths = c.lengths ? some_lengths(c.shape.batch, c.shape.steps, 3) : Lengths();
        const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
        const Result whole =
            run_batch(p, chain, Arrays<float>(p, cuda().get()), {c.lengths ? lengths.data() : nullptr});
        const int64_t leaves = Leaves(c.shape.batch).count();
        ASSERT_GE(leaves, 4);
        std::vector<std::vector<int64_t>> cuts = {{0}, {0, 1}, {0, leaves - 1}, {0, leaves / 2}, {0, 1, leaves - 1}};
        cuts.emplace_back();
        for (int64_t leaf = 0; leaf < leaves; ++leaf)
            cuts.back().push_back(leaf);
        for (const std::vector<int64_t>& cut : cuts) {
            SCOPED_TRACE(std::to_string(cut.size()) + " parts, the last from leaf " + std::to_string(cut.back()));
            Result parts = run_parts<float>(p, lengths, cut);
            parts.outputs = whole.outputs;
            parts.inputs = whole.inputs;
            parts.initial = whole.initial;
            expect_close(p, whole, parts, float32_roundoff);
            // Products of a leaf have one shape in all parts, for which the emulator, unlike cuBLAS, has one order.
            if (emulator().present())
                expect_same_bits(whole, parts);
        }
    }
}

TEST(CudaParts, Leaves_are_added_in_the_order_of_the_tree) {
    // All deltas of a sample are beta g, g = 1, 2^-24, ... : sums in other orders would have other bits.
    Problem p = make_problem({1, 128, 0, 1});
    p.activation = ORTHO_RELU;
    p.filter = ORTHO_FILTER_IDENTITY;
    fill(p);
    p.bias = {1};
    p.weights = {0};
    p.beta = {1};
    const Leaves leaves(128);
    ASSERT_EQ(leaves.count(), 8);
    const float of_leaf[] = {1, 0x1p-24f, 0x1p-24f, 0x1p-24f, 0x1p-23f, 0x1p-24f, 1, 0x1p-24f};
    for (int64_t leaf = 0; leaf < 8; ++leaf)
        for (int64_t b = leaves.begin(leaf); b < leaves.begin(leaf + 1); ++b)
            p.arriving[static_cast<size_t>(b)] = b == leaves.begin(leaf) ? of_leaf[leaf] : 0;
    const auto& f = of_leaf;
    const float expected = ((f[0] + f[1]) + (f[2] + f[3])) + ((f[4] + f[5]) + (f[6] + f[7]));
    float one_by_one = 0;
    for (const float value : f)
        one_by_one += value;
    ASSERT_NE(expected, one_by_one);
    const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
    EXPECT_EQ(run_batch(p, chain, Arrays<float>(p, cuda().get()), {}).bias[0], expected);
}

TEST(CudaParts, Gradients_are_added_where_asked) {
    for (const ortho_chain_model model : {ORTHO_RECURRENT, ORTHO_FEEDFORWARD}) {
        Problem p = make_problem({6, 75, model == ORTHO_RECURRENT ? 5 : 0, 4});
        p.model = model;
        p.checkpoint_every = 4;
        fill(p);
        const Chain chain(cuda(), options_of(p, ORTHO_FLOAT64));
        Result set = run_batch(p, chain, Arrays<double>(p, cuda().get()), {});
        const Result added = run_batch(p, chain, Arrays<double>(p, cuda().get()), {nullptr, nullptr, true});
        for (std::vector<double>* values : {&set.weights, &set.input_weights, &set.bias})
            for (double& value : *values)
                value += 1; // what Arrays starts them from
        expect_close(p, set, added, float64_roundoff);
    }
}

// More than 32 MiB of copied rows, or of sums of leaves, are made one after the other; the rows of a leaf are
// multiplied in two pieces where it has 1024 of them.
TEST(CudaParts, Sums_that_take_several_rounds_agree_with_the_formulas) {
    struct Case {
        Shape shape;
        ortho_chain_model model;
        int64_t products; // V u and those of gradients
    };
    constexpr Case cases[] = {{{70, 33, 4200, 2}, ORTHO_RECURRENT, 1 + 2 * 2 + 1},
                              {{103, 32, 5, 4}, ORTHO_RECURRENT, 1 + 2 + 1},
                              {{430, 32, 0, 100}, ORTHO_FEEDFORWARD, 2}};
    for (const Case& c : cases) {
        Problem p = make_problem(c.shape);
        p.model = c.model;
        fill(p);
        SCOPED_TRACE(describe(p));
        const Chain chain(cuda(), options_of(p, ORTHO_FLOAT32));
        const Arrays<float> arrays(p, cuda().get());
        const auto products = [] { return emulator().present() ? emulator().counters().products : 0; };
        const int64_t before = products();
        expect_close(p, reference(p, filters_of(p, chain)), run_batch(p, chain, arrays, {}), float32_roundoff);
        if (emulator().present()) {
            EXPECT_EQ(products() - before, c.products);
        }
    }
}

TEST(CudaParts, Sums_take_the_memory_that_is_told_and_no_more) {
    NEEDS_EMULATOR();
    struct Case {
        Shape shape;
        ortho_chain_model model;
    };
    for (const Case& c : {Case{{20, 5, 6, 30}, ORTHO_RECURRENT}, Case{{20, 128, 6, 30}, ORTHO_RECURRENT},
                          Case{{9, 40, 0, 33}, ORTHO_FEEDFORWARD}}) {
        Problem p = make_problem(c.shape);
        p.model = c.model;
        fill(p);
        SCOPED_TRACE(describe(p));
        const Device device = make_cuda_device();
        const Chain chain(device, options_of(p, ORTHO_FLOAT32));
        const Arrays<float> arrays(p, device.get());
        int64_t states = 0, sums = 0, none = -1;
        const int64_t steps = p.recurrent() ? p.shape.steps : 0;
        ASSERT_TRUE(succeeds(ortho_chain_memory(chain, steps, p.shape.batch, 1, &states, &sums)));
        ASSERT_TRUE(succeeds(ortho_chain_memory(chain, steps, p.shape.batch, 0, &states, &none)));
        EXPECT_EQ(none, 0);
        const Lengths lengths = p.recurrent() ? some_lengths(p.shape.batch, p.shape.steps, 1) : Lengths();
        ASSERT_TRUE(succeeds(forward(p, chain, arrays, {p.recurrent() ? lengths.data() : nullptr})));
        const auto train = [&] {
            return backward(chain, arrays, false, arrays.dw.data(), arrays.dv.data(), arrays.db.data());
        };
        emulator().set_memory_left(sums - 1);
        EXPECT_TRUE(fails(train(), ORTHO_OUT_OF_MEMORY, "needed for scratch"));
        emulator().set_memory_left(sums);
        EXPECT_TRUE(succeeds(train()));
        emulator().set_memory_left(0);
    }
}

} // namespace
} // namespace ortho::test
