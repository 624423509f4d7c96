#include "model/device.hpp"

#include <algorithm>

#include "abi/guard.hpp"
#include "core/check.hpp"
#include "core/system.hpp"

using namespace ortho;

namespace {

constexpr int32_t largest_thread_count = 1024;

} // namespace

ortho_status ortho_device_create(ortho_device** device, const ortho_device_options* options) {
    return guard([&] {
        check::not_null("device", device);
        int32_t threads = 0;
        if (options != nullptr) {
            check::struct_size("options", options->struct_size, sizeof *options);
            check::range("options->kind", options->kind, ORTHO_DEVICE_CPU, ORTHO_DEVICE_CUDA);
            if (options->kind == ORTHO_DEVICE_CUDA)
                fail(ORTHO_NOT_SUPPORTED, "options->kind is %d (CUDA); this build has only %d (CPU)", ORTHO_DEVICE_CUDA,
                     ORTHO_DEVICE_CPU);
            check::range("options->threads", options->threads, 0, largest_thread_count);
            check::range("options->index", options->index, 0, 0);
            threads = options->threads;
        }
        if (threads == 0)
            threads = std::min(usable_cores(), largest_thread_count);
        *device = new ortho_device(threads);
    });
}

void ortho_device_free(ortho_device* device) {
    if (device != nullptr)
        device->release();
}

int32_t ortho_device_threads(const ortho_device* device) {
    return device != nullptr ? device->pool.threads() : 0;
}

ortho_status ortho_buffer_create(ortho_buffer** buffer, ortho_device* device, int64_t bytes) {
    return guard([&] {
        check::not_null("buffer", buffer);
        check::device(device);
        check::at_least("bytes", bytes, 1);
        *buffer = new ortho_buffer(*device, bytes);
    });
}

void* ortho_buffer_data(ortho_buffer* buffer) {
    return buffer != nullptr ? buffer->memory.data() : nullptr;
}

int64_t ortho_buffer_bytes(const ortho_buffer* buffer) {
    return buffer != nullptr ? buffer->memory.bytes() : 0;
}

void ortho_buffer_free(ortho_buffer* buffer) {
    delete buffer;
}
