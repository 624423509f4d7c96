#include <algorithm>

#include "core/dtype.hpp"
#include "core/random.hpp"
#include "cpu/flat.hpp"
#include "model/arithmetic.hpp"

namespace ortho::cpu {

void run(CpuDevice& device, const Dropout& call) {
    const RandomStream stream(call.stream.seed, ORTHO_STREAM_DROPOUT, call.stream.index, call.stream.source);
    dispatch(call.dtype, [&]<class T>(T*) {
        const DropoutFactors<T> factors(call.rate);
        const T* const x = static_cast<const T*>(call.x);
        T* const y = static_cast<T*>(call.y);
        for_each_block(device.pool, call.count, flat_block, [&](int64_t begin, int64_t end) {
            static_assert(flat_block % 4 == 0); // a block of random numbers has four words
            for (int64_t first = begin; first < end; first += 4) {
                const std::array<uint32_t, 4> words = stream.block(static_cast<uint64_t>(first / 4));
                const int64_t length = std::min<int64_t>(4, end - first);
                for (int64_t i = 0; i < length; ++i)
                    y[first + i] = factors.apply(words[static_cast<size_t>(i)], x[first + i]);
            }
        });
    });
}

} // namespace ortho::cpu
