// Compiled without contraction of a * b + c, so that the noise is that of the CPU, bit for bit.
#include "core/philox.hpp"
#include "cuda/library/launch.hpp"
#include "cuda/library/operations.hpp"

namespace ortho::cuda {
namespace {

template <class T>
__global__ void noise_kernel(NoiseStream stream, double standard_deviation, int64_t count, const T* x, T* y) {
    const std::array<uint32_t, 2> key{static_cast<uint32_t>(stream.seed), static_cast<uint32_t>(stream.seed >> 32)};
    for (int64_t pair = flat_index(); 2 * pair < count; pair += flat_stride()) {
        const auto block = static_cast<uint64_t>(pair);
        double noise[2];
        normal_pair(philox4x32(random_counter(ORTHO_STREAM_NOISE, stream.source, stream.index, block), key), noise);
        for (int64_t i = 2 * pair; i < 2 * pair + 2 && i < count; ++i)
            y[i] = static_cast<T>(static_cast<double>(x[i]) + standard_deviation * noise[i % 2]);
    }
}

} // namespace

void run(Device& device, const AddNormalNoise& call) {
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        launch("add_normal_noise", noise_kernel<T>, flat_shape((call.count + 1) / 2), device.stream, call.stream,
               call.standard_deviation, call.count, static_cast<const T*>(call.x), static_cast<T*>(call.y));
    });
}

} // namespace ortho::cuda
