# Zig's Clang with its own C and C++ libraries: for every platform that packages are built for, from any Linux machine.
# A toolchain file of a platform sets ORTHO_ZIG_TARGET, CMAKE_SYSTEM_NAME and CMAKE_SYSTEM_PROCESSOR and includes this
# one; docs/building.md says why it is Zig.
#
# ORTHO_ZIG, or the environment variable of that name, is the path of zig. Without, the version below is fetched by npm
# into artifacts/tools and checked.

if(NOT ORTHO_ZIG AND DEFINED ENV{ORTHO_ZIG})
    set(ORTHO_ZIG $ENV{ORTHO_ZIG})
endif()
if(NOT ORTHO_ZIG)
    include(${CMAKE_CURRENT_LIST_DIR}/fetch_zig.cmake)
    ortho_fetch_zig(ORTHO_ZIG)
endif()
# Compilers are tried in projects of their own, which read this file anew.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ORTHO_ZIG)

set(CMAKE_C_COMPILER ${ORTHO_ZIG} cc -target ${ORTHO_ZIG_TARGET})
set(CMAKE_CXX_COMPILER ${ORTHO_ZIG} c++ -target ${ORTHO_ZIG_TARGET})
# Without -O, Zig adds checks for undefined behaviour of its own.
set(CMAKE_C_FLAGS_INIT -fno-sanitize=undefined)
set(CMAKE_CXX_FLAGS_INIT -fno-sanitize=undefined)
# A script each, since CMake takes one word.
foreach(tool IN ITEMS ar ranlib)
    set(script ${CMAKE_BINARY_DIR}/zig-${tool})
    if(NOT EXISTS ${script})
        file(WRITE ${script} "#!/bin/sh\nexec '${ORTHO_ZIG}' ${tool} \"$@\"\n")
        file(CHMOD ${script} PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
    endif()
    string(TOUPPER ${tool} name)
    set(CMAKE_${name} ${script})
endforeach()

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
