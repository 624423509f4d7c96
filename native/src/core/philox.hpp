// The arithmetic of random numbers, for the host and for CUDA kernels.
//
// To be compiled without contraction of a * b + c. It takes nothing but the square root from the mathematical library
// (which IEEE 754 rounds): the numbers are then the same bits on every machine.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "core/host_device.hpp"

namespace ortho {

/** Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3. SC 2011). */
ORTHO_HOST_DEVICE std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter,
                                                     std::array<uint32_t, 2> key) noexcept {
    for (int round = 0; round < 10; ++round) {
        const uint64_t product0 = uint64_t{0xD2511F53} * counter[0];
        const uint64_t product1 = uint64_t{0xCD9E8D57} * counter[2];
        counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(product1),
                   static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(product0)};
        key[0] += 0x9E3779B9;
        key[1] += 0xBB67AE85;
    }
    return counter;
}

// Counters. The seed is the key, and the counter's 128 bits are divided so that whatever tells two draws apart has bits
// of its own: no two of them share a block of four words. Bits of a field go from the lowest on:
//
//     stream     purpose 4 (0 to 5, ortho_stream), 0 28, index 32, number of the block 64
//     elements   purpose 4 (8, 9 or 10), source 20, index 32, sample 24, step 30, unit / 4 18
//
//     word       0                         1                             2       3
//     stream     block, low                block, high                   index   purpose
//     elements   unit / 4, step (low 14)   step (high 16), sample (16)   index   purpose, source, sample (high 8)
//
// The four words of a block belong to four units, 4 i to 4 i + 3. Dropout takes a word for each. Two normal numbers
// take all four words, so units 4 i and 4 i + 1 have the block of one purpose, 4 i + 2 and 4 i + 3 that of another.

constexpr int64_t largest_noise_source = (int64_t{1} << 20) - 1;
constexpr int64_t largest_noise_index = (int64_t{1} << 32) - 1;
constexpr int64_t most_noise_samples = int64_t{1} << 24;
constexpr int64_t most_noise_steps = int64_t{1} << 30;
constexpr int64_t most_noise_units = int64_t{1} << 20;

/** The counter of a block of a stream. */
ORTHO_HOST_DEVICE std::array<uint32_t, 4> stream_counter(uint32_t purpose, uint32_t index, uint64_t block) noexcept {
    return {static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), index, purpose};
}

namespace random_arithmetic {

/** @param block  the first of the four units / 4 */
ORTHO_HOST_DEVICE std::array<uint32_t, 4> element_counter(uint32_t purpose, uint32_t source, uint32_t index,
                                                          int64_t sample, int64_t step, int64_t block) noexcept {
    const uint64_t low = static_cast<uint64_t>(block) | static_cast<uint64_t>(step) << 18 |
                         static_cast<uint64_t>(sample) << 48; // without the sample's highest 8 bits
    return {static_cast<uint32_t>(low), static_cast<uint32_t>(low >> 32), index,
            purpose | source << 4 | static_cast<uint32_t>(sample >> 16) << 24};
}

} // namespace random_arithmetic

/** The counter of the normal numbers of units 2 pair and 2 pair + 1. @param sample  of the whole batch */
ORTHO_HOST_DEVICE std::array<uint32_t, 4> noise_counter(uint32_t source, uint32_t index, int64_t sample, int64_t step,
                                                        int64_t pair) noexcept {
    return random_arithmetic::element_counter(pair % 2 == 0 ? 8 : 9, source, index, sample, step, pair / 2);
}

/** The counter of the words of units 4 block to 4 block + 3. @param sample  of the whole batch */
ORTHO_HOST_DEVICE std::array<uint32_t, 4> dropout_counter(uint32_t source, uint32_t index, int64_t sample, int64_t step,
                                                          int64_t block) noexcept {
    return random_arithmetic::element_counter(10, source, index, sample, step, block);
}

ORTHO_HOST_DEVICE std::array<uint32_t, 2> philox_key(uint64_t seed) noexcept {
    return {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
}

namespace random_arithmetic {

ORTHO_HOST_DEVICE uint64_t bits_of(double value) noexcept {
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

ORTHO_HOST_DEVICE double of_bits(uint64_t bits) noexcept {
    double value = 0;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

ORTHO_HOST_DEVICE uint64_t join(uint32_t high, uint32_t low) noexcept {
    return uint64_t{high} << 32 | low;
}

/** 53 bits in [0, 1). */
ORTHO_HOST_DEVICE double unit(uint64_t bits) noexcept {
    return static_cast<double>(bits >> 11) * 0x1p-53;
}

/**
 * Natural logarithm of a normal number x in (0, 1], to about one unit in the last place: x = m 2^e with m in
 * [sqrt(1/2), sqrt(2)), log m = 2 artanh(s), s = (m-1)/(m+1). |s| < 0.172, so that twelve terms of the series suffice.
 */
ORTHO_HOST_DEVICE double log_of_unit(double x) noexcept {
    constexpr uint64_t mantissa_mask = (uint64_t{1} << 52) - 1;
    const uint64_t bits = bits_of(x);
    int exponent = static_cast<int>(bits >> 52) - 1023;
    double mantissa = of_bits((bits & mantissa_mask) | uint64_t{1023} << 52);
    if (mantissa > 1.4142135623730951) {
        mantissa *= 0.5;
        ++exponent;
    }
    const double s = (mantissa - 1) / (mantissa + 1);
    const double square = s * s;
    double series = 0;
    for (int term = 23; term >= 3; term -= 2)
        series = (series + 1.0 / term) * square;
    // ln 2 in two parts; the first has trailing zeros, so that its product with an exponent is exact.
    constexpr double ln2_high = 0x1.62e42fee00000p-1;
    constexpr double ln2_low = 0x1.a39ef35793c76p-33;
    return exponent * ln2_high + (2 * s + (2 * s * series + exponent * ln2_low));
}

/** sin and cos of an angle up to pi/4 by their Taylor series; the first term left out is below 2^-60. */
ORTHO_HOST_DEVICE double sine(double angle) noexcept {
    const double square = angle * angle;
    double series = 0;
    for (int n = 16; n >= 2; n -= 2)
        series = (1 + series) * -square / (n * (n + 1));
    return angle + angle * series;
}

ORTHO_HOST_DEVICE double cosine(double angle) noexcept {
    const double square = angle * angle;
    double series = 0;
    for (int n = 17; n >= 1; n -= 2)
        series = (1 + series) * -square / (n * (n + 1));
    return 1 + series;
}

/** Sine and cosine of 2 pi u, u in [0, 1): reduced exactly to an eighth of a turn. */
ORTHO_HOST_DEVICE void sine_cosine_of_turn(double u, double& sine_value, double& cosine_value) noexcept {
    const int quarter = static_cast<int>(u * 4 + 0.5);
    const double angle = (u - quarter * 0.25) * (2 * 3.14159265358979323846);
    const double s = sine(angle);
    const double c = cosine(angle);
    switch (quarter & 3) {
    case 0:
        sine_value = s, cosine_value = c;
        break;
    case 1:
        sine_value = c, cosine_value = -s;
        break;
    case 2:
        sine_value = -s, cosine_value = -c;
        break;
    default:
        sine_value = -c, cosine_value = s;
        break;
    }
}

} // namespace random_arithmetic

/** Two uniform numbers in [0, 1), multiples of 2^-53, of the four words of a block. */
ORTHO_HOST_DEVICE void uniform_pair(const std::array<uint32_t, 4>& words, double* pair) noexcept {
    using namespace random_arithmetic;
    pair[0] = unit(join(words[1], words[0]));
    pair[1] = unit(join(words[3], words[2]));
}

/** Two standard normal numbers by Box-Muller, of the four words of a block. */
ORTHO_HOST_DEVICE void normal_pair(const std::array<uint32_t, 4>& words, double* pair) noexcept {
    using namespace random_arithmetic;
    double uniform[2];
    uniform_pair(words, uniform);
    const double radius = std::sqrt(-2 * log_of_unit(uniform[0] + 0x1p-53));
    double s = 0;
    double c = 0;
    sine_cosine_of_turn(uniform[1], s, c);
    pair[0] = radius * c;
    pair[1] = radius * s;
}

} // namespace ortho
