#include "core/fork.hpp"

#include <atomic>
#include <mutex>

#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace ortho {

/** All handlers of the process. The lock is held during a fork, so that the child finds the list whole. */
struct ForkHandlers {
    static inline std::mutex mutex;
    static inline ForkHandler* first = nullptr;
    static inline std::atomic<uint32_t> forks{0};

    static void prepare() { mutex.lock(); }
    static void parent() { mutex.unlock(); }
    static void child() {
        forks.fetch_add(1, std::memory_order_relaxed);
        for (const ForkHandler* handler = first; handler != nullptr; handler = handler->next_)
            handler->repair_(handler->context_);
        mutex.unlock();
    }
};

#if !defined(_WIN32)
namespace {

[[maybe_unused]] const int registered =
    pthread_atfork(ForkHandlers::prepare, ForkHandlers::parent, ForkHandlers::child);

} // namespace
#endif

uint32_t forks_so_far() noexcept {
    return ForkHandlers::forks.load(std::memory_order_relaxed);
}

ForkHandler::ForkHandler(void (*repair)(void* context) noexcept, void* context) noexcept
    : repair_(repair), context_(context) {
    const std::lock_guard lock(ForkHandlers::mutex);
    next_ = ForkHandlers::first;
    if (next_ != nullptr)
        next_->previous_ = this;
    ForkHandlers::first = this;
}

ForkHandler::~ForkHandler() {
    const std::lock_guard lock(ForkHandlers::mutex);
    (previous_ != nullptr ? previous_->next_ : ForkHandlers::first) = next_;
    if (next_ != nullptr)
        next_->previous_ = previous_;
}

} // namespace ortho
