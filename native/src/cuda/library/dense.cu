#include "cuda/library/launch.hpp"
#include "cuda/library/leaf_sums.hpp"
#include "cuda/library/operations.hpp"
#include "cuda/library/products.hpp"

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

template <class T> void dense_backward(Device& device, const DenseBackward& call) {
    const DenseShape& shape = call.shape;
    const int64_t steps = shape.rows / call.part.samples;
    const auto* const y_gradients = static_cast<const T*>(call.y_gradients);
    auto* const bias_gradients = static_cast<T*>(call.bias_gradients);
    const HeldLeaves leaves(call.part);
    const LeafProducts<T> products(leaves, steps, shape.outputs, {{{{0, shape.outputs}, shape.inputs}, {}}}, false);
    const LeafRows<T> rows(leaves, {steps, shape.outputs, 1}, 0);
    T* const scratch = device.scratch<T>(products.elements() + (bias_gradients != nullptr ? rows.elements() : 0));
    if (call.x_gradients != nullptr)
        multiply<T>(device, device.matrix_precision, {shape.rows, shape.inputs, shape.outputs},
                    {y_gradients, shape.outputs}, {static_cast<const T*>(call.weights), shape.inputs}, false,
                    {static_cast<T*>(call.x_gradients), shape.inputs});
    products.add(device, y_gradients, {static_cast<const T*>(call.x), nullptr}, steps, nullptr, false, scratch);
    products.finish(device, scratch, 0, {0, shape.outputs}, call.accumulate, static_cast<T*>(call.weight_gradients));
    if (bias_gradients != nullptr) {
        T* const scratch_of_rows = scratch + products.elements();
        rows.add(device, y_gradients, nullptr, steps, nullptr, false, scratch_of_rows);
        rows.finish_sums(device, scratch_of_rows, {0, shape.outputs}, call.accumulate, bias_gradients);
    }
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
    dispatch(call.dtype, [&](auto* type) { dense_backward<Pointee<decltype(type)>>(device, call); });
}

} // namespace ortho::cuda
