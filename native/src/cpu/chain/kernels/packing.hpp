// Weights packed for tiles, and rows to and from the layout of states.
#pragma once

#include "cpu/chain/kernels/tiles.hpp"
#include "cpu/shuffle.hpp"

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

/** Units of tile number `tile`, of `count` units rounded up to 64 bytes: `tile_units`, or what is left. */
template <class Num>
[[gnu::always_inline]] inline int64_t units_in_tile(int64_t count, int64_t tile_units, int64_t tile) {
    constexpr int64_t line = narrow_width<StateOf<Num>>;
    const int64_t padded = (count + line - 1) / line * line;
    const int64_t left = padded - tile * tile_units;
    return left < tile_units ? left : tile_units;
}

/**
 * `wide` rows of A [units, columns] from `first` on, transposed: out[k][row], `stride` elements from one k to the next.
 * pack_rows() does the same in a loop of its own. Sharing this one, with a stride or with a function that stores, made
 * inference of feedforward chains of 128 units with one row 2 to 4 % slower (compare_libraries, GCC 12, Zen 4).
 */
template <class Num>
[[gnu::always_inline]] inline void pack_tile(const StateOf<Num>* a, int64_t units, int64_t columns, int64_t first,
                                             int64_t wide, int64_t stride, StorageOf<Num>* out) {
    using S = Simd<SumOf<Num>>;
    for (int64_t u = 0; u < wide; u += S::width) {
        for (int64_t k = 0; k < columns; k += S::width) {
            const int64_t count = columns - k < S::width ? columns - k : S::width;
            typename S::vec block[S::width];
#pragma GCC unroll 16
            for (int i = 0; i < S::width; ++i) {
                const int64_t unit = first + u + i;
                block[i] = unit < units ? S::load_partial(a + unit * columns + k, count) : typename S::vec{};
            }
            transpose<SumOf<Num>>(block);
            for (int64_t i = 0; i < count; ++i)
                S::store(out + (k + i) * stride + u, block[i]);
        }
    }
}

template <class Num>
void pack_rows(const StateOf<Num>* a, int64_t units, int64_t columns, int64_t tile_units, int64_t tile_begin,
               int64_t tile_end, StorageOf<Num>* packed) {
    using S = Simd<SumOf<Num>>;
    for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
        const int64_t first = tile * tile_units;
        const int64_t wide = units_in_tile<Num>(units, tile_units, tile);
        StorageOf<Num>* out = packed + first * columns;
        for (int64_t u = 0; u < wide; u += S::width) {
            for (int64_t k = 0; k < columns; k += S::width) {
                const int64_t count = columns - k < S::width ? columns - k : S::width;
                typename S::vec block[S::width];
#pragma GCC unroll 16
                for (int i = 0; i < S::width; ++i) {
                    const int64_t unit = first + u + i;
                    block[i] = unit < units ? S::load_partial(a + unit * columns + k, count) : typename S::vec{};
                }
                transpose<SumOf<Num>>(block);
                for (int64_t i = 0; i < count; ++i)
                    S::store(out + (k + i) * wide + u, block[i]);
            }
        }
    }
}

template <class Num>
void pack_gates(const StateOf<Num>* a, int gates, int together, int64_t units, int64_t columns, int64_t tile_begin,
                int64_t tile_end, StorageOf<Num>* packed) {
    constexpr int64_t lanes = Simd<SumOf<Num>>::width;
    for (int64_t tile = tile_begin; tile < tile_end; ++tile)
        for (int gate = 0; gate < gates; ++gate) {
            const int64_t before = tile * gates + gate - gate % together; // vectors, of each column
            pack_tile<Num>(a + gate * units * columns, units, columns, tile * lanes, lanes, together * lanes,
                           packed + before * lanes * columns + gate % together * lanes);
        }
}

template <class Num>
void pack_columns(const StateOf<Num>* a, int64_t units, int64_t columns, int64_t tile_units, int64_t tile_begin,
                  int64_t tile_end, StorageOf<Num>* packed) {
    using S = Simd<SumOf<Num>>;
    for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
        const int64_t first = tile * tile_units;
        const int64_t wide = units_in_tile<Num>(columns, tile_units, tile);
        StorageOf<Num>* out = packed + first * units;
        for (int64_t i = 0; i < units; ++i, out += wide)
            for (int64_t j = 0; j < wide; j += S::width) {
                const int64_t left = columns - first - j;
                S::store(out + j, left > 0 ? S::load_partial(a + i * columns + first + j, left) : typename S::vec{});
            }
    }
}

template <class Num>
void to_state(const StateLayout& layout, SampleOrder order, const StateOf<Num>* samples, Span rows,
              StateOf<Num>* state) {
    for (int64_t panel = 0; panel < layout.panels; ++panel) {
        const int64_t first = panel * layout.width;
        for (int64_t row = rows.begin; row < rows.end; ++row) {
            StateOf<Num>* out = state + panel * layout.panel_stride() + row * layout.width;
            const StateOf<Num>* in = samples + sample_of(order, row) * layout.units;
            for (int64_t u = 0; u < layout.width; ++u)
                out[u] = first + u < layout.units ? in[first + u] : StateOf<Num>(0);
        }
    }
}

/** Calls body(sample elements, state elements, count) for the parts of the rows that lie in one panel. */
template <class Num, class Samples, class State, class Body>
[[gnu::always_inline]] inline void for_rows_of_panels(const StateLayout& layout, SampleOrder order, Samples* samples,
                                                      Span rows, State* state, Body&& body) {
    for (int64_t panel = 0; panel < layout.panels; ++panel) {
        const int64_t first = panel * layout.width;
        const int64_t count = layout.units - first < layout.width ? layout.units - first : layout.width;
        for (int64_t row = rows.begin; row < rows.end; ++row)
            body(samples + sample_of(order, row) * layout.units + first,
                 state + panel * layout.panel_stride() + row * layout.width, count);
    }
}

template <class Num>
void add_to_state(const StateLayout& layout, SampleOrder order, const StateOf<Num>* samples, Span rows,
                  StateOf<Num>* state) {
    for_rows_of_panels<Num>(layout, order, samples, rows, state,
                            [](const StateOf<Num>* in, StateOf<Num>* out, int64_t count) {
                                for (int64_t u = 0; u < count; ++u)
                                    out[u] += in[u];
                            });
}

template <class Num>
void from_state(const StateLayout& layout, SampleOrder order, const StateOf<Num>* state, Span rows,
                StateOf<Num>* samples) {
    for_rows_of_panels<Num>(layout, order, samples, rows, state,
                            [](StateOf<Num>* out, const StateOf<Num>* in, int64_t count) {
                                for (int64_t u = 0; u < count; ++u)
                                    out[u] = in[u];
                            });
}

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
