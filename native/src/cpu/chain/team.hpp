// The threads of a plan while they run a call.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/pace.hpp"
#include "core/thread_pool.hpp"
#include "cpu/chain/plan.hpp"
#include "cpu/chain/rows.hpp"
#include "model/part.hpp"

namespace ortho::cpu {

/** One barrier for each group; and stages that threads reach on their own, for those that may be some ahead. */
class Barriers {
public:
    explicit Barriers(const Plan& plan) : stages_(static_cast<int>(plan.threads())) {
        for (int64_t group = 0; group < plan.groups; ++group)
            barriers_.push_back(std::make_unique<Barrier>(static_cast<int>(plan.members)));
    }
    Barrier& of(int64_t group) { return *barriers_[static_cast<size_t>(group)]; }
    Stages& stages() { return stages_; }
    int64_t slept() const {
        int64_t sum = stages_.slept();
        for (const auto& barrier : barriers_)
            sum += barrier->slept();
        return sum;
    }

private:
    Stages stages_;
    std::vector<std::unique_ptr<Barrier>> barriers_;
};

/** A thread's part in a plan. */
struct Member {
    int64_t group;
    int64_t members;
    int64_t index;        // in the group
    Range leaves;         // of the group
    Range rows;           // that this member steps
    Range all_rows_share; // of the group's rows, where columns are not shared out
    int64_t column_part;
    int64_t column_parts;
    int64_t threads;
    int64_t rank;
    Barrier* barrier;
    Stages* stages;

    Member(const Plan& plan, int64_t thread, const BatchPart& part, const BatchRows& batch, Barriers& barriers)
        : group(thread / plan.members), members(plan.members), index(thread % plan.members),
          column_part(index / plan.row_parts), column_parts(plan.column_parts), threads(plan.threads()), rank(thread),
          barrier(&barriers.of(group)), stages(&barriers.stages()) {
        leaves = batch.share_of_leaves(part, group, plan.groups);
        const Range group_rows = {part.rows_of(leaves.begin).begin, part.rows_of(leaves.end - 1).end};
        rows = batch.share(group_rows, index % plan.row_parts, plan.row_parts);
        all_rows_share = batch.share(group_rows, index, members);
    }

    /** The column tiles that this member steps, of `count`. */
    Range columns(int64_t count) const { return part_of({0, count}, column_part, column_parts); }
    /** Its share of `count` things that are divided among all members. */
    Range share(int64_t count) const { return part_of({0, count}, index, members); }
    /** Its share of `count` things that are divided among all threads. */
    Range share_of_all(int64_t count) const { return part_of({0, count}, rank, threads); }
    void wait() const {
        if (members > 1)
            barrier->wait();
    }
    /** After a step: only those who share out columns read what others wrote. */
    void wait_for_columns() const {
        if (column_parts > 1)
            barrier->wait();
    }
    /** Tells all threads that this one has reached a stage. */
    void reach(int64_t stage) const { stages->reach(static_cast<int>(rank), static_cast<uint32_t>(stage)); }
    /** Waits until all threads have reached a stage. */
    void wait_for_all(int64_t stage) const { stages->wait_for_all(static_cast<uint32_t>(stage)); }
};

/** The threads of a plan. Takes all memory that running them needs. */
class Team {
public:
    Team(ThreadPool& pool, const Plan& plan, const BatchPart& part)
        : pool_(pool), plan_(plan), part_(part), barriers_(plan) {}

    const Plan& plan() const { return plan_; }
    const BatchPart& part() const { return part_; }

    /**
     * Runs body(member) on all members.
     * @param rows           of the batch
     * @param multiply_adds  of the whole call, for the pace to learn from
     */
    template <class Body> void run(const BatchRows& rows, double multiply_adds, Pace& pace, Body&& body) {
        const auto share = [&](int rank) { body(Member(plan_, rank, part_, rows, barriers_)); };
        const int threads = static_cast<int>(plan_.threads());
        using Clock = std::chrono::steady_clock;
        Clock::time_point begin; // the time is asked for only where it is wanted
        if (plan_.paced)
            begin = Clock::now();
        int64_t slept = 0;
        if (threads == 1)
            share(0);
        else
            slept = pool_.run(threads, share);
        if (plan_.paced) {
            const auto taken = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin);
            pace.record(threads, multiply_adds, taken.count(), slept + barriers_.slept());
        }
    }

    /** Calls body(task) for each task, on the threads of the device only where the plan wakes them anyway. */
    template <class Body> void for_each_task(int64_t tasks, Body&& body) const {
        if (plan_.threads() > 1)
            ortho::for_each_task(pool_, tasks, [&](int64_t task, int) { body(task); });
        else
            for (int64_t task = 0; task < tasks; ++task)
                body(task);
    }

private:
    ThreadPool& pool_;
    const Plan plan_;
    const BatchPart part_;
    Barriers barriers_;
};

} // namespace ortho::cpu
