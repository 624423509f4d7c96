#include "core/dtype.hpp"
#include "cpu/flat.hpp"

namespace ortho::cpu {

void run(CpuDevice& device, const AddPartialSums& call) {
    // As the calls do that sum whole batches, so that parts give their bits.
    const FlushSubnormals flush;
    const Cover before({call.first_leaf, call.next_leaf});
    const Cover next({call.next_leaf, call.end_leaf});
    dispatch(call.dtype, [&]<class T>(T*) {
        const auto add = [](T* into, const T* from, int64_t count) {
            for (int64_t i = 0; i < count; ++i)
                into[i] += from[i];
        };
        for_each_block(device.pool, call.count, flat_block, [&](int64_t begin, int64_t end) {
            const int64_t count = end - begin;
            const auto sum = [&](int64_t slot) { return static_cast<T*>(call.sums) + slot * call.stride + begin; };
            Folding folding(before);
            for (int64_t i = 0; i < next.count(); ++i) {
                const T* const from = static_cast<const T*>(call.next_sums) + i * call.next_stride + begin;
                folding.take(
                    next[i],
                    [&](int64_t slot, bool joined) {
                        if (joined)
                            add(sum(slot), from, count);
                        else
                            std::copy_n(from, count, sum(slot));
                    },
                    [&](int64_t into, int64_t summand) { add(sum(into), sum(summand), count); });
            }
        });
    });
}

} // namespace ortho::cpu
