# The library of CUDA devices, liborthonative_cuda: by nvcc for a GPU, or by the C++ compiler for the emulator of the tests.

set(ORTHO_CUDA_SOURCES
    src/core/error.cpp
    src/core/limits.cpp
    src/core/memory.cpp
    src/core/system.cpp
    src/cuda/library/activation.cu
    src/cuda/library/chain.cu
    src/cuda/library/copy.cu
    src/cuda/library/dense.cu
    src/cuda/library/device.cu
    src/cuda/library/dropout.cu
    src/cuda/library/elements.cu
    src/cuda/library/embedding.cu
    src/cuda/library/fill.cu
    src/cuda/library/layer_norm.cu
    src/cuda/library/layers.cu
    src/cuda/library/leaf_sums.cu
    src/cuda/library/library.cu
    src/cuda/library/loss.cu
    src/cuda/library/memory_pool.cu
    src/cuda/library/noise.cu
    src/cuda/library/optimizer.cu
    src/cuda/library/partial_sums.cu
    src/cuda/library/persistent.cu
    src/cuda/library/products.cu
    src/cuda/library/sequences.cu
    src/cuda/library/status.cu
    src/cuda/library/streams.cu
    src/cuda/library/windows.cu)
list(TRANSFORM ORTHO_CUDA_SOURCES PREPEND ${CMAKE_CURRENT_LIST_DIR}/../native/)

# What both builds of the library have in common. C++17 is what CUDA 11.8 knows.
function(ortho_configure_cuda target)
    ortho_configure_library(${target})
    set_target_properties(${target} PROPERTIES OUTPUT_NAME orthonative_cuda CXX_STANDARD 17)
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
    target_compile_definitions(${target} PRIVATE ORTHO_BUILDING
        ORTHO_VERSION="${PROJECT_VERSION}" ORTHO_HEADER_HASH="${ORTHO_HEADER_HASH}")
endfunction()

# Sets the host compiler of nvcc before CUDA is enabled: each CUDA takes GCC up to some version only, which systems have
# beside a newer one.
macro(ortho_enable_cuda)
    if(NOT CMAKE_CUDA_HOST_COMPILER AND NOT DEFINED ENV{CUDAHOSTCXX})
        find_program(ORTHO_NVCC nvcc PATHS /usr/local/cuda/bin)
        if(ORTHO_NVCC)
            execute_process(COMMAND ${ORTHO_NVCC} --version OUTPUT_VARIABLE ORTHO_NVCC_VERSION)
            if(ORTHO_NVCC_VERSION MATCHES "release 11\\.")
                set(compilers g++-11 g++-10)
            elseif(ORTHO_NVCC_VERSION MATCHES "release 12\\.[0-3]")
                set(compilers g++-12 g++-11)
            elseif(ORTHO_NVCC_VERSION MATCHES "release 12\\.[4-7]")
                set(compilers g++-13 g++-12 g++-11)
            else()
                set(compilers "")
            endif()
            if(compilers)
                find_program(ORTHO_CUDA_HOST_COMPILER NAMES ${compilers})
                if(ORTHO_CUDA_HOST_COMPILER)
                    set(CMAKE_CUDA_HOST_COMPILER ${ORTHO_CUDA_HOST_COMPILER})
                endif()
            endif()
        endif()
    endif()
    # Every architecture is named below, on the target.
    set(CMAKE_CUDA_ARCHITECTURES OFF)
    enable_language(CUDA)
    if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 11.8)
        message(FATAL_ERROR "CUDA ${CMAKE_CUDA_COMPILER_VERSION} was found; OrthoNative needs 11.8 or later.")
    endif()
    find_package(CUDAToolkit REQUIRED)
endmacro()

# liborthonative_cuda for GPUs of compute capability 7.0 (7.5 from CUDA 13 on) to 9.0, and by way of PTX for later ones.
function(ortho_add_cuda_library target)
    add_library(${target} SHARED ${ORTHO_CUDA_SOURCES})
    ortho_configure_cuda(${target})
    set(architectures 75-real 80-real 86-real 89-real 90)
    if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 13)
        list(PREPEND architectures 70-real)
    endif()
    if(ORTHO_CUDA_ARCHITECTURES)
        set(architectures ${ORTHO_CUDA_ARCHITECTURES})
    endif()
    set_target_properties(${target} PROPERTIES
        CUDA_ARCHITECTURES "${architectures}"
        CUDA_STANDARD 17
        CUDA_STANDARD_REQUIRED ON
        CUDA_EXTENSIONS OFF
        CUDA_VISIBILITY_PRESET hidden
        CUDA_RUNTIME_LIBRARY Shared)
    target_compile_options(${target} PRIVATE
        $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr;-Xcompiler=-Wall,-Wextra>)
    if(ORTHO_WERROR)
        target_compile_options(${target} PRIVATE
            $<$<COMPILE_LANGUAGE:CUDA>:--Werror=all-warnings;-Xcompiler=-Werror>)
    endif()
    # The noise is that of the CPU, bit for bit.
    set_source_files_properties(${PROJECT_SOURCE_DIR}/src/cuda/library/noise.cu PROPERTIES COMPILE_OPTIONS -fmad=false)
    target_link_libraries(${target} PRIVATE CUDA::cublas)
endfunction()

# The same sources against the emulator, as a library with the same name in a folder of its own.
function(ortho_add_emulated_cuda_library target)
    set(emulator ${PROJECT_SOURCE_DIR}/tests/cuda_emulator)
    add_library(${target} SHARED ${ORTHO_CUDA_SOURCES}
        ${emulator}/exports.cpp ${emulator}/fibers.cpp ${emulator}/runtime.cpp)
    set(cuda_sources ${ORTHO_CUDA_SOURCES})
    list(FILTER cuda_sources INCLUDE REGEX "\\.cu$")
    set_source_files_properties(${cuda_sources} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-x;c++;-Wno-unknown-pragmas")
    if(ORTHO_SANITIZE MATCHES "thread")
        # All threads of a kernel are one thread here, on stacks that take turns. Told of thousands of stacks,
        # ThreadSanitizer takes minutes; not told, it must not see what runs on them.
        set_property(SOURCE ${cuda_sources} ${emulator}/fibers.cpp APPEND PROPERTY COMPILE_OPTIONS -fno-sanitize=thread)
    endif()
    ortho_configure_cuda(${target})
    target_include_directories(${target} BEFORE PRIVATE ${emulator}/include)
    target_compile_definitions(${target} PRIVATE ORTHO_CUDA_EMULATOR)
    target_compile_options(${target} PRIVATE -O2)
    set_target_properties(${target} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/emulated)
endfunction()
