// Checks of a chain's arrays.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>

#include "core/error.hpp"
#include "cpu/device.hpp"

namespace ortho::cpu {

/** One of the values is not finite. */
template <class T> [[noreturn]] void fail_not_finite(const char* name, const T* values, int64_t count) {
    const T* first = std::find_if_not(values, values + count, [](T value) { return std::isfinite(value); });
    fail(ORTHO_NOT_FINITE, Argument{name, first - values}, "is %s; all values must be finite",
         NumberText(*first).c_str());
}

/** @throws Error ORTHO_NOT_FINITE, which names the first value that is not finite */
template <class T> void require_finite(CpuDevice& device, const char* name, const T* values, int64_t count) {
    if (!values)
        return;
    constexpr int64_t block = int64_t(1) << 16;
    const auto& all_finite = device.kernels.template of<T>().vector.all_finite;
    std::atomic<bool> found{false};
    for_each_task(device.pool, (count + block - 1) / block, [&](int64_t task, int) {
        const int64_t begin = task * block;
        if (!all_finite(values + begin, std::min(count - begin, block)))
            found = true;
    });
    if (!found)
        return;
    fail_not_finite(name, values, count);
}

/** The same on the calling thread alone. */
template <class T>
void require_finite(bool (*all_finite)(const T*, int64_t), const char* name, const T* values, int64_t count) {
    if (!all_finite(values, count))
        fail_not_finite(name, values, count);
}

} // namespace ortho::cpu
