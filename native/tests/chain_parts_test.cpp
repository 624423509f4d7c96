// Sums over the samples of a batch: the same bits for any number of threads, and for a batch in parts.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "chain_problem.hpp"
#include "model/fold.hpp"

using namespace ortho;
using namespace ortho::test;

namespace {

constexpr float untouched = -77;

/** A problem of some samples of another. */
Problem samples_of(const Problem& whole, int64_t first, int64_t samples) {
    Problem p = whole;
    p.shape.batch = samples;
    const auto cut = [&](std::vector<double>& values, int64_t width) {
        std::vector<double> rows;
        for (size_t i = 0; i < values.size(); ++i) {
            const int64_t row = static_cast<int64_t>(i) / width % whole.shape.batch;
            if (row >= first && row < first + samples)
                rows.push_back(values[i]);
        }
        values = rows;
    };
    cut(p.inputs, std::max<int64_t>(1, whole.shape.inputs));
    cut(p.x0, whole.shape.units);
    cut(p.arriving, whole.shape.units);
    return p;
}

/** What a part of a batch gives: states of its samples, and partial sums. */
struct Partial {
    std::vector<float> outputs, inputs, initial;
    std::vector<std::vector<float>> weights, input_weights, bias;
};

/** Forward and backward of a part, of which p is the problem. @param gap  elements between partial sums */
Partial run_part(const Problem& p, const Chain& chain, int64_t batch, int64_t first, int64_t gap, float before = 0) {
    const Cover cover = [&] {
        const Leaves leaves(batch);
        return Cover({leaves.starting_at(first), leaves.starting_at(first + p.shape.batch)});
    }();
    ortho_batch_part part = ORTHO_BATCH_PART_INIT;
    part.batch = batch;
    part.first = first;
    const auto weights = convert<float>(p.weights), input_weights = convert<float>(p.input_weights),
               bias = convert<float>(p.bias), inputs = convert<float>(p.inputs), x0 = convert<float>(p.x0),
               arriving = convert<float>(p.arriving);
    part.stride = static_cast<int64_t>(std::max({weights.size(), input_weights.size(), bias.size()})) + gap;
    Partial result;
    result.outputs.resize(arriving.size());
    result.inputs.resize(inputs.size());
    result.initial.resize(static_cast<size_t>(p.state_vectors() * p.shape.batch * p.shape.units));
    const auto sums = [&](size_t size) {
        if (size == 0)
            return std::vector<float>();
        std::vector<float> values(static_cast<size_t>(part.stride * (cover.count() - 1)) + size, untouched);
        for (int64_t j = 0; j < cover.count(); ++j)
            std::fill_n(values.begin() + j * part.stride, size, before);
        return values;
    };
    std::vector<float> dw = sums(weights.size()), dv = sums(input_weights.size()), db = sums(bias.size());
    EXPECT_TRUE(succeeds(ortho_chain_forward(
        chain, p.recurrent() ? p.shape.steps : 0, p.shape.batch, nullptr, &part, p.output_steps, 1, weights.data(),
        data_or_null(input_weights), bias.data(), data_or_null(inputs), x0.data(), result.outputs.data(), nullptr)));
    EXPECT_TRUE(
        succeeds(ortho_chain_backward(chain, before != 0, weights.data(), data_or_null(input_weights), bias.data(),
                                      data_or_null(inputs), arriving.data(), nullptr, dw.data(), data_or_null(dv),
                                      db.data(), data_or_null(result.inputs), result.initial.data())));
    const auto split = [&](const std::vector<float>& values, size_t size) {
        std::vector<std::vector<float>> nodes;
        for (int64_t j = 0; j < cover.count(); ++j) {
            if (size == 0) {
                nodes.emplace_back();
                continue;
            }
            const auto begin = values.begin() + j * part.stride;
            nodes.emplace_back(begin, begin + static_cast<int64_t>(size));
            if (j + 1 < cover.count()) {
                EXPECT_TRUE(std::all_of(begin + static_cast<int64_t>(size), begin + part.stride, [](float value) {
                    return value == untouched;
                })) << "written between partial sums";
            }
        }
        return nodes;
    };
    result.weights = split(dw, weights.size());
    result.input_weights = split(dv, input_weights.size());
    result.bias = split(db, bias.size());
    return result;
}

/** Puts the partial sums of consecutive parts together. */
class Combined {
public:
    void take(const Cover& cover, const std::vector<std::vector<float>>& sums) {
        const auto add = [](std::vector<float>& into, const std::vector<float>& from) {
            for (size_t i = 0; i < into.size(); ++i)
                into[i] += from[i];
        };
        for (int64_t j = 0; j < cover.count(); ++j) {
            const std::vector<float>& next = sums[static_cast<size_t>(j)];
            folding_.take(
                cover[j],
                [&](int64_t slot, bool joined) {
                    if (joined)
                        add(slots_[slot], next);
                    else
                        slots_[slot] = next;
                },
                [&](int64_t into, int64_t from) { add(slots_[into], slots_[from]); });
        }
    }
    const std::vector<float>& sum() const {
        EXPECT_EQ(folding_.count(), 1);
        return slots_[0];
    }

private:
    Folding folding_;
    std::vector<float> slots_[Leaves::most];
};

struct Case {
    Shape shape;
    ortho_chain_model model;
    ortho_filter_kind filter;
    bool filter_per_layer;
    int64_t checkpoint_every;
    ortho_cell cell = ORTHO_CELL_FILTER;
};

// Batches of 1, 2, 4, 8 and 16 leaves, most of which leaves do not divide; widths of one panel and of several. The
// gradients of 23 layers of 65 units take several windows of the threads' sums, those of 3 layers of 300 units one
// each.
constexpr Case cases[] = {
    {{9, 5, 2, 20}, ORTHO_RECURRENT, ORTHO_FILTER_HAAR, false, 0},
    {{37, 40, 0, 65}, ORTHO_RECURRENT, ORTHO_FILTER_CYCLE, false, 0},
    {{37, 50, 7, 20}, ORTHO_RECURRENT, ORTHO_FILTER_HAAR, false, 4},
    {{12, 131, 1, 65}, ORTHO_RECURRENT, ORTHO_FILTER_HAAR, false, 5},
    {{5, 300, 3, 16}, ORTHO_RECURRENT, ORTHO_FILTER_PERMUTATION, false, 0},
    {{9, 5, 0, 20}, ORTHO_FEEDFORWARD, ORTHO_FILTER_HAAR, false, 0},
    {{23, 50, 0, 65}, ORTHO_FEEDFORWARD, ORTHO_FILTER_HAAR, false, 0},
    {{23, 131, 0, 20}, ORTHO_FEEDFORWARD, ORTHO_FILTER_CYCLE, true, 4},
    {{7, 67, 0, 33}, ORTHO_FEEDFORWARD, ORTHO_FILTER_HAAR, true, 0},
    {{3, 256, 0, 300}, ORTHO_FEEDFORWARD, ORTHO_FILTER_IDENTITY, false, 2},
    {{12, 131, 3, 65}, ORTHO_RECURRENT, ORTHO_FILTER_HAAR, false, 5, ORTHO_CELL_GRU},
    {{9, 40, 2, 20}, ORTHO_RECURRENT, ORTHO_FILTER_HAAR, false, 0, ORTHO_CELL_LSTM},
    {{5, 300, 0, 17}, ORTHO_RECURRENT, ORTHO_FILTER_HAAR, false, 2, ORTHO_CELL_LSTM},
};

Problem problem_of(const Case& c) {
    Problem p = make_problem(c.shape);
    p.model = c.model;
    p.cell = c.cell;
    p.recurrent_bias = c.cell != ORTHO_CELL_FILTER;
    p.filter = c.filter;
    p.filter_per_layer = c.filter_per_layer;
    p.checkpoint_every = c.checkpoint_every;
    p.output_steps = 2;
    fill(p);
    return p;
}

TEST(ChainSums, Have_the_same_bits_on_any_number_of_threads) {
    for (const Case& c : cases) {
        const Problem p = problem_of(c);
        const Device one = make_device(1);
        const Result expected = run<float>(p, Chain(one, options_of(p, ORTHO_FLOAT32)));
        Problem plain = p;
        plain.checkpoint_every = 0;
        expect_same_bits(expected, run<float>(plain, Chain(one, options_of(plain, ORTHO_FLOAT32))));
        for (const int32_t threads : {2, 3, 5, 7, 16}) {
            SCOPED_TRACE(describe(p) + " on " + std::to_string(threads));
            const Device device = make_device(threads);
            expect_same_bits(expected, run<float>(p, Chain(device, options_of(p, ORTHO_FLOAT32))));
        }
    }
}

TEST(ChainSums, Of_parts_make_up_those_of_the_whole_batch_to_the_bit) {
    // How the leaves are dealt out, where there are as many.
    const std::vector<std::vector<int64_t>> deals = {{8},
                                                     {4, 4},
                                                     {3, 5},
                                                     {1, 6, 1},
                                                     {2, 2, 2, 2},
                                                     {2, 2},
                                                     {1, 3},
                                                     {1, 2, 1},
                                                     {1, 1},
                                                     {1, 14, 1},
                                                     {5, 11},
                                                     {4, 4, 4, 4},
                                                     {1, 1, 1, 1, 1, 1, 1, 1}};
    for (const Case& c : cases) {
        const Problem p = problem_of(c);
        const int64_t batch = p.shape.batch;
        const Leaves leaves(batch);
        const Device one = make_device(1);
        const Result expected = run<float>(p, Chain(one, options_of(p, ORTHO_FLOAT32)));
        int dealt = 0;
        for (const auto& deal : deals) {
            int64_t all = 0;
            for (const int64_t count : deal)
                all += count;
            if (all != leaves.count())
                continue;
            std::string name = describe(p) + " leaves";
            for (const int64_t count : deal)
                name.append(" ").append(std::to_string(count));
            SCOPED_TRACE(name);
            Combined weights, input_weights, bias;
            int64_t leaf = 0;
            for (const int64_t count : deal) {
                constexpr int32_t threads[] = {3, 1, 2, 5, 4};
                const Span held{leaf, leaf + count};
                const int64_t first = leaves.begin(held.begin);
                const Problem of_part = samples_of(p, first, leaves.begin(held.end) - first);
                const Device device = make_device(threads[dealt++ % 5]);
                const Chain chain(device, options_of(of_part, ORTHO_FLOAT32));
                const Partial partial = run_part(of_part, chain, batch, first, dealt % 2 * 3);
                weights.take(Cover(held), partial.weights);
                input_weights.take(Cover(held), partial.input_weights);
                bias.take(Cover(held), partial.bias);
                const auto expect_samples = [&](const char* what, const std::vector<double>& of_all,
                                                const std::vector<float>& found, int64_t width) {
                    Problem cut = p;
                    cut.arriving = of_all;
                    cut.shape.units = width;
                    cut.inputs.clear();
                    cut.x0.clear();
                    EXPECT_EQ(convert<float>(samples_of(cut, first, of_part.shape.batch).arriving), found) << what;
                };
                expect_samples("outputs", expected.outputs, partial.outputs, p.shape.units);
                expect_samples("input_gradients", expected.inputs, partial.inputs,
                               std::max<int64_t>(1, c.shape.inputs));
                expect_samples("initial_gradients", expected.initial, partial.initial, p.shape.units);
                leaf += count;
            }
            EXPECT_EQ(convert<float>(expected.weights), weights.sum());
            EXPECT_EQ(convert<float>(expected.input_weights), input_weights.sum());
            EXPECT_EQ(convert<float>(expected.bias), bias.sum());
        }
        EXPECT_TRUE(dealt > 0 || leaves.count() == 1);
    }
}

TEST(ChainSums, Of_parts_can_be_added_to_what_is_there) {
    for (const Case& c : cases) {
        const Problem p = problem_of(c);
        const Leaves leaves(p.shape.batch);
        if (leaves.count() < 4)
            continue;
        // All leaves but the first, so several partial sums.
        const int64_t first = leaves.begin(1);
        const Problem of_part = samples_of(p, first, p.shape.batch - first);
        for (const int32_t threads : {1, 3}) {
            SCOPED_TRACE(describe(p) + " on " + std::to_string(threads));
            const Device device = make_device(threads);
            const Chain chain(device, options_of(of_part, ORTHO_FLOAT32));
            const Partial set = run_part(of_part, chain, p.shape.batch, first, 1);
            const Partial added = run_part(of_part, chain, p.shape.batch, first, 1, 0.5f);
            const auto expect = [](const char* what, std::vector<std::vector<float>> sums,
                                   const std::vector<std::vector<float>>& found) {
                EXPECT_GT(sums.size(), 1u);
                for (auto& sum : sums)
                    for (float& value : sum)
                        value += 0.5f;
                EXPECT_EQ(sums, found) << what;
            };
            expect("weights", set.weights, added.weights);
            expect("input_weights", set.input_weights, added.input_weights);
            expect("bias", set.bias, added.bias);
        }
    }
}

TEST(ChainSums, Of_parts_that_are_none_are_refused) {
    Problem p = make_problem({3, 17, 1, 5});
    fill(p);
    const Device device = make_device(1);
    const Chain chain(device, options_of(p, ORTHO_FLOAT64));
    std::vector<double> outputs(p.arriving.size());
    const auto forward = [&](const ortho_batch_part& part) {
        return ortho_chain_forward(chain, 3, 17, nullptr, &part, 1, 1, p.weights.data(), p.input_weights.data(),
                                   p.bias.data(), p.inputs.data(), p.x0.data(), outputs.data(), nullptr);
    };
    // 140 samples are 8 leaves, which start with samples 0, 17, 35, 52, 70, 87, 105 and 122.
    ortho_batch_part good = ORTHO_BATCH_PART_INIT;
    good.batch = 140;
    EXPECT_TRUE(succeeds(forward(good)));
    const auto refused = [&](const char* message, void (*spoil)(ortho_batch_part&)) {
        ortho_batch_part part = good;
        spoil(part);
        EXPECT_TRUE(fails(forward(part), ORTHO_INVALID_ARGUMENT, message));
    };
    refused("part->batch is 0; it must be at least 1", [](auto& part) { part.batch = 0; });
    refused("part->reserved is 1; it must be 0", [](auto& part) { part.reserved = 1; });
    refused("part->weight is 5; it must be 0", [](auto& part) { part.weight = 5; });
    refused("part->first is 18; it must be the first sample of a leaf of the batch of 140: 17 or 35",
            [](auto& part) { part.first = 18; });
    refused("part->first is 140; it must be from 0 to 139", [](auto& part) { part.first = 140; });
    refused("batch makes the part end before sample 34; it must end where a leaf of the batch of 140 ends: before 35",
            [](auto& part) { part.first = 17; });
    refused("batch is 17; it must be from 1 to 16", [](auto& part) { part.batch = 16; });
    // The second and the third of the four leaves of 100 samples are two partial sums.
    Problem two = make_problem({3, 50, 1, 5});
    fill(two);
    ortho_batch_part part = ORTHO_BATCH_PART_INIT;
    part.batch = 100;
    part.first = 25;
    part.stride = 24;
    outputs.resize(two.arriving.size());
    const auto status =
        ortho_chain_forward(chain, 3, 50, nullptr, &part, 1, 1, two.weights.data(), two.input_weights.data(),
                            two.bias.data(), two.inputs.data(), two.x0.data(), outputs.data(), nullptr);
    EXPECT_TRUE(fails(status, ORTHO_INVALID_ARGUMENT, "part->stride is 24; it must be from 25 to "));
}

TEST(ChainSums, Take_as_much_memory_as_is_told) {
    const auto told = [](const Problem& p, int32_t training) {
        const Device device = make_device(1);
        const Chain chain(device, options_of(p, ORTHO_FLOAT32));
        int64_t states = 0, sums = -1;
        EXPECT_TRUE(
            succeeds(ortho_chain_memory(chain, p.recurrent() ? 100 : 0, p.shape.batch, training, &states, &sums)));
        return sums;
    };
    Problem p = make_problem({100, 128, 3, 64});
    fill(p);
    // Eight leaves of ∂W, ∂V and ∂b, and the δ of the rows of a leaf that are summed in one go.
    const int64_t leaves = 8 * (64 + 3 + 1) * 64 * 4;
    EXPECT_GT(told(p, 1), leaves);
    EXPECT_LE(told(p, 1), leaves + 64 * 128 * 4);
    EXPECT_EQ(told(p, 0), 0);
    // On one thread, a feedforward chain sums within registers.
    p.model = ORTHO_FEEDFORWARD;
    fill(p);
    EXPECT_EQ(told(p, 1), 64 * 128 * 4);
}

} // namespace
