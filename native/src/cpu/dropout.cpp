#include "core/dtype.hpp"
#include "cpu/noise.hpp"
#include "model/arithmetic.hpp"

namespace ortho::cpu {
namespace {

/** Draws the words of some elements of a step. */
void draw(const Dropout& call, int64_t step, Span elements, uint32_t* words) {
    const std::array<uint32_t, 2> key = philox_key(call.stream.seed);
    for_each_sample(call.shape, elements, [&](int64_t sample, Span units, int64_t at) {
        uint32_t* const to = words + at - units.begin;
        for (int64_t block = units.begin / 4; 4 * block < units.end; ++block) {
            const std::array<uint32_t, 4> drawn =
                philox4x32(dropout_counter(call.stream.source, call.stream.index, sample, step, block), key);
            for (int64_t i = std::max(units.begin, 4 * block); i < std::min(units.end, 4 * block + 4); ++i)
                to[i] = drawn[static_cast<size_t>(i % 4)];
        }
    });
}

} // namespace

void run(CpuDevice& device, const Dropout& call) {
    dispatch(call.dtype, [&]<class T>(T*) {
        const DropoutFactors<T> factors(call.rate);
        for_each_piece(device.pool, call.shape, [&](const NoisePiece& piece) {
            uint32_t words[drawn_together];
            if (call.same_steps)
                draw(call, 0, piece.elements, words);
            for (int64_t step = piece.steps.begin; step < piece.steps.end; ++step) {
                if (!call.same_steps)
                    draw(call, step, piece.elements, words);
                const int64_t offset = step * call.shape.batch * call.shape.units + piece.elements.begin;
                const T* const x = static_cast<const T*>(call.x) + offset;
                T* const y = static_cast<T*>(call.y) + offset;
                for (int64_t i = 0; i < piece.elements.size(); ++i)
                    y[i] = factors.apply(words[i], x[i]);
            }
        });
    });
}

} // namespace ortho::cpu
