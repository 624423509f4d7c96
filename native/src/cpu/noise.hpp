// How the CPU passes over elements [steps, batch, units] that each have random numbers of their own.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/philox.hpp"
#include "cpu/flat.hpp"

namespace ortho::cpu {

/** Elements of a step that are drawn together: their numbers stay in the first cache. */
constexpr int64_t drawn_together = 1024;

/** Some elements of a step, of [batch, units], for some steps. */
struct NoisePiece {
    Span elements;
    Span steps;
};

/** Calls body(piece) for pieces of at most drawn_together elements of a step, which are all elements of the shape. */
template <class Body> void for_each_piece(ThreadPool& pool, const NoiseShape& shape, Body&& body) {
    const int64_t row = shape.batch * shape.units, width = std::min(row, drawn_together);
    const int64_t across = (row + width - 1) / width;
    const int64_t depth = std::max<int64_t>(1, flat_block / width);
    for_each_task(pool, across * ((shape.steps + depth - 1) / depth), [&](int64_t task, int) {
        const int64_t element = task % across * width, step = task / across * depth;
        body(NoisePiece{{element, std::min(element + width, row)}, {step, std::min(step + depth, shape.steps)}});
    });
}

/** Calls draw(sample, units, at) for each sample that has some of the elements; `at` is the first one's place in them.
 */
template <class Draw> void for_each_sample(const NoiseShape& shape, Span elements, Draw&& draw) {
    int64_t sample = elements.begin / shape.units, unit = elements.begin % shape.units;
    for (int64_t at = elements.begin; at < elements.end; ++sample, unit = 0) {
        const int64_t count = std::min(shape.units - unit, elements.end - at);
        draw(shape.first + sample, Span{unit, unit + count}, at - elements.begin);
        at += count;
    }
}

} // namespace ortho::cpu
