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

namespace ortho {

/** Threads that work together on one task at a time; the caller's thread takes part. */
class ThreadPool {
public:
    /**
     * @param threads  at least 1, the caller among them
     * @throws Error ORTHO_OUT_OF_MEMORY if the threads cannot be started
     */
    explicit ThreadPool(int threads);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    int threads() const noexcept { return threads_; }

    /**
     * Calls body(rank) for rank 0 to threads()-1 at the same time, rank 0 on the calling thread, and returns when all
     * are done. All run in the caller's floating-point environment. Calls from several threads run one after the other;
     * a body must not call run of its own pool. Does not allocate.
     * @throws what a body threw, that of the lowest rank
     */
    template <class Body> void run(Body&& body) {
        using Plain = std::remove_reference_t<Body>;
        run_erased([](void* context, int rank) { (*static_cast<Plain*>(context))(rank); },
                   const_cast<void*>(static_cast<const void*>(std::addressof(body))));
    }

private:
    using Entry = void (*)(void* context, int rank);

    void run_erased(Entry entry, void* context);
    void work(int rank) noexcept;
    void call(int rank) noexcept;
    void stop() noexcept;

    const int threads_;
    const bool may_spin_;
    std::mutex run_mutex_;
    Entry entry_ = nullptr;
    void* context_ = nullptr;
    /** The caller's, in which the workers run, too. */
    FloatingPointEnvironment environment_ = FloatingPointEnvironment::standard();
    bool stopping_ = false;
    std::vector<std::exception_ptr> failures_;
    std::vector<std::thread> workers_;
    /** Counts the runs; a worker waits for it to change. */
    alignas(64) std::atomic<uint32_t> generation_{0};
    /** Workers that have not finished the current run. */
    alignas(64) std::atomic<int> unfinished_{0};
};

/**
 * Calls body(task, rank) once for each task from 0 to tasks-1. Which rank takes which task is left to chance, so what a
 * task computes must not depend on it; body may use memory of its rank as scratch.
 */
template <class Body> void for_each_task(ThreadPool& pool, int64_t tasks, Body&& body) {
    if (tasks <= 1 || pool.threads() == 1) {
        for (int64_t task = 0; task < tasks; ++task)
            body(task, 0);
        return;
    }
    std::atomic<int64_t> next{0};
    pool.run([&](int rank) {
        for (int64_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < tasks;)
            body(task, rank);
    });
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

private:
    const int parties_;
    const int spins_;
    alignas(64) std::atomic<int> arrived_{0};
    alignas(64) std::atomic<uint32_t> phase_{0};
};

} // namespace ortho
