#pragma once

#include <cstdint>

#if !defined(__x86_64__) && !defined(__aarch64__)
#include <cfenv>
#endif

namespace ortho {

/**
 * The floating-point environment of a thread: how it rounds, which exceptions trap, and what becomes of subnormal
 * numbers. On x86-64 it is MXCSR (the x87 unit is not used), on AArch64 FPCR.
 */
class FloatingPointEnvironment {
public:
    /** Rounds to nearest, no exception traps, subnormal numbers are kept: the default of IEEE 754 and of every system.
     */
    static FloatingPointEnvironment standard() noexcept;
    /**
     * The same, but that subnormal operands and results are taken for 0, of float and double alike. Some processors
     * compute with subnormal numbers many times more slowly, and what fades by a factor above 1/2 ends at the
     * smallest of them and stays there. Other processors than x86-64 and AArch64: as standard().
     */
    static FloatingPointEnvironment without_subnormals() noexcept;
    /** That of the calling thread. */
    static FloatingPointEnvironment current() noexcept;

    /** Sets it for the calling thread. */
    void apply() const noexcept;

private:
#if defined(__x86_64__)
    using State = uint32_t;
#elif defined(__aarch64__)
    using State = uint64_t;
#else
    using State = std::fenv_t;
#endif

    explicit FloatingPointEnvironment(const State& state) noexcept : state_(state) {}

    State state_;
};

/** Gives the calling thread an environment, and back the one that it had before. */
class FloatingPointScope {
public:
    explicit FloatingPointScope(const FloatingPointEnvironment& environment) noexcept
        : before_(FloatingPointEnvironment::current()) {
        environment.apply();
    }
    ~FloatingPointScope() { before_.apply(); }
    FloatingPointScope(const FloatingPointScope&) = delete;
    FloatingPointScope& operator=(const FloatingPointScope&) = delete;

private:
    const FloatingPointEnvironment before_;
};

} // namespace ortho
