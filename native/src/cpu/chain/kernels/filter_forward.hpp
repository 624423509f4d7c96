// The filter cell's step forward.
#pragma once

#include "cpu/chain/kernels/blocks.hpp"
#include "cpu/chain/kernels/permutation.hpp"
#include "cpu/chain/kernels/tiles.hpp"

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

/** Adds the drive V u + b, whose products are those of any other column of W. */
template <class Sum, int R, int C, class State, class Storage>
[[gnu::always_inline]] inline void start_with_drive(Accumulators<Sum, R, C>& tile, const State* bias,
                                                    const State* input, int64_t inputs, const Storage* input_weights) {
    tile.start_rows_with(bias);
    for_each_of_rows<Sum, R, false>(
        input, inputs, inputs, [&](const auto& values) __attribute__((always_inline)) {
            tile.multiply_add(input_weights, values);
            input_weights += C * Simd<Sum>::width;
        });
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
        for_each_of_rows<SumOf<Num>, R, true>(
            state, width, count, [&](const auto& values) __attribute__((always_inline)) {
                typename S::vec o[C], w[C];
#pragma GCC unroll 4
                for (int c = 0; c < C; ++c) {
                    o[c] = S::load(filter + c * S::width);
                    w[c] = S::load(weights + c * S::width);
                }
#pragma GCC unroll 16
                for (int r = 0; r < R; ++r) {
                    const auto x = values.of(r);
#pragma GCC unroll 4
                    for (int c = 0; c < C; ++c) {
                        filtered.value[r][c] = S::multiply_add(o[c], x, filtered.value[r][c]);
                        driven.value[r][c] = S::multiply_add(w[c], x, driven.value[r][c]);
                    }
                }
                filter += C * S::width;
                weights += C * S::width;
            });
    }
    filtered.store(result.filtered);
    driven.store(result.driven);
}

/** W's product and the drive. */
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

/** A product that is rounded once, together with the sum that it is used in. */
template <class T> struct LateProduct {
    typename Simd<T>::vec a;
    typename Simd<T>::vec b;
};

/** What the cell takes where tanh was computed before, for several vectors at once. */
struct TanhComputed {
    template <class V> [[gnu::always_inline]] static V tanh(V computed) { return computed; }
    template <class V> [[gnu::always_inline]] static V multiply_add(V a, V b, V c) {
        return SimdMath::multiply_add(a, b, c);
    }
    template <class V, class T> [[gnu::always_inline]] static V multiply_add(V a, V b, const LateProduct<T>& late) {
        return SimdMath::multiply_add(late.a, late.b, a * b);
    }
};

/** @param result  of a tile of C vectors; of a structured filter `filtered` has x[source], which alpha is not in yet */
template <class Num, int C>
void forward_epilogue(const ForwardStep<Num, FilterCell>& step, int64_t row, int64_t rows, int64_t unit,
                      const TileProducts<SumOf<Num>>& result) {
    using S = Simd<SumOf<Num>>;
    using vec = typename S::vec;
    const StateLayout& layout = step.layout;
    const int64_t width = layout.width, at = layout.offset(unit, row); // a tile's units lie in one panel
    StateOf<Num>* const next = step.next + at;
    StateOf<Num>* const kept = step.kept ? step.kept + at : nullptr;
    const StateOf<Num>* const beta = step.operands.beta + unit;
    const FilterCell cell = step.cell;
    const bool with_tanh = cell.nonlinearity == Nonlinearity::tanh;
    /** R rows at once; filtered(i) of vector i of the tile. */
    const auto some_rows = [&]<int R>(std::integral_constant<int, R>, int64_t first, const auto& filtered)
        __attribute__((always_inline)) {
        vec driven[R * C];
#pragma GCC unroll 16
        for (int i = 0; i < R * C; ++i)
            driven[i] = S::load(result.driven + (first * C + i) * S::width);
        if (with_tanh)
            tanh_of_each<SumOf<Num>>(driven);
#pragma GCC unroll 16
        for (int i = 0; i < R * C; ++i) {
            const int64_t to = (first + i / C) * width + i % C * S::width;
            const auto done = cell.template forward<TanhComputed, vec>(filtered(first * C + i, i % C), driven[i],
                                                                       S::load(beta + i % C * S::width));
            S::store(next + to, done.state);
            if (kept)
                S::store(kept + to, done.kept);
        }
    };
    const auto all_rows = [&](const auto& filtered) __attribute__((always_inline)) {
        // Of one vector three rows, so that of 6 and 5 no row is left alone.
        constexpr int most = tanh_vectors<SumOf<Num>>;
        constexpr int together = most == 1 || C > 1 ? (most + C - 1) / C : most - 1;
        int64_t r = 0;
        for (; r + together <= rows; r += together)
            some_rows(std::integral_constant<int, together>{}, r, filtered);
        if constexpr (together > 2)
            for (; r + 2 <= rows; r += 2)
                some_rows(std::integral_constant<int, 2>{}, r, filtered);
        if constexpr (together > 1)
            if (r < rows)
                some_rows(std::integral_constant<int, 1>{}, r, filtered);
    };
    if (step.operands.filter) {
        all_rows([&](int64_t i, int)
                     __attribute__((always_inline)) { return S::load(result.filtered + i * S::width); });
    } else {
        const StateOf<Num>* const scale = step.operands.structured.scale + unit;
        all_rows([&](int64_t i, int c) __attribute__((always_inline)) {
            return LateProduct<SumOf<Num>>{S::load(result.filtered + i * S::width), S::load(scale + c * S::width)};
        });
    }
    if (step.output)
        for (int c = 0; c < C && unit + c * S::width < layout.units; ++c) {
            const int64_t u = unit + c * S::width;
            for (int64_t r = 0; r < rows; ++r)
                S::store_partial(step.output + sample_of(step.order, row + r) * layout.units + u,
                                 S::load(next + r * width + c * S::width), layout.units - u);
        }
}

template <class Num>
using ForwardEpilogue = void (*)(const ForwardStep<Num, FilterCell>&, int64_t, int64_t, int64_t,
                                 const TileProducts<SumOf<Num>>&);

template <class Num, int... c>
constexpr std::array<ForwardEpilogue<Num>, sizeof...(c)> forward_epilogues_of(std::integer_sequence<int, c...>) {
    return {&forward_epilogue<Num, c + 1>...};
}
/** By vectors of the tile - 1. */
template <class Num> inline constexpr auto forward_epilogues = forward_epilogues_of<Num>(SingleVectors{});

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
            const StateOf<Num>* const previous = step.previous + row * width;
            products[static_cast<size_t>(rows - 1)](step, previous, step.input + row * step.inputs, unit, result);
            if (step.operands.columns)
                block_products<Num, width>[static_cast<size_t>(vectors - 1)][static_cast<size_t>(rows - 1)](
                    step.operands.columns, step.operands.filter, previous, step.layout.panel_stride(), unit,
                    result.filtered);
            else if (!step.operands.filter)
                permute_tile<StateOf<Num>, width>(step.operands.structured, previous, step.layout.panel_stride(), rows,
                                                  unit, vectors, result.filtered);
            prefetch_piece(upcoming);
            forward_epilogues<Num>[static_cast<size_t>(vectors - 1)](step, row, rows, unit, result);
        });
    };
    const int64_t padded = step.layout.padded;
    if (step.operands.filter && !step.operands.columns) {
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
