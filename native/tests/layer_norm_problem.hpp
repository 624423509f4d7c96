// Layer normalization by its formulas, which the tests of all devices share.
#pragma once

#include "batch.hpp"
#include "chain_problem.hpp"

namespace ortho::test {

/** In which results are compared with formulas that cancel nothing. */
using Exact = long double;
inline constexpr double layer_norm_epsilon = 1e-5;

/** Rows of a batch, whole or in parts, and their parameters. */
template <class T> struct LayerNormRows {
    int64_t steps, batch, units;
    std::vector<T> scale = normal_values<T>(units, 1), offset = normal_values<T>(units, 2),
                   x = normal_values<T>(steps * batch * units, 3),
                   y_gradients = normal_values<T>(steps * batch * units, 4);

    int64_t rows() const { return steps * batch; }
    std::vector<T> row(const std::vector<T>& values, int64_t at) const {
        return {values.begin() + at * units, values.begin() + (at + 1) * units};
    }

    struct Values {
        std::vector<T> y, statistics;
    };
    Values forward(ortho_device* device) const {
        const DeviceArray<T> scales(device, scale), offsets(device, offset), xs(device, x), y(device, x.size(), T{7}),
            statistics(device, static_cast<size_t>(2 * rows()), T{7});
        EXPECT_TRUE(
            succeeds(ortho_layer_norm_forward(device, dtype_of<T>, rows(), units, layer_norm_epsilon, scales.data(),
                                              offsets.data(), xs.data(), y.data(), statistics.data())));
        return {y.values(), statistics.values()};
    }

    /** Gradients of scale and offset, one behind the other, and of x. */
    struct Gradients {
        std::vector<T> parameters, x;
    };
    Gradients backward(ortho_device* device, const std::vector<T>& statistics, const ortho_batch_part* part,
                       Samples samples, int32_t accumulate, T start) const {
        const int64_t sums = part == nullptr ? 1 : partial_sums(batch, samples);
        const DeviceArray<T> scales(device, scale), xs(device, part_of(x, steps, batch, units, samples)),
            own_statistics(device, part_of(statistics, steps, batch, 2, samples)),
            dy(device, part_of(y_gradients, steps, batch, units, samples)),
            parameters(device, static_cast<size_t>(sums * 2 * units), start),
            dx(device, static_cast<size_t>(steps * samples.count * units), T{9});
        EXPECT_TRUE(succeeds(ortho_layer_norm_backward(
            device, dtype_of<T>, part, accumulate, steps, samples.count, units, scales.data(), xs.data(),
            own_statistics.data(), dy.data(), parameters.data(), parameters.data() + units, dx.data())));
        return {parameters.values(), dx.values()};
    }
    Gradients backward(ortho_device* device, const std::vector<T>& statistics, int32_t accumulate = 0,
                       T start = 7) const {
        return backward(device, statistics, nullptr, {0, batch}, accumulate, start);
    }
    Gradients in_parts(ortho_device* device, const std::vector<T>& statistics,
                       const std::vector<Samples>& parts) const {
        std::vector<std::vector<T>> sums;
        Gradients all{{}, std::vector<T>(x.size())};
        for (const Samples& samples : parts) {
            const ortho_batch_part part = make_part(batch, samples, 2 * units);
            const Gradients own = backward(device, statistics, &part, samples, 0, T{7});
            sums.push_back(own.parameters);
            put_part(own.x, steps, batch, units, samples, all.x);
        }
        const Device cpu = make_device(1); // where the sums lie
        all.parameters = put_together(cpu.get(), batch, parts, 2 * units, 2 * units, sums);
        return all;
    }
};

/** A row by the formulas. */
template <class T> struct ExactRow {
    Exact mean = 0, factor = 0, largest = 0;
    std::vector<Exact> normalised;

    explicit ExactRow(const std::vector<T>& x) {
        const auto count = static_cast<Exact>(x.size());
        for (const T value : x) {
            mean += static_cast<Exact>(value) / count;
            largest = std::max(largest, std::abs(static_cast<Exact>(value)));
        }
        Exact variance = 0;
        for (const T value : x)
            variance += (static_cast<Exact>(value) - mean) * (static_cast<Exact>(value) - mean) / count;
        factor = 1 / std::sqrt(variance + static_cast<Exact>(layer_norm_epsilon));
        for (const T value : x)
            normalised.push_back((static_cast<Exact>(value) - mean) * factor);
    }
};

template <class T> constexpr Exact unit = static_cast<Exact>(rounding<T>);

/** How far sums of a row, in double precision, are off, as a part of the sum of magnitudes. */
inline Exact sum_error(int64_t units) {
    return static_cast<Exact>(units + 4) * static_cast<Exact>(rounding<double>);
}

/**
 * m is off by its sum's error and a rounding, r by as much of itself. (x - m) r has five roundings: of two differences,
 * of what the mean's rest is, of r and of the product; the scale and the offset add one. The mean is as good as its
 * sum, however large it is.
 */
template <class T> void expect_forward(const LayerNormRows<T>& rows, const typename LayerNormRows<T>::Values& values) {
    for (int64_t at = 0; at < rows.rows(); ++at) {
        const ExactRow<T> row(rows.row(rows.x, at));
        const auto y = rows.row(values.y, at);
        const Exact error = sum_error(rows.units), of_mean = error * row.largest;
        const auto mean = static_cast<Exact>(values.statistics[static_cast<size_t>(2 * at)]),
                   factor = static_cast<Exact>(values.statistics[static_cast<size_t>(2 * at + 1)]);
        ASSERT_LE(std::abs(mean - row.mean), unit<T> * std::abs(row.mean) + of_mean) << "mean of row " << at;
        ASSERT_LE(std::abs(factor - row.factor), (unit<T> + error + of_mean * row.factor) * row.factor)
            << "r of row " << at;
        for (size_t i = 0; i < y.size(); ++i) {
            const Exact product = static_cast<Exact>(rows.scale[i]) * row.normalised[i],
                        expected = product + static_cast<Exact>(rows.offset[i]);
            const Exact of_normalised = std::abs(row.normalised[i]) * (5 * unit<T> + error) + 2 * of_mean * row.factor;
            ASSERT_LE(std::abs(static_cast<Exact>(y[i]) - expected),
                      std::abs(static_cast<Exact>(rows.scale[i])) * of_normalised +
                          2 * unit<T> * (std::abs(product) + std::abs(expected)))
                << "y[" << at << ", " << i << "]";
        }
    }
}

/**
 * The normalised row of backward has the rounding of the mean, too. h = scale dy and means of h and of h times that row
 * have the errors of their factors and of their sums, and a rounding each; what is put together of them has three
 * roundings more. Sums over rows are off by a rounding of the sum of magnitudes for each row.
 */
template <class T>
void expect_backward(const LayerNormRows<T>& rows, const typename LayerNormRows<T>::Gradients& gradients,
                     double start) {
    const int64_t units = rows.units;
    const auto count = static_cast<size_t>(units);
    std::vector<Exact> sums(2 * count, static_cast<Exact>(start)), magnitudes(2 * count, static_cast<Exact>(start)),
        errors(2 * count);
    for (int64_t at = 0; at < rows.rows(); ++at) {
        const ExactRow<T> row(rows.row(rows.x, at));
        const auto dy = rows.row(rows.y_gradients, at), dx = rows.row(gradients.x, at);
        const Exact of_sums = sum_error(units);
        const Exact of_mean = (unit<T> * std::abs(row.mean) + of_sums * row.largest) * row.factor;
        Exact mean_h = 0, mean_product = 0, all_h = 0, all_products = 0;
        for (size_t i = 0; i < count; ++i) {
            const Exact h = static_cast<Exact>(rows.scale[i]) * static_cast<Exact>(dy[i]);
            mean_h += h / static_cast<Exact>(units);
            all_h += std::abs(h) / static_cast<Exact>(units);
            mean_product += h * row.normalised[i] / static_cast<Exact>(units);
            all_products += std::abs(h * row.normalised[i]) / static_cast<Exact>(units);
        }
        for (size_t i = 0; i < count; ++i) {
            const Exact normalised = row.normalised[i],
                        h = static_cast<Exact>(rows.scale[i]) * static_cast<Exact>(dy[i]);
            const Exact magnitude = std::abs(h) + all_h + std::abs(normalised) * all_products;
            const Exact bound =
                (10 * unit<T> + 2 * of_sums) * magnitude + of_mean * (all_products + std::abs(normalised) * all_h);
            ASSERT_LE(std::abs(static_cast<Exact>(dx[i]) - row.factor * (h - mean_h - normalised * mean_product)),
                      row.factor * bound)
                << "x_gradients[" << at << ", " << i << "]";
            const Exact terms[] = {static_cast<Exact>(dy[i]) * normalised, static_cast<Exact>(dy[i])};
            for (size_t which = 0; which < 2; ++which) {
                sums[which * count + i] += terms[which];
                magnitudes[which * count + i] += std::abs(terms[which]);
            }
            errors[i] += std::abs(static_cast<Exact>(dy[i])) * of_mean + 6 * unit<T> * std::abs(terms[0]);
        }
    }
    for (size_t i = 0; i < 2 * count; ++i)
        ASSERT_LE(std::abs(static_cast<Exact>(gradients.parameters[i]) - sums[i]),
                  static_cast<Exact>(rows.rows() + 3) * unit<T> * magnitudes[i] + errors[i])
            << (i < count ? "scale_gradients" : "offset_gradients") << "[" << i % count << "]";
}

} // namespace ortho::test
