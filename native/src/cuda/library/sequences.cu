#include "cuda/library/sequences.hpp"

#include "cuda/library/launch.hpp"

namespace ortho::cuda {
namespace {

/** The first step that has the largest value of a column; NaN is larger than all numbers. */
template <class T> __device__ int64_t step_of_largest(const T* x, int64_t stride, int64_t length) {
    T largest = x[0];
    int64_t at = 0;
    for (int64_t step = 1; step < length; ++step) {
        const T value = x[step * stride];
        if (value > largest || (value != value && largest == largest)) {
            largest = value;
            at = step;
        }
    }
    return at;
}

template <class T> __global__ void pool_kernel(ortho_pooling pooling, SequenceShape shape, const T* x, T* y) {
    const int64_t stride = shape.batch * shape.units;
    for (int64_t i = flat_index(); i < stride; i += flat_stride()) {
        const int64_t length = length_of(shape, i / shape.units);
        T pooled = 0;
        if (length > 0 && pooling == ORTHO_POOL_MEAN) {
            double sum = 0;
            for (int64_t step = 0; step < length; ++step)
                sum += static_cast<double>(x[step * stride + i]);
            pooled = static_cast<T>(sum / static_cast<double>(length));
        } else if (length > 0) {
            const int64_t step = pooling == ORTHO_POOL_LAST ? length - 1 : step_of_largest(x + i, stride, length);
            pooled = x[step * stride + i];
        }
        y[i] = pooled;
    }
}

template <class T>
__global__ void pool_backward_kernel(ortho_pooling pooling, SequenceShape shape, const T* x, const T* y_gradients,
                                     T* x_gradients) {
    const int64_t stride = shape.batch * shape.units;
    for (int64_t i = flat_index(); i < stride; i += flat_stride()) {
        const int64_t length = length_of(shape, i / shape.units);
        const bool mean = pooling == ORTHO_POOL_MEAN;
        const T share = mean && length > 0 ? y_gradients[i] / static_cast<T>(length) : T(0);
        for (int64_t step = 0; step < shape.steps; ++step)
            x_gradients[step * stride + i] = step < length ? share : T(0);
        if (length == 0 || mean)
            continue;
        const int64_t step = pooling == ORTHO_POOL_LAST ? length - 1 : step_of_largest(x + i, stride, length);
        x_gradients[step * stride + i] = y_gradients[i];
    }
}

template <class T> __global__ void reverse_kernel(SequenceShape shape, const T* x, T* y) {
    const int64_t stride = shape.batch * shape.units;
    for (int64_t i = flat_index(); i < shape.steps * stride; i += flat_stride()) {
        const int64_t column = i % stride;
        const int64_t from = length_of(shape, column / shape.units) - 1 - i / stride;
        y[i] = from >= 0 ? x[from * stride + column] : T(0);
    }
}

template <class T> __global__ void mask_kernel(SequenceShape shape, const T* x, T* y) {
    const int64_t stride = shape.batch * shape.units;
    for (int64_t i = flat_index(); i < shape.steps * stride; i += flat_stride())
        y[i] = i / stride < length_of(shape, i % stride / shape.units) ? x[i] : T(0);
}

} // namespace

void run(Device& device, const PoolForward& call) {
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        launch("pool", pool_kernel<T>, flat_shape(call.shape.batch * call.shape.units), device.stream, call.pooling,
               on_device(device, call.shape), static_cast<const T*>(call.x), static_cast<T*>(call.y));
    });
}

void run(Device& device, const PoolBackward& call) {
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        launch("pool_backward", pool_backward_kernel<T>, flat_shape(call.shape.batch * call.shape.units), device.stream,
               call.pooling, on_device(device, call.shape), static_cast<const T*>(call.x),
               static_cast<const T*>(call.y_gradients), static_cast<T*>(call.x_gradients));
    });
}

void run(Device& device, const Reverse& call) {
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        const int64_t count = call.shape.steps * call.shape.batch * call.shape.units;
        launch("reverse", reverse_kernel<T>, flat_shape(count), device.stream, on_device(device, call.shape),
               static_cast<const T*>(call.x), static_cast<T*>(call.y));
    });
}

void run(Device& device, const Mask& call) {
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        const int64_t count = call.shape.steps * call.shape.batch * call.shape.units;
        launch("mask", mask_kernel<T>, flat_shape(count), device.stream, on_device(device, call.shape),
               static_cast<const T*>(call.x), static_cast<T*>(call.y));
    });
}

} // namespace ortho::cuda
