// What the plain benchmark programs share.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
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

/** What the programs can be told. */
struct Options {
    int pairs = 21;
    int threads = 1;
    bool markdown = false;
    bool quick = false;

    /** Ends the program where an argument is wrong. @param threaded  whether --threads is one of them */
    Options(int argc, char** argv, bool threaded) {
        for (int i = 1; i < argc; ++i) {
            if (std::strcmp(argv[i], "--markdown") == 0) {
                markdown = true;
            } else if (std::strcmp(argv[i], "--quick") == 0) {
                quick = true;
            } else if (std::strcmp(argv[i], "--pairs") == 0 && i + 1 < argc) {
                pairs = std::max(1, std::atoi(argv[++i]));
            } else if (threaded && std::strcmp(argv[i], "--threads") == 0 && i + 1 < argc) {
                threads = std::max(1, std::atoi(argv[++i]));
            } else {
                std::fprintf(stderr, "usage: %s [--pairs N]%s [--markdown] [--quick]\n", argv[0],
                             threaded ? " [--threads N]" : "");
                std::exit(2);
            }
        }
    }

    /** Time steps of a shape: few, where it is only to be seen that the program runs. */
    int64_t steps(int64_t of_shape) const { return quick ? std::min<int64_t>(of_shape, 3) : of_shape; }
};

inline ortho_device* make_device(int threads) {
    ortho_device_options options = ORTHO_DEVICE_OPTIONS_INIT;
    options.threads = threads;
    ortho_device* device = nullptr;
    require(ortho_device_create(&device, &options));
    return device;
}

} // namespace ortho::bench
