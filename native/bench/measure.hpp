// What the plain benchmark programs share.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "orthonative/orthonative.h"

namespace ortho::bench {

inline void require(ortho_status status) {
    if (status != ORTHO_OK) {
        std::fprintf(stderr, "%s\n", ortho_last_error());
        std::exit(1);
    }
}

inline std::vector<float> normal(uint32_t index, double deviation, int64_t count) {
    std::vector<float> values(static_cast<size_t>(count));
    require(ortho_random_normal(1, ORTHO_STREAM_DATA, index, 0, deviation, ORTHO_FLOAT32, count, values.data()));
    return values;
}

inline double median(std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
    return values[values.size() / 2];
}

template <class Run> double nanoseconds(Run&& run) {
    const auto begin = std::chrono::steady_clock::now();
    run();
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count();
}

} // namespace ortho::bench
