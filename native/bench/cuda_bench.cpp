// Times training steps of a recurrent chain with a readout on a CUDA device, or of a feedforward one where layers are
// given, through the C interface, and prints one JSON row for each plan of the chain:
//
//   cuda_bench [--hidden N] [--batch B] [--steps T [--cell filter|gru|lstm] | --layers L] [--seconds S]
//
// A recurrent chain is also trained on sequences whose lengths are uniform from 1 to T, by the automatic plan alone.
//
// A step is forward, readout, cross-entropy, backward, clipping and Adam, with nothing returned to the host.
// Repetitions are timed apart, each with a wait for the device at its end; the median is printed. Exits with 3 if there
// is no CUDA device.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "orthonative/orthonative.h"

namespace {

constexpr int64_t classes = 10, inputs = 1;

void require(ortho_status status) {
    if (status == ORTHO_OK)
        return;
    std::fprintf(stderr, "cuda_bench: %s\n", ortho_last_error());
    std::exit(1);
}

struct Options {
    int64_t hidden = 512;
    int64_t batch = 128;
    int64_t steps = 784;
    int64_t layers = 0; // 0: the chain is recurrent
    ortho_cell cell = ORTHO_CELL_FILTER;
    double seconds = 2;

    bool recurrent() const { return layers == 0; }
    bool filtered() const { return cell == ORTHO_CELL_FILTER; }
    int64_t gates() const { return cell == ORTHO_CELL_GRU ? 3 : cell == ORTHO_CELL_LSTM ? 4 : 1; }
    /** What rows name the model. */
    const char* model() const {
        return !recurrent() ? "feedforward" : cell == ORTHO_CELL_GRU ? "gru" : filtered() ? "recurrent" : "lstm";
    }
};

[[noreturn]] void refuse_usage() {
    std::fprintf(stderr, "usage: cuda_bench [--hidden N] [--batch B] [--steps T [--cell filter|gru|lstm] | --layers L] "
                         "[--seconds S]; numbers above 0\n");
    std::exit(2);
}

ortho_cell cell_named(const char* name) {
    const char* const names[] = {"filter", "gru", "lstm"};
    for (int cell = ORTHO_CELL_FILTER; cell <= ORTHO_CELL_LSTM; ++cell)
        if (std::strcmp(name, names[cell]) == 0)
            return static_cast<ortho_cell>(cell);
    refuse_usage();
}

Options read_options(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; ++i) {
        const std::string name = argv[i];
        if (name == "--cell" && i + 1 < argc) {
            options.cell = cell_named(argv[++i]);
            continue;
        }
        char* end = nullptr;
        const double value = i + 1 < argc ? std::strtod(argv[i + 1], &end) : 0;
        if (i + 1 >= argc || *end != '\0' || !(value > 0 && value < 1e9))
            refuse_usage();
        ++i;
        if (name == "--hidden")
            options.hidden = static_cast<int64_t>(value);
        else if (name == "--batch")
            options.batch = static_cast<int64_t>(value);
        else if (name == "--steps")
            options.steps = static_cast<int64_t>(value);
        else if (name == "--layers")
            options.layers = static_cast<int64_t>(value);
        else if (name == "--seconds")
            options.seconds = value;
        else {
            std::fprintf(stderr,
                         "cuda_bench: %s is unknown; choose from --hidden, --batch, --steps, --cell, --layers and "
                         "--seconds\n",
                         name.c_str());
            std::exit(2);
        }
    }
    if (!options.recurrent() && !options.filtered())
        refuse_usage();
    return options;
}

/** Random float32 values on the device, or zeros where they do not deviate. */
class Array {
public:
    Array(ortho_device* device, int64_t count, double deviation) {
        std::vector<float> values(static_cast<size_t>(count));
        if (deviation > 0)
            require(ortho_random_normal(1, ORTHO_STREAM_DATA, next_++, 0, deviation, ORTHO_FLOAT32, 0, count,
                                        values.data()));
        require(ortho_buffer_create(&buffer_, device, count * 4));
        require(ortho_copy_from_host(device, data(), values.data(), count * 4));
    }
    ~Array() { ortho_buffer_free(buffer_); }
    Array(const Array&) = delete;
    Array& operator=(const Array&) = delete;
    float* data() const { return static_cast<float*>(ortho_buffer_data(buffer_)); }

private:
    inline static uint32_t next_ = 0;
    ortho_buffer* buffer_ = nullptr;
};

/** Lengths from 1 to `steps`. */
std::vector<int32_t> uniform_lengths(int64_t batch, int64_t steps) {
    std::vector<double> values(static_cast<size_t>(batch));
    require(ortho_random_uniform(1, ORTHO_STREAM_DATA, 0, 1, static_cast<double>(steps + 1), ORTHO_FLOAT64, 0, batch,
                                 values.data()));
    std::vector<int32_t> lengths;
    for (const double value : values)
        lengths.push_back(static_cast<int32_t>(std::min(value, static_cast<double>(steps))));
    return lengths;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

/** Median of the milliseconds of call(), which gives work to the device. */
template <class Call> double time_of(ortho_device* device, double seconds, Call&& call) {
    using Clock = std::chrono::steady_clock;
    for (int i = 0; i < 3; ++i) // the second one captures the loop, the third replays it
        call();
    require(ortho_device_synchronize(device));
    std::vector<double> times;
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    while (times.size() < 5 || (Clock::now() < end && times.size() < 200)) {
        const auto start = Clock::now();
        call();
        require(ortho_device_synchronize(device));
        times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
    }
    return median(times);
}

void run(ortho_device* device, const Options& o, const char* plan) {
    if (plan != nullptr)
        setenv("ORTHONATIVE_CUDA_CHAIN", plan, 1);
    else
        unsetenv("ORTHONATIVE_CUDA_CHAIN");
    const int64_t n = o.hidden;
    const bool recurrent = o.recurrent();
    const int64_t steps = recurrent ? o.steps : o.layers, matrices = recurrent ? o.gates() : o.layers;
    const int64_t d = recurrent ? inputs : 0;
    const double alpha = 1, beta = recurrent ? 0.1 : 1.0 / static_cast<double>(o.layers);
    ortho_chain_options chain_options = ORTHO_CHAIN_OPTIONS_INIT;
    chain_options.model = recurrent ? ORTHO_RECURRENT : ORTHO_FEEDFORWARD;
    chain_options.hidden_size = n;
    chain_options.input_size = d;
    chain_options.layers = o.layers;
    chain_options.cell = o.cell;
    if (o.filtered()) {
        chain_options.seed = 1;
        chain_options.alpha = &alpha;
        chain_options.beta = &beta;
        chain_options.alpha_count = chain_options.beta_count = 1;
    }
    ortho_chain* chain = nullptr;
    require(ortho_chain_create(&chain, device, &chain_options));

    const int64_t count = matrices * (n * n + n) + o.gates() * n * d + classes * n + classes;
    const Array parameters(device, count, 0.5 / std::sqrt(static_cast<double>(n))), gradients(device, count, 0),
        first(device, count, 0), second(device, count, 0), data(device, o.batch * (recurrent ? steps * d : n), 1),
        state(device, o.batch * n, 0), state_gradients(device, o.batch * n, 0), logits(device, o.batch * classes, 0),
        logit_gradients(device, o.batch * classes, 0);
    std::vector<int32_t> targets;
    for (int64_t i = 0; i < o.batch; ++i)
        targets.push_back(static_cast<int32_t>(i % classes));
    const auto part = [=](float* all, int which) {
        float* const weights = all;
        float* const input_weights = weights + matrices * n * n;
        float* const bias = input_weights + o.gates() * n * d;
        float* const readout = bias + matrices * n;
        return which == 0   ? weights
               : which == 1 ? input_weights
               : which == 2 ? bias
               : which == 3 ? readout
                            : readout + classes * n;
    };
    float *p = parameters.data(), *g = gradients.data();
    const auto forward = [&](int32_t training, const int32_t* lengths) {
        require(ortho_chain_forward(chain, recurrent ? steps : 0, o.batch, lengths, nullptr, 1, training, part(p, 0),
                                    recurrent ? part(p, 1) : nullptr, part(p, 2), recurrent ? data.data() : nullptr,
                                    recurrent ? nullptr : data.data(), state.data(), nullptr));
        require(ortho_dense_forward(device, ORTHO_FLOAT32, o.batch, n, classes, part(p, 3), part(p, 4), state.data(),
                                    logits.data()));
    };
    const ortho_parameter_group group{0, count, 1e-3, 0};
    int64_t step = 0;
    const auto train = [&](const int32_t* lengths) {
        forward(1, lengths);
        require(ortho_softmax_cross_entropy(device, ORTHO_FLOAT32, 1, o.batch, nullptr, nullptr, nullptr, classes,
                                            nullptr, 0, logits.data(), targets.data(), nullptr, nullptr,
                                            logit_gradients.data()));
        require(ortho_dense_backward(device, ORTHO_FLOAT32, nullptr, 0, 1, o.batch, n, classes, part(p, 3),
                                     state.data(), logit_gradients.data(), part(g, 3), part(g, 4),
                                     state_gradients.data()));
        require(ortho_chain_backward(chain, 0, part(p, 0), recurrent ? part(p, 1) : nullptr, part(p, 2),
                                     recurrent ? data.data() : nullptr, state_gradients.data(), nullptr, part(g, 0),
                                     recurrent ? part(g, 1) : nullptr, part(g, 2), nullptr, nullptr));
        require(ortho_clip_gradient_norm(device, ORTHO_FLOAT32, count, g, 1, nullptr));
        require(ortho_adam_step(device, ORTHO_FLOAT32, count, p, g, first.data(), second.data(), nullptr, ++step, 0.9,
                                0.999, 1e-8, 0, &group, 1));
    };
    const auto print = [&](const char* mode, double ms) {
        std::printf(
            "{\"peer\": \"OrthoNative\", \"model\": \"%s\", \"mode\": \"%s\", \"plan\": \"%s\", \"hidden\": %lld, "
            "\"batch\": %lld, \"steps\": %lld, \"ms\": %.4f}\n",
            o.model(), mode, plan != nullptr ? plan : "automatic", static_cast<long long>(n),
            static_cast<long long>(o.batch), static_cast<long long>(steps), ms);
        std::fflush(stdout);
    };
    print("train", time_of(device, o.seconds, [&] { train(nullptr); }));
    print("infer", time_of(device, o.seconds, [&] { forward(0, nullptr); }));
    if (recurrent && plan == nullptr) {
        const std::vector<int32_t> lengths = uniform_lengths(o.batch, steps);
        print("train, lengths", time_of(device, o.seconds, [&] { train(lengths.data()); }));
    }
    ortho_chain_free(chain);
}

} // namespace

int main(int argc, char** argv) {
    const Options options = read_options(argc, argv);
    ortho_device_options device_options = ORTHO_DEVICE_OPTIONS_INIT;
    device_options.kind = ORTHO_DEVICE_CUDA;
    ortho_device* device = nullptr;
    if (ortho_device_create(&device, &device_options) != ORTHO_OK) {
        std::fprintf(stderr, "cuda_bench: %s\n", ortho_last_error());
        return 3;
    }
    std::fprintf(stderr, "on %s\n", ortho_device_name(device));
    for (const char* plan : {static_cast<const char*>(nullptr), "graph", "steps"})
        // Cells of gates have no kernel for all steps: what they choose is the graph.
        if (options.filtered() || plan == nullptr || std::strcmp(plan, "steps") == 0)
            run(device, options, plan);
    ortho_device_free(device);
}
