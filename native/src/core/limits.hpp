#pragma once

#include <cstdint>

// What the operating system grants a process: memory, threads and processors, and which limit says so.

namespace ortho {

/** A limit of the operating system, for a message. */
struct Limit {
    /** The limit, its value and the remedy: "RLIMIT_AS (ulimit -v) is 512.0 MiB, ...; raise it"; "" if unknown. */
    char text[320] = "";
    /** True if it limits memory, rather than the number of threads. */
    bool of_memory = false;

    bool known() const noexcept { return text[0] != '\0'; }
};

/** Memory in bytes. */
struct MemoryState {
    /** Physical memory; the control groups' limit where that is lower. */
    int64_t total = 0;
    /** What is free under every limit. */
    int64_t available = 0;
    /** The same under those limits alone beyond which the system ends a process instead of refusing memory. */
    int64_t available_alive = 0;
    /** The limit that decides `available`; unknown where it is physical memory. */
    Limit limit;
};

/** The limit of a thread that could not be started. To be called while the limit is still met. */
Limit limit_of_threads() noexcept;

/**
 * The limit of memory that the system refused.
 * @param bytes  that were asked for
 * @param error  errno, or 0
 */
Limit limit_of_memory(int64_t bytes, int error) noexcept;

MemoryState memory_state() noexcept;

#if defined(__linux__)

/** Limits that a process has itself (getrlimit); -1: none. */
struct ResourceLimits {
    int64_t address_space = -1;
    int64_t data = -1;
    int64_t threads = -1;
    int64_t locked_memory = -1;
    int64_t stack = -1;
    /** Root has no limit of threads of its own. */
    bool is_root = false;

    static ResourceLimits of_process() noexcept;
};

// The same for the files below a folder `root` ("" for the system's own): root/proc and root/sys.

MemoryState memory_state(const char* root, const ResourceLimits& limits) noexcept;
Limit limit_of_threads(const char* root, const ResourceLimits& limits) noexcept;
Limit limit_of_memory(const char* root, const ResourceLimits& limits, int64_t bytes, int error) noexcept;

/** Processors that the control groups' quotas leave of `processors`, rounded up; at least 1. */
int processors_under_quota(const char* root, int processors) noexcept;

#endif

} // namespace ortho
