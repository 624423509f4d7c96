// Streams: sequences that are fed step by step, many at once, on prepared weights.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/live_objects.hpp"
#include "model/weights.hpp"
#include "orthonative/orthonative.h"

/** The states of some streams; a backend implements it. */
struct ortho_streams {
    ortho_streams(ortho_weights& prepared, int64_t stream_count) : weights(prepared), count(stream_count) {}
    virtual ~ortho_streams() = default;
    ortho_streams(const ortho_streams&) = delete;
    ortho_streams& operator=(const ortho_streams&) = delete;

    /** Arguments of ortho_streams_step. Called in FloatingPointEnvironment::without_subnormals(). */
    virtual void step(const uint8_t* resets, const void* inputs, void* outputs) = 0;
    virtual void read(void* states) const = 0;
    virtual void write(const void* states) = 0;

    const ortho::WeightsReference weights;
    const int64_t count;
    /** As that of a chain. */
    std::atomic<uint64_t> in_use{0};
    ortho::LiveObject live;
};
