#include "core/floating_point.hpp"

namespace ortho {

#if defined(__x86_64__)

namespace {

constexpr uint32_t denormals_are_zero = 1u << 6;
constexpr uint32_t all_exceptions_masked = 0x3fu << 7;
constexpr uint32_t flush_to_zero = 1u << 15;

} // namespace

FloatingPointEnvironment FloatingPointEnvironment::standard() noexcept {
    return FloatingPointEnvironment(all_exceptions_masked);
}

FloatingPointEnvironment FloatingPointEnvironment::without_subnormals() noexcept {
    return FloatingPointEnvironment(all_exceptions_masked | denormals_are_zero | flush_to_zero);
}

FloatingPointEnvironment FloatingPointEnvironment::current() noexcept {
    return FloatingPointEnvironment(__builtin_ia32_stmxcsr());
}

void FloatingPointEnvironment::apply() const noexcept {
    __builtin_ia32_ldmxcsr(state_);
}

#elif defined(__aarch64__)

namespace {

/** FZ, for operands and results of float and double. */
constexpr uint64_t flush_to_zero = uint64_t{1} << 24;

} // namespace

FloatingPointEnvironment FloatingPointEnvironment::standard() noexcept {
    return FloatingPointEnvironment(0);
}

FloatingPointEnvironment FloatingPointEnvironment::without_subnormals() noexcept {
    return FloatingPointEnvironment(flush_to_zero);
}

FloatingPointEnvironment FloatingPointEnvironment::current() noexcept {
    uint64_t state = 0;
    asm volatile("mrs %0, fpcr" : "=r"(state));
    return FloatingPointEnvironment(state);
}

void FloatingPointEnvironment::apply() const noexcept {
    asm volatile("msr fpcr, %0" : : "r"(state_) : "memory");
}

#else

FloatingPointEnvironment FloatingPointEnvironment::standard() noexcept {
    const FloatingPointScope restore(current());
    std::fesetenv(FE_DFL_ENV);
    return current();
}

FloatingPointEnvironment FloatingPointEnvironment::without_subnormals() noexcept {
    return standard();
}

FloatingPointEnvironment FloatingPointEnvironment::current() noexcept {
    std::fenv_t state{};
    std::fegetenv(&state);
    return FloatingPointEnvironment(state);
}

void FloatingPointEnvironment::apply() const noexcept {
    std::fesetenv(&state_);
}

#endif

} // namespace ortho
