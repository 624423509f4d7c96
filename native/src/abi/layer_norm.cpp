#include "abi/arrays.hpp"
#include "abi/batch.hpp"
#include "abi/guard.hpp"

using namespace ortho;

ortho_status ortho_layer_norm_forward(ortho_device* device, int32_t dtype, int64_t rows, int64_t units, double epsilon,
                                      const void* scale, const void* offset, const void* x, void* y, void* statistics) {
    return guard([&] {
        check::device(device);
        check::dtype(dtype);
        check::at_least("rows", rows, 1);
        check::at_least("units", units, 1);
        check::addressable("rows", rows, units, "units");
        check::addressable("rows", rows, 2, "statistics");
        // Rounded to float, it must not be 0, so that 1 / sqrt(epsilon) is not infinite there.
        if (!(check::finite_in(dtype, epsilon) &&
              (dtype == ORTHO_FLOAT32 ? static_cast<double>(static_cast<float>(epsilon)) : epsilon) > 0))
            fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("epsilon"),
                 "is %s; it must be finite and above 0 in this dtype", NumberText(epsilon).c_str());
        const check::Arrays arrays(*device, dtype);
        arrays.needed("scale", scale, units);
        arrays.optional("offset", offset, units);
        arrays.needed("x", x, rows * units);
        arrays.needed("y", y, rows * units);
        arrays.optional("statistics", statistics, 2 * rows);
        device->run(
            LayerNormForward{static_cast<ortho_dtype>(dtype), rows, units, epsilon, scale, offset, x, y, statistics});
    });
}

ortho_status ortho_layer_norm_backward(ortho_device* device, int32_t dtype, const ortho_batch_part* part,
                                       int32_t accumulate, int64_t steps, int64_t batch, int64_t units,
                                       const void* scale, const void* x, const void* statistics,
                                       const void* y_gradients, void* scale_gradients, void* offset_gradients,
                                       void* x_gradients) {
    return guard([&] {
        check::device(device);
        check::dtype(dtype);
        check::at_least("units", units, 1);
        check::rows(steps, batch, units, "units");
        check::addressable(steps, batch, 2, "statistics");
        const int64_t rows = steps * batch;
        const BatchPart samples = check::gradient_part(part, batch, "batch", units);
        check::flag("accumulate", accumulate);
        const check::Arrays arrays(*device, dtype);
        arrays.needed("scale", scale, units);
        arrays.needed("x", x, rows * units);
        arrays.needed("statistics", statistics, 2 * rows);
        arrays.needed("y_gradients", y_gradients, rows * units);
        const int64_t before_last = (samples.sums().count() - 1) * samples.stride;
        arrays.needed("scale_gradients", scale_gradients, before_last + units);
        arrays.optional("offset_gradients", offset_gradients, before_last + units);
        arrays.optional("x_gradients", x_gradients, rows * units);
        device->run(LayerNormBackward{static_cast<ortho_dtype>(dtype), rows, units, samples, accumulate == 1, scale, x,
                                      statistics, y_gradients, scale_gradients, offset_gradients, x_gradients});
    });
}
