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
    require(ortho_random_normal(1, ORTHO_STREAM_DATA, index, 0, deviation, ORTHO_FLOAT32, 0, count, values.data()));
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

struct Shape {
    int64_t units;
    int64_t batch;
    int64_t steps;
};

/** A recurrent chain of one input, its parameters, and data for a training step. */
class TimedChain {
public:
    /**
     * @param filter  of filter cells
     * @param blocks  of ORTHO_FILTER_BLOCKS: so many Haar blocks of equal size
     */
    TimedChain(ortho_device* device, ortho_cell cell, ortho_filter_kind filter, const Shape& shape, int64_t blocks = 0)
        : TimedChain(device, cell, filter,
                     cell == ORTHO_CELL_GRU    ? 3
                     : cell == ORTHO_CELL_LSTM ? 4
                                               : 1,
                     shape, blocks) {}
    ~TimedChain() { ortho_chain_free(chain_); }
    TimedChain(const TimedChain&) = delete;
    TimedChain& operator=(const TimedChain&) = delete;

    /** @param lengths  null: all samples have all steps */
    void forward(bool training, const int32_t* lengths = nullptr) {
        require(ortho_chain_forward(chain_, shape_.steps, shape_.batch, lengths, nullptr, 1, training ? 1 : 0,
                                    w_.data(), v_.data(), b_.data(), u_.data(), nullptr, last_.data(), nullptr));
    }
    void training_step(const int32_t* lengths = nullptr) {
        forward(true, lengths);
        require(ortho_chain_backward(chain_, 0, w_.data(), v_.data(), b_.data(), u_.data(), arriving_.data(), nullptr,
                                     dw_.data(), dv_.data(), db_.data(), nullptr, nullptr));
    }

private:
    TimedChain(ortho_device* device, ortho_cell cell, ortho_filter_kind filter, int64_t gates, const Shape& shape,
               int64_t blocks)
        : shape_(shape), w_(normal(1, 0.05, gates * shape.units * shape.units)), v_(normal(2, 1, gates * shape.units)),
          b_(normal(3, 0.1, gates * shape.units)), u_(normal(4, 1, shape.steps * shape.batch)),
          arriving_(normal(5, 1, shape.batch * shape.units)), dw_(w_.size()), dv_(v_.size()), db_(b_.size()),
          last_(arriving_.size()) {
        const double alpha = 1, beta = 0.05;
        std::vector<ortho_filter_block> equal;
        for (int64_t block = 0; block < blocks; ++block)
            equal.push_back({shape.units / blocks, ORTHO_FILTER_HAAR, 0, nullptr});
        ortho_chain_options options = ORTHO_CHAIN_OPTIONS_INIT;
        options.hidden_size = shape.units;
        options.input_size = 1;
        options.cell = cell;
        if (cell == ORTHO_CELL_FILTER) {
            options.filter = filter;
            options.alpha = &alpha;
            options.beta = &beta;
            options.alpha_count = options.beta_count = 1;
            options.blocks = equal.empty() ? nullptr : equal.data();
            options.block_count = blocks;
        }
        require(ortho_chain_create(&chain_, device, &options));
    }

    const Shape shape_;
    const std::vector<float> w_, v_, b_, u_, arriving_;
    std::vector<float> dw_, dv_, db_, last_;
    ortho_chain* chain_ = nullptr;
};

} // namespace ortho::bench
