// Which samples of a batch a call holds, as the C interface has checked it.
//
// Plain C++17 and plain data, as the libraries of devices need it.
#pragma once

#include <cstdint>

#include "model/fold.hpp"

namespace ortho {

/** Some leaves of a batch, all of them where it is not computed in parts. */
struct BatchPart {
    int64_t batch;   // samples of the whole batch
    int64_t first;   // sample of the whole batch that is the call's first
    int64_t samples; // of the call
    int64_t stride;  // elements from a partial sum to the next
    bool whole;      // sums are wanted, and not partial sums
    double weight;   // losses: of what weight of rows the mean is taken

    Leaves leaves() const { return Leaves(batch); }
    /** The leaves of the call, in the whole batch's numbers. */
    Span held() const {
        const Leaves all = leaves();
        if (samples == batch)
            return {0, all.count()};
        return {all.starting_at(first), all.starting_at(first + samples)};
    }
    /** The call's samples of a leaf, counted from the call's first. */
    Span rows_of(int64_t leaf) const {
        const Span whole_batch = leaves().samples(leaf);
        return {whole_batch.begin - first, whole_batch.end - first};
    }
    Cover sums() const { return Cover(held()); }
    /**
     * Puts the sums of the call's leaves together, in place.
     * @param sums  [leaves of the call]; afterwards the first of them are those of sums()
     */
    void fold(double* sums) const {
        Folding folding;
        const Span leaves_held = held();
        for (int64_t leaf = leaves_held.begin; leaf < leaves_held.end; ++leaf)
            folding.take(
                {0, leaf},
                [&](int64_t slot, bool joined) {
                    const double sum = sums[leaf - leaves_held.begin];
                    sums[slot] = joined ? sums[slot] + sum : sum;
                },
                [&](int64_t into, int64_t from) { sums[into] += sums[from]; });
    }
};

} // namespace ortho
