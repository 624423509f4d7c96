#pragma once

#include <cinttypes>
#include <cmath>
#include <cstdint>
#include <limits>

#include "core/error.hpp"

// Checks of arguments. Each throws Error ORTHO_INVALID_ARGUMENT, which names the argument as the header does.

namespace ortho::check {

inline void not_null(const char* name, const void* pointer) {
    if (pointer == nullptr)
        fail(ORTHO_INVALID_ARGUMENT, "%s is null; it must point to memory of the caller", name);
}

inline void null(const char* name, const void* pointer, const char* when) {
    if (pointer != nullptr)
        fail(ORTHO_INVALID_ARGUMENT, "%s is given; it must be null %s", name, when);
}

inline void device(const ortho_device* device) {
    if (device == nullptr)
        fail(ORTHO_INVALID_ARGUMENT, "device is null; it must come from ortho_device_create");
}

inline void range(const char* name, int64_t value, int64_t lowest, int64_t highest) {
    if (value < lowest || value > highest)
        fail(ORTHO_INVALID_ARGUMENT, "%s is %" PRId64 "; allowed are %" PRId64 " to %" PRId64, name, value, lowest,
             highest);
}

inline void at_least(const char* name, int64_t value, int64_t lowest) {
    if (value < lowest)
        fail(ORTHO_INVALID_ARGUMENT, "%s is %" PRId64 "; it must be at least %" PRId64, name, value, lowest);
}

inline void flag(const char* name, int32_t value) {
    if (value != 0 && value != 1)
        fail(ORTHO_INVALID_ARGUMENT, "%s is %" PRId32 "; allowed are 0 and 1", name, value);
}

inline void finite(const char* name, double value) {
    if (!std::isfinite(value))
        fail(ORTHO_INVALID_ARGUMENT, "%s is %s; it must be finite", name, NumberText(value).c_str());
}

/** Whether a number stays finite when it is rounded to a checked dtype. */
inline bool finite_in(int32_t dtype, double value) {
    return dtype == ORTHO_FLOAT32 ? std::isfinite(static_cast<float>(value)) : std::isfinite(value);
}

inline void finite_not_negative(const char* name, double value) {
    if (!(std::isfinite(value) && value >= 0))
        fail(ORTHO_INVALID_ARGUMENT, "%s is %s; it must be finite and not negative", name, NumberText(value).c_str());
}

/** lowest <= value < limit */
inline void half_open(const char* name, double value, double lowest, double limit) {
    if (!(value >= lowest && value < limit))
        fail(ORTHO_INVALID_ARGUMENT, "%s is %s; it must be at least %s and below %s", name, NumberText(value).c_str(),
             NumberText(lowest).c_str(), NumberText(limit).c_str());
}

inline void dtype(int32_t value) {
    if (value != ORTHO_FLOAT32 && value != ORTHO_FLOAT64)
        fail(ORTHO_INVALID_ARGUMENT, "dtype is %" PRId32 "; allowed are %d (float32) and %d (float64)", value,
             ORTHO_FLOAT32, ORTHO_FLOAT64);
}

inline void struct_size(const char* name, uint32_t given, size_t expected) {
    if (given != expected)
        fail(ORTHO_INVALID_ARGUMENT, "%s->struct_size is %" PRIu32 "; this library knows %zu", name, given, expected);
}

/** rows * columns elements of 8 bytes must be addressable; both are at least 1. */
inline void addressable(const char* names, int64_t rows, int64_t columns) {
    if (rows > std::numeric_limits<int64_t>::max() / 8 / columns)
        fail(ORTHO_INVALID_ARGUMENT, "%s is %" PRId64 " x %" PRId64 "; that is more than can be addressed", names, rows,
             columns);
}

} // namespace ortho::check

namespace ortho {

/** Calls body with a null pointer of the type that a checked dtype names: body(float*) or body(double*). */
template <class Body> decltype(auto) dispatch(int32_t dtype, Body&& body) {
    if (dtype == ORTHO_FLOAT32)
        return body(static_cast<float*>(nullptr));
    return body(static_cast<double*>(nullptr));
}

} // namespace ortho
