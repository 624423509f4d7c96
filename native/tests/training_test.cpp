// Whole training steps through the C interface, as a binding makes them: chain, dense layer, loss, clipping, optimizer.
#include <algorithm>
#include <cmath>
#include <vector>

#include "support.hpp"

using namespace ortho::test;

namespace {

constexpr int64_t length = 30, batch = 37, inputs = 4, units = 24, classes = 4;
constexpr int training_steps = 40;

struct ChainDeleter {
    void operator()(ortho_chain* chain) const { ortho_chain_free(chain); }
};

struct Trained {
    std::vector<double> losses;
    std::vector<float> parameters;
};

/** The flat buffer of parameters, or that of gradients. */
struct Parts {
    Parts(float* buffer, int64_t layers)
        : weights(buffer), input_weights(weights + layers * units * units), bias(input_weights + units * inputs),
          readout(bias + layers * units), readout_bias(readout + classes * units) {}

    static int64_t count(int64_t layers) {
        return layers * units * (units + 1) + units * inputs + classes * (units + 1);
    }

    float *weights, *input_weights, *bias, *readout, *readout_bias;
};

/** Trains to tell which of the first four numbers is the largest: recurrent ones read them first and noise after it. */
Trained train(ortho_chain_model model, int threads) {
    const bool recurrent = model == ORTHO_RECURRENT;
    const int64_t layers = recurrent ? 1 : length;
    const double alpha = 1, beta = recurrent ? 0.1 : 2.0 / length;
    const Device device = make_device(threads);

    ortho_chain_options options = ORTHO_CHAIN_OPTIONS_INIT;
    options.dtype = ORTHO_FLOAT32;
    options.model = model;
    options.activation = ORTHO_TANH;
    options.filter = ORTHO_FILTER_HAAR;
    options.hidden_size = units;
    options.input_size = recurrent ? inputs : 0;
    options.layers = recurrent ? 0 : layers;
    options.check_finite = 1;
    options.alpha = &alpha;
    options.beta = &beta;
    options.alpha_count = options.beta_count = 1;
    options.checkpoint_every = 7;
    ortho_chain* created = nullptr;
    EXPECT_TRUE(succeeds(ortho_chain_create(&created, device.get(), &options)));
    const std::unique_ptr<ortho_chain, ChainDeleter> chain(created);

    const std::vector<float> x = normal_values<float>((recurrent ? length : 1) * batch * inputs, 1);
    std::vector<int32_t> targets(batch);
    for (int64_t b = 0; b < batch; ++b) {
        const float* row = x.data() + b * inputs;
        targets[static_cast<size_t>(b)] = static_cast<int32_t>(std::max_element(row, row + inputs) - row);
    }

    const int64_t count = Parts::count(layers);
    Trained result{{}, normal_values<float>(count, 2)};
    for (float& value : result.parameters)
        value *= 0.2f;
    const size_t size = result.parameters.size();
    std::vector<float> gradients(size), first_moment(size), second_moment(size), start(batch * units),
        start_gradients(batch * units), states(batch * units), state_gradients(batch * units), logits(batch * classes),
        logit_gradients(batch * classes);
    const Parts p(result.parameters.data(), layers), g(gradients.data(), layers);
    const ortho_parameter_group all{0, count, 0.02, 0};
    const auto forward = [&](const float* input_weights, const float* data, const float* initial) {
        EXPECT_TRUE(
            succeeds(ortho_chain_forward(chain.get(), recurrent ? length : 0, batch, nullptr, nullptr, 1, 1, p.weights,
                                         input_weights, p.bias, data, initial, states.data(), nullptr)));
    };
    for (int step = 1; step <= training_steps; ++step) {
        if (recurrent) {
            forward(p.input_weights, x.data(), nullptr);
        } else {
            EXPECT_TRUE(succeeds(ortho_dense_forward(device.get(), ORTHO_FLOAT32, batch, inputs, units, p.input_weights,
                                                     nullptr, x.data(), start.data())));
            forward(nullptr, nullptr, start.data());
        }
        EXPECT_TRUE(succeeds(ortho_dense_forward(device.get(), ORTHO_FLOAT32, batch, units, classes, p.readout,
                                                 p.readout_bias, states.data(), logits.data())));
        double loss = 0;
        EXPECT_TRUE(succeeds(ortho_softmax_cross_entropy(device.get(), ORTHO_FLOAT32, 1, batch, nullptr, nullptr,
                                                         nullptr, classes, nullptr, 0, logits.data(), targets.data(),
                                                         &loss, nullptr, logit_gradients.data())));
        result.losses.push_back(loss);
        EXPECT_TRUE(succeeds(ortho_dense_backward(device.get(), ORTHO_FLOAT32, nullptr, 0, 1, batch, units, classes,
                                                  p.readout, states.data(), logit_gradients.data(), g.readout,
                                                  g.readout_bias, state_gradients.data())));
        if (recurrent) {
            EXPECT_TRUE(succeeds(ortho_chain_backward(chain.get(), 0, p.weights, p.input_weights, p.bias, x.data(),
                                                      state_gradients.data(), nullptr, g.weights, g.input_weights,
                                                      g.bias, nullptr, nullptr)));
        } else {
            EXPECT_TRUE(succeeds(ortho_chain_backward(chain.get(), 0, p.weights, nullptr, p.bias, nullptr,
                                                      state_gradients.data(), nullptr, g.weights, nullptr, g.bias,
                                                      nullptr, start_gradients.data())));
            EXPECT_TRUE(
                succeeds(ortho_dense_backward(device.get(), ORTHO_FLOAT32, nullptr, 0, 1, batch, inputs, units, nullptr,
                                              x.data(), start_gradients.data(), g.input_weights, nullptr, nullptr)));
        }
        EXPECT_TRUE(
            succeeds(ortho_clip_gradient_norm(device.get(), ORTHO_FLOAT32, count, gradients.data(), 1, nullptr)));
        EXPECT_TRUE(succeeds(ortho_adam_step(device.get(), ORTHO_FLOAT32, count, result.parameters.data(),
                                             gradients.data(), first_moment.data(), second_moment.data(), nullptr, step,
                                             0.9, 0.999, 1e-8, 0, &all, 1)));
    }
    return result;
}

class Training : public ::testing::TestWithParam<ortho_chain_model> {};

TEST_P(Training, Learns_and_gives_the_same_bits_on_one_two_and_three_threads) {
    const Trained one = train(GetParam(), 1);
    // Guessing between the two likelier classes would give log 2, half of what guessing between all four does.
    EXPECT_LT(one.losses.back(), std::log(2.0));
    for (const int threads : {2, 3}) {
        const Trained other = train(GetParam(), threads);
        EXPECT_EQ(one.losses, other.losses) << threads << " threads";
        EXPECT_TRUE(same_bits(one.parameters, other.parameters)) << threads << " threads";
    }
}

INSTANTIATE_TEST_SUITE_P(All, Training, ::testing::Values(ORTHO_RECURRENT, ORTHO_FEEDFORWARD), [](const auto& model) {
    return model.param == ORTHO_RECURRENT ? "Recurrent" : "Feedforward";
});

} // namespace
