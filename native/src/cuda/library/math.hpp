// What the arithmetic of model/ takes from the backend.
#pragma once

#include <cmath>

#include "core/host_device.hpp"

namespace ortho::cuda {

/** Host-device as that arithmetic is: nvcc warns otherwise. */
struct CudaMath {
    template <class V> using Number = V;

    ORTHO_HOST_DEVICE static float tanh(float z) { return ::tanhf(z); }
    ORTHO_HOST_DEVICE static double tanh(double z) { return ::tanh(z); }
    ORTHO_HOST_DEVICE static float exponential(float x) { return ::expf(x); }
    ORTHO_HOST_DEVICE static double exponential(double x) { return ::exp(x); }
    /** e^(x + rest) for a rest that is small, which adds hardly a rounding. */
    ORTHO_HOST_DEVICE static float exponential(float x, float rest) {
        const float power = ::expf(x);
        return ::fmaf(power, ::expm1f(rest), power);
    }
    ORTHO_HOST_DEVICE static double exponential(double x, double rest) {
        const double power = ::exp(x);
        return ::fma(power, ::expm1(rest), power);
    }
    /** a b + c, rounded once. */
    ORTHO_HOST_DEVICE static float multiply_add(float a, float b, float c) { return ::fmaf(a, b, c); }
    ORTHO_HOST_DEVICE static double multiply_add(double a, double b, double c) { return ::fma(a, b, c); }
};

} // namespace ortho::cuda
