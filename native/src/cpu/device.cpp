#include "cpu/device.hpp"

#include <algorithm>
#include <cstring>

#include "core/check.hpp"
#include "core/random.hpp"
#include "core/system.hpp"
#include "cpu/chain/chain.hpp"
#include "cpu/dense.hpp"
#include "cpu/flat.hpp"
#include "cpu/loss.hpp"
#include "cpu/optimizer.hpp"
#include "model/chain.hpp"

namespace ortho::cpu {
namespace {

struct OwnedBuffer final : ortho_buffer {
    OwnedBuffer(ortho_device& device, Memory owned)
        : ortho_buffer(device, owned.data(), owned.bytes()), memory(std::move(owned)) {}

    Memory memory;
};

/** Memory of the host is what the CPU works on, so an upload is a copy, done at once. */
struct CpuStaging final : ortho_staging {
    CpuStaging(ortho_device& owner, Memory owned)
        : ortho_staging(owner, owned.data(), owned.bytes()), memory(std::move(owned)) {}

    void upload(void* destination, int64_t count) override { device->copy_from_host(destination, data, count); }
    void join() override {}
    void wait() override {}

    Memory memory;
};

} // namespace

void CpuDevice::describe(ortho_device_info& info) {
    info.kind = ORTHO_DEVICE_CPU;
    info.total_memory = total_memory();
    info.free_memory = available_memory();
}

std::unique_ptr<ortho_buffer> CpuDevice::make_buffer(int64_t bytes) {
    return std::make_unique<OwnedBuffer>(*this, Memory(bytes, "buffer"));
}

std::unique_ptr<ortho_buffer> CpuDevice::wrap(void* data, int64_t bytes) {
    return std::make_unique<ortho_buffer>(*this, data, bytes);
}

std::unique_ptr<ortho_staging> CpuDevice::make_staging(int64_t bytes) {
    return std::make_unique<CpuStaging>(*this, Memory(bytes, "staging"));
}

std::unique_ptr<ortho_chain> CpuDevice::make_chain(ChainSpec spec) {
    return cpu::make_chain(*this, std::move(spec));
}

ortho_weights* CpuDevice::make_weights(ChainSpec spec) {
    return cpu::make_weights(*this, std::move(spec));
}

void CpuDevice::copy_from_host(void* destination, const void* source, int64_t bytes) {
    std::memcpy(destination, source, static_cast<size_t>(bytes));
}

void CpuDevice::copy_to_host(void* destination, const void* source, int64_t bytes) {
    std::memcpy(destination, source, static_cast<size_t>(bytes));
}

void CpuDevice::copy(void* destination, const void* source, int64_t bytes) {
    std::memcpy(destination, source, static_cast<size_t>(bytes));
}

void CpuDevice::fill(ortho_dtype dtype, int64_t count, void* values, double value) {
    dispatch(dtype, [&]<class T>(T*) { std::fill_n(static_cast<T*>(values), count, static_cast<T>(value)); });
}

void CpuDevice::add_normal_noise(ortho_dtype dtype, const NoiseStream& noise_stream, double standard_deviation,
                                 int64_t count, const void* x, void* y) {
    const RandomStream stream(noise_stream.seed, ORTHO_STREAM_NOISE, noise_stream.index, noise_stream.source);
    dispatch(dtype, [&]<class T>(T*) {
        constexpr int64_t chunk = 1024;
        for_each_block(pool, count, chunk, [&](int64_t begin, int64_t end) {
            double noise[chunk];
            stream.normal(static_cast<uint64_t>(begin), end - begin, noise);
            const T* from = static_cast<const T*>(x) + begin;
            T* to = static_cast<T*>(y) + begin;
            for (int64_t i = 0; i < end - begin; ++i)
                to[i] = static_cast<T>(static_cast<double>(from[i]) + standard_deviation * noise[i]);
        });
    });
}

void CpuDevice::dense_forward(ortho_dtype dtype, const DenseShape& shape, const void* weights, const void* bias,
                              const void* x, void* y) {
    const FlushSubnormals flush;
    dispatch(dtype, [&]<class T>(T*) {
        cpu::dense_forward(*this, shape, static_cast<const T*>(weights), static_cast<const T*>(bias),
                           static_cast<const T*>(x), static_cast<T*>(y));
    });
}

void CpuDevice::dense_backward(ortho_dtype dtype, const DenseShape& shape, bool accumulate, const void* weights,
                               const void* x, const void* y_gradients, void* weight_gradients, void* bias_gradients,
                               void* x_gradients) {
    const FlushSubnormals flush;
    dispatch(dtype, [&]<class T>(T*) {
        cpu::dense_backward(*this, shape, accumulate, static_cast<const T*>(weights), static_cast<const T*>(x),
                            static_cast<const T*>(y_gradients), static_cast<T*>(weight_gradients),
                            static_cast<T*>(bias_gradients), static_cast<T*>(x_gradients));
    });
}

void CpuDevice::softmax_cross_entropy(ortho_dtype dtype, const SoftmaxCrossEntropy& call, double* loss,
                                      int64_t* correct) {
    const FlushSubnormals flush;
    dispatch(dtype, [&]<class T>(T*) {
        const Loss result = cpu::softmax_cross_entropy<T>(*this, call);
        if (loss != nullptr)
            *loss = result.mean;
        if (correct != nullptr)
            *correct = result.correct;
    });
}

void CpuDevice::mean_squared_error(ortho_dtype dtype, const MeanSquaredError& call, double* loss) {
    const FlushSubnormals flush;
    dispatch(dtype, [&]<class T>(T*) {
        const double mean = cpu::mean_squared_error<T>(*this, call);
        if (loss != nullptr)
            *loss = mean;
    });
}

void CpuDevice::clip_gradient_norm(ortho_dtype dtype, int64_t count, void* gradients, double max_norm, double* norm) {
    dispatch(dtype, [&]<class T>(T*) {
        const double measured = cpu::clip_gradient_norm(*this, count, static_cast<T*>(gradients), max_norm);
        if (norm != nullptr)
            *norm = measured;
    });
}

void CpuDevice::sgd_step(ortho_dtype dtype, const OptimizerStep& step, const SgdOptions& options) {
    dispatch(dtype, [&]<class T>(T*) { cpu::sgd_step<T>(*this, step, options); });
}

void CpuDevice::adam_step(ortho_dtype dtype, const OptimizerStep& step, const AdamOptions& options) {
    dispatch(dtype, [&]<class T>(T*) { cpu::adam_step<T>(*this, step, options); });
}

} // namespace ortho::cpu
