// What the tests of CUDA devices share: the device, the emulator's controls, and plans of chains.
#pragma once

#include <dlfcn.h>

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <type_traits>

#include "chain_problem.hpp"

namespace ortho::test {

inline Device make_cuda_device(const std::function<void(ortho_device_options&)>& change = {}) {
    ortho_device_options options = device_options(ORTHO_DEVICE_CUDA, 0);
    if (change)
        change(options);
    ortho_device* device = nullptr;
    EXPECT_TRUE(succeeds(ortho_device_create(&device, &options)));
    return Device(device);
}

/** The device that most tests share: making one takes longer than most of them. */
inline const Device& cuda() {
    static const Device device = make_cuda_device();
    return device;
}

/** What the emulator tells and does; absent on a GPU. */
struct Emulator {
    struct Counters {
        int64_t launches, graph_launches, products, live_objects, device_bytes, captures, graph_nodes, device_waits;
    };

    Emulator() {
        const char* path = std::getenv("ORTHONATIVE_CUDA_LIBRARY");
        void* library = path != nullptr ? dlopen(path, RTLD_NOW | RTLD_NOLOAD) : nullptr;
        const auto find = [&](auto& function, const char* name) {
            function = library == nullptr
                           ? nullptr
                           : reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
        };
        find(read_counters, "ortho_cuda_emulator_counters");
        find(set_device_count, "ortho_cuda_emulator_set_device_count");
        find(set_multiprocessors, "ortho_cuda_emulator_set_multiprocessors");
        find(set_memory_left, "ortho_cuda_emulator_set_memory_left");
        find(set_memory_pools, "ortho_cuda_emulator_set_memory_pools");
        find(set_room_for_blocks, "ortho_cuda_emulator_set_room_for_blocks");
        find(set_cooperative_capture, "ortho_cuda_emulator_set_cooperative_capture");
        find(set_host_page_tables, "ortho_cuda_emulator_set_host_page_tables");
        find(fail_next, "ortho_cuda_emulator_fail_next");
        find(forget_failures, "ortho_cuda_emulator_forget_failures");
        find(blas_stream, "ortho_cuda_emulator_blas_stream");
        find(begin_capture, "ortho_cuda_emulator_begin_capture");
        find(end_capture, "ortho_cuda_emulator_end_capture");
        find(replay, "ortho_cuda_emulator_replay");
        find(discard, "ortho_cuda_emulator_discard");
    }
    bool present() const { return read_counters != nullptr; }
    Counters counters() const {
        Counters counters{};
        read_counters(&counters);
        return counters;
    }

    void (*read_counters)(Counters*);
    void (*set_device_count)(int);
    void (*set_multiprocessors)(int);
    void (*set_memory_left)(int64_t);
    void (*set_memory_pools)(int);
    void (*set_room_for_blocks)(int);
    void (*set_cooperative_capture)(int);
    void (*set_host_page_tables)(int);
    void (*fail_next)(const char*, int, int);
    int (*forget_failures)();
    void* (*blas_stream)(void*);
    void (*begin_capture)(void*);
    void* (*end_capture)(void*);
    void (*replay)(void*, void*);
    void (*discard)(void*);
};

inline const Emulator& emulator() {
    cuda();
    static const Emulator instance;
    return instance;
}

#define NEEDS_EMULATOR()                                                                                               \
    if (!emulator().present())                                                                                         \
    GTEST_SKIP() << "this library drives a real GPU, on which faults cannot be made to order"

/** Forces how the steps of chains are run that are made meanwhile. */
class Plan : public EnvironmentVariable {
public:
    explicit Plan(const char* name) : EnvironmentVariable("ORTHONATIVE_CUDA_CHAIN", name) {}
};

inline constexpr ortho_filter_kind filters[] = {ORTHO_FILTER_HAAR, ORTHO_FILTER_CYCLE, ORTHO_FILTER_PERMUTATION,
                                                ORTHO_FILTER_IDENTITY};
inline constexpr double float64_roundoff = 0x1p-53, float32_roundoff = 0x1p-24;

template <class T> Result run_chain(const Problem& p, const Device& device = cuda()) {
    const Chain chain(device, options_of(p, sizeof(T) == 4 ? ORTHO_FLOAT32 : ORTHO_FLOAT64));
    return run<T>(p, chain);
}

} // namespace ortho::test
