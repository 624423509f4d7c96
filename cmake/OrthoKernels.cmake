# The kernels: one source, compiled once for every instruction set, each in a namespace of its own.

# Vectors are passed between inlined functions only, so the warning that their calling convention depends on the
# instruction set does not apply. Kernels are optimised alike in every configuration: without, the tests of a debug
# build would take minutes.
function(ortho_add_kernels target source)
    set(sets baseline)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
        # How threads divide work is written once. ThreadSanitizer sees it with the narrowest and the widest vectors.
        if(NOT ORTHO_SANITIZE MATCHES "thread")
            list(APPEND sets avx2)
            target_compile_definitions(${target} PRIVATE ORTHO_HAVE_AVX2)
        endif()
        list(APPEND sets avx512)
        target_compile_definitions(${target} PRIVATE ORTHO_HAVE_AVX512)
    endif()
    set(architecture_baseline x86-64-v2)
    set(architecture_avx2 x86-64-v3)
    set(architecture_avx512 x86-64-v4)
    set_target_properties(${target} PROPERTIES ORTHO_KERNELS "${sets}")
    foreach(set IN LISTS sets)
        string(TOUPPER ${set} name)
        set(kernels ${target}_${set})
        add_library(${kernels} OBJECT ${source})
        ortho_configure(${kernels})
        target_include_directories(${kernels} PRIVATE include src)
        target_compile_definitions(${kernels} PRIVATE ORTHO_BUILDING ORTHO_ISA_NAMESPACE=${set}
            ORTHO_ISA=ORTHO_ISA_${name})
        target_compile_options(${kernels} PRIVATE -Wno-psabi -O3)
        if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
            target_compile_options(${kernels} PRIVATE -march=${architecture_${set}})
        endif()
        if(set STREQUAL "avx512")
            target_compile_options(${kernels} PRIVATE -mprefer-vector-width=512)
        endif()
        target_sources(${target} INTERFACE $<TARGET_OBJECTS:${kernels}>)
    endforeach()
endfunction()
