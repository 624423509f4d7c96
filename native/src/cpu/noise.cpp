// Compiled without contraction of a * b + c, so that the noise is the same bits on every machine.
#include "core/dtype.hpp"
#include "core/random.hpp"
#include "cpu/flat.hpp"

namespace ortho::cpu {

void run(CpuDevice& device, const AddNormalNoise& call) {
    const RandomStream stream(call.stream.seed, ORTHO_STREAM_NOISE, call.stream.index, call.stream.source);
    dispatch(call.dtype, [&]<class T>(T*) {
        constexpr int64_t chunk = 1024;
        for_each_block(device.pool, call.count, chunk, [&](int64_t begin, int64_t end) {
            double noise[chunk];
            stream.normal(static_cast<uint64_t>(begin), end - begin, noise);
            const T* from = static_cast<const T*>(call.x) + begin;
            T* to = static_cast<T*>(call.y) + begin;
            for (int64_t i = 0; i < end - begin; ++i)
                to[i] = static_cast<T>(static_cast<double>(from[i]) + call.standard_deviation * noise[i]);
        });
    });
}

} // namespace ortho::cpu
