#include "cpu/noise.hpp"

#include "core/dtype.hpp"

namespace ortho::cpu {
namespace {

/** Draws for some elements of a step. */
void draw(const AddNormalNoise& call, int64_t step, Span elements, double* noise) {
    const std::array<uint32_t, 2> key = philox_key(call.stream.seed);
    for_each_sample(call.shape, elements, [&](int64_t sample, Span units, int64_t at) {
        double* const to = noise + at - units.begin;
        for (int64_t pair = units.begin / 2; 2 * pair < units.end; ++pair) {
            double both[2];
            normal_pair(philox4x32(noise_counter(call.stream.source, call.stream.index, sample, step, pair), key),
                        both);
            for (int64_t i = std::max(units.begin, 2 * pair); i < std::min(units.end, 2 * pair + 2); ++i)
                to[i] = both[i % 2];
        }
    });
}

} // namespace

void run(CpuDevice& device, const AddNormalNoise& call) {
    dispatch(call.dtype, [&]<class T>(T*) {
        for_each_piece(device.pool, call.shape, [&](const NoisePiece& piece) {
            double noise[drawn_together];
            for (int64_t step = piece.steps.begin; step < piece.steps.end; ++step) {
                draw(call, step, piece.elements, noise);
                const int64_t offset = step * call.shape.batch * call.shape.units + piece.elements.begin;
                const T* const x = static_cast<const T*>(call.x) + offset;
                T* const y = static_cast<T*>(call.y) + offset;
                for (int64_t i = 0; i < piece.elements.size(); ++i)
                    y[i] = static_cast<T>(static_cast<double>(x[i]) + call.standard_deviation * noise[i]);
            }
        });
    });
}

} // namespace ortho::cpu
