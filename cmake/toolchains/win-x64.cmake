set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR AMD64)
set(ORTHO_ZIG_TARGET x86_64-windows-gnu)
# Programs run where Wine is (Debian: wine64).
set(CMAKE_CROSSCOMPILING_EMULATOR ${CMAKE_CURRENT_LIST_DIR}/wine.sh)
include(${CMAKE_CURRENT_LIST_DIR}/zig.cmake)
