#include "core/system.hpp"

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "core/limits.hpp"

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#elif defined(__APPLE__)
#include <mach/mach.h>
#include <sys/sysctl.h>
#include <unistd.h>
#elif defined(__linux__)
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#else
#include <unistd.h>
#endif

namespace ortho {

#if defined(__linux__)

namespace {

/** Processors that the affinity of this process allows, on machines with any number of them. */
int affinity_cores() noexcept {
    cpu_set_t small;
    CPU_ZERO(&small);
    if (sched_getaffinity(0, sizeof small, &small) == 0)
        return CPU_COUNT(&small);
    for (int processors = 2 * CPU_SETSIZE; errno == EINVAL && processors <= 64 * CPU_SETSIZE; processors *= 2) {
        cpu_set_t* const set = CPU_ALLOC(static_cast<size_t>(processors));
        if (set == nullptr)
            break;
        const size_t size = CPU_ALLOC_SIZE(static_cast<size_t>(processors));
        CPU_ZERO_S(size, set);
        const int cores = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (cores > 0)
            return cores;
    }
    return static_cast<int>(std::thread::hardware_concurrency());
}

} // namespace

int usable_cores() noexcept {
    return processors_under_quota("", affinity_cores());
}

#else

namespace {

MemoryState state_of(int64_t total, int64_t available) noexcept {
    MemoryState state;
    state.total = total;
    state.available = state.available_alive =
        std::max<int64_t>(0, available - std::min(int64_t{128} << 20, total / 32));
    return state;
}

} // namespace

#if defined(_WIN32)

MemoryState memory_state() noexcept {
    MEMORYSTATUSEX status{};
    status.dwLength = sizeof status;
    if (!GlobalMemoryStatusEx(&status))
        return {};
    return state_of(static_cast<int64_t>(status.ullTotalPhys), static_cast<int64_t>(status.ullAvailPhys));
}

#elif defined(__APPLE__)

MemoryState memory_state() noexcept {
    int64_t total = 0;
    size_t length = sizeof total;
    if (sysctlbyname("hw.memsize", &total, &length, nullptr, 0) != 0)
        return {};
    vm_statistics64_data_t pages{};
    mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
    if (host_statistics64(mach_host_self(), HOST_VM_INFO64, reinterpret_cast<host_info64_t>(&pages), &count) !=
        KERN_SUCCESS)
        return state_of(total, total);
    const int64_t free_pages = static_cast<int64_t>(pages.free_count) + pages.inactive_count + pages.purgeable_count;
    return state_of(total, free_pages * static_cast<int64_t>(vm_page_size));
}

#else

MemoryState memory_state() noexcept {
    const int64_t total = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
    return state_of(total, total);
}

#endif

Limit limit_of_threads() noexcept {
    return {};
}

Limit limit_of_memory(int64_t, int) noexcept {
    return {};
}

int usable_cores() noexcept {
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

#endif

int64_t total_memory() noexcept {
    return memory_state().total;
}

int64_t available_memory() noexcept {
    return memory_state().available;
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

#if defined(_WIN32)

void sleep_while(std::atomic<uint32_t>& value, uint32_t old) noexcept {
    WaitOnAddress(&value, &old, sizeof old, INFINITE);
}

void wake_all(std::atomic<uint32_t>& value) noexcept {
    WakeByAddressAll(&value);
}

#elif defined(__linux__)

// Threads of one process wait; the system compares the number and puts to sleep in one operation.
static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));

void sleep_while(std::atomic<uint32_t>& value, uint32_t old) noexcept {
    syscall(SYS_futex, &value, FUTEX_WAIT_PRIVATE, old, nullptr, nullptr, 0);
}

void wake_all(std::atomic<uint32_t>& value) noexcept {
    syscall(SYS_futex, &value, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

#else

void sleep_while(std::atomic<uint32_t>& value, uint32_t old) noexcept {
    value.wait(old);
}

void wake_all(std::atomic<uint32_t>& value) noexcept {
    value.notify_all();
}

#endif

} // namespace ortho
