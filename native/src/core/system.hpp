#pragma once

#include <atomic>
#include <cstdint>

namespace ortho {

/** Physical memory in bytes; the control group's limit where that is lower. */
int64_t total_memory() noexcept;

/** Memory in bytes that is free now without swapping, under every limit of the system, less a small reserve for the
 * process itself. */
int64_t available_memory() noexcept;

/** Processors that this process may use (its affinity, and its control group's quota rounded up); at least 1. */
int usable_cores() noexcept;

/**
 * An environment variable, the only way in which this library reads one. A program that has more rights than the user
 * who started it (setuid, setgid, capabilities) must not let that user choose what it loads or how it computes: there,
 * no variable is set.
 * @return nullptr if the variable is not set, is empty or does not count
 */
const char* environment(const char* name) noexcept;

/**
 * Sleeps until it is woken, unless the value is no longer `old`; may return early. Not std::atomic::wait: on Windows,
 * the C++ runtimes of GCC 12 and Clang 19 lose who is to be woken or look for the time only now and then.
 */
void sleep_while(std::atomic<uint32_t>& value, uint32_t old) noexcept;

/** Wakes all threads that sleep_while has put to sleep for this value, which was changed before. */
void wake_all(std::atomic<uint32_t>& value) noexcept;

} // namespace ortho
