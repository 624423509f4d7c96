#include <algorithm>

#include "support.hpp"

namespace ortho::test {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

struct Reference {
    double loss = 0;
    int64_t correct = 0;
    std::vector<double> gradients;
};

/** The definition, in double precision. */
template <class T>
Reference softmax_reference(int64_t rows, int64_t classes, double smoothing, const std::vector<T>& logits,
                            const std::vector<int32_t>& targets) {
    Reference result;
    for (int64_t i = 0; i < rows; ++i) {
        const T* row = logits.data() + i * classes;
        const T* largest = std::max_element(row, row + classes);
        const auto shifted = [&](int64_t j) { return static_cast<double>(row[j]) - static_cast<double>(*largest); };
        double sum = 0;
        for (int64_t j = 0; j < classes; ++j)
            sum += std::exp(shifted(j));
        for (int64_t j = 0; j < classes; ++j) {
            const double wanted =
                (j == targets[static_cast<size_t>(i)] ? 1 - smoothing : 0) + smoothing / static_cast<double>(classes);
            result.loss -= wanted * (shifted(j) - std::log(sum)) / static_cast<double>(rows);
            result.gradients.push_back((std::exp(shifted(j)) / sum - wanted) / static_cast<double>(rows));
        }
        result.correct += largest - row == targets[static_cast<size_t>(i)];
    }
    return result;
}

std::vector<int32_t> some_targets(int64_t rows, int64_t classes) {
    std::vector<int32_t> targets(static_cast<size_t>(rows));
    for (int64_t i = 0; i < rows; ++i)
        targets[static_cast<size_t>(i)] = static_cast<int32_t>(i * 7 % classes);
    return targets;
}

struct SoftmaxShape {
    int64_t rows;
    int64_t classes;
};

void PrintTo(const SoftmaxShape& shape, std::ostream* stream) {
    *stream << shape.rows << " x " << shape.classes;
}

class SoftmaxShapes : public ::testing::TestWithParam<SoftmaxShape> {
protected:
    template <class T> void check() {
        const auto [rows, classes] = GetParam();
        auto logits = normal_values<T>(rows * classes, 1);
        for (T& value : logits)
            value *= 5;
        const auto targets = some_targets(rows, classes);
        for (const double smoothing : {0.0, 0.1}) {
            const Reference expected = softmax_reference(rows, classes, smoothing, logits, targets);
            for (const int threads : {1, 2, 3}) {
                const Device device = make_device(threads);
                double loss = 0;
                int64_t correct = -1;
                std::vector<T> gradients(logits.size());
                ASSERT_TRUE(succeeds(ortho_softmax_cross_entropy(device.get(), dtype_of<T>, 1, rows, nullptr, nullptr,
                                                                 nullptr, classes, nullptr, smoothing, logits.data(),
                                                                 targets.data(), &loss, &correct, gradients.data())));
                EXPECT_EQ(correct, expected.correct);
                // Distances from the largest logit are below 64 here, so rounded they are off by 64 units at most, and
                // so are, relatively, the exponentials; sums are in double precision.
                const double bound = 2 * 64 * rounding<T>;
                EXPECT_NEAR(loss, expected.loss, bound * (1 + expected.loss));
                for (size_t i = 0; i < gradients.size(); ++i)
                    ASSERT_NEAR(static_cast<double>(gradients[i]), expected.gradients[i],
                                bound / static_cast<double>(rows))
                        << i;
                if (threads == 1) {
                    first_loss = loss;
                    first_gradients.assign(gradients.begin(), gradients.end());
                } else {
                    EXPECT_EQ(loss, first_loss) << threads;
                    EXPECT_TRUE(std::equal(gradients.begin(), gradients.end(), first_gradients.begin())) << threads;
                }
            }
        }
    }

private:
    double first_loss = 0;
    std::vector<double> first_gradients;
};

TEST_P(SoftmaxShapes, Float32_matches_the_definition_on_any_number_of_threads) {
    check<float>();
}
TEST_P(SoftmaxShapes, Float64_matches_the_definition_on_any_number_of_threads) {
    check<double>();
}

INSTANTIATE_TEST_SUITE_P(All, SoftmaxShapes,
                         ::testing::Values(SoftmaxShape{1, 1}, SoftmaxShape{3, 2}, SoftmaxShape{5000, 10},
                                           SoftmaxShape{7, 16}, SoftmaxShape{9, 33}, SoftmaxShape{4, 20001}));

/**
 * Gradients of a mean are those of a row alone by the number of rows: exactly, where that is a power of two and nothing
 * is near the smallest number.
 */
template <class T> void expect_softmax_rows_alone() {
    const Device device = make_device(2);
    constexpr int64_t rows = 4096;
    for (const int64_t classes : {2, 10, 16, 33}) {
        const auto logits = normal_values<T>(rows * classes, 1);
        const auto targets = some_targets(rows, classes);
        std::vector<T> all(logits.size()), one(static_cast<size_t>(classes));
        ASSERT_TRUE(succeeds(ortho_softmax_cross_entropy(device.get(), dtype_of<T>, 1, rows, nullptr, nullptr, nullptr,
                                                         classes, nullptr, 0.25, logits.data(), targets.data(), nullptr,
                                                         nullptr, all.data())));
        for (int64_t row = 0; row < rows; row += 13) {
            ASSERT_TRUE(succeeds(ortho_softmax_cross_entropy(device.get(), dtype_of<T>, 1, 1, nullptr, nullptr, nullptr,
                                                             classes, nullptr, 0.25, logits.data() + row * classes,
                                                             targets.data() + row, nullptr, nullptr, one.data())));
            for (int64_t j = 0; j < classes; ++j)
                ASSERT_EQ(all[static_cast<size_t>(row * classes + j)] * T{rows}, one[static_cast<size_t>(j)])
                    << "row " << row << " of " << classes << " classes, class " << j;
        }
    }
}

TEST(Softmax, A_row_has_the_same_gradient_among_any_number_of_rows) {
    expect_softmax_rows_alone<float>();
    expect_softmax_rows_alone<double>();
}

TEST(Softmax, Gradient_matches_central_differences) {
    const Device device = make_device(1);
    constexpr int64_t rows = 5;
    constexpr int64_t classes = 7;
    auto logits = normal_values<double>(rows * classes, 8);
    const auto targets = some_targets(rows, classes);
    std::vector<double> gradients(logits.size());
    const auto loss_at = [&](double* out) {
        double loss = 0;
        EXPECT_TRUE(succeeds(ortho_softmax_cross_entropy(device.get(), ORTHO_FLOAT64, 1, rows, nullptr, nullptr,
                                                         nullptr, classes, nullptr, 0.2, logits.data(), targets.data(),
                                                         &loss, nullptr, out)));
        return loss;
    };
    loss_at(gradients.data());
    constexpr double step = 1e-6;
    for (size_t i = 0; i < logits.size(); ++i) {
        const double value = logits[i];
        logits[i] = value + step;
        const double above = loss_at(nullptr);
        logits[i] = value - step;
        const double below = loss_at(nullptr);
        logits[i] = value;
        EXPECT_NEAR(gradients[i], (above - below) / (2 * step), 1e-5 * std::abs(gradients[i]) + 1e-9) << i;
    }
}

TEST(Softmax, Logits_far_apart_neither_overflow_nor_vanish) {
    const Device device = make_device(1);
    const std::vector<float> logits{3e38f, -3e38f, 0, 1000, 999, -1000};
    const std::vector<int32_t> targets{0, 1};
    std::vector<float> gradients(6);
    double loss = 0;
    int64_t correct = 0;
    ASSERT_TRUE(
        succeeds(ortho_softmax_cross_entropy(device.get(), ORTHO_FLOAT32, 1, 2, nullptr, nullptr, nullptr, 3, nullptr,
                                             0, logits.data(), targets.data(), &loss, &correct, gradients.data())));
    EXPECT_EQ(correct, 1);
    EXPECT_NEAR(loss, (0 + std::log1p(std::exp(1.0))) / 2, 1e-6);
    EXPECT_TRUE(std::all_of(gradients.begin(), gradients.end(), [](float g) { return std::isfinite(g); }));
    EXPECT_NEAR(gradients[3], 0.5 / (1 + std::exp(-1.0)), 1e-6);
}

TEST(Softmax, Float32_logits_at_the_ends_of_the_range_have_their_loss) {
    const Device device = make_device(1);
    constexpr float largest = std::numeric_limits<float>::max();
    const std::vector<float> logits{largest, -largest, 0, -largest, 0, largest};
    const std::vector<int32_t> targets{1, 1};
    for (const double smoothing : {0.0, 0.1}) {
        const Reference expected = softmax_reference(2, 3, smoothing, logits, targets);
        std::vector<float> gradients(logits.size());
        double loss = 0;
        ASSERT_TRUE(succeeds(ortho_softmax_cross_entropy(device.get(), ORTHO_FLOAT32, 1, 2, nullptr, nullptr, nullptr,
                                                         3, nullptr, smoothing, logits.data(), targets.data(), &loss,
                                                         nullptr, gradients.data())));
        // Sums of six terms in double precision.
        EXPECT_NEAR(loss, expected.loss, 16 * rounding<double> * expected.loss);
        for (size_t i = 0; i < gradients.size(); ++i)
            EXPECT_NEAR(static_cast<double>(gradients[i]), expected.gradients[i], 4 * rounding<float>) << i;
    }
}

TEST(Softmax, The_first_of_equal_logits_is_the_prediction) {
    const Device device = make_device(1);
    const std::vector<double> logits{1, 2, 2, 1, 2, 2};
    std::vector<int32_t> targets{1, 2};
    int64_t correct = -1;
    ASSERT_TRUE(
        succeeds(ortho_softmax_cross_entropy(device.get(), ORTHO_FLOAT64, 1, 2, nullptr, nullptr, nullptr, 3, nullptr,
                                             0, logits.data(), targets.data(), nullptr, &correct, nullptr)));
    EXPECT_EQ(correct, 1);
}

TEST(Softmax, Bad_arguments_are_refused_by_name_and_write_nothing) {
    const Device device = make_device(2);
    constexpr int64_t rows = 4000;
    constexpr int64_t classes = 10;
    auto logits = normal_values<float>(rows * classes, 1);
    auto targets = some_targets(rows, classes);
    std::vector<float> gradients(logits.size(), 42.0f);
    double loss = 42;
    int64_t correct = 42;
    const auto call = [&](int32_t dtype, int64_t r, int64_t c, double smoothing) {
        return ortho_softmax_cross_entropy(device.get(), dtype, 1, r, nullptr, nullptr, nullptr, c, nullptr, smoothing,
                                           logits.data(), targets.data(), &loss, &correct, gradients.data());
    };
    EXPECT_TRUE(is_refused(ortho_softmax_cross_entropy(nullptr, 0, 1, 1, nullptr, nullptr, nullptr, 1, nullptr, 0,
                                                       logits.data(), targets.data(), nullptr, nullptr, nullptr),
                           "device is null"));
    EXPECT_TRUE(is_refused(call(3, rows, classes, 0), "dtype is 3"));
    EXPECT_TRUE(is_refused(call(0, 0, classes, 0), "batch is 0; it must be at least 1"));
    EXPECT_TRUE(is_refused(call(0, rows, 0, 0), "classes is 0"));
    EXPECT_TRUE(
        is_refused(call(0, rows, int64_t{1} << 31, 0), "classes is 2147483648; it must be from 1 to 2147483647"));
    EXPECT_TRUE(
        is_refused(call(0, int64_t{1} << 60, 10, 0), "batch is 1152921504606846976, with 1 steps and 10 classes"));
    EXPECT_TRUE(is_refused(call(0, rows, classes, 1), "label_smoothing is 1; it must be at least 0 and below 1"));
    EXPECT_TRUE(is_refused(call(0, rows, classes, -0.1), "label_smoothing is -0.1"));
    EXPECT_TRUE(is_refused(call(0, rows, classes, nan), "label_smoothing is NaN"));
    EXPECT_TRUE(is_refused(ortho_softmax_cross_entropy(device.get(), 0, 1, 1, nullptr, nullptr, nullptr, 1, nullptr, 0,
                                                       nullptr, targets.data(), nullptr, nullptr, nullptr),
                           "logits is null"));
    EXPECT_TRUE(is_refused(ortho_softmax_cross_entropy(device.get(), 0, 1, 1, nullptr, nullptr, nullptr, 1, nullptr, 0,
                                                       logits.data(), nullptr, nullptr, nullptr, nullptr),
                           "targets is null"));
    for (const int32_t wrong : {-1, 10, std::numeric_limits<int32_t>::min()}) {
        targets[3999] = wrong;
        EXPECT_TRUE(is_refused(call(0, rows, classes, 0),
                               "targets[3999] is " + std::to_string(wrong) + "; it must be from 0 to 9"));
    }
    targets[3999] = 0;
    for (const double wrong : {nan, infinity, -infinity}) {
        logits[39995] = static_cast<float>(wrong);
        EXPECT_TRUE(fails(call(0, rows, classes, 0), ORTHO_NOT_FINITE, "logits[39995] (row 3999, class 5) is "));
    }
    EXPECT_EQ(loss, 42);
    EXPECT_EQ(correct, 42);
    EXPECT_TRUE(std::all_of(gradients.begin(), gradients.end(), [](float g) { return g == 42; }));
}

template <class T> void check_mean_squared_error() {
    for (const int64_t count : {1, 3, 17, 1000, 16384, 50001}) {
        const auto predictions = normal_values<T>(count, 1);
        const auto targets = normal_values<T>(count, 2);
        double expected = 0;
        for (size_t i = 0; i < predictions.size(); ++i)
            expected += std::pow(static_cast<double>(predictions[i]) - static_cast<double>(targets[i]), 2) /
                        static_cast<double>(count);
        double first = 0;
        for (const int threads : {1, 2, 3}) {
            const Device device = make_device(threads);
            std::vector<T> gradients(predictions.size());
            double loss = 0;
            ASSERT_TRUE(succeeds(ortho_elementwise_loss(device.get(), dtype_of<T>, ORTHO_LOSS_SQUARED_ERROR, 1, count,
                                                        nullptr, nullptr, nullptr, 1, nullptr, 0, predictions.data(),
                                                        targets.data(), &loss, gradients.data())));
            // The sum is in double precision for either type.
            EXPECT_NEAR(loss, expected, static_cast<double>(count + 2) * rounding<double> * expected);
            for (size_t i = 0; i < gradients.size(); ++i) {
                const double exact = 2 / static_cast<double>(count) *
                                     (static_cast<double>(predictions[i]) - static_cast<double>(targets[i]));
                ASSERT_NEAR(static_cast<double>(gradients[i]), exact, 4 * rounding<T> * std::abs(exact)) << i;
            }
            if (threads == 1)
                first = loss;
            EXPECT_EQ(loss, first) << threads;
        }
    }
}

TEST(MeanSquaredError, Float32_matches_the_definition_on_any_number_of_threads) {
    check_mean_squared_error<float>();
}
TEST(MeanSquaredError, Float64_matches_the_definition_on_any_number_of_threads) {
    check_mean_squared_error<double>();
}

/** Predictions and targets at both ends of the range: gradients where T can hold them, and else infinity. */
template <class T> void check_mean_squared_error_at_the_end_of_the_range() {
    constexpr T largest = std::numeric_limits<T>::max();
    for (const int64_t count : {1, 2, 3, 4, 5, 100, 20'000}) {
        std::vector<T> predictions, targets;
        for (int64_t i = 0; i < count; ++i) {
            predictions.push_back(i % 2 == 0 ? largest : -largest / 3);
            targets.push_back(i % 3 == 0 ? -largest : largest / 7);
        }
        const Device device = make_device(2);
        std::vector<T> gradients(predictions.size());
        double loss = 0;
        ASSERT_TRUE(succeeds(ortho_elementwise_loss(device.get(), dtype_of<T>, ORTHO_LOSS_SQUARED_ERROR, 1, count,
                                                    nullptr, nullptr, nullptr, 1, nullptr, 0, predictions.data(),
                                                    targets.data(), &loss, gradients.data())));
        long double squares = 0; // whose exponents reach far beyond those of double
        for (size_t i = 0; i < gradients.size(); ++i) {
            const long double error = static_cast<long double>(predictions[i]) - static_cast<long double>(targets[i]);
            squares += error * error;
            const long double exact = 2 * error / static_cast<long double>(count);
            if (std::abs(exact) > static_cast<long double>(largest)) {
                EXPECT_EQ(static_cast<double>(gradients[i]), std::copysign(infinity, static_cast<double>(error))) << i;
            } else {
                // The factor, the difference and the product are each rounded.
                ASSERT_NEAR(static_cast<double>(gradients[i]), static_cast<double>(exact),
                            static_cast<double>(4 * rounding<T> * std::abs(exact)))
                    << i;
            }
        }
        // The sum is in double precision for either type; a float64 that large has no square.
        const double expected = static_cast<double>(squares / static_cast<long double>(count));
        if (std::isinf(expected)) {
            EXPECT_EQ(loss, infinity);
        } else {
            EXPECT_NEAR(loss, expected, static_cast<double>(count + 2) * rounding<double> * expected);
        }
    }
}

TEST(MeanSquaredError, Float32_differences_beyond_the_range_have_gradients_within_it) {
    check_mean_squared_error_at_the_end_of_the_range<float>();
}
TEST(MeanSquaredError, Float64_differences_beyond_the_range_have_gradients_within_it) {
    check_mean_squared_error_at_the_end_of_the_range<double>();
}

template <class T> void expect_squared_error_rows_alone() {
    const Device device = make_device(2);
    constexpr int64_t rows = 4096, size = 8;
    const auto predictions = normal_values<T>(rows * size, 1);
    const auto targets = normal_values<T>(rows * size, 2);
    std::vector<T> all(predictions.size()), one(size);
    ASSERT_TRUE(succeeds(ortho_elementwise_loss(device.get(), dtype_of<T>, ORTHO_LOSS_SQUARED_ERROR, 1, rows * size,
                                                nullptr, nullptr, nullptr, 1, nullptr, 0, predictions.data(),
                                                targets.data(), nullptr, all.data())));
    for (int64_t row = 0; row < rows; row += 13) {
        ASSERT_TRUE(succeeds(ortho_elementwise_loss(
            device.get(), dtype_of<T>, ORTHO_LOSS_SQUARED_ERROR, 1, size, nullptr, nullptr, nullptr, 1, nullptr, 0,
            predictions.data() + row * size, targets.data() + row * size, nullptr, one.data())));
        for (int64_t j = 0; j < size; ++j)
            ASSERT_EQ(all[static_cast<size_t>(row * size + j)] * T{rows}, one[static_cast<size_t>(j)]) << row;
    }
}

TEST(MeanSquaredError, A_row_has_the_same_gradient_among_any_number_of_rows) {
    expect_squared_error_rows_alone<float>();
    expect_squared_error_rows_alone<double>();
}

TEST(MeanSquaredError, Bad_arguments_are_refused_by_name_and_write_nothing) {
    const Device device = make_device(2);
    constexpr int64_t count = 40000;
    auto predictions = normal_values<double>(count, 1);
    auto targets = normal_values<double>(count, 2);
    std::vector<double> gradients(count, 42);
    double loss = 42;
    const auto call = [&](int32_t dtype, int64_t n) {
        return ortho_elementwise_loss(device.get(), dtype, ORTHO_LOSS_SQUARED_ERROR, 1, n, nullptr, nullptr, nullptr, 1,
                                      nullptr, 0, predictions.data(), targets.data(), &loss, gradients.data());
    };
    EXPECT_TRUE(is_refused(ortho_elementwise_loss(nullptr, 1, ORTHO_LOSS_SQUARED_ERROR, 1, 1, nullptr, nullptr, nullptr,
                                                  1, nullptr, 0, predictions.data(), targets.data(), nullptr, nullptr),
                           "device is null"));
    EXPECT_TRUE(is_refused(call(-4, count), "dtype is -4"));
    EXPECT_TRUE(is_refused(call(1, 0), "batch is 0"));
    EXPECT_TRUE(is_refused(
        call(1, std::numeric_limits<int64_t>::max()),
        "batch is 9223372036854775807, with 1 steps and 1 units; the product must be at most 9007199254740992"));
    EXPECT_TRUE(is_refused(ortho_elementwise_loss(device.get(), 1, ORTHO_LOSS_SQUARED_ERROR, 1, 1, nullptr, nullptr,
                                                  nullptr, 1, nullptr, 0, nullptr, targets.data(), nullptr, nullptr),
                           "predictions is null"));
    EXPECT_TRUE(
        is_refused(ortho_elementwise_loss(device.get(), 1, ORTHO_LOSS_SQUARED_ERROR, 1, 1, nullptr, nullptr, nullptr, 1,
                                          nullptr, 0, predictions.data(), nullptr, nullptr, nullptr),
                   "targets is null"));
    predictions[39999] = nan;
    EXPECT_TRUE(fails(call(1, count), ORTHO_NOT_FINITE, "predictions[39999] is "));
    predictions[39999] = 0;
    targets[1] = -infinity;
    EXPECT_TRUE(fails(call(1, count), ORTHO_NOT_FINITE, "targets[1] is -Infinity"));
    EXPECT_EQ(loss, 42);
    EXPECT_TRUE(std::all_of(gradients.begin(), gradients.end(), [](double g) { return g == 42; }));
}

} // namespace
} // namespace ortho::test
