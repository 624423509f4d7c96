#include <algorithm>
#include <atomic>
#include <thread>

#include "support.hpp"

namespace ortho::test {
namespace {

constexpr int64_t gibibyte = int64_t{1} << 30;

TEST(Device, Default_has_a_thread_for_every_core) {
    const EnvironmentVariable unset("ORTHONATIVE_THREADS", "");
    // Another library's.
    const EnvironmentVariable other("OMP_NUM_THREADS", "7");
    ortho_system_info info = ORTHO_SYSTEM_INFO_INIT;
    ASSERT_TRUE(succeeds(ortho_get_system_info(&info)));
    ortho_device* device = nullptr;
    ASSERT_TRUE(succeeds(ortho_device_create(&device, nullptr)));
    EXPECT_EQ(ortho_device_threads(device), info.cores);
    ortho_device_free(device);
    EXPECT_EQ(ortho_device_threads(make_device(0).get()), info.cores);
    EXPECT_EQ(ortho_device_threads(make_device(5).get()), 5);
}

TEST(Device, Default_number_of_threads_is_that_of_the_environment) {
    for (const int threads : {1, 3, 7}) {
        const EnvironmentVariable given("ORTHONATIVE_THREADS", std::to_string(threads).c_str());
        ortho_device* device = nullptr;
        ASSERT_TRUE(succeeds(ortho_device_create(&device, nullptr)));
        EXPECT_EQ(ortho_device_threads(device), threads);
        ortho_device_free(device);
        EXPECT_EQ(ortho_device_threads(make_device(0).get()), threads);
        EXPECT_EQ(ortho_device_threads(make_device(2).get()), 2);
    }
}

TEST(Device, Wrong_numbers_of_threads_in_the_environment_are_refused_by_name) {
    for (const char* value : {"0", "-1", "abc", "2.5", "1025", "99999999999999999999", " 2", "2 ", "+3", "0x2", "1e1",
                              "2,5", "\xef\xbc\x92"}) {
        const EnvironmentVariable given("ORTHONATIVE_THREADS", value);
        ortho_device* device = nullptr;
        EXPECT_TRUE(fails(ortho_device_create(&device, nullptr), ORTHO_NOT_SUPPORTED,
                          std::string("ORTHONATIVE_THREADS is '") + value +
                              "'; it must be a whole number from 1 to 1024, or not set"));
        EXPECT_EQ(device, nullptr);
        // Not read where the caller says how many.
        EXPECT_EQ(ortho_device_threads(make_device(2).get()), 2);
    }
    const std::string longest(100000, '7');
    const EnvironmentVariable given("ORTHONATIVE_THREADS", longest.c_str());
    ortho_device* device = nullptr;
    EXPECT_TRUE(fails(ortho_device_create(&device, nullptr), ORTHO_NOT_SUPPORTED, "ORTHONATIVE_THREADS is '777"));
    EXPECT_EQ(ortho_live_objects(), 0);
}

TEST(Device, Bad_options_are_refused_by_name) {
    ortho_device* device = nullptr;
    const auto create = [&](ortho_device_options options) { return ortho_device_create(&device, &options); };
    const auto with = [](auto change) {
        ortho_device_options options = device_options(ORTHO_DEVICE_CPU, 1);
        change(options);
        return options;
    };
    EXPECT_TRUE(is_refused(ortho_device_create(nullptr, nullptr), "device is null"));
    EXPECT_TRUE(is_refused(create(with([](auto& o) { o.struct_size += 8; })),
                           "options->struct_size is 48; it must be at most 40"));
    EXPECT_TRUE(is_refused(create(device_options(2, 1)), "options->kind is 2; it must be from 0 to 1"));
    EXPECT_TRUE(
        is_refused(create(device_options(ORTHO_DEVICE_CPU, -1)), "options->threads is -1; it must be from 0 to"));
    EXPECT_TRUE(is_refused(create(device_options(ORTHO_DEVICE_CPU, 1025)), "options->threads is 1025"));
    EXPECT_TRUE(is_refused(create(device_options(ORTHO_DEVICE_CPU, 1, 1)), "options->index is 1"));
    EXPECT_TRUE(is_refused(create(with([](auto& o) { o.matrix_precision = 1; })), "options->matrix_precision is 1"));
    EXPECT_TRUE(is_refused(create(with([](auto& o) { o.filter_precision = 2; })), "options->filter_precision is 2"));
    EXPECT_TRUE(is_refused(create(with([&](auto& o) { o.cuda_stream = &o; })), "options->cuda_stream is given"));
    EXPECT_TRUE(is_refused(create(with([&](auto& o) { o.cublas_handle = &o; })), "options->cublas_handle is given"));
    EXPECT_TRUE(is_refused(create(device_options(ORTHO_DEVICE_CUDA, 1)), "options->threads is 1; it must be 0"));
    EXPECT_TRUE(is_refused(create(device_options(ORTHO_DEVICE_CUDA, 0, -1)), "options->index is -1"));
    EXPECT_EQ(device, nullptr);
    EXPECT_EQ(ortho_live_objects(), 0);
}

TEST(Device, Null_is_allowed_where_the_header_says_so) {
    ortho_device_free(nullptr);
    ortho_buffer_free(nullptr);
    EXPECT_EQ(ortho_device_threads(nullptr), 0);
    EXPECT_EQ(ortho_buffer_data(nullptr), nullptr);
    EXPECT_EQ(ortho_buffer_bytes(nullptr), 0);
}

TEST(Device, Describes_itself) {
    const Device device = make_device(2);
    ortho_system_info system = ORTHO_SYSTEM_INFO_INIT;
    ASSERT_TRUE(succeeds(ortho_get_system_info(&system)));
    ortho_device_info info{};
    EXPECT_TRUE(is_refused(ortho_device_get_info(device.get(), &info), "info->struct_size is 0"));
    info.struct_size = sizeof info;
    info.index = 7;
    ASSERT_TRUE(succeeds(ortho_device_get_info(device.get(), &info)));
    EXPECT_EQ(info.kind, ORTHO_DEVICE_CPU);
    EXPECT_EQ(info.index, 0);
    EXPECT_EQ(info.total_memory, system.total_memory);
    EXPECT_GT(info.free_memory, 0);
    EXPECT_LE(info.free_memory, info.total_memory);
    EXPECT_STREQ(ortho_device_name(device.get()), "cpu");
    EXPECT_STREQ(ortho_device_name(nullptr), "");
    EXPECT_TRUE(succeeds(ortho_device_synchronize(device.get())));
    EXPECT_TRUE(is_refused(ortho_device_synchronize(nullptr), "device is null"));
}

TEST(Buffer, Wrapped_memory_is_used_and_left_alone) {
    const Device device = make_device(1);
    std::vector<float> memory = normal_values<float>(100, 1);
    const std::vector<float> before = memory;
    ortho_buffer* buffer = nullptr;
    ASSERT_TRUE(succeeds(ortho_buffer_wrap(&buffer, device.get(), memory.data(), 400)));
    EXPECT_EQ(ortho_buffer_data(buffer), memory.data());
    EXPECT_EQ(ortho_buffer_bytes(buffer), 400);
    ortho_buffer_free(buffer);
    EXPECT_TRUE(same_bits(memory, before));
    EXPECT_TRUE(is_refused(ortho_buffer_wrap(&buffer, device.get(), nullptr, 400), "data is null"));
    EXPECT_TRUE(is_refused(ortho_buffer_wrap(&buffer, device.get(), memory.data(), 0), "bytes is 0"));
}

TEST(Buffer, Memory_is_copied_filled_and_uploaded) {
    const Device device = make_device(1);
    const std::vector<double> values = normal_values<double>(50, 1);
    std::vector<double> a(50), b(50), c(50), d(50);
    ASSERT_TRUE(succeeds(ortho_copy_from_host(device.get(), a.data(), values.data(), 400)));
    ASSERT_TRUE(succeeds(ortho_copy(device.get(), b.data(), a.data(), 400)));
    ASSERT_TRUE(succeeds(ortho_copy_to_host(device.get(), c.data(), b.data(), 400)));
    EXPECT_TRUE(same_bits(values, c));
    ASSERT_TRUE(succeeds(ortho_fill(device.get(), ORTHO_FLOAT64, 50, c.data(), 0.1)));
    EXPECT_EQ(c, std::vector<double>(50, 0.1));
    ortho_staging* staging = nullptr;
    ASSERT_TRUE(succeeds(ortho_staging_create(&staging, device.get(), 400)));
    std::memcpy(ortho_staging_data(staging), values.data(), 400);
    ASSERT_TRUE(succeeds(ortho_staging_upload(staging, d.data(), 400)));
    ASSERT_TRUE(succeeds(ortho_staging_join(staging)));
    ASSERT_TRUE(succeeds(ortho_staging_wait(staging)));
    EXPECT_TRUE(same_bits(values, d));
    EXPECT_TRUE(is_refused(ortho_staging_upload(staging, d.data(), 401), "bytes is 401; it must be from 1 to 400"));
    ortho_staging_free(staging);
    ortho_staging_free(nullptr);
    EXPECT_TRUE(is_refused(ortho_copy(device.get(), nullptr, a.data(), 8), "destination is null"));
    EXPECT_TRUE(is_refused(ortho_copy_to_host(device.get(), a.data(), nullptr, 8), "source is null"));
    EXPECT_TRUE(is_refused(ortho_copy_from_host(device.get(), a.data(), b.data(), 0), "bytes is 0"));
    EXPECT_TRUE(is_refused(ortho_fill(device.get(), 2, 50, c.data(), 0), "dtype is 2"));
    EXPECT_TRUE(is_refused(ortho_staging_join(nullptr), "staging is null"));
}

TEST(Buffer, Memory_is_zeroed_and_aligned) {
    const Device device = make_device(1);
    for (const int64_t bytes :
         {int64_t{1}, int64_t{63}, int64_t{4097}, (int64_t{4} << 20) - 1, int64_t{4} << 20, (int64_t{9} << 20) + 5}) {
        ortho_buffer* buffer = nullptr;
        ASSERT_TRUE(succeeds(ortho_buffer_create(&buffer, device.get(), bytes)));
        EXPECT_EQ(ortho_buffer_bytes(buffer), bytes);
        char* data = static_cast<char*>(ortho_buffer_data(buffer));
        const uintptr_t alignment = bytes >= int64_t{4} << 20 ? uintptr_t{2} << 20 : 64;
        EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % alignment, 0u) << bytes;
        EXPECT_TRUE(std::all_of(data, data + bytes, [](char c) { return c == 0; })) << bytes;
        std::fill(data, data + bytes, char{1});
        ortho_buffer_free(buffer);
    }
}

TEST(Buffer, Bad_arguments_are_refused_by_name) {
    const Device device = make_device(1);
    ortho_buffer* buffer = nullptr;
    EXPECT_TRUE(is_refused(ortho_buffer_create(nullptr, device.get(), 1), "buffer is null"));
    EXPECT_TRUE(is_refused(ortho_buffer_create(&buffer, nullptr, 1), "device is null"));
    EXPECT_TRUE(is_refused(ortho_buffer_create(&buffer, device.get(), 0), "bytes is 0; it must be at least 1"));
    EXPECT_TRUE(is_refused(ortho_buffer_create(&buffer, device.get(), -5), "bytes is -5"));
    EXPECT_EQ(buffer, nullptr);
}

TEST(Buffer, More_than_there_is_is_refused_with_the_numbers) {
    const Device device = make_device(1);
    ortho_buffer* buffer = nullptr;
    EXPECT_TRUE(fails(ortho_buffer_create(&buffer, device.get(), int64_t{1} << 60), ORTHO_OUT_OF_MEMORY,
                      "out of memory: 1.0 EiB needed for buffer"));
    EXPECT_TRUE(fails(ortho_buffer_create(&buffer, device.get(), std::numeric_limits<int64_t>::max()),
                      ORTHO_OUT_OF_MEMORY, "out of memory: 8.0 EiB needed for buffer"));
    ortho_system_info info = ORTHO_SYSTEM_INFO_INIT;
    ASSERT_TRUE(succeeds(ortho_get_system_info(&info)));
    EXPECT_TRUE(fails(ortho_buffer_create(&buffer, device.get(), info.total_memory + gibibyte), ORTHO_OUT_OF_MEMORY,
                      "GiB free"));
    EXPECT_EQ(buffer, nullptr);
    EXPECT_EQ(ortho_live_objects(), 1);
}

TEST(Device, Lives_as_long_as_what_was_made_on_it) {
    ASSERT_EQ(ortho_live_objects(), 0);
    Device device = make_device(2);
    ortho_buffer* first = nullptr;
    ortho_buffer* second = nullptr;
    ASSERT_TRUE(succeeds(ortho_buffer_create(&first, device.get(), 64)));
    ASSERT_TRUE(succeeds(ortho_buffer_create(&second, device.get(), 64)));
    EXPECT_EQ(ortho_live_objects(), 3);
    device.reset();
    EXPECT_EQ(ortho_live_objects(), 3);
    ortho_buffer_free(first);
    static_cast<char*>(ortho_buffer_data(second))[63] = 1;
    ortho_buffer_free(second);
    EXPECT_EQ(ortho_live_objects(), 0);
}

TEST(Device, Calls_from_several_threads_are_served_one_after_the_other) {
    const Device device = make_device(2);
    constexpr int64_t rows = 200;
    constexpr int64_t size = 96;
    const auto weights = normal_values<float>(size * size, 1);
    const auto x = normal_values<float>(rows * size, 2);
    std::vector<float> expected(rows * size);
    ASSERT_TRUE(succeeds(ortho_dense_forward(device.get(), ORTHO_FLOAT32, rows, size, size, weights.data(), nullptr,
                                             x.data(), expected.data())));
    std::atomic<int> wrong{0};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 3; ++caller)
        callers.emplace_back([&] {
            std::vector<float> y(rows * size);
            for (int repeat = 0; repeat < 50; ++repeat) {
                std::fill(y.begin(), y.end(), 0.0f);
                const ortho_status status = ortho_dense_forward(device.get(), ORTHO_FLOAT32, rows, size, size,
                                                                weights.data(), nullptr, x.data(), y.data());
                wrong += status != ORTHO_OK || !same_bits(y, expected);
            }
        });
    for (std::thread& caller : callers)
        caller.join();
    EXPECT_EQ(wrong, 0);
}

} // namespace
} // namespace ortho::test
