// Environment variables of this process.
#pragma once

#include <cstdlib>
#include <string>

namespace ortho::test {

inline void set_environment(const char* name, const char* value) {
#if defined(_WIN32)
    _putenv_s(name, value);
#else
    setenv(name, value, 1);
#endif
}

inline void clear_environment(const char* name) {
#if defined(_WIN32)
    _putenv_s(name, "");
#else
    unsetenv(name);
#endif
}

/** Sets an environment variable, and what it was again at the end. */
class EnvironmentVariable {
public:
    EnvironmentVariable(const char* name, const char* value) : name_(name) {
        const char* const before = std::getenv(name);
        was_set_ = before != nullptr;
        if (was_set_)
            before_ = before;
        set_environment(name, value);
    }
    ~EnvironmentVariable() {
        if (was_set_)
            set_environment(name_, before_.c_str());
        else
            clear_environment(name_);
    }
    EnvironmentVariable(const EnvironmentVariable&) = delete;
    EnvironmentVariable& operator=(const EnvironmentVariable&) = delete;

private:
    const char* name_;
    bool was_set_;
    std::string before_;
};

} // namespace ortho::test
