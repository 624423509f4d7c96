#include "core/system.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <thread>

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#elif defined(__APPLE__)
#include <mach/mach.h>
#include <sys/sysctl.h>
#include <unistd.h>
#else
#include <sched.h>
#include <unistd.h>
#endif

namespace ortho {
namespace {

struct MemoryState {
    int64_t total;
    int64_t available;
};

/** Page tables, stacks and the allocator's slack: what a process needs beside the memory that it asked for. */
constexpr int64_t largest_reserve = int64_t{128} << 20;

#if defined(_WIN32)

MemoryState memory_state() noexcept {
    MEMORYSTATUSEX status{};
    status.dwLength = sizeof status;
    if (!GlobalMemoryStatusEx(&status))
        return {0, 0};
    return {static_cast<int64_t>(status.ullTotalPhys), static_cast<int64_t>(status.ullAvailPhys)};
}

int affinity_cores() noexcept {
    return static_cast<int>(std::thread::hardware_concurrency());
}

#elif defined(__APPLE__)

MemoryState memory_state() noexcept {
    int64_t total = 0;
    size_t length = sizeof total;
    if (sysctlbyname("hw.memsize", &total, &length, nullptr, 0) != 0)
        return {0, 0};
    vm_statistics64_data_t pages{};
    mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
    if (host_statistics64(mach_host_self(), HOST_VM_INFO64, reinterpret_cast<host_info64_t>(&pages), &count) !=
        KERN_SUCCESS)
        return {total, total};
    const int64_t free_pages = static_cast<int64_t>(pages.free_count) + pages.inactive_count + pages.purgeable_count;
    return {total, free_pages * static_cast<int64_t>(vm_page_size)};
}

int affinity_cores() noexcept {
    return static_cast<int>(std::thread::hardware_concurrency());
}

#else

constexpr int path_capacity = 4096;
constexpr int64_t unlimited = std::numeric_limits<int64_t>::max();

/** Reads the number behind `key` in a file of "key number" lines (an empty key: the file's first word). */
bool read_number(const char* path, const char* key, int64_t& value) noexcept {
    std::FILE* file = std::fopen(path, "re");
    if (file == nullptr)
        return false;
    char line[512];
    const size_t key_length = std::strlen(key);
    bool found = false;
    while (!found && std::fgets(line, sizeof line, file) != nullptr)
        found = std::strncmp(line, key, key_length) == 0 && std::sscanf(line + key_length, "%" SCNd64, &value) == 1;
    std::fclose(file);
    return found;
}

/**
 * Finds this process's control group.
 * @param controller  "" for the unified hierarchy (version 2), or the controller's name (version 1)
 */
bool control_group_path(const char* controller, char (&group)[path_capacity]) noexcept {
    std::FILE* file = std::fopen("/proc/self/cgroup", "re");
    if (file == nullptr)
        return false;
    char line[path_capacity];
    bool found = false;
    while (!found && std::fgets(line, sizeof line, file) != nullptr) {
        char* controllers = std::strchr(line, ':');
        if (controllers == nullptr)
            continue;
        char* path = std::strchr(++controllers, ':');
        if (path == nullptr)
            continue;
        *path++ = '\0';
        path[std::strcspn(path, "\n")] = '\0';
        if (*controller == '\0') {
            found = *controllers == '\0';
        } else {
            const size_t length = std::strlen(controller);
            for (const char* name = controllers; !found && name != nullptr;
                 name = std::strchr(name, ',') ? std::strchr(name, ',') + 1 : nullptr)
                found = std::strncmp(name, controller, length) == 0 && (name[length] == ',' || name[length] == '\0');
        }
        if (found)
            std::snprintf(group, sizeof group, "%s", path);
    }
    std::fclose(file);
    return found;
}

/** Calls visit(folder) for this process's control group and all above it; limits of all of them hold. */
template <class Visit> void for_each_control_group(const char* controller, Visit&& visit) noexcept {
    char group[path_capacity];
    if (!control_group_path(controller, group))
        return;
    char folder[2 * path_capacity];
    for (;;) {
        std::snprintf(folder, sizeof folder, "/sys/fs/cgroup%s%s%s", *controller ? "/" : "", controller, group);
        visit(static_cast<const char*>(folder));
        char* last = std::strrchr(group, '/');
        if (last == nullptr || (last == group && group[1] == '\0'))
            return;
        last[last == group ? 1 : 0] = '\0';
    }
}

struct MemoryFiles {
    const char* controller;
    const char* limit;
    const char* usage;
    const char* reclaimable;
};

constexpr MemoryFiles memory_files[] = {
    {"", "memory.max", "memory.current", "inactive_file "},
    {"memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "},
};

MemoryState memory_state() noexcept {
    int64_t total = 0;
    int64_t available = 0;
    if (read_number("/proc/meminfo", "MemTotal:", total) && read_number("/proc/meminfo", "MemAvailable:", available)) {
        total *= 1024;
        available *= 1024;
    } else {
        const int64_t page = sysconf(_SC_PAGESIZE);
        total = sysconf(_SC_PHYS_PAGES) * page;
        available = sysconf(_SC_AVPHYS_PAGES) * page;
    }
    for (const MemoryFiles& files : memory_files)
        for_each_control_group(files.controller, [&](const char* folder) {
            char path[2 * path_capacity + 64];
            int64_t limit = unlimited;
            std::snprintf(path, sizeof path, "%s/%s", folder, files.limit);
            if (!read_number(path, "", limit) || limit > unlimited / 2)
                return;
            total = std::min(total, limit);
            int64_t usage = 0;
            int64_t reclaimable = 0;
            std::snprintf(path, sizeof path, "%s/%s", folder, files.usage);
            if (!read_number(path, "", usage))
                return;
            std::snprintf(path, sizeof path, "%s/memory.stat", folder);
            read_number(path, files.reclaimable, reclaimable);
            available = std::min(available, limit - usage + reclaimable);
        });
    return {total, available};
}

int affinity_cores() noexcept {
    cpu_set_t set;
    CPU_ZERO(&set);
    int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
                                                            : static_cast<int>(std::thread::hardware_concurrency());
    const auto lower = [&](int64_t quota, int64_t period) {
        if (quota > 0 && period > 0)
            cores = static_cast<int>(std::min<int64_t>(cores, (quota + period - 1) / period));
    };
    char path[2 * path_capacity + 64];
    for_each_control_group("", [&](const char* folder) {
        std::snprintf(path, sizeof path, "%s/cpu.max", folder);
        if (std::FILE* file = std::fopen(path, "re")) {
            int64_t quota = 0;
            int64_t period = 0;
            if (std::fscanf(file, "%" SCNd64 " %" SCNd64, &quota, &period) == 2)
                lower(quota, period);
            std::fclose(file);
        }
    });
    for_each_control_group("cpu", [&](const char* folder) {
        int64_t quota = 0;
        int64_t period = 0;
        std::snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
        if (!read_number(path, "", quota))
            return;
        std::snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
        if (read_number(path, "", period))
            lower(quota, period);
    });
    return cores;
}

#endif

} // namespace

int64_t total_memory() noexcept {
    return memory_state().total;
}

int64_t available_memory() noexcept {
    const MemoryState state = memory_state();
    const int64_t reserve = std::min(largest_reserve, state.total / 32);
    return std::max<int64_t>(0, state.available - reserve);
}

int usable_cores() noexcept {
    return std::max(1, affinity_cores());
}

const char* environment(const char* name) noexcept {
#if defined(__linux__)
    const char* const value = secure_getenv(name);
#elif defined(__APPLE__)
    const char* const value = issetugid() != 0 ? nullptr : std::getenv(name);
#else
    const char* const value = std::getenv(name);
#endif
    return value != nullptr && *value != '\0' ? value : nullptr;
}

} // namespace ortho
