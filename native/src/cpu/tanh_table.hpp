// The table of tanh for vectors of 16 floats, whose lanes look up a register of 16 values in one instruction.
#pragma once

#include <array>
#include <cstdint>

#ifndef ORTHO_ISA_NAMESPACE
#error "ORTHO_ISA_NAMESPACE names the instruction set that this file is compiled for"
#endif

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

/**
 * tanh on [0, 9.2] in 16 intervals, each with a polynomial of degree 5 in the distance from its centre. The interval
 * of x is in the bits of 1 + 13/8 x, from 1 to 16: the last two of its exponent and the first two of its fraction. So
 * intervals are a quarter of an octave of that number, narrow where tanh bends. The first has its centre at 0.
 */
struct TanhTable {
    static constexpr float scale = 1.625f;
    static constexpr int first_bit = 21; // of the interval's number
    static constexpr float last = 9.2f;  // tanh rounds to 1 from 9.011 on

    alignas(64) std::array<float, 16> center;
    alignas(64) std::array<std::array<float, 16>, 6> coefficient; // by power

    /** tanh in double, to about 1e-14: (1 - e) / (1 + e), with e^(-2x/64) by its series. */
    static constexpr double tanh(double x) {
        if (x < 0)
            return -tanh(-x);
        const double y = -2 * x / 64;
        double e = 1;
        for (int n = 16; n > 0; --n)
            e = 1 + e * y / n;
        for (int n = 0; n < 6; ++n)
            e *= e;
        return (1 - e) / (1 + e);
    }

    /**
     * Interpolates at the Chebyshev nodes: the even and the odd part of the polynomial, each a parabola in the square
     * of the distance. Largest relative error 2.2e-8; in the first interval there is no even part, and the factor of x
     * rounds to 1.
     */
    constexpr TanhTable() : center{}, coefficient{} {
        for (int interval = 0; interval < 16; ++interval) {
            const double octave = static_cast<double>(1 << interval / 4);
            const double begin = (octave * (4 + interval % 4) / 4 - 1) / scale;
            const double width = octave / 4 / scale;
            const auto middle = static_cast<float>(interval == 0 ? 0 : begin + width / 2);
            const double reach = interval == 0 ? width : width / 2;

            constexpr double nodes[3] = {0.25881904510252076, 0.70710678118654752, 0.96592582628906829};
            double square[3] = {}, even[3] = {}, odd[3] = {};
            for (int k = 0; k < 3; ++k) {
                const double t = reach * nodes[k], right = tanh(middle + t), left = tanh(middle - t);
                square[k] = t * t;
                even[k] = (right + left) / 2;
                odd[k] = (right - left) / (2 * t);
            }
            // Lane: the exponent of 1 is 127, whose last two bits are 3.
            const auto lane = static_cast<size_t>((interval + 12) % 16);
            center[lane] = middle;
            set_parabola(square, even, lane, 0);
            set_parabola(square, odd, lane, 1);
        }
    }

private:
    /** The parabola through three points, as the coefficients of every second power from `power` on. */
    constexpr void set_parabola(const double (&x)[3], const double (&y)[3], size_t lane, size_t power) {
        const double first = (y[1] - y[0]) / (x[1] - x[0]);
        const double second = ((y[2] - y[1]) / (x[2] - x[1]) - first) / (x[2] - x[0]);
        coefficient[power][lane] = static_cast<float>(y[0] - x[0] * (first - x[1] * second));
        coefficient[power + 2][lane] = static_cast<float>(first - (x[0] + x[1]) * second);
        coefficient[power + 4][lane] = static_cast<float>(second);
    }
};

inline constexpr TanhTable tanh_table;

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
