#include <algorithm>
#include <utility>

#include "support.hpp"

namespace ortho::test {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

// Three groups over 40000 elements, given out of order; elements 100 to 149 belong to none.
constexpr int64_t count = 40000;
const std::vector<ortho_parameter_group> groups{
    {20000, 20000, 0.1, 0.01}, {0, 100, 0.02, 0}, {150, 19850, 0.03, 0.2}, {7, 0, 1, 1}};

const ortho_parameter_group* group_of(int64_t index) {
    for (const ortho_parameter_group& group : groups)
        if (index >= group.offset && index < group.offset + group.count)
            return &group;
    return nullptr;
}

template <class T> class State {
public:
    State()
        : parameters(normal_values<T>(count, 1)), gradients(normal_values<T>(count, 2)), first(count), second(count),
          exact_parameters(parameters.begin(), parameters.end()), exact_first(count), exact_second(count) {}

    /** One step by the formulas, in double precision from the exact state. */
    void sgd_exactly(double momentum, bool nesterov) {
        for_each_stepped([&](size_t i, const ortho_parameter_group& group) {
            double& p = exact_parameters[i];
            double& v = exact_first[i];
            const double g = static_cast<double>(gradients[i]) + group.weight_decay * p;
            v = momentum * v + g;
            p -= group.learning_rate * (nesterov ? g + momentum * v : v);
        });
    }

    void adam_exactly(int64_t step, double beta1, double beta2, double epsilon, bool decoupled) {
        for_each_stepped([&](size_t i, const ortho_parameter_group& group) {
            double& p = exact_parameters[i];
            double g = static_cast<double>(gradients[i]);
            if (decoupled)
                p -= group.learning_rate * group.weight_decay * p;
            else
                g += group.weight_decay * p;
            exact_first[i] = beta1 * exact_first[i] + (1 - beta1) * g;
            exact_second[i] = beta2 * exact_second[i] + (1 - beta2) * g * g;
            const double m = exact_first[i] / (1 - std::pow(beta1, static_cast<double>(step)));
            const double v = exact_second[i] / (1 - std::pow(beta2, static_cast<double>(step)));
            p -= group.learning_rate * m / (std::sqrt(v) + epsilon);
        });
    }

    /** Each step rounds a value of magnitude below 8 some ten times. */
    void expect_exact(int steps) const {
        const double bound = 8 * 10 * steps * rounding<T>;
        for (size_t i = 0; i < parameters.size(); ++i)
            ASSERT_NEAR(static_cast<double>(parameters[i]), exact_parameters[i], bound) << i;
        for (size_t i = 100; i < 150; ++i)
            ASSERT_EQ(static_cast<double>(parameters[i]), exact_parameters[i]) << i;
    }

    std::vector<T> parameters, gradients, first, second;

private:
    template <class Step> void for_each_stepped(Step&& step) {
        for (int64_t i = 0; i < count; ++i)
            if (const ortho_parameter_group* group = group_of(i))
                step(static_cast<size_t>(i), *group);
    }

    std::vector<double> exact_parameters, exact_first, exact_second;
};

template <class T> void check_sgd(double momentum, int32_t nesterov) {
    std::vector<T> first_result;
    for (const int threads : {1, 2, 3}) {
        const Device device = make_device(threads);
        State<T> state;
        constexpr int steps = 4;
        for (int step = 0; step < steps; ++step) {
            state.sgd_exactly(momentum, nesterov == 1);
            ASSERT_TRUE(
                succeeds(ortho_sgd_step(device.get(), dtype_of<T>, count, state.parameters.data(),
                                        state.gradients.data(), momentum > 0 ? state.first.data() : nullptr, momentum,
                                        nesterov, groups.data(), static_cast<int64_t>(groups.size()))));
        }
        state.expect_exact(steps);
        if (threads == 1)
            first_result = state.parameters;
        EXPECT_TRUE(same_bits(state.parameters, first_result)) << threads;
    }
}

template <class T> void check_adam(int32_t decoupled) {
    std::vector<T> first_result;
    for (const int threads : {1, 2, 3}) {
        const Device device = make_device(threads);
        State<T> state;
        constexpr int steps = 4;
        for (int step = 1; step <= steps; ++step) {
            state.adam_exactly(step, 0.9, 0.999, 1e-8, decoupled == 1);
            ASSERT_TRUE(succeeds(ortho_adam_step(device.get(), dtype_of<T>, count, state.parameters.data(),
                                                 state.gradients.data(), state.first.data(), state.second.data(),
                                                 nullptr, step, 0.9, 0.999, 1e-8, decoupled, groups.data(),
                                                 static_cast<int64_t>(groups.size()))));
        }
        state.expect_exact(steps);
        if (threads == 1)
            first_result = state.parameters;
        EXPECT_TRUE(same_bits(state.parameters, first_result)) << threads;
    }
}

TEST(Sgd, Float32_follows_the_formula_on_any_number_of_threads) {
    check_sgd<float>(0, 0);
}
TEST(Sgd, Float64_follows_the_formula_on_any_number_of_threads) {
    check_sgd<double>(0, 1);
}
TEST(Sgd, Float32_with_momentum_follows_the_formula) {
    check_sgd<float>(0.9, 0);
}
TEST(Sgd, Float64_with_momentum_follows_the_formula) {
    check_sgd<double>(0.9, 0);
}
TEST(Sgd, Float32_with_nesterov_momentum_follows_the_formula) {
    check_sgd<float>(0.9, 1);
}
TEST(Sgd, Float64_with_nesterov_momentum_follows_the_formula) {
    check_sgd<double>(0.9, 1);
}
TEST(Adam, Float32_follows_the_formula_on_any_number_of_threads) {
    check_adam<float>(0);
}
TEST(Adam, Float64_follows_the_formula_on_any_number_of_threads) {
    check_adam<double>(0);
}
TEST(AdamW, Float32_follows_the_formula_on_any_number_of_threads) {
    check_adam<float>(1);
}
TEST(AdamW, Float64_follows_the_formula_on_any_number_of_threads) {
    check_adam<double>(1);
}

TEST(Adam, Zero_gradients_leave_parameters_alone) {
    const Device device = make_device(1);
    std::vector<float> p{1, 2, 3};
    std::vector<float> zero(3);
    std::vector<float> m(3);
    std::vector<float> v(3);
    const ortho_parameter_group group{0, 3, 0.1, 0};
    ASSERT_TRUE(succeeds(ortho_adam_step(device.get(), ORTHO_FLOAT32, 3, p.data(), zero.data(), m.data(), v.data(),
                                         nullptr, 1, 0.9, 0.999, 1e-8, 0, &group, 1)));
    EXPECT_EQ(p, (std::vector<float>{1, 2, 3}));
}

template <class T> void check_clipping() {
    for (const int64_t n : {1, 5, 40000, 100003}) {
        const auto gradients = normal_values<T>(n, 3);
        double squares = 0;
        for (const T g : gradients)
            squares += static_cast<double>(g) * static_cast<double>(g);
        const double expected = std::sqrt(squares);
        double first = 0;
        for (const int threads : {1, 2, 3}) {
            const Device device = make_device(threads);
            auto clipped = gradients;
            double norm = 0;
            const auto clip = [&](double max_norm) {
                ASSERT_TRUE(
                    succeeds(ortho_clip_gradient_norm(device.get(), dtype_of<T>, n, clipped.data(), max_norm, &norm)));
                // The sum of squares is in double precision for either type.
                EXPECT_NEAR(norm, expected, static_cast<double>(n + 2) * rounding<double> * expected);
            };
            clip(infinity);
            EXPECT_TRUE(same_bits(clipped, gradients));
            clip(expected * 1.0001);
            EXPECT_TRUE(same_bits(clipped, gradients));
            clip(expected / 4);
            const double factor = expected / 4 / norm;
            for (size_t i = 0; i < clipped.size(); ++i)
                ASSERT_NEAR(static_cast<double>(clipped[i]), factor * static_cast<double>(gradients[i]),
                            4 * rounding<T> * std::abs(static_cast<double>(gradients[i])));
            if (threads == 1)
                first = norm;
            EXPECT_EQ(norm, first) << threads;
        }
    }
}

TEST(ClipGradientNorm, Float32_scales_down_what_is_longer) {
    check_clipping<float>();
}
TEST(ClipGradientNorm, Float64_scales_down_what_is_longer) {
    check_clipping<double>();
}

/** Clips normal numbers of that size in all but every third place, where there are zeros. */
template <class T> void check_clipping_at(double size, double max_norm) {
    SCOPED_TRACE(std::to_string(std::log10(size)) + " to " + std::to_string(std::log10(max_norm)));
    constexpr int64_t count = 20'000; // more than one block of sums
    auto gradients = normal_values<T>(count, 3);
    for (size_t i = 0; i < gradients.size(); ++i)
        gradients[i] = i % 3 == 0 ? T(0) : static_cast<T>(static_cast<double>(gradients[i]) * size);
    long double squares = 0; // whose exponents reach far beyond those of double
    for (const T g : gradients)
        squares += static_cast<long double>(g) * static_cast<long double>(g);
    const long double exact_norm = std::sqrt(squares);
    const long double factor = std::min(1.0L, max_norm / exact_norm);
    double first = 0;
    for (const int threads : {1, 3}) {
        const Device device = make_device(threads);
        auto clipped = gradients;
        double norm = 0;
        ASSERT_TRUE(
            succeeds(ortho_clip_gradient_norm(device.get(), dtype_of<T>, count, clipped.data(), max_norm, &norm)));
        // The sum is in double precision; a subnormal norm is rounded to whole units.
        const double norm_bound = static_cast<double>((count + 2) * rounding<double> * exact_norm);
        EXPECT_NEAR(norm, static_cast<double>(exact_norm), norm_bound + std::numeric_limits<double>::denorm_min());
        for (size_t i = 0; i < clipped.size(); ++i) {
            const double exact = static_cast<double>(factor * static_cast<long double>(gradients[i]));
            // Two factors and two products, each rounded; where what a factor or a product rounds to is subnormal, that
            // is half a unit of those, and that of the first factor may count four times.
            const double bound = (count + 4) * rounding<double> * std::abs(exact) + 4 * rounding<T> * std::abs(exact) +
                                 3 * static_cast<double>(std::numeric_limits<T>::denorm_min());
            ASSERT_NEAR(static_cast<double>(clipped[i]), exact, bound) << i;
        }
        if (threads == 1)
            first = norm;
        EXPECT_EQ(norm, first) << threads;
    }
}

TEST(ClipGradientNorm, Float64_values_whose_squares_overflow_or_vanish_are_clipped) {
    for (const double size : {1e153, 1e200, 1e305})
        for (const double max_norm : {infinity, size, 1.0, 1e-3, 1e-300, 5e-324})
            check_clipping_at<double>(size, max_norm);
    for (const double size : {1e-150, 1e-160, 1e-200, 1e-305, 1e-320})
        for (const double max_norm : {infinity, 1.0, size, size / 8})
            check_clipping_at<double>(size, max_norm);
}

TEST(ClipGradientNorm, Float32_values_at_the_ends_of_their_range_are_clipped) {
    for (const double max_norm : {infinity, 1e38, 1.0, 1e-3, 1e-30, 1e-320})
        check_clipping_at<float>(5e37, max_norm);
    for (const double max_norm : {infinity, 1.0, 1e-38, 1e-40})
        check_clipping_at<float>(1e-38, max_norm);
}

TEST(ClipGradientNorm, Float64_values_count_beside_others_that_are_far_away) {
    const Device device = make_device(2);
    std::vector<double> gradients(40'000, 1e-200);
    gradients[7] = 3e200;
    gradients[39'999] = -4e200;
    double norm = 0;
    ASSERT_TRUE(succeeds(ortho_clip_gradient_norm(device.get(), 1, 40'000, gradients.data(), 5, &norm)));
    EXPECT_NEAR(norm, 5e200, 8 * rounding<double> * 5e200);
    EXPECT_NEAR(gradients[7], 3, 16 * rounding<double> * 3);
    EXPECT_NEAR(gradients[39'999], -4, 16 * rounding<double> * 4);
    EXPECT_EQ(gradients[0], 0); // 1e-400
}

TEST(ClipGradientNorm, A_norm_that_float64_cannot_hold_is_not_finite) {
    const Device device = make_device(1);
    std::vector<double> gradients(4, 1.7e308);
    double norm = 42;
    EXPECT_TRUE(fails(ortho_clip_gradient_norm(device.get(), ORTHO_FLOAT64, 4, gradients.data(), 1, &norm),
                      ORTHO_NOT_FINITE, "norm of gradients is Infinity"));
    EXPECT_EQ(norm, 42);
    EXPECT_EQ(gradients, std::vector<double>(4, 1.7e308));
}

TEST(ClipGradientNorm, Bad_arguments_are_refused_by_name_and_write_nothing) {
    const Device device = make_device(1);
    std::vector<double> gradients{3, 4};
    double norm = 42;
    const auto call = [&](double max_norm) {
        return ortho_clip_gradient_norm(device.get(), ORTHO_FLOAT64, 2, gradients.data(), max_norm, &norm);
    };
    EXPECT_TRUE(is_refused(ortho_clip_gradient_norm(nullptr, 1, 2, gradients.data(), 1, &norm), "device is null"));
    EXPECT_TRUE(is_refused(ortho_clip_gradient_norm(device.get(), 2, 2, gradients.data(), 1, &norm), "dtype is 2"));
    EXPECT_TRUE(is_refused(ortho_clip_gradient_norm(device.get(), 1, 0, gradients.data(), 1, &norm), "count is 0"));
    EXPECT_TRUE(is_refused(ortho_clip_gradient_norm(device.get(), 1, 2, nullptr, 1, &norm), "gradients is null"));
    EXPECT_TRUE(is_refused(call(0), "max_norm is 0"));
    EXPECT_TRUE(is_refused(call(-1), "max_norm is -1"));
    EXPECT_TRUE(is_refused(call(nan), "max_norm is NaN"));
    for (const double wrong : {nan, infinity}) {
        gradients[1] = wrong;
        EXPECT_TRUE(fails(call(1), ORTHO_NOT_FINITE, "norm of gradients is "));
        EXPECT_EQ(gradients[0], 3);
    }
    EXPECT_EQ(norm, 42);
}

/** What an optimizer is asked for. */
struct Options {
    enum Kind { sgd, momentum, nesterov, adam, adamw } kind;
    double learning_rate = 0.1;
    double weight_decay = 0;
    double momentum_factor = 0.9;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
};
constexpr Options::Kind all_kinds[] = {Options::sgd, Options::momentum, Options::nesterov, Options::adam,
                                       Options::adamw};

/** Parameters, their gradients, and an optimizer's state. */
template <class T> struct Buffers {
    explicit Buffers(size_t size) : parameters(size), gradients(size), first(size), second(size) {}

    ortho_status step(ortho_device* device, const Options& o, int64_t number,
                      std::vector<ortho_parameter_group> groups = {}) {
        const auto size = static_cast<int64_t>(parameters.size());
        if (groups.empty())
            groups = {{0, size, o.learning_rate, o.weight_decay}};
        const auto group_count = static_cast<int64_t>(groups.size());
        if (o.kind < Options::adam)
            return ortho_sgd_step(device, dtype_of<T>, size, parameters.data(), gradients.data(),
                                  o.kind == Options::sgd ? nullptr : first.data(),
                                  o.kind == Options::sgd ? 0 : o.momentum_factor, o.kind == Options::nesterov,
                                  groups.data(), group_count);
        return ortho_adam_step(device, dtype_of<T>, size, parameters.data(), gradients.data(), first.data(),
                               second.data(), nullptr, number, o.beta1, o.beta2, o.epsilon, o.kind == Options::adamw,
                               groups.data(), group_count);
    }

    bool are_finite() const {
        for (const auto* values : {&parameters, &first, &second})
            if (!std::all_of(values->begin(), values->end(), [](T value) { return std::isfinite(value); }))
                return false;
        return true;
    }

    bool have_same_bits_as(const Buffers& other) const {
        return same_bits(parameters, other.parameters) && same_bits(first, other.first) &&
               same_bits(second, other.second);
    }

    std::vector<T> parameters, gradients, first, second;
};

template <class T> class OptimizerSteps : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(OptimizerSteps, Types);

TYPED_TEST(OptimizerSteps, Gradients_that_are_not_finite_are_named_and_change_nothing) {
    using T = TypeParam;
    for (const int threads : {1, 3}) {
        const Device device = make_device(threads);
        for (const Options::Kind kind : all_kinds) {
            Buffers<T> b(count);
            b.parameters = normal_values<T>(count, 1);
            b.gradients = normal_values<T>(count, 2);
            ASSERT_TRUE(succeeds(b.step(device.get(), {kind}, 1, groups)));
            const Buffers<T> before = b;
            for (const double bad : {nan, infinity, -infinity})
                for (const size_t at : {size_t{0}, size_t{150}, size_t{17'000}, size_t{39'999}}) {
                    b.gradients = before.gradients;
                    b.gradients[at] = static_cast<T>(bad);
                    const std::string text = "gradients[" + std::to_string(at) + "] is " +
                                             (std::isnan(bad) ? "NaN"
                                              : bad > 0       ? "Infinity"
                                                              : "-Infinity") +
                                             "; it must be finite";
                    EXPECT_TRUE(fails(b.step(device.get(), {kind}, 2, groups), ORTHO_NOT_FINITE, text));
                    EXPECT_TRUE(b.have_same_bits_as(before)) << kind << ", element " << at;
                }
            // The first of several is named; those of elements that no group steps do not count.
            b.gradients[39'000] = b.gradients[33'333] = static_cast<T>(nan);
            EXPECT_TRUE(fails(b.step(device.get(), {kind}, 2, groups), ORTHO_NOT_FINITE, "gradients[33333] is NaN"));
            b.gradients = before.gradients;
            b.gradients[120] = static_cast<T>(nan);
            EXPECT_TRUE(succeeds(b.step(device.get(), {kind}, 2, groups)));
            EXPECT_TRUE(b.are_finite());
        }
    }
}

/** Steps until one is refused, which must leave everything as it was, and finite. @return steps made */
template <class T> int steps_until_refused(Buffers<T>& b, const Options& o, int most, const std::string& text) {
    const Device device = make_device(2);
    for (int made = 0; made < most; ++made) {
        const Buffers<T> before = b;
        const ortho_status status = b.step(device.get(), o, made + 1);
        EXPECT_TRUE(b.are_finite()) << text;
        if (status == ORTHO_OK)
            continue;
        EXPECT_TRUE(fails(status, ORTHO_NOT_FINITE, text));
        EXPECT_TRUE(b.have_same_bits_as(before)) << text;
        return made;
    }
    return most;
}

TYPED_TEST(OptimizerSteps, A_gradient_whose_square_overflows_changes_nothing) {
    using T = TypeParam;
    // (1 - beta2) g^2 at 1e21 or 1e160 is beyond the largest number, at 1e20 or 1e155 it is not.
    const bool is_float = sizeof(T) == sizeof(float);
    for (const Options::Kind kind : {Options::adam, Options::adamw})
        for (const double huge : {is_float ? 1e21 : 1e160, is_float ? -3e38 : -1e308}) {
            Buffers<T> b(20'000);
            b.gradients[17'777] = static_cast<T>(huge);
            EXPECT_EQ(steps_until_refused(b, {kind}, 3, "with it the second moment would not stay finite"), 0);
            b.gradients[17'777] = is_float ? T(1e20) : T(1e155);
            EXPECT_EQ(steps_until_refused(b, {kind}, 3, ""), 3);
            EXPECT_LT(b.parameters[17'777], 0);
        }
}

TYPED_TEST(OptimizerSteps, A_step_that_overflows_anything_changes_nothing) {
    using T = TypeParam;
    constexpr double largest = std::numeric_limits<T>::max();
    const double tiny = 3 * std::sqrt(static_cast<double>(std::numeric_limits<T>::min()));
    struct Case {
        Options options;
        double parameter, gradient;
        const char* changed;
        int steps; // that are made before the one that is refused
    };
    const Case cases[] = {
        {{Options::sgd, largest}, 1, 2, "parameter", 0},
        {{Options::sgd, 1}, -largest, largest / 1024, "parameter", 0},
        {{Options::sgd, 1}, -largest / 2, largest / 4, "parameter", 2},
        {{Options::sgd, 1, largest}, 2, 0, "parameter", 0},
        {{Options::sgd, 3, 1}, largest, 0, "parameter", 0},
        {{Options::momentum, 0}, 0, largest / 2, "velocity", 2},
        {{Options::momentum, largest / 4}, 1, 3, "parameter", 1},
        {{Options::nesterov, largest / 4}, 1, 1, "parameter", 1},
        {{Options::momentum, 1, largest}, 2, 0, "velocity", 0},
        {{Options::adam, largest / 16}, 1, 32, "parameter", 0},
        {{Options::adam, 0.1, largest}, 2, 0, "second moment", 0},
        {{Options::adam, 0.1, 1}, largest / 2, 0, "second moment", 0},
        {{Options::adamw, 3, 1}, -largest, 0, "parameter", 0},
        {{Options::adamw, largest / 64, 32}, 3, 0, "parameter", 0},
        // Without memory of past squares the mean of a large gradient is divided by epsilon alone at the next step.
        {{Options::adam, largest * tiny, 0, 0, 0.9, 0, tiny}, 0, 100, "parameter", 1},
    };
    int number = 0;
    for (const Case& c : cases) {
        SCOPED_TRACE(number++);
        Buffers<T> b(20'000);
        b.parameters[19'000] = static_cast<T>(c.parameter);
        b.gradients[19'000] = static_cast<T>(c.gradient);
        const std::string text = std::string("with it the ") + c.changed + " would not stay finite";
        if (c.options.beta2 == 0) {
            EXPECT_EQ(steps_until_refused(b, c.options, 1, ""), 1);
            b.gradients[19'000] = 0;
            const Device device = make_device(1);
            const Buffers<T> before = b;
            EXPECT_TRUE(fails(b.step(device.get(), c.options, 2), ORTHO_NOT_FINITE, text));
            EXPECT_TRUE(b.have_same_bits_as(before));
        } else {
            EXPECT_EQ(steps_until_refused(b, c.options, 9, text), c.steps);
        }
    }
}

/** Exact to the precision and far beyond the range of double. @return whether all numbers stay below `limit` */
template <class T> bool stays_below(const Buffers<T>& b, const Options& o, int64_t step, long double limit) {
    using std::abs;
    for (size_t i = 0; i < b.parameters.size(); ++i) {
        const long double p = b.parameters[i], g = b.gradients[i], rate = o.learning_rate, decay = o.weight_decay;
        const long double added = o.kind == Options::adamw ? 0 : decay * p, decayed = g + added;
        long double largest = std::max(abs(added), abs(decayed)), next = 0;
        if (o.kind < Options::adam) {
            const long double factor = o.kind == Options::sgd ? 0 : o.momentum_factor;
            const long double v = factor * b.first[i] + decayed;
            const long double direction = o.kind == Options::nesterov ? decayed + factor * v : v;
            next = p - rate * direction;
            largest = std::max({largest, abs(v), abs(direction), abs(rate * direction)});
        } else {
            const long double beta1 = o.beta1, beta2 = o.beta2, size = rate / (1 - std::pow(beta1, (long double)step));
            const long double m = beta1 * b.first[i] + (1 - beta1) * decayed;
            const long double v = beta2 * b.second[i] + (1 - beta2) * decayed * decayed;
            const long double root = std::sqrt(v / (1 - std::pow(beta2, (long double)step)));
            const long double scale = o.kind == Options::adamw ? 1 - rate * decay : 1;
            const long double length = size * m / (root + o.epsilon);
            next = scale * p - length;
            largest = std::max({largest, v, abs(m), size, abs(size * m), abs(length), abs(scale), abs(scale * p)});
        }
        if (!(std::max(largest, abs(next)) < limit))
            return false;
    }
    return true;
}

TYPED_TEST(OptimizerSteps, A_step_is_made_where_it_stays_finite_and_refused_where_it_does_not) {
    using T = TypeParam;
    constexpr int range = std::numeric_limits<T>::max_exponent10;
    uint64_t state = 1;
    const auto draw = [&](int below) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return static_cast<int>((state >> 33) % static_cast<uint64_t>(below));
    };
    const auto magnitude = [&](int least, int most) { return std::pow(10.0, least + draw(most - least + 1)); };
    // Mostly ordinary numbers, so that each of the others decides now and then.
    const auto number = [&] {
        const int kind = draw(8);
        const double value = kind == 0 ? magnitude(-range, range) : kind == 1 ? 0 : magnitude(-3, 1);
        return draw(2) == 0 ? value : -value;
    };
    const Device device = make_device(1);
    int made = 0, refused = 0;
    for (int trial = 0; trial < 20'000; ++trial) {
        Options o{all_kinds[draw(5)]};
        o.learning_rate = draw(4) == 0 ? magnitude(-range, range) : 0.01;
        o.weight_decay = draw(3) == 0 ? magnitude(-range, range) : 0;
        o.beta1 = draw(3) == 0 ? 1 - magnitude(-15, -1) : draw(3) == 0 ? 0 : 0.9;
        o.beta2 = draw(3) == 0 ? 1 - magnitude(-15, -1) : draw(3) == 0 ? 0 : 0.999;
        o.momentum_factor = draw(2) == 0 ? 1 - magnitude(-15, -1) : 0.9;
        o.epsilon = 2.0001 * std::sqrt(static_cast<double>(std::numeric_limits<T>::min()) / (1 - o.beta2));
        if (draw(2) == 0)
            o.epsilon = std::max(o.epsilon, magnitude(-8, draw(2) == 0 ? range : 0));
        Buffers<T> b(3);
        for (size_t i = 0; i < 3; ++i) {
            b.parameters[i] = static_cast<T>(number());
            b.gradients[i] = static_cast<T>(number());
            b.first[i] = static_cast<T>(number());
            b.second[i] = static_cast<T>(std::abs(number()));
        }
        const int64_t step = 1 + draw(3) * draw(1000);
        const Buffers<T> before = b;
        const ortho_status status = b.step(device.get(), o, step);
        // Rounding may move a number by far less than a factor of 2.
        constexpr long double largest = std::numeric_limits<T>::max();
        if (status == ORTHO_OK) {
            ++made;
            EXPECT_TRUE(b.are_finite()) << trial;
            EXPECT_TRUE(stays_below(before, o, step, 2 * largest)) << trial;
        } else {
            ++refused;
            EXPECT_EQ(status, ORTHO_NOT_FINITE) << ortho_last_error();
            EXPECT_TRUE(b.have_same_bits_as(before)) << trial;
            EXPECT_FALSE(stays_below(before, o, step, largest / 2)) << trial << ": " << ortho_last_error();
        }
    }
    EXPECT_GT(made, 1000);
    EXPECT_GT(refused, 1000);
}

TYPED_TEST(OptimizerSteps, Adam_takes_gradients_of_every_size_with_the_smallest_epsilon) {
    using T = TypeParam;
    constexpr double smallest = std::numeric_limits<T>::min();
    const Device device = make_device(1);
    for (const double beta2 : {0.0, 0.9, 0.999, 0.999999})
        for (int exponent = std::numeric_limits<T>::min_exponent - std::numeric_limits<T>::digits; exponent <= 0;
             exponent += 1) {
            Options o{Options::adam, 1e-3};
            o.beta2 = beta2;
            o.epsilon = 2.0001 * std::sqrt(smallest / (1 - beta2));
            Buffers<T> b(1);
            const double gradient = std::ldexp(1.5, exponent);
            b.gradients[0] = static_cast<T>(gradient);
            double before = 0;
            for (int step = 1; step <= 40; ++step) {
                ASSERT_TRUE(succeeds(b.step(device.get(), o, step)));
                // The same gradient at each step: both means are it and its square.
                const double exact = o.learning_rate * gradient / (gradient + o.epsilon);
                const double length = before - static_cast<double>(b.parameters[0]);
                before = static_cast<double>(b.parameters[0]);
                // The denominator is at most 1.71 times too small (the header's bound). Of the first moment each step
                // loses less than two of the smallest normal numbers, ten times as much in the long run. A hundred
                // roundings of numbers up to 40 times the learning rate, and those of 1 - beta2^step.
                const double lost = o.learning_rate * 20 * smallest / o.epsilon;
                const double roundings =
                    100 * rounding<T> * 40 * o.learning_rate + exact * rounding<double> / (1 - beta2);
                ASSERT_LT(length, 1.71 * exact + roundings) << gradient << ", step " << step;
                ASSERT_GT(length, exact - lost - roundings) << gradient << ", step " << step;
            }
        }
}

TYPED_TEST(OptimizerSteps, What_fades_becomes_zero_and_never_subnormal) {
    using T = TypeParam;
    const Device device = make_device(1);
    for (const Options::Kind kind : all_kinds) {
        // Parameters of AdamW and SGD fade by 3/4 at a step, moments by 0.9 at most.
        Options o{kind, 0.5, kind == Options::adam ? 0 : 0.5};
        o.beta2 = 0.8;
        Buffers<T> b(5);
        b.parameters = b.gradients = std::vector<T>(5, T(1));
        ASSERT_TRUE(succeeds(b.step(device.get(), o, 1)));
        std::fill(b.gradients.begin(), b.gradients.end(), T(0));
        for (int step = 2; step < 15'000; ++step) {
            ASSERT_TRUE(succeeds(b.step(device.get(), o, step)));
            for (const auto* values : {&b.parameters, &b.first, &b.second})
                ASSERT_NE(std::fpclassify((*values)[3]), FP_SUBNORMAL) << kind << ", step " << step;
        }
        EXPECT_EQ(b.second[3], 0);
        if (kind == Options::adam) {
            EXPECT_EQ(b.first[3], 0);
        } else {
            // What is left moves no further: products with it are below the smallest normal number.
            EXPECT_LT(std::abs(b.first[3]), 100 * std::numeric_limits<T>::min());
            EXPECT_LT(std::abs(b.parameters[3]), 100 * std::numeric_limits<T>::min());
        }
    }
}

TEST(Sgd, A_learning_rate_above_1_moves_parameters_by_subnormal_gradients) {
    const Device device = make_device(1);
    Buffers<float> b(1);
    b.gradients[0] = 1e-40f;
    ASSERT_TRUE(succeeds(b.step(device.get(), {Options::sgd, 1e38}, 1)));
    // A gradient of 17 bits, rounded when it is written down, and one product.
    EXPECT_NEAR(static_cast<double>(b.parameters[0]), -0.01, 0.01 * (std::ldexp(1.0, -17) + 2 * rounding<float>));
}

class BadStep : public ::testing::Test {
protected:
    ~BadStep() override {
        EXPECT_EQ(parameters, (std::vector<double>{1, 2, 3, 4}));
        EXPECT_EQ(moments, (std::vector<double>{0, 0, 0, 0}));
    }

    ortho_status sgd(double momentum, int32_t nesterov, double* velocity, std::vector<ortho_parameter_group> g) {
        return ortho_sgd_step(device.get(), 1, 4, parameters.data(), gradients.data(), velocity, momentum, nesterov,
                              g.data(), static_cast<int64_t>(g.size()));
    }
    ortho_status adam(int64_t step, double beta1, double beta2, double epsilon, int32_t decoupled) {
        return ortho_adam_step(device.get(), 1, 4, parameters.data(), gradients.data(), moments.data(), moments.data(),
                               nullptr, step, beta1, beta2, epsilon, decoupled, &whole, 1);
    }

    Device device = make_device(1);
    std::vector<double> parameters{1, 2, 3, 4};
    std::vector<double> gradients{1, 1, 1, 1};
    std::vector<double> moments{0, 0, 0, 0};
    ortho_parameter_group whole{0, 4, 0.1, 0};
};

TEST_F(BadStep, Sgd_refuses_by_name) {
    double* p = parameters.data();
    double* g = gradients.data();
    EXPECT_TRUE(is_refused(ortho_sgd_step(nullptr, 1, 4, p, g, nullptr, 0, 0, &whole, 1), "device is null"));
    EXPECT_TRUE(is_refused(ortho_sgd_step(device.get(), 9, 4, p, g, nullptr, 0, 0, &whole, 1), "dtype is 9"));
    EXPECT_TRUE(is_refused(ortho_sgd_step(device.get(), 1, 0, p, g, nullptr, 0, 0, &whole, 1), "count is 0"));
    EXPECT_TRUE(
        is_refused(ortho_sgd_step(device.get(), 1, 4, nullptr, g, nullptr, 0, 0, &whole, 1), "parameters is null"));
    EXPECT_TRUE(
        is_refused(ortho_sgd_step(device.get(), 1, 4, p, nullptr, nullptr, 0, 0, &whole, 1), "gradients is null"));
    EXPECT_TRUE(is_refused(ortho_sgd_step(device.get(), 1, 4, p, g, nullptr, 0, 0, nullptr, 1), "groups is null"));
    EXPECT_TRUE(is_refused(ortho_sgd_step(device.get(), 1, 4, p, g, nullptr, 0, 0, &whole, 0), "group_count is 0"));
    EXPECT_TRUE(is_refused(sgd(1, 0, moments.data(), {whole}), "momentum is 1; it must be at least 0 and below 1"));
    EXPECT_TRUE(is_refused(sgd(nan, 0, moments.data(), {whole}), "momentum is NaN"));
    EXPECT_TRUE(is_refused(sgd(0.5, 2, moments.data(), {whole}), "nesterov is 2"));
    EXPECT_TRUE(is_refused(sgd(0.5, 0, nullptr, {whole}), "velocity is null"));
}

TEST_F(BadStep, Groups_are_refused_by_number_and_name) {
    EXPECT_TRUE(is_refused(sgd(0, 0, nullptr, {{-1, 2, 0, 0}}), "groups[0] has offset -1 and count 2"));
    EXPECT_TRUE(is_refused(sgd(0, 0, nullptr, {{0, 1, 0, 0}, {1, 4, 0, 0}}),
                           "groups[1] has offset 1 and count 4; it must lie in 0 to 4"));
    EXPECT_TRUE(is_refused(sgd(0, 0, nullptr, {{4, std::numeric_limits<int64_t>::max(), 0, 0}}), "groups[0] has"));
    EXPECT_TRUE(is_refused(sgd(0, 0, nullptr, {{0, -1, 0, 0}}), "groups[0] has offset 0 and count -1"));
    EXPECT_TRUE(is_refused(sgd(0, 0, nullptr, {{0, 4, -0.1, 0}}), "groups[0].learning_rate is -0.1"));
    EXPECT_TRUE(is_refused(sgd(0, 0, nullptr, {{0, 4, infinity, 0}}), "groups[0].learning_rate is Infinity"));
    EXPECT_TRUE(is_refused(sgd(0, 0, nullptr, {{0, 4, 0.1, nan}}), "groups[0].weight_decay is "));
    std::vector<float> floats(4, 1.0f);
    const ortho_parameter_group beyond_float{0, 4, 1e39, 0};
    EXPECT_TRUE(is_refused(
        ortho_sgd_step(device.get(), ORTHO_FLOAT32, 4, floats.data(), floats.data(), nullptr, 0, 0, &beyond_float, 1),
        "groups[0].learning_rate is 1e+39; it must be finite in this dtype and not negative"));
    EXPECT_TRUE(is_refused(sgd(0, 0, nullptr, {{0, 3, 1, 0}, {2, 2, 1, 0}}), "overlap"));
    EXPECT_TRUE(is_refused(sgd(0, 0, nullptr, {{2, 2, 1, 0}, {0, 3, 1, 0}}),
                           "groups overlap, at offset 0 (count 3) and at offset 2"));
    EXPECT_TRUE(is_refused(sgd(0, 0, nullptr, {{1, 2, 1, 0}, {1, 2, 1, 0}}), "overlap"));
}

TEST_F(BadStep, Adam_refuses_by_name) {
    double* p = parameters.data();
    double* g = gradients.data();
    double* m = moments.data();
    const auto buffers = [&](ortho_device* d, double* a, double* b, double* c, double* e) {
        return ortho_adam_step(d, 1, 4, a, b, c, e, nullptr, 1, 0.9, 0.999, 1e-8, 0, &whole, 1);
    };
    EXPECT_TRUE(is_refused(buffers(nullptr, p, g, m, m), "device is null"));
    EXPECT_TRUE(is_refused(buffers(device.get(), nullptr, g, m, m), "parameters is null"));
    EXPECT_TRUE(is_refused(buffers(device.get(), p, nullptr, m, m), "gradients is null"));
    EXPECT_TRUE(is_refused(buffers(device.get(), p, g, nullptr, m), "first_moment is null"));
    EXPECT_TRUE(is_refused(buffers(device.get(), p, g, m, nullptr), "second_moment is null"));
    EXPECT_TRUE(is_refused(adam(0, 0.9, 0.999, 1e-8, 0), "step is 0; it must be at least 1"));
    EXPECT_TRUE(is_refused(adam(1, 1, 0.999, 1e-8, 0), "beta1 is 1"));
    EXPECT_TRUE(is_refused(adam(1, 0.9, -1, 1e-8, 0), "beta2 is -1"));
    EXPECT_TRUE(is_refused(adam(1, 0.9, 0.999, 0, 0), "epsilon is 0"));
    EXPECT_TRUE(is_refused(
        adam(1, 0.9, 0.99, 2.9e-153, 0),
        "epsilon is 2.9e-153; it must be finite and at least 2.98334e-153 in this dtype where second moments decay "
        "by 0.99"));
    EXPECT_TRUE(is_refused(adam(1, 0.9, 0.999, infinity, 0), "epsilon is Infinity"));
    EXPECT_TRUE(is_refused(adam(1, 0.9, 0.999, 1e-8, -1), "decoupled is -1"));
    EXPECT_TRUE(is_refused(ortho_adam_step(device.get(), 1, 4, p, g, m, m, nullptr, 1, 0.9, 0.999, 1e-8, 0, nullptr, 1),
                           "groups is null"));
    // Above 0 and finite in double precision, 0 or infinite in float32.
    float value = 1;
    for (const auto& [epsilon, text] : {std::pair{1e-60, "epsilon is 1e-60"}, {1e39, "epsilon is 1e+39"}})
        EXPECT_TRUE(is_refused(ortho_adam_step(device.get(), 0, 1, &value, &value, &value, &value, nullptr, 1, 0.9,
                                               0.999, epsilon, 0, &whole, 1),
                               text));
}

} // namespace
} // namespace ortho::test
