#include "core/pace.hpp"

#include <algorithm>

namespace ortho {
namespace {

/** Of the time of all threads: so much sleep is more than chance. A thread without a core makes all others sleep. */
constexpr double much_sleep = 0.1;
/** A trial must be better than what it replaces by more than the noise of a window. */
constexpr double clearly_better = 1.05;

} // namespace

/** By a quarter; of two or more. */
int Pace::fewer(int threads) noexcept {
    return threads - std::max(1, threads / 4);
}

int Pace::more() const noexcept {
    int threads = most_;
    while (fewer(threads) > settled_)
        threads = fewer(threads);
    return threads;
}

int Pace::threads(int most) noexcept {
    if (most != most_)
        *this = Pace{};
    most_ = most;
    if (settled_ == 0)
        settled_ = most;
    return tried_ != 0 ? tried_ : settled_;
}

void Pace::record(int threads, double work, int64_t nanoseconds, int64_t slept) noexcept {
    work_ += work;
    nanoseconds_ += nanoseconds;
    slept_ += slept;
    const double time = static_cast<double>(nanoseconds_);
    const double rate = work_ / time;
    const bool hopeless = tried_ != 0 && nanoseconds_ >= window / 4 && rate < best_rate_ / 2;
    if (nanoseconds_ < window && !hopeless)
        return;
    end_of_window(rate, static_cast<double>(slept_) > much_sleep * threads * time);
    work_ = 0;
    nanoseconds_ = 0;
    slept_ = 0;
}

void Pace::end_of_window(double rate, bool slept_much) noexcept {
    if (tried_ != 0) {
        end_of_trial(rate, slept_much);
        return;
    }
    best_ = settled_;
    best_rate_ = rate;
    if (windows_to_pause_ > 0)
        --windows_to_pause_;
    else if (slept_much && settled_ > 1)
        tried_ = fewer(settled_);
    else if (settled_ < most_)
        tried_ = more();
    else
        pause_ = shortest_pause;
}

void Pace::end_of_trial(double rate, bool slept_much) noexcept {
    if (rate > clearly_better * best_rate_) {
        best_ = tried_;
        best_rate_ = rate;
    }
    if (slept_much && tried_ < settled_ && tried_ > 1) {
        tried_ = fewer(tried_);
        return;
    }
    pause_ = best_ != settled_ ? shortest_pause : std::min(2 * pause_, longest_pause);
    windows_to_pause_ = pause_;
    settled_ = best_;
    tried_ = 0;
}

} // namespace ortho
