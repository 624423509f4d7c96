// Structures of callers that were compiled with an older header: shorter ones are served, and nothing behind them is
// touched. They end where memory ends that can be read.
#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

#include "chain_problem.hpp"
#include "support.hpp"

namespace ortho::test {
namespace {

/** Memory of one page, behind which lies another one that cannot be read or written. */
class Page {
public:
#if defined(_WIN32)
    Page() {
        SYSTEM_INFO info{};
        GetSystemInfo(&info);
        size_ = info.dwPageSize;
        memory_ = VirtualAlloc(nullptr, 2 * size_, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
        EXPECT_NE(memory_, nullptr);
        DWORD before = 0;
        EXPECT_NE(VirtualProtect(end(), size_, PAGE_NOACCESS, &before), 0);
    }
    ~Page() {
        VirtualFree(memory_, 0, MEM_RELEASE);
    }
#else
    Page() : size_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
        memory_ = mmap(nullptr, 2 * size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        EXPECT_NE(memory_, MAP_FAILED);
        EXPECT_EQ(mprotect(end(), size_, PROT_NONE), 0);
    }
    ~Page() {
        munmap(memory_, 2 * size_);
    }
#endif
    Page(const Page&) = delete;
    Page& operator=(const Page&) = delete;

    char* end() const {
        return static_cast<char*>(memory_) + size_;
    }

private:
    size_t size_;
    void* memory_;
};

/** The first bytes of a structure, and behind them memory that cannot be read or written. */
template <class Structure> class Shortened {
public:
    Shortened(const Structure& whole, size_t bytes) : first_(page_.end() - bytes) {
        std::memcpy(first_, &whole, bytes);
    }

    Structure* get() const { return reinterpret_cast<Structure*>(first_); }

private:
    Page page_;
    char* first_;
};

/** With a struct_size of its own, where not all of it is there. */
template <class Structure> Shortened<Structure> shortened(Structure whole, size_t struct_size, size_t bytes) {
    whole.struct_size = static_cast<uint32_t>(struct_size);
    return {whole, bytes};
}

/** Sizes that are refused, and a part of the message. Of such a structure nothing but struct_size is read. */
template <class Structure, class Use> void expect_refusals(const char* name, size_t first_size, Use&& use) {
    constexpr size_t whole = sizeof(Structure);
    const std::string of = std::string(name) + "->struct_size is ";
    const auto expect = [&](size_t size, const std::string& required) {
        const auto structure = shortened(Structure{}, size, 8);
        EXPECT_TRUE(is_refused(use(structure.get()), of + std::to_string(size) + "; it must be " + required));
    };
    for (const size_t size : {size_t{0}, size_t{4}, size_t{8}, first_size - 8, first_size - 1})
        if (size < first_size)
            expect(size, "at least " + std::to_string(first_size));
    for (size_t size = first_size; size < whole; size += 8) // none before the structure grows
        for (const size_t odd : {size + 1, size + 4})
            expect(odd, "a multiple of 8");
    for (const size_t size : {whole + 1, whole + 8, size_t{UINT32_MAX}})
        expect(size, "at most " + std::to_string(whole) + ": the caller's header is newer than this library");
}

TEST(Structures, Shorter_device_options_have_the_defaults) {
    constexpr size_t first_size = 16; // struct_size, kind, threads, index
    ortho_device_options options = device_options(ORTHO_DEVICE_CPU, 3);
    // Not read where struct_size says that the caller does not know them.
    options.matrix_precision = options.filter_precision = 77;
    options.cuda_stream = options.cublas_handle = &options;
    const auto create = [](const ortho_device_options* given) {
        ortho_device* device = nullptr;
        const ortho_status status = ortho_device_create(&device, given);
        EXPECT_EQ(ortho_device_threads(device), status == ORTHO_OK ? 3 : 0);
        ortho_device_free(device);
        return status;
    };
    options.struct_size = first_size;
    EXPECT_TRUE(succeeds(create(&options)));
    options.struct_size = sizeof options;
    EXPECT_TRUE(is_refused(create(&options), "options->matrix_precision is 77"));
    for (size_t size = first_size; size <= sizeof options; size += 8)
        EXPECT_TRUE(succeeds(create(shortened(device_options(ORTHO_DEVICE_CPU, 3), size, size).get()))) << size;
    expect_refusals<ortho_device_options>("options", first_size, create);
}

TEST(Structures, Shorter_chain_options_have_the_defaults) {
    constexpr size_t first_size = 120; // up to max_state_bytes
    const Device device = make_device(1);
    Problem p = make_problem({4, 3, 2, 5});
    fill(p);
    const ortho_chain_options options = options_of(p, ORTHO_FLOAT64);
    const size_t elements = static_cast<size_t>(p.shape.units * p.shape.units);
    std::vector<double> filter(elements);
    const auto create = [&](const ortho_chain_options* given) {
        ortho_chain* chain = nullptr;
        const ortho_status status = ortho_chain_create(&chain, device.get(), given);
        if (status == ORTHO_OK) {
            EXPECT_TRUE(succeeds(ortho_chain_filter(chain, 0, filter.data())));
        }
        ortho_chain_free(chain);
        return status;
    };
    ASSERT_TRUE(succeeds(create(&options)));
    const std::vector<double> expected = filter;
    // The whole structure alone, until it grows.
    for (size_t size = first_size; size <= sizeof options; size += 8) {
        filter.assign(elements, 0);
        EXPECT_TRUE(succeeds(create(shortened(options, size, size).get()))) << size;
        EXPECT_TRUE(same_bits(filter, expected)) << size;
    }
    expect_refusals<ortho_chain_options>("options", first_size, create);
    // Blocks came last: a caller that does not know them has none.
    set_blocks(p, {{2, ORTHO_FILTER_HAAR}, {3, ORTHO_FILTER_CYCLE}});
    const ortho_chain_options of_blocks = options_of(p, ORTHO_FLOAT64);
    EXPECT_TRUE(succeeds(create(&of_blocks)));
    constexpr size_t before_blocks = 128;
    static_assert(before_blocks == offsetof(ortho_chain_options, blocks));
    EXPECT_TRUE(is_refused(create(shortened(of_blocks, before_blocks, before_blocks).get()),
                           "block_count is 0; it must be from 1 to 1024"));
}

TEST(Structures, Parts_of_a_batch_are_read_from_structures_of_a_known_size_only) {
    const Device device = make_device(1);
    expect_refusals<ortho_batch_part>("part", sizeof(ortho_batch_part), [&](const ortho_batch_part* part) {
        const float x[2] = {1, 2};
        double loss = 0;
        return ortho_elementwise_loss(device.get(), ORTHO_FLOAT32, ORTHO_LOSS_SQUARED_ERROR, 1, 2, nullptr, nullptr,
                                      part, 1, nullptr, 0, x, x, &loss, nullptr);
    });
}

/** Facts are written as far as the caller's structure goes. */
template <class Info, class Get> void expect_facts(const Info& initial, size_t first_size, Get&& get) {
    Info whole = initial;
    ASSERT_TRUE(succeeds(get(&whole)));
    EXPECT_EQ(whole.struct_size, sizeof whole);
    // The whole structure alone, until it grows.
    for (size_t size = first_size; size <= sizeof whole; size += 8) {
        const auto info = shortened(initial, size, size);
        ASSERT_TRUE(succeeds(get(info.get()))) << size;
        // The first 16 bytes do not change between two calls, as free memory does.
        whole.struct_size = static_cast<uint32_t>(size);
        EXPECT_EQ(std::memcmp(info.get(), &whole, 16), 0) << size;
    }
    expect_refusals<Info>("info", first_size, get);
}

TEST(Structures, Facts_are_written_as_far_as_the_caller_knows_them) {
    expect_facts<ortho_system_info>(ORTHO_SYSTEM_INFO_INIT, 32, ortho_get_system_info);
    const Device device = make_device(2);
    expect_facts<ortho_device_info>(ORTHO_DEVICE_INFO_INIT, 64,
                                    [&](ortho_device_info* info) { return ortho_device_get_info(device.get(), info); });
}

TEST(Structures, Last_errors_are_written_into_structures_of_a_known_size_only) {
    expect_refusals<ortho_error>("error", sizeof(ortho_error), ortho_get_last_error);
}

} // namespace
} // namespace ortho::test
