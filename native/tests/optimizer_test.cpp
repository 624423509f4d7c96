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
            ASSERT_TRUE(
                succeeds(ortho_adam_step(device.get(), dtype_of<T>, count, state.parameters.data(),
                                         state.gradients.data(), state.first.data(), state.second.data(), step, 0.9,
                                         0.999, 1e-8, decoupled, groups.data(), static_cast<int64_t>(groups.size()))));
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
    ASSERT_TRUE(succeeds(ortho_adam_step(device.get(), ORTHO_FLOAT32, 3, p.data(), zero.data(), m.data(), v.data(), 1,
                                         0.9, 0.999, 1e-8, 0, &group, 1)));
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
                               step, beta1, beta2, epsilon, decoupled, &whole, 1);
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
                           "groups at offset 0 (count 3) and offset 2 overlap"));
    EXPECT_TRUE(is_refused(sgd(0, 0, nullptr, {{1, 2, 1, 0}, {1, 2, 1, 0}}), "overlap"));
}

TEST_F(BadStep, Adam_refuses_by_name) {
    double* p = parameters.data();
    double* g = gradients.data();
    double* m = moments.data();
    const auto buffers = [&](ortho_device* d, double* a, double* b, double* c, double* e) {
        return ortho_adam_step(d, 1, 4, a, b, c, e, 1, 0.9, 0.999, 1e-8, 0, &whole, 1);
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
    EXPECT_TRUE(is_refused(adam(1, 0.9, 0.999, infinity, 0), "epsilon is Infinity"));
    EXPECT_TRUE(is_refused(adam(1, 0.9, 0.999, 1e-8, -1), "decoupled is -1"));
    EXPECT_TRUE(is_refused(ortho_adam_step(device.get(), 1, 4, p, g, m, m, 1, 0.9, 0.999, 1e-8, 0, nullptr, 1),
                           "groups is null"));
    // Above 0 and finite in double precision, 0 or infinite in float32.
    float value = 1;
    for (const auto& [epsilon, text] : {std::pair{1e-60, "epsilon is 1e-60"}, {1e39, "epsilon is 1e+39"}})
        EXPECT_TRUE(is_refused(
            ortho_adam_step(device.get(), 0, 1, &value, &value, &value, &value, 1, 0.9, 0.999, epsilon, 0, &whole, 1),
            text));
}

} // namespace
} // namespace ortho::test
