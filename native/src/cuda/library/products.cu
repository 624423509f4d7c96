#include "cuda/library/products.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>

namespace ortho::cuda {
namespace {

/** Products of one call: cuBLAS fails beyond 65535 of them on some GPUs (github.com/pytorch/pytorch/issues/45724). */
constexpr int64_t most_products = 32768;

/** cuBLAS counts in int. */
int blas_size(int64_t size) {
    if (size > std::numeric_limits<int>::max())
        fail(ORTHO_NOT_SUPPORTED, "a matrix has %" PRId64 " rows or columns; CUDA devices take up to %d", size,
             std::numeric_limits<int>::max());
    return static_cast<int>(size);
}

template <class T> cudaDataType_t type_of() {
    return std::is_same_v<T, float> ? CUDA_R_32F : CUDA_R_64F;
}

template <class T> cublasComputeType_t compute_type(ortho_matrix_precision precision) {
    if (std::is_same_v<T, double>)
        return CUBLAS_COMPUTE_64F;
    switch (precision) {
    case ORTHO_MATRIX_TF32:
        return CUBLAS_COMPUTE_32F_FAST_TF32;
    case ORTHO_MATRIX_BFLOAT16:
        return CUBLAS_COMPUTE_32F_FAST_16BF;
    default:
        return CUBLAS_COMPUTE_32F;
    }
}

cublasOperation_t operation(bool transposed) {
    return transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
}

} // namespace

// cuBLAS stores columns one behind another, so a row-major matrix is to it the transposed one: Cᵀ = Bᵀ Aᵀ.

template <class T>
void multiply(Device& device, ortho_matrix_precision precision, const ProductShape& shape, Matrix<const T> a,
              Matrix<const T> b, bool accumulate, Matrix<T> c) {
    const T one = 1, kept = accumulate ? 1 : 0;
    check(cublasGemmEx(device.blas, operation(b.transposed), operation(a.transposed), blas_size(shape.columns),
                       blas_size(shape.rows), blas_size(shape.inner), &one, b.data, type_of<T>(), blas_size(b.stride),
                       a.data, type_of<T>(), blas_size(a.stride), &kept, c.data, type_of<T>(), blas_size(c.stride),
                       compute_type<T>(precision), CUBLAS_GEMM_DEFAULT),
          "cublasGemmEx");
}

template <class T>
void multiply_many(Device& device, ortho_matrix_precision precision, const ProductShape& shape, Matrix<const T> a,
                   Matrix<const T> b, bool accumulate, Matrix<T> c, const BatchStrides& strides) {
    const T one = 1, kept = accumulate ? 1 : 0;
    for (int64_t first = 0; first < strides.count; first += most_products)
        check(cublasGemmStridedBatchedEx(device.blas, operation(b.transposed), operation(a.transposed),
                                         blas_size(shape.columns), blas_size(shape.rows), blas_size(shape.inner), &one,
                                         b.data + first * strides.b, type_of<T>(), blas_size(b.stride), strides.b,
                                         a.data + first * strides.a, type_of<T>(), blas_size(a.stride), strides.a,
                                         &kept, c.data + first * strides.c, type_of<T>(), blas_size(c.stride),
                                         strides.c, blas_size(std::min(strides.count - first, most_products)),
                                         compute_type<T>(precision), CUBLAS_GEMM_DEFAULT),
              "cublasGemmStridedBatchedEx");
}

template void multiply(Device&, ortho_matrix_precision, const ProductShape&, Matrix<const float>, Matrix<const float>,
                       bool, Matrix<float>);
template void multiply(Device&, ortho_matrix_precision, const ProductShape&, Matrix<const double>, Matrix<const double>,
                       bool, Matrix<double>);
template void multiply_many(Device&, ortho_matrix_precision, const ProductShape&, Matrix<const float>,
                            Matrix<const float>, bool, Matrix<float>, const BatchStrides&);
template void multiply_many(Device&, ortho_matrix_precision, const ProductShape&, Matrix<const double>,
                            Matrix<const double>, bool, Matrix<double>, const BatchStrides&);

} // namespace ortho::cuda
