#pragma once

#include <exception>

#include "orthonative/orthonative.h"

#if defined(__GNUC__)
#define ORTHO_PRINTF_FORMAT(format_index, first_argument) __attribute__((format(printf, format_index, first_argument)))
#else
#define ORTHO_PRINTF_FORMAT(format_index, first_argument)
#endif

namespace ortho {

/** A failure on its way to the caller. The message lies inside, so that running out of memory can be reported too. */
class Error final : public std::exception {
public:
    static constexpr int message_capacity = 512;

    /**
     * @param message  copied as one line of UTF-8: control characters become spaces, bytes that are no UTF-8 become
     * '?', and what is longer than message_capacity - 1 bytes ends in "..."
     */
    Error(ortho_status status, const char* message) noexcept;

    ortho_status status() const noexcept { return status_; }
    const char* what() const noexcept override { return message_; }

private:
    ortho_status status_;
    char message_[message_capacity];
};

/**
 * A number for a message, up to 6 significant digits: "0.1", "1e-06", "NaN", "-Infinity". As C# spells it, whatever the
 * sign of a NaN, the C library and its locale.
 */
class NumberText {
public:
    explicit NumberText(double value, int digits = 6) noexcept;
    const char* c_str() const noexcept { return text_; }

private:
    char text_[32];
};

/**
 * Text from elsewhere for a message: file names, environment variables, what other libraries say. Control characters
 * and bytes that are no UTF-8 are escaped (\n, \x1b, \u202e), so that the terminal shows them instead of obeying them.
 */
class ForeignText {
public:
    static constexpr int capacity = 400;

    /** @param longest  bytes, below capacity; what is longer ends in "..." */
    explicit ForeignText(const char* text, int longest = 64) noexcept;
    const char* c_str() const noexcept { return text_; }

private:
    char text_[capacity];
};

/** Throws Error. Numbers that are not whole are given as NumberText, text from elsewhere as ForeignText. The message is
 * one line: "NAME is VALUE; it must be ...". */
[[noreturn]] ORTHO_PRINTF_FORMAT(2, 3) void fail(ortho_status status, const char* format, ...);

/** Keeps the message of the calling thread's last failure. @return status */
ortho_status set_last_error(ortho_status status, const char* message) noexcept;

/** @return message of the calling thread's last failure; "" if there was none */
const char* last_error() noexcept;

} // namespace ortho
