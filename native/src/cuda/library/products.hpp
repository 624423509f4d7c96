// Matrix products by cuBLAS, in the row-major terms of the library.
#pragma once

#include <cstdint>

#include "cuda/library/device.hpp"

namespace ortho::cuda {

/** A row-major matrix, or the transposed of one. */
template <class T> struct Matrix {
    T* data;
    /** Elements from one row to the next, as it is stored. */
    int64_t stride;
    bool transposed = false;
};

/** The sizes of C = A B: A [rows, inner], B [inner, columns], C [rows, columns]. */
struct ProductShape {
    int64_t rows;
    int64_t columns;
    int64_t inner;
};

/** Many products of one shape: elements from one matrix to the next. */
struct BatchStrides {
    int64_t count;
    int64_t a;
    int64_t b;
    int64_t c;
};

/** C = A B, or C += A B. */
template <class T>
void multiply(Device& device, ortho_matrix_precision precision, const ProductShape& shape, Matrix<const T> a,
              Matrix<const T> b, bool accumulate, Matrix<T> c);

/** The same for many matrices, one `strides` behind another. */
template <class T>
void multiply_many(Device& device, ortho_matrix_precision precision, const ProductShape& shape, Matrix<const T> a,
                   Matrix<const T> b, bool accumulate, Matrix<T> c, const BatchStrides& strides);

} // namespace ortho::cuda
