// The filter cell's step forward.
#pragma once

#include "cpu/chain/kernels/permutation.hpp"
#include "cpu/chain/kernels/tiles.hpp"

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

/** Adds the drive V u + b, whose products are those of any other column of W. */
template <class Sum, int R, int C, class State, class Storage>
[[gnu::always_inline]] inline void start_with_drive(Accumulators<Sum, R, C>& tile, const State* bias,
                                                    const State* input, int64_t inputs, const Storage* input_weights) {
    tile.start_rows_with(bias);
    for (int64_t d = 0; d < inputs; ++d, input_weights += C * Simd<Sum>::width)
        tile.multiply_add(input_weights, input + d, inputs);
}

/** Both products of [αO; W] with the same state, and the drive. */
template <class Num, int width, int C, int R>
void dual_product(const ForwardStep<Num, FilterCell>& step, const StateOf<Num>* state, const StateOf<Num>* input,
                  int64_t unit, TileProducts<SumOf<Num>>& result) {
    using S = Simd<SumOf<Num>>;
    const int64_t units = step.layout.units;
    const StorageOf<Num>* filter = step.operands.filter + unit * units;
    const StorageOf<Num>* weights = step.operands.weights + unit * units;
    Accumulators<SumOf<Num>, R, C> filtered, driven;
    filtered.clear();
    start_with_drive(driven, step.operands.bias + unit, input, step.inputs,
                     step.operands.input_weights + unit * step.inputs);
    for (int64_t first = 0; first < units; first += width, state += step.layout.panel_stride()) {
        const int64_t count = units - first < width ? units - first : width;
#pragma GCC unroll 2
        for (int64_t k = 0; k < count; ++k, filter += C * S::width, weights += C * S::width) {
            typename S::vec o[C], w[C];
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c) {
                o[c] = S::load(filter + c * S::width);
                w[c] = S::load(weights + c * S::width);
            }
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r) {
                const typename S::vec x = S::splat(state[r * width + k]);
#pragma GCC unroll 4
                for (int c = 0; c < C; ++c) {
                    filtered.value[r][c] += o[c] * x;
                    driven.value[r][c] += w[c] * x;
                }
            }
        }
    }
    filtered.store(result.filtered);
    driven.store(result.driven);
}

/** W's product and the drive, where the filter is a signed permutation. */
template <class Num, int width, int C, int R>
void driven_product(const ForwardStep<Num, FilterCell>& step, const StateOf<Num>* state, const StateOf<Num>* input,
                    int64_t unit, TileProducts<SumOf<Num>>& result) {
    Accumulators<SumOf<Num>, R, C> driven;
    start_with_drive(driven, step.operands.bias + unit, input, step.inputs,
                     step.operands.input_weights + unit * step.inputs);
    multiply_state<width>(driven, state, step.layout.panel_stride(), step.operands.weights + unit * step.layout.units,
                          step.layout.units);
    driven.store(result.driven);
}

template <class Num>
using ForwardProduct = void (*)(const ForwardStep<Num, FilterCell>&, const StateOf<Num>*, const StateOf<Num>*, int64_t,
                                TileProducts<SumOf<Num>>&);

template <class Num, int width, int C, int... r>
constexpr ByRows<ForwardProduct<Num>, sizeof...(r)> dual_products(std::integer_sequence<int, r...>) {
    return {&dual_product<Num, width, C, r + 1>...};
}
template <class Num, int width, int C, int... r>
constexpr ByRows<ForwardProduct<Num>, sizeof...(r)> driven_products(std::integer_sequence<int, r...>) {
    return {&driven_product<Num, width, C, r + 1>...};
}

template <class Num, int width, int... c>
constexpr ByTile<ForwardProduct<Num>, dual_rows, sizeof...(c)> dual_tiles(std::integer_sequence<int, c...>) {
    return {dual_products<Num, width, c + 1>(DualRows{})...};
}
template <class Num, int width, int... c>
constexpr ByTile<ForwardProduct<Num>, single_rows, sizeof...(c)> driven_tiles(std::integer_sequence<int, c...>) {
    return {driven_products<Num, width, c + 1>(SingleRows{})...};
}

/** Becomes a vector when it is used. */
template <class T, class Value> struct Late {
    const Value& value;
    [[gnu::always_inline]] operator typename Simd<T>::vec() const { return value(); }
};

template <class Num>
void forward_epilogue(const ForwardStep<Num, FilterCell>& step, int64_t row, int64_t rows, int64_t unit, int vectors,
                      const TileProducts<SumOf<Num>>& result) {
    using S = Simd<SumOf<Num>>;
    const StateLayout& layout = step.layout;
    const int64_t width = layout.width, stride = vectors * S::width;
    for (int c = 0; c < vectors; ++c) {
        const int64_t u = unit + c * S::width;
        const int64_t at = layout.offset(u, row);
        const SumOf<Num>* const driven = result.driven + c * S::width;
        StateOf<Num>* const next = step.next + at;
        StateOf<Num>* const kept = step.kept ? step.kept + at : nullptr;
        const typename S::vec beta = S::load(step.operands.beta + u);
        const FilterCell cell = step.cell;
        const auto epilogue_of_rows = [&](const auto& filtered) {
            for (int64_t r = 0; r < rows; ++r) {
                const auto product = [&] { return filtered(r); };
                const auto done = cell.template forward<SimdMath, typename S::vec>(
                    Late<SumOf<Num>, decltype(product)>{product}, S::load(driven + r * stride), beta);
                S::store(next + r * width, done.state);
                if (kept)
                    S::store(kept + r * width, done.kept);
            }
        };
        if (step.operands.filter) {
            const SumOf<Num>* const filtered = result.filtered + c * S::width;
            epilogue_of_rows([=](int64_t r) { return S::load(filtered + r * stride); });
        } else {
            const StateOf<Num>* const previous = step.previous + row * width;
            with_permutation(step.operands.structured, u, [&](const auto& permuted) {
                epilogue_of_rows([&](int64_t r) { return permuted(previous + r * width); });
            });
        }
        if (step.output && u < layout.units)
            for (int64_t r = 0; r < rows; ++r)
                S::store_partial(step.output + sample_of(step.order, row + r) * layout.units + u,
                                 S::load(next + r * width), layout.units - u);
    }
}

template <class Num, int width>
void forward_width(const ForwardStep<Num, FilterCell>& step, RowRanges rows_of_batch, int64_t tile_begin,
                   int64_t tile_end) {
    TileProducts<SumOf<Num>> result;
    Upcoming upcoming = step.upcoming;
    const auto run = [&](int64_t unit, int vectors, const auto& products) {
        row_pieces(rows_of_batch, static_cast<int64_t>(products.size()), [&](int64_t row, int64_t rows) {
            if (step.kept) {
                // In training no step's output was in a cache before.
                prefetch_tile<true>(step.layout, step.next, row, rows, unit, vectors);
                prefetch_tile<true>(step.layout, step.kept, row, rows, unit, vectors);
            }
            products[static_cast<size_t>(rows - 1)](step, step.previous + row * width, step.input + row * step.inputs,
                                                    unit, result);
            prefetch_piece(upcoming);
            forward_epilogue(step, row, rows, unit, vectors, result);
        });
    };
    const int64_t padded = step.layout.padded;
    if (step.operands.filter) {
        static constexpr auto kernels = dual_tiles<Num, width>(DualVectors{});
        for_tiles<SumOf<Num>>(padded, tile_begin, tile_end, step.descending, kernels, run);
    } else {
        static constexpr auto kernels = driven_tiles<Num, width>(SingleVectors{});
        for_tiles<SumOf<Num>>(padded, tile_begin, tile_end, step.descending, kernels, run);
    }
}

template <class Num>
void forward_rows(const ForwardStep<Num, FilterCell>& step, RowRanges rows, int64_t tile_begin, int64_t tile_end) {
    if (step.layout.width == narrow_width<StateOf<Num>>)
        forward_width<Num, narrow_width<StateOf<Num>>>(step, rows, tile_begin, tile_end);
    else
        forward_width<Num, wide_width<StateOf<Num>>>(step, rows, tile_begin, tile_end);
}

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
