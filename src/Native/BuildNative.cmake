# Configures (once) and builds the native library for the Interop project:
#
#   cmake -D SOURCE=<native> -D BUILD=<folder> -D CONFIGURATION=<Release|Debug> [-D TOOLCHAIN=<file>] [-D TESTS=ON] -P BuildNative.cmake
#
# TOOLCHAIN is a file of cmake/toolchains, for another platform or the library of a package. TESTS=ON builds the tests, too.
#
# ORTHO_WERROR=ON in the environment makes warnings errors, as the presets do.
#
# One process at a time works in the build folder, so that several builds that run at once do not disturb each other.
cmake_minimum_required(VERSION 3.22)

file(MAKE_DIRECTORY ${BUILD})
file(LOCK ${BUILD} DIRECTORY GUARD PROCESS TIMEOUT 1800)

# CMake itself configures again when its own files change; the mark tells a configuration that succeeded from one that was cut off.
set(mark configured)
set(options "")
set(target --target orthonative)
if(TOOLCHAIN)
    list(APPEND options -DCMAKE_TOOLCHAIN_FILE=${TOOLCHAIN})
endif()
if(TESTS)
    set(mark configured-with-tests)
    list(APPEND options -DORTHO_BUILD_TESTS=ON)
    set(target "")
endif()
if(NOT EXISTS ${BUILD}/${mark})
    execute_process(
        COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${BUILD} -DCMAKE_BUILD_TYPE=${CONFIGURATION} "-DORTHO_WERROR=$ENV{ORTHO_WERROR}"
            -DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${BUILD}/lib -DCMAKE_RUNTIME_OUTPUT_DIRECTORY=${BUILD}/lib ${options}
        OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE result)
    if(NOT result EQUAL 0)
        message("${output}")
        message(FATAL_ERROR "The native library could not be configured. It needs CMake and a C++20 compiler "
            "(GCC 12, Clang 15 or Visual Studio 2022, or later).")
    endif()
    file(TOUCH ${BUILD}/${mark})
endif()

cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
execute_process(
    COMMAND ${CMAKE_COMMAND} --build ${BUILD} --config ${CONFIGURATION} ${target} --parallel ${cores}
    OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE result)
if(NOT result EQUAL 0)
    message("${output}")
    message(FATAL_ERROR "The native library could not be built; the compiler's messages are above.")
endif()
