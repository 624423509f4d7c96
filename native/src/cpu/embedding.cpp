#include "model/embedding.hpp"

#include <algorithm>

#include "core/dtype.hpp"
#include "cpu/flat.hpp"
#include "cpu/sequences.hpp"

namespace ortho::cpu {
namespace {

/** Units whose sums are made together: they stay in the first cache. */
constexpr int64_t units_together = 64;

template <class T> void embedding_forward(CpuDevice& device, const EmbeddingForward& call) {
    const SequenceShape& shape = call.shape;
    const int64_t units = shape.units, block = std::max<int64_t>(1, flat_block / units);
    for_each_block(device.pool, shape.steps * shape.batch, block, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
            T* const y = static_cast<T*>(call.y) + row * units;
            if (row / shape.batch < length_of(shape, row % shape.batch))
                std::copy_n(static_cast<const T*>(call.table) + call.indices[row] * units, units, y);
            else
                std::fill_n(y, units, T{0});
        }
    });
}

/** Sums some units over the uses of one row of the table. */
template <class T> class RowSums {
public:
    /** @param gradients  the first of the units at the first step */
    RowSums(const T* gradients, int64_t stride, int64_t units, const EmbeddingUse* begin, const EmbeddingUse* end)
        : gradients_(gradients), stride_(stride), units_(units), next_(begin), end_(end) {}

    /**
     * Sums those of a node; nodes are asked for in their order.
     * @param sum  [units], written if there are any
     * @return whether there are any
     */
    bool take(const Node& node, T* sum) {
        if (next_ == end_ || next_->leaf >= node.leaves().end)
            return false;
        if (node.level == 0) {
            take_leaf(node.index, sum);
            return true;
        }
        T right[units_together];
        const bool has_left = take({node.level - 1, 2 * node.index}, sum);
        const bool has_right = take({node.level - 1, 2 * node.index + 1}, has_left ? right : sum);
        // A child without any is 0, which is added like others: -0 + 0 is 0.
        if (!has_left || !has_right)
            std::fill_n(right, units_, T{0});
        for (int64_t i = 0; i < units_; ++i)
            sum[i] += right[i];
        return true;
    }

private:
    void take_leaf(int64_t leaf, T* sum) {
        std::fill_n(sum, units_, T{0});
        while (next_ != end_ && next_->leaf == leaf) {
            T block[units_together] = {};
            for (int64_t count = 0; count < uses_together && next_ != end_ && next_->leaf == leaf; ++count, ++next_) {
                const T* const from = gradients_ + next_->at * stride_;
                for (int64_t i = 0; i < units_; ++i)
                    block[i] += from[i];
            }
            for (int64_t i = 0; i < units_; ++i)
                sum[i] += block[i];
        }
    }

    const T* const gradients_;
    const int64_t stride_;
    const int64_t units_;
    const EmbeddingUse* next_;
    const EmbeddingUse* const end_;
};

template <class T> void embedding_backward(CpuDevice& device, const EmbeddingBackward& call) {
    constexpr const char* what = "scratch of an embedding";
    auto workspace = device.workspace();
    auto* const scratch = static_cast<EmbeddingUse*>(
        workspace.reserve(checked_product(what, {2, call.rows, static_cast<int64_t>(sizeof(EmbeddingUse))}), what));
    const EmbeddingUse* const uses = list_uses(call, scratch, scratch + call.rows);
    const Cover sums = call.part.sums();
    T* const table = static_cast<T*>(call.table_gradients);
    const int64_t units = call.shape.units;
    if (!call.accumulate)
        for (int64_t i = 0; i < sums.count(); ++i)
            for_each_block(device.pool, call.entries * units, flat_block, [&](int64_t begin, int64_t end) {
                std::fill(table + i * call.part.stride + begin, table + i * call.part.stride + end, T{0});
            });

    const int64_t pieces = (units + units_together - 1) / units_together;
    const int64_t block = std::max<int64_t>(1, flat_block / std::min(units, units_together));
    const auto starts = [&](int64_t i) { return i == 0 || uses[i].index != uses[i - 1].index; };
    for_each_task(device.pool, (call.rows + block - 1) / block * pieces, [&](int64_t task, int) {
        const int64_t first = task % pieces * units_together, count = std::min(units_together, units - first);
        // Rows of the table whose first use lies in the block.
        const int64_t end = std::min(call.rows, (task / pieces + 1) * block);
        for (int64_t i = task / pieces * block, next; i < end; i = next) {
            next = i + 1;
            if (!starts(i))
                continue;
            while (next < call.rows && !starts(next))
                ++next;
            RowSums<T> row(static_cast<const T*>(call.y_gradients) + first, units, count, uses + i, uses + next);
            for (int64_t slot = 0; slot < sums.count(); ++slot) {
                T sum[units_together];
                if (!row.take(sums[slot], sum))
                    continue;
                T* const to = table + slot * call.part.stride + uses[i].index * units + first;
                for (int64_t unit = 0; unit < count; ++unit)
                    to[unit] = call.accumulate ? to[unit] + sum[unit] : sum[unit];
            }
        }
    });
}

} // namespace

void run(CpuDevice& device, const EmbeddingForward& call) {
    dispatch(call.dtype, [&]<class T>(T*) { embedding_forward<T>(device, call); });
}

void run(CpuDevice& device, const EmbeddingBackward& call) {
    // As the sums of parts do, so that parts give the bits of the whole.
    const FlushSubnormals flush;
    dispatch(call.dtype, [&]<class T>(T*) { embedding_backward<T>(device, call); });
}

} // namespace ortho::cpu
