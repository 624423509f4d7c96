// check_privileges.sh runs this as it is, and setuid: which environment variables the library believes.
#include <cstdio>

#include <unistd.h>

#include "orthonative/orthonative.h"

int main() {
    std::printf("effective user %d\n", static_cast<int>(geteuid()));
    ortho_system_info info = ORTHO_SYSTEM_INFO_INIT;
    std::printf("information %d\n", static_cast<int>(ortho_get_system_info(&info)));
    ortho_device_options options = ORTHO_DEVICE_OPTIONS_INIT;
    options.kind = ORTHO_DEVICE_CUDA;
    ortho_device* device = nullptr;
    std::printf("device %d\n", static_cast<int>(ortho_device_create(&device, &options)));
    std::printf("%s\n", ortho_last_error());
    ortho_device_free(device);
    return 0;
}
