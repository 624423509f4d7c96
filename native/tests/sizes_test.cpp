// Sizes that no caller can mean, in every argument of the C interface that is a size: refused by name, before anything
// is read or written.
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <functional>
#include <set>
#include <sstream>

#include "chain_problem.hpp"

namespace ortho::test {
namespace {

constexpr int64_t beyond = int64_t{1} << 60;

/** A call with one of its sizes open; all the others, and all arrays, are those of a small valid call. */
struct Sized {
    const char* function;
    /** The open argument, which the message has to name, or what it is measured by. */
    std::vector<const char*> names;
    std::function<ortho_status(int64_t)> call;
    /** The sizes to try beside those that are wrong for all. */
    std::vector<int64_t> also = {};
    /** The first size that is wrong because it is too small. */
    int64_t too_small = 0;
};

/** Small arrays: what reads or writes as many elements as the wrong sizes say leaves them at once. */
struct World {
    Device device = make_device(2);
    ortho_staging* staging = nullptr;
    ortho_buffer* buffer = nullptr;
    ortho_chain* chain = nullptr;
    ortho_chain* recurrent = nullptr;
    ortho_chain* layers = nullptr;
    ortho_weights* weights = nullptr;
    ortho_weights* prepared = nullptr;
    ortho_streams* streams = nullptr;
    Problem driven = make_problem({3, 2, 2, 5}), layered = make_problem({3, 2, 0, 5}), blocks = driven;
    std::vector<float> a = std::vector<float>(4096, 0.25f), b = std::vector<float>(4096, 0.5f),
                       c = std::vector<float>(4096, 0.75f), d = std::vector<float>(4096, 1.0f);
    std::vector<int32_t> targets = std::vector<int32_t>(64, 0);
    std::vector<int64_t> permutation = std::vector<int64_t>(64, -1);
    std::vector<double> doubles = std::vector<double>(4096, 0);
    ortho_parameter_group group{0, 16, 0.1, 0};

    World() {
        EXPECT_TRUE(succeeds(ortho_staging_create(&staging, device.get(), 256)));
        fill(driven);
        set_blocks(blocks, {{3, ORTHO_FILTER_HAAR}, {2, ORTHO_FILTER_CYCLE}});
        fill(blocks);
        layered.model = ORTHO_FEEDFORWARD;
        fill(layered);
        const ortho_chain_options first = options_of(driven, ORTHO_FLOAT32),
                                  second = options_of(layered, ORTHO_FLOAT32);
        EXPECT_TRUE(succeeds(ortho_chain_create(&recurrent, device.get(), &first)));
        EXPECT_TRUE(succeeds(ortho_chain_create(&layers, device.get(), &second)));
        EXPECT_TRUE(succeeds(ortho_weights_create(&weights, device.get(), &first)));
    }
    ~World() {
        ortho_staging_free(staging);
        ortho_chain_free(recurrent);
        ortho_chain_free(layers);
        ortho_weights_free(weights);
    }
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    std::string contents() const {
        std::string bytes;
        for (const auto* values : {&a, &b, &c, &d})
            bytes.append(reinterpret_cast<const char*>(values->data()), values->size() * sizeof(float));
        bytes.append(reinterpret_cast<const char*>(permutation.data()), permutation.size() * sizeof(int64_t));
        bytes.append(reinterpret_cast<const char*>(doubles.data()), doubles.size() * sizeof(double));
        return bytes;
    }

    ortho_status forward(int64_t steps, int64_t batch, int64_t output_steps) {
        return ortho_chain_forward(recurrent, steps, batch, nullptr, nullptr, output_steps, 1, a.data(), a.data(),
                                   a.data(), a.data(), nullptr, b.data(), nullptr);
    }
    ortho_status layers_forward(int64_t steps, int64_t batch) {
        return ortho_chain_forward(layers, steps, batch, nullptr, nullptr, 1, 1, a.data(), nullptr, a.data(), nullptr,
                                   a.data(), b.data(), nullptr);
    }
    ortho_status create(const Problem& p, const std::function<void(ortho_chain_options&)>& change) {
        ortho_chain_options options = options_of(p, ORTHO_FLOAT32);
        change(options);
        return ortho_chain_create(&chain, device.get(), &options);
    }
    ortho_status create_weights(const Problem& p, const std::function<void(ortho_chain_options&)>& change) {
        ortho_chain_options options = options_of(p, ORTHO_FLOAT32);
        change(options);
        return ortho_weights_create(&prepared, device.get(), &options);
    }
    ortho_status sgd(int64_t count, const ortho_parameter_group& range, int64_t group_count) {
        return ortho_sgd_step(device.get(), 0, count, b.data(), a.data(), nullptr, 0, 0, &range, group_count);
    }
    ortho_status adam(int64_t count, int64_t step, const ortho_parameter_group& range, int64_t group_count) {
        return ortho_adam_step(device.get(), 0, count, b.data(), a.data(), c.data(), d.data(), nullptr, step, 0.9,
                               0.999, 1e-8, 0, &range, group_count);
    }
    ortho_status rmsprop(int64_t count, const ortho_parameter_group& range, int64_t group_count) {
        return ortho_rmsprop_step(device.get(), 0, count, b.data(), a.data(), c.data(), d.data(), nullptr, 0.99, 0,
                                  1e-8, &range, group_count);
    }
    ortho_status lion(int64_t count, const ortho_parameter_group& range, int64_t group_count) {
        return ortho_lion_step(device.get(), 0, count, b.data(), a.data(), c.data(), 0.9, 0.99, &range, group_count);
    }
};

std::vector<Sized> calls(World& w) {
    ortho_device* const device = w.device.get();
    const std::vector<const char*> count = {"count", "values", "permutation", "x", "predictions", "gradients"},
                                   bytes = {"bytes", "destination", "source", "buffer", "data", "staging"},
                                   states = {"steps",   "batch",   "states", "inputs", "outputs",
                                             "initial", "weights", "bias",   "address"};
    return {
        {"ortho_get_system_info",
         {"info->struct_size"},
         [](int64_t n) {
             ortho_system_info info{};
             info.struct_size = static_cast<uint32_t>(n);
             return ortho_get_system_info(&info);
         }},
        {"ortho_device_create",
         {"options->struct_size"},
         [](int64_t n) {
             ortho_device_options options = device_options(ORTHO_DEVICE_CPU, 1);
             options.struct_size = static_cast<uint32_t>(n);
             ortho_device* made = nullptr;
             return ortho_device_create(&made, &options);
         }},
        {"ortho_device_create",
         {"options->threads"},
         [](int64_t n) {
             const ortho_device_options options =
                 device_options(ORTHO_DEVICE_CPU, static_cast<int32_t>(std::clamp<int64_t>(n, INT32_MIN, INT32_MAX)));
             ortho_device* made = nullptr;
             return ortho_device_create(&made, &options);
         },
         {},
         -1},
        {"ortho_device_get_info",
         {"info->struct_size"},
         [=](int64_t n) {
             ortho_device_info info{};
             info.struct_size = static_cast<uint32_t>(n);
             return ortho_device_get_info(device, &info);
         }},
        {"ortho_buffer_create", bytes, [=, &w](int64_t n) { return ortho_buffer_create(&w.buffer, device, n); }},
        {"ortho_buffer_wrap", bytes,
         [=, &w](int64_t n) { return ortho_buffer_wrap(&w.buffer, device, w.a.data(), n); }},
        {"ortho_copy_from_host", bytes,
         [=, &w](int64_t n) { return ortho_copy_from_host(device, w.b.data(), w.a.data(), n); }},
        {"ortho_copy_to_host", bytes,
         [=, &w](int64_t n) { return ortho_copy_to_host(device, w.b.data(), w.a.data(), n); }},
        {"ortho_copy", bytes, [=, &w](int64_t n) { return ortho_copy(device, w.b.data(), w.a.data(), n); }},
        {"ortho_fill", count, [=, &w](int64_t n) { return ortho_fill(device, 0, n, w.b.data(), 9); }},
        {"ortho_staging_create", bytes,
         [=](int64_t n) {
             ortho_staging* made = nullptr;
             return ortho_staging_create(&made, device, n);
         }},
        {"ortho_staging_upload",
         bytes,
         [&w](int64_t n) { return ortho_staging_upload(w.staging, w.b.data(), n); },
         {257}},
        {"ortho_random_uniform", count,
         [&w](int64_t n) { return ortho_random_uniform(1, ORTHO_STREAM_DATA, 0, 0, 1, 0, 0, n, w.b.data()); }},
        {"ortho_random_normal", count,
         [&w](int64_t n) { return ortho_random_normal(1, ORTHO_STREAM_DATA, 0, 0, 1, 1, 0, n, w.b.data()); }},
        {"ortho_random_permutation", count,
         [&w](int64_t n) { return ortho_random_permutation(1, ORTHO_STREAM_DATA, 0, n, w.permutation.data()); }},
        {"ortho_add_normal_noise",
         {"first"},
         [=, &w](int64_t n) {
             return ortho_add_normal_noise(device, 0, 1, 0, 0, 1, n, 2, 3, 4, w.a.data(), w.b.data());
         },
         {int64_t{1} << 24},
         -1},
        {"ortho_add_normal_noise",
         {"steps", "x"},
         [=, &w](int64_t n) {
             return ortho_add_normal_noise(device, 0, 1, 0, 0, 1, 0, n, 3, 4, w.a.data(), w.b.data());
         }},
        {"ortho_add_normal_noise",
         {"batch", "x"},
         [=, &w](int64_t n) {
             return ortho_add_normal_noise(device, 0, 1, 0, 0, 1, 0, 3, n, 4, w.a.data(), w.b.data());
         }},
        {"ortho_add_normal_noise",
         {"units"},
         [=, &w](int64_t n) {
             return ortho_add_normal_noise(device, 0, 1, 0, 0, 1, 0, 3, 4, n, w.a.data(), w.b.data());
         }},
        {"ortho_dropout",
         {"first"},
         [=, &w](int64_t n) { return ortho_dropout(device, 0, 1, 0, 0, 0.5, 0, n, 2, 3, 4, w.a.data(), w.b.data()); },
         {int64_t{1} << 24},
         -1},
        {"ortho_dropout",
         {"steps", "x"},
         [=, &w](int64_t n) { return ortho_dropout(device, 0, 1, 0, 0, 0.5, 1, 0, n, 3, 4, w.a.data(), w.b.data()); }},
        {"ortho_dropout",
         {"batch", "x"},
         [=, &w](int64_t n) { return ortho_dropout(device, 0, 1, 0, 0, 0.5, 0, 0, 3, n, 4, w.a.data(), w.b.data()); }},
        {"ortho_dropout",
         {"units"},
         [=, &w](int64_t n) { return ortho_dropout(device, 0, 1, 0, 0, 0.5, 0, 0, 3, 4, n, w.a.data(), w.b.data()); }},
        {"ortho_dense_forward",
         {"rows", "x"},
         [=, &w](int64_t n) {
             return ortho_dense_forward(device, 0, n, 3, 4, w.a.data(), w.a.data(), w.a.data(), w.b.data());
         }},
        {"ortho_dense_forward",
         {"inputs", "weights"},
         [=, &w](int64_t n) {
             return ortho_dense_forward(device, 0, 3, n, 4, w.a.data(), nullptr, w.a.data(), w.b.data());
         }},
        {"ortho_dense_forward",
         {"outputs", "weights"},
         [=, &w](int64_t n) {
             return ortho_dense_forward(device, 0, 3, 4, n, w.a.data(), nullptr, w.a.data(), w.b.data());
         }},
        {"ortho_dense_forward",
         {"rows"},
         [=, &w](int64_t n) {
             return ortho_dense_forward(device, 0, n, n, 1, w.a.data(), nullptr, w.a.data(), w.b.data());
         },
         {int64_t{1} << 32, int64_t{3037000500}},
         -2},
        {"ortho_dense_backward",
         {"batch", "x"},
         [=, &w](int64_t n) {
             return ortho_dense_backward(device, 1, nullptr, 0, 1, n, 3, 4, nullptr, w.a.data(), w.a.data(), w.b.data(),
                                         w.c.data(), nullptr);
         }},
        {"ortho_dense_backward",
         {"steps", "x"},
         [=, &w](int64_t n) {
             return ortho_dense_backward(device, 1, nullptr, 0, n, 3, 3, 4, nullptr, w.a.data(), w.a.data(), w.b.data(),
                                         w.c.data(), nullptr);
         }},
        {"ortho_dense_backward",
         {"steps", "batch"},
         [=, &w](int64_t n) {
             return ortho_dense_backward(device, 1, nullptr, 0, n, n, 3, 4, nullptr, w.a.data(), w.a.data(), w.b.data(),
                                         w.c.data(), nullptr);
         },
         {int64_t{1} << 32, int64_t{3037000500}}},
        {"ortho_dense_backward",
         {"part->batch", "part->first", "batch"},
         [=, &w](int64_t n) {
             const ortho_batch_part part = {sizeof part, 0, n, n / 2 + 1, 12, 0};
             return ortho_dense_backward(device, 1, &part, 0, 1, 7, 3, 4, nullptr, w.a.data(), w.a.data(), w.b.data(),
                                         w.c.data(), nullptr);
         }},
        {"ortho_dense_backward",
         {"part->stride", "weight_gradients"},
         [=, &w](int64_t n) {
             const ortho_batch_part part = {sizeof part, 0, 128, 16, n, 0};
             return ortho_dense_backward(device, 0, &part, 0, 1, 48, 3, 4, nullptr, w.a.data(), w.a.data(), w.b.data(),
                                         nullptr, nullptr);
         },
         {11}},
        {"ortho_dense_backward",
         {"inputs", "weights", "x"},
         [=, &w](int64_t n) {
             return ortho_dense_backward(device, 1, nullptr, 0, 1, 3, n, 4, w.a.data(), w.a.data(), w.a.data(),
                                         w.b.data(), w.c.data(), w.d.data());
         }},
        {"ortho_dense_backward",
         {"outputs", "weights", "y_gradients"},
         [=, &w](int64_t n) {
             return ortho_dense_backward(device, 0, nullptr, 0, 1, 3, 4, n, nullptr, w.a.data(), w.a.data(), w.b.data(),
                                         nullptr, nullptr);
         }},
        {"ortho_activation_forward", count,
         [=, &w](int64_t n) { return ortho_activation_forward(device, 0, ORTHO_GELU, n, w.a.data(), w.b.data()); }},
        {"ortho_activation_backward", count,
         [=, &w](int64_t n) {
             return ortho_activation_backward(device, 1, ORTHO_TANH, n, w.a.data(), w.b.data(), w.c.data());
         }},
        {"ortho_gate_forward",
         {"rows", "x"},
         [=, &w](int64_t n) { return ortho_gate_forward(device, 0, n, 4, w.a.data(), w.b.data()); }},
        {"ortho_gate_forward",
         {"units", "rows", "x"},
         [=, &w](int64_t n) { return ortho_gate_forward(device, 0, 3, n, w.a.data(), w.b.data()); }},
        {"ortho_gate_backward",
         {"rows", "x"},
         [=, &w](int64_t n) { return ortho_gate_backward(device, 1, n, 4, w.a.data(), w.b.data(), w.c.data()); }},
        {"ortho_gate_backward",
         {"units", "rows", "x"},
         [=, &w](int64_t n) { return ortho_gate_backward(device, 1, 3, n, w.a.data(), w.b.data(), w.c.data()); }},
        {"ortho_layer_norm_forward",
         {"rows", "x"},
         [=, &w](int64_t n) {
             return ortho_layer_norm_forward(device, 0, n, 4, 1e-5, w.a.data(), w.a.data(), w.a.data(), w.b.data(),
                                             w.c.data());
         }},
        {"ortho_layer_norm_forward",
         {"units", "rows", "scale"},
         [=, &w](int64_t n) {
             return ortho_layer_norm_forward(device, 1, 3, n, 1e-5, w.a.data(), nullptr, w.a.data(), w.b.data(),
                                             nullptr);
         }},
        {"ortho_layer_norm_backward",
         {"steps", "x"},
         [=, &w](int64_t n) {
             return ortho_layer_norm_backward(device, 0, nullptr, 0, n, 3, 4, w.a.data(), w.a.data(), w.a.data(),
                                              w.a.data(), w.b.data(), w.c.data(), w.d.data());
         }},
        {"ortho_layer_norm_backward",
         {"batch", "x"},
         [=, &w](int64_t n) {
             return ortho_layer_norm_backward(device, 0, nullptr, 0, 2, n, 4, w.a.data(), w.a.data(), w.a.data(),
                                              w.a.data(), w.b.data(), w.c.data(), w.d.data());
         }},
        {"ortho_layer_norm_backward",
         {"units", "batch", "scale"},
         [=, &w](int64_t n) {
             return ortho_layer_norm_backward(device, 0, nullptr, 0, 2, 3, n, w.a.data(), w.a.data(), w.a.data(),
                                              w.a.data(), w.b.data(), nullptr, nullptr);
         }},
        {"ortho_layer_norm_backward",
         {"part->stride", "scale_gradients"},
         [=, &w](int64_t n) {
             const ortho_batch_part part = {sizeof part, 0, 128, 16, n, 0};
             return ortho_layer_norm_backward(device, 0, &part, 0, 1, 48, 4, w.a.data(), w.a.data(), w.a.data(),
                                              w.a.data(), w.b.data(), nullptr, nullptr);
         },
         {3}},
        {"ortho_add", count,
         [=, &w](int64_t n) { return ortho_add(device, 0, n, w.a.data(), w.b.data(), w.c.data()); }},
        {"ortho_copy_columns",
         {"rows", "x"},
         [=, &w](int64_t n) { return ortho_copy_columns(device, 0, n, 2, w.a.data(), 3, 1, w.b.data(), 2, 0); }},
        {"ortho_copy_columns",
         {"columns"},
         [=, &w](int64_t n) { return ortho_copy_columns(device, 0, 3, n, w.a.data(), 3, 0, w.b.data(), 3, 0); },
         {4}},
        {"ortho_copy_columns",
         {"x_columns", "rows", "x"},
         [=, &w](int64_t n) { return ortho_copy_columns(device, 0, 3, 2, w.a.data(), n, 0, w.b.data(), 3, 0); },
         {1}},
        {"ortho_copy_columns",
         {"y_columns", "rows", "y"},
         [=, &w](int64_t n) { return ortho_copy_columns(device, 0, 3, 2, w.a.data(), 3, 0, w.b.data(), n, 0); },
         {1}},
        {"ortho_copy_columns",
         {"x_first"},
         [=, &w](int64_t n) { return ortho_copy_columns(device, 0, 3, 2, w.a.data(), 3, n, w.b.data(), 3, 0); },
         {2},
         -1},
        {"ortho_copy_columns",
         {"y_first"},
         [=, &w](int64_t n) { return ortho_copy_columns(device, 0, 3, 2, w.a.data(), 3, 0, w.b.data(), 3, n); },
         {2},
         -1},
        {"ortho_mask",
         {"steps", "x"},
         [=, &w](int64_t n) { return ortho_mask(device, 0, n, 3, 4, nullptr, w.a.data(), w.b.data()); }},
        {"ortho_mask",
         {"batch", "lengths", "x"},
         [=, &w](int64_t n) { return ortho_mask(device, 0, 2, n, 4, w.targets.data(), w.a.data(), w.b.data()); }},
        {"ortho_mask",
         {"units", "batch", "x"},
         [=, &w](int64_t n) { return ortho_mask(device, 0, 2, 3, n, nullptr, w.a.data(), w.b.data()); }},
        {"ortho_embedding_forward",
         {"entries", "table"},
         [=, &w](int64_t n) {
             return ortho_embedding_forward(device, 0, 2, 3, nullptr, n, 4, w.a.data(), w.targets.data(), w.b.data());
         },
         {int64_t{1} << 31}},
        {"ortho_embedding_forward",
         {"units", "entries", "table"},
         [=, &w](int64_t n) {
             return ortho_embedding_forward(device, 0, 2, 3, nullptr, 5, n, w.a.data(), w.targets.data(), w.b.data());
         }},
        {"ortho_embedding_forward",
         {"batch", "lengths", "y"},
         [=, &w](int64_t n) {
             return ortho_embedding_forward(device, 0, 2, n, w.targets.data(), 5, 4, w.a.data(), w.targets.data(),
                                            w.b.data());
         }},
        {"ortho_embedding_forward",
         {"steps", "y"},
         [=, &w](int64_t n) {
             return ortho_embedding_forward(device, 0, n, 3, nullptr, 5, 4, w.a.data(), w.targets.data(), w.b.data());
         }},
        {"ortho_embedding_backward",
         {"entries", "table_gradients"},
         [=, &w](int64_t n) {
             return ortho_embedding_backward(device, 0, nullptr, 0, 2, 3, nullptr, n, 4, w.targets.data(), w.a.data(),
                                             w.b.data());
         },
         {int64_t{1} << 31}},
        {"ortho_embedding_backward",
         {"units", "entries", "y_gradients"},
         [=, &w](int64_t n) {
             return ortho_embedding_backward(device, 0, nullptr, 0, 2, 3, nullptr, 5, n, w.targets.data(), w.a.data(),
                                             w.b.data());
         }},
        {"ortho_embedding_backward",
         {"batch", "y_gradients"},
         [=, &w](int64_t n) {
             return ortho_embedding_backward(device, 0, nullptr, 0, 2, n, nullptr, 5, 4, w.targets.data(), w.a.data(),
                                             w.b.data());
         }},
        {"ortho_embedding_backward",
         {"steps", "y_gradients"},
         [=, &w](int64_t n) {
             return ortho_embedding_backward(device, 0, nullptr, 0, n, 3, nullptr, 5, 4, w.targets.data(), w.a.data(),
                                             w.b.data());
         }},
        {"ortho_embedding_backward",
         {"part->batch", "part->first", "batch"},
         [=, &w](int64_t n) {
             const ortho_batch_part part = {sizeof part, 0, n, n / 2 + 1, 20, 0};
             return ortho_embedding_backward(device, 0, &part, 0, 2, 7, nullptr, 5, 4, w.targets.data(), w.a.data(),
                                             w.b.data());
         }},
        {"ortho_embedding_backward",
         {"part->stride", "table_gradients"},
         [=, &w](int64_t n) {
             const ortho_batch_part part = {sizeof part, 0, 128, 16, n, 0};
             return ortho_embedding_backward(device, 0, &part, 0, 1, 48, nullptr, 5, 4, w.targets.data(), w.a.data(),
                                             w.b.data());
         },
         {19}},
        {"ortho_windows_forward",
         {"steps", "window", "x", "y_gradients"},
         [=, &w](int64_t n) {
             return ortho_windows_forward(device, 0, n, 3, 4, nullptr, 3, 1, 1, w.a.data(), w.b.data());
         }},
        {"ortho_windows_forward",
         {"batch", "lengths", "window", "x", "y_gradients"},
         [=, &w](int64_t n) {
             return ortho_windows_forward(device, 0, 4, n, 2, w.targets.data(), 3, 1, 1, w.a.data(), w.b.data());
         }},
        {"ortho_windows_forward",
         {"batch", "steps", "units", "window", "x", "y_gradients"},
         [=, &w](int64_t n) {
             return ortho_windows_forward(device, 0, 4, 3, n, nullptr, 3, 1, 1, w.a.data(), w.b.data());
         }},
        {"ortho_windows_forward",
         {"window"},
         [=, &w](int64_t n) {
             return ortho_windows_forward(device, 0, 4, 3, 2, nullptr, n, 1, 0, w.a.data(), w.b.data());
         },
         {5}},
        {"ortho_windows_forward",
         {"padding"},
         [=, &w](int64_t n) {
             return ortho_windows_forward(device, 0, 4, 3, 2, nullptr, 3, 1, n, w.a.data(), w.b.data());
         },
         {3},
         -1},
        {"ortho_windows_backward",
         {"steps", "window", "x", "y_gradients"},
         [=, &w](int64_t n) {
             return ortho_windows_backward(device, 0, n, 3, 4, nullptr, 3, 1, 1, w.a.data(), w.b.data());
         }},
        {"ortho_windows_backward",
         {"batch", "lengths", "window", "x", "y_gradients"},
         [=, &w](int64_t n) {
             return ortho_windows_backward(device, 0, 4, n, 2, w.targets.data(), 3, 1, 1, w.a.data(), w.b.data());
         }},
        {"ortho_windows_backward",
         {"batch", "steps", "units", "window", "x", "y_gradients"},
         [=, &w](int64_t n) {
             return ortho_windows_backward(device, 0, 4, 3, n, nullptr, 3, 1, 1, w.a.data(), w.b.data());
         }},
        {"ortho_windows_backward",
         {"window"},
         [=, &w](int64_t n) {
             return ortho_windows_backward(device, 0, 4, 3, 2, nullptr, n, 1, 0, w.a.data(), w.b.data());
         },
         {5}},
        {"ortho_windows_backward",
         {"padding"},
         [=, &w](int64_t n) {
             return ortho_windows_backward(device, 0, 4, 3, 2, nullptr, 3, 1, n, w.a.data(), w.b.data());
         },
         {3},
         -1},
        {"ortho_softmax_cross_entropy",
         {"batch", "logits"},
         [=, &w](int64_t n) {
             return ortho_softmax_cross_entropy(device, 0, 1, n, nullptr, nullptr, nullptr, 4, nullptr, 0, w.a.data(),
                                                w.targets.data(), w.doubles.data(), nullptr, w.b.data());
         }},
        {"ortho_softmax_cross_entropy",
         {"classes", "logits"},
         [=, &w](int64_t n) {
             return ortho_softmax_cross_entropy(device, 0, 1, 4, nullptr, nullptr, nullptr, n, nullptr, 0, w.a.data(),
                                                w.targets.data(), w.doubles.data(), nullptr, w.b.data());
         },
         {int64_t{1} << 31}},
        {"ortho_softmax_cross_entropy",
         {"classes", "logits", "class_weights"},
         [=, &w](int64_t n) {
             return ortho_softmax_cross_entropy(device, 0, 1, 4, nullptr, w.c.data(), nullptr, n, w.c.data(), 0,
                                                w.a.data(), w.targets.data(), w.doubles.data(), nullptr, w.b.data());
         },
         {int64_t{1} << 31}},
        {"ortho_softmax_cross_entropy",
         {"steps", "lengths", "logits"},
         [=, &w](int64_t n) {
             return ortho_softmax_cross_entropy(device, 0, n, 2, w.targets.data(), nullptr, nullptr, 4, nullptr, 0,
                                                w.a.data(), w.targets.data(), w.doubles.data(), nullptr, w.b.data());
         }},
        {"ortho_elementwise_loss",
         {"batch", "lengths"},
         [=, &w](int64_t n) {
             return ortho_elementwise_loss(device, 0, ORTHO_LOSS_SQUARED_ERROR, 1, n, w.targets.data(), nullptr,
                                           nullptr, 1, nullptr, 0, w.a.data(), w.b.data(), w.doubles.data(),
                                           w.c.data());
         }},
        {"ortho_elementwise_loss",
         {"part->weight"},
         [=, &w](int64_t n) {
             const ortho_batch_part part = {sizeof part, 0, 4, 0, 0, static_cast<double>(std::min(n, int64_t{3}))};
             return ortho_elementwise_loss(device, 0, ORTHO_LOSS_SQUARED_ERROR, 1, 4, nullptr, nullptr, &part, 1,
                                           nullptr, 0, w.a.data(), w.b.data(), w.doubles.data(), w.c.data());
         }},
        {"ortho_elementwise_loss",
         {"steps", "row_weights", "predictions"},
         [=, &w](int64_t n) {
             return ortho_elementwise_loss(device, 0, ORTHO_LOSS_SQUARED_ERROR, n, 2, nullptr, w.c.data(), nullptr, 1,
                                           nullptr, 0, w.a.data(), w.b.data(), w.doubles.data(), w.c.data());
         }},
        {"ortho_elementwise_loss",
         {"parameter_count", "parameters"},
         [=, &w](int64_t n) {
             return ortho_elementwise_loss(device, 0, ORTHO_LOSS_BINARY_CROSS_ENTROPY, 2, 2, nullptr, nullptr, nullptr,
                                           3, w.doubles.data(), n, w.a.data(), w.b.data(), w.doubles.data(),
                                           w.c.data());
         }},
        {"ortho_elementwise_loss",
         {"units", "batch", "predictions"},
         [=, &w](int64_t n) {
             return ortho_elementwise_loss(device, 0, ORTHO_LOSS_SQUARED_ERROR, 2, 2, nullptr, nullptr, nullptr, n,
                                           nullptr, 0, w.a.data(), w.b.data(), w.doubles.data(), w.c.data());
         }},
        {"ortho_partial_sum_count",
         {"batch", "first", "samples"},
         [](int64_t n) {
             int64_t sums = 0;
             return ortho_partial_sum_count(n, 7, 9, &sums);
         }},
        {"ortho_partial_sum_count",
         {"first"},
         [](int64_t n) {
             int64_t sums = 0;
             return ortho_partial_sum_count(64, n, 8, &sums);
         },
         {64},
         -1},
        {"ortho_partial_sum_count",
         {"samples"},
         [](int64_t n) {
             int64_t sums = 0;
             return ortho_partial_sum_count(128, 16, n, &sums);
         },
         {57}},
        {"ortho_add_partial_sums",
         {"count", "stride", "sums"},
         [=, &w](int64_t n) {
             return ortho_add_partial_sums(device, 0, n, 128, 16, 16, 32, w.b.data(), n, w.a.data(), n);
         }},
        {"ortho_add_partial_sums",
         {"batch", "first"},
         [=, &w](int64_t n) {
             return ortho_add_partial_sums(device, 0, 1, n, 7, 8, 16, w.b.data(), 1, w.a.data(), 1);
         }},
        {"ortho_add_partial_sums",
         {"first"},
         [=, &w](int64_t n) {
             return ortho_add_partial_sums(device, 0, 1, 64, n, 8, 16, w.b.data(), 1, w.a.data(), 1);
         },
         {64},
         -1},
        {"ortho_add_partial_sums",
         {"samples"},
         [=, &w](int64_t n) {
             return ortho_add_partial_sums(device, 0, 1, 128, 16, n, 32, w.b.data(), 1, w.a.data(), 1);
         },
         {56}},
        {"ortho_add_partial_sums",
         {"next_samples"},
         [=, &w](int64_t n) {
             return ortho_add_partial_sums(device, 0, 1, 128, 16, 16, n, w.b.data(), 1, w.a.data(), 1);
         },
         {49}},
        {"ortho_add_partial_sums",
         {"stride", "sums"},
         [=, &w](int64_t n) {
             return ortho_add_partial_sums(device, 0, 3, 128, 16, 16, 32, w.b.data(), n, w.a.data(), 3);
         },
         {2}},
        {"ortho_add_partial_sums",
         {"next_stride", "next_sums"},
         [=, &w](int64_t n) {
             return ortho_add_partial_sums(device, 0, 3, 128, 16, 16, 48, w.b.data(), 3, w.a.data(), n);
         },
         {2}},
        {"ortho_pool_forward",
         {"steps", "x"},
         [=, &w](int64_t n) {
             return ortho_pool_forward(device, 0, ORTHO_POOL_MEAN, n, 2, 3, nullptr, w.a.data(), w.b.data());
         }},
        {"ortho_pool_forward",
         {"batch", "lengths"},
         [=, &w](int64_t n) {
             return ortho_pool_forward(device, 0, ORTHO_POOL_MEAN, 2, n, 3, w.targets.data(), w.a.data(), w.b.data());
         }},
        {"ortho_pool_forward",
         {"units", "batch", "x"},
         [=, &w](int64_t n) {
             return ortho_pool_forward(device, 0, ORTHO_POOL_LAST, 2, 3, n, nullptr, w.a.data(), w.b.data());
         }},
        {"ortho_pool_backward",
         {"steps", "x_gradients"},
         [=, &w](int64_t n) {
             return ortho_pool_backward(device, 0, ORTHO_POOL_MEAN, n, 2, 3, nullptr, nullptr, w.a.data(), w.b.data());
         }},
        {"ortho_pool_backward",
         {"batch", "y_gradients", "x"},
         [=, &w](int64_t n) {
             return ortho_pool_backward(device, 0, ORTHO_POOL_MAX, 2, n, 3, nullptr, w.a.data(), w.a.data(),
                                        w.b.data());
         }},
        {"ortho_reverse",
         {"steps", "x"},
         [=, &w](int64_t n) { return ortho_reverse(device, 1, n, 2, 3, nullptr, w.a.data(), w.b.data()); }},
        {"ortho_reverse",
         {"units", "batch", "x"},
         [=, &w](int64_t n) { return ortho_reverse(device, 1, 3, 2, n, nullptr, w.a.data(), w.b.data()); }},
        {"ortho_elementwise_loss",
         {"batch", "predictions"},
         [=, &w](int64_t n) {
             return ortho_elementwise_loss(device, 0, ORTHO_LOSS_SQUARED_ERROR, 1, n, nullptr, nullptr, nullptr, 1,
                                           nullptr, 0, w.a.data(), w.b.data(), w.doubles.data(), w.c.data());
         }},
        {"ortho_clip_gradient_norm", count,
         [=, &w](int64_t n) { return ortho_clip_gradient_norm(device, 0, n, w.b.data(), 1e-3, w.doubles.data()); }},
        {"ortho_sgd_step",
         {"count", "gradients"},
         [&w](int64_t n) {
             return w.sgd(n, {0, 0, 0.1, 0}, 1);
         }},
        {"ortho_sgd_step", {"group_count", "groups"}, [&w](int64_t n) { return w.sgd(16, w.group, n); }},
        {"ortho_sgd_step",
         {"groups[0]"},
         [&w](int64_t n) {
             return w.sgd(16, {n, 1, 0.1, 0}, 1);
         },
         {16},
         -1},
        {"ortho_sgd_step",
         {"groups[0]"},
         [&w](int64_t n) {
             return w.sgd(16, {1, n, 0.1, 0}, 1);
         },
         {16},
         -1},
        {"ortho_adam_step",
         {"count", "gradients"},
         [&w](int64_t n) {
             return w.adam(n, 1, {0, 0, 0.1, 0}, 1);
         }},
        {"ortho_adam_step", {"group_count", "groups"}, [&w](int64_t n) { return w.adam(16, 1, w.group, n); }},
        {"ortho_adam_step",
         {"groups[0]"},
         [&w](int64_t n) {
             return w.adam(16, 1, {n, 1, 0.1, 0}, 1);
         },
         {16},
         -1},
        {"ortho_adam_step",
         {"groups[0]"},
         [&w](int64_t n) {
             return w.adam(16, 1, {1, n, 0.1, 0}, 1);
         },
         {16},
         -1},
        {"ortho_rmsprop_step",
         {"count", "gradients"},
         [&w](int64_t n) {
             return w.rmsprop(n, {0, 0, 0.1, 0}, 1);
         }},
        {"ortho_rmsprop_step", {"group_count", "groups"}, [&w](int64_t n) { return w.rmsprop(16, w.group, n); }},
        {"ortho_rmsprop_step",
         {"groups[0]"},
         [&w](int64_t n) {
             return w.rmsprop(16, {n, 1, 0.1, 0}, 1);
         },
         {16},
         -1},
        {"ortho_rmsprop_step",
         {"groups[0]"},
         [&w](int64_t n) {
             return w.rmsprop(16, {1, n, 0.1, 0}, 1);
         },
         {16},
         -1},
        {"ortho_lion_step",
         {"count", "gradients"},
         [&w](int64_t n) {
             return w.lion(n, {0, 0, 0.1, 0}, 1);
         }},
        {"ortho_lion_step", {"group_count", "groups"}, [&w](int64_t n) { return w.lion(16, w.group, n); }},
        {"ortho_lion_step",
         {"groups[0]"},
         [&w](int64_t n) {
             return w.lion(16, {n, 1, 0.1, 0}, 1);
         },
         {16},
         -1},
        {"ortho_lion_step",
         {"groups[0]"},
         [&w](int64_t n) {
             return w.lion(16, {1, n, 0.1, 0}, 1);
         },
         {16},
         -1},
        {"ortho_scale", count, [=, &w](int64_t n) { return ortho_scale(device, 0, n, 0.5, w.b.data()); }},
        {"ortho_average",
         {"count", "values", "averages"},
         [=, &w](int64_t n) { return ortho_average(device, 0, n, 0.5, w.a.data(), w.b.data()); }},
        {"ortho_chain_create",
         {"options->struct_size"},
         [&w](int64_t n) { return w.create(w.driven, [=](auto& o) { o.struct_size = static_cast<uint32_t>(n); }); }},
        {"ortho_chain_create",
         {"hidden_size"},
         [&w](int64_t n) { return w.create(w.driven, [=](auto& o) { o.hidden_size = n; }); },
         {65537}},
        {"ortho_chain_create",
         {"input_size"},
         [&w](int64_t n) { return w.create(w.driven, [=](auto& o) { o.input_size = n; }); },
         {1048577},
         -1},
        {"ortho_chain_create",
         {"layers"},
         [&w](int64_t n) { return w.create(w.layered, [=](auto& o) { o.layers = n; }); },
         {int64_t{1} << 31}},
        {"ortho_chain_create",
         {"layers"},
         [&w](int64_t n) {
             return w.create(w.layered, [=](auto& o) {
                 o.layers = n;
                 o.hidden_size = 65536;
             });
         },
         {INT32_MAX},
         -2},
        {"ortho_chain_create",
         {"alpha_count"},
         [&w](int64_t n) { return w.create(w.driven, [=](auto& o) { o.alpha_count = n; }); },
         {2}},
        {"ortho_chain_create",
         {"beta_count"},
         [&w](int64_t n) { return w.create(w.driven, [=](auto& o) { o.beta_count = n; }); },
         {2}},
        {"ortho_chain_create",
         {"checkpoint_every"},
         [&w](int64_t n) {
             return w.create(w.driven, [=](auto& o) { o.checkpoint_every = std::min(n, int64_t{-1}); });
         },
         {},
         -1},
        {"ortho_chain_create",
         {"max_state_bytes"},
         [&w](int64_t n) { return w.create(w.driven, [=](auto& o) { o.max_state_bytes = std::min(n, int64_t{-1}); }); },
         {},
         -1},
        {"ortho_chain_create",
         {"block_count"},
         [&w](int64_t n) { return w.create(w.driven, [=](auto& o) { o.block_count = n; }); },
         {1},
         -1},
        {"ortho_chain_create",
         {"block_count"},
         [&w](int64_t n) { return w.create(w.blocks, [=](auto& o) { o.block_count = n; }); },
         {1025}},
        {"ortho_chain_create",
         {"blocks[0].size"},
         [&w](int64_t n) {
             w.blocks.blocks[0].size = n;
             return w.create(w.blocks, [](auto&) {});
         },
         {6}},
        {"ortho_chain_create",
         {"layers", "blocks[0].matrix", "the filter"},
         [&w](int64_t n) {
             const ortho_filter_block block{5, ORTHO_FILTER_CUSTOM, 0, w.doubles.data()};
             return w.create(w.layered, [&](auto& o) {
                 o.filter = ORTHO_FILTER_BLOCKS;
                 o.filter_per_layer = 1;
                 o.layers = n;
                 o.blocks = &block;
                 o.block_count = 1;
             });
         },
         {INT32_MAX, int64_t{1} << 24}},
        // A matrix for each of so many layers would be larger than any memory: it is not looked for behind the one.
        {"ortho_chain_create",
         {"layers", "filter_matrix", "the filter"},
         [&w](int64_t n) {
             return w.create(w.layered, [&](auto& o) {
                 o.filter = ORTHO_FILTER_CUSTOM;
                 o.filter_per_layer = 1;
                 o.layers = n;
                 o.filter_matrix = w.doubles.data();
             });
         },
         {INT32_MAX, int64_t{1} << 24}},
        {"ortho_weights_create",
         {"hidden_size"},
         [&w](int64_t n) { return w.create_weights(w.driven, [=](auto& o) { o.hidden_size = n; }); },
         {65537}},
        // All layers are packed, of which so many would be larger than any memory.
        {"ortho_weights_create",
         {"layers", "packed weights"},
         [&w](int64_t n) { return w.create_weights(w.layered, [=](auto& o) { o.layers = n; }); },
         {INT32_MAX, int64_t{1} << 31}},
        {"ortho_streams_create",
         {"count", "streams"},
         [&w](int64_t n) { return ortho_streams_create(&w.streams, w.weights, n); }},
        {"ortho_chain_filter",
         {"layer"},
         [&w](int64_t n) { return ortho_chain_filter(w.layers, n, w.doubles.data()); },
         {1},
         -1},
        {"ortho_chain_memory", states,
         [&w](int64_t n) {
             int64_t needed = 0;
             return ortho_chain_memory(w.recurrent, n, int64_t{1} << 20, 1, &needed, nullptr);
         }},
        {"ortho_chain_memory", states,
         [&w](int64_t n) {
             int64_t needed = 0;
             return ortho_chain_memory(w.recurrent, int64_t{1} << 20, n, 0, &needed, nullptr);
         }},
        {"ortho_chain_forward", states, [&w](int64_t n) { return w.forward(n, 2, 1); }},
        {"ortho_chain_forward", states, [&w](int64_t n) { return w.forward(3, n, 1); }},
        {"ortho_chain_forward", states, [&w](int64_t n) { return w.forward(n, n, 1); }, {int64_t{1} << 31}},
        {"ortho_chain_forward", {"output_steps"}, [&w](int64_t n) { return w.forward(3, 2, n); }, {4}, -1},
        {"ortho_chain_forward", states, [&w](int64_t n) { return w.layers_forward(n, 2); }, {1, 3}, -1},
        {"ortho_chain_forward", states, [&w](int64_t n) { return w.layers_forward(0, n); }},
    };
}

TEST(Sizes, That_no_caller_can_mean_are_refused_by_name_and_touch_nothing) {
    World world;
    for (const Sized& sized : calls(world)) {
        std::vector<int64_t> sizes = {
            beyond,        INT64_MAX,         INT64_MAX - 1,  INT64_MAX / 2,    INT64_MAX / 4 + 1,
            INT64_MAX / 8, INT64_MAX / 8 + 1, INT64_MAX / 16, int64_t{1} << 56, int64_t{1} << 48};
#if !defined(ORTHO_SANITIZED)
        // Sanitizers map as much for their own use, often behind the arrays.
        sizes.insert(sizes.end(), {int64_t{1} << 45, int64_t{1} << 40});
#endif
        for (const int64_t size : {int64_t{0}, int64_t{-1}, int64_t{INT32_MIN}, INT64_MIN, INT64_MIN + 1})
            if (size <= sized.too_small)
                sizes.push_back(size);
        sizes.insert(sizes.end(), sized.also.begin(), sized.also.end());
        for (const int64_t size : sizes) {
            SCOPED_TRACE(std::string(sized.function) + " " + sized.names[0] + " = " + std::to_string(size));
            const std::string before = world.contents();
            const int64_t objects = ortho_live_objects();
            const ortho_status status = sized.call(size);
            const std::string message = ortho_last_error();
            EXPECT_TRUE(status == ORTHO_INVALID_ARGUMENT || status == ORTHO_OUT_OF_MEMORY)
                << "status " << status << ": " << message;
            EXPECT_TRUE(std::any_of(sized.names.begin(), sized.names.end(), [&](const char* name) {
                return message.find(name) != std::string::npos;
            })) << message;
            EXPECT_EQ(message.find('\n'), std::string::npos);
            EXPECT_TRUE(world.contents() == before) << "something was written";
            EXPECT_EQ(ortho_live_objects(), objects);
        }
    }
}

TEST(Sizes, Of_every_function_of_the_header_are_tried) {
    World world;
    std::set<std::string> tried, declared;
    for (const Sized& sized : calls(world))
        tried.insert(sized.function);
    for (const char* without_sizes :
         {"ortho_abi_version",        "ortho_version",        "ortho_header_hash",     "ortho_last_error",
          "ortho_get_last_error",     "ortho_live_objects",   "ortho_layout",          "ortho_leaf_count",
          "ortho_leaf_begin",         "ortho_device_free",    "ortho_device_threads",  "ortho_device_name",
          "ortho_device_synchronize", "ortho_buffer_data",    "ortho_buffer_bytes",    "ortho_buffer_free",
          "ortho_staging_data",       "ortho_staging_join",   "ortho_staging_wait",    "ortho_staging_free",
          "ortho_chain_free",         "ortho_chain_backward", "ortho_chain_create_on", "ortho_weights_prepare",
          "ortho_weights_free",       "ortho_streams_step",   "ortho_streams_read",    "ortho_streams_write",
          "ortho_streams_free"})
        EXPECT_TRUE(tried.insert(without_sizes).second) << without_sizes;
    std::istringstream names(ORTHO_FUNCTIONS);
    for (std::string name; std::getline(names, name, ',');)
        declared.insert(name);
    EXPECT_EQ(tried, declared);
}

#if defined(__linux__)
TEST(Sizes, Of_arrays_that_end_before_are_found_where_the_system_can_tell) {
    // 256 MiB of float32 are asked for; there are 128 MiB, and behind them a hole.
    constexpr int64_t count = int64_t{64} << 20;
    constexpr size_t there = size_t{128} << 20, page = 4096;
    auto* const memory = static_cast<char*>(
        mmap(nullptr, there + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    ASSERT_NE(static_cast<void*>(memory), MAP_FAILED);
    munmap(memory + there, page);
    auto* const values = reinterpret_cast<float*>(memory);
    const Device device = make_device(1);
    EXPECT_TRUE(is_refused(ortho_random_normal(1, ORTHO_STREAM_DATA, 0, 0, 1, ORTHO_FLOAT32, 0, count, values),
                           "values is smaller than the sizes say; it must hold 256.0 MiB"));
    EXPECT_TRUE(is_refused(ortho_fill(device.get(), ORTHO_FLOAT32, count, values, 1),
                           "values is smaller than the sizes say; it must hold 256.0 MiB"));
    EXPECT_EQ(values[0], 0);
    EXPECT_TRUE(succeeds(ortho_fill(device.get(), ORTHO_FLOAT32, count / 2, values, 1)));
    EXPECT_EQ(values[count / 2 - 1], 1);
    munmap(memory, there);
}
#endif

} // namespace
} // namespace ortho::test
