// Real limits of the operating system, each met in a process of its own: the message names it and its value.
#include "support.hpp"

#if defined(__linux__) && !defined(ORTHO_SANITIZED)

#include <grp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "fork.hpp"

namespace ortho::test {
namespace {

constexpr int64_t mebibyte = int64_t{1} << 20;

void set_limit(decltype(RLIMIT_AS) resource, int64_t value) {
    const rlimit limit{static_cast<rlim_t>(value), static_cast<rlim_t>(value)};
    ASSERT_EQ(setrlimit(resource, &limit), 0);
}

/** A number of kibibytes in /proc/self/status, in bytes. */
int64_t own_bytes(const std::string& key) {
    std::ifstream file("/proc/self/status");
    for (std::string line; std::getline(file, line);)
        if (line.rfind(key, 0) == 0)
            return std::atoll(line.c_str() + key.size()) * 1024;
    ADD_FAILURE() << key;
    return 0;
}

/** Leaves the process so much of a resource. @return the limit, as messages spell it */
std::string leave(decltype(RLIMIT_AS) resource, const char* usage, int64_t bytes) {
    const int64_t limit = (own_bytes(usage) + bytes) / mebibyte * mebibyte;
    set_limit(resource, limit);
    char text[32];
    std::snprintf(text, sizeof text, "%.1f %s", limit < 1024 * mebibyte ? limit / 1048576.0 : limit / 1073741824.0,
                  limit < 1024 * mebibyte ? "MiB" : "GiB");
    return text;
}

/** A user other than root, for whom the number of processes is limited. It has none but this one. */
void become_another_user() {
    if (geteuid() != 0)
        return;
    ASSERT_EQ(setgroups(0, nullptr), 0);
    ASSERT_EQ(setgid(65532), 0);
    ASSERT_EQ(setuid(65532), 0);
}

ortho_status create(ortho_device*& device, int threads) {
    const ortho_device_options options = device_options(ORTHO_DEVICE_CPU, threads);
    return ortho_device_create(&device, &options);
}

TEST(ProcessLimits, Address_space_is_named_where_memory_is_refused) {
    in_child([] {
        const Device device = make_device(1);
        const std::string limit = leave(RLIMIT_AS, "VmSize:", 16 * mebibyte);
        ortho_buffer* buffer = nullptr;
        EXPECT_TRUE(fails(ortho_buffer_create(&buffer, device.get(), 256 * mebibyte), ORTHO_OUT_OF_MEMORY,
                          "; RLIMIT_AS (ulimit -v), the address space of this process, is " + limit));
        EXPECT_NE(std::string(ortho_last_error()).find("out of memory: 256.0 MiB needed for buffer, 1"),
                  std::string::npos)
            << ortho_last_error();
        // What fits is given.
        EXPECT_TRUE(succeeds(ortho_buffer_create(&buffer, device.get(), mebibyte)));
        ortho_buffer_free(buffer);
        ortho_system_info info = ORTHO_SYSTEM_INFO_INIT;
        EXPECT_TRUE(succeeds(ortho_get_system_info(&info)));
        EXPECT_LE(info.available_memory, 17 * mebibyte);
    });
}

TEST(ProcessLimits, Data_is_named_where_memory_is_refused) {
    in_child([] {
        const Device device = make_device(1);
        const std::string limit = leave(RLIMIT_DATA, "VmData:", 16 * mebibyte);
        ortho_buffer* buffer = nullptr;
        EXPECT_TRUE(fails(ortho_buffer_create(&buffer, device.get(), 100 * mebibyte), ORTHO_OUT_OF_MEMORY,
                          "; RLIMIT_DATA (ulimit -d), the data of this process, is " + limit));
    });
}

/** Makes buffers until one is refused. @return how many bytes there were */
int64_t fill_memory(const Device& device, int64_t bytes, int64_t most) {
    int64_t made = 0;
    ortho_buffer* buffer = nullptr;
    while (made <= most && ortho_buffer_create(&buffer, device.get(), bytes) == ORTHO_OK)
        made += bytes;
    return made;
}

TEST(ProcessLimits, Small_buffers_that_add_up_are_refused_with_the_limit_named) {
    in_child([] {
        const Device device = make_device(1);
        const std::string limit = leave(RLIMIT_AS, "VmSize:", 64 * mebibyte);
        // Earlier tests leave a heap behind, and glibc reserves 64 MiB for each of its arenas: that counts already.
        const int64_t most = 1024 * mebibyte;
        EXPECT_LE(fill_memory(device, 65536, most), most);
        ortho_buffer* buffer = nullptr;
        EXPECT_TRUE(fails(ortho_buffer_create(&buffer, device.get(), 65536), ORTHO_OUT_OF_MEMORY,
                          "; RLIMIT_AS (ulimit -v), the address space of this process, is " + limit));
    });
}

TEST(ProcessLimits, Locked_memory_is_named_where_memory_is_refused) {
    in_child([] {
        const Device device = make_device(1);
        set_limit(RLIMIT_MEMLOCK, 4 * mebibyte);
        become_another_user();
        if (mlockall(MCL_FUTURE) != 0) {
            std::printf("not tried: mlockall is refused here\n");
            return;
        }
        ortho_buffer* buffer = nullptr;
        EXPECT_TRUE(fails(ortho_buffer_create(&buffer, device.get(), 100 * mebibyte), ORTHO_OUT_OF_MEMORY,
                          "; RLIMIT_MEMLOCK (ulimit -l), the locked memory of this process, is 4.0 MiB and reached"));
    });
}

TEST(ProcessLimits, Mappings_are_named_where_memory_is_refused) {
    in_child([] {
        const Device device = make_device(1);
        int64_t allowed = 0;
        std::ifstream("/proc/sys/vm/max_map_count") >> allowed;
        if (allowed > 200000) {
            std::printf("not tried: vm.max_map_count is %lld\n", static_cast<long long>(allowed));
            return;
        }
        // Neighbours of unequal protection stay mappings of their own.
        for (int64_t i = 0; i <= allowed; ++i)
            if (mmap(nullptr, 4096, i % 2 == 0 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                MAP_FAILED)
                break;
        ortho_buffer* buffer = nullptr;
        EXPECT_TRUE(fails(ortho_buffer_create(&buffer, device.get(), 100 * mebibyte), ORTHO_OUT_OF_MEMORY,
                          "; vm.max_map_count, the number of mappings of a process, is " + std::to_string(allowed)));
    });
}

TEST(ProcessLimits, Threads_that_memory_is_missing_for_are_reported) {
    in_child([] {
        const std::string limit = leave(RLIMIT_AS, "VmSize:", 256 * mebibyte);
        ortho_device* device = nullptr;
        EXPECT_TRUE(fails(create(device, 1024), ORTHO_OUT_OF_MEMORY, "threads is 1024; only "));
        const std::string message = ortho_last_error();
        EXPECT_NE(message.find("RLIMIT_AS (ulimit -v), the address space of this process, is " + limit),
                  std::string::npos)
            << message;
        EXPECT_EQ(device, nullptr);
        EXPECT_EQ(ortho_live_objects(), 0);
    });
}

TEST(ProcessLimits, Users_number_of_threads_is_named_and_not_memory) {
    for (const int threads : {2, 12, 40})
        in_child([&] {
            become_another_user();
            // One fewer than wanted; other processes of the user, where it is not our own, leave still fewer.
            set_limit(RLIMIT_NPROC, threads - 1);
            ortho_device* device = nullptr;
            EXPECT_TRUE(fails(create(device, threads), ORTHO_NOT_SUPPORTED,
                              "threads is " + std::to_string(threads) + "; only "));
            const std::string message = ortho_last_error();
            EXPECT_NE(message.find("RLIMIT_NPROC (ulimit -u), the processes and threads of this user, is " +
                                   std::to_string(threads - 1)),
                      std::string::npos)
                << message;
            EXPECT_EQ(message.find("emory"), std::string::npos) << message;
            EXPECT_EQ(ortho_live_objects(), 0);
        });
}

TEST(ProcessLimits, A_device_with_the_default_number_of_threads_has_as_many_as_can_be_started) {
    in_child([] {
        become_another_user();
        set_limit(RLIMIT_NPROC, 1);
        const EnvironmentVariable wanted("ORTHONATIVE_THREADS", "24");
        const Device device = make_device(0);
        EXPECT_EQ(ortho_device_threads(device.get()), 1);
        constexpr int64_t size = 300;
        const auto x = normal_values<float>(size * size, 1);
        std::vector<float> y(size * size);
        EXPECT_TRUE(succeeds(
            ortho_dense_forward(device.get(), ORTHO_FLOAT32, size, size, size, x.data(), nullptr, x.data(), y.data())));
    });
}

/** A control group of this test's own; not there where the system does not let this process make one. */
class OwnControlGroup {
public:
    explicit OwnControlGroup(const std::string& controller) {
        unified_ = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
        path_ = "/sys/fs/cgroup/" + (unified_ ? "" : controller + "/") + "orthonative-test-" + std::to_string(getpid());
        if (mkdir(path_.c_str(), 0755) != 0) {
            reason_ = path_ + " cannot be created";
            return;
        }
        made_ = true;
        const std::string file = path_ + "/" +
                                 (controller == "pids" ? "pids.max"
                                  : unified_           ? "memory.max"
                                                       : "memory.limit_in_bytes");
        if (access(file.c_str(), W_OK) != 0)
            reason_ = file + " cannot be written";
    }
    ~OwnControlGroup() {
        if (made_)
            rmdir(path_.c_str());
    }
    OwnControlGroup(const OwnControlGroup&) = delete;
    OwnControlGroup& operator=(const OwnControlGroup&) = delete;

    /** Why it cannot be used; "" if it can. */
    const std::string& reason() const { return reason_; }
    bool unified() const { return unified_; }
    std::string name() const { return path_.substr(path_.rfind('/')); }
    void write(const std::string& file, const std::string& text) const {
        std::ofstream stream(path_ + "/" + file);
        stream << text << std::flush;
        EXPECT_TRUE(stream.good()) << file;
    }

private:
    std::string path_;
    std::string reason_;
    bool unified_ = false;
    bool made_ = false;
};

TEST(ProcessLimits, Number_of_processes_of_a_control_group_is_named) {
    const OwnControlGroup group("pids");
    if (!group.reason().empty())
        GTEST_SKIP() << group.reason();
    for (const int most : {1, 6})
        in_child([&] {
            group.write("pids.max", std::to_string(most));
            group.write("cgroup.procs", std::to_string(getpid()));
            ortho_device* device = nullptr;
            EXPECT_TRUE(fails(create(device, 9), ORTHO_NOT_SUPPORTED,
                              "threads is 9; only " + std::to_string(most) +
                                  " can be started here: pids.max of the "
                                  "control group " +
                                  group.name() + ", its processes and threads, is " + std::to_string(most) +
                                  " and reached"));
            EXPECT_TRUE(succeeds(create(device, most)));
            ortho_device_free(device);
            const EnvironmentVariable wanted("ORTHONATIVE_THREADS", "9");
            EXPECT_EQ(ortho_device_threads(make_device(0).get()), most);
        });
}

TEST(ProcessLimits, Memory_of_a_control_group_counts_without_its_cache_and_is_named) {
    const OwnControlGroup group("memory");
    if (!group.reason().empty())
        GTEST_SKIP() << group.reason();
    in_child([&] {
        group.write(group.unified() ? "memory.max" : "memory.limit_in_bytes", std::to_string(192 * mebibyte));
        group.write("cgroup.procs", std::to_string(getpid()));
        // Read twice, a file's pages count as active. Written first, so that none is dirty.
        char path[] = "/var/tmp/orthonative-XXXXXX";
        const int file = mkstemp(path);
        ASSERT_GE(file, 0);
        unlink(path);
        std::vector<char> block(static_cast<size_t>(mebibyte), 'x');
        for (int i = 0; i < 80; ++i)
            ASSERT_EQ(write(file, block.data(), block.size()), mebibyte);
        ASSERT_EQ(fsync(file), 0);
        for (int pass = 0; pass < 3; ++pass)
            for (int i = 0; i < 80; ++i)
                ASSERT_EQ(pread(file, block.data(), block.size(), i * mebibyte), mebibyte);
        ortho_system_info info = ORTHO_SYSTEM_INFO_INIT;
        EXPECT_TRUE(succeeds(ortho_get_system_info(&info)));
        EXPECT_EQ(info.total_memory, 192 * mebibyte);
        EXPECT_GT(info.available_memory, 140 * mebibyte);
        const Device device = make_device(1);
        ortho_buffer* buffer = nullptr;
        EXPECT_TRUE(succeeds(ortho_buffer_create(&buffer, device.get(), 120 * mebibyte)));
        ortho_buffer_free(buffer);
        EXPECT_TRUE(fails(ortho_buffer_create(&buffer, device.get(), 250 * mebibyte), ORTHO_OUT_OF_MEMORY,
                          std::string(group.unified() ? "; memory.max" : "; memory.limit_in_bytes") +
                              " of the control group " + group.name() + " is 192.0 MiB, "));
        close(file);
    });
}

TEST(ProcessLimits, Small_buffers_that_add_up_are_refused_before_a_control_group_ends_the_process) {
    const OwnControlGroup group("memory");
    if (!group.reason().empty())
        GTEST_SKIP() << group.reason();
    in_child([&] {
        group.write(group.unified() ? "memory.max" : "memory.limit_in_bytes", std::to_string(192 * mebibyte));
        group.write("cgroup.procs", std::to_string(getpid()));
        const Device device = make_device(1);
        EXPECT_LE(fill_memory(device, 65536, 192 * mebibyte), 192 * mebibyte);
        ortho_buffer* buffer = nullptr;
        EXPECT_TRUE(fails(ortho_buffer_create(&buffer, device.get(), mebibyte), ORTHO_OUT_OF_MEMORY,
                          std::string(group.unified() ? "; memory.max" : "; memory.limit_in_bytes") +
                              " of the control group " + group.name() + " is 192.0 MiB, "));
    });
}

} // namespace
} // namespace ortho::test

#endif
