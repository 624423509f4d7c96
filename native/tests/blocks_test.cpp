// Filters of blocks: the matrix that they make up, and chains that leave out what is zero in it.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "prepared_weights.hpp"

namespace ortho::test {
namespace {

using Blocks = std::vector<std::pair<int64_t, ortho_filter_kind>>;

constexpr ortho_dtype dtypes[] = {ORTHO_FLOAT32, ORTHO_FLOAT64};

std::string describe_blocks(const Problem& p) {
    std::string text = describe(p) + " per layer=" + std::to_string(p.filter_per_layer) +
                       " every=" + std::to_string(p.checkpoint_every) + " blocks=";
    for (const ortho_filter_block& block : p.blocks)
        text += std::to_string(block.size) + ":" + std::to_string(block.filter) + ",";
    return text;
}

Problem blocks_problem(Shape shape, const Blocks& blocks) {
    Problem p = make_problem(shape);
    p.per_unit = true;
    p.output_steps = std::max<int64_t>(1, shape.steps / 2);
    if (blocks.empty())
        set_mixed_blocks(p);
    else
        set_blocks(p, blocks);
    fill(p);
    return p;
}

Problem layers_problem(Shape shape, bool per_layer, const Blocks& blocks) {
    Problem p = make_problem(shape);
    p.model = ORTHO_FEEDFORWARD;
    p.filter_per_layer = per_layer;
    p.per_unit = true;
    if (blocks.empty())
        set_mixed_blocks(p);
    else
        set_blocks(p, blocks);
    fill(p);
    return p;
}

/** Blocks of equal size and kind. */
Blocks equal_blocks(int64_t units, int64_t count, ortho_filter_kind kind = ORTHO_FILTER_HAAR) {
    return Blocks(static_cast<size_t>(count), {units / count, kind});
}

/**
 * Blocks that begin and end at, before and behind the borders of tiles and panels, that are smaller than a vector, and
 * of which several lie in a tile. Each has one block, at least, that is no signed permutation.
 */
std::vector<Problem> problems() {
    std::vector<Problem> all;
    for (const int64_t units : {2, 7, 16, 17, 33, 64, 65, 100, 129, 200})
        all.push_back(blocks_problem({5, 1 + units % 15, units % 3, units}, {}));
    all.push_back(blocks_problem({4, 13, 2, 128}, equal_blocks(128, 2)));
    all.push_back(blocks_problem({4, 8, 0, 128}, equal_blocks(128, 4)));
    all.push_back(blocks_problem({4, 7, 1, 128}, equal_blocks(128, 16)));
    all.push_back(blocks_problem({4, 5, 1, 60}, equal_blocks(60, 60)));
    all.push_back(
        blocks_problem({4, 6, 1, 130}, {{1, ORTHO_FILTER_HAAR}, {128, ORTHO_FILTER_HAAR}, {1, ORTHO_FILTER_CYCLE}}));
    all.push_back(blocks_problem({4, 33, 1, 192},
                                 {{63, ORTHO_FILTER_HAAR}, {65, ORTHO_FILTER_CUSTOM}, {64, ORTHO_FILTER_PERMUTATION}}));
    all.push_back(blocks_problem({3, 9, 1, 300},
                                 {{7, ORTHO_FILTER_HAAR}, {250, ORTHO_FILTER_IDENTITY}, {43, ORTHO_FILTER_HAAR}}));
    for (const bool per_layer : {false, true}) {
        all.push_back(layers_problem({5, 7, 0, 33}, per_layer, {}));
        all.push_back(layers_problem({7, 40, 0, 100}, per_layer, {}));
        all.push_back(layers_problem({3, 2, 0, 128}, per_layer, equal_blocks(128, 4)));
    }
    return all;
}

/** Results with the filter of blocks and with the same matrix as a whole. */
template <class T> void compare_with_matrix(const Problem& p, const Device& device) {
    const auto dtype = static_cast<ortho_dtype>(dtype_of<T>);
    const Chain chain(device, options_of(p, dtype));
    const Problem whole = with_matrices_of(p, chain);
    const Chain custom(device, options_of(whole, dtype));
    const Result expected = run<T>(whole, custom);
    expect_same_bits(expected, run<T>(p, chain));
    expect_same_bits(expected, run<T>(p, chain)); // layers' filters are drawn into what the pass before left
}

TEST(Blocks, Chains_have_the_bits_of_the_whole_matrix) {
    const Device device = make_device(1);
    for (const Problem& p : problems()) {
        SCOPED_TRACE(describe_blocks(p));
        compare_with_matrix<float>(p, device);
        compare_with_matrix<double>(p, device);
        if (HasFailure())
            return;
    }
}

TEST(Blocks, Threads_checkpoints_and_lengths_change_no_bit) {
    std::vector<Problem> all;
    for (Problem p : {blocks_problem({23, 37, 2, 70}, {}), blocks_problem({9, 50, 1, 192}, equal_blocks(192, 3)),
                      layers_problem({11, 37, 0, 70}, false, {}), layers_problem({11, 37, 0, 70}, true, {})}) {
        all.push_back(p);
        if (!p.recurrent())
            continue;
        for (int32_t b = 0; b < p.shape.batch; ++b)
            p.lengths.push_back(b * 7 % static_cast<int32_t>(p.shape.steps + 1));
        all.push_back(p);
    }
    for (Problem& p : all) {
        const Device one = make_device(1);
        const Chain first(one, options_of(p, ORTHO_FLOAT32));
        const Problem whole = with_matrices_of(p, first);
        const Result expected = run<float>(whole, Chain(one, options_of(whole, ORTHO_FLOAT32)));
        for (const int32_t threads : {1, 2, 3, 5})
            for (const int64_t every : {0, 1, 4}) {
                p.threads = threads;
                p.checkpoint_every = every;
                SCOPED_TRACE(describe_blocks(p));
                const Device device = make_device(threads);
                expect_same_bits(expected, run<float>(p, Chain(device, options_of(p, ORTHO_FLOAT32))));
            }
    }
}

template <class T> void compare_prepared(const Problem& p, const Device& device) {
    const auto dtype = static_cast<ortho_dtype>(dtype_of<T>);
    const Chain chain(device, options_of(p, dtype));
    const Problem whole = with_matrices_of(p, chain);
    const Weights weights(device, p, dtype), of_whole(device, whole, dtype);
    weights.prepare<T>(p, 1, true);
    of_whole.prepare<T>(whole, 1, true);
    const PreparedChain prepared(weights), prepared_whole(of_whole);
    expect_same_bits(run_prepared<T>(whole, prepared_whole, device.get()), run_prepared<T>(p, prepared, device.get()));
    if (!p.recurrent())
        return;
    const auto [steps, batch, inputs, units] = p.shape;
    const Streams streams(weights, batch), streams_of_whole(of_whole, batch);
    const std::vector<T> x0 = convert<T>(p.x0);
    EXPECT_TRUE(succeeds(ortho_streams_write(streams, x0.data())));
    EXPECT_TRUE(succeeds(ortho_streams_write(streams_of_whole, x0.data())));
    std::vector<T> states(static_cast<size_t>(batch * units)), expected(states.size());
    for (int64_t step = 0; step < steps; ++step) {
        const std::vector<T> all = convert<T>(p.inputs);
        const T* const u = inputs > 0 ? all.data() + step * batch * inputs : nullptr;
        EXPECT_TRUE(succeeds(ortho_streams_step(streams, nullptr, u, states.data())));
        EXPECT_TRUE(succeeds(ortho_streams_step(streams_of_whole, nullptr, u, expected.data())));
        EXPECT_EQ(states, expected) << step;
    }
}

TEST(Blocks, Prepared_weights_and_streams_have_the_bits_of_the_whole_matrix) {
    for (const int32_t threads : {1, 3}) {
        const Device device = make_device(threads);
        for (const Problem& p : problems()) {
            SCOPED_TRACE(describe_blocks(p));
            compare_prepared<float>(p, device);
            compare_prepared<double>(p, device);
            if (HasFailure())
                return;
        }
    }
}

TEST(Blocks, Of_signed_permutations_agree_with_the_formulas) {
    for (const int64_t units : {3, 20, 64, 100, 300})
        for (const bool recurrent : {true, false}) {
            Problem p = make_problem({5, 7, recurrent ? 2 : 0, units});
            p.model = recurrent ? ORTHO_RECURRENT : ORTHO_FEEDFORWARD;
            p.filter_per_layer = !recurrent;
            p.per_unit = true;
            set_blocks(p, {{1, ORTHO_FILTER_PERMUTATION},
                           {units / 2, ORTHO_FILTER_CYCLE},
                           {1, ORTHO_FILTER_IDENTITY},
                           {units - units / 2 - 2, ORTHO_FILTER_PERMUTATION}});
            if (p.blocks.back().size == 0)
                p.blocks.pop_back();
            fill(p);
            SCOPED_TRACE(describe_blocks(p));
            const Device device = make_device(2);
            const Chain chain32(device, options_of(p, ORTHO_FLOAT32)), chain64(device, options_of(p, ORTHO_FLOAT64));
            const Result expected = reference(p, filters_of(p, chain64));
            expect_close(p, expected, run<double>(p, chain64), std::ldexp(1, -53));
            expect_close(p, expected, run<float>(p, chain32), std::ldexp(1, -24));
            if (HasFailure())
                return;
        }
}

TEST(Blocks, One_of_all_units_is_the_filter_of_its_kind) {
    const Device device = make_device(2);
    for (const ortho_filter_kind kind :
         {ORTHO_FILTER_HAAR, ORTHO_FILTER_CYCLE, ORTHO_FILTER_PERMUTATION, ORTHO_FILTER_IDENTITY})
        for (const bool per_layer : {false, true}) {
            Problem plain = layers_problem({4, 5, 0, 37}, per_layer, {{37, kind}}), blocks = plain;
            plain.filter = kind;
            plain.blocks.clear();
            SCOPED_TRACE(describe_blocks(blocks));
            const Chain expected(device, options_of(plain, ORTHO_FLOAT32)),
                chain(device, options_of(blocks, ORTHO_FLOAT32));
            EXPECT_EQ(filters_of(plain, expected), filters_of(blocks, chain));
            expect_same_bits(run<float>(plain, expected), run<float>(blocks, chain));
        }
}

TEST(Blocks, Each_is_drawn_from_a_stream_of_its_own) {
    const Device device = make_device(1);
    const int64_t layers = 3;
    const Blocks blocks = {{5, ORTHO_FILTER_HAAR},
                           {4, ORTHO_FILTER_PERMUTATION},
                           {3, ORTHO_FILTER_CUSTOM},
                           {5, ORTHO_FILTER_HAAR},
                           {2, ORTHO_FILTER_CYCLE}};
    const int64_t units = 19;
    const Problem p = layers_problem({layers, 1, 0, units}, true, blocks);
    const ortho_chain_options options = options_of(p, ORTHO_FLOAT32);
    const Chain chain(device, options);
    const auto found = filters_of(p, chain);
    for (int64_t layer = 0; layer < layers; ++layer) {
        std::vector<double> expected(static_cast<size_t>(units * units), 0);
        int64_t first = 0;
        for (size_t b = 0; b < blocks.size(); ++b) {
            const auto [size, kind] = blocks[b];
            std::vector<double> block(static_cast<size_t>(size * size));
            if (kind == ORTHO_FILTER_CUSTOM) {
                block = orthogonal_matrix(size, static_cast<uint32_t>(layer));
            } else {
                Problem alone = make_problem({1, 1, 0, size});
                alone.filter = kind;
                fill(alone);
                ortho_chain_options of_block = options_of(alone, ORTHO_FLOAT32);
                of_block.filter_index =
                    options.filter_index + static_cast<uint32_t>(layer * 5 + static_cast<int64_t>(b));
                const Chain drawn(device, of_block);
                block = filters_of(alone, drawn)[0];
            }
            for (int64_t i = 0; i < size; ++i)
                for (int64_t j = 0; j < size; ++j)
                    expected[static_cast<size_t>((first + i) * units + first + j)] =
                        block[static_cast<size_t>(i * size + j)];
            first += size;
        }
        EXPECT_EQ(found[static_cast<size_t>(layer)], expected) << layer;
    }
}

TEST(Blocks, Are_orthogonal_as_a_whole) {
    const Device device = make_device(1);
    const int64_t n = 150;
    const Problem p = blocks_problem({1, 1, 0, n}, {});
    const Chain chain(device, options_of(p, ORTHO_FLOAT32));
    const std::vector<double> o = filters_of(p, chain)[0];
    // A Haar block is a product of as many reflections as it has units, each of which rounds by a few units in the last
    // place; the largest has a third of all units.
    const double allowed = 8 * static_cast<double>(n) * std::ldexp(1, -53);
    for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < n; ++j) {
            double product = 0;
            for (int64_t k = 0; k < n; ++k)
                product += o[static_cast<size_t>(k * n + i)] * o[static_cast<size_t>(k * n + j)];
            ASSERT_NEAR(product, i == j ? 1 : 0, allowed) << i << " " << j;
        }
}

TEST(Blocks, Gradients_are_central_differences) {
    const Device device = make_device(1);
    for (const bool recurrent : {true, false}) {
        const Blocks blocks = {{6, ORTHO_FILTER_HAAR}, {5, ORTHO_FILTER_PERMUTATION}, {7, ORTHO_FILTER_CUSTOM}};
        Problem p = recurrent ? blocks_problem({6, 3, 2, 18}, blocks) : layers_problem({6, 3, 0, 18}, true, blocks);
        // alpha and beta differ from block to block.
        for (size_t i = 0; i < 18; ++i) {
            const size_t block = i < 6 ? 0 : i < 11 ? 1 : 2;
            p.alpha[i] = 0.9 - 0.2 * static_cast<double>(block);
            p.beta[i] = 0.2 + 0.3 * static_cast<double>(block);
        }
        const Chain chain(device, options_of(p, ORTHO_FLOAT64));
        const auto objective = [&] {
            const std::vector<double> outputs = run<double>(p, chain).outputs;
            double sum = 0;
            for (size_t i = 0; i < outputs.size(); ++i)
                sum += outputs[i] * p.arriving[i];
            return sum;
        };
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
            for (size_t i = 0; i < part.values.size(); i += 1 + part.values.size() / 60) {
                // The difference is off by h^2 / 6 times a third derivative, some hundreds here, and by the rounding
                // of the objective, some 1e-14, over h.
                constexpr double h = 1e-5;
                const double value = part.values[i];
                part.values[i] = value + h;
                const double above = objective();
                part.values[i] = value - h;
                const double below = objective();
                part.values[i] = value;
                ASSERT_NEAR(part.gradients[i], (above - below) / (2 * h), 1e-8) << part.name << "[" << i << "]";
            }
    }
}

TEST(Blocks, Take_the_memory_for_states_and_sums_of_any_filter) {
    const Device device = make_device(3);
    for (const ortho_dtype dtype : dtypes) {
        const Problem p = blocks_problem({50, 40, 2, 130}, {});
        const Chain chain(device, options_of(p, dtype));
        const Problem whole = with_matrices_of(p, chain);
        const Chain custom(device, options_of(whole, dtype));
        int64_t states = 0, sums = 0, expected_states = 0, expected_sums = 0;
        EXPECT_TRUE(succeeds(ortho_chain_memory(chain, 50, 40, 1, &states, &sums)));
        EXPECT_TRUE(succeeds(ortho_chain_memory(custom, 50, 40, 1, &expected_states, &expected_sums)));
        EXPECT_EQ(states, expected_states);
        EXPECT_EQ(sums, expected_sums);
    }
}

TEST(Blocks, Bad_ones_are_named) {
    const Device device = make_device(1);
    const Problem p =
        blocks_problem({2, 1, 1, 10}, {{4, ORTHO_FILTER_HAAR}, {3, ORTHO_FILTER_CUSTOM}, {3, ORTHO_FILTER_IDENTITY}});
    const std::vector<double> skewed = {1, 0, 0, 0, 1, 1e-3, 0, 0, 1};
    const auto create = [&](auto change) {
        Problem changed = p;
        ortho_chain_options options = options_of(changed, ORTHO_FLOAT32);
        change(options, changed.blocks);
        ortho_chain* chain = nullptr;
        const ortho_status status = ortho_chain_create(&chain, device.get(), &options);
        EXPECT_EQ(chain != nullptr, status == ORTHO_OK);
        ortho_chain_free(chain);
        return status;
    };
    const auto expect = [&](const char* message, auto change) { EXPECT_TRUE(is_refused(create(change), message)); };
    EXPECT_TRUE(succeeds(create([](auto&, auto&) {})));
    expect("blocks[2].size is 0; it must be at least 1", [](auto&, auto& b) { b[2].size = 0; });
    expect("blocks[0].size is -4; it must be at least 1", [](auto&, auto& b) { b[0].size = -4; });
    expect("blocks[1].size is 7; it must be at most 6, what the blocks before it leave of 10 units",
           [](auto&, auto& b) { b[1].size = 7; });
    expect("blocks[2].size is 9223372036854775807; it must be at most 3",
           [](auto&, auto& b) { b[2].size = INT64_MAX; });
    expect("blocks has sizes that add up to 9; they must add up to the number of units, 10",
           [](auto&, auto& b) { b[2].size = 2; });
    expect("blocks has sizes that add up to 7; they must add up to the number of units, 10",
           [](auto& o, auto&) { o.block_count = 2; });
    expect("blocks[0].filter is 5; it must be from 0 to 4", [](auto&, auto& b) { b[0].filter = ORTHO_FILTER_BLOCKS; });
    expect("blocks[1].filter is -1; it must be from 0 to 4", [](auto&, auto& b) { b[1].filter = -1; });
    expect("blocks[1].reserved is 3; it must be 0", [](auto&, auto& b) { b[1].reserved = 3; });
    expect("blocks[1].matrix is null; filter 4 (custom) needs an orthogonal matrix",
           [](auto&, auto& b) { b[1].matrix = nullptr; });
    expect("blocks[2].matrix is given with filter 3; only filter 4 (custom) takes one",
           [](auto&, auto& b) { b[2].matrix = b[1].matrix; });
    expect("blocks[1].matrix (number 0) is 0.001 away from orthogonal",
           [&](auto&, auto& b) { b[1].matrix = skewed.data(); });
    expect("block_count is 0; it must be from 1 to 1024", [](auto& o, auto&) { o.block_count = 0; });
    expect("block_count is 1025; it must be from 1 to 1024", [](auto& o, auto&) { o.block_count = 1025; });
    expect("blocks is null", [](auto& o, auto&) { o.blocks = nullptr; });
    expect("filter_matrix is given with filter 5; only filter 4 (custom) takes one",
           [](auto& o, auto&) { o.filter_matrix = o.alpha; });
    expect("blocks is given; it must be null where the filter is not of blocks",
           [](auto& o, auto&) { o.filter = ORTHO_FILTER_HAAR; });
    expect("block_count is 3; it must be 0", [](auto& o, auto&) {
        o.filter = ORTHO_FILTER_HAAR;
        o.blocks = nullptr;
    });
    expect("filter is 6; it must be from 0 to 5", [](auto& o, auto&) { o.filter = 6; });

    // The second of several matrices.
    Problem layers = layers_problem({2, 1, 0, 5}, true, {{2, ORTHO_FILTER_HAAR}, {3, ORTHO_FILTER_CUSTOM}});
    std::vector<double> matrices(layers.blocks[1].matrix, layers.blocks[1].matrix + 18);
    matrices[10] += 1e-3;
    layers.blocks[1].matrix = matrices.data();
    const ortho_chain_options options = options_of(layers, ORTHO_FLOAT32);
    ortho_chain* chain = nullptr;
    EXPECT_TRUE(is_refused(ortho_chain_create(&chain, device.get(), &options), "blocks[1].matrix (number 1) is "));
}

} // namespace
} // namespace ortho::test
