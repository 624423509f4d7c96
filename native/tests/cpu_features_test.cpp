// Instruction sets of any processor, shown by what CPUID and XGETBV would say of it.
#include "core/cpu_features.hpp"

#if defined(__x86_64__)

#include "support.hpp"

namespace ortho::test {
namespace {

// Registers as manuals and dumps of CPUID list them.
constexpr ProcessorFlags haswell{0x7ffafbff, 0x000027ab, 0x00000021, 0x7};
constexpr ProcessorFlags sandy_bridge{0x1fbae3ff, 0x00000000, 0x00000001, 0x7};
constexpr ProcessorFlags skylake_server{0x7ffefbff, 0xd39ffffb, 0x00000121, 0xe7};
/** QEMU's default, qemu64: neither SSSE3 nor SSE4. */
constexpr ProcessorFlags qemu64{0x80002001, 0x00000000, 0x00000005, 0x0};

/** The instruction sets that a processor has, as a number of levels: 0 is none at all. */
int levels(const ProcessorFlags& flags) {
    int count = 0;
    for (const auto set : {ORTHO_ISA_BASELINE, ORTHO_ISA_AVX2, ORTHO_ISA_AVX512})
        count += missing_flag(flags, set) == nullptr;
    return count;
}

std::string missing(const ProcessorFlags& flags, ortho_instruction_set set) {
    const char* const name = missing_flag(flags, set);
    return name != nullptr ? name : "";
}

TEST(ProcessorFlags, Known_processors_have_their_level) {
    EXPECT_EQ(levels(qemu64), 0);
    EXPECT_EQ(levels(sandy_bridge), 1);
    EXPECT_EQ(levels(haswell), 2);
    EXPECT_EQ(levels(skylake_server), 3);
    EXPECT_EQ(missing(qemu64, ORTHO_ISA_BASELINE), "SSSE3");
    EXPECT_EQ(missing(sandy_bridge, ORTHO_ISA_AVX2), "FMA");
    EXPECT_EQ(missing(haswell, ORTHO_ISA_AVX512), "opmask state");
}

TEST(ProcessorFlags, A_hidden_flag_takes_away_every_level_that_needs_it) {
    // The psABI's levels: 7 flags of v2, 11 with the operating system's of v3, 8 of v4.
    const auto hides = [](ProcessorFlags flags, uint32_t ProcessorFlags::*word, int bit) {
        flags.*word &= ~(uint32_t{1} << bit);
        return levels(flags);
    };
    for (const int bit : {0, 9, 13, 19, 20, 23})
        EXPECT_EQ(hides(skylake_server, &ProcessorFlags::leaf1_ecx, bit), 0) << bit;
    EXPECT_EQ(hides(skylake_server, &ProcessorFlags::extended1_ecx, 0), 0);
    for (const int bit : {12, 22, 27, 28, 29})
        EXPECT_EQ(hides(skylake_server, &ProcessorFlags::leaf1_ecx, bit), 1) << bit;
    for (const int bit : {3, 5, 8})
        EXPECT_EQ(hides(skylake_server, &ProcessorFlags::leaf7_ebx, bit), 1) << bit;
    for (const int bit : {16, 17, 28, 30, 31})
        EXPECT_EQ(hides(skylake_server, &ProcessorFlags::leaf7_ebx, bit), 2) << bit;
    // AVX2 without LZCNT runs other code than was compiled: LZCNT is then decoded as BSR.
    EXPECT_EQ(hides(haswell, &ProcessorFlags::extended1_ecx, 5), 1);
    EXPECT_EQ(missing({haswell.leaf1_ecx, haswell.leaf7_ebx, 0x1, 0x7}, ORTHO_ISA_AVX2), "LZCNT");
}

TEST(ProcessorFlags, Registers_that_the_system_does_not_save_are_not_used) {
    const auto with_xcr0 = [](uint64_t xcr0) {
        ProcessorFlags flags = skylake_server;
        flags.xcr0 = xcr0;
        return flags;
    };
    // 0x1 is x87 alone, 0x3 x87 and XMM; 0xe3 lacks the upper halves of YMM, without which ZMM is of no use.
    for (const uint64_t xcr0 : {0x0, 0x1, 0x3, 0x5, 0xe3})
        EXPECT_EQ(levels(with_xcr0(xcr0)), 1) << xcr0;
    for (const uint64_t xcr0 : {0x7, 0x27, 0x67, 0xa7, 0xc7})
        EXPECT_EQ(levels(with_xcr0(xcr0)), 2) << xcr0;
    // More than is needed does no harm: AMX, protection keys.
    EXPECT_EQ(levels(with_xcr0(0x602e7)), 3);
    EXPECT_EQ(missing(with_xcr0(0x3), ORTHO_ISA_AVX2), "YMM state");
    EXPECT_EQ(missing(with_xcr0(0x67), ORTHO_ISA_AVX512), "ZMM16 to ZMM31 state");
}

// Compilers that know the levels by name. On Windows, what Clang asks is not linked.
#if !defined(_WIN32) && ((defined(__clang__) && __clang_major__ >= 18) || (!defined(__clang__) && __GNUC__ >= 12))
TEST(ProcessorFlags, Of_this_processor_agree_with_the_compilers_own) {
    const ProcessorFlags flags = ProcessorFlags::of_processor();
    const auto agrees = [&](ortho_instruction_set set, bool expected) {
        EXPECT_EQ(missing_flag(flags, set) == nullptr, expected) << missing(flags, set);
    };
    __builtin_cpu_init();
    agrees(ORTHO_ISA_BASELINE, __builtin_cpu_supports("x86-64-v2") != 0);
    agrees(ORTHO_ISA_AVX2, __builtin_cpu_supports("x86-64-v3") != 0);
    agrees(ORTHO_ISA_AVX512, __builtin_cpu_supports("x86-64-v4") != 0);
}
#endif

} // namespace
} // namespace ortho::test

#endif
