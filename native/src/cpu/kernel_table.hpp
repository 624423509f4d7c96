#pragma once

#include <cstdint>

#include "cpu/chain/types.hpp"
#include "cpu/dense_types.hpp"
#include "cpu/vector_types.hpp"
#include "orthonative/orthonative.h"

namespace ortho::cpu {

// What the kernels of one instruction set offer. kernels.cpp defines one table for each set that it is compiled for.

template <class T> struct Kernels {
    ChainKernels<T> chain;
    DenseKernels<T> dense;
    VectorKernels<T> vector;
};

struct KernelTable {
    ortho_instruction_set instruction_set;
    Kernels<float> float32;
    Kernels<double> float64;

    template <class T> const Kernels<T>& of() const noexcept {
        if constexpr (sizeof(T) == sizeof(float))
            return float32;
        else
            return float64;
    }
};

/**
 * The kernels of active_instruction_set().
 * @throws Error ORTHO_NOT_SUPPORTED as active_instruction_set() does
 */
const KernelTable& kernel_table();

} // namespace ortho::cpu
