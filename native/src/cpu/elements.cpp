// Sums of elements, and copies of columns.
#include "core/dtype.hpp"
#include "cpu/flat.hpp"

namespace ortho::cpu {

void run(CpuDevice& device, const AddElements& call) {
    dispatch(call.dtype, [&]<class T>(T*) {
        const T* const x = static_cast<const T*>(call.x);
        const T* const y = static_cast<const T*>(call.y);
        T* const z = static_cast<T*>(call.z);
        for_each_block(device.pool, call.count, flat_block, [&](int64_t begin, int64_t end) {
            device.kernels.of<T>().vector.add(x + begin, y + begin, z + begin, end - begin);
        });
    });
}

void run(CpuDevice& device, const CopyColumns& call) {
    dispatch(call.dtype, [&]<class T>(T*) {
        const T* const x = static_cast<const T*>(call.x) + call.x_first;
        T* const y = static_cast<T*>(call.y) + call.y_first;
        const int64_t block = std::max<int64_t>(1, flat_block / call.columns);
        for_each_block(device.pool, call.rows, block, [&](int64_t begin, int64_t end) {
            for (int64_t row = begin; row < end; ++row)
                std::copy_n(x + row * call.x_columns, call.columns, y + row * call.y_columns);
        });
    });
}

} // namespace ortho::cpu
