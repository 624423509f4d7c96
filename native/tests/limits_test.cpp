// Limits of the operating system, read from folders that look like /proc and /sys on machines of several kinds.
#include "core/limits.hpp"

#if defined(__linux__)

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "support.hpp"

namespace ortho::test {
namespace {

constexpr int64_t mebibyte = int64_t{1} << 20;
constexpr int64_t gibibyte = int64_t{1} << 30;

/** A folder with proc and sys, removed at the end. */
class Machine {
public:
    Machine() {
        std::string path = (std::filesystem::temp_directory_path() / "orthonative-XXXXXX").string();
        EXPECT_NE(mkdtemp(path.data()), nullptr);
        root_ = path;
        // 64 GiB, of which 48 are free.
        write("/proc/meminfo", "MemTotal:       67108864 kB\nMemFree:        10000000 kB\nMemAvailable:   50331648 kB\n"
                               "CommitLimit:    33554432 kB\nCommitted_AS:   31457280 kB\n");
    }
    ~Machine() { std::filesystem::remove_all(root_); }
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    void write(const std::string& path, const std::string& text) const {
        std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
        std::ofstream(root_ + path) << text;
    }
    const char* root() const { return root_.c_str(); }
    MemoryState memory(const ResourceLimits& limits = {}) const { return memory_state(root(), limits); }

    /** The reserve for the process itself. */
    static int64_t reserve(int64_t total) { return std::min(128 * mebibyte, total / 32); }

    /** Version 2, as systemd mounts it. */
    void mount_unified(const std::string& group, const std::string& mount_root = "/") const {
        write("/proc/self/cgroup", "0::" + group + "\n");
        write("/proc/self/mountinfo",
              "22 28 0:21 / /proc rw,nosuid shared:12 - proc proc rw\n"
              "30 23 0:26 " +
                  mount_root + " /sys/fs/cgroup rw,nosuid,nodev shared:4 master:2 - cgroup2 cgroup2 rw,nsdelegate\n");
    }
    /** Version 1, as Docker mounts it where processes see the host's control groups. */
    void mount_controllers(const std::string& group, const std::string& mount_root) const {
        write("/proc/self/cgroup", "12:pids:" + group + "\n9:memory:" + group + "\n3:cpu,cpuacct:" + group +
                                       "\n1:name=systemd:" + group + "\n");
        std::string mounts;
        for (const char* controller : {"memory", "pids", "cpu,cpuacct"})
            mounts += std::string("40 30 0:31 ") + mount_root + " /sys/fs/cgroup/" + controller +
                      " ro,relatime - cgroup cgroup rw," + controller + "\n";
        write("/proc/self/mountinfo", mounts);
    }

private:
    std::string root_;
};

std::string number(int64_t value) {
    return std::to_string(value) + "\n";
}

TEST(MemoryLimits, Without_control_groups_memory_is_what_the_kernel_says) {
    const Machine machine;
    const MemoryState state = machine.memory();
    EXPECT_EQ(state.total, 64 * gibibyte);
    EXPECT_EQ(state.available, 48 * gibibyte - 128 * mebibyte);
    EXPECT_EQ(state.available_alive, state.available);
    EXPECT_FALSE(state.limit.known());
}

TEST(MemoryLimits, Cache_that_a_group_would_give_back_is_available) {
    // A container of 4 GiB that has read 3 GiB of files: some in use again (active), some not.
    for (const int64_t active : {int64_t{0}, 512 * mebibyte, 2 * gibibyte}) {
        const Machine machine;
        machine.mount_unified("/");
        machine.write("/sys/fs/cgroup/memory.max", number(4 * gibibyte));
        machine.write("/sys/fs/cgroup/memory.high", "max\n");
        machine.write("/sys/fs/cgroup/memory.current", number(3 * gibibyte + 300 * mebibyte));
        machine.write("/sys/fs/cgroup/memory.stat",
                      "anon " + number(200 * mebibyte) + "file " + number(3 * gibibyte) + "kernel " +
                          number(100 * mebibyte) + "shmem 0\nfile_mapped 0\nfile_dirty 0\nfile_writeback 0\n" +
                          "inactive_anon 0\nactive_anon " + number(200 * mebibyte) + "inactive_file " +
                          number(3 * gibibyte - active) + "active_file " + number(active) +
                          "unevictable 0\nslab_reclaimable " + number(60 * mebibyte) + "slab_unreclaimable " +
                          number(40 * mebibyte));
        const MemoryState state = machine.memory();
        EXPECT_EQ(state.total, 4 * gibibyte);
        EXPECT_EQ(state.available, 4 * gibibyte - 240 * mebibyte - Machine::reserve(4 * gibibyte)) << active;
    }
}

TEST(MemoryLimits, Pages_that_must_be_written_first_are_not_available) {
    const Machine machine;
    machine.mount_unified("/");
    machine.write("/sys/fs/cgroup/memory.max", number(2 * gibibyte));
    machine.write("/sys/fs/cgroup/memory.current", number(1536 * mebibyte));
    const auto stat = [&](int64_t dirty, int64_t writeback) {
        machine.write("/sys/fs/cgroup/memory.stat", "file_dirty " + number(dirty) + "file_writeback " +
                                                        number(writeback) + "inactive_file " + number(512 * mebibyte) +
                                                        "active_file " + number(512 * mebibyte));
        return machine.memory().available;
    };
    const int64_t clean = stat(0, 0);
    EXPECT_EQ(clean, 1536 * mebibyte - Machine::reserve(2 * gibibyte));
    EXPECT_EQ(stat(100 * mebibyte, 28 * mebibyte), clean - 128 * mebibyte);
    // More dirty pages than files in the lists: those of shared memory are among them.
    EXPECT_EQ(stat(1300 * mebibyte, 0), 512 * mebibyte - Machine::reserve(2 * gibibyte));
}

TEST(MemoryLimits, The_narrowest_of_all_groups_counts_and_is_named) {
    const Machine machine;
    machine.mount_unified("/kubepods/pod7/c1");
    machine.write("/sys/fs/cgroup/kubepods/memory.max", number(32 * gibibyte));
    machine.write("/sys/fs/cgroup/kubepods/memory.current", number(30 * gibibyte));
    machine.write("/sys/fs/cgroup/kubepods/pod7/memory.max", number(8 * gibibyte));
    machine.write("/sys/fs/cgroup/kubepods/pod7/memory.current", number(7 * gibibyte));
    machine.write("/sys/fs/cgroup/kubepods/pod7/memory.stat", "inactive_file " + number(2 * gibibyte));
    machine.write("/sys/fs/cgroup/kubepods/pod7/c1/memory.max", "max\n");
    machine.write("/sys/fs/cgroup/kubepods/pod7/c1/memory.current", number(gibibyte));
    const MemoryState state = machine.memory();
    EXPECT_EQ(state.total, 8 * gibibyte);
    EXPECT_EQ(state.available, 2 * gibibyte - Machine::reserve(8 * gibibyte));
    EXPECT_EQ(state.limit.text,
              std::string("memory.max of the control group /kubepods is 32.0 GiB, 30.0 GiB of it in use; raise the "
                          "memory limit of the container or service"));
    EXPECT_TRUE(state.limit.of_memory);
}

TEST(MemoryLimits, Where_the_kernel_slows_a_group_down_is_a_limit) {
    const Machine machine;
    machine.mount_unified("/system.slice/a.service");
    machine.write("/sys/fs/cgroup/system.slice/a.service/memory.max", "max\n");
    machine.write("/sys/fs/cgroup/system.slice/a.service/memory.high", number(gibibyte));
    machine.write("/sys/fs/cgroup/system.slice/a.service/memory.current", number(400 * mebibyte));
    const MemoryState state = machine.memory();
    EXPECT_EQ(state.total, 64 * gibibyte);
    EXPECT_EQ(state.available, 624 * mebibyte - Machine::reserve(64 * gibibyte));
    EXPECT_NE(std::string(state.limit.text).find("memory.high of the control group /system.slice/a.service is 1.0 GiB"),
              std::string::npos)
        << state.limit.text;
}

TEST(MemoryLimits, Version_1_of_control_groups_is_read_where_it_is_mounted) {
    // Docker without a namespace of control groups: the path is the host's, the mount begins at the container.
    for (const bool nested : {false, true}) {
        const Machine machine;
        machine.mount_controllers(nested ? "/docker/ab12/job" : "/docker/ab12", "/docker/ab12");
        const std::string top = "/sys/fs/cgroup/memory";
        machine.write(top + "/memory.limit_in_bytes", number(2 * gibibyte));
        machine.write(top + "/memory.usage_in_bytes", number(gibibyte));
        machine.write(top + "/memory.stat", "cache 5\nactive_file 7\ntotal_cache 5\ntotal_inactive_file " +
                                                number(300 * mebibyte) + "total_active_file " + number(200 * mebibyte) +
                                                "total_dirty " + number(50 * mebibyte));
        machine.write(top + "/job/memory.limit_in_bytes", number(512 * mebibyte));
        machine.write(top + "/job/memory.usage_in_bytes", number(100 * mebibyte));
        const MemoryState state = machine.memory();
        EXPECT_EQ(state.total, nested ? 512 * mebibyte : 2 * gibibyte);
        EXPECT_EQ(state.available, nested ? 412 * mebibyte - Machine::reserve(512 * mebibyte)
                                          : 1474 * mebibyte - Machine::reserve(2 * gibibyte));
    }
}

TEST(MemoryLimits, Version_1_counts_swapped_memory_where_that_is_limited) {
    const Machine machine;
    machine.mount_controllers("/a", "/");
    const std::string group = "/sys/fs/cgroup/memory/a";
    machine.write(group + "/memory.limit_in_bytes", number(2 * gibibyte));
    machine.write(group + "/memory.usage_in_bytes", number(gibibyte));
    machine.write(group + "/memory.memsw.limit_in_bytes", number(3 * gibibyte));
    machine.write(group + "/memory.memsw.usage_in_bytes", number(2560 * mebibyte));
    EXPECT_EQ(machine.memory().available, 512 * mebibyte - Machine::reserve(2 * gibibyte));
    EXPECT_NE(std::string(machine.memory().limit.text).find("memory.memsw.limit_in_bytes"), std::string::npos);
    // Without a limit, the kernel writes this.
    machine.write(group + "/memory.limit_in_bytes", "9223372036854771712\n");
    machine.write(group + "/memory.memsw.limit_in_bytes", "9223372036854771712\n");
    EXPECT_EQ(machine.memory().total, 64 * gibibyte);
}

TEST(MemoryLimits, Odd_files_of_the_system_are_survived) {
    const Machine machine;
    machine.mount_unified("/a");
    for (const std::string& text : {std::string(), std::string("\n"), std::string("max"), std::string("-5\n"),
                                    std::string("99999999999999999999999\n"), std::string(100000, 'x')}) {
        machine.write("/sys/fs/cgroup/a/memory.max", text);
        machine.write("/proc/self/mountinfo", text + "\n30 23\n" + text + " - cgroup2\n- cgroup2 x\n");
        EXPECT_EQ(machine.memory().total, 64 * gibibyte);
    }
    // Usage above the limit, as it can be while the limit is lowered; more cache than usage.
    machine.write("/sys/fs/cgroup/a/memory.max", number(gibibyte));
    machine.write("/sys/fs/cgroup/a/memory.current", number(2 * gibibyte));
    EXPECT_EQ(machine.memory().available, 0);
    machine.write("/sys/fs/cgroup/a/memory.stat", "inactive_file " + number(3 * gibibyte));
    EXPECT_EQ(machine.memory().available, gibibyte - Machine::reserve(gibibyte));
    machine.write("/proc/meminfo", "nonsense\n");
    EXPECT_GT(memory_state(machine.root(), {}).total, 0);
}

TEST(MemoryLimits, Blanks_in_the_place_of_the_mount_are_read) {
    const Machine machine;
    machine.write("/proc/self/cgroup", "0::/x\n");
    machine.write("/proc/self/mountinfo", "30 23 0:26 / /odd\\040place rw - cgroup2 cgroup2 rw\n");
    machine.write("/odd place/x/memory.max", number(gibibyte));
    EXPECT_EQ(machine.memory().total, gibibyte);
}

TEST(MemoryLimits, Limits_of_the_process_are_named) {
    const Machine machine;
    machine.write("/proc/self/status", "VmPeak:\t  900000 kB\nVmSize:\t  786432 kB\nVmData:\t  262144 kB\n");
    ResourceLimits limits;
    limits.address_space = gibibyte;
    MemoryState state = machine.memory(limits);
    EXPECT_EQ(state.available, 256 * mebibyte);
    EXPECT_EQ(state.available_alive, 48 * gibibyte - 128 * mebibyte);
    EXPECT_STREQ(state.limit.text, "RLIMIT_AS (ulimit -v), the address space of this process, is 1.0 GiB, 768.0 MiB of "
                                   "it in use; raise it");
    limits.data = 300 * mebibyte;
    state = machine.memory(limits);
    EXPECT_EQ(state.available, 44 * mebibyte);
    EXPECT_STREQ(state.limit.text,
                 "RLIMIT_DATA (ulimit -d), the data of this process, is 300.0 MiB, 256.0 MiB of it in "
                 "use; raise it");
}

TEST(MemoryLimits, Memory_that_is_never_overcommitted_is_a_limit) {
    const Machine machine;
    for (const char* policy : {"0\n", "1\n", "2\n"}) {
        machine.write("/proc/sys/vm/overcommit_memory", policy);
        const MemoryState state = machine.memory();
        const bool strict = *policy == '2';
        EXPECT_EQ(state.available, strict ? 2 * gibibyte : 48 * gibibyte - 128 * mebibyte);
        EXPECT_EQ(std::string(state.limit.text).find("vm.overcommit_memory is 2") == 0, strict) << state.limit.text;
    }
}

TEST(MemoryLimits, What_refused_memory_although_there_is_some_is_found) {
    const Machine machine;
    ResourceLimits limits;
    limits.locked_memory = 8 * mebibyte;
    EXPECT_FALSE(limit_of_memory(machine.root(), limits, mebibyte, ENOMEM).known());
    EXPECT_STREQ(limit_of_memory(machine.root(), limits, mebibyte, EAGAIN).text,
                 "RLIMIT_MEMLOCK (ulimit -l), the locked memory of this process, is 8.0 MiB and reached; raise it");
    machine.write("/proc/sys/vm/max_map_count", "100\n");
    std::string maps;
    for (int i = 0; i < 99; ++i)
        maps += "7f0000000000-7f0000001000 rw-p 00000000 00:00 0\n";
    machine.write("/proc/self/maps", maps);
    EXPECT_STREQ(limit_of_memory(machine.root(), limits, mebibyte, ENOMEM).text,
                 "vm.max_map_count, the number of mappings of a process, is 100 and reached; raise it");
}

TEST(ThreadLimits, Each_is_named_with_its_value) {
    ResourceLimits limits;
    limits.threads = 77;
    {
        const Machine machine;
        EXPECT_STREQ(limit_of_threads(machine.root(), limits).text,
                     "RLIMIT_NPROC (ulimit -u), the processes and threads of this user, is 77; raise it, or ask for "
                     "fewer threads");
        limits.is_root = true;
        EXPECT_FALSE(limit_of_threads(machine.root(), limits).known());
        machine.write("/proc/sys/kernel/threads-max", "300\n");
        machine.write("/proc/loadavg", "0.20 0.18 0.12 1/299 11206\n");
        EXPECT_FALSE(limit_of_threads(machine.root(), limits).known());
        machine.write("/proc/loadavg", "0.20 0.18 0.12 1/300 11206\n");
        EXPECT_STREQ(limit_of_threads(machine.root(), limits).text,
                     "kernel.threads-max, the threads of this system, is 300 and reached; raise it");
    }
    {
        // Of nested groups, the one that is full, which need not be the innermost; version 2 and version 1.
        for (const bool unified : {true, false}) {
            const Machine machine;
            if (unified)
                machine.mount_unified("/pod/c");
            else
                machine.mount_controllers("/pod/c", "/");
            const std::string top = unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/pids";
            machine.write(top + "/pod/pids.max", "20\n");
            machine.write(top + "/pod/pids.current", "20\n");
            machine.write(top + "/pod/c/pids.max", "max\n");
            machine.write(top + "/pod/c/pids.current", "18\n");
            const Limit limit = limit_of_threads(machine.root(), limits);
            EXPECT_STREQ(limit.text,
                         "pids.max of the control group /pod, its processes and threads, is 20 and reached; "
                         "raise the pids limit of the container or service, or ask for fewer threads");
            EXPECT_FALSE(limit.of_memory);
        }
    }
    {
        const Machine machine;
        machine.write("/proc/self/status", "VmSize:\t  1040000 kB\nVmData:\t  262144 kB\n");
        limits.address_space = gibibyte;
        limits.stack = 64 * mebibyte;
        const Limit limit = limit_of_threads(machine.root(), limits);
        EXPECT_TRUE(limit.of_memory);
        EXPECT_STREQ(limit.text,
                     "RLIMIT_AS (ulimit -v), the address space of this process, is 1.0 GiB, 1015.6 MiB of it "
                     "in use; raise it, or ask for fewer threads (each has a stack of 64.0 MiB)");
    }
}

TEST(ProcessorLimits, Quotas_of_all_groups_hold_and_are_rounded_up) {
    struct Case {
        const char* quota;
        int of_eight;
    };
    for (const Case& one :
         {Case{"max 100000\n", 8}, Case{"200000 100000\n", 2}, Case{"150000 100000\n", 2}, Case{"1000 100000\n", 1},
          Case{"900000 100000\n", 8}, Case{"0 100000\n", 8}, Case{"", 8}, Case{"100000\n", 8}}) {
        const Machine machine;
        machine.mount_unified("/a/b");
        machine.write("/sys/fs/cgroup/a/cpu.max", one.quota);
        machine.write("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
        EXPECT_EQ(processors_under_quota(machine.root(), 8), one.of_eight) << one.quota;
    }
    const Machine machine;
    machine.mount_controllers("/docker/ab12", "/docker/ab12");
    machine.write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    machine.write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "50000\n");
    EXPECT_EQ(processors_under_quota(machine.root(), 8), 8);
    machine.write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "125000\n");
    EXPECT_EQ(processors_under_quota(machine.root(), 8), 3);
    EXPECT_EQ(processors_under_quota(machine.root(), 0), 1);
}

} // namespace
} // namespace ortho::test

#endif
