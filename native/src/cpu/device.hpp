// The CPU as a device: its threads and its kernels.
#pragma once

#include <mutex>
#include <new>

#include "core/floating_point.hpp"
#include "core/memory.hpp"
#include "core/thread_pool.hpp"
#include "cpu/kernel_table.hpp"
#include "model/device.hpp"

namespace ortho::cpu {

class CpuDevice;

// What the operations do on a CPU.
#define ORTHO_DECLARE_RUN(Operation) void run(CpuDevice& device, const Operation& call);
ORTHO_OPERATIONS(ORTHO_DECLARE_RUN)
#undef ORTHO_DECLARE_RUN

class CpuDevice final : public ortho_device {
public:
    /**
     * @throws Error ORTHO_OUT_OF_MEMORY; ORTHO_NOT_SUPPORTED if ORTHONATIVE_CPU asks for what is not there, or the
     * system does not start the threads
     */
    CpuDevice(int threads, ThreadPool::IfFewer if_fewer)
        : kernels(kernel_table()), pool(threads, if_fewer),
          fork_handler_([](void* device) noexcept { static_cast<CpuDevice*>(device)->repair_after_fork(); }, this) {}

    /** Scratch memory of the device, held by one call at a time. */
    class Workspace {
    public:
        /** @return at least `bytes` bytes, aligned to 64; what was in them is kept unless the scratch has to grow */
        void* reserve(int64_t bytes, const char* what) {
            if (bytes > device_.scratch_.bytes()) {
                device_.scratch_ = Memory();
                device_.scratch_ = Memory(bytes, what);
            }
            return device_.scratch_.data();
        }

    private:
        friend CpuDevice;
        explicit Workspace(CpuDevice& device) : device_(device), lock_(device.scratch_mutex_) {}
        CpuDevice& device_;
        std::unique_lock<std::mutex> lock_;
    };

    /** Takes the scratch memory, waiting while a call on another thread has it. */
    Workspace workspace() { return Workspace(*this); }

    const char* name() const noexcept override { return "cpu"; }
    int threads() const noexcept override { return pool.threads(); }
    void describe(ortho_device_info& info) override;
    void synchronize() override {}
    bool may_hold(const void* data, int64_t bytes) const noexcept override { return may_be_memory(data, bytes); }

    std::unique_ptr<ortho_buffer> make_buffer(int64_t bytes) override;
    std::unique_ptr<ortho_buffer> wrap(void* data, int64_t bytes) override;
    std::unique_ptr<ortho_staging> make_staging(int64_t bytes) override;
    std::unique_ptr<ortho_chain> make_chain(ChainSpec spec) override;
    ortho_weights* make_weights(ChainSpec spec) override;

#define ORTHO_FORWARD(Operation)                                                                                       \
    void run(const Operation& call) override {                                                                         \
        cpu::run(*this, call);                                                                                         \
    }
    ORTHO_OPERATIONS(ORTHO_FORWARD)
#undef ORTHO_FORWARD

    const KernelTable& kernels;
    ThreadPool pool;

private:
    ~CpuDevice() override = default;

    /** In the child of a fork: scratch that another thread had is left to it, since it may have been changing it. */
    void repair_after_fork() noexcept {
        if (scratch_mutex_.try_lock()) {
            scratch_mutex_.unlock();
            return;
        }
        new (&scratch_mutex_) std::mutex;
        new (&scratch_) Memory;
    }

    std::mutex scratch_mutex_;
    Memory scratch_;
    ForkHandler fork_handler_;
};

/**
 * Held while values are computed that may fade from step to step or layer to layer, float and double alike: those below
 * the smallest normal number are taken for 0, whatever thread computes them.
 */
class FlushSubnormals {
    const FloatingPointScope scope_{FloatingPointEnvironment::without_subnormals()};
};

} // namespace ortho::cpu
