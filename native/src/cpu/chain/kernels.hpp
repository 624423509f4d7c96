// The chain's kernels of the instruction set that the including file is compiled for.
#pragma once

#include "cpu/chain/kernels/filter_backward.hpp"
#include "cpu/chain/kernels/filter_forward.hpp"
#include "cpu/chain/kernels/gates_backward.hpp"
#include "cpu/chain/kernels/gates_forward.hpp"
#include "cpu/chain/kernels/input_gradients.hpp"
#include "cpu/chain/kernels/packing.hpp"
#include "cpu/chain/kernels/weight_gradients.hpp"

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

template <class Num>
inline constexpr ChainKernels<Num> chain_kernels{
    .lanes = Simd<SumOf<Num>>::width,
    .dual_tile = dual_vectors* Simd<SumOf<Num>>::width,
    .single_tile = single_vectors* Simd<SumOf<Num>>::width,
    .block_tile = block_vectors* Simd<SumOf<Num>>::width,
    .outer_tile = outer_vectors* Simd<SumOf<Num>>::width,
    .most_looked_up = most_looked_up<StateOf<Num>>,
    .pack_rows = &pack_rows<Num>,
    .pack_columns = &pack_columns<Num>,
    .pack_gates = &pack_gates<Num>,
    .filter = {.gates_together = 1, .forward = &forward_rows<Num>, .backward = &backward_rows<Num>},
    .gru = gate_kernels<Num, GruCell>,
    .lstm = gate_kernels<Num, LstmCell>,
    .weight_gradients = &weight_gradients<Num>,
    .input_weight_gradients = &input_weight_gradients<Num>,
    .input_gradients = &input_gradients<Num>,
    .to_state = &to_state<Num>,
    .add_to_state = &add_to_state<Num>,
    .from_state = &from_state<Num>,
};

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
