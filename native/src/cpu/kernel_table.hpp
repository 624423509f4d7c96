#pragma once

#include <cstdint>

#include "cpu/activation_types.hpp"
#include "cpu/chain/types.hpp"
#include "cpu/dense_types.hpp"
#include "cpu/layer_norm_types.hpp"
#include "cpu/vector_types.hpp"
#include "orthonative/orthonative.h"

namespace ortho::cpu {

// What the kernels of one instruction set offer. kernels.cpp defines one table for each set that it is compiled for.

template <class T> struct Kernels {
    DenseKernels<T> dense;
    VectorKernels<T> vector;
    ActivationKernels<T> activation;
    LayerNormKernels<T> layer_norm;
};

struct KernelTable {
    ortho_instruction_set instruction_set;
    Kernels<float> float32;
    Kernels<double> float64;
    ChainKernels<Float32> chain_float32;
    ChainKernels<Float64> chain_float64;

    template <class T> const Kernels<T>& of() const noexcept { return get(static_cast<const T*>(nullptr)); }
    template <class Num> const ChainKernels<Num>& chain() const noexcept { return get(Num()); }

private:
    const Kernels<float>& get(const float*) const noexcept { return float32; }
    const Kernels<double>& get(const double*) const noexcept { return float64; }
    const ChainKernels<Float32>& get(Float32) const noexcept { return chain_float32; }
    const ChainKernels<Float64>& get(Float64) const noexcept { return chain_float64; }
};

/**
 * The kernels of active_instruction_set().
 * @throws Error ORTHO_NOT_SUPPORTED as active_instruction_set() does
 */
const KernelTable& kernel_table();

} // namespace ortho::cpu
