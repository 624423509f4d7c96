#include "model/dense.hpp"

#include "abi/guard.hpp"
#include "core/check.hpp"

using namespace ortho;

namespace {

DenseShape check_shape(const ortho_device* device, int32_t dtype, int64_t rows, int64_t inputs, int64_t outputs) {
    check::device(device);
    check::dtype(dtype);
    check::at_least("rows", rows, 1);
    check::at_least("inputs", inputs, 1);
    check::at_least("outputs", outputs, 1);
    check::addressable("rows x inputs", rows, inputs);
    check::addressable("rows x outputs", rows, outputs);
    check::addressable("outputs x inputs", outputs, inputs);
    return {rows, inputs, outputs};
}

} // namespace

ortho_status ortho_dense_forward(ortho_device* device, int32_t dtype, int64_t rows, int64_t inputs, int64_t outputs,
                                 const void* weights, const void* bias, const void* x, void* y) {
    return guard([&] {
        const DenseShape shape = check_shape(device, dtype, rows, inputs, outputs);
        check::not_null("weights", weights);
        check::not_null("x", x);
        check::not_null("y", y);
        dispatch(dtype, [&]<class T>(T*) {
            dense_forward(*device, shape, static_cast<const T*>(weights), static_cast<const T*>(bias),
                          static_cast<const T*>(x), static_cast<T*>(y));
        });
    });
}

ortho_status ortho_dense_backward(ortho_device* device, int32_t dtype, int32_t accumulate, int64_t rows, int64_t inputs,
                                  int64_t outputs, const void* weights, const void* x, const void* y_gradients,
                                  void* weight_gradients, void* bias_gradients, void* x_gradients) {
    return guard([&] {
        const DenseShape shape = check_shape(device, dtype, rows, inputs, outputs);
        check::flag("accumulate", accumulate);
        if (x_gradients != nullptr && weights == nullptr)
            fail(ORTHO_INVALID_ARGUMENT, "weights is null; it is needed where x_gradients is not null");
        check::not_null("x", x);
        check::not_null("y_gradients", y_gradients);
        check::not_null("weight_gradients", weight_gradients);
        dispatch(dtype, [&]<class T>(T*) {
            dense_backward(*device, shape, accumulate == 1, static_cast<const T*>(weights), static_cast<const T*>(x),
                           static_cast<const T*>(y_gradients), static_cast<T*>(weight_gradients),
                           static_cast<T*>(bias_gradients), static_cast<T*>(x_gradients));
        });
    });
}
