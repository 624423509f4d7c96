// Prints a hash of the results of every operation, for the instruction set that the library chooses or that
// ORTHONATIVE_CPU names. The outputs of two builds, compilers or platforms are the same but where they differ in bits:
//
//     orthonative_bits [--threads N]
//
// Exit code: 0; 77 if the processor lacks the instruction set; 1 if an operation fails; 2 wrong arguments.
//
// A line is `operation type size hash`. Where `libm` follows, functions of the C library take part (tanh, exp, log,
// log1p and pow of doubles): their last bits are those of that library. Inputs are made of whole numbers and products
// with powers of two, so they are the same everywhere.
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "orthonative/orthonative.h"

namespace {

void call(ortho_status status) {
    if (status != ORTHO_OK)
        throw std::runtime_error(ortho_last_error());
}

/** Calls with an object; freed at the end. */
template <class Object> using Owned = std::unique_ptr<Object, void (*)(Object*)>;

/** FNV-1a of the bytes of all results that are added. */
class Hash {
public:
    template <class T> Hash& add(const std::vector<T>& values) { return add(values.data(), values.size() * sizeof(T)); }
    template <class T> Hash& add(T value) {
        static_assert(std::is_arithmetic_v<T>);
        return add(&value, sizeof value);
    }

    void print(const std::string& line, bool libm = false) const {
        std::printf("%-64s %016" PRIx64 "%s\n", line.c_str(), value_, libm ? " libm" : "");
    }

private:
    Hash& add(const void* data, size_t size) {
        const auto* const bytes = static_cast<const unsigned char*>(data);
        for (size_t i = 0; i < size; ++i)
            value_ = (value_ ^ bytes[i]) * 0x100000001b3u;
        return *this;
    }

    uint64_t value_ = 0xcbf29ce484222325u;
};

/** Numbers between -scale and scale, a power of two, of 22 random bits. */
template <class T> std::vector<T> numbers(int64_t count, double scale, uint64_t seed) {
    std::vector<T> values(static_cast<size_t>(count));
    uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
    for (T& value : values) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        value = static_cast<T>(static_cast<double>(static_cast<int64_t>(state >> 42) - (1 << 21)) * 0x1p-21 * scale);
    }
    return values;
}

std::vector<int32_t> whole_numbers(int64_t count, int32_t end, uint64_t seed) {
    std::vector<int32_t> values(static_cast<size_t>(count));
    uint64_t state = seed;
    for (int32_t& value : values) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        value = static_cast<int32_t>((state >> 33) % static_cast<uint64_t>(end));
    }
    return values;
}

template <class T> T* given(std::vector<T>& values) {
    return values.empty() ? nullptr : values.data();
}

/** All operations with numbers of one type. */
template <class T> class Operations {
    using Values = std::vector<T>;
    static constexpr bool is_float = std::is_same_v<T, float>;
    static constexpr int32_t dtype = is_float ? ORTHO_FLOAT32 : ORTHO_FLOAT64;
    /** tanh of doubles is that of the C library. */
    static constexpr bool tanh_of_library = !is_float;

public:
    explicit Operations(ortho_device* device) : device_(device) {}

    void run() {
        chains();
        dense();
        elements();
        rows();
        sequences();
        random();
        losses();
        optimizers();
    }

private:
    static std::string named(const std::string& operation, const std::string& size = "") {
        return operation + (is_float ? " float32" : " float64") + (size.empty() ? "" : " " + size);
    }

    // Chains

    struct ChainCase {
        std::string name;
        int32_t cell = ORTHO_CELL_FILTER;
        int32_t activation = ORTHO_TANH;
        int32_t filter = ORTHO_FILTER_HAAR;
        int64_t layers = 0; // 0: recurrent
        bool factors = false;
        int64_t checkpoint_every = 0;
        bool with_lengths = false;
    };

    void chains() {
        // Sizes that fill vectors, tiles and panels of each instruction set, and sizes that do not.
        const int64_t sizes[] = {1, 5, 16, 17, 33, 48, 64, 65, 100, 129, 200};
        std::vector<ChainCase> cases;
        const auto add = [&](const char* name, auto&& set) {
            ChainCase next;
            next.name = name;
            set(next);
            cases.push_back(next);
        };
        add("recurrent Haar tanh", [](ChainCase&) {});
        add("recurrent Haar ReLU", [](ChainCase& c) { c.activation = ORTHO_RELU; });
        add("recurrent Haar factors of units", [](ChainCase& c) { c.activation = ORTHO_RELU, c.factors = true; });
        add("recurrent permutation tanh", [](ChainCase& c) { c.filter = ORTHO_FILTER_PERMUTATION; });
        add("recurrent permutation ReLU",
            [](ChainCase& c) { c.filter = ORTHO_FILTER_PERMUTATION, c.activation = ORTHO_RELU, c.factors = true; });
        add("recurrent cycle ReLU", [](ChainCase& c) { c.filter = ORTHO_FILTER_CYCLE, c.activation = ORTHO_RELU; });
        add("recurrent identity tanh", [](ChainCase& c) { c.filter = ORTHO_FILTER_IDENTITY; });
        add("recurrent blocks ReLU", [](ChainCase& c) { c.filter = ORTHO_FILTER_BLOCKS, c.activation = ORTHO_RELU; });
        add("recurrent Haar checkpoints", [](ChainCase& c) { c.checkpoint_every = 2; });
        add("recurrent Haar lengths", [](ChainCase& c) { c.with_lengths = true; });
        add("feedforward Haar tanh", [](ChainCase& c) { c.layers = 3; });
        add("feedforward permutation ReLU",
            [](ChainCase& c) { c.layers = 3, c.filter = ORTHO_FILTER_PERMUTATION, c.activation = ORTHO_RELU; });
        add("GRU", [](ChainCase& c) { c.cell = ORTHO_CELL_GRU; });
        add("LSTM", [](ChainCase& c) { c.cell = ORTHO_CELL_LSTM; });
        for (const ChainCase& c : cases) {
            for (const int64_t units : sizes)
                chain(c, units, {1, 2, 3, 4, 5, 6, 7, 13, 33});
            // Permutations of more units are looked up another way.
            if (c.filter == ORTHO_FILTER_PERMUTATION)
                chain(c, 500, {1, 3});
        }
    }

    void chain(const ChainCase& c, int64_t units, const std::vector<int64_t>& batches) {
        const bool recurrent = c.layers == 0, of_gates = c.cell != ORTHO_CELL_FILTER;
        const int64_t gates = c.cell == ORTHO_CELL_LSTM ? 4 : c.cell == ORTHO_CELL_GRU ? 3 : 1;
        const int64_t states = c.cell == ORTHO_CELL_LSTM ? 2 : 1;
        const int64_t inputs = recurrent ? units % 9 : 0, steps = recurrent ? 4 : 0;
        const std::vector<double> factors = numbers<double>(units, 1, 7);
        const double one = 1, part = 0.25;
        ortho_chain_options options = ORTHO_CHAIN_OPTIONS_INIT;
        options.dtype = dtype;
        options.model = recurrent ? ORTHO_RECURRENT : ORTHO_FEEDFORWARD;
        options.cell = c.cell;
        options.recurrent_bias = of_gates ? 1 : 0;
        options.hidden_size = units;
        options.input_size = inputs;
        options.layers = c.layers;
        options.check_finite = 1;
        options.checkpoint_every = c.checkpoint_every;
        std::vector<ortho_filter_block> blocks;
        if (!of_gates) {
            options.activation = c.activation;
            options.filter = c.filter;
            options.seed = 5;
            options.alpha = c.factors ? factors.data() : &one;
            options.alpha_count = c.factors ? units : 1;
            options.beta = c.factors ? factors.data() : &part;
            options.beta_count = c.factors ? units : 1;
            if (c.filter == ORTHO_FILTER_BLOCKS) {
                const int32_t kinds[] = {ORTHO_FILTER_HAAR, ORTHO_FILTER_PERMUTATION};
                for (int64_t first = 0; first < units; first += 24)
                    blocks.push_back({units - first < 24 ? units - first : 24, kinds[first / 24 % 2], 0, nullptr});
                options.blocks = blocks.data();
                options.block_count = static_cast<int64_t>(blocks.size());
            }
        }
        ortho_weights* created = nullptr;
        call(ortho_weights_create(&created, device_, &options));
        const Owned<ortho_weights> prepared(created, ortho_weights_free);
        const int64_t sets = recurrent ? gates : c.layers;
        double scale = 1; // about 1 / sqrt(N)
        while (scale * scale * static_cast<double>(units) > 1)
            scale /= 2;
        Values weights = numbers<T>(sets * units * units, scale, 1);
        Values input_weights = numbers<T>(gates * units * inputs, 0.5, 2);
        Values bias = numbers<T>(sets * units * (of_gates ? 2 : 1), 0.25, 3);
        call(ortho_weights_prepare(prepared.get(), 0, 1, weights.data(), given(input_weights), bias.data()));

        Hash forward, backward;
        for (const int64_t batch : batches) {
            ortho_chain* made = nullptr;
            call(ortho_chain_create(&made, device_, &options));
            const Owned<ortho_chain> chain(made, ortho_chain_free);
            Values u = numbers<T>(steps * batch * inputs, 2, 4), initial = numbers<T>(states * batch * units, 1, 5);
            std::vector<int32_t> lengths = whole_numbers(batch, static_cast<int32_t>(steps + 1), 6);
            const int64_t outputs = 2;
            Values y(static_cast<size_t>(outputs * batch * units)), final_states(initial.size());
            call(ortho_chain_forward(chain.get(), steps, batch, c.with_lengths ? lengths.data() : nullptr, nullptr,
                                     outputs, 1, weights.data(), given(input_weights), bias.data(), given(u),
                                     initial.data(), y.data(), final_states.data()));
            forward.add(y).add(final_states);
            const Values y_gradients = numbers<T>(outputs * batch * units, 1, 8);
            const Values final_gradients = numbers<T>(states * batch * units, 1, 9);
            Values weight_gradients(weights.size()), input_weight_gradients(input_weights.size());
            Values bias_gradients(bias.size()), u_gradients(u.size()), initial_gradients(initial.size());
            call(ortho_chain_backward(chain.get(), 0, weights.data(), given(input_weights), bias.data(), given(u),
                                      y_gradients.data(), final_gradients.data(), weight_gradients.data(),
                                      given(input_weight_gradients), bias_gradients.data(), given(u_gradients),
                                      initial_gradients.data()));
            backward.add(weight_gradients).add(input_weight_gradients).add(bias_gradients);
            backward.add(u_gradients).add(initial_gradients);
        }
        const bool libm = tanh_of_library && c.activation == ORTHO_TANH;
        const std::string size = "N=" + std::to_string(units);
        forward.print(named(c.name + " forward", size), libm);
        backward.print(named(c.name + " backward", size), libm);
        if (!recurrent)
            return;
        Hash fed;
        const int64_t count = 3;
        ortho_streams* opened = nullptr;
        call(ortho_streams_create(&opened, prepared.get(), count));
        const Owned<ortho_streams> streams(opened, ortho_streams_free);
        for (uint64_t step = 0; step < 3; ++step) {
            Values u = numbers<T>(count * inputs, 2, 10 + step), y(static_cast<size_t>(count * units));
            call(ortho_streams_step(streams.get(), nullptr, given(u), y.data()));
            fed.add(y);
        }
        fed.print(named(c.name + " streams", size), libm);
    }

    // Dense layers

    void dense() {
        for (const int64_t rows : {1, 2, 3, 4, 5, 8, 12, 13, 33, 100}) {
            Hash forward, backward;
            for (const int64_t inputs : {1, 7, 16, 40, 64, 65, 257, 300})
                for (const int64_t outputs : {1, 3, 10, 16, 33, 65}) {
                    const Values weights = numbers<T>(inputs * outputs, 0.125, 1), bias = numbers<T>(outputs, 1, 2);
                    const Values x = numbers<T>(rows * inputs, 2, 3), y_gradients = numbers<T>(rows * outputs, 1, 4);
                    Values y(y_gradients.size()), x_gradients(x.size());
                    Values weight_gradients(weights.size()), bias_gradients(bias.size());
                    call(ortho_dense_forward(device_, dtype, rows, inputs, outputs, weights.data(),
                                             inputs % 2 == 1 ? bias.data() : nullptr, x.data(), y.data()));
                    const int64_t steps = rows % 4 == 0 ? 2 : 1;
                    call(ortho_dense_backward(device_, dtype, nullptr, 0, steps, rows / steps, inputs, outputs,
                                              weights.data(), x.data(), y_gradients.data(), weight_gradients.data(),
                                              bias_gradients.data(), x_gradients.data()));
                    forward.add(y);
                    backward.add(weight_gradients).add(bias_gradients).add(x_gradients);
                }
            forward.print(named("dense forward", "rows=" + std::to_string(rows)));
            backward.print(named("dense backward", "rows=" + std::to_string(rows)));
        }
    }

    // Elements

    /** Of all magnitudes, in blocks that are not full too. */
    static Values arguments() {
        Values values = numbers<T>(4001, 16, 1);
        for (const double scale : {0x1p-100, 0x1p-12, 0x1p-3, 1.0, 4.0, 0x1p7, 0x1p100})
            for (const T value : numbers<T>(77, scale, 2))
                values.push_back(value);
        values.push_back(T(0));
        values.push_back(-T(0));
        return values;
    }

    void elements() {
        const Values x = arguments();
        const auto count = static_cast<int64_t>(x.size());
        const Values y_gradients = numbers<T>(count, 1, 3);
        const char* const names[] = {"tanh", "ReLU", "sigmoid", "SiLU", "GELU"};
        for (int32_t activation = ORTHO_TANH; activation <= ORTHO_GELU; ++activation) {
            Values y(x.size()), x_gradients(x.size());
            call(ortho_activation_forward(device_, dtype, activation, count, x.data(), y.data()));
            call(ortho_activation_backward(device_, dtype, activation, count, x.data(), y_gradients.data(),
                                           x_gradients.data()));
            Hash().add(y).print(named(names[activation] + std::string(" forward")),
                                tanh_of_library && activation == ORTHO_TANH);
            Hash().add(x_gradients).print(named(names[activation] + std::string(" backward")));
        }
        Values sum(x.size()), scaled = x, averages = x;
        call(ortho_add(device_, dtype, count, x.data(), y_gradients.data(), sum.data()));
        Hash().add(sum).print(named("add"));
        call(ortho_scale(device_, dtype, count, 1.0 / 3, scaled.data()));
        Hash().add(scaled).print(named("scale"));
        call(ortho_average(device_, dtype, count, 0.999, y_gradients.data(), averages.data()));
        Hash().add(averages).print(named("average"));
        Values gradients = y_gradients;
        double norm = 0;
        call(ortho_clip_gradient_norm(device_, dtype, count, gradients.data(), 1, &norm));
        Hash().add(gradients).add(norm).print(named("clip gradient norm"));
    }

    // Rows

    void rows() {
        for (const int64_t units : {1, 3, 8, 16, 17, 64, 100, 300}) {
            const std::string size = "N=" + std::to_string(units);
            const int64_t count = 7;
            const Values pairs = numbers<T>(count * 2 * units, 4, 1), x = numbers<T>(count * units, 4, 2);
            const Values y_gradients = numbers<T>(count * units, 1, 3);
            Values y(y_gradients.size()), pair_gradients(pairs.size());
            call(ortho_gate_forward(device_, dtype, count, units, pairs.data(), y.data()));
            call(ortho_gate_backward(device_, dtype, count, units, pairs.data(), y_gradients.data(),
                                     pair_gradients.data()));
            Hash().add(y).add(pair_gradients).print(named("gate", size));

            const Values scale = numbers<T>(units, 1, 4), offset = numbers<T>(units, 1, 5);
            Values statistics(static_cast<size_t>(2 * count)), scale_gradients(scale.size());
            Values offset_gradients(offset.size()), x_gradients(x.size());
            call(ortho_layer_norm_forward(device_, dtype, count, units, 1e-5, scale.data(), offset.data(), x.data(),
                                          y.data(), statistics.data()));
            call(ortho_layer_norm_backward(device_, dtype, nullptr, 0, 1, count, units, scale.data(), x.data(),
                                           statistics.data(), y_gradients.data(), scale_gradients.data(),
                                           offset_gradients.data(), x_gradients.data()));
            Hash().add(y).add(statistics).print(named("layer norm forward", size));
            Hash()
                .add(scale_gradients)
                .add(offset_gradients)
                .add(x_gradients)
                .print(named("layer norm backward", size));
        }
    }

    // Sequences

    void sequences() {
        const int64_t steps = 5, batch = 37, units = 19, entries = 11;
        const Values x = numbers<T>(steps * batch * units, 1, 1), table = numbers<T>(entries * units, 1, 2);
        const std::vector<int32_t> lengths = whole_numbers(batch, steps + 1, 3);
        const std::vector<int32_t> indices = whole_numbers(steps * batch, entries, 4);
        Values y(x.size()), table_gradients(table.size());
        call(ortho_embedding_forward(device_, dtype, steps, batch, lengths.data(), entries, units, table.data(),
                                     indices.data(), y.data()));
        call(ortho_embedding_backward(device_, dtype, nullptr, 0, steps, batch, lengths.data(), entries, units,
                                      indices.data(), x.data(), table_gradients.data()));
        Hash().add(y).add(table_gradients).print(named("embedding"));
        const char* const names[] = {"last", "mean", "largest"};
        for (int32_t pooling = ORTHO_POOL_LAST; pooling <= ORTHO_POOL_MAX; ++pooling) {
            Values pooled(static_cast<size_t>(batch * units)), x_gradients(x.size());
            call(ortho_pool_forward(device_, dtype, pooling, steps, batch, units, lengths.data(), x.data(),
                                    pooled.data()));
            call(ortho_pool_backward(device_, dtype, pooling, steps, batch, units, lengths.data(), x.data(), x.data(),
                                     x_gradients.data()));
            Hash().add(pooled).add(x_gradients).print(named(std::string("pool ") + names[pooling]));
        }
        call(ortho_reverse(device_, dtype, steps, batch, units, lengths.data(), x.data(), y.data()));
        Hash().add(y).print(named("reverse"));
        call(ortho_mask(device_, dtype, steps, batch, units, lengths.data(), x.data(), y.data()));
        Hash().add(y).print(named("mask"));
        Values windows(static_cast<size_t>(3 * batch * units * 3)), x_gradients(x.size());
        call(ortho_windows_forward(device_, dtype, steps, batch, units, lengths.data(), 3, 2, 1, x.data(),
                                   windows.data()));
        call(ortho_windows_backward(device_, dtype, steps, batch, units, lengths.data(), 3, 2, 1, windows.data(),
                                    x_gradients.data()));
        Hash().add(windows).add(x_gradients).print(named("windows"));
    }

    // Random numbers

    void random() {
        const int64_t count = 10007;
        Values values(static_cast<size_t>(count));
        call(ortho_random_uniform(3, ORTHO_STREAM_DATA, 1, -1, 3, dtype, 5, count, values.data()));
        Hash().add(values).print(named("random uniform"));
        call(ortho_random_normal(3, ORTHO_STREAM_DATA, 2, 0.5, 2, dtype, 5, count, values.data()));
        Hash().add(values).print(named("random normal"));
        const int64_t steps = 3, batch = 11, units = 29;
        const Values x = numbers<T>(steps * batch * units, 1, 1);
        Values y(x.size());
        call(ortho_add_normal_noise(device_, dtype, 3, 1, 2, 0.1, 4, steps, batch, units, x.data(), y.data()));
        Hash().add(y).print(named("normal noise"));
        call(ortho_dropout(device_, dtype, 3, 1, 2, 0.3, 0, 4, steps, batch, units, x.data(), y.data()));
        Hash().add(y).print(named("dropout"));
        std::vector<int64_t> permutation(1009);
        call(ortho_random_permutation(3, ORTHO_STREAM_SHUFFLE, 1, 1009, permutation.data()));
        Hash().add(permutation).print(named("random permutation"));
        for (const int64_t size : {1, 31, 64, 130}) {
            ortho_chain_options options = ORTHO_CHAIN_OPTIONS_INIT;
            const double one = 1;
            options.dtype = dtype;
            options.hidden_size = size;
            options.seed = 9;
            options.alpha = options.beta = &one;
            options.alpha_count = options.beta_count = 1;
            ortho_chain* made = nullptr;
            call(ortho_chain_create(&made, device_, &options));
            const Owned<ortho_chain> chain(made, ortho_chain_free);
            std::vector<double> matrix(static_cast<size_t>(size * size));
            call(ortho_chain_filter(chain.get(), 0, matrix.data()));
            Hash().add(matrix).print(named("Haar filter", "N=" + std::to_string(size)));
        }
    }

    // Losses

    void losses() {
        for (const int64_t classes : {2, 7, 16, 33, 100}) {
            const int64_t steps = 3, batch = 41;
            const Values logits = numbers<T>(steps * batch * classes, 8, 1);
            const std::vector<int32_t> lengths = whole_numbers(batch, steps + 1, 2);
            const std::vector<int32_t> targets = whole_numbers(steps * batch, static_cast<int32_t>(classes), 3);
            std::vector<float> row_weights(targets.size()), class_weights(static_cast<size_t>(classes));
            for (size_t i = 0; i < row_weights.size(); ++i)
                row_weights[i] = static_cast<float>(i % 5) * 0.25f;
            for (size_t i = 0; i < class_weights.size(); ++i)
                class_weights[i] = static_cast<float>(i % 3 + 1) * 0.375f;
            Hash gradient_hash, loss_hash;
            for (const bool weighted : {false, true})
                for (const double smoothing : {0.0, 0.1}) {
                    Values gradients(logits.size());
                    double loss = 0;
                    int64_t correct = 0;
                    call(ortho_softmax_cross_entropy(device_, dtype, steps, batch, weighted ? lengths.data() : nullptr,
                                                     weighted ? row_weights.data() : nullptr, nullptr, classes,
                                                     weighted ? class_weights.data() : nullptr, smoothing,
                                                     logits.data(), targets.data(), &loss, &correct, gradients.data()));
                    gradient_hash.add(gradients).add(correct);
                    loss_hash.add(loss);
                }
            const std::string size = "classes=" + std::to_string(classes);
            gradient_hash.print(named("cross-entropy gradients", size));
            loss_hash.print(named("cross-entropy loss", size), true);
        }
        const double quantiles[] = {0.125, 0.5, 0.9375};
        struct Kind {
            const char* name;
            int32_t kind;
            std::vector<double> parameters;
        };
        const Kind kinds[] = {{"squared error", ORTHO_LOSS_SQUARED_ERROR, {}},
                              {"absolute error", ORTHO_LOSS_ABSOLUTE_ERROR, {}},
                              {"Huber loss", ORTHO_LOSS_HUBER, {0.75}},
                              {"quantile loss", ORTHO_LOSS_QUANTILE, {quantiles, quantiles + 3}},
                              {"binary cross-entropy", ORTHO_LOSS_BINARY_CROSS_ENTROPY, {}}};
        for (const Kind& kind : kinds) {
            Hash hash;
            for (const int64_t groups : {1, 5, 37})
                for (const bool weighted : {false, true}) {
                    const int64_t steps = 2, batch = 45, units = 3 * groups;
                    const int64_t row_targets = kind.kind == ORTHO_LOSS_QUANTILE ? groups : units;
                    const Values predictions = numbers<T>(steps * batch * units, 4, 1);
                    Values targets = numbers<T>(steps * batch * row_targets, 1, 2);
                    if (kind.kind == ORTHO_LOSS_BINARY_CROSS_ENTROPY)
                        for (T& target : targets)
                            target = target < 0 ? -target : target;
                    std::vector<float> row_weights(static_cast<size_t>(steps * batch));
                    for (size_t i = 0; i < row_weights.size(); ++i)
                        row_weights[i] = static_cast<float>(i % 5) * 0.25f;
                    Values gradients(predictions.size());
                    double loss = 0;
                    call(ortho_elementwise_loss(device_, dtype, kind.kind, steps, batch, nullptr,
                                                weighted ? row_weights.data() : nullptr, nullptr, units,
                                                kind.parameters.empty() ? nullptr : kind.parameters.data(),
                                                static_cast<int64_t>(kind.parameters.size()), predictions.data(),
                                                targets.data(), &loss, gradients.data()));
                    hash.add(loss).add(gradients);
                }
            hash.print(named(kind.name), kind.kind == ORTHO_LOSS_BINARY_CROSS_ENTROPY);
        }
    }

    // Optimizers

    /** Three steps; step(number, gradients, parameters, states). */
    template <class Step> void optimizer(const std::string& name, bool libm, Step&& step) {
        const int64_t count = 1003;
        Values parameters = numbers<T>(count, 1, 1);
        Values states[3] = {Values(static_cast<size_t>(count)), Values(static_cast<size_t>(count)),
                            Values(static_cast<size_t>(count))};
        const ortho_parameter_group groups[] = {{0, 500, 0.01, 0.1}, {500, count - 500, 0.003, 0}};
        for (int64_t number = 1; number <= 3; ++number) {
            const Values gradients = numbers<T>(count, 1, 10 + static_cast<uint64_t>(number));
            call(step(number, count, parameters.data(), gradients.data(), states[0].data(), states[1].data(),
                      states[2].data(), groups));
        }
        Hash().add(parameters).print(named(name + " parameters"), libm);
        // With a decay that is added to the gradient, they follow from the parameters.
        Hash().add(states[0]).add(states[1]).add(states[2]).print(named(name + " states"), libm);
    }

    void optimizers() {
        using Groups = const ortho_parameter_group*;
        for (const double momentum : {0.0, 0.9})
            for (const int32_t nesterov : {0, 1})
                if (momentum > 0 || nesterov == 0)
                    optimizer(std::string("SGD") + (momentum > 0 ? " momentum" : "") + (nesterov ? " Nesterov" : ""),
                              false, [&](int64_t, int64_t n, T* p, const T* g, T* v, T*, T*, Groups groups) {
                                  return ortho_sgd_step(device_, dtype, n, p, g, momentum > 0 ? v : nullptr, momentum,
                                                        nesterov, groups, 2);
                              });
        // The corrections of the moments are powers of the C library.
        for (const int32_t decoupled : {0, 1})
            for (const bool largest : {false, true})
                optimizer(std::string(decoupled ? "AdamW" : "Adam") + (largest ? " AMSGrad" : ""), true,
                          [&](int64_t step, int64_t n, T* p, const T* g, T* m, T* s, T* l, Groups groups) {
                              return ortho_adam_step(device_, dtype, n, p, g, m, s, largest ? l : nullptr, step, 0.9,
                                                     0.999, 1e-8, decoupled, groups, 2);
                          });
        for (const bool centered : {false, true})
            for (const double momentum : {0.0, 0.9})
                optimizer(std::string("RMSprop") + (centered ? " centered" : "") + (momentum > 0 ? " momentum" : ""),
                          false, [&](int64_t, int64_t n, T* p, const T* g, T* s, T* m, T* v, Groups groups) {
                              return ortho_rmsprop_step(device_, dtype, n, p, g, s, centered ? m : nullptr,
                                                        momentum > 0 ? v : nullptr, 0.99, momentum, 1e-8, groups, 2);
                          });
        optimizer("Lion", false, [&](int64_t, int64_t n, T* p, const T* g, T* m, T*, T*, Groups groups) {
            return ortho_lion_step(device_, dtype, n, p, g, m, 0.9, 0.99, groups, 2);
        });
    }

    ortho_device* device_;
};

/** The processor lacks the instruction set that was asked for. */
struct Unsupported : std::runtime_error {
    using std::runtime_error::runtime_error;
};

void run(int threads) {
    ortho_system_info info = ORTHO_SYSTEM_INFO_INIT;
    const ortho_status status = ortho_get_system_info(&info);
    if (status == ORTHO_NOT_SUPPORTED)
        throw Unsupported(ortho_last_error());
    call(status);
    const char* const names[] = {"baseline", "AVX2", "AVX-512"};
    std::printf("instruction set: %s\n", names[info.instruction_set]);
    ortho_device_options options = ORTHO_DEVICE_OPTIONS_INIT;
    options.threads = threads;
    ortho_device* created = nullptr;
    call(ortho_device_create(&created, &options));
    const Owned<ortho_device> device(created, ortho_device_free);
    Operations<float>(device.get()).run();
    Operations<double>(device.get()).run();
}

} // namespace

int main(int argc, char** argv) {
    int threads = 1;
    if (argc == 3 && std::strcmp(argv[1], "--threads") == 0) {
        threads = std::atoi(argv[2]);
    } else if (argc != 1) {
        std::fprintf(stderr, "usage: orthonative_bits [--threads N]\n");
        return 2;
    }
    try {
        run(threads);
    } catch (const Unsupported& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 77;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
