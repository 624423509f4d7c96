// Kernels of layer normalization: two passes in double precision over a row for its mean and its variance (or for the
// means that its gradient needs), then one that writes it. Sums run in vectors along the row, in an order that its
// length determines.
#pragma once

#include "cpu/layer_norm_types.hpp"
#include "cpu/vector_kernels.hpp"
#include "model/layer_norm.hpp"

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

template <class T> struct LayerNormPass {
    using S = Simd<T>;
    using vec = typename S::vec;
    using D = AsDouble<T>;
    using Doubles = Simd<double>;
    using dvec = typename Doubles::vec;
    /** Sums side by side, which need not wait for each other. */
    static constexpr int unroll = 4;

    /** Sums side by side of each of some terms. */
    template <int terms> struct Sums {
        dvec values[terms][unroll] = {};

        double total(int term) const {
            const dvec(&v)[unroll] = values[term];
            return sum_of_lanes((v[0] + v[1]) + (v[2] + v[3]));
        }
    };

    /** Calls add(sums, which, i, count) for the vectors of a row; `which` of the sums side by side they go to. */
    template <int terms, class Add> [[gnu::always_inline]] static Sums<terms> sum(int64_t units, Add&& add) {
        Sums<terms> sums;
        int64_t i = 0;
        for (; i + unroll * D::width <= units; i += unroll * D::width)
#pragma GCC unroll 4
            for (int u = 0; u < unroll; ++u)
                add(sums, u, i + u * D::width, int64_t{D::width});
        for (; i < units; i += D::width)
            add(sums, 0, i, units - i);
        return sums;
    }

    static RowScale<T> scale_of(const T* x, int64_t units, double epsilon) {
        const auto count = static_cast<double>(units);
        const double mean =
            sum<1>(
                units, [x](Sums<1> & sums, int u, int64_t i, int64_t n)
                           __attribute__((always_inline)) { sums.values[0][u] += D::load_partial(x + i, n); })
                .total(0) /
            count;
        typename Doubles::ivec lanes{};
        for (int l = 0; l < Doubles::width; ++l)
            lanes[l] = l;
        const double squares = sum<1>(
                                   units,
                                   [=](Sums<1> & sums, int u, int64_t i, int64_t n) __attribute__((always_inline)) {
                                       dvec distance = D::load_partial(x + i, n) - mean;
                                       if (n < D::width)
                                           distance = lanes < n ? distance : dvec{};
                                       sums.values[0][u] = Doubles::multiply_add(distance, distance, sums.values[0][u]);
                                   })
                                   .total(0);
        return RowScale<T>::of(mean, squares / count, epsilon);
    }

    static void forward(const LayerNormRows<T>& rows, int64_t row_begin, int64_t row_end) {
        const int64_t units = rows.units;
        for (int64_t row = row_begin; row < row_end; ++row) {
            const T* const x = rows.x + row * units;
            T* const y = rows.y + row * units;
            const RowScale<T> scale = scale_of(x, units, rows.epsilon);
            for (int64_t i = 0; i < units; i += S::width) {
                const int64_t n = units - i;
                const vec offset = rows.offset != nullptr ? S::load_partial(rows.offset + i, n) : vec{};
                S::store_partial(y + i,
                                 layer_norm_value<SimdMath>(scale, S::load_partial(x + i, n),
                                                            S::load_partial(rows.scale + i, n), offset),
                                 n);
            }
            if (rows.statistics != nullptr) {
                rows.statistics[2 * row] = scale.mean;
                rows.statistics[2 * row + 1] = scale.factor;
            }
        }
    }

    static RowGradientMeans<T> gradient_means(const LayerNormGradients<T>& rows, const RowScale<T>& scale,
                                              int64_t row) {
        const T* const x = rows.x + row * rows.units;
        const T* const y_gradients = rows.y_gradients + row * rows.units;
        const T* const scales = rows.scale;
        const auto mean = static_cast<double>(scale.mean), factor = static_cast<double>(scale.factor);
        const auto sums = sum<2>(
            rows.units, [=](Sums<2> & sums_so_far, int u, int64_t i, int64_t n) __attribute__((always_inline)) {
                // Lanes behind the last element have gradients of 0.
                const dvec h = D::load_partial(y_gradients + i, n) * D::load_partial(scales + i, n);
                const dvec normalised_x = (D::load_partial(x + i, n) - mean) * factor;
                dvec(&values)[2][unroll] = sums_so_far.values;
                values[0][u] += h;
                values[1][u] = Doubles::multiply_add(h, normalised_x, values[1][u]);
            });
        const auto count = static_cast<double>(rows.units);
        return {static_cast<T>(sums.total(0) / count), static_cast<T>(sums.total(1) / count)};
    }

    static void backward(const LayerNormGradients<T>& rows, int64_t row_begin, int64_t row_end, T* scale_sums,
                         T* offset_sums) {
        const int64_t units = rows.units;
        for (int64_t row = row_begin; row < row_end; ++row) {
            const T* const x = rows.x + row * units;
            const T* const y_gradients = rows.y_gradients + row * units;
            const RowScale<T> scale{rows.statistics[2 * row], 0, rows.statistics[2 * row + 1]};
            RowGradientMeans<T> means{};
            if (rows.x_gradients != nullptr)
                means = gradient_means(rows, scale, row);
            for (int64_t i = 0; i < units; i += S::width) {
                const int64_t n = units - i;
                const vec normalised_x = normalised(scale, S::load_partial(x + i, n));
                const vec gradient = S::load_partial(y_gradients + i, n);
                const vec sum = S::load_partial(scale_sums + i, n);
                S::store_partial(scale_sums + i, S::multiply_add(gradient, normalised_x, sum), n);
                S::store_partial(offset_sums + i, S::load_partial(offset_sums + i, n) + gradient, n);
                if (rows.x_gradients != nullptr)
                    S::store_partial(rows.x_gradients + row * units + i,
                                     layer_norm_gradient<SimdMath>(scale, means, normalised_x,
                                                                   S::load_partial(rows.scale + i, n), gradient),
                                     n);
            }
        }
    }

    static constexpr LayerNormKernels<T> table{.forward = forward, .backward = backward};
};

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
