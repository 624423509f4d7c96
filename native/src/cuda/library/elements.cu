// Sums of elements, and copies of columns.
#include "cuda/library/launch.hpp"
#include "cuda/library/operations.hpp"

namespace ortho::cuda {
namespace {

template <class T> __global__ void add_elements_kernel(int64_t count, const T* x, const T* y, T* z) {
    for (int64_t i = flat_index(); i < count; i += flat_stride())
        z[i] = x[i] + y[i];
}

/** @param x, y  the first column of the first row */
template <class T>
__global__ void copy_columns_kernel(int64_t rows, int64_t columns, const T* x, int64_t x_columns, T* y,
                                    int64_t y_columns) {
    for (int64_t i = flat_index(); i < rows * columns; i += flat_stride()) {
        const int64_t row = i / columns, column = i % columns;
        y[row * y_columns + column] = x[row * x_columns + column];
    }
}

} // namespace

void run(Device& device, const AddElements& call) {
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        launch("add_elements", add_elements_kernel<T>, flat_shape(call.count), device.stream, call.count,
               static_cast<const T*>(call.x), static_cast<const T*>(call.y), static_cast<T*>(call.z));
    });
}

void run(Device& device, const CopyColumns& call) {
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        launch("copy_columns", copy_columns_kernel<T>, flat_shape(call.rows * call.columns), device.stream, call.rows,
               call.columns, static_cast<const T*>(call.x) + call.x_first, call.x_columns,
               static_cast<T*>(call.y) + call.y_first, call.y_columns);
    });
}

} // namespace ortho::cuda
