// Functions of elements and rows on CUDA devices: by the formulas, as on the CPU.
#include "activation_problem.hpp"
#include "cuda_support.hpp"
#include "layer_norm_problem.hpp"

namespace ortho::test {
namespace {

template <class T> class CudaRows : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(CudaRows, Types);

// CUDA promises 1 or 2 ulp for powers and tanh, no more than the CPU's kernels.
TYPED_TEST(CudaRows, Activations_and_their_slopes_are_those_of_the_formulas) {
    expect_functions<TypeParam>(cuda().get());
    expect_limits<TypeParam>(cuda().get());
}

TYPED_TEST(CudaRows, Activations_may_be_computed_in_place) {
    using T = TypeParam;
    const auto x = normal_values<T>(5001, 1), gradients = normal_values<T>(5001, 2);
    for (const ortho_activation activation : activations) {
        const DeviceArray<T> xs(cuda().get(), x), in_place(cuda().get(), gradients);
        ASSERT_TRUE(succeeds(ortho_activation_backward(cuda().get(), dtype_of<T>, activation, 5001, xs.data(),
                                                       in_place.data(), in_place.data())));
        EXPECT_TRUE(same_bits(in_place.values(), backward(cuda().get(), activation, x, gradients))) << activation;
        ASSERT_TRUE(
            succeeds(ortho_activation_forward(cuda().get(), dtype_of<T>, activation, 5001, xs.data(), xs.data())));
        EXPECT_TRUE(same_bits(xs.values(), forward(cuda().get(), activation, x))) << activation;
    }
}

TYPED_TEST(CudaRows, Gates_are_those_of_the_formula) {
    for (const auto& [rows, units] : {std::pair<int64_t, int64_t>{1, 1}, {7, 3}, {33, 17}, {300, 100}, {70, 257}})
        expect_gate(cuda().get(), GateRows<TypeParam>{rows, units});
}

TYPED_TEST(CudaRows, Layers_are_normalised_by_the_formulas) {
    using T = TypeParam;
    for (const auto& [steps, batch, units] : {std::array<int64_t, 3>{1, 1, 1},
                                              {3, 5, 3},
                                              {1, 40, 17},
                                              {30, 33, 64},
                                              {3, 75, 257},
                                              {1, 3000, 3},
                                              {200, 7, 17}}) {
        SCOPED_TRACE(std::to_string(steps) + " x " + std::to_string(batch) + " x " + std::to_string(units));
        const LayerNormRows<T> rows{steps, batch, units};
        const auto values = rows.forward(cuda().get());
        expect_forward(rows, values);
        expect_backward(rows, rows.backward(cuda().get(), values.statistics), 0);
        const auto added = rows.backward(cuda().get(), values.statistics, 1, T{3});
        expect_backward(rows, added, 3);
        const auto again = rows.backward(cuda().get(), values.statistics, 1, T{3});
        EXPECT_TRUE(same_bits(again.parameters, added.parameters)) << "other bits for the same call";
        EXPECT_TRUE(same_bits(again.x, added.x)) << "other bits for the same call";
        // Parts have the sums of their leaves; how products of them are cut follows from the whole batch.
        for (const auto& parts : cuts(batch)) {
            const auto combined = rows.in_parts(cuda().get(), values.statistics, parts);
            expect_backward(rows, combined, 0);
        }
    }
}

TYPED_TEST(CudaRows, What_layer_normalization_need_not_give_may_be_left_out) {
    using T = TypeParam;
    const LayerNormRows<T> rows{5, 40, 9};
    const auto values = rows.forward(cuda().get());
    const auto gradients = rows.backward(cuda().get(), values.statistics);
    const DeviceArray<T> scale(cuda().get(), rows.scale), x(cuda().get(), rows.x),
        statistics(cuda().get(), values.statistics), dy(cuda().get(), rows.y_gradients),
        y(cuda().get(), rows.x.size(), 7), scale_gradients(cuda().get(), 9, 7);
    ASSERT_TRUE(succeeds(ortho_layer_norm_forward(cuda().get(), dtype_of<T>, 200, 9, layer_norm_epsilon, scale.data(),
                                                  nullptr, x.data(), y.data(), nullptr)));
    LayerNormRows<T> without = rows;
    without.offset.assign(9, 0);
    EXPECT_TRUE(same_bits(y.values(), without.forward(cuda().get()).y));
    ASSERT_TRUE(
        succeeds(ortho_layer_norm_backward(cuda().get(), dtype_of<T>, nullptr, 0, 5, 40, 9, scale.data(), x.data(),
                                           statistics.data(), dy.data(), scale_gradients.data(), nullptr, nullptr)));
    EXPECT_TRUE(same_bits(scale_gradients.values(), {gradients.parameters.begin(), gradients.parameters.begin() + 9}));
}

TYPED_TEST(CudaRows, Elements_are_added_columns_copied_and_steps_masked_as_on_the_CPU) {
    using T = TypeParam;
    const Device cpu = make_device(1);
    const auto lengths = some_lengths(7, 30, 3);
    const auto a = normal_values<T>(7 * 30 * 11, 1), b = normal_values<T>(7 * 30 * 11, 2);
    auto padded = a;
    set_padding(padded, 30, 11, lengths, std::numeric_limits<T>::quiet_NaN());
    std::vector<std::vector<T>> found;
    for (ortho_device* const device : {cpu.get(), cuda().get()}) {
        const DeviceArray<T> x(device, a), y(device, b), z(device, a.size(), 7), in_place(device, padded);
        const auto count = static_cast<int64_t>(a.size());
        EXPECT_TRUE(succeeds(ortho_add(device, dtype_of<T>, count, x.data(), y.data(), z.data())));
        found.push_back(z.values());
        EXPECT_TRUE(succeeds(ortho_add(device, dtype_of<T>, count, x.data(), y.data(), y.data())));
        found.push_back(y.values());
        EXPECT_TRUE(succeeds(ortho_copy_columns(device, dtype_of<T>, 210, 5, x.data(), 11, 2, z.data(), 11, 6)));
        found.push_back(z.values());
        EXPECT_TRUE(succeeds(ortho_mask(device, dtype_of<T>, 7, 30, 11, lengths.data(), in_place.data(), z.data())));
        found.push_back(z.values());
        EXPECT_TRUE(
            succeeds(ortho_mask(device, dtype_of<T>, 7, 30, 11, lengths.data(), in_place.data(), in_place.data())));
        found.push_back(in_place.values());
        EXPECT_TRUE(succeeds(ortho_mask(device, dtype_of<T>, 7, 30, 11, nullptr, x.data(), z.data())));
        found.push_back(z.values());
    }
    ASSERT_EQ(found.size(), 12u);
    for (size_t i = 0; i < 6; ++i)
        EXPECT_TRUE(same_bits(found[i], found[i + 6])) << "result " << i;
}

} // namespace
} // namespace ortho::test
