// Lookups in a table, for tests on all devices.
#pragma once

#include <algorithm>
#include <random>
#include <string>

#include "batch.hpp"

namespace ortho::test {

/** Half of the steps take one row of the table, others any; some rows are taken by none. */
template <class T> struct Lookups {
    int64_t steps, batch, units, entries;
    std::vector<int32_t> lengths = {}; // empty: not given
    std::vector<int32_t> indices = std::vector<int32_t>(static_cast<size_t>(steps * batch));
    std::vector<T> table = normal_values<T>(entries * units, 1),
                   y_gradients = normal_values<T>(steps * batch * units, 2);

    /** What lies beyond the lengths is no row, and its gradient no number. */
    void fill() {
        std::mt19937 random(static_cast<unsigned>(steps * batch + units));
        for (int32_t& index : indices)
            index = static_cast<int32_t>(random() % 2 == 0 ? entries / 2 : random() % static_cast<uint64_t>(entries));
        if (lengths.empty())
            return;
        set_padding(indices, batch, 1, lengths, -7);
        set_padding(y_gradients, batch, units, lengths, std::numeric_limits<T>::quiet_NaN());
    }
    std::string description() const {
        return std::to_string(steps) + " x " + std::to_string(batch) + " x " + std::to_string(units) + " of " +
               std::to_string(entries) + (lengths.empty() ? "" : " with lengths");
    }

    const int32_t* given() const { return lengths.empty() ? nullptr : lengths.data(); }
    bool counts(int64_t step, int64_t sample) const {
        return lengths.empty() || step < lengths[static_cast<size_t>(sample)];
    }
    int32_t index(int64_t step, int64_t sample) const { return indices[static_cast<size_t>(step * batch + sample)]; }
    T gradient(int64_t step, int64_t sample, int64_t unit) const {
        return y_gradients[static_cast<size_t>((step * batch + sample) * units + unit)];
    }
};

/** Lookups of many shapes, without and with lengths. */
template <class T> std::vector<Lookups<T>> all_lookups() {
    // One leaf, some and 16, equal and not; a leaf with more than 256 uses of a row; more units than are summed
    // together; rows whose numbers have one digit of 11 bits, two and three.
    constexpr int64_t shapes[][4] = {{1, 1, 1, 1},     {3, 5, 7, 4},     {4, 37, 3, 9},
                                     {1, 256, 65, 40}, {40, 75, 5, 30},  {2, 300, 130, 5000},
                                     {300, 2, 9, 3},   {2, 700, 200, 3}, {7, 128, 1, (1 << 22) + 3}};
    std::vector<Lookups<T>> all;
    for (const auto& [steps, batch, units, entries] : shapes)
        for (const bool lengths : {false, true}) {
            Lookups<T> lookups{steps, batch, units, entries};
            if (lengths)
                lookups.lengths = some_lengths(steps, batch, 5);
            lookups.fill();
            all.push_back(std::move(lookups));
        }
    return all;
}

} // namespace ortho::test
