#include <algorithm>

#include "core/dtype.hpp"
#include "cpu/device.hpp"

namespace ortho::cpu {
namespace {

/** Of so few columns, few vectors could be made. */
constexpr int64_t narrow_columns = 16;
/** Multiply-adds from which on waking the threads pays (some ten microseconds of work). */
constexpr int64_t worth_threads = int64_t{1} << 20;
/** Rows of a tile; packed, they take half of a 256 KiB cache. A multiple of every kernel's panel rows. */
constexpr int64_t tile_rows = 96;
constexpr int64_t tile_columns = 256;
/** A tile of sums over rows packs B too, so it has more rows to pay for that. */
constexpr int64_t sum_tile_rows = 192;
constexpr int64_t sum_tile_columns = 128;
constexpr int64_t smallest_tile_columns = 64;
constexpr int64_t bias_columns = 64;

int64_t quotient(int64_t value, int64_t divisor) {
    return (value + divisor - 1) / divisor;
}
int64_t round_up(int64_t value, int64_t multiple) {
    return quotient(value, multiple) * multiple;
}

/** Calls body(task, rank) for all tasks, on the device's threads if there is work enough for them. */
template <class Body> void share(CpuDevice& device, double work, int64_t tasks, Body&& body) {
    if (work >= static_cast<double>(worth_threads)) {
        for_each_task(device.pool, tasks, body);
        return;
    }
    for (int64_t task = 0; task < tasks; ++task)
        body(task, 0);
}

/** C cut into tiles by its shape alone. */
struct Tiling {
    int64_t rows;
    int64_t columns;
    int64_t row_step;
    int64_t column_step;

    int64_t across() const { return quotient(columns, column_step); }
    int64_t tiles() const { return quotient(rows, row_step) * across(); }
    Tile operator[](int64_t index) const {
        const int64_t row = index / across() * row_step;
        const int64_t column = index % across() * column_step;
        return {row, std::min(row + row_step, rows), column, std::min(column + column_step, columns)};
    }
};

double multiply_adds(int64_t m, int64_t n, int64_t k) {
    return static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
}

/** The leaves of a call's rows. */
class CallLeaves {
public:
    CallLeaves(const DenseShape& shape, const BatchPart& part, bool accumulate)
        : sums_{shape.rows / part.samples, part.samples, leaves_, 0, shape.rows, 0, part.stride, accumulate} {
        Folding folding;
        const Span held = part.held();
        for (int64_t i = held.begin; i < held.end; ++i) {
            int64_t joins = 0;
            folding.take(
                {0, i}, [&](int64_t, bool joined) { joins += joined ? 1 : 0; }, [&](int64_t, int64_t) { ++joins; });
            const Span samples = part.rows_of(i);
            const int64_t slot = folding.count() - 1;
            leaves_[sums_.leaf_count++] = {samples.begin, samples.size(), slot, joins};
            // Where the leaf itself is summed up is a slot, too.
            sums_.slots = std::max(sums_.slots, slot + joins + 1);
        }
    }
    CallLeaves(const CallLeaves&) = delete;
    CallLeaves& operator=(const CallLeaves&) = delete;

    const LeafSums& sums() const { return sums_; }

private:
    DenseLeaf leaves_[Leaves::most];
    LeafSums sums_;
};

/** Elements of a product's packed B; a multiple of 64 bytes, which keeps aligned what follows it. */
template <class T> int64_t packed_size(const CpuDevice& device, const Product<T>& product) {
    return round_up(device.kernels.of<T>().dense.packed_size(product.n, product.k), 64);
}

/** Elements of scratch for multiply_rows. */
template <class T> int64_t rows_scratch(const CpuDevice& device, const Product<T>& product) {
    return packed_size(device, product) + device.pool.threads() * device.kernels.of<T>().dense.tile_scratch(tile_rows);
}

/** A product with many rows, whose B (the weights) is packed once for all tiles. */
template <class T> void multiply_rows(CpuDevice& device, Product<T> product, T* scratch) {
    const DenseKernels<T>& kernels = device.kernels.of<T>().dense;
    const double work = multiply_adds(product.m, product.n, product.k);
    share(device, work, quotient(product.n, kernels.panel_width),
          [&](int64_t panel, int) { kernels.pack(product, panel, scratch); });
    product.packed = scratch;
    const Tiling tiling{product.m, product.n, tile_rows, round_up(tile_columns, kernels.panel_width)};
    T* const tile_scratch = scratch + packed_size(device, product);
    share(device, work, tiling.tiles(), [&](int64_t task, int rank) {
        kernels.multiply(product, tiling[task], tile_scratch + rank * kernels.tile_scratch(tile_rows));
    });
}

/** Gradients of weights: sums over rows, each tile of which packs what it needs. */
template <class T> class WeightGradients {
public:
    WeightGradients(CpuDevice& device, const SumProduct<T>& product, const LeafSums& sums)
        : device_(device), kernels_(device.kernels.of<T>().dense), product_(product),
          sums_(sums), tiling_{product.m, product.n, std::min(sum_tile_rows, product.m),
                               // Few rows of C: narrower tiles, so that there are some to share.
                               std::min(round_up(product.m > sum_tile_rows ? sum_tile_columns : smallest_tile_columns,
                                                 kernels_.panel_width),
                                        product.n)},
          thread_scratch_(round_up(kernels_.sum_scratch(sums, tiling_.row_step, tiling_.column_step), 64)) {}

    /** Elements. */
    int64_t scratch() const {
        return checked_product("the scratch of a dense layer", {device_.pool.threads(), thread_scratch_});
    }
    void run(T* scratch) const {
        share(device_, multiply_adds(product_.m, product_.n, sums_.rows), tiling_.tiles(), [&](int64_t task, int rank) {
            kernels_.sum_products(product_, sums_, tiling_[task], scratch + rank * thread_scratch_);
        });
    }

private:
    CpuDevice& device_;
    const DenseKernels<T>& kernels_;
    const SumProduct<T>& product_;
    const LeafSums& sums_;
    const Tiling tiling_;
    const int64_t thread_scratch_;
};

template <class T> T* reserve(CpuDevice::Workspace& workspace, int64_t elements) {
    constexpr const char* what = "the scratch of a dense layer";
    return static_cast<T*>(workspace.reserve(checked_product(what, {elements, static_cast<int64_t>(sizeof(T))}), what));
}

/** A product whose matrices are both contiguous along the depth, in a tiling without scratch. */
template <class T>
void multiply_in_place(CpuDevice& device, const Product<T>& product,
                       void (*multiply)(const Product<T>& product, const Tile& tile)) {
    if (product.m <= tile_rows && product.n <= tile_columns) {
        multiply(product, {0, product.m, 0, product.n});
        return;
    }
    const Tiling tiling{product.m, product.n, tile_rows, tile_columns};
    share(device, multiply_adds(product.m, product.n, product.k), tiling.tiles(),
          [&](int64_t task, int) { multiply(product, tiling[task]); });
}

template <class T>
void dense_forward(CpuDevice& device, const DenseShape& shape, const T* weights, const T* bias, const T* x, T* y) {
    const Product<T> product{
        .m = shape.rows,
        .n = shape.outputs,
        .k = shape.inputs,
        .a = {x, shape.inputs, 1},
        .b = {weights, 1, shape.inputs},
        .packed = nullptr,
        .bias = bias,
        .c = y,
    };
    // A row has the same bits among any number of rows: what chooses between the orders of sums is not their number.
    const DenseKernels<T>& kernels = device.kernels.of<T>().dense;
    if (shape.outputs <= narrow_columns || shape.inputs >= kernels.dot_depth) {
        multiply_in_place(device, product, kernels.multiply_dots);
        return;
    }
    if (shape.rows <= kernels.few_rows) {
        multiply_in_place(device, product, kernels.multiply_few);
        return;
    }
    auto workspace = device.workspace();
    multiply_rows(device, product, reserve<T>(workspace, rows_scratch(device, product)));
}

template <class T>
void dense_backward(CpuDevice& device, const DenseShape& shape, const LeafSums& sums, const T* weights, const T* x,
                    const T* y_gradients, T* weight_gradients, T* bias_gradients, T* x_gradients) {
    const Product<T> to_x{
        .m = shape.rows,
        .n = shape.inputs,
        .k = shape.outputs,
        .a = {y_gradients, shape.outputs, 1},
        .b = {weights, shape.inputs, 1},
        .packed = nullptr,
        .bias = nullptr,
        .c = x_gradients,
    };
    const SumProduct<T> to_weights{
        .m = shape.outputs,
        .n = shape.inputs,
        .a = y_gradients,
        .b = x,
        .c = weight_gradients,
    };
    const WeightGradients<T> weight_sums(device, to_weights, sums);
    // For both products at once, so that a call without enough memory writes nothing.
    auto workspace = device.workspace();
    T* const scratch =
        reserve<T>(workspace, std::max(x_gradients != nullptr ? rows_scratch(device, to_x) : 0, weight_sums.scratch()));
    if (x_gradients != nullptr)
        multiply_rows(device, to_x, scratch);
    weight_sums.run(scratch);
    if (bias_gradients != nullptr)
        share(device, static_cast<double>(shape.rows) * static_cast<double>(shape.outputs),
              quotient(shape.outputs, bias_columns), [&](int64_t task, int) {
                  const int64_t begin = task * bias_columns;
                  device.kernels.of<T>().dense.column_sums(y_gradients, sums, shape.outputs, begin,
                                                           std::min(begin + bias_columns, shape.outputs),
                                                           bias_gradients);
              });
}

} // namespace

void run(CpuDevice& device, const DenseForward& call) {
    const FlushSubnormals flush;
    dispatch(call.dtype, [&]<class T>(T*) {
        dense_forward(device, call.shape, static_cast<const T*>(call.weights), static_cast<const T*>(call.bias),
                      static_cast<const T*>(call.x), static_cast<T*>(call.y));
    });
}

void run(CpuDevice& device, const DenseBackward& call) {
    const FlushSubnormals flush;
    const CallLeaves leaves(call.shape, call.part, call.accumulate);
    dispatch(call.dtype, [&]<class T>(T*) {
        dense_backward(device, call.shape, leaves.sums(), static_cast<const T*>(call.weights),
                       static_cast<const T*>(call.x), static_cast<const T*>(call.y_gradients),
                       static_cast<T*>(call.weight_gradients), static_cast<T*>(call.bias_gradients),
                       static_cast<T*>(call.x_gradients));
    });
}

} // namespace ortho::cpu
