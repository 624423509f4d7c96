// What the dense kernels work on: plain descriptions, shared by the kernels of all instruction sets and their caller.
#pragma once

#include <cstdint>

#include "model/fold.hpp"

namespace ortho::cpu {

/** A matrix that is read: element (i, j) is data[i * row_stride + j * column_stride]; one of the strides is 1. */
template <class T> struct MatrixView {
    const T* data;
    int64_t row_stride;
    int64_t column_stride;
};

/** C [m, n] = A [m, k] B [k, n], plus a bias for each column. A is contiguous along k. */
template <class T> struct Product {
    int64_t m;
    int64_t n;
    int64_t k;
    MatrixView<T> a;
    MatrixView<T> b;
    /** B as packed by DenseKernels::pack. */
    const T* packed;
    /** [n]; null: none */
    const T* bias;
    /** [m, n], row-major */
    T* c;
};

/**
 * A leaf of a call's rows, and what becomes of its sum: the sums of the `joins` slots before it are added to it, from
 * the last to the first, and it takes the place of the first of them.
 */
struct DenseLeaf {
    /** Sample of the call. */
    int64_t first;
    int64_t samples;
    int64_t slot;
    int64_t joins;
};

/** Rows that are summed by leaves: row t * batch + i is step t of sample i. */
struct LeafSums {
    int64_t steps;
    int64_t batch;
    const DenseLeaf* leaves;
    int64_t leaf_count;
    /** Of all leaves. */
    int64_t rows;
    /** The most that are in use at a time; those of the last leaf, and the ones before it, are the partial sums. */
    int64_t slots;
    /** Elements from a partial sum to the next, in the gradients of weights and of the bias. */
    int64_t stride;
    bool accumulate;
};

/** C [m, n] = the sum over rows of a [rows, m], transposed, times b [rows, n]; one for each partial sum. */
template <class T> struct SumProduct {
    int64_t m;
    int64_t n;
    const T* a;
    const T* b;
    T* c;
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
 * (multiply_dots). Which of them a product takes must not depend on its number of rows. Sums over rows (sum_products,
 * column_sums) are those of leaves, in blocks that are counted from the leaf's first row.
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
    /** Scratch elements of a tile of so many rows and columns. */
    int64_t (*sum_scratch)(const LeafSums& sums, int64_t rows, int64_t columns);
    /** Computes a tile of C. @param scratch sum_scratch(rows and columns of the tile) elements, aligned to 64 bytes */
    void (*sum_products)(const SumProduct<T>& product, const LeafSums& sums, const Tile& tile, T* scratch);
    /** The same as multiply, from A and B as they lie: both contiguous along k. Faster for up to few_rows rows. */
    void (*multiply_few)(const Product<T>& product, const Tile& tile);
    /** Computes a tile of C by sums in vectors along k, from A and B as they lie: both contiguous along k. */
    void (*multiply_dots)(const Product<T>& product, const Tile& tile);
    int64_t few_rows;
    /** The depth from which on multiply_dots is about as fast as multiply, however many rows there are. */
    int64_t dot_depth;
    /** out[j] = the sum over rows of values [rows, columns], for the columns given; one for each partial sum. */
    void (*column_sums)(const T* values, const LeafSums& sums, int64_t columns, int64_t column_begin,
                        int64_t column_end, T* out);
};

} // namespace ortho::cpu
