// Which states of a chain are kept, and which are recomputed in backward.
#pragma once

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdint>

#include "core/error.hpp"
#include "core/memory.hpp"

namespace ortho {

inline int64_t divide_up(int64_t count, int64_t size) {
    return (count + size - 1) / size;
}

/**
 * Steps whose states are kept together: all of them, or `length` at a time, recomputed from kept first states. Only the
 * first segment may be shorter: the last one is never recomputed, so the longer it is, the fewer steps are.
 */
struct Segments {
    int64_t steps;
    int64_t length;

    int64_t count() const { return divide_up(steps, length); }
    int64_t first(int64_t segment) const { return std::max<int64_t>(0, steps - (count() - segment) * length); }
    int64_t end(int64_t segment) const { return steps - (count() - segment - 1) * length; }
    int64_t size(int64_t segment) const { return end(segment) - first(segment); }
};

/** What the states are those of. */
struct StateShape {
    int64_t steps;
    int64_t batch;
    int64_t units;
};

/**
 * Segments for training: one, or as checkpoint_every or max_state_bytes ask for.
 * @param bytes_of  bytes_of(segments): memory that the states then take
 * @throws Error ORTHO_OUT_OF_MEMORY if nothing fits into max_state_bytes
 */
template <class BytesOf>
Segments choose_segments(int64_t checkpoint_every, int64_t max_state_bytes, const StateShape& shape,
                         BytesOf&& bytes_of) {
    const int64_t steps = shape.steps;
    Segments segments{steps, steps};
    if (checkpoint_every > 0)
        segments.length = std::min(steps, checkpoint_every);
    if (max_state_bytes == 0)
        return segments;
    const auto fits = [&](int64_t length) { return bytes_of(Segments{steps, length}) <= max_state_bytes; };
    if (fits(steps))
        return segments;
    // Memory falls with the length down to about sqrt(T / 2), which may be a little more than its whole part. All steps
    // but the last `length` are recomputed, so the longest length that fits recomputes least.
    int64_t low = std::max<int64_t>(1, static_cast<int64_t>(std::sqrt(static_cast<double>(steps) / 2)));
    if (low < steps && bytes_of(Segments{steps, low + 1}) < bytes_of(Segments{steps, low}))
        ++low;
    if (!fits(low)) {
        const ByteText least(bytes_of(Segments{steps, low}));
        fail(ORTHO_OUT_OF_MEMORY, Argument{"max_state_bytes"},
             "is %" PRId64 "; %" PRId64 " steps of %" PRId64 " x %" PRId64 " states need at least %s", max_state_bytes,
             steps, shape.batch, shape.units, least.c_str());
    }
    int64_t high = steps;
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        (fits(middle) ? low : high) = middle;
    }
    segments.length = low;
    return segments;
}

} // namespace ortho
