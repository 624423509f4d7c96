// What a chain consists of, for those who run it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/chain/inputs.hpp"
#include "cpu/chain/rows.hpp"
#include "cpu/chain/states.hpp"
#include "cpu/chain/sums.hpp"
#include "cpu/chain/types.hpp"
#include "cpu/chain/weights.hpp"
#include "model/chain.hpp"
#include "model/segments.hpp"

namespace ortho::cpu {

template <class Num, class Cell> struct ChainParts {
    using Weights = CellWeights<Num, Cell>;

    ChainParts(const ChainSpec& chain_spec, const ChainKernels<Num>& chain_kernels, Cell chain_cell,
               Weights& chain_weights)
        : spec(chain_spec), kernels(chain_kernels), cell(chain_cell), weights(chain_weights), binding(chain_weights),
          states(chain_spec), inputs(chain_spec.input_size), sums(chain_spec, chain_cell) {}

    /** Column tiles of the sums of ∂V and ∂b. */
    int64_t outer_tiles() const {
        const StateLayout& layout = states.layout();
        return divide_up(layout.padded, std::min(layout.width, kernels.outer_tile));
    }

    const ChainSpec& spec;
    const ChainKernels<Num>& kernels;
    const Cell cell;
    Weights& weights;
    typename Weights::Binding binding;
    /** Those of the last forward pass. */
    BatchRows rows;
    ChainStates<Num, Cell> states;
    RowInputs<StateOf<Num>> inputs;
    WeightSums<Num> sums;
};

} // namespace ortho::cpu
