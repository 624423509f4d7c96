#include "core/error.hpp"

#include <charconv>
#include <cmath>
#include <cstdarg>
#include <cstdio>

namespace ortho {
namespace {

void copy_one_line(char (&target)[Error::message_capacity], const char* source) noexcept {
    int length = 0;
    for (; length < Error::message_capacity - 1 && source[length] != '\0'; ++length) {
        const char c = source[length];
        const bool is_control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
        target[length] = is_control ? ' ' : c;
    }
    target[length] = '\0';
}

thread_local char last_message[Error::message_capacity] = "";

} // namespace

Error::Error(ortho_status status, const char* message) noexcept : status_(status) {
    copy_one_line(message_, message);
}

NumberText::NumberText(double value, int digits) noexcept {
    if (std::isfinite(value)) {
        // Room for 17 digits, all that a double has, with sign, point and exponent.
        *std::to_chars(text_, text_ + sizeof text_ - 1, value, std::chars_format::general, digits).ptr = '\0';
        return;
    }
    std::snprintf(text_, sizeof text_, "%s", std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
}

void fail(ortho_status status, const char* format, ...) {
    char message[Error::message_capacity];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    throw Error(status, message);
}

ortho_status set_last_error(ortho_status status, const char* message) noexcept {
    copy_one_line(last_message, message);
    return status;
}

const char* last_error() noexcept {
    return last_message;
}

} // namespace ortho
