#pragma once

#include <utility>

#include "core/catch.hpp"
#include "core/error.hpp"
#include "core/floating_point.hpp"

namespace ortho {

/**
 * Runs the body of an entry point of the C interface: what it throws becomes a status and the thread's last error. It
 * runs in the standard floating-point environment, whatever the caller's is, which is back at the end.
 */
template <class Body> ortho_status guard(Body&& body) noexcept {
    const FloatingPointScope standard(FloatingPointEnvironment::standard());
    return catch_errors(std::forward<Body>(body),
                        [](const Error& error) noexcept { set_last_error(error.status(), error.what()); });
}

} // namespace ortho
