#include <cstdio>
#include <cstdlib>
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
