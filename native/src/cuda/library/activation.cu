// Functions of elements, and gates.
#include "cuda/library/launch.hpp"
#include "cuda/library/math.hpp"
#include "cuda/library/operations.hpp"
#include "model/activations.hpp"

namespace ortho::cuda {
namespace {

template <class Function, class T> __global__ void activation_kernel(int64_t count, const T* x, T* y) {
    for (int64_t i = flat_index(); i < count; i += flat_stride())
        y[i] = Function::template value<CudaMath>(x[i]);
}

template <class Function, class T>
__global__ void activation_backward_kernel(int64_t count, const T* x, const T* y_gradients, T* x_gradients) {
    for (int64_t i = flat_index(); i < count; i += flat_stride())
        x_gradients[i] = Function::template slope<CudaMath>(x[i]) * y_gradients[i];
}

template <class T> __global__ void linear_gate_kernel(int64_t rows, int64_t units, const T* x, T* y) {
    for (int64_t i = flat_index(); i < rows * units; i += flat_stride()) {
        const T* const a = x + i + i / units * units;
        y[i] = LinearGate::value<CudaMath>(a[0], a[units]);
    }
}

template <class T>
__global__ void linear_gate_backward_kernel(int64_t rows, int64_t units, const T* x, const T* y_gradients,
                                            T* x_gradients) {
    for (int64_t i = flat_index(); i < rows * units; i += flat_stride()) {
        const int64_t at = i + i / units * units;
        const auto gradients = LinearGate::gradients<CudaMath>(x[at], x[at + units], y_gradients[i]);
        x_gradients[at] = gradients.a;
        x_gradients[at + units] = gradients.b;
    }
}

} // namespace

void run(Device& device, const ActivationForward& call) {
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        with_activation(call.activation, [&](auto function) {
            launch("activation", activation_kernel<decltype(function), T>, flat_shape(call.count), device.stream,
                   call.count, static_cast<const T*>(call.x), static_cast<T*>(call.y));
        });
    });
}

void run(Device& device, const ActivationBackward& call) {
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        with_activation(call.activation, [&](auto function) {
            launch("activation_backward", activation_backward_kernel<decltype(function), T>, flat_shape(call.count),
                   device.stream, call.count, static_cast<const T*>(call.x), static_cast<const T*>(call.y_gradients),
                   static_cast<T*>(call.x_gradients));
        });
    });
}

void run(Device& device, const LinearGateForward& call) {
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        launch("linear_gate", linear_gate_kernel<T>, flat_shape(call.rows * call.units), device.stream, call.rows,
               call.units, static_cast<const T*>(call.x), static_cast<T*>(call.y));
    });
}

void run(Device& device, const LinearGateBackward& call) {
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        launch("linear_gate_backward", linear_gate_backward_kernel<T>, flat_shape(call.rows * call.units),
               device.stream, call.rows, call.units, static_cast<const T*>(call.x),
               static_cast<const T*>(call.y_gradients), static_cast<T*>(call.x_gradients));
    });
}

} // namespace ortho::cuda
