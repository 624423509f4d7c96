#include "core/orthogonal.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

#include "core/random.hpp"
#include "support.hpp"

namespace ortho::test {
namespace {

using Words = std::array<uint32_t, 4>;

// Known answers of Random123, the authors' own implementation.
TEST(Philox, Gives_the_published_answers) {
    EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    constexpr uint32_t ones = 0xffffffff;
    EXPECT_EQ(philox4x32({ones, ones, ones, ones}, {ones, ones}),
              (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
    EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomStream, Draws_from_any_position_agree) {
    const RandomStream stream(5, ORTHO_STREAM_FILTER, 3);
    double all[40];
    stream.normal(0, 40, all);
    for (uint64_t first = 0; first < 8; ++first)
        for (int64_t count = 0; count < 9; ++count) {
            double some[9];
            stream.normal(first, count, some);
            for (int64_t i = 0; i < count; ++i)
                ASSERT_EQ(some[i], all[first + static_cast<uint64_t>(i)]);
        }
}

// Box-Muller with the mathematical library, whose logarithm, sine and cosine are off by an unit in the last place at
// most; the radius is below 9.
TEST(RandomStream, Normal_numbers_are_those_of_the_mathematical_library) {
    const RandomStream stream(77, ORTHO_STREAM_NOISE, 0);
    constexpr int64_t pairs = 100000;
    std::vector<double> u(2 * pairs);
    std::vector<double> z(2 * pairs);
    stream.uniform(0, 2 * pairs, u.data());
    stream.normal(0, 2 * pairs, z.data());
    for (size_t i = 0; i < u.size(); i += 2) {
        const double radius = std::sqrt(-2 * std::log(u[i] + 0x1p-53));
        const double angle = 2 * 3.14159265358979323846 * u[i + 1];
        // The library's angle is rounded before its sine is taken: 4 units at 2 pi.
        const double bound = 16 * rounding<double> * (1 + radius);
        ASSERT_NEAR(z[i], radius * std::cos(angle), bound);
        ASSERT_NEAR(z[i + 1], radius * std::sin(angle), bound);
    }
}

// The seed of a filter is all that is stored of it, so its bits may never change: on no machine, in no version.
TEST(RandomStream, First_values_never_change) {
    const RandomStream stream(1, ORTHO_STREAM_WEIGHTS, 0);
    double u[2];
    double z[2];
    stream.uniform(0, 2, u);
    stream.normal(0, 2, z);
    EXPECT_EQ(u[0], 0x1.e047488127be8p-4);
    EXPECT_EQ(u[1], 0x1.472692c91085p-5);
    EXPECT_EQ(z[0], 0x1.00b82c9700e88p+1);
    EXPECT_EQ(z[1], 0x1.07368a8eebcdcp-1);
}

FilterSpec haar(int64_t size, uint64_t seed = 11, uint32_t index = 0) {
    return {ORTHO_FILTER_HAAR, size, seed, index};
}

class HaarSizes : public ::testing::TestWithParam<int64_t> {};

TEST_P(HaarSizes, Matrix_is_orthogonal_to_rounding) {
    const int64_t n = GetParam();
    const auto q = haar_matrix(haar(n));
    ASSERT_EQ(static_cast<int64_t>(q.size()), n * n);
    for (int64_t a = 0; a < n; ++a)
        for (int64_t b = a; b < n; ++b) {
            double product = 0;
            for (int64_t i = 0; i < n; ++i)
                product += q[static_cast<size_t>(a * n + i)] * q[static_cast<size_t>(b * n + i)];
            ASSERT_NEAR(product, a == b ? 1 : 0, 1e-12) << a << ", " << b;
        }
}

INSTANTIATE_TEST_SUITE_P(All, HaarSizes, ::testing::Values(1, 2, 3, 31, 32, 33, 64, 65, 100, 257));

/** QR of the Gaussian matrix that a matrix of reflections stands for, column by column: Q = H_0 H_1 ... with R's signs.
 */
std::vector<double> haar_by_definition(const FilterSpec& spec) {
    const int64_t n = spec.size;
    const RandomStream stream(spec.seed, ORTHO_STREAM_FILTER, spec.index);
    std::vector<double> q(static_cast<size_t>(n * n));
    std::vector<double> sign(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i)
        q[static_cast<size_t>(i * n + i)] = 1;
    for (int64_t k = n - 1; k >= 0; --k) {
        std::vector<double> v(static_cast<size_t>(n - k));
        stream.normal(static_cast<uint64_t>(k * n + k), n - k, v.data());
        double norm = std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0));
        // R's diagonal is -sign(v_0) |v| where a reflection is made, v_0 itself in the last column.
        const bool reflects = k < n - 1;
        sign[static_cast<size_t>(k)] = (v[0] < 0) == reflects ? 1 : -1;
        if (!reflects)
            continue;
        v[0] += v[0] < 0 ? -norm : norm;
        const double squares = std::inner_product(v.begin(), v.end(), v.begin(), 0.0);
        for (int64_t j = 0; j < n; ++j) {
            double product = 0;
            for (int64_t i = k; i < n; ++i)
                product += v[static_cast<size_t>(i - k)] * q[static_cast<size_t>(i * n + j)];
            for (int64_t i = k; i < n; ++i)
                q[static_cast<size_t>(i * n + j)] -= 2 * product / squares * v[static_cast<size_t>(i - k)];
        }
    }
    for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < n; ++j)
            q[static_cast<size_t>(i * n + j)] *= sign[static_cast<size_t>(j)];
    return q;
}

TEST(Haar, Blocked_reflections_are_the_product_of_single_ones) {
    for (const int64_t n : {1, 2, 5, 40, 97}) {
        const auto expected = haar_by_definition(haar(n));
        const auto q = haar_matrix(haar(n));
        for (size_t i = 0; i < q.size(); ++i)
            ASSERT_NEAR(q[i], expected[i], 1e-13) << n << ": " << i;
    }
}

// As for the random numbers: a stored model holds the seed of its filter only.
TEST(Haar, Bits_never_change) {
    uint64_t hash = 0xcbf29ce484222325; // FNV-1a over the words
    for (const double value : haar_matrix(haar(70)))
        hash = (hash ^ std::bit_cast<uint64_t>(value)) * 0x100000001b3;
    EXPECT_EQ(hash, 13805024430437568440u);
}

TEST(Haar, Depends_on_seed_and_index_alone) {
    EXPECT_TRUE(same_bits(haar_matrix(haar(20)), haar_matrix(haar(20))));
    EXPECT_FALSE(same_bits(haar_matrix(haar(20)), haar_matrix(haar(20, 12))));
    EXPECT_FALSE(same_bits(haar_matrix(haar(20)), haar_matrix(haar(20, 11, 1))));
}

// Moments of the Haar measure: E q_ij = 0, E q_ij^2 = 1/n, E q_ij^4 = 3/(n(n+2)), E q_11 q_22 = 0,
// E q_11^2 q_22^2 = (n+1)/((n-1)n(n+2)), E (tr Q)^2 = 1, E (tr Q)^4 = 3. Bounds: six standard deviations of the mean;
// those of the powers are below the ones given.
TEST(Haar, Moments_are_those_of_the_Haar_measure) {
    constexpr int64_t n = 6;
    constexpr int draws = 40000;
    double diagonal[n] = {};
    double off = 0;
    double square = 0;
    double fourth = 0;
    double pair = 0;
    double trace2 = 0;
    double trace4 = 0;
    for (uint32_t index = 0; index < draws; ++index) {
        const auto q = haar_matrix(haar(n, 3, index));
        const auto at = [&](int64_t i, int64_t j) { return q[static_cast<size_t>(i * n + j)]; };
        double trace = 0;
        for (int64_t i = 0; i < n; ++i) {
            diagonal[i] += at(i, i) / draws;
            trace += at(i, i);
        }
        off += at(0, n - 1) / draws;
        square += at(n - 1, 2) * at(n - 1, 2) / draws;
        fourth += std::pow(at(2, 1), 4) / draws;
        pair += std::pow(at(0, 0) * at(1, 1), 2) / draws;
        trace2 += trace * trace / draws;
        trace4 += std::pow(trace, 4) / draws;
    }
    const double six = 6 / std::sqrt(draws);
    for (const double mean : diagonal)
        EXPECT_NEAR(mean, 0, six * std::sqrt(1.0 / n));
    EXPECT_NEAR(off, 0, six * std::sqrt(1.0 / n));
    EXPECT_NEAR(square, 1.0 / n, six * std::sqrt(3.0 / (n * (n + 2))));
    EXPECT_NEAR(fourth, 3.0 / (n * (n + 2)), six * std::sqrt(105.0 / (n * (n + 2) * (n + 4) * (n + 6))));
    EXPECT_NEAR(pair, (n + 1.0) / ((n - 1) * n * (n + 2)), six * 0.1);
    EXPECT_NEAR(trace2, 1, six * std::sqrt(3.0));
    EXPECT_NEAR(trace4, 3, six * std::sqrt(105.0));
}

TEST(StructuredFilter, Cycle_takes_every_value_from_its_predecessor) {
    const auto filter = structured_filter({ORTHO_FILTER_CYCLE, 5, 1, 0});
    EXPECT_EQ(filter.source, (std::vector<int32_t>{4, 0, 1, 2, 3}));
    EXPECT_EQ(filter.sign, std::vector<double>(5, 1));
    EXPECT_EQ(structured_filter({ORTHO_FILTER_CYCLE, 1, 1, 0}).source, std::vector<int32_t>{0});
}

TEST(StructuredFilter, Identity_moves_nothing) {
    const auto filter = structured_filter({ORTHO_FILTER_IDENTITY, 3, 1, 0});
    EXPECT_EQ(filter.source, (std::vector<int32_t>{0, 1, 2}));
    EXPECT_EQ(filter.sign, std::vector<double>(3, 1));
}

TEST(StructuredFilter, Permutation_takes_every_value_once_with_random_signs) {
    auto filter = structured_filter({ORTHO_FILTER_PERMUTATION, 1000, 9, 4});
    EXPECT_EQ(structured_filter({ORTHO_FILTER_PERMUTATION, 1000, 9, 4}).source, filter.source);
    EXPECT_NE(structured_filter({ORTHO_FILTER_PERMUTATION, 1000, 9, 5}).source, filter.source);
    double sum = 0;
    for (const double sign : filter.sign) {
        ASSERT_EQ(std::abs(sign), 1);
        sum += sign;
    }
    EXPECT_LT(std::abs(sum), 6 * std::sqrt(1000));
    std::sort(filter.source.begin(), filter.source.end());
    for (int32_t i = 0; i < 1000; ++i)
        ASSERT_EQ(filter.source[static_cast<size_t>(i)], i);
}

} // namespace
} // namespace ortho::test
