#include "cpu/kernel_table.hpp"

#include "core/cpu_features.hpp"

namespace ortho::cpu {

namespace baseline {
extern const KernelTable table;
}
#if defined(ORTHO_HAVE_AVX2)
namespace avx2 {
extern const KernelTable table;
}
#endif
#if defined(ORTHO_HAVE_AVX512)
namespace avx512 {
extern const KernelTable table;
}
#endif

const KernelTable& kernel_table() {
    switch (active_instruction_set()) {
#if defined(ORTHO_HAVE_AVX512)
    case ORTHO_ISA_AVX512:
        return avx512::table;
#endif
#if defined(ORTHO_HAVE_AVX2)
    case ORTHO_ISA_AVX2:
        return avx2::table;
#endif
    default:
        return baseline::table;
    }
}

} // namespace ortho::cpu
