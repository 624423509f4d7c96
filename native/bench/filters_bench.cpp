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

struct Shape {
    int64_t units;
    int64_t batch;
    int64_t steps;
};

/** A recurrent chain with one of the filters. */
class Pass {
public:
    Pass(ortho_device* device, ortho_filter_kind filter, const Shape& shape)
        : shape_(shape), w_(normal(1, 0.05, shape.units * shape.units)), v_(normal(2, 1, shape.units)),
          b_(normal(3, 0.1, shape.units)), u_(normal(4, 1, shape.steps * shape.batch)),
          arriving_(normal(5, 1, shape.batch * shape.units)), dw_(w_.size()), dv_(v_.size()), db_(b_.size()),
          last_(arriving_.size()) {
        const double alpha = 1, beta = 0.05;
        ortho_chain_options options = ORTHO_CHAIN_OPTIONS_INIT;
        options.filter = filter;
        options.hidden_size = shape.units;
        options.input_size = 1;
        options.alpha = &alpha;
        options.beta = &beta;
        options.alpha_count = options.beta_count = 1;
        require(ortho_chain_create(&chain_, device, &options));
    }
    ~Pass() { ortho_chain_free(chain_); }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;

    void run(bool training) {
        require(ortho_chain_forward(chain_, shape_.steps, shape_.batch, nullptr, nullptr, 1, training ? 1 : 0,
                                    w_.data(), v_.data(), b_.data(), u_.data(), nullptr, last_.data(), nullptr));
        if (training)
            require(ortho_chain_backward(chain_, 0, w_.data(), v_.data(), b_.data(), u_.data(), arriving_.data(),
                                         nullptr, dw_.data(), dv_.data(), db_.data(), nullptr, nullptr));
    }

private:
    Shape shape_;
    std::vector<float> w_, v_, b_, u_, arriving_, dw_, dv_, db_, last_;
    ortho_chain* chain_ = nullptr;
};

void compare(ortho_device* device, const Shape& shape, bool training, int pairs, bool markdown) {
    Pass haar(device, ORTHO_FILTER_HAAR, shape), permutation(device, ORTHO_FILTER_PERMUTATION, shape),
        cycle(device, ORTHO_FILTER_CYCLE, shape);
    Pass* const passes[3] = {&haar, &permutation, &cycle};
    std::vector<double> times[3], ratios[3];
    for (Pass* pass : passes)
        pass->run(training);
    for (int pair = 0; pair < pairs; ++pair) {
        double taken[3];
        for (int turn = 0; turn < 3; ++turn) {
            const int which = (turn + pair) % 3;
            taken[which] = nanoseconds([&] { passes[which]->run(training); }) / 1e6;
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
