#include "abi/arrays.hpp"
#include "abi/batch.hpp"
#include "abi/guard.hpp"

using namespace ortho;

namespace {

/** @return elements of all steps */
int64_t check_sequences(const ortho_device* device, int32_t dtype, const SequenceShape& shape) {
    check::device(device);
    check::dtype(dtype);
    check::at_least("units", shape.units, 1);
    check::rows(shape.steps, shape.batch, shape.units, "units");
    check::lengths(shape.lengths, shape.steps, shape.batch);
    return shape.steps * shape.batch * shape.units;
}

void check_pooling(int32_t pooling) {
    if (pooling < ORTHO_POOL_LAST || pooling > ORTHO_POOL_MAX)
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("pooling"),
             "is %" PRId32 "; it must be %d (last), %d (mean) or %d (maximum)", pooling, ORTHO_POOL_LAST,
             ORTHO_POOL_MEAN, ORTHO_POOL_MAX);
}

/** The sizes of a convolution's windows. @param sequences  as check_sequences has checked them */
WindowsShape checked_windows(const SequenceShape& sequences, int64_t window, int64_t stride, int64_t padding) {
    check::at_least("window", window, 1);
    check::addressable("window", window, sequences.units, "units");
    check::at_least("stride", stride, 1);
    check::range("padding", padding, 0, window - 1);
    const int64_t padded = sequences.steps + 2 * padding;
    if (padded < window)
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("window"),
             "is %" PRId64 "; it must be at most %" PRId64 ", the steps with padding on both sides", window, padded);
    const WindowsShape shape{sequences, window, stride, padding, (padded - window) / stride + 1};
    constexpr int64_t most = check::largest_address_space / 8;
    const int64_t columns = sequences.units * window;
    if (shape.count > most / sequences.batch || shape.count * sequences.batch > most / columns)
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("window"),
             "is %" PRId64 ", with %" PRId64 " units and %" PRId64 " windows of %" PRId64
             " samples; the product must be at most %" PRId64,
             window, sequences.units, shape.count, sequences.batch, most);
    return shape;
}

int64_t elements_of(const WindowsShape& shape) {
    return shape.count * shape.sequences.batch * shape.sequences.units * shape.window;
}

} // namespace

ortho_status ortho_pool_forward(ortho_device* device, int32_t dtype, int32_t pooling, int64_t steps, int64_t batch,
                                int64_t units, const int32_t* lengths, const void* x, void* y) {
    return guard([&] {
        const SequenceShape shape{steps, batch, units, lengths};
        const int64_t count = check_sequences(device, dtype, shape);
        check_pooling(pooling);
        const check::Arrays arrays(*device, dtype);
        arrays.needed("x", x, count);
        arrays.needed("y", y, batch * units);
        device->run(PoolForward{static_cast<ortho_dtype>(dtype), static_cast<ortho_pooling>(pooling), shape, x, y});
    });
}

ortho_status ortho_pool_backward(ortho_device* device, int32_t dtype, int32_t pooling, int64_t steps, int64_t batch,
                                 int64_t units, const int32_t* lengths, const void* x, const void* y_gradients,
                                 void* x_gradients) {
    return guard([&] {
        const SequenceShape shape{steps, batch, units, lengths};
        const int64_t count = check_sequences(device, dtype, shape);
        check_pooling(pooling);
        const check::Arrays arrays(*device, dtype);
        if (pooling == ORTHO_POOL_MAX)
            arrays.needed("x", x, count);
        arrays.needed("y_gradients", y_gradients, batch * units);
        arrays.needed("x_gradients", x_gradients, count);
        device->run(PoolBackward{static_cast<ortho_dtype>(dtype), static_cast<ortho_pooling>(pooling), shape, x,
                                 y_gradients, x_gradients});
    });
}

ortho_status ortho_mask(ortho_device* device, int32_t dtype, int64_t steps, int64_t batch, int64_t units,
                        const int32_t* lengths, const void* x, void* y) {
    return guard([&] {
        const SequenceShape shape{steps, batch, units, lengths};
        const int64_t count = check_sequences(device, dtype, shape);
        const check::Arrays arrays(*device, dtype);
        arrays.needed("x", x, count);
        arrays.needed("y", y, count);
        device->run(Mask{static_cast<ortho_dtype>(dtype), shape, x, y});
    });
}

ortho_status ortho_reverse(ortho_device* device, int32_t dtype, int64_t steps, int64_t batch, int64_t units,
                           const int32_t* lengths, const void* x, void* y) {
    return guard([&] {
        const SequenceShape shape{steps, batch, units, lengths};
        const int64_t count = check_sequences(device, dtype, shape);
        const check::Arrays arrays(*device, dtype);
        arrays.needed("x", x, count);
        arrays.needed("y", y, count);
        check::apart("y", y, "x", x, count * check::element_bytes(dtype));
        device->run(Reverse{static_cast<ortho_dtype>(dtype), shape, x, y});
    });
}

ortho_status ortho_windows_forward(ortho_device* device, int32_t dtype, int64_t steps, int64_t batch, int64_t units,
                                   const int32_t* lengths, int64_t window, int64_t stride, int64_t padding,
                                   const void* x, void* y) {
    return guard([&] {
        const SequenceShape sequences{steps, batch, units, lengths};
        const int64_t count = check_sequences(device, dtype, sequences);
        const WindowsShape shape = checked_windows(sequences, window, stride, padding);
        const check::Arrays arrays(*device, dtype);
        arrays.needed("x", x, count);
        arrays.needed("y", y, elements_of(shape));
        device->run(WindowsForward{static_cast<ortho_dtype>(dtype), shape, x, y});
    });
}

ortho_status ortho_windows_backward(ortho_device* device, int32_t dtype, int64_t steps, int64_t batch, int64_t units,
                                    const int32_t* lengths, int64_t window, int64_t stride, int64_t padding,
                                    const void* y_gradients, void* x_gradients) {
    return guard([&] {
        const SequenceShape sequences{steps, batch, units, lengths};
        const int64_t count = check_sequences(device, dtype, sequences);
        const WindowsShape shape = checked_windows(sequences, window, stride, padding);
        const check::Arrays arrays(*device, dtype);
        arrays.needed("y_gradients", y_gradients, elements_of(shape));
        arrays.needed("x_gradients", x_gradients, count);
        device->run(WindowsBackward{static_cast<ortho_dtype>(dtype), shape, y_gradients, x_gradients});
    });
}
