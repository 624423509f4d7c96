// Prepared weights: chains on them compute what chains with weights of their own do, bit for bit, and misuse is
// refused.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "prepared_weights.hpp"

using namespace ortho::test;

namespace {

std::vector<Problem> problems() {
    std::vector<Problem> all;
    const auto add = [&](Shape shape, auto change) {
        for (const int32_t threads : {1, 3})
            for (const ortho_filter_kind filter :
                 {ORTHO_FILTER_HAAR, ORTHO_FILTER_CYCLE, ORTHO_FILTER_PERMUTATION, ORTHO_FILTER_IDENTITY}) {
                Problem p = make_problem(shape);
                p.threads = threads;
                p.filter = filter;
                change(p);
                fill(p);
                all.push_back(p);
            }
    };
    add({9, 37, 3, 65}, [](Problem&) {});
    add({9, 3, 0, 16}, [](Problem& p) { p.checkpoint_every = 2; });
    add({7, 40, 0, 33}, [](Problem& p) { p.model = ORTHO_FEEDFORWARD; });
    add({7, 5, 0, 70}, [](Problem& p) {
        p.model = ORTHO_FEEDFORWARD;
        p.filter_per_layer = true;
        p.checkpoint_every = 3;
    });
    add({1, 2, 0, 20}, [](Problem& p) {
        p.model = ORTHO_FEEDFORWARD;
        p.filter_per_layer = true;
    });
    return all;
}

template <class T> void compare_with_own(const Problem& p) {
    const Device device = make_device(p.threads);
    const Chain own(device, options_of(p, ortho_dtype(dtype_of<T>)));
    const Weights weights(device, p, dtype_of<T>);
    weights.prepare<T>(p, 1, true);
    const PreparedChain chain(weights);
    const Result expected = run<T>(p, own);
    expect_same_bits(expected, run_prepared<T>(p, chain, device.get()));
    expect_same_bits(expected, run_prepared<T>(p, chain, device.get()));
}

TEST(Weights, Chains_on_them_have_the_bits_of_chains_with_their_own) {
    for (const bool all_threads : {false, true}) {
        const EnvironmentVariable variable("ORTHONATIVE_CPU_THREADS", all_threads ? "all" : "");
        for (const Problem& p : problems()) {
            SCOPED_TRACE(describe(p));
            compare_with_own<float>(p);
            compare_with_own<double>(p);
        }
    }
}

TEST(Weights, Chains_of_different_batches_share_them) {
    for (const ortho_filter_kind filter : {ORTHO_FILTER_HAAR, ORTHO_FILTER_PERMUTATION}) {
        Problem small = make_problem({5, 3, 2, 40}), large = make_problem({6, 50, 2, 40});
        small.filter = large.filter = filter;
        fill(small);
        fill(large);
        const Device device = make_device(2);
        const Weights weights(device, small, ORTHO_FLOAT32);
        weights.prepare<float>(small, 1, true);
        const PreparedChain a(weights), b(weights);
        const Chain own(device, options_of(small, ORTHO_FLOAT32));
        for (int i = 0; i < 2; ++i) {
            expect_same_bits(run<float>(small, own), run_prepared<float>(small, a, device.get()));
            expect_same_bits(run<float>(large, own), run_prepared<float>(large, b, device.get()));
        }
    }
}

/** A recurrent problem, its weights, and others of the same shape. */
struct Versions {
    explicit Versions(int threads = 2) : device(make_device(threads)) {
        second = first;
        for (auto* values : {&second.weights, &second.input_weights, &second.bias})
            for (double& value : *values)
                value *= 0.5;
    }
    Result expected(const Problem& p) const {
        const Chain own(device, options_of(p, ORTHO_FLOAT32));
        return run<float>(p, own);
    }

    static Problem filled(Shape shape) {
        Problem p = make_problem(shape);
        fill(p);
        return p;
    }

    Problem first = filled({6, 5, 2, 33}), second;
    Device device;
    Weights weights{device, first, ORTHO_FLOAT32};
};

TEST(Weights, A_version_is_prepared_once_and_version_0_always) {
    const Versions v;
    const PreparedChain chain(v.weights);
    const auto expect = [&](const Problem& p) {
        expect_same_bits(v.expected(p), run_prepared<float>(p, chain, v.device.get()));
    };
    v.weights.prepare<float>(v.first, 7, true);
    expect(v.first);
    v.weights.prepare<float>(v.second, 7, true); // the same version: not read
    expect(v.first);
    v.weights.prepare<float>(v.second, 8, true);
    expect(v.second);
    v.weights.prepare<float>(v.first, 0, true);
    expect(v.first);
    v.weights.prepare<float>(v.second, 0, true);
    expect(v.second);
}

TEST(Weights, Training_is_added_to_a_version) {
    const Versions v;
    const PreparedChain chain(v.weights);
    const auto forward = [&](int32_t training) {
        const Arrays<float> a(v.first, v.device.get());
        return ortho_chain_forward(chain, 6, 5, nullptr, nullptr, 1, training, nullptr, nullptr, nullptr,
                                   a.inputs.data(), nullptr, a.outputs.data(), nullptr);
    };
    EXPECT_TRUE(fails(forward(0), ORTHO_INVALID_STATE, "prepared is not prepared; prepare it first"));
    v.weights.prepare<float>(v.first, 3, false);
    EXPECT_TRUE(succeeds(forward(0)));
    EXPECT_TRUE(
        fails(forward(1), ORTHO_INVALID_STATE, "prepared is prepared for inference only; prepare it for training"));
    v.weights.prepare<float>(v.first, 3, true);
    expect_same_bits(v.expected(v.first), run_prepared<float>(v.first, chain, v.device.get()));
    // What training added stays.
    v.weights.prepare<float>(v.first, 3, false);
    EXPECT_TRUE(succeeds(forward(1)));
}

TEST(Weights, Backward_after_another_content_is_refused) {
    const Versions v;
    const PreparedChain chain(v.weights);
    const Arrays<float> a(v.first, v.device.get());
    const auto forward = [&] {
        return ortho_chain_forward(chain, 6, 5, nullptr, nullptr, 1, 1, nullptr, nullptr, nullptr, a.inputs.data(),
                                   a.x0.data(), a.outputs.data(), nullptr);
    };
    const auto backward = [&] {
        return ortho_chain_backward(chain, 0, nullptr, nullptr, nullptr, a.inputs.data(), a.arriving.data(), nullptr,
                                    a.dw.data(), a.dv.data(), a.db.data(), a.du.data(), a.initial.data());
    };
    const auto needs_forward = [&] {
        return fails(backward(), ORTHO_INVALID_STATE, "backward needs a training forward call before it");
    };
    // Whatever the weights are: first comes the advice that is followed first.
    EXPECT_TRUE(needs_forward());
    v.weights.prepare<float>(v.first, 1, false);
    EXPECT_TRUE(needs_forward());
    v.weights.prepare<float>(v.first, 1, true);
    EXPECT_TRUE(needs_forward());
    EXPECT_TRUE(succeeds(forward()));
    v.weights.prepare<float>(v.second, 2, false);
    EXPECT_TRUE(fails(backward(), ORTHO_INVALID_STATE, "prepared anew after forward; run forward again"));
    v.weights.prepare<float>(v.second, 2, true);
    EXPECT_TRUE(fails(backward(), ORTHO_INVALID_STATE, "prepared anew after forward; run forward again"));
    EXPECT_EQ(a.dw.values(), std::vector<float>(a.dw.values().size(), 1.0f));
    EXPECT_TRUE(succeeds(forward()));
    v.weights.prepare<float>(v.second, 2, true); // the same content
    EXPECT_TRUE(succeeds(backward()));
    EXPECT_TRUE(fails(backward(), ORTHO_INVALID_STATE, "forward"));
}

TEST(Weights, Bad_calls_are_named) {
    const Versions v;
    const PreparedChain chain(v.weights);
    const Arrays<float> a(v.first, v.device.get());
    const float* const w = a.weights.data();
    v.weights.prepare<float>(v.first, 1, true);
    ortho_weights* made = nullptr;
    ortho_chain* no_chain = nullptr;
    ortho_chain_options options = options_of(v.first, ORTHO_FLOAT32);
    EXPECT_TRUE(is_refused(ortho_weights_create(nullptr, v.device.get(), &options), "weights"));
    EXPECT_TRUE(is_refused(ortho_weights_create(&made, nullptr, &options), "device"));
    EXPECT_TRUE(is_refused(ortho_weights_create(&made, v.device.get(), nullptr), "options"));
    options.hidden_size = 0;
    EXPECT_TRUE(is_refused(ortho_weights_create(&made, v.device.get(), &options), "hidden_size"));
    EXPECT_EQ(made, nullptr);
    EXPECT_TRUE(is_refused(ortho_chain_create_on(&no_chain, nullptr), "prepared"));
    EXPECT_TRUE(is_refused(ortho_chain_create_on(nullptr, v.weights), "chain"));
    EXPECT_TRUE(is_refused(ortho_weights_prepare(nullptr, 1, 1, w, w, w), "prepared"));
    EXPECT_TRUE(is_refused(ortho_weights_prepare(v.weights, 1, 2, w, w, w), "training"));
    EXPECT_TRUE(is_refused(ortho_weights_prepare(v.weights, 1, 1, nullptr, w, w), "weights"));
    EXPECT_TRUE(is_refused(ortho_weights_prepare(v.weights, 1, 1, w, nullptr, w), "input_weights"));
    EXPECT_TRUE(is_refused(ortho_weights_prepare(v.weights, 1, 1, w, w, nullptr), "bias"));
    // A chain on prepared weights takes none.
    EXPECT_TRUE(is_refused(ortho_chain_forward(chain, 6, 5, nullptr, nullptr, 0, 0, w, nullptr, nullptr,
                                               a.inputs.data(), nullptr, nullptr, nullptr),
                           "weights is given"));
    EXPECT_TRUE(is_refused(ortho_chain_forward(chain, 6, 5, nullptr, nullptr, 0, 0, nullptr, nullptr, w,
                                               a.inputs.data(), nullptr, nullptr, nullptr),
                           "bias is given"));
    ortho_weights_free(nullptr);
}

TEST(Weights, Live_until_the_last_chain_is_freed) {
    const int64_t before = ortho_live_objects();
    Problem p = make_problem({4, 3, 2, 20});
    fill(p);
    ortho_device_options device_of_two = device_options(ORTHO_DEVICE_CPU, 2);
    ortho_device* device = nullptr;
    ortho_weights* weights = nullptr;
    ortho_chain* chain = nullptr;
    const ortho_chain_options options = options_of(p, ORTHO_FLOAT32);
    ASSERT_TRUE(succeeds(ortho_device_create(&device, &device_of_two)));
    ASSERT_TRUE(succeeds(ortho_weights_create(&weights, device, &options)));
    const auto w = convert<float>(p.weights), v = convert<float>(p.input_weights), b = convert<float>(p.bias);
    ASSERT_TRUE(succeeds(ortho_weights_prepare(weights, 1, 1, w.data(), v.data(), b.data())));
    ASSERT_TRUE(succeeds(ortho_chain_create_on(&chain, weights)));
    ortho_weights_free(weights);
    EXPECT_EQ(ortho_live_objects(), before + 3);
    const Device other = make_device(1);
    const Chain own(other, options);
    expect_same_bits(run<float>(p, own), run_prepared<float>(p, chain, device));
    ortho_device_free(device);
    ortho_chain_free(chain);
    EXPECT_EQ(ortho_live_objects(), before + 2);
}

TEST(Weights, Threads_that_prepare_a_version_at_once_are_not_all_refused) {
    const Versions v;
    const PreparedChain chain(v.weights);
    const Arrays<float> a(v.first, v.device.get());
    constexpr int threads = 2, rounds = 60000;
    std::atomic<int> arrived{0}, unexpected{0};
    std::vector<std::atomic<int>> done(rounds);
    const auto work = [&] {
        const auto w = convert<float>(v.first.weights), u = convert<float>(v.first.input_weights),
                   b = convert<float>(v.first.bias);
        for (int round = 0; round < rounds; ++round) {
            ++arrived;
            // Spinning first: they are to meet within nanoseconds.
            for (int spins = 0; arrived < threads * (round + 1); ++spins)
                if (spins > 2000)
                    std::this_thread::yield();
            const ortho_status status = ortho_weights_prepare(v.weights, static_cast<uint64_t>(round + 1), round % 2,
                                                              w.data(), u.data(), b.data());
            if (status == ORTHO_OK)
                ++done[static_cast<size_t>(round)];
            else if (status != ORTHO_INVALID_STATE)
                ++unexpected;
        }
    };
    std::vector<std::thread> others;
    for (int i = 0; i < threads; ++i)
        others.emplace_back(work);
    for (std::thread& other : others)
        other.join();
    EXPECT_EQ(unexpected, 0);
    for (int round = 0; round < rounds; ++round)
        ASSERT_GT(done[static_cast<size_t>(round)], 0) << "all were refused in round " << round;
    expect_same_bits(v.expected(v.first), run_prepared<float>(v.first, chain, v.device.get()));
}

TEST(Weights, Preparing_during_calls_is_refused_or_done_never_mixed) {
    const Versions v(1); // calls that wait for each other's threads would leave no moment without readers
    v.weights.prepare<float>(v.first, 0, true);
    const std::vector<double> outputs[] = {v.expected(v.first).outputs, v.expected(v.second).outputs};
    std::atomic<bool> stop{false};
    std::atomic<int> mixed{0}, unexpected{0}, seen[2]{};
    std::vector<std::thread> readers;
    for (int i = 0; i < 3; ++i)
        readers.emplace_back([&] {
            const PreparedChain chain(v.weights);
            const Arrays<float> a(v.first, v.device.get());
            while (!stop) {
                const ortho_status status =
                    ortho_chain_forward(chain, 6, 5, nullptr, nullptr, 1, 0, nullptr, nullptr, nullptr, a.inputs.data(),
                                        a.x0.data(), a.outputs.data(), nullptr);
                if (status != ORTHO_OK && status != ORTHO_INVALID_STATE)
                    ++unexpected;
                const std::vector<double> got = doubles_of(a.outputs.values());
                if (status == ORTHO_OK)
                    ++(got == outputs[0] ? seen[0] : got == outputs[1] ? seen[1] : mixed);
                // A preparation needs a moment without readers.
                std::this_thread::sleep_for(std::chrono::microseconds(200));
            }
        });
    // Until enough was done during the calls, and they saw both contents.
    int done = 0;
    for (int i = 0; i < 200 || done < 20 || seen[0] < 10 || seen[1] < 10; ++i) {
        const ortho_status status = v.weights.try_prepare<float>(i % 2 ? v.first : v.second, 0, true);
        if (status == ORTHO_OK)
            ++done;
        else if (status != ORTHO_INVALID_STATE)
            ++unexpected;
        std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    stop = true;
    for (std::thread& reader : readers)
        reader.join();
    EXPECT_EQ(mixed, 0);
    EXPECT_EQ(unexpected, 0);
    v.weights.prepare<float>(v.second, 0, true); // nothing uses them any more
}

} // namespace
