// Checks of what calls say about their batch: lengths, and which part of a batch they hold.
#pragma once

#include <algorithm>

#include "abi/structures.hpp"
#include "core/check.hpp"
#include "model/part.hpp"

namespace ortho::check {

/** The steps and samples of a call, each of which has `columns` elements. @param what  the columns in words */
inline void rows(int64_t steps, int64_t batch, int64_t columns, const char* what) {
    at_least("steps", steps, 1);
    at_least("batch", batch, 1);
    addressable(steps, batch, columns, what);
}

/** Lengths of samples, where they are given. @return their sum; steps * batch where they are not given */
inline int64_t lengths(const int32_t* lengths, int64_t steps, int64_t batch) {
    if (lengths == nullptr)
        return steps * batch;
    memory("lengths", lengths, batch * static_cast<int64_t>(sizeof *lengths));
    int64_t sum = 0;
    for (int64_t i = 0; i < batch; ++i) {
        if (lengths[i] < 0 || lengths[i] > steps)
            fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("lengths", i),
                 "is %" PRId32 "; it must be from 0 to %" PRId64, lengths[i], steps);
        sum += lengths[i];
    }
    return sum;
}

/** A sample of a batch at which a leaf starts or, where end, one ends. @return the leaf that starts there */
inline int64_t leaf_boundary(const char* name, int64_t sample, const Leaves& leaves, bool end) {
    const int64_t leaf = leaves.starting_at(sample);
    if (leaf >= (end ? 1 : 0) && leaf < leaves.count() + (end ? 1 : 0))
        return leaf;
    int64_t next = 0;
    while (next < leaves.count() && leaves.begin(next + 1) <= sample)
        ++next;
    fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range(name),
         end ? "makes the part end before sample %" PRId64 "; it must end where a leaf of the batch of %" PRId64
               " ends: before %" PRId64 " or %" PRId64
             : "is %" PRId64 "; it must be the first sample of a leaf of the batch of %" PRId64 ": %" PRId64
               " or %" PRId64,
         sample, leaves.batch(), leaves.begin(next), leaves.begin(next + 1 < leaves.count() ? next + 1 : next));
}

/** The leaves of some samples of a batch. @param batch  at least 1 */
inline Span leaves_of(int64_t batch, const char* first_name, int64_t first, const char* samples_name, int64_t samples) {
    range(first_name, first, 0, batch - 1);
    range(samples_name, samples, 1, batch - first);
    const Leaves leaves(batch);
    const int64_t begin = leaf_boundary(first_name, first, leaves, false);
    return {begin, leaf_boundary(samples_name, first + samples, leaves, true)};
}

/** The part of a batch that a call of `samples` samples holds. @param name  of the argument with the samples */
inline BatchPart part(const ortho_batch_part* given, int64_t samples, const char* name) {
    if (given == nullptr)
        return {samples, 0, samples, 0, true, 0};
    const ortho_batch_part part = read_structure("part", given);
    range("part->reserved", part.reserved, 0, 0);
    at_least("part->batch", part.batch, 1);
    leaves_of(part.batch, "part->first", part.first, name, samples);
    return {part.batch, part.first, samples, part.stride, false, part.rows};
}

/** The same for gradients. @param elements  those that a partial sum takes at least */
inline BatchPart gradient_part(const ortho_batch_part* given, int64_t samples, const char* name, int64_t elements) {
    const BatchPart checked = part(given, samples, name);
    if (checked.whole)
        return checked;
    range("part->rows", checked.rows, 0, 0);
    if (const int64_t sums = checked.sums().count(); sums > 1)
        range("part->stride", checked.stride, elements, largest_address_space / 8 / sums);
    return checked;
}

/** The same for a loss. @param counted  rows of the call that count */
inline BatchPart loss_part(const ortho_batch_part* given, int64_t samples, const char* name, int64_t counted) {
    BatchPart checked = part(given, samples, name);
    if (checked.whole)
        checked.rows = counted;
    else
        at_least("part->rows", checked.rows, std::max<int64_t>(1, counted));
    return checked;
}

} // namespace ortho::check
