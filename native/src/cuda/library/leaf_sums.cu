#include "cuda/library/leaf_sums.hpp"

#include <algorithm>

#include "cuda/library/launch.hpp"
#include "cuda/library/products.hpp"
#include "model/layer_norm.hpp"

namespace ortho::cuda {
namespace {

/** Copies and sums of leaves that are made to be read at once: so many bytes stay in an H100's second-level cache. */
constexpr int64_t cached_bytes = int64_t{32} << 20;

/** Blocks of a product that fill an H100's 132 multiprocessors, and what a block computes of it. */
constexpr int64_t blocks_that_fill = 256, tile = 64;
/** Rows that a product sums at least where others like it are computed beside it; with fewer its start would count. */
constexpr int64_t rows_of_piece = 512;

int64_t divide_up(int64_t count, int64_t size) {
    return (count + size - 1) / size;
}

/** Elements after which the next array starts, so that cuBLAS finds all of them aligned. */
int64_t aligned(int64_t elements) {
    return divide_up(elements, 64) * 64;
}

template <class T>
__global__ void fold_kernel(LeafBounds leaves, FoldPlan plan, LeafValues<T> sums, Span elements, bool accumulate,
                            T* out, int64_t stride) {
    const int64_t count = elements.end - elements.begin; // of a matrix
    for (int64_t i = flat_index(); i < sums.matrices * count; i += flat_stride()) {
        const int64_t matrix = i / count, element = elements.begin + i % count;
        const T* const first = sums.values + matrix * leaves.count * sums.pieces * sums.elements + element;
        T slots[Leaves::most] = {};
        for (int at = 0; at < plan.count; ++at) {
            const FoldPlan::Step step = plan.steps[at];
            T value;
            if (step.from_leaf) {
                const T* const pieces = first + step.from * sums.pieces * sums.elements;
                value = pieces[0];
                for (int64_t piece = 1; piece < sums.pieces; ++piece)
                    value += pieces[piece * sums.elements];
            } else {
                value = slots[step.from];
            }
            slots[step.into] = step.adds ? slots[step.into] + value : value;
        }
        for (int sum = 0; sum < plan.sums; ++sum) {
            T* const to = out + sum * stride + i;
            *to = accumulate ? *to + slots[sum] : slots[sum];
        }
    }
}

constexpr int column_width = 32;
constexpr int column_rows = 8;
/** Rows of a leaf that one block sums up. */
constexpr int64_t rows_of_part = 1024;
/** Parts of all leaves together; with more, adding them up would take longer than they do. */
constexpr int64_t most_parts = 1024;

/** Factors that are the same for all columns. */
template <class T> struct FactorRows {
    const T* values; // [steps, batch, count]
    int64_t count;

    __device__ __forceinline__ T at(int64_t row, int64_t, int64_t, int64_t factor) const {
        return values[row * count + factor];
    }
};

/** One factor for each element. */
template <class T> struct NormalisedFactors {
    static constexpr int64_t count = 1;
    NormalisedRows<T> rows;

    __device__ __forceinline__ T at(int64_t row, int64_t column, int64_t columns, int64_t) const {
        const RowScale<T> scale{rows.statistics[2 * row], 0, rows.statistics[2 * row + 1]};
        return normalised(scale, rows.x[row * columns + column]);
    }
};

} // namespace

/** What the blocks of sum_rows_kernel divide among themselves: columns, parts of a leaf's rows, leaves of matrices. */
template <class T, class Factors> struct RowSumsCall {
    LeafBounds leaves;
    RowSums shape;
    int64_t batch;
    int64_t part_rows;
    const T* rows;
    const int32_t* remaining;
    Factors factors;
    bool accumulate;
    T* sums;         // [matrices, leaves, parts, columns]
    T* product_sums; // [matrices, leaves, parts, columns, factors]
};

namespace {

/** `factors` says how many there may be. */
template <class T, int factors, class Factors> __global__ void sum_rows_kernel(RowSumsCall<T, Factors> call) {
    T* const shared = shared_memory<T>();
    const int count = static_cast<int>(call.factors.count);
    const int64_t columns = call.shape.columns;
    const int64_t column = static_cast<int64_t>(blockIdx.x) * column_width + threadIdx.x;
    for (int64_t which = blockIdx.z; which < call.shape.matrices * call.leaves.count; which += gridDim.z) {
        const int64_t leaf = which % call.leaves.count;
        const T* const matrix = call.rows + which / call.leaves.count * call.shape.steps * call.batch * columns;
        const int64_t begin = call.leaves.begin[leaf], samples = call.leaves.begin[leaf + 1] - begin;
        const int64_t first = static_cast<int64_t>(blockIdx.y) * call.part_rows;
        const int64_t all = call.shape.steps * samples;
        const int64_t end = first + call.part_rows < all ? first + call.part_rows : all;
        T sum[1 + factors] = {}; // of the column, then of its products
        if (column < columns) {
            int64_t step = (first + threadIdx.y) / samples, sample = (first + threadIdx.y) % samples;
            for (int64_t i = first + threadIdx.y; i < end; i += column_rows) {
                if (call.remaining == nullptr || step < call.remaining[begin + sample]) {
                    const int64_t row = step * call.batch + begin + sample;
                    const T value = matrix[row * columns + column];
                    sum[0] += value;
#pragma unroll
                    for (int factor = 0; factor < factors; ++factor)
                        if (factor < count)
                            sum[1 + factor] += value * call.factors.at(row, column, columns, factor);
                }
                for (sample += column_rows; sample >= samples; sample -= samples)
                    ++step;
            }
        }
        const int64_t at = (which * gridDim.y + blockIdx.y) * columns + column;
#pragma unroll
        for (int of = 0; of < 1 + factors; ++of) {
            if (of > count)
                break;
            shared[threadIdx.y * column_width + threadIdx.x] = sum[of];
            __syncthreads();
            if (threadIdx.y == 0 && column < columns) {
                for (int y = 1; y < column_rows; ++y)
                    sum[of] += shared[y * column_width + threadIdx.x];
                T* const total = of == 0 ? call.sums + at : call.product_sums + at * count + of - 1;
                *total = call.accumulate ? *total + sum[of] : sum[of];
            }
            __syncthreads();
        }
    }
}

/** Steps of a matrix [steps, batch, columns], copied leaf by leaf: [leaves, padded, rows, columns]. */
template <class T> struct LeafCopy {
    LeafBounds leaves;
    int64_t batch;
    int64_t columns;
    int64_t rows;  // of a leaf at a step; what it has fewer are zeros
    int64_t steps; // that are there; of `padded` the rest is zeros
    int64_t padded;
    int64_t first_step;       // of these, for remaining
    const int32_t* remaining; // [batch]; null: all steps count. Others are zeros
    const T* from;
    T* to;
};

template <class T> __global__ void copy_leaves_kernel(LeafCopy<T> copy) {
    for (int64_t pair = blockIdx.y; pair < copy.leaves.count * copy.padded; pair += gridDim.y) {
        const int64_t leaf = pair / copy.padded, step = pair % copy.padded, begin = copy.leaves.begin[leaf];
        const int64_t there = step < copy.steps ? (copy.leaves.begin[leaf + 1] - begin) * copy.columns : 0;
        const T* const from = copy.from + (step * copy.batch + begin) * copy.columns;
        T* const to = copy.to + pair * copy.rows * copy.columns;
        for (int64_t i = flat_index(); i < copy.rows * copy.columns; i += flat_stride()) {
            const bool counts = i < there && (copy.remaining == nullptr ||
                                              copy.first_step + step < copy.remaining[begin + i / copy.columns]);
            to[i] = counts ? from[i] : T(0);
        }
    }
}

} // namespace

HeldLeaves::HeldLeaves(const BatchPart& part) : part_(part), bounds_{} {
    const Span held = part.held();
    bounds_.count = static_cast<int>(held.size());
    Folding folding;
    const auto put = [&](int64_t into, int64_t from, bool from_leaf, bool adds) {
        plan_.steps[plan_.count++] = {static_cast<int>(into), static_cast<int>(from), from_leaf, adds};
    };
    for (int64_t leaf = 0; leaf < held.size(); ++leaf) {
        const Span samples = part.rows_of(held.begin + leaf);
        bounds_.begin[leaf] = samples.begin;
        bounds_.begin[leaf + 1] = samples.end;
        folding.take(
            {0, held.begin + leaf}, [&](int64_t slot, bool joined) { put(slot, leaf, true, joined); },
            [&](int64_t into, int64_t from) { put(into, from, false, true); });
    }
    plan_.sums = static_cast<int>(folding.count());
}

template <class T>
void fold(Device& device, const HeldLeaves& leaves, const LeafValues<T>& sums, Span elements, bool accumulate, T* out) {
    launch("fold", fold_kernel<T>, flat_shape(sums.matrices * elements.size()), device.stream, leaves.bounds(),
           leaves.plan(), sums, elements, accumulate, out, leaves.stride());
}

template <class T>
LeafRows<T>::LeafRows(const HeldLeaves& leaves, const RowSums& shape, int64_t factors)
    : leaves_(leaves), shape_(shape), factors_(factors),
      parts_(std::clamp<int64_t>(shape.steps * leaves.most_samples() / rows_of_part, 1, most_parts / leaves.all())) {}

template <class T>
template <class Factors>
void LeafRows<T>::launch_sums(Device& device, void (*kernel)(RowSumsCall<T, Factors>), const T* rows,
                              const Factors& factors, int64_t steps, const int32_t* remaining, bool accumulate,
                              T* scratch) const {
    const dim3 grid(static_cast<unsigned>(divide_up(shape_.columns, column_width)), static_cast<unsigned>(parts_),
                    static_cast<unsigned>(std::min(shape_.matrices * leaves_.count(), most_blocks_across)));
    launch("sum_rows", kernel, {grid, dim3(column_width, column_rows), column_width * column_rows * sizeof(T), false},
           device.stream,
           RowSumsCall<T, Factors>{leaves_.bounds(),
                                   {steps, shape_.columns, shape_.matrices},
                                   leaves_.batch(),
                                   divide_up(steps * leaves_.most_samples(), parts_),
                                   rows,
                                   remaining,
                                   factors,
                                   accumulate,
                                   scratch,
                                   scratch + sums()});
}

template <class T>
void LeafRows<T>::add(Device& device, const T* rows, const T* factors, int64_t steps, const int32_t* remaining,
                      bool accumulate, T* scratch) const {
    using Factors = FactorRows<T>;
    launch_sums(device, factors_ > 0 ? sum_rows_kernel<T, most_factors, Factors> : sum_rows_kernel<T, 0, Factors>, rows,
                Factors{factors, factors_}, steps, remaining, accumulate, scratch);
}

template <class T>
void LeafRows<T>::add(Device& device, const T* rows, const NormalisedRows<T>& factors, int64_t steps,
                      T* scratch) const {
    using Factors = NormalisedFactors<T>;
    launch_sums(device, sum_rows_kernel<T, 1, Factors>, rows, Factors{factors}, steps, nullptr, false, scratch);
}

template <class T>
void LeafRows<T>::finish_sums(Device& device, const T* scratch, Span columns, bool accumulate, T* out) const {
    fold(device, leaves_, LeafValues<T>{scratch, shape_.matrices, parts_, shape_.columns}, columns, accumulate, out);
}

template <class T>
void LeafRows<T>::finish_products(Device& device, const T* scratch, Span columns, bool accumulate, T* out) const {
    fold(device, leaves_, LeafValues<T>{scratch + sums(), shape_.matrices, parts_, shape_.columns * factors_},
         {columns.begin * factors_, columns.end * factors_}, accumulate, out);
}

template <class T>
LeafProducts<T>::LeafProducts(const HeldLeaves& leaves, int64_t steps, int64_t row,
                              const std::array<RowsProduct, 2>& products, bool lengths)
    : leaves_(leaves), row_(row), products_(products),
      copies_(lengths || (leaves.all() > 1 && !(leaves.are_equal() && steps == 1))), chunk_(steps) {
    if (!copies_)
        return;
    const int64_t rows = leaves.all() * leaves.most_samples(); // of a step
    const int64_t row_bytes = (row + most_columns()) * static_cast<int64_t>(sizeof(T));
    chunk_ = std::clamp<int64_t>(cached_bytes / (rows * row_bytes), 1, steps);
    const int64_t blocks = leaves.all() * divide_up(products[0].a.size(), tile) * divide_up(products[0].columns, tile);
    while (2 * pieces_ <= chunk_ && 2 * pieces_ * blocks <= blocks_that_fill &&
           chunk_ * leaves.most_samples() >= 2 * pieces_ * rows_of_piece)
        pieces_ *= 2;
}

template <class T> int64_t LeafProducts<T>::padded(int64_t steps) const {
    return divide_up(steps, pieces_) * pieces_;
}

template <class T> int64_t LeafProducts<T>::sums(size_t product) const {
    return aligned(leaves_.count() * pieces_ * products_[product].a.size() * products_[product].columns);
}

template <class T> int64_t LeafProducts<T>::elements() const {
    const int64_t copies = copies_ ? aligned(copied_rows() * row_) + aligned(copied_rows() * most_columns()) : 0;
    return sums(0) + sums(1) + copies;
}

template <class T>
const T* LeafProducts<T>::copy(Device& device, const T* from, int64_t columns, int64_t first, int64_t steps,
                               const int32_t* remaining, T* to) const {
    const T* const source = from + first * leaves_.batch() * columns;
    if (!copies_)
        return source;
    constexpr int64_t elements_of_thread = 4;
    const int64_t of_step = leaves_.most_samples() * columns;
    const dim3 grid(
        static_cast<unsigned>(std::min(divide_up(of_step, elements_of_thread * block_threads), most_blocks_across)),
        static_cast<unsigned>(std::min(leaves_.count() * padded(steps), most_blocks_across)));
    launch("copy_leaves", copy_leaves_kernel<T>, {grid, dim3(block_threads), 0, false}, device.stream,
           LeafCopy<T>{leaves_.bounds(), leaves_.batch(), columns, leaves_.most_samples(), steps, padded(steps), first,
                       remaining, source, to});
    return to;
}

template <class T>
void LeafProducts<T>::add(Device& device, const T* a, const std::array<const T*, 2>& factors, int64_t steps,
                          const int32_t* remaining, bool accumulate, T* scratch) const {
    T* const copied_a = scratch + sums(0) + sums(1);
    T* const copied_factor = copied_a + aligned(copied_rows() * row_);
    for (int64_t first = 0; first < steps; first += chunk_) {
        const int64_t count = std::min(chunk_, steps - first);
        const int64_t rows = padded(count) / pieces_ * leaves_.most_samples(); // of a piece
        const T* const a_rows = copy(device, a, row_, first, count, remaining, copied_a);
        for (size_t which = 0; which < factors.size(); ++which) {
            const auto [of_a, columns] = products_[which];
            if (columns == 0)
                continue;
            const T* const factor_rows = copy(device, factors[which], columns, first, count, remaining, copied_factor);
            const ProductShape shape{of_a.size(), columns, rows};
            const Matrix<const T> left{a_rows + of_a.begin, row_, true}, right{factor_rows, columns};
            const Matrix<T> out{scratch + sums_at(which), columns};
            const bool adds = accumulate || first > 0;
            // cuBLAS divides the sum of a single product among blocks, but not always those of many.
            if (leaves_.all() * pieces_ > 1)
                multiply_many<T>(device, device.matrix_precision, shape, left, right, adds, out,
                                 {leaves_.count() * pieces_, rows * row_, rows * columns, of_a.size() * columns});
            else
                multiply<T>(device, device.matrix_precision, shape, left, right, adds, out);
        }
    }
}

template <class T>
void LeafProducts<T>::finish(Device& device, const T* scratch, size_t product, Span rows, bool accumulate,
                             T* out) const {
    const auto [of_a, columns] = products_[product];
    fold(device, leaves_, LeafValues<T>{scratch + sums_at(product), 1, pieces_, of_a.size() * columns},
         {rows.begin * columns, rows.end * columns}, accumulate, out);
}

template <class T>
LayerSums<T>::LayerSums(const HeldLeaves& leaves, int64_t layers, int64_t units)
    : leaves_(leaves), units_(units),
      chunk_(leaves.all() == 1
                 ? layers
                 : std::clamp<int64_t>(cached_bytes / (leaves.all() * units * units * static_cast<int64_t>(sizeof(T))),
                                       1, layers)) {}

template <class T> int64_t LayerSums<T>::products() const {
    return leaves_.all() > 1 ? aligned(chunk_ * leaves_.count() * units_ * units_) : 0;
}

template <class T> int64_t LayerSums<T>::elements() const {
    return products() + LeafRows<T>(leaves_, {1, units_, chunk_}, 0).elements();
}

template <class T>
void LayerSums<T>::run(Device& device, const T* a, const T* b, int64_t layers, bool accumulate, T* scratch,
                       T* products_out, T* sums_out) const {
    const int64_t n = units_, layer = leaves_.batch() * n, matrix = n * n;
    const auto precision = device.matrix_precision;
    for (int64_t first = 0; first < layers; first += chunk_) {
        const int64_t count = std::min(chunk_, layers - first);
        const T* const a_rows = a + first * layer;
        const T* const b_rows = b + first * layer;
        T* const out = products_out + first * matrix;
        if (leaves_.all() == 1) {
            multiply_many<T>(device, precision, {n, n, leaves_.batch()}, {a_rows, n, true}, {b_rows, n}, accumulate,
                             {out, n}, {count, layer, layer, matrix});
        } else {
            // Equal leaves lie one behind the other through all layers; others have a call each.
            const int64_t calls = leaves_.are_equal() ? 1 : leaves_.count();
            for (int64_t leaf = 0; leaf < calls; ++leaf) {
                const int64_t begin = leaves_.bounds().begin[leaf] * n;
                const int64_t rows = leaves_.bounds().begin[leaf + 1] - leaves_.bounds().begin[leaf];
                const BatchStrides strides = calls == 1
                                                 ? BatchStrides{count * leaves_.count(), rows * n, rows * n, matrix}
                                                 : BatchStrides{count, layer, layer, leaves_.count() * matrix};
                multiply_many<T>(device, precision, {n, n, rows}, {a_rows + begin, n, true}, {b_rows + begin, n}, false,
                                 {scratch + leaf * matrix, n}, strides);
            }
            fold(device, leaves_, LeafValues<T>{scratch, count, 1, matrix}, {0, matrix}, accumulate, out);
        }
        const LeafRows<T> rows(leaves_, {1, n, count}, 0);
        rows.add(device, a_rows, nullptr, 1, nullptr, false, scratch + products());
        rows.finish_sums(device, scratch + products(), {0, n}, accumulate, sums_out + first * n);
    }
}

#define ORTHO_INSTANTIATE(T)                                                                                           \
    template void fold(Device&, const HeldLeaves&, const LeafValues<T>&, Span, bool, T*);                              \
    template class LeafRows<T>;                                                                                        \
    template class LeafProducts<T>;                                                                                    \
    template class LayerSums<T>;
ORTHO_INSTANTIATE(float)
ORTHO_INSTANTIATE(double)
#undef ORTHO_INSTANTIATE

} // namespace ortho::cuda
