// Layer normalization.
#include "layer_norm_problem.hpp"

namespace ortho::test {
namespace {

template <class T> void check_rows(const LayerNormRows<T>& rows) {
    SCOPED_TRACE(std::to_string(rows.steps) + " x " + std::to_string(rows.batch) + " x " + std::to_string(rows.units));
    const Device device = make_device(1);
    const auto values = rows.forward(device.get());
    expect_forward(rows, values);
    const auto gradients = rows.backward(device.get(), values.statistics);
    expect_backward(rows, gradients, 0);
    expect_backward(rows, rows.backward(device.get(), values.statistics, 1, T{3}), 3);
    for (const int threads : {2, 3, 5}) {
        const Device several = make_device(threads);
        const auto same_values = rows.forward(several.get());
        EXPECT_TRUE(same_bits(same_values.y, values.y)) << threads;
        EXPECT_TRUE(same_bits(same_values.statistics, values.statistics)) << threads;
        const auto same_gradients = rows.backward(several.get(), values.statistics);
        EXPECT_TRUE(same_bits(same_gradients.parameters, gradients.parameters)) << threads;
        EXPECT_TRUE(same_bits(same_gradients.x, gradients.x)) << threads;
    }
    for (const auto& parts : cuts(rows.batch)) {
        const auto combined = rows.in_parts(device.get(), values.statistics, parts);
        EXPECT_TRUE(same_bits(combined.parameters, gradients.parameters)) << parts.size() << " parts";
        EXPECT_TRUE(same_bits(combined.x, gradients.x)) << parts.size() << " parts";
    }
    // Rows alone.
    for (int64_t at = 0; at < rows.rows(); at += at < 20 ? 1 : 89) {
        LayerNormRows<T> one{1, 1, rows.units};
        one.x = rows.row(rows.x, at);
        one.y_gradients = rows.row(rows.y_gradients, at);
        const auto own = one.forward(device.get());
        ASSERT_TRUE(same_bits(own.y, rows.row(values.y, at))) << at;
        ASSERT_EQ(own.statistics[0], values.statistics[static_cast<size_t>(2 * at)]);
        ASSERT_EQ(own.statistics[1], values.statistics[static_cast<size_t>(2 * at + 1)]);
        ASSERT_TRUE(same_bits(one.backward(device.get(), own.statistics).x, rows.row(gradients.x, at))) << at;
    }
}

// Rows of one unit, of fewer and of more than vectors hold; one leaf and many, equal and not; leaves of one block of
// rows (256 of up to 256 units, fewer of more) and of several.
TEST(LayerNorm, Is_the_formula_with_the_same_bits_for_rows_and_parts_alone_and_any_number_of_threads) {
    for (const auto& [steps, batch, units] : {std::array<int64_t, 3>{1, 1, 1},
                                              {3, 5, 3},
                                              {1, 40, 17},
                                              {30, 33, 64},
                                              {7, 100, 100},
                                              {3, 75, 257},
                                              {1, 3000, 3},
                                              {400, 7, 17},
                                              {2, 40, 3000}}) {
        check_rows(LayerNormRows<float>{steps, batch, units});
        check_rows(LayerNormRows<double>{steps, batch, units});
    }
}

TEST(LayerNorm, Keeps_its_digits_where_means_are_much_larger_than_deviations) {
    const Device device = make_device(1);
    LayerNormRows<float> rows{1, 9, 100};
    for (float& value : rows.x)
        value = 30000 + 8 * std::round(value); // which float holds
    expect_forward(rows, rows.forward(device.get()));
    LayerNormRows<double> doubles{1, 9, 100};
    for (double& value : doubles.x)
        value = 1e12 + 8 * std::round(value);
    expect_forward(doubles, doubles.forward(device.get()));
}

TEST(LayerNorm, Rows_of_equal_elements_give_the_offset) {
    const Device device = make_device(1);
    LayerNormRows<float> rows{1, 4, 33};
    for (size_t i = 0; i < rows.x.size(); ++i)
        rows.x[i] = std::array<float, 4>{0, 0.1f, -7e4f, 1e30f}[i / 33];
    const auto values = rows.forward(device.get());
    for (int64_t at = 0; at < 4; ++at)
        EXPECT_EQ(rows.row(values.y, at), rows.offset) << at;
}

TEST(LayerNorm, Rows_without_gradients_get_none) {
    const Device device = make_device(1);
    LayerNormRows<float> rows{7, 20, 30};
    const auto lengths = some_lengths(7, 20, 3);
    set_padding(rows.x, 20, 30, lengths, 0.0f);
    set_padding(rows.y_gradients, 20, 30, lengths, 0.0f);
    const auto statistics = rows.forward(device.get()).statistics;
    const auto gradients = rows.backward(device.get(), statistics);
    expect_backward(rows, gradients, 0);
    for (size_t i = 0; i < rows.x.size(); ++i)
        if (static_cast<int64_t>(i) / 30 / 20 >= lengths[i / 30 % 20]) {
            ASSERT_EQ(gradients.x[i], 0) << i;
        }
}

TEST(LayerNorm, Gradients_match_central_differences) {
    const Device device = make_device(2);
    LayerNormRows<double> rows{3, 2, 7};
    const auto gradients = rows.backward(device.get(), rows.forward(device.get()).statistics);
    const auto energy = [&] {
        const auto y = rows.forward(device.get()).y;
        return std::inner_product(y.begin(), y.end(), rows.y_gradients.begin(), 0.0);
    };
    const auto expect = [&](const char* name, std::vector<double>& values, const double* expected) {
        constexpr double step = 1e-5;
        for (size_t i = 0; i < values.size(); ++i) {
            const double value = values[i];
            values[i] = value + step;
            const double above = energy();
            values[i] = value - step;
            const double below = energy();
            values[i] = value;
            // step^2 / 6 of a third derivative below 100 (r is below 3); roundings of 42 terms below 20, by the step.
            EXPECT_NEAR(expected[i], (above - below) / (2 * step),
                        20 * step * step + 42 * 20 * 2 * rounding<double> / step)
                << name << "[" << i << "]";
        }
    };
    expect("x", rows.x, gradients.x.data());
    expect("scale", rows.scale, gradients.parameters.data());
    expect("offset", rows.offset, gradients.parameters.data() + 7);
}

TEST(LayerNorm, What_is_not_wanted_may_be_left_out) {
    const Device device = make_device(1);
    const LayerNormRows<double> rows{5, 40, 9};
    const auto values = rows.forward(device.get());
    std::vector<double> y(rows.x.size());
    ASSERT_TRUE(
        succeeds(ortho_layer_norm_forward(device.get(), ORTHO_FLOAT64, 200, 9, layer_norm_epsilon, rows.scale.data(),
                                          rows.offset.data(), rows.x.data(), y.data(), nullptr)));
    EXPECT_TRUE(same_bits(y, values.y));
    LayerNormRows<double> without = rows;
    without.offset.assign(9, 0);
    ASSERT_TRUE(succeeds(ortho_layer_norm_forward(device.get(), ORTHO_FLOAT64, 200, 9, layer_norm_epsilon,
                                                  rows.scale.data(), nullptr, rows.x.data(), y.data(), nullptr)));
    EXPECT_TRUE(same_bits(y, without.forward(device.get()).y));
    const auto gradients = rows.backward(device.get(), values.statistics);
    std::vector<double> scale_gradients(9);
    ASSERT_TRUE(succeeds(ortho_layer_norm_backward(device.get(), ORTHO_FLOAT64, nullptr, 0, 5, 40, 9, rows.scale.data(),
                                                   rows.x.data(), values.statistics.data(), rows.y_gradients.data(),
                                                   scale_gradients.data(), nullptr, nullptr)));
    EXPECT_TRUE(same_bits(scale_gradients, {gradients.parameters.begin(), gradients.parameters.begin() + 9}));
}

TEST(LayerNorm, Parts_have_the_bits_of_the_whole_where_sums_are_subnormal) {
    const Device device = make_device(1);
    constexpr float smallest = std::numeric_limits<float>::min();
    LayerNormRows<float> rows{1, 32, 2};
    rows.y_gradients.assign(64, 0);
    rows.y_gradients[0] = 1.5f * smallest;
    rows.y_gradients[32] = -1.25f * smallest;
    const auto statistics = rows.forward(device.get()).statistics;
    const auto whole = rows.backward(device.get(), statistics);
    EXPECT_EQ(whole.parameters[2], 0);
    for (const auto& parts : cuts(32))
        EXPECT_TRUE(same_bits(rows.in_parts(device.get(), statistics, parts).parameters, whole.parameters))
            << parts.size();
}

TEST(LayerNorm, Bad_arguments_are_refused_by_name_and_write_nothing) {
    const Device device = make_device(1);
    std::vector<float> values(64, 1), y(64, 5);
    struct Arguments {
        ortho_device* device;
        int32_t dtype = ORTHO_FLOAT32;
        int64_t rows = 4, units = 3;
        double epsilon = 1e-5;
        const float *scale, *x;
        float* y;
    };
    const auto forward = [&](auto change) {
        Arguments a{device.get(), ORTHO_FLOAT32, 4, 3, 1e-5, values.data(), values.data(), y.data()};
        change(a);
        return ortho_layer_norm_forward(a.device, a.dtype, a.rows, a.units, a.epsilon, a.scale, nullptr, a.x, a.y,
                                        nullptr);
    };
    EXPECT_TRUE(is_refused(forward([](auto& a) { a.device = nullptr; }), "device is null"));
    EXPECT_TRUE(is_refused(forward([](auto& a) { a.dtype = 9; }), "dtype is 9"));
    EXPECT_TRUE(is_refused(forward([](auto& a) { a.rows = 0; }), "rows is 0; it must be at least 1"));
    EXPECT_TRUE(is_refused(forward([](auto& a) { a.units = -3; }), "units is -3; it must be at least 1"));
    EXPECT_TRUE(
        is_refused(forward([](auto& a) { a.rows = int64_t{1} << 52; }), "rows is 4503599627370496, with 3 units each"));
    for (const double wrong :
         {0.0, -1e-5, std::nan(""), HUGE_VAL, -HUGE_VAL, 1e39 /* infinite in float */, 1e-60 /* 0 in float */})
        EXPECT_TRUE(
            is_refused(forward([=](auto& a) { a.epsilon = wrong; }), "; it must be finite and above 0 in this dtype"))
            << wrong;
    EXPECT_TRUE(is_refused(forward([](auto& a) { a.epsilon = 0; }), "epsilon is 0;"));
    EXPECT_TRUE(is_refused(forward([](auto& a) { a.epsilon = std::nan(""); }), "epsilon is NaN;"));
    EXPECT_TRUE(is_refused(forward([](auto& a) { a.scale = nullptr; }), "scale is null"));
    EXPECT_TRUE(is_refused(forward([](auto& a) { a.x = nullptr; }), "x is null"));
    EXPECT_TRUE(is_refused(forward([](auto& a) { a.y = nullptr; }), "y is null"));

    struct Backward {
        ortho_device* device;
        int32_t dtype = ORTHO_FLOAT32;
        const ortho_batch_part* part = nullptr;
        int32_t accumulate = 0;
        int64_t steps = 1, batch = 4, units = 3;
        const float *scale, *x, *statistics, *y_gradients;
        float* scale_gradients;
    };
    const auto backward = [&](auto change) {
        const float* const in = values.data();
        Backward a{device.get(), ORTHO_FLOAT32, nullptr, 0, 1, 4, 3, in, in, in, in, y.data()};
        change(a);
        return ortho_layer_norm_backward(a.device, a.dtype, a.part, a.accumulate, a.steps, a.batch, a.units, a.scale,
                                         a.x, a.statistics, a.y_gradients, a.scale_gradients, y.data(), y.data());
    };
    EXPECT_TRUE(is_refused(backward([](auto& a) { a.device = nullptr; }), "device is null"));
    EXPECT_TRUE(is_refused(backward([](auto& a) { a.dtype = -1; }), "dtype is -1"));
    EXPECT_TRUE(is_refused(backward([](auto& a) { a.accumulate = 2; }), "accumulate is 2; it must be 0 or 1"));
    EXPECT_TRUE(is_refused(backward([](auto& a) { a.steps = 0; }), "steps is 0; it must be at least 1"));
    EXPECT_TRUE(is_refused(backward([](auto& a) { a.batch = 0; }), "batch is 0; it must be at least 1"));
    EXPECT_TRUE(is_refused(backward([](auto& a) { a.units = 0; }), "units is 0; it must be at least 1"));
    EXPECT_TRUE(is_refused(backward([](auto& a) { a.scale = nullptr; }), "scale is null"));
    EXPECT_TRUE(is_refused(backward([](auto& a) { a.x = nullptr; }), "x is null"));
    EXPECT_TRUE(is_refused(backward([](auto& a) { a.statistics = nullptr; }), "statistics is null"));
    EXPECT_TRUE(is_refused(backward([](auto& a) { a.y_gradients = nullptr; }), "y_gradients is null"));
    EXPECT_TRUE(is_refused(backward([](auto& a) { a.scale_gradients = nullptr; }), "scale_gradients is null"));
    ortho_batch_part part = make_part(128, {16, 48}, 2);
    EXPECT_TRUE(is_refused(backward([&](auto& a) { a.part = &part, a.batch = 48; }),
                           "part->stride is 2; it must be from 3 to "));
    part = make_part(128, {17, 48}, 3);
    EXPECT_TRUE(is_refused(backward([&](auto& a) { a.part = &part, a.batch = 48; }), "part->first is 17"));
    EXPECT_EQ(y, std::vector<float>(64, 5));
}

} // namespace
} // namespace ortho::test
