#include <cstddef>
#include <cstring>

#include "abi/guard.hpp"
#include "abi/structures.hpp"
#include "core/cpu_features.hpp"
#include "core/live_objects.hpp"
#include "core/system.hpp"

using namespace ortho;

uint32_t ortho_abi_version(void) {
    return ORTHO_ABI_VERSION;
}

const char* ortho_version(void) {
    return ORTHO_VERSION;
}

const char* ortho_header_hash(void) {
    return ORTHO_HEADER_HASH;
}

const char* ortho_last_error(void) {
    return last_error().message;
}

ortho_status ortho_get_last_error(ortho_error* error) {
    return guard([&] {
        const size_t size = checked_size("error", error);
        const Report& report = last_error();
        ortho_error parts{};
        parts.status = report.status;
        parts.cause = report.argument.cause;
        parts.argument = report.argument.name;
        parts.element = report.argument.element;
        parts.problem = report.problem();
        parts.message = report.message;
        write_structure(error, size, parts);
    });
}

int64_t ortho_live_objects(void) {
    return LiveObject::count();
}

int64_t ortho_layout(const char* name) {
    struct Entry {
        const char* name;
        size_t bytes;
    };
    static constexpr Entry entries[] = {
#include "abi/layout.g.inc"
    };
    if (name != nullptr)
        for (const Entry& entry : entries)
            if (std::strcmp(entry.name, name) == 0)
                return static_cast<int64_t>(entry.bytes);
    return -1;
}

ortho_status ortho_get_system_info(ortho_system_info* info) {
    return guard([&] {
        const size_t size = checked_size("info", info);
        ortho_system_info facts{};
        facts.instruction_set = active_instruction_set();
        facts.best_instruction_set = best_instruction_set();
        facts.cores = usable_cores();
        facts.total_memory = total_memory();
        facts.available_memory = available_memory();
        write_structure(info, size, facts);
    });
}
