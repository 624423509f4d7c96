#include <cstdlib>

#include "support.hpp"

namespace ortho::test {
namespace {

// Run with ORTHONATIVE_CPU naming what no processor has.
TEST(Library, Unknown_instruction_set_is_refused_by_name) {
    const std::string wanted = std::getenv("ORTHONATIVE_CPU");
    std::string shown = wanted;
    for (char& c : shown)
        if (c == '\n')
            c = ' ';
    const std::string text = "ORTHONATIVE_CPU is '" + shown + "'; allowed are 'baseline', 'avx2' and 'avx512'";
    ortho_system_info info{};
    info.struct_size = sizeof info;
    EXPECT_TRUE(fails(ortho_get_system_info(&info), ORTHO_NOT_SUPPORTED, text));
    ortho_device* device = nullptr;
    EXPECT_TRUE(fails(ortho_device_create(&device, nullptr), ORTHO_NOT_SUPPORTED, text));
    EXPECT_EQ(device, nullptr);
    EXPECT_EQ(ortho_live_objects(), 0);
}

} // namespace
} // namespace ortho::test
