// What the chain kernels work on: plain descriptions, shared by the kernels of all instruction sets and their caller.
#pragma once

#include <cstdint>

#include "model/cells/filter.hpp"
#include "model/cells/gates.hpp"
#include "model/cells/gru.hpp"
#include "model/cells/lstm.hpp"
#include "model/fold.hpp"
#include "model/numeric.hpp"

namespace ortho::cpu {

/**
 * How states lie in memory: panels of `width` units, in a panel one row a sample, [panels][batch][width]. So the rows
 * of a panel follow each other without gaps, whatever the hidden size: weight gradients are outer products over rows,
 * and no row lies a power of two from the next one.
 *
 * `padded` is the number of units rounded up to 64 bytes: kernels compute that many, and the added units stay zero
 * because their weights are. A width of 64 bytes serves chains of so few units, 256 bytes all others.
 */
struct StateLayout {
    static constexpr int64_t widest_bytes = 256;

    int64_t units = 0;
    int64_t padded = 0;
    int64_t width = 0;
    int64_t panels = 0;
    int64_t batch = 0;
    int width_bits = 0; // width is 2^width_bits: offset() divides by it at every vector

    StateLayout() = default;
    StateLayout(int64_t units_, int64_t batch_, int64_t element_bytes) : units(units_), batch(batch_) {
        const int64_t line = 64 / element_bytes;
        padded = (units + line - 1) / line * line;
        width = padded == line ? line : widest_bytes / element_bytes;
        panels = (padded + width - 1) / width;
        while (int64_t{1} << width_bits < width)
            ++width_bits;
    }

    [[gnu::always_inline]] int64_t panel_stride() const { return batch * width; }
    [[gnu::always_inline]] int64_t size() const { return panels * batch * width; }
    [[gnu::always_inline]] int64_t offset(int64_t unit, int64_t row) const {
        return (unit >> width_bits) * panel_stride() + row * width + (unit & (width - 1));
    }
};

/**
 * A structured filter (one non-zero in each row): (αO x)_i = scale_i x[source_i], sources given as offsets into the
 * state of row 0. `run` tells for every vector of units how its sources lie, so that shifts are plain loads.
 *
 * Where kernels look sources up in the vectors of a row, two at a time, `lanes_of_pair` has a bit for each lane whose
 * source lies in that pair. It is null where they gather.
 */
template <class T> struct StructuredFilter {
    const int32_t* source;         // [padded]
    const T* scale;                // [padded]
    const uint8_t* run;            // [padded / lanes], a GatherRun
    const int32_t* unit;           // [padded], the sources as numbers of units
    const uint16_t* lanes_of_pair; // [padded / lanes][pairs]
    int64_t pairs;                 // of vectors that hold the units of a row
};

/** How the sources of one vector of units lie. */
enum GatherRun : uint8_t {
    scattered = 0,
    contiguous = 1,
    /** Contiguous but for the first lane, and so is the element behind the last. */
    all_but_first = 2,
    /** Contiguous but for the last lane, and so is the element before the first. */
    all_but_last = 3
};

/** Rows that a kernel works on: some ranges, in their order. */
struct RowRanges {
    const Span* ranges;
    int64_t count;
};

/**
 * Which sample of a batch each row of a state is; null: row r is sample r. Arrays of the caller are in the order of
 * the samples.
 */
using SampleOrder = const int32_t*;

[[gnu::always_inline]] inline int64_t sample_of(SampleOrder order, int64_t row) {
    return order ? order[row] : row;
}

/**
 * What block_tile units have of a filter of several blocks: the elements in the columns of the blocks that they are in.
 * Forward and backward these are the same columns, since blocks lie on the diagonal.
 */
struct BlockColumns {
    int64_t begin;
    int64_t end;
    int64_t at; // where they are packed, in elements: [column][tile units]
};

/** What a cell's step reads of the weights; each cell has its own, forward and backward. */
template <class Num, class Cell> struct ForwardOperands;
template <class Num, class Cell> struct BackwardOperands;

/** [αO; W], stacked over the same state, and what the drive takes. */
template <class Num> struct ForwardOperands<Num, FilterCell> {
    const StorageOf<Num>* filter; // packed [tile][k][tile units], α folded in; null: structured
    const BlockColumns* columns;  // of the tiles of a filter of several blocks, of block_tile units; otherwise null
    StructuredFilter<StateOf<Num>> structured; // used where filter is null
    const StorageOf<Num>* weights;             // packed [tile][k][tile units]
    const StorageOf<Num>* input_weights;       // packed [tile][d][tile units]
    const StateOf<Num>* bias;                  // [padded]
    const StateOf<Num>* beta;                  // [padded]
};

/** [αOᵀ, Wᵀ], side by side over [g; δ]. */
template <class Num> struct BackwardOperands<Num, FilterCell> {
    const StorageOf<Num>* filter;              // packed [tile][i][tile units], α folded in; null: structured
    const BlockColumns* columns;               // as in ForwardOperands
    StructuredFilter<StateOf<Num>> structured; // of αOᵀ
    const StorageOf<Num>* weights;             // Wᵀ packed [tile][i][tile units]
    const StateOf<Num>* beta;                  // [padded]
};

/** A cell of several gates, which all take the same products; see model/cells/gates.hpp. */
template <class Cell>
concept CellOfGates = (Cell::gates > 1);

/** What the sums of all gates take. */
template <class Num, CellOfGates Cell> struct ForwardOperands<Num, Cell> {
    const StorageOf<Num>* weights; // packed [tile][gates / together][k][gates together][lanes], a tile is a vector
    const StorageOf<Num>* input_weights; // packed [tile][d][gates][lanes]
    const StateOf<Num>* bias;            // [sums][padded]
};

/** W^T of all gates, side by side. */
template <class Num, CellOfGates Cell> struct BackwardOperands<Num, Cell> {
    const StorageOf<Num>* weights; // packed [tile][gate][i][tile units]
};

/** Memory that is read after a step. The step prefetches it, some lines with each piece of its rows. */
struct Upcoming {
    const char* begin = nullptr;
    const char* end = nullptr;
    int64_t piece = 0; // bytes
};

/** One step forward for some rows and column tiles: the cell's x_k of x_{k-1} and u. */
template <class Num, class Cell> struct ForwardStep {
    StateLayout layout;
    Cell cell;
    bool descending; // column tiles from the last to the first
    ForwardOperands<Num, Cell> operands;
    int64_t inputs;               // D
    const StateOf<Num>* input;    // [batch, D], in the order of the rows
    const StateOf<Num>* previous; // state x_{k-1}: the vectors that the cell carries, one behind the other
    StateOf<Num>* next;           // state x_k
    StateOf<Num>* kept;           // the vectors that the cell keeps of the step for backward; null: not wanted
    StateOf<Num>* output;         // [batch, units] row-major copy of x_k by samples; null: not wanted
    SampleOrder order;
    Upcoming upcoming;
};

/**
 * One step backward for some rows and column tiles: g_{k-1} of g_k and δ_k, then δ_{k-1}. A cell of gates leaves as the
 * gradient of a step what it passes to the step before, beside the products of δ with W; of the first step, g_0.
 */
template <class Num, class Cell> struct BackwardStep {
    StateLayout layout;
    Cell cell;
    bool descending; // column tiles from the last to the first
    BackwardOperands<Num, Cell> operands;
    const StateOf<Num>* gradient; // g_k, laid out as a state; null: no product, previous_gradient is added to
    const StateOf<Num>* delta;    // δ_k
    const StateOf<Num>* arriving; // [batch, units] by samples: gradient that arrives at x_{k-1} from outside; or null
    SampleOrder order;
    StateOf<Num>* previous_gradient;    // g_{k-1}, written
    StateOf<Num>* previous_delta;       // in: what step k-1 kept, out: δ_{k-1}; null: there is no step before
    const StateOf<Num>* previous_state; // x_{k-2}, which is multiplied with δ_{k-1} soon; not read where that is null
    Upcoming upcoming;
};

/** δ of the gates of a step, for a product with all of them. */
template <class Num> struct GateDeltas {
    static constexpr int most = 4;

    const StateOf<Num>* of[most];
    int gates;
};

/** A leaf of the tree of sums, among consecutive ones that are summed together. */
struct LeafRows {
    int64_t end;   // the row behind its last
    int64_t joins; // how many nodes before it complete larger ones with it, see joins_of()
};

/** Products that are summed over time steps and rows. */
template <class Num> struct GradientSums {
    StateLayout layout;
    int64_t steps;             // so many steps, taken from the last one back
    int64_t delta_step;        // elements from one step to the next in delta
    int64_t state_step;        // and in state
    int64_t input_step;        // elements from one step to the next in input
    const StateOf<Num>* delta; // δ of the first of the steps
    const StateOf<Num>* state; // x before the first of the steps
    const StateOf<Num>* input; // u of the first of the steps, [batch, D], in the order of the rows
    int64_t inputs;            // D
    int64_t row_begin;         // the first row of the first leaf
    const LeafRows* leaves;    // the rows that follow from row_begin on; several only of one step
    int64_t leaf_count;
    StateOf<Num>* packed_delta; // scratch for the δ of these units, steps and rows: [tile of units][row][tile units]

    [[gnu::always_inline]] int64_t row_end() const { return leaves[leaf_count - 1].end; }
};

/** Where the sums of a matrix go: those of the first node here, those of the next ones `node_stride` behind. */
template <class Num> struct SumTarget {
    SumOf<Num>* first;
    int64_t row_stride;   // from a row of the matrix to the next
    int64_t panel_stride; // from a panel of columns to the next
    int64_t columns;      // nothing is written behind them
    int64_t node_stride;  // from a node to the next
    bool continued;       // the sums start with what is there, and not with 0; of one node with full panels
    bool added;           // the sums are added to what is there

    /** The sums of the sibling of the one node, to be added to it first, all panels full; null: none. */
    const SumOf<Num>* sibling = nullptr;
    int64_t sibling_row_stride = 0;
    int64_t sibling_panel_stride = 0;

    /** The same sums, with those of the sibling that `there` would write. */
    SumTarget with_sibling(const SumTarget& there) const {
        SumTarget both = *this;
        both.sibling = there.first;
        both.sibling_row_stride = there.row_stride;
        both.sibling_panel_stride = there.panel_stride;
        return both;
    }
};

/** The steps of a cell. */
template <class Num, class Cell> struct CellKernels {
    /** Gates whose products are computed together, as their packed weights lie; 1 without gates. */
    int gates_together;
    void (*forward)(const ForwardStep<Num, Cell>& step, RowRanges rows, int64_t tile_begin, int64_t tile_end);
    void (*backward)(const BackwardStep<Num, Cell>& step, RowRanges rows, int64_t tile_begin, int64_t tile_end);
};

template <class Num> struct ChainKernels {
    /** Elements of a vector. */
    int64_t lanes;
    /** Units in a column tile of packed weights, forward with a dense filter of one block / in every other product. */
    int64_t dual_tile;
    int64_t single_tile;
    /** Units in a column tile of a filter of several blocks; a divisor of single_tile. */
    int64_t block_tile;
    /** Units in a column tile of sums, or the width of a panel where that is less. */
    int64_t outer_tile;
    /** The most units of which the sources of a structured filter are looked up in pairs of vectors. */
    int64_t most_looked_up;

    /** Packs A [units, columns] row-major for products A x: [tile][k][tile units]. */
    void (*pack_rows)(const StateOf<Num>* a, int64_t units, int64_t columns, int64_t tile, int64_t tile_begin,
                      int64_t tile_end, StorageOf<Num>* packed);
    /** Packs A [units, columns] row-major for products Aᵀ y: [tile of columns][i][tile columns]. */
    void (*pack_columns)(const StateOf<Num>* a, int64_t units, int64_t columns, int64_t tile, int64_t tile_begin,
                         int64_t tile_end, StorageOf<Num>* packed);

    /** The same for a cell of gates, A [gates, units, columns]: [tile][gates / together][k][gates together][lanes]. */
    void (*pack_gates)(const StateOf<Num>* a, int gates, int together, int64_t units, int64_t columns,
                       int64_t tile_begin, int64_t tile_end, StorageOf<Num>* packed);

    CellKernels<Num, FilterCell> filter;
    const CellKernels<Num, FilterCell>& of(FilterCell) const { return filter; }
    CellKernels<Num, GruCell> gru;
    const CellKernels<Num, GruCell>& of(GruCell) const { return gru; }
    CellKernels<Num, LstmCell> lstm;
    const CellKernels<Num, LstmCell>& of(LstmCell) const { return lstm; }

    /** Σ δ_i x for the units i of [unit_begin, unit_end), which are the rows of the matrix. */
    void (*weight_gradients)(const GradientSums<Num>& sums, int64_t unit_begin, int64_t unit_end,
                             const SumTarget<Num>& target);
    /** Σ u_d δ for all inputs, the rows of the matrix, and Σ δ, for column tiles of outer_tile units. */
    void (*input_weight_gradients)(const GradientSums<Num>& sums, int64_t tile_begin, int64_t tile_end,
                                   const SumTarget<Num>& inputs, const SumTarget<Num>& bias);
    /** input_gradients[sample, :] = Σ Vᵀ δ over the gates for the rows; V [gates, units, inputs] packed by
        pack_columns with single_tile. */
    void (*input_gradients)(const StateLayout& layout, SampleOrder order, const StorageOf<Num>* input_weights,
                            int64_t inputs, const GateDeltas<Num>& deltas, Span rows, StateOf<Num>* input_gradients);

    /** Samples, [batch, units] row-major, to the rows of a state, added to them, and back. */
    void (*to_state)(const StateLayout& layout, SampleOrder order, const StateOf<Num>* samples, Span rows,
                     StateOf<Num>* state);
    void (*add_to_state)(const StateLayout& layout, SampleOrder order, const StateOf<Num>* samples, Span rows,
                         StateOf<Num>* state);
    void (*from_state)(const StateLayout& layout, SampleOrder order, const StateOf<Num>* state, Span rows,
                       StateOf<Num>* samples);
};

} // namespace ortho::cpu
