// A training step of each kind of cell, as a fraction of the multiply-add peak.
//
//     cells_bench [options]
//       --pairs N    turns a shape (default 21)
//       --threads N  of the device (default 1)
//       --markdown   prints the table for docs/benchmarks.md
//       --quick      takes few time steps, to see that the program runs
//
// The peak is measured in turns with the steps, on one thread, and counts as often as there are threads. A step is
// forward and backward over T steps of B samples with one input; it does 5 N^2 multiply-adds a sample and step of
// filter cells, 9 N^2 of GRU and 12 N^2 of LSTM cells, products with the inputs apart. Printed are the medians over the
// turns: the time of a training step, the fraction of the peak, and the ratio to the time of filter cells.
#include <cstdio>
#include <vector>

#include "measure.hpp"
#include "multiply_add_peak.hpp"

using namespace ortho::bench;

namespace {

struct Kind {
    const char* name;
    ortho_cell cell;
    int64_t multiply_adds; // a sample and step, over N^2
};

constexpr Kind kinds[] = {{"filter", ORTHO_CELL_FILTER, 5}, {"GRU", ORTHO_CELL_GRU, 9}, {"LSTM", ORTHO_CELL_LSTM, 12}};

void compare(ortho_device* device, const Shape& shape, const Options& options) {
    constexpr size_t count = std::size(kinds);
    std::vector<double> times[count], fractions[count], ratios[count];
    for (int turn = -1; turn < options.pairs; ++turn) {
        double taken[count];
        for (size_t k = 0; k < count; ++k) {
            const size_t kind = (k + static_cast<size_t>(turn + 1)) % count;
            TimedChain chain(device, kinds[kind].cell, ORTHO_FILTER_HAAR, shape);
            chain.training_step();
            const double peak = multiply_adds_per_nanosecond();
            taken[kind] = nanoseconds([&] { chain.training_step(); });
            const double done =
                static_cast<double>(kinds[kind].multiply_adds * shape.units * shape.units * shape.batch * shape.steps);
            if (turn < 0)
                continue;
            times[kind].push_back(taken[kind] / 1e6);
            fractions[kind].push_back(done / taken[kind] / (peak * options.threads));
        }
        for (size_t kind = 0; kind < count && turn >= 0; ++kind)
            ratios[kind].push_back(taken[kind] / taken[0]);
    }
    for (size_t kind = 0; kind < count; ++kind)
        std::printf(options.markdown ? "| %s | %lld | %lld | %lld | %.4g ms | %.1f %% | %.2f |\n"
                                     : "%-8s %6lld %6lld %6lld %10.4g ms %7.1f %% %8.2f\n",
                    kinds[kind].name, static_cast<long long>(shape.units), static_cast<long long>(shape.batch),
                    static_cast<long long>(shape.steps), median(times[kind]), 100 * median(fractions[kind]),
                    median(ratios[kind]));
}

} // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv, true);
    ortho_device* const device = make_device(options.threads);
    std::printf(options.markdown ? "| cell | N | B | T | training step | of the peak | over filter cells |\n"
                                   "|---|---|---|---|---|---|---|\n"
                                 : "cell          N      B      T  training step  of peak over filter\n");
    for (const Shape& shape : {Shape{64, 128, 784}, Shape{128, 128, 784}, Shape{256, 128, 784}, Shape{512, 128, 196}})
        compare(device, {shape.units, shape.batch, options.steps(shape.steps)}, options);
    ortho_device_free(device);
    return 0;
}
