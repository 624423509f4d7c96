#pragma once

#include <cstdint>

namespace ortho {

/** Number of forks from the process that loaded the library to this one. Reading it costs a load from memory. */
uint32_t forks_so_far() noexcept;

/**
 * Repairs an object in the child of a fork. Make it the last member of the object, so that it is there only while the
 * rest is.
 */
class ForkHandler {
public:
    /**
     * @param repair  called in the child before fork returns. The child has one thread: those of the parent are gone,
     * and what they were changing stays half changed, locks included. It must not allocate, free or lock.
     */
    ForkHandler(void (*repair)(void* context) noexcept, void* context) noexcept;
    ~ForkHandler();
    ForkHandler(const ForkHandler&) = delete;
    ForkHandler& operator=(const ForkHandler&) = delete;

private:
    friend struct ForkHandlers;
    void (*const repair_)(void* context) noexcept;
    void* const context_;
    ForkHandler* next_ = nullptr;
    ForkHandler* previous_ = nullptr;
};

} // namespace ortho
