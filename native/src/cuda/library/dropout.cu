#include "core/philox.hpp"
#include "cuda/library/launch.hpp"
#include "cuda/library/operations.hpp"
#include "model/arithmetic.hpp"

namespace ortho::cuda {
namespace {

/** Steps for which a thread draws once, where all of them drop the same. */
constexpr int64_t same_together = 16;

/** A thread has four units of a sample, for `together` steps. */
template <class T>
__global__ void dropout_kernel(NoiseStream stream, DropoutFactors<T> factors, NoiseShape shape, bool same_steps,
                               int64_t together, const T* x, T* y) {
    const std::array<uint32_t, 2> key = philox_key(stream.seed);
    const int64_t blocks = (shape.units + 3) / 4, row = shape.batch * blocks;
    for (int64_t i = flat_index(); i < (shape.steps + together - 1) / together * row; i += flat_stride()) {
        const int64_t begin = i / row * together, sample = i % row / blocks, block = i % blocks;
        const std::array<uint32_t, 4> words = philox4x32(
            dropout_counter(stream.source, stream.index, shape.first + sample, same_steps ? 0 : begin, block), key);
        const int64_t end = begin + together < shape.steps ? begin + together : shape.steps;
        for (int64_t step = begin; step < end; ++step) {
            const int64_t at = (step * shape.batch + sample) * shape.units;
            for (int64_t unit = 4 * block; unit < 4 * block + 4 && unit < shape.units; ++unit)
                y[at + unit] = factors.apply(words[unit % 4], x[at + unit]);
        }
    }
}

} // namespace

void run(Device& device, const Dropout& call) {
    const int64_t together = call.same_steps ? same_together : 1;
    const int64_t threads =
        (call.shape.steps + together - 1) / together * call.shape.batch * ((call.shape.units + 3) / 4);
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        launch("dropout", dropout_kernel<T>, flat_shape(threads), device.stream, call.stream,
               DropoutFactors<T>(call.rate), call.shape, call.same_steps, together, static_cast<const T*>(call.x),
               static_cast<T*>(call.y));
    });
}

} // namespace ortho::cuda
