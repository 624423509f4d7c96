// The rows of a batch: which sample each one is, and how many steps it takes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "cpu/chain/plan.hpp"
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
        order_.resize(static_cast<size_t>(batch_)); // the C interface allows no more than fit its type
        lengths_.resize(static_cast<size_t>(batch_));
        std::iota(order_.begin(), order_.end(), 0);
        const Span held = call.part.held();
        for (int64_t leaf = held.begin; leaf < held.end; ++leaf) {
            const Span samples = call.part.rows_of(leaf);
            leaves_[leaf_count_++] = samples;
            std::stable_sort(order_.begin() + samples.begin, order_.begin() + samples.end,
                             [&](int32_t a, int32_t b) { return lengths[a] > lengths[b]; });
        }
        before_.resize(order_.size() + 1);
        for (size_t row = 0; row < order_.size(); ++row) {
            lengths_[row] = lengths[order_[row]];
            before_[row + 1] = before_[row] + lengths_[row];
        }
    }

    /** Steps of the longest sample, at least 1. */
    int64_t steps() const { return steps_; }
    /** Whether some samples take fewer steps than others. */
    bool varied() const { return !order_.empty(); }
    SampleOrder order() const { return varied() ? order_.data() : nullptr; }
    int64_t length(int64_t row) const { return varied() ? lengths_[static_cast<size_t>(row)] : steps_; }
    /** Steps of all samples together. */
    int64_t all_steps() const { return varied() ? before_.back() : batch_ * steps_; }

    /** Part `index` of `parts` of some rows, which take nearly as many steps as the others. */
    Span share(Span rows, int64_t index, int64_t parts) const {
        if (!varied())
            return part_of(rows, index, parts);
        const auto cut = [&](int64_t i) {
            if (i == parts)
                return rows.end; // rows of length 0 at the end belong to someone
            const auto first = before_.begin() + rows.begin;
            const int64_t all = before_[static_cast<size_t>(rows.end)] - *first;
            return std::lower_bound(first, before_.begin() + rows.end, *first + all * i / parts) - before_.begin();
        };
        return {index == 0 ? rows.begin : cut(index), cut(index + 1)};
    }
    /** The same for whole leaves of a batch, of which each part gets at least one. */
    Span share_of_leaves(const BatchPart& part, int64_t index, int64_t parts) const {
        const Span held = part.held();
        if (!varied())
            return part_of(held, index, parts);
        int64_t begin = held.begin;
        for (int64_t i = 1;; ++i) {
            const int64_t most = held.end - (parts - i);
            int64_t end = begin + 1;
            while (end < most && 2 * before_leaf(part, end) + steps_of_leaf(part, end) <= 2 * all_steps() * i / parts)
                ++end;
            if (i - 1 == index)
                return {begin, i == parts ? held.end : end};
            begin = end;
        }
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
    /** Steps from `steps.begin` to `steps.end` that rows of one leaf take. */
    int64_t steps_within(Span rows, Span steps) const {
        if (!varied())
            return rows.size() * steps.size();
        int64_t count = 0;
        for (int64_t row = rows.begin; row < rows.end && length(row) > steps.begin; ++row)
            count += std::min(length(row), steps.end) - steps.begin;
        return count;
    }

    /** Which of some rows take a step, followed from step to step. */
    class Cursor {
    public:
        Cursor(const BatchRows& batch, Span rows, int64_t step) : batch_(batch) {
            if (!batch.varied()) {
                taking_.add(rows);
                return;
            }
            for (int64_t i = 0; i < batch.leaf_count_; ++i) {
                const Span leaf = {std::max(batch.leaves_[i].begin, rows.begin),
                                   std::min(batch.leaves_[i].end, rows.end)};
                if (leaf.begin >= leaf.end)
                    continue;
                leaves_[count_] = leaf;
                ends_[count_++] = batch.longer_than(step, leaf);
            }
            select();
        }

        /** Goes to the next step or to the one before. */
        void move_to(int64_t step) {
            changed_.count = 0;
            for (int64_t i = 0; i < count_; ++i) {
                const int64_t end = ends_[i];
                int64_t moved = end;
                while (moved > leaves_[i].begin && batch_.length(moved - 1) <= step)
                    --moved;
                while (moved < leaves_[i].end && batch_.length(moved) > step)
                    ++moved;
                changed_.add({std::min(end, moved), std::max(end, moved)});
                ends_[i] = moved;
            }
            if (changed_.count > 0)
                select();
        }

        const Selected& taking() const { return taking_; }
        /** Those that took the step before the last move, or take the one behind it, but not both. */
        const Selected& changed() const { return changed_; }
        Selected others() const {
            Selected others;
            for (int64_t i = 0; i < count_; ++i)
                others.add({ends_[i], leaves_[i].end});
            return others;
        }

    private:
        void select() {
            taking_.count = 0;
            for (int64_t i = 0; i < count_; ++i)
                taking_.add({leaves_[i].begin, ends_[i]});
        }

        const BatchRows& batch_;
        Span leaves_[Leaves::most];
        int64_t ends_[Leaves::most]; // of the rows of each leaf that take the step
        int64_t count_ = 0;
        Selected taking_;
        Selected changed_;
    };

private:
    int64_t before_leaf(const BatchPart& part, int64_t leaf) const {
        return before_[static_cast<size_t>(part.rows_of(leaf).begin)];
    }
    int64_t steps_of_leaf(const BatchPart& part, int64_t leaf) const {
        return before_[static_cast<size_t>(part.rows_of(leaf).end)] - before_leaf(part, leaf);
    }

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
    std::vector<int64_t> before_;  // steps of all rows before a row
    Span leaves_[Leaves::most];
    int64_t leaf_count_ = 0;
};

} // namespace ortho::cpu
