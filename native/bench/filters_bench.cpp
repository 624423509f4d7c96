// A pass with a Haar filter against the same pass with other filters, in turns.
//
//     filters_bench [options]
//       --pairs N    turns a shape (default 21)
//       --threads N  of the device (default 1)
//       --markdown   prints the tables for docs/benchmarks.md
//       --quick      takes few time steps, to see that the program runs
//
// The ratios are time(Haar) / time(other) of a turn: medians over the turns, with the quartiles. A Haar filter takes
// five products a training step, a structured one three, so multiply-adds alone would give 5/3; forward 2. Of a filter
// of m equal blocks each of its two products is an m-th of one: 5 / (3 + 2/m), forward 2 / (1 + 1/m).
#include <algorithm>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "measure.hpp"

using namespace ortho::bench;

namespace {

struct Filter {
    const char* name;
    ortho_filter_kind kind;
    int64_t blocks = 0;
};

/** The first of the filters against the others. */
class Comparison {
public:
    Comparison(ortho_device* device, const Options& options, std::vector<Filter> filters)
        : device_(device), options_(options), filters_(std::move(filters)) {
        std::printf(options.markdown ? "| N | B | T | pass |" : "     N      B      T       pass");
        for (const Filter& filter : filters_)
            std::printf(options.markdown ? " %s |" : &filter == &filters_[0] ? " %12s" : " %24s", filter.name);
        std::printf("\n");
        if (options.markdown) {
            std::printf("|---|---|---|---|");
            for (size_t i = 0; i < filters_.size(); ++i)
                std::printf("---|");
            std::printf("\n");
        }
    }

    void measure(Shape shape, bool training) const {
        shape.steps = options_.steps(shape.steps);
        std::vector<std::unique_ptr<TimedChain>> chains;
        for (const Filter& filter : filters_)
            chains.push_back(
                std::make_unique<TimedChain>(device_, ORTHO_CELL_FILTER, filter.kind, shape, filter.blocks));
        const auto pass = [&](TimedChain& chain) {
            if (training)
                chain.training_step();
            else
                chain.forward(false);
        };
        for (const auto& chain : chains)
            pass(*chain);
        const size_t count = chains.size();
        std::vector<std::vector<double>> times(count), ratios(count);
        for (size_t pair = 0; pair < static_cast<size_t>(options_.pairs); ++pair) {
            for (size_t turn = 0; turn < count; ++turn) {
                const size_t which = (turn + pair) % count;
                times[which].push_back(nanoseconds([&] { pass(*chains[which]); }) / 1e6);
            }
            for (size_t which = 0; which < count; ++which)
                ratios[which].push_back(times[0].back() / times[which].back());
        }
        std::printf(options_.markdown ? "| %lld | %lld | %lld | %s | %.4g ms |" : "%6lld %6lld %6lld %10s %9.4g ms",
                    static_cast<long long>(shape.units), static_cast<long long>(shape.batch),
                    static_cast<long long>(shape.steps), training ? "training" : "forward", median(times[0]));
        for (size_t which = 1; which < count; ++which)
            std::printf(options_.markdown ? " %.2f (%.2f to %.2f) |" : " %8.3f (%.3f to %.3f)", median(ratios[which]),
                        quartile(ratios[which], 1), quartile(ratios[which], 3));
        std::printf("\n");
        std::fflush(stdout);
    }

private:
    static double quartile(std::vector<double> values, size_t quarter) {
        std::sort(values.begin(), values.end());
        return values[(values.size() - 1) * quarter / 4];
    }

    ortho_device* const device_;
    const Options& options_;
    const std::vector<Filter> filters_;
};

} // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv, true);
    ortho_device* const device = make_device(options.threads);
    const Comparison structured(
        device, options,
        {{"Haar", ORTHO_FILTER_HAAR}, {"permutation", ORTHO_FILTER_PERMUTATION}, {"cycle", ORTHO_FILTER_CYCLE}});
    for (const bool training : {true, false})
        for (const Shape& shape :
             {Shape{64, 128, 784}, Shape{128, 128, 784}, Shape{256, 128, 784}, Shape{512, 128, 98}})
            structured.measure(shape, training);
    std::printf("\n");
    const Comparison blocks(device, options,
                            {{"Haar", ORTHO_FILTER_HAAR},
                             {"2 blocks", ORTHO_FILTER_BLOCKS, 2},
                             {"4 blocks", ORTHO_FILTER_BLOCKS, 4},
                             {"8 blocks", ORTHO_FILTER_BLOCKS, 8}});
    for (const bool training : {true, false})
        for (const Shape& shape : {Shape{128, 64, 200}, Shape{256, 64, 200}, Shape{512, 64, 200}})
            blocks.measure(shape, training);
    ortho_device_free(device);
    return 0;
}
