# Zig's Clang with its own C and C++ libraries, for any platform from any other. A toolchain file of a platform sets
# ORTHO_ZIG_TARGET, CMAKE_SYSTEM_NAME and CMAKE_SYSTEM_PROCESSOR and includes this one.
#
# ORTHO_ZIG, or the environment variable of that name, is the path of zig; the PATH is searched without. docs/building.md
# names the version.

if(NOT ORTHO_ZIG AND DEFINED ENV{ORTHO_ZIG})
    set(ORTHO_ZIG $ENV{ORTHO_ZIG})
endif()
find_program(ORTHO_ZIG zig REQUIRED)
# Compilers are tried in projects of their own, which read this file anew.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ORTHO_ZIG)

set(CMAKE_C_COMPILER ${ORTHO_ZIG} cc -target ${ORTHO_ZIG_TARGET})
set(CMAKE_CXX_COMPILER ${ORTHO_ZIG} c++ -target ${ORTHO_ZIG_TARGET})
# Zig checks for undefined behaviour unless it is told to optimize; release builds are what is shipped.
set(CMAKE_C_FLAGS_INIT -fno-sanitize=undefined)
set(CMAKE_CXX_FLAGS_INIT -fno-sanitize=undefined)

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
