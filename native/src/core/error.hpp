#pragma once

#include <cstdint>
#include <exception>

#include "orthonative/orthonative.h"

#if defined(__GNUC__)
#define ORTHO_PRINTF_FORMAT(format_index, first_argument) __attribute__((format(printf, format_index, first_argument)))
#else
#define ORTHO_PRINTF_FORMAT(format_index, first_argument)
#endif

namespace ortho {

/** The argument that a failure is about. */
struct Argument {
    /** Its name in the header, a literal; null: none. "[]" in it is the place of the element, which otherwise follows.
     */
    const char* name = nullptr;
    /** -1: the failure is not about one element. */
    int64_t element = -1;
    ortho_cause cause = ORTHO_CAUSE_OTHER;

    /** One that is null and must not be. */
    static Argument missing(const char* name, int64_t element = -1) noexcept {
        return {name, element, ORTHO_CAUSE_NULL};
    }
    /** A number out of its range. */
    static Argument out_of_range(const char* name, int64_t element = -1) noexcept {
        return {name, element, ORTHO_CAUSE_RANGE};
    }
};

/** A failure in parts. The text lies inside, so that running out of memory can be reported too. */
struct Report {
    static constexpr int capacity = 512;

    ortho_status status = ORTHO_OK;
    Argument argument;
    /** Where the problem begins in the message, behind the name of the argument. */
    int problem_at = 0;
    char message[capacity] = "";

    const char* problem() const noexcept { return message + problem_at; }
};

/** A failure on its way to the caller. */
class Error final : public std::exception {
public:
    static constexpr int message_capacity = Report::capacity;

    /**
     * @param problem  the problem, without a name of the C interface; behind the name of the argument it is the
     * message. Copied as one line of UTF-8: control characters become spaces, bytes that are no UTF-8 become '?', and a
     * message of more than message_capacity - 1 bytes ends in "..."
     */
    Error(ortho_status status, const char* problem, const Argument& argument = {}) noexcept;

    const Report& report() const noexcept { return report_; }
    ortho_status status() const noexcept { return report_.status; }
    const char* what() const noexcept override { return report_.message; }

private:
    Report report_;
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

/** Throws Error without an argument. Numbers that are not whole are given as NumberText, text from elsewhere as
 * ForeignText. */
[[noreturn]] ORTHO_PRINTF_FORMAT(2, 3) void fail(ortho_status status, const char* format, ...);

/** Throws Error about an argument. The problem follows its name: "is VALUE; it must be ...". */
[[noreturn]] ORTHO_PRINTF_FORMAT(3, 4) void fail(ortho_status status, const Argument& argument, const char* format,
                                                 ...);

/** Keeps the calling thread's last failure. @return its status */
ortho_status set_last_error(const Error& error) noexcept;

/** @return the calling thread's last failure; one of status ORTHO_OK if there was none */
const Report& last_error() noexcept;

} // namespace ortho
