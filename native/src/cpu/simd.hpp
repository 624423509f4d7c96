// Vectors of the instruction set that this translation unit is compiled for, and the functions on them that the
// kernels share. Everything lives in a namespace of the instruction set, so that the linker can never replace a
// function of one by the same function compiled for another.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "cpu/tanh_table.hpp"

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#ifndef ORTHO_ISA_NAMESPACE
#error "ORTHO_ISA_NAMESPACE names the instruction set that this file is compiled for"
#endif

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

#if defined(__AVX512F__)
inline constexpr int vector_bytes = 64;
#elif defined(__AVX2__)
inline constexpr int vector_bytes = 32;
#else
inline constexpr int vector_bytes = 16;
#endif

template <class T> struct Simd {
    static constexpr int width = vector_bytes / static_cast<int>(sizeof(T));
    using integer = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
    typedef T vec __attribute__((vector_size(vector_bytes)));
    typedef integer ivec __attribute__((vector_size(vector_bytes)));
    typedef T unaligned __attribute__((vector_size(vector_bytes), aligned(alignof(T)), may_alias));

    static vec load(const T* p) { return *reinterpret_cast<const unaligned*>(p); }
    static void store(T* p, vec v) { *reinterpret_cast<unaligned*>(p) = v; }
    /** Written as a difference, as x - 0 is x for every x, so that it compiles to a broadcast; x + 0 is not for -0. */
    static vec splat(T value) { return value - vec{}; }

    /** The first n elements (n < width allowed), zeros behind them. */
    static vec load_partial(const T* p, int64_t n) {
        if (n >= width)
            return load(p);
        vec v{};
        std::memcpy(&v, p, static_cast<size_t>(n) * sizeof(T));
        return v;
    }

    static void store_partial(T* p, vec v, int64_t n) {
        if (n >= width)
            return store(p, v);
        std::memcpy(p, &v, static_cast<size_t>(n) * sizeof(T));
    }

    /**
     * a b + c, rounded once where there is an instruction for it. Compilers are told never to make one of a * b + c:
     * each chooses others, and the bits of a result would be those of a compiler.
     */
    static vec multiply_add(vec a, vec b, vec c) {
#if defined(__AVX512F__)
        if constexpr (sizeof(T) == 4)
            return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
        else
            return (vec)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__AVX2__) && defined(__FMA__)
        if constexpr (sizeof(T) == 4)
            return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
        else
            return (vec)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(__aarch64__)
        if constexpr (sizeof(T) == 4)
            return (vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
        else
            return (vec)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
        return a * b + c;
#endif
    }

#if defined(__aarch64__)
    /** One lane of a vector, which instructions multiply by as it is. */
    template <int lane> struct Lane { vec of; };

    /** The same for every lane of a with that of b. */
    template <int lane> static vec multiply_add(vec a, Lane<lane> b, vec c) {
        if constexpr (sizeof(T) == 4)
            return (vec)vfmaq_laneq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b.of, lane);
        else
            return (vec)vfmaq_laneq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b.of, lane);
    }
#endif

    /** base[offset[l]] in lane l. */
    static vec gather(const T* base, const int32_t* offset) {
#if defined(__AVX512F__)
        if constexpr (sizeof(T) == 4)
            return (vec)_mm512_mask_i32gather_ps(_mm512_setzero_ps(), 0xffff, _mm512_loadu_si512(offset), base, 4);
#endif
        vec v;
        for (int l = 0; l < width; ++l)
            v[l] = base[offset[l]];
        return v;
    }
};

#if defined(__AVX512F__)

/**
 * tanh of some vectors of floats, in place, step by step for all of them: one alone waits some 50 cycles for its own
 * results, more than the processor finds work for in what follows.
 */
template <int n> [[gnu::always_inline]] inline void tanh(Simd<float>::vec (&x)[n]) {
    // By table, with seven lookups and six multiply-adds. min gives its second operand for NaN.
    using S = Simd<float>;
    constexpr const TanhTable& table = tanh_table;
    const S::ivec sign_bit = S::ivec{} + INT32_MIN;
    S::ivec interval[n];
    S::vec distance[n], y[n];
    const auto look_up = [&](int i, const std::array<float, 16>& values) __attribute__((always_inline)) {
        return (S::vec)_mm512_maskz_permutexvar_ps(0xffff, (__m512i)interval[i], _mm512_load_ps(values.data()));
    };
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) {
        const S::vec magnitude = (S::vec)((S::ivec)x[i] & ~sign_bit);
        distance[i] = (S::vec)_mm512_maskz_min_ps(0xffff, _mm512_set1_ps(TanhTable::last), (__m512)magnitude);
    }
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i)
        interval[i] =
            (S::ivec)S::multiply_add(distance[i], S::splat(TanhTable::scale), S::splat(1)) >> TanhTable::first_bit;
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) {
        distance[i] -= look_up(i, table.center);
        y[i] = look_up(i, table.coefficient[5]);
    }
    const auto multiply_add = [&](const std::array<float, 16>& coefficient) __attribute__((always_inline)) {
#pragma GCC unroll 16
        for (int i = 0; i < n; ++i)
            y[i] = S::multiply_add(y[i], distance[i], look_up(i, coefficient));
    };
    multiply_add(table.coefficient[4]);
    multiply_add(table.coefficient[3]);
    multiply_add(table.coefficient[2]);
    multiply_add(table.coefficient[1]);
    multiply_add(table.coefficient[0]);
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) // y | (x & sign_bit)
        x[i] = (S::vec)_mm512_ternarylogic_epi32((__m512i)y[i], (__m512i)x[i], (__m512i)sign_bit, 0xf8);
}

#endif

/** tanh of floats: at most 4 ulp over the whole range, NaN and the sign of zero kept, never beyond 1 in magnitude. */
inline Simd<float>::vec tanh(Simd<float>::vec x) {
#if defined(__AVX512F__)
    Simd<float>::vec alone[1] = {x};
    tanh(alone);
    return alone[0];
#else
    using S = Simd<float>;
    const S::ivec sign_bit = S::ivec{} + INT32_MIN;
    const S::vec magnitude = (S::vec)((S::ivec)x & ~sign_bit);
    // |x| < 0.55: x + x^3 p(x^2), p the minimax polynomial of degree 3 (relative error 3.7e-8). Beyond:
    // 1 - 2 / (e^{2|x|} + 1), with e^{2|x|} = 2^n 2^f and 2^f the minimax polynomial of degree 5 on [-1/2, 1/2]
    // (7.5e-8); the difference from 1 is small there, so its relative error hardly counts.
    const S::vec y = x * x;
    const auto polynomial = [](S::vec of, auto highest, auto... lower) __attribute__((always_inline)) {
        S::vec value = S::splat(highest);
        ((value = S::multiply_add(value, of, S::splat(lower))), ...);
        return value;
    };
    const S::vec cubic = polynomial(y, 0.0164375808f, -0.0526718125f, 0.133207247f, -0.333329469f);
    const S::vec small = S::multiply_add(x * y, cubic, x);

    // 9.1 and above: tanh rounds to 1. The comparison is written so that NaN stays.
    const S::vec clamped = magnitude > 9.1f ? S::splat(9.1f) : magnitude;
    const float to_base_two = 2.88539008f; // 2 / ln 2
    const float shift = 12582912.0f;       // 1.5 * 2^23: adding it leaves the nearest integer in the low mantissa bits
    const S::vec shifted = S::multiply_add(clamped, S::splat(to_base_two), S::splat(shift));
    const S::vec fraction = S::multiply_add(clamped, S::splat(to_base_two), shift - shifted);
    const S::vec power =
        polynomial(fraction, 0.00132764713f, 0.00967554096f, 0.0555071309f, 0.240221202f, 0.693146944f, 1.00000012f);
    // 2^(n-1): the integer's bits moved into the exponent; those of `shift` itself fall out at the top.
    const S::vec scale = (S::vec)(((S::ivec)shifted + 126) << 23);
    const S::vec large = 1.0f - 1.0f / S::multiply_add(power, scale, S::splat(0.5f));
    const S::vec signed_large = (S::vec)((S::ivec)large | ((S::ivec)x & sign_bit));
    return magnitude < 0.55f ? small : signed_large;
#endif
}

/** tanh of doubles: the C library's. */
inline Simd<double>::vec tanh(Simd<double>::vec x) {
    Simd<double>::vec y;
    for (int l = 0; l < Simd<double>::width; ++l)
        y[l] = __builtin_tanh(x[l]);
    return y;
}

/** How many vectors tanh works on at once, where it is faster for several. */
#if defined(__AVX512F__)
template <class T> inline constexpr int tanh_vectors = sizeof(T) == 4 ? 4 : 1;
#else
template <class T> inline constexpr int tanh_vectors = 1;
#endif

/** tanh of some vectors, in place. */
template <class T, int n> [[gnu::always_inline]] inline void tanh_of_each(typename Simd<T>::vec (&x)[n]) {
    if constexpr (tanh_vectors<T> != 1)
        tanh(x);
    else
        for (int i = 0; i < n; ++i)
            x[i] = tanh(x[i]);
}

/** 1 / i! for i = 0 to terms. */
template <class T, int terms> struct InverseFactorials {
    T values[terms + 1] = {1};
    constexpr InverseFactorials() {
        double factorial = 1;
        for (int i = 1; i <= terms; ++i)
            values[i] = T(1 / (factorial *= i));
    }
};

/**
 * e^x for x = n ln 2 + r, by the Taylor series of e^r, whose remainder is below a tenth of a unit in the last place for
 * |r| <= ln 2 / 2.
 */
template <class T> class Exponential {
    using S = Simd<T>;
    using vec = typename S::vec;
    using ivec = typename S::ivec;
    static constexpr bool is_float = std::is_same_v<T, float>;

public:
    /** Where e^x is 1e-38 (float) or 1e-308 (double), a normal number yet. */
    static constexpr T lowest = is_float ? T(-87) : T(-708);

    /** Divides x, not below `lowest`, into n and r. */
    explicit Exponential(vec x) {
        constexpr T log2_e = T(1.44269504088896340736);
        // ln 2 in two parts, the first with so few digits that its product with n is exact.
        constexpr T ln2_high = is_float ? T(0x1.62e4p-1) : T(0x1.62e42fee00000p-1);
        constexpr T ln2_low = is_float ? T(0x1.7f7d1cp-20) : T(0x1.a39ef35793c76p-33);
        const vec shifted = S::multiply_add(x, S::splat(log2_e), S::splat(shift));
        const vec n = shifted - shift;
        exponent_ = (ivec)shifted;
        r_ = S::multiply_add(n, S::splat(-ln2_low), S::multiply_add(n, S::splat(-ln2_high), x));
    }
    /** Adds a small number to x. */
    void add(vec rest) { r_ += rest; }

    vec value() const {
        constexpr int terms = is_float ? 7 : 13;
        constexpr int exponent_bias = std::numeric_limits<T>::max_exponent - 1;
        constexpr InverseFactorials<T, terms> coefficients;
        vec series = S::splat(coefficients.values[terms]);
#pragma GCC unroll 16
        for (int i = terms - 1; i >= 0; --i)
            series = S::multiply_add(series, r_, S::splat(coefficients.values[i]));
        return series * (vec)((exponent_ + exponent_bias) << mantissa_bits);
    }

private:
    static constexpr int mantissa_bits = std::numeric_limits<T>::digits - 1;
    /** Adding 1.5 * 2^mantissa_bits leaves the nearest integer in the low bits of the mantissa. */
    static constexpr T shift = T(int64_t{3} << (mantissa_bits - 1));

    ivec exponent_;
    vec r_;
};

/** e^x for x <= 0; 1e-38 (float) or 1e-308 (double) at least. */
template <class T> inline typename Simd<T>::vec exponential(typename Simd<T>::vec x) {
    constexpr T lowest = Exponential<T>::lowest;
    return Exponential<T>(x < lowest ? Simd<T>::splat(lowest) : x).value();
}

/** What the arithmetic of model/ takes from the backend, for one vector at a time. */
struct SimdMath {
    template <class V> using Number = std::remove_cvref_t<decltype(V{}[0])>;

    template <class V> [[gnu::always_inline]] static V tanh(V x) { return ORTHO_ISA_NAMESPACE::tanh(x); }
    /** e^x for x <= 0, and 0 below 1e-38 (float) or 1e-308 (double). */
    template <class V> [[gnu::always_inline]] static V exponential(V x) { return exponential(x, V{}); }
    /** The same of x + rest, a rest of at most 0.03 in magnitude. */
    template <class V> [[gnu::always_inline]] static V exponential(V x, V rest) {
        using E = Exponential<Number<V>>;
        const auto is_zero = x < E::lowest;
        E power(is_zero ? V{} + E::lowest : x);
        power.add(rest);
        return is_zero ? V{} : power.value();
    }
    /** a b + c, see Simd::multiply_add. */
    template <class V> [[gnu::always_inline]] static V multiply_add(V a, V b, V c) {
        return Simd<Number<V>>::multiply_add(a, b, c);
    }
};

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
