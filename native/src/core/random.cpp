#include "core/random.hpp"

#include <limits>

namespace ortho {
namespace {

/** Writes positions first to first+count-1 of a stream that yields two values a block. */
template <class Pair> void fill_pairs(uint64_t first, int64_t count, double* values, Pair&& pair) noexcept {
    double both[2];
    int64_t i = 0;
    if (count > 0 && first % 2 == 1) {
        pair(first / 2, both);
        values[i++] = both[1];
    }
    for (; i + 2 <= count; i += 2)
        pair((first + static_cast<uint64_t>(i)) / 2, values + i);
    if (i < count) {
        pair((first + static_cast<uint64_t>(i)) / 2, both);
        values[i] = both[0];
    }
}

} // namespace

void RandomStream::uniform(uint64_t first, int64_t count, double* values) const noexcept {
    fill_pairs(first, count, values, [this](uint64_t index, double* pair) { uniform_pair(block(index), pair); });
}

void RandomStream::normal(uint64_t first, int64_t count, double* values) const noexcept {
    fill_pairs(first, count, values, [this](uint64_t index, double* pair) { normal_pair(block(index), pair); });
}

uint64_t RandomReader::next() noexcept {
    if (position_ % 2 == 0)
        words_ = stream_.block(position_ / 2);
    const size_t word = position_ % 2 * 2;
    ++position_;
    return random_arithmetic::join(words_[word + 1], words_[word]);
}

uint64_t RandomReader::below(uint64_t bound) noexcept {
    // Words from the last, incomplete run of `bound` values are drawn again, so that all remainders are equally likely.
    const uint64_t limit = std::numeric_limits<uint64_t>::max() - std::numeric_limits<uint64_t>::max() % bound;
    uint64_t word;
    do
        word = next();
    while (word >= limit);
    return word % bound;
}

} // namespace ortho
