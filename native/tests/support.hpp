// What the tests of the C interface share.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "environment.hpp"
#include "orthonative/orthonative.h"

namespace ortho::test {

struct DeviceDeleter {
    void operator()(ortho_device* device) const { ortho_device_free(device); }
};
using Device = std::unique_ptr<ortho_device, DeviceDeleter>;

inline ortho_device_options device_options(int32_t kind, int32_t threads, int32_t index = 0) {
    ortho_device_options options = ORTHO_DEVICE_OPTIONS_INIT;
    options.kind = kind;
    options.threads = threads;
    options.index = index;
    return options;
}

inline Device make_device(int threads) {
    const ortho_device_options options = device_options(ORTHO_DEVICE_CPU, threads);
    ortho_device* device = nullptr;
    EXPECT_EQ(ortho_device_create(&device, &options), ORTHO_OK) << ortho_last_error();
    return Device(device);
}

inline ::testing::AssertionResult succeeds(ortho_status status) {
    if (status == ORTHO_OK)
        return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "status " << status << ": " << ortho_last_error();
}

/**
 * A name of the C interface in a text: a word with an underscore between small letters, or a field behind an arrow; ""
 * if there is none. What is quoted, paths in brackets, names of the system's limits, of the CUDA library and of a
 * kernel that failed are none.
 */
inline std::string interface_name(const std::string& text) {
    const auto is_small = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    const auto in_word = [&](char c) { return is_small(c) || (c >= 'A' && c <= 'Z') || c == '_' || c == '.'; };
    for (size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '\'' || text[at] == '(') {
            const bool quote = text[at] == '\'';
            const size_t end = quote ? text.find('\'', at + 1) : text.rfind(')');
            if (end != std::string::npos && end > at && (quote || text.find('/', at) < end))
                at = end;
            continue;
        }
        if (text.compare(at, 2, "->") == 0)
            return "->";
        size_t end = at;
        while (end < text.size() && in_word(text[end]))
            ++end;
        if (end == at)
            continue;
        const std::string word = text.substr(at, end - at);
        const auto begins_with = [&](const char* beginning) { return word.rfind(beginning, 0) == 0; };
        const bool known = begins_with("liborthonative_cuda") || begins_with("vm.") || begins_with("memory.") ||
                           text.compare(end, 13, " failed: cuda") == 0;
        for (size_t i = 1; i + 1 < word.size() && !known; ++i)
            if (word[i] == '_' && is_small(word[i - 1]) && (is_small(word[i + 1]) || word[i + 1] == '_'))
                return word;
        at = end - 1;
    }
    return "";
}

/** The call failed with that status and left a message of one line that contains `text`. */
inline ::testing::AssertionResult fails(ortho_status got, ortho_status expected, const std::string& text) {
    const std::string message = ortho_last_error();
    if (got != expected)
        return ::testing::AssertionFailure() << "status " << got << " instead of " << expected << ": " << message;
    if (message.find(text) == std::string::npos)
        return ::testing::AssertionFailure() << "message '" << message << "' lacks '" << text << "'";
    if (message.find('\n') != std::string::npos)
        return ::testing::AssertionFailure() << "message '" << message << "' has more than one line";
    ortho_error error = ORTHO_ERROR_INIT;
    if (ortho_get_last_error(&error) != ORTHO_OK || error.status != expected || message != error.message)
        return ::testing::AssertionFailure() << "the parts of '" << message << "' are those of another failure";
    if (const std::string name = interface_name(error.problem); !name.empty())
        return ::testing::AssertionFailure() << "problem '" << error.problem << "' has the name '" << name << "'";
    return ::testing::AssertionSuccess();
}

inline ::testing::AssertionResult is_refused(ortho_status got, const std::string& text) {
    return fails(got, ORTHO_INVALID_ARGUMENT, text);
}

template <class T> constexpr int32_t dtype_of = sizeof(T) == sizeof(float) ? ORTHO_FLOAT32 : ORTHO_FLOAT64;

/** Standard normal numbers, the same for every type up to rounding. */
template <class T> std::vector<T> normal_values(int64_t count, uint32_t index) {
    std::vector<T> values(static_cast<size_t>(count));
    EXPECT_TRUE(
        succeeds(ortho_random_normal(20221001, ORTHO_STREAM_DATA, index, 0, 1, dtype_of<T>, 0, count, values.data())));
    return values;
}

template <class T> bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

template <class T> constexpr double rounding = std::numeric_limits<T>::epsilon() / 2.0;

} // namespace ortho::test
