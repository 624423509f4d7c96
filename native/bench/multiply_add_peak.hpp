// The multiply-add peak of a core, for the machine that the including program is compiled for (-march=native).
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>

namespace ortho::bench {

/** Float32 multiply-adds a nanosecond that wait for nothing, as many at once as the registers hold; a median. */
inline double multiply_adds_per_nanosecond() {
#if defined(__AVX512F__)
    constexpr int bytes = 64;
#elif defined(__AVX2__)
    constexpr int bytes = 32;
#else
    constexpr int bytes = 16;
#endif
    typedef float Vector __attribute__((vector_size(bytes)));
    constexpr int chains = bytes == 64 ? 24 : 12, rounds = 20000, repetitions = 9;
    std::array<double, repetitions> peaks{};
    for (double& peak : peaks) {
        Vector sum[chains] = {};
        Vector factor = Vector{} + 0.5f, term = Vector{} + 1.0f;
        // The compiler must not know what they hold, nor leave sums out.
        asm volatile("" : "+m"(factor), "+m"(term));
        const auto begin = std::chrono::steady_clock::now();
        for (int round = 0; round < rounds; ++round)
#pragma GCC unroll 24
            for (int chain = 0; chain < chains; ++chain)
                sum[chain] = sum[chain] * factor + term;
        const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - begin;
        asm volatile("" : : "m"(sum));
        peak = static_cast<double>(chains * rounds) * (bytes / sizeof(float)) / taken.count();
    }
    std::nth_element(peaks.begin(), peaks.begin() + repetitions / 2, peaks.end());
    return peaks[repetitions / 2];
}

} // namespace ortho::bench
