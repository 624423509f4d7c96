#include "cuda/library/launch.hpp"
#include "cuda/library/operations.hpp"

namespace ortho::cuda {
namespace {

template <class T> __global__ void add_kernel(int64_t count, T* into, const T* from) {
    for (int64_t i = flat_index(); i < count; i += flat_stride())
        into[i] += from[i];
}

/** into[i] += from[i] */
template <class T> void add(Device& device, int64_t count, T* into, const T* from) {
    launch("add", add_kernel<T>, flat_shape(count), device.stream, count, into, from);
}

} // namespace

void run(Device& device, const AddPartialSums& call) {
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        const auto sum = [&](int64_t slot) { return static_cast<T*>(call.sums) + slot * call.stride; };
        const T* next = static_cast<const T*>(call.next_sums);
        Folding folding(Cover({call.first_leaf, call.next_leaf}));
        for (const Node& node : Cover({call.next_leaf, call.end_leaf})) {
            folding.take(
                node,
                [&](int64_t slot, bool joined) {
                    if (joined)
                        add(device, call.count, sum(slot), next);
                    else
                        copy_on_device(device, sum(slot), next, call.count * static_cast<int64_t>(sizeof(T)));
                },
                [&](int64_t into, int64_t from) { add<T>(device, call.count, sum(into), sum(from)); });
            next += call.next_stride;
        }
    });
}

} // namespace ortho::cuda
