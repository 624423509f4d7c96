// The step backward of a cell of gates.
#pragma once

#include "cpu/chain/kernels/gates_forward.hpp"
#include "cpu/chain/kernels/tiles.hpp"

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

/** Σ W^T δ over the gates. */
template <class Num, class Cell, int width, int C, int R>
void gate_transposed_product(const BackwardStep<Num, Cell>& step, int64_t row, int64_t unit,
                             TileProducts<SumOf<Num>>& result) {
    Accumulators<SumOf<Num>, R, C> tile;
    tile.clear();
    const StateLayout& layout = step.layout;
    const StorageOf<Num>* weights = step.operands.weights + unit * Cell::gates * layout.units;
    for (int gate = 0; gate < Cell::gates; ++gate, weights += layout.units * C * Simd<SumOf<Num>>::width)
        multiply_state<width>(
            tile, step.delta + GateTile<Cell>::weight_sums[static_cast<size_t>(gate)] * layout.size() + row * width,
            layout.panel_stride(), weights, layout.units);
    tile.store(result.filtered);
}

template <class Num, class Cell>
using GateTransposedProduct = void (*)(const BackwardStep<Num, Cell>&, int64_t, int64_t, TileProducts<SumOf<Num>>&);

template <class Num, class Cell, int width, int C, int... r>
constexpr ByRows<GateTransposedProduct<Num, Cell>, sizeof...(r)>
gate_transposed_products(std::integer_sequence<int, r...>) {
    return {&gate_transposed_product<Num, Cell, width, C, r + 1>...};
}

template <class Num, class Cell, int width, int... c>
constexpr ByTile<GateTransposedProduct<Num, Cell>, single_rows, sizeof...(c)>
gate_transposed_tiles(std::integer_sequence<int, c...>) {
    return {gate_transposed_products<Num, Cell, width, c + 1>(SingleRows{})...};
}

/** @param result  null: no step is done, and the gradient is that which is there */
template <class Num, class Cell>
void gate_backward_epilogue(const BackwardStep<Num, Cell>& step, int64_t row, int64_t rows, int64_t unit, int vectors,
                            const TileProducts<SumOf<Num>>* result) {
    using S = Simd<SumOf<Num>>;
    using V = typename S::vec;
    const StateLayout& layout = step.layout;
    const int64_t size = layout.size(), width = layout.width;
    const Cell cell = step.cell;
    for (int c = 0; c < vectors; ++c) {
        const int64_t u = unit + c * S::width;
        const StateOf<Num>* const arriving = step.arriving && u < layout.units ? step.arriving + u : nullptr;
        int64_t at = layout.offset(u, row);
        for (int64_t r = 0; r < rows; ++r, at += width) {
            V gradient[Cell::carried_vectors];
#pragma GCC unroll 4
            for (int v = 0; v < Cell::carried_vectors; ++v) {
                if (!result)
                    gradient[v] = S::load(step.previous_gradient + v * size + at);
                else if (Cell::passes[v])
                    gradient[v] = S::load(step.gradient + v * size + at);
                else
                    gradient[v] = V{};
            }
            if (result)
                gradient[0] += S::load(result->filtered + (r * vectors + c) * S::width);
            if (arriving)
                gradient[0] +=
                    S::load_partial(arriving + sample_of(step.order, row + r) * layout.units, layout.units - u);
            if (!step.previous_delta) {
#pragma GCC unroll 4
                for (int v = 0; v < Cell::carried_vectors; ++v)
                    S::store(step.previous_gradient + v * size + at, gradient[v]);
                continue;
            }
            V kept[Cell::kept_vectors], before[Cell::carried_vectors];
#pragma GCC unroll 4
            for (int v = 0; v < Cell::kept_vectors; ++v)
                kept[v] = S::load(step.previous_delta + v * size + at);
#pragma GCC unroll 4
            for (int v = 0; v < Cell::carried_vectors; ++v)
                before[v] = S::load(step.previous_state + v * size + at);
            const auto done = cell.template backward<SimdMath, V>(kept, before, gradient);
#pragma GCC unroll 4
            for (int v = 0; v < Cell::sums; ++v)
                S::store(step.previous_delta + v * size + at, done.delta[v]);
#pragma GCC unroll 4
            for (int v = 0; v < Cell::carried_vectors; ++v)
                if (Cell::passes[v])
                    S::store(step.previous_gradient + v * size + at, done.passed[v]);
        }
    }
}

template <class Num, class Cell, int width>
void gates_backward_width(const BackwardStep<Num, Cell>& step, RowRanges rows_of_batch, int64_t tile_begin,
                          int64_t tile_end) {
    TileProducts<SumOf<Num>> result;
    static constexpr auto kernels = gate_transposed_tiles<Num, Cell, width>(SingleVectors{});
    for_tiles<SumOf<Num>>(
        step.layout.padded, tile_begin, tile_end, step.descending, kernels,
        [&](int64_t unit, int vectors, const auto& products) {
            row_pieces(rows_of_batch, single_rows, [&](int64_t row, int64_t rows) {
                const int64_t size = step.layout.size();
                if (step.previous_delta) {
                    for (int v = 0; v < Cell::kept_vectors; ++v)
                        prefetch_tile<true>(step.layout, step.previous_delta + v * size, row, rows, unit, vectors);
                    for (int v = 0; v < Cell::carried_vectors; ++v)
                        prefetch_tile<false>(step.layout, step.previous_state + v * size, row, rows, unit, vectors);
                }
                if (step.gradient)
                    products[static_cast<size_t>(rows - 1)](step, row, unit, result);
                gate_backward_epilogue(step, row, rows, unit, vectors, step.gradient ? &result : nullptr);
            });
        });
}

template <class Num, class Cell>
void gates_backward(const BackwardStep<Num, Cell>& step, RowRanges rows, int64_t tile_begin, int64_t tile_end) {
    if (step.layout.width == narrow_width<StateOf<Num>>)
        gates_backward_width<Num, Cell, narrow_width<StateOf<Num>>>(step, rows, tile_begin, tile_end);
    else
        gates_backward_width<Num, Cell, wide_width<StateOf<Num>>>(step, rows, tile_begin, tile_end);
}

/** The kernels of a cell of gates. */
template <class Num, class Cell>
inline constexpr CellKernels<Num, Cell> gate_kernels{.gates_together = GateTile<Cell>::together,
                                                     .forward = &gates_forward<Num, Cell>,
                                                     .backward = &gates_backward<Num, Cell>};

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
