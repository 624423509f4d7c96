#pragma once

#include <cinttypes>
#include <cmath>
#include <cstdint>
#include <limits>

#include "core/error.hpp"
#include "core/memory.hpp"

// Checks of arguments. Each throws Error ORTHO_INVALID_ARGUMENT, which names the argument as the header does.

namespace ortho::check {

inline void not_null(const char* name, const void* pointer) {
    if (pointer == nullptr)
        fail(ORTHO_INVALID_ARGUMENT, Argument::missing(name), "is null; it must point to memory of the caller");
}

inline void null(const char* name, const void* pointer, const char* when) {
    if (pointer != nullptr)
        fail(ORTHO_INVALID_ARGUMENT, Argument{name}, "is given; it must be null %s", when);
}

inline void device(const ortho_device* device) {
    if (device == nullptr)
        fail(ORTHO_INVALID_ARGUMENT, Argument::missing("device"), "is null; it must be a device");
}

/** @param element  of an array, see Argument; -1: the argument is a number */
inline void range(const char* name, int64_t value, int64_t lowest, int64_t highest, int64_t element = -1) {
    if (value >= lowest && value <= highest)
        return;
    const Argument argument = Argument::out_of_range(name, element);
    if (lowest == highest)
        fail(ORTHO_INVALID_ARGUMENT, argument, "is %" PRId64 "; it must be %" PRId64, value, lowest);
    if (highest == std::numeric_limits<int64_t>::max())
        fail(ORTHO_INVALID_ARGUMENT, argument, "is %" PRId64 "; it must be at least %" PRId64, value, lowest);
    fail(ORTHO_INVALID_ARGUMENT, argument, "is %" PRId64 "; it must be from %" PRId64 " to %" PRId64, value, lowest,
         highest);
}

inline void at_least(const char* name, int64_t value, int64_t lowest, int64_t element = -1) {
    range(name, value, lowest, std::numeric_limits<int64_t>::max(), element);
}

inline void flag(const char* name, int32_t value) {
    if (value != 0 && value != 1)
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range(name), "is %" PRId32 "; it must be 0 or 1", value);
}

inline void finite(const char* name, double value) {
    if (!std::isfinite(value))
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range(name), "is %s; it must be finite",
             NumberText(value).c_str());
}

/** Tells whether a number stays finite when it is rounded to a checked dtype. */
inline bool finite_in(int32_t dtype, double value) {
    return dtype == ORTHO_FLOAT32 ? std::isfinite(static_cast<float>(value)) : std::isfinite(value);
}

inline void finite_not_negative(const char* name, double value) {
    if (!(std::isfinite(value) && value >= 0))
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range(name), "is %s; it must be finite and not negative",
             NumberText(value).c_str());
}

/** lowest <= value < limit */
inline void half_open(const char* name, double value, double lowest, double limit) {
    if (!(value >= lowest && value < limit))
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range(name), "is %s; it must be at least %s and below %s",
             NumberText(value).c_str(), NumberText(lowest).c_str(), NumberText(limit).c_str());
}

inline void dtype(int32_t value) {
    if (value != ORTHO_FLOAT32 && value != ORTHO_FLOAT64)
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("dtype"),
             "is %" PRId32 "; it must be %d (float32) or %d (float64)", value, ORTHO_FLOAT32, ORTHO_FLOAT64);
}

/** No processor gives a process a larger address space: x86-64 with five levels of page tables has this one. */
constexpr int64_t largest_address_space = int64_t{1} << 56;

/**
 * An array of rows * columns elements of at most 8 bytes must fit into an address space; both are at least 1.
 * @param what  the columns in words
 */
inline void addressable(const char* rows_name, int64_t rows, int64_t columns, const char* what) {
    if (rows > largest_address_space / 8 / columns)
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range(rows_name),
             "is %" PRId64 ", with %" PRId64 " %s each; the product must be at most %" PRId64, rows, columns, what,
             largest_address_space / 8);
}

/** The same for steps of the samples of a batch, all at least 1. */
inline void addressable(int64_t steps, int64_t batch, int64_t columns, const char* what) {
    constexpr int64_t most = largest_address_space / 8;
    if (steps <= most / batch && steps * batch <= most / columns)
        return;
    if (batch >= steps)
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("batch"),
             "is %" PRId64 ", with %" PRId64 " steps and %" PRId64 " %s; the product must be at most %" PRId64, batch,
             steps, columns, what, most);
    fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("steps"),
         "is %" PRId64 ", with %" PRId64 " samples and %" PRId64 " %s; the product must be at most %" PRId64, steps,
         batch, columns, what, most);
}

/** The number of elements of an array. */
inline void count(const char* name, int64_t value) {
    at_least(name, value, 1);
    range(name, value, 1, largest_address_space / 8);
}

inline void too_small(const char* name, int64_t bytes, int64_t element = -1) {
    fail(ORTHO_INVALID_ARGUMENT, Argument{name, element}, "is smaller than the sizes say; it must hold %s",
         ByteText(bytes).c_str());
}

/** An array in the host's memory: given, and where the system can tell, all there. */
inline void memory(const char* name, const void* pointer, int64_t bytes) {
    not_null(name, pointer);
    if (!may_be_memory(pointer, bytes))
        too_small(name, bytes);
}

} // namespace ortho::check
