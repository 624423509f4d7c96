// The arithmetic of losses and updates, written once for the CPU's vectors and for CUDA's threads.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "core/host_device.hpp"
#include "model/operations.hpp"

namespace ortho {

ORTHO_HOST_DEVICE float square_root(float value) {
#if defined(__CUDA_ARCH__)
    return sqrtf(value);
#else
    return __builtin_sqrtf(value);
#endif
}

ORTHO_HOST_DEVICE double square_root(double value) {
#if defined(__CUDA_ARCH__)
    return sqrt(value);
#else
    return __builtin_sqrt(value);
#endif
}

/**
 * factor * (prediction - target) for a factor of at most 2. The difference is that of the halves, whose range is enough
 * for it and which are as exact but for subnormal numbers.
 */
template <class T> ORTHO_HOST_DEVICE T squared_error_gradient(T factor, T prediction, T target) {
    return 2 * factor * (T(0.5) * prediction - T(0.5) * target);
}

/**
 * What `count` numbers of type T are to be multiplied by before their squares are summed up again: a power of two where
 * `squares`, the plain sum in double precision, has overflowed or lost digits by underflow; 1 where it is right.
 */
template <class T> ORTHO_HOST_DEVICE double square_scale(double squares, int64_t count) {
    // Squares of float32 lie far inside the range of float64.
    if (2 * std::numeric_limits<T>::max_exponent <= std::numeric_limits<double>::max_exponent)
        return 1;
    if (!(squares - squares == 0))
        return 0x1p-600;
    // A square below the smallest normal number, 2^-1022, is off by 2^-1075 at most, so all of them are off by no more
    // than a rounding of a sum as large as this.
    return squares < static_cast<double>(count) * 0x1p-1022 ? 0x1p+600 : 1;
}

/** What dropout makes of an element, given a random word. */
template <class T> struct DropoutFactors {
    uint32_t smallest_kept;
    T scale;

    /** @param rate  below 1, so that the largest word is always kept */
    explicit DropoutFactors(double rate)
        : smallest_kept(static_cast<uint32_t>(rate * 0x1p32)), scale(static_cast<T>(1 / (1 - rate))) {}

    ORTHO_HOST_DEVICE T apply(uint32_t word, T x) const { return word < smallest_kept ? T(0) : x * scale; }
};

/** What gradients are multiplied by to shorten them from `norm` to `max_norm`, one factor after the other. */
template <class T> struct ClipFactors {
    T first;
    /** 1 unless the quotient is below the smallest normal number, where it would have few digits or none. */
    T second;

    ORTHO_HOST_DEVICE ClipFactors(double max_norm, double norm) {
        constexpr T smallest = std::numeric_limits<T>::min();
        const double factor = max_norm / norm;
        second = factor < smallest ? smallest : T(1);
        first = static_cast<T>(factor < smallest ? max_norm / (norm * smallest) : factor);
    }
};

/** What is the same for all parameters in a step of stochastic gradient descent. */
template <class T> struct SgdFactors {
    T momentum;
    /** p -= rate (own g + carried v): Nesterov's momentum takes 1 and momentum, the ordinary one 0 and 1. */
    T own;
    T carried;

    explicit SgdFactors(const SgdOptions& options)
        : momentum(static_cast<T>(options.momentum)), own(options.nesterov ? T(1) : T(0)),
          carried(options.nesterov ? static_cast<T>(options.momentum) : T(1)) {}
};

/** What is the same for all parameters in a step of Adam. */
template <class T> struct AdamFactors {
    T beta1;
    T one_minus_beta1;
    T beta2;
    T one_minus_beta2;
    T epsilon;
    /** 1 / sqrt(1 - beta2^step) */
    T second_correction;

    explicit AdamFactors(const AdamOptions& options)
        : beta1(static_cast<T>(options.beta1)), one_minus_beta1(static_cast<T>(1 - options.beta1)),
          beta2(static_cast<T>(options.beta2)), one_minus_beta2(static_cast<T>(1 - options.beta2)),
          epsilon(static_cast<T>(options.epsilon)),
          second_correction(
              static_cast<T>(1 / std::sqrt(1 - std::pow(options.beta2, static_cast<double>(options.step))))) {}
};

/** How the parameters of a group are stepped. */
template <class T> struct GroupFactors {
    /** SGD: the learning rate; Adam: divided by 1 - beta1^step. */
    T step_size;
    /** Added to the gradient as so many times the parameter. */
    T gradient_decay;
    /** The parameter is multiplied by it first; 1 without decoupled weight decay. */
    T parameter_scale;

    static GroupFactors of_sgd(const ortho_parameter_group& group) {
        return {static_cast<T>(group.learning_rate), static_cast<T>(group.weight_decay), T(1)};
    }
    static GroupFactors of_adam(const AdamOptions& options, const ortho_parameter_group& group) {
        const double first_correction = 1 - std::pow(options.beta1, static_cast<double>(options.step));
        return {static_cast<T>(group.learning_rate / first_correction),
                static_cast<T>(options.decoupled ? 0 : group.weight_decay),
                static_cast<T>(options.decoupled ? 1 - group.learning_rate * group.weight_decay : 1)};
    }
};

/**
 * The smallest epsilon that Adam takes. Squares below the smallest normal number of type T are lost, one in each of the
 * two products and sums of a step, which takes no more than 2 min / (1 - beta2) from the second moment once it is
 * corrected for its bias. The denominator is too small by the root of that at most: by 1.42 sqrt(min / (1 - beta2)), so
 * with this epsilon no step is more than 1.71 times as long as it should be.
 */
template <class T> double smallest_epsilon(double beta2) {
    return 2 * std::sqrt(static_cast<double>(std::numeric_limits<T>::min()) / (1 - beta2));
}

/** 2^exponent, for an exponent of 0 to 1023. */
constexpr double power_of_two(int exponent) {
    double power = 1;
    for (int i = 0; i < exponent; ++i)
        power *= 2;
    return power;
}

/**
 * Half of what would round the largest number of type T up to infinity: added to any finite number, an addend below it
 * gives a finite number, also if it is a bound that was itself rounded.
 */
template <class T>
constexpr double harmless_addend = power_of_two(std::numeric_limits<T>::max_exponent - std::numeric_limits<T>::digits -
                                                2);

/** The largest magnitudes in the buffers of a step; NaN where a buffer holds one. */
struct StepMagnitudes {
    double gradient;
    /** Of the parameters whose decay is added to their gradient. */
    double parameter;
    /** SGD: of the velocity, 0 without momentum; Adam: of the first moment. */
    double first_moment;
};

/**
 * Whether a step of stochastic gradient descent gives finite numbers for certain. It may do so even if this is false,
 * which only the step itself can tell.
 */
template <class T> bool sgd_is_finite(const GroupFactors<T>& group, const StepMagnitudes& largest) {
    const double decayed = largest.gradient + static_cast<double>(group.gradient_decay) * largest.parameter;
    const double speed = largest.first_moment + 2 * decayed;
    return speed < harmless_addend<T> && static_cast<double>(group.step_size) * speed < harmless_addend<T>;
}

/** The same for a step of Adam or AdamW whose second moment is finite and not negative. */
template <class T>
bool adam_is_finite(const AdamFactors<T>& step, const GroupFactors<T>& group, const StepMagnitudes& largest) {
    const double decayed = largest.gradient + static_cast<double>(group.gradient_decay) * largest.parameter;
    const double moment = largest.first_moment + decayed;
    const double numerator = static_cast<double>(group.step_size) * moment;
    return moment < harmless_addend<T> && numerator < harmless_addend<T> &&
           numerator / static_cast<double>(step.epsilon) < harmless_addend<T> &&
           static_cast<double>(step.one_minus_beta2) * decayed * decayed < harmless_addend<T> &&
           group.parameter_scale >= -1;
}

/** Stochastic gradient descent without momentum. */
template <class T> ORTHO_HOST_DEVICE void sgd_update(const GroupFactors<T>& group, T gradient, T& parameter) {
    parameter -= group.step_size * (gradient + group.gradient_decay * parameter);
}

/** Stochastic gradient descent with momentum. */
template <class T>
ORTHO_HOST_DEVICE void sgd_update(const SgdFactors<T>& step, const GroupFactors<T>& group, T gradient, T& parameter,
                                  T& velocity) {
    const T decayed = gradient + group.gradient_decay * parameter;
    const T speed = step.momentum * velocity + decayed;
    velocity = speed;
    parameter -= group.step_size * (step.own * decayed + step.carried * speed);
}

/** Adam and AdamW. */
template <class T>
ORTHO_HOST_DEVICE void adam_update(const AdamFactors<T>& step, const GroupFactors<T>& group, T gradient, T& parameter,
                                   T& first_moment, T& second_moment) {
    const T decayed = gradient + group.gradient_decay * parameter;
    const T m = step.beta1 * first_moment + step.one_minus_beta1 * decayed;
    const T v = step.beta2 * second_moment + step.one_minus_beta2 * decayed * decayed;
    first_moment = m;
    second_moment = v;
    parameter = parameter * group.parameter_scale -
                group.step_size * m / (square_root(v) * step.second_correction + step.epsilon);
}

} // namespace ortho
