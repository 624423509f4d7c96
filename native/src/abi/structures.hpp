// Structures that begin with struct_size, the size that the caller's header gave them. They grow at the end only, so a
// caller that was compiled with an older header has the first fields of those here.
#pragma once

#include <cstddef>
#include <cstring>

#include "core/check.hpp"

namespace ortho {

/** struct_size in messages, by the name of the argument. */
template <class Structure> constexpr const char* size_name = "options->struct_size";
template <> inline constexpr const char* size_name<ortho_error> = "error->struct_size";
template <> inline constexpr const char* size_name<ortho_system_info> = "info->struct_size";
template <> inline constexpr const char* size_name<ortho_device_info> = "info->struct_size";
template <> inline constexpr const char* size_name<ortho_batch_part> = "part->struct_size";

/** Size of a structure in the first header that had it. */
template <class Structure> constexpr size_t first_size();
template <> constexpr size_t first_size<ortho_error>() {
    return 48;
}
template <> constexpr size_t first_size<ortho_system_info>() {
    return 32;
}
template <> constexpr size_t first_size<ortho_device_options>() {
    return 16; // struct_size, kind, threads, index
}
template <> constexpr size_t first_size<ortho_device_info>() {
    return 64;
}
template <> constexpr size_t first_size<ortho_batch_part>() {
    return 40;
}
template <> constexpr size_t first_size<ortho_chain_options>() {
    return 120;
}

/**
 * @return how many bytes the caller's structure has; nothing behind its struct_size has been read
 * @throws Error ORTHO_INVALID_ARGUMENT, naming the argument
 */
template <class Structure> size_t checked_size(const char* name, const Structure* structure) {
    constexpr size_t unit = 8; // fields are added in units of it, so no size ends inside a field
    static_assert(sizeof(Structure) % unit == 0 && first_size<Structure>() % unit == 0 &&
                  first_size<Structure>() <= sizeof(Structure));
    check::not_null(name, structure);
    const Argument argument = Argument::out_of_range(size_name<Structure>);
    uint32_t size = 0;
    std::memcpy(&size, structure, sizeof size);
    if (size > sizeof(Structure))
        fail(ORTHO_INVALID_ARGUMENT, argument,
             "is %" PRIu32 "; it must be at most %zu: the caller's header is newer than this library, %s", size,
             sizeof(Structure), ortho_version());
    if (size < first_size<Structure>())
        fail(ORTHO_INVALID_ARGUMENT, argument, "is %" PRIu32 "; it must be at least %zu", size,
             first_size<Structure>());
    if (size % unit != 0)
        fail(ORTHO_INVALID_ARGUMENT, argument, "is %" PRIu32 "; it must be a multiple of %zu", size, unit);
    return size;
}

/** A caller's structure with all fields of this version: those that it lacks are 0 or null, their defaults. */
template <class Structure> Structure read_structure(const char* name, const Structure* given) {
    const size_t size = checked_size(name, given);
    Structure whole{};
    std::memcpy(&whole, given, size);
    whole.struct_size = sizeof whole;
    return whole;
}

/** Writes those fields that the caller's structure has, but for its struct_size. @param size  its checked_size() */
template <class Structure> void write_structure(Structure* target, size_t size, Structure facts) {
    facts.struct_size = static_cast<uint32_t>(size);
    std::memcpy(target, &facts, size);
}

} // namespace ortho
