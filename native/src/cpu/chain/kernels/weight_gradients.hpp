// Weight gradients: outer products of δ with states and inputs, summed over steps and rows.
#pragma once

#include "cpu/chain/kernels/tiles.hpp"
#include "model/fold.hpp"

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

/** δ of R consecutive units of one panel for all steps (last first) and rows, [row][R]. */
template <class Num, int width, int R>
void pack_delta(const GradientSums<Num>& sums, int64_t unit, StateOf<Num>* packed) {
    const StateLayout& layout = sums.layout;
    const int64_t rows = sums.row_end() - sums.row_begin;
    const StateOf<Num>* delta = sums.delta + layout.offset(unit, sums.row_begin) + (sums.steps - 1) * sums.delta_step;
    for (int64_t step = 0; step < sums.steps; ++step, delta -= sums.delta_step)
        for (int64_t row = 0; row < rows; ++row, packed += R)
            std::memcpy(packed, delta + row * width, R * sizeof(StateOf<Num>));
}

/** Tiles of sums: nodes that wait for the leaf which completes a larger one with them, or to be written. */
template <class Sum, int R, int C> struct WaitingTiles {
    alignas(64) Sum value[Cover::most + 1][R * C * Simd<Sum>::width];
};

/** Writes a tile that was stored, of any width: `left` columns from its first on are there. */
template <class Sum>
[[gnu::noinline]] void write_tile(const Sum* tile, int rows, int vectors, int64_t left, bool added, Sum* out,
                                  int64_t stride) {
    using S = Simd<Sum>;
    for (int r = 0; r < rows; ++r, out += stride)
        for (int c = 0; c < vectors; ++c, tile += S::width) {
            const int64_t columns = left - c * S::width;
            if (columns <= 0)
                continue;
            typename S::vec value = S::load(tile);
            if (added)
                value += S::load_partial(out + c * S::width, columns);
            S::store_partial(out + c * S::width, value, columns);
        }
}

/**
 * Sums a tile leaf by leaf, joins the leaves to nodes and writes these.
 * @param out       where the tile goes
 * @param sibling   where the sibling's sums are, or null
 * @param column    the tile's first, counted from that of the matrix
 * @param add_rows  add_rows(tile, row_begin, row_end): adds the products of some rows
 */
template <int R, int C, class Num, class AddRows>
[[gnu::always_inline]] inline void sum_leaves(const GradientSums<Num>& sums, const SumTarget<Num>& target,
                                              SumOf<Num>* out, const SumOf<Num>* sibling, int64_t column,
                                              AddRows&& add_rows) {
    using S = Simd<SumOf<Num>>;
    const int64_t stride = target.row_stride;
    Accumulators<SumOf<Num>, R, C> tile;
    WaitingTiles<SumOf<Num>, R, C> waiting;
    int64_t waits = 0;
    if (target.continued) {
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c)
                tile.value[r][c] = S::load(out + r * stride + c * S::width);
    } else {
        tile.clear();
    }
    // Where the next tile goes.
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c)
            __builtin_prefetch(out + (R + r) * stride + c * S::width, 1);
    if (sibling) // which another thread has written
        for (int r = 0; r < R; ++r)
            for (int c = 0; c < C; ++c)
                __builtin_prefetch(sibling + r * target.sibling_row_stride + c * S::width);

    int64_t row = sums.row_begin;
    for (int64_t leaf = 0;; ++leaf) {
        const LeafRows& rows = sums.leaves[leaf];
        add_rows(tile, row, rows.end);
        row = rows.end;
        for (int64_t join = 0; join < rows.joins; ++join)
            tile.add(waiting.value[--waits]);
        if (leaf + 1 == sums.leaf_count)
            break;
        tile.store(waiting.value[waits++]);
        tile.clear();
    }

    if (sibling)
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c)
                tile.value[r][c] += S::load(sibling + r * target.sibling_row_stride + c * S::width);

    const int64_t left = target.columns - column;
    const bool plain = left >= C * S::width && !target.added;
    if (!plain)
        tile.store(waiting.value[waits++]);
    for (int64_t node = 0; node < waits; ++node, out += target.node_stride)
        write_tile(waiting.value[node], R, C, left, target.added, out, stride);
    if (plain)
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c)
                S::store(out + r * stride + c * S::width, tile.value[r][c]);
}

/** R units of packed δ by C vectors of x, over all steps (last first) and rows. */
template <class Num, int width, int C, int R>
void outer_products(const GradientSums<Num>& sums, const StateOf<Num>* delta, int64_t unit, int64_t panel,
                    int64_t first, const SumTarget<Num>& target) {
    const StateLayout& layout = sums.layout;
    const StateOf<Num>* const last_state =
        sums.state + panel * layout.panel_stride() + first + (sums.steps - 1) * sums.state_step;
    SumOf<Num>* const out = target.first + unit * target.row_stride + panel * target.panel_stride + first;
    const SumOf<Num>* const sibling =
        target.sibling ? target.sibling + unit * target.sibling_row_stride + panel * target.sibling_panel_stride + first
                       : nullptr;
    const int64_t column = panel * width + first;
    const auto add_rows = [&](auto& tile, int64_t row_begin, int64_t row_end) __attribute__((always_inline)) {
        const StateOf<Num>* state = last_state + row_begin * width;
        const int64_t rows = row_end - row_begin;
        for (int64_t step = 0; step < sums.steps; ++step, state -= sums.state_step) {
#pragma GCC unroll 2
            for (int64_t row = 0; row < rows; ++row, delta += R)
                with_rows_in_turn<StateOf<Num>, R>(
                    delta, [&](const auto& values)
                               __attribute__((always_inline)) { tile.multiply_add(state + row * width, values); });
        }
    };
    sum_leaves<R, C>(sums, target, out, sibling, column, add_rows);
}

template <class Num> using PackDelta = void (*)(const GradientSums<Num>&, int64_t, StateOf<Num>*);
template <class Num>
using OuterProduct = void (*)(const GradientSums<Num>&, const StateOf<Num>*, int64_t, int64_t, int64_t,
                              const SumTarget<Num>&);

template <class Num, int width, int... r>
constexpr ByRows<PackDelta<Num>, sizeof...(r)> pack_delta_by_rows(std::integer_sequence<int, r...>) {
    return {&pack_delta<Num, width, r + 1>...};
}
template <class Num, int width, int C, int... r>
constexpr ByRows<OuterProduct<Num>, sizeof...(r)> outer_products_by_rows(std::integer_sequence<int, r...>) {
    return {&outer_products<Num, width, C, r + 1>...};
}

/** Calls body(unit, units) for the tiles of a range of units; a tile's units lie in one panel. */
template <int width, class Body>
[[gnu::always_inline]] inline void outer_tiles(int64_t unit_begin, int64_t unit_end, Body&& body) {
    for (int64_t unit = unit_begin; unit < unit_end;) {
        const int64_t panel_end = (unit / width + 1) * width;
        const int64_t end = panel_end < unit_end ? panel_end : unit_end;
        even_pieces(end - unit, outer_rows, [&](int64_t begin, int64_t units) { body(unit + begin, units); });
        unit = end;
    }
}

template <class Num, int width>
void weight_gradients_width(const GradientSums<Num>& sums, int64_t unit_begin, int64_t unit_end,
                            const SumTarget<Num>& target) {
    constexpr int C = width / Simd<SumOf<Num>>::width < outer_vectors ? width / Simd<SumOf<Num>>::width : outer_vectors;
    using Rows = std::make_integer_sequence<int, outer_rows>;
    static constexpr auto packs = pack_delta_by_rows<Num, width>(Rows{});
    static constexpr auto products = outer_products_by_rows<Num, width, C>(Rows{});
    const StateLayout& layout = sums.layout;
    // Rows of δ lie a panel's width apart, which maps them to few sets of the first-level cache. Packed once, they are
    // read for every panel of x.
    const int64_t rows = sums.steps * (sums.row_end() - sums.row_begin);
    outer_tiles<width>(unit_begin, unit_end, [&](int64_t unit, int64_t units) {
        packs[static_cast<size_t>(units - 1)](sums, unit, sums.packed_delta + (unit - unit_begin) * rows);
    });
    for (int64_t panel = 0; panel < layout.panels; ++panel) {
        // The last panel may be filled in part: vectors behind `padded` hold nothing.
        const int64_t used = layout.padded - panel * width < width ? layout.padded - panel * width : width;
        for (int64_t first = 0; first < used; first += C * Simd<SumOf<Num>>::width)
            outer_tiles<width>(unit_begin, unit_end, [&](int64_t unit, int64_t units) {
                products[static_cast<size_t>(units - 1)](sums, sums.packed_delta + (unit - unit_begin) * rows, unit,
                                                         panel, first, target);
            });
    }
}

template <class Num>
void weight_gradients(const GradientSums<Num>& sums, int64_t unit_begin, int64_t unit_end,
                      const SumTarget<Num>& target) {
    if (sums.layout.width == narrow_width<StateOf<Num>>)
        weight_gradients_width<Num, narrow_width<StateOf<Num>>>(sums, unit_begin, unit_end, target);
    else
        weight_gradients_width<Num, wide_width<StateOf<Num>>>(sums, unit_begin, unit_end, target);
}

/** R inputs (none: the bias) by C vectors of δ, over all steps (last first) and rows. */
template <class Num, int C, int R>
void input_outer_products(const GradientSums<Num>& sums, int64_t first_input, int64_t unit,
                          const SumTarget<Num>& target) {
    using S = Simd<SumOf<Num>>;
    const StateLayout& layout = sums.layout;
    const StateOf<Num>* const delta = sums.delta + layout.offset(unit, 0);
    const int64_t panel = unit >> layout.width_bits, column = unit & (layout.width - 1);
    SumOf<Num>* const out = target.first + first_input * target.row_stride + panel * target.panel_stride + column;
    const SumOf<Num>* const sibling = target.sibling ? target.sibling + first_input * target.sibling_row_stride +
                                                           panel * target.sibling_panel_stride + column
                                                     : nullptr;
    const auto add_rows = [&](auto& tile, int64_t row_begin, int64_t row_end) __attribute__((always_inline)) {
        for (int64_t step = sums.steps - 1; step >= 0; --step) {
            for (int64_t row = row_begin; row < row_end; ++row) {
                const StateOf<Num>* d = delta + step * sums.delta_step + row * layout.width;
                if constexpr (R == 0) {
#pragma GCC unroll 4
                    for (int c = 0; c < C; ++c)
                        tile.value[0][c] += S::load(d + c * S::width);
                } else {
                    const StateOf<Num>* input = sums.input + step * sums.input_step + row * sums.inputs + first_input;
                    with_rows_in_turn<StateOf<Num>, R>(
                        input, [&](const auto& values)
                                   __attribute__((always_inline)) { tile.multiply_add(d, values); });
                }
            }
        }
    };
    sum_leaves<R == 0 ? 1 : R, C>(sums, target, out, sibling, unit, add_rows);
}

template <class Num>
using InputOuterProduct = void (*)(const GradientSums<Num>&, int64_t, int64_t, const SumTarget<Num>&);

template <class Num, int C, int... r>
constexpr ByRows<InputOuterProduct<Num>, sizeof...(r)> input_outer_products_by_rows(std::integer_sequence<int, r...>) {
    return {&input_outer_products<Num, C, r + 1>...};
}

template <class Num>
void input_weight_gradients(const GradientSums<Num>& sums, int64_t tile_begin, int64_t tile_end,
                            const SumTarget<Num>& inputs, const SumTarget<Num>& bias) {
    const auto run = [&]<int C>(std::integral_constant<int, C>) {
        static constexpr auto products =
            input_outer_products_by_rows<Num, C>(std::make_integer_sequence<int, outer_rows>{});
        for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
            const int64_t unit = tile * C * Simd<SumOf<Num>>::width;
            input_outer_products<Num, C, 0>(sums, 0, unit, bias);
            even_pieces(sums.inputs, outer_rows, [&](int64_t begin, int64_t count) {
                products[static_cast<size_t>(count - 1)](sums, begin, unit, inputs);
            });
        }
    };
    constexpr int narrow_vectors = narrow_width<StateOf<Num>> / Simd<SumOf<Num>>::width;
    constexpr int narrow = narrow_vectors < outer_vectors ? narrow_vectors : outer_vectors;
    if (sums.layout.width == narrow_width<StateOf<Num>>)
        run(std::integral_constant<int, narrow>{});
    else
        run(std::integral_constant<int, outer_vectors>{});
}

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
