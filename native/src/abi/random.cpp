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

void check_stream(int32_t purpose, int64_t count, int64_t element_bytes, const char* name, const void* values) {
    check::range("purpose", purpose, ORTHO_STREAM_FILTER, ORTHO_STREAM_DROPOUT);
    check::count("count", count);
    check::memory(name, values, count * element_bytes);
}

/** Draws in double precision, chunk by chunk, and stores convert(value). */
template <class T, class Draw, class Convert> void fill(int64_t count, void* values, Draw&& draw, Convert&& convert) {
    constexpr int64_t chunk = 1024;
    double drawn[chunk];
    T* target = static_cast<T*>(values);
    for (int64_t first = 0; first < count; first += chunk) {
        const int64_t length = std::min(chunk, count - first);
        draw(static_cast<uint64_t>(first), length, drawn);
        for (int64_t i = 0; i < length; ++i)
            target[first + i] = convert(drawn[i]);
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
    check::range("source", source, 0, largest_random_source);
    if (index > largest_random_index)
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("index"), "is %" PRIu64 "; it must be from 0 to %" PRIu64,
             index, largest_random_index);
    return {seed, source, index};
}

void check_elements(const ortho_device& device, int32_t dtype, int64_t count, const void* x, const void* y) {
    check::count("count", count);
    check::range("count", count, 1, largest_noise_count);
    const check::Arrays arrays(device, dtype);
    arrays.needed("x", x, count);
    arrays.needed("y", y, count);
}

/** Box-Muller of numbers of 53 bits goes no further than sqrt(2 · 53 ln 2) from 0. */
constexpr double largest_deviation = 8.6;

} // namespace

ortho_status ortho_random_uniform(uint64_t seed, int32_t purpose, uint32_t index, double low, double high,
                                  int32_t dtype, int64_t count, void* values) {
    return guard([&] {
        check::dtype(dtype);
        check_stream(purpose, count, check::element_bytes(dtype), "values", values);
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
                count, values,
                [&](uint64_t first, int64_t length, double* drawn) { stream.uniform(first, length, drawn); },
                [&](double u) {
                    return std::clamp(static_cast<T>(low + u * (high - low)), interval.first, interval.last);
                });
        });
    });
}

ortho_status ortho_random_normal(uint64_t seed, int32_t purpose, uint32_t index, double mean, double standard_deviation,
                                 int32_t dtype, int64_t count, void* values) {
    return guard([&] {
        check::dtype(dtype);
        check_stream(purpose, count, check::element_bytes(dtype), "values", values);
        check::finite("mean", mean);
        check::finite_not_negative("standard_deviation", standard_deviation);
        if (!check::finite_in(dtype, std::abs(mean) + largest_deviation * standard_deviation))
            fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("standard_deviation"),
                 "is %s around a mean of %s; what is drawn must be finite in this dtype",
                 NumberText(standard_deviation).c_str(), NumberText(mean).c_str());
        const RandomStream stream(seed, static_cast<ortho_stream>(purpose), index);
        dispatch(dtype, [&]<class T>(T*) {
            fill<T>(
                count, values,
                [&](uint64_t first, int64_t length, double* drawn) { stream.normal(first, length, drawn); },
                [&](double z) { return static_cast<T>(mean + standard_deviation * z); });
        });
    });
}

ortho_status ortho_add_normal_noise(ortho_device* device, int32_t dtype, uint64_t seed, uint32_t source, uint64_t index,
                                    double standard_deviation, int64_t count, const void* x, void* y) {
    return guard([&] {
        const NoiseStream stream = checked_stream(device, dtype, seed, source, index);
        check::finite_not_negative("standard_deviation", standard_deviation);
        if (!check::finite_in(dtype, largest_deviation * standard_deviation))
            fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("standard_deviation"),
                 "is %s; what is drawn must be finite in this dtype", NumberText(standard_deviation).c_str());
        check_elements(*device, dtype, count, x, y);
        device->run(AddNormalNoise{static_cast<ortho_dtype>(dtype), stream, standard_deviation, count, x, y});
    });
}

ortho_status ortho_dropout(ortho_device* device, int32_t dtype, uint64_t seed, uint32_t source, uint64_t index,
                           double rate, int64_t count, const void* x, void* y) {
    return guard([&] {
        const NoiseStream stream = checked_stream(device, dtype, seed, source, index);
        check::half_open("rate", rate, 0, 1);
        check_elements(*device, dtype, count, x, y);
        device->run(Dropout{static_cast<ortho_dtype>(dtype), stream, rate, count, x, y});
    });
}

ortho_status ortho_random_permutation(uint64_t seed, int32_t purpose, uint32_t index, int64_t count,
                                      int64_t* permutation) {
    return guard([&] {
        check_stream(purpose, count, sizeof *permutation, "permutation", permutation);
        RandomReader(RandomStream(seed, static_cast<ortho_stream>(purpose), index)).permutation(count, permutation);
    });
}
