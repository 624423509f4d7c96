// Running out of memory, at every allocation of every function of the C interface: the call says so, has changed
// nothing, and does what it always does when it is made again.
//
// The program is linked with the library's objects, so that all its allocations pass through here: operator new is
// replaced, and the linker sends aligned_alloc, mmap, madvise, open and the start of threads to the functions below
// (--wrap).
#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <new>
#include <set>
#include <sstream>
#include <system_error>

#include "chain_problem.hpp"

namespace {

/** Counts allocations down, and refuses the one that was asked for. */
class Faults {
public:
    /** Refuses the k-th allocation from now on, counted from 1. */
    void arm(int64_t k) {
        fired_ = false;
        left_ = k;
    }
    /** @return whether an allocation was refused since arm() */
    bool disarm() {
        left_ = 0;
        return fired_;
    }
    bool refuses() noexcept {
        if (left_.load(std::memory_order_relaxed) <= 0 || left_.fetch_sub(1) != 1)
            return false;
        fired_ = true;
        return true;
    }
    void count(int64_t change) noexcept { live_.fetch_add(change, std::memory_order_relaxed); }
    void count_open() noexcept { opened_.fetch_add(1, std::memory_order_relaxed); }
    /** Files that were opened. */
    int64_t opened() const noexcept { return opened_.load(); }
    /** Allocations that are not freed. */
    int64_t live() const noexcept { return live_.load(); }

private:
    std::atomic<int64_t> left_{0};
    std::atomic<int64_t> live_{0};
    std::atomic<int64_t> opened_{0};
    std::atomic<bool> fired_{false};
};

Faults faults;

} // namespace

extern "C" {
void __real_free(void* memory);
void* __real_aligned_alloc(size_t alignment, size_t size);
void* __real_mmap(void* address, size_t length, int protection, int flags, int file, off_t offset);
int __real_madvise(void* address, size_t length, int advice);
int __real_open(const char* path, int flags, ...);
void __real__ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE(void*, void*,
                                                                                                  void (*)());

void __wrap_free(void* memory) {
    if (memory != nullptr)
        faults.count(-1);
    __real_free(memory);
}
void* __wrap_aligned_alloc(size_t alignment, size_t size) {
    if (faults.refuses())
        return nullptr;
    faults.count(1);
    return __real_aligned_alloc(alignment, size);
}
void* __wrap_mmap(void* address, size_t length, int protection, int flags, int file, off_t offset) {
    if (faults.refuses()) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return __real_mmap(address, length, protection, flags, file, offset);
}
int __wrap_madvise(void* address, size_t length, int advice) {
    // Pages are made at once, which is where a system that promised too much has to say so.
    if (advice != MADV_HUGEPAGE && faults.refuses()) {
        errno = ENOMEM;
        return -1;
    }
    return __real_madvise(address, length, advice);
}
/** The library only reads files, so that no mode is passed. */
int __wrap_open(const char* path, int flags, ...) {
    faults.count_open();
    return __real_open(path, flags);
}
/** std::thread's own: starts the thread that the library made. */
void __wrap__ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE(void* thread,
                                                                                                  void* state,
                                                                                                  void (*depend)()) {
    if (faults.refuses())
        throw std::system_error(EAGAIN, std::generic_category());
    __real__ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE(thread, state, depend);
}
}

static void* allocate(size_t size, size_t alignment) {
    void* const memory = faults.refuses() ? nullptr
                         : alignment == 0
                             ? std::malloc(size)
                             : __real_aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (memory == nullptr)
        throw std::bad_alloc();
    faults.count(1);
    return memory;
}

void* operator new(size_t size) {
    return allocate(size, 0);
}
void* operator new(size_t size, std::align_val_t alignment) {
    return allocate(size, static_cast<size_t>(alignment));
}
// free is wrapped, and counts.
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, size_t, std::align_val_t) noexcept {
    std::free(memory);
}

namespace ortho::test {
namespace {

constexpr int64_t rows = 70, inputs = 40, outputs = 33, classes = 12;

/** A device, what is made on it, and all the memory that calls may write. */
struct World {
    explicit World(int threads = 2) : device(make_device(threads)) {}
    ~World() {
        ortho_streams_free(streams);
        ortho_chain_free(chain);
        ortho_weights_free(prepared);
        ortho_staging_free(staging);
        ortho_buffer_free(buffer);
        ortho_device_free(made);
    }
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    Device device;
    ortho_device* made = nullptr;
    ortho_buffer* buffer = nullptr;
    ortho_staging* staging = nullptr;
    ortho_chain* chain = nullptr;
    ortho_weights* prepared = nullptr;
    ortho_streams* streams = nullptr;

    std::vector<float> x = normal_values<float>(rows * inputs, 1), weights = normal_values<float>(outputs * inputs, 2),
                       y = normal_values<float>(rows * outputs, 3), bias = normal_values<float>(outputs, 4),
                       dw = normal_values<float>(outputs * inputs, 5), db = normal_values<float>(outputs, 6),
                       dx = normal_values<float>(rows * inputs, 7), other = normal_values<float>(rows * inputs, 8);
    std::vector<int64_t> permutation = std::vector<int64_t>(50, -1);
    double number = 0.25;
    int64_t count = 77;

    // Of a chain.
    Problem problem, larger;
    std::vector<float> chain_weights, chain_input_weights, chain_bias, chain_inputs, larger_inputs, initial, arriving,
        larger_arriving, states, larger_states, final_states, final_gradients, d_weights, d_input_weights, d_bias,
        d_inputs, d_initial;
    std::vector<double> filter;

    /** Everything that calls may write, byte for byte. */
    std::string contents() const {
        std::string bytes;
        const auto add = [&](const auto& values) {
            bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof values[0]);
        };
        for (const auto* values : {&x, &y, &dw, &db, &dx, &other, &states, &larger_states, &final_states, &d_weights,
                                   &d_input_weights, &d_bias, &d_inputs, &d_initial})
            add(*values);
        add(permutation);
        add(filter);
        bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
        bytes.append(reinterpret_cast<const char*>(&count), sizeof count);
        for (const void* object :
             {static_cast<const void*>(made), static_cast<const void*>(buffer), static_cast<const void*>(staging),
              static_cast<const void*>(chain), static_cast<const void*>(prepared), static_cast<const void*>(streams)})
            bytes += object != nullptr ? 'o' : '-';
        return bytes;
    }

    /** Sets up a chain for a problem, and data for it and for a larger one. */
    void prepare_chain(Problem p, int64_t times) {
        fill(p);
        problem = p;
        larger = p;
        (p.recurrent() ? larger.shape.steps : larger.shape.batch) *= times;
        fill(larger);
        const auto floats = [](const std::vector<double>& values) { return convert<float>(values); };
        chain_weights = floats(p.weights);
        chain_input_weights = floats(p.input_weights);
        chain_bias = floats(p.bias);
        chain_inputs = floats(p.inputs);
        larger_inputs = floats(larger.inputs);
        initial = floats(larger.x0);
        arriving = floats(p.arriving);
        larger_arriving = floats(larger.arriving);
        states.assign(arriving.size(), 0.5f);
        larger_states.assign(larger_arriving.size(), 0.5f);
        d_weights.assign(chain_weights.size(), 1.5f);
        d_input_weights.assign(chain_input_weights.size(), 1.5f);
        d_bias.assign(chain_bias.size(), 1.5f);
        d_inputs.assign(larger_inputs.size(), 1.5f);
        d_initial.assign(initial.size(), 1.5f);
        // Where they fit both problems.
        const size_t state = larger.x0.size() == initial.size() ? initial.size() : 0;
        final_states.assign(state, 0.5f);
        final_gradients.assign(state, 0.25f);
        filter.assign(static_cast<size_t>(p.shape.units * p.shape.units), 0.5);
    }
    ortho_status create_chain() {
        const ortho_chain_options options = options_of(problem, ORTHO_FLOAT32);
        return ortho_chain_create(&chain, device.get(), &options);
    }
    ortho_status create_weights() {
        const ortho_chain_options options = options_of(problem, ORTHO_FLOAT32);
        return ortho_weights_create(&prepared, device.get(), &options);
    }
    ortho_status prepare_weights() {
        return ortho_weights_prepare(prepared, 0, 1, chain_weights.data(), data_or_null(chain_input_weights),
                                     chain_bias.data());
    }
    ortho_status forward(bool of_larger, bool training = true) {
        const Problem& p = of_larger ? larger : problem;
        const bool own = prepared == nullptr;
        return ortho_chain_forward(chain, p.recurrent() ? p.shape.steps : 0, p.shape.batch, nullptr, nullptr,
                                   p.output_steps, training, own ? chain_weights.data() : nullptr,
                                   own ? data_or_null(chain_input_weights) : nullptr, own ? chain_bias.data() : nullptr,
                                   data_or_null(of_larger ? larger_inputs : chain_inputs), initial.data(),
                                   (of_larger ? larger_states : states).data(), data_or_null(final_states));
    }
    ortho_status backward(bool of_larger) {
        const bool own = prepared == nullptr;
        return ortho_chain_backward(
            chain, 1, own ? chain_weights.data() : nullptr, own ? data_or_null(chain_input_weights) : nullptr,
            own ? chain_bias.data() : nullptr, data_or_null(of_larger ? larger_inputs : chain_inputs),
            (of_larger ? larger_arriving : arriving).data(), data_or_null(final_gradients), d_weights.data(),
            data_or_null(d_input_weights), d_bias.data(), data_or_null(d_inputs), d_initial.data());
    }
};

struct Operation {
    const char* function;
    std::string variant;
    /** Whether there is an allocation that can be refused. */
    bool allocates;
    std::function<ortho_status(World&)> call;
    std::function<void(World&)> before = [](World&) {};
    /** What shows that the call has done its work, beside the memory. */
    std::function<ortho_status(World&)> after = [](World&) { return ORTHO_OK; };
    /** What still works after a call that failed. */
    std::function<ortho_status(World&)> still_works = [](World&) { return ORTHO_OK; };
};

/** Chains of every kind of memory: shared and drawn anew, dense and moved, recomputed, and of more than 4 MiB. */
std::vector<std::pair<std::string, Problem>> problems() {
    std::vector<std::pair<std::string, Problem>> all;
    const auto add = [&](const char* name, Shape shape, auto change) {
        Problem p = make_problem(shape);
        change(p);
        all.emplace_back(name, p);
    };
    add("recurrent", {5, 40, 3, 24}, [](Problem&) {});
    add("recurrent cycle", {5, 3, 0, 24}, [](Problem& p) { p.filter = ORTHO_FILTER_CYCLE; });
    add("recurrent checkpoints", {9, 33, 2, 20}, [](Problem& p) { p.checkpoint_every = 2; });
    add("recurrent large", {400, 32, 1, 48}, [](Problem&) {});
    add("recurrent blocks", {5, 3, 0, 24}, [](Problem& p) { set_mixed_blocks(p); });
    add("GRU", {5, 40, 3, 24}, [](Problem& p) { p.cell = ORTHO_CELL_GRU; });
    add("LSTM checkpoints", {9, 33, 2, 20}, [](Problem& p) {
        p.cell = ORTHO_CELL_LSTM;
        p.recurrent_bias = true;
        p.checkpoint_every = 2;
    });
    const auto layers = [](Problem& p) { p.model = ORTHO_FEEDFORWARD; };
    add("layers", {4, 9, 0, 20}, layers);
    add("layers with filters", {5, 9, 0, 20}, [&](Problem& p) {
        layers(p);
        p.filter_per_layer = true;
        p.checkpoint_every = 2;
    });
    add("layers with permutations", {5, 9, 0, 20}, [&](Problem& p) {
        layers(p);
        p.filter_per_layer = true;
        p.filter = ORTHO_FILTER_PERMUTATION;
    });
    add("layers with blocks", {5, 9, 0, 20}, [&](Problem& p) {
        layers(p);
        p.filter_per_layer = true;
        set_mixed_blocks(p);
    });
    return all;
}

std::vector<Operation> operations() {
    std::vector<Operation> all;
    const auto ok = [](auto call) {
        return [call](World& w) {
            call(w);
            return ORTHO_OK;
        };
    };
    const auto add = [&](
                         const char* function, bool allocates, std::function<ortho_status(World&)> call,
                         std::function<void(World&)> before = [](World&) {}) {
        Operation operation{function, "", allocates, std::move(call)};
        operation.before = std::move(before);
        all.push_back(std::move(operation));
    };
    const auto device = [](World& w) { return w.device.get(); };
    const auto make_buffer = [=](World& w) { ortho_buffer_create(&w.buffer, device(w), 256); };
    const auto make_staging = [=](World& w) { ortho_staging_create(&w.staging, device(w), 256); };
    add("ortho_abi_version", false, ok([](World&) { ortho_abi_version(); }));
    add("ortho_version", false, ok([](World&) { ortho_version(); }));
    add("ortho_header_hash", false, ok([](World&) { ortho_header_hash(); }));
    add("ortho_last_error", false, ok([](World&) { ortho_last_error(); }));
    add("ortho_get_last_error", false, [](World&) {
        ortho_error error = ORTHO_ERROR_INIT;
        error.struct_size = sizeof error;
        return ortho_get_last_error(&error);
    });
    add("ortho_live_objects", false, ok([](World&) { ortho_live_objects(); }));
    add("ortho_layout", false, ok([](World&) { ortho_layout("ortho_chain_options"); }));
    add("ortho_get_system_info", false, [](World&) {
        ortho_system_info info = ORTHO_SYSTEM_INFO_INIT;
        return ortho_get_system_info(&info);
    });
    add("ortho_device_create", true, [](World& w) {
        const ortho_device_options options = device_options(ORTHO_DEVICE_CPU, 4);
        return ortho_device_create(&w.made, &options);
    });
    add("ortho_device_free", false, ok([](World& w) { ortho_device_free(std::exchange(w.made, nullptr)); }),
        [](World& w) { ortho_device_create(&w.made, nullptr); });
    add("ortho_device_threads", false, ok([=](World& w) { ortho_device_threads(device(w)); }));
    add("ortho_device_name", false, ok([=](World& w) { ortho_device_name(device(w)); }));
    add("ortho_device_get_info", false, [=](World& w) {
        ortho_device_info info = ORTHO_DEVICE_INFO_INIT;
        return ortho_device_get_info(device(w), &info);
    });
    add("ortho_device_synchronize", false, [=](World& w) { return ortho_device_synchronize(device(w)); });
    for (const int64_t bytes : {int64_t{100}, int64_t{5} << 20})
        add("ortho_buffer_create", true, [=](World& w) { return ortho_buffer_create(&w.buffer, device(w), bytes); });
    add("ortho_buffer_wrap", true, [=](World& w) { return ortho_buffer_wrap(&w.buffer, device(w), w.x.data(), 8); });
    add("ortho_buffer_data", false, ok([](World& w) { ortho_buffer_data(w.buffer); }), make_buffer);
    add("ortho_buffer_bytes", false, ok([](World& w) { ortho_buffer_bytes(w.buffer); }), make_buffer);
    add("ortho_buffer_free", false, ok([](World& w) { ortho_buffer_free(std::exchange(w.buffer, nullptr)); }),
        make_buffer);
    add("ortho_copy_from_host", false,
        [=](World& w) { return ortho_copy_from_host(device(w), w.dx.data(), w.x.data(), 400); });
    add("ortho_copy_to_host", false,
        [=](World& w) { return ortho_copy_to_host(device(w), w.dx.data(), w.x.data(), 400); });
    add("ortho_copy", false, [=](World& w) { return ortho_copy(device(w), w.dx.data(), w.x.data(), 400); });
    add("ortho_fill", false, [=](World& w) { return ortho_fill(device(w), ORTHO_FLOAT32, 100, w.dx.data(), 3); });
    for (const int64_t bytes : {int64_t{100}, int64_t{5} << 20})
        add("ortho_staging_create", true, [=](World& w) { return ortho_staging_create(&w.staging, device(w), bytes); });
    add("ortho_staging_data", false, ok([](World& w) { ortho_staging_data(w.staging); }), make_staging);
    add(
        "ortho_staging_upload", false, [](World& w) { return ortho_staging_upload(w.staging, w.dx.data(), 256); },
        make_staging);
    add(
        "ortho_staging_join", false, [](World& w) { return ortho_staging_join(w.staging); }, make_staging);
    add(
        "ortho_staging_wait", false, [](World& w) { return ortho_staging_wait(w.staging); }, make_staging);
    add("ortho_staging_free", false, ok([](World& w) { ortho_staging_free(std::exchange(w.staging, nullptr)); }),
        make_staging);
    add("ortho_random_uniform", false, [](World& w) {
        return ortho_random_uniform(1, ORTHO_STREAM_DATA, 2, 0, 1, ORTHO_FLOAT32, 0, 1000, w.dx.data());
    });
    add("ortho_random_normal", false, [](World& w) {
        return ortho_random_normal(1, ORTHO_STREAM_DATA, 2, 0, 1, ORTHO_FLOAT32, 0, 1000, w.dx.data());
    });
    add("ortho_random_permutation", false,
        [](World& w) { return ortho_random_permutation(1, ORTHO_STREAM_DATA, 2, 50, w.permutation.data()); });
    add("ortho_add_normal_noise", false, [=](World& w) {
        return ortho_add_normal_noise(device(w), ORTHO_FLOAT32, 1, 0, 2, 0.5, 3, 5, 8, 25, w.x.data(), w.dx.data());
    });
    for (const int32_t same_steps : {0, 1})
        add("ortho_dropout", false, [=](World& w) {
            return ortho_dropout(device(w), ORTHO_FLOAT32, 1, 0, 2, 0.5, same_steps, 3, 5, 8, 25, w.x.data(),
                                 w.dx.data());
        });
    add("ortho_leaf_count", false, ok([](World&) { ortho_leaf_count(100); }));
    add("ortho_leaf_begin", false, ok([](World&) { ortho_leaf_begin(100, 3); }));
    add("ortho_partial_sum_count", false, [](World& w) { return ortho_partial_sum_count(128, 16, 48, &w.count); });
    add("ortho_add_partial_sums", false, [=](World& w) {
        return ortho_add_partial_sums(device(w), ORTHO_FLOAT32, 500, 128, 16, 16, 32, w.dx.data(), 600, w.x.data(),
                                      500);
    });
    static constexpr int32_t lengths[] = {7, 0, 3, 5};
    for (const int32_t pooling : {ORTHO_POOL_LAST, ORTHO_POOL_MEAN, ORTHO_POOL_MAX}) {
        add("ortho_pool_forward", false, [=](World& w) {
            return ortho_pool_forward(device(w), ORTHO_FLOAT32, pooling, 7, 4, 70, lengths, w.x.data(), w.dx.data());
        });
        add("ortho_pool_backward", false, [=](World& w) {
            return ortho_pool_backward(device(w), ORTHO_FLOAT32, pooling, 7, 4, 70, lengths, w.x.data(), w.other.data(),
                                       w.dx.data());
        });
    }
    add("ortho_reverse", false,
        [=](World& w) { return ortho_reverse(device(w), ORTHO_FLOAT32, 7, 4, 70, lengths, w.x.data(), w.dx.data()); });
    add("ortho_windows_forward", false, [=](World& w) {
        return ortho_windows_forward(device(w), ORTHO_FLOAT32, 7, 4, 20, lengths, 3, 2, 1, w.x.data(), w.dx.data());
    });
    add("ortho_windows_backward", false, [=](World& w) {
        return ortho_windows_backward(device(w), ORTHO_FLOAT32, 7, 4, 20, lengths, 3, 2, 1, w.x.data(), w.dx.data());
    });
    add("ortho_mask", false,
        [=](World& w) { return ortho_mask(device(w), ORTHO_FLOAT32, 7, 4, 90, lengths, w.x.data(), w.dx.data()); });
    add("ortho_activation_forward", false, [=](World& w) {
        return ortho_activation_forward(device(w), ORTHO_FLOAT32, ORTHO_GELU, 1000, w.x.data(), w.dx.data());
    });
    add("ortho_activation_backward", false, [=](World& w) {
        return ortho_activation_backward(device(w), ORTHO_FLOAT32, ORTHO_GELU, 1000, w.x.data(), w.other.data(),
                                         w.dx.data());
    });
    add("ortho_gate_forward", false, [=](World& w) {
        return ortho_gate_forward(device(w), ORTHO_FLOAT32, rows, inputs / 2, w.x.data(), w.dx.data());
    });
    add("ortho_gate_backward", false, [=](World& w) {
        return ortho_gate_backward(device(w), ORTHO_FLOAT32, rows, inputs / 2, w.x.data(), w.other.data(), w.dx.data());
    });
    add("ortho_layer_norm_forward", false, [=](World& w) {
        return ortho_layer_norm_forward(device(w), ORTHO_FLOAT32, rows, inputs, 1e-5, w.weights.data(), nullptr,
                                        w.x.data(), w.dx.data(), w.y.data());
    });
    for (const bool wants_x : {true, false})
        add("ortho_layer_norm_backward", true, [=](World& w) {
            return ortho_layer_norm_backward(device(w), ORTHO_FLOAT32, nullptr, 1, 1, rows, outputs, w.bias.data(),
                                             w.x.data(), w.weights.data(), w.y.data(), w.db.data(), w.dw.data(),
                                             wants_x ? w.dx.data() : nullptr);
        });
    add("ortho_add", false,
        [=](World& w) { return ortho_add(device(w), ORTHO_FLOAT32, 1000, w.x.data(), w.other.data(), w.dx.data()); });
    add("ortho_copy_columns", false, [=](World& w) {
        return ortho_copy_columns(device(w), ORTHO_FLOAT32, rows, 5, w.x.data(), inputs, 3, w.dx.data(), inputs, 7);
    });
    static constexpr int32_t indices[28] = {0, 9, 4, 4, 4, 1, 2, 9};
    add("ortho_embedding_forward", false, [=](World& w) {
        return ortho_embedding_forward(device(w), ORTHO_FLOAT32, 7, 4, lengths, 10, 70, w.x.data(), indices,
                                       w.dx.data());
    });
    for (const int32_t accumulate : {0, 1})
        add("ortho_embedding_backward", true, [=](World& w) {
            return ortho_embedding_backward(device(w), ORTHO_FLOAT32, nullptr, accumulate, 7, 4, lengths, 10, 70,
                                            indices, w.x.data(), w.dx.data());
        });
    add("ortho_dense_forward", true, [=](World& w) {
        return ortho_dense_forward(device(w), ORTHO_FLOAT32, rows, inputs, outputs, w.weights.data(), w.bias.data(),
                                   w.x.data(), w.y.data());
    });
    for (const bool wants_x : {true, false})
        add("ortho_dense_backward", true, [=](World& w) {
            return ortho_dense_backward(device(w), ORTHO_FLOAT32, nullptr, 1, 1, rows, inputs, outputs,
                                        w.weights.data(), w.x.data(), w.y.data(), w.dw.data(), w.db.data(),
                                        wants_x ? w.dx.data() : nullptr);
        });
    add("ortho_softmax_cross_entropy", true, [=](World& w) {
        const std::vector<int32_t>& targets = *[] {
            static const std::vector<int32_t> zeros(static_cast<size_t>(rows), 3);
            return &zeros;
        }();
        return ortho_softmax_cross_entropy(device(w), ORTHO_FLOAT32, 1, rows, nullptr, nullptr, nullptr, classes,
                                           nullptr, 0.1, w.x.data(), targets.data(), &w.number, &w.count, w.dx.data());
    });
    add("ortho_softmax_cross_entropy", true, [=](World& w) {
        static const std::vector<int32_t> zeros(static_cast<size_t>(rows), 3);
        static const std::vector<float> ones(static_cast<size_t>(std::max<int64_t>(rows, classes)), 1);
        return ortho_softmax_cross_entropy(device(w), ORTHO_FLOAT32, 1, rows, nullptr, ones.data(), nullptr, classes,
                                           ones.data(), 0.1, w.x.data(), zeros.data(), &w.number, &w.count,
                                           w.dx.data());
    });
    add("ortho_elementwise_loss", true, [=](World& w) {
        static const std::vector<float> ones(static_cast<size_t>(rows), 1);
        static constexpr double quantile = 0.5;
        return ortho_elementwise_loss(device(w), ORTHO_FLOAT32, ORTHO_LOSS_QUANTILE, 1, rows, nullptr, ones.data(),
                                      nullptr, inputs, &quantile, 1, w.x.data(), w.other.data(), &w.number,
                                      w.dx.data());
    });
    add("ortho_elementwise_loss", true, [=](World& w) {
        return ortho_elementwise_loss(device(w), ORTHO_FLOAT32, ORTHO_LOSS_SQUARED_ERROR, 1, rows * inputs, nullptr,
                                      nullptr, nullptr, 1, nullptr, 0, w.x.data(), w.other.data(), &w.number,
                                      w.dx.data());
    });
    // Of a part, with lengths.
    add("ortho_elementwise_loss", true, [=](World& w) {
        ortho_batch_part part = ORTHO_BATCH_PART_INIT;
        part.batch = 7;
        part.weight = 99;
        static constexpr int32_t seven[] = {10, 0, 3, 5, 1, 2, 10};
        return ortho_elementwise_loss(device(w), ORTHO_FLOAT32, ORTHO_LOSS_SQUARED_ERROR, 10, 7, seven, nullptr, &part,
                                      40, nullptr, 0, w.x.data(), w.other.data(), &w.number, w.dx.data());
    });
    add("ortho_clip_gradient_norm", true, [=](World& w) {
        return ortho_clip_gradient_norm(device(w), ORTHO_FLOAT32, rows * inputs, w.x.data(), 0.5, &w.number);
    });
    // Groups that are not in order are sorted.
    static constexpr ortho_parameter_group groups[] = {{500, 100, 0.1, 0.01}, {0, 500, 0.2, 0}};
    add("ortho_sgd_step", true, [=](World& w) {
        return ortho_sgd_step(device(w), ORTHO_FLOAT32, 1000, w.dx.data(), w.x.data(), w.other.data(), 0.9, 1, groups,
                              2);
    });
    add(
        "ortho_adam_step", true,
        [=](World& w) {
            return ortho_adam_step(device(w), ORTHO_FLOAT32, 1000, w.dx.data(), w.x.data(), w.other.data(), w.y.data(),
                                   nullptr, 3, 0.9, 0.999, 1e-8, 1, groups, 2);
        },
        [](World& w) {
            for (float& value : w.y)
                value = std::abs(value);
        });
    add(
        "ortho_rmsprop_step", true,
        [=](World& w) {
            return ortho_rmsprop_step(device(w), ORTHO_FLOAT32, 1000, w.dx.data(), w.x.data(), w.y.data(), nullptr,
                                      w.other.data(), 0.99, 0.9, 1e-8, groups, 2);
        },
        [](World& w) {
            for (float& value : w.y)
                value = std::abs(value);
        });
    add("ortho_lion_step", true, [=](World& w) {
        return ortho_lion_step(device(w), ORTHO_FLOAT32, 1000, w.dx.data(), w.x.data(), w.other.data(), 0.9, 0.99,
                               groups, 2);
    });
    add("ortho_scale", false,
        [=](World& w) { return ortho_scale(device(w), ORTHO_FLOAT32, rows * inputs, 0.5, w.x.data()); });
    add("ortho_average", false,
        [=](World& w) { return ortho_average(device(w), ORTHO_FLOAT32, rows * inputs, 0.9, w.x.data(), w.dx.data()); });
    for (const auto& [name, p] : problems()) {
        const auto prepare = [p = p](World& w) { w.prepare_chain(p, 2); };
        const auto create = [=](World& w) {
            prepare(w);
            EXPECT_TRUE(succeeds(w.create_chain()));
        };
        const auto pass = [=](World& w) {
            create(w);
            EXPECT_TRUE(succeeds(w.forward(false)));
        };
        const auto train = [](World& w) {
            const ortho_status status = w.forward(false);
            return status == ORTHO_OK ? w.backward(false) : status;
        };
        Operation operation{"ortho_chain_create", name, true, [](World& w) { return w.create_chain(); }, prepare};
        operation.after = train;
        all.push_back(operation);
        if (p.cell == ORTHO_CELL_FILTER) {
            operation = {"ortho_chain_filter", name, true,
                         [](World& w) { return ortho_chain_filter(w.chain, 0, w.filter.data()); }, create};
            all.push_back(operation);
        }
        operation = {"ortho_chain_memory", name, false,
                     [](World& w) {
                         return ortho_chain_memory(w.chain, w.problem.recurrent() ? 7 : 0, 5, 1, &w.count, nullptr);
                     },
                     create};
        all.push_back(operation);
        operation = {"ortho_chain_forward", name + ", first", true, [](World& w) { return w.forward(false); }, create};
        operation.after = [](World& w) { return w.backward(false); };
        all.push_back(operation);
        operation = {"ortho_chain_forward", name + ", inference", true,
                     [](World& w) { return w.forward(false, false); }, create};
        all.push_back(operation);
        // The forward pass before can still be backpropagated when this one fails.
        operation = {"ortho_chain_forward", name + ", of more after another", true,
                     [](World& w) { return w.forward(true); }, pass};
        operation.after = [](World& w) { return w.backward(true); };
        operation.still_works = [](World& w) { return w.backward(false); };
        all.push_back(operation);
        operation = {"ortho_chain_backward", name, true, [](World& w) { return w.backward(false); }, pass};
        operation.after = train;
        all.push_back(operation);
        operation = {"ortho_chain_backward", name + ", again", true, [](World& w) { return w.backward(false); },
                     [=](World& w) {
                         pass(w);
                         EXPECT_TRUE(succeeds(w.backward(false)));
                         EXPECT_TRUE(succeeds(w.forward(false)));
                     }};
        all.push_back(operation);
        operation = {"ortho_chain_free", name, false,
                     [](World& w) {
                         ortho_chain_free(std::exchange(w.chain, nullptr));
                         return ORTHO_OK;
                     },
                     pass};
        all.push_back(operation);

        const auto create_weights = [=](World& w) {
            prepare(w);
            EXPECT_TRUE(succeeds(w.create_weights()));
        };
        const auto prepared = [=](World& w) {
            create_weights(w);
            EXPECT_TRUE(succeeds(w.prepare_weights()));
        };
        const auto create_on = [](World& w) { return ortho_chain_create_on(&w.chain, w.prepared); };
        const auto prepared_chain = [=](World& w) {
            prepared(w);
            EXPECT_TRUE(succeeds(create_on(w)));
        };
        operation = {"ortho_weights_create", name, true, [](World& w) { return w.create_weights(); }, prepare};
        operation.after = [=](World& w) {
            const ortho_status status = w.prepare_weights();
            if (status != ORTHO_OK)
                return status;
            return create_on(w) == ORTHO_OK ? train(w) : ORTHO_INTERNAL;
        };
        all.push_back(operation);
        operation = {"ortho_weights_prepare", name, false, [](World& w) { return w.prepare_weights(); },
                     create_weights};
        all.push_back(operation);
        operation = {"ortho_weights_free", name, false,
                     [](World& w) {
                         ortho_weights_free(std::exchange(w.prepared, nullptr));
                         return ORTHO_OK;
                     },
                     prepared};
        all.push_back(operation);
        operation = {"ortho_chain_create_on", name, true, create_on, prepared};
        operation.after = train;
        all.push_back(operation);
        operation = {"ortho_chain_forward", name + ", prepared", true, [](World& w) { return w.forward(false); },
                     prepared_chain};
        operation.after = [](World& w) { return w.backward(false); };
        all.push_back(operation);
        if (!p.recurrent())
            continue;
        const auto create_streams = [](World& w) { return ortho_streams_create(&w.streams, w.prepared, 3); };
        const auto with_streams = [=](World& w) {
            prepared(w);
            w.x.assign(static_cast<size_t>(3 * w.problem.shape.units), 0.5f);
            EXPECT_TRUE(succeeds(create_streams(w)));
        };
        const auto step = [](World& w) {
            const uint8_t resets[] = {0, 1, 0};
            return ortho_streams_step(w.streams, resets, w.problem.shape.inputs > 0 ? w.chain_inputs.data() : nullptr,
                                      w.x.data());
        };
        operation = {"ortho_streams_create", name, true, create_streams, [=](World& w) {
                         prepared(w);
                         w.x.assign(static_cast<size_t>(3 * w.problem.shape.units), 0.5f);
                     }};
        operation.after = step;
        all.push_back(operation);
        operation = {"ortho_streams_step", name, false, step, with_streams};
        all.push_back(operation);
        operation = {"ortho_streams_read", name, false,
                     [](World& w) { return ortho_streams_read(w.streams, w.x.data()); }, with_streams};
        all.push_back(operation);
        operation = {"ortho_streams_write", name, false,
                     [](World& w) { return ortho_streams_write(w.streams, w.x.data()); }, with_streams};
        all.push_back(operation);
        operation = {"ortho_streams_free", name, false,
                     [](World& w) {
                         ortho_streams_free(std::exchange(w.streams, nullptr));
                         return ORTHO_OK;
                     },
                     with_streams};
        all.push_back(operation);
    }
    return all;
}

/** What a world holds after `last` was called on one that has only been prepared; empty if it failed. */
std::string contents_after(const Operation& operation, const std::function<ortho_status(World&)>& last) {
    World world;
    operation.before(world);
    EXPECT_TRUE(succeeds(last(world)));
    return world.contents();
}

/** @return whether there was a k-th allocation, and it was refused */
bool fail_allocation(const Operation& operation, int64_t k, bool again, const std::string& expected,
                     const std::string& expected_without) {
    World world;
    operation.before(world);
    const std::string before = world.contents();
    const int64_t objects = ortho_live_objects();
    faults.arm(k);
    const ortho_status status = operation.call(world);
    if (!faults.disarm()) {
        EXPECT_TRUE(succeeds(status));
        return false;
    }
    const std::string message = ortho_last_error();
    // There is nothing that a call can do without. A thread that the system does not start need not be for want of
    // memory.
    const bool of_threads = message.find("threads is") == 0;
    EXPECT_TRUE(fails(status, of_threads ? ORTHO_NOT_SUPPORTED : ORTHO_OUT_OF_MEMORY, ""));
    EXPECT_TRUE(message.find("memory") != std::string::npos || message.find("threads") != std::string::npos) << message;
    EXPECT_EQ(ortho_live_objects(), objects);
    EXPECT_TRUE(world.contents() == before) << "something was written";
    if (again) {
        EXPECT_TRUE(succeeds(operation.call(world)));
        EXPECT_TRUE(succeeds(operation.after(world)));
        EXPECT_TRUE(world.contents() == expected) << "other bits than without a failure before";
    } else {
        EXPECT_TRUE(succeeds(operation.still_works(world)));
        EXPECT_TRUE(world.contents() == expected_without) << "the call that failed left something behind";
    }
    return true;
}

void fail_every_allocation(const Operation& operation) {
    SCOPED_TRACE(std::string(operation.function) + " " + operation.variant);
    const std::string expected = contents_after(operation, [&](World& w) {
        const ortho_status status = operation.call(w);
        return status == ORTHO_OK ? operation.after(w) : status;
    });
    const std::string expected_without = contents_after(operation, operation.still_works);
    for (int64_t k = 1;; ++k)
        for (const bool again : {true, false}) {
            SCOPED_TRACE("allocation " + std::to_string(k));
            ASSERT_LT(k, 1000);
            const int64_t allocations = faults.live();
            const bool refused = fail_allocation(operation, k, again, expected, expected_without);
            EXPECT_EQ(faults.live(), allocations) << "a leak";
            if (!refused) {
                EXPECT_EQ(k > 1, operation.allocates);
                return;
            }
        }
}

TEST(Allocation, Calls_that_run_out_of_memory_have_changed_nothing_and_can_be_repeated) {
    for (const Operation& operation : operations())
        fail_every_allocation(operation);
    EXPECT_EQ(ortho_live_objects(), 0);
}

/** Files that a call opens. */
int64_t opens(const std::function<void()>& call) {
    const int64_t before = faults.opened();
    call();
    return faults.opened() - before;
}

void make_and_free_buffer(const World& world, int64_t bytes) {
    ortho_buffer* buffer = nullptr;
    ASSERT_TRUE(succeeds(ortho_buffer_create(&buffer, world.device.get(), bytes)));
    ortho_buffer_free(buffer);
}

TEST(Allocation, Small_requests_read_no_file_until_they_add_up) {
    World world(1);
    // 17 MiB are beyond any allowance, so the limits are read now: at least /proc/meminfo and the control groups.
    constexpr int64_t large = int64_t{17} << 20;
    EXPECT_GE(opens([&] { make_and_free_buffer(world, large); }), 2);
    // At least this is then allowed, unless less than 1 GiB is free here.
    ortho_system_info info{};
    info.struct_size = sizeof info;
    ASSERT_TRUE(succeeds(ortho_get_system_info(&info)));
    const int64_t allowed = std::min(int64_t{16} << 20, (info.available_memory - large) / 128);
    constexpr int64_t small = 4096;
    EXPECT_EQ(opens([&] {
                  for (int64_t i = 0; i < allowed / small; ++i)
                      make_and_free_buffer(world, small);
              }),
              0);
    // No more than 16 MiB are ever allowed, freed or not.
    EXPECT_GE(opens([&] {
                  for (int64_t bytes = 0; bytes <= int64_t{16} << 20; bytes += small)
                      make_and_free_buffer(world, small);
              }),
              2);
}

TEST(Allocation, Creation_and_passes_of_a_small_chain_read_no_file) {
    World world(1);
    make_and_free_buffer(world, int64_t{17} << 20);
    world.prepare_chain(make_problem({5, 40, 3, 24}), 2);
    EXPECT_EQ(opens([&] {
                  EXPECT_TRUE(succeeds(world.create_chain()));
                  EXPECT_TRUE(succeeds(world.forward(false)));
                  EXPECT_TRUE(succeeds(world.backward(false)));
              }),
              0);
}

TEST(Allocation, Every_function_of_the_header_is_tried) {
    std::set<std::string> tried, declared;
    for (const Operation& operation : operations())
        tried.insert(operation.function);
    std::istringstream names(ORTHO_FUNCTIONS);
    for (std::string name; std::getline(names, name, ',');)
        declared.insert(name);
    EXPECT_GT(declared.size(), 30u);
    EXPECT_EQ(tried, declared);
}

} // namespace
} // namespace ortho::test
