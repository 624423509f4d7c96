// Lookups in a table, and the gradients of its rows.
#include "embedding_problem.hpp"

namespace ortho::test {
namespace {

template <class T> std::vector<T> look_up(ortho_device* device, const Lookups<T>& l) {
    std::vector<T> y(l.y_gradients.size(), T{5});
    EXPECT_TRUE(succeeds(ortho_embedding_forward(device, dtype_of<T>, l.steps, l.batch, l.given(), l.entries, l.units,
                                                 l.table.data(), l.indices.data(), y.data())));
    return y;
}

/** @param start  what is in the gradients before */
template <class T>
std::vector<T> gradients(ortho_device* device, const Lookups<T>& l, int32_t accumulate = 0, T start = T{7}) {
    std::vector<T> table(l.table.size(), start);
    EXPECT_TRUE(
        succeeds(ortho_embedding_backward(device, dtype_of<T>, nullptr, accumulate, l.steps, l.batch, l.given(),
                                          l.entries, l.units, l.indices.data(), l.y_gradients.data(), table.data())));
    return table;
}

template <class T>
std::vector<T> gradients_in_parts(ortho_device* device, const Lookups<T>& l, const std::vector<Samples>& parts) {
    const auto count = static_cast<int64_t>(l.table.size()), stride = count + 3;
    std::vector<std::vector<T>> sums;
    for (const Samples& samples : parts) {
        const ortho_batch_part part = make_part(l.batch, samples, stride);
        const int64_t own = partial_sums(l.batch, samples);
        std::vector<int32_t> lengths;
        if (!l.lengths.empty())
            lengths.assign(l.lengths.begin() + samples.first, l.lengths.begin() + samples.first + samples.count);
        sums.emplace_back(static_cast<size_t>(own * stride), T{9});
        EXPECT_TRUE(succeeds(ortho_embedding_backward(
            device, dtype_of<T>, &part, 0, l.steps, samples.count, lengths.empty() ? nullptr : lengths.data(),
            l.entries, l.units, part_of(l.indices, l.steps, l.batch, 1, samples).data(),
            part_of(l.y_gradients, l.steps, l.batch, l.units, samples).data(), sums.back().data())));
        for (int64_t i = 0; i < own * stride; ++i)
            if (i % stride >= count) {
                EXPECT_EQ(sums.back()[static_cast<size_t>(i)], T{9}) << "written behind a partial sum";
            }
    }
    return put_together(device, l.batch, parts, count, stride, sums);
}

/** Sums of leaves begin to end - 1, by the definition: a copy of the table for each leaf, and the tree over them. */
template <class T> std::vector<T> tree_of_leaves(const Lookups<T>& l, int64_t begin, int64_t end) {
    if (end - begin > 1) {
        const int64_t middle = (begin + end) / 2;
        std::vector<T> left = tree_of_leaves(l, begin, middle);
        const std::vector<T> right = tree_of_leaves(l, middle, end);
        for (size_t i = 0; i < left.size(); ++i)
            left[i] += right[i];
        return left;
    }
    const int64_t first = ortho_leaf_begin(l.batch, begin);
    const int64_t last = end < ortho_leaf_count(l.batch) ? ortho_leaf_begin(l.batch, end) : l.batch;
    // Blocks of 256 steps that took a row.
    std::vector<T> sums(l.table.size()), blocks(l.table.size());
    std::vector<int> counts(static_cast<size_t>(l.entries));
    const auto close = [&](int64_t row) {
        for (int64_t unit = 0; unit < l.units; ++unit) {
            T& block = blocks[static_cast<size_t>(row * l.units + unit)];
            sums[static_cast<size_t>(row * l.units + unit)] += block;
            block = 0;
        }
    };
    for (int64_t step = 0; step < l.steps; ++step)
        for (int64_t sample = first; sample < last; ++sample)
            if (l.counts(step, sample)) {
                const int64_t row = l.index(step, sample);
                for (int64_t unit = 0; unit < l.units; ++unit)
                    blocks[static_cast<size_t>(row * l.units + unit)] += l.gradient(step, sample, unit);
                if (++counts[static_cast<size_t>(row)] % 256 == 0)
                    close(row);
            }
    for (int64_t row = 0; row < l.entries; ++row)
        close(row);
    return sums;
}

template <class T> class Embedding : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Embedding, Types);

TYPED_TEST(Embedding, Looks_up_the_rows_on_any_number_of_threads) {
    using T = TypeParam;
    const Device devices[] = {make_device(1), make_device(2), make_device(3), make_device(5)};
    for (const Lookups<T>& l : all_lookups<T>()) {
        SCOPED_TRACE(l.description());
        const auto y = look_up(devices[0].get(), l);
        for (int64_t step = 0; step < l.steps; ++step)
            for (int64_t sample = 0; sample < l.batch; ++sample)
                for (int64_t unit = 0; unit < l.units; ++unit) {
                    const T expected = l.counts(step, sample)
                                           ? l.table[static_cast<size_t>(l.index(step, sample) * l.units + unit)]
                                           : T{0};
                    ASSERT_EQ(y[static_cast<size_t>((step * l.batch + sample) * l.units + unit)], expected);
                }
        for (const Device& device : devices)
            EXPECT_TRUE(same_bits(look_up(device.get(), l), y));
    }
}

TYPED_TEST(Embedding, Gradients_are_summed_by_the_tree_on_any_number_of_threads_and_in_any_parts) {
    using T = TypeParam;
    const Device devices[] = {make_device(1), make_device(2), make_device(3), make_device(5)};
    for (const Lookups<T>& l : all_lookups<T>()) {
        SCOPED_TRACE(l.description());
        const auto expected =
            l.entries > 10000 ? gradients(devices[0].get(), l) : tree_of_leaves(l, 0, ortho_leaf_count(l.batch));
        for (const Device& device : devices)
            EXPECT_TRUE(same_bits(gradients(device.get(), l), expected));
        for (const auto& parts :
             l.entries > 10000 ? std::vector<std::vector<Samples>>{cut(l.batch, {1, 3})} : cuts(l.batch))
            EXPECT_TRUE(same_bits(gradients_in_parts(devices[1].get(), l, parts), expected)) << parts.size();
        // Added once, where rows are taken; -0 stays where none is.
        const auto added = gradients(devices[2].get(), l, 1, T{-0.0});
        auto start_and_sum = std::vector<T>(expected.size(), T{-0.0});
        for (int64_t step = 0; step < l.steps; ++step)
            for (int64_t sample = 0; sample < l.batch; ++sample)
                for (int64_t unit = 0; unit < l.units && l.counts(step, sample); ++unit) {
                    const auto at = static_cast<size_t>(l.index(step, sample) * l.units + unit);
                    start_and_sum[at] = T{-0.0} + expected[at];
                }
        EXPECT_TRUE(same_bits(added, start_and_sum));
    }
}

TYPED_TEST(Embedding, Gradients_are_the_sums_over_the_steps_that_took_a_row) {
    using T = TypeParam;
    const Device device = make_device(2);
    for (const Lookups<T>& l : all_lookups<T>()) {
        SCOPED_TRACE(l.description());
        std::vector<long double> sums(l.table.size(), 2), magnitudes(l.table.size(), 2);
        std::vector<int64_t> terms(l.table.size(), 1);
        for (int64_t step = 0; step < l.steps; ++step)
            for (int64_t sample = 0; sample < l.batch; ++sample)
                for (int64_t unit = 0; unit < l.units && l.counts(step, sample); ++unit) {
                    const auto at = static_cast<size_t>(l.index(step, sample) * l.units + unit);
                    const auto term = static_cast<long double>(l.gradient(step, sample, unit));
                    sums[at] += term;
                    magnitudes[at] += std::abs(term);
                    ++terms[at];
                }
        const auto added = gradients(device.get(), l, 1, T{2});
        // A sum of n terms in any order is off by n - 1 roundings of the sum of their magnitudes, to first order.
        for (size_t i = 0; i < added.size(); ++i)
            ASSERT_NEAR(static_cast<double>(added[i]), static_cast<double>(sums[i]),
                        static_cast<double>(terms[i]) * rounding<T> * static_cast<double>(magnitudes[i]))
                << i;
    }
}

TYPED_TEST(Embedding, Sums_that_fade_have_the_same_bits_in_parts) {
    using T = TypeParam;
    // Sums of numbers about the smallest normal one are often below it, and then 0 or -0. Some rows occur in all
    // leaves, others in one or two, beside leaves that count as 0.
    for (const int64_t entries : {6, 300}) {
        Lookups<T> l{2, 300, 5, entries};
        l.fill();
        for (T& gradient : l.y_gradients)
            gradient = std::round(gradient * 2) * std::numeric_limits<T>::min() / 2;
        const Device device = make_device(1);
        const auto whole = gradients(device.get(), l);
        for (const auto& parts : cuts(l.batch))
            EXPECT_TRUE(same_bits(gradients_in_parts(device.get(), l, parts), whole))
                << entries << ": " << parts.size();
    }
}

TEST(Embeddings, Gradients_match_central_differences) {
    const Device device = make_device(1);
    Lookups<double> l{6, 35, 3, 5, some_lengths(6, 35, 4)};
    l.fill();
    std::vector<double> arriving = l.y_gradients;
    set_padding(arriving, l.batch, l.units, l.lengths, 1e3); // times the zeros that are there
    const auto analytic = gradients(device.get(), l);
    constexpr double step = 0x1p-10;
    for (size_t i = 0; i < l.table.size(); ++i) {
        const auto energy = [&](double change) {
            Lookups<double> moved = l;
            moved.table[i] += change;
            const auto y = look_up(device.get(), moved);
            return std::inner_product(y.begin(), y.end(), arriving.begin(), 0.0);
        };
        // Linear in the table. The energies are sums of up to 630 products of normal numbers, each below 16, so
        // roundings are below 630^2 16 2^-53, by the step.
        ASSERT_NEAR(analytic[i], (energy(step) - energy(-step)) / (2 * step), 630.0 * 630 * 16 * 0x1p-53 / step) << i;
    }
}

TEST(Embeddings, Without_steps_that_count_give_zeros) {
    const Device device = make_device(2);
    Lookups<float> l{3, 40, 2, 4, std::vector<int32_t>(40, 0)};
    l.fill();
    EXPECT_EQ(look_up(device.get(), l), std::vector<float>(240, 0));
    EXPECT_EQ(gradients(device.get(), l), std::vector<float>(8, 0));
    EXPECT_EQ(gradients(device.get(), l, 1), std::vector<float>(8, 7));
    const std::vector<Samples> parts = cut(40, {1});
    EXPECT_EQ(gradients_in_parts(device.get(), l, parts), std::vector<float>(8, 0));
}

TEST(Embeddings, Bad_arguments_are_refused_by_name_and_write_nothing) {
    const Device device = make_device(1);
    const std::vector<float> values(24, 1);
    std::vector<float> y(24, 5);
    std::vector<int32_t> indices{0, 9, 3, 4, 5, 6}, lengths{2, 1, 0};
    struct Arguments {
        ortho_device* device;
        int32_t dtype = ORTHO_FLOAT32;
        int64_t steps = 2, batch = 3, entries = 10, units = 2;
    };
    const auto forward = [&](const Arguments& a) {
        return ortho_embedding_forward(a.device, a.dtype, a.steps, a.batch, lengths.data(), a.entries, a.units,
                                       values.data(), indices.data(), y.data());
    };
    const auto backward = [&](const Arguments& a) {
        return ortho_embedding_backward(a.device, a.dtype, nullptr, 0, a.steps, a.batch, lengths.data(), a.entries,
                                        a.units, indices.data(), values.data(), y.data());
    };
    const auto expect = [&](auto change, const char* text) {
        Arguments arguments{device.get()};
        change(arguments);
        EXPECT_TRUE(is_refused(forward(arguments), text));
        EXPECT_TRUE(is_refused(backward(arguments), text));
    };
    expect([](Arguments& a) { a.device = nullptr; }, "device is null");
    expect([](Arguments& a) { a.dtype = 2; }, "dtype is 2");
    expect([](Arguments& a) { a.entries = 0; }, "entries is 0; it must be from 1 to 2147483647");
    expect([](Arguments& a) { a.entries = int64_t{1} << 31; }, "entries is 2147483648");
    expect([](Arguments& a) { a.units = 0; }, "units is 0; it must be at least 1");
    expect([](Arguments& a) { a.units = int64_t{1} << 52; },
           "entries is 10, with 4503599627370496 units each; the product must be at most 9007199254740992");
    expect([](Arguments& a) { a.steps = 0; }, "steps is 0; it must be at least 1");
    expect([](Arguments& a) { a.batch = 0; }, "batch is 0; it must be at least 1");
    expect([](Arguments& a) { a.batch = int64_t{1} << 52; }, "batch is 4503599627370496, with 2 steps and 2 units");
    lengths[1] = 3;
    expect([](Arguments&) {}, "lengths[1] is 3; it must be from 0 to 2");
    lengths[1] = 1;
    // Steps beyond the lengths are not looked at: 2, 4 and 5.
    indices = {0, 9, 12, 1, 12, -3};
    EXPECT_TRUE(succeeds(forward({device.get()})));
    y.assign(24, 5);
    indices[1] = 12;
    expect([](Arguments&) {}, "indices[1] is 12; it must be from 0 to 9");
    ortho_error error = ORTHO_ERROR_INIT;
    ASSERT_EQ(ortho_get_last_error(&error), ORTHO_OK);
    EXPECT_STREQ(error.argument, "indices");
    EXPECT_EQ(error.element, 1);
    EXPECT_EQ(error.cause, ORTHO_CAUSE_RANGE);
    EXPECT_STREQ(error.problem, "is 12; it must be from 0 to 9");
    indices[1] = -1;
    expect([](Arguments&) {}, "indices[1] is -1; it must be from 0 to 9");
    indices = {0, 9, 3, 4, 5, 12};
    lengths = {2, 2, 2};
    expect([](Arguments&) {}, "indices[5] is 12; it must be from 0 to 9");
    indices[5] = 1;

    const auto look = [&](const float* table, const int32_t* from, float* to) {
        return ortho_embedding_forward(device.get(), 0, 2, 3, nullptr, 10, 2, table, from, to);
    };
    EXPECT_TRUE(is_refused(look(nullptr, indices.data(), y.data()), "table is null"));
    EXPECT_TRUE(is_refused(look(values.data(), nullptr, y.data()), "indices is null"));
    EXPECT_TRUE(is_refused(look(values.data(), indices.data(), nullptr), "y is null"));
    const auto sum = [&](const ortho_batch_part* part, int32_t accumulate, const int32_t* from, const float* at_y,
                         float* to) {
        return ortho_embedding_backward(device.get(), 0, part, accumulate, 2, 3, nullptr, 10, 2, from, at_y, to);
    };
    EXPECT_TRUE(is_refused(sum(nullptr, 2, indices.data(), values.data(), y.data()), "accumulate is 2"));
    EXPECT_TRUE(is_refused(sum(nullptr, 0, nullptr, values.data(), y.data()), "indices is null"));
    EXPECT_TRUE(is_refused(sum(nullptr, 0, indices.data(), nullptr, y.data()), "y_gradients is null"));
    EXPECT_TRUE(is_refused(sum(nullptr, 0, indices.data(), values.data(), nullptr), "table_gradients is null"));
    ortho_batch_part part = make_part(4, {0, 3}, 20);
    EXPECT_TRUE(is_refused(sum(&part, 0, indices.data(), values.data(), y.data()),
                           "batch makes the part end before sample 3; it must end where a leaf"));
    part = make_part(3, {0, 3}, 20, 6);
    EXPECT_TRUE(is_refused(sum(&part, 0, indices.data(), values.data(), y.data()), "part->weight is 6; it must be 0"));
    EXPECT_EQ(y, std::vector<float>(24, 5));
}

} // namespace
} // namespace ortho::test
