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
/** A tile of a long sum packs B too, so it has more rows to pay for that. */
constexpr int64_t long_tile_rows = 192;
constexpr int64_t long_tile_columns = 128;
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

template <class T> double multiply_adds(const Product<T>& product) {
    return static_cast<double>(product.m) * static_cast<double>(product.n) * static_cast<double>(product.k);
}

template <class T> void run_tiles(CpuDevice& device, const Product<T>& product, const Tiling& tiling, T* scratch) {
    const DenseKernels<T>& kernels = device.kernels.of<T>().dense;
    const int64_t tile_scratch = kernels.tile_scratch(tiling.row_step);
    share(device, multiply_adds(product), tiling.tiles(),
          [&](int64_t task, int rank) { kernels.multiply(product, tiling[task], scratch + rank * tile_scratch); });
}

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
    const Tiling tiling{product.m, product.n, tile_rows, round_up(tile_columns, kernels.panel_width)};
    share(device, multiply_adds(product), quotient(product.n, kernels.panel_width),
          [&](int64_t panel, int) { kernels.pack(product, panel, scratch); });
    product.packed = scratch;
    run_tiles(device, product, tiling, scratch + packed_size(device, product));
}

/** Elements of scratch for multiply_long. */
template <class T> int64_t long_scratch(const CpuDevice& device) {
    return device.pool.threads() * device.kernels.of<T>().dense.tile_scratch(long_tile_rows);
}

/** A product with a long sum, each tile of which packs what it needs. */
template <class T> void multiply_long(CpuDevice& device, const Product<T>& product, T* scratch) {
    const DenseKernels<T>& kernels = device.kernels.of<T>().dense;
    // Few rows of C: narrower tiles, so that there are some to share.
    const int64_t wanted = product.m > long_tile_rows ? long_tile_columns : smallest_tile_columns;
    run_tiles(device, product, {product.m, product.n, long_tile_rows, round_up(wanted, kernels.panel_width)}, scratch);
}

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
    share(device, multiply_adds(product), tiling.tiles(), [&](int64_t task, int) { multiply(product, tiling[task]); });
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
        .accumulate = false,
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
void dense_backward(CpuDevice& device, const DenseShape& shape, bool accumulate, const T* weights, const T* x,
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
        .accumulate = false,
    };
    const Product<T> to_weights{
        .m = shape.outputs,
        .n = shape.inputs,
        .k = shape.rows,
        .a = {y_gradients, 1, shape.outputs},
        .b = {x, shape.inputs, 1},
        .packed = nullptr,
        .bias = nullptr,
        .c = weight_gradients,
        .accumulate = accumulate,
    };
    // For both products at once, so that a call without enough memory writes nothing.
    auto workspace = device.workspace();
    T* const scratch = reserve<T>(
        workspace, std::max(x_gradients != nullptr ? rows_scratch(device, to_x) : 0, long_scratch<T>(device)));
    if (x_gradients != nullptr)
        multiply_rows(device, to_x, scratch);
    multiply_long(device, to_weights, scratch);
    if (bias_gradients != nullptr)
        share(device, static_cast<double>(shape.rows) * static_cast<double>(shape.outputs),
              quotient(shape.outputs, bias_columns), [&](int64_t task, int) {
                  const int64_t begin = task * bias_columns;
                  device.kernels.of<T>().dense.column_sums(y_gradients, shape.rows, shape.outputs, begin,
                                                           std::min(begin + bias_columns, shape.outputs), accumulate,
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
    if (!call.part.whole)
        fail(ORTHO_NOT_SUPPORTED, "parts of a batch are not supported yet");
    dispatch(call.dtype, [&]<class T>(T*) {
        dense_backward(device, call.shape, call.accumulate, static_cast<const T*>(call.weights),
                       static_cast<const T*>(call.x), static_cast<const T*>(call.y_gradients),
                       static_cast<T*>(call.weight_gradients), static_cast<T*>(call.bias_gradients),
                       static_cast<T*>(call.x_gradients));
    });
}

} // namespace ortho::cpu
