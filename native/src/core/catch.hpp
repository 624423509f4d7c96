#pragma once

#include <exception>
#include <new>
#include <utility>

#include "core/error.hpp"

namespace ortho {

/** Runs body where no exception may pass: what it throws becomes a status, once report(const Error&) has been told. */
template <class Body, class Report> ortho_status catch_errors(Body&& body, Report&& report) noexcept {
    const auto failed = [&report](const Error& error) noexcept {
        report(error);
        return error.status();
    };
    try {
        std::forward<Body>(body)();
        return ORTHO_OK;
    } catch (const Error& error) {
        return failed(error);
    } catch (const std::bad_alloc&) {
        return failed(Error(ORTHO_OUT_OF_MEMORY, "out of memory: the library's own bookkeeping needs more"));
    } catch (const std::exception& error) {
        return failed(Error(ORTHO_INTERNAL, error.what()));
    } catch (...) {
        return failed(Error(ORTHO_INTERNAL, "an unknown C++ exception was thrown"));
    }
}

} // namespace ortho
