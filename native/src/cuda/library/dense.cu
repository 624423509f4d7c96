#include "cuda/library/operations.hpp"
#include "cuda/library/products.hpp"
#include "cuda/library/reductions.hpp"

namespace ortho::cuda {
namespace {

template <class T> __global__ void add_bias_kernel(int64_t rows, int64_t columns, const T* bias, T* y) {
    for (int64_t i = flat_index(); i < rows * columns; i += flat_stride())
        y[i] += bias[i % columns];
}

template <class T>
void dense_forward(Device& device, const DenseShape& shape, const T* weights, const T* bias, const T* x, T* y) {
    multiply<T>(device, device.matrix_precision, {shape.rows, shape.outputs, shape.inputs}, {x, shape.inputs},
                {weights, shape.inputs, true}, false, {y, shape.outputs});
    if (bias != nullptr)
        launch("add_bias", add_bias_kernel<T>, flat_shape(shape.rows * shape.outputs), device.stream, shape.rows,
               shape.outputs, bias, y);
}

template <class T>
void dense_backward(Device& device, const DenseShape& shape, bool accumulate, const T* weights, const T* x,
                    const T* y_gradients, T* weight_gradients, T* bias_gradients, T* x_gradients) {
    const ColumnSums sums{shape.rows, shape.outputs, 1, 0};
    if (bias_gradients != nullptr)
        device.reserve_scratch(sum_columns_scratch<T>(sums));
    if (x_gradients != nullptr)
        multiply<T>(device, device.matrix_precision, {shape.rows, shape.inputs, shape.outputs},
                    {y_gradients, shape.outputs}, {weights, shape.inputs}, false, {x_gradients, shape.inputs});
    multiply<T>(device, device.matrix_precision, {shape.outputs, shape.inputs, shape.rows},
                {y_gradients, shape.outputs, true}, {x, shape.inputs}, accumulate, {weight_gradients, shape.inputs});
    if (bias_gradients != nullptr)
        sum_columns(device, sums, y_gradients, accumulate, bias_gradients);
}

} // namespace

void run(Device& device, const DenseForward& call) {
    device.set_up_blas();
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        dense_forward(device, call.shape, static_cast<const T*>(call.weights), static_cast<const T*>(call.bias),
                      static_cast<const T*>(call.x), static_cast<T*>(call.y));
    });
}

void run(Device& device, const DenseBackward& call) {
    device.set_up_blas();
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        dense_backward(device, call.shape, call.accumulate, static_cast<const T*>(call.weights),
                       static_cast<const T*>(call.x), static_cast<const T*>(call.y_gradients),
                       static_cast<T*>(call.weight_gradients), static_cast<T*>(call.bias_gradients),
                       static_cast<T*>(call.x_gradients));
    });
}

} // namespace ortho::cuda
