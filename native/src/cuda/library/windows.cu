#include "cuda/library/launch.hpp"
#include "cuda/library/sequences.hpp"

namespace ortho::cuda {
namespace {

template <class T> __global__ void windows_kernel(WindowsShape shape, const T* x, T* y) {
    const int64_t batch = shape.sequences.batch, units = shape.sequences.units, columns = units * shape.window;
    for (int64_t i = flat_index(); i < shape.count * batch * columns; i += flat_stride()) {
        const int64_t row = i / columns, column = i - row * columns;
        const int64_t number = row / batch, sample = row - number * batch;
        const int64_t unit = column / shape.window, length = length_of(shape.sequences, sample);
        const int64_t step = number * shape.stride + column - unit * shape.window - shape.padding;
        const bool is_there = number < shape.of(length) && step >= 0 && step < length;
        y[i] = is_there ? x[(step * batch + sample) * units + unit] : T(0);
    }
}

template <class T> __global__ void windows_backward_kernel(WindowsShape shape, const T* y_gradients, T* x_gradients) {
    const int64_t batch = shape.sequences.batch, units = shape.sequences.units;
    for (int64_t i = flat_index(); i < shape.sequences.steps * batch * units; i += flat_stride()) {
        const int64_t row = i / units, unit = i - row * units;
        const int64_t step = row / batch, sample = row - step * batch;
        const int64_t length = length_of(shape.sequences, sample);
        T sum = 0;
        if (step < length) {
            const Span windows = shape.with(step, length);
            for (int64_t number = windows.begin; number < windows.end; ++number)
                sum += y_gradients[((number * batch + sample) * units + unit) * shape.window + step + shape.padding -
                                   number * shape.stride];
        }
        x_gradients[i] = sum;
    }
}

/** The same shape with the lengths on the device. */
WindowsShape on_device(Device& device, WindowsShape shape) {
    shape.sequences = on_device(device, shape.sequences);
    return shape;
}

} // namespace

void run(Device& device, const WindowsForward& call) {
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        const SequenceShape& of = call.shape.sequences;
        launch("windows", windows_kernel<T>, flat_shape(call.shape.count * of.batch * of.units * call.shape.window),
               device.stream, on_device(device, call.shape), static_cast<const T*>(call.x), static_cast<T*>(call.y));
    });
}

void run(Device& device, const WindowsBackward& call) {
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        const SequenceShape& of = call.shape.sequences;
        launch("windows_backward", windows_backward_kernel<T>, flat_shape(of.steps * of.batch * of.units),
               device.stream, on_device(device, call.shape), static_cast<const T*>(call.y_gradients),
               static_cast<T*>(call.x_gradients));
    });
}

} // namespace ortho::cuda
