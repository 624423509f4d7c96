#include "cuda/library/reductions.hpp"

#include <algorithm>

namespace ortho::cuda {
namespace {

constexpr int column_width = 32;
constexpr int column_rows = 8;
/** Rows that one block sums up. */
constexpr int64_t rows_of_part = 1024;

/** The sums of a part of the rows; `factors` says how many there may be, 0 or most_factors. */
template <class T, int factors>
__global__ void sum_columns_kernel(ColumnSums sums, int64_t part_rows, const T* matrices, bool accumulate, T* out,
                                   FactorProducts<T> products) {
    T* const shared = shared_memory<T>();
    const int count = static_cast<int>(products.count);
    const int64_t column = static_cast<int64_t>(blockIdx.x) * column_width + threadIdx.x;
    const int64_t begin = static_cast<int64_t>(blockIdx.y) * part_rows;
    const int64_t end = begin + part_rows < sums.rows ? begin + part_rows : sums.rows;
    for (int64_t matrix = blockIdx.z; matrix < sums.matrices; matrix += gridDim.z) {
        const T* const values = matrices + matrix * sums.matrix_stride;
        T sum[1 + factors] = {}; // of the column, then of its products
        if (column < sums.columns)
            for (int64_t row = begin + threadIdx.y; row < end; row += column_rows) {
                const T value = values[row * sums.columns + column];
                sum[0] += value;
#pragma unroll
                for (int factor = 0; factor < factors; ++factor)
                    if (factor < count)
                        sum[1 + factor] += value * products.factors[row * count + factor];
            }
        const int64_t at = (matrix * gridDim.y + blockIdx.y) * sums.columns + column;
#pragma unroll
        for (int which = 0; which < 1 + factors; ++which) {
            if (which > count)
                break;
            shared[threadIdx.y * column_width + threadIdx.x] = sum[which];
            __syncthreads();
            if (threadIdx.y == 0 && column < sums.columns) {
                for (int y = 1; y < column_rows; ++y)
                    sum[which] += shared[y * column_width + threadIdx.x];
                T* const total = which == 0 ? out + at : products.out + at * count + which - 1;
                *total = accumulate ? *total + sum[which] : sum[which];
            }
            __syncthreads();
        }
    }
}

template <class T>
void launch_sums(Device& device, const ColumnSums& sums, int64_t parts, const T* matrices, bool accumulate, T* out,
                 const FactorProducts<T>& products = {}) {
    const int64_t part_rows = (sums.rows + parts - 1) / parts;
    const dim3 grid(static_cast<unsigned>((sums.columns + column_width - 1) / column_width),
                    static_cast<unsigned>(parts), static_cast<unsigned>(std::min(sums.matrices, most_blocks_across)));
    launch("sum_columns", products.count > 0 ? sum_columns_kernel<T, most_factors> : sum_columns_kernel<T, 0>,
           {grid, dim3(column_width, column_rows), column_width * column_rows * sizeof(T), false}, device.stream, sums,
           part_rows, matrices, accumulate, out, products);
}

int64_t parts_of(const ColumnSums& sums) {
    return std::clamp<int64_t>(sums.rows / rows_of_part, 1, 1024);
}

} // namespace

template <class T> int64_t sum_columns_scratch(const ColumnSums& sums, int64_t products) {
    const int64_t parts = parts_of(sums);
    return parts == 1 ? 0 : sums.matrices * parts * sums.columns * (1 + products) * static_cast<int64_t>(sizeof(T));
}

template <class T>
void sum_columns(Device& device, const ColumnSums& sums, const T* matrices, bool accumulate, T* out,
                 const FactorProducts<T>& products) {
    const int64_t parts = parts_of(sums);
    if (parts == 1) {
        launch_sums(device, sums, 1, matrices, accumulate, out, products);
        return;
    }
    T* const partial =
        device.scratch<T>(sum_columns_scratch<T>(sums, products.count) / static_cast<int64_t>(sizeof(T)));
    T* const partial_products = partial + sums.matrices * parts * sums.columns;
    launch_sums(device, sums, parts, matrices, false, partial, {products.count, products.factors, partial_products});
    const auto add_up = [&](int64_t columns, const T* from, T* to) {
        launch_sums(device, ColumnSums{parts, columns, sums.matrices, parts * columns}, 1, from, accumulate, to);
    };
    add_up(sums.columns, partial, out);
    if (products.count > 0)
        add_up(sums.columns * products.count, partial_products, products.out);
}

template int64_t sum_columns_scratch<float>(const ColumnSums&, int64_t);
template int64_t sum_columns_scratch<double>(const ColumnSums&, int64_t);
template void sum_columns(Device&, const ColumnSums&, const float*, bool, float*, const FactorProducts<float>&);
template void sum_columns(Device&, const ColumnSums&, const double*, bool, double*, const FactorProducts<double>&);

} // namespace ortho::cuda
