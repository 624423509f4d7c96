// Checks of what calls say about their batch: lengths, and which part of a batch they hold.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "abi/structures.hpp"
#include "core/check.hpp"
#include "model/losses.hpp"
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
    range("batch", batch, 1, INT32_MAX);
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

/**
 * Numbers [steps, batch] of classes or entries, below `limit` up to the lengths; null: all of them.
 * @param weights  [steps, batch]: numbers that have none are not checked; null: all have one
 */
inline void numbers(const char* name, const int32_t* numbers, int64_t limit, int64_t steps, int64_t batch,
                    const int32_t* lengths, const float* weights = nullptr) {
    const int32_t* number = numbers;
    for (int64_t step = 0; step < steps; ++step)
        for (int64_t sample = 0; sample < batch; ++sample, ++number)
            if ((*number < 0 || *number >= limit) && (lengths == nullptr || step < lengths[sample]) &&
                (weights == nullptr || loss_weight(weights[number - numbers]) > 0))
                fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range(name, number - numbers),
                     "is %" PRId32 "; it must be from 0 to %" PRId64, *number, limit - 1);
}

/** Refuses a sample that is no boundary of leaves and names those beside it that would do: from `least` to `most`. */
[[noreturn]] inline void fail_at_boundary(const char* name, const char* problem, int64_t sample, const Leaves& leaves,
                                          int64_t least, int64_t most) {
    int64_t below = 0;
    while (leaves.begin(below + 1) <= sample)
        ++below;
    const int64_t low = below < least ? least : below, high = below + 1 > most ? most : below + 1;
    char choice[64];
    if (low == high)
        std::snprintf(choice, sizeof choice, "%" PRId64, leaves.begin(low));
    else
        std::snprintf(choice, sizeof choice, "%" PRId64 " or %" PRId64, leaves.begin(low), leaves.begin(high));
    fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range(name), problem, sample, leaves.batch(), choice);
}

/** The leaves of some samples of a batch. @param batch  at least 1 */
inline Span leaves_of(int64_t batch, const char* first_name, int64_t first, const char* samples_name, int64_t samples) {
    range(first_name, first, 0, batch - 1);
    range(samples_name, samples, 1, batch - first);
    const Leaves leaves(batch);
    const int64_t begin = leaves.starting_at(first), end = leaves.starting_at(first + samples);
    if (begin < 0)
        fail_at_boundary(first_name,
                         "is %" PRId64 "; it must be the first sample of a leaf of the batch of %" PRId64 ": %s", first,
                         leaves, 0, leaves.count() - 1);
    if (end < 0)
        fail_at_boundary(samples_name,
                         "makes the part end before sample %" PRId64
                         "; it must end where a leaf of the batch of %" PRId64 " ends: before %s",
                         first + samples, leaves, begin + 1, leaves.count());
    return {begin, end};
}

/** The part of a batch that a call of `samples` samples holds. @param name  of the argument with the samples */
inline BatchPart part(const ortho_batch_part* given, int64_t samples, const char* name) {
    if (given == nullptr)
        return {samples, 0, samples, 0, true, 0};
    const ortho_batch_part part = read_structure("part", given);
    range("part->reserved", part.reserved, 0, 0);
    at_least("part->batch", part.batch, 1);
    leaves_of(part.batch, "part->first", part.first, name, samples);
    return {part.batch, part.first, samples, part.stride, false, part.weight};
}

/** The same for gradients. @param elements  those that a partial sum takes at least */
inline BatchPart gradient_part(const ortho_batch_part* given, int64_t samples, const char* name, int64_t elements) {
    const BatchPart checked = part(given, samples, name);
    if (checked.whole)
        return checked;
    if (checked.weight != 0)
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("part->weight"), "is %s; it must be 0",
             NumberText(checked.weight).c_str());
    const int64_t sums = checked.sums().count();
    range("part->stride", checked.stride, sums > 1 ? elements : 0, largest_address_space / 8 / sums);
    return checked;
}

/** The same for a loss. @param weight  of the call's rows that count */
inline BatchPart loss_part(const ortho_batch_part* given, int64_t samples, const char* name, double weight) {
    constexpr double rounding = 1e-6; // the caller may add weights in another order
    BatchPart checked = part(given, samples, name);
    if (checked.whole)
        checked.weight = weight;
    else if (!(std::isfinite(checked.weight) && checked.weight > 0 && checked.weight >= (1 - rounding) * weight))
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("part->weight"),
             "is %s; it must be finite, above 0 and at least %s, the weight of the part",
             NumberText(checked.weight).c_str(), NumberText(weight).c_str());
    return checked;
}

} // namespace ortho::check
