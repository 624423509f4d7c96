#pragma once

#include <exception>
#include <new>
#include <utility>

#include "core/error.hpp"
#include "core/floating_point.hpp"

namespace ortho {

/**
 * Runs the body of an entry point of the C interface: what it throws becomes a status and the thread's last error. It
 * runs in the standard floating-point environment, whatever the caller's is, which is back at the end.
 */
template <class Body> ortho_status guard(Body&& body) noexcept {
    const FloatingPointScope standard(FloatingPointEnvironment::standard());
    try {
        std::forward<Body>(body)();
        return ORTHO_OK;
    } catch (const Error& error) {
        return set_last_error(error);
    } catch (const std::bad_alloc&) {
        return set_last_error(Error(ORTHO_OUT_OF_MEMORY, "out of memory: the library's own bookkeeping needs more"));
    } catch (const std::exception& error) {
        return set_last_error(Error(ORTHO_INTERNAL, error.what()));
    } catch (...) {
        return set_last_error(Error(ORTHO_INTERNAL, "an unknown C++ exception was thrown"));
    }
}

} // namespace ortho
