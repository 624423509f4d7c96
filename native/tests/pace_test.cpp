#include "core/pace.hpp"

#include <functional>
#include <vector>

#include "support.hpp"

namespace ortho::test {
namespace {

/** A machine on which a call of one unit of work takes a time, and lets threads sleep, by the number of threads. */
struct Machine {
    std::function<int64_t(int)> nanoseconds;
    std::function<int64_t(int)> slept;
};

/** Two threads on two free cores: faster by 1.8, and nobody sleeps. */
const Machine idle{[](int threads) { return int64_t{1'800'000} / threads + (threads > 1 ? 100'000 : 0); },
                   [](int) { return int64_t{0}; }};
/** Another program has a core: threads that work in step wait a slice of time for each other. */
const Machine busy{[](int threads) { return threads == 1 ? int64_t{2'000'000} : int64_t{4'000'000}; },
                   [](int threads) { return threads == 1 ? int64_t{0} : int64_t{3'000'000}; }};

/** Makes calls for `nanoseconds`. @return the time that calls with each number of threads took */
std::vector<int64_t> work(Pace& pace, int most, const Machine& machine, int64_t nanoseconds) {
    std::vector<int64_t> times(static_cast<size_t>(most) + 1);
    for (int64_t time = 0; time < nanoseconds;) {
        const int threads = pace.threads(most);
        EXPECT_GE(threads, 1);
        EXPECT_LE(threads, most);
        const int64_t taken = machine.nanoseconds(threads);
        pace.record(threads, 1, taken, machine.slept(threads));
        times[static_cast<size_t>(threads)] += taken;
        time += taken;
    }
    return times;
}

constexpr int64_t seconds = 1'000'000'000;

TEST(Pace, All_threads_take_part_while_none_sleeps) {
    for (const int most : {1, 2, 3, 8, 64}) {
        Pace pace;
        const std::vector<int64_t> times = work(pace, most, idle, 20 * seconds);
        for (int threads = 1; threads < most; ++threads)
            EXPECT_EQ(times[static_cast<size_t>(threads)], 0) << threads << " of " << most;
    }
}

TEST(Pace, Fewer_take_part_where_others_have_the_cores) {
    Pace pace;
    work(pace, 2, busy, 20 * seconds);
    // Trials of two threads are one window of 129 and what their last call takes beyond it.
    const std::vector<int64_t> times = work(pace, 2, busy, 20 * seconds);
    EXPECT_LT(times[2], 20 * seconds / 50);
    EXPECT_GT(times[2], 0);
}

TEST(Pace, All_take_part_again_when_the_cores_are_free) {
    Pace pace;
    work(pace, 2, busy, 20 * seconds);
    // The longest pause and two trials.
    work(pace, 2, idle, (Pace::longest_pause + 3) * (Pace::window + 2'000'000));
    const std::vector<int64_t> times = work(pace, 2, idle, 5 * seconds);
    EXPECT_EQ(times[1], 0);
}

TEST(Pace, A_trial_that_is_no_better_is_given_up_and_repeated_ever_more_rarely) {
    // They sleep since their shares are unequal, yet more threads get more done.
    const Machine uneven{[](int threads) { return int64_t{6'000'000} / threads; },
                         [](int) { return int64_t{3'000'000}; }};
    Pace pace;
    work(pace, 3, uneven, 20 * seconds);
    const std::vector<int64_t> times = work(pace, 3, uneven, 20 * seconds);
    EXPECT_LT(times[1] + times[2], 20 * seconds / 40);
    EXPECT_GT(times[1] + times[2], 0);
}

TEST(Pace, The_number_that_gets_most_done_is_found) {
    // Five of eight cores are free: what does not fit waits for a slice.
    const Machine machine{[](int threads) { return threads <= 5 ? int64_t{5'000'000} / threads : int64_t{4'000'000}; },
                          [](int threads) { return threads <= 5 ? int64_t{0} : 20'000'000 * int64_t{threads}; }};
    Pace pace;
    work(pace, 8, machine, 20 * seconds);
    const std::vector<int64_t> times = work(pace, 8, machine, 20 * seconds);
    // 8 are tried, 6, and 5, which is best and at which none sleeps.
    EXPECT_GT(times[5], 20 * seconds * 9 / 10);
}

TEST(Pace, Calls_that_are_longer_than_a_window_are_counted_one_by_one) {
    const Machine slow{[](int threads) { return (threads == 1 ? 2 : 4) * seconds; },
                       [](int threads) { return (threads == 1 ? 0 : 3) * seconds; }};
    Pace pace;
    std::vector<int> taken;
    for (int call = 0; call < 12; ++call) {
        taken.push_back(pace.threads(2));
        pace.record(taken.back(), 1, slow.nanoseconds(taken.back()), slow.slept(taken.back()));
    }
    EXPECT_EQ(taken, (std::vector<int>{2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2}));
}

TEST(Pace, Work_that_is_worth_another_number_of_threads_begins_anew) {
    Pace pace;
    work(pace, 2, busy, seconds);
    EXPECT_EQ(pace.threads(4), 4);
    EXPECT_EQ(pace.threads(1), 1);
}

} // namespace
} // namespace ortho::test
