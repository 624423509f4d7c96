#include <algorithm>
#include <iterator>
#include <numeric>

#include "support.hpp"

namespace ortho::test {
namespace {

constexpr uint64_t seed = 0x0123456789abcdef;

template <class T> std::vector<T> uniform(uint32_t index, double low, double high, int64_t count) {
    std::vector<T> values(static_cast<size_t>(count));
    EXPECT_TRUE(succeeds(
        ortho_random_uniform(seed, ORTHO_STREAM_WEIGHTS, index, low, high, dtype_of<T>, count, values.data())));
    return values;
}

TEST(Random, Streams_depend_on_seed_purpose_and_index_alone) {
    constexpr int64_t count = 1001;
    std::vector<double> first(count);
    std::vector<double> other(count);
    const auto draw = [&](uint64_t s, int32_t purpose, uint32_t index, std::vector<double>& values) {
        EXPECT_TRUE(succeeds(ortho_random_normal(s, purpose, index, 0, 1, ORTHO_FLOAT64, count, values.data())));
    };
    draw(seed, ORTHO_STREAM_WEIGHTS, 7, first);
    draw(seed, ORTHO_STREAM_WEIGHTS, 7, other);
    EXPECT_TRUE(same_bits(first, other));
    draw(seed + (uint64_t{1} << 32), ORTHO_STREAM_WEIGHTS, 7, other);
    EXPECT_FALSE(same_bits(first, other));
    draw(seed, ORTHO_STREAM_NOISE, 7, other);
    EXPECT_FALSE(same_bits(first, other));
    draw(seed, ORTHO_STREAM_WEIGHTS, 8, other);
    EXPECT_FALSE(same_bits(first, other));
}

TEST(Random, A_shorter_draw_is_the_beginning_of_a_longer_one) {
    const auto whole = uniform<double>(1, 0, 1, 5000);
    for (const int64_t count : {1, 2, 3, 1023, 1024, 1025, 4999})
        EXPECT_TRUE(same_bits(uniform<double>(1, 0, 1, count), {whole.begin(), whole.begin() + count})) << count;
}

TEST(Random, Float32_is_the_rounded_double) {
    const auto wide = normal_values<double>(3000, 5);
    const auto narrow = normal_values<float>(3000, 5);
    for (size_t i = 0; i < wide.size(); ++i)
        ASSERT_EQ(narrow[i], static_cast<float>(wide[i])) << i;
}

TEST(Random, Noise_is_that_of_its_stream_for_any_number_of_threads) {
    constexpr int64_t count = 5000;
    const auto x = normal_values<float>(count, 6);
    std::vector<double> z(count);
    ASSERT_TRUE(succeeds(ortho_random_normal(seed, ORTHO_STREAM_NOISE, 9, 0, 1, ORTHO_FLOAT64, count, z.data())));
    for (const int threads : {1, 3}) {
        const Device device = make_device(threads);
        std::vector<float> y(count);
        ASSERT_TRUE(
            succeeds(ortho_add_normal_noise(device.get(), ORTHO_FLOAT32, seed, 0, 9, 0.25, count, x.data(), y.data())));
        for (size_t i = 0; i < y.size(); ++i)
            ASSERT_EQ(y[i], static_cast<float>(static_cast<double>(x[i]) + 0.25 * z[i])) << i;
        auto in_place = x;
        ASSERT_TRUE(succeeds(ortho_add_normal_noise(device.get(), ORTHO_FLOAT32, seed, 0, 9, 0.25, count,
                                                    in_place.data(), in_place.data())));
        EXPECT_TRUE(same_bits(in_place, y));
    }
}

TEST(Random, Noise_of_another_source_or_index_is_that_of_no_other_seed) {
    constexpr int64_t count = 1000;
    const Device device = make_device(1);
    const std::vector<double> zero(count);
    const auto noise = [&](uint64_t s, uint32_t source, uint64_t index) {
        std::vector<double> values(count);
        EXPECT_TRUE(succeeds(ortho_add_normal_noise(device.get(), ORTHO_FLOAT64, s, source, index, 1, count,
                                                    zero.data(), values.data())));
        std::sort(values.begin(), values.end());
        return values;
    };
    // Seeds that differ in one bit, at the ends and the middle; sources and indices at both ends of their range.
    std::vector<std::vector<double>> drawn;
    for (const uint64_t flipped : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 32, uint64_t{2} << 32, uint64_t{1} << 63})
        for (const uint32_t source : {0u, 1u, 2u, (1u << 24) - 1})
            for (const uint64_t index : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 32, (uint64_t{1} << 48) - 1})
                drawn.push_back(noise(seed ^ flipped, source, index));
    for (size_t a = 0; a < drawn.size(); ++a)
        for (size_t b = 0; b < a; ++b) {
            std::vector<double> shared;
            std::set_intersection(drawn[a].begin(), drawn[a].end(), drawn[b].begin(), drawn[b].end(),
                                  std::back_inserter(shared));
            // Two of 80,000 numbers with 53 random bits are the same once in about 3 million runs.
            EXPECT_TRUE(shared.empty()) << a << " and " << b;
        }
}

TEST(Random, Noise_refuses_bad_arguments) {
    const Device device = make_device(1);
    float x = 0;
    EXPECT_TRUE(is_refused(ortho_add_normal_noise(nullptr, 0, 1, 0, 0, 1, 1, &x, &x), "device is null"));
    EXPECT_TRUE(is_refused(ortho_add_normal_noise(device.get(), 2, 1, 0, 0, 1, 1, &x, &x), "dtype is 2"));
    EXPECT_TRUE(
        is_refused(ortho_add_normal_noise(device.get(), 0, 1, 0, 0, -1, 1, &x, &x), "standard_deviation is -1"));
    EXPECT_TRUE(
        is_refused(ortho_add_normal_noise(device.get(), 0, 1, 0, 0, NAN, 1, &x, &x), "standard_deviation is NaN"));
    EXPECT_TRUE(
        is_refused(ortho_add_normal_noise(device.get(), 0, 1, 0, 0, 1e39, 1, &x, &x), "standard_deviation is 1e+39"));
    EXPECT_TRUE(is_refused(ortho_add_normal_noise(device.get(), 0, 1, 0, 0, 1, 0, &x, &x), "count is 0"));
    EXPECT_TRUE(is_refused(ortho_add_normal_noise(device.get(), 0, 1, 1u << 24, 0, 1, 1, &x, &x),
                           "source is 16777216; it must be from 0 to 16777215"));
    EXPECT_TRUE(is_refused(ortho_add_normal_noise(device.get(), 0, 1, 0, uint64_t{1} << 48, 1, 1, &x, &x),
                           "index is 281474976710656; it must be from 0 to 281474976710655"));
    EXPECT_TRUE(is_refused(ortho_add_normal_noise(device.get(), 0, 1, 0, 0, 1, (int64_t{1} << 48) + 1, &x, &x),
                           "count is 281474976710657"));
    EXPECT_TRUE(is_refused(ortho_add_normal_noise(device.get(), 0, 1, 0, 0, 1, 1, nullptr, &x), "x is null"));
    EXPECT_TRUE(is_refused(ortho_add_normal_noise(device.get(), 0, 1, 0, 0, 1, 1, &x, nullptr), "y is null"));
}

template <class T>
std::vector<T> dropout(ortho_device* device, double rate, const std::vector<T>& x, uint32_t source = 0,
                       uint64_t index = 9) {
    std::vector<T> y(x.size());
    EXPECT_TRUE(succeeds(ortho_dropout(device, dtype_of<T>, seed, source, index, rate, static_cast<int64_t>(x.size()),
                                       x.data(), y.data())));
    return y;
}

TEST(Random, Dropout_reads_the_words_of_its_stream) {
    // Two words make a uniform number of 53 bits: all of the second one, and all but 11 bits of the first. So the first
    // is compared exactly with a threshold whose last 11 bits are 0, as those of rates with 21 binary places are.
    constexpr size_t count = 4001;
    std::vector<double> u((count + 1) / 2);
    ASSERT_TRUE(succeeds(ortho_random_uniform(seed, ORTHO_STREAM_DROPOUT, 9, 0, 1, ORTHO_FLOAT64,
                                              static_cast<int64_t>(u.size()), u.data())));
    const auto x = normal_values<float>(count, 6);
    const Device device = make_device(1);
    for (const double rate : {0x1p-21, 0.125, 0.5, 0.75, 1 - 0x1p-21}) {
        const auto y = dropout(device.get(), rate, x);
        for (size_t i = 0; i < count; ++i) {
            const auto bits = static_cast<uint64_t>(u[i / 2] * 0x1p53);
            const double word = i % 2 == 0 ? static_cast<double>(bits % (1u << 21)) * 0x1p-21
                                           : static_cast<double>(bits >> 21) * 0x1p-32;
            const float kept = x[i] * static_cast<float>(1 / (1 - rate));
            ASSERT_EQ(y[i], word < rate ? 0 : kept) << rate << ": " << i;
        }
    }
}

TEST(Random, Dropout_is_the_same_for_any_number_of_threads_in_place_and_for_gradients) {
    const auto x = normal_values<float>(100003, 6);
    const std::vector<float> ones(x.size(), 1);
    const Device one = make_device(1), three = make_device(3);
    const auto y = dropout(one.get(), 0.3, x);
    EXPECT_TRUE(same_bits(dropout(three.get(), 0.3, x), y));
    auto in_place = x;
    ASSERT_TRUE(succeeds(ortho_dropout(three.get(), ORTHO_FLOAT32, seed, 0, 9, 0.3, static_cast<int64_t>(x.size()),
                                       in_place.data(), in_place.data())));
    EXPECT_TRUE(same_bits(in_place, y));
    // y = J x with a diagonal J, which ones show.
    const auto jacobian = dropout(one.get(), 0.3, ones);
    for (size_t i = 0; i < x.size(); ++i)
        ASSERT_EQ(y[i], jacobian[i] * x[i]) << i;
    const std::vector<double> wide(x.begin(), x.end());
    const auto doubles = dropout(one.get(), 0.3, wide);
    for (size_t i = 0; i < x.size(); ++i)
        ASSERT_EQ(doubles[i] == 0, y[i] == 0) << i;
}

TEST(Random, Dropout_drops_the_given_share_and_keeps_the_mean) {
    constexpr int64_t count = 1 << 20;
    const Device device = make_device(1);
    const std::vector<double> ones(count, 1);
    for (const double rate : {0.01, 0.3, 0.5, 0.99}) {
        const auto y = dropout(device.get(), rate, ones);
        double mean = 0, square = 0, neighbours = 0;
        for (size_t i = 0; i < y.size(); ++i) {
            ASSERT_TRUE(y[i] == 0 || y[i] == 1 / (1 - rate)) << y[i];
            mean += y[i] / count;
            square += (y[i] - 1) * (y[i] - 1) / count;
            neighbours += (y[i] - 1) * (y[(i + 1) % y.size()] - 1) / count;
        }
        // y - 1 is -1 with probability r and r / (1 - r) otherwise: its mean is 0, its variance v = r / (1 - r), its
        // fourth moment r + r^4 / (1 - r)^3. Products of neighbours have variance v^2. Bounds: six standard deviations.
        // At a rate of 1/2 the square is 1 always; 1e-9 is for the rounding of a million additions.
        const double v = rate / (1 - rate), fourth = rate + std::pow(rate, 4) / std::pow(1 - rate, 3);
        EXPECT_NEAR(mean, 1, 6 * std::sqrt(v / count)) << rate;
        EXPECT_NEAR(square, v, 6 * std::sqrt((fourth - v * v) / count) + 1e-9) << rate;
        EXPECT_NEAR(neighbours, 0, 6 * v / std::sqrt(count)) << rate;
    }
}

TEST(Random, Dropout_of_other_sources_and_indices_is_independent) {
    constexpr int64_t count = 1 << 16;
    const Device device = make_device(1);
    const std::vector<float> ones(count, 1);
    std::vector<std::vector<float>> drawn;
    for (const uint32_t source : {0u, 1u, (1u << 24) - 1})
        for (const uint64_t index : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 32, (uint64_t{1} << 48) - 1})
            drawn.push_back(dropout(device.get(), 0.5, ones, source, index));
    // Each value is 0 or 2. Of two independent masks half of the elements agree: six standard deviations.
    for (size_t a = 0; a < drawn.size(); ++a)
        for (size_t b = 0; b < a; ++b) {
            double agreeing = 0;
            for (size_t i = 0; i < count; ++i)
                agreeing += drawn[a][i] == drawn[b][i];
            EXPECT_NEAR(agreeing / count, 0.5, 6 * 0.5 / std::sqrt(count)) << a << " and " << b;
        }
}

TEST(Random, Dropout_passes_on_what_is_kept_and_nothing_of_what_is_dropped) {
    const Device device = make_device(1);
    const auto x = normal_values<float>(1001, 3);
    EXPECT_TRUE(same_bits(dropout(device.get(), 0, x), x));
    const std::vector<float> nan(1001, NAN);
    const auto y = dropout(device.get(), 0.5, nan);
    EXPECT_TRUE(std::any_of(y.begin(), y.end(), [](float v) { return v == 0; }));
    EXPECT_TRUE(std::all_of(y.begin(), y.end(), [](float v) { return v == 0 || std::isnan(v); }));
    // The largest rate below 1: an element is kept once in 2^32.
    const auto none = dropout(device.get(), std::nextafter(1.0, 0.0), std::vector<float>(1001, 1));
    EXPECT_TRUE(std::all_of(none.begin(), none.end(), [](float v) { return v == 0; }));
}

TEST(Random, Dropout_refuses_bad_arguments) {
    const Device device = make_device(1);
    float x = 7;
    const auto call = [&](ortho_device* on, int32_t dtype, uint32_t source, uint64_t index, double rate,
                          int64_t count) { return ortho_dropout(on, dtype, 1, source, index, rate, count, &x, &x); };
    EXPECT_TRUE(is_refused(call(nullptr, 0, 0, 0, 0.5, 1), "device is null"));
    EXPECT_TRUE(is_refused(call(device.get(), 2, 0, 0, 0.5, 1), "dtype is 2"));
    EXPECT_TRUE(is_refused(call(device.get(), 0, 1u << 24, 0, 0.5, 1), "source is 16777216"));
    EXPECT_TRUE(is_refused(call(device.get(), 0, 0, uint64_t{1} << 48, 0.5, 1), "index is 281474976710656"));
    EXPECT_TRUE(is_refused(call(device.get(), 0, 0, 0, -0.1, 1), "rate is -0.1; it must be at least 0 and below 1"));
    EXPECT_TRUE(is_refused(call(device.get(), 0, 0, 0, 1, 1), "rate is 1"));
    EXPECT_TRUE(is_refused(call(device.get(), 0, 0, 0, NAN, 1), "rate is NaN"));
    EXPECT_TRUE(is_refused(call(device.get(), 0, 0, 0, 0.5, 0), "count is 0"));
    EXPECT_TRUE(is_refused(call(device.get(), 0, 0, 0, 0.5, (int64_t{1} << 48) + 1), "count is 281474976710657"));
    EXPECT_TRUE(is_refused(ortho_dropout(device.get(), 0, 1, 0, 0, 0.5, 1, nullptr, &x), "x is null"));
    EXPECT_TRUE(is_refused(ortho_dropout(device.get(), 0, 1, 0, 0, 0.5, 1, &x, nullptr), "y is null"));
    EXPECT_EQ(x, 7);
}

// Bounds: six standard deviations of the mean of so many values.
TEST(Random, Uniform_numbers_have_the_moments_of_the_distribution) {
    constexpr int64_t count = 1 << 20;
    const auto values = uniform<double>(2, -1, 3, count);
    double mean = 0;
    double variance = 0;
    for (const double v : values) {
        mean += v / count;
        variance += (v - 1) * (v - 1) / count;
    }
    EXPECT_NEAR(mean, 1, 6 * std::sqrt(4.0 / 3 / count));
    EXPECT_NEAR(variance, 4.0 / 3, 6 * std::sqrt((16.0 / 5 - 16.0 / 9) / count));
    EXPECT_GE(*std::min_element(values.begin(), values.end()), -1);
    EXPECT_LT(*std::max_element(values.begin(), values.end()), 3);
}

TEST(Random, Normal_numbers_have_the_moments_and_the_distribution_function) {
    constexpr int64_t count = 1 << 20;
    auto values = normal_values<double>(count, 9);
    double moment[5] = {};
    for (const double v : values)
        for (int k = 1; k <= 4; ++k)
            moment[k] += std::pow(v, k) / count;
    // Variances of z, z^2, z^3 and z^4: 1, 2, 15 and 96.
    EXPECT_NEAR(moment[1], 0, 6 * std::sqrt(1.0 / count));
    EXPECT_NEAR(moment[2], 1, 6 * std::sqrt(2.0 / count));
    EXPECT_NEAR(moment[3], 0, 6 * std::sqrt(15.0 / count));
    EXPECT_NEAR(moment[4], 3, 6 * std::sqrt(96.0 / count));
    // Kolmogorov-Smirnov: a distance beyond 2.3 / sqrt(count) has probability 5e-5.
    std::sort(values.begin(), values.end());
    double distance = 0;
    for (int64_t i = 0; i < count; ++i) {
        const double expected = std::erfc(-values[static_cast<size_t>(i)] / std::sqrt(2.0)) / 2;
        distance = std::max(distance, std::abs(expected - (static_cast<double>(i) + 0.5) / count));
    }
    EXPECT_LT(distance, 2.3 / std::sqrt(count));
}

TEST(Random, Normal_numbers_are_shifted_and_scaled) {
    constexpr int64_t count = 100;
    std::vector<double> values(count);
    const auto standard = normal_values<double>(count, 3);
    ASSERT_TRUE(succeeds(
        ortho_random_normal(20221001, ORTHO_STREAM_DATA, 3, -2.5, 0.125, ORTHO_FLOAT64, count, values.data())));
    for (size_t i = 0; i < values.size(); ++i)
        EXPECT_EQ(values[i], -2.5 + 0.125 * standard[i]);
    ASSERT_TRUE(succeeds(ortho_random_normal(1, ORTHO_STREAM_DATA, 3, 4, 0, ORTHO_FLOAT64, count, values.data())));
    EXPECT_TRUE(std::all_of(values.begin(), values.end(), [](double v) { return v == 4; }));
}

TEST(Random, Rounding_does_not_lead_out_of_the_interval) {
    // Only two floats lie in [low, high); in double precision there are many more.
    const double low = 1 + 1e-9;
    const double high = 1 + 3e-7;
    const auto values = uniform<float>(4, low, high, 10000);
    for (const float v : values) {
        ASSERT_GE(v, low);
        ASSERT_LT(v, high);
    }
    EXPECT_NE(*std::min_element(values.begin(), values.end()), *std::max_element(values.begin(), values.end()));
}

TEST(Random, Permutation_holds_every_number_once_and_is_uniform) {
    std::vector<int64_t> values(1000);
    ASSERT_TRUE(succeeds(ortho_random_permutation(seed, ORTHO_STREAM_SHUFFLE, 0, 1000, values.data())));
    EXPECT_FALSE(std::is_sorted(values.begin(), values.end()));
    std::sort(values.begin(), values.end());
    for (int64_t i = 0; i < 1000; ++i)
        ASSERT_EQ(values[static_cast<size_t>(i)], i);

    // All 24 orders of four numbers: chi-squared with 23 degrees of freedom exceeds 70 with probability 1e-6.
    constexpr int draws = 24000;
    std::vector<int> seen(256);
    for (uint32_t index = 0; index < draws; ++index) {
        int64_t order[4];
        ASSERT_TRUE(succeeds(ortho_random_permutation(seed, ORTHO_STREAM_SHUFFLE, index, 4, order)));
        ++seen[static_cast<size_t>(order[0] * 64 + order[1] * 16 + order[2] * 4 + order[3])];
    }
    double chi_squared = 0;
    int orders = 0;
    for (const int n : seen)
        if (n > 0) {
            ++orders;
            chi_squared += (n - draws / 24.0) * (n - draws / 24.0) / (draws / 24.0);
        }
    EXPECT_EQ(orders, 24);
    EXPECT_LT(chi_squared, 70);
}

TEST(Random, Bad_arguments_are_refused_by_name) {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    constexpr double infinity = std::numeric_limits<double>::infinity();
    double value = 7;
    int64_t number = 7;
    const auto uniform_call = [&](int32_t purpose, double low, double high, int32_t dtype, int64_t count) {
        return ortho_random_uniform(1, purpose, 0, low, high, dtype, count, &value);
    };
    EXPECT_TRUE(is_refused(uniform_call(-1, 0, 1, 1, 1), "purpose is -1; it must be from 0 to 5"));
    EXPECT_TRUE(is_refused(uniform_call(6, 0, 1, 1, 1), "purpose is 6"));
    EXPECT_TRUE(is_refused(uniform_call(0, 0, 1, 2, 1), "dtype is 2; it must be 0 (float32) or 1 (float64)"));
    EXPECT_TRUE(is_refused(uniform_call(0, 0, 1, 1, 0), "count is 0; it must be at least 1"));
    EXPECT_TRUE(is_refused(uniform_call(0, nan, 1, 1, 1), "low is NaN"));
    EXPECT_TRUE(is_refused(uniform_call(0, 0, infinity, 1, 1), "high is Infinity"));
    EXPECT_TRUE(is_refused(uniform_call(0, 1, 1, 1, 1), "low is 1; it must be below the upper end, 1"));
    EXPECT_TRUE(is_refused(uniform_call(0, 2, 1, 1, 1), "low is 2; it must be below the upper end, 1"));
    EXPECT_TRUE(is_refused(uniform_call(0, -1e308, 1e308, 1, 1), "low is -1e+308 and the upper end is 1e+308"));
    EXPECT_TRUE(is_refused(uniform_call(0, 0, 1e39, 0, 1), "the upper end is 1e+39"));
    EXPECT_TRUE(is_refused(uniform_call(0, 1 + 1e-9, 1 + 2e-9, 0, 1), "a value of this dtype must lie between"));
    EXPECT_TRUE(is_refused(ortho_random_uniform(1, 0, 0, 0, 1, 1, 1, nullptr), "values is null"));

    const auto normal_call = [&](int32_t purpose, double mean, double deviation, int32_t dtype, int64_t count) {
        return ortho_random_normal(1, purpose, 0, mean, deviation, dtype, count, &value);
    };
    EXPECT_TRUE(is_refused(normal_call(9, 0, 1, 1, 1), "purpose is 9"));
    EXPECT_TRUE(is_refused(normal_call(0, 0, 1, -1, 1), "dtype is -1"));
    EXPECT_TRUE(is_refused(normal_call(0, 0, 1, 1, -3), "count is -3"));
    EXPECT_TRUE(is_refused(normal_call(0, infinity, 1, 1, 1), "mean is Infinity"));
    EXPECT_TRUE(
        is_refused(normal_call(0, 0, -1, 1, 1), "standard_deviation is -1; it must be finite and not negative"));
    EXPECT_TRUE(is_refused(normal_call(0, 0, nan, 1, 1), "standard_deviation is NaN"));
    EXPECT_TRUE(is_refused(normal_call(0, 0, 1e38, 0, 1), "standard_deviation is 1e+38 around a mean of 0"));
    EXPECT_TRUE(is_refused(normal_call(0, 1e39, 0, 0, 1), "standard_deviation is 0 around a mean of 1e+39"));
    EXPECT_TRUE(is_refused(ortho_random_normal(1, 0, 0, 0, 1, 1, 1, nullptr), "values is null"));

    EXPECT_TRUE(is_refused(ortho_random_permutation(1, 6, 0, 1, &number), "purpose is 6"));
    EXPECT_TRUE(is_refused(ortho_random_permutation(1, 2, 0, 0, &number), "count is 0"));
    EXPECT_TRUE(is_refused(ortho_random_permutation(1, 2, 0, 1, nullptr), "permutation is null"));
    EXPECT_EQ(value, 7);
    EXPECT_EQ(number, 7);
}

} // namespace
} // namespace ortho::test
