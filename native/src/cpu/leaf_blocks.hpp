// The rows of a call, cut for sums over samples: by leaves, and within a leaf into blocks.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "cpu/flat.hpp"
#include "model/part.hpp"

namespace ortho::cpu {

/**
 * Calls body(step, begin, end) for the samples of each step, those of one step after those of the one before.
 * @param samples  of the call
 * @param range    rows of these samples, counted from the first one: all samples of a step, then those of the next
 */
template <class Body> void for_each_step(Span samples, Span range, Body&& body) {
    int64_t step = range.begin == 0 ? 0 : range.begin / samples.size();
    int64_t begin = samples.begin + range.begin - step * samples.size();
    for (int64_t left = range.size(); left > 0; ++step, begin = samples.begin) {
        const int64_t end = std::min(samples.end, begin + left);
        left -= end - begin;
        body(step, begin, end);
    }
}

/**
 * Blocks of the rows of each leaf, from its first row on, so that the bits of a leaf's sum depend neither on the
 * threads nor on the other leaves of the call.
 */
class LeafBlocks {
public:
    /**
     * @param block_rows    rows of a block, which must follow from the size of a row alone
     * @param row_elements  of a row: what the work is
     */
    LeafBlocks(const BatchPart& part, int64_t steps, int64_t block_rows, int64_t row_elements)
        : steps_(steps), block_rows_(block_rows), leaves_(part.held().size()) {
        const Span held = part.held();
        int64_t most_rows = 0;
        for (int64_t i = 0; i < leaves_; ++i) {
            const Span samples = part.rows_of(held.begin + i);
            first_sample_[at(i)] = samples.begin;
            first_sample_[at(i + 1)] = samples.end;
            const int64_t leaf_rows = steps * samples.size();
            const int64_t blocks = leaf_rows <= block_rows ? 1 : (leaf_rows + block_rows - 1) / block_rows;
            first_block_[at(i + 1)] = first_block_[at(i)] + blocks;
            most_rows = std::max(most_rows, std::min(leaf_rows, block_rows));
        }
        // Small blocks are given to a thread together.
        task_blocks_ = std::max<int64_t>(1, flat_block / (most_rows * row_elements));
    }

    /** Of all leaves. */
    int64_t count() const { return first_block_[at(leaves_)]; }
    int64_t leaves() const { return leaves_; }
    Span of_leaf(int64_t leaf) const { return {first_block_[at(leaf)], first_block_[at(leaf + 1)]}; }

    /** Calls body(block, samples, range), as for_each_step takes them, on the pool's threads. */
    template <class Body> void for_each(ThreadPool& pool, Body&& body) const {
        for_each_block(pool, count(), task_blocks_, [&](int64_t begin, int64_t end) {
            int64_t leaf = 0;
            for (int64_t block = begin; block < end; ++block) {
                while (block >= of_leaf(leaf).end)
                    ++leaf;
                const Span samples{first_sample_[at(leaf)], first_sample_[at(leaf + 1)]};
                const int64_t first = (block - of_leaf(leaf).begin) * block_rows_;
                body(block, samples, Span{first, std::min(first + block_rows_, steps_ * samples.size())});
            }
        });
    }

private:
    static size_t at(int64_t i) { return static_cast<size_t>(i); }

    const int64_t steps_;
    const int64_t block_rows_;
    const int64_t leaves_;
    int64_t task_blocks_;
    std::array<int64_t, Leaves::most + 1> first_sample_{};
    std::array<int64_t, Leaves::most + 1> first_block_{};
};

} // namespace ortho::cpu
