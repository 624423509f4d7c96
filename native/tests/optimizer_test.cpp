#include <algorithm>
#include <set>
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
    enum Kind {
        sgd,
        momentum,
        nesterov,
        adam,
        adamw,
        amsgrad,
        rmsprop,
        rmsprop_momentum,
        centered,
        centered_momentum,
        lion
    } kind;
    double learning_rate = 0.1;
    double weight_decay = 0;
    double momentum_factor = 0.9;
    double beta1 = 0.9;
    double beta2 = 0.999; // RMSprop: decay
    double epsilon = 1e-8;

    bool is_sgd() const { return kind < adam; }
    bool is_adam() const { return kind >= adam && kind < rmsprop; }
    bool is_rmsprop() const { return kind >= rmsprop && kind < lion; }
    bool is_centered() const { return kind == centered || kind == centered_momentum; }
    bool is_decoupled() const { return kind == adamw || kind == lion; }
    /** SGD and RMSprop; 0 without momentum. */
    double factor() const { return kind == sgd || kind == rmsprop || kind == centered ? 0 : momentum_factor; }
};
constexpr Options::Kind all_kinds[] = {
    Options::sgd,      Options::momentum,          Options::nesterov, Options::adam,
    Options::adamw,    Options::amsgrad,           Options::rmsprop,  Options::rmsprop_momentum,
    Options::centered, Options::centered_momentum, Options::lion};

/** Parameters, their gradients, and an optimizer's state. */
template <class T> struct Buffers {
    explicit Buffers(size_t size) : parameters(size), gradients(size), first(size), second(size), third(size) {}

    ortho_status step(ortho_device* device, const Options& o, int64_t number,
                      std::vector<ortho_parameter_group> groups = {}) {
        const auto size = static_cast<int64_t>(parameters.size());
        if (groups.empty())
            groups = {{0, size, o.learning_rate, o.weight_decay}};
        const auto group_count = static_cast<int64_t>(groups.size());
        T* const p = parameters.data();
        const T* const g = gradients.data();
        if (o.is_sgd())
            return ortho_sgd_step(device, dtype_of<T>, size, p, g, o.kind == Options::sgd ? nullptr : first.data(),
                                  o.factor(), o.kind == Options::nesterov, groups.data(), group_count);
        if (o.is_adam())
            return ortho_adam_step(device, dtype_of<T>, size, p, g, first.data(), second.data(),
                                   o.kind == Options::amsgrad ? third.data() : nullptr, number, o.beta1, o.beta2,
                                   o.epsilon, o.is_decoupled(), groups.data(), group_count);
        if (o.is_rmsprop())
            return ortho_rmsprop_step(device, dtype_of<T>, size, p, g, second.data(),
                                      o.is_centered() ? third.data() : nullptr, o.factor() > 0 ? first.data() : nullptr,
                                      o.beta2, o.factor(), o.epsilon, groups.data(), group_count);
        return ortho_lion_step(device, dtype_of<T>, size, p, g, first.data(), o.beta1, o.beta2, groups.data(),
                               group_count);
    }

    bool are_finite() const {
        for (const auto* values : {&parameters, &first, &second, &third})
            if (!std::all_of(values->begin(), values->end(), [](T value) { return std::isfinite(value); }))
                return false;
        return true;
    }

    bool have_same_bits_as(const Buffers& other) const {
        return same_bits(parameters, other.parameters) && same_bits(first, other.first) &&
               same_bits(second, other.second) && same_bits(third, other.third);
    }

    /** SGD and RMSprop: first is the velocity. Centered RMSprop: third is the mean of gradients. */
    std::vector<T> parameters, gradients, first, second, third;
};

/** One parameter and its state in long double, whose precision and range are beyond those of all types. */
struct Exact {
    long double parameter, first = 0, second = 0, third = 0;
    long double largest = 0; // magnitude of what the last step computed on the way

    /** @return the number whose sign decides a step of Lion; 1 for others */
    long double step(const Options& o, int64_t number, long double gradient) {
        const long double rate = o.learning_rate, decay = o.weight_decay, beta1 = o.beta1, beta2 = o.beta2;
        const long double factor = o.factor(), added = o.is_decoupled() ? 0 : decay * parameter;
        const long double scale = o.is_decoupled() ? 1 - rate * decay : 1, g = gradient + added;
        largest = 0;
        const auto noted = [&](long double value) {
            largest = std::max(largest, std::abs(value));
            return value;
        };
        noted(added);
        noted(g);
        noted(noted(scale) * parameter);
        long double length = 0, decisive = 1;
        if (o.is_sgd()) {
            first = noted(factor * first + g);
            length = noted(rate * noted(o.kind == Options::nesterov ? g + factor * first : first));
        } else if (o.is_adam()) {
            const long double size = noted(rate / (1 - std::pow(beta1, static_cast<long double>(number))));
            first = noted(beta1 * first + (1 - beta1) * g);
            second = noted(beta2 * second + (1 - beta2) * g * g);
            third = std::max(third, second);
            const long double mean =
                (o.kind == Options::amsgrad ? third : second) / (1 - std::pow(beta2, static_cast<long double>(number)));
            length = noted(noted(size * first) / (std::sqrt(mean) + o.epsilon));
        } else if (o.is_rmsprop()) {
            second = noted(beta2 * second + (1 - beta2) * g * g);
            third = o.is_centered() ? noted(beta2 * third + (1 - beta2) * g) : 0;
            const long double divisor = std::sqrt(std::max(second - third * third, 0.0L)) + o.epsilon;
            if (factor > 0) {
                first = noted(factor * first + g / divisor);
                length = noted(rate * first);
            } else {
                length = noted(noted(rate * g) / divisor);
            }
        } else {
            decisive = beta1 * first + (1 - beta1) * g;
            first = noted(beta2 * first + (1 - beta2) * g);
            length = noted(rate * static_cast<long double>((decisive > 0) - (decisive < 0)));
        }
        parameter = noted(scale * parameter - length);
        return decisive;
    }
};

template <class T> class OptimizerSteps : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(OptimizerSteps, Types);

TYPED_TEST(OptimizerSteps, Every_kind_follows_its_formula_on_any_number_of_threads) {
    using T = TypeParam;
    constexpr int steps = 4;
    for (const Options::Kind kind : all_kinds) {
        Options o{kind};
        o.beta2 = o.is_rmsprop() ? 0.9 : 0.99;
        Buffers<T> first_result(0);
        for (const int threads : {1, 2, 3}) {
            const Device device = make_device(threads);
            Buffers<T> b(count);
            b.parameters = normal_values<T>(count, 1);
            std::vector<Exact> exact;
            std::set<size_t> undecided;
            for (const T p : b.parameters)
                exact.push_back({static_cast<long double>(p)});
            for (int step = 1; step <= steps; ++step) {
                b.gradients = normal_values<T>(count, static_cast<uint64_t>(step) + 1);
                ASSERT_TRUE(succeeds(b.step(device.get(), o, step, groups)));
                for (int64_t i = 0; i < count && threads == 1; ++i)
                    if (const ortho_parameter_group* group = group_of(i)) {
                        const auto at = static_cast<size_t>(i);
                        o.learning_rate = group->learning_rate;
                        o.weight_decay = group->weight_decay;
                        const long double decisive = exact[at].step(o, step, static_cast<long double>(b.gradients[at]));
                        // Its two terms and those of the moment are below 0.8, and there are ten roundings of them:
                        // closer to 0 the sign may be either.
                        if (std::abs(decisive) < 8 * rounding<T>)
                            undecided.insert(at);
                    }
            }
            if (threads == 1) {
                // Numbers of a step are below 64, and each of the steps rounds them some sixteen times. A variance is
                // at least 0.6 of the mean of squares that it is the rest of, as the weights of 4 steps add up to 0.35,
                // so its error is twice as large at most.
                const double bound = 64 * 16 * 2 * steps * rounding<T>;
                EXPECT_LT(undecided.size(), 10);
                for (size_t i = 0; i < b.parameters.size(); ++i) {
                    if (undecided.count(i) > 0)
                        continue;
                    ASSERT_LT(exact[i].largest, 64) << i;
                    ASSERT_NEAR(static_cast<double>(b.parameters[i]), static_cast<double>(exact[i].parameter), bound)
                        << kind << ", element " << i;
                }
                for (size_t i = 100; i < 150; ++i)
                    ASSERT_EQ(static_cast<long double>(b.parameters[i]), exact[i].parameter) << i;
                first_result = b;
            }
            EXPECT_TRUE(b.have_same_bits_as(first_result)) << kind << ", " << threads << " threads";
        }
    }
}

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
    for (const Options::Kind kind : all_kinds)
        for (const double huge : {is_float ? 1e21 : 1e160, is_float ? -3e38 : -1e308}) {
            const Options o{kind};
            if (!o.is_adam() && !o.is_rmsprop())
                continue;
            Buffers<T> b(20'000);
            b.gradients[17'777] = static_cast<T>(huge);
            EXPECT_EQ(steps_until_refused(b, o, 3,
                                          std::string("with it the ") +
                                              (o.is_adam() ? "second moment" : "square mean") +
                                              " would not stay finite"),
                      0);
            b.gradients[17'777] = is_float ? T(1e20) : T(1e155);
            EXPECT_EQ(steps_until_refused(b, o, 3, ""), 3);
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
        {{Options::amsgrad, largest / 16}, 1, 32, "parameter", 0},
        {{Options::rmsprop, largest / 16}, 1, 32, "parameter", 0},
        {{Options::rmsprop, 0.1, largest}, 2, 0, "square mean", 0},
        {{Options::rmsprop_momentum, largest / 64}, 1, 1, "parameter", 1},
        {{Options::centered, 0.1, largest}, 2, 0, "square mean", 0},
        {{Options::centered_momentum, largest / 16}, 1, 32, "parameter", 0},
        {{Options::lion, largest}, -largest, 1, "parameter", 0},
        {{Options::lion, 3, 1}, -largest, 0, "parameter", 0},
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

/** Whether all numbers of a step stay below `limit`. */
template <class T> bool stays_below(const Buffers<T>& b, const Options& o, int64_t step, long double limit) {
    for (size_t i = 0; i < b.parameters.size(); ++i) {
        Exact exact{b.parameters[i], b.first[i], b.second[i], b.third[i]};
        exact.step(o, step, b.gradients[i]);
        if (!(exact.largest < limit))
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
        Options o{all_kinds[draw(static_cast<int>(std::size(all_kinds)))]};
        o.learning_rate = draw(4) == 0 ? magnitude(-range, range) : 0.01;
        o.weight_decay = draw(3) == 0 ? magnitude(-range, range) : 0;
        o.beta1 = draw(3) == 0 ? 1 - magnitude(-15, -1) : draw(3) == 0 ? 0 : 0.9;
        o.beta2 = draw(3) == 0 ? 1 - magnitude(-15, -1) : draw(3) == 0 ? 0 : 0.999;
        // Without memory the variance is the rounding of a square.
        if (o.is_centered() && o.beta2 == 0)
            o.beta2 = 0.5;
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
            // As large as the second moment at least, and of a variance that is not about 0.
            b.third[i] = o.is_rmsprop() ? std::sqrt(b.second[i]) / 2 : b.second[i];
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
        // Parameters of SGD, AdamW and Lion fade by 3/4 at a step, moments by 0.9 at most.
        Options o{kind, 0.5};
        const bool fades = o.is_sgd() || o.is_decoupled();
        o.weight_decay = fades ? 0.5 : 0;
        o.beta2 = 0.8;
        Buffers<T> b(5);
        b.parameters = b.gradients = std::vector<T>(5, T(1));
        ASSERT_TRUE(succeeds(b.step(device.get(), o, 1)));
        std::fill(b.gradients.begin(), b.gradients.end(), T(0));
        for (int step = 2; step < 15'000; ++step) {
            ASSERT_TRUE(succeeds(b.step(device.get(), o, step)));
            for (const auto* values : {&b.parameters, &b.first, &b.second, &b.third})
                ASSERT_NE(std::fpclassify((*values)[3]), FP_SUBNORMAL) << kind << ", step " << step;
        }
        EXPECT_EQ(b.second[3], 0);
        if (!fades) {
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

TEST_F(BadStep, Rmsprop_refuses_by_name) {
    double* p = parameters.data();
    double* g = gradients.data();
    double* m = moments.data();
    const auto buffers = [&](ortho_device* d, double* a, double* b, double* c) {
        return ortho_rmsprop_step(d, 1, 4, a, b, c, nullptr, nullptr, 0.99, 0, 1e-8, &whole, 1);
    };
    const auto options = [&](double decay, double momentum, double epsilon, double* velocity) {
        return ortho_rmsprop_step(device.get(), 1, 4, p, g, m, nullptr, velocity, decay, momentum, epsilon, &whole, 1);
    };
    EXPECT_TRUE(is_refused(buffers(nullptr, p, g, m), "device is null"));
    EXPECT_TRUE(is_refused(buffers(device.get(), nullptr, g, m), "parameters is null"));
    EXPECT_TRUE(is_refused(buffers(device.get(), p, nullptr, m), "gradients is null"));
    EXPECT_TRUE(is_refused(buffers(device.get(), p, g, nullptr), "square_mean is null"));
    EXPECT_TRUE(is_refused(options(1, 0, 1e-8, nullptr), "decay is 1; it must be at least 0 and below 1"));
    EXPECT_TRUE(is_refused(options(0.9, -0.5, 1e-8, m), "momentum is -0.5"));
    EXPECT_TRUE(is_refused(options(0.9, 0.5, 1e-8, nullptr), "velocity is null; it is needed with a momentum of 0.5"));
    EXPECT_TRUE(is_refused(options(0.99, 0, 2.9e-153, nullptr),
                           "epsilon is 2.9e-153; it must be finite and at least 2.98334e-153 in this dtype where means "
                           "of squares decay by 0.99"));
    EXPECT_TRUE(is_refused(options(0.99, 0, nan, nullptr), "epsilon is NaN"));
    whole.weight_decay = -1;
    EXPECT_TRUE(is_refused(options(0.99, 0, 1e-8, nullptr), "groups[0].weight_decay is -1"));
}

TEST_F(BadStep, Lion_refuses_by_name) {
    double* p = parameters.data();
    double* g = gradients.data();
    double* m = moments.data();
    const auto lion = [&](ortho_device* d, double* a, double* b, double* c, double beta1, double beta2) {
        return ortho_lion_step(d, 1, 4, a, b, c, beta1, beta2, &whole, 1);
    };
    EXPECT_TRUE(is_refused(lion(nullptr, p, g, m, 0.9, 0.99), "device is null"));
    EXPECT_TRUE(is_refused(lion(device.get(), nullptr, g, m, 0.9, 0.99), "parameters is null"));
    EXPECT_TRUE(is_refused(lion(device.get(), p, nullptr, m, 0.9, 0.99), "gradients is null"));
    EXPECT_TRUE(is_refused(lion(device.get(), p, g, nullptr, 0.9, 0.99), "first_moment is null"));
    EXPECT_TRUE(is_refused(lion(device.get(), p, g, m, 1, 0.99), "beta1 is 1"));
    EXPECT_TRUE(is_refused(lion(device.get(), p, g, m, 0.9, nan), "beta2 is NaN"));
    whole.count = 5;
    EXPECT_TRUE(is_refused(lion(device.get(), p, g, m, 0.9, 0.99), "groups[0] has offset 0 and count 5"));
}

TYPED_TEST(OptimizerSteps, Gradients_that_do_not_change_have_no_variance_and_give_no_NaN) {
    using T = TypeParam;
    const Device device = make_device(1);
    Options o{Options::centered, 1e-4};
    o.beta2 = 0.5;
    Buffers<T> b(1000);
    for (size_t i = 0; i < b.gradients.size(); ++i)
        b.gradients[i] = static_cast<T>(1 + 1e-3 * static_cast<double>(i));
    // After 60 steps the means are the gradients and their squares, but for roundings of either sign.
    for (int step = 1; step <= 80; ++step)
        ASSERT_TRUE(succeeds(b.step(device.get(), o, step)));
    EXPECT_TRUE(b.are_finite());
    EXPECT_TRUE(std::all_of(b.parameters.begin(), b.parameters.end(), [](T value) { return value < 0; }));
}

TYPED_TEST(OptimizerSteps, The_largest_second_moment_never_falls_and_second_moments_do) {
    using T = TypeParam;
    const Device device = make_device(1);
    const Options o{Options::amsgrad};
    Buffers<T> b(1);
    b.gradients[0] = 1;
    ASSERT_TRUE(succeeds(b.step(device.get(), o, 1)));
    const T largest = b.third[0];
    EXPECT_EQ(largest, b.second[0]);
    b.gradients[0] = T(0.01);
    ASSERT_TRUE(succeeds(b.step(device.get(), o, 2)));
    EXPECT_EQ(b.third[0], largest);
    EXPECT_LT(b.second[0], largest);
}

TEST(Lion, A_direction_of_0_leaves_parameters_alone) {
    const Device device = make_device(1);
    Buffers<float> b(2);
    b.parameters = {1, -2};
    ASSERT_TRUE(succeeds(b.step(device.get(), {Options::lion}, 1)));
    EXPECT_EQ(b.parameters, (std::vector<float>{1, -2}));
}

template <class T> class FlatOperations : public ::testing::Test {};
TYPED_TEST_SUITE(FlatOperations, Types);

TYPED_TEST(FlatOperations, Scaling_multiplies_by_the_factor_rounded_to_the_type) {
    using T = TypeParam;
    const auto values = normal_values<T>(count, 5);
    for (const int threads : {1, 3})
        for (const double factor : {1.0 / 3, 0.0, -2.0, 1e-30}) {
            const Device device = make_device(threads);
            auto scaled = values;
            ASSERT_TRUE(succeeds(ortho_scale(device.get(), dtype_of<T>, count, factor, scaled.data())));
            for (size_t i = 0; i < values.size(); ++i)
                ASSERT_EQ(scaled[i], values[i] * static_cast<T>(factor)) << i;
        }
}

TYPED_TEST(FlatOperations, Averages_follow_the_formula_and_keep_what_does_not_change) {
    using T = TypeParam;
    const auto values = normal_values<T>(count, 5), start = normal_values<T>(count, 6);
    std::vector<T> first_result;
    for (const int threads : {1, 3}) {
        const Device device = make_device(threads);
        auto averages = start;
        const auto average = [&](double decay) {
            ASSERT_TRUE(
                succeeds(ortho_average(device.get(), dtype_of<T>, count, decay, values.data(), averages.data())));
        };
        average(1);
        EXPECT_TRUE(same_bits(averages, start));
        for (int step = 0; step < 3; ++step)
            average(0.9);
        for (size_t i = 0; i < values.size(); ++i) {
            // 1 - 0.729, and three roundings of two products and a sum at each of three steps, of numbers below 8.
            const long double exact = 0.729L * start[i] + 0.271L * values[i];
            ASSERT_NEAR(static_cast<double>(averages[i]), static_cast<double>(exact), 3 * 3 * 8 * rounding<T>) << i;
        }
        if (threads == 1)
            first_result = averages;
        EXPECT_TRUE(same_bits(averages, first_result));
        average(0);
        EXPECT_EQ(averages, values);
        // A float32 that is multiplied by 0.9999 and by 1e-4 in float32 would drift by 1.7e-4 of itself.
        for (int step = 0; step < 1000; ++step)
            average(0.9999);
        for (size_t i = 0; i < values.size(); ++i)
            ASSERT_NEAR(static_cast<double>(averages[i]), static_cast<double>(values[i]),
                        sizeof(T) == 4 ? 0 : 1000 * 2 * 8 * rounding<T>);
    }
}

TYPED_TEST(FlatOperations, Averages_of_zeros_become_zero_and_never_subnormal) {
    using T = TypeParam;
    const Device device = make_device(1);
    std::vector<T> averages(40, T(1)), zeros(40);
    for (int step = 0; step < 8'000; ++step) {
        ASSERT_TRUE(succeeds(ortho_average(device.get(), dtype_of<T>, 40, 0.9, zeros.data(), averages.data())));
        ASSERT_NE(std::fpclassify(averages[39]), FP_SUBNORMAL) << step;
    }
    EXPECT_EQ(averages, zeros);
}

TEST(FlatOperations, Bad_arguments_are_refused_by_name_and_write_nothing) {
    const Device device = make_device(1);
    std::vector<float> values{3, 4, 5}, averages{1, 2, 3};
    float* v = values.data();
    float* a = averages.data();
    ortho_device* const d = device.get();
    EXPECT_TRUE(is_refused(ortho_scale(nullptr, 0, 3, 1, v), "device is null"));
    EXPECT_TRUE(is_refused(ortho_scale(d, 2, 3, 1, v), "dtype is 2"));
    EXPECT_TRUE(is_refused(ortho_scale(d, 0, 0, 1, v), "count is 0"));
    EXPECT_TRUE(is_refused(ortho_scale(d, 0, 3, 1, nullptr), "values is null"));
    EXPECT_TRUE(is_refused(ortho_scale(d, 0, 3, nan, v), "factor is NaN; it must be finite in this dtype"));
    EXPECT_TRUE(is_refused(ortho_scale(d, 0, 3, 1e39, v), "factor is 1e+39; it must be finite in this dtype"));
    EXPECT_TRUE(is_refused(ortho_average(nullptr, 0, 3, 0.5, v, a), "device is null"));
    EXPECT_TRUE(is_refused(ortho_average(d, 2, 3, 0.5, v, a), "dtype is 2"));
    EXPECT_TRUE(is_refused(ortho_average(d, 0, -1, 0.5, v, a), "count is -1"));
    EXPECT_TRUE(is_refused(ortho_average(d, 0, 3, 0.5, nullptr, a), "values is null"));
    EXPECT_TRUE(is_refused(ortho_average(d, 0, 3, 0.5, v, nullptr), "averages is null"));
    EXPECT_TRUE(is_refused(ortho_average(d, 0, 2, 0.5, v, v + 1), "averages overlaps values; it must be other memory"));
    EXPECT_TRUE(is_refused(ortho_average(d, 0, 3, -0.1, v, a), "decay is -0.1; it must be from 0 to 1"));
    EXPECT_TRUE(is_refused(ortho_average(d, 0, 3, nan, v, a), "decay is NaN"));
    EXPECT_EQ(values, (std::vector<float>{3, 4, 5}));
    EXPECT_EQ(averages, (std::vector<float>{1, 2, 3}));
}

} // namespace
} // namespace ortho::test
