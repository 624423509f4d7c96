// Checks of the arrays that callers hand over, beyond their not being null.
#pragma once

#include "core/check.hpp"
#include "model/device.hpp"

namespace ortho::check {

inline int64_t element_bytes(int32_t dtype) {
    return dtype == ORTHO_FLOAT32 ? sizeof(float) : sizeof(double);
}

/** An array of bytes on a device that may be left out. The sizes are addressable. */
inline void optional_bytes(const ortho_device& device, const char* name, const void* array, int64_t bytes) {
    if (array != nullptr && !device.may_hold(array, bytes))
        too_small(name, bytes);
}

/** An array of bytes on a device. The sizes are addressable. */
inline void bytes(const ortho_device& device, const char* name, const void* array, int64_t bytes) {
    not_null(name, array);
    optional_bytes(device, name, array, bytes);
}

/** An array that is written while another one of the same size is read. */
inline void apart(const char* name, const void* array, const char* other_name, const void* other, int64_t bytes) {
    const auto begin = reinterpret_cast<uintptr_t>(array);
    const auto other_begin = reinterpret_cast<uintptr_t>(other);
    const uintptr_t distance = begin < other_begin ? other_begin - begin : begin - other_begin;
    if (distance < static_cast<uintptr_t>(bytes))
        fail(ORTHO_INVALID_ARGUMENT, Argument{name}, "overlaps %s; it must be other memory", other_name);
}

/** The arrays of one call: all on one device and of one dtype. */
class Arrays {
public:
    Arrays(const ortho_device& device, int32_t dtype) : device_(device), element_(element_bytes(dtype)) {}

    void needed(const char* name, const void* array, int64_t count) const {
        bytes(device_, name, array, count * element_);
    }
    void optional(const char* name, const void* array, int64_t count) const {
        optional_bytes(device_, name, array, count * element_);
    }

private:
    const ortho_device& device_;
    const int64_t element_;
};

} // namespace ortho::check
