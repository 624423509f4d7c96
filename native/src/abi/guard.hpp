#pragma once

#include <utility>

#include "core/catch.hpp"
#include "core/error.hpp"
#include "core/floating_point.hpp"

namespace ortho {

/**
 * Runs the body of an entry point of the C interface: what it throws becomes a status and the thread's last error. It
 * runs in a floating-point environment of its own, whatever the caller's is, which is back at the end.
 */
template <class Body> ortho_status guard_in(const FloatingPointEnvironment& environment, Body&& body) noexcept {
    const FloatingPointScope scope(environment);
    return catch_errors(std::forward<Body>(body), [](const Error& error) noexcept { set_last_error(error); });
}

/** The same in the standard environment. */
template <class Body> ortho_status guard(Body&& body) noexcept {
    return guard_in(FloatingPointEnvironment::standard(), std::forward<Body>(body));
}

} // namespace ortho
