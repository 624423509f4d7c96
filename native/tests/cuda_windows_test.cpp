// Windows of a convolution over time on CUDA devices, against the CPU.
#include "cuda_support.hpp"
#include "windows_problem.hpp"

namespace ortho::test {
namespace {

template <class T> class CudaWindows : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(CudaWindows, Types);

TYPED_TEST(CudaWindows, Have_the_bits_of_the_CPU) {
    using T = TypeParam;
    const Device cpu = make_device(2);
    for (const Windows<T>& w : all_windows<T>()) {
        SCOPED_TRACE(w.description());
        const auto lay_out = [&](ortho_device* device) {
            const DeviceArray<T> x(device, w.x), y(device, w.y_gradients.size(), T{5});
            EXPECT_TRUE(succeeds(ortho_windows_forward(device, dtype_of<T>, w.steps, w.batch, w.units, w.given(),
                                                       w.window, w.stride, w.padding, x.data(), y.data())));
            return y.values();
        };
        const auto gradients = [&](ortho_device* device) {
            const DeviceArray<T> y(device, w.y_gradients), x(device, w.x.size(), T{5});
            EXPECT_TRUE(succeeds(ortho_windows_backward(device, dtype_of<T>, w.steps, w.batch, w.units, w.given(),
                                                        w.window, w.stride, w.padding, y.data(), x.data())));
            return x.values();
        };
        EXPECT_TRUE(same_bits(lay_out(cuda().get()), lay_out(cpu.get())));
        EXPECT_TRUE(same_bits(gradients(cuda().get()), gradients(cpu.get())));
    }
}

TEST(CudaWindowsOf, Lengths_are_refused_while_the_stream_is_captured) {
    NEEDS_EMULATOR();
    ortho_device_info info = ORTHO_DEVICE_INFO_INIT;
    const Device device = make_cuda_device();
    ASSERT_TRUE(succeeds(ortho_device_get_info(device.get(), &info)));
    const DeviceArray<float> a(device.get(), 64, 1), b(device.get(), 64, 7);
    const int32_t lengths[3] = {4, 0, 2};
    emulator().begin_capture(info.cuda_stream);
    constexpr const char* text = "lengths is given while the stream is captured";
    EXPECT_TRUE(fails(ortho_windows_forward(device.get(), ORTHO_FLOAT32, 4, 3, 1, lengths, 3, 1, 1, a.data(), b.data()),
                      ORTHO_INVALID_STATE, text));
    EXPECT_TRUE(
        fails(ortho_windows_backward(device.get(), ORTHO_FLOAT32, 4, 3, 1, lengths, 3, 1, 1, a.data(), b.data()),
              ORTHO_INVALID_STATE, text));
    void* const captured = emulator().end_capture(info.cuda_stream);
    ASSERT_NE(captured, nullptr);
    emulator().discard(captured);
    EXPECT_EQ(b.values(), std::vector<float>(64, 7));
}

} // namespace
} // namespace ortho::test
