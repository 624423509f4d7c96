#include <functional>
#include <thread>

#include "support.hpp"

namespace ortho::test {
namespace {

struct Shape {
    int64_t rows;
    int64_t inputs;
    int64_t outputs;
};

void PrintTo(const Shape& shape, std::ostream* stream) {
    *stream << shape.rows << " x " << shape.inputs << " to " << shape.outputs;
}

template <class T> struct Layer {
    explicit Layer(const Shape& shape_)
        : shape(shape_), weights(normal_values<T>(shape.outputs * shape.inputs, 1)),
          bias(normal_values<T>(shape.outputs, 2)), x(normal_values<T>(shape.rows * shape.inputs, 3)),
          y_gradients(normal_values<T>(shape.rows * shape.outputs, 4)), y(y_gradients.size()),
          weight_gradients(weights.size()), bias_gradients(bias.size()), x_gradients(x.size()) {}

    void forward(ortho_device* device, bool with_bias = true) {
        ASSERT_TRUE(
            succeeds(ortho_dense_forward(device, dtype_of<T>, shape.rows, shape.inputs, shape.outputs, weights.data(),
                                         with_bias ? bias.data() : nullptr, x.data(), y.data())));
    }
    void backward(ortho_device* device, int accumulate = 0) {
        ASSERT_TRUE(succeeds(ortho_dense_backward(device, dtype_of<T>, nullptr, accumulate, 1, shape.rows, shape.inputs,
                                                  shape.outputs, weights.data(), x.data(), y_gradients.data(),
                                                  weight_gradients.data(), bias_gradients.data(), x_gradients.data())));
    }

    Shape shape;
    std::vector<T> weights, bias, x, y_gradients, y, weight_gradients, bias_gradients, x_gradients;
};

/**
 * Compares c with start + the sum of the k products term(i, j, s) in double precision. Bound: each of the k + 2
 * roundings of a sum changes it by at most a rounding unit of the sum of magnitudes, in whatever order it is added.
 */
template <class T>
void expect_sums(const char* name, const std::vector<T>& c, int64_t m, int64_t n, int64_t k,
                 const std::function<double(int64_t, int64_t)>& start,
                 const std::function<double(int64_t, int64_t, int64_t)>& term) {
    for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) {
            double sum = start(i, j);
            double magnitude = std::abs(sum);
            for (int64_t s = 0; s < k; ++s) {
                sum += term(i, j, s);
                magnitude += std::abs(term(i, j, s));
            }
            // Twice the unit in double precision: the reference is rounded, too.
            const double unit = sizeof(T) == 4 ? rounding<T> : 2 * rounding<T>;
            ASSERT_NEAR(static_cast<double>(c[static_cast<size_t>(i * n + j)]), sum,
                        static_cast<double>(k + 2) * unit * magnitude)
                << name << "[" << i << ", " << j << "]";
        }
}

template <class T> void expect_forward(const Layer<T>& l, bool with_bias) {
    const auto [rows, inputs, outputs] = l.shape;
    expect_sums<T>(
        "y", l.y, rows, outputs, inputs,
        [&](int64_t, int64_t o) { return with_bias ? static_cast<double>(l.bias[static_cast<size_t>(o)]) : 0.0; },
        [&, inputs = inputs](int64_t r, int64_t o, int64_t i) {
            return static_cast<double>(l.x[static_cast<size_t>(r * inputs + i)]) *
                   static_cast<double>(l.weights[static_cast<size_t>(o * inputs + i)]);
        });
}

template <class T> void expect_backward(const Layer<T>& l, double start) {
    const auto [rows, inputs, outputs] = l.shape;
    const auto gradient = [&, outputs = outputs](int64_t r, int64_t o) {
        return static_cast<double>(l.y_gradients[static_cast<size_t>(r * outputs + o)]);
    };
    expect_sums<T>(
        "x_gradients", l.x_gradients, rows, inputs, outputs, [](int64_t, int64_t) { return 0.0; },
        [&, inputs = inputs](int64_t r, int64_t i, int64_t o) {
            return gradient(r, o) * static_cast<double>(l.weights[static_cast<size_t>(o * inputs + i)]);
        });
    expect_sums<T>(
        "weight_gradients", l.weight_gradients, outputs, inputs, rows, [=](int64_t, int64_t) { return start; },
        [&, inputs = inputs](int64_t o, int64_t i, int64_t r) {
            return gradient(r, o) * static_cast<double>(l.x[static_cast<size_t>(r * inputs + i)]);
        });
    expect_sums<T>(
        "bias_gradients", l.bias_gradients, 1, outputs, rows, [=](int64_t, int64_t) { return start; },
        [&](int64_t, int64_t o, int64_t r) { return gradient(r, o); });
}

class DenseShapes : public ::testing::TestWithParam<Shape> {
protected:
    template <class T> void check_against_reference() {
        const Device device = make_device(2);
        Layer<T> layer(GetParam());
        layer.forward(device.get());
        expect_forward(layer, true);
        layer.forward(device.get(), false);
        expect_forward(layer, false);
        layer.backward(device.get());
        expect_backward(layer, 0);
        layer.weight_gradients.assign(layer.weight_gradients.size(), T{3});
        layer.bias_gradients.assign(layer.bias_gradients.size(), T{3});
        layer.backward(device.get(), 1);
        expect_backward(layer, 3);
    }

    template <class T> void check_threads() {
        Layer<T> one(GetParam());
        const Device single = make_device(1);
        one.forward(single.get());
        one.backward(single.get());
        for (const int threads : {2, 3}) {
            const Device several = make_device(threads);
            Layer<T> many(GetParam());
            many.forward(several.get());
            many.backward(several.get());
            EXPECT_TRUE(same_bits(many.y, one.y)) << threads;
            EXPECT_TRUE(same_bits(many.weight_gradients, one.weight_gradients)) << threads;
            EXPECT_TRUE(same_bits(many.bias_gradients, one.bias_gradients)) << threads;
            EXPECT_TRUE(same_bits(many.x_gradients, one.x_gradients)) << threads;
        }
    }
};

TEST_P(DenseShapes, Float32_matches_sums_in_double_precision) {
    check_against_reference<float>();
}
TEST_P(DenseShapes, Float64_matches_sums_in_double_precision) {
    check_against_reference<double>();
}
TEST_P(DenseShapes, Float32_gives_the_same_bits_on_one_two_and_three_threads) {
    check_threads<float>();
}
TEST_P(DenseShapes, Float64_gives_the_same_bits_on_one_two_and_three_threads) {
    check_threads<double>();
}

// Few and many of everything; sizes around panels (4 to 12 rows, 4 to 32 columns), tiles (96, 128, 192, 256, 512) and
// blocks of the depth (256).
INSTANTIATE_TEST_SUITE_P(All, DenseShapes,
                         ::testing::Values(Shape{1, 1, 1}, Shape{2, 3, 1}, Shape{1, 300, 40}, Shape{4, 17, 33},
                                           Shape{5, 16, 17}, Shape{32, 256, 10}, Shape{100, 31, 16}, Shape{97, 33, 65},
                                           Shape{600, 5, 3}, Shape{1300, 70, 10}, Shape{257, 129, 257},
                                           Shape{193, 513, 97}, Shape{13, 1, 19}, Shape{300, 260, 200},
                                           Shape{3, 70, 41}, Shape{15, 259, 50}, Shape{2, 600, 20}));

/**
 * Each row of y and of x_gradients against the same row in a call of its own. Weight and bias gradients are sums over
 * the rows, so they have no bits of a row.
 */
template <class T> void expect_rows_alone(const Shape& shape, int threads) {
    const Device device = make_device(threads);
    Layer<T> all(shape);
    all.forward(device.get());
    all.backward(device.get());
    Layer<T> one({1, shape.inputs, shape.outputs});
    one.weights = all.weights;
    one.bias = all.bias;
    const auto row_of = [](const std::vector<T>& values, int64_t row, int64_t size) {
        return std::vector<T>(values.begin() + row * size, values.begin() + (row + 1) * size);
    };
    // The first and last rows, and some between: those of every tile.
    for (int64_t row = 0; row < shape.rows; row += row < 30 || row > shape.rows - 30 ? 1 : 7) {
        one.x = row_of(all.x, row, shape.inputs);
        one.y_gradients = row_of(all.y_gradients, row, shape.outputs);
        one.forward(device.get());
        one.backward(device.get());
        ASSERT_TRUE(same_bits(one.y, row_of(all.y, row, shape.outputs))) << "y, row " << row;
        ASSERT_TRUE(same_bits(one.x_gradients, row_of(all.x_gradients, row, shape.inputs))) << "x, row " << row;
    }
}

TEST(Dense, A_row_has_the_same_bits_among_any_number_of_rows) {
    // Outputs and inputs on both sides of every choice of a kernel (16 outputs; 64, 256 and 512 inputs; blocks of 256),
    // of panels and of vectors; rows on both sides of 4, 16, panels (12) and tiles (96).
    for (const int64_t outputs : {1, 5, 16, 17, 33, 100})
        for (const int64_t inputs : {1, 3, 16, 63, 64, 67, 255, 257, 511, 512, 515})
            for (const int64_t rows : {2, 3, 4, 5, 7, 13, 16, 17, 97}) {
                SCOPED_TRACE(testing::PrintToString(Shape{rows, inputs, outputs}));
                expect_rows_alone<float>({rows, inputs, outputs}, 1);
                expect_rows_alone<double>({rows, inputs, outputs}, 1);
                ASSERT_FALSE(HasFatalFailure());
            }
}

TEST(Dense, A_row_has_the_same_bits_among_rows_that_several_threads_share) {
    // Enough work for all threads: more than 2^20 multiply-adds, for a row alone, too.
    for (const Shape shape : {Shape{4, 1030, 1100}, Shape{9, 300, 3500}, Shape{40, 260, 4200}, Shape{200, 70, 130}}) {
        SCOPED_TRACE(testing::PrintToString(shape));
        expect_rows_alone<float>(shape, 3);
        expect_rows_alone<double>(shape, 3);
    }
}

TEST(Dense, Gradients_match_central_differences) {
    const Device device = make_device(2);
    Layer<double> layer({7, 9, 18});
    layer.backward(device.get());
    // E = sum of y_gradients * y, so that its gradient at y is y_gradients.
    const auto energy = [&] {
        layer.forward(device.get());
        double sum = 0;
        for (size_t i = 0; i < layer.y.size(); ++i)
            sum += layer.y[i] * layer.y_gradients[i];
        return sum;
    };
    const auto expect_gradients = [&](const char* name, std::vector<double>& values,
                                      const std::vector<double>& gradients) {
        constexpr double step = 1e-6;
        for (size_t i = 0; i < values.size(); ++i) {
            const double value = values[i];
            values[i] = value + step;
            const double above = energy();
            values[i] = value - step;
            const double below = energy();
            values[i] = value;
            EXPECT_NEAR(gradients[i], (above - below) / (2 * step), 1e-5 * (1 + std::abs(gradients[i])))
                << name << "[" << i << "]";
        }
    };
    expect_gradients("weights", layer.weights, layer.weight_gradients);
    expect_gradients("bias", layer.bias, layer.bias_gradients);
    expect_gradients("x", layer.x, layer.x_gradients);
}

TEST(Dense, Optional_gradients_may_be_left_out) {
    const Device device = make_device(1);
    Layer<double> layer({20, 12, 30});
    layer.backward(device.get());
    std::vector<double> weight_gradients(layer.weights.size());
    ASSERT_TRUE(
        succeeds(ortho_dense_backward(device.get(), ORTHO_FLOAT64, nullptr, 0, 1, 20, 12, 30, nullptr, layer.x.data(),
                                      layer.y_gradients.data(), weight_gradients.data(), nullptr, nullptr)));
    EXPECT_TRUE(same_bits(weight_gradients, layer.weight_gradients));
}

TEST(Dense, Memory_around_the_results_is_left_alone) {
    const Device device = make_device(1);
    for (const Shape shape : {Shape{3, 5, 7}, Shape{13, 21, 37}, Shape{50, 40, 3}}) {
        Layer<float> layer(shape);
        constexpr size_t margin = 64;
        constexpr float mark = 42;
        std::vector<float> y(layer.y.size() + 2 * margin, mark);
        std::vector<float> weights(layer.weights.size() + 2 * margin, mark);
        std::vector<float> bias(layer.bias.size() + 2 * margin, mark);
        std::vector<float> x(layer.x.size() + 2 * margin, mark);
        ASSERT_TRUE(
            succeeds(ortho_dense_forward(device.get(), ORTHO_FLOAT32, shape.rows, shape.inputs, shape.outputs,
                                         layer.weights.data(), layer.bias.data(), layer.x.data(), y.data() + margin)));
        ASSERT_TRUE(
            succeeds(ortho_dense_backward(device.get(), ORTHO_FLOAT32, nullptr, 0, 1, shape.rows, shape.inputs,
                                          shape.outputs, layer.weights.data(), layer.x.data(), layer.y_gradients.data(),
                                          weights.data() + margin, bias.data() + margin, x.data() + margin)));
        for (const auto* values : {&y, &weights, &bias, &x})
            for (size_t i = 0; i < margin; ++i) {
                ASSERT_EQ((*values)[i], mark);
                ASSERT_EQ((*values)[values->size() - 1 - i], mark);
            }
    }
}

TEST(Dense, Bad_arguments_are_refused_by_name) {
    const Device device = make_device(1);
    double w = 1;
    double x = 1;
    double y = 7;
    const auto forward = [&](ortho_device* d, int32_t dtype, int64_t rows, int64_t inputs, int64_t outputs) {
        return ortho_dense_forward(d, dtype, rows, inputs, outputs, &w, nullptr, &x, &y);
    };
    EXPECT_TRUE(is_refused(forward(nullptr, 1, 1, 1, 1), "device is null"));
    EXPECT_TRUE(is_refused(forward(device.get(), 7, 1, 1, 1), "dtype is 7"));
    EXPECT_TRUE(is_refused(forward(device.get(), 1, 0, 1, 1), "rows is 0"));
    EXPECT_TRUE(is_refused(forward(device.get(), 1, 1, -1, 1), "inputs is -1"));
    EXPECT_TRUE(is_refused(forward(device.get(), 1, 1, 1, 0), "outputs is 0"));
    constexpr int64_t huge = int64_t{1} << 40;
    EXPECT_TRUE(
        is_refused(forward(device.get(), 1, huge, huge, 1), "rows is 1099511627776, with 1099511627776 inputs each"));
    EXPECT_TRUE(
        is_refused(forward(device.get(), 1, huge, 1, huge), "rows is 1099511627776, with 1099511627776 outputs each"));
    EXPECT_TRUE(is_refused(forward(device.get(), 1, 1, huge, huge),
                           "outputs is 1099511627776, with 1099511627776 inputs each"));
    EXPECT_TRUE(is_refused(ortho_dense_forward(device.get(), 1, 1, 1, 1, nullptr, nullptr, &x, &y), "weights is null"));
    EXPECT_TRUE(is_refused(ortho_dense_forward(device.get(), 1, 1, 1, 1, &w, nullptr, nullptr, &y), "x is null"));
    EXPECT_TRUE(is_refused(ortho_dense_forward(device.get(), 1, 1, 1, 1, &w, nullptr, &x, nullptr), "y is null"));

    const auto backward = [&](int32_t accumulate, const double* weights, const double* input, const double* gradient,
                              double* weight_gradients, double* x_gradients) {
        return ortho_dense_backward(device.get(), 1, nullptr, accumulate, 1, 1, 1, 1, weights, input, gradient,
                                    weight_gradients, nullptr, x_gradients);
    };
    EXPECT_TRUE(is_refused(backward(2, &w, &x, &x, &y, &y), "accumulate is 2; it must be 0 or 1"));
    EXPECT_TRUE(is_refused(backward(0, nullptr, &x, &x, &y, &y), "weights is null"));
    EXPECT_TRUE(is_refused(backward(0, &w, nullptr, &x, &y, nullptr), "x is null"));
    EXPECT_TRUE(is_refused(backward(0, &w, &x, nullptr, &y, nullptr), "y_gradients is null"));
    EXPECT_TRUE(is_refused(backward(0, &w, &x, &x, nullptr, nullptr), "weight_gradients is null"));
    EXPECT_TRUE(is_refused(ortho_dense_backward(nullptr, 1, nullptr, 0, 1, 1, 1, 1, &w, &x, &x, &y, nullptr, nullptr),
                           "device"));
    EXPECT_TRUE(
        is_refused(ortho_dense_backward(device.get(), 1, nullptr, 0, 1, -2, 1, 1, &w, &x, &x, &y, nullptr, nullptr),
                   "batch is -2"));
    EXPECT_EQ(y, 7);
}

} // namespace
} // namespace ortho::test
