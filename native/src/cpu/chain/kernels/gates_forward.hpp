// The step forward of a cell of gates.
#pragma once

#include <array>

#include "cpu/chain/kernels/tiles.hpp"

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

/**
 * The tile of a cell of gates: rows by one vector of units of so many gates, whose products are computed together since
 * all read the same states. As many accumulators as other tiles have, but on 16 registers not four weights beside.
 */
template <class Cell> struct GateTile {
    static constexpr int accumulators = dual_rows * dual_vectors * 2;
    static constexpr int most_together = accumulators > 12 ? 4 : 3;
    static constexpr int together = Cell::gates <= most_together ? Cell::gates : Cell::gates / 2;
    static constexpr int rows = accumulators / together;
    static constexpr int passes = Cell::gates / together;
    static_assert(Cell::gates % together == 0);
    using Rows = std::make_integer_sequence<int, rows>;
    /** A copy to index at run time: the cell's own would be emitted once for all instruction sets. */
    static constexpr auto weight_sums = std::to_array(Cell::weight_sums);
};

/** The sums of a tile: [sums][rows][lanes]. */
template <class Num, class Cell> struct GateSums {
    alignas(64) SumOf<Num> value[Cell::sums][GateTile<Cell>::rows][Simd<SumOf<Num>>::width];
};

/** All sums of R rows and one vector of units. */
template <class Num, class Cell, int width, int R>
void gate_products(const ForwardStep<Num, Cell>& step, const StateOf<Num>* state, const StateOf<Num>* input,
                   int64_t unit, GateSums<Num, Cell>& result) {
    using S = Simd<SumOf<Num>>;
    constexpr int together = GateTile<Cell>::together;
    const int64_t units = step.layout.units;
    const StorageOf<Num>* const input_weights = step.operands.input_weights + unit * Cell::gates * step.inputs;
    const StateOf<Num>* const bias = step.operands.bias + unit;
    // Adds V u to the sums of a tile, where a gate's product with V goes to them; sum_of(c) is that of column c.
    const auto add_inputs = [&]<int C>(Accumulators<SumOf<Num>, R, C> & tile, const auto& sum_of)
        __attribute__((always_inline)) {
        const StorageOf<Num>* row = input_weights;
        for_each_of_rows<StateOf<Num>, R, false>(
            input, step.inputs, step.inputs, [&](const auto& values) __attribute__((always_inline)) {
                typename S::vec w[C];
#pragma GCC unroll 4
                for (int c = 0; c < C; ++c)
                    if (const int gate = gate_of_sum(Cell::input_sums, sum_of(c)); gate >= 0)
                        w[c] = S::load(row + gate * S::width);
#pragma GCC unroll 16
                for (int r = 0; r < R; ++r) {
                    const auto u = values.of(r);
#pragma GCC unroll 4
                    for (int c = 0; c < C; ++c)
                        if (gate_of_sum(Cell::input_sums, sum_of(c)) >= 0)
                            tile.value[r][c] = S::multiply_add(w[c], u, tile.value[r][c]);
                }
                row += Cell::gates * S::width;
            });
    };
#pragma GCC unroll 4
    for (int pass = 0; pass < GateTile<Cell>::passes; ++pass) {
        Accumulators<SumOf<Num>, R, together> tile;
        const auto sum_of = [pass](int c) __attribute__((always_inline)) {
            return Cell::weight_sums[pass * together + c];
        };
#pragma GCC unroll 4
        for (int v = 0; v < together; ++v)
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r)
                tile.value[r][v] = S::load(bias + sum_of(v) * step.layout.padded);
        add_inputs(tile, sum_of);
        multiply_state<width>(tile, state, step.layout.panel_stride(),
                              step.operands.weights + (unit * Cell::gates + pass * together * S::width) * units, units);
#pragma GCC unroll 4
        for (int v = 0; v < together; ++v)
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r)
                S::store(result.value[sum_of(v)][r], tile.value[r][v]);
    }
#pragma GCC unroll 4
    for (int sum = 0; sum < Cell::sums; ++sum) {
        if (gate_of_sum(Cell::weight_sums, sum) >= 0)
            continue;
        Accumulators<SumOf<Num>, R, 1> tile;
        tile.start_rows_with(bias + sum * step.layout.padded);
        add_inputs(
            tile, [sum](int) __attribute__((always_inline)) { return sum; });
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
            S::store(result.value[sum][r], tile.value[r][0]);
    }
}

template <class Num, class Cell>
using GateProduct = void (*)(const ForwardStep<Num, Cell>&, const StateOf<Num>*, const StateOf<Num>*, int64_t,
                             GateSums<Num, Cell>&);

template <class Num, class Cell, int width, int... r>
constexpr ByRows<GateProduct<Num, Cell>, sizeof...(r)> gate_products_by_rows(std::integer_sequence<int, r...>) {
    return {&gate_products<Num, Cell, width, r + 1>...};
}

template <class Num, class Cell>
void gate_epilogue(const ForwardStep<Num, Cell>& step, int64_t row, int64_t rows, int64_t unit,
                   const GateSums<Num, Cell>& result) {
    using S = Simd<SumOf<Num>>;
    using V = typename S::vec;
    const StateLayout& layout = step.layout;
    const int64_t size = layout.size();
    const Cell cell = step.cell;
    for (int64_t r = 0; r < rows; ++r) {
        const int64_t at = layout.offset(unit, row + r);
        V sum[Cell::sums], before[Cell::carried_vectors];
#pragma GCC unroll 4
        for (int s = 0; s < Cell::sums; ++s)
            sum[s] = S::load(result.value[s][r]);
#pragma GCC unroll 4
        for (int v = 0; v < Cell::carried_vectors; ++v)
            before[v] = S::load(step.previous + v * size + at);
        const auto done = cell.template forward<SimdMath, V>(sum, before);
#pragma GCC unroll 4
        for (int v = 0; v < Cell::carried_vectors; ++v)
            S::store(step.next + v * size + at, done.state[v]);
        if (step.kept)
#pragma GCC unroll 4
            for (int v = 0; v < Cell::kept_vectors; ++v)
                S::store(step.kept + v * size + at, done.kept[v]);
        if (step.output && unit < layout.units)
            S::store_partial(step.output + sample_of(step.order, row + r) * layout.units + unit, done.state[0],
                             layout.units - unit);
    }
}

template <class Num, class Cell, int width>
void gates_forward_width(const ForwardStep<Num, Cell>& step, RowRanges rows_of_batch, int64_t tile_begin,
                         int64_t tile_end) {
    static constexpr auto products = gate_products_by_rows<Num, Cell, width>(typename GateTile<Cell>::Rows{});
    GateSums<Num, Cell> result;
    for (int64_t at = tile_begin; at < tile_end; ++at) {
        const int64_t unit = (step.descending ? tile_begin + tile_end - 1 - at : at) * Simd<SumOf<Num>>::width;
        row_pieces(rows_of_batch, GateTile<Cell>::rows, [&](int64_t row, int64_t rows) {
            if (step.kept) {
                // In training no step's output was in a cache before.
                for (int v = 0; v < Cell::carried_vectors; ++v)
                    prefetch_tile<true>(step.layout, step.next + v * step.layout.size(), row, rows, unit, 1);
                for (int v = 0; v < Cell::kept_vectors; ++v)
                    prefetch_tile<true>(step.layout, step.kept + v * step.layout.size(), row, rows, unit, 1);
            }
            products[static_cast<size_t>(rows - 1)](step, step.previous + row * width, step.input + row * step.inputs,
                                                    unit, result);
            gate_epilogue(step, row, rows, unit, result);
        });
    }
}

template <class Num, class Cell>
void gates_forward(const ForwardStep<Num, Cell>& step, RowRanges rows, int64_t tile_begin, int64_t tile_end) {
    if (step.layout.width == narrow_width<StateOf<Num>>)
        gates_forward_width<Num, Cell, narrow_width<StateOf<Num>>>(step, rows, tile_begin, tile_end);
    else
        gates_forward_width<Num, Cell, wide_width<StateOf<Num>>>(step, rows, tile_begin, tile_end);
}

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
