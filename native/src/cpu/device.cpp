#include "cpu/device.hpp"

#include <algorithm>
#include <cstring>

#include "core/dtype.hpp"
#include "core/system.hpp"
#include "cpu/chain/chain.hpp"
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

    void upload(void* destination, int64_t count) override { device->run(CopyFromHost{destination, data, count}); }
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

void run(CpuDevice&, const CopyFromHost& call) {
    std::memcpy(call.destination, call.source, static_cast<size_t>(call.bytes));
}

void run(CpuDevice&, const CopyToHost& call) {
    std::memcpy(call.destination, call.source, static_cast<size_t>(call.bytes));
}

void run(CpuDevice&, const CopyOnDevice& call) {
    std::memcpy(call.destination, call.source, static_cast<size_t>(call.bytes));
}

void run(CpuDevice&, const Fill& call) {
    dispatch(call.dtype,
             [&]<class T>(T*) { std::fill_n(static_cast<T*>(call.values), call.count, static_cast<T>(call.value)); });
}

} // namespace ortho::cpu
