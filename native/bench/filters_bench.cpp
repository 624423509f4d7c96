// A pass with a Haar filter against the same pass with a structured one, in turns.
//
//     filters_bench [options]
//       --pairs N    turns a shape (default 21)
//       --threads N  of the device (default 1)
//       --markdown   prints the table for docs/benchmarks.md
//       --quick      takes few time steps, to see that the program runs
//
// The ratios are time(Haar) / time(structured) of a turn: medians over the turns, with the quartiles. A Haar filter
// takes five products a training step, a structured one three, so multiply-adds alone would give 5/3; forward 2.
#include <algorithm>
#include <cstdio>
#include <vector>

#include "measure.hpp"

using namespace ortho::bench;

namespace {

void compare(ortho_device* device, const Shape& shape, bool training, int pairs, bool markdown) {
    TimedChain haar(device, ORTHO_CELL_FILTER, ORTHO_FILTER_HAAR, shape),
        permutation(device, ORTHO_CELL_FILTER, ORTHO_FILTER_PERMUTATION, shape),
        cycle(device, ORTHO_CELL_FILTER, ORTHO_FILTER_CYCLE, shape);
    TimedChain* const chains[3] = {&haar, &permutation, &cycle};
    const auto pass = [&](TimedChain& chain) {
        if (training)
            chain.training_step();
        else
            chain.forward(false);
    };
    std::vector<double> times[3], ratios[3];
    for (TimedChain* chain : chains)
        pass(*chain);
    for (int pair = 0; pair < pairs; ++pair) {
        double taken[3];
        for (int turn = 0; turn < 3; ++turn) {
            const int which = (turn + pair) % 3;
            taken[which] = nanoseconds([&] { pass(*chains[which]); }) / 1e6;
        }
        for (int which = 0; which < 3; ++which) {
            times[which].push_back(taken[which]);
            ratios[which].push_back(taken[0] / taken[which]);
        }
    }
    const auto quartile = [](std::vector<double> values, size_t quarter) {
        std::sort(values.begin(), values.end());
        return values[(values.size() - 1) * quarter / 4];
    };
    std::printf(markdown ? "| %lld | %lld | %lld | %s | %.4g ms | %.2f (%.2f to %.2f) | %.2f (%.2f to %.2f) |\n"
                         : "%6lld %6lld %6lld %10s %10.4g ms %8.3f (%.3f to %.3f) %8.3f (%.3f to %.3f)\n",
                static_cast<long long>(shape.units), static_cast<long long>(shape.batch),
                static_cast<long long>(shape.steps), training ? "training" : "forward", median(times[0]),
                median(ratios[1]), quartile(ratios[1], 1), quartile(ratios[1], 3), median(ratios[2]),
                quartile(ratios[2], 1), quartile(ratios[2], 3));
    std::fflush(stdout);
}

} // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv, true);
    ortho_device* const device = make_device(options.threads);
    std::printf(
        options.markdown
            ? "| N | B | T | pass | Haar | permutation | cycle |\n|---|---|---|---|---|---|---|\n"
            : "     N      B      T       pass         Haar              permutation                    cycle\n");
    for (const bool training : {true, false})
        for (const Shape& shape :
             {Shape{64, 128, 784}, Shape{128, 128, 784}, Shape{256, 128, 784}, Shape{512, 128, 98}})
            compare(device, {shape.units, shape.batch, options.steps(shape.steps)}, training, options.pairs,
                    options.markdown);
    ortho_device_free(device);
    return 0;
}
