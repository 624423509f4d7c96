// Functions of elements, and gates of gated linear units.
#include "activation_problem.hpp"

namespace ortho::test {
namespace {

TEST(Activations, Float32_is_within_4_ulp_of_the_formulas) {
    expect_functions<float>(make_device(2).get());
}
TEST(Activations, Float64_is_within_4_ulp_of_the_formulas) {
    expect_functions<double>(make_device(2).get());
}

TEST(Activations, Gradients_match_central_differences) {
    const Device device = make_device(1);
    std::vector<double> x = normal_values<double>(301, 1), ones(301, 1);
    for (double& value : x)
        value *= 3;
    constexpr double step = 1e-5;
    for (const ortho_activation activation : activations) {
        const auto gradients = backward(device.get(), activation, x, ones);
        const auto moved = [&](double change) {
            auto from = x;
            for (double& value : from)
                value += change;
            return forward(device.get(), activation, from);
        };
        const auto above = moved(step), below = moved(-step);
        for (size_t i = 0; i < x.size(); ++i)
            if (activation != ORTHO_RELU || std::abs(x[i]) > step) {
                // step^2 / 6 times a third derivative below 3; roundings of values below 10, some four, by the step.
                ASSERT_NEAR(gradients[i], (above[i] - below[i]) / (2 * step),
                            step * step + 4 * 10 * 2 * rounding<double> / step)
                    << activation << " at " << x[i];
            }
    }
}

TEST(Activations, Have_their_limits_where_numbers_are_extreme) {
    const Device device = make_device(1);
    expect_limits<float>(device.get());
    expect_limits<double>(device.get());
    EXPECT_EQ(forward<float>(device.get(), ORTHO_SIGMOID, {-1000})[0], 0);
    EXPECT_EQ(forward<float>(device.get(), ORTHO_SILU, {-1e4f})[0], 0);
    EXPECT_EQ(forward<float>(device.get(), ORTHO_GELU, {-40})[0], 0);
}

template <class T> void expect_places_and_threads() {
    const auto x = normal_values<T>(50'021, 1), gradients = normal_values<T>(50'021, 2);
    const auto count = static_cast<int64_t>(x.size());
    const Device device = make_device(1);
    for (const ortho_activation activation : activations) {
        const auto y = forward(device.get(), activation, x), dx = backward(device.get(), activation, x, gradients);
        for (const int threads : {2, 3, 5}) {
            const Device several = make_device(threads);
            EXPECT_TRUE(same_bits(forward(several.get(), activation, x), y)) << activation << ", " << threads;
            EXPECT_TRUE(same_bits(backward(several.get(), activation, x, gradients), dx))
                << activation << ", " << threads;
        }
        // In place.
        auto in_place = x;
        EXPECT_TRUE(succeeds(
            ortho_activation_forward(device.get(), dtype_of<T>, activation, count, in_place.data(), in_place.data())));
        EXPECT_TRUE(same_bits(in_place, y)) << activation;
        in_place = gradients;
        EXPECT_TRUE(succeeds(ortho_activation_backward(device.get(), dtype_of<T>, activation, count, x.data(),
                                                       in_place.data(), in_place.data())));
        EXPECT_TRUE(same_bits(in_place, dx)) << activation;
        // Any number of elements from any place on: the same bits for each, and none written beside them.
        for (const int64_t first : {0, 1, 5})
            for (const int64_t size : {1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 64, 65, 130}) {
                std::vector<T> values(static_cast<size_t>(size + 2), T{42}), slopes = values;
                EXPECT_TRUE(succeeds(ortho_activation_forward(device.get(), dtype_of<T>, activation, size,
                                                              x.data() + first, values.data() + 1)));
                EXPECT_TRUE(
                    succeeds(ortho_activation_backward(device.get(), dtype_of<T>, activation, size, x.data() + first,
                                                       gradients.data() + first, slopes.data() + 1)));
                const auto expected = [&](const std::vector<T>& of) {
                    std::vector<T> part(static_cast<size_t>(size + 2), T{42});
                    std::copy_n(of.begin() + first, size, part.begin() + 1);
                    return part;
                };
                EXPECT_TRUE(same_bits(values, expected(y))) << activation << ", " << first << ", " << size;
                EXPECT_TRUE(same_bits(slopes, expected(dx))) << activation << ", " << first << ", " << size;
            }
    }
}

TEST(Activations, Have_the_same_bits_at_every_place_in_place_and_on_any_number_of_threads) {
    expect_places_and_threads<float>();
    expect_places_and_threads<double>();
}

TEST(Activations, Bad_arguments_are_refused_by_name_and_write_nothing) {
    const Device device = make_device(1);
    float x = 1, y = 5;
    const auto expect = [&](ortho_device* on, int32_t dtype, int32_t activation, int64_t count, const char* text) {
        EXPECT_TRUE(is_refused(ortho_activation_forward(on, dtype, activation, count, &x, &y), text));
        EXPECT_TRUE(is_refused(ortho_activation_backward(on, dtype, activation, count, &x, &x, &y), text));
    };
    expect(nullptr, 0, 0, 1, "device is null; it must be a device");
    expect(device.get(), 2, 0, 1, "dtype is 2; it must be 0 (float32) or 1 (float64)");
    expect(device.get(), 0, 5, 1, "activation is 5; it must be 0 (tanh), 1 (ReLU), 2 (sigmoid), 3 (SiLU) or 4 (GELU)");
    expect(device.get(), 0, -1, 1, "activation is -1; it must be 0 (tanh)");
    expect(device.get(), 0, 0, 0, "count is 0; it must be at least 1");
    EXPECT_TRUE(is_refused(ortho_activation_forward(device.get(), 0, 0, 1, nullptr, &y), "x is null"));
    EXPECT_TRUE(is_refused(ortho_activation_forward(device.get(), 0, 0, 1, &x, nullptr), "y is null"));
    EXPECT_TRUE(is_refused(ortho_activation_backward(device.get(), 0, 0, 1, nullptr, &x, &y), "x is null"));
    EXPECT_TRUE(is_refused(ortho_activation_backward(device.get(), 0, 0, 1, &x, nullptr, &y), "y_gradients is null"));
    EXPECT_TRUE(is_refused(ortho_activation_backward(device.get(), 0, 0, 1, &x, &x, nullptr), "x_gradients is null"));
    EXPECT_EQ(y, 5);
}

TEST(Activations, Filter_cells_take_those_whose_slopes_follow_from_their_values) {
    const Device device = make_device(1);
    Problem p = make_problem({3, 2, 2, 5});
    fill(p);
    for (const int32_t activation : {-1, 2, 3, 4, 5}) {
        ortho_chain_options options = options_of(p, ORTHO_FLOAT32);
        options.activation = activation;
        const std::string text = "activation is " + std::to_string(activation) + "; it must be 0 (tanh) or 1 (ReLU)";
        ortho_error error = ORTHO_ERROR_INIT;
        ortho_chain* chain = nullptr;
        EXPECT_TRUE(is_refused(ortho_chain_create(&chain, device.get(), &options), text));
        EXPECT_EQ(ortho_get_last_error(&error), ORTHO_OK);
        EXPECT_EQ(error.cause, ORTHO_CAUSE_RANGE);
        EXPECT_EQ(chain, nullptr);
        ortho_weights* weights = nullptr;
        EXPECT_TRUE(is_refused(ortho_weights_create(&weights, device.get(), &options), text));
        EXPECT_EQ(ortho_get_last_error(&error), ORTHO_OK);
        EXPECT_EQ(error.cause, ORTHO_CAUSE_RANGE);
        EXPECT_EQ(weights, nullptr);
    }
}

template <class T> void check_gate(GateRows<T> gate) {
    SCOPED_TRACE(std::to_string(gate.rows) + " x " + std::to_string(gate.units));
    for (T& value : gate.x)
        value *= 4;
    const Device device = make_device(1);
    expect_gate(device.get(), gate);
    const auto y = gate.forward(device.get()), dx = gate.backward(device.get());
    for (const int threads : {2, 3, 5}) {
        const Device several = make_device(threads);
        EXPECT_TRUE(same_bits(gate.forward(several.get()), y)) << threads;
        EXPECT_TRUE(same_bits(gate.backward(several.get()), dx)) << threads;
    }
    // Rows alone.
    for (int64_t row = 0; row < gate.rows; row += row < 20 ? 1 : 97) {
        GateRows<T> one{1, gate.units};
        std::copy_n(gate.x.begin() + 2 * row * gate.units, 2 * gate.units, one.x.begin());
        std::copy_n(gate.y_gradients.begin() + row * gate.units, gate.units, one.y_gradients.begin());
        const auto own_y = one.forward(device.get()), own_dx = one.backward(device.get());
        ASSERT_EQ(std::memcmp(own_y.data(), y.data() + row * gate.units, own_y.size() * sizeof(T)), 0) << row;
        ASSERT_EQ(std::memcmp(own_dx.data(), dx.data() + 2 * row * gate.units, own_dx.size() * sizeof(T)), 0) << row;
    }
}

TEST(Gate, Is_the_formula_with_the_same_bits_for_a_row_alone_and_any_number_of_threads) {
    for (const auto& [rows, units] :
         {std::pair<int64_t, int64_t>{1, 1}, {7, 3}, {33, 17}, {5, 64}, {300, 100}, {70, 257}, {5000, 3}, {2, 20000}}) {
        check_gate(GateRows<float>{rows, units});
        check_gate(GateRows<double>{rows, units});
    }
}

TEST(Gate, Gradients_match_central_differences) {
    const Device device = make_device(1);
    GateRows<double> gate{5, 7};
    const auto gradients = gate.backward(device.get());
    constexpr double step = 1e-5;
    for (size_t i = 0; i < gate.x.size(); ++i) {
        const auto energy = [&](double change) {
            GateRows<double> moved = gate;
            moved.x[i] += change;
            const auto y = moved.forward(device.get());
            double sum = 0;
            for (size_t j = 0; j < y.size(); ++j)
                sum += y[j] * gate.y_gradients[j];
            return sum;
        };
        // step^2 / 6 of a third derivative below 1 times numbers below 4; roundings of sums of 35 such numbers.
        ASSERT_NEAR(gradients[i], (energy(step) - energy(-step)) / (2 * step),
                    4 * step * step + 35 * 16 * rounding<double> / step)
            << i;
    }
}

TEST(Gate, Is_closed_and_open_at_infinity) {
    const Device device = make_device(1);
    constexpr float infinity = Limits<float>::infinity();
    GateRows<float> gate{1, 4};
    gate.x = {3, 3, 3, 0, infinity, -infinity, Limits<float>::quiet_NaN(), -200};
    gate.y_gradients = {2, 2, 2, 0};
    const auto y = gate.forward(device.get()), dx = gate.backward(device.get());
    EXPECT_EQ(y[0], 3);
    EXPECT_EQ(y[1], 0);
    EXPECT_TRUE(std::isnan(y[2]));
    EXPECT_EQ(dx[0], 2);
    EXPECT_EQ(dx[1], 0);
    EXPECT_EQ(dx[4], 0);
    EXPECT_EQ(dx[5], 0);
    EXPECT_TRUE(std::isnan(dx[2]) && std::isnan(dx[6]));
    EXPECT_EQ(dx[3], 0);
    EXPECT_EQ(dx[7], 0);
}

TEST(Gate, Bad_arguments_are_refused_by_name_and_write_nothing) {
    const Device device = make_device(1);
    float x[2] = {1, 1}, y[2] = {5, 5};
    const auto expect = [&](ortho_device* on, int32_t dtype, int64_t rows, int64_t units, const char* text) {
        EXPECT_TRUE(is_refused(ortho_gate_forward(on, dtype, rows, units, x, y), text));
        EXPECT_TRUE(is_refused(ortho_gate_backward(on, dtype, rows, units, x, x, y), text));
    };
    expect(nullptr, 0, 1, 1, "device is null; it must be a device");
    expect(device.get(), -1, 1, 1, "dtype is -1; it must be 0 (float32) or 1 (float64)");
    expect(device.get(), 0, 0, 1, "rows is 0; it must be at least 1");
    expect(device.get(), 0, 1, 0, "units is 0; it must be at least 1");
    expect(device.get(), 0, int64_t{1} << 53, 1, "rows is 9007199254740992, with 2 elements each");
    expect(device.get(), 0, 1, INT64_MAX, "units is 9223372036854775807; it must be from 1 to ");
    EXPECT_TRUE(is_refused(ortho_gate_forward(device.get(), 0, 1, 1, nullptr, y), "x is null"));
    EXPECT_TRUE(is_refused(ortho_gate_forward(device.get(), 0, 1, 1, x, nullptr), "y is null"));
    EXPECT_TRUE(is_refused(ortho_gate_backward(device.get(), 0, 1, 1, nullptr, x, y), "x is null"));
    EXPECT_TRUE(is_refused(ortho_gate_backward(device.get(), 0, 1, 1, x, nullptr, y), "y_gradients is null"));
    EXPECT_TRUE(is_refused(ortho_gate_backward(device.get(), 0, 1, 1, x, x, nullptr), "x_gradients is null"));
    EXPECT_EQ(y[0], 5);
    EXPECT_EQ(y[1], 5);
}

} // namespace
} // namespace ortho::test
