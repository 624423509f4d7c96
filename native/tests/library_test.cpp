#include <cstdio>
#include <cstdlib>
#include <limits>
#include <thread>

#include "support.hpp"

namespace ortho::test {
namespace {

TEST(Library, Reports_the_interface_of_its_header) {
    EXPECT_EQ(ortho_abi_version(), ORTHO_ABI_VERSION);
    EXPECT_STREQ(ortho_header_hash(), EXPECTED_HEADER_HASH);
    EXPECT_STREQ(ortho_version(), EXPECTED_VERSION);
    int number = 0;
    int length = 0;
    EXPECT_EQ(std::sscanf(ortho_version(), "%d.%d.%d%n", &number, &number, &number, &length), 3);
    EXPECT_EQ(ortho_version()[length], '\0');
    EXPECT_EQ(std::strspn(ortho_header_hash(), "0123456789abcdef"), 64u);
}

TEST(Library, Last_error_is_of_the_calling_thread) {
    EXPECT_TRUE(is_refused(ortho_get_system_info(nullptr), "info is null"));
    std::string elsewhere = "not read";
    std::thread([&] { elsewhere = ortho_last_error(); }).join();
    EXPECT_EQ(elsewhere, "");
    EXPECT_NE(std::string(ortho_last_error()), "");
}

ortho_error error_in_parts() {
    ortho_error error = ORTHO_ERROR_INIT;
    EXPECT_EQ(ortho_get_last_error(&error), ORTHO_OK);
    return error;
}

TEST(Library, Last_error_has_parts) {
    const Device device = make_device(1);
    float values[4] = {1, 2, 3, std::numeric_limits<float>::quiet_NaN()}, targets[4] = {};
    double loss = 0;

    EXPECT_TRUE(is_refused(ortho_elementwise_loss(device.get(), ORTHO_FLOAT32, ORTHO_LOSS_SQUARED_ERROR, 1, 0, nullptr,
                                                  nullptr, nullptr, 1, nullptr, 0, values, targets, &loss, nullptr),
                           "batch is 0; it must be at least 1"));
    ortho_error error = error_in_parts();
    EXPECT_EQ(error.status, ORTHO_INVALID_ARGUMENT);
    EXPECT_EQ(error.cause, ORTHO_CAUSE_RANGE);
    EXPECT_STREQ(error.argument, "batch");
    EXPECT_EQ(error.element, -1);
    EXPECT_STREQ(error.problem, "is 0; it must be at least 1");
    EXPECT_STREQ(error.message, ortho_last_error());

    EXPECT_TRUE(is_refused(ortho_elementwise_loss(device.get(), ORTHO_FLOAT32, ORTHO_LOSS_SQUARED_ERROR, 1, 4, nullptr,
                                                  nullptr, nullptr, 1, nullptr, 0, nullptr, targets, &loss, nullptr),
                           "predictions is null"));
    error = error_in_parts();
    EXPECT_EQ(error.cause, ORTHO_CAUSE_NULL);
    EXPECT_STREQ(error.argument, "predictions");

    EXPECT_TRUE(fails(ortho_elementwise_loss(device.get(), ORTHO_FLOAT32, ORTHO_LOSS_SQUARED_ERROR, 1, 4, nullptr,
                                             nullptr, nullptr, 1, nullptr, 0, values, targets, &loss, nullptr),
                      ORTHO_NOT_FINITE, "predictions[3] is NaN; it must be finite"));
    error = error_in_parts();
    EXPECT_EQ(error.status, ORTHO_NOT_FINITE);
    EXPECT_EQ(error.cause, ORTHO_CAUSE_OTHER);
    EXPECT_STREQ(error.argument, "predictions");
    EXPECT_EQ(error.element, 3);
    EXPECT_STREQ(error.problem, "is NaN; it must be finite");

    // The element of an array of structures lies inside the name.
    const ortho_parameter_group groups[] = {{0, 2, 1, 0}, {2, 2, 1, -1}};
    EXPECT_TRUE(is_refused(ortho_sgd_step(device.get(), ORTHO_FLOAT32, 4, values, targets, nullptr, 0, 0, groups, 2),
                           "groups[1].weight_decay is -1; "));
    error = error_in_parts();
    EXPECT_STREQ(error.argument, "groups[].weight_decay");
    EXPECT_EQ(error.element, 1);

    // Not about an argument.
    for (float& value : values)
        value = std::numeric_limits<float>::infinity();
    EXPECT_TRUE(fails(ortho_clip_gradient_norm(device.get(), ORTHO_FLOAT32, 4, values, 1, nullptr), ORTHO_NOT_FINITE,
                      "the norm of gradients is "));
    error = error_in_parts();
    EXPECT_EQ(error.argument, nullptr);
    EXPECT_EQ(error.element, -1);
    EXPECT_STREQ(error.problem, error.message);
}

TEST(Library, A_thread_without_failures_has_no_last_error) {
    std::thread([] {
        const ortho_error error = error_in_parts();
        EXPECT_EQ(error.status, ORTHO_OK);
        EXPECT_EQ(error.argument, nullptr);
        EXPECT_EQ(error.element, -1);
        EXPECT_STREQ(error.problem, "");
        EXPECT_STREQ(error.message, "");
    }).join();
}

TEST(Library, Names_of_the_interface_are_found_in_a_text) {
    for (const char* text : {"hidden_size is 0", "is 0; see options->index", "(it must be output_steps)", "x_ is 1"})
        EXPECT_EQ(interface_name(text) == "", std::string(text) == "x_ is 1") << text;
    for (const char* text : {"is 'hidden_size'", "file (/tmp/my_file) is missing", "RLIMIT_AS is 64.0 MiB",
                             "vm.max_map_count is 9", "memory.limit_in_bytes of the control group",
                             "persistent_forward failed: cudaErrorUnknown", "liborthonative_cuda.so is missing"})
        EXPECT_EQ(interface_name(text), "") << text;
}

TEST(Library, System_info_refuses_an_unknown_size) {
    ortho_system_info info{};
    for (const uint32_t size : {0u, static_cast<uint32_t>(sizeof info) - 1, static_cast<uint32_t>(sizeof info) + 8}) {
        info.struct_size = size;
        EXPECT_TRUE(is_refused(ortho_get_system_info(&info), "info->struct_size is " + std::to_string(size)));
    }
}

TEST(Library, System_info_describes_the_machine) {
    ortho_system_info info = ORTHO_SYSTEM_INFO_INIT;
    ASSERT_TRUE(succeeds(ortho_get_system_info(&info)));
    EXPECT_EQ(info.struct_size, sizeof info);
    EXPECT_GE(info.cores, 1);
    EXPECT_GT(info.available_memory, 0);
    EXPECT_LE(info.available_memory, info.total_memory);
    EXPECT_LE(info.instruction_set, info.best_instruction_set);
}

TEST(Library, Environment_selects_the_instruction_set) {
    ortho_system_info info = ORTHO_SYSTEM_INFO_INIT;
    ASSERT_TRUE(succeeds(ortho_get_system_info(&info)));
    const char* forced = std::getenv("ORTHONATIVE_CPU");
    if (forced == nullptr || *forced == '\0') {
        EXPECT_EQ(info.instruction_set, info.best_instruction_set);
        return;
    }
    const std::string name = forced;
    const int expected = name == "baseline" ? ORTHO_ISA_BASELINE : name == "avx2" ? ORTHO_ISA_AVX2 : ORTHO_ISA_AVX512;
    EXPECT_EQ(info.instruction_set, expected);
}

} // namespace
} // namespace ortho::test
