// Checks of a chain's arrays.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>

#include "core/error.hpp"
#include "cpu/chain/rows.hpp"
#include "cpu/device.hpp"
#include "model/calls.hpp"

namespace ortho::cpu {

/** Values that are worth a task of a thread. */
inline constexpr int64_t values_of_task = int64_t{1} << 16;

/** One of `count` values from `begin` on is not finite. */
template <class T> [[noreturn]] void fail_not_finite(const char* name, const T* values, int64_t begin, int64_t count) {
    const T* first =
        std::find_if_not(values + begin, values + begin + count, [](T value) { return std::isfinite(value); });
    fail(ORTHO_NOT_FINITE, Argument{name, first - values}, "is %s; all values must be finite",
         NumberText(*first).c_str());
}

/** @throws Error ORTHO_NOT_FINITE, which names the first value that is not finite */
template <class T> void require_finite(CpuDevice& device, const char* name, const T* values, int64_t count) {
    if (!values)
        return;
    constexpr int64_t block = values_of_task;
    const auto& all_finite = device.kernels.template of<T>().vector.all_finite;
    std::atomic<bool> found{false};
    for_each_task(device.pool, (count + block - 1) / block, [&](int64_t task, int) {
        const int64_t begin = task * block;
        if (!all_finite(values + begin, std::min(count - begin, block)))
            found = true;
    });
    if (!found)
        return;
    fail_not_finite(name, values, 0, count);
}

/** The same for inputs [T, B, D], but for those beyond the lengths of the call. */
template <class T>
void require_finite(CpuDevice& device, const char* name, const T* values, const ChainForward& call,
                    const BatchRows& rows, int64_t inputs) {
    if (!values)
        return;
    if (!rows.varied()) {
        require_finite(device, name, values, rows.steps() * call.batch * inputs);
        return;
    }
    // Calls body(begin, count) for the values of a step; samples beside each other are checked together.
    const auto for_values = [&](int64_t step, auto&& body) {
        for (int64_t sample = 0; sample < call.batch;) {
            int64_t end = sample;
            while (end < call.batch && call.lengths[end] > step)
                ++end;
            if (end > sample)
                body((step * call.batch + sample) * inputs, (end - sample) * inputs);
            sample = end + 1;
        }
    };
    const auto& all_finite = device.kernels.template of<T>().vector.all_finite;
    std::atomic<bool> found{false};
    const int64_t block = std::max<int64_t>(1, values_of_task / (call.batch * inputs)), steps = rows.steps();
    for_each_task(device.pool, (steps + block - 1) / block, [&](int64_t task, int) {
        for (int64_t step = task * block; step < std::min(steps, (task + 1) * block); ++step)
            for_values(step, [&](int64_t begin, int64_t count) {
                if (!all_finite(values + begin, count))
                    found = true;
            });
    });
    if (!found)
        return;
    for (int64_t step = 0; step < rows.steps(); ++step)
        for_values(step, [&](int64_t begin, int64_t count) {
            if (!all_finite(values + begin, count))
                fail_not_finite(name, values, begin, count);
        });
}

/** The same on the calling thread alone. */
template <class T>
void require_finite(bool (*all_finite)(const T*, int64_t), const char* name, const T* values, int64_t count) {
    if (!all_finite(values, count))
        fail_not_finite(name, values, 0, count);
}

} // namespace ortho::cpu
