// The rows of a batch: which sample each one is, and how many steps it takes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "cpu/chain/types.hpp"
#include "model/calls.hpp"
#include "model/part.hpp"

namespace ortho::cpu {

/**
 * Rows in the order of their lengths, the longest first, within each leaf of the batch: the rows of a leaf that take a
 * step are its first ones. Sums go over the rows of a leaf, so these must lie together. Samples of one length keep
 * their places.
 */
class BatchRows {
public:
    /** Some rows, at most one range for each leaf. */
    struct Selected {
        Span ranges[Leaves::most];
        int64_t count = 0;

        operator RowRanges() const { return {ranges, count}; }
        const Span* begin() const { return ranges; }
        const Span* end() const { return ranges + count; }
        void add(Span range) {
            if (range.begin < range.end)
                ranges[count++] = range;
        }
    };

    BatchRows() = default;
    /** Samples of equal lengths. */
    BatchRows(int64_t batch, int64_t steps) : batch_(batch), steps_(steps) {}

    /** Takes memory only where lengths differ. @param steps  of the call */
    BatchRows(const ChainForward& call, int64_t steps) : BatchRows(call.batch, steps) {
        if (!call.lengths)
            return;
        const int32_t* const lengths = call.lengths;
        const auto [least, most] = std::minmax_element(lengths, lengths + batch_);
        steps_ = std::max<int64_t>(1, *most);
        if (*least == steps_)
            return;
        order_.resize(static_cast<size_t>(batch_));
        lengths_.resize(static_cast<size_t>(batch_));
        std::iota(order_.begin(), order_.end(), 0);
        const Span held = call.part.held();
        for (int64_t leaf = held.begin; leaf < held.end; ++leaf) {
            const Span samples = call.part.rows_of(leaf);
            leaves_[leaf_count_++] = samples;
            std::stable_sort(order_.begin() + samples.begin, order_.begin() + samples.end,
                             [&](int32_t a, int32_t b) { return lengths[a] > lengths[b]; });
        }
        for (size_t row = 0; row < order_.size(); ++row)
            lengths_[row] = lengths[order_[row]];
    }

    /** Steps of the longest sample, at least 1. */
    int64_t steps() const { return steps_; }
    /** Whether some samples take fewer steps than others. */
    bool varied() const { return !order_.empty(); }
    SampleOrder order() const { return varied() ? order_.data() : nullptr; }
    int64_t length(int64_t row) const { return varied() ? lengths_[static_cast<size_t>(row)] : steps_; }
    /** Steps of all samples together. */
    int64_t all_steps() const {
        return varied() ? std::accumulate(lengths_.begin(), lengths_.end(), int64_t{0}) : batch_ * steps_;
    }

    /** Those of `rows` whose lengths are from `least` to `most`. */
    Selected of_lengths(Span rows, int64_t least, int64_t most) const {
        Selected selected;
        if (!varied()) {
            if (least <= steps_ && steps_ <= most)
                selected.add(rows);
            return selected;
        }
        for (int64_t i = 0; i < leaf_count_; ++i) {
            const Span leaf = {std::max(leaves_[i].begin, rows.begin), std::min(leaves_[i].end, rows.end)};
            if (leaf.begin < leaf.end)
                selected.add({longer_than(most, leaf), longer_than(least - 1, leaf)});
        }
        return selected;
    }
    /** Those of `rows` that take a step. */
    Selected taking(Span rows, int64_t step) const { return of_lengths(rows, step + 1, steps_); }

private:
    /** The end of those rows of a leaf that are longer. */
    int64_t longer_than(int64_t length, Span leaf) const {
        const auto first = lengths_.begin();
        return std::partition_point(first + leaf.begin, first + leaf.end,
                                    [&](int32_t other) { return other > length; }) -
               first;
    }

    int64_t batch_ = 0;
    int64_t steps_ = 0;
    std::vector<int32_t> order_;   // sample of a row; empty: all have the same length
    std::vector<int32_t> lengths_; // of the rows
    Span leaves_[Leaves::most];
    int64_t leaf_count_ = 0;
};

} // namespace ortho::cpu
