// Losses of single elements, written once for the CPU's kernels and for CUDA's threads.
//
// All of them compute in double precision, whatever the element type, so that a sum of them is one of rounded terms
// alone, and a difference of float32 numbers never overflows.
#pragma once

#include <cstdint>

#include "core/host_device.hpp"
#include "orthonative/orthonative.h"

namespace ortho {

/**
 * The weight that a number stands for. CPUs take subnormal numbers for 0 while they compute a loss, so they are 0 for
 * all who count weights.
 */
ORTHO_HOST_DEVICE double loss_weight(float number) {
    constexpr float smallest_normal = 0x1p-126f;
    return number < smallest_normal ? 0.0 : static_cast<double>(number);
}

namespace losses {

ORTHO_HOST_DEVICE double exponential(double x) {
#if defined(__CUDA_ARCH__)
    return exp(x);
#else
    return __builtin_exp(x);
#endif
}

/** log(1 + x) */
ORTHO_HOST_DEVICE double log_of_one_plus(double x) {
#if defined(__CUDA_ARCH__)
    return log1p(x);
#else
    return __builtin_log1p(x);
#endif
}

ORTHO_HOST_DEVICE double magnitude(double x) {
    return x < 0 ? -x : x;
}

// Each has value(prediction, target, unit) and gradient(factor, prediction, target, unit), the factor, from 0 to 1,
// times the slope at the prediction; by_unit, whether the unit of the row matters to them; and target_of(unit), the
// target of the row that belongs to it.

struct SquaredError {
    static constexpr bool by_unit = false;

    ORTHO_HOST_DEVICE int64_t target_of(int64_t unit) const { return unit; }
    ORTHO_HOST_DEVICE double value(double prediction, double target, int64_t) const {
        const double error = prediction - target;
        return error * error;
    }
    /** By the difference of the halves, which stays within the range of double. */
    ORTHO_HOST_DEVICE double gradient(double factor, double prediction, double target, int64_t) const {
        return 4 * factor * (0.5 * prediction - 0.5 * target);
    }
};

struct AbsoluteError {
    static constexpr bool by_unit = false;

    ORTHO_HOST_DEVICE int64_t target_of(int64_t unit) const { return unit; }
    ORTHO_HOST_DEVICE double value(double prediction, double target, int64_t) const {
        return magnitude(prediction - target);
    }
    ORTHO_HOST_DEVICE double gradient(double factor, double prediction, double target, int64_t) const {
        return prediction > target ? factor : (prediction < target ? -factor : 0.0);
    }
};

struct Huber {
    static constexpr bool by_unit = false;
    double delta;

    ORTHO_HOST_DEVICE int64_t target_of(int64_t unit) const { return unit; }
    ORTHO_HOST_DEVICE double value(double prediction, double target, int64_t) const {
        const double error = magnitude(prediction - target);
        return error <= delta ? 0.5 * error * error : delta * (error - 0.5 * delta);
    }
    ORTHO_HOST_DEVICE double gradient(double factor, double prediction, double target, int64_t) const {
        const double error = prediction - target;
        return factor * (error > delta ? delta : (error < -delta ? -delta : error));
    }
};

struct Quantile {
    static constexpr bool by_unit = true;
    const double* quantiles;
    int64_t count;

    ORTHO_HOST_DEVICE int64_t target_of(int64_t unit) const { return unit / count; }
    ORTHO_HOST_DEVICE double value(double prediction, double target, int64_t unit) const {
        const double quantile = quantiles[unit % count];
        const double error = target - prediction;
        return error > 0 ? quantile * error : (quantile - 1) * error;
    }
    ORTHO_HOST_DEVICE double gradient(double factor, double prediction, double target, int64_t unit) const {
        const double quantile = quantiles[unit % count];
        return prediction < target ? -factor * quantile : (prediction > target ? factor * (1 - quantile) : 0.0);
    }
};

/** Everything by e^-|x|, which never overflows: log(1 + e^x) = max(x, 0) + log(1 + e^-|x|). */
struct BinaryCrossEntropy {
    static constexpr bool by_unit = true;
    const double* positive_weights; // null: 1

    ORTHO_HOST_DEVICE int64_t target_of(int64_t unit) const { return unit; }
    ORTHO_HOST_DEVICE double value(double logit, double target, int64_t unit) const {
        const double common = log_of_one_plus(exponential(-magnitude(logit)));
        const double positive = common + (logit < 0 ? -logit : 0.0); // -log s(x)
        const double negative = common + (logit > 0 ? logit : 0.0);  // -log(1 - s(x))
        return positive_weight(unit) * target * positive + (1 - target) * negative;
    }
    ORTHO_HOST_DEVICE double gradient(double factor, double logit, double target, int64_t unit) const {
        const double power = exponential(-magnitude(logit));
        const double sum = 1 + power;
        const double logistic = (logit < 0 ? power : 1.0) / sum;
        const double complement = (logit < 0 ? 1.0 : power) / sum;
        return factor * ((1 - target) * logistic - positive_weight(unit) * target * complement);
    }

private:
    ORTHO_HOST_DEVICE double positive_weight(int64_t unit) const {
        return positive_weights == nullptr ? 1.0 : positive_weights[unit];
    }
};

} // namespace losses

/**
 * Calls body with the loss of a kind. Inlined, so that no instruction set's copy is linked for another.
 * @param parameters  in the host's memory
 * @param there       the same in the memory of whoever computes the loss
 */
template <class Body>
[[gnu::always_inline]] inline void with_loss(ortho_loss_kind kind, const double* parameters, int64_t parameter_count,
                                             const double* there, Body&& body) {
    switch (kind) {
    case ORTHO_LOSS_SQUARED_ERROR:
        return body(losses::SquaredError());
    case ORTHO_LOSS_ABSOLUTE_ERROR:
        return body(losses::AbsoluteError());
    case ORTHO_LOSS_HUBER:
        return body(losses::Huber{parameters[0]});
    case ORTHO_LOSS_QUANTILE:
        return body(losses::Quantile{there, parameter_count});
    case ORTHO_LOSS_BINARY_CROSS_ENTROPY:
        return body(losses::BinaryCrossEntropy{there});
    }
}

} // namespace ortho
