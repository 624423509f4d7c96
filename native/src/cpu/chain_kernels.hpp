// The steps of the filter chain, for the instruction set that the including file is compiled for.
//
// Weights are the vector operand and states the broadcast one: a tile of R rows × C vectors of units stays in
// registers while k runs over the units of the previous state, so a vector of weights is read once for R rows, and a
// state value once for all of the tile's units. What follows the product (φ, β, the sum; backward φ') works on the
// finished tile while it is in the first-level cache, and is written once for all tile shapes: the bits of a row never
// depend on which rows share its tile.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

#include "cpu/chain_types.hpp"
#include "cpu/shuffle.hpp"
#include "cpu/simd.hpp"

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

// Tile shapes. Accumulators, the weights of one k and a broadcast value must fit the registers: 32 on AVX-512 and
// AArch64, 16 elsewhere.
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int dual_rows = 6, dual_vectors = 2;     // 24 accumulators: both products of [αO; W]
inline constexpr int single_rows = 6, single_vectors = 4; // 24 accumulators
inline constexpr int outer_rows = 6, outer_vectors = 4;   // 24 accumulators
#else
inline constexpr int dual_rows = 6, dual_vectors = 1;     // 12 accumulators
inline constexpr int single_rows = 6, single_vectors = 2; // 12 accumulators
inline constexpr int outer_rows = 6, outer_vectors = 2;   // 12 accumulators
#endif

/** Cuts `count` into pieces of at most `most`, as even as possible, and calls body(begin, size) for each. */
template <class Body> [[gnu::always_inline]] inline void even_pieces(int64_t count, int64_t most, Body&& body) {
    const int64_t pieces = (count + most - 1) / most;
    int64_t begin = 0;
    for (int64_t piece = 0; piece < pieces; ++piece) {
        const int64_t end = count * (piece + 1) / pieces;
        body(begin, end - begin);
        begin = end;
    }
}

/** Accumulators of a tile: R rows of C vectors. */
template <class T, int R, int C> struct Accumulators {
    using S = Simd<T>;
    typename S::vec value[R][C];

    [[gnu::always_inline]] void clear() {
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c)
                value[r][c] = typename S::vec{};
    }

    [[gnu::always_inline]] void start_rows_with(const T* row) {
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c)
                value[r][c] = S::load(row + c * S::width);
    }

    /** value[r] += broadcast[r · stride] · weights, for one k. */
    [[gnu::always_inline]] void multiply_add(const T* weights, const T* broadcast, int64_t stride) {
        typename S::vec w[C];
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c)
            w[c] = S::load(weights + c * S::width);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
            const typename S::vec x = S::splat(broadcast[r * stride]);
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c)
                value[r][c] += w[c] * x;
        }
    }

    [[gnu::always_inline]] void store(T* out) const {
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c)
                S::store(out + (r * C + c) * S::width, value[r][c]);
    }
};

/** tile += state · weights over all units; `width` is the layout's, known when compiling so that rows are offsets. */
template <int width, class T, int R, int C>
[[gnu::always_inline]] inline void multiply_state(Accumulators<T, R, C>& tile, const T* state, int64_t panel_stride,
                                                  const T* weights, int64_t units) {
    for (int64_t first = 0; first < units; first += width, state += panel_stride) {
        const int64_t count = units - first < width ? units - first : width;
#pragma GCC unroll 2
        for (int64_t k = 0; k < count; ++k, weights += C * Simd<T>::width)
            tile.multiply_add(weights, state + k, width);
    }
}

/** Adds the drive V u + b, whose products are those of any other column of W. */
template <class T, int R, int C>
[[gnu::always_inline]] inline void start_with_drive(Accumulators<T, R, C>& tile, const T* bias, const T* input,
                                                    int64_t inputs, const T* input_weights) {
    tile.start_rows_with(bias);
    for (int64_t d = 0; d < inputs; ++d, input_weights += C * Simd<T>::width)
        tile.multiply_add(input_weights, input + d, inputs);
}

/** Where the products of a tile go before its last operations: [rows][tile units] for each of the two. */
template <class T> struct TileProducts {
    alignas(64) T filtered[single_rows * single_vectors * Simd<T>::width];
    alignas(64) T driven[single_rows * single_vectors * Simd<T>::width];
};

/** Both products of [αO; W] with the same state, and the drive. */
template <class T, int width, int C, int R>
void dual_product(const ForwardStep<T>& step, const T* state, const T* input, int64_t unit, TileProducts<T>& result) {
    using S = Simd<T>;
    const int64_t units = step.layout.units;
    const T* filter = step.filter + unit * units;
    const T* weights = step.weights + unit * units;
    Accumulators<T, R, C> filtered, driven;
    filtered.clear();
    start_with_drive(driven, step.bias + unit, input, step.inputs, step.input_weights + unit * step.inputs);
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

/** W's product and the drive, where the filter moves values. */
template <class T, int width, int C, int R>
void driven_product(const ForwardStep<T>& step, const T* state, const T* input, int64_t unit, TileProducts<T>& result) {
    Accumulators<T, R, C> driven;
    start_with_drive(driven, step.bias + unit, input, step.inputs, step.input_weights + unit * step.inputs);
    multiply_state<width>(driven, state, step.layout.panel_stride(), step.weights + unit * step.layout.units,
                          step.layout.units);
    driven.store(result.driven);
}

/** [αOᵀ, Wᵀ] · [g; δ]; the first product only with a dense filter. */
template <class T, int width, int C, int R>
void transposed_product(const BackwardStep<T>& step, const T* gradient, const T* delta, int64_t unit,
                        TileProducts<T>& result) {
    Accumulators<T, R, C> tile;
    tile.clear();
    const int64_t units = step.layout.units, stride = step.layout.panel_stride();
    if (step.filter)
        multiply_state<width>(tile, gradient, stride, step.filter + unit * units, units);
    multiply_state<width>(tile, delta, stride, step.weights + unit * units, units);
    tile.store(result.filtered);
}

/** Vᵀ δ for a tile of inputs. */
template <class T, int width, int C, int R>
void input_product(const StateLayout& layout, const T* delta, const T* input_weights, int64_t,
                   TileProducts<T>& result) {
    Accumulators<T, R, C> tile;
    tile.clear();
    multiply_state<width>(tile, delta, layout.panel_stride(), input_weights, layout.units);
    tile.store(result.filtered);
}

/** A kernel for every number of rows from 1 to the size of the array, by number of rows - 1. */
template <class Function, size_t rows> using ByRows = std::array<Function, rows>;
/** And for every number of vectors from 1 on: the last tile of a row of units may be narrower than the others. */
template <class Function, size_t rows, size_t vectors> using ByTile = std::array<ByRows<Function, rows>, vectors>;

template <class T>
using ForwardProduct = void (*)(const ForwardStep<T>&, const T*, const T*, int64_t, TileProducts<T>&);
template <class T>
using BackwardProduct = void (*)(const BackwardStep<T>&, const T*, const T*, int64_t, TileProducts<T>&);
template <class T> using InputProduct = void (*)(const StateLayout&, const T*, const T*, int64_t, TileProducts<T>&);

template <class T, int width, int C, int... r>
constexpr ByRows<ForwardProduct<T>, sizeof...(r)> dual_products(std::integer_sequence<int, r...>) {
    return {&dual_product<T, width, C, r + 1>...};
}
template <class T, int width, int C, int... r>
constexpr ByRows<ForwardProduct<T>, sizeof...(r)> driven_products(std::integer_sequence<int, r...>) {
    return {&driven_product<T, width, C, r + 1>...};
}
template <class T, int width, int C, int... r>
constexpr ByRows<BackwardProduct<T>, sizeof...(r)> transposed_products(std::integer_sequence<int, r...>) {
    return {&transposed_product<T, width, C, r + 1>...};
}
template <class T, int width, int C, int... r>
constexpr ByRows<InputProduct<T>, sizeof...(r)> input_products(std::integer_sequence<int, r...>) {
    return {&input_product<T, width, C, r + 1>...};
}

using DualRows = std::make_integer_sequence<int, dual_rows>;
using SingleRows = std::make_integer_sequence<int, single_rows>;
using DualVectors = std::make_integer_sequence<int, dual_vectors>;
using SingleVectors = std::make_integer_sequence<int, single_vectors>;

template <class T, int width, int... c>
constexpr ByTile<ForwardProduct<T>, dual_rows, sizeof...(c)> dual_tiles(std::integer_sequence<int, c...>) {
    return {dual_products<T, width, c + 1>(DualRows{})...};
}
template <class T, int width, int... c>
constexpr ByTile<ForwardProduct<T>, single_rows, sizeof...(c)> driven_tiles(std::integer_sequence<int, c...>) {
    return {driven_products<T, width, c + 1>(SingleRows{})...};
}
template <class T, int width, int... c>
constexpr ByTile<BackwardProduct<T>, single_rows, sizeof...(c)> transposed_tiles(std::integer_sequence<int, c...>) {
    return {transposed_products<T, width, c + 1>(SingleRows{})...};
}
template <class T, int width, int... c>
constexpr ByTile<InputProduct<T>, single_rows, sizeof...(c)> input_tiles(std::integer_sequence<int, c...>) {
    return {input_products<T, width, c + 1>(SingleRows{})...};
}

/** Widths of a panel: one for chains of a single line of units, one for all others (see StateLayout). */
template <class T> inline constexpr int narrow_width = 64 / static_cast<int>(sizeof(T));
template <class T> inline constexpr int wide_width = 4 * narrow_width<T>;

/** Calls body(first unit, vectors, products) for every column tile, with the kernels of so many vectors. */
template <class T, class Kernels, class Body>
[[gnu::always_inline]] inline void for_tiles(int64_t padded, int64_t tile_begin, int64_t tile_end, bool descending,
                                             const Kernels& kernels, Body&& body) {
    constexpr int64_t most = std::tuple_size_v<Kernels>;
    for (int64_t at = tile_begin; at < tile_end; ++at) {
        const int64_t tile = descending ? tile_begin + tile_end - 1 - at : at;
        const int64_t unit = tile * most * Simd<T>::width;
        const int64_t left = (padded - unit) / Simd<T>::width;
        const int64_t vectors = left < most ? left : most;
        body(unit, static_cast<int>(vectors), kernels[static_cast<size_t>(vectors - 1)]);
    }
}

/**
 * Where the filter moves values: calls body(moved) once, with moved(row) giving αO x for one vector of units of the
 * state row that starts there. What kind of move it is, is decided once for all rows of a tile.
 */
template <class T, class Body>
[[gnu::always_inline]] inline void with_moves(const StructuredFilter<T>& filter, int64_t unit, Body&& body) {
    using S = Simd<T>;
    const int32_t* const source = filter.source + unit;
    const typename S::vec scale = S::load(filter.scale + unit);
    const int64_t first = source[0];
    switch (filter.run[unit / S::width]) {
    case GatherRun::contiguous:
        body([=](const T* row) { return S::load(row + first) * scale; });
        break;
    case GatherRun::all_but_first:
        body([=, second = source[1]](const T* row) {
            typename S::vec x = rotate_lanes<S::width - 1, T>(S::load(row + second));
            x[0] = row[first];
            return x * scale;
        });
        break;
    case GatherRun::all_but_last:
        body([=, last = source[S::width - 1]](const T* row) {
            typename S::vec x = rotate_lanes<1, T>(S::load(row + first - 1));
            x[S::width - 1] = row[last];
            return x * scale;
        });
        break;
    default:
        body([=](const T* row) { return S::gather(row, source) * scale; });
    }
}

/** Brings the lines of a tile near while a product is computed: to read them, or to write them too. */
template <bool written, class T>
[[gnu::always_inline]] inline void prefetch_tile(const StateLayout& layout, const T* state, int64_t row, int64_t rows,
                                                 int64_t unit, int vectors) {
    const T* first = state + layout.offset(unit, row);
    for (int64_t r = 0; r < rows; ++r)
        for (int c = 0; c < vectors; ++c)
            __builtin_prefetch(first + r * layout.width + c * Simd<T>::width, written);
}

/** Becomes a vector when it is used. */
template <class T, class Value> struct Late {
    const Value& value;
    [[gnu::always_inline]] operator typename Simd<T>::vec() const { return value(); }
};

template <class T>
void finish_forward(const ForwardStep<T>& step, int64_t row, int64_t rows, int64_t unit, int vectors,
                    const TileProducts<T>& result) {
    using S = Simd<T>;
    const StateLayout& layout = step.layout;
    const int64_t width = layout.width, stride = vectors * S::width;
    for (int c = 0; c < vectors; ++c) {
        const int64_t u = unit + c * S::width;
        const int64_t at = layout.offset(u, row);
        const T* const driven = result.driven + c * S::width;
        T* const next = step.next + at;
        T* const activation = step.activation ? step.activation + at : nullptr;
        const typename S::vec beta = S::load(step.beta + u);
        const FilterCell cell = step.cell;
        const auto finish_rows = [&](const auto& filtered) {
            for (int64_t r = 0; r < rows; ++r) {
                const auto product = [&] { return filtered(r); };
                const auto done = cell.template forward<SimdMath, typename S::vec>(Late<T, decltype(product)>{product},
                                                                                   S::load(driven + r * stride), beta);
                S::store(next + r * width, done.state);
                if (activation)
                    S::store(activation + r * width, done.kept);
            }
        };
        if (step.filter) {
            const T* const filtered = result.filtered + c * S::width;
            finish_rows([=](int64_t r) { return S::load(filtered + r * stride); });
        } else {
            const T* const previous = step.previous + row * width;
            with_moves(step.structured, u,
                       [&](const auto& moved) { finish_rows([&](int64_t r) { return moved(previous + r * width); }); });
        }
        if (step.output && u < layout.units)
            for (int64_t r = 0; r < rows; ++r)
                S::store_partial(step.output + (row + r) * layout.units + u, S::load(next + r * width),
                                 layout.units - u);
    }
}

template <class T, int width>
void forward_width(const ForwardStep<T>& step, int64_t row_begin, int64_t row_end, int64_t tile_begin,
                   int64_t tile_end) {
    TileProducts<T> result;
    const auto run = [&](int64_t unit, int vectors, const auto& products) {
        even_pieces(row_end - row_begin, static_cast<int64_t>(products.size()), [&](int64_t begin, int64_t rows) {
            const int64_t row = row_begin + begin;
            if (step.activation) {
                // In training no step's output was in a cache before.
                prefetch_tile<true>(step.layout, step.next, row, rows, unit, vectors);
                prefetch_tile<true>(step.layout, step.activation, row, rows, unit, vectors);
            }
            products[static_cast<size_t>(rows - 1)](step, step.previous + row * width, step.input + row * step.inputs,
                                                    unit, result);
            finish_forward(step, row, rows, unit, vectors, result);
        });
    };
    const int64_t padded = step.layout.padded;
    if (step.filter) {
        static constexpr auto kernels = dual_tiles<T, width>(DualVectors{});
        for_tiles<T>(padded, tile_begin, tile_end, step.descending, kernels, run);
    } else {
        static constexpr auto kernels = driven_tiles<T, width>(SingleVectors{});
        for_tiles<T>(padded, tile_begin, tile_end, step.descending, kernels, run);
    }
}

template <class T>
void forward_rows(const ForwardStep<T>& step, int64_t row_begin, int64_t row_end, int64_t tile_begin,
                  int64_t tile_end) {
    if (step.layout.width == narrow_width<T>)
        forward_width<T, narrow_width<T>>(step, row_begin, row_end, tile_begin, tile_end);
    else
        forward_width<T, wide_width<T>>(step, row_begin, row_end, tile_begin, tile_end);
}

template <class T>
void finish_backward(const BackwardStep<T>& step, int64_t row, int64_t rows, int64_t unit, int vectors,
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
        const typename S::vec beta = S::load(step.beta + u);
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
        if (step.filter) {
            finish_rows([=](int64_t r) { return S::load(product + r * stride); });
        } else {
            const T* const later = step.gradient + row * width;
            with_moves(step.structured, u, [&](const auto& moved) {
                finish_rows([&](int64_t r) { return S::load(product + r * stride) + moved(later + r * width); });
            });
        }
    }
}

template <class T, int width>
void backward_width(const BackwardStep<T>& step, int64_t row_begin, int64_t row_end, int64_t tile_begin,
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
void backward_rows(const BackwardStep<T>& step, int64_t row_begin, int64_t row_end, int64_t tile_begin,
                   int64_t tile_end) {
    if (step.layout.width == narrow_width<T>)
        backward_width<T, narrow_width<T>>(step, row_begin, row_end, tile_begin, tile_end);
    else
        backward_width<T, wide_width<T>>(step, row_begin, row_end, tile_begin, tile_end);
}

/** δ of R consecutive units of one panel for all steps (last first) and rows, [row][R]. */
template <class T, int width, int R> void pack_delta(const GradientSums<T>& sums, int64_t unit, T* packed) {
    const StateLayout& layout = sums.layout;
    const int64_t rows = sums.row_end - sums.row_begin;
    const T* delta = sums.delta + layout.offset(unit, sums.row_begin) + (sums.steps - 1) * sums.step_size;
    for (int64_t step = 0; step < sums.steps; ++step, delta -= sums.step_size)
        for (int64_t row = 0; row < rows; ++row, packed += R)
            std::memcpy(packed, delta + row * width, R * sizeof(T));
}

/** R units of packed δ by C vectors of x, over all steps (last first) and rows. Asks for the sums of the next tile. */
template <class T, int width, int C, int R>
void outer_products(const GradientSums<T>& sums, const T* delta, int64_t panel, int64_t first, T* out) {
    using S = Simd<T>;
    const StateLayout& layout = sums.layout;
    Accumulators<T, R, C> tile;
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c)
            tile.value[r][c] = S::load(out + r * width + c * S::width);

#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c)
            __builtin_prefetch(out + (R + r) * width + c * S::width, 1);

    const int64_t rows = sums.row_end - sums.row_begin;
    const T* state =
        sums.state + panel * layout.panel_stride() + sums.row_begin * width + first + (sums.steps - 1) * sums.step_size;
    for (int64_t step = 0; step < sums.steps; ++step, state -= sums.step_size) {
#pragma GCC unroll 2
        for (int64_t row = 0; row < rows; ++row, delta += R)
            tile.multiply_add(state + row * width, delta, 1);
    }

#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c)
            S::store(out + r * width + c * S::width, tile.value[r][c]);
}

template <class T> using PackDelta = void (*)(const GradientSums<T>&, int64_t, T*);
template <class T> using OuterProduct = void (*)(const GradientSums<T>&, const T*, int64_t, int64_t, T*);

template <class T, int width, int... r>
constexpr ByRows<PackDelta<T>, sizeof...(r)> pack_delta_by_rows(std::integer_sequence<int, r...>) {
    return {&pack_delta<T, width, r + 1>...};
}
template <class T, int width, int C, int... r>
constexpr ByRows<OuterProduct<T>, sizeof...(r)> outer_products_by_rows(std::integer_sequence<int, r...>) {
    return {&outer_products<T, width, C, r + 1>...};
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

template <class T, int width>
void weight_gradients_width(const GradientSums<T>& sums, int64_t unit_begin, int64_t unit_end, T* weight_sums) {
    constexpr int C = width / Simd<T>::width < outer_vectors ? width / Simd<T>::width : outer_vectors;
    using Rows = std::make_integer_sequence<int, outer_rows>;
    static constexpr auto packs = pack_delta_by_rows<T, width>(Rows{});
    static constexpr auto products = outer_products_by_rows<T, width, C>(Rows{});
    const StateLayout& layout = sums.layout;
    // Rows of δ lie a panel's width apart, which maps them to few sets of the first-level cache. Packed once, they are
    // read for every panel of x.
    const int64_t rows = sums.steps * (sums.row_end - sums.row_begin);
    outer_tiles<width>(unit_begin, unit_end, [&](int64_t unit, int64_t units) {
        packs[static_cast<size_t>(units - 1)](sums, unit, sums.packed_delta + unit * rows);
    });
    for (int64_t panel = 0; panel < layout.panels; ++panel) {
        // The last panel may be filled in part: vectors behind `padded` hold nothing.
        const int64_t used = layout.padded - panel * width < width ? layout.padded - panel * width : width;
        T* const panel_sums = weight_sums + panel * layout.units * width;
        for (int64_t first = 0; first < used; first += C * Simd<T>::width)
            outer_tiles<width>(unit_begin, unit_end, [&](int64_t unit, int64_t units) {
                products[static_cast<size_t>(units - 1)](sums, sums.packed_delta + unit * rows, panel, first,
                                                         panel_sums + unit * width + first);
            });
    }
}

template <class T>
void weight_gradients(const GradientSums<T>& sums, int64_t unit_begin, int64_t unit_end, T* weight_sums) {
    if (sums.layout.width == narrow_width<T>)
        weight_gradients_width<T, narrow_width<T>>(sums, unit_begin, unit_end, weight_sums);
    else
        weight_gradients_width<T, wide_width<T>>(sums, unit_begin, unit_end, weight_sums);
}

/** R inputs (none: the bias) by C vectors of δ, over all steps (last first) and rows. */
template <class T, int C, int R>
void input_outer_products(const GradientSums<T>& sums, int64_t first_input, int64_t panel, int64_t first, T* out) {
    using S = Simd<T>;
    const StateLayout& layout = sums.layout;
    constexpr int tile_rows = R == 0 ? 1 : R;
    const int64_t stride = layout.panels * layout.width;
    out += first_input * stride + panel * layout.width + first;
    Accumulators<T, tile_rows, C> tile;
#pragma GCC unroll 16
    for (int r = 0; r < tile_rows; ++r)
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c)
            tile.value[r][c] = S::load(out + r * stride + c * S::width);

    const T* delta = sums.delta + panel * layout.panel_stride() + first;
    for (int64_t step = sums.steps - 1; step >= 0; --step) {
        for (int64_t row = sums.row_begin; row < sums.row_end; ++row) {
            const T* d = delta + step * sums.step_size + row * layout.width;
            if constexpr (R == 0) {
#pragma GCC unroll 4
                for (int c = 0; c < C; ++c)
                    tile.value[0][c] += S::load(d + c * S::width);
            } else {
                tile.multiply_add(d, sums.input + step * sums.input_step + row * sums.inputs + first_input, 1);
            }
        }
    }

#pragma GCC unroll 16
    for (int r = 0; r < tile_rows; ++r)
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c)
            S::store(out + r * stride + c * S::width, tile.value[r][c]);
}

template <class T> using InputOuterProduct = void (*)(const GradientSums<T>&, int64_t, int64_t, int64_t, T*);

template <class T, int C, int... r>
constexpr ByRows<InputOuterProduct<T>, sizeof...(r)> input_outer_products_by_rows(std::integer_sequence<int, r...>) {
    return {&input_outer_products<T, C, r + 1>...};
}

template <class T>
void input_weight_gradients(const GradientSums<T>& sums, int64_t panel_begin, int64_t panel_end, T* input_sums,
                            T* bias_sums) {
    const StateLayout& layout = sums.layout;
    const auto run = [&]<int C>(std::integral_constant<int, C>) {
        static constexpr auto products =
            input_outer_products_by_rows<T, C>(std::make_integer_sequence<int, outer_rows>{});
        for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
            for (int64_t first = 0; first < layout.width; first += C * Simd<T>::width) {
                input_outer_products<T, C, 0>(sums, 0, panel, first, bias_sums);
                even_pieces(sums.inputs, outer_rows, [&](int64_t begin, int64_t count) {
                    products[static_cast<size_t>(count - 1)](sums, begin, panel, first, input_sums);
                });
            }
        }
    };
    constexpr int narrow_vectors = narrow_width<T> / Simd<T>::width;
    constexpr int narrow = narrow_vectors < outer_vectors ? narrow_vectors : outer_vectors;
    if (layout.width == narrow_width<T>)
        run(std::integral_constant<int, narrow>{});
    else
        run(std::integral_constant<int, outer_vectors>{});
}

template <class T, int width>
void input_gradients_width(const StateLayout& layout, const T* input_weights, int64_t inputs, const T* delta,
                           int64_t row_begin, int64_t row_end, T* input_gradients) {
    using S = Simd<T>;
    TileProducts<T> result;
    constexpr int64_t line = narrow_width<T>;
    const int64_t padded = (inputs + line - 1) / line * line;
    constexpr int64_t tile_units = single_vectors * S::width;
    static constexpr auto kernels = input_tiles<T, width>(SingleVectors{});
    for_tiles<T>(padded, 0, (padded + tile_units - 1) / tile_units, false, kernels,
                 [&](int64_t input, int vectors, const auto& products) {
                     even_pieces(row_end - row_begin, single_rows, [&](int64_t begin, int64_t rows) {
                         const int64_t row = row_begin + begin;
                         products[static_cast<size_t>(rows - 1)](layout, delta + row * width,
                                                                 input_weights + input * layout.units, 0, result);
                         for (int64_t r = 0; r < rows; ++r)
                             for (int c = 0; c < vectors; ++c) {
                                 const int64_t d = input + c * S::width;
                                 if (d < inputs)
                                     S::store_partial(input_gradients + (row + r) * inputs + d,
                                                      S::load(result.filtered + (r * vectors + c) * S::width),
                                                      inputs - d);
                             }
                     });
                 });
}

template <class T>
void input_gradients(const StateLayout& layout, const T* input_weights, int64_t inputs, const T* delta,
                     int64_t row_begin, int64_t row_end, T* gradients) {
    if (layout.width == narrow_width<T>)
        input_gradients_width<T, narrow_width<T>>(layout, input_weights, inputs, delta, row_begin, row_end, gradients);
    else
        input_gradients_width<T, wide_width<T>>(layout, input_weights, inputs, delta, row_begin, row_end, gradients);
}

/** Units of tile number `tile`, of `count` units rounded up to 64 bytes: `tile_units`, or what is left. */
template <class T>
[[gnu::always_inline]] inline int64_t units_in_tile(int64_t count, int64_t tile_units, int64_t tile) {
    constexpr int64_t line = narrow_width<T>;
    const int64_t padded = (count + line - 1) / line * line;
    const int64_t left = padded - tile * tile_units;
    return left < tile_units ? left : tile_units;
}

template <class T>
void pack_rows(const T* a, int64_t units, int64_t columns, int64_t tile_units, int64_t tile_begin, int64_t tile_end,
               T* packed) {
    using S = Simd<T>;
    for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
        const int64_t first = tile * tile_units;
        const int64_t wide = units_in_tile<T>(units, tile_units, tile);
        T* out = packed + first * columns;
        for (int64_t u = 0; u < wide; u += S::width) {
            for (int64_t k = 0; k < columns; k += S::width) {
                const int64_t count = columns - k < S::width ? columns - k : S::width;
                typename S::vec block[S::width];
#pragma GCC unroll 16
                for (int i = 0; i < S::width; ++i) {
                    const int64_t unit = first + u + i;
                    block[i] = unit < units ? S::load_partial(a + unit * columns + k, count) : typename S::vec{};
                }
                transpose<T>(block);
                for (int64_t i = 0; i < count; ++i)
                    S::store(out + (k + i) * wide + u, block[i]);
            }
        }
    }
}

template <class T>
void pack_columns(const T* a, int64_t units, int64_t columns, int64_t tile_units, int64_t tile_begin, int64_t tile_end,
                  T* packed) {
    using S = Simd<T>;
    for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
        const int64_t first = tile * tile_units;
        const int64_t wide = units_in_tile<T>(columns, tile_units, tile);
        T* out = packed + first * units;
        for (int64_t i = 0; i < units; ++i, out += wide)
            for (int64_t j = 0; j < wide; j += S::width) {
                const int64_t left = columns - first - j;
                S::store(out + j, left > 0 ? S::load_partial(a + i * columns + first + j, left) : typename S::vec{});
            }
    }
}

template <class T>
void to_state(const StateLayout& layout, const T* rows, int64_t row_begin, int64_t row_end, T* state) {
    for (int64_t panel = 0; panel < layout.panels; ++panel) {
        const int64_t first = panel * layout.width;
        for (int64_t row = row_begin; row < row_end; ++row) {
            T* out = state + panel * layout.panel_stride() + row * layout.width;
            for (int64_t u = 0; u < layout.width; ++u)
                out[u] = first + u < layout.units ? rows[row * layout.units + first + u] : T(0);
        }
    }
}

template <class T>
void from_state(const StateLayout& layout, const T* state, int64_t row_begin, int64_t row_end, T* rows) {
    for (int64_t panel = 0; panel < layout.panels; ++panel) {
        const int64_t first = panel * layout.width;
        const int64_t count = layout.units - first < layout.width ? layout.units - first : layout.width;
        for (int64_t row = row_begin; row < row_end; ++row) {
            const T* in = state + panel * layout.panel_stride() + row * layout.width;
            for (int64_t u = 0; u < count; ++u)
                rows[row * layout.units + first + u] = in[u];
        }
    }
}

template <class T>
inline constexpr ChainKernels<T> chain_kernels{
    .lanes = Simd<T>::width,
    .dual_tile = dual_vectors* Simd<T>::width,
    .single_tile = single_vectors* Simd<T>::width,
    .pack_rows = &pack_rows<T>,
    .pack_columns = &pack_columns<T>,
    .forward = &forward_rows<T>,
    .backward = &backward_rows<T>,
    .weight_gradients = &weight_gradients<T>,
    .input_weight_gradients = &input_weight_gradients<T>,
    .input_gradients = &input_gradients<T>,
    .to_state = &to_state<T>,
    .from_state = &from_state<T>,
};

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
