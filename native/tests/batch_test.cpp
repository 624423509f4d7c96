// Sums over a batch: leaves, partial sums, and calls that hold a part of a batch.
#include <functional>

#include "batch.hpp"

namespace ortho::test {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

TEST(Leaves, Their_number_follows_from_the_size_of_the_batch) {
    const std::pair<int64_t, int64_t> expected[] = {
        {-1, 0},  {0, 0},    {1, 1},    {16, 1},       {31, 1},
        {32, 2},  {63, 2},   {64, 4},   {127, 4},      {128, 8},
        {255, 8}, {256, 16}, {257, 16}, {1000000, 16}, {INT64_MAX / 16, 16}};
    for (const auto& [batch, count] : expected)
        EXPECT_EQ(ortho_leaf_count(batch), count) << batch;
}

TEST(Leaves, Begin_where_equal_parts_would) {
    for (const int64_t batch : {1, 17, 37, 100, 128, 300}) {
        const int64_t count = ortho_leaf_count(batch);
        for (int64_t leaf = 0; leaf < count; ++leaf)
            EXPECT_EQ(ortho_leaf_begin(batch, leaf), batch * leaf / count) << batch << ", " << leaf;
        EXPECT_EQ(ortho_leaf_begin(batch, -1), -1);
        EXPECT_EQ(ortho_leaf_begin(batch, count), -1);
    }
    EXPECT_EQ(ortho_leaf_begin(0, 0), -1);
}

/** Nodes that lie within leaves begin to end-1 but whose parents do not. */
int64_t nodes_within(int64_t begin, int64_t end, int64_t node_begin, int64_t node_end) {
    if (node_end <= begin || node_begin >= end)
        return 0;
    if (node_begin >= begin && node_end <= end)
        return 1;
    const int64_t middle = (node_begin + node_end) / 2;
    return nodes_within(begin, end, node_begin, middle) + nodes_within(begin, end, middle, node_end);
}

TEST(PartialSums, Are_the_fewest_nodes_of_the_tree) {
    for (const int64_t batch : {7, 16, 40, 100, 256}) {
        const int64_t leaves = ortho_leaf_count(batch);
        const auto at = [&](int64_t leaf) { return leaf < leaves ? ortho_leaf_begin(batch, leaf) : batch; };
        for (int64_t begin = 0; begin < leaves; ++begin)
            for (int64_t end = begin + 1; end <= leaves; ++end)
                EXPECT_EQ(partial_sums(batch, {at(begin), at(end) - at(begin)}), nodes_within(begin, end, 0, leaves))
                    << batch << ": " << begin << " to " << end;
    }
}

TEST(PartialSums, Of_parts_that_are_none_are_refused) {
    int64_t count = 42;
    const auto ask = [&](int64_t batch, int64_t first, int64_t samples) {
        return ortho_partial_sum_count(batch, first, samples, &count);
    };
    EXPECT_TRUE(is_refused(ask(0, 0, 1), "batch is 0; it must be at least 1"));
    EXPECT_TRUE(is_refused(ask(128, -1, 1), "first is -1; it must be from 0 to 127"));
    EXPECT_TRUE(is_refused(ask(128, 128, 1), "first is 128; it must be from 0 to 127"));
    EXPECT_TRUE(is_refused(ask(128, 17, 7),
                           "first is 17; it must be the first sample of a leaf of the batch of 128: 16 or 32"));
    EXPECT_TRUE(is_refused(ask(128, 16, 0), "samples is 0; it must be from 1 to 112"));
    EXPECT_TRUE(is_refused(ask(128, 16, 113), "samples is 113; it must be from 1 to 112"));
    EXPECT_TRUE(is_refused(ask(128, 16, 20), "samples makes the part end before sample 36; it must end where a leaf of "
                                             "the batch of 128 ends: before 32 or 48"));
    // The last leaf, and the only one.
    EXPECT_TRUE(is_refused(ask(128, 113, 15), "the first sample of a leaf of the batch of 128: 112"));
    EXPECT_TRUE(is_refused(ask(20, 3, 17), "the first sample of a leaf of the batch of 20: 0"));
    EXPECT_TRUE(is_refused(ask(128, 96, 20), "ends: before 112 or 128"));
    EXPECT_TRUE(is_refused(ask(128, 0, 9), "ends: before 16"));
    EXPECT_TRUE(is_refused(ortho_partial_sum_count(64, 0, 64, nullptr), "count is null"));
    EXPECT_EQ(count, 42);
}

/** The sum of a node's leaves, by the definition. */
template <class T> T node_sum(const std::vector<T>& leaves, size_t begin, size_t end) {
    if (end - begin == 1)
        return leaves[begin];
    const size_t middle = (begin + end) / 2;
    return node_sum(leaves, begin, middle) + node_sum(leaves, middle, end);
}

/** The partial sums of leaves begin to end-1, by the definition. */
template <class T>
void add_cover(const std::vector<T>& leaves, size_t begin, size_t end, size_t node_begin, size_t node_end,
               std::vector<T>& sums) {
    if (node_end <= begin || node_begin >= end)
        return;
    if (node_begin >= begin && node_end <= end) {
        sums.push_back(node_sum(leaves, node_begin, node_end));
        return;
    }
    const size_t middle = (node_begin + node_end) / 2;
    add_cover(leaves, begin, end, node_begin, middle, sums);
    add_cover(leaves, begin, end, middle, node_end, sums);
}

template <class T> void check_every_pair_of_parts(ortho_device* device) {
    constexpr int64_t batch = 256, stride = 3, next_stride = 5;
    const auto leaves = normal_values<T>(16, 3);
    const auto cover = [&](size_t begin, size_t end) {
        std::vector<T> sums;
        add_cover(leaves, begin, end, 0, 16, sums);
        return sums;
    };
    for (size_t begin = 0; begin < 16; ++begin)
        for (size_t middle = begin + 1; middle < 16; ++middle)
            for (size_t end = middle + 1; end <= 16; ++end) {
                const std::vector<T> before = cover(begin, middle), next = cover(middle, end), both = cover(begin, end);
                const size_t slots = std::max(before.size(), both.size());
                // Two elements of each; what lies between and behind them is not touched, nor is what lies behind all.
                std::vector<T> sums(stride * slots + 4, T{77}), next_sums(next_stride * next.size(), T{99});
                for (size_t i = 0; i < before.size(); ++i)
                    sums[i * stride] = sums[i * stride + 1] = before[i];
                for (size_t i = 0; i < next.size(); ++i)
                    next_sums[i * next_stride] = next_sums[i * next_stride + 1] = next[i];
                ASSERT_TRUE(succeeds(ortho_add_partial_sums(
                    device, dtype_of<T>, 2, batch, static_cast<int64_t>(16 * begin),
                    static_cast<int64_t>(16 * (middle - begin)), static_cast<int64_t>(16 * (end - middle)), sums.data(),
                    stride, next_sums.data(), next_stride)));
                for (size_t i = 0; i < both.size(); ++i)
                    for (const size_t element : {0, 1})
                        ASSERT_EQ(sums[i * stride + element], both[i]) << begin << " " << middle << " " << end;
                for (size_t i = 0; i < sums.size(); ++i)
                    if (i % stride == 2 || i >= (slots - 1) * stride + 2) {
                        ASSERT_EQ(sums[i], T{77}) << begin << " " << middle << " " << end;
                    }
            }
}

TEST(PartialSums, Of_any_two_parts_become_those_of_both) {
    const Device device = make_device(1);
    check_every_pair_of_parts<float>(device.get());
    check_every_pair_of_parts<double>(device.get());
}

TEST(PartialSums, Are_added_on_several_threads_with_the_same_bits) {
    constexpr int64_t count = 100'001;
    const auto left = normal_values<float>(count, 1), right = normal_values<float>(count, 2);
    for (const int threads : {1, 2, 3}) {
        const Device device = make_device(threads);
        std::vector<float> sums = left;
        ASSERT_TRUE(succeeds(ortho_add_partial_sums(device.get(), ORTHO_FLOAT32, count, 32, 0, 16, 16, sums.data(),
                                                    count, right.data(), count)));
        for (size_t i = 0; i < sums.size(); ++i)
            ASSERT_EQ(sums[i], left[i] + right[i]);
    }
}

TEST(PartialSums, That_cannot_be_added_are_refused_by_name) {
    const Device device = make_device(1);
    std::vector<double> sums(64, 5), next(64, 6);
    const auto call = [&](int64_t count, int64_t batch, int64_t first, int64_t samples, int64_t next_samples,
                          int64_t stride, int64_t next_stride) {
        return ortho_add_partial_sums(device.get(), ORTHO_FLOAT64, count, batch, first, samples, next_samples,
                                      sums.data(), stride, next.data(), next_stride);
    };
    EXPECT_TRUE(is_refused(call(0, 128, 0, 16, 16, 1, 1), "count is 0; it must be at least 1"));
    EXPECT_TRUE(is_refused(call(1, 0, 0, 16, 16, 1, 1), "batch is 0; it must be at least 1"));
    EXPECT_TRUE(is_refused(call(1, 128, 3, 16, 16, 1, 1), "first is 3; it must be the first sample of a leaf"));
    EXPECT_TRUE(is_refused(call(1, 128, 0, 24, 16, 1, 1), "samples makes the part end before sample 24; it must end "
                                                          "where a leaf of the batch of 128 ends: before 16 or 32"));
    EXPECT_TRUE(is_refused(call(1, 128, 0, 16, 24, 1, 1), "next_samples makes the part end before sample 40"));
    EXPECT_TRUE(is_refused(call(1, 128, 0, 16, 0, 1, 1), "next_samples is 0; it must be from 1 to 112"));
    EXPECT_TRUE(is_refused(call(1, 128, 0, 128, 2, 1, 1),
                           "samples is 128; it must be below 128, so that there are samples behind"));
    EXPECT_TRUE(is_refused(call(3, 128, 0, 16, 16, 2, 3), "stride is 2; it must be from 3 to "));
    EXPECT_TRUE(is_refused(call(3, 128, 0, 16, 16, 3, 2), "next_stride is 2; it must be from 3 to "));
    EXPECT_TRUE(is_refused(ortho_add_partial_sums(nullptr, 1, 1, 128, 0, 16, 16, sums.data(), 1, next.data(), 1),
                           "device is null"));
    EXPECT_TRUE(is_refused(ortho_add_partial_sums(device.get(), 2, 1, 128, 0, 16, 16, sums.data(), 1, next.data(), 1),
                           "dtype is 2"));
    EXPECT_TRUE(is_refused(ortho_add_partial_sums(device.get(), 1, 1, 128, 0, 16, 16, nullptr, 1, next.data(), 1),
                           "sums is null"));
    EXPECT_TRUE(is_refused(ortho_add_partial_sums(device.get(), 1, 1, 128, 0, 16, 16, sums.data(), 1, nullptr, 1),
                           "next_sums is null"));
    EXPECT_EQ(sums, std::vector<double>(64, 5));
}

/** A dense layer over a batch of sequences, whole or in parts. */
template <class T> struct DenseBatch {
    int64_t steps, batch, inputs, outputs;
    std::vector<T> weights = normal_values<T>(outputs * inputs, 1), x = normal_values<T>(steps * batch * inputs, 2),
                   y_gradients = normal_values<T>(steps * batch * outputs, 3);

    /** Gradients of weights and bias, one behind the other, and of x. */
    struct Gradients {
        std::vector<T> parameters, x;
    };

    int64_t parameters() const { return outputs * (inputs + 1); }

    Gradients backward(ortho_device* device, const ortho_batch_part* part, Samples samples, int32_t accumulate,
                       T start) const {
        const int64_t sums = part == nullptr ? 1 : partial_sums(batch, samples);
        Gradients gradients{std::vector<T>(static_cast<size_t>(sums * parameters()), start),
                            std::vector<T>(static_cast<size_t>(steps * samples.count * inputs), T{9})};
        EXPECT_TRUE(succeeds(ortho_dense_backward(
            device, dtype_of<T>, part, accumulate, steps, samples.count, inputs, outputs, weights.data(),
            part_of(x, steps, batch, inputs, samples).data(),
            part_of(y_gradients, steps, batch, outputs, samples).data(), gradients.parameters.data(),
            gradients.parameters.data() + outputs * inputs, gradients.x.data())));
        return gradients;
    }

    Gradients in_parts(ortho_device* device, const std::vector<Samples>& parts) const {
        std::vector<std::vector<T>> sums;
        Gradients all{{}, std::vector<T>(static_cast<size_t>(steps * batch * inputs))};
        for (const Samples& samples : parts) {
            const ortho_batch_part part = make_part(batch, samples, parameters());
            const Gradients own = backward(device, &part, samples, 0, T{7});
            sums.push_back(own.parameters);
            put_part(own.x, steps, batch, inputs, samples, all.x);
        }
        all.parameters = put_together(device, batch, parts, parameters(), parameters(), sums);
        return all;
    }
};

template <class T> void check_dense_parts(const DenseBatch<T>& dense) {
    SCOPED_TRACE(std::to_string(dense.steps) + " x " + std::to_string(dense.batch) + ", " +
                 std::to_string(dense.inputs) + " x " + std::to_string(dense.outputs));
    const Device device = make_device(1);
    const Samples all{0, dense.batch};
    const auto whole = dense.backward(device.get(), nullptr, all, 0, T{7});
    for (const auto& parts : cuts(dense.batch)) {
        const auto combined = dense.in_parts(device.get(), parts);
        EXPECT_TRUE(same_bits(combined.parameters, whole.parameters)) << parts.size() << " parts";
        EXPECT_TRUE(same_bits(combined.x, whole.x)) << parts.size() << " parts";
    }
    for (const int threads : {2, 3, 5, 7, 16}) {
        const Device several = make_device(threads);
        EXPECT_TRUE(same_bits(dense.backward(several.get(), nullptr, all, 0, T{7}).parameters, whole.parameters))
            << threads;
    }
    // By the definition, in double precision. A sum in any order of n products is off by n roundings of the sum of
    // their magnitudes, and one more each for the start and the products.
    const auto added = dense.backward(device.get(), nullptr, all, 1, T{2});
    const int64_t rows = dense.steps * dense.batch;
    for (int64_t o = 0; o < dense.outputs; ++o)
        for (int64_t i = 0; i <= dense.inputs; ++i) {
            const bool is_bias = i == dense.inputs;
            double sum = 2, magnitude = 2;
            for (int64_t row = 0; row < rows; ++row) {
                const double product =
                    static_cast<double>(dense.y_gradients[static_cast<size_t>(row * dense.outputs + o)]) *
                    (is_bias ? 1.0 : static_cast<double>(dense.x[static_cast<size_t>(row * dense.inputs + i)]));
                sum += product;
                magnitude += std::abs(product);
            }
            const int64_t at = is_bias ? dense.outputs * dense.inputs + o : o * dense.inputs + i;
            ASSERT_NEAR(static_cast<double>(added.parameters[static_cast<size_t>(at)]), sum,
                        static_cast<double>(rows + 2) * rounding<T> * magnitude)
                << o << ", " << i;
        }
}

// One leaf and many; leaves of one block of rows (256) and of several, alone and together; steps; C of one panel, of
// one tile and of several.
TEST(Parts, Of_a_dense_layer_have_the_bits_of_the_whole) {
    for (const auto& [steps, batch, inputs, outputs] : {std::array<int64_t, 4>{1, 5, 3, 2},
                                                        {1, 37, 33, 10},
                                                        {3, 40, 65, 13},
                                                        {1, 128, 256, 10},
                                                        {40, 100, 20, 9},
                                                        {1, 300, 70, 33},
                                                        {70, 65, 5, 40},
                                                        {1, 2100, 40, 17},
                                                        {2, 24, 300, 200}}) {
        check_dense_parts(DenseBatch<float>{steps, batch, inputs, outputs});
        check_dense_parts(DenseBatch<double>{steps, batch, inputs, outputs});
    }
}

TEST(Parts, Of_a_dense_layer_have_the_bits_of_the_whole_where_sums_are_subnormal) {
    const Device device = make_device(1);
    constexpr float smallest = std::numeric_limits<float>::min();
    DenseBatch<float> dense{1, 32, 1, 1};
    dense.x.assign(32, 1);
    dense.y_gradients.assign(32, 0);
    dense.y_gradients[0] = 1.5f * smallest;
    dense.y_gradients[16] = -1.25f * smallest;
    const auto whole = dense.backward(device.get(), nullptr, {0, 32}, 0, 7);
    EXPECT_EQ(whole.parameters, std::vector<float>(2, 0));
    for (const auto& parts : cuts(32))
        EXPECT_TRUE(same_bits(dense.in_parts(device.get(), parts).parameters, whole.parameters)) << parts.size();
}

TEST(Parts, Of_a_dense_layer_are_refused_by_name) {
    const Device device = make_device(1);
    std::vector<float> values(4096, 1), gradients(4096, 5);
    const auto call = [&](const ortho_batch_part& part, int64_t batch) {
        return ortho_dense_backward(device.get(), ORTHO_FLOAT32, &part, 0, 2, batch, 3, 4, nullptr, values.data(),
                                    values.data(), gradients.data(), nullptr, nullptr);
    };
    ortho_batch_part part = make_part(128, {16, 48}, 12);
    EXPECT_TRUE(succeeds(call(part, 48)));
    std::fill(gradients.begin(), gradients.end(), 5.0f);
    part.struct_size = 8;
    EXPECT_TRUE(is_refused(call(part, 48), "part->struct_size is 8; it must be at least 40"));
    part = make_part(128, {16, 48}, 12);
    part.reserved = 1;
    EXPECT_TRUE(is_refused(call(part, 48), "part->reserved is 1; it must be 0"));
    EXPECT_TRUE(is_refused(call(make_part(0, {0, 1}), 48), "part->batch is 0; it must be at least 1"));
    EXPECT_TRUE(is_refused(call(make_part(128, {17, 1}), 48),
                           "part->first is 17; it must be the first sample of a leaf "
                           "of the batch of 128: 16 or 32"));
    EXPECT_TRUE(is_refused(call(make_part(128, {16, 1}), 50),
                           "batch makes the part end before sample 66; it must end "
                           "where a leaf of the batch of 128 ends: before 64 or 80"));
    EXPECT_TRUE(is_refused(call(make_part(128, {112, 1}), 17), "batch is 17; it must be from 1 to 16"));
    EXPECT_TRUE(is_refused(call(make_part(128, {16, 1}, 11), 48), "part->stride is 11; it must be from 12 to "));
    EXPECT_TRUE(is_refused(call(make_part(128, {16, 1}, 12, 1), 48), "part->weight is 1; it must be 0"));
    EXPECT_EQ(gradients, std::vector<float>(4096, 5));
}

/** Both losses over a batch of sequences, whole or in parts. */
template <class T> struct LossBatch {
    int64_t steps, batch, columns;
    std::vector<int32_t> lengths; // empty: not given
    std::vector<T> predictions = normal_values<T>(steps * batch * columns, 1),
                   wanted = normal_values<T>(steps * batch * columns, 2);
    std::vector<int32_t> classes = std::vector<int32_t>(static_cast<size_t>(steps * batch));

    struct Outcome {
        std::vector<double> losses;
        int64_t correct = 0;
        std::vector<T> gradients;
    };

    void choose_classes() {
        for (size_t i = 0; i < classes.size(); ++i)
            classes[i] = static_cast<int32_t>(i * 7 % static_cast<size_t>(columns));
    }
    /** What lies beyond lengths is what must not be read. */
    void fill_padding(T value, int32_t target) {
        set_padding(predictions, batch, columns, lengths, value);
        set_padding(wanted, batch, columns, lengths, value);
        set_padding(classes, batch, 1, lengths, target);
    }
    int64_t rows() const {
        return lengths.empty() ? steps * batch : std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
    }

    Outcome run(ortho_device* device, bool squares, const ortho_batch_part* part, Samples samples) const {
        Outcome outcome;
        outcome.losses.assign(static_cast<size_t>(part == nullptr ? 1 : partial_sums(batch, samples)), 77);
        outcome.gradients.assign(static_cast<size_t>(steps * samples.count * columns), T{5});
        const std::vector<int32_t> own_lengths = lengths.empty() ? lengths : part_of(lengths, 1, batch, 1, samples);
        const int32_t* const given = own_lengths.empty() ? nullptr : own_lengths.data();
        const auto values = part_of(predictions, steps, batch, columns, samples);
        EXPECT_TRUE(succeeds(
            squares ? ortho_elementwise_loss(device, dtype_of<T>, ORTHO_LOSS_SQUARED_ERROR, steps, samples.count, given,
                                             nullptr, part, columns, nullptr, 0, values.data(),
                                             part_of(wanted, steps, batch, columns, samples).data(),
                                             outcome.losses.data(), outcome.gradients.data())
                    : ortho_softmax_cross_entropy(device, dtype_of<T>, steps, samples.count, given, nullptr, part,
                                                  columns, nullptr, 0.1, values.data(),
                                                  part_of(classes, steps, batch, 1, samples).data(),
                                                  outcome.losses.data(), &outcome.correct, outcome.gradients.data())));
        return outcome;
    }

    Outcome in_parts(ortho_device* device, bool squares, const std::vector<Samples>& parts) const {
        std::vector<std::vector<double>> sums;
        Outcome all;
        all.gradients.resize(predictions.size());
        for (const Samples& samples : parts) {
            const ortho_batch_part part = make_part(batch, samples, 0, rows());
            const Outcome own = run(device, squares, &part, samples);
            sums.push_back(own.losses);
            all.correct += own.correct;
            put_part(own.gradients, steps, batch, columns, samples, all.gradients);
        }
        all.losses = put_together(device, batch, parts, 1, 1, sums);
        all.losses[0] /= static_cast<double>(rows()) * (squares ? static_cast<double>(columns) : 1.0);
        return all;
    }
};

template <class T>
void expect_same(const typename LossBatch<T>::Outcome& actual, const typename LossBatch<T>::Outcome& expected,
                 const std::string& what) {
    EXPECT_TRUE(same_bits(actual.losses, expected.losses)) << what;
    EXPECT_EQ(actual.correct, expected.correct) << what;
    EXPECT_TRUE(same_bits(actual.gradients, expected.gradients)) << what;
}

template <class T> void check_loss_parts(LossBatch<T> loss) {
    SCOPED_TRACE(std::to_string(loss.steps) + " x " + std::to_string(loss.batch) + " x " +
                 std::to_string(loss.columns) + (loss.lengths.empty() ? "" : " with lengths"));
    loss.choose_classes();
    if (!loss.lengths.empty())
        loss.fill_padding(static_cast<T>(nan), -1);
    const Device device = make_device(1);
    for (const bool squares : {false, true}) {
        const auto whole = loss.run(device.get(), squares, nullptr, {0, loss.batch});
        for (const auto& parts : cuts(loss.batch))
            expect_same<T>(loss.in_parts(device.get(), squares, parts), whole, std::to_string(parts.size()) + " parts");
        for (const int threads : {2, 3, 5, 7, 16}) {
            const Device several = make_device(threads);
            expect_same<T>(loss.run(several.get(), squares, nullptr, {0, loss.batch}), whole,
                           std::to_string(threads) + " threads");
        }
    }
}

// One block of rows and several, in one leaf and in many.
TEST(Parts, Of_losses_have_the_bits_of_the_whole) {
    for (const auto& [steps, batch, columns] : {std::array<int64_t, 3>{1, 9, 4},
                                                {1, 128, 10},
                                                {1, 301, 3},
                                                {5, 40, 10},
                                                {1500, 7, 12},
                                                {300, 33, 10},
                                                {7, 20, 2000}})
        for (const bool with_lengths : {false, true}) {
            const auto lengths = with_lengths ? some_lengths(steps, batch, 5) : std::vector<int32_t>();
            check_loss_parts(LossBatch<float>{steps, batch, columns, lengths});
            check_loss_parts(LossBatch<double>{steps, batch, columns, lengths});
        }
}

TEST(Lengths, What_lies_beyond_them_changes_no_bit_of_a_loss) {
    const Device device = make_device(2);
    LossBatch<float> loss{20, 50, 6, some_lengths(20, 50, 1)};
    loss.choose_classes();
    for (const bool squares : {false, true}) {
        const auto expected = loss.run(device.get(), squares, nullptr, {0, loss.batch});
        LossBatch<float> other = loss;
        for (const float value : {static_cast<float>(nan), std::numeric_limits<float>::infinity(), -3e38f}) {
            other.fill_padding(value, std::numeric_limits<int32_t>::max());
            expect_same<float>(other.run(device.get(), squares, nullptr, {0, loss.batch}), expected, "padding");
        }
        const auto rows = std::vector<float>(expected.gradients);
        for (size_t i = 0; i < rows.size(); ++i) {
            const size_t row = i / 6;
            if (static_cast<int32_t>(row / 50) >= loss.lengths[row % 50]) {
                ASSERT_EQ(rows[i], 0.0f) << i;
            }
        }
    }
}

TEST(Lengths, A_loss_is_that_of_the_rows_that_count) {
    const Device device = make_device(1);
    LossBatch<double> loss{6, 20, 5, some_lengths(6, 20, 3)};
    loss.choose_classes();
    // The same rows as a batch of single steps.
    LossBatch<double> rows{1, loss.rows(), 5, {}};
    rows.predictions.clear();
    rows.wanted.clear();
    rows.classes.clear();
    std::vector<size_t> at;
    for (int64_t row = 0; row < 6 * 20; ++row)
        if (row / 20 < loss.lengths[static_cast<size_t>(row % 20)]) {
            const auto append = [&](auto& to, const auto& from, int64_t columns) {
                to.insert(to.end(), from.begin() + row * columns, from.begin() + (row + 1) * columns);
            };
            append(rows.predictions, loss.predictions, 5);
            append(rows.wanted, loss.wanted, 5);
            append(rows.classes, loss.classes, 1);
            at.push_back(static_cast<size_t>(row));
        }
    for (const bool squares : {false, true}) {
        const auto with_lengths = loss.run(device.get(), squares, nullptr, {0, 20});
        const auto alone = rows.run(device.get(), squares, nullptr, {0, rows.batch});
        // Sums in other orders, of at most 600 terms that are not negative.
        EXPECT_NEAR(with_lengths.losses[0], alone.losses[0], 600 * rounding<double> * alone.losses[0]);
        EXPECT_EQ(with_lengths.correct, alone.correct);
        for (size_t i = 0; i < at.size(); ++i)
            for (size_t j = 0; j < 5; ++j)
                ASSERT_EQ(with_lengths.gradients[at[i] * 5 + j], alone.gradients[i * 5 + j]) << i;
    }
}

TEST(Lengths, Gradients_of_losses_match_central_differences) {
    const Device device = make_device(1);
    LossBatch<double> loss{4, 17, 3, some_lengths(4, 17, 2)};
    loss.choose_classes();
    for (const bool squares : {false, true}) {
        const auto at_start = loss.run(device.get(), squares, nullptr, {0, 17});
        constexpr double step = 1e-6;
        for (size_t i = 0; i < loss.predictions.size(); ++i) {
            const auto loss_at = [&](double change) {
                LossBatch<double> moved = loss;
                moved.predictions[i] += change;
                return moved.run(device.get(), squares, nullptr, {0, 17}).losses[0];
            };
            // The differences' own error: step^2 times a third derivative below 1, and roundings of the loss by step.
            ASSERT_NEAR(at_start.gradients[i], (loss_at(step) - loss_at(-step)) / (2 * step), 1e-8) << i;
        }
    }
}

TEST(Lengths, That_a_loss_cannot_have_are_refused_by_name) {
    const Device device = make_device(1);
    std::vector<float> values(60, 1), gradients(60, 5);
    std::vector<int32_t> targets(12, 0), lengths{3, 0, 1, 2};
    double loss = 42;
    const auto call = [&](bool squares, const ortho_batch_part* part) {
        return squares ? ortho_elementwise_loss(device.get(), ORTHO_FLOAT32, ORTHO_LOSS_SQUARED_ERROR, 3, 4,
                                                lengths.data(), nullptr, part, 5, nullptr, 0, values.data(),
                                                values.data(), &loss, gradients.data())
                       : ortho_softmax_cross_entropy(device.get(), ORTHO_FLOAT32, 3, 4, lengths.data(), nullptr, part,
                                                     5, nullptr, 0, values.data(), targets.data(), &loss, nullptr,
                                                     gradients.data());
    };
    for (const bool squares : {false, true}) {
        lengths[2] = 4;
        EXPECT_TRUE(is_refused(call(squares, nullptr), "lengths[2] is 4; it must be from 0 to 3"));
        lengths[2] = -1;
        EXPECT_TRUE(is_refused(call(squares, nullptr), "lengths[2] is -1; it must be from 0 to 3"));
        lengths = {0, 0, 0, 0};
        EXPECT_TRUE(is_refused(call(squares, nullptr),
                               "lengths are all 0; at least one must be above 0, for the mean to have rows"));
        lengths = {3, 0, 1, 2};
        ortho_batch_part part = make_part(4, {0, 4}, 0, 5);
        EXPECT_TRUE(is_refused(call(squares, &part), "part->weight is 5; it must be finite, above 0 and at least 6"));
        part.weight = 0;
        lengths = {0, 0, 0, 0};
        EXPECT_TRUE(is_refused(call(squares, &part), "part->weight is 0; it must be finite, above 0 and at least 0"));
        lengths = {3, 0, 1, 2};
        // The element in the whole array: step 2 of sample 0 counts, step 2 of sample 3 does not.
        values[(2 * 4 + 3) * 5] = static_cast<float>(nan);
        values[(2 * 4) * 5 + 1] = static_cast<float>(nan);
        EXPECT_TRUE(fails(call(squares, nullptr), ORTHO_NOT_FINITE,
                          squares ? "predictions[41] is NaN" : "logits[41] (row 8, class 1) is NaN"));
        values.assign(60, 1);
    }
    targets[2 * 4 + 3] = 9;
    targets[2 * 4] = 9;
    EXPECT_TRUE(is_refused(call(false, nullptr), "targets[8] is 9; it must be from 0 to 4"));
    EXPECT_EQ(loss, 42);
    EXPECT_EQ(gradients, std::vector<float>(60, 5));

    // A part may have no rows that count.
    lengths = {0, 0, 0, 0};
    const ortho_batch_part part = make_part(4, {0, 4}, 0, 7);
    for (const bool squares : {false, true}) {
        EXPECT_TRUE(succeeds(call(squares, &part)));
        EXPECT_EQ(loss, 0);
        EXPECT_EQ(gradients, std::vector<float>(60, 0));
    }
}

} // namespace
} // namespace ortho::test
