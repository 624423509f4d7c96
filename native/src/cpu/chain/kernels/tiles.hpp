// Tiles: what the products of all steps are computed in, for the instruction set that the including file is compiled
// for.
//
// Weights are the vector operand and states the broadcast one: a tile of R rows × C vectors of units stays in
// registers while k runs over the units of the previous state, so a vector of weights is read once for R rows, and a
// state value once for all of the tile's units. A cell's epilogue works on the finished tile while it is in the
// first-level cache, and is written once for all tile shapes: the bits of a row never depend on which rows share its
// tile.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

#include "cpu/broadcast.hpp"
#include "cpu/chain/types.hpp"
#include "cpu/simd.hpp"

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

// Tile shapes. Accumulators, the weights of one k and a broadcast value must fit the registers: 32 on AVX-512 and
// AArch64, 16 elsewhere. On AArch64 a vector of each row's states stays in a register while its lanes are multiplied
// by: of 6 rows that would be 34 registers. 5 rows take 29, and 20 accumulators keep four pipes busy, whose
// multiply-adds take four cycles.
#if defined(__AVX512F__)
inline constexpr int dual_rows = 6, dual_vectors = 2;     // 24 accumulators: both products of [αO; W]
inline constexpr int single_rows = 6, single_vectors = 4; // 24 accumulators
inline constexpr int outer_rows = 6, outer_vectors = 4;   // 24 accumulators
#elif defined(__aarch64__)
inline constexpr int dual_rows = 5, dual_vectors = 2;     // 20 accumulators: both products of [αO; W]
inline constexpr int single_rows = 5, single_vectors = 4; // 20 accumulators
inline constexpr int outer_rows = 6, outer_vectors = 4;   // 24 accumulators: rows are lanes of few vectors
#else
inline constexpr int dual_rows = 6, dual_vectors = 1;     // 12 accumulators
inline constexpr int single_rows = 6, single_vectors = 2; // 12 accumulators
inline constexpr int outer_rows = 6, outer_vectors = 2;   // 12 accumulators
#endif

/** Cuts `count` into pieces of at most `most`, as even as possible, and calls body(begin, size) for each. */
template <class Body> [[gnu::always_inline]] inline void even_pieces(int64_t count, int64_t most, Body&& body) {
    if (count <= most) { // without a division, which a small step would notice
        if (count > 0)
            body(int64_t{0}, count);
        return;
    }
    const int64_t pieces = (count + most - 1) / most;
    // Piece i ends at count (i + 1) / pieces, rounded down, which takes one division for all pieces.
    const int64_t least = count / pieces, longer = count - least * pieces;
    for (int64_t begin = 0, part = 0; begin < count;) {
        part += longer;
        int64_t size = least;
        if (part >= pieces) {
            part -= pieces;
            ++size;
        }
        body(begin, size);
        begin += size;
    }
}

/** The same for ranges of rows: calls body(first row, rows). */
template <class Body> [[gnu::always_inline]] inline void row_pieces(RowRanges rows, int64_t most, Body&& body) {
    for (int64_t i = 0; i < rows.count; ++i) {
        const Span range = rows.ranges[i];
        even_pieces(range.size(), most, [&](int64_t begin, int64_t count) { body(range.begin + begin, count); });
    }
}

/** Widths of a panel: one for chains of a single line of units, one for all others (see StateLayout). */
template <class T> inline constexpr int narrow_width = 64 / static_cast<int>(sizeof(T));
template <class T> inline constexpr int wide_width = 4 * narrow_width<T>;

/** Accumulators of a tile: R rows of C vectors. */
template <class T, int R, int C> struct Accumulators {
    using S = Simd<T>;
    typename S::vec value[R][C];

    [[gnu::always_inline]] void clear() {
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c)
                value[r][c] = typename S::vec{};
    }

    /** As store() left it. */
    [[gnu::always_inline]] void load(const T* stored) {
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c)
                value[r][c] = S::load(stored + (r * C + c) * S::width);
    }

    template <class State> [[gnu::always_inline]] void start_rows_with(const State* row) {
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c)
                value[r][c] = S::load(row + c * S::width);
    }

    /** value[r] += values.of<r>() · weights, for one k. */
    template <class Weight, class Values>
    [[gnu::always_inline]] void multiply_add(const Weight* weights, const Values& values) {
        typename S::vec w[C];
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c)
            w[c] = S::load(weights + c * S::width);
        [&]<int... r>(std::integer_sequence<int, r...>) __attribute__((always_inline)) {
            (multiply_add_row(value[r], w, values.template of<r>()), ...);
        }
        (std::make_integer_sequence<int, R>{});
    }

    template <class Value>
    [[gnu::always_inline]] static void multiply_add_row(typename S::vec (&row)[C], const typename S::vec (&w)[C],
                                                        Value x) {
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c)
            row[c] = S::multiply_add(w[c], x, row[c]);
    }

    /** Adds a tile that was stored. */
    [[gnu::always_inline]] void add(const T* stored) {
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c)
                value[r][c] += S::load(stored + (r * C + c) * S::width);
    }

    [[gnu::always_inline]] void store(T* out) const {
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c)
                S::store(out + (r * C + c) * S::width, value[r][c]);
    }
};

/**
 * tile += state · weights over the units of [begin, end), of which the weights are; `width` is the layout's, known when
 * compiling so that rows are offsets.
 */
template <int width, class T, int R, int C, class State, class Storage>
[[gnu::always_inline]] inline void multiply_columns(Accumulators<T, R, C>& tile, const State* state,
                                                    int64_t panel_stride, const Storage* weights, int64_t begin,
                                                    int64_t end) {
    state += begin / width * panel_stride;
    for (int64_t first = begin - begin % width; first < end; first += width, state += panel_stride) {
        const int64_t count = end - first < width ? end - first : width;
        const int64_t before = begin > first ? begin - first : 0;
        for_each_of_rows<T, R, true>(
            state + before, width, count - before, [&](const auto& values) __attribute__((always_inline)) {
                tile.multiply_add(weights, values);
                weights += C * Simd<T>::width;
            });
    }
}

/** The same over all units. */
template <int width, class T, int R, int C, class State, class Storage>
[[gnu::always_inline]] inline void multiply_state(Accumulators<T, R, C>& tile, const State* state, int64_t panel_stride,
                                                  const Storage* weights, int64_t units) {
    multiply_columns<width>(tile, state, panel_stride, weights, 0, units);
}

/** Where the products of a tile go before its last operations: [rows][tile units] for each of the two. */
template <class T> struct TileProducts {
    alignas(64) T filtered[single_rows * single_vectors * Simd<T>::width];
    alignas(64) T driven[single_rows * single_vectors * Simd<T>::width];
};

/** A kernel for every number of rows from 1 to the size of the array, by number of rows - 1. */
template <class Function, size_t rows> using ByRows = std::array<Function, rows>;
/** And for every number of vectors from 1 on: the last tile of a row of units may be narrower than the others. */
template <class Function, size_t rows, size_t vectors> using ByTile = std::array<ByRows<Function, rows>, vectors>;

using DualRows = std::make_integer_sequence<int, dual_rows>;
using SingleRows = std::make_integer_sequence<int, single_rows>;
using DualVectors = std::make_integer_sequence<int, dual_vectors>;
using SingleVectors = std::make_integer_sequence<int, single_vectors>;

/** Calls body(first unit, vectors, products) for every column tile, with the kernels of so many vectors. */
template <class T, class Kernels, class Body>
[[gnu::always_inline]] inline void for_tiles(int64_t padded, int64_t tile_begin, int64_t tile_end, bool descending,
                                             const Kernels& kernels, Body&& body) {
    constexpr int64_t most = std::tuple_size_v<Kernels>;
    for (int64_t at = tile_begin; at < tile_end; ++at) {
        const int64_t tile = descending ? tile_begin + tile_end - 1 - at : at;
        const int64_t unit = tile * most * Simd<T>::width;
        const int64_t left = (padded - unit) / Simd<T>::width;
        const int64_t vectors = left < most ? left : most;
        body(unit, static_cast<int>(vectors), kernels[static_cast<size_t>(vectors - 1)]);
    }
}

/** Prefetches the lines of a tile while a product is computed: to read them, or to write them too. */
template <bool written, class T>
[[gnu::always_inline]] inline void prefetch_tile(const StateLayout& layout, const T* state, int64_t row, int64_t rows,
                                                 int64_t unit, int vectors) {
    const T* first = state + layout.offset(unit, row);
    for (int64_t r = 0; r < rows; ++r)
        for (int c = 0; c < vectors; ++c)
            __builtin_prefetch(first + r * layout.width + c * Simd<T>::width, written);
}

/**
 * Prefetches the next piece into the second-level cache: it must not push out what the step works on. Between the
 * product of a tile and its epilogue, the processor has room for it; before the product it waits for the prefetches of
 * that tile.
 */
[[gnu::always_inline]] inline void prefetch_piece(Upcoming& upcoming) {
    const int64_t left = upcoming.end - upcoming.begin;
    for (const char* const end = upcoming.begin + (left < upcoming.piece ? left : upcoming.piece); upcoming.begin < end;
         upcoming.begin += 64)
        __builtin_prefetch(upcoming.begin, 0, 2);
}

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
