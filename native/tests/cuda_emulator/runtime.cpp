#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "fibers.hpp"

namespace ortho_cuda_emulator {

using Work = std::function<void()>;

struct StreamObject {
    std::deque<Work> queue;
    std::unique_ptr<std::vector<Work>> capture;
    bool capture_failed = false;
};

/** How far an event has come: what was recorded before the stream reaches the record is not yet seen by waits. */
struct EventObject {
    struct State {
        uint64_t recorded = 0;
        uint64_t reached = 0;
    };
    std::shared_ptr<State> state = std::make_shared<State>();
    StreamObject* stream = nullptr;
};

struct GraphObject {
    std::vector<Work> nodes;
};

/** What a pool has beside what is allocated from it. */
struct PoolState {
    uint64_t kept = 0;     // bytes that it may keep when it could give them back
    uint64_t reserved = 0; // bytes that it has from the GPU
    uint64_t used = 0;
    std::multiset<size_t> pieces; // that were freed
    /** Pieces that a stream will free: what it allocates after that may be there already. */
    struct Freed {
        const char* start;
        const StreamObject* stream;
        size_t bytes;
    };
    std::list<Freed> to_be_freed;
    bool destroyed = false;

    /** Takes a piece for an allocation of a stream. @return whether there is one */
    bool take(size_t bytes, const StreamObject* stream) {
        // Pieces do not grow together.
        if (const auto piece = pieces.lower_bound(bytes); piece != pieces.end()) {
            if (const size_t rest = *piece - bytes; rest > 0)
                pieces.insert(rest);
            pieces.erase(piece);
            return true;
        }
        for (Freed& freed : to_be_freed)
            if (freed.stream == stream && freed.bytes >= bytes) {
                freed.bytes -= bytes;
                return true;
            }
        return false;
    }

    /** Gives pieces back, the largest first, until so many bytes are left. @return bytes given back */
    size_t give_back(uint64_t left) {
        size_t given = 0;
        while (reserved > left && !pieces.empty()) {
            const auto largest = std::prev(pieces.end());
            given += *largest;
            reserved -= *largest;
            pieces.erase(largest);
        }
        return given;
    }
};

struct PoolObject {
    std::shared_ptr<PoolState> state = std::make_shared<PoolState>();
};

struct BlasObject {
    StreamObject* stream = nullptr;
    void* workspace = nullptr;
};

namespace {

constexpr size_t page = 4096;
constexpr size_t arena_bytes = size_t{256} << 30;
constexpr unsigned char canary = 0xa5;
constexpr int64_t usual_memory = int64_t{2} << 30;

struct Allocation {
    size_t bytes;
    size_t mapped;
    /** Null: of cudaMalloc. */
    std::shared_ptr<PoolState> pool;
    /** Whether the stream has come to its allocation. */
    bool reached = true;
    /** Whether it was asked to be freed: calls must not name it any more, earlier work may touch it. */
    bool freed = false;
};

struct Injection {
    std::string function;
    int status;
    int skip;
};

struct Emulator {
    std::recursive_mutex mutex;
    Counters counters{};
    int device_count = 1;
    int multiprocessors = 16;
    bool memory_pools = true;
    bool room_for_blocks = true;
    bool cooperative_capture = true;
    bool host_page_tables = false;
    int64_t memory_limit = usual_memory;
    char* arena = nullptr;
    size_t used = 0;
    std::map<char*, Allocation> device_memory;
    std::map<char*, size_t> pinned_memory;
    std::vector<PoolObject*> pools;
    std::map<const void*, int> shared_limits;
    std::vector<Injection> injections;
    StreamObject default_stream;
    std::vector<StreamObject*> streams{&default_stream};
    int device_work = 0;
};

Emulator& emulator() {
    static Emulator* const instance = new Emulator; // never destroyed: streams may outlive static objects
    return *instance;
}

[[noreturn]] void stop(const char* message) {
    std::fprintf(stderr, "CUDA emulator: %s\n", message);
    std::abort();
}

void check_canaries() {
    for (const auto& [start, allocation] : emulator().device_memory)
        for (size_t i = allocation.bytes; i < allocation.mapped && allocation.reached; ++i)
            if (static_cast<unsigned char>(start[i]) != canary)
                stop("something wrote behind the end of an allocation of device memory");
}

/** Lets device memory be touched for as long as device work is done. */
class DeviceWork {
public:
    DeviceWork() {
        if (emulator().device_work++ == 0)
            protect(PROT_READ | PROT_WRITE);
    }
    ~DeviceWork() {
        if (--emulator().device_work == 0) {
            check_canaries();
            protect(PROT_NONE);
        }
    }
    DeviceWork(const DeviceWork&) = delete;
    DeviceWork& operator=(const DeviceWork&) = delete;

private:
    static void protect(int protection) {
        for (const auto& [start, allocation] : emulator().device_memory)
            if (allocation.reached && mprotect(start, allocation.mapped, protection) != 0)
                stop("mprotect failed");
    }
};

bool injected(const char* function, int& status) {
    auto& injections = emulator().injections;
    for (auto i = injections.begin(); i != injections.end(); ++i) {
        if (i->function != function)
            continue;
        if (i->skip-- > 0)
            return false;
        status = i->status;
        injections.erase(i);
        return true;
    }
    return false;
}

/** Runs the body of a function of the runtime, unless a test wants it to fail. */
template <class Status = cudaError_t, class Body> Status api(const char* function, Body&& body) {
    const std::lock_guard<std::recursive_mutex> lock(emulator().mutex);
    int status = 0;
    if (injected(function, status))
        return static_cast<Status>(status);
    return body();
}

StreamObject& stream_of(cudaStream_t stream) {
    return stream != nullptr ? *stream : emulator().default_stream;
}

void run(StreamObject& stream) {
    const DeviceWork touching;
    while (!stream.queue.empty()) {
        const Work work = std::move(stream.queue.front());
        stream.queue.pop_front();
        work();
    }
}

/** As on a GPU, memory is freed once all work given to any stream is done. */
void run_all() {
    for (StreamObject* stream : emulator().streams)
        run(*stream);
}

void run_until(StreamObject& stream, const EventObject::State& event, uint64_t record) {
    const DeviceWork touching;
    while (event.reached < record) {
        if (stream.queue.empty())
            stop("an event is waited for that no stream will reach");
        const Work work = std::move(stream.queue.front());
        stream.queue.pop_front();
        work();
    }
}

void enqueue_work(cudaStream_t stream, Work work) {
    StreamObject& target = stream_of(stream);
    if (target.capture != nullptr)
        target.capture->push_back(std::move(work));
    else
        target.queue.push_back(std::move(work));
}

/** What must not be done while a stream is being captured. */
bool breaks_capture(cudaStream_t stream) {
    StreamObject& target = stream_of(stream);
    if (target.capture == nullptr)
        return false;
    target.capture_failed = true;
    return true;
}

const Allocation* allocation_of(const void* data, size_t bytes) {
    auto& memory = emulator().device_memory;
    auto* const address = static_cast<char*>(const_cast<void*>(data));
    auto found = memory.upper_bound(address);
    if (found == memory.begin())
        return nullptr;
    --found;
    const bool inside = address + bytes <= found->first + found->second.bytes;
    return inside && !found->second.freed ? &found->second : nullptr;
}

bool is_pinned(const void* data) {
    auto& memory = emulator().pinned_memory;
    auto* const address = static_cast<char*>(const_cast<void*>(data));
    auto found = memory.upper_bound(address);
    if (found == memory.begin())
        return false;
    --found;
    return address < found->first + found->second;
}

/** Shared memory that a block of a kernel may have. */
size_t shared_limit(const void* kernel) {
    const auto limit = emulator().shared_limits.find(kernel);
    return limit == emulator().shared_limits.end() ? size_t{48} << 10 : static_cast<size_t>(limit->second);
}

template <class Object> cudaError_t create(Object** object) {
    *object = new Object;
    ++emulator().counters.live_objects;
    return cudaSuccess;
}

template <class Object> cudaError_t destroy(Object* object) {
    delete object;
    --emulator().counters.live_objects;
    return cudaSuccess;
}

} // namespace

Counters counters() {
    const std::lock_guard<std::recursive_mutex> lock(emulator().mutex);
    return emulator().counters;
}
void set_device_count(int count) {
    emulator().device_count = count;
}
void set_multiprocessors(int count) {
    emulator().multiprocessors = count;
}
void set_memory_pools(bool supported) {
    emulator().memory_pools = supported;
}
void set_room_for_blocks(bool room) {
    emulator().room_for_blocks = room;
}
void set_cooperative_capture(bool possible) {
    emulator().cooperative_capture = possible;
}
void set_host_page_tables(bool used) {
    emulator().host_page_tables = used;
}
void fail_next(const char* function, int status, int skip) {
    const std::lock_guard<std::recursive_mutex> lock(emulator().mutex);
    emulator().injections.push_back({function, status, skip});
}
int forget_failures() {
    const std::lock_guard<std::recursive_mutex> lock(emulator().mutex);
    const int left = static_cast<int>(emulator().injections.size());
    emulator().injections.clear();
    return left;
}

cudaError_t set_shared_limit(const void* kernel, int bytes) {
    return api("cudaFuncSetAttribute", [&] {
        if (bytes > 227 << 10)
            return cudaErrorInvalidValue;
        emulator().shared_limits[kernel] = bytes;
        return cudaSuccess;
    });
}

cudaError_t resident_blocks(int* blocks, const void* kernel, int threads, size_t shared) {
    return api("cudaOccupancyMaxActiveBlocksPerMultiprocessor", [&] {
        constexpr size_t shared_memory = size_t{228} << 10, of_the_system = 1024; // of each block
        constexpr int most_threads = 2048;
        *blocks = 0;
        if (emulator().room_for_blocks && shared <= shared_limit(kernel))
            *blocks = std::min(static_cast<int>(shared_memory / (shared + of_the_system)), most_threads / threads);
        return cudaSuccess;
    });
}

cudaError_t enqueue(const void* kernel, Launch launch, cudaStream_t stream) {
    const cudaError_t status = api(launch.cooperative ? "cudaLaunchCooperativeKernel" : "cudaLaunchKernel", [&] {
        const uint64_t threads = uint64_t{launch.block.x} * launch.block.y * launch.block.z;
        const uint64_t blocks = uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
        if (threads < 1 || threads > 1024 || blocks < 1 || launch.grid.x > 0x7fffffff || launch.grid.y > 65535 ||
            launch.grid.z > 65535)
            return cudaErrorInvalidConfiguration;
        if (launch.shared > shared_limit(kernel))
            return cudaErrorInvalidValue;
        if (launch.cooperative && blocks > static_cast<uint64_t>(emulator().multiprocessors))
            return cudaErrorCooperativeLaunchTooLarge;
        StreamObject& target = stream_of(stream);
        if (target.capture != nullptr && target.capture_failed)
            return cudaErrorStreamCaptureInvalidated;
        if (launch.cooperative && target.capture != nullptr && !emulator().cooperative_capture)
            return cudaErrorStreamCaptureUnsupported;
        ++emulator().counters.launches;
        enqueue_work(stream, [launch = std::move(launch)] { run_grid(launch); });
        return cudaSuccess;
    });
    // What fails ends the capture that it was to be part of.
    if (status != cudaSuccess)
        static_cast<void>(breaks_capture(stream));
    return status;
}

} // namespace ortho_cuda_emulator

using namespace ortho_cuda_emulator;

const char* cudaGetErrorName(cudaError_t error) {
    switch (error) {
    case cudaSuccess:
        return "cudaSuccess";
    case cudaErrorInvalidValue:
        return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
        return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
        return "cudaErrorInvalidConfiguration";
    case cudaErrorNoDevice:
        return "cudaErrorNoDevice";
    case cudaErrorStreamCaptureUnsupported:
        return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorCooperativeLaunchTooLarge:
        return "cudaErrorCooperativeLaunchTooLarge";
    default:
        return "cudaErrorUnknown";
    }
}

const char* cudaGetErrorString(cudaError_t) {
    return "emulated error";
}
cudaError_t cudaGetLastError() {
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
    return api("cudaGetDeviceCount", [&] {
        *count = emulator().device_count;
        return *count > 0 ? cudaSuccess : cudaErrorNoDevice;
    });
}

cudaError_t cudaGetDevice(int* device) {
    *device = 0;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
    return device == 0 ? cudaSuccess : cudaErrorInvalidDevice;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
    return api("cudaGetDeviceProperties", [&] {
        if (device != 0)
            return cudaErrorInvalidDevice;
        std::snprintf(properties->name, sizeof properties->name, "emulated GPU");
        properties->totalGlobalMem = static_cast<size_t>(emulator().memory_limit);
        properties->sharedMemPerBlockOptin = size_t{227} << 10;
        properties->major = 9;
        properties->minor = 0;
        properties->multiProcessorCount = emulator().multiprocessors;
        properties->cooperativeLaunch = 1;
        properties->pageableMemoryAccessUsesHostPageTables = emulator().host_page_tables;
        return cudaSuccess;
    });
}

cudaError_t cudaDriverGetVersion(int* version) {
    *version = 12000;
    return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
    *version = 12000;
    return cudaSuccess;
}

namespace {

/**
 * Maps an allocation at addresses that are never used again, so that whoever uses it too long is seen.
 * @return null where there is no memory
 */
char* map_memory(size_t bytes, Allocation allocation) {
    Emulator& e = emulator();
    if (e.arena == nullptr) {
        void* const reserved =
            mmap(nullptr, arena_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (reserved == MAP_FAILED)
            stop("no address space for device memory");
        e.arena = static_cast<char*>(reserved);
    }
    const size_t mapped = (bytes + page - 1) / page * page;
    if (e.used + mapped + page > arena_bytes)
        return nullptr;
    char* const start = e.arena + e.used;
    e.used += mapped + page; // a page that stays locked behind it
    if (mprotect(start, mapped, PROT_READ | PROT_WRITE) != 0)
        return nullptr;
    // Of large ones, whose pages take time, the beginning; the rest is zero, as a GPU's may be, too.
    std::memset(start, 0xff, std::min(bytes, size_t{1} << 20));
    std::memset(start + bytes, canary, mapped - bytes);
    if (e.device_work == 0 || !allocation.reached)
        mprotect(start, mapped, PROT_NONE);
    allocation.bytes = bytes;
    allocation.mapped = mapped;
    e.device_memory[start] = std::move(allocation);
    ++e.counters.live_objects;
    return start;
}

/** Takes memory of the GPU, if it has so much. */
bool take_from_gpu(size_t bytes) {
    Emulator& e = emulator();
    if (e.counters.device_bytes + static_cast<int64_t>(bytes) > e.memory_limit)
        return false;
    ++e.counters.device_waits;
    e.counters.device_bytes += static_cast<int64_t>(bytes);
    return true;
}

void give_to_gpu(size_t bytes) {
    if (bytes == 0)
        return;
    ++emulator().counters.device_waits;
    emulator().counters.device_bytes -= static_cast<int64_t>(bytes);
}

/** What must not be done while any stream is being captured. */
bool breaks_captures() {
    bool breaks = false;
    for (StreamObject* const stream : emulator().streams)
        breaks = breaks_capture(stream) || breaks;
    return breaks;
}

/** As a wait for the GPU does: pools give back what they need not keep. */
void shrink_pools() {
    for (const PoolObject* const pool : emulator().pools)
        give_to_gpu(pool->state->give_back(pool->state->kept));
}

} // namespace

void ortho_cuda_emulator::set_memory_left(int64_t bytes) {
    const std::lock_guard<std::recursive_mutex> lock(emulator().mutex);
    run_all();
    for (const PoolObject* const pool : emulator().pools)
        give_to_gpu(pool->state->give_back(0));
    emulator().memory_limit = bytes == 0 ? usual_memory : emulator().counters.device_bytes + bytes;
}

cudaError_t cudaMalloc(void** data, size_t bytes) {
    return api("cudaMalloc", [&] {
        if (breaks_captures())
            return cudaErrorStreamCaptureUnsupported;
        if (!take_from_gpu(bytes))
            return cudaErrorMemoryAllocation;
        *data = map_memory(bytes, {});
        if (*data != nullptr)
            return cudaSuccess;
        give_to_gpu(bytes);
        return cudaErrorMemoryAllocation;
    });
}

cudaError_t cudaFree(void* data) {
    return api("cudaFree", [&] {
        Emulator& e = emulator();
        if (data == nullptr)
            return cudaSuccess;
        const auto found = e.device_memory.find(static_cast<char*>(data));
        if (found == e.device_memory.end() || found->second.pool != nullptr)
            return cudaErrorInvalidValue;
        if (breaks_captures())
            return cudaErrorStreamCaptureUnsupported;
        run_all();
        mprotect(found->first, found->second.mapped, PROT_NONE);
        madvise(found->first, found->second.mapped, MADV_DONTNEED);
        give_to_gpu(found->second.bytes);
        e.device_memory.erase(found);
        --e.counters.live_objects;
        return cudaSuccess;
    });
}

cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps* properties) {
    return api("cudaMemPoolCreate", [&] {
        if (!emulator().memory_pools)
            return cudaErrorNotSupported;
        if (properties->allocType != cudaMemAllocationTypePinned ||
            properties->location.type != cudaMemLocationTypeDevice || properties->location.id != 0)
            return cudaErrorInvalidValue;
        create(pool);
        emulator().pools.push_back(*pool);
        return cudaSuccess;
    });
}

cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool) {
    return api("cudaMemPoolDestroy", [&] {
        // What is still allocated is given back when it is freed.
        pool->state->destroyed = true;
        give_to_gpu(pool->state->give_back(0));
        auto& pools = emulator().pools;
        pools.erase(std::find(pools.begin(), pools.end(), pool));
        return destroy(pool);
    });
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
    return api("cudaMemPoolSetAttribute", [&] {
        if (attribute != cudaMemPoolAttrReleaseThreshold)
            return cudaErrorInvalidValue;
        pool->state->kept = *static_cast<uint64_t*>(value);
        return cudaSuccess;
    });
}

cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
    return api("cudaMemPoolGetAttribute", [&] {
        const PoolState& state = *pool->state;
        *static_cast<uint64_t*>(value) = attribute == cudaMemPoolAttrReservedMemCurrent ? state.reserved
                                         : attribute == cudaMemPoolAttrUsedMemCurrent   ? state.used
                                                                                        : state.kept;
        return cudaSuccess;
    });
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t bytes) {
    return api("cudaMemPoolTrimTo", [&] {
        give_to_gpu(pool->state->give_back(bytes));
        return cudaSuccess;
    });
}

cudaError_t cudaMallocFromPoolAsync(void** data, size_t bytes, cudaMemPool_t pool, cudaStream_t stream) {
    return api("cudaMallocFromPoolAsync", [&] {
        if (stream_of(stream).capture != nullptr)
            stop("memory is allocated on a captured stream, so it would belong to the graph");
        const std::shared_ptr<PoolState> state = pool->state;
        if (!state->take(bytes, &stream_of(stream))) {
            if (!take_from_gpu(bytes))
                return cudaErrorMemoryAllocation;
            state->reserved += bytes;
        }
        char* const start = map_memory(bytes, {0, 0, state, false, false});
        if (start == nullptr)
            stop("no address space for device memory");
        state->used += bytes;
        enqueue_work(stream, [start] {
            Allocation& allocation = emulator().device_memory.at(start);
            allocation.reached = true;
            mprotect(start, allocation.mapped, PROT_READ | PROT_WRITE);
        });
        *data = start;
        return cudaSuccess;
    });
}

cudaError_t cudaFreeAsync(void* data, cudaStream_t stream) {
    return api("cudaFreeAsync", [&] {
        if (stream_of(stream).capture != nullptr)
            stop("memory that no graph has allocated is freed on a captured stream");
        const auto found = emulator().device_memory.find(static_cast<char*>(data));
        if (found == emulator().device_memory.end() || found->second.pool == nullptr || found->second.freed)
            return cudaErrorInvalidValue;
        found->second.freed = true;
        found->second.pool->to_be_freed.push_back({found->first, &stream_of(stream), found->second.bytes});
        --emulator().counters.live_objects;
        enqueue_work(stream, [start = found->first] {
            auto& memory = emulator().device_memory;
            const Allocation allocation = memory.at(start);
            memory.erase(start);
            mprotect(start, allocation.mapped, PROT_NONE);
            madvise(start, allocation.mapped, MADV_DONTNEED);
            PoolState& pool = *allocation.pool;
            pool.used -= allocation.bytes;
            const auto piece = std::find_if(pool.to_be_freed.begin(), pool.to_be_freed.end(),
                                            [&](const auto& freed) { return freed.start == start; });
            if (piece->bytes > 0)
                pool.pieces.insert(piece->bytes);
            pool.to_be_freed.erase(piece);
            if (pool.destroyed)
                give_to_gpu(pool.give_back(0));
        });
        return cudaSuccess;
    });
}

cudaError_t cudaDeviceSynchronize() {
    return api("cudaDeviceSynchronize", [&] {
        if (breaks_captures())
            return cudaErrorStreamCaptureUnsupported;
        ++emulator().counters.device_waits;
        run_all();
        shrink_pools();
        return cudaSuccess;
    });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
    return api("cudaDeviceGetAttribute", [&] {
        *value = emulator().memory_pools;
        return cudaSuccess;
    });
}

cudaError_t cudaMallocHost(void** data, size_t bytes) {
    return api("cudaMallocHost", [&] {
        *data = std::aligned_alloc(page, (bytes + page - 1) / page * page);
        if (*data == nullptr)
            return cudaErrorMemoryAllocation;
        std::memset(*data, 0xff, bytes);
        emulator().pinned_memory[static_cast<char*>(*data)] = bytes;
        ++emulator().counters.live_objects;
        return cudaSuccess;
    });
}

cudaError_t cudaFreeHost(void* data) {
    return api("cudaFreeHost", [&] {
        run_all();
        if (emulator().pinned_memory.erase(static_cast<char*>(data)) == 0)
            return cudaErrorInvalidValue;
        std::free(data);
        --emulator().counters.live_objects;
        return cudaSuccess;
    });
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
    return api("cudaMemGetInfo", [&] {
        *total = static_cast<size_t>(emulator().memory_limit);
        *free = static_cast<size_t>(std::max<int64_t>(emulator().memory_limit - emulator().counters.device_bytes, 0));
        return cudaSuccess;
    });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* data) {
    return api("cudaPointerGetAttributes", [&] {
        *attributes = {};
        if (allocation_of(data, 1) != nullptr)
            attributes->type = cudaMemoryTypeDevice;
        else if (is_pinned(data))
            attributes->type = cudaMemoryTypeHost;
        return cudaSuccess;
    });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
    return api("cudaStreamCreateWithFlags", [&] {
        create(stream);
        emulator().streams.push_back(*stream);
        return cudaSuccess;
    });
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    return api("cudaStreamDestroy", [&] {
        run(*stream);
        auto& streams = emulator().streams;
        streams.erase(std::find(streams.begin(), streams.end(), stream));
        return destroy(stream);
    });
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    return api("cudaStreamSynchronize", [&] {
        if (breaks_capture(stream))
            return cudaErrorStreamCaptureUnsupported;
        run(stream_of(stream));
        shrink_pools();
        return cudaSuccess;
    });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
    return api("cudaStreamWaitEvent", [&] {
        if (event->stream == nullptr)
            return cudaSuccess; // never recorded
        enqueue_work(stream, [state = event->state, source = event->stream, record = event->state->recorded] {
            run_until(*source, *state, record);
        });
        return cudaSuccess;
    });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
    return api("cudaEventCreateWithFlags", [&] { return create(event); });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    return api("cudaEventRecord", [&] {
        event->stream = &stream_of(stream);
        enqueue_work(stream, [state = event->state, record = ++event->state->recorded] { state->reached = record; });
        return cudaSuccess;
    });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    return api("cudaEventSynchronize", [&] {
        if (event->stream != nullptr)
            run_until(*event->stream, *event->state, event->state->recorded);
        return cudaSuccess;
    });
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
    return api("cudaEventDestroy", [&] { return destroy(event); });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
    return cudaMemcpy2DAsync(to, bytes, from, bytes, bytes, 1, kind, stream);
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                              size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
    return api("cudaMemcpyAsync", [&] {
        const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
        const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
        const size_t to_bytes = (height - 1) * to_pitch + width, from_bytes = (height - 1) * from_pitch + width;
        if (width == 0 || height == 0)
            return cudaSuccess;
        if (to_device != (allocation_of(to, to_bytes) != nullptr) ||
            from_device != (allocation_of(from, from_bytes) != nullptr))
            return cudaErrorInvalidValue;
        const auto copy = [=](const void* source) {
            for (size_t row = 0; row < height; ++row)
                std::memcpy(static_cast<char*>(to) + row * to_pitch,
                            static_cast<const char*>(source) + row * from_pitch, width);
        };
        if (to_device && !from_device && !is_pinned(from) && !emulator().host_page_tables) {
            if (breaks_capture(stream))
                return cudaErrorStreamCaptureUnsupported;
            const auto* const bytes = static_cast<const char*>(from);
            enqueue_work(stream,
                         [copy, staged = std::vector<char>(bytes, bytes + from_bytes)] { copy(staged.data()); });
            return cudaSuccess;
        }
        if (from_device && !to_device && !is_pinned(to)) {
            if (breaks_capture(stream))
                return cudaErrorStreamCaptureUnsupported;
            const DeviceWork touching;
            run(stream_of(stream));
            copy(from);
            return cudaSuccess;
        }
        enqueue_work(stream, [copy, from] { copy(from); });
        return cudaSuccess;
    });
}

cudaError_t cudaMemsetAsync(void* data, int value, size_t bytes, cudaStream_t stream) {
    return api("cudaMemsetAsync", [&] {
        if (allocation_of(data, bytes) == nullptr)
            return cudaErrorInvalidValue;
        enqueue_work(stream, [=] { std::memset(data, value, bytes); });
        return cudaSuccess;
    });
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes*, const void*) {
    return api("cudaFuncGetAttributes", [] { return cudaSuccess; });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
    return api("cudaStreamIsCapturing", [&] {
        *status = stream->capture != nullptr ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
        return cudaSuccess;
    });
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
    return api("cudaStreamBeginCapture", [&] {
        if (stream->capture != nullptr)
            stop("a stream that is being captured cannot be captured once more");
        ++emulator().counters.captures;
        stream->capture = std::make_unique<std::vector<Work>>();
        stream->capture_failed = false;
        return cudaSuccess;
    });
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
    // It ends the capture even where it fails.
    const std::lock_guard<std::recursive_mutex> lock(emulator().mutex);
    const std::unique_ptr<std::vector<Work>> captured = std::move(stream->capture);
    *graph = nullptr;
    return api("cudaStreamEndCapture", [&] {
        if (captured == nullptr)
            return cudaErrorInvalidValue;
        if (stream->capture_failed)
            return cudaErrorStreamCaptureInvalidated;
        create(graph);
        (*graph)->nodes = std::move(*captured);
        return cudaSuccess;
    });
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
    return api("cudaGraphInstantiateWithFlags", [&] {
        create(executable);
        (*executable)->nodes = graph->nodes;
        emulator().counters.graph_nodes += static_cast<int64_t>(graph->nodes.size());
        return cudaSuccess;
    });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
    return api("cudaGraphLaunch", [&] {
        ++emulator().counters.graph_launches;
        for (const Work& node : executable->nodes)
            enqueue_work(stream, node);
        return cudaSuccess;
    });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
    return api("cudaGraphExecDestroy", [&] {
        emulator().counters.graph_nodes -= static_cast<int64_t>(executable->nodes.size());
        return destroy(executable);
    });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    return api("cudaGraphDestroy", [&] { return destroy(graph); });
}

namespace {

/** A column-major product, as cuBLAS defines it. */
struct Gemm {
    bool a_transposed, b_transposed;
    int m, n, k;
    const void* a;
    int lda;
    long long a_stride;
    const void* b;
    int ldb;
    long long b_stride;
    void* c;
    int ldc;
    long long c_stride;
    int count;
    cublasComputeType_t compute;
};

/** Rounds to the nearest of the numbers with so many bits of mantissa, to even where two are. */
float round_mantissa(float value, int bits) {
    uint32_t word;
    std::memcpy(&word, &value, sizeof word);
    if ((word & 0x7f800000u) == 0x7f800000u)
        return value;
    const int dropped = 23 - bits;
    word += ((word >> dropped) & 1u) + (1u << (dropped - 1)) - 1;
    word &= ~((1u << dropped) - 1);
    std::memcpy(&value, &word, sizeof value);
    return value;
}

template <class T> T operand(T value, cublasComputeType_t compute) {
    if (compute == CUBLAS_COMPUTE_32F_FAST_TF32)
        return static_cast<T>(round_mantissa(static_cast<float>(value), 10));
    if (compute == CUBLAS_COMPUTE_32F_FAST_16BF)
        return static_cast<T>(round_mantissa(static_cast<float>(value), 7));
    return value;
}

template <class T> void multiply(const Gemm& g, T alpha, T beta) {
    std::vector<T> a(static_cast<size_t>(g.m) * static_cast<size_t>(g.k)), sums(static_cast<size_t>(g.m));
    for (long long batch = 0; batch < g.count; ++batch) {
        const T* const first_a = static_cast<const T*>(g.a) + batch * g.a_stride;
        const T* const first_b = static_cast<const T*>(g.b) + batch * g.b_stride;
        T* const first_c = static_cast<T*>(g.c) + batch * g.c_stride;
        for (int k = 0; k < g.k; ++k)
            for (int i = 0; i < g.m; ++i)
                a[static_cast<size_t>(k) * static_cast<size_t>(g.m) + static_cast<size_t>(i)] =
                    operand(first_a[g.a_transposed ? static_cast<ptrdiff_t>(i) * g.lda + k
                                                   : static_cast<ptrdiff_t>(k) * g.lda + i],
                            g.compute);
        for (int j = 0; j < g.n; ++j) {
            std::fill(sums.begin(), sums.end(), T(0));
            for (int k = 0; k < g.k; ++k) {
                const T factor = operand(first_b[g.b_transposed ? static_cast<ptrdiff_t>(k) * g.ldb + j
                                                                : static_cast<ptrdiff_t>(j) * g.ldb + k],
                                         g.compute);
                const T* const column = a.data() + static_cast<size_t>(k) * static_cast<size_t>(g.m);
                for (int i = 0; i < g.m; ++i)
                    sums[static_cast<size_t>(i)] += column[i] * factor;
            }
            T* const out = first_c + static_cast<ptrdiff_t>(j) * g.ldc;
            for (int i = 0; i < g.m; ++i) // a beta of 0 forgets C, even where it is NaN
                out[i] = alpha * sums[static_cast<size_t>(i)] + (beta == T(0) ? T(0) : beta * out[i]);
        }
    }
}

cublasStatus_t enqueue_product(const char* function, cublasHandle_t handle, const Gemm& g, const void* alpha,
                               const void* beta) {
    return api<cublasStatus_t>(function, [&] {
        const int a_rows = g.a_transposed ? g.k : g.m, b_rows = g.b_transposed ? g.n : g.k;
        if (g.m < 0 || g.n < 0 || g.k < 0 || g.lda < std::max(1, a_rows) || g.ldb < std::max(1, b_rows) ||
            g.ldc < std::max(1, g.m) || g.count < 0)
            return CUBLAS_STATUS_INVALID_VALUE;
        const auto& streams = emulator().streams;
        if (handle->stream != nullptr && std::find(streams.begin(), streams.end(), handle->stream) == streams.end())
            stop("a product is asked for on a stream that was destroyed");
        if (handle->workspace == nullptr)
            stop("a product has no workspace of its own, so its bits may differ from run to run");
        ++emulator().counters.products;
        const auto enqueue = [&](auto type) {
            enqueue_work(handle->stream,
                         [g, workspace = handle->workspace, alpha = *static_cast<const decltype(type)*>(alpha),
                          beta = *static_cast<const decltype(type)*>(beta)] {
                             if (allocation_of(workspace, 1) == nullptr)
                                 stop("a product uses a workspace that was freed");
                             multiply(g, alpha, beta);
                         });
        };
        if (g.compute == CUBLAS_COMPUTE_64F)
            enqueue(double());
        else
            enqueue(float());
        return CUBLAS_STATUS_SUCCESS;
    });
}

} // namespace

const char* cublasGetStatusName(cublasStatus_t status) {
    return status == CUBLAS_STATUS_INVALID_VALUE ? "CUBLAS_STATUS_INVALID_VALUE" : "CUBLAS_STATUS_EXECUTION_FAILED";
}

cublasStatus_t cublasCreate(cublasHandle_t* handle) {
    return api<cublasStatus_t>("cublasCreate", [&] {
        create(handle);
        return CUBLAS_STATUS_SUCCESS;
    });
}

cublasStatus_t cublasDestroy(cublasHandle_t handle) {
    return api<cublasStatus_t>("cublasDestroy", [&] {
        destroy(handle);
        return CUBLAS_STATUS_SUCCESS;
    });
}

cublasStatus_t cublasGetVersion(cublasHandle_t, int* version) {
    *version = 120000;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetStream(cublasHandle_t handle, cudaStream_t* stream) {
    return api<cublasStatus_t>("cublasGetStream", [&] {
        *stream = handle->stream;
        return CUBLAS_STATUS_SUCCESS;
    });
}

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
    handle->stream = stream;
    handle->workspace = nullptr;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void* workspace, size_t) {
    handle->workspace = workspace;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetPointerMode(cublasHandle_t, cublasPointerMode_t) {
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetMathMode(cublasHandle_t, cublasMath_t) {
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetAtomicsMode(cublasHandle_t, cublasAtomicsMode_t) {
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t a_operation, cublasOperation_t b_operation, int m,
                            int n, int k, const void* alpha, const void* a, cudaDataType_t, int lda, const void* b,
                            cudaDataType_t, int ldb, const void* beta, void* c, cudaDataType_t, int ldc,
                            cublasComputeType_t compute, cublasGemmAlgo_t) {
    return enqueue_product(
        "cublasGemmEx", handle,
        {a_operation == CUBLAS_OP_T, b_operation == CUBLAS_OP_T, m, n, k, a, lda, 0, b, ldb, 0, c, ldc, 0, 1, compute},
        alpha, beta);
}

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t a_operation,
                                          cublasOperation_t b_operation, int m, int n, int k, const void* alpha,
                                          const void* a, cudaDataType_t, int lda, long long a_stride, const void* b,
                                          cudaDataType_t, int ldb, long long b_stride, const void* beta, void* c,
                                          cudaDataType_t, int ldc, long long c_stride, int count,
                                          cublasComputeType_t compute, cublasGemmAlgo_t) {
    return enqueue_product("cublasGemmStridedBatchedEx", handle,
                           {a_operation == CUBLAS_OP_T, b_operation == CUBLAS_OP_T, m, n, k, a, lda, a_stride, b, ldb,
                            b_stride, c, ldc, c_stride, count, compute},
                           alpha, beta);
}
