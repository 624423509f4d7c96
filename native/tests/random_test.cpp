#include <algorithm>
#include <array>
#include <functional>
#include <iterator>
#include <numeric>

#include "batch.hpp"
#include "core/philox.hpp"

namespace ortho::test {
namespace {

constexpr uint64_t seed = 0x0123456789abcdef;

template <class T> std::vector<T> uniform(uint32_t index, double low, double high, int64_t count) {
    std::vector<T> values(static_cast<size_t>(count));
    EXPECT_TRUE(succeeds(
        ortho_random_uniform(seed, ORTHO_STREAM_WEIGHTS, index, low, high, dtype_of<T>, 0, count, values.data())));
    return values;
}

TEST(Random, Streams_depend_on_seed_purpose_and_index_alone) {
    constexpr int64_t count = 1001;
    std::vector<double> first(count);
    std::vector<double> other(count);
    const auto draw = [&](uint64_t s, int32_t purpose, uint32_t index, std::vector<double>& values) {
        EXPECT_TRUE(succeeds(ortho_random_normal(s, purpose, index, 0, 1, ORTHO_FLOAT64, 0, count, values.data())));
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

/** Which random numbers elements [steps, batch, units] get. */
struct Draw {
    int64_t steps, batch, units;
    int64_t first = 0;
    uint32_t source = 0;
    uint64_t index = 9;
    uint64_t key = seed;

    int64_t count() const { return steps * batch * units; }
};

/** Shapes with whole and broken blocks of four units, and more elements than are drawn together. */
const std::vector<Draw> draws = {
    {1, 1, 1},    {1, 3, 2},     {3, 5, 3},
    {2, 3, 4, 7}, {2, 2, 1030},  {40, 3, 700},
    {5, 700, 3},  {3000, 1, 13}, {1, 1, 1 << 20, (1 << 24) - 1, (1 << 20) - 1, UINT32_MAX}};

/** The words of a block of four units, its counter as the table in core/philox.hpp has it. */
std::array<uint32_t, 4> words_of(uint64_t purpose, const Draw& draw, int64_t sample, int64_t step, int64_t block) {
    const auto n = static_cast<uint64_t>(draw.first + sample), t = static_cast<uint64_t>(step);
    const uint64_t words[4] = {static_cast<uint64_t>(block) + t % (1 << 14) * (1 << 18),
                               t / (1 << 14) + n % (1 << 16) * (1 << 16), draw.index,
                               purpose + draw.source * uint64_t{1 << 4} + n / (1 << 16) * (1 << 24)};
    std::array<uint32_t, 4> counter{};
    for (size_t i = 0; i < 4; ++i)
        counter[i] = static_cast<uint32_t>(words[i]);
    return philox4x32(counter, {static_cast<uint32_t>(draw.key), static_cast<uint32_t>(draw.key >> 32)});
}

/** Calls check(i, sample, step, unit) for each element. */
template <class Check> void for_each_element(const Draw& draw, Check&& check) {
    for (int64_t i = 0; i < draw.count(); ++i)
        check(static_cast<size_t>(i), i / draw.units % draw.batch, i / draw.units / draw.batch, i % draw.units);
}

template <class T>
std::vector<T> noise(ortho_device* device, const Draw& d, double deviation, const std::vector<T>& x) {
    std::vector<T> y(x.size());
    EXPECT_TRUE(succeeds(ortho_add_normal_noise(device, dtype_of<T>, d.key, d.source, d.index, deviation, d.first,
                                                d.steps, d.batch, d.units, x.data(), y.data())));
    return y;
}

std::vector<double> normal_noise(ortho_device* device, const Draw& draw) {
    return noise(device, draw, 1, std::vector<double>(static_cast<size_t>(draw.count())));
}

template <class T>
std::vector<T> dropout(ortho_device* device, const Draw& d, double rate, const std::vector<T>& x, int32_t same = 0) {
    std::vector<T> y(x.size());
    EXPECT_TRUE(succeeds(ortho_dropout(device, dtype_of<T>, d.key, d.source, d.index, rate, same, d.first, d.steps,
                                       d.batch, d.units, x.data(), y.data())));
    return y;
}

/** 1 where an element is kept, 0 where it is dropped. */
std::vector<double> kept(ortho_device* device, const Draw& draw, double rate, int32_t same = 0) {
    std::vector<double> y =
        dropout(device, draw, rate, std::vector<double>(static_cast<size_t>(draw.count()), 1), same);
    for (double& value : y)
        value = value != 0;
    return y;
}

TEST(Random, Noise_is_made_of_the_words_of_its_counters) {
    const Device device = make_device(2);
    for (const Draw& draw : draws) {
        const auto z = normal_noise(device.get(), draw);
        for_each_element(draw, [&](size_t i, int64_t sample, int64_t step, int64_t unit) {
            const auto words = words_of(unit % 4 < 2 ? 8 : 9, draw, sample, step, unit / 4);
            const auto uniform = [&](size_t word) {
                return static_cast<double>((uint64_t{words[word + 1]} << 32 | words[word]) >> 11) * 0x1p-53;
            };
            // Box-Muller of the mathematical library: each function is right to a few roundings, the angle up to 2 pi
            // to one of its own, the radius is at most 8.6.
            const double angle = 2 * 3.14159265358979323846 * uniform(2);
            const double expected =
                std::sqrt(-2 * std::log(uniform(0) + 0x1p-53)) * (unit % 2 == 0 ? std::cos(angle) : std::sin(angle));
            ASSERT_NEAR(z[i], expected, 8.6 * (2 * 3.15 + 8) * 0x1p-52) << i << " of " << z.size();
        });
    }
}

TEST(Random, Noise_is_rounded_once_and_may_be_added_in_place) {
    const Draw draw{3, 5, 7};
    const Device device = make_device(1);
    const auto z = normal_noise(device.get(), draw);
    const auto x = normal_values<float>(draw.count(), 6);
    const auto y = noise(device.get(), draw, 0.25, x);
    for (size_t i = 0; i < y.size(); ++i)
        ASSERT_EQ(y[i], static_cast<float>(static_cast<double>(x[i]) + 0.25 * z[i])) << i;
    auto in_place = x;
    ASSERT_TRUE(succeeds(ortho_add_normal_noise(device.get(), ORTHO_FLOAT32, draw.key, draw.source, draw.index, 0.25, 0,
                                                3, 5, 7, in_place.data(), in_place.data())));
    EXPECT_TRUE(same_bits(in_place, y));
}

TEST(Random, Noise_and_dropout_are_the_same_for_any_number_of_threads_and_any_cut) {
    const Device one = make_device(1);
    for (const Draw& draw : draws) {
        const auto x = normal_values<float>(draw.count(), 6);
        const auto noisy = noise(one.get(), draw, 0.25, x);
        const std::vector<float> dropped[] = {dropout(one.get(), draw, 0.3, x, 0), dropout(one.get(), draw, 0.3, x, 1)};
        for (const int threads : {2, 3, 5}) {
            const Device device = make_device(threads);
            EXPECT_TRUE(same_bits(noise(device.get(), draw, 0.25, x), noisy));
            for (const int32_t same : {0, 1})
                EXPECT_TRUE(same_bits(dropout(device.get(), draw, 0.3, x, same), dropped[same]));
        }
        // Parts that begin anywhere, and the first steps.
        for (int64_t begin = 0; begin < draw.batch; begin += std::max<int64_t>(1, draw.batch / 3)) {
            const Samples samples{begin, std::max<int64_t>(1, (draw.batch - begin) / 2)};
            Draw part = draw;
            part.first += begin;
            part.batch = samples.count;
            part.steps = (draw.steps + 1) / 2;
            const auto own = [&](const std::vector<float>& whole) {
                return part_of(whole, part.steps, draw.batch, draw.units, samples);
            };
            EXPECT_TRUE(same_bits(noise(one.get(), part, 0.25, own(x)), own(noisy)));
            for (const int32_t same : {0, 1})
                EXPECT_TRUE(same_bits(dropout(one.get(), part, 0.3, own(x), same), own(dropped[same])));
        }
    }
}

TEST(Random, Noise_of_another_number_is_that_of_no_other_stream) {
    const Device device = make_device(1);
    std::vector<std::vector<double>> drawn;
    const auto add = [&](std::vector<double> values) {
        std::sort(values.begin(), values.end());
        drawn.push_back(std::move(values));
    };
    // Seeds that differ in one bit, at the ends and the middle; sources, indices and samples at both ends of their
    // range.
    for (const uint64_t flipped : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 32, uint64_t{1} << 63})
        for (const uint32_t source : {0u, 1u, 2u, (1u << 20) - 1})
            for (const uint64_t index : {uint64_t{0}, uint64_t{1}, uint64_t{UINT32_MAX}})
                for (const int64_t first : {int64_t{0}, int64_t{1} << 16, (int64_t{1} << 24) - 4})
                    add(normal_noise(device.get(), {3, 4, 50, first, source, index, seed ^ flipped}));
    // And the streams of all purposes, with the indices that noise has.
    for (int32_t purpose = ORTHO_STREAM_FILTER; purpose <= ORTHO_STREAM_DROPOUT; ++purpose)
        for (const uint32_t index : {0u, 1u, UINT32_MAX}) {
            std::vector<double> values(600);
            ASSERT_TRUE(
                succeeds(ortho_random_normal(seed, purpose, index, 0, 1, ORTHO_FLOAT64, 0, 600, values.data())));
            add(values);
        }
    // Two of 100,000 numbers with 53 random bits are the same once in about a million runs.
    for (size_t a = 0; a < drawn.size(); ++a) {
        EXPECT_EQ(std::adjacent_find(drawn[a].begin(), drawn[a].end()), drawn[a].end()) << a;
        for (size_t b = 0; b < a; ++b) {
            std::vector<double> shared;
            std::set_intersection(drawn[a].begin(), drawn[a].end(), drawn[b].begin(), drawn[b].end(),
                                  std::back_inserter(shared));
            EXPECT_TRUE(shared.empty()) << a << " and " << b;
        }
    }
}

/** Mean of the products of each value and the one that lies `distance` behind it, at the end those of the beginning. */
double correlation(const std::vector<double>& values, size_t distance) {
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i)
        sum += values[i] * values[(i + distance) % values.size()];
    return sum / static_cast<double>(values.size());
}

double product(const std::vector<double>& a, const std::vector<double>& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0) / static_cast<double>(a.size());
}

/** Values of mean 0 and variance 1, drawn for shape, are independent of those beside them and of those of other draws.
 */
void expect_independence(const std::function<std::vector<double>(const Draw&)>& standardized) {
    const Draw draw{64, 64, 256};
    const auto values = standardized(draw);
    // A product of independent ones has mean 0 and variance 1. Bounds: six standard deviations of the mean.
    const double bound = 6 / std::sqrt(static_cast<double>(values.size()));
    EXPECT_NEAR(std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size()), 0, bound);
    const auto sample = static_cast<size_t>(draw.units), step = static_cast<size_t>(draw.batch * draw.units);
    // Other units of a block, the next blocks, samples and steps.
    for (const size_t distance : {size_t{1}, size_t{2}, size_t{3}, size_t{4}, size_t{8}, sample, 2 * sample, step,
                                  2 * step, step + sample, step + 1})
        EXPECT_NEAR(correlation(values, distance), 0, bound) << distance;
    Draw other = draw;
    other.index = draw.index + 1;
    EXPECT_NEAR(product(values, standardized(other)), 0, bound);
    other = draw;
    other.source = draw.source + 1;
    EXPECT_NEAR(product(values, standardized(other)), 0, bound);
    other = draw;
    other.first = draw.batch;
    EXPECT_NEAR(product(values, standardized(other)), 0, bound);
    other = draw;
    other.key = draw.key + 1;
    EXPECT_NEAR(product(values, standardized(other)), 0, bound);
}

TEST(Random, Noise_is_normal_and_independent) {
    const Device device = make_device(2);
    expect_independence([&](const Draw& draw) { return normal_noise(device.get(), draw); });
    const Draw draw{64, 64, 256};
    double moment[5] = {};
    for (const double z : normal_noise(device.get(), draw))
        for (int k = 1; k <= 4; ++k)
            moment[k] += std::pow(z, k) / static_cast<double>(draw.count());
    // Variances of z^2, z^3 and z^4: 2, 15 and 96.
    const double six = 6 / std::sqrt(static_cast<double>(draw.count()));
    EXPECT_NEAR(moment[2], 1, six * std::sqrt(2.0));
    EXPECT_NEAR(moment[3], 0, six * std::sqrt(15.0));
    EXPECT_NEAR(moment[4], 3, six * std::sqrt(96.0));
}

TEST(Random, Noise_refuses_bad_arguments) {
    const Device device = make_device(1);
    float x = 7;
    const auto call = [&](ortho_device* on, int32_t dtype, uint32_t source, uint64_t index, double deviation,
                          int64_t first, int64_t steps, int64_t batch, int64_t units) {
        return ortho_add_normal_noise(on, dtype, 1, source, index, deviation, first, steps, batch, units, &x, &x);
    };
    ortho_device* const on = device.get();
    EXPECT_TRUE(is_refused(call(nullptr, 0, 0, 0, 1, 0, 1, 1, 1), "device is null"));
    EXPECT_TRUE(is_refused(call(on, 2, 0, 0, 1, 0, 1, 1, 1), "dtype is 2"));
    EXPECT_TRUE(is_refused(call(on, 0, 0, 0, -1, 0, 1, 1, 1), "standard_deviation is -1"));
    EXPECT_TRUE(is_refused(call(on, 0, 0, 0, NAN, 0, 1, 1, 1), "standard_deviation is NaN"));
    EXPECT_TRUE(is_refused(call(on, 0, 0, 0, 1e39, 0, 1, 1, 1), "standard_deviation is 1e+39"));
    EXPECT_TRUE(is_refused(call(on, 0, 1u << 20, 0, 1, 0, 1, 1, 1), "source is 1048576; it must be from 0 to 1048575"));
    EXPECT_TRUE(is_refused(call(on, 0, 0, uint64_t{1} << 32, 1, 0, 1, 1, 1),
                           "index is 4294967296; it must be from 0 to 4294967295"));
    EXPECT_TRUE(is_refused(call(on, 0, 0, 0, 1, -1, 1, 1, 1), "first is -1; it must be from 0 to 16777215"));
    EXPECT_TRUE(is_refused(call(on, 0, 0, 0, 1, 1 << 24, 1, 1, 1), "first is 16777216"));
    EXPECT_TRUE(is_refused(call(on, 0, 0, 0, 1, 0, 0, 1, 1), "steps is 0; it must be from 1 to 1073741824"));
    EXPECT_TRUE(is_refused(call(on, 0, 0, 0, 1, 0, (1 << 30) + 1, 1, 1), "steps is 1073741825"));
    EXPECT_TRUE(is_refused(call(on, 0, 0, 0, 1, (1 << 24) - 2, 1, 3, 1), "batch is 3; it must be from 1 to 2"));
    EXPECT_TRUE(is_refused(call(on, 0, 0, 0, 1, 0, 1, 0, 1), "batch is 0; it must be from 1 to 16777216"));
    EXPECT_TRUE(is_refused(call(on, 0, 0, 0, 1, 0, 1, 1, 0), "units is 0; it must be from 1 to 1048576"));
    EXPECT_TRUE(is_refused(call(on, 0, 0, 0, 1, 0, 1, 1, (1 << 20) + 1), "units is 1048577"));
    EXPECT_TRUE(is_refused(call(on, 0, 0, 0, 1, 0, 1 << 30, 1 << 24, 1 << 20), "the product must be at most"));
    EXPECT_TRUE(is_refused(ortho_add_normal_noise(on, 0, 1, 0, 0, 1, 0, 1, 1, 1, nullptr, &x), "x is null"));
    EXPECT_TRUE(is_refused(ortho_add_normal_noise(on, 0, 1, 0, 0, 1, 0, 1, 1, 1, &x, nullptr), "y is null"));
    EXPECT_EQ(x, 7);
}

TEST(Random, Dropout_compares_the_words_of_its_counters) {
    const Device device = make_device(2);
    for (const Draw& draw : draws)
        for (const double rate : {0x1p-21, 0.125, 0.5, 0.75, 1 - 0x1p-21}) {
            const auto x = normal_values<float>(draw.count(), 6);
            const auto scale = static_cast<float>(1 / (1 - rate));
            for (const int32_t same : {0, 1}) {
                const auto y = dropout(device.get(), draw, rate, x, same);
                for_each_element(draw, [&](size_t i, int64_t sample, int64_t step, int64_t unit) {
                    const auto words = words_of(10, draw, sample, same == 1 ? 0 : step, unit / 4);
                    const bool drops = static_cast<double>(words[static_cast<size_t>(unit % 4)]) * 0x1p-32 < rate;
                    ASSERT_EQ(y[i], drops ? 0 : x[i] * scale) << rate << ", " << same << ": " << i;
                });
            }
        }
}

TEST(Random, Dropout_is_linear_the_same_in_place_and_for_doubles) {
    const Draw draw{7, 11, 1301};
    const auto x = normal_values<float>(draw.count(), 6);
    const std::vector<float> ones(x.size(), 1);
    const Device device = make_device(3);
    const auto y = dropout(device.get(), draw, 0.3, x);
    auto in_place = x;
    ASSERT_TRUE(succeeds(ortho_dropout(device.get(), ORTHO_FLOAT32, draw.key, draw.source, draw.index, 0.3, 0, 0, 7, 11,
                                       1301, in_place.data(), in_place.data())));
    EXPECT_TRUE(same_bits(in_place, y));
    // y = J x with a diagonal J, which ones show.
    const auto jacobian = dropout(device.get(), draw, 0.3, ones);
    for (size_t i = 0; i < x.size(); ++i)
        ASSERT_EQ(y[i], jacobian[i] * x[i]) << i;
    const std::vector<double> wide(x.begin(), x.end());
    const auto doubles = dropout(device.get(), draw, 0.3, wide);
    for (size_t i = 0; i < x.size(); ++i)
        ASSERT_EQ(doubles[i] == 0, y[i] == 0) << i;
}

TEST(Random, Dropout_drops_the_given_share_independently) {
    const Device device = make_device(2);
    for (const double rate : {0.01, 0.3, 0.5, 0.99}) {
        // Kept is 1 - r in the mean, with variance r (1 - r).
        const auto standardized = [&](std::vector<double> y) {
            for (double& value : y)
                value = (value - (1 - rate)) / std::sqrt(rate * (1 - rate));
            return y;
        };
        expect_independence([&](const Draw& draw) { return standardized(kept(device.get(), draw, rate)); });
        // One mask for all steps: independent units and samples.
        const auto y = kept(device.get(), {3, 1024, 256}, rate, 1);
        const size_t step = y.size() / 3;
        const std::vector<double> mask(y.begin(), y.begin() + static_cast<int64_t>(step));
        for (size_t i = 0; i < y.size(); ++i)
            ASSERT_EQ(y[i], mask[i % step]) << i;
        const auto values = standardized(mask);
        const double bound = 6 / std::sqrt(static_cast<double>(step));
        EXPECT_NEAR(std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(step), 0, bound);
        for (const size_t distance : {size_t{1}, size_t{4}, size_t{256}})
            EXPECT_NEAR(correlation(values, distance), 0, bound) << distance;
    }
}

TEST(Random, Dropout_passes_on_what_is_kept_and_nothing_of_what_is_dropped) {
    const Device device = make_device(1);
    const Draw draw{1, 7, 143};
    const auto x = normal_values<float>(1001, 3);
    EXPECT_TRUE(same_bits(dropout(device.get(), draw, 0, x), x));
    const std::vector<float> nan(1001, NAN);
    const auto y = dropout(device.get(), draw, 0.5, nan);
    EXPECT_TRUE(std::any_of(y.begin(), y.end(), [](float v) { return v == 0; }));
    EXPECT_TRUE(std::all_of(y.begin(), y.end(), [](float v) { return v == 0 || std::isnan(v); }));
    // The largest rate below 1: an element is kept once in 2^32.
    const auto none = dropout(device.get(), draw, std::nextafter(1.0, 0.0), std::vector<float>(1001, 1));
    EXPECT_TRUE(std::all_of(none.begin(), none.end(), [](float v) { return v == 0; }));
}

TEST(Random, Dropout_refuses_bad_arguments) {
    const Device device = make_device(1);
    float x = 7;
    const auto call = [&](ortho_device* on, int32_t dtype, uint32_t source, uint64_t index, double rate, int32_t same,
                          int64_t first, int64_t steps, int64_t batch, int64_t units) {
        return ortho_dropout(on, dtype, 1, source, index, rate, same, first, steps, batch, units, &x, &x);
    };
    ortho_device* const on = device.get();
    EXPECT_TRUE(is_refused(call(nullptr, 0, 0, 0, 0.5, 0, 0, 1, 1, 1), "device is null"));
    EXPECT_TRUE(is_refused(call(on, 2, 0, 0, 0.5, 0, 0, 1, 1, 1), "dtype is 2"));
    EXPECT_TRUE(is_refused(call(on, 0, 1u << 20, 0, 0.5, 0, 0, 1, 1, 1), "source is 1048576"));
    EXPECT_TRUE(is_refused(call(on, 0, 0, uint64_t{1} << 32, 0.5, 0, 0, 1, 1, 1), "index is 4294967296"));
    EXPECT_TRUE(is_refused(call(on, 0, 0, 0, -0.1, 0, 0, 1, 1, 1), "rate is -0.1; it must be at least 0 and below 1"));
    EXPECT_TRUE(is_refused(call(on, 0, 0, 0, 1, 0, 0, 1, 1, 1), "rate is 1"));
    EXPECT_TRUE(is_refused(call(on, 0, 0, 0, NAN, 0, 0, 1, 1, 1), "rate is NaN"));
    EXPECT_TRUE(is_refused(call(on, 0, 0, 0, 0.5, 2, 0, 1, 1, 1), "same_steps is 2; it must be 0 or 1"));
    EXPECT_TRUE(is_refused(call(on, 0, 0, 0, 0.5, 0, 1 << 24, 1, 1, 1), "first is 16777216"));
    EXPECT_TRUE(is_refused(call(on, 0, 0, 0, 0.5, 0, 0, 0, 1, 1), "steps is 0"));
    EXPECT_TRUE(is_refused(call(on, 0, 0, 0, 0.5, 0, 5, 1, 1 << 24, 1), "batch is 16777216"));
    EXPECT_TRUE(is_refused(call(on, 0, 0, 0, 0.5, 0, 0, 1, 1, 0), "units is 0"));
    EXPECT_TRUE(is_refused(ortho_dropout(on, 0, 1, 0, 0, 0.5, 0, 0, 1, 1, 1, nullptr, &x), "x is null"));
    EXPECT_TRUE(is_refused(ortho_dropout(on, 0, 1, 0, 0, 0.5, 0, 0, 1, 1, 1, &x, nullptr), "y is null"));
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
        ortho_random_normal(20221001, ORTHO_STREAM_DATA, 3, -2.5, 0.125, ORTHO_FLOAT64, 0, count, values.data())));
    for (size_t i = 0; i < values.size(); ++i)
        EXPECT_EQ(values[i], -2.5 + 0.125 * standard[i]);
    ASSERT_TRUE(succeeds(ortho_random_normal(1, ORTHO_STREAM_DATA, 3, 4, 0, ORTHO_FLOAT64, 0, count, values.data())));
    EXPECT_TRUE(std::all_of(values.begin(), values.end(), [](double v) { return v == 4; }));
}

TEST(Random, A_buffer_may_be_filled_in_parts) {
    constexpr int64_t count = 3001;
    const auto whole_normal = normal_values<double>(count, 3);
    const auto whole_uniform = uniform<float>(4, -1, 2, count);
    std::vector<double> normal(count);
    std::vector<float> uniforms(count);
    // The ends of parts lie within pairs of numbers and within the chunks that are drawn at once.
    for (const int64_t part : {int64_t{1}, int64_t{7}, int64_t{1025}})
        for (int64_t first = 0; first < count; first += part) {
            const int64_t n = std::min(part, count - first);
            ASSERT_TRUE(succeeds(ortho_random_normal(20221001, ORTHO_STREAM_DATA, 3, 0, 1, ORTHO_FLOAT64, first, n,
                                                     normal.data() + first)));
            ASSERT_TRUE(succeeds(ortho_random_uniform(seed, ORTHO_STREAM_WEIGHTS, 4, -1, 2, ORTHO_FLOAT32, first, n,
                                                      uniforms.data() + first)));
            if (first + part < count)
                continue;
            EXPECT_EQ(normal, whole_normal) << part;
            EXPECT_EQ(uniforms, whole_uniform) << part;
        }
    EXPECT_TRUE(is_refused(ortho_random_normal(1, ORTHO_STREAM_DATA, 3, 0, 1, ORTHO_FLOAT64, -1, 1, normal.data()),
                           "first is -1"));
    EXPECT_TRUE(is_refused(ortho_random_uniform(1, ORTHO_STREAM_DATA, 3, 0, 1, ORTHO_FLOAT64,
                                                std::numeric_limits<int64_t>::max(), 1, normal.data()),
                           "first is 9223372036854775807"));
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
        return ortho_random_uniform(1, purpose, 0, low, high, dtype, 0, count, &value);
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
    EXPECT_TRUE(is_refused(ortho_random_uniform(1, 0, 0, 0, 1, 1, 0, 1, nullptr), "values is null"));

    const auto normal_call = [&](int32_t purpose, double mean, double deviation, int32_t dtype, int64_t count) {
        return ortho_random_normal(1, purpose, 0, mean, deviation, dtype, 0, count, &value);
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
    EXPECT_TRUE(is_refused(ortho_random_normal(1, 0, 0, 0, 1, 1, 0, 1, nullptr), "values is null"));

    EXPECT_TRUE(is_refused(ortho_random_permutation(1, 6, 0, 1, &number), "purpose is 6"));
    EXPECT_TRUE(is_refused(ortho_random_permutation(1, 2, 0, 0, &number), "count is 0"));
    EXPECT_TRUE(is_refused(ortho_random_permutation(1, 2, 0, 1, nullptr), "permutation is null"));
    EXPECT_EQ(value, 7);
    EXPECT_EQ(number, 7);
}

} // namespace
} // namespace ortho::test
