// Which threads of a device do what in a call of a chain.
#pragma once

#include <cstdint>

#include "model/fold.hpp"

namespace ortho::cpu {

using Range = Span;

/** Part `index` of `parts` nearly equal parts of a range. */
inline Range part_of(Range whole, int64_t index, int64_t parts) {
    const int64_t count = whole.end - whole.begin;
    return {whole.begin + count * index / parts, whole.begin + count * (index + 1) / parts};
}

/**
 * Slices of the batch whose weight gradients are summed apart. Cut by the shape alone, so that the order of every sum,
 * and with it every bit, is the same for any number of threads: a power of two, of 16 rows or more each, and not
 * more than four before they have 64 rows, since each costs a matrix of sums.
 */
int64_t slices_of(int64_t batch);

/** What a chain computes in one call, for the number of threads that it is worth. */
struct Work {
    int64_t batch;
    int64_t slices;
    int64_t steps;
    int64_t multiply_adds; // of a step
    /** All threads of a group wait for each other at every step, and not only those that share out columns. */
    bool meets_at_every_step;
};

/**
 * Who does what. Threads form groups; a group owns consecutive slices of the batch and runs all steps of them without
 * waiting for other groups. Inside a group the members share the rows, or where there are few rows the column tiles;
 * only the latter must wait for each other at every step, or in a feedforward chain, whose layers have weights of their
 * own, all members.
 */
struct Plan {
    int64_t slices;
    int64_t groups;
    int64_t members;   // threads of a group
    int64_t row_parts; // members = row_parts · column_parts
    int64_t column_parts;
    bool paced = false; // a Pace decided how many threads

    /** @param all  every thread takes part, however little there is to do */
    Plan(const Work& work, int64_t threads, bool all);

    int64_t threads() const { return groups * members; }

    Range slices_of_group(int64_t group) const { return part_of({0, slices}, group, groups); }
    Range rows_of_slice(int64_t slice, int64_t batch) const { return part_of({0, batch}, slice, slices); }

private:
    void divide(int64_t batch);
    bool waits_too_often(const Work& work) const;
};

/**
 * The environment variable ORTHONATIVE_CPU_THREADS, for tests: `all` lets every thread take part in any work.
 * @throws Error ORTHO_NOT_SUPPORTED if it has another value
 */
bool all_threads_of_environment();

} // namespace ortho::cpu
