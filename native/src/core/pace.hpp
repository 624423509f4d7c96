#pragma once

#include <cstdint>

namespace ortho {

/**
 * Decides how many threads take part in the calls of one kind, from how long the calls took. All of them do, until they
 * sleep much of the time while they wait for each other: then other programs have their cores. Ever fewer threads are
 * then tried until they no longer sleep, and that number is kept which gets most done; more are tried again later.
 * Knows no clock and no chance: the same numbers give the same decisions.
 */
class Pace {
public:
    /** The unit that is compared: calls that take so long together, several slices of time of the system's scheduler.
     */
    static constexpr int64_t window = 20'000'000; // nanoseconds
    /** Windows before the next trial, doubled from the first to the second number while trials fail. */
    static constexpr int shortest_pause = 8;
    static constexpr int longest_pause = 128;

    /** @return threads that the next call takes, of `most` that its work is worth */
    int threads(int most) noexcept;

    /**
     * Learns from a call.
     * @param threads      that took part
     * @param work         that was done, in any unit
     * @param nanoseconds  that it took
     * @param slept        nanoseconds that threads slept to wait for others, all together
     */
    void record(int threads, double work, int64_t nanoseconds, int64_t slept) noexcept;

private:
    static int fewer(int threads) noexcept;
    int more() const noexcept;
    void end_of_window(double rate, bool slept_much) noexcept;
    void end_of_trial(double rate, bool slept_much) noexcept;

    int most_ = 0;
    int settled_ = 0;
    /** Threads that are being tried; 0: none are. */
    int tried_ = 0;
    /** The number that got most done since settled_ threads were last seen, and what it did in a nanosecond. */
    int best_ = 0;
    double best_rate_ = 0;
    int pause_ = shortest_pause;
    int windows_to_pause_ = 0;

    double work_ = 0;
    int64_t nanoseconds_ = 0;
    int64_t slept_ = 0;
};

} // namespace ortho
