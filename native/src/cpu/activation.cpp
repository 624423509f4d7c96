#include "core/dtype.hpp"
#include "cpu/flat.hpp"

namespace ortho::cpu {

void run(CpuDevice& device, const ActivationForward& call) {
    const FlushSubnormals flush;
    dispatch(call.dtype, [&]<class T>(T*) {
        const ActivationKernels<T>& kernels = device.kernels.of<T>().activation;
        for_each_block(device.pool, call.count, flat_block, [&](int64_t begin, int64_t end) {
            kernels.forward(call.activation, static_cast<const T*>(call.x) + begin, static_cast<T*>(call.y) + begin,
                            end - begin);
        });
    });
}

void run(CpuDevice& device, const ActivationBackward& call) {
    const FlushSubnormals flush;
    dispatch(call.dtype, [&]<class T>(T*) {
        const ActivationKernels<T>& kernels = device.kernels.of<T>().activation;
        for_each_block(device.pool, call.count, flat_block, [&](int64_t begin, int64_t end) {
            kernels.backward(call.activation, static_cast<const T*>(call.x) + begin,
                             static_cast<const T*>(call.y_gradients) + begin, static_cast<T*>(call.x_gradients) + begin,
                             end - begin);
        });
    });
}

} // namespace ortho::cpu
