// Pooling and reversal of sequences.
#include "batch.hpp"

namespace ortho::test {
namespace {

constexpr ortho_pooling poolings[] = {ORTHO_POOL_LAST, ORTHO_POOL_MEAN, ORTHO_POOL_MAX};

template <class T> constexpr T not_a_number = std::numeric_limits<T>::quiet_NaN();

template <class T> struct Sequences {
    int64_t steps, batch, units;
    std::vector<int32_t> lengths; // empty: not given
    std::vector<T> x = normal_values<T>(steps * batch * units, 1), y_gradients = normal_values<T>(batch * units, 2);

    const int32_t* given() const { return lengths.empty() ? nullptr : lengths.data(); }
    int64_t length(int64_t sample) const { return lengths.empty() ? steps : lengths[static_cast<size_t>(sample)]; }
    size_t at(int64_t step, int64_t sample, int64_t unit) const {
        return static_cast<size_t>((step * batch + sample) * units + unit);
    }

    std::vector<T> pool(ortho_device* device, ortho_pooling pooling) const {
        std::vector<T> y(y_gradients.size(), T{5});
        EXPECT_TRUE(succeeds(
            ortho_pool_forward(device, dtype_of<T>, pooling, steps, batch, units, given(), x.data(), y.data())));
        return y;
    }
    std::vector<T> pool_gradients(ortho_device* device, ortho_pooling pooling) const {
        std::vector<T> x_gradients(x.size(), T{5});
        EXPECT_TRUE(succeeds(ortho_pool_backward(device, dtype_of<T>, pooling, steps, batch, units, given(),
                                                 pooling == ORTHO_POOL_MAX ? x.data() : nullptr, y_gradients.data(),
                                                 x_gradients.data())));
        return x_gradients;
    }
    std::vector<T> reversed(ortho_device* device, const std::vector<T>& from) const {
        std::vector<T> y(x.size(), T{5});
        EXPECT_TRUE(succeeds(ortho_reverse(device, dtype_of<T>, steps, batch, units, given(), from.data(), y.data())));
        return y;
    }
};

/** The definitions, column by column. */
template <class T> void check_pooling(const Sequences<T>& s, ortho_pooling pooling, const std::vector<T>& y) {
    for (int64_t sample = 0; sample < s.batch; ++sample)
        for (int64_t unit = 0; unit < s.units; ++unit) {
            const int64_t length = s.length(sample);
            const T pooled = y[s.at(0, sample, unit)];
            if (length == 0) {
                ASSERT_EQ(pooled, T{0});
                continue;
            }
            long double sum = 0, magnitude = 0;
            T largest = s.x[s.at(0, sample, unit)];
            for (int64_t step = 0; step < length; ++step) {
                const T value = s.x[s.at(step, sample, unit)];
                sum += static_cast<long double>(value);
                magnitude += std::abs(static_cast<long double>(value));
                largest = std::max(largest, value);
            }
            if (pooling == ORTHO_POOL_LAST) {
                ASSERT_EQ(pooled, s.x[s.at(length - 1, sample, unit)]);
            } else if (pooling == ORTHO_POOL_MAX) {
                ASSERT_EQ(pooled, largest);
            } else {
                // A sum of so many terms in double precision, a division, and the rounding to T.
                const auto steps = static_cast<long double>(length);
                const double bound = static_cast<double>(magnitude / steps) *
                                     (static_cast<double>(length + 1) * rounding<double> + rounding<T>);
                ASSERT_NEAR(static_cast<double>(pooled), static_cast<double>(sum / steps), bound);
            }
        }
}

template <class T>
void check_pooling_gradients(const Sequences<T>& s, ortho_pooling pooling, const std::vector<T>& dx) {
    for (int64_t sample = 0; sample < s.batch; ++sample)
        for (int64_t unit = 0; unit < s.units; ++unit) {
            const int64_t length = s.length(sample);
            const T gradient = s.y_gradients[s.at(0, sample, unit)];
            int64_t chosen = length - 1;
            if (pooling == ORTHO_POOL_MAX)
                for (int64_t step = length - 1; step >= 0; --step)
                    if (s.x[s.at(step, sample, unit)] >= s.x[s.at(chosen, sample, unit)])
                        chosen = step;
            for (int64_t step = 0; step < s.steps; ++step) {
                const T expected = step >= length               ? T{0}
                                   : pooling == ORTHO_POOL_MEAN ? gradient / static_cast<T>(length)
                                   : step == chosen             ? gradient
                                                                : T{0};
                ASSERT_EQ(dx[s.at(step, sample, unit)], expected) << step << ", " << sample << ", " << unit;
            }
        }
}

template <class T> void check_sequences(Sequences<T> s) {
    SCOPED_TRACE(std::to_string(s.steps) + " x " + std::to_string(s.batch) + " x " + std::to_string(s.units) +
                 (s.lengths.empty() ? "" : " with lengths"));
    // Values that are equal, for the first of which a maximum goes.
    for (size_t i = 0; i < s.x.size(); i += 3)
        s.x[i] = static_cast<T>(std::round(s.x[i]));
    if (!s.lengths.empty())
        set_padding(s.x, s.batch, s.units, s.lengths, not_a_number<T>);
    const Device device = make_device(1);
    for (const int threads : {1, 2, 3, 5, 7, 16}) {
        const Device several = make_device(threads);
        for (const ortho_pooling pooling : poolings) {
            const auto y = s.pool(several.get(), pooling), dx = s.pool_gradients(several.get(), pooling);
            if (threads == 1) {
                check_pooling(s, pooling, y);
                check_pooling_gradients(s, pooling, dx);
            }
            EXPECT_TRUE(same_bits(y, s.pool(device.get(), pooling))) << pooling << ", " << threads;
            EXPECT_TRUE(same_bits(dx, s.pool_gradients(device.get(), pooling))) << pooling << ", " << threads;
        }
        const auto reversed = s.reversed(several.get(), s.x);
        for (int64_t step = 0; step < s.steps; ++step)
            for (int64_t sample = 0; sample < s.batch; ++sample)
                for (int64_t unit = 0; unit < s.units; ++unit) {
                    const int64_t from = s.length(sample) - 1 - step;
                    ASSERT_EQ(reversed[s.at(step, sample, unit)], from >= 0 ? s.x[s.at(from, sample, unit)] : T{0});
                }
        auto expected = s.x;
        if (!s.lengths.empty())
            set_padding(expected, s.batch, s.units, s.lengths, T{0});
        EXPECT_TRUE(same_bits(s.reversed(several.get(), reversed), expected)) << threads;
    }
}

// Few units and more than are worked on together (64); work for one thread and for several.
TEST(Sequences, Are_pooled_and_reversed_up_to_their_lengths_on_any_number_of_threads) {
    for (const auto& [steps, batch, units] :
         {std::array<int64_t, 3>{1, 1, 1}, {3, 5, 7}, {9, 4, 130}, {300, 17, 64}, {2000, 3, 70}, {20, 70, 33}})
        for (const bool with_lengths : {false, true}) {
            const auto lengths = with_lengths ? some_lengths(steps, batch, 7) : std::vector<int32_t>();
            check_sequences(Sequences<float>{steps, batch, units, lengths});
            check_sequences(Sequences<double>{steps, batch, units, lengths});
        }
}

TEST(Sequences, Of_no_steps_at_all_are_zeros) {
    const Device device = make_device(1);
    Sequences<float> s{4, 3, 2, {0, 0, 0}};
    s.x.assign(s.x.size(), not_a_number<float>);
    for (const ortho_pooling pooling : poolings) {
        EXPECT_EQ(s.pool(device.get(), pooling), std::vector<float>(6, 0));
        EXPECT_EQ(s.pool_gradients(device.get(), pooling), std::vector<float>(24, 0));
    }
    EXPECT_EQ(s.reversed(device.get(), s.x), std::vector<float>(24, 0));
}

TEST(Sequences, NaN_is_the_largest_value_and_its_first_step_gets_the_gradient) {
    const Device device = make_device(1);
    Sequences<double> s{5, 1, 2, {}};
    const double infinity = std::numeric_limits<double>::infinity(), nan = not_a_number<double>;
    s.x = {1, 3, infinity, nan, nan, infinity, nan, nan, infinity, 4};
    const auto y = s.pool(device.get(), ORTHO_POOL_MAX), dx = s.pool_gradients(device.get(), ORTHO_POOL_MAX);
    EXPECT_TRUE(std::isnan(y[0]) && std::isnan(y[1]));
    const double first = s.y_gradients[0], second = s.y_gradients[1];
    EXPECT_EQ(dx, (std::vector<double>{0, 0, 0, second, first, 0, 0, 0, 0, 0}));
}

TEST(Sequences, Gradients_of_pooling_match_central_differences) {
    const Device device = make_device(1);
    Sequences<double> s{6, 5, 3, some_lengths(6, 5, 4)};
    for (const ortho_pooling pooling : poolings) {
        const auto gradients = s.pool_gradients(device.get(), pooling);
        constexpr double step = 1e-6; // smaller than the distances between values, which are normal numbers
        for (size_t i = 0; i < s.x.size(); ++i) {
            const auto energy = [&](double change) {
                Sequences<double> moved = s;
                moved.x[i] += change;
                const auto y = moved.pool(device.get(), pooling);
                return std::inner_product(y.begin(), y.end(), s.y_gradients.begin(), 0.0);
            };
            // Linear in x, but for roundings of the energies, some ten, by the step.
            ASSERT_NEAR(gradients[i], (energy(step) - energy(-step)) / (2 * step), 1e-8) << pooling << ", " << i;
        }
    }
}

TEST(Sequences, Reversal_on_the_gradient_gives_the_gradient) {
    const Device device = make_device(1);
    const Sequences<double> s{6, 5, 3, some_lengths(6, 5, 4)};
    const auto arriving = normal_values<double>(6 * 5 * 3, 9);
    const auto y = s.reversed(device.get(), s.x), gradients = s.reversed(device.get(), arriving);
    // <e, R x> = <Rᵀ e, x>, term by term in another order: 90 products of normal numbers.
    const double forward = std::inner_product(y.begin(), y.end(), arriving.begin(), 0.0);
    const double backward = std::inner_product(gradients.begin(), gradients.end(), s.x.begin(), 0.0);
    EXPECT_NEAR(forward, backward, 90 * 90 * 16 * rounding<double>);
}

TEST(Sequences, Bad_arguments_are_refused_by_name_and_write_nothing) {
    const Device device = make_device(1);
    std::vector<float> x(24, 1), y(24, 5);
    std::vector<int32_t> lengths{0, 4, 2};
    struct Arguments {
        ortho_device* device;
        int32_t dtype = ORTHO_FLOAT32, pooling = ORTHO_POOL_MAX;
        int64_t steps = 4, batch = 3, units = 2;
    };
    const auto expect = [&](const Arguments& a, const char* text, bool pooling_only = false) {
        EXPECT_TRUE(is_refused(ortho_pool_forward(a.device, a.dtype, a.pooling, a.steps, a.batch, a.units,
                                                  lengths.data(), x.data(), y.data()),
                               text));
        EXPECT_TRUE(is_refused(ortho_pool_backward(a.device, a.dtype, a.pooling, a.steps, a.batch, a.units,
                                                   lengths.data(), x.data(), x.data(), y.data()),
                               text));
        if (!pooling_only) {
            EXPECT_TRUE(is_refused(
                ortho_reverse(a.device, a.dtype, a.steps, a.batch, a.units, lengths.data(), x.data(), y.data()), text));
        }
    };
    const auto with = [&](auto change) {
        Arguments arguments{device.get()};
        change(arguments);
        return arguments;
    };
    expect(with([](Arguments& a) { a.device = nullptr; }), "device is null");
    expect(with([](Arguments& a) { a.dtype = 2; }), "dtype is 2; it must be 0 (float32) or 1 (float64)");
    expect(with([](Arguments& a) { a.steps = 0; }), "steps is 0; it must be at least 1");
    expect(with([](Arguments& a) { a.batch = -1; }), "batch is -1; it must be at least 1");
    expect(with([](Arguments& a) { a.units = 0; }), "units is 0; it must be at least 1");
    expect(with([](Arguments& a) { a.batch = int64_t{1} << 52; }),
           "batch is 4503599627370496, with 4 steps and 2 units; the product must be at most 9007199254740992");
    expect(with([](Arguments& a) { a.steps = int64_t{1} << 52; }),
           "steps is 4503599627370496, with 3 samples and 2 units; the product must be at most 9007199254740992");
    expect(with([](Arguments& a) { a.pooling = 3; }), "pooling is 3; it must be 0 (last), 1 (mean) or 2 (maximum)",
           true);
    lengths[1] = 5;
    expect(with([](Arguments&) {}), "lengths[1] is 5; it must be from 0 to 4");
    lengths[1] = -2;
    expect(with([](Arguments&) {}), "lengths[1] is -2; it must be from 0 to 4");
    lengths[1] = 4;

    const auto forward = [&](const float* from, float* to) {
        return ortho_pool_forward(device.get(), 0, ORTHO_POOL_MEAN, 4, 3, 2, nullptr, from, to);
    };
    EXPECT_TRUE(is_refused(forward(nullptr, y.data()), "x is null"));
    EXPECT_TRUE(is_refused(forward(x.data(), nullptr), "y is null"));
    const auto backward = [&](const float* from, const float* gradients, float* to) {
        return ortho_pool_backward(device.get(), 0, ORTHO_POOL_MAX, 4, 3, 2, nullptr, from, gradients, to);
    };
    EXPECT_TRUE(is_refused(backward(nullptr, x.data(), y.data()), "x is null"));
    EXPECT_TRUE(is_refused(backward(x.data(), nullptr, y.data()), "y_gradients is null"));
    EXPECT_TRUE(is_refused(backward(x.data(), x.data(), nullptr), "x_gradients is null"));
    const auto reverse = [&](const float* from, float* to) {
        return ortho_reverse(device.get(), 0, 4, 2, 2, nullptr, from, to);
    };
    EXPECT_TRUE(is_refused(reverse(nullptr, y.data()), "x is null"));
    EXPECT_TRUE(is_refused(reverse(x.data(), nullptr), "y is null"));
    EXPECT_TRUE(is_refused(reverse(y.data(), y.data()), "y overlaps x; it must be other memory"));
    EXPECT_TRUE(is_refused(reverse(y.data() + 8, y.data()), "y overlaps x; it must be other memory"));
    EXPECT_EQ(y, std::vector<float>(24, 5));
}

} // namespace
} // namespace ortho::test
