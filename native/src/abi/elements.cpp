// Functions of elements and rows.
#include "abi/arrays.hpp"
#include "abi/guard.hpp"
#include "core/check.hpp"

using namespace ortho;

namespace {

void check_activation(const ortho_device* device, int32_t dtype, int32_t activation, int64_t count) {
    check::device(device);
    check::dtype(dtype);
    if (activation < ORTHO_TANH || activation > ORTHO_GELU)
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("activation"),
             "is %" PRId32 "; it must be %d (tanh), %d (ReLU), %d (sigmoid), %d (SiLU) or %d (GELU)", activation,
             ORTHO_TANH, ORTHO_RELU, ORTHO_SIGMOID, ORTHO_SILU, ORTHO_GELU);
    check::count("count", count);
}

void check_gate(const ortho_device* device, int32_t dtype, int64_t rows, int64_t units) {
    check::device(device);
    check::dtype(dtype);
    check::at_least("rows", rows, 1);
    check::at_least("units", units, 1);
    check::range("units", units, 1, check::largest_address_space / 16);
    check::addressable("rows", rows, 2 * units, "elements");
}

/** Columns of rows of so many elements. */
void check_columns(const char* columns_name, int64_t columns, const char* first_name, int64_t first, int64_t copied) {
    if (columns < copied)
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range(columns_name),
             "is %" PRId64 "; it must be at least %" PRId64 ", the columns that are copied", columns, copied);
    check::range(first_name, first, 0, columns - copied);
}

} // namespace

ortho_status ortho_activation_forward(ortho_device* device, int32_t dtype, int32_t activation, int64_t count,
                                      const void* x, void* y) {
    return guard([&] {
        check_activation(device, dtype, activation, count);
        const check::Arrays arrays(*device, dtype);
        arrays.needed("x", x, count);
        arrays.needed("y", y, count);
        device->run(
            ActivationForward{static_cast<ortho_dtype>(dtype), static_cast<ortho_activation>(activation), count, x, y});
    });
}

ortho_status ortho_activation_backward(ortho_device* device, int32_t dtype, int32_t activation, int64_t count,
                                       const void* x, const void* y_gradients, void* x_gradients) {
    return guard([&] {
        check_activation(device, dtype, activation, count);
        const check::Arrays arrays(*device, dtype);
        arrays.needed("x", x, count);
        arrays.needed("y_gradients", y_gradients, count);
        arrays.needed("x_gradients", x_gradients, count);
        device->run(ActivationBackward{static_cast<ortho_dtype>(dtype), static_cast<ortho_activation>(activation),
                                       count, x, y_gradients, x_gradients});
    });
}

ortho_status ortho_gate_forward(ortho_device* device, int32_t dtype, int64_t rows, int64_t units, const void* x,
                                void* y) {
    return guard([&] {
        check_gate(device, dtype, rows, units);
        const check::Arrays arrays(*device, dtype);
        arrays.needed("x", x, 2 * rows * units);
        arrays.needed("y", y, rows * units);
        device->run(LinearGateForward{static_cast<ortho_dtype>(dtype), rows, units, x, y});
    });
}

ortho_status ortho_gate_backward(ortho_device* device, int32_t dtype, int64_t rows, int64_t units, const void* x,
                                 const void* y_gradients, void* x_gradients) {
    return guard([&] {
        check_gate(device, dtype, rows, units);
        const check::Arrays arrays(*device, dtype);
        arrays.needed("x", x, 2 * rows * units);
        arrays.needed("y_gradients", y_gradients, rows * units);
        arrays.needed("x_gradients", x_gradients, 2 * rows * units);
        device->run(LinearGateBackward{static_cast<ortho_dtype>(dtype), rows, units, x, y_gradients, x_gradients});
    });
}

ortho_status ortho_add(ortho_device* device, int32_t dtype, int64_t count, const void* x, const void* y, void* z) {
    return guard([&] {
        check::device(device);
        check::dtype(dtype);
        check::count("count", count);
        const check::Arrays arrays(*device, dtype);
        arrays.needed("x", x, count);
        arrays.needed("y", y, count);
        arrays.needed("z", z, count);
        device->run(AddElements{static_cast<ortho_dtype>(dtype), count, x, y, z});
    });
}

ortho_status ortho_copy_columns(ortho_device* device, int32_t dtype, int64_t rows, int64_t columns, const void* x,
                                int64_t x_columns, int64_t x_first, void* y, int64_t y_columns, int64_t y_first) {
    return guard([&] {
        check::device(device);
        check::dtype(dtype);
        check::at_least("rows", rows, 1);
        check::at_least("columns", columns, 1);
        check_columns("x_columns", x_columns, "x_first", x_first, columns);
        check_columns("y_columns", y_columns, "y_first", y_first, columns);
        check::addressable("rows", rows, x_columns, "columns");
        check::addressable("rows", rows, y_columns, "columns");
        const check::Arrays arrays(*device, dtype);
        arrays.needed("x", x, rows * x_columns);
        arrays.needed("y", y, rows * y_columns);
        device->run(
            CopyColumns{static_cast<ortho_dtype>(dtype), rows, columns, x, x_columns, x_first, y, y_columns, y_first});
    });
}
