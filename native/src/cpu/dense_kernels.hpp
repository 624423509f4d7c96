// Kernels of the dense layer: products of matrices, of any shape and either storage order.
//
// The main loop is the usual one of packed products: a panel of A (panel_rows rows) and a panel of B (panel_width
// columns) are multiplied with panel_rows x 2 vectors of sums in registers; B is the vector operand, A the broadcast
// one. A block of depth k of B's panel stays in the first cache, that of A's panels in the second.
#pragma once

#include "cpu/dense_types.hpp"
#include "cpu/shuffle.hpp"
#include "cpu/simd.hpp"

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

template <class T> struct DenseProduct {
    using S = Simd<T>;
    using vec = typename S::vec;
    static constexpr int width = S::width;
    static constexpr int panel_vectors = 2;
    static constexpr int panel_width = panel_vectors * width;
    /** Rows of sums: 24 of 32 registers with AVX-512, 12 or 8 of 16 otherwise (16 of 32 on AArch64). */
#if defined(__AVX512F__)
    static constexpr int panel_rows = 12;
#elif defined(__AVX2__)
    static constexpr int panel_rows = 6;
#elif defined(__aarch64__)
    static constexpr int panel_rows = 8;
#else
    static constexpr int panel_rows = 4;
#endif
    /** Summands that are added up before they go to C. */
    static constexpr int64_t block_depth = 256;
    /** See DenseKernels::dot_depth; measured, except on AArch64. */
#if defined(__AVX2__) || defined(__aarch64__)
    static constexpr int64_t dot_depth = 256;
#else
    static constexpr int64_t dot_depth = 64;
#endif

    static constexpr int64_t round_up(int64_t value, int64_t multiple) {
        return (value + multiple - 1) / multiple * multiple;
    }
    static constexpr int64_t smaller(int64_t a, int64_t b) {
        return a < b ? a : b;
    }

    static int64_t packed_size(int64_t n, int64_t k) {
        return round_up(n, panel_width) * k;
    }

    static int64_t tile_scratch(int64_t rows) {
        return (round_up(rows, panel_rows) + panel_width) * block_depth;
    }

    /**
     * Packs columns column to column+panel_width-1 of B, rows first to first+depth-1: [depth][panel_width], zeros
     * behind the last column.
     */
    static void pack_panel(const Product<T>& product, int64_t column, int64_t first, int64_t depth, T* packed) {
        const MatrixView<T>& b = product.b;
        const int64_t columns = smaller(panel_width, product.n - column);
        const T* source = b.data + first * b.row_stride + column * b.column_stride;
        if (b.column_stride == 1) {
            for (int64_t k = 0; k < depth; ++k, source += b.row_stride, packed += panel_width)
                for (int v = 0; v < panel_vectors; ++v)
                    S::store(packed + v * width, load_up_to(source + v * width, columns - v * width));
            return;
        }
        for (int v = 0; v < panel_vectors; ++v, source += width * b.column_stride)
            for (int64_t k = 0; k < depth; k += width) {
                const int64_t count = smaller(width, depth - k);
                vec rows[width];
                for (int c = 0; c < width; ++c)
                    rows[c] =
                        v * width + c < columns ? S::load_partial(source + c * b.column_stride + k, count) : vec{};
                transpose<T>(rows);
                for (int64_t i = 0; i < count; ++i)
                    S::store(packed + (k + i) * panel_width + v * width, rows[i]);
            }
    }

    static vec load_up_to(const T* source, int64_t count) {
        return count <= 0 ? vec{} : S::load_partial(source, count);
    }

    static void pack(const Product<T>& product, int64_t panel, T* packed) {
        const int64_t all_columns = round_up(product.n, panel_width);
        for (int64_t first = 0; first < product.k; first += block_depth) {
            const int64_t depth = smaller(block_depth, product.k - first);
            pack_panel(product, panel * panel_width, first, depth,
                       packed + first * all_columns + panel * panel_width * depth);
        }
    }

    /**
     * Packs rows row to row+panel_rows-1 of A, columns first to first+depth-1, zeros behind the last row. A is copied
     * in the order in which it lies: contiguous along k: [depth / width][panel_rows][width], else [depth][panel_rows].
     */
    static void pack_rows(const MatrixView<T>& a, int64_t row, int64_t rows, int64_t first, int64_t depth, T* packed) {
        const T* source = a.data + row * a.row_stride + first * a.column_stride;
        if (a.column_stride == 1) {
            for (int64_t k = 0; k < depth; k += width)
                for (int r = 0; r < panel_rows; ++r, packed += width)
                    S::store(packed, r < rows ? S::load_partial(source + r * a.row_stride + k, depth - k) : vec{});
            return;
        }
        for (int64_t k = 0; k < depth; ++k, source += a.column_stride, packed += panel_rows) {
            if (rows >= panel_rows) {
                __builtin_memcpy(packed, source, panel_rows * sizeof(T));
            } else {
                for (int r = 0; r < panel_rows; ++r)
                    packed[r] = r < rows ? source[r] : T{0};
            }
        }
    }

    /** One panel of A by `vectors` vectors of B's panel; written to the first rows and columns of c. */
    template <int vectors, bool contiguous_depth>
    static void multiply_panels(const T* a, const T* b, int64_t b_stride, int64_t depth, T* c, int64_t c_stride,
                                int64_t rows, int64_t columns, const T* bias, bool add) {
        constexpr int64_t row_step = contiguous_depth ? width : 1;
        constexpr int64_t depth_step = contiguous_depth ? 1 : panel_rows;
        vec sums[panel_rows][vectors] = {};
        for (int64_t block = 0; block < depth; block += width, a += panel_rows * width) {
            const int64_t count = smaller(width, depth - block);
            for (int64_t k = 0; k < count; ++k, b += b_stride) {
                vec column[vectors];
#pragma GCC unroll 4
                for (int v = 0; v < vectors; ++v)
                    column[v] = S::load(b + v * width);
#pragma GCC unroll 16
                for (int r = 0; r < panel_rows; ++r) {
                    const vec value = S::splat(a[r * row_step + k * depth_step]);
#pragma GCC unroll 4
                    for (int v = 0; v < vectors; ++v)
                        sums[r][v] += value * column[v];
                }
            }
        }
#pragma GCC unroll 16
        for (int r = 0; r < panel_rows; ++r) {
            if (r >= rows)
                break;
#pragma GCC unroll 4
            for (int v = 0; v < vectors; ++v) {
                const int64_t left = columns - v * width;
                if (left <= 0)
                    break;
                store_block(c + r * c_stride + v * width, sums[r][v], left,
                            bias != nullptr ? bias + v * width : nullptr, add);
            }
        }
    }

    /** What becomes of the sum of one block of the depth: the first one gets the bias, all but the first add up. */
    [[gnu::always_inline]] static void store_block(T* target, vec value, int64_t count, const T* bias, bool add) {
        if (bias != nullptr)
            value += S::load_partial(bias, count);
        if (add)
            value += S::load_partial(target, count);
        S::store_partial(target, value, count);
    }

    static void multiply(const Product<T>& product, const Tile& tile, T* scratch) {
        const bool contiguous_depth = product.a.column_stride == 1;
        const auto whole =
            contiguous_depth ? multiply_panels<panel_vectors, true> : multiply_panels<panel_vectors, false>;
        const auto half = contiguous_depth ? multiply_panels<1, true> : multiply_panels<1, false>;
        const int64_t rows = tile.row_end - tile.row_begin;
        T* const own_panel = scratch;
        T* const packed_rows = scratch + panel_width * block_depth;
        for (int64_t first = 0; first < product.k; first += block_depth) {
            const int64_t depth = smaller(block_depth, product.k - first);
            const int64_t row_panel_size = panel_rows * round_up(depth, width);
            for (int64_t r = 0; r < rows; r += panel_rows)
                pack_rows(product.a, tile.row_begin + r, rows - r, first, depth,
                          packed_rows + r / panel_rows * row_panel_size);
            for (int64_t j = tile.column_begin; j < tile.column_end; j += panel_width) {
                const int64_t columns = smaller(panel_width, tile.column_end - j);
                const T* b = own_panel;
                int64_t b_stride = panel_width;
                if (product.packed != nullptr) {
                    b = product.packed + first * round_up(product.n, panel_width) + j * depth;
                } else if (product.b.column_stride == 1 && columns == panel_width && rows <= panel_rows) {
                    // Read once only: not worth a copy.
                    b = product.b.data + first * product.b.row_stride + j;
                    b_stride = product.b.row_stride;
                } else {
                    pack_panel(product, j, first, depth, own_panel);
                }
                const T* bias = first == 0 && product.bias != nullptr ? product.bias + j : nullptr;
                for (int64_t r = 0; r < rows; r += panel_rows)
                    (columns > width ? whole : half)(packed_rows + r / panel_rows * row_panel_size, b, b_stride, depth,
                                                     product.c + (tile.row_begin + r) * product.n + j, product.n,
                                                     rows - r, columns, bias, first > 0 || product.accumulate);
            }
        }
    }

    // Few rows, each summed as multiply() does. B, contiguous along k, is transposed in registers on its way to the
    // sums: packed, it would be written and read again for few rows.

    /** Rows that share what is read of B. */
    static constexpr int shared_rows = 4;
    /** Up to this number of rows, transposing B for every four of them is faster than packing it; measured. */
    static constexpr int64_t few_rows = vector_bytes == 64 ? 12 : 4;

    template <int rows> static void multiply_few_rows(const Product<T>& product, int64_t row, const Tile& tile) {
        constexpr int piece = piece_width<T>;
        // Two sums for each of few rows, so that they need not wait for each other.
        constexpr int vectors = rows <= 2 && vector_bytes < 64 ? 2 : 1;
        const T* const a = product.a.data + row * product.a.row_stride;
        for (int64_t j = tile.column_begin; j < tile.column_end; j += vectors * width) {
            // Columns beyond the last one repeat it; their sums are not stored.
            const T* b[vectors * width];
            for (int c = 0; c < vectors * width; ++c)
                b[c] = product.b.data + smaller(j + c, product.n - 1) * product.b.column_stride;
            for (int64_t first = 0; first < product.k; first += block_depth) {
                const int64_t last = smaller(first + block_depth, product.k);
                vec sums[vectors][rows] = {};
                const auto add = [&](int v, int64_t k, vec column) __attribute__((always_inline)) {
#pragma GCC unroll 4
                    for (int r = 0; r < rows; ++r)
                        sums[v][r] += S::splat(a[r * product.a.row_stride + k]) * column;
                };
                int64_t k = first;
                for (; k + piece <= last; k += piece)
#pragma GCC unroll 2
                    for (int v = 0; v < vectors; ++v) {
                        vec columns[piece];
                        load_columns<T>(b + v * width, k, columns);
#pragma GCC unroll 4
                        for (int i = 0; i < piece; ++i)
                            add(v, k + i, columns[i]);
                    }
                for (; k < last; ++k)
                    for (int v = 0; v < vectors; ++v) {
                        vec column;
                        for (int c = 0; c < width; ++c)
                            column[c] = b[v * width + c][k];
                        add(v, k, column);
                    }
                for (int v = 0; v < vectors; ++v) {
                    const int64_t column = j + v * width;
                    const T* bias = first == 0 && product.bias != nullptr ? product.bias + column : nullptr;
                    for (int r = 0; r < rows && column < product.n; ++r)
                        store_block(product.c + (row + r) * product.n + column, sums[v][r], product.n - column, bias,
                                    first > 0);
                }
            }
        }
    }

    static void multiply_few(const Product<T>& product, const Tile& tile) {
        using WithRows = void (*)(const Product<T>&, int64_t, const Tile&);
        constexpr WithRows with_rows[shared_rows] = {multiply_few_rows<1>, multiply_few_rows<2>, multiply_few_rows<3>,
                                                     multiply_few_rows<4>};
        for (int64_t row = tile.row_begin; row < tile.row_end; row += shared_rows)
            with_rows[smaller(shared_rows, tile.row_end - row) - 1](product, row, tile);
    }

    /** Rows and columns whose dot products are summed at the same time, where there are few rows and many. */
    static constexpr int few_dot_rows = vector_bytes == 64 ? 4 : 2;
    static constexpr int many_dot_rows = vector_bytes == 32 ? 3 : few_dot_rows;
    static constexpr int dot_columns = 4;

    /**
     * The sums run along k in vectors, so that neither matrix has to be packed or transposed. Few rows stay in the
     * first cache while all columns pass by; with more rows, it is a few columns that stay.
     */
    static void multiply_dots(const Product<T>& product, const Tile& tile) {
        constexpr int64_t few = 8;
        (tile.row_end - tile.row_begin <= few ? dots_by_rows : dots_by_columns)(product, tile);
    }

    [[gnu::noinline]] static void dots_by_rows(const Product<T>& product, const Tile& tile) {
        for (int64_t i = tile.row_begin; i < tile.row_end; i += few_dot_rows)
            for (int64_t j = tile.column_begin; j < tile.column_end; j += dot_columns)
                multiply_dot<few_dot_rows>(product, tile, i, j);
    }

    [[gnu::noinline]] static void dots_by_columns(const Product<T>& product, const Tile& tile) {
        for (int64_t j = tile.column_begin; j < tile.column_end; j += dot_columns)
            for (int64_t i = tile.row_begin; i < tile.row_end; i += many_dot_rows)
                multiply_dot<many_dot_rows>(product, tile, i, j);
    }

    template <int dot_rows>
    [[gnu::always_inline]] static void multiply_dot(const Product<T>& product, const Tile& tile, int64_t i, int64_t j) {
        // As many as are added up over their lanes at a time; some may stay zero.
        constexpr int count = (dot_rows * dot_columns + width - 1) / width * width;
        const int64_t depth = product.k;
        const int64_t rows = smaller(dot_rows, tile.row_end - i);
        const int64_t columns = smaller(dot_columns, tile.column_end - j);
        // Rows and columns beyond the last one repeat it; their sums are not stored.
        const T* a[dot_rows];
        const T* b[dot_columns];
        for (int r = 0; r < dot_rows; ++r)
            a[r] = product.a.data + (i + smaller(r, rows - 1)) * product.a.row_stride;
        for (int c = 0; c < dot_columns; ++c)
            b[c] = product.b.data + (j + smaller(c, columns - 1)) * product.b.column_stride;
        vec sums[count] = {};
        const auto add = [&](auto&& load) __attribute__((always_inline)) {
            vec left[dot_rows];
#pragma GCC unroll 4
            for (int r = 0; r < dot_rows; ++r)
                left[r] = load(a[r]);
#pragma GCC unroll 4
            for (int c = 0; c < dot_columns; ++c) {
                const vec right = load(b[c]);
#pragma GCC unroll 4
                for (int r = 0; r < dot_rows; ++r)
                    sums[r * dot_columns + c] += left[r] * right;
            }
        };
        int64_t k = 0;
        for (; k + width <= depth; k += width)
            add([k](const T* p) { return S::load(p + k); });
        if (k < depth)
            add([k, depth](const T* p) { return S::load_partial(p + k, depth - k); });
        T totals[count];
#pragma GCC unroll 16
        for (int s = 0; s < count; s += width)
            S::store(totals + s, sum_lanes<T>(sums + s));
        for (int64_t r = 0; r < rows; ++r)
            for (int64_t c = 0; c < columns; ++c) {
                T* target = product.c + (i + r) * product.n + j + c;
                T value = totals[r * dot_columns + c];
                if (product.bias != nullptr)
                    value += product.bias[j + c];
                *target = product.accumulate ? *target + value : value;
            }
    }

    static void column_sums(const T* values, int64_t rows, int64_t columns, int64_t column_begin, int64_t column_end,
                            bool accumulate, T* sums) {
        for (int64_t j = column_begin; j < column_end; j += width) {
            const int64_t count = smaller(width, column_end - j);
            // Summed in blocks, so that rounding errors grow with the number of blocks and of rows in one only.
            vec total = accumulate ? S::load_partial(sums + j, count) : vec{};
            for (int64_t first = 0; first < rows; first += block_depth) {
                const int64_t last = smaller(first + block_depth, rows);
                vec sum{};
                for (int64_t i = first; i < last; ++i)
                    sum += S::load_partial(values + i * columns + j, count);
                total += sum;
            }
            S::store_partial(sums + j, total, count);
        }
    }

    static constexpr DenseKernels<T> table{
        .panel_width = panel_width,
        .packed_size = packed_size,
        .tile_scratch = tile_scratch,
        .pack = pack,
        .multiply = multiply,
        .multiply_few = multiply_few,
        .multiply_dots = multiply_dots,
        .few_rows = few_rows,
        .dot_depth = dot_depth,
        .column_sums = column_sums,
    };
};

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
