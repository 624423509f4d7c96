// The header as C++ sees it, from a file that includes nothing before it.
#include "orthonative/orthonative.h"

static_assert(sizeof(ortho_system_info) == 32 && sizeof(ortho_device_options) == 40 &&
                  sizeof(ortho_device_info) == 64 && sizeof(ortho_chain_options) == 144 &&
                  sizeof(ortho_parameter_group) == 32 && sizeof(ortho_filter_block) == 24 && sizeof(ortho_error) == 48,
              "structures have no padding that a binding could get wrong");

extern "C" int ortho_test_initialisers(void);
extern "C" int ortho_test_link_all(void);

int main() {
    return ortho_test_initialisers() != 0 ? 1 : ortho_test_link_all();
}
