// The update rules of optimizers, written once for the CPU's vectors and for CUDA's threads.
//
// A rule is a type, so that its loops have no branches that are the same for all elements. It has
//     Type            the type of its numbers
//     Options         the arguments of its step
//     state_count     how many buffers of state it changes, at most max_states
//     measured_count  how many of them, the first ones, are measured before a step
//     state_names     their names in the interface; the last one is named where several would overflow
//     states(options) their addresses
//     group(options, group)
//     is_finite(group, magnitudes)  whether a step gives finite numbers for certain; where this is false, only the
//                     step itself can tell. The state that is not measured is finite, and not negative.
//     update(group, gradient, parameter, state)
// and is made from its options. Where options decide between rules, with_rule chooses.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

#include "core/host_device.hpp"
#include "model/arithmetic.hpp"
#include "model/operations.hpp"

namespace ortho {

constexpr int max_states = 3;

/** The buffers of one optimizer step. */
template <class T> struct StepBuffers {
    T* parameters;
    const T* gradients;
    T* states[max_states];
};

/** A range of flat buffers. */
struct FlatRange {
    int64_t begin;
    int64_t end;
};

/** The buffers of a rule's step. */
template <class Rule, class T = typename Rule::Type>
StepBuffers<T> buffers_of(const OptimizerStep& step, const typename Rule::Options& options) {
    void* states[max_states] = {};
    Rule::states(options, states);
    StepBuffers<T> buffers{static_cast<T*>(step.parameters), static_cast<const T*>(step.gradients), {}};
    for (int i = 0; i < Rule::state_count; ++i)
        buffers.states[i] = static_cast<T*>(states[i]);
    return buffers;
}

template <class Rule> using StateIndices = std::make_index_sequence<Rule::state_count>;

/** How the parameters of a group are stepped. */
template <class T> struct GroupFactors {
    /** The learning rate; Adam: divided by 1 - beta1^step. */
    T step_size;
    /** Added to the gradient as so many times the parameter. */
    T gradient_decay;
    /** The parameter is multiplied by it first; 1 without decoupled weight decay. */
    T parameter_scale;

    static GroupFactors coupled(double step_size, const ortho_parameter_group& group) {
        return {static_cast<T>(step_size), static_cast<T>(group.weight_decay), T(1)};
    }
    static GroupFactors decoupled(double step_size, const ortho_parameter_group& group) {
        return {static_cast<T>(step_size), T(0), static_cast<T>(1 - group.learning_rate * group.weight_decay)};
    }

    /** The gradient with the decay that belongs to it. */
    ORTHO_HOST_DEVICE T decayed(T gradient, T parameter) const { return gradient + gradient_decay * parameter; }
};

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

/** Whether a number can be added to any other and is none itself that overflows. False for NaN. */
template <class T> bool is_harmless(double magnitude) {
    return magnitude < harmless_addend<T>;
}

/** The largest magnitudes in the buffers of a step; NaN where a buffer holds one. */
struct StepMagnitudes {
    double gradient;
    /** Of the parameters whose decay is added to their gradient. */
    double parameter;
    /** Of the states that are measured. */
    double states[max_states];

    /** Of gradients with their decay. */
    template <class T> double decayed(const GroupFactors<T>& group) const {
        return gradient + static_cast<double>(group.gradient_decay) * parameter;
    }
};

/**
 * The smallest epsilon that an optimizer takes which divides by the root of a mean of squares. Squares below the
 * smallest normal number of type T are lost, one in each of the two products and sums of a step, which takes no more
 * than 2 min / (1 - decay) from the mean once it is corrected for its bias. The denominator is too small by the root of
 * that at most: by 1.42 sqrt(min / (1 - decay)), so with this epsilon no step is more than 1.71 times as long as it
 * should be.
 */
template <class T> double smallest_epsilon(double decay) {
    return 2 * std::sqrt(static_cast<double>(std::numeric_limits<T>::min()) / (1 - decay));
}

/** Stochastic gradient descent. */
template <class T, bool has_velocity> struct SgdRule {
    using Type = T;
    using Options = SgdOptions;
    static constexpr int state_count = has_velocity ? 1 : 0;
    static constexpr int measured_count = state_count;
    static constexpr const char* state_names[max_states] = {"velocity"};

    T momentum;
    /** p -= rate (own g + carried v): Nesterov's momentum takes 1 and momentum, the ordinary one 0 and 1. */
    T own;
    T carried;

    explicit SgdRule(const Options& options)
        : momentum(static_cast<T>(options.momentum)), own(options.nesterov ? T(1) : T(0)),
          carried(options.nesterov ? static_cast<T>(options.momentum) : T(1)) {}

    static void states(const Options& options, void* (&states)[max_states]) { states[0] = options.velocity; }

    static GroupFactors<T> group(const Options&, const ortho_parameter_group& group) {
        return GroupFactors<T>::coupled(group.learning_rate, group);
    }

    bool is_finite(const GroupFactors<T>& group, const StepMagnitudes& magnitudes) const {
        const double speed = magnitudes.states[0] + 2 * magnitudes.decayed(group);
        return is_harmless<T>(speed) && is_harmless<T>(static_cast<double>(group.step_size) * speed);
    }

    ORTHO_HOST_DEVICE void update(const GroupFactors<T>& group, T gradient, T& parameter,
                                  T (&state)[max_states]) const {
        const T decayed = group.decayed(gradient, parameter);
        if constexpr (has_velocity) {
            const T speed = momentum * state[0] + decayed;
            state[0] = speed;
            parameter -= group.step_size * (own * decayed + carried * speed);
        } else {
            parameter -= group.step_size * decayed;
        }
    }
};

/** Adam and AdamW; AMSGrad where it keeps the largest second moments. */
template <class T, bool has_largest> struct AdamRule {
    using Type = T;
    using Options = AdamOptions;
    static constexpr int first = 0;
    static constexpr int largest = 1;
    static constexpr int second = has_largest ? 2 : 1;
    static constexpr int state_count = second + 1;
    static constexpr int measured_count = 1;
    static constexpr const char* state_names[max_states] = {
        "first_moment", has_largest ? "largest_second_moment" : "second_moment", "second_moment"};

    T beta1;
    T one_minus_beta1;
    T beta2;
    T one_minus_beta2;
    T epsilon;
    /** 1 / sqrt(1 - beta2^step) */
    T second_correction;

    explicit AdamRule(const Options& options)
        : beta1(static_cast<T>(options.beta1)), one_minus_beta1(static_cast<T>(1 - options.beta1)),
          beta2(static_cast<T>(options.beta2)), one_minus_beta2(static_cast<T>(1 - options.beta2)),
          epsilon(static_cast<T>(options.epsilon)),
          second_correction(
              static_cast<T>(1 / std::sqrt(1 - std::pow(options.beta2, static_cast<double>(options.step))))) {}

    static void states(const Options& options, void* (&states)[max_states]) {
        // One that the rule has not shares the place of the next, which overwrites it.
        states[first] = options.first_moment;
        states[largest] = options.largest_second_moment;
        states[second] = options.second_moment;
    }

    static GroupFactors<T> group(const Options& options, const ortho_parameter_group& group) {
        const double first_correction = 1 - std::pow(options.beta1, static_cast<double>(options.step));
        const double step_size = group.learning_rate / first_correction;
        return options.decoupled ? GroupFactors<T>::decoupled(step_size, group)
                                 : GroupFactors<T>::coupled(step_size, group);
    }

    bool is_finite(const GroupFactors<T>& group, const StepMagnitudes& magnitudes) const {
        const double decayed = magnitudes.decayed(group);
        const double moment = magnitudes.states[first] + decayed;
        const double numerator = static_cast<double>(group.step_size) * moment;
        return is_harmless<T>(moment) && is_harmless<T>(numerator) &&
               is_harmless<T>(numerator / static_cast<double>(epsilon)) &&
               is_harmless<T>(static_cast<double>(one_minus_beta2) * decayed * decayed) && group.parameter_scale >= -1;
    }

    ORTHO_HOST_DEVICE void update(const GroupFactors<T>& group, T gradient, T& parameter,
                                  T (&state)[max_states]) const {
        const T decayed = group.decayed(gradient, parameter);
        const T m = beta1 * state[first] + one_minus_beta1 * decayed;
        const T v = beta2 * state[second] + one_minus_beta2 * decayed * decayed;
        state[first] = m;
        state[second] = v;
        T divisor = v;
        if constexpr (has_largest) {
            divisor = v > state[largest] ? v : state[largest];
            state[largest] = divisor;
        }
        parameter = parameter * group.parameter_scale -
                    group.step_size * m / (square_root(divisor) * second_correction + epsilon);
    }
};

/** RMSprop. */
template <class T, bool is_centered, bool has_velocity> struct RmspropRule {
    using Type = T;
    using Options = RmspropOptions;
    static constexpr int velocity = 0;
    static constexpr int gradient_mean = velocity + (has_velocity ? 1 : 0);
    static constexpr int square_mean = gradient_mean + (is_centered ? 1 : 0);
    static constexpr int state_count = square_mean + 1;
    static constexpr int measured_count = square_mean;
    static constexpr const char* state_names[max_states] = {
        has_velocity  ? "velocity"
        : is_centered ? "gradient_mean"
                      : "square_mean",
        has_velocity&& is_centered ? "gradient_mean" : "square_mean", "square_mean"};

    T decay;
    T one_minus_decay;
    T momentum;
    T epsilon;

    explicit RmspropRule(const Options& options)
        : decay(static_cast<T>(options.decay)), one_minus_decay(static_cast<T>(1 - options.decay)),
          momentum(static_cast<T>(options.momentum)), epsilon(static_cast<T>(options.epsilon)) {}

    static void states(const Options& options, void* (&states)[max_states]) {
        // One that the rule has not shares the place of the next, which overwrites it.
        states[velocity] = options.velocity;
        states[gradient_mean] = options.gradient_mean;
        states[square_mean] = options.square_mean;
    }

    static GroupFactors<T> group(const Options&, const ortho_parameter_group& group) {
        return GroupFactors<T>::coupled(group.learning_rate, group);
    }

    bool is_finite(const GroupFactors<T>& group, const StepMagnitudes& magnitudes) const {
        const double decayed = magnitudes.decayed(group);
        // The products come in the order of the update, which divides the step with a velocity and the product without.
        const double rate = static_cast<double>(group.step_size);
        const double quotient = decayed / static_cast<double>(epsilon);
        double moment = decayed, speed = quotient;
        if constexpr (is_centered)
            moment += magnitudes.states[gradient_mean];
        if constexpr (has_velocity)
            speed += magnitudes.states[velocity];
        return is_harmless<T>(moment) && is_harmless<T>(static_cast<double>(one_minus_decay) * decayed * decayed) &&
               (!has_velocity || is_harmless<T>(speed)) && is_harmless<T>(rate * decayed) &&
               is_harmless<T>(rate * speed);
    }

    ORTHO_HOST_DEVICE void update(const GroupFactors<T>& group, T gradient, T& parameter,
                                  T (&state)[max_states]) const {
        const T decayed = group.decayed(gradient, parameter);
        const T s = decay * state[square_mean] + one_minus_decay * decayed * decayed;
        state[square_mean] = s;
        T variance = s;
        if constexpr (is_centered) {
            const T m = decay * state[gradient_mean] + one_minus_decay * decayed;
            state[gradient_mean] = m;
            // Gradients that hardly change have a variance of about 0, which rounding may make negative.
            variance = s - m * m;
            variance = variance > T(0) ? variance : T(0);
        }
        const T divisor = square_root(variance) + epsilon;
        if constexpr (has_velocity) {
            const T speed = momentum * state[velocity] + decayed / divisor;
            state[velocity] = speed;
            parameter -= group.step_size * speed;
        } else {
            parameter -= group.step_size * decayed / divisor;
        }
    }
};

/** Lion. */
template <class T> struct LionRule {
    using Type = T;
    using Options = LionOptions;
    static constexpr int state_count = 1;
    static constexpr int measured_count = 1;
    static constexpr const char* state_names[max_states] = {"first_moment"};

    T beta1;
    T one_minus_beta1;
    T beta2;
    T one_minus_beta2;
    /** What is smaller has no sign: rounding keeps a moment that fades from ever reaching 0 where there are subnormals.
     */
    T smallest;

    explicit LionRule(const Options& options)
        : beta1(static_cast<T>(options.beta1)), one_minus_beta1(static_cast<T>(1 - options.beta1)),
          beta2(static_cast<T>(options.beta2)), one_minus_beta2(static_cast<T>(1 - options.beta2)),
          smallest(std::numeric_limits<T>::min()) {}

    static void states(const Options& options, void* (&states)[max_states]) { states[0] = options.first_moment; }

    static GroupFactors<T> group(const Options&, const ortho_parameter_group& group) {
        return GroupFactors<T>::decoupled(group.learning_rate, group);
    }

    bool is_finite(const GroupFactors<T>& group, const StepMagnitudes& magnitudes) const {
        return is_harmless<T>(magnitudes.states[0] + magnitudes.gradient) &&
               is_harmless<T>(static_cast<double>(group.step_size)) && group.parameter_scale >= -1;
    }

    ORTHO_HOST_DEVICE void update(const GroupFactors<T>& group, T gradient, T& parameter,
                                  T (&state)[max_states]) const {
        const T direction = beta1 * state[0] + one_minus_beta1 * gradient;
        const T length = direction >= smallest ? group.step_size : direction <= -smallest ? -group.step_size : T(0);
        state[0] = beta2 * state[0] + one_minus_beta2 * gradient;
        parameter = parameter * group.parameter_scale - length;
    }
};

/** Calls body(rule) with the rule that the options ask for. */
template <class T, class Body> void with_rule(const SgdOptions& options, Body&& body) {
    if (options.momentum == 0)
        body(SgdRule<T, false>(options));
    else
        body(SgdRule<T, true>(options));
}

template <class T, class Body> void with_rule(const AdamOptions& options, Body&& body) {
    if (options.largest_second_moment == nullptr)
        body(AdamRule<T, false>(options));
    else
        body(AdamRule<T, true>(options));
}

template <class T, class Body> void with_rule(const RmspropOptions& options, Body&& body) {
    const bool is_centered = options.gradient_mean != nullptr;
    if (options.momentum == 0 && !is_centered)
        body(RmspropRule<T, false, false>(options));
    else if (options.momentum == 0)
        body(RmspropRule<T, true, false>(options));
    else if (!is_centered)
        body(RmspropRule<T, false, true>(options));
    else
        body(RmspropRule<T, true, true>(options));
}

template <class T, class Body> void with_rule(const LionOptions& options, Body&& body) {
    body(LionRule<T>(options));
}

/** What a rule makes of one element, none of which is stored. */
template <class T> struct Updated {
    T parameter;
    T state[max_states];

    ORTHO_HOST_DEVICE bool is_finite(int state_count) const {
        bool finite = parameter - parameter == 0;
        for (int i = 0; i < state_count; ++i)
            finite &= state[i] - state[i] == 0;
        return finite;
    }
};

/** The update of one element, given each of its states. */
template <class Rule, class T, class... State>
ORTHO_HOST_DEVICE Updated<T> updated(const Rule& rule, const GroupFactors<T>& group, T gradient, T parameter,
                                     State... state) {
    Updated<T> result{parameter, {state...}};
    rule.update(group, gradient, result.parameter, result.state);
    return result;
}

/** The update of one element of a step's buffers. */
template <class Rule, class T, size_t... index>
ORTHO_HOST_DEVICE Updated<T> updated(const Rule& rule, const GroupFactors<T>& group, const StepBuffers<T>& buffers,
                                     int64_t i, std::index_sequence<index...>) {
    return updated(rule, group, buffers.gradients[i], buffers.parameters[i], buffers.states[index][i]...);
}

} // namespace ortho
