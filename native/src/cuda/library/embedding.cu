#include "model/embedding.hpp"

#include "core/memory.hpp"
#include "cuda/library/launch.hpp"
#include "cuda/library/leaf_sums.hpp"
#include "cuda/library/sequences.hpp"

namespace ortho::cuda {
namespace {

template <class T> __global__ void embedding_kernel(SequenceShape shape, const T* table, const int32_t* indices, T* y) {
    for (int64_t i = flat_index(); i < shape.steps * shape.batch * shape.units; i += flat_stride()) {
        const int64_t row = i / shape.units, unit = i - row * shape.units;
        const bool counts = row / shape.batch < length_of(shape, row % shape.batch);
        y[i] = counts ? table[indices[row] * shape.units + unit] : T(0);
    }
}

/** The uses of the rows that occur; those of row i are uses begin[i] to begin[i + 1]. */
struct UsedRows {
    int64_t count;
    const int64_t* begin;
    const EmbeddingUse* uses;
};

constexpr int column_width = 32;

/** The first of some uses of one row whose leaf is not below the one given. */
__device__ int64_t first_of_leaf(const EmbeddingUse* uses, int64_t begin, int64_t end, int64_t leaf) {
    while (begin < end) {
        const int64_t middle = begin + (end - begin) / 2;
        if (uses[middle].leaf < leaf)
            begin = middle + 1;
        else
            end = middle;
    }
    return begin;
}

/** A block has a row of the table and column_width of its units; each row of its threads has a leaf. */
template <class T>
__global__ void embedding_backward_kernel(UsedRows rows, int64_t first_leaf, FoldPlan plan, int64_t units,
                                          const T* y_gradients, bool accumulate, T* table_gradients, int64_t stride) {
    T* const leaf_sums = shared_memory<T>();
    const int64_t unit = static_cast<int64_t>(blockIdx.x) * column_width + threadIdx.x;
    const int64_t leaf = first_leaf + threadIdx.y;
    for (int64_t row = blockIdx.y; row < rows.count; row += gridDim.y) {
        const int64_t begin = first_of_leaf(rows.uses, rows.begin[row], rows.begin[row + 1], leaf);
        const int64_t end = first_of_leaf(rows.uses, begin, rows.begin[row + 1], leaf + 1);
        T total = 0;
        for (int64_t first = begin; first < end && unit < units; first += uses_together) {
            T sum = 0;
            for (int64_t i = first; i < end && i < first + uses_together; ++i)
                sum += y_gradients[rows.uses[i].at * units + unit];
            total += sum;
        }
        leaf_sums[threadIdx.y * column_width + threadIdx.x] = total;
        __syncthreads();
        if (threadIdx.y == 0 && unit < units) {
            T slots[Leaves::most] = {};
            for (int at = 0; at < plan.count; ++at) {
                const FoldPlan::Step step = plan.steps[at];
                const T value = step.from_leaf ? leaf_sums[step.from * column_width + threadIdx.x] : slots[step.from];
                slots[step.into] = step.adds ? slots[step.into] + value : value;
            }
            T* const to = table_gradients + rows.uses[rows.begin[row]].index * units + unit;
            for (int sum = 0; sum < plan.sums; ++sum)
                to[sum * stride] = accumulate ? to[sum * stride] + slots[sum] : slots[sum];
        }
        __syncthreads();
    }
}

int64_t bytes_of(int64_t count, size_t size) {
    return count * static_cast<int64_t>(size);
}

template <class T> void embedding_backward(Device& device, const EmbeddingBackward& call) {
    constexpr const char* what = "scratch of an embedding";
    // The host sorts, since the indices lie in its memory.
    const int64_t use_bytes = bytes_of(call.rows, sizeof(EmbeddingUse));
    const Memory sorted(checked_product(what, {2, use_bytes}), what);
    const EmbeddingUse* const uses = list_uses(call, sorted.as<EmbeddingUse>(), sorted.as<EmbeddingUse>() + call.rows);
    const Memory begins(bytes_of(call.rows + 1, sizeof(int64_t)), what);
    auto* const begin = begins.as<int64_t>();
    int64_t count = 0;
    for (int64_t i = 0; i < call.rows; ++i)
        if (i == 0 || uses[i].index != uses[i - 1].index)
            begin[count++] = i;
    begin[count] = call.rows;
    const int64_t begin_bytes = bytes_of(count + 1, sizeof(int64_t));
    char* const scratch = device.scratch<char>(use_bytes + begin_bytes);

    const HeldLeaves leaves(call.part);
    const int64_t units = call.shape.units;
    auto* const table = static_cast<T*>(call.table_gradients);
    if (!call.accumulate)
        for (int64_t sum = 0; sum < leaves.plan().sums; ++sum)
            clear(device, table + sum * call.part.stride, bytes_of(call.entries * units, sizeof(T)));
    if (count == 0)
        return;
    copy_to_device(device, scratch, uses, use_bytes);
    copy_to_device(device, scratch + use_bytes, begin, begin_bytes);
    const dim3 grid(static_cast<unsigned>((units + column_width - 1) / column_width),
                    static_cast<unsigned>(std::min(count, most_blocks_across)));
    const dim3 block(column_width, static_cast<unsigned>(leaves.count()));
    launch("embedding_backward", embedding_backward_kernel<T>,
           {grid, block, column_width * static_cast<size_t>(leaves.count()) * sizeof(T), false}, device.stream,
           UsedRows{count, reinterpret_cast<const int64_t*>(scratch + use_bytes),
                    reinterpret_cast<const EmbeddingUse*>(scratch)},
           call.part.held().begin, leaves.plan(), units, static_cast<const T*>(call.y_gradients), call.accumulate,
           table, call.part.stride);
}

} // namespace

void run(Device& device, const EmbeddingForward& call) {
    refuse_captured(device, "indices", call.indices);
    SequenceShape shape = call.shape;
    const int64_t rows = shape.steps * shape.batch;
    int32_t* const indices = device.scratch<int32_t>(rows + (shape.lengths != nullptr ? shape.batch : 0));
    copy_to_device(device, indices, call.indices, bytes_of(rows, sizeof *indices));
    if (shape.lengths != nullptr) {
        copy_to_device(device, indices + rows, shape.lengths, bytes_of(shape.batch, sizeof *indices));
        shape.lengths = indices + rows;
    }
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        launch("embedding", embedding_kernel<T>, flat_shape(rows * shape.units), device.stream, shape,
               static_cast<const T*>(call.table), static_cast<const int32_t*>(indices), static_cast<T*>(call.y));
    });
}

void run(Device& device, const EmbeddingBackward& call) {
    refuse_captured(device, "indices", call.indices);
    dispatch(call.dtype, [&](auto* type) { embedding_backward<Pointee<decltype(type)>>(device, call); });
}

} // namespace ortho::cuda
