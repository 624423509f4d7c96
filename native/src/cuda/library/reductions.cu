#include "cuda/library/reductions.hpp"

#include <algorithm>

namespace ortho::cuda {
namespace {

constexpr int column_width = 32;
constexpr int column_rows = 8;
/** Rows that one block sums up. */
constexpr int64_t rows_of_part = 1024;

/** The sums of a part of the rows. */
template <class T>
__global__ void sum_columns_kernel(ColumnSums sums, int64_t part_rows, const T* matrices, bool accumulate, T* out) {
    T* const shared = shared_memory<T>();
    const int64_t column = static_cast<int64_t>(blockIdx.x) * column_width + threadIdx.x;
    const int64_t begin = static_cast<int64_t>(blockIdx.y) * part_rows;
    const int64_t end = begin + part_rows < sums.rows ? begin + part_rows : sums.rows;
    for (int64_t matrix = blockIdx.z; matrix < sums.matrices; matrix += gridDim.z) {
        const T* const values = matrices + matrix * sums.matrix_stride;
        T sum = 0;
        if (column < sums.columns)
            for (int64_t row = begin + threadIdx.y; row < end; row += column_rows)
                sum += values[row * sums.columns + column];
        shared[threadIdx.y * column_width + threadIdx.x] = sum;
        __syncthreads();
        if (threadIdx.y == 0 && column < sums.columns) {
            for (int y = 1; y < column_rows; ++y)
                sum += shared[y * column_width + threadIdx.x];
            T* const total = out + (matrix * gridDim.y + blockIdx.y) * sums.columns + column;
            *total = accumulate ? *total + sum : sum;
        }
        __syncthreads();
    }
}

template <class T>
void launch_sums(Device& device, const ColumnSums& sums, int64_t parts, const T* matrices, bool accumulate, T* out) {
    const int64_t part_rows = (sums.rows + parts - 1) / parts;
    const dim3 grid(static_cast<unsigned>((sums.columns + column_width - 1) / column_width),
                    static_cast<unsigned>(parts), static_cast<unsigned>(std::min(sums.matrices, most_blocks_across)));
    launch("sum_columns", sum_columns_kernel<T>,
           {grid, dim3(column_width, column_rows), column_width * column_rows * sizeof(T), false}, device.stream, sums,
           part_rows, matrices, accumulate, out);
}

int64_t parts_of(const ColumnSums& sums) {
    return std::clamp<int64_t>(sums.rows / rows_of_part, 1, 1024);
}

} // namespace

template <class T> int64_t sum_columns_scratch(const ColumnSums& sums) {
    const int64_t parts = parts_of(sums);
    return parts == 1 ? 0 : sums.matrices * parts * sums.columns * static_cast<int64_t>(sizeof(T));
}

template <class T>
void sum_columns(Device& device, const ColumnSums& sums, const T* matrices, bool accumulate, T* out) {
    const int64_t parts = parts_of(sums);
    if (parts == 1) {
        launch_sums(device, sums, 1, matrices, accumulate, out);
        return;
    }
    T* const partial = device.scratch<T>(sum_columns_scratch<T>(sums) / static_cast<int64_t>(sizeof(T)));
    launch_sums(device, sums, parts, matrices, false, partial);
    launch_sums(device, ColumnSums{parts, sums.columns, sums.matrices, parts * sums.columns}, 1, partial, accumulate,
                out);
}

template int64_t sum_columns_scratch<float>(const ColumnSums&);
template int64_t sum_columns_scratch<double>(const ColumnSums&);
template void sum_columns(Device&, const ColumnSums&, const float*, bool, float*);
template void sum_columns(Device&, const ColumnSums&, const double*, bool, double*);

} // namespace ortho::cuda
