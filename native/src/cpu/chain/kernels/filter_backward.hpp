// The filter cell's step backward.
#pragma once

#include "cpu/chain/kernels/blocks.hpp"
#include "cpu/chain/kernels/permutation.hpp"
#include "cpu/chain/kernels/tiles.hpp"

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

/** [αOᵀ, Wᵀ] · [g; δ]; the first product only with a dense filter of one block, that of several is in `result`. */
template <class Num, int width, int C, int R>
void transposed_product(const BackwardStep<Num, FilterCell>& step, const StateOf<Num>* gradient,
                        const StateOf<Num>* delta, int64_t unit, TileProducts<SumOf<Num>>& result) {
    Accumulators<SumOf<Num>, R, C> tile;
    const int64_t units = step.layout.units, stride = step.layout.panel_stride();
    if (step.operands.columns)
        tile.load(result.filtered);
    else
        tile.clear();
    if (step.operands.filter && !step.operands.columns)
        multiply_state<width>(tile, gradient, stride, step.operands.filter + unit * units, units);
    multiply_state<width>(tile, delta, stride, step.operands.weights + unit * units, units);
    tile.store(result.filtered);
}

template <class Num>
using BackwardProduct = void (*)(const BackwardStep<Num, FilterCell>&, const StateOf<Num>*, const StateOf<Num>*,
                                 int64_t, TileProducts<SumOf<Num>>&);

template <class Num, int width, int C, int... r>
constexpr ByRows<BackwardProduct<Num>, sizeof...(r)> transposed_products(std::integer_sequence<int, r...>) {
    return {&transposed_product<Num, width, C, r + 1>...};
}

template <class Num, int width, int... c>
constexpr ByTile<BackwardProduct<Num>, single_rows, sizeof...(c)> transposed_tiles(std::integer_sequence<int, c...>) {
    return {transposed_products<Num, width, c + 1>(SingleRows{})...};
}

/**
 * @param result     of a tile of C vectors: `filtered` has both products, or of a structured filter that of W; null:
 *                   previous_gradient is there
 * @param looked_up  `driven` has the gradients that a structured filter permutes, without alpha
 */
template <class Num, int C>
void backward_epilogue(const BackwardStep<Num, FilterCell>& step, int64_t row, int64_t rows, int64_t unit,
                       const TileProducts<SumOf<Num>>* result, bool looked_up) {
    using S = Simd<SumOf<Num>>;
    const StateLayout& layout = step.layout;
    const int64_t width = layout.width, at = layout.offset(unit, row); // a tile's units lie in one panel
    StateOf<Num>* const previous_tile = step.previous_gradient + at;
    StateOf<Num>* const delta_tile = step.previous_delta ? step.previous_delta + at : nullptr;
    const FilterCell cell = step.cell;
    for (int c = 0; c < C; ++c) {
        const int64_t u = unit + c * S::width;
        StateOf<Num>* const previous = previous_tile + c * S::width;
        StateOf<Num>* const delta = delta_tile ? delta_tile + c * S::width : nullptr;
        const StateOf<Num>* const arriving = step.arriving && u < layout.units ? step.arriving + u : nullptr;
        const typename S::vec beta = S::load(step.operands.beta + u);
        const auto epilogue_of_rows = [&](const auto& gradient) {
            for (int64_t r = 0; r < rows; ++r) {
                typename S::vec g = gradient(r);
                if (arriving)
                    g += S::load_partial(arriving + sample_of(step.order, row + r) * layout.units, layout.units - u);
                S::store(previous + r * width, g);
                if (delta)
                    S::store(delta + r * width,
                             cell.template backward<SimdMath, typename S::vec>(S::load(delta + r * width), g, beta));
            }
        };
        if (!result) {
            epilogue_of_rows([=](int64_t r) { return S::load(previous + r * width); });
            continue;
        }
        constexpr int64_t stride = C * S::width;
        const SumOf<Num>* const product = result->filtered + c * S::width;
        if (step.operands.filter) {
            epilogue_of_rows([=](int64_t r) { return S::load(product + r * stride); });
        } else {
            const typename S::vec scale = S::load(step.operands.structured.scale + u);
            if (looked_up) {
                const SumOf<Num>* const permuted = result->driven + c * S::width;
                epilogue_of_rows([=](int64_t r) {
                    return S::multiply_add(S::load(permuted + r * stride), scale, S::load(product + r * stride));
                });
            } else {
                const StateOf<Num>* const later = step.gradient + row * width;
                with_permutation(step.operands.structured, u, [&](const auto& permuted) {
                    epilogue_of_rows([&](int64_t r) {
                        return S::multiply_add(permuted(later + r * width), scale, S::load(product + r * stride));
                    });
                });
            }
        }
    }
}

template <class Num>
using BackwardEpilogue = void (*)(const BackwardStep<Num, FilterCell>&, int64_t, int64_t, int64_t,
                                  const TileProducts<SumOf<Num>>*, bool);

template <class Num, int... c>
constexpr std::array<BackwardEpilogue<Num>, sizeof...(c)> backward_epilogues_of(std::integer_sequence<int, c...>) {
    return {&backward_epilogue<Num, c + 1>...};
}
/** By vectors of the tile - 1. */
template <class Num> inline constexpr auto backward_epilogues = backward_epilogues_of<Num>(SingleVectors{});

template <class Num, int width>
void backward_width(const BackwardStep<Num, FilterCell>& step, RowRanges rows_of_batch, int64_t tile_begin,
                    int64_t tile_end) {
    static constexpr auto kernels = transposed_tiles<Num, width>(SingleVectors{});
    TileProducts<SumOf<Num>> result;
    Upcoming upcoming = step.upcoming;
    for_tiles<SumOf<Num>>(
        step.layout.padded, tile_begin, tile_end, step.descending, kernels,
        [&](int64_t unit, int vectors, const auto& products) {
            const auto tile = static_cast<size_t>(vectors - 1);
            row_pieces(rows_of_batch, single_rows, [&](int64_t row, int64_t rows) {
                if (step.previous_delta) {
                    prefetch_tile<true>(step.layout, step.previous_delta, row, rows, unit, vectors);
                    prefetch_tile<false>(step.layout, step.previous_state, row, rows, unit, vectors);
                }
                bool looked_up = false;
                if (step.gradient) {
                    const StateOf<Num>* const gradient = step.gradient + row * width;
                    if (step.operands.columns)
                        block_products<Num, width>[tile][static_cast<size_t>(rows - 1)](
                            step.operands.columns, step.operands.filter, gradient, step.layout.panel_stride(), unit,
                            result.filtered);
                    products[static_cast<size_t>(rows - 1)](step, gradient, step.delta + row * width, unit, result);
                    if (!step.operands.filter)
                        looked_up = look_up_tiles<StateOf<Num>, width>[tile](
                            step.operands.structured, gradient, step.layout.panel_stride(), rows, unit, result.driven);
                }
                prefetch_piece(upcoming);
                backward_epilogues<Num>[tile](step, row, rows, unit, step.gradient ? &result : nullptr, looked_up);
            });
        });
}

template <class Num>
void backward_rows(const BackwardStep<Num, FilterCell>& step, RowRanges rows, int64_t tile_begin, int64_t tile_end) {
    if (step.layout.width == narrow_width<StateOf<Num>>)
        backward_width<Num, narrow_width<StateOf<Num>>>(step, rows, tile_begin, tile_end);
    else
        backward_width<Num, wide_width<StateOf<Num>>>(step, rows, tile_begin, tile_end);
}

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
