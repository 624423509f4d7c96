#pragma once

#include <array>
#include <cstdint>

#include "core/philox.hpp"
#include "orthonative/orthonative.h"

namespace ortho {

/**
 * A stream of random numbers: the seed is Philox's key; purpose, index and position are its counter. Values at a
 * position depend on nothing else, and on every machine they are the same bits.
 */
class RandomStream {
public:
    RandomStream(uint64_t seed, ortho_stream purpose, uint32_t index) noexcept
        : key_(philox_key(seed)), purpose_(static_cast<uint32_t>(purpose)), index_(index) {}

    /** The four words of block `block`. */
    std::array<uint32_t, 4> block(uint64_t block) const noexcept {
        return philox4x32(stream_counter(purpose_, index_, block), key_);
    }

    /** Uniform numbers in [0, 1), multiples of 2^-53: those at positions first to first+count-1. */
    void uniform(uint64_t first, int64_t count, double* values) const noexcept;

    /** Standard normal numbers by Box-Muller: those at positions first to first+count-1. */
    void normal(uint64_t first, int64_t count, double* values) const noexcept;

private:
    std::array<uint32_t, 2> key_;
    uint32_t purpose_;
    uint32_t index_;
};

/** Reads a stream's words from its beginning, for draws that take as many as chance wants. */
class RandomReader {
public:
    explicit RandomReader(const RandomStream& stream) noexcept : stream_(stream) {}

    uint64_t next() noexcept;

    /** Uniform in 0 to bound-1; bound at least 1. */
    uint64_t below(uint64_t bound) noexcept;

    /** Uniformly random permutation of 0 to count-1 (Fisher-Yates). */
    template <class Index> void permutation(int64_t count, Index* values) noexcept {
        for (int64_t i = 0; i < count; ++i)
            values[i] = static_cast<Index>(i);
        for (int64_t i = count - 1; i > 0; --i) {
            const int64_t j = static_cast<int64_t>(below(static_cast<uint64_t>(i) + 1));
            const Index value = values[i];
            values[i] = values[j];
            values[j] = value;
        }
    }

private:
    RandomStream stream_;
    uint64_t position_ = 0;
    std::array<uint32_t, 4> words_{};
};

} // namespace ortho
