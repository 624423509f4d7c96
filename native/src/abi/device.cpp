#include "model/device.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "abi/arrays.hpp"
#include "abi/guard.hpp"
#include "abi/structures.hpp"
#include "core/check.hpp"
#include "core/system.hpp"
#include "cpu/device.hpp"
#include "cuda/device.hpp"

using namespace ortho;

namespace {

constexpr int32_t largest_thread_count = 1024;

/** The environment variable ORTHONATIVE_THREADS: the number of threads where the caller gives none; 0: it is not set.
 */
int32_t threads_of_environment() {
    constexpr const char* name = "ORTHONATIVE_THREADS";
    const char* const value = environment(name);
    if (value == nullptr)
        return 0;
    int32_t threads = 0;
    const char* const end = value + std::strlen(value);
    const auto [rest, error] = std::from_chars(value, end, threads);
    if (error != std::errc() || rest != end || threads < 1 || threads > largest_thread_count)
        fail(ORTHO_NOT_SUPPORTED, "%s is '%s'; it must be a whole number from 1 to %d, or not set", name,
             ForeignText(value).c_str(), largest_thread_count);
    return threads;
}

ortho_device* make_cpu_device(const ortho_device_options& options) {
    check::range("options->threads", options.threads, 0, largest_thread_count);
    check::range("options->index", options.index, 0, 0);
    check::range("options->matrix_precision", options.matrix_precision, 0, 0);
    check::range("options->filter_precision", options.filter_precision, 0, 0);
    check::null("options->cuda_stream", options.cuda_stream, "on a CPU");
    check::null("options->cublas_handle", options.cublas_handle, "on a CPU");
    if (options.threads > 0)
        return new cpu::CpuDevice(options.threads, ThreadPool::IfFewer::refuse);
    const int32_t wanted = threads_of_environment();
    return new cpu::CpuDevice(wanted > 0 ? wanted : std::min(usable_cores(), largest_thread_count),
                              ThreadPool::IfFewer::accept);
}

ortho_device* make_cuda_device(const ortho_device_options& options) {
    check::range("options->threads", options.threads, 0, 0);
    check::range("options->index", options.index, 0, std::numeric_limits<int32_t>::max());
    check::range("options->matrix_precision", options.matrix_precision, ORTHO_MATRIX_FLOAT32, ORTHO_MATRIX_BFLOAT16);
    check::range("options->filter_precision", options.filter_precision, ORTHO_MATRIX_FLOAT32, ORTHO_MATRIX_BFLOAT16);
    return cuda::make_device(options);
}

void check_buffer(const ortho_buffer* const* buffer, const ortho_device* device, int64_t bytes) {
    check::not_null("buffer", buffer);
    check::device(device);
    check::at_least("bytes", bytes, 1);
}

/** Where one end of a copy lies. */
enum class Side { host, device };

void check_end(const ortho_device& device, Side side, const char* name, const void* memory, int64_t bytes) {
    if (side == Side::host)
        check::memory(name, memory, bytes);
    else
        check::bytes(device, name, memory, bytes);
}

void check_copy(const ortho_device* device, Side to, const void* destination, Side from, const void* source,
                int64_t bytes) {
    check::device(device);
    check::not_null("destination", destination);
    check::not_null("source", source);
    check::at_least("bytes", bytes, 1);
    check_end(*device, to, "destination", destination, bytes);
    check_end(*device, from, "source", source, bytes);
}

void check_staging(const ortho_staging* staging) {
    if (staging == nullptr)
        fail(ORTHO_INVALID_ARGUMENT, Argument::missing("staging"), "is null; it must be a staging");
}

} // namespace

ortho_status ortho_device_create(ortho_device** device, const ortho_device_options* options) {
    return guard([&] {
        check::not_null("device", device);
        if (options == nullptr) {
            *device = make_cpu_device({});
            return;
        }
        const ortho_device_options all = read_structure("options", options);
        check::range("options->kind", all.kind, ORTHO_DEVICE_CPU, ORTHO_DEVICE_CUDA);
        *device = all.kind == ORTHO_DEVICE_CUDA ? make_cuda_device(all) : make_cpu_device(all);
    });
}

void ortho_device_free(ortho_device* device) {
    if (device != nullptr)
        device->release();
}

int32_t ortho_device_threads(const ortho_device* device) {
    return device != nullptr ? device->threads() : 0;
}

const char* ortho_device_name(const ortho_device* device) {
    return device != nullptr ? device->name() : "";
}

ortho_status ortho_device_get_info(ortho_device* device, ortho_device_info* info) {
    return guard([&] {
        check::device(device);
        const size_t size = checked_size("info", info);
        ortho_device_info facts{};
        device->describe(facts);
        write_structure(info, size, facts);
    });
}

ortho_status ortho_device_synchronize(ortho_device* device) {
    return guard([&] {
        check::device(device);
        device->synchronize();
    });
}

ortho_status ortho_buffer_create(ortho_buffer** buffer, ortho_device* device, int64_t bytes) {
    return guard([&] {
        check_buffer(buffer, device, bytes);
        *buffer = device->make_buffer(bytes).release();
    });
}

ortho_status ortho_buffer_wrap(ortho_buffer** buffer, ortho_device* device, void* data, int64_t bytes) {
    return guard([&] {
        check_buffer(buffer, device, bytes);
        check::bytes(*device, "data", data, bytes);
        *buffer = device->wrap(data, bytes).release();
    });
}

void* ortho_buffer_data(ortho_buffer* buffer) {
    return buffer != nullptr ? buffer->data : nullptr;
}

int64_t ortho_buffer_bytes(const ortho_buffer* buffer) {
    return buffer != nullptr ? buffer->bytes : 0;
}

void ortho_buffer_free(ortho_buffer* buffer) {
    delete buffer;
}

ortho_status ortho_copy_from_host(ortho_device* device, void* destination, const void* source, int64_t bytes) {
    return guard([&] {
        check_copy(device, Side::device, destination, Side::host, source, bytes);
        device->run(CopyFromHost{destination, source, bytes});
    });
}

ortho_status ortho_copy_to_host(ortho_device* device, void* destination, const void* source, int64_t bytes) {
    return guard([&] {
        check_copy(device, Side::host, destination, Side::device, source, bytes);
        device->run(CopyToHost{destination, source, bytes});
    });
}

ortho_status ortho_copy(ortho_device* device, void* destination, const void* source, int64_t bytes) {
    return guard([&] {
        check_copy(device, Side::device, destination, Side::device, source, bytes);
        device->run(CopyOnDevice{destination, source, bytes});
    });
}

ortho_status ortho_fill(ortho_device* device, int32_t dtype, int64_t count, void* values, double value) {
    return guard([&] {
        check::device(device);
        check::dtype(dtype);
        check::count("count", count);
        check::Arrays(*device, dtype).needed("values", values, count);
        device->run(Fill{static_cast<ortho_dtype>(dtype), count, values, value});
    });
}

ortho_status ortho_staging_create(ortho_staging** staging, ortho_device* device, int64_t bytes) {
    return guard([&] {
        check::not_null("staging", staging);
        check::device(device);
        check::at_least("bytes", bytes, 1);
        *staging = device->make_staging(bytes).release();
    });
}

void* ortho_staging_data(ortho_staging* staging) {
    return staging != nullptr ? staging->data : nullptr;
}

ortho_status ortho_staging_upload(ortho_staging* staging, void* destination, int64_t bytes) {
    return guard([&] {
        check_staging(staging);
        check::not_null("destination", destination);
        check::range("bytes", bytes, 1, staging->bytes);
        check::bytes(*staging->device, "destination", destination, bytes);
        staging->upload(destination, bytes);
    });
}

ortho_status ortho_staging_join(ortho_staging* staging) {
    return guard([&] {
        check_staging(staging);
        staging->join();
    });
}

ortho_status ortho_staging_wait(ortho_staging* staging) {
    return guard([&] {
        check_staging(staging);
        staging->wait();
    });
}

void ortho_staging_free(ortho_staging* staging) {
    delete staging;
}
