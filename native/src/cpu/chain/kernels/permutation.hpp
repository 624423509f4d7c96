// Structured filters: products with a signed permutation.
#pragma once

#include <cstdint>

#include "cpu/chain/kernels/tiles.hpp"
#include "cpu/chain/types.hpp"
#include "cpu/shuffle.hpp"
#include "cpu/simd.hpp"

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

/**
 * The largest number of units whose scattered sources are looked up in all pairs of a row's vectors: an instruction a
 * pair, where a gather costs the same for any number. Measured on Zen 4, in ns a vector: 0.9, 1.3, 2.4 and 5.7 by pairs
 * for 64, 128, 256 and 512 units, 5.1 to 5.3 by gathers.
 */
#if defined(__AVX512F__)
template <class T> inline constexpr int64_t most_looked_up = sizeof(T) == 4 ? 448 : 0;
#else
template <class T> inline constexpr int64_t most_looked_up = 0;
#endif

#if defined(__AVX512F__)

/** C vectors of units of R rows, see StructuredFilter::lanes_of_pair. */
template <int width, int C, int R>
[[gnu::always_inline]] inline void look_up_rows(const float* row, int64_t panel_stride, int64_t pairs,
                                                const int32_t* unit, const uint16_t* lanes_of_pair, float* out) {
    using S = Simd<float>;
    // A lane is its source's number until it becomes the value: an instruction takes the last 5 bits of those lanes
    // that it replaces, and leaves the others.
    __m512 x[R][C];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c)
            x[r][c] = _mm512_castsi512_ps(_mm512_loadu_si512(unit + c * S::width));
    for (int64_t pair = 0; pair < pairs; ++pair) {
        const float* const in = row + pair / 2 * panel_stride + pair % 2 * (2 * S::width);
        __mmask16 lanes[C];
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c)
            lanes[c] = lanes_of_pair[c * pairs + pair];
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) {
            const __m512 low = (__m512)S::load(in + r * width);
            // Behind `padded` a wide panel has memory of the same row, but nothing that is taken.
            const __m512 high = width == S::width ? low : (__m512)S::load(in + r * width + S::width);
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c)
                x[r][c] = _mm512_mask2_permutex2var_ps(low, _mm512_castps_si512(x[r][c]), lanes[c], high);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c)
            S::store(out + (r * C + c) * S::width, (S::vec)x[r][c]);
}

#endif

/**
 * Where the filter is a signed permutation: calls body(permuted) once, with permuted(row) giving x[source] for one
 * vector of units of the state row that starts there. How its sources lie is decided once for all rows of a tile.
 */
template <class T, class Body>
[[gnu::always_inline]] inline void with_permutation(const StructuredFilter<T>& filter, int64_t unit, Body&& body) {
    using S = Simd<T>;
    const int32_t* const source = filter.source + unit;
    const int64_t first = source[0];
    switch (filter.run[unit / S::width]) {
    case GatherRun::contiguous:
        body([=](const T* row) { return S::load(row + first); });
        break;
    case GatherRun::all_but_first:
        body([=, second = source[1]](const T* row) {
            typename S::vec x = rotate_lanes<S::width - 1, T>(S::load(row + second));
            x[0] = row[first];
            return x;
        });
        break;
    case GatherRun::all_but_last:
        body([=, last = source[S::width - 1]](const T* row) {
            typename S::vec x = rotate_lanes<1, T>(S::load(row + first - 1));
            x[S::width - 1] = row[last];
            return x;
        });
        break;
    default:
        body([=](const T* row) { return S::gather(row, source); });
    }
}

/**
 * x[source] of a tile's units for some rows, which begin at `row` in the first panel: [rows][C vectors].
 * @return false, and nothing is written, where that is not faster than with_permutation
 */
template <class T, int width, int C>
bool look_up_tile([[maybe_unused]] const StructuredFilter<T>& filter, [[maybe_unused]] const T* row,
                  [[maybe_unused]] int64_t panel_stride, [[maybe_unused]] int64_t rows, [[maybe_unused]] int64_t unit,
                  [[maybe_unused]] T* out) {
#if defined(__AVX512F__)
    if constexpr (most_looked_up<T> != 0) {
        using S = Simd<T>;
        bool scattered = false;
        for (int c = 0; c < C; ++c)
            scattered = scattered || filter.run[unit / S::width + c] == GatherRun::scattered;
        if (!scattered || !filter.lanes_of_pair)
            return false;
        const int64_t pairs = filter.pairs;
        const int32_t* const units = filter.unit + unit;
        const uint16_t* const lanes = filter.lanes_of_pair + unit / S::width * pairs;
        // Three rows: twelve vectors that do not wait for each other.
        for (; rows >= 3; rows -= 3, row += 3 * width, out += 3 * C * S::width)
            look_up_rows<width, C, 3>(row, panel_stride, pairs, units, lanes, out);
        if (rows == 2)
            look_up_rows<width, C, 2>(row, panel_stride, pairs, units, lanes, out);
        else if (rows == 1)
            look_up_rows<width, C, 1>(row, panel_stride, pairs, units, lanes, out);
        return true;
    }
#endif
    return false;
}

template <class T> using LookUpTile = bool (*)(const StructuredFilter<T>&, const T*, int64_t, int64_t, int64_t, T*);

template <class T, int width, int... c>
constexpr std::array<LookUpTile<T>, sizeof...(c)> look_up_tiles_of(std::integer_sequence<int, c...>) {
    return {&look_up_tile<T, width, c + 1>...};
}
/** By vectors of the tile - 1. */
template <class T, int width> inline constexpr auto look_up_tiles = look_up_tiles_of<T, width>(SingleVectors{});

/** The same by either means. */
template <class T, int width>
void permute_tile(const StructuredFilter<T>& filter, const T* row, int64_t panel_stride, int64_t rows, int64_t unit,
                  int vectors, T* out) {
    using S = Simd<T>;
    if (look_up_tiles<T, width>[static_cast<size_t>(vectors - 1)](filter, row, panel_stride, rows, unit, out))
        return;
    for (int c = 0; c < vectors; ++c)
        with_permutation(filter, unit + c * S::width, [&](const auto& permuted) {
            for (int64_t r = 0; r < rows; ++r)
                S::store(out + (r * vectors + c) * S::width, permuted(row + r * width));
        });
}

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
