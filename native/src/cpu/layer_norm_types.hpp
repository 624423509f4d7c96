// What the kernels of layer normalization work on.
#pragma once

#include <cstdint>

namespace ortho::cpu {

/** Rows [rows, units], forward. */
template <class T> struct LayerNormRows {
    int64_t units;
    double epsilon;
    const T* scale;
    const T* offset; // null: none
    const T* x;
    T* y;
    T* statistics; // [rows, 2]; null: not wanted
};

/** The same backward. */
template <class T> struct LayerNormGradients {
    int64_t units;
    const T* scale;
    const T* x;
    const T* statistics;
    const T* y_gradients;
    T* x_gradients; // null: not wanted
};

/** A row's results depend on that row alone. */
template <class T> struct LayerNormKernels {
    void (*forward)(const LayerNormRows<T>& rows, int64_t row_begin, int64_t row_end);
    /** Adds what the rows add to the gradients of scale and offset, [units] each, one row after another. */
    void (*backward)(const LayerNormGradients<T>& rows, int64_t row_begin, int64_t row_end, T* scale_sums,
                     T* offset_sums);
};

} // namespace ortho::cpu
