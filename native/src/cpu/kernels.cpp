// Compiled once for every instruction set, with ORTHO_ISA_NAMESPACE naming the namespace, ORTHO_ISA its
// ortho_instruction_set and the compiler told to use it.
//
// Rule: everything that is emitted here lies in that namespace. A function of any other namespace (say, of the standard
// library) that is not inlined could be the copy that the linker keeps for the whole library, and would then crash
// older processors. A test reads the symbols of these objects to hold us to it.

#include "cpu/chain/kernels.hpp"
#include "cpu/activation_kernels.hpp"
#include "cpu/dense_kernels.hpp"
#include "cpu/kernel_table.hpp"
#include "cpu/layer_norm_kernels.hpp"
#include "cpu/vector_kernels.hpp"

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

namespace {

template <class T>
constexpr Kernels<T> kernels{
    .dense = DenseProduct<T>::table,
    .vector = VectorPass<T>::table,
    .activation = ActivationPass<T>::table,
    .layer_norm = LayerNormPass<T>::table,
};

} // namespace

extern const KernelTable table;
constinit const KernelTable table{
    .instruction_set = ORTHO_ISA,
    .float32 = kernels<float>,
    .float64 = kernels<double>,
    .chain_float32 = chain_kernels<Float32>,
    .chain_float64 = chain_kernels<Float64>,
};

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
