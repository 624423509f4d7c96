// A training step of a batch of sequences with lengths against the same batch without, in turns.
//
//     lengths_bench [options]
//       --pairs N    turns a shape (default 21)
//       --threads N  of the device (default 1)
//       --markdown   prints the table for docs/benchmarks.md
//       --quick      takes few time steps, to see that the program runs
//
// The ratios are time(with lengths) / time(without) of a turn, their medians over the turns: of lengths that are all T,
// and of lengths that are uniform in 1 to T, beside what the sum of these is of T B.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <random>
#include <vector>

#include "measure.hpp"

using namespace ortho::bench;

namespace {

void compare(ortho_device* device, const Shape& shape, int pairs, bool markdown) {
    const auto [n, batch, steps] = shape;
    TimedChain chain(device, ORTHO_CELL_FILTER, ORTHO_FILTER_HAAR, shape);
    const std::vector<int32_t> all(static_cast<size_t>(batch), static_cast<int32_t>(steps));
    std::vector<int32_t> uniform = all;
    std::mt19937 random(1);
    for (int32_t& length : uniform)
        length = 1 + static_cast<int32_t>(random() % static_cast<uint32_t>(steps));
    const int32_t* const lengths[3] = {nullptr, all.data(), uniform.data()};
    std::vector<double> times[3], ratios[3];
    for (const int32_t* given : lengths)
        chain.training_step(given);
    for (int pair = 0; pair < pairs; ++pair) {
        double taken[3];
        for (int turn = 0; turn < 3; ++turn) {
            const int which = (turn + pair) % 3;
            taken[which] = nanoseconds([&] { chain.training_step(lengths[which]); }) / 1e6;
        }
        for (int which = 0; which < 3; ++which) {
            times[which].push_back(taken[which]);
            ratios[which].push_back(taken[which] / taken[0]);
        }
    }
    const double sum = static_cast<double>(std::accumulate(uniform.begin(), uniform.end(), int64_t{0}));
    std::printf(markdown ? "| %lld | %lld | %lld | %.4g ms | %.3f | %.2f | %.2f |\n"
                         : "%6lld %6lld %6lld %10.4g ms %10.3f %10.2f %10.2f\n",
                static_cast<long long>(n), static_cast<long long>(batch), static_cast<long long>(steps),
                median(times[0]), median(ratios[1]), median(ratios[2]), sum / static_cast<double>(steps * batch));
}

} // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv, true);
    ortho_device* const device = make_device(options.threads);
    std::printf(
        options.markdown
            ? "| N | B | T | no lengths | all T | uniform | sum of the lengths |\n|---|---|---|---|---|---|---|\n"
            : "     N      B      T    no lengths      all T    uniform     of T B\n");
    for (const Shape& shape :
         {Shape{64, 128, 784}, Shape{128, 128, 784}, Shape{256, 16, 784}, Shape{256, 128, 784}, Shape{512, 128, 196}})
        compare(device, {shape.units, shape.batch, options.steps(shape.steps)}, options.pairs, options.markdown);
    ortho_device_free(device);
    return 0;
}
