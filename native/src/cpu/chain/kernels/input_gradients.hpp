// Gradients of the inputs: Vᵀ δ.
#pragma once

#include "cpu/chain/kernels/tiles.hpp"

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

/** Vᵀ δ, over all gates, for a tile of inputs. */
template <class Num, int width, int C, int R>
void input_product(const StateLayout& layout, const GateDeltas<Num>& deltas, int64_t row,
                   const StorageOf<Num>* input_weights, TileProducts<SumOf<Num>>& result) {
    Accumulators<SumOf<Num>, R, C> tile;
    tile.clear();
    for (int gate = 0; gate < deltas.gates; ++gate, input_weights += layout.units * C * Simd<SumOf<Num>>::width)
        multiply_state<width>(tile, deltas.of[gate] + row * width, layout.panel_stride(), input_weights, layout.units);
    tile.store(result.filtered);
}

template <class Num>
using InputProduct = void (*)(const StateLayout&, const GateDeltas<Num>&, int64_t, const StorageOf<Num>*,
                              TileProducts<SumOf<Num>>&);

template <class Num, int width, int C, int... r>
constexpr ByRows<InputProduct<Num>, sizeof...(r)> input_products(std::integer_sequence<int, r...>) {
    return {&input_product<Num, width, C, r + 1>...};
}

template <class Num, int width, int... c>
constexpr ByTile<InputProduct<Num>, single_rows, sizeof...(c)> input_tiles(std::integer_sequence<int, c...>) {
    return {input_products<Num, width, c + 1>(SingleRows{})...};
}

template <class Num, int width>
void input_gradients_width(const StateLayout& layout, SampleOrder order, const StorageOf<Num>* input_weights,
                           int64_t inputs, const GateDeltas<Num>& deltas, Span rows_of_batch,
                           StateOf<Num>* input_gradients) {
    using S = Simd<SumOf<Num>>;
    TileProducts<SumOf<Num>> result;
    constexpr int64_t line = narrow_width<StateOf<Num>>;
    const int64_t padded = (inputs + line - 1) / line * line;
    constexpr int64_t tile_units = single_vectors * S::width;
    static constexpr auto kernels = input_tiles<Num, width>(SingleVectors{});
    for_tiles<SumOf<Num>>(padded, 0, (padded + tile_units - 1) / tile_units, false, kernels,
                          [&](int64_t input, int vectors, const auto& products) {
                              even_pieces(rows_of_batch.size(), single_rows, [&](int64_t begin, int64_t rows) {
                                  const int64_t row = rows_of_batch.begin + begin;
                                  products[static_cast<size_t>(rows - 1)](
                                      layout, deltas, row, input_weights + input * deltas.gates * layout.units, result);
                                  for (int64_t r = 0; r < rows; ++r)
                                      for (int c = 0; c < vectors; ++c) {
                                          const int64_t d = input + c * S::width;
                                          if (d < inputs)
                                              S::store_partial(input_gradients + sample_of(order, row + r) * inputs + d,
                                                               S::load(result.filtered + (r * vectors + c) * S::width),
                                                               inputs - d);
                                      }
                              });
                          });
}

template <class Num>
void input_gradients(const StateLayout& layout, SampleOrder order, const StorageOf<Num>* input_weights, int64_t inputs,
                     const GateDeltas<Num>& deltas, Span rows, StateOf<Num>* gradients) {
    if (layout.width == narrow_width<StateOf<Num>>)
        input_gradients_width<Num, narrow_width<StateOf<Num>>>(layout, order, input_weights, inputs, deltas, rows,
                                                               gradients);
    else
        input_gradients_width<Num, wide_width<StateOf<Num>>>(layout, order, input_weights, inputs, deltas, rows,
                                                             gradients);
}

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
