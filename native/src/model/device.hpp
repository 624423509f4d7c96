// A device: where buffers lie and work runs; a backend implements it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "core/live_objects.hpp"
#include "model/calls.hpp"
#include "model/operations.hpp"
#include "orthonative/orthonative.h"

namespace ortho {

struct ChainSpec;

} // namespace ortho

struct ortho_streams;

/**
 * Lives until its owner and all objects made on it have released it. Arguments have been checked; buffers are those of
 * the C interface. Every function may throw ortho::Error.
 */
struct ortho_device {
    ortho_device() = default;
    ortho_device(const ortho_device&) = delete;
    ortho_device& operator=(const ortho_device&) = delete;

    void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            delete this;
    }

    virtual const char* name() const noexcept = 0;
    virtual int threads() const noexcept = 0;
    /** Fills in all but struct_size. */
    virtual void describe(ortho_device_info& info) = 0;
    virtual void synchronize() = 0;
    /** Whether a buffer of so many bytes can lie there, as far as can be told without reading it. */
    virtual bool may_hold(const void* data, int64_t bytes) const noexcept = 0;

    virtual std::unique_ptr<ortho_buffer> make_buffer(int64_t bytes) = 0;
    /** A buffer of memory that is the caller's. */
    virtual std::unique_ptr<ortho_buffer> wrap(void* data, int64_t bytes) = 0;
    virtual std::unique_ptr<ortho_staging> make_staging(int64_t bytes) = 0;
    virtual std::unique_ptr<ortho_chain> make_chain(ortho::ChainSpec spec) = 0;
    /** The caller releases it. */
    virtual ortho_weights* make_weights(ortho::ChainSpec spec) = 0;

    // Operations on buffers: run(const ortho::Fill&) and so on.
#define ORTHO_DECLARE_RUN(Operation) virtual void run(const ortho::Operation& call) = 0;
    ORTHO_OPERATIONS(ORTHO_DECLARE_RUN)
#undef ORTHO_DECLARE_RUN

protected:
    virtual ~ortho_device() = default;

private:
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
    ortho_buffer(ortho_device& owner, void* first_byte, int64_t size) : device(owner), data(first_byte), bytes(size) {}
    virtual ~ortho_buffer() = default;
    ortho_buffer(const ortho_buffer&) = delete;
    ortho_buffer& operator=(const ortho_buffer&) = delete;

    const ortho::DeviceReference device;
    void* const data;
    const int64_t bytes;
    ortho::LiveObject live;
};

/** Memory of the host from which a device is filled while it works; see ortho_staging_create. */
struct ortho_staging {
    ortho_staging(ortho_device& owner, void* first_byte, int64_t size) : device(owner), data(first_byte), bytes(size) {}
    virtual ~ortho_staging() = default;
    ortho_staging(const ortho_staging&) = delete;
    ortho_staging& operator=(const ortho_staging&) = delete;

    virtual void upload(void* destination, int64_t count) = 0;
    virtual void join() = 0;
    virtual void wait() = 0;

    const ortho::DeviceReference device;
    void* const data;
    const int64_t bytes;
    ortho::LiveObject live;
};
