#include "core/cpu_features.hpp"

#include <atomic>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "core/error.hpp"
#include "core/system.hpp"

namespace ortho {
namespace {

constexpr const char* names[] = {"baseline", "avx2", "avx512"};

#if defined(__x86_64__)

/** A flag and the lowest instruction set that needs it. */
struct Flag {
    ortho_instruction_set set;
    int bit;
    const char* name;
};

// The levels of the x86-64 psABI, which are what -march=x86-64-v2, -v3 and -v4 mean.

constexpr Flag flags_of_leaf1[] = {
    {ORTHO_ISA_BASELINE, 0, "SSE3"},    {ORTHO_ISA_BASELINE, 9, "SSSE3"},   {ORTHO_ISA_BASELINE, 13, "CMPXCHG16B"},
    {ORTHO_ISA_BASELINE, 19, "SSE4.1"}, {ORTHO_ISA_BASELINE, 20, "SSE4.2"}, {ORTHO_ISA_BASELINE, 23, "POPCNT"},
    {ORTHO_ISA_AVX2, 12, "FMA"},        {ORTHO_ISA_AVX2, 22, "MOVBE"},      {ORTHO_ISA_AVX2, 27, "OSXSAVE"},
    {ORTHO_ISA_AVX2, 28, "AVX"},        {ORTHO_ISA_AVX2, 29, "F16C"},
};
constexpr Flag flags_of_extended1[] = {
    {ORTHO_ISA_BASELINE, 0, "LAHF"},
    {ORTHO_ISA_AVX2, 5, "LZCNT"},
};
constexpr Flag registers_of_xcr0[] = {
    {ORTHO_ISA_AVX2, 1, "XMM state"},
    {ORTHO_ISA_AVX2, 2, "YMM state"},
    {ORTHO_ISA_AVX512, 5, "opmask state"},
    {ORTHO_ISA_AVX512, 6, "ZMM0 to ZMM15 state"},
    {ORTHO_ISA_AVX512, 7, "ZMM16 to ZMM31 state"},
};
constexpr Flag flags_of_leaf7[] = {
    {ORTHO_ISA_AVX2, 3, "BMI1"},        {ORTHO_ISA_AVX2, 5, "AVX2"},        {ORTHO_ISA_AVX2, 8, "BMI2"},
    {ORTHO_ISA_AVX512, 16, "AVX512F"},  {ORTHO_ISA_AVX512, 17, "AVX512DQ"}, {ORTHO_ISA_AVX512, 28, "AVX512CD"},
    {ORTHO_ISA_AVX512, 30, "AVX512BW"}, {ORTHO_ISA_AVX512, 31, "AVX512VL"},
};

#endif

ortho_instruction_set choose() {
    const ortho_instruction_set best = best_instruction_set();
    const char* const wanted = environment("ORTHONATIVE_CPU");
    if (wanted == nullptr)
        return best;
    for (int isa = ORTHO_ISA_BASELINE; isa <= ORTHO_ISA_AVX512; ++isa)
        if (std::strcmp(wanted, names[isa]) == 0) {
            if (isa > best)
                fail(ORTHO_NOT_SUPPORTED, "ORTHONATIVE_CPU is '%s'; this processor and this build have at most '%s'",
                     wanted, names[best]);
            return static_cast<ortho_instruction_set>(isa);
        }
    fail(ORTHO_NOT_SUPPORTED, "ORTHONATIVE_CPU is '%s'; it must be 'baseline', 'avx2' or 'avx512'",
         ForeignText(wanted).c_str());
}

} // namespace

#if defined(__x86_64__)

ProcessorFlags ProcessorFlags::of_processor() noexcept {
    ProcessorFlags flags;
    uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0)
        flags.leaf1_ecx = ecx;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0)
        flags.leaf7_ebx = ebx;
    if (__get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) != 0)
        flags.extended1_ecx = ecx;
    constexpr uint32_t osxsave = uint32_t{1} << 27;
    if ((flags.leaf1_ecx & osxsave) != 0) {
        uint32_t low = 0, high = 0;
        asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        flags.xcr0 = uint64_t{high} << 32 | low;
    }
    return flags;
}

const char* missing_flag(const ProcessorFlags& flags, ortho_instruction_set set) noexcept {
    const auto lacks = [](uint64_t value, int bit) { return (value >> bit & 1) == 0; };
    for (const Flag& flag : flags_of_leaf1)
        if (flag.set <= set && lacks(flags.leaf1_ecx, flag.bit))
            return flag.name;
    for (const Flag& flag : flags_of_extended1)
        if (flag.set <= set && lacks(flags.extended1_ecx, flag.bit))
            return flag.name;
    for (const Flag& flag : registers_of_xcr0)
        if (flag.set <= set && lacks(flags.xcr0, flag.bit))
            return flag.name;
    for (const Flag& flag : flags_of_leaf7)
        if (flag.set <= set && lacks(flags.leaf7_ebx, flag.bit))
            return flag.name;
    return nullptr;
}

#endif

ortho_instruction_set best_instruction_set() {
#if defined(__x86_64__)
    const ProcessorFlags flags = ProcessorFlags::of_processor();
#if defined(ORTHO_HAVE_AVX512)
    if (missing_flag(flags, ORTHO_ISA_AVX512) == nullptr)
        return ORTHO_ISA_AVX512;
#endif
#if defined(ORTHO_HAVE_AVX2)
    if (missing_flag(flags, ORTHO_ISA_AVX2) == nullptr)
        return ORTHO_ISA_AVX2;
#endif
    if (const char* const missing = missing_flag(flags, ORTHO_ISA_BASELINE))
        fail(ORTHO_NOT_SUPPORTED, "this processor or its virtual machine lacks %s; x86-64-v2 is required", missing);
#endif
    return ORTHO_ISA_BASELINE;
}

ortho_instruction_set active_instruction_set() {
    // Not initialized by a call: the guard of that, which a fork may leave locked, would hang the child.
    constexpr int unknown = -1;
    static std::atomic<int> chosen{unknown};
    int known = chosen.load(std::memory_order_relaxed);
    if (known == unknown)
        chosen.store(known = choose(), std::memory_order_relaxed);
    return static_cast<ortho_instruction_set>(known);
}

} // namespace ortho
