/* What the header's initialisers give, in C99 with all warnings: the size, and 0 or null in every other field. */
#include <string.h>

#include "orthonative/orthonative.h"

int ortho_test_initialisers(void);

#define IS_EMPTY(type, initialiser)                                                                                    \
    do {                                                                                                               \
        const type initialised = initialiser;                                                                          \
        type expected;                                                                                                 \
        memset(&expected, 0, sizeof expected);                                                                         \
        expected.struct_size = sizeof(type);                                                                           \
        if (memcmp(&initialised, &expected, sizeof expected) != 0)                                                     \
            return 1;                                                                                                  \
    } while (0)

int ortho_test_initialisers(void) {
    IS_EMPTY(ortho_system_info, ORTHO_SYSTEM_INFO_INIT);
    IS_EMPTY(ortho_device_options, ORTHO_DEVICE_OPTIONS_INIT);
    IS_EMPTY(ortho_device_info, ORTHO_DEVICE_INFO_INIT);
    IS_EMPTY(ortho_chain_options, ORTHO_CHAIN_OPTIONS_INIT);
    IS_EMPTY(ortho_error, ORTHO_ERROR_INIT);
    return 0;
}
