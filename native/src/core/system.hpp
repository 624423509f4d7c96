#pragma once

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

} // namespace ortho
