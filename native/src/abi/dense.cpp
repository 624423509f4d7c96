#include "abi/arrays.hpp"
#include "abi/batch.hpp"
#include "abi/guard.hpp"
#include "core/check.hpp"

using namespace ortho;

namespace {

void check_sizes(int64_t inputs, int64_t outputs) {
    check::at_least("inputs", inputs, 1);
    check::at_least("outputs", outputs, 1);
}

} // namespace

ortho_status ortho_dense_forward(ortho_device* device, int32_t dtype, int64_t rows, int64_t inputs, int64_t outputs,
                                 const void* weights, const void* bias, const void* x, void* y) {
    return guard([&] {
        check::device(device);
        check::dtype(dtype);
        check::at_least("rows", rows, 1);
        check_sizes(inputs, outputs);
        check::addressable("rows", rows, inputs, "inputs");
        check::addressable("rows", rows, outputs, "outputs");
        check::addressable("outputs", outputs, inputs, "inputs");
        const check::Arrays arrays(*device, dtype);
        arrays.needed("weights", weights, outputs * inputs);
        arrays.optional("bias", bias, outputs);
        arrays.needed("x", x, rows * inputs);
        arrays.needed("y", y, rows * outputs);
        device->run(DenseForward{static_cast<ortho_dtype>(dtype), {rows, inputs, outputs}, weights, bias, x, y});
    });
}

ortho_status ortho_dense_backward(ortho_device* device, int32_t dtype, const ortho_batch_part* part, int32_t accumulate,
                                  int64_t steps, int64_t batch, int64_t inputs, int64_t outputs, const void* weights,
                                  const void* x, const void* y_gradients, void* weight_gradients, void* bias_gradients,
                                  void* x_gradients) {
    return guard([&] {
        check::device(device);
        check::dtype(dtype);
        check_sizes(inputs, outputs);
        check::rows(steps, batch, inputs, "inputs");
        check::rows(steps, batch, outputs, "outputs");
        check::addressable("outputs", outputs, inputs, "inputs");
        const int64_t rows = steps * batch;
        const BatchPart samples = check::gradient_part(part, batch, "batch", outputs * inputs);
        check::flag("accumulate", accumulate);
        if (x_gradients != nullptr && weights == nullptr)
            fail(ORTHO_INVALID_ARGUMENT, Argument::missing("weights"),
                 "is null; it is needed for the gradient at the inputs");
        const check::Arrays arrays(*device, dtype);
        arrays.optional("weights", weights, outputs * inputs);
        arrays.needed("x", x, rows * inputs);
        arrays.needed("y_gradients", y_gradients, rows * outputs);
        const int64_t before_last = (samples.sums().count() - 1) * samples.stride;
        arrays.needed("weight_gradients", weight_gradients, before_last + outputs * inputs);
        arrays.optional("bias_gradients", bias_gradients, before_last + outputs);
        arrays.optional("x_gradients", x_gradients, rows * inputs);
        device->run(DenseBackward{static_cast<ortho_dtype>(dtype),
                                  {rows, inputs, outputs},
                                  samples,
                                  accumulate == 1,
                                  weights,
                                  x,
                                  y_gradients,
                                  weight_gradients,
                                  bias_gradients,
                                  x_gradients});
    });
}
