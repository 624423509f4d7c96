set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(ORTHO_ZIG_TARGET aarch64-linux-gnu.2.28)
include(${CMAKE_CURRENT_LIST_DIR}/zig.cmake)

# Tests run under QEMU, the program's loader and C library being those of a cross compiler (Debian: qemu-user,
# libc6-arm64-cross).
find_program(ORTHO_QEMU_AARCH64 qemu-aarch64)
if(ORTHO_QEMU_AARCH64)
    set(CMAKE_CROSSCOMPILING_EMULATOR ${ORTHO_QEMU_AARCH64} -L /usr/aarch64-linux-gnu)
endif()
