#include "cpu/chain/plan.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/error.hpp"
#include "core/system.hpp"
#include "model/segments.hpp"

namespace ortho::cpu {

int64_t slices_of(int64_t batch) {
    const auto power_of_two = [](int64_t n) { return static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(n))); };
    if (batch < 32)
        return 1;
    return std::min(power_of_two(batch / 16), std::max<int64_t>(4, power_of_two(batch / 64)));
}

Plan::Plan(const Work& work, int64_t threads, bool all) : slices(work.slices) {
    // Multiply-adds that take as long as it takes to wake a thread, some 50 us.
    constexpr int64_t least_of_call = int64_t{1} << 21;
    if (!all && work.multiply_adds < divide_up(least_of_call, work.steps))
        threads = 1;
    groups = std::min(slices, threads);
    members = threads / groups;
    divide(work.batch);
    while (!all && members > 1 && waits_too_often(work)) {
        --members;
        divide(work.batch);
    }
}

/** Divides the members among rows and columns. */
void Plan::divide(int64_t batch) {
    constexpr int64_t least_rows = 8; // of a member: below that, reading the weights costs more than using them
    row_parts = members;
    while (row_parts > 1 && (members % row_parts != 0 || batch / groups / row_parts < least_rows))
        --row_parts;
    column_parts = members / row_parts;
}

bool Plan::waits_too_often(const Work& work) const {
    // Multiply-adds of a member that take several times as long as waiting for another core, half a microsecond.
    // With as many, two threads were 1.4 to 1.8 times as fast as one on two free cores; with half as many 1.1
    // times, and far slower where other programs used the cores; with a quarter no faster.
    constexpr int64_t least_between_waits = int64_t{1} << 16;
    return (column_parts > 1 || work.meets_at_every_step) && work.multiply_adds / threads() < least_between_waits;
}

bool all_threads_of_environment() {
    const char* const value = environment("ORTHONATIVE_CPU_THREADS");
    if (value == nullptr)
        return false;
    if (std::strcmp(value, "all") != 0)
        fail(ORTHO_NOT_SUPPORTED, "ORTHONATIVE_CPU_THREADS is '%s'; it must be 'all'", ForeignText(value).c_str());
    return true;
}

} // namespace ortho::cpu
