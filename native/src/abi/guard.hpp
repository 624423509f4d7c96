#pragma once

#include <exception>
#include <new>
#include <utility>

#include "core/error.hpp"
#include "core/floating_point.hpp"

namespace ortho {

/**
 * Runs the body of an entry point of the C interface: what it throws becomes a status and the thread's last error. It
 * runs in a floating-point environment of its own, whatever the caller's is, which is back at the end.
 */
template <class Body> ortho_status guard_in(const FloatingPointEnvironment& environment, Body&& body) noexcept {
    const FloatingPointScope scope(environment);
    try {
        std::forward<Body>(body)();
        return ORTHO_OK;
    } catch (const Error& error) {
        return set_last_error(error.status(), error.what());
    } catch (const std::bad_alloc&) {
        return set_last_error(ORTHO_OUT_OF_MEMORY, "memory for the library's own bookkeeping is used up");
    } catch (const std::exception& error) {
        return set_last_error(ORTHO_INTERNAL, error.what());
    } catch (...) {
        return set_last_error(ORTHO_INTERNAL, "an unknown C++ exception was thrown");
    }
}

/** The same in the standard environment. */
template <class Body> ortho_status guard(Body&& body) noexcept {
    return guard_in(FloatingPointEnvironment::standard(), std::forward<Body>(body));
}

} // namespace ortho
