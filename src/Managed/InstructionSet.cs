using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Instruction sets that the CPU kernels are compiled for.</summary>
public enum InstructionSet
{
    /// <summary>The compiler's baseline: SSE4.2 on x86-64, NEON on AArch64.</summary>
    Baseline = (int)ortho_instruction_set.ORTHO_ISA_BASELINE,

    /// <summary>AVX2 and FMA.</summary>
    Avx2 = (int)ortho_instruction_set.ORTHO_ISA_AVX2,

    /// <summary>AVX-512 F, BW, CD, DQ and VL.</summary>
    Avx512 = (int)ortho_instruction_set.ORTHO_ISA_AVX512,
}
