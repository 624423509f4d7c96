#include "cpu/chain/plan.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "core/error.hpp"
#include "core/system.hpp"
#include "model/segments.hpp"

namespace ortho::cpu {

Plan::Plan(const Work& work, int64_t threads, bool all) {
    // Multiply-adds that take as long as it takes to wake a thread, some 50 us.
    constexpr int64_t least_of_call = int64_t{1} << 21;
    if (!all && work.multiply_adds < divide_up(least_of_call, work.steps))
        threads = 1;
    divide(work, threads);
    if (all)
        return;
    // Where rows alone are shared out, fewer threads have larger shares.
    Plan tried = *this;
    while (tried.threads() > 1 && (tried.column_parts > 1 || tried.waits_too_often(work))) {
        tried.divide(work, tried.threads() - 1);
        if (waits_too_often(work) || tried.largest_share(work) <= largest_share(work))
            *this = tried;
    }
}

/** Divides the threads among groups, and the members of a group among rows and columns. */
void Plan::divide(const Work& work, int64_t threads) {
    constexpr int64_t least_rows = 8; // of a member: below that, reading the weights costs more than using them
    groups = std::gcd(work.leaves, threads);
    members = threads / groups;
    const int64_t rows = divide_up(work.batch, groups);
    row_parts = std::clamp<int64_t>(divide_up(rows, least_rows), 1, members);
    while (members % row_parts != 0 || (row_parts > 1 && divide_up(rows, row_parts) < least_rows))
        --row_parts;
    column_parts = members / row_parts;
}

/** What the member with most to do computes of a step, in rows. */
double Plan::largest_share(const Work& work) const {
    // Members that share out columns wait for each other at every step.
    constexpr double waiting = 1.25;
    const auto rows = static_cast<double>(divide_up(divide_up(work.batch, groups), row_parts));
    return column_parts > 1 ? waiting * rows / static_cast<double>(column_parts) : rows;
}

bool Plan::waits_too_often(const Work& work) const {
    // Multiply-adds of a member that take several times as long as waiting for another core, half a microsecond.
    // With as many, two threads were 1.4 to 1.8 times as fast as one on two free cores; with half as many 1.1
    // times, and far slower where other programs used the cores; with a quarter no faster.
    constexpr int64_t least_between_waits = int64_t{1} << 16;
    return members > 1 && (column_parts > 1 || work.meets_at_every_step) &&
           work.multiply_adds / threads() < least_between_waits;
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
