#include <algorithm>
#include <cmath>
#include <limits>

#include "abi/arrays.hpp"
#include "abi/guard.hpp"
#include "core/check.hpp"
#include "core/dtype.hpp"
#include "core/random.hpp"

using namespace ortho;

namespace {

void check_stream(int32_t purpose, int64_t first, int64_t count, int64_t element_bytes, const char* name,
                  const void* values) {
    check::range("purpose", purpose, ORTHO_STREAM_FILTER, ORTHO_STREAM_DROPOUT);
    check::count("count", count);
    check::range("first", first, 0, std::numeric_limits<int64_t>::max() - count);
    check::memory(name, values, count * element_bytes);
}

/** Draws in double precision, chunk by chunk, and stores convert(value). */
template <class T, class Draw, class Convert>
void fill(int64_t first, int64_t count, void* values, Draw&& draw, Convert&& convert) {
    constexpr int64_t chunk = 1024;
    double drawn[chunk];
    T* target = static_cast<T*>(values);
    for (int64_t begin = 0; begin < count; begin += chunk) {
        const int64_t length = std::min(chunk, count - begin);
        draw(static_cast<uint64_t>(first + begin), length, drawn);
        for (int64_t i = 0; i < length; ++i)
            target[begin + i] = convert(drawn[i]);
    }
}

/** The values of type T in [low, high): rounding must not lead out of it. */
template <class T> struct Interval {
    T first;
    T last;

    Interval(double low, double high) : first(static_cast<T>(low)), last(static_cast<T>(high)) {
        constexpr T infinity = std::numeric_limits<T>::infinity();
        if (static_cast<double>(first) < low)
            first = std::nextafter(first, infinity);
        if (static_cast<double>(last) >= high)
            last = std::nextafter(last, -infinity);
    }
};

NoiseStream checked_stream(const ortho_device* device, int32_t dtype, uint64_t seed, uint32_t source, uint64_t index) {
    check::device(device);
    check::dtype(dtype);
    check::range("source", source, 0, largest_noise_source);
    if (index > static_cast<uint64_t>(largest_noise_index))
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("index"), "is %" PRIu64 "; it must be from 0 to %" PRId64,
             index, largest_noise_index);
    return {seed, source, static_cast<uint32_t>(index)};
}

void check_elements(const ortho_device& device, int32_t dtype, const NoiseShape& shape, const void* x, const void* y) {
    check::range("first", shape.first, 0, most_noise_samples - 1);
    check::range("steps", shape.steps, 1, most_noise_steps);
    check::range("batch", shape.batch, 1, most_noise_samples - shape.first);
    check::range("units", shape.units, 1, most_noise_units);
    check::addressable(shape.steps, shape.batch, shape.units, "units");
    const check::Arrays arrays(device, dtype);
    const int64_t count = shape.steps * shape.batch * shape.units;
    arrays.needed("x", x, count);
    arrays.needed("y", y, count);
}

/** Box-Muller of numbers of 53 bits goes no further than sqrt(2 · 53 ln 2) from 0. */
constexpr double largest_deviation = 8.6;

} // namespace

ortho_status ortho_random_uniform(uint64_t seed, int32_t purpose, uint32_t index, double low, double high,
                                  int32_t dtype, int64_t first, int64_t count, void* values) {
    return guard([&] {
        check::dtype(dtype);
        check_stream(purpose, first, count, check::element_bytes(dtype), "values", values);
        check::finite("low", low);
        check::finite("high", high);
        if (!(low < high))
            fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("low"), "is %s; it must be below the upper end, %s",
                 NumberText(low).c_str(), NumberText(high).c_str());
        const RandomStream stream(seed, static_cast<ortho_stream>(purpose), index);
        dispatch(dtype, [&]<class T>(T*) {
            constexpr double largest = std::numeric_limits<T>::max();
            if (low < -largest || high > largest || !std::isfinite(high - low))
                fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("low"),
                     "is %s and the upper end is %s; both and their difference must be finite in this dtype",
                     NumberText(low).c_str(), NumberText(high).c_str());
            const Interval<T> interval(low, high);
            if (interval.first > interval.last)
                fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("low"),
                     "is %s and the upper end is %s; a value of this dtype must lie between",
                     NumberText(low, 17).c_str(), NumberText(high, 17).c_str());
            fill<T>(
                first, count, values,
                [&](uint64_t position, int64_t length, double* drawn) { stream.uniform(position, length, drawn); },
                [&](double u) {
                    return std::clamp(static_cast<T>(low + u * (high - low)), interval.first, interval.last);
                });
        });
    });
}

ortho_status ortho_random_normal(uint64_t seed, int32_t purpose, uint32_t index, double mean, double standard_deviation,
                                 int32_t dtype, int64_t first, int64_t count, void* values) {
    return guard([&] {
        check::dtype(dtype);
        check_stream(purpose, first, count, check::element_bytes(dtype), "values", values);
        check::finite("mean", mean);
        check::finite_not_negative("standard_deviation", standard_deviation);
        if (!check::finite_in(dtype, std::abs(mean) + largest_deviation * standard_deviation))
            fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("standard_deviation"),
                 "is %s around a mean of %s; what is drawn must be finite in this dtype",
                 NumberText(standard_deviation).c_str(), NumberText(mean).c_str());
        const RandomStream stream(seed, static_cast<ortho_stream>(purpose), index);
        dispatch(dtype, [&]<class T>(T*) {
            fill<T>(
                first, count, values,
                [&](uint64_t position, int64_t length, double* drawn) { stream.normal(position, length, drawn); },
                [&](double z) { return static_cast<T>(mean + standard_deviation * z); });
        });
    });
}

ortho_status ortho_add_normal_noise(ortho_device* device, int32_t dtype, uint64_t seed, uint32_t source, uint64_t index,
                                    double standard_deviation, int64_t first, int64_t steps, int64_t batch,
                                    int64_t units, const void* x, void* y) {
    return guard([&] {
        const NoiseStream stream = checked_stream(device, dtype, seed, source, index);
        check::finite_not_negative("standard_deviation", standard_deviation);
        if (!check::finite_in(dtype, largest_deviation * standard_deviation))
            fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("standard_deviation"),
                 "is %s; what is drawn must be finite in this dtype", NumberText(standard_deviation).c_str());
        const NoiseShape shape{first, steps, batch, units};
        check_elements(*device, dtype, shape, x, y);
        device->run(AddNormalNoise{static_cast<ortho_dtype>(dtype), stream, standard_deviation, shape, x, y});
    });
}

ortho_status ortho_dropout(ortho_device* device, int32_t dtype, uint64_t seed, uint32_t source, uint64_t index,
                           double rate, int32_t same_steps, int64_t first, int64_t steps, int64_t batch, int64_t units,
                           const void* x, void* y) {
    return guard([&] {
        const NoiseStream stream = checked_stream(device, dtype, seed, source, index);
        check::half_open("rate", rate, 0, 1);
        check::flag("same_steps", same_steps);
        const NoiseShape shape{first, steps, batch, units};
        check_elements(*device, dtype, shape, x, y);
        device->run(Dropout{static_cast<ortho_dtype>(dtype), stream, rate, same_steps == 1, shape, x, y});
    });
}

ortho_status ortho_random_permutation(uint64_t seed, int32_t purpose, uint32_t index, int64_t count,
                                      int64_t* permutation) {
    return guard([&] {
        check_stream(purpose, 0, count, sizeof *permutation, "permutation", permutation);
        RandomReader(RandomStream(seed, static_cast<ortho_stream>(purpose), index)).permutation(count, permutation);
    });
}
