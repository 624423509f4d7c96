// The order in which gradients of a table's rows are summed, the same for every backend.
//
// Only the rows that occur have sums. The steps that took one are sorted by its number, which is stable: within a row
// they stay in the order of the leaves, the steps and the samples. They are summed within leaves, and leaves over the
// tree of model/fold.hpp. A leaf without the row counts as 0. So no leaf needs a copy of the table.
#pragma once

#include <cstdint>
#include <utility>

#include "model/operations.hpp"

namespace ortho {

/** A step of a sample that took a row of the table. */
struct EmbeddingUse {
    int64_t at; // step * batch + sample
    int32_t index;
    int32_t leaf; // of the whole batch
};

/** Uses of a row in a leaf that are added up before they go to the leaf's sum, so that rounding errors grow slowly. */
constexpr int64_t uses_together = 256;

/**
 * Lists the uses of all rows, row after row.
 * @param uses   [call.rows]
 * @param spare  [call.rows]
 * @return the one of both that has the list
 */
inline EmbeddingUse* list_uses(const EmbeddingBackward& call, EmbeddingUse* uses, EmbeddingUse* spare) {
    const SequenceShape& shape = call.shape;
    const Span held = call.part.held();
    EmbeddingUse* next = uses;
    for (int64_t leaf = held.begin; leaf < held.end; ++leaf) {
        const Span samples = call.part.rows_of(leaf);
        for (int64_t step = 0; step < shape.steps; ++step)
            for (int64_t sample = samples.begin; sample < samples.end; ++sample)
                if (shape.lengths == nullptr || step < shape.lengths[sample]) {
                    const int64_t at = step * shape.batch + sample;
                    *next++ = {at, call.indices[at], static_cast<int32_t>(leaf)};
                }
    }
    // By digits of their numbers, from the lowest on.
    constexpr int digit_bits = 11;
    constexpr int32_t digits = 1 << digit_bits;
    for (int shift = 0; (call.entries - 1) >> shift > 0; shift += digit_bits) {
        int64_t begin[digits + 1] = {};
        const auto digit = [&](const EmbeddingUse& use) { return use.index >> shift & (digits - 1); };
        for (int64_t i = 0; i < call.rows; ++i)
            ++begin[digit(uses[i]) + 1];
        for (int32_t i = 0; i < digits; ++i)
            begin[i + 1] += begin[i];
        for (int64_t i = 0; i < call.rows; ++i)
            spare[begin[digit(uses[i])]++] = uses[i];
        std::swap(uses, spare);
    }
    return uses;
}

} // namespace ortho
