#include "core/philox.hpp"
#include "cuda/library/launch.hpp"
#include "cuda/library/operations.hpp"
#include "model/arithmetic.hpp"

namespace ortho::cuda {
namespace {

template <class T>
__global__ void dropout_kernel(NoiseStream stream, DropoutFactors<T> factors, int64_t count, const T* x, T* y) {
    const std::array<uint32_t, 2> key{static_cast<uint32_t>(stream.seed), static_cast<uint32_t>(stream.seed >> 32)};
    for (int64_t four = flat_index(); 4 * four < count; four += flat_stride()) {
        const auto block = static_cast<uint64_t>(four);
        const std::array<uint32_t, 4> words =
            philox4x32(random_counter(ORTHO_STREAM_DROPOUT, stream.source, stream.index, block), key);
        for (int64_t i = 4 * four; i < 4 * four + 4 && i < count; ++i)
            y[i] = factors.apply(words[i % 4], x[i]);
    }
}

} // namespace

void run(Device& device, const Dropout& call) {
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        launch("dropout", dropout_kernel<T>, flat_shape((call.count + 3) / 4), device.stream, call.stream,
               DropoutFactors<T>(call.rate), call.count, static_cast<const T*>(call.x), static_cast<T*>(call.y));
    });
}

} // namespace ortho::cuda
