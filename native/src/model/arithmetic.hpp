// The arithmetic of losses and gradients, written once for the CPU's vectors and for CUDA's threads.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "core/host_device.hpp"
#include "model/operations.hpp"

namespace ortho {

ORTHO_HOST_DEVICE float square_root(float value) {
#if defined(__CUDA_ARCH__)
    return sqrtf(value);
#else
    return __builtin_sqrtf(value);
#endif
}

ORTHO_HOST_DEVICE double square_root(double value) {
#if defined(__CUDA_ARCH__)
    return sqrt(value);
#else
    return __builtin_sqrt(value);
#endif
}

/**
 * factor * (prediction - target) for a factor of at most 2. The difference is that of the halves, whose range is enough
 * for it and which are as exact but for subnormal numbers.
 */
template <class T> ORTHO_HOST_DEVICE T squared_error_gradient(T factor, T prediction, T target) {
    return 2 * factor * (T(0.5) * prediction - T(0.5) * target);
}

/**
 * What `count` numbers of type T are to be multiplied by before their squares are summed up again: a power of two where
 * `squares`, the plain sum in double precision, has overflowed or lost digits by underflow; 1 where it is right.
 */
template <class T> ORTHO_HOST_DEVICE double square_scale(double squares, int64_t count) {
    // Squares of float32 lie far inside the range of float64.
    if (2 * std::numeric_limits<T>::max_exponent <= std::numeric_limits<double>::max_exponent)
        return 1;
    if (!(squares - squares == 0))
        return 0x1p-600;
    // A square below the smallest normal number, 2^-1022, is off by 2^-1075 at most, so all of them are off by no more
    // than a rounding of a sum as large as this.
    return squares < static_cast<double>(count) * 0x1p-1022 ? 0x1p+600 : 1;
}

/** What dropout makes of an element, given a random word. */
template <class T> struct DropoutFactors {
    uint32_t smallest_kept;
    T scale;

    /** @param rate  below 1, so that the largest word is always kept */
    explicit DropoutFactors(double rate)
        : smallest_kept(static_cast<uint32_t>(rate * 0x1p32)), scale(static_cast<T>(1 / (1 - rate))) {}

    ORTHO_HOST_DEVICE T apply(uint32_t word, T x) const { return word < smallest_kept ? T(0) : x * scale; }
};

/** What gradients are multiplied by to shorten them from `norm` to `max_norm`, one factor after the other. */
template <class T> struct ClipFactors {
    T first;
    /** 1 unless the quotient is below the smallest normal number, where it would have few digits or none. */
    T second;

    ORTHO_HOST_DEVICE ClipFactors(double max_norm, double norm) {
        constexpr T smallest = std::numeric_limits<T>::min();
        const double factor = max_norm / norm;
        second = factor < smallest ? smallest : T(1);
        first = static_cast<T>(factor < smallest ? max_norm / (norm * smallest) : factor);
    }
};

} // namespace ortho
