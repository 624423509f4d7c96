// Values of several rows, each of which is multiplied with vectors: broadcast where the processor has no other way, and
// taken from a lane of a vector that was loaded whole where it can multiply by one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "cpu/simd.hpp"

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

/** Values of rows that lie `stride` apart. */
template <class T> struct Broadcasts {
    const T* first;
    int64_t stride;

    [[gnu::always_inline]] typename Simd<T>::vec of(int row) const { return Simd<T>::splat(first[row * stride]); }
    template <int row> [[gnu::always_inline]] typename Simd<T>::vec of() const { return of(row); }
};

#if defined(__aarch64__)

/** Values of rows, each one lane of a vector of its own. */
template <class T, int rows, int lane> struct LaneOfEach {
    const typename Simd<T>::vec (&vectors)[rows];

    [[gnu::always_inline]] typename Simd<T>::template Lane<lane> of(int row) const { return {vectors[row]}; }
    template <int row> [[gnu::always_inline]] typename Simd<T>::template Lane<lane> of() const { return of(row); }
};

/** Values of so many rows that lie one behind another, at least a vector of them. */
template <class T, int rows> struct LanesInTurn {
    using S = Simd<T>;
    static constexpr int count = (rows + S::width - 1) / S::width;
    typename S::vec vectors[count];

    /** The last vector ends with the last row, so that nothing behind it is read. */
    static constexpr int first_row(int vector) { return std::min(vector * S::width, rows - S::width); }

    [[gnu::always_inline]] explicit LanesInTurn(const T* first) {
#pragma GCC unroll 8
        for (int i = 0; i < count; ++i)
            vectors[i] = S::load(first + first_row(i));
    }

    template <int row> [[gnu::always_inline]] typename S::template Lane<row - first_row(row / S::width)> of() const {
        return {vectors[row / S::width]};
    }
};

#endif

/**
 * Calls body(values) for `count` numbers of each row in turn, where values.of(row) is what Simd::multiply_add takes.
 * @tparam in_pairs  two calls to a turn of the loop, where it is not as many as a vector has lanes
 * @param stride     from a row's number to that of the next row; a row's numbers lie one behind another
 */
template <class T, int rows, bool in_pairs, class Body>
[[gnu::always_inline]] inline void for_each_of_rows(const T* first, int64_t stride, int64_t count, Body&& body) {
    int64_t k = 0;
#if defined(__aarch64__)
    using S = Simd<T>;
    for (; k + S::width <= count; k += S::width) {
        typename S::vec vectors[rows];
#pragma GCC unroll 16
        for (int r = 0; r < rows; ++r)
            vectors[r] = S::load(first + r * stride + k);
        [&]<int... lane>(std::integer_sequence<int, lane...>) __attribute__((always_inline)) {
            (body(LaneOfEach<T, rows, lane>{vectors}), ...);
        }
        (std::make_integer_sequence<int, S::width>{});
    }
#else
    if constexpr (in_pairs) {
#pragma GCC unroll 2
        for (; k < count; ++k)
            body(Broadcasts<T>{first + k, stride});
        return;
    }
#endif
    for (; k < count; ++k)
        body(Broadcasts<T>{first + k, stride});
}

/** Calls body(values) once with a number of each row, where values.of<row>() is what Simd::multiply_add takes. */
template <class T, int rows, class Body>
[[gnu::always_inline]] inline void with_rows_in_turn(const T* first, Body&& body) {
#if defined(__aarch64__)
    if constexpr (rows >= Simd<T>::width)
        body(LanesInTurn<T, rows>(first));
    else
#endif
        body(Broadcasts<T>{first, 1});
}

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
