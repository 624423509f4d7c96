// Batches for tests: lengths, parts, and what a part holds of arrays [T, B, elements].
#pragma once

#include <algorithm>
#include <numeric>
#include <random>

#include "support.hpp"

namespace ortho::test {

/** Some consecutive samples of a batch. */
struct Samples {
    int64_t first;
    int64_t count;
};

inline ortho_batch_part make_part(int64_t batch, Samples samples, int64_t stride = 0, int64_t rows = 0) {
    ortho_batch_part part = ORTHO_BATCH_PART_INIT;
    part.batch = batch;
    part.first = samples.first;
    part.stride = stride;
    part.weight = static_cast<double>(rows);
    return part;
}

inline int64_t partial_sums(int64_t batch, Samples samples) {
    int64_t count = -1;
    EXPECT_TRUE(succeeds(ortho_partial_sum_count(batch, samples.first, samples.count, &count)));
    return count;
}

/** A batch cut into parts before these leaves, in order. */
inline std::vector<Samples> cut(int64_t batch, const std::vector<int64_t>& leaves) {
    std::vector<Samples> parts;
    int64_t first = 0;
    for (const int64_t leaf : leaves) {
        const int64_t next = ortho_leaf_begin(batch, leaf);
        parts.push_back({first, next - first});
        first = next;
    }
    parts.push_back({first, batch - first});
    return parts;
}

/** Cuts to try: whole, into single leaves, at every one leaf, and some at random. */
inline std::vector<std::vector<Samples>> cuts(int64_t batch) {
    const int64_t leaves = ortho_leaf_count(batch);
    std::vector<int64_t> all(static_cast<size_t>(leaves - 1));
    std::iota(all.begin(), all.end(), 1);
    std::vector<std::vector<Samples>> tried{cut(batch, {}), cut(batch, all)};
    for (const int64_t leaf : all)
        tried.push_back(cut(batch, {leaf}));
    std::mt19937 random(static_cast<unsigned>(batch));
    for (int i = 0; i < 4 && leaves > 2; ++i) {
        std::vector<int64_t> some;
        std::copy_if(all.begin(), all.end(), std::back_inserter(some), [&](int64_t) { return random() % 3 == 0; });
        tried.push_back(cut(batch, some));
    }
    return tried;
}

/** The samples of a part, of values [steps, batch, elements]. */
template <class T>
std::vector<T> part_of(const std::vector<T>& values, int64_t steps, int64_t batch, int64_t elements, Samples samples) {
    std::vector<T> part;
    for (int64_t step = 0; step < steps; ++step) {
        const auto first = values.begin() + (step * batch + samples.first) * elements;
        part.insert(part.end(), first, first + samples.count * elements);
    }
    return part;
}

/** The inverse of part_of. */
template <class T>
void put_part(const std::vector<T>& part, int64_t steps, int64_t batch, int64_t elements, Samples samples,
              std::vector<T>& values) {
    for (int64_t step = 0; step < steps; ++step)
        std::copy_n(part.begin() + step * samples.count * elements, samples.count * elements,
                    values.begin() + (step * batch + samples.first) * elements);
}

/** Adds parts that follow one another, in their order. @param sums  of each part, `stride` elements apart */
template <class T>
std::vector<T> put_together(ortho_device* device, int64_t batch, const std::vector<Samples>& parts, int64_t count,
                            int64_t stride, const std::vector<std::vector<T>>& sums) {
    std::vector<T> total(static_cast<size_t>(6 * stride));
    std::copy(sums[0].begin(), sums[0].end(), total.begin());
    Samples before = parts[0];
    for (size_t i = 1; i < parts.size(); ++i) {
        EXPECT_TRUE(succeeds(ortho_add_partial_sums(device, dtype_of<T>, count, batch, before.first, before.count,
                                                    parts[i].count, total.data(), stride, sums[i].data(), stride)));
        before.count += parts[i].count;
    }
    total.resize(static_cast<size_t>(count));
    return total;
}

/** Lengths from 0 to `steps`, among them both. */
inline std::vector<int32_t> some_lengths(int64_t steps, int64_t batch, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<int32_t> lengths(static_cast<size_t>(batch));
    for (int32_t& length : lengths)
        length = static_cast<int32_t>(random() % static_cast<unsigned>(steps + 1));
    lengths[0] = static_cast<int32_t>(steps);
    if (batch > 1)
        lengths[static_cast<size_t>(batch / 2)] = 0;
    return lengths;
}

/** Sets what lies beyond the lengths. */
template <class T>
void set_padding(std::vector<T>& values, int64_t batch, int64_t elements, const std::vector<int32_t>& lengths,
                 T value) {
    for (size_t i = 0; i < values.size(); ++i) {
        const int64_t row = static_cast<int64_t>(i) / elements;
        if (row / batch >= lengths[static_cast<size_t>(row % batch)])
            values[i] = value;
    }
}

} // namespace ortho::test
