#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "environment.hpp"
#include "orthonative/orthonative.h"

// ORTHONATIVE_CPU selects the kernels under test; where the processor lacks them, the tests are skipped as a whole.
int main(int argc, char** argv) {
    constexpr int skipped = 77;
    ortho_system_info info = ORTHO_SYSTEM_INFO_INIT;
    if (ortho_get_system_info(&info) == ORTHO_NOT_SUPPORTED) {
        std::printf("%s\n", ortho_last_error());
        return skipped;
    }
    // Problems of tests are so small that one thread would do most of them.
    if (std::getenv("ORTHONATIVE_CPU_THREADS") == nullptr)
        ortho::test::set_environment("ORTHONATIVE_CPU_THREADS", "all");
    ::testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
