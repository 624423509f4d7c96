// The arithmetic of layer normalization, written once for the CPU's vectors and for CUDA's threads; V and Math as in
// model/activations.hpp.
//
// Means over a row are computed in double precision, in two passes: first m, then the mean of (x - m)^2. For float,
// products are exact and sums as good as exact there, and no mean is too large for the variance, as it would be for the
// difference of E x^2 and m^2. A row is so short that its second pass finds it in the cache, where a compensated sum
// would cost more than the wider numbers.
#pragma once

#include <limits>

#include "model/arithmetic.hpp"

namespace ortho {

/** What a row is normalised by. */
template <class T> struct RowScale {
    T mean;
    /** What rounding took from the mean: x - mean - rest has few roundings even where the mean is much larger. */
    T rest;
    T factor; // r

    /** @param variance  the mean of (x - mean)^2 */
    ORTHO_HOST_DEVICE static RowScale of(double mean, double variance, double epsilon) {
        // An epsilon below the smallest normal number would be 0 where subnormal numbers are.
        constexpr double smallest = std::numeric_limits<double>::min();
        const T rounded = static_cast<T>(mean);
        return {rounded, static_cast<T>(mean - static_cast<double>(rounded)),
                static_cast<T>(1 / square_root(variance + (epsilon < smallest ? smallest : epsilon)))};
    }
};

/** (x - m) r */
template <class T, class V> ORTHO_HOST_DEVICE V normalised(const RowScale<T>& row, V x) {
    return ((x - row.mean) - row.rest) * row.factor;
}

/** y = scale (x - m) r + offset */
template <class Math, class T, class V>
ORTHO_HOST_DEVICE V layer_norm_value(const RowScale<T>& row, V x, V scale, V offset) {
    return Math::multiply_add(normalised(row, x), scale, offset);
}

/** What the elements of a row's gradient share: means over the row, of h = scale dy and of h (x - m) r. */
template <class T> struct RowGradientMeans {
    T gradient;
    T product;
};

/** dx = r (h - mean of h - (x - m) r times the mean of h (x - m) r) */
template <class Math, class T, class V>
ORTHO_HOST_DEVICE V layer_norm_gradient(const RowScale<T>& row, const RowGradientMeans<T>& means, V normalised_x,
                                        V scale, V y_gradient) {
    const V centered = Math::multiply_add(y_gradient, scale, V{} - means.gradient);
    return row.factor * Math::multiply_add(-normalised_x, V{} + means.product, centered);
}

} // namespace ortho
