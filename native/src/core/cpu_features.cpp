#include "core/cpu_features.hpp"

#include <atomic>
#include <cstring>

#include "core/error.hpp"
#include "core/system.hpp"

namespace ortho {
namespace {

constexpr const char* names[] = {"baseline", "avx2", "avx512"};

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

ortho_instruction_set best_instruction_set() noexcept {
#if defined(__x86_64__)
    __builtin_cpu_init();
#if defined(ORTHO_HAVE_AVX512)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return ORTHO_ISA_AVX512;
#endif
#if defined(ORTHO_HAVE_AVX2)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
        __builtin_cpu_supports("bmi2"))
        return ORTHO_ISA_AVX2;
#endif
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
