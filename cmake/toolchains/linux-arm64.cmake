set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(ORTHO_ZIG_TARGET aarch64-linux-gnu.2.28)
# Programs run where QEMU is (Debian: qemu-user, libc6-arm64-cross).
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)
include(${CMAKE_CURRENT_LIST_DIR}/zig.cmake)
