// Sums of elements, copies of columns, and masks.
#include "batch.hpp"

namespace ortho::test {
namespace {

template <class T> void check_sums(int64_t count) {
    const auto x = normal_values<T>(count, 1), y = normal_values<T>(count, 2);
    for (const int threads : {1, 2, 3, 5}) {
        const Device device = make_device(threads);
        std::vector<T> z(x.size() + 1, T{7}), in_x = x, in_y = y, doubled = x;
        const auto add = [&](const T* a, const T* b, T* to) {
            EXPECT_TRUE(succeeds(ortho_add(device.get(), dtype_of<T>, count, a, b, to)));
        };
        add(x.data(), y.data(), z.data());
        add(in_x.data(), y.data(), in_x.data());
        add(x.data(), in_y.data(), in_y.data());
        add(doubled.data(), doubled.data(), doubled.data());
        for (size_t i = 0; i < x.size(); ++i) {
            ASSERT_EQ(z[i], x[i] + y[i]);
            ASSERT_EQ(doubled[i], x[i] + x[i]);
        }
        EXPECT_EQ(z.back(), T{7});
        z.pop_back();
        EXPECT_TRUE(same_bits(in_x, z));
        EXPECT_TRUE(same_bits(in_y, z));
    }
}

TEST(Elements, Are_added_in_place_and_apart_on_any_number_of_threads) {
    for (const int64_t count : {1, 3, 17, 64, 100, 257, 100'003}) {
        check_sums<float>(count);
        check_sums<double>(count);
    }
    // Subnormal numbers are kept.
    const Device device = make_device(1);
    const float tiny = 1e-45f;
    float sum = 0;
    ASSERT_TRUE(succeeds(ortho_add(device.get(), ORTHO_FLOAT32, 1, &tiny, &tiny, &sum)));
    EXPECT_EQ(sum, tiny + tiny);
}

TEST(Elements, That_cannot_be_added_are_refused_by_name) {
    const Device device = make_device(1);
    float x = 1, z = 5;
    EXPECT_TRUE(is_refused(ortho_add(nullptr, 0, 1, &x, &x, &z), "device is null"));
    EXPECT_TRUE(is_refused(ortho_add(device.get(), 3, 1, &x, &x, &z), "dtype is 3"));
    EXPECT_TRUE(is_refused(ortho_add(device.get(), 0, 0, &x, &x, &z), "count is 0; it must be at least 1"));
    EXPECT_TRUE(is_refused(ortho_add(device.get(), 0, 1, nullptr, &x, &z), "x is null"));
    EXPECT_TRUE(is_refused(ortho_add(device.get(), 0, 1, &x, nullptr, &z), "y is null"));
    EXPECT_TRUE(is_refused(ortho_add(device.get(), 0, 1, &x, &x, nullptr), "z is null"));
    EXPECT_EQ(z, 5);
}

template <class T> void check_columns(int64_t rows, int64_t columns, int64_t x_columns, int64_t y_columns) {
    const auto x = normal_values<T>(rows * x_columns, 1);
    for (const int64_t x_first : {int64_t{0}, (x_columns - columns) / 2, x_columns - columns})
        for (const int64_t y_first : {int64_t{0}, y_columns - columns})
            for (const int threads : {1, 2, 3, 5}) {
                const Device device = make_device(threads);
                const auto before = normal_values<T>(rows * y_columns, 2);
                auto y = before;
                ASSERT_TRUE(succeeds(ortho_copy_columns(device.get(), dtype_of<T>, rows, columns, x.data(), x_columns,
                                                        x_first, y.data(), y_columns, y_first)));
                for (int64_t row = 0; row < rows; ++row)
                    for (int64_t i = 0; i < y_columns; ++i) {
                        const auto at = static_cast<size_t>(row * y_columns + i);
                        const bool copied = i >= y_first && i < y_first + columns;
                        ASSERT_EQ(y[at],
                                  copied ? x[static_cast<size_t>(row * x_columns + x_first + i - y_first)] : before[at])
                            << row << ", " << i;
                    }
            }
}

TEST(Columns, Are_copied_and_others_left_alone) {
    for (const auto& [rows, columns, x_columns, y_columns] : {std::array<int64_t, 4>{1, 1, 1, 1},
                                                              {7, 3, 5, 3},
                                                              {100, 17, 17, 40},
                                                              {3000, 3, 8, 9},
                                                              {3, 20000, 20001, 30000}}) {
        check_columns<float>(rows, columns, x_columns, y_columns);
        check_columns<double>(rows, columns, x_columns, y_columns);
    }
}

TEST(Columns, Beyond_rows_are_refused_by_name) {
    const Device device = make_device(1);
    std::vector<float> x(24, 1), y(24, 5);
    const auto copy = [&](int64_t rows, int64_t columns, int64_t x_columns, int64_t x_first, int64_t y_columns,
                          int64_t y_first) {
        return ortho_copy_columns(device.get(), 0, rows, columns, x.data(), x_columns, x_first, y.data(), y_columns,
                                  y_first);
    };
    EXPECT_TRUE(is_refused(copy(0, 2, 4, 0, 4, 0), "rows is 0; it must be at least 1"));
    EXPECT_TRUE(is_refused(copy(6, 0, 4, 0, 4, 0), "columns is 0; it must be at least 1"));
    EXPECT_TRUE(
        is_refused(copy(6, 2, 1, 0, 4, 0), "x_columns is 1; it must be at least 2, the columns that are copied"));
    EXPECT_TRUE(
        is_refused(copy(6, 2, 4, 0, 1, 0), "y_columns is 1; it must be at least 2, the columns that are copied"));
    EXPECT_TRUE(is_refused(copy(6, 2, 4, 3, 4, 0), "x_first is 3; it must be from 0 to 2"));
    EXPECT_TRUE(is_refused(copy(6, 2, 4, -1, 4, 0), "x_first is -1; it must be from 0 to 2"));
    EXPECT_TRUE(is_refused(copy(6, 4, 4, 0, 4, 1), "y_first is 1; it must be 0"));
    EXPECT_TRUE(is_refused(copy(int64_t{1} << 52, 2, 4, 0, 2, 0), "rows is 4503599627370496, with 4 columns each"));
    EXPECT_TRUE(is_refused(copy(int64_t{1} << 52, 2, 2, 0, 4, 0), "rows is 4503599627370496, with 4 columns each"));
    EXPECT_TRUE(is_refused(ortho_copy_columns(nullptr, 0, 1, 1, x.data(), 1, 0, y.data(), 1, 0), "device is null"));
    EXPECT_TRUE(is_refused(ortho_copy_columns(device.get(), 2, 1, 1, x.data(), 1, 0, y.data(), 1, 0), "dtype is 2"));
    EXPECT_TRUE(is_refused(ortho_copy_columns(device.get(), 0, 1, 1, nullptr, 1, 0, y.data(), 1, 0), "x is null"));
    EXPECT_TRUE(is_refused(ortho_copy_columns(device.get(), 0, 1, 1, x.data(), 1, 0, nullptr, 1, 0), "y is null"));
    EXPECT_EQ(y, std::vector<float>(24, 5));
}

template <class T> void check_mask(int64_t steps, int64_t batch, int64_t units) {
    const auto lengths = some_lengths(steps, batch, 5);
    auto x = normal_values<T>(steps * batch * units, 1);
    const auto whole = x;
    auto expected = x;
    set_padding(expected, batch, units, lengths, T{0});
    set_padding(x, batch, units, lengths, std::numeric_limits<T>::quiet_NaN());
    for (const int threads : {1, 2, 3, 5}) {
        const Device device = make_device(threads);
        std::vector<T> y(x.size(), T{7});
        const auto mask = [&](const int32_t* given, const std::vector<T>& from, std::vector<T>& to) {
            ASSERT_TRUE(
                succeeds(ortho_mask(device.get(), dtype_of<T>, steps, batch, units, given, from.data(), to.data())));
        };
        mask(lengths.data(), x, y);
        EXPECT_TRUE(same_bits(y, expected)) << threads;
        auto in_place = x;
        mask(lengths.data(), in_place, in_place);
        EXPECT_TRUE(same_bits(in_place, expected)) << threads;
        mask(nullptr, whole, y);
        EXPECT_TRUE(same_bits(y, whole)) << threads;
    }
}

TEST(Masks, Keep_steps_up_to_the_lengths_in_place_and_apart) {
    for (const auto& [steps, batch, units] :
         {std::array<int64_t, 3>{1, 1, 1}, {3, 5, 7}, {300, 17, 64}, {40, 70, 33}, {2, 3, 20000}}) {
        check_mask<float>(steps, batch, units);
        check_mask<double>(steps, batch, units);
    }
}

TEST(Masks, That_cannot_be_are_refused_by_name) {
    const Device device = make_device(1);
    std::vector<float> x(24, 1), y(24, 5);
    const int32_t lengths[] = {4, 5, 0};
    const auto mask = [&](ortho_device* on, int32_t dtype, int64_t steps, int64_t batch, int64_t units,
                          const int32_t* given, const float* from,
                          float* to) { return ortho_mask(on, dtype, steps, batch, units, given, from, to); };
    EXPECT_TRUE(is_refused(mask(nullptr, 0, 4, 3, 2, nullptr, x.data(), y.data()), "device is null"));
    EXPECT_TRUE(is_refused(mask(device.get(), 2, 4, 3, 2, nullptr, x.data(), y.data()), "dtype is 2"));
    EXPECT_TRUE(is_refused(mask(device.get(), 0, 0, 3, 2, nullptr, x.data(), y.data()), "steps is 0"));
    EXPECT_TRUE(is_refused(mask(device.get(), 0, 4, 0, 2, nullptr, x.data(), y.data()), "batch is 0"));
    EXPECT_TRUE(is_refused(mask(device.get(), 0, 4, 3, 0, nullptr, x.data(), y.data()), "units is 0"));
    EXPECT_TRUE(is_refused(mask(device.get(), 0, 4, 3, 2, lengths, x.data(), y.data()),
                           "lengths[1] is 5; it must be from 0 to 4"));
    EXPECT_TRUE(is_refused(mask(device.get(), 0, 4, 3, 2, nullptr, nullptr, y.data()), "x is null"));
    EXPECT_TRUE(is_refused(mask(device.get(), 0, 4, 3, 2, nullptr, x.data(), nullptr), "y is null"));
    EXPECT_EQ(y, std::vector<float>(24, 5));
}

} // namespace
} // namespace ortho::test
