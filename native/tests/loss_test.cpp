#include <algorithm>

#include "loss_problem.hpp"

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

class Losses : public ::testing::TestWithParam<LossCase> {
protected:
    template <class T> void check_values() {
        for (const auto& [steps, batch] : {std::pair<int64_t, int64_t>{1, 1}, {3, 5}, {20, 40}, {1500, 3}})
            for (const bool with_lengths : {false, true})
                for (const bool with_weights : {false, true}) {
                    SCOPED_TRACE(std::to_string(steps) + " x " + std::to_string(batch) +
                                 (with_lengths ? " with lengths" : "") + (with_weights ? " with weights" : ""));
                    check_values<T>({GetParam(), steps, batch, with_lengths, with_weights});
                }
    }

private:
    template <class T> void check_values(const LossProblem<T>& problem) {
        const auto exact = problem.reference();
        // Softmax: distances from the largest logit are below 64 here, so rounded they are off by 64 units at most, and
        // so are, relatively, the exponentials. The others compute in double precision, a term with fewer than 16
        // roundings. Their gradients are rounded once more, or are products of a factor and a difference in T.
        const bool softmax = GetParam().has_classes();
        const double of_terms = softmax ? 2 * 64 * rounding<T> : 16 * rounding<double>;
        const double of_sum = static_cast<double>(problem.predictions.size()) * rounding<double>;
        const double of_gradients = softmax ? of_terms : of_terms + 4 * rounding<T>;
        typename LossProblem<T>::Outcome first;
        for (const int threads : {1, 2, 3}) {
            const Device device = make_device(threads);
            const auto found = problem.run(device.get());
            if (threads > 1) {
                EXPECT_EQ(found.sums, first.sums) << threads;
                EXPECT_TRUE(same_bits(found.gradients, first.gradients)) << threads;
                continue;
            }
            first = found;
            EXPECT_NEAR(found.sums[0], static_cast<double>(exact.mean.value),
                        (of_terms + of_sum) * static_cast<double>(exact.mean.magnitude));
            if (softmax) {
                EXPECT_EQ(found.correct, exact.correct);
            }
            for (size_t i = 0; i < found.gradients.size(); ++i)
                ASSERT_NEAR(static_cast<double>(found.gradients[i]), static_cast<double>(exact.gradients[i].value),
                            of_gradients * static_cast<double>(exact.gradients[i].magnitude))
                    << i;
        }
    }
};

TEST_P(Losses, Float32_matches_the_definition_on_any_number_of_threads) {
    check_values<float>();
}
TEST_P(Losses, Float64_matches_the_definition_on_any_number_of_threads) {
    check_values<double>();
}

TEST_P(Losses, Gradients_match_central_differences) {
    const Device device = make_device(1);
    LossProblem<double> problem(GetParam(), 4, 6, true, true);
    const auto at_start = problem.run(device.get());
    constexpr double step = 1e-6;
    for (size_t i = 0; i < problem.predictions.size(); ++i) {
        const double value = problem.predictions[i];
        problem.predictions[i] = value + step;
        const double above = problem.run(device.get()).sums[0];
        problem.predictions[i] = value - step;
        const double below = problem.run(device.get()).sums[0];
        problem.predictions[i] = value;
        // The differences' own error: step^2 times a third derivative below 10, and roundings of a mean below 100 by
        // 2 step. No prediction is within a step of its target, where some losses have a kink.
        ASSERT_NEAR(at_start.gradients[i], (above - below) / (2 * step), 1e-11 + 32 * 100 * rounding<double> / step)
            << i;
    }
}

TEST_P(Losses, Parts_have_the_bits_of_the_whole) {
    const Device device = make_device(2);
    for (const int64_t batch : {7, 40, 130})
        for (const bool with_weights : {false, true}) {
            const LossProblem<float> problem(GetParam(), 9, batch, true, with_weights);
            const auto whole = problem.run(device.get());
            for (const auto& parts : cuts(batch)) {
                std::vector<std::vector<double>> sums;
                auto gradients = whole.gradients;
                int64_t correct = 0;
                for (const Samples& samples : parts) {
                    ortho_batch_part part = make_part(batch, samples);
                    part.weight = problem.weight_sum();
                    const auto own = problem.samples(samples).run(device.get(), &part);
                    sums.push_back(own.sums);
                    correct += own.correct;
                    put_part(own.gradients, problem.steps, batch, GetParam().units, samples, gradients);
                }
                const double sum = put_together(device.get(), batch, parts, 1, 1, sums)[0];
                EXPECT_EQ(sum / problem.mean_of(), whole.sums[0]) << parts.size() << " parts";
                EXPECT_TRUE(same_bits(gradients, whole.gradients)) << parts.size() << " parts";
                EXPECT_EQ(correct, whole.correct);
            }
        }
}

/** Scaled by a power of two, weights are rounded as they were. */
TEST_P(Losses, Weights_count_relative_to_each_other) {
    const Device device = make_device(2);
    LossProblem<float> problem(GetParam(), 9, 40, true, true);
    const auto expected = problem.run(device.get());
    for (float& weight : problem.row_weights)
        weight *= 0x1p-40f;
    const auto scaled = problem.run(device.get());
    EXPECT_EQ(scaled.sums, expected.sums);
    EXPECT_TRUE(same_bits(scaled.gradients, expected.gradients));
}

TEST_P(Losses, Subnormal_weights_are_0) {
    const Device device = make_device(2);
    LossProblem<double> problem(GetParam(), 9, 40, false, true);
    const auto expected = problem.run(device.get());
    for (float& weight : problem.row_weights)
        if (weight == 0)
            weight = 0x1p-140f;
    const auto found = problem.run(device.get());
    EXPECT_EQ(found.sums, expected.sums);
    EXPECT_EQ(found.correct, expected.correct);
    EXPECT_TRUE(same_bits(found.gradients, expected.gradients));
}

TEST_P(Losses, Weights_that_are_none_are_refused_by_name_and_write_nothing) {
    const Device device = make_device(2);
    LossProblem<float> problem(GetParam(), 3, 4, true, true);
    std::vector<float> gradients(problem.predictions.size(), 42);
    double loss = 42;
    int64_t correct = 42;
    const auto call = [&](const ortho_batch_part* part = nullptr) {
        return problem.call(device.get(), part, problem.predictions.data(), problem.targets.data(), &loss, &correct,
                            gradients.data());
    };
    // The first row is within a length; sample 2 has none.
    ASSERT_EQ(problem.lengths[2], 0);
    problem.row_weights[2] = -1;
    EXPECT_TRUE(succeeds(call()));
    for (const double wrong : {-1.0, nan, infinity}) {
        problem.row_weights[0] = static_cast<float>(wrong);
        loss = 42;
        correct = 42;
        gradients.assign(gradients.size(), 42);
        EXPECT_TRUE(is_refused(call(), std::string("row_weights[0] is ") +
                                           (wrong < 0           ? "-1"
                                            : std::isnan(wrong) ? "NaN"
                                                                : "Infinity") +
                                           "; it must be finite and not negative"));
    }
    problem.row_weights.assign(12, 0);
    EXPECT_TRUE(is_refused(call(), "row_weights are all 0; at least one must be above 0, for the mean to have rows"));
    EXPECT_EQ(loss, 42);
    EXPECT_EQ(correct, 42);
    EXPECT_EQ(gradients, std::vector<float>(gradients.size(), 42));
    ortho_batch_part part = make_part(4, {0, 4});
    EXPECT_TRUE(is_refused(call(&part), "part->weight is 0; it must be finite, above 0 and at least 0"));
    part.weight = 0.5;
    EXPECT_TRUE(succeeds(call(&part)));
    EXPECT_EQ(loss, 0);
    EXPECT_EQ(gradients, std::vector<float>(gradients.size(), 0));
}

INSTANTIATE_TEST_SUITE_P(All, Losses, ::testing::ValuesIn(loss_cases()));

TEST(Softmax, Class_weights_are_checked_and_must_leave_a_weight) {
    const Device device = make_device(1);
    LossProblem<float> problem({cross_entropy, 3, {}, {1, 0, 2}, 0.5}, 2, 2, false, false);
    std::vector<float> gradients(12, 42);
    double loss = 42;
    const auto call = [&](const ortho_batch_part* part = nullptr) {
        return problem.call(device.get(), part, problem.predictions.data(), nullptr, &loss, nullptr, gradients.data());
    };
    problem.loss.class_weights[1] = -0.5f;
    EXPECT_TRUE(is_refused(call(), "class_weights[1] is -0.5; it must be finite and not negative"));
    problem.loss.class_weights[1] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_TRUE(is_refused(call(), "class_weights[1] is NaN; it must be finite and not negative"));
    problem.loss.class_weights[1] = 0;
    problem.classes = {1, 1, 1, 1};
    EXPECT_TRUE(is_refused(call(), "class_weights are 0 for the targets of all rows; at least one must be above 0"));
    problem.classes = {1, 2, 1, 1};
    ortho_batch_part part = make_part(2, {0, 2});
    part.weight = 1;
    EXPECT_TRUE(is_refused(call(&part), "part->weight is 1; it must be finite, above 0 and at least 2"));
    EXPECT_EQ(loss, 42);
    EXPECT_EQ(gradients, std::vector<float>(12, 42));
    part.weight = 2;
    EXPECT_TRUE(succeeds(call(&part)));
}

/** Distances that are infinite, and weights of classes that differ by more than the range of float32. */
TEST(Softmax, Weights_at_the_ends_of_the_range_give_no_NaN) {
    const Device device = make_device(1);
    constexpr double largest = std::numeric_limits<double>::max();
    constexpr float most = std::numeric_limits<float>::max(), least = std::numeric_limits<float>::min();
    for (const double smoothing : {0.0, 0.5})
        for (const std::vector<float>& weights :
             {std::vector<float>{0, 1, 1}, {most, least, 0}, {least, most, least}}) {
            LossProblem<double> problem({cross_entropy, 3, {}, weights, smoothing}, 1, 2, false, false);
            problem.predictions = {-largest, largest, 0, 1e30, -1e30, largest};
            problem.classes = {1, 1};
            const auto found = problem.run(device.get());
            EXPECT_FALSE(std::isnan(found.sums[0]));
            EXPECT_TRUE(std::all_of(found.gradients.begin(), found.gradients.end(),
                                    [](double gradient) { return std::isfinite(gradient); }));
            LossProblem<float> single(problem.loss, 1, 2, false, false);
            single.predictions = {-3e38f, 3e38f, 0, 1e30f, -1e30f, 3e38f};
            single.classes = {1, 1};
            const auto rounded = single.run(device.get());
            EXPECT_TRUE(std::isfinite(rounded.sums[0]));
            EXPECT_TRUE(std::none_of(rounded.gradients.begin(), rounded.gradients.end(),
                                     [](float gradient) { return std::isnan(gradient); }));
        }
}

TEST(BinaryCrossEntropy, Logits_far_from_0_neither_overflow_nor_vanish) {
    const Device device = make_device(1);
    LossProblem<float> problem({ORTHO_LOSS_BINARY_CROSS_ENTROPY, 6, {}, {}, 0}, 1, 1, false, false);
    problem.predictions = {1e30f, -1e30f, 1e30f, -1e30f, 80, -80};
    problem.targets = {1, 0, 0, 1, 1, 0.5f};
    const auto found = problem.run(device.get());
    // -log s(80) is e^-80, up to its square; that of s(-80) and that of 1 - s(-80), halved, are 40 together.
    EXPECT_NEAR(found.sums[0], (2 * static_cast<double>(1e30f) + 40) / 6, 1e30 * 16 * rounding<double>);
    const std::vector<double> expected{0, 0, 1.0 / 6, -1.0 / 6, -std::exp(-80.0) / 6, -0.5 / 6};
    for (size_t i = 0; i < expected.size(); ++i)
        EXPECT_NEAR(static_cast<double>(found.gradients[i]), expected[i], 4 * rounding<float> * std::abs(expected[i]))
            << i;
}

TEST(BinaryCrossEntropy, Targets_that_are_no_probabilities_are_refused_where_rows_count) {
    const Device device = make_device(2);
    for (const float wrong : {-0.25f, 1.5f}) {
        LossProblem<float> problem({ORTHO_LOSS_BINARY_CROSS_ENTROPY, 4, {}, {}, 0}, 3, 5, false, true);
        problem.targets[4 * 4 + 1] = wrong;
        double loss = 42;
        EXPECT_TRUE(
            is_refused(problem.call(device.get(), nullptr, problem.predictions.data(), problem.targets.data(), &loss,
                                    nullptr, nullptr),
                       std::string("targets[17] is ") + (wrong < 0 ? "-0.25" : "1.5") + "; it must be from 0 to 1"));
        EXPECT_EQ(loss, 42);
        problem.row_weights[4] = 0;
        problem.run(device.get());
    }
}

/** Differences beyond the range of T, and of double. */
template <class T> void expect_finite_gradients_at_the_ends_of_the_range() {
    const Device device = make_device(1);
    constexpr T largest = std::numeric_limits<T>::max();
    for (const int kind :
         {ORTHO_LOSS_SQUARED_ERROR, ORTHO_LOSS_ABSOLUTE_ERROR, ORTHO_LOSS_HUBER, ORTHO_LOSS_QUANTILE}) {
        const std::vector<double> parameters = kind == ORTHO_LOSS_HUBER      ? std::vector<double>{2}
                                               : kind == ORTHO_LOSS_QUANTILE ? std::vector<double>{0.25}
                                                                             : std::vector<double>{};
        LossProblem<T> problem({kind, 4, parameters, {}, 0}, 1, 2, false, false);
        problem.row_weights = {1, 3};
        problem.predictions = {largest, -largest, 0, largest, -largest, largest, 1, -1};
        problem.targets = {-largest, largest, largest, largest, -largest, -largest, 1, 1};
        const auto found = problem.run(device.get());
        EXPECT_GT(found.sums[0], 0) << kind;
        EXPECT_TRUE(std::all_of(found.gradients.begin(), found.gradients.end(), [](T g) { return std::isfinite(g); }))
            << kind;
        EXPECT_EQ(found.gradients[3], 0) << kind;
        EXPECT_EQ(found.gradients[6], 0) << kind;
    }
}

TEST(ElementwiseLosses, Differences_beyond_the_range_have_gradients_within_it) {
    expect_finite_gradients_at_the_ends_of_the_range<float>();
    expect_finite_gradients_at_the_ends_of_the_range<double>();
}

TEST(ElementwiseLosses, Parameters_are_checked_by_name) {
    const Device device = make_device(1);
    const std::vector<float> values(12, 0);
    double loss = 42;
    const auto call = [&](int32_t kind, int64_t units, const std::vector<double>& parameters) {
        return ortho_elementwise_loss(device.get(), ORTHO_FLOAT32, kind, 1, 2, nullptr, nullptr, nullptr, units,
                                      parameters.empty() ? nullptr : parameters.data(),
                                      static_cast<int64_t>(parameters.size()), values.data(), values.data(), &loss,
                                      nullptr);
    };
    EXPECT_TRUE(is_refused(call(-1, 6, {}), "kind is -1; it must be from 0 to 4"));
    EXPECT_TRUE(is_refused(call(5, 6, {}), "kind is 5; it must be from 0 to 4"));
    EXPECT_TRUE(is_refused(call(ORTHO_LOSS_SQUARED_ERROR, 6, {1}), "parameter_count is 1; it must be 0"));
    EXPECT_TRUE(is_refused(call(ORTHO_LOSS_ABSOLUTE_ERROR, 6, {1}), "parameter_count is 1; it must be 0"));
    EXPECT_TRUE(is_refused(call(ORTHO_LOSS_HUBER, 6, {}), "parameter_count is 0; it must be 1"));
    EXPECT_TRUE(is_refused(call(ORTHO_LOSS_HUBER, 6, {0}), "parameters[0] is 0; it must be above 0"));
    EXPECT_TRUE(is_refused(call(ORTHO_LOSS_HUBER, 6, {infinity}), "parameters[0] is Infinity; it must be finite"));
    EXPECT_TRUE(is_refused(call(ORTHO_LOSS_QUANTILE, 6, {}), "parameter_count is 0; it must be from 1 to 6"));
    EXPECT_TRUE(is_refused(call(ORTHO_LOSS_QUANTILE, 6, {0.5, 0.5, 0.5, 0.5}),
                           "units is 6; it must be a multiple of 4, the number of quantiles"));
    for (const double wrong : {0.0, 1.0, nan})
        EXPECT_TRUE(is_refused(call(ORTHO_LOSS_QUANTILE, 6, {0.5, wrong}), "; it must be above 0 and below 1"));
    EXPECT_TRUE(is_refused(call(ORTHO_LOSS_BINARY_CROSS_ENTROPY, 6, {1, 1}), "parameter_count is 2; it must be 6"));
    EXPECT_TRUE(
        is_refused(call(ORTHO_LOSS_BINARY_CROSS_ENTROPY, 2, {1, -1}), "parameters[1] is -1; it must be not negative"));
    EXPECT_TRUE(
        is_refused(ortho_elementwise_loss(device.get(), ORTHO_FLOAT32, ORTHO_LOSS_SQUARED_ERROR, 1, 2, nullptr, nullptr,
                                          nullptr, 6, &loss, 0, values.data(), values.data(), &loss, nullptr),
                   "parameters is given; it must be null where there are none"));
    EXPECT_TRUE(is_refused(ortho_elementwise_loss(device.get(), ORTHO_FLOAT32, ORTHO_LOSS_HUBER, 1, 2, nullptr, nullptr,
                                                  nullptr, 6, nullptr, 1, values.data(), values.data(), &loss, nullptr),
                           "parameters is null"));
    EXPECT_EQ(loss, 42);
}

} // namespace
} // namespace ortho::test
