#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>

#include "core/live_objects.hpp"
#include "core/memory.hpp"
#include "core/thread_pool.hpp"
#include "cpu/kernel_table.hpp"
#include "orthonative/orthonative.h"

/** A CPU: its threads and its kernels. Lives until its owner and all objects made on it have released it. */
struct ortho_device {
    /** @throws Error ORTHO_OUT_OF_MEMORY; ORTHO_NOT_SUPPORTED if ORTHONATIVE_CPU asks for what is not there */
    explicit ortho_device(int threads) : kernels(ortho::cpu::kernel_table()), pool(threads) {}

    void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            delete this;
    }

    /** Scratch memory of the device, held by one call at a time. */
    class Workspace {
    public:
        /** @return at least `bytes` bytes, aligned to 64; what was in them is kept unless the scratch has to grow */
        void* reserve(int64_t bytes, const char* what) {
            if (bytes > device_.scratch_.bytes()) {
                device_.scratch_ = ortho::Memory();
                device_.scratch_ = ortho::Memory(bytes, what);
            }
            return device_.scratch_.data();
        }

    private:
        friend ortho_device;
        explicit Workspace(ortho_device& device) : device_(device), lock_(device.scratch_mutex_) {}
        ortho_device& device_;
        std::unique_lock<std::mutex> lock_;
    };

    /** Takes the scratch memory, waiting while a call on another thread has it. */
    Workspace workspace() { return Workspace(*this); }

    const ortho::cpu::KernelTable& kernels;
    ortho::ThreadPool pool;

private:
    ~ortho_device() = default;

    std::mutex scratch_mutex_;
    ortho::Memory scratch_;
    std::atomic<int64_t> references_{1};
    ortho::LiveObject live_;
};

namespace ortho {

/** Keeps a device alive for an object that was made on it. */
class DeviceReference {
public:
    explicit DeviceReference(ortho_device& device) noexcept : device_(&device) { device.retain(); }
    DeviceReference(const DeviceReference&) = delete;
    DeviceReference& operator=(const DeviceReference&) = delete;
    ~DeviceReference() { device_->release(); }

    ortho_device& operator*() const noexcept { return *device_; }
    ortho_device* operator->() const noexcept { return device_; }

private:
    ortho_device* device_;
};

} // namespace ortho

/** Memory on a device. */
struct ortho_buffer {
    ortho_buffer(ortho_device& owner, int64_t bytes) : device(owner), memory(bytes, "buffer") {}

    ortho::DeviceReference device;
    ortho::Memory memory;
    ortho::LiveObject live;
};
