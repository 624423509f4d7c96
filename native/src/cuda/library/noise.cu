// Compiled without contraction of a * b + c, so that the noise is that of the CPU, bit for bit.
#include "core/philox.hpp"
#include "cuda/library/launch.hpp"
#include "cuda/library/operations.hpp"

namespace ortho::cuda {
namespace {

template <class T>
__global__ void noise_kernel(NoiseStream stream, double standard_deviation, NoiseShape shape, const T* x, T* y) {
    const std::array<uint32_t, 2> key = philox_key(stream.seed);
    const int64_t pairs = (shape.units + 1) / 2;
    for (int64_t i = flat_index(); i < shape.steps * shape.batch * pairs; i += flat_stride()) {
        const int64_t row = i / pairs, pair = i % pairs;
        const int64_t step = row / shape.batch, sample = shape.first + row % shape.batch;
        double noise[2];
        normal_pair(philox4x32(noise_counter(stream.source, stream.index, sample, step, pair), key), noise);
        const int64_t end = 2 * pair + 2 < shape.units ? 2 * pair + 2 : shape.units;
        for (int64_t unit = 2 * pair; unit < end; ++unit) {
            const int64_t at = row * shape.units + unit;
            y[at] = static_cast<T>(static_cast<double>(x[at]) + standard_deviation * noise[unit % 2]);
        }
    }
}

} // namespace

void run(Device& device, const AddNormalNoise& call) {
    const int64_t pairs = call.shape.steps * call.shape.batch * ((call.shape.units + 1) / 2);
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        launch("add_normal_noise", noise_kernel<T>, flat_shape(pairs), device.stream, call.stream,
               call.standard_deviation, call.shape, static_cast<const T*>(call.x), static_cast<T*>(call.y));
    });
}

} // namespace ortho::cuda
