// What the header promises about the child of a fork. Every child is a process of its own, whose expectations count.
#include "fork.hpp"

#if defined(ORTHO_CAN_FORK)

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <atomic>
#include <thread>

#include "prepared_weights.hpp"

namespace ortho::test {
namespace {

// Of these the threads share rows, columns, and in a feedforward chain the packing of weights.
constexpr Shape shapes[] = {{23, 9, 1, 33}, {20, 50, 2, 65}, {12, 1, 1, 260}, {9, 131, 1, 20}};

Problem problem(Shape shape, ortho_chain_model model = ORTHO_RECURRENT) {
    Problem p = make_problem(shape);
    p.model = model;
    fill(p);
    return p;
}

Result result_on(const Device& device, const Problem& p) {
    return run<float>(p, Chain(device, options_of(p, ORTHO_FLOAT32)));
}

/**
 * Tests that fork while other threads work. The child waited for the lock of SizeClassAllocator64 (libsanitizer of
 * GCC 12), where glibc's malloc releases its own.
 */
class ForkAmongThreads : public ::testing::Test {
protected:
    void SetUp() override {
#if defined(__SANITIZE_ADDRESS__)
        GTEST_SKIP() << "the address sanitizer's allocator does not release its locks in the child of a fork, so the "
                        "child hangs if another thread was allocating";
#endif
    }
};

TEST(Fork, Devices_and_chains_of_the_parent_work_in_the_child_with_the_same_bits) {
    for (const Shape& shape : shapes)
        for (const ortho_chain_model model : {ORTHO_RECURRENT, ORTHO_FEEDFORWARD})
            for (const int threads : {1, 2, 3, 5}) {
                const Problem p = problem(shape, model);
                SCOPED_TRACE(describe(p) + " threads=" + std::to_string(threads));
                const Device device = make_device(threads);
                const Chain chain(device, options_of(p, ORTHO_FLOAT32));
                const Result expected = run<float>(p, chain);
                in_child([&] {
                    expect_same_bits(expected, run<float>(p, chain));
                    expect_same_bits(expected, run<float>(p, chain));
                    expect_same_bits(expected, result_on(device, p));
                    EXPECT_EQ(ortho_device_threads(device.get()), threads);
                });
                expect_same_bits(expected, run<float>(p, chain));
                if (::testing::Test::HasFailure())
                    return;
            }
}

TEST(Fork, Devices_that_did_not_work_before_it_work_in_the_child) {
    const Problem p = problem(shapes[1]);
    const Result expected = result_on(make_device(1), p);
    const Device unused = make_device(3);
    in_child([&] {
        expect_same_bits(expected, result_on(unused, p));
        expect_same_bits(expected, result_on(make_device(2), p));
    });
}

TEST(Fork, Other_operations_work_in_the_child) {
    const Device device = make_device(3);
    constexpr int64_t count = 300000;
    const std::vector<float> x = normal_values<float>(count, 1);
    std::vector<float> expected(x.size());
    double norm = 0;
    const auto noise = [&](std::vector<float>& y) {
        return ortho_add_normal_noise(device.get(), ORTHO_FLOAT32, 5, 0, 0, 0.5, 0, 3, 1000, 100, x.data(), y.data());
    };
    ASSERT_TRUE(succeeds(noise(expected)));
    ASSERT_TRUE(succeeds(ortho_clip_gradient_norm(device.get(), ORTHO_FLOAT32, count, expected.data(), 1, &norm)));
    in_child([&] {
        std::vector<float> y(x.size());
        double again = 0;
        EXPECT_TRUE(succeeds(noise(y)));
        EXPECT_TRUE(succeeds(ortho_clip_gradient_norm(device.get(), ORTHO_FLOAT32, count, y.data(), 1, &again)));
        EXPECT_TRUE(same_bits(y, expected));
        EXPECT_EQ(again, norm);
        ortho_buffer* buffer = nullptr;
        EXPECT_TRUE(succeeds(ortho_buffer_create(&buffer, device.get(), int64_t{5} << 20)));
        ortho_buffer_free(buffer);
    });
}

TEST(Fork, What_was_made_before_it_is_counted_and_freed_in_the_child) {
    ASSERT_EQ(ortho_live_objects(), 0);
    const Problem p = problem(shapes[1]);
    Device device = make_device(4);
    const ortho_chain_options options = options_of(p, ORTHO_FLOAT32);
    ortho_chain* chain = nullptr;
    ASSERT_TRUE(succeeds(ortho_chain_create(&chain, device.get(), &options)));
    in_child([&] {
        EXPECT_EQ(ortho_live_objects(), 2);
        device.reset();
        EXPECT_EQ(ortho_live_objects(), 2);
        ortho_chain_free(chain);
        EXPECT_EQ(ortho_live_objects(), 0);
    });
    EXPECT_EQ(ortho_live_objects(), 2);
    ortho_chain_free(chain);
}

TEST(Fork, The_message_of_the_last_error_is_that_of_the_thread_that_forked) {
    EXPECT_TRUE(is_refused(ortho_device_synchronize(nullptr), "device is null"));
    const std::string before = ortho_last_error();
    in_child([&] {
        EXPECT_EQ(ortho_last_error(), before);
        ortho_buffer* buffer = nullptr;
        const Device device = make_device(2);
        EXPECT_TRUE(is_refused(ortho_buffer_create(&buffer, device.get(), 0), "bytes is 0"));
    });
    EXPECT_EQ(ortho_last_error(), before);
}

TEST(Fork, Children_of_children_work) {
    const Problem p = problem(shapes[1]);
    const Device device = make_device(3);
    const Result expected = result_on(device, p);
    in_child([&] {
        in_child([&] { expect_same_bits(expected, result_on(device, p)); });
        expect_same_bits(expected, result_on(device, p));
        in_child([&] { expect_same_bits(expected, result_on(device, p)); });
    });
}

TEST_F(ForkAmongThreads, A_child_works_whatever_other_threads_were_doing) {
    const Problem p = problem({20, 33, 2, 40});
    const Device device = make_device(3);
    const Result expected = result_on(device, p);
    std::atomic<bool> stop{false};
    std::vector<std::thread> others;
    for (int i = 0; i < 2; ++i)
        others.emplace_back([&] {
            constexpr int64_t size = 200;
            const auto x = normal_values<float>(size * size, 1);
            std::vector<float> y(size * size);
            while (!stop) {
                // Locks: the pool's, that of scratch memory, which is also made anew, and that of the list of pools.
                run<float>(p, Chain(device, options_of(p, ORTHO_FLOAT32)));
                EXPECT_TRUE(succeeds(ortho_dense_forward(device.get(), ORTHO_FLOAT32, size, size, size, x.data(),
                                                         nullptr, x.data(), y.data())));
                make_device(2);
            }
        });
    for (int repeat = 0; repeat < 40 && !HasFailure(); ++repeat)
        in_child([&] {
            expect_same_bits(expected, result_on(device, p));
            constexpr int64_t size = 150;
            const auto x = normal_values<float>(size * size, 2);
            std::vector<float> y(size * size), again(size * size);
            const Device fresh = make_device(2);
            for (const auto& [to, on] : {std::pair{&y, &device}, std::pair{&again, &fresh}})
                EXPECT_TRUE(succeeds(ortho_dense_forward(on->get(), ORTHO_FLOAT32, size, size, size, x.data(), nullptr,
                                                         x.data(), to->data())));
            EXPECT_TRUE(same_bits(y, again));
        });
    stop = true;
    for (std::thread& other : others)
        other.join();
}

TEST_F(ForkAmongThreads, Weights_that_other_threads_were_using_work_in_the_child) {
    const Problem p = problem(shapes[1]);
    const Device device = make_device(2);
    const Result expected = result_on(device, p);
    const Weights weights(device, p, ORTHO_FLOAT32);
    weights.prepare<float>(p, 1, true);
    std::atomic<bool> stop{false};
    std::vector<std::thread> others;
    for (int i = 0; i < 2; ++i)
        others.emplace_back([&, i] {
            const Streams streams(weights, 64);
            std::vector<float> inputs(64 * 2);
            // One of them steps, and the other prepares whenever it can.
            while (!stop)
                if (i == 0)
                    ortho_streams_step(streams, nullptr, inputs.data(), nullptr);
                else
                    weights.try_prepare<float>(p, 0, true);
        });
    for (int repeat = 0; repeat < 40 && !HasFailure(); ++repeat)
        in_child([&] {
            // Nobody uses them here, whatever the counts were.
            weights.prepare<float>(p, 0, true);
            expect_same_bits(expected, run_prepared<float>(p, PreparedChain(weights), device.get()));
        });
    stop = true;
    for (std::thread& other : others)
        other.join();
}

/**
 * Forks while another thread is inside a call on an object, and expects that the child is refused and can free it.
 * @param name        of the object
 * @param long_call   takes several times as long as a fork
 * @param short_call  writes into memory of its own; called by several threads
 * @param free        frees the object
 */
template <class Long, class Short, class Free>
void expect_refused_in_child(const std::string& name, const Device& device, Long&& long_call, Short&& short_call,
                             Free&& free) {
    // Written by the child that found the object half changed.
    void* const shared = mmap(nullptr, sizeof(bool), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(shared, MAP_FAILED);
    volatile bool& was_refused = *static_cast<volatile bool*>(shared);
    for (int repeat = 0; repeat < 1000 && !was_refused && !::testing::Test::HasFailure(); ++repeat) {
        std::atomic<bool> begun{false};
        std::thread other([&] {
            begun = true;
            // The other side's short call may have been first.
            ortho_status status = ORTHO_INVALID_STATE;
            while (status == ORTHO_INVALID_STATE)
                status = long_call();
            EXPECT_TRUE(succeeds(status));
        });
        while (!begun)
            std::this_thread::yield();
        // Refused calls show that the other thread is inside, and so does one behind the fork.
        const bool inside = short_call() == ORTHO_INVALID_STATE;
        if (inside)
            in_child([&] {
                const ortho_status status = short_call();
                if (status == ORTHO_OK)
                    _exit(0); // it had just ended
                EXPECT_TRUE(fails(status, ORTHO_INVALID_STATE,
                                  name + " was in use by another thread when this process was forked"));
                was_refused = true;
                const int64_t objects = ortho_live_objects();
                free();
                EXPECT_EQ(ortho_live_objects(), objects - 1);
                const Problem small = problem(shapes[0]);
                expect_same_bits(result_on(make_device(1), small), result_on(device, small));
            });
        other.join();
    }
    EXPECT_TRUE(was_refused);
    munmap(shared, sizeof(bool));
    EXPECT_TRUE(succeeds(short_call()));
    free();
}

/** Many steps, so that a call takes long. */
struct LongProblem {
    LongProblem() {
        p.initial = false;
        p.alpha = p.beta = {1};
    }
    /** Of a chain with weights of its own or, where they are null, on prepared ones. */
    ortho_status forward(ortho_chain* chain, int64_t steps, const float* w, const float* v, const float* b) const {
        std::vector<float> outputs(40 * 64);
        return ortho_chain_forward(chain, steps, 40, nullptr, nullptr, 1, 0, w, v, b, inputs.data(), nullptr,
                                   outputs.data(), nullptr);
    }

    Problem p = make_problem({20000, 40, 1, 64});
    Device device = make_device(2);
    std::vector<float> weights = std::vector<float>(64 * 64), input_weights = std::vector<float>(64),
                       bias = std::vector<float>(64), inputs = std::vector<float>(20000 * 40);
};

TEST_F(ForkAmongThreads, A_chain_that_another_thread_was_using_is_refused_and_can_be_freed) {
    const LongProblem l;
    const ortho_chain_options options = options_of(l.p, ORTHO_FLOAT32);
    ortho_chain* chain = nullptr;
    ASSERT_TRUE(succeeds(ortho_chain_create(&chain, l.device.get(), &options)));
    const auto forward = [&](int64_t steps) {
        return l.forward(chain, steps, l.weights.data(), l.input_weights.data(), l.bias.data());
    };
    expect_refused_in_child(
        "chain", l.device, [&] { return forward(20000); }, [&] { return forward(1); },
        [&] { ortho_chain_free(chain); });
}

TEST_F(ForkAmongThreads, A_chain_on_weights_that_another_thread_was_using_is_refused_and_can_be_freed) {
    const LongProblem l;
    const Weights weights(l.device, l.p, ORTHO_FLOAT32);
    const auto prepare = [&] {
        return ortho_weights_prepare(weights, 0, 0, l.weights.data(), l.input_weights.data(), l.bias.data());
    };
    ASSERT_TRUE(succeeds(prepare()));
    ortho_chain* chain = nullptr;
    ASSERT_TRUE(succeeds(ortho_chain_create_on(&chain, weights)));
    const auto forward = [&](int64_t steps) { return l.forward(chain, steps, nullptr, nullptr, nullptr); };
    expect_refused_in_child(
        "chain", l.device, [&] { return forward(20000); }, [&] { return forward(1); },
        [&] {
            ortho_chain_free(chain);
            EXPECT_TRUE(succeeds(prepare())) << "nobody reads the weights any more";
        });
}

TEST_F(ForkAmongThreads, Streams_that_another_thread_was_using_are_refused_and_can_be_freed) {
    const LongProblem l;
    constexpr int64_t count = 50000;
    const Weights weights(l.device, l.p, ORTHO_FLOAT32);
    const auto prepare = [&] {
        return ortho_weights_prepare(weights, 0, 0, l.weights.data(), l.input_weights.data(), l.bias.data());
    };
    ASSERT_TRUE(succeeds(prepare()));
    ortho_streams* streams = nullptr;
    ASSERT_TRUE(succeeds(ortho_streams_create(&streams, weights, count)));
    std::vector<float> states(static_cast<size_t>(count * 64));
    expect_refused_in_child(
        "streams", l.device, [&] { return ortho_streams_step(streams, nullptr, l.inputs.data(), nullptr); },
        [&] { return ortho_streams_read(streams, states.data()); },
        [&] {
            ortho_streams_free(streams);
            EXPECT_TRUE(succeeds(prepare())) << "nobody reads the weights any more";
        });
}

TEST(Fork, A_child_that_cannot_start_threads_works_with_its_own) {
    const Problem p = problem(shapes[1]);
    const Device device = make_device(4);
    const Result expected = result_on(device, p);
    in_child([&] {
        const rlimit none{1, 1};
        ASSERT_EQ(setrlimit(RLIMIT_NPROC, &none), 0);
        if (geteuid() == 0) {
            // Root may start as many as it likes; this user has one process, and that is this one.
            ASSERT_EQ(setuid(65533), 0);
        }
        expect_same_bits(expected, result_on(device, p));
        EXPECT_THROW(std::thread([] {}).detach(), std::system_error);
    });
}

} // namespace
} // namespace ortho::test

#endif
