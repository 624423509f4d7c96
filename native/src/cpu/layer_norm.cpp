#include <algorithm>

#include "core/dtype.hpp"
#include "cpu/flat.hpp"
#include "cpu/leaf_blocks.hpp"

namespace ortho::cpu {
namespace {

/**
 * Rows that are summed together. With more, the sums of all blocks would take less memory (they take a 16th of x at
 * most), but fewer threads could share long rows.
 */
int64_t rows_of_block(int64_t units) {
    constexpr int64_t elements = 65536, least = 32, most = 256;
    return std::clamp(elements / units, least, most);
}

/** Sums of blocks, put together to those of leaves and of the tree's nodes. */
template <class T> class BlockSums {
public:
    /** @param sums  [blocks, 2, units]: gradients of scale and offset; changed */
    BlockSums(CpuDevice& device, const LeafBlocks& blocks, const LayerNormBackward& call, T* sums)
        : device_(device), blocks_(blocks), call_(call), sums_(sums) {}

    /** @param which  0: of scale, 1: of offset */
    void write(int64_t which, T* gradients) const {
        const int64_t work = 4 * blocks_.count(); // of a column: additions, whose operands lie apart
        for_each_block(device_.pool, call_.units, std::max<int64_t>(64, flat_block / work),
                       [&](int64_t begin, int64_t end) { write_columns(which, begin, end, gradients); });
    }

private:
    void write_columns(int64_t which, int64_t begin, int64_t end, T* gradients) const {
        const auto add_to = [&](T* into, const T* from) {
            device_.kernels.of<T>().vector.add(into, from, into, end - begin);
        };
        const auto of_block = [&](int64_t block) { return sums_ + (2 * block + which) * call_.units + begin; };
        T* slots[Leaves::most];
        Folding folding;
        const int64_t first_leaf = call_.part.held().begin;
        for (int64_t leaf = 0; leaf < blocks_.leaves(); ++leaf) {
            const Span own = blocks_.of_leaf(leaf);
            T* const sum = of_block(own.begin);
            for (int64_t block = own.begin + 1; block < own.end; ++block)
                add_to(sum, of_block(block));
            folding.take(
                {0, first_leaf + leaf},
                [&](int64_t slot, bool joined) {
                    if (joined)
                        add_to(slots[slot], sum);
                    else
                        slots[slot] = sum;
                },
                [&](int64_t into, int64_t from) { add_to(slots[into], slots[from]); });
        }
        for (int64_t slot = 0; slot < folding.count(); ++slot) {
            T* const out = gradients + slot * call_.part.stride + begin;
            if (call_.accumulate)
                add_to(out, slots[slot]);
            else
                std::copy_n(slots[slot], end - begin, out);
        }
    }

    CpuDevice& device_;
    const LeafBlocks& blocks_;
    const LayerNormBackward& call_;
    T* const sums_;
};

template <class T> void layer_norm_forward(CpuDevice& device, const LayerNormForward& call) {
    const LayerNormRows<T> rows{call.units,
                                call.epsilon,
                                static_cast<const T*>(call.scale),
                                static_cast<const T*>(call.offset),
                                static_cast<const T*>(call.x),
                                static_cast<T*>(call.y),
                                static_cast<T*>(call.statistics)};
    for_each_block(device.pool, call.rows, std::max<int64_t>(1, flat_block / call.units),
                   [&](int64_t begin, int64_t end) { device.kernels.of<T>().layer_norm.forward(rows, begin, end); });
}

template <class T> void layer_norm_backward(CpuDevice& device, const LayerNormBackward& call) {
    const int64_t units = call.units, samples = call.part.samples;
    const LeafBlocks blocks(call.part, call.rows / samples, rows_of_block(units), units);
    constexpr const char* what = "the scratch of layer normalization";
    auto workspace = device.workspace();
    T* const sums = static_cast<T*>(
        workspace.reserve(checked_product(what, {2 * blocks.count(), units, static_cast<int64_t>(sizeof(T))}), what));
    const LayerNormGradients<T> rows{units,
                                     static_cast<const T*>(call.scale),
                                     static_cast<const T*>(call.x),
                                     static_cast<const T*>(call.statistics),
                                     static_cast<const T*>(call.y_gradients),
                                     static_cast<T*>(call.x_gradients)};
    blocks.for_each(device.pool, [&](int64_t block, Span of_leaf, Span range) {
        T* const scale_sums = sums + 2 * block * units;
        std::fill_n(scale_sums, 2 * units, T{0});
        for_each_step(of_leaf, range, [&](int64_t step, int64_t begin, int64_t end) {
            device.kernels.of<T>().layer_norm.backward(rows, step * samples + begin, step * samples + end, scale_sums,
                                                       scale_sums + units);
        });
    });
    const BlockSums<T> block_sums(device, blocks, call, sums);
    block_sums.write(0, static_cast<T*>(call.scale_gradients));
    if (call.offset_gradients != nullptr)
        block_sums.write(1, static_cast<T*>(call.offset_gradients));
}

} // namespace

void run(CpuDevice& device, const LayerNormForward& call) {
    const FlushSubnormals flush;
    dispatch(call.dtype, [&]<class T>(T*) { layer_norm_forward<T>(device, call); });
}

void run(CpuDevice& device, const LayerNormBackward& call) {
    const FlushSubnormals flush;
    dispatch(call.dtype, [&]<class T>(T*) { layer_norm_backward<T>(device, call); });
}

} // namespace ortho::cpu
