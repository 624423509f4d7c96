// Windows of a convolution over time, for tests on all devices.
#pragma once

#include "batch.hpp"

namespace ortho::test {

template <class T> struct Windows {
    int64_t steps, batch, units, window, stride, padding;
    std::vector<int32_t> lengths = {}; // empty: not given
    int64_t count = (steps + 2 * padding - window) / stride + 1;
    std::vector<T> x = normal_values<T>(steps * batch * units, 1),
                   y_gradients = normal_values<T>(count * batch * units * window, 2);

    /** What lies beyond the lengths, and beyond the windows of a sample, is no number. */
    void fill() {
        constexpr T nan = std::numeric_limits<T>::quiet_NaN();
        if (lengths.empty())
            return;
        set_padding(x, batch, units, lengths, nan);
        std::vector<int32_t> windows;
        for (int64_t sample = 0; sample < batch; ++sample)
            windows.push_back(static_cast<int32_t>(windows_of(sample)));
        set_padding(y_gradients, batch, units * window, windows, nan);
    }
    std::string description() const {
        return std::to_string(steps) + " x " + std::to_string(batch) + " x " + std::to_string(units) + ", window " +
               std::to_string(window) + ", stride " + std::to_string(stride) + ", padding " + std::to_string(padding) +
               (lengths.empty() ? "" : " with lengths");
    }

    const int32_t* given() const { return lengths.empty() ? nullptr : lengths.data(); }
    int64_t length(int64_t sample) const { return lengths.empty() ? steps : lengths[static_cast<size_t>(sample)]; }
    /** Windows that fit into a sample with its padding, counted one by one. */
    int64_t windows_of(int64_t sample) const {
        int64_t fitting = 0;
        while (length(sample) > 0 && fitting * stride + window <= length(sample) + 2 * padding)
            ++fitting;
        return fitting;
    }
    size_t at_x(int64_t step, int64_t sample, int64_t unit) const {
        return static_cast<size_t>((step * batch + sample) * units + unit);
    }
    size_t at_y(int64_t number, int64_t sample, int64_t unit, int64_t k) const {
        return static_cast<size_t>(((number * batch + sample) * units + unit) * window + k);
    }
};

/** Windows of many shapes, without and with lengths. */
template <class T> std::vector<Windows<T>> all_windows() {
    // Steps, samples, units, window, stride, padding: every step a window; windows that overlap, touch and leave steps
    // out; windows longer than samples; more elements than a task has.
    constexpr int64_t shapes[][6] = {{1, 1, 1, 1, 1, 0},    {7, 3, 2, 1, 1, 0},    {9, 4, 5, 3, 1, 1},
                                     {10, 5, 3, 4, 2, 3},   {11, 2, 7, 5, 3, 2},   {12, 3, 1, 3, 3, 0},
                                     {13, 6, 2, 2, 5, 1},   {5, 3, 2, 9, 1, 8},    {4, 2, 3, 6, 4, 1},
                                     {60, 17, 33, 5, 1, 2}, {3, 2, 9000, 3, 1, 1}, {400, 3, 1, 250, 100, 0}};
    std::vector<Windows<T>> all;
    for (const auto& [steps, batch, units, window, stride, padding] : shapes)
        for (const bool lengths : {false, true}) {
            Windows<T> windows{steps, batch, units, window, stride, padding};
            if (lengths)
                windows.lengths = some_lengths(steps, batch, 5);
            windows.fill();
            all.push_back(std::move(windows));
        }
    return all;
}

} // namespace ortho::test
