# How every target is compiled and linked.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release or RelWithDebInfo" FORCE)
endif()

# -fno-math-errno lets sqrt be one instruction; it neither reorders sums nor assumes that values are finite, which
# -ffast-math would. a * b + c is two roundings: each compiler makes one instruction of others, so that the bits of a
# result would be those of a compiler, and random numbers and filters must be the same on every machine. Kernels say
# where it is one rounding (Simd::multiply_add).
function(ortho_configure target)
    set_target_properties(${target} PROPERTIES
        CXX_STANDARD 20
        CXX_STANDARD_REQUIRED ON
        CXX_EXTENSIONS OFF
        C_STANDARD 99
        C_STANDARD_REQUIRED ON
        C_EXTENSIONS OFF
        CXX_VISIBILITY_PRESET hidden
        C_VISIBILITY_PRESET hidden
        VISIBILITY_INLINES_HIDDEN ON
        POSITION_INDEPENDENT_CODE ON)
    target_compile_options(${target} PRIVATE
        $<$<COMPILE_LANGUAGE:C,CXX>:-Wall;-Wextra;-Wpedantic>
        $<$<AND:$<BOOL:${ORTHO_WERROR}>,$<COMPILE_LANGUAGE:C,CXX>>:-Werror>
        $<$<COMPILE_LANGUAGE:CXX>:-fno-math-errno;-ffp-contract=off>)
    if(ORTHO_SANITIZE)
        target_compile_options(${target} PRIVATE -fsanitize=${ORTHO_SANITIZE} -fno-omit-frame-pointer
            -fno-sanitize-recover=all)
        target_link_options(${target} PRIVATE -fsanitize=${ORTHO_SANITIZE})
    endif()
endfunction()

# The shared library stands on its own: it brings the C++ runtime along, exports the C interface and nothing else, and
# has no undefined symbols. Its name begins with "lib" on Windows, too: file names have no case there, and OrthoNative.dll
# is the assembly.
function(ortho_configure_library target)
    ortho_configure(${target})
    set_target_properties(${target} PROPERTIES PREFIX lib IMPORT_PREFIX lib)
    if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
        set(exports ${CMAKE_CURRENT_BINARY_DIR}/${target}.map)
        file(CONFIGURE OUTPUT ${exports} CONTENT "{ global: ortho_*; local: *; };\n")
        set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${exports})
        target_link_options(${target} PRIVATE -Wl,--version-script=${exports} -Wl,-z,relro,-z,now)
        if(NOT ORTHO_SANITIZE)
            target_link_options(${target} PRIVATE -Wl,--gc-sections -Wl,-z,defs)
        endif()
    endif()
    # Zig and macOS have a C++ runtime of LLVM, which Zig links statically.
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT ORTHO_SANITIZE)
        target_link_options(${target} PRIVATE -static-libstdc++)
    endif()
endfunction()
