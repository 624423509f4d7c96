#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#include "core/floating_point.hpp"
#include "core/fork.hpp"
#include "core/system.hpp"

namespace ortho {

/** A number on which threads wait. Whoever changes it wakes them; where none sleeps, that takes no system call. */
class WaitWord {
public:
    explicit WaitWord(uint32_t value = 0) noexcept : value_(value) {}

    uint32_t load() const noexcept { return value_.load(std::memory_order_acquire); }
    void store(uint32_t value) noexcept {
        value_.store(value);
        wake();
    }
    bool replace(uint32_t expected, uint32_t value) noexcept {
        const bool replaced = value_.compare_exchange_strong(expected, value);
        if (replaced)
            wake();
        return replaced;
    }
    /** @return the number after it was lowered by one; wakes when that is 0 */
    uint32_t decrease() noexcept {
        const uint32_t left = value_.fetch_sub(1) - 1;
        if (left == 0)
            wake();
        return left;
    }
    /**
     * Waits until the number is no longer `old`: spins for a while if `may_spin`, then sleeps.
     * @return nanoseconds that it slept
     */
    int64_t wait_while(uint32_t old, bool may_spin) noexcept;
    /** In the child of a fork, where nobody waits. */
    void reset(uint32_t value) noexcept {
        value_.store(value, std::memory_order_relaxed);
        sleepers_.store(0, std::memory_order_relaxed);
    }

private:
    void wake() noexcept {
        if (sleepers_.load() != 0)
            wake_all(value_);
    }

    alignas(64) std::atomic<uint32_t> value_;
    std::atomic<uint32_t> sleepers_{0};
};

/**
 * Threads that work together on one task at a time; the caller's thread takes part. In the child of a fork, whose
 * threads are gone, they are started again when they are needed.
 */
class ThreadPool {
public:
    enum class IfFewer { refuse, accept };

    /**
     * @param threads   at least 1, the caller among them
     * @param if_fewer  accept: fewer threads, if the system does not start as many
     * @throws Error, unless fewer are accepted, if the threads cannot be started: ORTHO_OUT_OF_MEMORY if memory for
     * them is missing, ORTHO_NOT_SUPPORTED if it is another limit; the message names the limit
     */
    explicit ThreadPool(int threads, IfFewer if_fewer = IfFewer::refuse);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    /** The most threads that ever take part. */
    int threads() const noexcept { return threads_; }

    /** Threads that a run can have now: threads(), or fewer in the child of a fork if they cannot be started there. */
    int ready() {
        if (workers_are_gone_.load(std::memory_order_acquire))
            start_again();
        return ready_.load(std::memory_order_relaxed);
    }

    /**
     * Calls body(rank) for rank 0 to threads-1 at the same time, rank 0 on the calling thread, and returns when all
     * are done. All run in the caller's floating-point environment. Calls from several threads run one after the other;
     * a body must not call run of its own pool. Does not allocate.
     * @param threads  1 to what ready() said
     * @return nanoseconds that the caller slept until the others were done
     * @throws what a body threw, that of the lowest rank
     */
    template <class Body> int64_t run(int threads, Body&& body) {
        return run_erased(threads, Late::needed, entry_of<Body>, context_of(body));
    }

    template <class Body> int64_t run(Body&& body) { return run(ready(), std::forward<Body>(body)); }

    /** As run, but a thread that has not begun when the caller is done is left out: what body does must not need it. */
    template <class Body> void run_with_who_comes(Body&& body) {
        run_erased(ready(), Late::left_out, entry_of<Body>, context_of(body));
    }

    /** As run_with_who_comes. @return false, having done nothing, while a call on another thread runs */
    template <class Body> bool try_run_with_who_comes(Body&& body) {
        const int threads = ready();
        const std::unique_lock lock(run_mutex_, std::try_to_lock);
        if (lock)
            run_locked(threads, Late::left_out, entry_of<Body>, context_of(body));
        return lock.owns_lock();
    }

private:
    using Entry = void (*)(void* context, int rank);
    enum class Late { needed, left_out };

    /** The order to a worker: a number whose lowest two bits are this, and the others count the runs. */
    enum : uint32_t { idle = 0, called = 1, working = 2, next_run = 4 };

    template <class Body> static void entry_of(void* context, int rank) {
        (*static_cast<std::remove_reference_t<Body>*>(context))(rank);
    }
    template <class Body> static void* context_of(Body& body) {
        return const_cast<void*>(static_cast<const void*>(std::addressof(body)));
    }

    int64_t run_erased(int threads, Late late, Entry entry, void* context) {
        const std::lock_guard lock(run_mutex_);
        return run_locked(threads, late, entry, context);
    }
    int64_t run_locked(int threads, Late late, Entry entry, void* context);
    void start_workers(int threads);
    void start_again();
    void work(int rank) noexcept;
    void call(int rank) noexcept;
    void stop() noexcept;
    void repair_after_fork() noexcept;

    int threads_;
    std::atomic<bool> may_spin_; // workers read it while the constructor counts them
    std::mutex run_mutex_;
    Entry entry_ = nullptr;
    void* context_ = nullptr;
    /** The caller's, in which the workers run, too. */
    FloatingPointEnvironment environment_ = FloatingPointEnvironment::standard();
    std::atomic<bool> stopping_{false};
    std::vector<std::exception_ptr> failures_;
    std::vector<std::thread> workers_;
    std::atomic<int> ready_{1};
    std::atomic<bool> workers_are_gone_{false};
    /** One for each thread, that of the caller unused. */
    std::unique_ptr<WaitWord[]> orders_;
    /** Workers that have not finished the current run. */
    WaitWord unfinished_;
    ForkHandler fork_handler_;
};

/** What a caller does while a call on another thread has the pool. */
enum class IfBusy {
    wait,
    /** Works on its own thread alone, as rank 0, which the other call has, too: it must use no memory of its rank. */
    work_alone
};

/**
 * Calls body(task, rank) once for each task from 0 to tasks-1. Which rank takes which task is left to chance, so what a
 * task computes must not depend on it; body may use memory of its rank as scratch.
 */
template <class Body> void for_each_task(ThreadPool& pool, int64_t tasks, Body&& body, IfBusy if_busy = IfBusy::wait) {
    if (tasks <= 1 || pool.threads() == 1) {
        for (int64_t task = 0; task < tasks; ++task)
            body(task, 0);
        return;
    }
    std::atomic<int64_t> next{0};
    const auto share = [&](int rank) {
        for (int64_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < tasks;)
            body(task, rank);
    };
    if (if_busy == IfBusy::wait)
        pool.run_with_who_comes(share);
    else if (!pool.try_run_with_who_comes(share))
        share(0);
}

/** Lets the threads of one ThreadPool::run wait for each other; can be used again and again. */
class Barrier {
public:
    /** @param parties  threads that wait, at least 1 */
    explicit Barrier(int parties) noexcept;
    Barrier(const Barrier&) = delete;
    Barrier& operator=(const Barrier&) = delete;

    /** Returns when all parties have called it; what they wrote before is then visible to all. */
    void wait() noexcept;

    /** Nanoseconds that all parties together have slept in wait. */
    int64_t slept() const noexcept { return slept_.load(std::memory_order_relaxed); }

private:
    const int parties_;
    const bool may_spin_;
    alignas(64) std::atomic<int> arrived_{0};
    WaitWord phase_;
    std::atomic<int64_t> slept_{0};
};

/**
 * How far each thread of one ThreadPool::run has come. One that needs only what others did some stages ago waits
 * rarely, where at a Barrier it would wait for the slowest at every stage.
 */
class Stages {
public:
    explicit Stages(int threads);

    /** What the thread wrote before is visible to those who wait for the stage. @param stage  higher than before */
    void reach(int rank, uint32_t stage) noexcept;
    /** Waits until all threads have reached a stage or a higher one. */
    void wait_for_all(uint32_t stage) noexcept;

    /** Nanoseconds that all threads together have slept. */
    int64_t slept() const noexcept { return slept_.load(std::memory_order_relaxed); }

private:
    const int threads_;
    const bool may_spin_;
    std::unique_ptr<WaitWord[]> reached_;
    std::atomic<int64_t> slept_{0};
};

} // namespace ortho
