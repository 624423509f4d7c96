// Lookups in a table on CUDA devices, against the CPU.
#include "cuda_support.hpp"
#include "embedding_problem.hpp"

namespace ortho::test {
namespace {

template <class T> std::vector<T> look_up(ortho_device* device, const Lookups<T>& l) {
    const DeviceArray<T> table(device, l.table), y(device, l.y_gradients.size(), T{5});
    EXPECT_TRUE(succeeds(ortho_embedding_forward(device, dtype_of<T>, l.steps, l.batch, l.given(), l.entries, l.units,
                                                 table.data(), l.indices.data(), y.data())));
    return y.values();
}

/** @param part  null: the batch is whole */
template <class T>
std::vector<T> gradients(ortho_device* device, const Lookups<T>& l, int32_t accumulate,
                         const ortho_batch_part* part = nullptr, int64_t elements = 0) {
    const DeviceArray<T> y_gradients(device, l.y_gradients),
        table(device, part == nullptr ? l.table.size() : static_cast<size_t>(elements), T{7});
    EXPECT_TRUE(
        succeeds(ortho_embedding_backward(device, dtype_of<T>, part, accumulate, l.steps, l.batch, l.given(), l.entries,
                                          l.units, l.indices.data(), y_gradients.data(), table.data())));
    return table.values();
}

template <class T> class CudaEmbedding : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(CudaEmbedding, Types);

// The sums have one order on all devices, and none of these is below the smallest normal number.
TYPED_TEST(CudaEmbedding, Has_the_bits_of_the_CPU) {
    using T = TypeParam;
    const Device cpu = make_device(2);
    for (const Lookups<T>& l : all_lookups<T>()) {
        SCOPED_TRACE(l.description());
        EXPECT_TRUE(same_bits(look_up(cuda().get(), l), look_up(cpu.get(), l)));
        for (const int32_t accumulate : {0, 1})
            EXPECT_TRUE(same_bits(gradients(cuda().get(), l, accumulate), gradients(cpu.get(), l, accumulate)));
    }
}

TYPED_TEST(CudaEmbedding, Parts_have_the_bits_of_the_CPU) {
    using T = TypeParam;
    const Device cpu = make_device(2);
    Lookups<T> whole{3, 260, 35, 20, some_lengths(3, 260, 2)};
    whole.fill();
    for (const auto& parts : cuts(whole.batch))
        for (const Samples& samples : parts) {
            const auto own = [&](const auto& values, int64_t steps, int64_t columns) {
                return part_of(values, steps, whole.batch, columns, samples);
            };
            Lookups<T> l{whole.steps, samples.count, whole.units, whole.entries, own(whole.lengths, 1, 1)};
            l.indices = own(whole.indices, whole.steps, 1);
            l.y_gradients = own(whole.y_gradients, whole.steps, whole.units);
            const int64_t stride = whole.units * whole.entries + 5;
            const ortho_batch_part part = make_part(whole.batch, samples, stride);
            const int64_t elements = partial_sums(whole.batch, samples) * stride;
            for (const int32_t accumulate : {0, 1})
                EXPECT_TRUE(same_bits(gradients(cuda().get(), l, accumulate, &part, elements),
                                      gradients(cpu.get(), l, accumulate, &part, elements)))
                    << samples.first << " to " << samples.first + samples.count;
        }
}

TEST(CudaEmbeddings, Without_steps_that_count_give_zeros) {
    Lookups<float> l{3, 4, 2, 5, {0, 0, 0, 0}};
    l.fill();
    EXPECT_EQ(look_up(cuda().get(), l), std::vector<float>(24, 0));
    EXPECT_EQ(gradients(cuda().get(), l, 0), std::vector<float>(10, 0));
    EXPECT_EQ(gradients(cuda().get(), l, 1), std::vector<float>(10, 7));
}

TEST(CudaEmbeddings, Without_memory_change_nothing) {
    NEEDS_EMULATOR();
    const Device device = make_cuda_device();
    Lookups<float> l{50, 40, 2, 5};
    l.fill();
    const DeviceArray<float> y_gradients(device.get(), l.y_gradients), table(device.get(), l.table.size(), 7);
    const auto backward = [&] {
        return ortho_embedding_backward(device.get(), ORTHO_FLOAT32, nullptr, 0, l.steps, l.batch, nullptr, l.entries,
                                        l.units, l.indices.data(), y_gradients.data(), table.data());
    };
    emulator().set_memory_left(1);
    EXPECT_TRUE(fails(backward(), ORTHO_OUT_OF_MEMORY, "needed for scratch"));
    emulator().set_memory_left(0);
    EXPECT_EQ(table.values(), std::vector<float>(10, 7));
    EXPECT_TRUE(succeeds(backward()));
    EXPECT_TRUE(same_bits(table.values(), gradients(cuda().get(), l, 0)));
}

TEST(CudaEmbeddings, Are_refused_while_the_stream_is_captured) {
    NEEDS_EMULATOR();
    ortho_device_info info = ORTHO_DEVICE_INFO_INIT;
    const Device device = make_cuda_device();
    ASSERT_TRUE(succeeds(ortho_device_get_info(device.get(), &info)));
    const DeviceArray<float> a(device.get(), 64, 1), b(device.get(), 64, 7);
    const int32_t indices[6] = {};
    emulator().begin_capture(info.cuda_stream);
    constexpr const char* text =
        "indices is given while the stream is captured; a replay would not read the host's memory again";
    EXPECT_TRUE(
        fails(ortho_embedding_forward(device.get(), ORTHO_FLOAT32, 2, 3, nullptr, 4, 5, a.data(), indices, b.data()),
              ORTHO_INVALID_STATE, text));
    EXPECT_TRUE(fails(ortho_embedding_backward(device.get(), ORTHO_FLOAT32, nullptr, 0, 2, 3, nullptr, 4, 5, indices,
                                               a.data(), b.data()),
                      ORTHO_INVALID_STATE, text));
    void* const captured = emulator().end_capture(info.cuda_stream);
    ASSERT_NE(captured, nullptr);
    emulator().discard(captured);
    EXPECT_EQ(b.values(), std::vector<float>(64, 7));
}

} // namespace
} // namespace ortho::test
