#include "cpu/sequences.hpp"

#include <algorithm>

#include "core/dtype.hpp"
#include "cpu/flat.hpp"

namespace ortho::cpu {
namespace {

/** Units of a sample that are worked on together: their sums stay in the first cache. */
constexpr int64_t units_together = 64;

/**
 * Calls body(length, offset, units) for some units of a sample at a time, on the device's threads where the work is
 * worth it.
 */
template <class Body> void for_each_column(CpuDevice& device, const SequenceShape& shape, Body&& body) {
    const int64_t pieces = (shape.units + units_together - 1) / units_together;
    const int64_t piece_work = shape.steps * std::min(shape.units, units_together);
    const int64_t block = std::max<int64_t>(1, flat_block / piece_work);
    for_each_block(device.pool, shape.batch * pieces, block, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const int64_t sample = i / pieces, first = i % pieces * units_together;
            body(length_of(shape, sample), sample * shape.units + first, std::min(units_together, shape.units - first));
        }
    });
}

template <class T> void pool_forward(CpuDevice& device, const PoolForward& call) {
    const SequenceShape& shape = call.shape;
    const VectorKernels<T>& kernels = device.kernels.of<T>().vector;
    const int64_t stride = shape.batch * shape.units;
    for_each_column(device, shape, [&](int64_t length, int64_t offset, int64_t units) {
        const T* const x = static_cast<const T*>(call.x) + offset;
        T* const y = static_cast<T*>(call.y) + offset;
        if (length == 0)
            std::fill_n(y, units, T{0});
        else if (call.pooling == ORTHO_POOL_LAST)
            std::copy_n(x + (length - 1) * stride, units, y);
        else if (call.pooling == ORTHO_POOL_MEAN)
            kernels.mean_of_steps({x, stride, length, units}, y);
        else
            kernels.largest_of_steps({x, stride, length, units}, y, nullptr);
    });
}

template <class T> void pool_backward(CpuDevice& device, const PoolBackward& call) {
    const SequenceShape& shape = call.shape;
    const VectorKernels<T>& kernels = device.kernels.of<T>().vector;
    const int64_t stride = shape.batch * shape.units;
    for_each_column(device, shape, [&](int64_t length, int64_t offset, int64_t units) {
        const T* const y_gradients = static_cast<const T*>(call.y_gradients) + offset;
        T* const x_gradients = static_cast<T*>(call.x_gradients) + offset;
        T shares[units_together];
        if (call.pooling == ORTHO_POOL_MEAN)
            for (int64_t i = 0; i < units; ++i)
                shares[i] = length > 0 ? y_gradients[i] / static_cast<T>(length) : T{0};
        for (int64_t step = 0; step < shape.steps; ++step) {
            T* const to = x_gradients + step * stride;
            if (call.pooling == ORTHO_POOL_MEAN && step < length)
                std::copy_n(shares, units, to);
            else if (call.pooling == ORTHO_POOL_LAST && step == length - 1)
                std::copy_n(y_gradients, units, to);
            else
                std::fill_n(to, units, T{0});
        }
        if (call.pooling != ORTHO_POOL_MAX || length == 0)
            return;
        int64_t steps[units_together];
        const T* const x = static_cast<const T*>(call.x) + offset;
        kernels.largest_of_steps({x, stride, length, units}, nullptr, steps);
        for (int64_t i = 0; i < units; ++i)
            x_gradients[steps[i] * stride + i] = y_gradients[i];
    });
}

template <class T> void reverse(CpuDevice& device, const Reverse& call) {
    const SequenceShape& shape = call.shape;
    const int64_t block = std::max<int64_t>(1, flat_block / shape.units);
    for_each_block(device.pool, shape.steps * shape.batch, block, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
            const int64_t sample = row % shape.batch;
            const int64_t from = length_of(shape, sample) - 1 - row / shape.batch;
            T* const y = static_cast<T*>(call.y) + row * shape.units;
            if (from >= 0)
                std::copy_n(static_cast<const T*>(call.x) + (from * shape.batch + sample) * shape.units, shape.units,
                            y);
            else
                std::fill_n(y, shape.units, T{0});
        }
    });
}

template <class T> void mask(CpuDevice& device, const Mask& call) {
    const SequenceShape& shape = call.shape;
    const int64_t block = std::max<int64_t>(1, flat_block / shape.units);
    for_each_block(device.pool, shape.steps * shape.batch, block, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
            T* const y = static_cast<T*>(call.y) + row * shape.units;
            if (row / shape.batch >= length_of(shape, row % shape.batch))
                std::fill_n(y, shape.units, T{0});
            else if (call.y != call.x)
                std::copy_n(static_cast<const T*>(call.x) + row * shape.units, shape.units, y);
        }
    });
}

} // namespace

void run(CpuDevice& device, const PoolForward& call) {
    dispatch(call.dtype, [&]<class T>(T*) { pool_forward<T>(device, call); });
}

void run(CpuDevice& device, const PoolBackward& call) {
    dispatch(call.dtype, [&]<class T>(T*) { pool_backward<T>(device, call); });
}

void run(CpuDevice& device, const Reverse& call) {
    dispatch(call.dtype, [&]<class T>(T*) { reverse<T>(device, call); });
}

void run(CpuDevice& device, const Mask& call) {
    dispatch(call.dtype, [&]<class T>(T*) { mask<T>(device, call); });
}

} // namespace ortho::cpu
