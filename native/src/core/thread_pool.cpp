#include "core/thread_pool.hpp"

#include <chrono>
#include <system_error>

#include "core/error.hpp"
#include "core/system.hpp"

namespace ortho {
namespace {

/** How long a thread stays awake for the next run: longer than the serial work between two runs of a training step. */
constexpr auto awake = std::chrono::microseconds(50);
constexpr int barrier_spins = 4000;

/** Threads beyond the cores would only take time from those that work, so they sleep at once. */
bool have_cores_for(int threads) noexcept {
    static const int cores = usable_cores();
    return threads <= cores;
}

inline void pause() noexcept {
#if defined(__x86_64__) || defined(_M_X64)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

/** Waits until `value` is no longer `old`: spins for a while if that is allowed, then sleeps. */
template <class T> void wait_for_change(const std::atomic<T>& value, T old, bool may_spin) noexcept {
    if (may_spin) {
        const auto deadline = std::chrono::steady_clock::now() + awake;
        do {
            for (int i = 0; i < 32; ++i) {
                if (value.load(std::memory_order_acquire) != old)
                    return;
                pause();
            }
        } while (std::chrono::steady_clock::now() < deadline);
    }
    value.wait(old, std::memory_order_acquire);
}

} // namespace

ThreadPool::ThreadPool(int threads)
    : threads_(threads), may_spin_(have_cores_for(threads)), failures_(static_cast<size_t>(threads)) {
    workers_.reserve(static_cast<size_t>(threads - 1));
    try {
        for (int rank = 1; rank < threads; ++rank)
            workers_.emplace_back([this, rank] { work(rank); });
    } catch (const std::system_error& error) {
        const size_t started = workers_.size() + 1;
        stop();
        fail(ORTHO_OUT_OF_MEMORY, "threads is %d; only %zu can be started here (%s)", threads, started, error.what());
    } catch (...) {
        stop();
        throw;
    }
}

ThreadPool::~ThreadPool() {
    stop();
}

void ThreadPool::stop() noexcept {
    stopping_ = true;
    generation_.fetch_add(1, std::memory_order_release);
    generation_.notify_all();
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
    for (uint32_t seen = 0;; ++seen) {
        wait_for_change(generation_, seen, may_spin_);
        if (stopping_)
            return;
        environment_.apply();
        call(rank);
        if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            unfinished_.notify_one();
    }
}

void ThreadPool::run_erased(Entry entry, void* context) {
    const std::lock_guard lock(run_mutex_);
    entry_ = entry;
    context_ = context;
    environment_ = FloatingPointEnvironment::current();
    if (threads_ > 1) {
        unfinished_.store(threads_ - 1, std::memory_order_relaxed);
        generation_.fetch_add(1, std::memory_order_release);
        generation_.notify_all();
    }
    call(0);
    for (int left; (left = unfinished_.load(std::memory_order_acquire)) != 0;)
        wait_for_change(unfinished_, left, may_spin_);
    std::exception_ptr first;
    for (std::exception_ptr& failure : failures_)
        if (failure) {
            if (!first)
                first = failure;
            failure = nullptr;
        }
    if (first)
        std::rethrow_exception(first);
}

Barrier::Barrier(int parties) noexcept : parties_(parties), spins_(have_cores_for(parties) ? barrier_spins : 0) {}

void Barrier::wait() noexcept {
    const uint32_t phase = phase_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == parties_) {
        arrived_.store(0, std::memory_order_relaxed);
        phase_.store(phase + 1, std::memory_order_release);
        return;
    }
    for (int spin = 0; phase_.load(std::memory_order_acquire) == phase; ++spin) {
        if (spin < spins_)
            pause();
        else
            std::this_thread::yield();
    }
}

} // namespace ortho
