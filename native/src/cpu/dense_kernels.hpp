// Kernels of the dense layer: products of matrices, of any shape and either storage order.
//
// The main loop is the usual one of packed products: a panel of A (panel_rows rows) and a panel of B (panel_width
// columns) are multiplied with panel_rows x 2 vectors of sums in registers; B is the vector operand, A the broadcast
// one. A block of depth k of B's panel stays in the first cache, that of A's panels in the second.
#pragma once

#include "cpu/broadcast.hpp"
#include "cpu/dense_types.hpp"
#include "cpu/shuffle.hpp"
#include "cpu/simd.hpp"
#include "model/fold.hpp"

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
        return round_up(rows, panel_rows) * block_depth;
    }

    /**
     * Packs columns column to column+panel_width-1 of B, rows first to first+depth-1: [depth][panel_width], zeros
     * behind the last column.
     */
    static void pack_panel(const MatrixView<T>& b, int64_t n, int64_t column, int64_t first, int64_t depth, T* packed) {
        const int64_t columns = smaller(panel_width, n - column);
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
            pack_panel(product.b, product.n, panel * panel_width, first, depth,
                       packed + first * all_columns + panel * panel_width * depth);
        }
    }

    /**
     * Packs rows row to row+panel_rows-1 of A, columns first to first+depth-1, zeros behind the last row:
     * [depth / width][panel_rows][width].
     */
    static void pack_rows(const MatrixView<T>& a, int64_t row, int64_t rows, int64_t first, int64_t depth, T* packed) {
        const T* source = a.data + row * a.row_stride + first;
        for (int64_t k = 0; k < depth; k += width)
            for (int r = 0; r < panel_rows; ++r, packed += width)
                S::store(packed, r < rows ? S::load_partial(source + r * a.row_stride + k, depth - k) : vec{});
    }

    /** sums += column · value, for one row. */
    template <int vectors, class Value>
    [[gnu::always_inline]] static void multiply_add_row(vec (&sums)[vectors], const vec (&column)[vectors],
                                                        Value value) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v)
            sums[v] = S::multiply_add(column[v], value, sums[v]);
    }

    /** One panel of A by `vectors` vectors of B's panel; written to the first rows and columns of c. */
    template <int vectors>
    static void multiply_panels(const T* a, const T* b, int64_t depth, T* c, int64_t c_stride, int64_t rows,
                                int64_t columns, const T* bias, bool add) {
        vec sums[panel_rows][vectors] = {};
        for (int64_t block = 0; block < depth; block += width, a += panel_rows * width) {
            const int64_t count = smaller(width, depth - block);
            for_each_of_rows<T, panel_rows, false>(
                a, width, count, [&](const auto& values) __attribute__((always_inline)) {
                    vec column[vectors];
#pragma GCC unroll 4
                    for (int v = 0; v < vectors; ++v)
                        column[v] = S::load(b + v * width);
#pragma GCC unroll 16
                    for (int r = 0; r < panel_rows; ++r)
                        multiply_add_row<vectors>(sums[r], column, values.of(r));
                    b += panel_width;
                });
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
        const int64_t rows = tile.row_end - tile.row_begin;
        for (int64_t first = 0; first < product.k; first += block_depth) {
            const int64_t depth = smaller(block_depth, product.k - first);
            const int64_t row_panel_size = panel_rows * round_up(depth, width);
            for (int64_t r = 0; r < rows; r += panel_rows)
                pack_rows(product.a, tile.row_begin + r, rows - r, first, depth,
                          scratch + r / panel_rows * row_panel_size);
            for (int64_t j = tile.column_begin; j < tile.column_end; j += panel_width) {
                const int64_t columns = smaller(panel_width, tile.column_end - j);
                const T* const b = product.packed + first * round_up(product.n, panel_width) + j * depth;
                const T* const bias = first == 0 && product.bias != nullptr ? product.bias + j : nullptr;
                for (int64_t r = 0; r < rows; r += panel_rows)
                    (columns > width ? multiply_panels<panel_vectors>
                                     : multiply_panels<1>)(scratch + r / panel_rows * row_panel_size, b, depth,
                                                           product.c + (tile.row_begin + r) * product.n + j, product.n,
                                                           rows - r, columns, bias, first > 0);
            }
        }
    }

    // Sums over rows, by leaves. The sums of a panel stay in registers for up to block_depth rows of a leaf; then they
    // are joined with those before, as the tree of sums has it. As many leaves as fit into a block are packed together.

    /** Rows one behind another. */
    struct Run {
        int64_t row;
        int64_t depth;
    };

    /** Rows of a leaf that are summed in registers. */
    struct Chunk {
        const DenseLeaf* leaf;
        bool begins;
        bool ends;
        /** Where it lies in Block::runs, and where it is packed. */
        int64_t first_run;
        int64_t run_count;
        Run packed;
    };

    /** Chunks that are packed together. */
    struct Block {
        Run runs[block_depth];
        Chunk chunks[Leaves::most];
        int64_t run_count;
        int64_t chunk_count;
        int64_t depth;
    };

    /** What comes next: a row of a leaf, counted from its first one. */
    struct Cursor {
        int64_t leaf = 0;
        int64_t row = 0;
    };

    /** Calls body(row, depth) for the rows begin to end-1 of a leaf, which are the steps of its samples. */
    template <class Body>
    [[gnu::always_inline]] static void for_each_run(const LeafSums& sums, const DenseLeaf& leaf, int64_t begin,
                                                    int64_t end, Body&& body) {
        if (leaf.samples == sums.batch) {
            body(begin, end - begin);
            return;
        }
        int64_t step = begin / leaf.samples;
        int64_t sample = begin % leaf.samples;
        for (int64_t left = end - begin; left > 0; ++step, sample = 0) {
            const int64_t depth = smaller(leaf.samples - sample, left);
            body(step * sums.batch + leaf.first + sample, depth);
            left -= depth;
        }
    }

    /** @return whether there were rows left */
    static bool next_block(const LeafSums& sums, Cursor& at, Block& block) {
        block.run_count = block.chunk_count = block.depth = 0;
        while (at.leaf < sums.leaf_count) {
            const DenseLeaf& leaf = sums.leaves[at.leaf];
            const int64_t rows = sums.steps * leaf.samples;
            const int64_t depth = smaller(block_depth, rows - at.row);
            if (block.depth + depth > block_depth)
                break;
            const int64_t first_run = block.run_count;
            for_each_run(sums, leaf, at.row, at.row + depth, [&](int64_t row, int64_t count) {
                block.runs[block.run_count++] = {row, count};
            });
            block.chunks[block.chunk_count++] = {&leaf,
                                                 at.row == 0,
                                                 at.row + depth == rows,
                                                 first_run,
                                                 block.run_count - first_run,
                                                 {block.depth, depth}};
            block.depth += depth;
            at.row += depth;
            if (at.row == rows)
                at = {at.leaf + 1, 0};
        }
        return block.depth > 0;
    }

    /** Whether all rows are one block, so that the slots of a panel are not needed any more when the next one begins.
     */
    static bool is_one_block(const LeafSums& sums) {
        return sums.rows <= block_depth;
    }

    static constexpr int64_t slot_size = panel_rows * panel_width;

    static int64_t sum_scratch(const LeafSums& sums, int64_t rows, int64_t columns) {
        const int64_t row_panels = round_up(rows, panel_rows) / panel_rows;
        const int64_t panels = is_one_block(sums) ? 1 : row_panels * (round_up(columns, panel_width) / panel_width);
        return (row_panels * panel_rows + panel_width) * block_depth + panels * sums.slots * slot_size;
    }

    /** Copies columns row to row+panel_rows-1 of A's rows, zeros behind the last column: [depth][panel_rows]. */
    static void pack_columns(const SumProduct<T>& product, int64_t column, const Block& block, T* packed) {
        const int64_t columns = product.m - column;
        for (int64_t i = 0; i < block.run_count; ++i) {
            const T* source = product.a + block.runs[i].row * product.m + column;
            for (int64_t k = 0; k < block.runs[i].depth; ++k, source += product.m, packed += panel_rows) {
                if (columns >= panel_rows) {
                    __builtin_memcpy(packed, source, panel_rows * sizeof(T));
                } else {
                    for (int r = 0; r < panel_rows; ++r)
                        packed[r] = r < columns ? source[r] : T{0};
                }
            }
        }
    }

    /** What a panel is multiplied with: packed, or as it lies. */
    struct Factor {
        const T* data;
        int64_t stride;
        bool packed;
    };

    /** Where the sums of a panel go in the end. */
    struct Target {
        T* data;
        int64_t row_stride;
        int64_t rows;
        int64_t columns;
    };

    [[gnu::always_inline]] static void prefetch_rows(const Factor& b, const Run& run) {
        const T* row = b.data + run.row * b.stride;
        for (int64_t k = 0; k < smaller(run.depth, 16); ++k, row += b.stride)
            for (int v = 0; v < panel_vectors; ++v)
                __builtin_prefetch(row + v * width);
    }

    /** One panel of A by `vectors` vectors of B's panel. @param slots  of the panel, slot_size elements each */
    template <int vectors>
    static void sum_panels(const LeafSums& sums, const Block& block, const T* a, const Factor& b, T* slots,
                           const Target& target) {
        for (int64_t i = 0; i < block.chunk_count; ++i) {
            const Chunk& chunk = block.chunks[i];
            vec total[panel_rows][vectors] = {};
            const Run* const runs = b.packed ? &chunk.packed : block.runs + chunk.first_run;
            const int64_t run_count = b.packed ? 1 : chunk.run_count;
            for (int64_t run = 0; run < run_count; ++run) {
                const T* row = b.data + runs[run].row * b.stride;
                // The processor foresees rows that follow, but not those of the next step.
                if (run + 1 < run_count)
                    prefetch_rows(b, runs[run + 1]);
                for (int64_t k = 0; k < runs[run].depth; ++k, row += b.stride, a += panel_rows) {
                    vec column[vectors];
#pragma GCC unroll 4
                    for (int v = 0; v < vectors; ++v)
                        column[v] = S::load(row + v * width);
                    with_rows_in_turn<T, panel_rows>(
                        a, [&](const auto& values) __attribute__((always_inline)) {
                            [&]<int... r>(std::integer_sequence<int, r...>) __attribute__((always_inline)) {
                                (multiply_add_row<vectors>(total[r], column, values.template of<r>()), ...);
                            }
                            (std::make_integer_sequence<int, panel_rows>{});
                        });
                }
            }
            // The sum of the leaf's rows so far lies behind the slots that it will join.
            const int64_t own = chunk.leaf->slot + chunk.leaf->joins;
            const int64_t last = chunk.begins ? own - 1 : own;
            const int64_t first = chunk.ends ? chunk.leaf->slot : own;
            for (int64_t slot = last; slot >= first; --slot) {
                const T* const from = slots + slot * slot_size;
#pragma GCC unroll 16
                for (int r = 0; r < panel_rows; ++r)
#pragma GCC unroll 4
                    for (int v = 0; v < vectors; ++v)
                        total[r][v] = S::load(from + r * panel_width + v * width) + total[r][v];
            }
            const bool done = chunk.ends && chunk.leaf == sums.leaves + sums.leaf_count - 1;
            if (!done) {
                T* const to = slots + first * slot_size;
#pragma GCC unroll 16
                for (int r = 0; r < panel_rows; ++r)
#pragma GCC unroll 4
                    for (int v = 0; v < vectors; ++v)
                        S::store(to + r * panel_width + v * width, total[r][v]);
                continue;
            }
            T* const out = target.data + first * sums.stride;
#pragma GCC unroll 16
            for (int r = 0; r < panel_rows; ++r) {
                if (r >= target.rows)
                    break;
#pragma GCC unroll 4
                for (int v = 0; v < vectors; ++v) {
                    const int64_t left = target.columns - v * width;
                    if (left <= 0)
                        break;
                    store_block(out + r * target.row_stride + v * width, total[r][v], left, nullptr, sums.accumulate);
                }
            }
            for (int64_t slot = 0; slot < first; ++slot)
                write_slot(sums, slots, slot, target);
        }
    }

    [[gnu::noinline]] static void write_slot(const LeafSums& sums, const T* slots, int64_t slot, const Target& target) {
        for (int64_t r = 0; r < smaller(panel_rows, target.rows); ++r)
            for (int64_t j = 0; j < smaller(panel_width, target.columns); j += width)
                store_block(target.data + slot * sums.stride + r * target.row_stride + j,
                            S::load(slots + slot * slot_size + r * panel_width + j), target.columns - j, nullptr,
                            sums.accumulate);
    }

    static void sum_products(const SumProduct<T>& product, const LeafSums& sums, const Tile& tile, T* scratch) {
        const int64_t rows = tile.row_end - tile.row_begin;
        const MatrixView<T> b{product.b, product.n, 1};
        T* const own_panel = scratch;
        T* const packed_rows = own_panel + panel_width * block_depth;
        T* const all_slots = packed_rows + round_up(rows, panel_rows) * block_depth;
        const int64_t kept_slots = is_one_block(sums) ? 0 : sums.slots * slot_size;
        Cursor at;
        Block block;
        while (next_block(sums, at, block)) {
            const int64_t row_panel_size = panel_rows * block.depth;
            for (int64_t r = 0; r < rows; r += panel_rows)
                pack_columns(product, tile.row_begin + r, block, packed_rows + r / panel_rows * row_panel_size);
            T* slots = all_slots;
            for (int64_t j = tile.column_begin; j < tile.column_end; j += panel_width) {
                const int64_t columns = smaller(panel_width, tile.column_end - j);
                Factor factor{product.b + j, product.n, false};
                // A whole panel that is read once only is not worth a copy.
                if (columns < panel_width || rows > panel_rows) {
                    factor = {own_panel, panel_width, true};
                    T* packed = own_panel;
                    for (int64_t i = 0; i < block.run_count; ++i) {
                        pack_panel(b, product.n, j, block.runs[i].row, block.runs[i].depth, packed);
                        packed += block.runs[i].depth * panel_width;
                    }
                }
                for (int64_t r = 0; r < rows; r += panel_rows, slots += kept_slots)
                    (columns > width ? sum_panels<panel_vectors>
                                     : sum_panels<1>)(sums, block, packed_rows + r / panel_rows * row_panel_size,
                                                      factor, slots,
                                                      {product.c + (tile.row_begin + r) * product.n + j, product.n,
                                                       rows - r, columns});
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
                        sums[v][r] = S::multiply_add(S::splat(a[r * product.a.row_stride + k]), column, sums[v][r]);
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
#if defined(__AVX512F__) || defined(__aarch64__)
    static constexpr int few_dot_rows = 4; // 16 of 32 registers for sums
#else
    static constexpr int few_dot_rows = 2;
#endif
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
                    sums[r * dot_columns + c] = S::multiply_add(left[r], right, sums[r * dot_columns + c]);
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
                T value = totals[r * dot_columns + c];
                if (product.bias != nullptr)
                    value += product.bias[j + c];
                product.c[(i + r) * product.n + j + c] = value;
            }
    }

    static void column_sums(const T* values, const LeafSums& sums, int64_t columns, int64_t column_begin,
                            int64_t column_end, T* out) {
        for (int64_t j = column_begin; j < column_end; j += width) {
            const int64_t count = smaller(width, column_end - j);
            vec slots[Leaves::most];
            for (int64_t leaf = 0; leaf < sums.leaf_count; ++leaf) {
                const DenseLeaf& rows = sums.leaves[leaf];
                vec total{};
                // Summed in blocks, so that rounding errors grow with the number of blocks and of rows in one only.
                for (int64_t first = 0; first < sums.steps * rows.samples; first += block_depth) {
                    vec sum{};
                    for_each_run(sums, rows, first, smaller(first + block_depth, sums.steps * rows.samples),
                                 [&](int64_t row, int64_t depth) {
                                     for (int64_t i = row; i < row + depth; ++i)
                                         sum += S::load_partial(values + i * columns + j, count);
                                 });
                    total += sum;
                }
                for (int64_t slot = rows.slot + rows.joins - 1; slot >= rows.slot; --slot)
                    total = slots[slot] + total;
                slots[rows.slot] = total;
            }
            for (int64_t slot = 0; slot <= sums.leaves[sums.leaf_count - 1].slot; ++slot)
                store_block(out + slot * sums.stride + j, slots[slot], count, nullptr, sums.accumulate);
        }
    }

    static constexpr DenseKernels<T> table{
        .panel_width = panel_width,
        .packed_size = packed_size,
        .tile_scratch = tile_scratch,
        .pack = pack,
        .multiply = multiply,
        .sum_scratch = sum_scratch,
        .sum_products = sum_products,
        .multiply_few = multiply_few,
        .multiply_dots = multiply_dots,
        .few_rows = few_rows,
        .dot_depth = dot_depth,
        .column_sums = column_sums,
    };
};

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
