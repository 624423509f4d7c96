// The kernel ladder: one forward step of the chain, x' = αO x + β tanh(W x + V u + b), from the plain reference to the
// library's kernel, each rung with what it adds, as a fraction of the multiply-add peak, which is measured in turns
// with it: clocks differ from one second to the next. The last rungs are whole passes through the C interface.
//
//     orthonative_bench            times the ladder on one thread
//     orthonative_bench --check    compares all rungs with the reference on small sizes and times nothing

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "cpu/chain/kernels.hpp"
#include "multiply_add_peak.hpp"
#include "orthonative/orthonative.h"

namespace {

namespace kernels = ortho::cpu::ORTHO_ISA_NAMESPACE;
using ortho::Nonlinearity;
using ortho::cpu::ForwardStep;
using ortho::cpu::StateLayout;
using S = kernels::Simd<float>;

constexpr float alpha = 1.0f, beta = 0.05f;
constexpr double seconds_of_a_pass = 3;
constexpr int64_t steps_of_a_pass = 784;

/** Memory that starts at a cache line. */
class Floats {
public:
    explicit Floats(int64_t count) : data_(new (std::align_val_t{64}) float[static_cast<size_t>(count)]{}) {}
    float* data() const { return data_.get(); }
    float& operator[](int64_t i) const { return data_[static_cast<size_t>(i)]; }

private:
    struct Free {
        void operator()(float* p) const { ::operator delete[](p, std::align_val_t{64}); }
    };
    std::unique_ptr<float[], Free> data_;
};

/** One step: its inputs in plain row-major arrays and its output. */
struct Step {
    Step(int64_t units_, int64_t batch_)
        : units(units_), batch(batch_), filter(units * units), weights(units * units), input_weights(units),
          bias(units), input(batch), state(batch * units), next(batch * units) {
        std::mt19937 random(1);
        std::normal_distribution<float> normal;
        const float scale = 1 / std::sqrt(static_cast<float>(units));
        for (int64_t i = 0; i < units * units; ++i) {
            filter[i] = alpha * scale * normal(random);
            weights[i] = 0.2f * scale * normal(random);
        }
        for (int64_t i = 0; i < units; ++i) {
            input_weights[i] = normal(random);
            bias[i] = normal(random);
        }
        for (int64_t i = 0; i < batch; ++i)
            input[i] = normal(random);
        for (int64_t i = 0; i < batch * units; ++i)
            state[i] = normal(random);
    }

    double operations() const { return 4.0 * static_cast<double>(batch * units * units); }

    int64_t units, batch;
    Floats filter, weights, input_weights, bias, input, state, next; // αO, W [N, N]; V, b [N]; u [B]; x, x' [B, N]
};

/** A way to compute a step. What depends on the weights alone is prepared when it is made, as in the library. */
struct Rung {
    explicit Rung(const Step& s) : step(s) {}
    virtual ~Rung() = default;
    virtual void run() = 0;
    /** Makes sure that the result is in step.next. */
    virtual void finish() {}
    const Step& step;
};

/** The equation as it stands. */
struct Reference final : Rung {
    using Rung::Rung;
    void run() override {
        const int64_t n = step.units;
        for (int64_t row = 0; row < step.batch; ++row)
            for (int64_t i = 0; i < n; ++i) {
                float filtered = 0, driven = step.bias[i] + step.input_weights[i] * step.input[row];
                for (int64_t k = 0; k < n; ++k) {
                    filtered += step.filter[i * n + k] * step.state[row * n + k];
                    driven += step.weights[i * n + k] * step.state[row * n + k];
                }
                step.next[row * n + i] = filtered + beta * std::tanh(driven);
            }
    }
};

Floats transposed(const Floats& a, int64_t n) {
    Floats result(n * n);
    for (int64_t i = 0; i < n; ++i)
        for (int64_t k = 0; k < n; ++k)
            result[k * n + i] = a[i * n + k];
    return result;
}

/** Units as the inner loop: sums that do not depend on each other, which compilers turn into vectors. */
struct VectorUnits final : Rung {
    explicit VectorUnits(const Step& s)
        : Rung(s), filter(transposed(s.filter, s.units)), weights(transposed(s.weights, s.units)), filtered(s.units),
          driven(s.units) {}
    void run() override {
        const int64_t n = step.units;
        float* __restrict f = filtered.data();
        float* __restrict d = driven.data();
        for (int64_t row = 0; row < step.batch; ++row) {
            for (int64_t i = 0; i < n; ++i) {
                f[i] = 0;
                d[i] = step.bias[i] + step.input_weights[i] * step.input[row];
            }
            for (int64_t k = 0; k < n; ++k) {
                const float x = step.state[row * n + k];
                const float* o = filter.data() + k * n;
                const float* w = weights.data() + k * n;
                for (int64_t i = 0; i < n; ++i) {
                    f[i] += o[i] * x;
                    d[i] += w[i] * x;
                }
            }
            for (int64_t i = 0; i < n; ++i)
                step.next[row * n + i] = f[i] + beta * std::tanh(d[i]);
        }
    }
    Floats filter, weights, filtered, driven;
};

/**
 * Register tiles: a tile of rows × units stays in registers over all k. `packed` tells whether the weights of a tile
 * lie one after another, `vector_tanh` whether tanh is that of the library.
 */
template <bool packed, bool vector_tanh> struct RegisterTile final : Rung {
    static constexpr int rows = kernels::single_rows, vectors = kernels::single_vectors;
    static constexpr int64_t tile = vectors * S::width;

    explicit RegisterTile(const Step& s) : Rung(s), filter(arranged(s.filter)), weights(arranged(s.weights)) {}

    Floats arranged(const Floats& a) const {
        const int64_t n = step.units;
        if (!packed)
            return transposed(a, n);
        Floats result(n * n);
        for (int64_t i = 0; i < n; ++i)
            for (int64_t k = 0; k < n; ++k)
                result[(i / tile * n + k) * tile + i % tile] = a[i * n + k];
        return result;
    }

    void run() override {
        for (int64_t unit = 0; unit < step.units; unit += tile)
            for (int64_t row = 0; row < step.batch;) {
                if (step.batch - row >= rows) {
                    run_tile<rows>(row, unit);
                    row += rows;
                } else {
                    run_tile<1>(row, unit);
                    row += 1;
                }
            }
    }

    template <int R> void product(const Floats& a, int64_t row, int64_t unit, float* out) {
        const int64_t n = step.units, stride = packed ? tile : n;
        const float* w = a.data() + (packed ? unit * n : unit);
        const float* x = step.state.data() + row * n;
        kernels::Accumulators<float, R, vectors> sums;
        sums.clear();
        for (int64_t k = 0; k < n; ++k, w += stride)
            sums.multiply_add(w, kernels::Broadcasts<float>{x + k, n});
        sums.store(out);
    }

    template <int R> void run_tile(int64_t row, int64_t unit) {
        alignas(64) float filtered[R * tile], driven[R * tile];
        product<R>(filter, row, unit, filtered);
        product<R>(weights, row, unit, driven);
        for (int64_t r = 0; r < R; ++r)
            for (int64_t c = 0; c < vectors; ++c) {
                const int64_t u = unit + c * S::width;
                S::vec z = S::load(driven + r * tile + c * S::width) + S::load(step.bias.data() + u) +
                           S::load(step.input_weights.data() + u) * step.input[row + r];
                if constexpr (vector_tanh)
                    z = kernels::tanh(z);
                else
                    for (int l = 0; l < S::width; ++l)
                        z[l] = std::tanh(z[l]);
                S::store(step.next.data() + (row + r) * step.units + u,
                         S::load(filtered + r * tile + c * S::width) + beta * z);
            }
    }

    Floats filter, weights;
};

/** The library's kernel: both products read each state value once, and states lie in panels. */
struct LibraryKernel final : Rung {
    explicit LibraryKernel(const Step& s)
        : Rung(s), layout(s.units, s.batch, sizeof(float)), filter(padded_matrix()), weights(padded_matrix()),
          input_weights(layout.padded), bias(layout.padded), betas(layout.padded), state(layout.size()),
          next(layout.size()) {
        const int64_t n = s.units, tile = kernels::dual_vectors * S::width;
        tiles = (layout.padded + tile - 1) / tile;
        kernels::pack_rows<ortho::Float32>(s.filter.data(), n, n, tile, 0, tiles, filter.data());
        kernels::pack_rows<ortho::Float32>(s.weights.data(), n, n, tile, 0, tiles, weights.data());
        for (int64_t i = 0; i < n; ++i) {
            input_weights[i] = s.input_weights[i];
            bias[i] = s.bias[i];
            betas[i] = beta;
            for (int64_t row = 0; row < s.batch; ++row)
                state[layout.offset(i, row)] = s.state[row * n + i];
        }
        forward = {.layout = layout,
                   .cell = {Nonlinearity::tanh},
                   .descending = false,
                   .operands = {.filter = filter.data(),
                                .columns = nullptr,
                                .structured = {},
                                .weights = weights.data(),
                                .input_weights = input_weights.data(),
                                .bias = bias.data(),
                                .beta = betas.data()},
                   .inputs = 1,
                   .input = s.input.data(),
                   .previous = state.data(),
                   .next = next.data(),
                   .kept = nullptr,
                   .output = nullptr,
                   .order = nullptr,
                   .upcoming = {}};
    }

    Floats padded_matrix() const { return Floats(layout.padded * step.units); }
    void run() override {
        const ortho::Span rows = {0, step.batch};
        kernels::forward_rows(forward, {&rows, 1}, 0, tiles);
    }
    void finish() override {
        for (int64_t row = 0; row < step.batch; ++row)
            for (int64_t i = 0; i < step.units; ++i)
                step.next[row * step.units + i] = next[layout.offset(i, row)];
    }

    StateLayout layout;
    Floats filter, weights, input_weights, bias, betas, state, next;
    ForwardStep<ortho::Float32, ortho::FilterCell> forward;
    int64_t tiles;
};

using MakeRung = std::unique_ptr<Rung> (*)(const Step&);
template <class R> std::unique_ptr<Rung> make(const Step& step) {
    return std::make_unique<R>(step);
}

/** Sizes are multiples of a tile, which keeps the rungs short; the library's kernel takes any. */
const struct {
    const char* name;
    MakeRung make;
} rungs[] = {
    {"0_reference", make<Reference>},
    {"1_vectors_over_units", make<VectorUnits>},
    {"2_register_tile", make<RegisterTile<false, false>>},
    {"3_packed_weights", make<RegisterTile<true, false>>},
    {"4_vector_tanh", make<RegisterTile<true, true>>},
    {"5_both_products_in_one_tile", make<LibraryKernel>},
};

/** Floating-point operations a second of multiply-adds that wait for nothing. */
double measure_peak() {
    return 2e9 * ortho::bench::multiply_adds_per_nanosecond();
}

/** Times run(), which does so many operations, in turns with the peak. */
template <class Run> void time_with_peak(benchmark::State& state, double operations, Run&& run) {
    double seconds = 0, done = 0, possible = 0;
    for (auto _ : state) {
        const double peak = measure_peak();
        const auto begin = std::chrono::steady_clock::now();
        run();
        benchmark::ClobberMemory();
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
        state.SetIterationTime(time.count());
        seconds += time.count();
        done += operations;
        possible += peak * time.count();
    }
    state.counters["FLOP/s"] = done / seconds;
    state.counters["peak"] = possible / seconds;
    state.counters["of_peak"] = done / possible;
}

void time_rung(benchmark::State& state, MakeRung make_rung, int64_t units, int64_t batch) {
    const Step step(units, batch);
    const std::unique_ptr<Rung> rung = make_rung(step);
    time_with_peak(state, step.operations(), [&] { rung->run(); });
}

void require(ortho_status status) {
    if (status != ORTHO_OK) {
        std::fprintf(stderr, "%s\n", ortho_last_error());
        std::exit(1);
    }
}

/** A chain of the library on one thread, through the C interface. */
class Pass {
public:
    Pass(int64_t units, int64_t batch, int64_t steps)
        : step_(units, batch), steps_(steps), inputs_(steps * batch), outputs_(batch * units),
          weight_gradients_(units * units), input_weight_gradients_(units), bias_gradients_(units) {
        ortho_device_options device = ORTHO_DEVICE_OPTIONS_INIT;
        device.threads = 1;
        require(ortho_device_create(&device_, &device));
        const double alpha_value = alpha, beta_value = beta;
        ortho_chain_options chain = ORTHO_CHAIN_OPTIONS_INIT;
        chain.dtype = ORTHO_FLOAT32;
        chain.model = ORTHO_RECURRENT;
        chain.activation = ORTHO_TANH;
        chain.filter = ORTHO_FILTER_HAAR;
        chain.hidden_size = units;
        chain.input_size = 1;
        chain.alpha = &alpha_value;
        chain.beta = &beta_value;
        chain.alpha_count = chain.beta_count = 1;
        require(ortho_chain_create(&chain_, device_, &chain));
    }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    ~Pass() {
        ortho_chain_free(chain_);
        ortho_device_free(device_);
    }

    void forward(bool training) {
        require(ortho_chain_forward(chain_, steps_, step_.batch, nullptr, nullptr, 1, training ? 1 : 0,
                                    step_.weights.data(), step_.input_weights.data(), step_.bias.data(), inputs_.data(),
                                    nullptr, outputs_.data(), nullptr));
    }
    void backward() {
        require(ortho_chain_backward(chain_, 0, step_.weights.data(), step_.input_weights.data(), step_.bias.data(),
                                     inputs_.data(), outputs_.data(), nullptr, weight_gradients_.data(),
                                     input_weight_gradients_.data(), bias_gradients_.data(), nullptr, nullptr));
    }

    /** Products of all steps: two forward; two backward and one for the gradient of W. */
    double operations(bool training) const {
        return step_.operations() * static_cast<double>(steps_) * (training ? 2.5 : 1.0);
    }

private:
    Step step_;
    int64_t steps_;
    Floats inputs_, outputs_, weight_gradients_, input_weight_gradients_, bias_gradients_;
    ortho_device* device_ = nullptr;
    ortho_chain* chain_ = nullptr;
};

void time_pass(benchmark::State& state, bool training, int64_t units, int64_t batch) {
    Pass pass(units, batch, steps_of_a_pass);
    const auto run = [&] {
        pass.forward(training);
        if (training)
            pass.backward();
    };
    // The first pass takes its memory from the system, page by page; a training loop does that once.
    run();
    time_with_peak(state, pass.operations(training), run);
}

/** @return whether all rungs agree with the reference. */
bool check(int64_t units, int64_t batch) {
    bool good = true;
    const Step expected(units, batch);
    Reference(expected).run();
    for (const auto& rung : rungs) {
        const Step step(units, batch);
        const std::unique_ptr<Rung> made = rung.make(step);
        made->run();
        made->finish();
        // Sums of N products of normal numbers, in another order: rounding errors of some epsilon times sqrt(N).
        const float bound = 32 * 1.2e-7f * std::sqrt(static_cast<float>(units));
        for (int64_t i = 0; i < batch * units && good; ++i)
            if (!(std::abs(step.next[i] - expected.next[i]) <= bound)) {
                std::fprintf(stderr, "%s, N = %lld, B = %lld: element %lld is %g; %g was expected\n", rung.name,
                             static_cast<long long>(units), static_cast<long long>(batch), static_cast<long long>(i),
                             static_cast<double>(step.next[i]), static_cast<double>(expected.next[i]));
                good = false;
            }
    }
    return good;
}

bool check_all() {
    const bool good = check(64, 13) && check(256, 128);
    Pass pass(64, 13, 5);
    pass.forward(false);
    pass.forward(true);
    pass.backward();
    return good;
}

} // namespace

int main(int argc, char** argv) {
    if (!check_all())
        return 1;
    if (argc == 2 && std::strcmp(argv[1], "--check") == 0)
        return 0;

    const int64_t batch = 128;
    for (const int64_t units : {128, 256, 512}) {
        const std::string sizes = "/N:" + std::to_string(units) + "/B:" + std::to_string(batch);
        for (const auto& rung : rungs)
            benchmark::RegisterBenchmark((rung.name + sizes).c_str(), time_rung, rung.make, units, batch)
                ->UseManualTime()
                ->Unit(benchmark::kMillisecond);
        const std::string pass = sizes + "/T:" + std::to_string(steps_of_a_pass);
        benchmark::RegisterBenchmark(("6_library_forward" + pass).c_str(), time_pass, false, units, batch)
            ->UseManualTime()
            ->MinTime(seconds_of_a_pass)
            ->Unit(benchmark::kMillisecond);
        benchmark::RegisterBenchmark(("7_library_forward_backward" + pass).c_str(), time_pass, true, units, batch)
            ->UseManualTime()
            ->MinTime(seconds_of_a_pass)
            ->Unit(benchmark::kMillisecond);
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 1;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
