// Functions of one number and their slopes, written once for the CPU's vectors and for CUDA's threads.
//
// V is a number, or a vector of numbers where the compiler has them. Math has the functions that each backend computes
// in its own way: tanh(V), multiply_add(V, V, V), and e^x of V that are not positive. What is a product's addend says
// so by multiply_add, so that an element has the same bits wherever it stands.
//
// A factor of 0 stays 0 beside an infinite one: functions have their limits at infinity. NaN stays NaN.
#pragma once

#include "core/host_device.hpp"
#include "orthonative/orthonative.h"

namespace ortho {

namespace activations {

/** The larger one of x and -x; NaN for NaN. */
template <class V> ORTHO_HOST_DEVICE V magnitude(V x) {
    return x < 0 ? -x : x;
}

/** x, or 0 where it is to be multiplied by 0. */
template <class V> ORTHO_HOST_DEVICE V beside(V factor, V x) {
    return factor == 0 ? V{} : x;
}

/** c + c1 x + c2 x^2 + ... */
template <class Math, class V, class T> ORTHO_HOST_DEVICE V polynomial(V, T c) {
    return V{} + c;
}
template <class Math, class V, class T, class... Rest> ORTHO_HOST_DEVICE V polynomial(V x, T c, T c1, Rest... rest) {
    return Math::multiply_add(polynomial<Math>(x, c1, rest...), x, V{} + c);
}

/** The logistic function s(x) = 1 / (1 + e^-x), by e^-|x|: no cancellation, so small values have all their digits. */
template <class V> struct Logistic {
    V value;
    V complement; // 1 - s
    V slope;

    template <class Math> ORTHO_HOST_DEVICE static Logistic of(V x) {
        const V one = V{} + 1;
        const V power = Math::exponential(-magnitude(x));
        const V sum = one + power;
        return {(x < 0 ? power : one) / sum, (x < 0 ? one : power) / sum, power / (sum * sum)};
    }
};

/**
 * The normal distribution P(x) = (1 + erf(x / sqrt(2))) / 2 and its density. All polynomials are minimax ones of the
 * relative error.
 *
 * |x| < 1: P = 1/2 + x p(x^2) (float: 7.1e-10, double: 2.1e-17). Beyond, with t = |x|, what lies behind t has all its
 * digits, too: t P(-t) = e^(-t^2 / 2) q((t - 4) / (t + 4)) (float: 2.2e-9 for t up to 13.3, double: 5.2e-18 for t up to
 * 38.7; then the power is 0). A power of t^2 rounded would be off by t^2 / 2 roundings, so t is split: r has few
 * digits, its square is exact, and t^2 = r^2 + (t - r) (t + r).
 */
template <class Math, class V> class Normal {
    using T = typename Math::template Number<V>;
    static constexpr bool is_float = sizeof(T) == sizeof(float);
    /** Beyond it, e^(-t^2 / 2) is 0. */
    static constexpr T limit = is_float ? T(15) : T(40);
    /** 1.5 2^15 or 1.5 2^32: adding it leaves multiples of 2^-8 or 2^-20. */
    static constexpr T shift = is_float ? T(0x1.8p+15) : T(0x1.8p+32);

public:
    ORTHO_HOST_DEVICE explicit Normal(V x) : x_(x) {
        const V distance = magnitude(x);
        t_ = distance > limit ? V{} + limit : distance;
        const V r = (t_ + shift) - shift;
        power_ = Math::exponential(T(-0.5) * r * r, T(0.5) * (r - t_) * (r + t_));
        inside_ = Math::multiply_add(x, center(t_ * t_), V{} + T(0.5));
        outside_ = power_ * tail((t_ - 4) / (t_ + 4));
    }

    /** x P(x) */
    ORTHO_HOST_DEVICE V times_x() const { return t_ < 1 ? x_ * inside_ : (x_ < 0 ? V{} : x_) - outside_; }

    /** The slope of x P(x): P(x) + x P'(x). */
    ORTHO_HOST_DEVICE V slope_of_times_x() const {
        const V behind = outside_ / t_;
        const V below = t_ < 1 ? inside_ : (x_ < 0 ? behind : V{} + 1 - behind);
        const V density = power_ * T(0.398942280401432677940);
        return Math::multiply_add(x_ < 0 ? -t_ : t_, density, below);
    }

private:
    ORTHO_HOST_DEVICE static V center(V square) {
        if constexpr (is_float)
            return polynomial<Math>(square, 0.39894228f, -0.0664903599f, 0.00997332341f, -0.00118632995f,
                                    0.000113486375f, -7.65420914e-6f);
        else
            return polynomial<Math>(square, 0.39894228040143267, -0.0664903800669037835, 0.00997355700998138608,
                                    -0.00118732821478761637, 0.000115434683127050917, -9.44463951064542078e-6,
                                    6.659311872470124e-7, -4.11725938926388974e-8, 2.22681333431857978e-9,
                                    -9.02028085747620159e-11);
    }

    ORTHO_HOST_DEVICE static V tail(V v) {
        if constexpr (is_float)
            return polynomial<Math>(v, 0.377642565f, 0.0736942533f, -0.110379524f, 0.100307336f, -0.0630650784f,
                                    0.0264338242f, -0.00548794668f, -0.000951874432f, 0.000799029212f);
        else
            return polynomial<Math>(v, 0.377642565207875748, 0.0736942442219296657, -0.110379620614839631,
                                    0.100307771391283045, -0.0630626415342947653, 0.0264281929618913014,
                                    -0.00550994066901362726, -0.000924436950028253418, 0.000882081414383722956,
                                    -0.0000488753740674169585, -0.00011650184931039052, 0.0000166187091270358095,
                                    0.0000179319875361880007, -2.60425089252645051e-6, -3.27910254577061179e-6,
                                    2.04001991231133501e-7, 6.54515014107742759e-7, 4.21338527129705892e-8,
                                    -1.27956064013223849e-7, -1.70303956213440281e-8, 1.91932442046721217e-8);
    }

    V x_, t_, power_;
    V inside_;  // P(x) where |x| < 1
    V outside_; // t P(-t) elsewhere
};

// Each has value<Math>(x), f(x), and slope<Math>(x), f'(x).

struct Tanh {
    template <class Math, class V> ORTHO_HOST_DEVICE static V value(V x) { return Math::tanh(x); }
    /** 4 s(2x) (1 - s(2x)): no cancellation where tanh is close to 1. */
    template <class Math, class V> ORTHO_HOST_DEVICE static V slope(V x) {
        return 4 * Logistic<V>::template of<Math>(x + x).slope;
    }
};

struct Relu {
    template <class Math, class V> ORTHO_HOST_DEVICE static V value(V x) { return x < 0 ? V{} : x; }
    template <class Math, class V> ORTHO_HOST_DEVICE static V slope(V x) {
        return x > 0 ? V{} + 1 : (x <= 0 ? V{} : x);
    }
};

struct Sigmoid {
    template <class Math, class V> ORTHO_HOST_DEVICE static V value(V x) {
        return Logistic<V>::template of<Math>(x).value;
    }
    template <class Math, class V> ORTHO_HOST_DEVICE static V slope(V x) {
        return Logistic<V>::template of<Math>(x).slope;
    }
};

struct Silu {
    template <class Math, class V> ORTHO_HOST_DEVICE static V value(V x) {
        const V s = Logistic<V>::template of<Math>(x).value;
        return beside(s, x) * s;
    }
    /** s (1 + x (1 - s)) */
    template <class Math, class V> ORTHO_HOST_DEVICE static V slope(V x) {
        const Logistic<V> s = Logistic<V>::template of<Math>(x);
        const V factor = Math::multiply_add(beside(s.complement, x), s.complement, V{} + 1);
        return beside(s.value, factor) * s.value;
    }
};

struct Gelu {
    template <class Math, class V> ORTHO_HOST_DEVICE static V value(V x) { return Normal<Math, V>(x).times_x(); }
    template <class Math, class V> ORTHO_HOST_DEVICE static V slope(V x) {
        return Normal<Math, V>(x).slope_of_times_x();
    }
};

} // namespace activations

/** Calls body with the functions of an activation. Inlined, so that no instruction set's copy is linked for another. */
template <class Body> [[gnu::always_inline]] inline auto with_activation(ortho_activation activation, Body&& body) {
    switch (activation) {
    case ORTHO_RELU:
        return body(activations::Relu());
    case ORTHO_SIGMOID:
        return body(activations::Sigmoid());
    case ORTHO_SILU:
        return body(activations::Silu());
    case ORTHO_GELU:
        return body(activations::Gelu());
    default:
        return body(activations::Tanh());
    }
}

/** The gate of a gated linear unit: a s(b). */
struct LinearGate {
    template <class Math, class V> ORTHO_HOST_DEVICE static V value(V a, V b) {
        return a * activations::Logistic<V>::template of<Math>(b).value;
    }

    template <class V> struct Gradients {
        V a;
        V b;
    };

    /** @param gradient  at the value */
    template <class Math, class V> ORTHO_HOST_DEVICE static Gradients<V> gradients(V a, V b, V gradient) {
        const auto s = activations::Logistic<V>::template of<Math>(b);
        return {gradient * s.value, gradient * a * s.slope};
    }
};

} // namespace ortho
