// One step of streams against the same step inside a sequence, on the same prepared weights and one thread, in turns.
// Both write every state.
//
//     stream_bench [options]
//       --pairs N    pairs a shape (default 21)
//       --markdown   prints the table for docs/benchmarks.md
//       --quick      takes few time steps, to see that the program runs
//
// The ratio is time(step of streams) / time(step in a sequence) of a pair, its median over the pairs.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "measure.hpp"

using namespace ortho::bench;

namespace {

void compare(ortho_device* device, const Shape& shape, int pairs, bool markdown) {
    const auto [n, count, steps] = shape;
    const double alpha = 1, beta = 0.05;
    ortho_chain_options options = ORTHO_CHAIN_OPTIONS_INIT;
    options.dtype = ORTHO_FLOAT32;
    options.model = ORTHO_RECURRENT;
    options.activation = ORTHO_TANH;
    options.filter = ORTHO_FILTER_HAAR;
    options.hidden_size = n;
    options.input_size = 1;
    options.alpha = &alpha;
    options.beta = &beta;
    options.alpha_count = options.beta_count = 1;
    ortho_weights* weights = nullptr;
    ortho_chain* chain = nullptr;
    ortho_streams* streams = nullptr;
    require(ortho_weights_create(&weights, device, &options));
    const auto w = normal(1, 0.05, n * n), v = normal(2, 1, n), b = normal(3, 0.1, n), u = normal(4, 1, steps * count);
    require(ortho_weights_prepare(weights, 1, 0, w.data(), v.data(), b.data()));
    require(ortho_chain_create_on(&chain, weights));
    require(ortho_streams_create(&streams, weights, count));
    std::vector<float> states(static_cast<size_t>(steps * count * n));

    const auto in_sequence = [&] {
        require(ortho_chain_forward(chain, steps, count, nullptr, nullptr, steps, 0, nullptr, nullptr, nullptr,
                                    u.data(), nullptr, states.data(), nullptr));
    };
    const auto step_by_step = [&] {
        for (int64_t step = 0; step < steps; ++step)
            require(ortho_streams_step(streams, nullptr, u.data() + step * count, states.data() + step * count * n));
    };
    std::vector<double> sequence, stepped, ratios;
    in_sequence();
    step_by_step();
    for (int pair = 0; pair < pairs; ++pair) {
        double times[2];
        for (int turn = 0; turn < 2; ++turn) {
            const bool of_streams = (turn + pair) % 2 != 0;
            times[of_streams] = of_streams ? nanoseconds(step_by_step) : nanoseconds(in_sequence);
        }
        sequence.push_back(times[0] / static_cast<double>(steps) / 1000);
        stepped.push_back(times[1] / static_cast<double>(steps) / 1000);
        ratios.push_back(times[1] / times[0]);
    }
    std::printf(markdown ? "| %lld | %lld | %.3g µs | %.3g µs | %.2f |\n" : "%6lld %8lld %14.3g us %14.3g us %7.2f\n",
                static_cast<long long>(n), static_cast<long long>(count), median(sequence), median(stepped),
                median(ratios));
    ortho_streams_free(streams);
    ortho_chain_free(chain);
    ortho_weights_free(weights);
}

} // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv, false);
    ortho_device* const device = make_device(options.threads);
    std::printf(options.markdown ? "| N | S | in a sequence | a step of streams | ratio |\n|---|---|---|---|---|\n"
                                 : "     N  streams    in a sequence  step of streams   ratio\n");
    for (const Shape& shape : {Shape{16, 1, 20000}, Shape{64, 1, 4000}, Shape{128, 1, 1000}, Shape{256, 1, 250},
                               Shape{512, 1, 50}, Shape{128, 1000, 5}})
        compare(device, {shape.units, shape.batch, options.steps(shape.steps)}, options.pairs, options.markdown);
    ortho_device_free(device);
    return 0;
}
