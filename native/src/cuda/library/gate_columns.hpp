// How the vectors of a cell of gates lie on a GPU.
//
// What a step keeps of a sample, and its deltas in the same place, is one row of vectors [N]: one for each of the
// cell's sums. First come the sums to which W alone adds, then those of both W and V, then those of V alone. So the
// deltas that W is multiplied by are the first `gates` vectors of a row, and those of V the last ones: each is one
// matrix with a stride between its rows, for both the products with the weights and the sums of outer products, and
// nothing is copied or multiplied twice. For GRU a row is (n over the state, r, z, n over the inputs). V's gates are in
// the caller's order there. W's are n, r, z, so W is stored in this order, which costs nothing: it is copied anyway.
//
// In the order of the cell's sums, V's gates would lie apart. They would take two products for V, or rows of 5 N, of
// which each step would write a quarter more.
#pragma once

#include "model/cells/gates.hpp"

namespace ortho::cuda {

/** Small numbers, four bits each: device code can read a constant number, but no constant array of the host's. */
using PackedNumbers = unsigned;
constexpr int packed_bits = 4;
/** What stands for no number. */
constexpr int packed_none = (1 << packed_bits) - 1;

constexpr PackedNumbers packed(int number, int index) {
    return static_cast<PackedNumbers>(number < 0 ? packed_none : number) << (packed_bits * index);
}
ORTHO_HOST_DEVICE constexpr int unpacked(PackedNumbers numbers, int index) {
    return static_cast<int>(numbers >> (packed_bits * index) & packed_none);
}

/** 0: W alone adds to the sum; 1: W and V; 2: V alone. */
template <class Cell> constexpr int kind_of_sum(int sum) {
    return gate_of_sum(Cell::input_sums, sum) < 0 ? 0 : gate_of_sum(Cell::weight_sums, sum) < 0 ? 2 : 1;
}

/** Which vector of a row a sum's delta is. */
template <class Cell> constexpr int column_of_sum(int sum) {
    int before = 0;
    for (int other = 0; other < Cell::sums; ++other)
        if (kind_of_sum<Cell>(other) < kind_of_sum<Cell>(sum) ||
            (kind_of_sum<Cell>(other) == kind_of_sum<Cell>(sum) && other < sum))
            ++before;
    return before;
}

/** Whether rows are as described: W's gates first, V's last and in the caller's order. */
template <class Cell> constexpr bool columns_are_ordered() {
    for (int gate = 0; gate < Cell::gates; ++gate)
        if (column_of_sum<Cell>(Cell::weight_sums[gate]) >= Cell::gates ||
            column_of_sum<Cell>(Cell::input_sums[gate]) != Cell::sums - Cell::gates + gate)
            return false;
    return true;
}

template <class Cell> constexpr PackedNumbers pack_columns() {
    PackedNumbers columns = 0;
    for (int sum = 0; sum < Cell::sums; ++sum)
        columns |= packed(column_of_sum<Cell>(sum), sum);
    return columns;
}

template <int gates> constexpr PackedNumbers pack_gates(const int (&sums_of_gates)[gates], int sums) {
    PackedNumbers packed_gates = 0;
    for (int sum = 0; sum < sums; ++sum)
        packed_gates |= packed(gate_of_sum(sums_of_gates, sum), sum);
    return packed_gates;
}

template <class Cell> constexpr PackedNumbers pack_passes() {
    PackedNumbers passes = 0;
    for (int vector = 0; vector < Cell::carried_vectors; ++vector)
        passes |= packed(Cell::passes[vector], vector);
    return passes;
}

template <class Cell> struct GateColumns {
    /** The first of V's vectors. */
    static constexpr int first_input = Cell::sums - Cell::gates;
    /** The vector of a sum's delta. */
    static constexpr PackedNumbers of_sums = pack_columns<Cell>();
    /** A sum's gate of W and of V, in the caller's order. */
    static constexpr PackedNumbers weight_gates = pack_gates(Cell::weight_sums, Cell::sums);
    static constexpr PackedNumbers input_gates = pack_gates(Cell::input_sums, Cell::sums);
    /** Whether a carried vector's gradient is passed on, beside the products. */
    static constexpr PackedNumbers passes = pack_passes<Cell>();

    static_assert(columns_are_ordered<Cell>());
    static_assert(Cell::kept_vectors == Cell::sums, "deltas take the places of what is kept");
    static_assert(Cell::sums * packed_bits <= 32);
};

/**
 * Calls body(gate, vector, count) for the gates of W in the caller's order, as many at once as lie in the same order in
 * a row.
 */
template <class Cell, class Body> void for_weight_gates(Body&& body) {
    for (int gate = 0, count = 1; gate < Cell::gates; gate += count) {
        const int vector = column_of_sum<Cell>(Cell::weight_sums[gate]);
        for (count = 1;
             gate + count < Cell::gates && column_of_sum<Cell>(Cell::weight_sums[gate + count]) == vector + count;)
            ++count;
        body(gate, vector, count);
    }
}

} // namespace ortho::cuda
