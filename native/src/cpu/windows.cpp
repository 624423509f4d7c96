#include <algorithm>

#include "core/dtype.hpp"
#include "cpu/flat.hpp"
#include "cpu/sequences.hpp"

namespace ortho::cpu {
namespace {

template <class T> void windows_forward(CpuDevice& device, const WindowsForward& call) {
    const WindowsShape& shape = call.shape;
    const int64_t batch = shape.sequences.batch, units = shape.sequences.units, columns = units * shape.window;
    const int64_t block = std::max<int64_t>(1, flat_block / columns);
    for_each_block(device.pool, shape.count * batch, block, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
            const int64_t sample = row % batch, number = row / batch;
            const int64_t length = length_of(shape.sequences, sample);
            T* y = static_cast<T*>(call.y) + row * columns;
            if (number >= shape.of(length)) {
                std::fill_n(y, columns, T{0});
                continue;
            }
            // Of the window, the steps that the sample has.
            const int64_t step = number * shape.stride - shape.padding;
            const int64_t first = std::max<int64_t>(0, -step), last = std::min(shape.window, length - step);
            for (int64_t unit = 0; unit < units; ++unit, y += shape.window) {
                std::fill_n(y, first, T{0});
                for (int64_t k = first; k < last; ++k)
                    y[k] = static_cast<const T*>(call.x)[((step + k) * batch + sample) * units + unit];
                std::fill_n(y + last, shape.window - last, T{0});
            }
        }
    });
}

template <class T> void windows_backward(CpuDevice& device, const WindowsBackward& call) {
    const WindowsShape& shape = call.shape;
    const int64_t batch = shape.sequences.batch, units = shape.sequences.units;
    const int64_t block = std::max<int64_t>(1, flat_block / units);
    for_each_block(device.pool, shape.sequences.steps * batch, block, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
            const int64_t sample = row % batch, step = row / batch;
            const int64_t length = length_of(shape.sequences, sample);
            T* const x_gradients = static_cast<T*>(call.x_gradients) + row * units;
            std::fill_n(x_gradients, units, T{0});
            if (step >= length)
                continue;
            const Span windows = shape.with(step, length);
            for (int64_t number = windows.begin; number < windows.end; ++number) {
                const T* const from = static_cast<const T*>(call.y_gradients) +
                                      (number * batch + sample) * units * shape.window + step + shape.padding -
                                      number * shape.stride;
                for (int64_t unit = 0; unit < units; ++unit)
                    x_gradients[unit] += from[unit * shape.window];
            }
        }
    });
}

} // namespace

void run(CpuDevice& device, const WindowsForward& call) {
    dispatch(call.dtype, [&]<class T>(T*) { windows_forward<T>(device, call); });
}

void run(CpuDevice& device, const WindowsBackward& call) {
    dispatch(call.dtype, [&]<class T>(T*) { windows_backward<T>(device, call); });
}

} // namespace ortho::cpu
