# What the library says about the interface that it was built with.

# Gives the target ORTHO_VERSION and ORTHO_HEADER_HASH (SHA-256 of the header); a change of the header configures anew.
function(ortho_describe_interface target header)
    file(SHA256 ${header} hash)
    set(ORTHO_HEADER_HASH ${hash} PARENT_SCOPE)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
    set_property(SOURCE src/abi/library.cpp src/cuda/loader.cpp APPEND PROPERTY COMPILE_DEFINITIONS
        ORTHO_VERSION="${PROJECT_VERSION}" ORTHO_HEADER_HASH="${hash}")
    target_compile_definitions(${target} PUBLIC ORTHO_BUILDING)
endfunction()
