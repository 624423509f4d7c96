// Compares two builds of the native library: loads both side by side, runs the same work in turns and prints the ratio
// of their times with its interval, shape by shape. Two builds that are run one after the other differ by more than
// most changes of a kernel are worth, because the processor's clock and the machine's load change; pairs do not.
//
//     compare_libraries OLD NEW [options]
//       --pairs N        pairs a shape, at least 6 (default 21)
//       --threads N      threads of each device (default 1)
//       --new-threads N  threads of the new one's (default: the same), to compare a build with a copy of it
//       --seconds S      time of one measurement, reached by repetition (default 0.02)
//       --only TEXT      only shapes whose names contain TEXT
//       --limit P        percent by which a shape may be slower (default 2)
//       --markdown       prints the table for docs/benchmarks.md
//       --check          small shapes, bits only, no times
//
// A pair is one measurement of each library, in alternating order. The ratio is time(NEW) / time(OLD); its median over
// the pairs is printed with an interval that holds the true median with at least 95 % confidence, from the order
// statistics of the pairs (no assumption about how times are distributed). `bits` tells whether both libraries computed
// the same. Exit code: 0; 1 if a shape is slower by more than the limit with its whole interval; 2 wrong arguments or
// other failures.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#else
#include <dlfcn.h>
#include <sys/stat.h>
#endif

#include "orthonative/orthonative.h"

namespace {

#if defined(_WIN32)
void* open_library(const std::string& path) {
    return reinterpret_cast<void*>(LoadLibraryA(path.c_str()));
}
void* find_function(void* library, const char* name) {
    return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name));
}
std::string loader_message() {
    return "error " + std::to_string(GetLastError());
}
bool same_file(const std::string& a, const std::string& b) {
    return a == b;
}
#else
void* open_library(const std::string& path) {
    return dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
}
void* find_function(void* library, const char* name) {
    return dlsym(library, name);
}
std::string loader_message() {
    const char* message = dlerror();
    return message != nullptr ? message : "unknown reason";
}
bool same_file(const std::string& a, const std::string& b) {
    struct stat first {};
    struct stat second {};
    return stat(a.c_str(), &first) == 0 && stat(b.c_str(), &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}
#endif

/** One build of the library: its functions, and a device on which it works. */
class Library {
public:
    Library(const std::string& path, int threads) : path_(path), handle_(open_library(path)) {
        if (handle_ == nullptr)
            throw std::runtime_error(path + ": " + loader_message());
        find(layout, "ortho_layout");
        find(last_error, "ortho_last_error");
        find(device_create, "ortho_device_create");
        find(device_free, "ortho_device_free");
        find(chain_create, "ortho_chain_create");
        find(chain_free, "ortho_chain_free");
        find(chain_forward, "ortho_chain_forward");
        find(chain_backward, "ortho_chain_backward");
        find(dense_forward, "ortho_dense_forward");
        find(dense_backward, "ortho_dense_backward");
        find(cross_entropy, "ortho_softmax_cross_entropy");
        find(clip_gradient_norm, "ortho_clip_gradient_norm");
        find(adam_step, "ortho_adam_step");
        require_layout();
        ortho_device_options options = ORTHO_DEVICE_OPTIONS_INIT;
        options.kind = ORTHO_DEVICE_CPU;
        options.threads = threads;
        call(device_create(&device, &options));
    }
    ~Library() { device_free(device); }
    Library(const Library&) = delete;
    Library& operator=(const Library&) = delete;

    void call(ortho_status status) const {
        if (status != ORTHO_OK)
            throw std::runtime_error(path_ + ": " + last_error());
    }

    decltype(&ortho_layout) layout = nullptr;
    decltype(&ortho_last_error) last_error = nullptr;
    decltype(&ortho_device_create) device_create = nullptr;
    decltype(&ortho_device_free) device_free = nullptr;
    decltype(&ortho_chain_create) chain_create = nullptr;
    decltype(&ortho_chain_free) chain_free = nullptr;
    decltype(&ortho_chain_forward) chain_forward = nullptr;
    decltype(&ortho_chain_backward) chain_backward = nullptr;
    decltype(&ortho_dense_forward) dense_forward = nullptr;
    decltype(&ortho_dense_backward) dense_backward = nullptr;
    decltype(&ortho_softmax_cross_entropy) cross_entropy = nullptr;
    decltype(&ortho_clip_gradient_norm) clip_gradient_norm = nullptr;
    decltype(&ortho_adam_step) adam_step = nullptr;
    ortho_device* device = nullptr;

private:
    template <class Function> void find(Function& function, const char* name) {
        function = reinterpret_cast<Function>(find_function(handle_, name));
        if (function == nullptr)
            throw std::runtime_error(path_ + ": it has no function " + name);
    }

    /**
     * A library with another layout of the structures used here would read past their ends. Another ABI version may
     * have the same ones, so old builds can be compared.
     */
    void require_layout() const {
        const auto require = [&](const char* name, int64_t expected) {
            if (layout(name) != expected)
                throw std::runtime_error(path_ + ": " + name + " has " + std::to_string(layout(name)) +
                                         " bytes; this program was built with " + std::to_string(expected));
        };
        require("ortho_device_options", sizeof(ortho_device_options));
        require("ortho_chain_options", sizeof(ortho_chain_options));
        require("ortho_parameter_group", sizeof(ortho_parameter_group));
    }

    std::string path_;
    void* handle_;
};

using Floats = std::vector<float>;

Floats normal_numbers(int64_t count, float scale, unsigned seed) {
    Floats values(static_cast<size_t>(count));
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, scale);
    for (float& value : values)
        value = normal(random);
    return values;
}

/** Work that both libraries do on the same memory, and where its results lie. */
class Work {
public:
    virtual ~Work() = default;
    /** Prepares what belongs to one library and returns its run. */
    virtual std::function<void()> prepare(const Library& library) = 0;
    virtual std::vector<Floats*> results() = 0;
};

/** A pass through a chain: forward, and in training backward. */
class ChainWork final : public Work {
public:
    ChainWork(bool recurrent, ortho_filter_kind filter, int64_t units, int64_t batch, int64_t steps, bool training)
        : recurrent_(recurrent), training_(training), filter_(filter), n_(units), b_(batch), steps_(steps),
          weights_(normal_numbers((recurrent ? 1 : steps) * n_ * n_, 0.2f / std::sqrt(static_cast<float>(n_)), 1)),
          bias_((recurrent ? 1 : steps) * n_, 0.01f), outputs_(b_ * n_) {
        if (recurrent_) {
            input_weights_ = normal_numbers(n_, 1, 2);
            inputs_ = normal_numbers(steps_ * b_, 1, 3);
        } else {
            initial_ = normal_numbers(b_ * n_, 1, 4);
        }
        if (training_) {
            output_gradients_ = normal_numbers(b_ * n_, 1, 5);
            weight_gradients_.resize(weights_.size());
            input_weight_gradients_.resize(input_weights_.size());
            bias_gradients_.resize(bias_.size());
        }
    }

    std::function<void()> prepare(const Library& library) override {
        const double alpha = 1, beta = recurrent_ ? 0.05 : 1.0 / static_cast<double>(steps_);
        ortho_chain_options options = ORTHO_CHAIN_OPTIONS_INIT;
        options.dtype = ORTHO_FLOAT32;
        options.model = recurrent_ ? ORTHO_RECURRENT : ORTHO_FEEDFORWARD;
        options.activation = ORTHO_TANH;
        options.filter = filter_;
        options.hidden_size = n_;
        options.input_size = recurrent_ ? 1 : 0;
        options.layers = recurrent_ ? 0 : steps_;
        options.seed = 1;
        options.check_finite = 1;
        options.alpha = &alpha;
        options.alpha_count = 1;
        options.beta = &beta;
        options.beta_count = 1;
        ortho_chain* created = nullptr;
        library.call(library.chain_create(&created, library.device, &options));
        const std::shared_ptr<ortho_chain> chain(created, library.chain_free);
        return [this, &library, chain] {
            library.call(library.chain_forward(chain.get(), recurrent_ ? steps_ : 0, b_, nullptr, nullptr, 1,
                                               training_ ? 1 : 0, weights_.data(), given(input_weights_), bias_.data(),
                                               given(inputs_), given(initial_), outputs_.data(), nullptr));
            if (training_)
                library.call(library.chain_backward(chain.get(), 0, weights_.data(), given(input_weights_),
                                                    bias_.data(), given(inputs_), output_gradients_.data(), nullptr,
                                                    weight_gradients_.data(), given(input_weight_gradients_),
                                                    bias_gradients_.data(), nullptr, nullptr));
        };
    }

    std::vector<Floats*> results() override {
        return {&outputs_, &weight_gradients_, &input_weight_gradients_, &bias_gradients_};
    }

private:
    static float* given(Floats& values) { return values.empty() ? nullptr : values.data(); }

    bool recurrent_, training_;
    ortho_filter_kind filter_;
    int64_t n_, b_, steps_;
    Floats weights_, bias_, input_weights_, inputs_, initial_, output_gradients_, outputs_;
    Floats weight_gradients_, input_weight_gradients_, bias_gradients_;
};

/** A dense layer forward and, in training, backward. */
class DenseWork final : public Work {
public:
    DenseWork(int64_t rows, int64_t inputs, int64_t outputs, bool training)
        : rows_(rows), in_(inputs), out_(outputs), training_(training),
          weights_(normal_numbers(inputs * outputs, 0.1f, 1)), bias_(outputs, 0.5f),
          x_(normal_numbers(rows * inputs, 1, 2)), y_gradients_(normal_numbers(rows * outputs, 1, 3)),
          y_(rows * outputs), weight_gradients_(inputs * outputs), bias_gradients_(outputs),
          x_gradients_(rows * inputs) {}

    std::function<void()> prepare(const Library& library) override {
        return [this, &library] {
            library.call(library.dense_forward(library.device, ORTHO_FLOAT32, rows_, in_, out_, weights_.data(),
                                               bias_.data(), x_.data(), y_.data()));
            if (training_)
                library.call(library.dense_backward(
                    library.device, ORTHO_FLOAT32, nullptr, 0, 1, rows_, in_, out_, weights_.data(), x_.data(),
                    y_gradients_.data(), weight_gradients_.data(), bias_gradients_.data(), x_gradients_.data()));
        };
    }
    std::vector<Floats*> results() override { return {&y_, &weight_gradients_, &bias_gradients_, &x_gradients_}; }

private:
    int64_t rows_, in_, out_;
    bool training_;
    Floats weights_, bias_, x_, y_gradients_, y_, weight_gradients_, bias_gradients_, x_gradients_;
};

/** Cross-entropy with its gradient. */
class LossWork final : public Work {
public:
    LossWork(int64_t rows, int64_t classes)
        : rows_(rows), classes_(classes), logits_(normal_numbers(rows * classes, 2, 1)), targets_(rows),
          gradients_(rows * classes), loss_(1) {
        for (int64_t i = 0; i < rows; ++i)
            targets_[i] = static_cast<int32_t>(i % classes);
    }
    std::function<void()> prepare(const Library& library) override {
        return [this, &library] {
            double loss = 0;
            library.call(library.cross_entropy(library.device, ORTHO_FLOAT32, 1, rows_, nullptr, nullptr, nullptr,
                                               classes_, nullptr, 0, logits_.data(), targets_.data(), &loss, nullptr,
                                               gradients_.data()));
            loss_[0] = static_cast<float>(loss);
        };
    }
    std::vector<Floats*> results() override { return {&gradients_, &loss_}; }

private:
    int64_t rows_, classes_;
    Floats logits_;
    std::vector<int32_t> targets_;
    Floats gradients_, loss_;
};

/** Clipping and a step of Adam. The state continues from call to call, so results are compared after one call each. */
class AdamWork final : public Work {
public:
    explicit AdamWork(int64_t count)
        : count_(count), gradients_(normal_numbers(count, 1, 1)), parameters_(count), first_(count), second_(count) {}
    std::function<void()> prepare(const Library& library) override {
        std::fill(parameters_.begin(), parameters_.end(), 0.1f);
        std::fill(first_.begin(), first_.end(), 0.0f);
        std::fill(second_.begin(), second_.end(), 0.0f);
        return [this, &library] {
            const ortho_parameter_group group{0, count_, 1e-4, 0};
            library.call(
                library.clip_gradient_norm(library.device, ORTHO_FLOAT32, count_, gradients_.data(), 1e6, nullptr));
            library.call(library.adam_step(library.device, ORTHO_FLOAT32, count_, parameters_.data(), gradients_.data(),
                                           first_.data(), second_.data(), nullptr, 1000, 0.9, 0.999, 1e-8, 0, &group,
                                           1));
        };
    }
    std::vector<Floats*> results() override { return {&parameters_, &first_, &second_}; }

private:
    int64_t count_;
    Floats gradients_, parameters_, first_, second_;
};

struct Shape {
    std::string name;
    std::function<std::unique_ptr<Work>()> make;
};

std::vector<Shape> shapes(bool small) {
    std::vector<Shape> all;
    const auto chain = [&](bool recurrent, ortho_filter_kind filter, int64_t n, int64_t b, int64_t steps,
                           bool training) {
        std::string name = recurrent ? "recurrent" : "feedforward";
        name += filter == ORTHO_FILTER_HAAR ? " Haar" : " permutation";
        name +=
            " N=" + std::to_string(n) + " B=" + std::to_string(b) + (recurrent ? " T=" : " L=") + std::to_string(steps);
        name += training ? " training" : " inference";
        all.push_back({name, [=] { return std::make_unique<ChainWork>(recurrent, filter, n, b, steps, training); }});
    };
    const std::vector<int64_t> sizes =
        small ? std::vector<int64_t>{16, 65} : std::vector<int64_t>{16, 64, 128, 256, 512, 1024};
    const std::vector<int64_t> batches = small ? std::vector<int64_t>{1, 33} : std::vector<int64_t>{1, 16, 128};
    const std::vector<int64_t> lengths = small ? std::vector<int64_t>{5} : std::vector<int64_t>{100, 784};
    // Above this a pair takes tens of seconds, and a feedforward chain gigabytes of weights.
    constexpr int64_t most_operations = int64_t{1} << 33, most_weights = int64_t{1} << 26;
    for (const bool recurrent : {true, false})
        for (const ortho_filter_kind filter : {ORTHO_FILTER_HAAR, ORTHO_FILTER_PERMUTATION})
            for (const int64_t n : sizes)
                for (const int64_t b : batches)
                    for (const int64_t steps : lengths)
                        for (const bool training : {false, true})
                            if (n * n * b * steps <= most_operations && (recurrent || n * n * steps <= most_weights))
                                chain(recurrent, filter, n, b, steps, training);
    // Sizes that fill neither tiles nor leaves of the batch.
    for (const bool recurrent : {true, false})
        for (const bool training : {false, true}) {
            chain(recurrent, ORTHO_FILTER_PERMUTATION, 33, 5, 50, training);
            chain(recurrent, ORTHO_FILTER_HAAR, 65, 33, 50, training);
            chain(recurrent, ORTHO_FILTER_PERMUTATION, 200, 7, 50, training);
        }
    const auto dense = [&](int64_t rows, int64_t inputs, int64_t outputs, bool training) {
        all.push_back({"dense rows=" + std::to_string(rows) + " " + std::to_string(inputs) + "x" +
                           std::to_string(outputs) + (training ? " training" : " inference"),
                       [=] { return std::make_unique<DenseWork>(rows, inputs, outputs, training); }});
    };
    // Few rows and many, few outputs and many: each has kernels of its own.
    for (const int64_t rows : {1, 2, 3, 4, 8, 16, 33, 128, 512})
        for (const int64_t inputs : small ? std::vector<int64_t>{16, 65} : std::vector<int64_t>{16, 64, 256, 784, 1024})
            for (const int64_t outputs : small ? std::vector<int64_t>{10, 33} : std::vector<int64_t>{10, 64, 512})
                for (const bool training : {false, true})
                    if (rows * inputs * outputs <= int64_t{1} << 27)
                        dense(rows, inputs, outputs, training);
    all.push_back({"cross-entropy rows=1000 classes=10", [] { return std::make_unique<LossWork>(1000, 10); }});
    for (const int64_t count : {int64_t{1000}, int64_t{100000}})
        all.push_back({"clip and Adam " + std::to_string(count), [=] { return std::make_unique<AdamWork>(count); }});
    if (!small)
        all.push_back({"clip and Adam 10000000", [] { return std::make_unique<AdamWork>(10000000); }});
    return all;
}

double seconds_of(const std::function<void()>& run, int64_t repetitions) {
    const auto begin = std::chrono::steady_clock::now();
    for (int64_t i = 0; i < repetitions; ++i)
        run();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

struct Interval {
    double low, median, high;
};

/**
 * Median with an interval from order statistics: the true median lies below the k-th smallest of n values with the
 * probability of fewer than k heads in n throws, so the k with at most 2.5 % on either side is taken.
 */
Interval median_of(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const size_t n = values.size();
    double tail = 0, term = std::pow(0.5, static_cast<double>(n));
    size_t k = 0;
    while (tail + term <= 0.025) {
        tail += term;
        term *= static_cast<double>(n - k) / static_cast<double>(k + 1);
        ++k;
    }
    const double median = n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
    return {values[k - 1], median, values[n - k]};
}

struct Options {
    std::string old_path, new_path, only;
    int pairs = 21, threads = 1, new_threads = 0; // 0: as many as threads
    double seconds = 0.02, limit = 2;
    bool markdown = false, check = false;
};

bool same_bits(const std::vector<Floats>& expected, const std::vector<Floats*>& found) {
    for (size_t i = 0; i < found.size(); ++i)
        if (!found[i]->empty() &&
            std::memcmp(expected[i].data(), found[i]->data(), found[i]->size() * sizeof(float)) != 0)
            return false;
    return true;
}

/** @return false if a shape is slower than allowed. */
bool compare(const Options& options) {
    if (same_file(options.old_path, options.new_path))
        throw std::runtime_error(options.old_path + " and " + options.new_path +
                                 " are one file, which is loaded once; compare a build with itself by a copy");
    const Library old_library(options.old_path, options.threads),
        new_library(options.new_path, options.new_threads > 0 ? options.new_threads : options.threads);
    std::printf(options.markdown ? "| shape | median | 95 %% interval | bits |\n|---|---:|---:|---|\n"
                                 : "%-60s %8s %17s  %s\n",
                "shape", "median", "95 % interval", "bits");
    int slower = 0, different = 0, count = 0;
    for (const Shape& shape : shapes(options.check)) {
        if (shape.name.find(options.only) == std::string::npos)
            continue;
        const std::unique_ptr<Work> work = shape.make();
        std::function<void()> run_old = work->prepare(old_library);
        run_old();
        std::vector<Floats> expected;
        for (const Floats* values : work->results())
            expected.push_back(*values);
        std::function<void()> run_new = work->prepare(new_library);
        run_new();
        const bool same = same_bits(expected, work->results());
        different += same ? 0 : 1;
        ++count;
        const char* const bits = same ? "same" : "differ";
        if (options.check) {
            std::printf("%-60s %8s %17s  %s\n", shape.name.c_str(), "", "", bits);
            continue;
        }
        const double once = std::max(1e-7, std::min(seconds_of(run_old, 1), seconds_of(run_new, 1)));
        const auto repetitions = static_cast<int64_t>(std::max(1.0, std::ceil(options.seconds / once)));
        std::vector<double> ratios;
        for (int pair = 0; pair < options.pairs; ++pair) {
            double old_time = 0, new_time = 0;
            if (pair % 2 == 0)
                old_time = seconds_of(run_old, repetitions);
            new_time = seconds_of(run_new, repetitions);
            if (pair % 2 == 1)
                old_time = seconds_of(run_old, repetitions);
            ratios.push_back(new_time / old_time);
        }
        const Interval ratio = median_of(ratios);
        const bool too_slow = ratio.low > 1 + options.limit / 100;
        slower += too_slow ? 1 : 0;
        char interval[64];
        std::snprintf(interval, sizeof interval, "%.3f to %.3f", ratio.low, ratio.high);
        std::printf(options.markdown ? "| %s | %.3f | %s | %s%s |\n" : "%-60s %8.3f %17s  %s%s\n", shape.name.c_str(),
                    ratio.median, interval, bits, too_slow ? ", slower" : "");
        std::fflush(stdout);
    }
    std::printf("\n%d shapes, %d slower by more than %g %%, %d with other bits\n", count, slower, options.limit,
                different);
    return slower == 0;
}

/** @throws std::invalid_argument what is wrong with the arguments */
Options parse(int argc, char** argv) {
    Options options;
    std::vector<std::string> paths;
    for (int i = 1; i < argc; ++i) {
        const std::string name = argv[i];
        const auto number = [&](double least) {
            char* end = nullptr;
            const double value = i + 1 < argc ? std::strtod(argv[i + 1], &end) : NAN;
            if (i + 1 >= argc || end == argv[i + 1] || *end != '\0' || !(value >= least && value <= 1e6))
                throw std::invalid_argument(name + " needs a number of at least " +
                                            std::to_string(static_cast<int>(least)));
            ++i;
            return value;
        };
        if (name == "--pairs")
            options.pairs = static_cast<int>(number(6));
        else if (name == "--threads")
            options.threads = static_cast<int>(number(1));
        else if (name == "--new-threads")
            options.new_threads = static_cast<int>(number(1));
        else if (name == "--seconds")
            options.seconds = number(0);
        else if (name == "--limit")
            options.limit = number(0);
        else if (name == "--only" && i + 1 < argc)
            options.only = argv[++i];
        else if (name == "--markdown")
            options.markdown = true;
        else if (name == "--check")
            options.check = true;
        else if (name.rfind("--", 0) == 0)
            throw std::invalid_argument(name + " is unknown or lacks its value");
        else
            paths.push_back(name);
    }
    if (paths.size() != 2)
        throw std::invalid_argument("two libraries are needed, OLD and NEW; found " + std::to_string(paths.size()));
    options.old_path = paths[0];
    options.new_path = paths[1];
    return options;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return compare(parse(argc, argv)) ? 0 : 1;
    } catch (const std::invalid_argument& error) {
        std::fprintf(stderr,
                     "%s\nusage: compare_libraries OLD NEW [--pairs N] [--threads N] [--new-threads N] [--seconds S] "
                     "[--only TEXT] "
                     "[--limit P] [--markdown] [--check]\n",
                     error.what());
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
    }
    return 2;
}
