#include "core/dtype.hpp"
#include "cpu/flat.hpp"

namespace ortho::cpu {

void run(CpuDevice& device, const LinearGateForward& call) {
    const FlushSubnormals flush;
    dispatch(call.dtype, [&]<class T>(T*) {
        const int64_t units = call.units, block = std::max<int64_t>(1, flat_block / units);
        for_each_block(device.pool, call.rows, block, [&](int64_t begin, int64_t end) {
            device.kernels.of<T>().activation.gate_forward(static_cast<const T*>(call.x) + 2 * begin * units,
                                                           static_cast<T*>(call.y) + begin * units, end - begin, units);
        });
    });
}

void run(CpuDevice& device, const LinearGateBackward& call) {
    const FlushSubnormals flush;
    dispatch(call.dtype, [&]<class T>(T*) {
        const int64_t units = call.units, block = std::max<int64_t>(1, flat_block / units);
        for_each_block(device.pool, call.rows, block, [&](int64_t begin, int64_t end) {
            device.kernels.of<T>().activation.gate_backward(static_cast<const T*>(call.x) + 2 * begin * units,
                                                            static_cast<const T*>(call.y_gradients) + begin * units,
                                                            static_cast<T*>(call.x_gradients) + 2 * begin * units,
                                                            end - begin, units);
        });
    });
}

} // namespace ortho::cpu
