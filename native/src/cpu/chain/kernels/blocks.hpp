// Filters of several blocks: products that leave out the zeros beside them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/chain/kernels/tiles.hpp"
#include "cpu/chain/types.hpp"

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

/**
 * Vectors of units that are multiplied at a time: the fewer, the more zeros are left out. 12 accumulators keep the
 * multiply-adds of AVX-512 busy; where it takes more, or where a tile has no more, it is the whole tile.
 */
#if defined(__AVX512F__)
inline constexpr int block_vectors = 2;
#else
inline constexpr int block_vectors = single_vectors;
#endif

/** The products of R rows with the vectors of a tile from `first` on, of C, and with those behind them. */
template <int width, int first, int C, int R, class T, class Storage>
[[gnu::always_inline]] inline void multiply_blocks(const BlockColumns* columns, const Storage* filter, const T* state,
                                                   int64_t panel_stride, T* products) {
    using S = Simd<T>;
    constexpr int vectors = std::min(C - first, block_vectors);
    Accumulators<T, R, vectors> part;
    part.clear();
    multiply_columns<width>(part, state, panel_stride, filter + columns->at, columns->begin, columns->end);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int c = 0; c < vectors; ++c)
            S::store(products + (r * C + first + c) * S::width, part.value[r][c]);
    if constexpr (first + vectors < C)
        multiply_blocks<width, first + vectors, C, R>(columns + 1, filter, state, panel_stride, products);
}

/**
 * The product of a column tile with a filter of several blocks, forward or backward.
 * @param columns   of all tiles
 * @param state     the first of the rows
 * @param products  [rows][C vectors], written
 */
template <class Num, int width, int C, int R>
void block_product(const BlockColumns* columns, const StorageOf<Num>* filter, const StateOf<Num>* state,
                   int64_t panel_stride, int64_t unit, SumOf<Num>* products) {
    multiply_blocks<width, 0, C, R>(columns + unit / (block_vectors * Simd<SumOf<Num>>::width), filter, state,
                                    panel_stride, products);
}

template <class Num>
using BlockProduct = void (*)(const BlockColumns*, const StorageOf<Num>*, const StateOf<Num>*, int64_t, int64_t,
                              SumOf<Num>*);

template <class Num, int width, int C, int... r>
constexpr ByRows<BlockProduct<Num>, sizeof...(r)> block_products_by_rows(std::integer_sequence<int, r...>) {
    return {&block_product<Num, width, C, r + 1>...};
}
template <class Num, int width, int... c>
constexpr ByTile<BlockProduct<Num>, single_rows, sizeof...(c)> block_products_of(std::integer_sequence<int, c...>) {
    return {block_products_by_rows<Num, width, c + 1>(SingleRows{})...};
}
/** By vectors of the tile - 1 and rows - 1. */
template <class Num, int width> inline constexpr auto block_products = block_products_of<Num, width>(SingleVectors{});

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
