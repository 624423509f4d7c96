#pragma once

#include <cstdint>

#include "orthonative/orthonative.h"

namespace ortho {

#if defined(__x86_64__)

/** What CPUID and XGETBV say: of the processor, as far as the hypervisor and the operating system let it be used. */
struct ProcessorFlags {
    /** CPUID leaf 1, register ECX. */
    uint32_t leaf1_ecx = 0;
    /** CPUID leaf 7, subleaf 0, register EBX. */
    uint32_t leaf7_ebx = 0;
    /** CPUID leaf 80000001h, register ECX. */
    uint32_t extended1_ecx = 0;
    /** XCR0, the registers that the operating system saves; 0 without OSXSAVE. */
    uint64_t xcr0 = 0;

    static ProcessorFlags of_processor() noexcept;
};

/**
 * Everything is checked that the compiler may use for an instruction set (x86-64-v2, -v3, -v4), not only what gives it
 * its name: a hypervisor can hide any flag.
 * @return the name of the first flag that the instruction set or a lower one needs and that is not there; null: none
 */
const char* missing_flag(const ProcessorFlags& flags, ortho_instruction_set set) noexcept;

#endif

/**
 * The highest instruction set that this processor and this build have.
 * @throws Error ORTHO_NOT_SUPPORTED if the processor has not even the lowest one
 */
ortho_instruction_set best_instruction_set();

/**
 * The instruction set that the kernels use: the best one, or what the environment variable ORTHONATIVE_CPU names.
 * The first call that succeeds decides for the life of the process.
 * @throws Error ORTHO_NOT_SUPPORTED as best_instruction_set() does, or if ORTHONATIVE_CPU names one that is unknown or
 * higher than the best one
 */
ortho_instruction_set active_instruction_set();

} // namespace ortho
