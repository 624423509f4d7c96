#include "core/limits.hpp"

#if defined(__linux__)

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "core/memory.hpp"

namespace ortho {
namespace {

/** Longer paths count as not there: callers' threads may have small stacks. */
constexpr size_t path_capacity = 1024;
constexpr int64_t unlimited = std::numeric_limits<int64_t>::max();

/** Lines of a text file, read without allocating: memory may be what is missing. */
class Lines {
public:
    Lines(const char* root, const char* path) noexcept {
        char whole[2 * path_capacity];
        if (std::snprintf(whole, sizeof whole, "%s%s", root, path) < static_cast<int>(sizeof whole))
            file_ = open(whole, O_RDONLY | O_CLOEXEC);
    }
    ~Lines() {
        if (file_ >= 0)
            close(file_);
    }
    Lines(const Lines&) = delete;
    Lines& operator=(const Lines&) = delete;

    /** @return the next line without its end, cut to the buffer; null behind the last; valid until the next call */
    char* next() noexcept {
        size_t length = 0;
        bool any = false;
        for (;;) {
            if (at_ == filled_) {
                const ssize_t got = file_ >= 0 ? read(file_, block_, sizeof block_) : 0;
                if (got < 0 && errno == EINTR)
                    continue;
                if (got <= 0)
                    break;
                filled_ = static_cast<size_t>(got);
                at_ = 0;
            }
            any = true;
            const char c = block_[at_++];
            if (c == '\n')
                break;
            if (length < sizeof line_ - 1)
                line_[length++] = c;
        }
        line_[length] = '\0';
        return any ? line_ : nullptr;
    }

private:
    int file_ = -1;
    size_t at_ = 0;
    size_t filled_ = 0;
    char block_[1024];
    char line_[path_capacity];
};

/** A whole number at the start of a text, blanks before it allowed. */
bool parse(const char* text, int64_t& value) noexcept {
    char* end = nullptr;
    errno = 0;
    const long long parsed = std::strtoll(text, &end, 10);
    if (end == text || errno != 0)
        return false;
    value = parsed;
    return true;
}

/** @return the text that follows `key` in a line that starts with it; otherwise null */
const char* after(const char* line, const char* key) noexcept {
    const size_t length = std::strlen(key);
    return std::strncmp(line, key, length) == 0 ? line + length : nullptr;
}

/** Reads a file that is one number; false where there is none, as in "max". */
bool read_number(const char* root, const char* path, int64_t& value) noexcept {
    Lines lines(root, path);
    const char* line = lines.next();
    return line != nullptr && parse(line, value);
}

struct Wanted {
    const char* key;
    int64_t* value;
};

/** Reads numbers from a file of "key number" lines. @return the number found */
template <size_t count>
size_t read_numbers(const char* root, const char* path, const Wanted (&wanted)[count]) noexcept {
    Lines lines(root, path);
    size_t found = 0;
    while (const char* line = found < count ? lines.next() : nullptr)
        for (const Wanted& one : wanted)
            if (const char* number = after(line, one.key))
                found += parse(number, *one.value);
    return found;
}

bool has_item(const char* list, const char* item) noexcept {
    const size_t length = std::strlen(item);
    for (const char* at = list; at != nullptr; at = std::strchr(at, ',') ? std::strchr(at, ',') + 1 : nullptr)
        if (std::strncmp(at, item, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

/** Cuts the next word off a line. @return null behind the last */
char* next_word(char*& rest) noexcept {
    rest += std::strspn(rest, " ");
    if (*rest == '\0')
        return nullptr;
    char* word = rest;
    rest += std::strcspn(rest, " ");
    if (*rest != '\0')
        *rest++ = '\0';
    return word;
}

/** Paths in mountinfo have blanks and backslashes as three octal digits. */
void unescape(char* path) noexcept {
    const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
    char* to = path;
    for (const char* from = path; *from != '\0'; ++to) {
        if (from[0] == '\\' && is_octal(from[1]) && is_octal(from[2]) && is_octal(from[3])) {
            *to = static_cast<char>((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

/** A control group's path below the root of a mount, "" for that root itself; null if it is not below it. */
const char* below(const char* group, const char* mount_root) noexcept {
    if (std::strcmp(mount_root, "/") == 0)
        return std::strcmp(group, "/") == 0 ? "" : group;
    const char* rest = after(group, mount_root);
    return rest != nullptr && (*rest == '\0' || *rest == '/') ? rest : nullptr;
}

/** Where a hierarchy of control groups is mounted, and this process's group in it. */
struct ControlGroup {
    char mount[path_capacity] = "";
    char path[path_capacity] = "";

    /** @param controller  "" for the unified hierarchy (version 2), or a controller of version 1 */
    bool find(const char* root, const char* controller) noexcept {
        char group[path_capacity] = "";
        if (!find_group(root, controller, group))
            return false;
        Lines lines(root, "/proc/self/mountinfo");
        while (char* line = lines.next()) {
            // number, parent, device, root, mount point, options, optional fields, "-", type, source, options of the
            // type
            char* words[5] = {};
            bool whole = true;
            for (char*& word : words)
                whole = whole && (word = next_word(line)) != nullptr;
            char* word = whole ? next_word(line) : nullptr;
            while (word != nullptr && std::strcmp(word, "-") != 0)
                word = next_word(line);
            const char* type = word != nullptr ? next_word(line) : nullptr;
            const char* source = type != nullptr ? next_word(line) : nullptr;
            const char* options = source != nullptr ? next_word(line) : nullptr;
            if (options == nullptr ||
                (*controller == '\0' ? std::strcmp(type, "cgroup2") != 0
                                     : std::strcmp(type, "cgroup") != 0 || !has_item(options, controller)))
                continue;
            unescape(words[3]);
            unescape(words[4]);
            const char* rest = below(group, words[3]);
            if (*mount != '\0' && rest == nullptr)
                continue;
            // A group outside what is mounted, as seen from another namespace: the root of the mount is the nearest to
            // it.
            std::snprintf(mount, sizeof mount, "%s", words[4]);
            std::snprintf(path, sizeof path, "%s", rest != nullptr ? rest : "");
            if (rest != nullptr)
                return true;
        }
        if (*mount == '\0') {
            std::snprintf(mount, sizeof mount, "/sys/fs/cgroup%s%s", *controller == '\0' ? "" : "/", controller);
            std::snprintf(path, sizeof path, "%s", below(group, "/"));
        }
        return true;
    }

    /** Calls visit(folder, group) for this group and all above it; the limits of all of them hold. */
    template <class Visit> void for_each_level(Visit&& visit) noexcept {
        char folder[2 * path_capacity];
        for (;;) {
            std::snprintf(folder, sizeof folder, "%s%s", mount, path);
            visit(static_cast<const char*>(folder), *path == '\0' ? "/" : static_cast<const char*>(path));
            char* last = std::strrchr(path, '/');
            if (last == nullptr)
                return;
            *last = '\0';
        }
    }

private:
    static bool find_group(const char* root, const char* controller, char (&group)[path_capacity]) noexcept {
        Lines lines(root, "/proc/self/cgroup");
        while (char* line = lines.next()) {
            char* controllers = std::strchr(line, ':');
            char* path_of_group = controllers != nullptr ? std::strchr(controllers + 1, ':') : nullptr;
            if (path_of_group == nullptr)
                continue;
            ++controllers;
            *path_of_group++ = '\0';
            if (*controller == '\0' ? *controllers != '\0' : !has_item(controllers, controller))
                continue;
            std::snprintf(group, sizeof group, "%s", path_of_group);
            return true;
        }
        return false;
    }
};

constexpr const char* controllers_of_memory[] = {"", "memory"};

/** A number from a file of a control group; unlimited where it has none. */
int64_t number_of_group(const char* root, const char* folder, const char* file) noexcept {
    char path[2 * path_capacity + 64];
    std::snprintf(path, sizeof path, "%s/%s", folder, file);
    int64_t value = unlimited;
    // Version 1 writes the largest number of whole pages where there is no limit.
    return read_number(root, path, value) && value >= 0 && value <= unlimited / 2 ? value : unlimited;
}

[[gnu::format(printf, 2, 3)]] void describe(Limit& limit, const char* format, ...) noexcept {
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(limit.text, sizeof limit.text, format, arguments);
    va_end(arguments);
}

/** The end of a control group's path, as much as a message has room for. */
const char* short_path(const char* group) noexcept {
    constexpr size_t longest = 96;
    const size_t length = std::strlen(group);
    return length > longest ? group + (length - longest) : group;
}

/** Lowers what is available to what is left of a limit. @return true if that made a difference */
bool lower(MemoryState& state, int64_t limit, int64_t used) noexcept {
    const int64_t left = std::max<int64_t>(0, limit - used);
    if (left >= state.available)
        return false;
    state.available = left;
    state.limit.of_memory = true;
    return true;
}

void lower_to_group(const char* root, const char* folder, const char* group, const char* limit_file,
                    const char* usage_file, int64_t reclaimable, MemoryState& state) noexcept {
    const int64_t limit = number_of_group(root, folder, limit_file);
    if (limit == unlimited)
        return;
    const int64_t usage = number_of_group(root, folder, usage_file);
    const int64_t used = usage == unlimited ? 0 : std::max<int64_t>(0, usage - reclaimable);
    if (lower(state, limit, used))
        describe(
            state.limit,
            "%s of the control group %s is %s, %s of it in use; raise the memory limit of the container or service",
            limit_file, short_path(group), ByteText(limit).c_str(), ByteText(used).c_str());
}

/**
 * The memory that a control group would give back instead of ending a process: pages of files, and what the kernel
 * keeps of them. Pages that must be written first are not given back at once, and those of shared memory are not in
 * these lists.
 */
int64_t reclaimable_of_group(const char* root, const char* folder, bool unified) noexcept {
    char path[2 * path_capacity + 64];
    std::snprintf(path, sizeof path, "%s/memory.stat", folder);
    int64_t inactive = 0, active = 0, slab = 0, dirty = 0, writeback = 0;
    if (unified)
        read_numbers(root, path,
                     {{"inactive_file ", &inactive},
                      {"active_file ", &active},
                      {"slab_reclaimable ", &slab},
                      {"file_dirty ", &dirty},
                      {"file_writeback ", &writeback}});
    else
        read_numbers(root, path,
                     {{"total_inactive_file ", &inactive},
                      {"total_active_file ", &active},
                      {"total_dirty ", &dirty},
                      {"total_writeback ", &writeback}});
    return std::max<int64_t>(0, inactive + active - dirty - writeback) + slab;
}

/** Page tables, stacks and the allocator's slack: what a process needs beside the memory that it asked for. */
constexpr int64_t largest_reserve = int64_t{128} << 20;

/** Address space and data of this process in bytes. */
void read_usage(const char* root, int64_t& address_space, int64_t& data) noexcept {
    read_numbers(root, "/proc/self/status", {{"VmSize:", &address_space}, {"VmData:", &data}});
    address_space *= 1024;
    data *= 1024;
}

/** Limits beyond which the system refuses memory. */
void lower_to_refusals(const char* root, const ResourceLimits& limits, int64_t commit_limit, int64_t committed,
                       MemoryState& state) noexcept {
    if (limits.address_space >= 0 || limits.data >= 0) {
        int64_t address_space = 0;
        int64_t data = 0;
        read_usage(root, address_space, data);
        if (limits.address_space >= 0 && lower(state, limits.address_space, address_space))
            describe(state.limit,
                     "RLIMIT_AS (ulimit -v), the address space of this process, is %s, %s of it in use; raise it",
                     ByteText(limits.address_space).c_str(), ByteText(address_space).c_str());
        if (limits.data >= 0 && lower(state, limits.data, data))
            describe(state.limit, "RLIMIT_DATA (ulimit -d), the data of this process, is %s, %s of it in use; raise it",
                     ByteText(limits.data).c_str(), ByteText(data).c_str());
    }
    int64_t policy = 0;
    if (commit_limit > 0 && read_number(root, "/proc/sys/vm/overcommit_memory", policy) && policy == 2 &&
        lower(state, commit_limit, committed))
        describe(state.limit,
                 "vm.overcommit_memory is 2 and CommitLimit, what all processes may reserve, is %s, %s of it in use; "
                 "raise vm.overcommit_ratio",
                 ByteText(commit_limit).c_str(), ByteText(committed).c_str());
}

/** Tells whether this process has as many mappings as the system allows. */
bool mappings_are_used_up(const char* root, int64_t& allowed) noexcept {
    if (!read_number(root, "/proc/sys/vm/max_map_count", allowed))
        return false;
    Lines maps(root, "/proc/self/maps");
    int64_t count = 0;
    while (maps.next() != nullptr)
        ++count;
    // A thread takes two, and so does memory that is cut to its alignment.
    return count + 2 >= allowed;
}

bool describe_mappings(const char* root, Limit& limit) noexcept {
    int64_t allowed = 0;
    if (!mappings_are_used_up(root, allowed))
        return false;
    limit.of_memory = true;
    describe(limit, "vm.max_map_count, the number of mappings of a process, is %" PRId64 " and reached; raise it",
             allowed);
    return true;
}

} // namespace

ResourceLimits ResourceLimits::of_process() noexcept {
    const auto limit = [](auto resource) -> int64_t {
        rlimit value{};
        return getrlimit(resource, &value) != 0 || value.rlim_cur == RLIM_INFINITY ||
                       value.rlim_cur > static_cast<rlim_t>(unlimited)
                   ? -1
                   : static_cast<int64_t>(value.rlim_cur);
    };
    return {limit(RLIMIT_AS),      limit(RLIMIT_DATA),  limit(RLIMIT_NPROC),
            limit(RLIMIT_MEMLOCK), limit(RLIMIT_STACK), geteuid() == 0};
}

MemoryState memory_state(const char* root, const ResourceLimits& limits) noexcept {
    MemoryState state;
    int64_t commit_limit = 0;
    int64_t committed = 0;
    int64_t available = -1;
    read_numbers(root, "/proc/meminfo",
                 {{"MemTotal:", &state.total},
                  {"MemAvailable:", &available},
                  {"CommitLimit:", &commit_limit},
                  {"Committed_AS:", &committed}});
    if (state.total > 0 && available >= 0) {
        state.total *= 1024;
        state.available = available * 1024;
    } else {
        const int64_t page = sysconf(_SC_PAGESIZE);
        state.total = sysconf(_SC_PHYS_PAGES) * page;
        state.available = sysconf(_SC_AVPHYS_PAGES) * page;
    }
    for (const char* controller : controllers_of_memory) {
        ControlGroup group;
        if (!group.find(root, controller))
            continue;
        const bool unified = *controller == '\0';
        group.for_each_level([&](const char* folder, const char* name) {
            const char* const hard = unified ? "memory.max" : "memory.limit_in_bytes";
            const char* const other = unified ? "memory.high" : "memory.memsw.limit_in_bytes";
            const int64_t hard_limit = number_of_group(root, folder, hard);
            if (hard_limit == unlimited && number_of_group(root, folder, other) == unlimited)
                return;
            state.total = std::min(state.total, hard_limit);
            const int64_t reclaimable = reclaimable_of_group(root, folder, unified);
            const char* const usage = unified ? "memory.current" : "memory.usage_in_bytes";
            lower_to_group(root, folder, name, hard, usage, reclaimable, state);
            // Beyond memory.high a process is slowed down until it stands still; memsw counts what is swapped out, too.
            lower_to_group(root, folder, name, other, unified ? usage : "memory.memsw.usage_in_bytes", reclaimable,
                           state);
        });
    }
    state.available = std::max<int64_t>(0, state.available - std::min(largest_reserve, state.total / 32));
    state.available_alive = state.available;
    lower_to_refusals(root, limits, commit_limit * 1024, committed * 1024, state);
    return state;
}

Limit limit_of_threads(const char* root, const ResourceLimits& limits) noexcept {
    Limit limit;
    for (const char* controller : {"", "pids"}) {
        ControlGroup group;
        if (!group.find(root, controller))
            continue;
        group.for_each_level([&](const char* folder, const char* name) {
            const int64_t most = number_of_group(root, folder, "pids.max");
            const int64_t current = number_of_group(root, folder, "pids.current");
            if (!limit.known() && most != unlimited && current != unlimited && current >= most)
                describe(limit,
                         "pids.max of the control group %s, its processes and threads, is %" PRId64
                         " and reached; raise the pids limit of the container or service, or ask for fewer threads",
                         short_path(name), most);
        });
        if (limit.known())
            return limit;
    }

    // What glibc and the kernel need of memory for a thread: its stack, as large as the limit of the first one.
    constexpr int64_t default_stack = int64_t{2} << 20;
    const int64_t stack = limits.stack >= 0 ? limits.stack : default_stack;
    MemoryState state;
    state.available = unlimited;
    int64_t commit_limit = 0;
    int64_t committed = 0;
    read_numbers(root, "/proc/meminfo", {{"CommitLimit:", &commit_limit}, {"Committed_AS:", &committed}});
    lower_to_refusals(root, limits, commit_limit * 1024, committed * 1024, state);
    if (state.limit.known() && state.available < stack + (int64_t{1} << 20)) {
        const Limit of_memory = state.limit;
        describe(limit, "%.*s, or ask for fewer threads (each has a stack of %s)",
                 static_cast<int>(sizeof limit.text) - 80, of_memory.text, ByteText(stack).c_str());
        limit.of_memory = true;
        return limit;
    }
    if (describe_mappings(root, limit))
        return limit;

    int64_t most = 0;
    if (read_number(root, "/proc/sys/kernel/threads-max", most)) {
        // "0.20 0.18 0.12 1/80 11206": running and all threads of the system.
        Lines lines(root, "/proc/loadavg");
        const char* line = lines.next();
        const char* slash = line != nullptr ? std::strchr(line, '/') : nullptr;
        int64_t threads = 0;
        if (slash != nullptr && parse(slash + 1, threads) && threads >= most) {
            describe(limit, "kernel.threads-max, the threads of this system, is %" PRId64 " and reached; raise it",
                     most);
            return limit;
        }
    }
    if (limits.threads >= 0 && !limits.is_root)
        describe(limit,
                 "RLIMIT_NPROC (ulimit -u), the processes and threads of this user, is %" PRId64
                 "; raise it, or ask for fewer threads",
                 limits.threads);
    return limit;
}

Limit limit_of_memory(const char* root, const ResourceLimits& limits, int64_t bytes, int error) noexcept {
    // Large memory is mapped with room to align it.
    constexpr int64_t slack = int64_t{4} << 20;
    const MemoryState state = memory_state(root, limits);
    if (state.available < bytes || state.available - bytes < slack)
        return state.limit;
    Limit limit;
    if (describe_mappings(root, limit))
        return limit;
    // What mmap says to a process that has locked all of its memory, mlockall, and may not lock more.
    if (error == EAGAIN && limits.locked_memory >= 0) {
        limit.of_memory = true;
        describe(limit, "RLIMIT_MEMLOCK (ulimit -l), the locked memory of this process, is %s and reached; raise it",
                 ByteText(limits.locked_memory).c_str());
    }
    return limit;
}

int processors_under_quota(const char* root, int processors) noexcept {
    int64_t cores = std::max(1, processors);
    const auto lower_to = [&](int64_t quota, int64_t period) {
        if (quota > 0 && period > 0)
            cores = std::min(cores, std::max<int64_t>(1, quota / period + (quota % period != 0)));
    };
    if (ControlGroup group; group.find(root, ""))
        group.for_each_level([&](const char* folder, const char*) {
            char path[2 * path_capacity + 64];
            std::snprintf(path, sizeof path, "%s/cpu.max", folder);
            Lines lines(root, path);
            char* line = lines.next();
            const char* quota_word = line != nullptr ? next_word(line) : nullptr;
            const char* period_word = quota_word != nullptr ? next_word(line) : nullptr;
            int64_t quota = 0;
            int64_t period = 0;
            if (period_word != nullptr && parse(quota_word, quota) && parse(period_word, period))
                lower_to(quota, period);
        });
    if (ControlGroup group; group.find(root, "cpu"))
        group.for_each_level([&](const char* folder, const char*) {
            const int64_t quota = number_of_group(root, folder, "cpu.cfs_quota_us");
            const int64_t period = number_of_group(root, folder, "cpu.cfs_period_us");
            if (quota != unlimited && period != unlimited)
                lower_to(quota, period);
        });
    return static_cast<int>(cores);
}

MemoryState memory_state() noexcept {
    return memory_state("", ResourceLimits::of_process());
}

Limit limit_of_threads() noexcept {
    return limit_of_threads("", ResourceLimits::of_process());
}

Limit limit_of_memory(int64_t bytes, int error) noexcept {
    return limit_of_memory("", ResourceLimits::of_process(), bytes, error);
}

} // namespace ortho

#endif
