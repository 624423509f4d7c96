#include "core/memory.hpp"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>

#include "core/error.hpp"
#include "core/limits.hpp"

#if defined(_WIN32)
#include <malloc.h>
#elif defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace ortho {
namespace {

constexpr int64_t alignment = 64;

constexpr int64_t round_up(int64_t value, int64_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
}

#if defined(__linux__)

constexpr int64_t huge_page = int64_t{2} << 20;
constexpr int64_t large = int64_t{4} << 20;

bool is_large(int64_t bytes) {
    return bytes >= large;
}

void* allocate_large(int64_t bytes) noexcept {
    const int64_t wanted = round_up(bytes, huge_page);
    const int64_t mapped = wanted + huge_page;
    void* mapping =
        mmap(nullptr, static_cast<size_t>(mapped), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED)
        return nullptr;
    char* start = static_cast<char*>(mapping);
    char* data = reinterpret_cast<char*>(round_up(reinterpret_cast<int64_t>(start), huge_page));
    if (data > start)
        munmap(start, static_cast<size_t>(data - start));
    if (const int64_t behind = start + mapped - (data + wanted); behind > 0)
        munmap(data + wanted, static_cast<size_t>(behind));
    madvise(data, static_cast<size_t>(wanted), MADV_HUGEPAGE);
#if defined(MADV_POPULATE_WRITE)
    if (madvise(data, static_cast<size_t>(wanted), MADV_POPULATE_WRITE) == 0)
        return data;
    // Only a kernel that does not know it (before 5.14) says EINVAL; after any other answer, writing would kill the
    // process.
    if (errno != EINVAL) {
        const int error = errno;
        munmap(data, static_cast<size_t>(wanted));
        errno = error;
        return nullptr;
    }
#endif
    std::memset(data, 0, static_cast<size_t>(wanted));
    return data;
}

void free_large(void* data, int64_t bytes) noexcept {
    munmap(data, static_cast<size_t>(round_up(bytes, huge_page)));
}

#else

bool is_large(int64_t) {
    return false;
}
void* allocate_large(int64_t) noexcept {
    return nullptr;
}
void free_large(void*, int64_t) noexcept {}

#endif

void* allocate_small(int64_t bytes) noexcept {
    const size_t size = static_cast<size_t>(round_up(bytes, alignment));
#if defined(_WIN32)
    void* data = _aligned_malloc(size, alignment);
#else
    void* data = std::aligned_alloc(alignment, size);
#endif
    if (data != nullptr)
        std::memset(data, 0, size);
    return data;
}

void free_small(void* data) noexcept {
#if defined(_WIN32)
    _aligned_free(data);
#else
    std::free(data);
#endif
}

void release(void* data, int64_t bytes) noexcept {
    if (is_large(bytes))
        free_large(data, bytes);
    else
        free_small(data);
}

/** Of all requests of this process. */
Allowance allowance; // constant from the start; C++17 has no constinit

[[noreturn]] void refuse(int64_t bytes, int64_t available, const char* what, int error) {
    const Limit limit = limit_of_memory(bytes, error);
    if (!limit.known() && bytes <= available)
        fail(ORTHO_OUT_OF_MEMORY, "out of memory: %s needed for %s, %s free, but the system refuses it (errno %d)",
             ByteText(bytes).c_str(), what, ByteText(available).c_str(), error);
    fail(ORTHO_OUT_OF_MEMORY, "out of memory: %s needed for %s, %s free%s%s", ByteText(bytes).c_str(), what,
         ByteText(available).c_str(), limit.known() ? "; " : "", limit.text);
}

} // namespace

ByteText::ByteText(int64_t bytes) noexcept {
    static constexpr const char* units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) {
        std::snprintf(text_, sizeof text_, "%d %s", static_cast<int>(bytes), bytes == 1 ? "byte" : "bytes");
        return;
    }
    double value = static_cast<double>(bytes) / 1024;
    int unit = 0;
    for (; value >= 1024 && unit < 5; ++unit)
        value /= 1024;
    // Not printf, whose decimal point is the locale's.
    char* const end = std::to_chars(text_, text_ + sizeof text_, value, std::chars_format::fixed, 1).ptr;
    std::snprintf(end, static_cast<size_t>(text_ + sizeof text_ - end), " %s", units[unit]);
}

int64_t checked_product(const char* what, std::initializer_list<int64_t> factors) {
    for (const int64_t factor : factors)
        if (factor == 0)
            return 0;
    int64_t product = 1;
    for (const int64_t factor : factors) {
        if (product > std::numeric_limits<int64_t>::max() / factor)
            fail(ORTHO_OUT_OF_MEMORY, "out of memory: more than 8.0 EiB needed for %s, %s free", what,
                 ByteText(available_memory()).c_str());
        product *= factor;
    }
    return product;
}

void require_available(int64_t bytes, const char* what) {
    if (allowance.take(bytes))
        return;
    const int64_t seen = allowance.left();
    const MemoryState state = memory_state();
    if (bytes > state.available)
        refuse(bytes, state.available, what, 0);
    allowance.renew(seen, bytes, state.available_alive);
}

bool may_be_memory(const void* data, int64_t bytes) noexcept {
    const auto begin = reinterpret_cast<uintptr_t>(data);
    if (static_cast<uint64_t>(bytes) > std::numeric_limits<uintptr_t>::max() - begin)
        return false;
#if defined(__linux__)
    // Asked to write back without waiting, Linux writes nothing and only tells whether there are holes.
    constexpr int64_t worth_a_system_call = int64_t{64} << 20;
    if (bytes >= worth_a_system_call) {
        const uintptr_t start = begin & ~(static_cast<uintptr_t>(sysconf(_SC_PAGESIZE)) - 1);
        const size_t length = static_cast<size_t>(begin - start) + static_cast<size_t>(bytes);
        return msync(reinterpret_cast<void*>(start), length, MS_ASYNC) == 0 || errno != ENOMEM;
    }
#endif
    return true;
}

Memory::Memory(int64_t bytes, const char* what) {
    if (bytes == 0)
        return;
    if (!allowance.take(bytes)) {
        const int64_t seen = allowance.left();
        const MemoryState state = memory_state();
        if (bytes > state.available_alive)
            refuse(bytes, state.available, what, 0);
        allowance.renew(seen, bytes, state.available_alive);
    }
    errno = 0;
    data_ = is_large(bytes) ? allocate_large(bytes) : allocate_small(bytes);
    if (data_ == nullptr) {
        const int error = errno;
        refuse(bytes, available_memory(), what, error);
    }
    bytes_ = bytes;
}

Memory::Memory(Memory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Memory& Memory::operator=(Memory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
}

Memory::~Memory() {
    if (data_ != nullptr)
        release(data_, bytes_);
}

} // namespace ortho
