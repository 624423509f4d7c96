#pragma once

#include <atomic>
#include <cstdint>

#include "core/error.hpp"
#include "core/fork.hpp"

namespace ortho {

/** Holds an object of one thread at a time for one call; another thread's call meanwhile is refused. */
class InUse {
public:
    /**
     * @param user  the object's: 0, or where a thread is using it, 1 + forks_so_far() of the process of that thread
     * @param name  of the argument
     */
    InUse(std::atomic<uint64_t>& user, const char* name) : user_(user) {
        uint64_t other = 0;
        if (user_.compare_exchange_strong(other, this_process(), std::memory_order_acquire))
            return;
        if (other == this_process())
            fail(ORTHO_INVALID_STATE, Argument{name}, "is in use by another thread; give each thread one of its own");
        fail(ORTHO_INVALID_STATE, Argument{name},
             "was in use by another thread when this process was forked, so it is half changed; create another");
    }
    ~InUse() { user_.store(0, std::memory_order_release); }
    InUse(const InUse&) = delete;
    InUse& operator=(const InUse&) = delete;

    /** Whether the object is half changed, by a thread that this process does not have. */
    static bool is_abandoned(const std::atomic<uint64_t>& user) {
        const uint64_t value = user.load(std::memory_order_relaxed);
        return value != 0 && value != this_process();
    }

private:
    static uint64_t this_process() noexcept { return uint64_t{1} + forks_so_far(); }

    std::atomic<uint64_t>& user_;
};

/** Frees an object, unless it is abandoned: then its memory, which was being changed, is left where it is. */
template <class Object, class Release> void free_or_leave(Object* object, Release&& release) {
    if (object == nullptr || !InUse::is_abandoned(object->in_use)) {
        delete object;
        return;
    }
    object->live.forget();
    release(*object);
}

} // namespace ortho
