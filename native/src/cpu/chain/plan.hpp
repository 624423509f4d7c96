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

/** What a chain computes in one call, for the number of threads that it is worth. */
struct Work {
    int64_t batch;
    int64_t leaves; // that groups may own; 1 where all threads form one group
    int64_t steps;
    int64_t multiply_adds; // of a step
    /** All threads of a group wait for each other at every step, and not only those that share out columns. */
    bool meets_at_every_step;
};

/**
 * Who does what. Threads form groups of equal size; each owns as many leaves as the others, or leaves of as many steps
 * where lengths differ, and runs all steps of them without waiting for other groups. Inside a group the members share
 * the rows, whatever leaves these are of, or where there are few rows the column tiles. At every step only those wait
 * for each other that share out columns, or in a feedforward chain, whose layers have weights of their own, all
 * members. All members wait where a group sums over rows, which in a recurrent chain it does once in many steps.
 *
 * So any number of threads has equal shares of the steps, and as many groups as divide both threads and leaves.
 */
struct Plan {
    int64_t groups;
    int64_t members;   // threads of a group
    int64_t row_parts; // members = row_parts · column_parts
    int64_t column_parts;
    bool paced = false; // a Pace decided how many threads

    /**
     * @param threads  the most that take part; fewer do where work is too little, or where that makes no share larger
     * @param all      every thread takes part, however little there is to do
     */
    Plan(const Work& work, int64_t threads, bool all);

    int64_t threads() const { return groups * members; }

private:
    void divide(const Work& work, int64_t threads);
    double largest_share(const Work& work) const;
    bool waits_too_often(const Work& work) const;
};

/**
 * The environment variable ORTHONATIVE_CPU_THREADS, for tests: `all` lets every thread take part in any work.
 * @throws Error ORTHO_NOT_SUPPORTED if it has another value
 */
bool all_threads_of_environment();

} // namespace ortho::cpu
