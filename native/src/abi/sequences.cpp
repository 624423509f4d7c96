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
