// Exchanges of lanes between two vectors, from which transposes and sums over lanes are made.
#pragma once

#include <utility>

#include "cpu/simd.hpp"

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

/** Lanes whose number lacks bit `distance` from a, the others from b, `distance` lanes before. */
template <int distance, class T>
[[gnu::always_inline]] inline typename Simd<T>::vec take_even(typename Simd<T>::vec a, typename Simd<T>::vec b) {
    return [&]<int... lane>(std::integer_sequence<int, lane...>) __attribute__((always_inline)) {
        return __builtin_shufflevector(a, b, ((lane & distance) == 0 ? lane : Simd<T>::width + lane - distance)...);
    }
    (std::make_integer_sequence<int, Simd<T>::width>{});
}

/** Lanes whose number has bit `distance` from b, the others from a, `distance` lanes behind. */
template <int distance, class T>
[[gnu::always_inline]] inline typename Simd<T>::vec take_odd(typename Simd<T>::vec a, typename Simd<T>::vec b) {
    return [&]<int... lane>(std::integer_sequence<int, lane...>) __attribute__((always_inline)) {
        return __builtin_shufflevector(a, b, ((lane & distance) == 0 ? lane + distance : Simd<T>::width + lane)...);
    }
    (std::make_integer_sequence<int, Simd<T>::width>{});
}

/** v[(lane + by) mod width] in each lane. */
template <int by, class T> [[gnu::always_inline]] inline typename Simd<T>::vec rotate_lanes(typename Simd<T>::vec v) {
    return [&]<int... lane>(std::integer_sequence<int, lane...>) __attribute__((always_inline)) {
        return __builtin_shufflevector(v, v, ((lane + by) & (Simd<T>::width - 1))...);
    }
    (std::make_integer_sequence<int, Simd<T>::width>{});
}

/** Transposes `width` vectors in place: bit by bit, the number of the vector and that of the lane change places. */
template <class T, int distance = 1>
[[gnu::always_inline]] inline void transpose(typename Simd<T>::vec (&rows)[Simd<T>::width]) {
    if constexpr (distance < Simd<T>::width) {
#pragma GCC unroll 16
        for (int i = 0; i < Simd<T>::width; ++i)
            if ((i & distance) == 0) {
                const auto a = rows[i];
                const auto b = rows[i | distance];
                rows[i] = take_even<distance, T>(a, b);
                rows[i | distance] = take_odd<distance, T>(a, b);
            }
        transpose<T, 2 * distance>(rows);
    }
}

/** @return in lane l the sum over the lanes of vectors[l], always added in the same tree. */
template <class T, int distance = 1>
[[gnu::always_inline]] inline typename Simd<T>::vec sum_lanes(typename Simd<T>::vec* vectors) {
    if constexpr (distance < Simd<T>::width) {
#pragma GCC unroll 16
        for (int i = 0; i < Simd<T>::width; i += 2 * distance)
            vectors[i] = take_even<distance, T>(vectors[i], vectors[i + distance]) +
                         take_odd<distance, T>(vectors[i], vectors[i + distance]);
        return sum_lanes<T, 2 * distance>(vectors);
    } else {
        return vectors[0];
    }
}

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
