// What the dense kernels work on: plain descriptions, shared by the kernels of all instruction sets and their caller.
#pragma once

#include <cstdint>

namespace ortho::cpu {

/** A matrix that is read: element (i, j) is data[i * row_stride + j * column_stride]; one of the strides is 1. */
template <class T> struct MatrixView {
    const T* data;
    int64_t row_stride;
    int64_t column_stride;
};

/** C [m, n] = A [m, k] B [k, n], plus a bias for each column; or C += A B. */
template <class T> struct Product {
    int64_t m;
    int64_t n;
    int64_t k;
    MatrixView<T> a;
    MatrixView<T> b;
    /** B as packed by DenseKernels::pack; null: each tile packs what it needs of B for itself. */
    const T* packed;
    /** [n]; null: none */
    const T* bias;
    /** [m, n], row-major */
    T* c;
    bool accumulate;
};

/** A range of rows and a range of columns. */
struct Tile {
    int64_t row_begin;
    int64_t row_end;
    int64_t column_begin;
    int64_t column_end;
};

/**
 * Every element of a product is summed over k in the same order whatever tile it is computed in, so tiles may be cut
 * freely. There are two orders: in blocks of the depth, k after k (multiply, multiply_few), and in vectors along k
 * (multiply_dots). Which of them a product takes must not depend on its number of rows.
 */
template <class T> struct DenseKernels {
    /** Columns that are packed together; a tile's column_begin is a multiple of it. */
    int64_t panel_width;
    /** Elements of B when packed, and scratch elements of a tile of so many rows. */
    int64_t (*packed_size)(int64_t n, int64_t k);
    int64_t (*tile_scratch)(int64_t rows);

    /** Packs columns panel * panel_width and following of B. */
    void (*pack)(const Product<T>& product, int64_t panel, T* packed);
    /** Computes a tile of C. @param scratch tile_scratch(rows of the tile) elements, aligned to 64 bytes */
    void (*multiply)(const Product<T>& product, const Tile& tile, T* scratch);
    /** The same as multiply, from A and B as they lie: both contiguous along k. Faster for up to few_rows rows. */
    void (*multiply_few)(const Product<T>& product, const Tile& tile);
    /** Computes a tile of C by sums in vectors along k, from A and B as they lie: both contiguous along k. */
    void (*multiply_dots)(const Product<T>& product, const Tile& tile);
    int64_t few_rows;
    /** The depth from which on multiply_dots is about as fast as multiply, however many rows there are. */
    int64_t dot_depth;
    /** sums[j] = (accumulate ? sums[j] : 0) + sum over rows of values [rows, columns], for the columns given. */
    void (*column_sums)(const T* values, int64_t rows, int64_t columns, int64_t column_begin, int64_t column_end,
                        bool accumulate, T* sums);
};

} // namespace ortho::cpu
