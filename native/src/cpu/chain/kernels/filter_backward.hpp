// The filter cell's step backward.
#pragma once

#include "cpu/chain/kernels/moves.hpp"
#include "cpu/chain/kernels/tiles.hpp"

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

/** [αOᵀ, Wᵀ] · [g; δ]; the first product only with a dense filter. */
template <class T, int width, int C, int R>
void transposed_product(const BackwardStep<T, FilterCell>& step, const T* gradient, const T* delta, int64_t unit,
                        TileProducts<T>& result) {
    Accumulators<T, R, C> tile;
    tile.clear();
    const int64_t units = step.layout.units, stride = step.layout.panel_stride();
    if (step.operands.filter)
        multiply_state<width>(tile, gradient, stride, step.operands.filter + unit * units, units);
    multiply_state<width>(tile, delta, stride, step.operands.weights + unit * units, units);
    tile.store(result.filtered);
}

template <class T>
using BackwardProduct = void (*)(const BackwardStep<T, FilterCell>&, const T*, const T*, int64_t, TileProducts<T>&);

template <class T, int width, int C, int... r>
constexpr ByRows<BackwardProduct<T>, sizeof...(r)> transposed_products(std::integer_sequence<int, r...>) {
    return {&transposed_product<T, width, C, r + 1>...};
}

template <class T, int width, int... c>
constexpr ByTile<BackwardProduct<T>, single_rows, sizeof...(c)> transposed_tiles(std::integer_sequence<int, c...>) {
    return {transposed_products<T, width, c + 1>(SingleRows{})...};
}

template <class T>
void finish_backward(const BackwardStep<T, FilterCell>& step, int64_t row, int64_t rows, int64_t unit, int vectors,
                     const TileProducts<T>* result) {
    using S = Simd<T>;
    const StateLayout& layout = step.layout;
    const int64_t width = layout.width, stride = vectors * S::width;
    for (int c = 0; c < vectors; ++c) {
        const int64_t u = unit + c * S::width;
        const int64_t at = layout.offset(u, row);
        T* const previous = step.previous_gradient + at;
        T* const delta = step.previous_delta ? step.previous_delta + at : nullptr;
        const T* const arriving = step.arriving && u < layout.units ? step.arriving + row * layout.units + u : nullptr;
        const typename S::vec beta = S::load(step.operands.beta + u);
        const FilterCell cell = step.cell;
        const auto finish_rows = [&](const auto& gradient) {
            for (int64_t r = 0; r < rows; ++r) {
                typename S::vec g = gradient(r);
                if (arriving)
                    g += S::load_partial(arriving + r * layout.units, layout.units - u);
                S::store(previous + r * width, g);
                if (delta)
                    S::store(delta + r * width,
                             cell.template backward<typename S::vec>(S::load(delta + r * width), g, beta));
            }
        };
        if (!result) {
            finish_rows([=](int64_t r) { return S::load(previous + r * width); });
            continue;
        }
        const T* const product = result->filtered + c * S::width;
        if (step.operands.filter) {
            finish_rows([=](int64_t r) { return S::load(product + r * stride); });
        } else {
            const T* const later = step.gradient + row * width;
            with_moves(step.operands.structured, u, [&](const auto& moved) {
                finish_rows([&](int64_t r) { return S::load(product + r * stride) + moved(later + r * width); });
            });
        }
    }
}

template <class T, int width>
void backward_width(const BackwardStep<T, FilterCell>& step, int64_t row_begin, int64_t row_end, int64_t tile_begin,
                    int64_t tile_end) {
    TileProducts<T> result;
    static constexpr auto kernels = transposed_tiles<T, width>(SingleVectors{});
    for_tiles<T>(step.layout.padded, tile_begin, tile_end, step.descending, kernels,
                 [&](int64_t unit, int vectors, const auto& products) {
                     even_pieces(row_end - row_begin, single_rows, [&](int64_t begin, int64_t rows) {
                         const int64_t row = row_begin + begin;
                         if (step.previous_delta) {
                             prefetch_tile<true>(step.layout, step.previous_delta, row, rows, unit, vectors);
                             prefetch_tile<false>(step.layout, step.previous_state, row, rows, unit, vectors);
                         }
                         if (step.gradient)
                             products[static_cast<size_t>(rows - 1)](step, step.gradient + row * width,
                                                                     step.delta + row * width, unit, result);
                         finish_backward(step, row, rows, unit, vectors, step.gradient ? &result : nullptr);
                     });
                 });
}

template <class T>
void backward_rows(const BackwardStep<T, FilterCell>& step, int64_t row_begin, int64_t row_end, int64_t tile_begin,
                   int64_t tile_end) {
    if (step.layout.width == narrow_width<T>)
        backward_width<T, narrow_width<T>>(step, row_begin, row_end, tile_begin, tile_end);
    else
        backward_width<T, wide_width<T>>(step, row_begin, row_end, tile_begin, tile_end);
}

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
