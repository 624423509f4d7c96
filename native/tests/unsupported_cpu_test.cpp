#include <cstdlib>

#include "support.hpp"

namespace ortho::test {
namespace {

// Run with ORTHONATIVE_CPU naming what no processor has.
TEST(Library, Unknown_instruction_set_is_refused_by_name) {
    std::string shown = std::getenv("ORTHONATIVE_CPU");
    if (const size_t line_end = shown.find('\n'); line_end != std::string::npos)
        shown.replace(line_end, 1, "\\n");
    const std::string text = "ORTHONATIVE_CPU is '" + shown + "'; it must be 'baseline', 'avx2' or 'avx512'";
    ortho_system_info info = ORTHO_SYSTEM_INFO_INIT;
    EXPECT_TRUE(fails(ortho_get_system_info(&info), ORTHO_NOT_SUPPORTED, text));
    ortho_device* device = nullptr;
    EXPECT_TRUE(fails(ortho_device_create(&device, nullptr), ORTHO_NOT_SUPPORTED, text));
    EXPECT_EQ(device, nullptr);
    EXPECT_EQ(ortho_live_objects(), 0);
}

} // namespace
} // namespace ortho::test
