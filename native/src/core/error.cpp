#include "core/error.hpp"

#include <algorithm>
#include <charconv>
#include <cinttypes>
#include <cmath>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace ortho {
namespace {

/** Bytes of the well-formed UTF-8 character that text begins with, and its code; 0 if it begins with none. */
int decode(const char* text, uint32_t& code) noexcept {
    const auto byte = [text](int i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[i])); };
    const uint32_t first = byte(0);
    if (first < 0x80) {
        code = first;
        return 1;
    }
    const int length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    code = first & (0x7fu >> length);
    for (int i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (byte(i) & 0x3f);
    }
    const bool is_overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
    const bool is_surrogate = code >= 0xd800 && code < 0xe000;
    return is_overlong || is_surrogate || code > 0x10ffff ? 0 : length;
}

/** Characters that move the cursor, break the line or turn the direction of writing. */
bool is_control(uint32_t code) noexcept {
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

/** Appends to a text of at most `capacity` bytes, which ends in "..." where something does not fit. */
class Line {
public:
    Line(char* text, int capacity) noexcept : text_(text), capacity_(capacity) { text_[0] = '\0'; }

    /** @return true if it fits */
    bool append(const char* piece, int length) noexcept {
        if (length_ + length > capacity_) {
            std::memcpy(text_ + room_for_dots_, "...", 4);
            return false;
        }
        std::memcpy(text_ + length_, piece, static_cast<size_t>(length));
        length_ += length;
        text_[length_] = '\0';
        if (length_ <= capacity_ - 3)
            room_for_dots_ = length_;
        return true;
    }

private:
    char* const text_;
    const int capacity_;
    int length_ = 0;
    int room_for_dots_ = 0; // behind the last whole character that leaves room for them
};

void append_one_line(Line& line, const char* source) noexcept {
    for (uint32_t code = 0; *source != '\0';) {
        const int length = decode(source, code);
        const char* const piece = length == 0 ? "?" : is_control(code) ? " " : source;
        if (!line.append(piece, piece == source ? length : 1))
            return;
        source += std::max(length, 1);
    }
}

/** "groups[].count" and 2 are "groups[2].count ", "inputs" and 7 are "inputs[7] ". @return the length */
int append_name(Line& line, const Argument& argument) noexcept {
    if (argument.name == nullptr)
        return 0;
    const char* const place = std::strstr(argument.name, "[]");
    const int before = static_cast<int>(place != nullptr ? place - argument.name : std::strlen(argument.name));
    const char* const rest = place != nullptr ? place + 2 : "";
    char text[128];
    const int length = argument.element >= 0 ? std::snprintf(text, sizeof text, "%.*s[%" PRId64 "]%s ", before,
                                                             argument.name, argument.element, rest)
                                             : std::snprintf(text, sizeof text, "%s ", argument.name);
    const int kept = std::min(length, static_cast<int>(sizeof text) - 1);
    line.append(text, kept);
    return kept;
}

struct Problem {
    ORTHO_PRINTF_FORMAT(2, 0) Problem(const char* format, va_list values) noexcept {
        std::vsnprintf(text, sizeof text, format, values);
    }

    char text[4 * Error::message_capacity]; // what does not fit is marked by Error
};

thread_local Report last_report;

} // namespace

Error::Error(ortho_status status, const char* problem, const Argument& argument) noexcept {
    report_.status = status;
    report_.argument = argument;
    Line line(report_.message, message_capacity - 1);
    report_.problem_at = append_name(line, argument);
    append_one_line(line, problem);
}

NumberText::NumberText(double value, int digits) noexcept {
    if (std::isfinite(value)) {
        // Room for 17 digits, all that a double has, with sign, point and exponent.
        *std::to_chars(text_, text_ + sizeof text_ - 1, value, std::chars_format::general, digits).ptr = '\0';
        return;
    }
    std::snprintf(text_, sizeof text_, "%s", std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
}

ForeignText::ForeignText(const char* text, int longest) noexcept {
    Line line(text_, std::min(longest, capacity - 1));
    for (uint32_t code = 0; *text != '\0';) {
        const int length = decode(text, code);
        char escape[12];
        const char* piece = escape;
        if (length != 0 && !is_control(code))
            piece = text;
        else if (length == 1 && code == '\n')
            piece = "\\n";
        else if (length == 1 && code == '\r')
            piece = "\\r";
        else if (length == 1 && code == '\t')
            piece = "\\t";
        else if (length > 1)
            std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(code));
        else
            std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(*text)));
        if (!line.append(piece, piece == text ? length : static_cast<int>(std::strlen(piece))))
            return;
        text += std::max(length, 1);
    }
}

void fail(ortho_status status, const char* format, ...) {
    va_list values;
    va_start(values, format);
    const Problem problem(format, values);
    va_end(values);
    throw Error(status, problem.text);
}

void fail(ortho_status status, const Argument& argument, const char* format, ...) {
    va_list values;
    va_start(values, format);
    const Problem problem(format, values);
    va_end(values);
    throw Error(status, problem.text, argument);
}

ortho_status set_last_error(const Error& error) noexcept {
    last_report = error.report();
    return last_report.status;
}

const Report& last_error() noexcept {
    return last_report;
}

} // namespace ortho
