#include "cuda/library/leaf_sums.hpp"
#include "cuda/library/math.hpp"
#include "cuda/library/operations.hpp"
#include "cuda/library/reductions.hpp"
#include "model/layer_norm.hpp"

namespace ortho::cuda {
namespace {

/** Calls body(row, lane) for rows: one warp for each. */
template <class Body> __device__ __forceinline__ void for_each_row(int64_t rows, Body&& body) {
    for (int64_t row = flat_index() / warp_size; row < rows; row += flat_stride() / warp_size)
        body(row, static_cast<int64_t>(threadIdx.x % warp_size));
}

template <class T>
__global__ void layer_norm_kernel(int64_t rows, int64_t units, double epsilon, const T* scale, const T* offset,
                                  const T* x, T* y, T* statistics) {
    for_each_row(rows, [=](int64_t row, int64_t lane) {
        const T* const from = x + row * units;
        const auto count = static_cast<double>(units);
        double sum = 0;
        for (int64_t j = lane; j < units; j += warp_size)
            sum += static_cast<double>(from[j]);
        const double mean = sum_over_warp(sum) / count;
        double squares = 0;
        for (int64_t j = lane; j < units; j += warp_size) {
            const double distance = static_cast<double>(from[j]) - mean;
            squares += distance * distance;
        }
        const RowScale<T> own = RowScale<T>::of(mean, sum_over_warp(squares) / count, epsilon);
        for (int64_t j = lane; j < units; j += warp_size)
            y[row * units + j] =
                layer_norm_value<CudaMath>(own, from[j], scale[j], offset != nullptr ? offset[j] : T(0));
        if (lane == 0 && statistics != nullptr) {
            statistics[2 * row] = own.mean;
            statistics[2 * row + 1] = own.factor;
        }
    });
}

template <class T>
__global__ void layer_norm_backward_kernel(int64_t rows, int64_t units, const T* scale, const T* x, const T* statistics,
                                           const T* y_gradients, T* x_gradients) {
    for_each_row(rows, [=](int64_t row, int64_t lane) {
        const T* const own_x = x + row * units;
        const T* const own_gradients = y_gradients + row * units;
        const RowScale<T> own{statistics[2 * row], 0, statistics[2 * row + 1]};
        double sum = 0, products = 0;
        for (int64_t j = lane; j < units; j += warp_size) {
            const double h = static_cast<double>(own_gradients[j]) * static_cast<double>(scale[j]);
            const double distance = static_cast<double>(own_x[j]) - static_cast<double>(own.mean);
            sum += h;
            products += h * (distance * static_cast<double>(own.factor));
        }
        const auto count = static_cast<double>(units);
        const RowGradientMeans<T> means{static_cast<T>(sum_over_warp(sum) / count),
                                        static_cast<T>(sum_over_warp(products) / count)};
        for (int64_t j = lane; j < units; j += warp_size)
            x_gradients[row * units + j] =
                layer_norm_gradient<CudaMath>(own, means, normalised(own, own_x[j]), scale[j], own_gradients[j]);
    });
}

template <class T> void layer_norm_backward(Device& device, const LayerNormBackward& call) {
    const auto* const x = static_cast<const T*>(call.x);
    const auto* const statistics = static_cast<const T*>(call.statistics);
    const auto* const y_gradients = static_cast<const T*>(call.y_gradients);
    const int64_t steps = call.rows / call.part.samples, units = call.units;
    const HeldLeaves leaves(call.part);
    // The sums of gradients are those of the offset; of their products with the normalised rows, those of the scale.
    const LeafRows<T> rows(leaves, {steps, units, 1}, 1);
    T* const scratch = device.scratch<T>(rows.elements());
    if (call.x_gradients != nullptr)
        launch("layer_norm_backward", layer_norm_backward_kernel<T>, flat_shape(call.rows * warp_size), device.stream,
               call.rows, units, static_cast<const T*>(call.scale), x, statistics, y_gradients,
               static_cast<T*>(call.x_gradients));
    rows.add(device, y_gradients, NormalisedRows<T>{x, statistics}, steps, scratch);
    rows.finish_products(device, scratch, {0, units}, call.accumulate, static_cast<T*>(call.scale_gradients));
    if (call.offset_gradients != nullptr)
        rows.finish_sums(device, scratch, {0, units}, call.accumulate, static_cast<T*>(call.offset_gradients));
}

} // namespace

void run(Device& device, const LayerNormForward& call) {
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        launch("layer_norm", layer_norm_kernel<T>, flat_shape(call.rows * warp_size), device.stream, call.rows,
               call.units, call.epsilon, static_cast<const T*>(call.scale), static_cast<const T*>(call.offset),
               static_cast<const T*>(call.x), static_cast<T*>(call.y), static_cast<T*>(call.statistics));
    });
}

void run(Device& device, const LayerNormBackward& call) {
    dispatch(call.dtype, [&](auto* type) { layer_norm_backward<Pointee<decltype(type)>>(device, call); });
}

} // namespace ortho::cuda
