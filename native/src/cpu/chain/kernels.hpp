// The chain's kernels of the instruction set that the including file is compiled for.
#pragma once

#include "cpu/chain/kernels/filter_backward.hpp"
#include "cpu/chain/kernels/filter_forward.hpp"
#include "cpu/chain/kernels/input_gradients.hpp"
#include "cpu/chain/kernels/packing.hpp"
#include "cpu/chain/kernels/weight_gradients.hpp"

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

template <class T>
inline constexpr ChainKernels<T> chain_kernels{
    .lanes = Simd<T>::width,
    .dual_tile = dual_vectors* Simd<T>::width,
    .single_tile = single_vectors* Simd<T>::width,
    .pack_rows = &pack_rows<T>,
    .pack_columns = &pack_columns<T>,
    .filter = {.forward = &forward_rows<T>, .backward = &backward_rows<T>},
    .weight_gradients = &weight_gradients<T>,
    .input_weight_gradients = &input_weight_gradients<T>,
    .input_gradients = &input_gradients<T>,
    .to_state = &to_state<T>,
    .from_state = &from_state<T>,
};

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
