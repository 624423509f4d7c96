// Calls from threads whose floating-point environment is not the standard one: the same bits, and the thread's
// environment afterwards as it was.
#include <numeric>

#include "support.hpp"

namespace ortho::test {
namespace {

#if defined(__x86_64__)
using Environment = uint32_t;
Environment environment() {
    return __builtin_ia32_stmxcsr();
}
void set_environment(Environment value) {
    __builtin_ia32_ldmxcsr(value);
}
constexpr Environment standard = 0x1f80;
/** Flushing subnormal numbers, the three other roundings, all exceptions trapping, and flags of earlier exceptions. */
constexpr Environment environments[] = {standard, 0x9fc0, 0x3fbf, 0x5f80, 0x7f80, 0x8040};
#elif defined(__aarch64__)
using Environment = uint64_t;
Environment environment() {
    Environment value = 0;
    asm volatile("mrs %0, fpcr" : "=r"(value));
    return value;
}
void set_environment(Environment value) {
    asm volatile("msr fpcr, %0" : : "r"(value) : "memory");
}
constexpr Environment standard = 0;
/** Flushing subnormal numbers, and the three other roundings. */
constexpr Environment environments[] = {standard, 1u << 24, 1u << 22, 2u << 22, 3u << 22};
#endif

#if defined(__x86_64__) || defined(__aarch64__)

/** Makes calls in an environment, and gathers what they write. */
class Caller {
public:
    explicit Caller(Environment value) : environment_(value) {}

    /** The test's own numbers are computed in the standard environment. */
    template <class Call> auto operator()(const char* name, Call&& call) {
        set_environment(environment_);
        const auto result = call();
        const Environment after = environment();
        set_environment(standard);
        // What the call computed must leave no flag either.
        EXPECT_EQ(after, environment_) << name;
        return result;
    }

    template <class Call> void expect_success(const char* name, Call&& call) {
        EXPECT_TRUE(succeeds((*this)(name, call))) << name;
    }

    template <class T> void keep(const std::vector<T>& values) {
        const auto* first = reinterpret_cast<const unsigned char*>(values.data());
        bytes_.insert(bytes_.end(), first, first + values.size() * sizeof(T));
        ends_.push_back(bytes_.size());
    }

    void expect_same_bytes(const Caller& other) const {
        ASSERT_EQ(ends_, other.ends_);
        for (size_t kept = 0, begin = 0; kept < ends_.size(); begin = ends_[kept++])
            EXPECT_EQ(std::memcmp(bytes_.data() + begin, other.bytes_.data() + begin, ends_[kept] - begin), 0)
                << "result " << kept;
    }

private:
    Environment environment_;
    std::vector<unsigned char> bytes_;
    std::vector<size_t> ends_;
};

struct ChainDeleter {
    void operator()(ortho_chain* chain) const { ortho_chain_free(chain); }
};

Device make_device_in(Caller& caller, int32_t threads) {
    const ortho_device_options options = device_options(ORTHO_DEVICE_CPU, threads);
    ortho_device* device = nullptr;
    caller.expect_success("device_create", [&] { return ortho_device_create(&device, &options); });
    return Device(device);
}

template <class T> void draw(Caller& caller, ortho_device* device) {
    std::vector<T> uniform(1001), normal(1001), noisy(3000), dropped(3000), filled(5);
    std::vector<int64_t> permutation(1001);
    caller.expect_success("random_uniform", [&] {
        return ortho_random_uniform(1, ORTHO_STREAM_DATA, 2, -0.3, 0.7, dtype_of<T>, 0, 1001, uniform.data());
    });
    caller.expect_success("random_normal", [&] {
        return ortho_random_normal(1, ORTHO_STREAM_DATA, 3, 0.1, 0.7, dtype_of<T>, 0, 1001, normal.data());
    });
    caller.expect_success("random_permutation", [&] {
        return ortho_random_permutation(1, ORTHO_STREAM_SHUFFLE, 3, 1001, permutation.data());
    });
    const std::vector<T> values = normal_values<T>(3000, 7);
    caller.expect_success("add_normal_noise", [&] {
        return ortho_add_normal_noise(device, dtype_of<T>, 5, 0, 1, 0.1, 0, 3, 100, 10, values.data(), noisy.data());
    });
    caller.expect_success("dropout", [&] {
        return ortho_dropout(device, dtype_of<T>, 5, 0, 1, 0.3, 0, 0, 3, 100, 10, values.data(), dropped.data());
    });
    caller.expect_success("fill", [&] { return ortho_fill(device, dtype_of<T>, 5, filled.data(), 0.1); });
    caller.keep(uniform);
    caller.keep(normal);
    caller.keep(permutation);
    caller.keep(noisy);
    caller.keep(dropped);
    caller.keep(filled);
}

/** A chain whose states and gradients fade by alpha at each step, until they are subnormal. */
template <class T> void run_chain(Caller& caller, ortho_device* device, int32_t model, int32_t filter) {
    constexpr int64_t steps = 120, batch = 35, n = 17, d = 3;
    const double alpha = sizeof(T) == sizeof(float) ? 0.4 : 1e-3;
    const bool recurrent = model == ORTHO_RECURRENT;
    const int64_t matrices = recurrent ? 1 : steps;
    ortho_chain_options options = ORTHO_CHAIN_OPTIONS_INIT;
    options.dtype = dtype_of<T>;
    options.model = model;
    options.filter = filter;
    options.filter_per_layer = recurrent ? 0 : 1;
    options.hidden_size = n;
    options.input_size = recurrent ? d : 0;
    options.layers = recurrent ? 0 : steps;
    options.seed = 9;
    options.check_finite = 1;
    options.checkpoint_every = 16;
    const double beta = 1;
    options.alpha = &alpha;
    options.beta = &beta;
    options.alpha_count = options.beta_count = 1;
    ortho_chain* created = nullptr;
    caller.expect_success("chain_create", [&] { return ortho_chain_create(&created, device, &options); });
    const std::unique_ptr<ortho_chain, ChainDeleter> chain(created);
    std::vector<double> matrix(n * n);
    caller.expect_success("chain_filter",
                          [&] { return ortho_chain_filter(chain.get(), recurrent ? 0 : steps - 1, matrix.data()); });
    std::vector<T> w = normal_values<T>(matrices * n * n, 1);
    for (T& value : w)
        value *= static_cast<T>(alpha / 100);
    std::vector<T> v = normal_values<T>(n * d, 2), x = normal_values<T>(steps * batch * d, 3);
    // Driven at the first step alone.
    std::fill(x.begin() + batch * d, x.end(), T(0));
    const std::vector<T> bias(static_cast<size_t>(matrices * n)), x0 = normal_values<T>(batch * n, 4);
    const std::vector<T> dy = normal_values<T>(steps * batch * n, 5);
    std::vector<T> y(static_cast<size_t>(steps * batch * n)), dw(w.size()), dv(v.size()), db(bias.size()), dx(x.size()),
        dx0(x0.size());
    std::vector<T> last_only(dy.size());
    std::copy(dy.end() - batch * n, dy.end(), last_only.end() - batch * n);
    caller.expect_success("chain_forward", [&] {
        return ortho_chain_forward(chain.get(), recurrent ? steps : 0, batch, nullptr, nullptr, steps, 1, w.data(),
                                   recurrent ? v.data() : nullptr, bias.data(), recurrent ? x.data() : nullptr,
                                   x0.data(), y.data(), nullptr);
    });
    caller.expect_success("chain_backward", [&] {
        return ortho_chain_backward(chain.get(), 0, w.data(), recurrent ? v.data() : nullptr, bias.data(),
                                    recurrent ? x.data() : nullptr, last_only.data(), nullptr, dw.data(),
                                    recurrent ? dv.data() : nullptr, db.data(), recurrent ? dx.data() : nullptr,
                                    dx0.data());
    });
    caller.keep(matrix);
    for (const auto* values : {&y, &dw, &dv, &db, &dx, &dx0})
        caller.keep(*values);
}

/** Streams on prepared weights, whose states fade until they are subnormal. */
template <class T> void run_streams(Caller& caller, ortho_device* device) {
    constexpr int64_t count = 35, n = 17;
    const double alpha = sizeof(T) == sizeof(float) ? 0.4 : 1e-3, beta = 1;
    ortho_chain_options options{};
    options.struct_size = sizeof options;
    options.dtype = dtype_of<T>;
    options.model = ORTHO_RECURRENT;
    options.filter = ORTHO_FILTER_HAAR;
    options.hidden_size = n;
    options.alpha = &alpha;
    options.beta = &beta;
    options.alpha_count = options.beta_count = 1;
    ortho_weights* weights = nullptr;
    ortho_streams* streams = nullptr;
    std::vector<T> w = normal_values<T>(n * n, 1), states = normal_values<T>(count * n, 4);
    for (T& value : w)
        value *= static_cast<T>(alpha / 100);
    const std::vector<T> bias(n);
    caller.expect_success("weights_create", [&] { return ortho_weights_create(&weights, device, &options); });
    caller.expect_success("weights_prepare",
                          [&] { return ortho_weights_prepare(weights, 1, 1, w.data(), nullptr, bias.data()); });
    caller.expect_success("streams_create", [&] { return ortho_streams_create(&streams, weights, count); });
    caller.expect_success("streams_write", [&] { return ortho_streams_write(streams, states.data()); });
    for (int step = 0; step < 120; ++step) {
        caller.expect_success("streams_step",
                              [&] { return ortho_streams_step(streams, nullptr, nullptr, states.data()); });
        caller.keep(states);
    }
    EXPECT_EQ(states, std::vector<T>(states.size())); // subnormal numbers would still be there
    ortho_streams_free(streams);
    ortho_weights_free(weights);
}

template <class T> void run_dense_and_losses(Caller& caller, ortho_device* device) {
    constexpr int64_t rows = 700, in = 33, out = 10;
    const std::vector<T> a = normal_values<T>(out * in, 1), c = normal_values<T>(out, 2),
                         x = normal_values<T>(rows * in, 3);
    std::vector<T> y(rows * out), da(a.size()), dc(c.size()), dx(x.size()), dy(y.size()), de(y.size());
    caller.expect_success("dense_forward", [&] {
        return ortho_dense_forward(device, dtype_of<T>, rows, in, out, a.data(), c.data(), x.data(), y.data());
    });
    std::vector<int32_t> targets(rows);
    for (size_t i = 0; i < targets.size(); ++i)
        targets[i] = static_cast<int32_t>(i % out);
    std::vector<double> losses(2);
    caller.expect_success("softmax_cross_entropy", [&] {
        return ortho_softmax_cross_entropy(device, dtype_of<T>, 1, rows, nullptr, nullptr, nullptr, out, nullptr, 0.1,
                                           y.data(), targets.data(), &losses[0], nullptr, dy.data());
    });
    const std::vector<T> wanted = normal_values<T>(rows * out, 4);
    caller.expect_success("mean_squared_error", [&] {
        return ortho_elementwise_loss(device, dtype_of<T>, ORTHO_LOSS_SQUARED_ERROR, 1, rows * out, nullptr, nullptr,
                                      nullptr, 1, nullptr, 0, y.data(), wanted.data(), &losses[1], de.data());
    });
    caller.expect_success("dense_backward", [&] {
        return ortho_dense_backward(device, dtype_of<T>, nullptr, 0, 1, rows, in, out, a.data(), x.data(), dy.data(),
                                    da.data(), dc.data(), dx.data());
    });
    caller.keep(losses);
    for (const auto* values : {&y, &dy, &de, &da, &dc, &dx})
        caller.keep(*values);
}

/** Functions of elements and rows, some of whose operands and results are subnormal. */
template <class T> void run_rows(Caller& caller, ortho_device* device) {
    constexpr int64_t rows = 900, units = 34, count = rows * units;
    std::vector<T> x = normal_values<T>(count, 1), dy = normal_values<T>(count, 2);
    const std::vector<T> scale = normal_values<T>(units, 3);
    for (size_t i = 0; i < x.size(); i += 3)
        x[i] *= static_cast<T>(i % 2 == 0 ? 50 : 400);
    for (size_t i = 0; i < dy.size(); i += 5)
        dy[i] *= std::numeric_limits<T>::min();
    std::vector<T> y(x.size()), dx(x.size()), statistics(2 * rows), gradients(2 * units);
    for (const int32_t activation : {ORTHO_TANH, ORTHO_RELU, ORTHO_SIGMOID, ORTHO_SILU, ORTHO_GELU}) {
        caller.expect_success("activation_forward", [&] {
            return ortho_activation_forward(device, dtype_of<T>, activation, count, x.data(), y.data());
        });
        caller.expect_success("activation_backward", [&] {
            return ortho_activation_backward(device, dtype_of<T>, activation, count, x.data(), dy.data(), dx.data());
        });
        caller.keep(y);
        caller.keep(dx);
    }
    caller.expect_success("gate_forward",
                          [&] { return ortho_gate_forward(device, dtype_of<T>, rows, units / 2, x.data(), y.data()); });
    caller.expect_success("gate_backward", [&] {
        return ortho_gate_backward(device, dtype_of<T>, rows, units / 2, x.data(), dy.data(), dx.data());
    });
    caller.keep(y);
    caller.keep(dx);
    caller.expect_success("layer_norm_forward", [&] {
        return ortho_layer_norm_forward(device, dtype_of<T>, rows, units, 1e-5, scale.data(), nullptr, x.data(),
                                        y.data(), statistics.data());
    });
    caller.expect_success("layer_norm_backward", [&] {
        return ortho_layer_norm_backward(device, dtype_of<T>, nullptr, 0, 10, rows / 10, units, scale.data(), x.data(),
                                         statistics.data(), dy.data(), gradients.data(), gradients.data() + units,
                                         dx.data());
    });
    for (const auto* values : {&y, &statistics, &gradients, &dx})
        caller.keep(*values);
    caller.expect_success("add", [&] { return ortho_add(device, dtype_of<T>, count, dy.data(), dx.data(), y.data()); });
    caller.keep(y);
}

template <class T> void run_optimizers(Caller& caller, ortho_device* device) {
    constexpr int64_t count = 40'000;
    std::vector<T> p = normal_values<T>(count, 1), g = normal_values<T>(count, 2), m(count), v(count), u(count),
                   s(count), l(count), a(count);
    const ortho_parameter_group group{0, count, 1e-2, 1e-2};
    // Some fade from the first step on.
    for (size_t i = 0; i < g.size(); i += 3)
        g[i] *= std::numeric_limits<T>::min();
    double norm = 0;
    caller.expect_success("clip_gradient_norm",
                          [&] { return ortho_clip_gradient_norm(device, dtype_of<T>, count, g.data(), 1, &norm); });
    for (int64_t step = 1; step <= 4; ++step) {
        caller.expect_success("sgd_step", [&] {
            return ortho_sgd_step(device, dtype_of<T>, count, p.data(), g.data(), u.data(), 0.9, 1, &group, 1);
        });
        caller.expect_success("adam_step", [&] {
            return ortho_adam_step(device, dtype_of<T>, count, p.data(), g.data(), m.data(), v.data(), nullptr, step,
                                   0.9, 0.999, 1e-8, static_cast<int32_t>(step % 2), &group, 1);
        });
        caller.expect_success("rmsprop_step", [&] {
            return ortho_rmsprop_step(device, dtype_of<T>, count, p.data(), g.data(), s.data(), nullptr, nullptr, 0.99,
                                      0, 1e-8, &group, 1);
        });
        caller.expect_success("lion_step", [&] {
            return ortho_lion_step(device, dtype_of<T>, count, p.data(), g.data(), l.data(), 0.9, 0.99, &group, 1);
        });
        caller.expect_success("scale", [&] { return ortho_scale(device, dtype_of<T>, count, 0.7, u.data()); });
        caller.expect_success("average",
                              [&] { return ortho_average(device, dtype_of<T>, count, 0.9, p.data(), a.data()); });
    }
    g[30'000] = std::numeric_limits<T>::quiet_NaN();
    EXPECT_EQ(caller("a step that is refused",
                     [&] {
                         return ortho_adam_step(device, dtype_of<T>, count, p.data(), g.data(), m.data(), v.data(),
                                                nullptr, 5, 0.9, 0.999, 1e-8, 0, &group, 1);
                     }),
              ORTHO_NOT_FINITE);
    caller.keep(std::vector<double>{norm});
    for (const auto* values : {&p, &m, &v, &u, &s, &l, &a})
        caller.keep(*values);
}

template <class T> void run_all(Caller& caller, int32_t threads) {
    const Device device = make_device_in(caller, threads);
    draw<T>(caller, device.get());
    for (const int32_t model : {ORTHO_RECURRENT, ORTHO_FEEDFORWARD})
        for (const int32_t filter : {ORTHO_FILTER_HAAR, ORTHO_FILTER_PERMUTATION})
            run_chain<T>(caller, device.get(), model, filter);
    run_streams<T>(caller, device.get());
    run_dense_and_losses<T>(caller, device.get());
    run_rows<T>(caller, device.get());
    run_optimizers<T>(caller, device.get());
}

template <class T> void check_environments() {
    Caller expected(standard);
    run_all<T>(expected, 1);
    for (const Environment value : environments)
        for (const int32_t threads : {1, 2, 3}) {
            SCOPED_TRACE("environment " + std::to_string(value) + ", " + std::to_string(threads) + " threads");
            Caller caller(value);
            run_all<T>(caller, threads);
            caller.expect_same_bytes(expected);
        }
}

TEST(FloatingPoint, Float32_results_do_not_depend_on_the_environment_of_the_caller_which_gets_it_back) {
    check_environments<float>();
}
TEST(FloatingPoint, Float64_results_do_not_depend_on_the_environment_of_the_caller_which_gets_it_back) {
    check_environments<double>();
}

TEST(FloatingPoint, A_device_works_in_the_same_environment_for_callers_of_different_ones) {
    // Its threads were started by a caller with an environment of its own, and serve others afterwards.
    Caller expected(standard);
    const Device one = make_device(1);
    run_optimizers<float>(expected, one.get());
    Caller maker(environments[1]);
    const Device device = make_device_in(maker, 3);
    for (const Environment value : environments) {
        Caller caller(value);
        run_optimizers<float>(caller, device.get());
        caller.expect_same_bytes(expected);
    }
}

TEST(FloatingPoint, Random_numbers_keep_subnormal_values) {
    const double smallest = static_cast<double>(std::numeric_limits<float>::denorm_min());
    std::vector<float> values(100);
    ASSERT_TRUE(succeeds(ortho_random_uniform(1, ORTHO_STREAM_DATA, 0, 100 * smallest, 200 * smallest, ORTHO_FLOAT32, 0,
                                              100, values.data())));
    for (const float value : values) {
        EXPECT_GE(static_cast<double>(value), 100 * smallest);
        EXPECT_LT(static_cast<double>(value), 200 * smallest);
    }
    const Device device = make_device(2);
    ASSERT_TRUE(succeeds(ortho_fill(device.get(), ORTHO_FLOAT32, 100, values.data(), 3 * smallest)));
    EXPECT_EQ(static_cast<double>(values[99]), 3 * smallest);
}

#endif

} // namespace
} // namespace ortho::test
