#include "core/thread_pool.hpp"

#include <chrono>
#include <new>
#include <system_error>

#include "core/error.hpp"
#include "core/limits.hpp"
#include "core/system.hpp"

namespace ortho {
namespace {

using Clock = std::chrono::steady_clock;

/**
 * The time that a thread stays awake: longer than the serial work between two runs of a training step, and than a
 * thread that has a core ever lets others wait at a barrier. Whoever is waited for longer has lost its core, and only a
 * thread that sleeps leaves it another.
 */
constexpr auto awake = std::chrono::microseconds(50);

inline void pause() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

/** Threads beyond the cores would only take time from those that work, so they sleep at once. */
bool have_cores_for(int threads) noexcept {
    // Not initialized by a call: the guard of that, which a fork may leave locked, would hang the child.
    static std::atomic<int> cores{0};
    int known = cores.load(std::memory_order_relaxed);
    if (known == 0)
        cores.store(known = usable_cores(), std::memory_order_relaxed);
    return threads <= known;
}

} // namespace

int64_t WaitWord::wait_while(uint32_t old, bool may_spin) noexcept {
    // Most waits end before it is worth asking for the time.
    for (int i = 0; i < (may_spin ? 1024 : 1); ++i) {
        if (load() != old)
            return 0;
        pause();
    }
    Clock::time_point now = Clock::now();
    if (may_spin) {
        const Clock::time_point deadline = now + awake;
        do {
            for (int i = 0; i < 32; ++i) {
                if (load() != old)
                    return 0;
                pause();
            }
            now = Clock::now();
        } while (now < deadline);
    }
    sleepers_.fetch_add(1);
    while (value_.load() == old)
        sleep_while(value_, old);
    sleepers_.fetch_sub(1);
    return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - now).count();
}

ThreadPool::ThreadPool(int threads, IfFewer if_fewer)
    : threads_(threads), may_spin_(have_cores_for(threads)), failures_(static_cast<size_t>(threads)),
      orders_(new WaitWord[static_cast<size_t>(threads)]),
      fork_handler_([](void* pool) noexcept { static_cast<ThreadPool*>(pool)->repair_after_fork(); }, this) {
    try {
        workers_.reserve(static_cast<size_t>(threads - 1));
        start_workers(threads);
    } catch (const std::system_error& error) {
        const int started = ready_;
        if (if_fewer == IfFewer::accept) {
            threads_ = started;
            may_spin_.store(have_cores_for(started), std::memory_order_relaxed);
            return;
        }
        // Before the threads end, while the limit is met.
        const Limit limit = limit_of_threads();
        stop();
        if (limit.known())
            fail(limit.of_memory ? ORTHO_OUT_OF_MEMORY : ORTHO_NOT_SUPPORTED, Argument{"threads"},
                 "is %d; only %d can be started here: %s", threads, started, limit.text);
        fail(ORTHO_NOT_SUPPORTED, Argument{"threads"}, "is %d; only %d can be started here (%s)", threads, started,
             error.what());
    } catch (...) {
        stop();
        throw;
    }
}

ThreadPool::~ThreadPool() {
    stop();
}

/** Starts workers until there are `threads` in all; those that were started before an exception are ready. */
void ThreadPool::start_workers(int threads) {
    for (int rank = static_cast<int>(workers_.size()) + 1; rank < threads; ++rank) {
        workers_.emplace_back([this, rank] { work(rank); });
        ready_.store(rank + 1, std::memory_order_relaxed);
    }
}

void ThreadPool::start_again() {
    const std::lock_guard lock(run_mutex_);
    if (!workers_are_gone_)
        return;
    try {
        start_workers(threads_);
    } catch (...) {
        // The work does not depend on how many there are.
    }
    workers_are_gone_.store(false, std::memory_order_release);
}

void ThreadPool::repair_after_fork() noexcept {
    // What cannot be trusted is made anew in its place, and what it owned is leaked: the handles of threads that are
    // not here, a lock that one of them may hold, exceptions that one of them was storing.
    new (&run_mutex_) std::mutex;
    new (&workers_) std::vector<std::thread>;
    for (std::exception_ptr& failure : failures_)
        new (&failure) std::exception_ptr;
    for (int rank = 0; rank < threads_; ++rank)
        orders_[static_cast<size_t>(rank)].reset(idle);
    unfinished_.reset(0);
    ready_ = 1;
    workers_are_gone_ = threads_ > 1;
}

void ThreadPool::stop() noexcept {
    stopping_ = true;
    for (size_t i = 0; i < workers_.size(); ++i) {
        WaitWord& order = orders_[i + 1];
        order.store(order.load() + called);
    }
    for (std::thread& worker : workers_)
        worker.join();
}

void ThreadPool::call(int rank) noexcept {
    try {
        entry_(context_, rank);
    } catch (...) {
        failures_[static_cast<size_t>(rank)] = std::current_exception();
    }
}

void ThreadPool::work(int rank) noexcept {
    WaitWord& order = orders_[static_cast<size_t>(rank)];
    for (uint32_t run = idle;;) {
        order.wait_while(run, may_spin_.load(std::memory_order_relaxed));
        run = order.load();
        if (stopping_)
            return;
        if (run % next_run != called || !order.replace(run, run + (working - called)))
            continue;
        environment_.apply();
        call(rank);
        run += next_run - called;
        order.store(run);
        unfinished_.decrease();
    }
}

int64_t ThreadPool::run_locked(int threads, Late late, Entry entry, void* context) {
    entry_ = entry;
    context_ = context;
    environment_ = FloatingPointEnvironment::current();
    unfinished_.store(static_cast<uint32_t>(threads - 1));
    for (int rank = 1; rank < threads; ++rank) {
        WaitWord& order = orders_[static_cast<size_t>(rank)];
        order.store(order.load() + called);
    }
    call(0);
    if (late == Late::left_out)
        for (int rank = 1; rank < threads; ++rank) {
            WaitWord& order = orders_[static_cast<size_t>(rank)];
            const uint32_t run = order.load();
            if (run % next_run == called && order.replace(run, run + (next_run - called)))
                unfinished_.decrease();
        }
    int64_t slept = 0;
    for (uint32_t left; (left = unfinished_.load()) != 0;)
        slept += unfinished_.wait_while(left, may_spin_.load(std::memory_order_relaxed));
    std::exception_ptr first;
    for (std::exception_ptr& failure : failures_)
        if (failure) {
            if (!first)
                first = failure;
            failure = nullptr;
        }
    if (first)
        std::rethrow_exception(first);
    return slept;
}

Barrier::Barrier(int parties) noexcept : parties_(parties), may_spin_(have_cores_for(parties)) {}

void Barrier::wait() noexcept {
    // One thread waits for nobody: without this, it would pay for atomic operations at every step of a chain.
    if (parties_ == 1)
        return;
    const uint32_t phase = phase_.load();
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == parties_) {
        arrived_.store(0, std::memory_order_relaxed);
        phase_.store(phase + 1);
        return;
    }
    if (const int64_t slept = phase_.wait_while(phase, may_spin_); slept > 0)
        slept_.fetch_add(slept, std::memory_order_relaxed);
}

Stages::Stages(int threads)
    : threads_(threads), may_spin_(have_cores_for(threads)),
      reached_(threads > 1 ? new WaitWord[static_cast<size_t>(threads)] : nullptr) {}

void Stages::reach(int rank, uint32_t stage) noexcept {
    if (threads_ > 1)
        reached_[static_cast<size_t>(rank)].store(stage);
}

void Stages::wait_for_all(uint32_t stage) noexcept {
    if (threads_ == 1)
        return;
    for (int rank = 0; rank < threads_; ++rank) {
        WaitWord& word = reached_[static_cast<size_t>(rank)];
        for (uint32_t reached = word.load(); reached < stage; reached = word.load())
            if (const int64_t slept = word.wait_while(reached, may_spin_); slept > 0)
                slept_.fetch_add(slept, std::memory_order_relaxed);
    }
}

} // namespace ortho
