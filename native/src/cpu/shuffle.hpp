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

// Vectors as pieces of 16 bytes: within those, processors exchange lanes most cheaply, and memory is where pieces are
// put together most cheaply.

template <class T> inline constexpr int piece_width = 16 / static_cast<int>(sizeof(T));

/** A vector of pieces, piece i from from[i * stride] + offset. */
template <class T, int stride, int pieces = Simd<T>::width / piece_width<T>>
[[gnu::always_inline]] inline auto load_pieces(const T* const* from, int64_t offset) {
    if constexpr (pieces == 1) {
        typedef T piece __attribute__((vector_size(16)));
        typedef T unaligned __attribute__((vector_size(16), aligned(alignof(T)), may_alias));
        return static_cast<piece>(*reinterpret_cast<const unaligned*>(*from + offset));
    } else {
        const auto low = load_pieces<T, stride, pieces / 2>(from, offset);
        const auto high = load_pieces<T, stride, pieces / 2>(from + pieces / 2 * stride, offset);
        return [&]<int... lane>(std::integer_sequence<int, lane...>) __attribute__((always_inline)) {
            return __builtin_shufflevector(low, high, lane...);
        }
        (std::make_integer_sequence<int, pieces * piece_width<T>>{});
    }
}

/** Of each piece's first (half 0) or second half: `size` lanes of a, as many of b, and so on in turns. */
template <int half, int size, class T>
[[gnu::always_inline]] inline typename Simd<T>::vec unpack(typename Simd<T>::vec a, typename Simd<T>::vec b) {
    constexpr int n = piece_width<T>, width = Simd<T>::width;
    return [&]<int... lane>(std::integer_sequence<int, lane...>) __attribute__((always_inline)) {
        return __builtin_shufflevector(
            a, b,
            (lane / n * n + half * n / 2 + lane % n / (2 * size) * size + lane % size + lane / size % 2 * width)...);
    }
    (std::make_integer_sequence<int, width>{});
}

/** columns[i] has element offset + i of each of `width` rows. */
template <class T>
[[gnu::always_inline]] inline void load_columns(const T* const* rows, int64_t offset,
                                                typename Simd<T>::vec (&columns)[piece_width<T>]) {
    using vec = typename Simd<T>::vec;
    constexpr int n = piece_width<T>;
    vec read[n];
#pragma GCC unroll 4
    for (int i = 0; i < n; ++i)
        read[i] = load_pieces<T, n>(rows + i, offset);
    // Transposed within each piece.
    if constexpr (n == 2) {
        columns[0] = unpack<0, 1, T>(read[0], read[1]);
        columns[1] = unpack<1, 1, T>(read[0], read[1]);
    } else {
        const vec low_even = unpack<0, 1, T>(read[0], read[1]), high_even = unpack<1, 1, T>(read[0], read[1]);
        const vec low_odd = unpack<0, 1, T>(read[2], read[3]), high_odd = unpack<1, 1, T>(read[2], read[3]);
        columns[0] = unpack<0, 2, T>(low_even, low_odd);
        columns[1] = unpack<1, 2, T>(low_even, low_odd);
        columns[2] = unpack<0, 2, T>(high_even, high_odd);
        columns[3] = unpack<1, 2, T>(high_even, high_odd);
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
