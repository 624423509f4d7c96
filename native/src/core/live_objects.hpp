#pragma once

#include <atomic>
#include <cstdint>

namespace ortho {

/** Member of every object that the C interface hands out: counts those alive. */
class LiveObject {
public:
    LiveObject() noexcept { count_.fetch_add(1, std::memory_order_relaxed); }
    ~LiveObject() { forget(); }
    LiveObject(const LiveObject&) = delete;
    LiveObject& operator=(const LiveObject&) = delete;

    /** Ends the count of an object that will never be destroyed. */
    static void forget() noexcept { count_.fetch_sub(1, std::memory_order_relaxed); }

    static int64_t count() noexcept { return count_.load(std::memory_order_relaxed); }

private:
    inline static std::atomic<int64_t> count_{0};
};

} // namespace ortho
