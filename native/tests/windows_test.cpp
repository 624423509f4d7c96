// Windows of a convolution over time.
#include "windows_problem.hpp"

namespace ortho::test {
namespace {

template <class T> std::vector<T> lay_out(ortho_device* device, const Windows<T>& w) {
    std::vector<T> y(w.y_gradients.size(), T{5});
    EXPECT_TRUE(succeeds(ortho_windows_forward(device, dtype_of<T>, w.steps, w.batch, w.units, w.given(), w.window,
                                               w.stride, w.padding, w.x.data(), y.data())));
    return y;
}

template <class T> std::vector<T> gradients(ortho_device* device, const Windows<T>& w) {
    std::vector<T> x(w.x.size(), T{5});
    EXPECT_TRUE(succeeds(ortho_windows_backward(device, dtype_of<T>, w.steps, w.batch, w.units, w.given(), w.window,
                                                w.stride, w.padding, w.y_gradients.data(), x.data())));
    return x;
}

template <class T> class WindowsOf : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(WindowsOf, Types);

TYPED_TEST(WindowsOf, Steps_are_laid_out_as_defined_on_any_number_of_threads) {
    using T = TypeParam;
    const Device devices[] = {make_device(1), make_device(2), make_device(3), make_device(5)};
    for (const Windows<T>& w : all_windows<T>()) {
        SCOPED_TRACE(w.description());
        const auto y = lay_out(devices[0].get(), w);
        for (int64_t number = 0; number < w.count; ++number)
            for (int64_t sample = 0; sample < w.batch; ++sample)
                for (int64_t unit = 0; unit < w.units; ++unit)
                    for (int64_t k = 0; k < w.window; ++k) {
                        const int64_t step = number * w.stride + k - w.padding;
                        const bool is_there = number < w.windows_of(sample) && step >= 0 && step < w.length(sample);
                        ASSERT_EQ(y[w.at_y(number, sample, unit, k)], is_there ? w.x[w.at_x(step, sample, unit)] : T{0})
                            << number << ", " << sample << ", " << unit << ", " << k;
                    }
        for (const Device& device : devices)
            EXPECT_TRUE(same_bits(lay_out(device.get(), w), y));
    }
}

TYPED_TEST(WindowsOf, Gradients_are_added_in_the_order_of_windows_on_any_number_of_threads) {
    using T = TypeParam;
    const Device devices[] = {make_device(1), make_device(2), make_device(3), make_device(5)};
    for (const Windows<T>& w : all_windows<T>()) {
        SCOPED_TRACE(w.description());
        std::vector<T> expected(w.x.size());
        for (int64_t number = 0; number < w.count; ++number)
            for (int64_t sample = 0; sample < w.batch; ++sample)
                for (int64_t unit = 0; unit < w.units && number < w.windows_of(sample); ++unit)
                    for (int64_t k = 0; k < w.window; ++k) {
                        const int64_t step = number * w.stride + k - w.padding;
                        if (step >= 0 && step < w.length(sample))
                            expected[w.at_x(step, sample, unit)] += w.y_gradients[w.at_y(number, sample, unit, k)];
                    }
        for (const Device& device : devices)
            EXPECT_TRUE(same_bits(gradients(device.get(), w), expected));
    }
}

TEST(Windows, Gradients_match_central_differences) {
    const Device device = make_device(1);
    Windows<double> w{9, 4, 2, 4, 2, 2, {9, 5, 0, 1}};
    w.fill();
    std::vector<double> arriving = w.y_gradients;
    for (double& gradient : arriving)
        gradient = std::isnan(gradient) ? 1e3 : gradient; // times the zeros that are there
    const auto analytic = gradients(device.get(), w);
    constexpr double step = 0x1p-10;
    for (size_t i = 0; i < w.x.size(); ++i) {
        const auto energy = [&](double change) {
            Windows<double> moved = w;
            moved.x[i] += change;
            const auto y = lay_out(device.get(), moved);
            return std::inner_product(y.begin(), y.end(), arriving.begin(), 0.0);
        };
        // Linear in x. The energies are sums of 160 products of normal numbers, each below 16.
        ASSERT_NEAR(analytic[i], (energy(step) - energy(-step)) / (2 * step), 160.0 * 160 * 16 * 0x1p-53 / step) << i;
    }
}

/** Convolutions by windows and a dense layer, forward and backward, against loops. */
template <class T> void check_convolution(const Windows<T>& w, int64_t outputs) {
    SCOPED_TRACE(w.description());
    const Device device = make_device(2);
    const int64_t columns = w.units * w.window, rows = w.count * w.batch;
    const auto weights = normal_values<T>(outputs * columns, 3), arriving = normal_values<T>(rows * outputs, 4);
    const auto laid_out = lay_out(device.get(), w);
    std::vector<T> y(arriving.size()), weight_gradients(weights.size());
    Windows<T> back = w;
    ASSERT_TRUE(succeeds(ortho_dense_forward(device.get(), dtype_of<T>, rows, columns, outputs, weights.data(), nullptr,
                                             laid_out.data(), y.data())));
    ASSERT_TRUE(succeeds(ortho_dense_backward(device.get(), dtype_of<T>, nullptr, 0, w.count, w.batch, columns, outputs,
                                              weights.data(), laid_out.data(), arriving.data(), weight_gradients.data(),
                                              nullptr, back.y_gradients.data())));
    const auto x_gradients = gradients(device.get(), back);

    struct Sum {
        double value = 0, magnitude = 0;
        int64_t terms = 0;
        void add(T a, T b) {
            const double term = static_cast<double>(a) * static_cast<double>(b);
            value += term;
            magnitude += std::abs(term);
            ++terms;
        }
        /** A sum of products in any order is off by a rounding for each term of the sum of magnitudes; this one too. */
        void expect(T got) const {
            ASSERT_NEAR(static_cast<double>(got), value,
                        static_cast<double>(terms + 1) * (rounding<T> + rounding<double>)*magnitude);
        }
    };
    std::vector<Sum> of_y(y.size()), of_weights(weights.size()), of_x(w.x.size());
    for (int64_t sample = 0; sample < w.batch; ++sample)
        for (int64_t number = 0; number < w.windows_of(sample); ++number)
            for (int64_t output = 0; output < outputs; ++output)
                for (int64_t unit = 0; unit < w.units; ++unit)
                    for (int64_t k = 0; k < w.window; ++k) {
                        const int64_t step = number * w.stride + k - w.padding;
                        if (step < 0 || step >= w.length(sample))
                            continue;
                        const auto at = static_cast<size_t>((number * w.batch + sample) * outputs + output);
                        const auto weight = static_cast<size_t>(output * columns + unit * w.window + k);
                        const size_t x = w.at_x(step, sample, unit);
                        of_y[at].add(weights[weight], w.x[x]);
                        of_weights[weight].add(arriving[at], w.x[x]);
                        of_x[x].add(arriving[at], weights[weight]);
                    }
    for (size_t i = 0; i < y.size(); ++i)
        of_y[i].expect(y[i]);
    for (size_t i = 0; i < weights.size(); ++i)
        of_weights[i].expect(weight_gradients[i]);
    for (size_t i = 0; i < w.x.size(); ++i)
        of_x[i].expect(x_gradients[i]);
}

TYPED_TEST(WindowsOf, A_sequence_times_weights_are_a_convolution) {
    using T = TypeParam;
    for (const Windows<T>& w : all_windows<T>())
        if (w.units < 1000)
            check_convolution(w, 3);
}

TEST(Windows, Bad_arguments_are_refused_by_name_and_write_nothing) {
    const Device device = make_device(1);
    const std::vector<float> values(256, 1);
    std::vector<float> out(256, 5);
    std::vector<int32_t> lengths{0, 4, 2};
    struct Arguments {
        ortho_device* device;
        int32_t dtype = ORTHO_FLOAT32;
        int64_t steps = 4, batch = 3, units = 2, window = 3, stride = 1, padding = 1;
    };
    const auto expect = [&](auto change, const char* text) {
        Arguments a{device.get()};
        change(a);
        EXPECT_TRUE(is_refused(ortho_windows_forward(a.device, a.dtype, a.steps, a.batch, a.units, lengths.data(),
                                                     a.window, a.stride, a.padding, values.data(), out.data()),
                               text));
        EXPECT_TRUE(is_refused(ortho_windows_backward(a.device, a.dtype, a.steps, a.batch, a.units, lengths.data(),
                                                      a.window, a.stride, a.padding, values.data(), out.data()),
                               text));
    };
    expect([](Arguments& a) { a.device = nullptr; }, "device is null");
    expect([](Arguments& a) { a.dtype = 2; }, "dtype is 2");
    expect([](Arguments& a) { a.steps = 0; }, "steps is 0; it must be at least 1");
    expect([](Arguments& a) { a.batch = 0; }, "batch is 0; it must be at least 1");
    expect([](Arguments& a) { a.units = 0; }, "units is 0; it must be at least 1");
    expect([](Arguments& a) { a.steps = int64_t{1} << 52; }, "steps is 4503599627370496, with 3 samples and 2 units");
    expect([](Arguments& a) { a.window = 0; }, "window is 0; it must be at least 1");
    expect([](Arguments& a) { a.window = INT64_MAX; },
           "window is 9223372036854775807, with 2 units each; the product must be at most 9007199254740992");
    expect([](Arguments& a) { a.window = 7; },
           "window is 7; it must be at most 6, the steps with padding on both sides");
    expect([](Arguments& a) { a.window = a.padding = int64_t{1} << 51; },
           "padding is 2251799813685248; it must be from 0 to ");
    expect(
        [](Arguments& a) {
            a.window = int64_t{1} << 51;
            a.padding = a.window - 1;
        },
        "window is 2251799813685248, with 2 units and 2251799813685251 windows of 3 samples; the product must be at "
        "most "
        "9007199254740992");
    expect([](Arguments& a) { a.stride = 0; }, "stride is 0; it must be at least 1");
    expect([](Arguments& a) { a.padding = -1; }, "padding is -1; it must be from 0 to 2");
    expect([](Arguments& a) { a.padding = 3; }, "padding is 3; it must be from 0 to 2");
    lengths[1] = 5;
    expect([](Arguments&) {}, "lengths[1] is 5; it must be from 0 to 4");
    const auto forward = [&](const float* x, float* y) {
        return ortho_windows_forward(device.get(), 0, 4, 3, 2, nullptr, 3, 1, 1, x, y);
    };
    EXPECT_TRUE(is_refused(forward(nullptr, out.data()), "x is null"));
    EXPECT_TRUE(is_refused(forward(values.data(), nullptr), "y is null"));
    const auto backward = [&](const float* y, float* x) {
        return ortho_windows_backward(device.get(), 0, 4, 3, 2, nullptr, 3, 1, 1, y, x);
    };
    EXPECT_TRUE(is_refused(backward(nullptr, out.data()), "y_gradients is null"));
    EXPECT_TRUE(is_refused(backward(values.data(), nullptr), "x_gradients is null"));
    EXPECT_EQ(out, std::vector<float>(256, 5));
    // The largest stride leaves one window.
    EXPECT_TRUE(
        succeeds(ortho_windows_forward(device.get(), 0, 4, 3, 2, nullptr, 3, INT64_MAX, 1, values.data(), out.data())));
}

} // namespace
} // namespace ortho::test
