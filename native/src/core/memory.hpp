#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>

#include "core/error.hpp"
#include "core/system.hpp"

namespace ortho {

/** A number of bytes for people: "512 bytes", "24.5 GiB". */
class ByteText {
public:
    explicit ByteText(int64_t bytes) noexcept;
    const char* c_str() const noexcept { return text_; }

private:
    char text_[32];
};

/**
 * Product of sizes, none negative.
 * @param what  named in the error
 * @throws Error ORTHO_OUT_OF_MEMORY if the product does not fit into 63 bits
 */
int64_t checked_product(const char* what, std::initializer_list<int64_t> factors);

/**
 * How much memory is granted before the system's limits are read again, since that takes a dozen files. When they were
 * read, a reserve stayed free: a 32nd of all memory, at most 128 MiB. What is granted without another look is at most
 * half of the reserve, so it is there whatever else was asked for, and a system that ends processes instead of refusing
 * memory is not driven to that by it. Frees give nothing back: so many small requests never get around the limits.
 */
class Allowance {
public:
    static constexpr int64_t most = int64_t{16} << 20;
    static constexpr int64_t share = 64;

    /** @return whether so many bytes may be granted without another look; they are then used up for good */
    bool take(int64_t bytes) noexcept {
        int64_t left = left_.load(std::memory_order_relaxed);
        while (bytes <= left)
            if (left_.compare_exchange_weak(left, left - bytes, std::memory_order_relaxed))
                return true;
        return false;
    }
    /** What is left, to be read before the limits are, and given to renew(). */
    int64_t left() const noexcept { return left_.load(std::memory_order_relaxed); }

    /**
     * After bytes were granted since the limits leave them. Of several threads that read the limits at the same time,
     * one renews the allowance, and what the others were granted is taken from it.
     * @param seen       what was left before the limits were read
     * @param available  what they leave, with the bytes
     */
    void renew(int64_t seen, int64_t bytes, int64_t available) noexcept {
        const int64_t part = (available - bytes) / share;
        if (left_.compare_exchange_strong(seen, part < most ? part : most, std::memory_order_relaxed))
            return;
        while (!left_.compare_exchange_weak(seen, bytes < seen ? seen - bytes : 0, std::memory_order_relaxed)) {
        }
    }

private:
    std::atomic<int64_t> left_{0};
};

/**
 * Refuses more bytes than are free, before anything is allocated or touched.
 * @param what  named in the error
 * @throws Error ORTHO_OUT_OF_MEMORY if the bytes are beyond the allowance and more than available_memory()
 */
void require_available(int64_t bytes, const char* what);

/**
 * Tells whether [data, data + bytes) can be memory of this process, as far as the system tells without anything being
 * read. Large ranges alone are looked up, so that calls on small ones cost nothing.
 */
bool may_be_memory(const void* data, int64_t bytes) noexcept;

/**
 * Owner of zeroed memory: aligned to 64 bytes; from 4 MiB on to 2 MiB and backed by huge pages where the system has
 * them. The pages are there when the constructor returns, so that a system which is out of memory says so here
 * instead of ending the process when the memory is written.
 */
class Memory {
public:
    Memory() noexcept = default;

    /**
     * @param bytes  not negative; 0 owns nothing
     * @param what   named in the error
     * @throws Error ORTHO_OUT_OF_MEMORY if the system refuses it; before anything is allocated, if the bytes are beyond
     * the allowance and more than is free under the limits beyond which the system ends a process
     */
    Memory(int64_t bytes, const char* what);

    Memory(Memory&& other) noexcept;
    Memory& operator=(Memory&& other) noexcept;
    ~Memory();

    void* data() const noexcept { return data_; }
    template <class T> T* as() const noexcept { return static_cast<T*>(data_); }
    int64_t bytes() const noexcept { return bytes_; }

private:
    void* data_ = nullptr;
    int64_t bytes_ = 0;
};

} // namespace ortho
