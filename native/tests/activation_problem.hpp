// Functions of elements and gates by their formulas, which the tests of all devices share.
#pragma once

#include "chain_problem.hpp"

namespace ortho::test {

inline constexpr ortho_activation activations[] = {ORTHO_TANH, ORTHO_RELU, ORTHO_SIGMOID, ORTHO_SILU, ORTHO_GELU};

template <class T> using Limits = std::numeric_limits<T>;
/** In which float and double are compared with formulas that cancel nothing. */
using Exact = long double;

inline Exact logistic(Exact x) {
    return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
}

/** The normal distribution: what lies below x, and its density. */
inline Exact normal_below(Exact x) {
    return std::erfc(-x * 0.707106781186547524400844362104849039L) / 2;
}
inline Exact normal_density(Exact x) {
    return std::exp(-x * x / 2) * 0.398942280401432677939946059934381868L;
}

/** f(x) */
inline Exact value_of(ortho_activation activation, Exact x) {
    switch (activation) {
    case ORTHO_TANH:
        return std::tanh(x);
    case ORTHO_RELU:
        return std::max(x, Exact{0});
    case ORTHO_SIGMOID:
        return logistic(x);
    case ORTHO_SILU:
        return x * logistic(x);
    default:
        return x * normal_below(x);
    }
}

/** f'(x), and the sum of the magnitudes of what it is added up from. */
struct Slope {
    Exact value;
    Exact magnitude;
};

inline Slope slope_of(ortho_activation activation, Exact x) {
    const auto sum = [](Exact a, Exact b) { return Slope{a + b, std::abs(a) + std::abs(b)}; };
    switch (activation) {
    case ORTHO_TANH:
        return sum(4 * logistic(2 * x) * logistic(-2 * x), 0);
    case ORTHO_RELU:
        return sum(x > 0 ? 1 : 0, 0);
    case ORTHO_SIGMOID:
        return sum(logistic(x) * logistic(-x), 0);
    case ORTHO_SILU:
        return sum(logistic(x), logistic(x) * x * logistic(-x));
    default:
        return sum(normal_below(x), x * normal_density(x));
    }
}

/** A unit in the last place of a value. */
template <class T> Exact ulp(Exact value) {
    int exponent = 0;
    std::frexp(value, &exponent);
    return std::ldexp(Exact{1}, std::max(exponent, Limits<T>::min_exponent) - Limits<T>::digits);
}

/**
 * What numbers that are taken for 0 make a result wrong by: powers of e below 1.7 (float) or 1.5 (double) times the
 * smallest normal number, and others below it, up to x times.
 */
template <class T> Exact lost(Exact x) {
    return (2 + 2 * std::abs(x)) * static_cast<Exact>(Limits<T>::min());
}

/** Numbers of every magnitude from 1e-30 to 2000, most of them where the functions bend; an odd number of them. */
template <class T> std::vector<T> operands() {
    std::vector<T> x{0};
    for (const double widest : {0.5, 2.0, 6.0, 14.0, 40.0, 110.0, 800.0, 2000.0}) {
        std::vector<double> uniform(20000);
        EXPECT_TRUE(succeeds(ortho_random_uniform(3, ORTHO_STREAM_DATA, static_cast<uint32_t>(widest), -widest, widest,
                                                  ORTHO_FLOAT64, 0, 20000, uniform.data())));
        x.insert(x.end(), uniform.begin(), uniform.end());
    }
    for (int exponent = -100; exponent < 2; ++exponent)
        for (int i = 0; i < 20; ++i)
            x.push_back(static_cast<T>(std::ldexp((i % 2 == 0 ? 1 : -1) * (1 + i / 20.0), exponent)));
    return x;
}

template <class T> std::vector<T> forward(ortho_device* device, ortho_activation activation, const std::vector<T>& x) {
    const DeviceArray<T> xs(device, x), y(device, x.size(), T{7});
    EXPECT_TRUE(succeeds(ortho_activation_forward(device, dtype_of<T>, activation, static_cast<int64_t>(x.size()),
                                                  xs.data(), y.data())));
    return y.values();
}

template <class T>
std::vector<T> backward(ortho_device* device, ortho_activation activation, const std::vector<T>& x,
                        const std::vector<T>& y_gradients) {
    const DeviceArray<T> xs(device, x), dy(device, y_gradients), dx(device, x.size(), T{7});
    EXPECT_TRUE(succeeds(ortho_activation_backward(device, dtype_of<T>, activation, static_cast<int64_t>(x.size()),
                                                   xs.data(), dy.data(), dx.data())));
    return dx.values();
}

/**
 * Forward 4 ulp: e^x is off by some 1.5 roundings, of its argument and of the last step of its series; sums, quotients
 * and products add one each, four at most, and a rounding is half an ulp of its result, one ulp of a product at most.
 * The kernel of tanh promises 4 ulp, the series of GELU end in no more roundings.
 *
 * Slopes are sums, for which as many roundings count as large as the summands are: those of a function in each factor,
 * and two of the sum and of the product with the gradient.
 */
template <class T> void expect_functions(ortho_device* device) {
    const auto x = operands<T>();
    const auto gradients = normal_values<T>(static_cast<int64_t>(x.size()), 5);
    for (const ortho_activation activation : activations) {
        const auto y = forward(device, activation, x), dx = backward(device, activation, x, gradients);
        for (size_t i = 0; i < x.size(); ++i) {
            const auto at = static_cast<Exact>(x[i]), gradient = static_cast<Exact>(gradients[i]);
            const Exact value = value_of(activation, at);
            ASSERT_LE(std::abs(static_cast<Exact>(y[i]) - value), 4 * ulp<T>(value) + lost<T>(at))
                << "activation " << activation << " of " << x[i];
            const Slope slope = slope_of(activation, at);
            ASSERT_LE(std::abs(static_cast<Exact>(dx[i]) - slope.value * gradient),
                      std::abs(gradient) * (10 * static_cast<Exact>(rounding<T>) * slope.magnitude + lost<T>(at)) +
                          static_cast<Exact>(Limits<T>::min()))
                << "slope of activation " << activation << " at " << x[i];
        }
    }
}

/** At infinity, and where powers are 0 or would overflow. */
template <class T> void expect_limits(ortho_device* device) {
    const T infinity = Limits<T>::infinity(), largest = Limits<T>::max(), nan = Limits<T>::quiet_NaN();
    const std::vector<T> x{infinity, largest, 1000, 0, -1000, -largest, -infinity, nan};
    const std::vector<T> values[] = {{1, 1, 1, 0, -1, -1, -1},
                                     {infinity, largest, 1000, 0, 0, 0, 0},
                                     {1, 1, 1, T(0.5), 0, 0, 0},
                                     {infinity, largest, 1000, 0, 0, 0, 0},
                                     {infinity, largest, 1000, 0, 0, 0, 0}};
    const std::vector<T> slopes[] = {{0, 0, 0, 1, 0, 0, 0},
                                     {1, 1, 1, 0, 0, 0, 0},
                                     {0, 0, 0, T(0.25), 0, 0, 0},
                                     {1, 1, 1, T(0.5), 0, 0, 0},
                                     {1, 1, 1, T(0.5), 0, 0, 0}};
    for (const ortho_activation activation : activations) {
        const auto y = forward(device, activation, x);
        const auto dx = backward(device, activation, x, std::vector<T>(x.size(), T{1}));
        for (size_t i = 0; i < 7; ++i) {
            EXPECT_EQ(y[i], values[activation][i]) << activation << " of " << x[i];
            EXPECT_EQ(dx[i], slopes[activation][i]) << activation << " at " << x[i];
        }
        EXPECT_TRUE(std::isnan(y[7]) && std::isnan(dx[7])) << activation;
        // Gradients that are 0, as those of padding, stay 0.
        for (const T gradient : backward(device, activation, {x.begin(), x.begin() + 7}, std::vector<T>(7, T{0})))
            EXPECT_EQ(gradient, 0);
    }
}

/** Rows of a gate, and results. */
template <class T> struct GateRows {
    int64_t rows, units;
    std::vector<T> x = normal_values<T>(2 * rows * units, 1), y_gradients = normal_values<T>(rows * units, 2);

    std::vector<T> forward(ortho_device* device) const {
        const DeviceArray<T> xs(device, x), y(device, y_gradients.size(), T{5});
        EXPECT_TRUE(succeeds(ortho_gate_forward(device, dtype_of<T>, rows, units, xs.data(), y.data())));
        return y.values();
    }
    std::vector<T> backward(ortho_device* device) const {
        const DeviceArray<T> xs(device, x), dy(device, y_gradients), dx(device, x.size(), T{5});
        EXPECT_TRUE(succeeds(ortho_gate_backward(device, dtype_of<T>, rows, units, xs.data(), dy.data(), dx.data())));
        return dx.values();
    }
};

template <class T> void expect_gate(ortho_device* device, const GateRows<T>& gate) {
    const auto y = gate.forward(device), dx = gate.backward(device);
    for (int64_t row = 0; row < gate.rows; ++row)
        for (int64_t i = 0; i < gate.units; ++i) {
            const auto at_a = static_cast<size_t>(2 * row * gate.units + i),
                       at_b = at_a + static_cast<size_t>(gate.units), at_y = static_cast<size_t>(row * gate.units + i);
            const auto a = static_cast<Exact>(gate.x[at_a]), b = static_cast<Exact>(gate.x[at_b]),
                       gradient = static_cast<Exact>(gate.y_gradients[at_y]);
            // Functions as above, and one and two products.
            const auto near = [](T actual, Exact expected, Exact roundings) {
                return std::abs(static_cast<Exact>(actual) - expected) <=
                       roundings * 2 * static_cast<Exact>(rounding<T>) * std::abs(expected);
            };
            ASSERT_TRUE(near(y[at_y], a * logistic(b), 4.5)) << a << ", " << b;
            ASSERT_TRUE(near(dx[at_a], gradient * logistic(b), 4.5)) << a << ", " << b;
            ASSERT_TRUE(near(dx[at_b], gradient * a * logistic(b) * logistic(-b), 5)) << a << ", " << b;
        }
}

} // namespace ortho::test
