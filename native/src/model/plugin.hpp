// What a library of devices offers to the core: a table of plain functions, so that the two can be compiled by
// different compilers. No exception and no C++ object crosses it.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "core/catch.hpp"
#include "model/calls.hpp"
#include "model/operations.hpp"
#include "orthonative/orthonative.h"

namespace ortho::plugin {

/** Why a call failed: the parts of an ortho::Error. */
struct Failure {
    Argument argument; // its name is a literal of the library, which stays loaded
    char problem[Error::message_capacity];

    void set(const Report& report) noexcept {
        argument = report.argument;
        std::strcpy(problem, report.problem());
    }
    Error error(ortho_status status) const noexcept { return Error(status, problem, argument); }
};

/** ChainSpec in plain form. Everything is read while the chain is made. */
struct ChainParameters {
    ortho_dtype dtype;
    ortho_chain_model model;
    ortho_activation activation;
    ortho_cell cell;
    bool recurrent_bias;
    bool structured;
    bool filter_per_layer;
    bool check_finite;
    int64_t hidden_size;
    int64_t input_size;
    int64_t layers;
    int64_t checkpoint_every;
    int64_t max_state_bytes;
    const double* alpha; // [N]; of filter cells only, as what follows
    const double* beta;  // [N]
    void* context;
    /** Dense filters: writes O of a layer, [N, N]. */
    ortho_status (*read_matrix)(void* context, int64_t layer, double* matrix, Failure* failure);
    /** Structured filters: (O x)_i = sign_i x[source_i]. */
    ortho_status (*read_permutation)(void* context, int64_t layer, int32_t* source, double* sign, Failure* failure);
};

/** Objects of the library: it derives its own from these. */
struct Device {};
struct Staging {};
struct Weights {};
struct Chain {};
struct Streams {};

/** Functions that can fail return a status and then leave a message. Buffers are addresses on the device. */
struct Table {
    /** sizeof(Table), the version of the project, and the hash of its header: all must be those of the core. */
    uint32_t size;
    const char* version;
    const char* header_hash;

    ortho_status (*device_create)(Device** device, const ortho_device_options* options, Failure* failure);
    void (*device_free)(Device* device);
    /** Valid as long as the device. */
    const char* (*device_name)(const Device* device);
    ortho_status (*device_describe)(Device* device, ortho_device_info* info, Failure* failure);
    ortho_status (*device_synchronize)(Device* device, Failure* failure);

    /** Zeroed memory. */
    ortho_status (*allocate)(Device* device, int64_t bytes, void** data, Failure* failure);
    void (*release)(Device* device, void* data);
    /** Whether memory of somebody else lies on the device. */
    ortho_status (*check_memory)(Device* device, const void* data, Failure* failure);

    ortho_status (*staging_create)(Device* device, int64_t bytes, Staging** staging, void** data, Failure* failure);
    void (*staging_free)(Staging* staging);
    ortho_status (*staging_upload)(Staging* staging, void* destination, int64_t bytes, Failure* failure);
    ortho_status (*staging_join)(Staging* staging, Failure* failure);
    ortho_status (*staging_wait)(Staging* staging, Failure* failure);

    /** What chains and streams share. They keep what they need of it when it is freed. */
    ortho_status (*weights_create)(Device* device, const ChainParameters* parameters, Weights** weights,
                                   Failure* failure);
    void (*weights_free)(Weights* weights);
    ortho_status (*weights_prepare)(Weights* weights, const WeightsSource* source, Failure* failure);

    ortho_status (*chain_create)(Device* device, const ChainParameters* parameters, Chain** chain, Failure* failure);
    /** Calls of such a chain are given no parameters. */
    ortho_status (*chain_create_on)(Weights* weights, Chain** chain, Failure* failure);
    void (*chain_free)(Chain* chain);
    ortho_status (*chain_memory)(const Chain* chain, int64_t steps, int64_t batch, bool training, int64_t* state_bytes,
                                 int64_t* sum_bytes, Failure* failure);
    ortho_status (*chain_forward)(Chain* chain, const ChainForward* call, Failure* failure);
    ortho_status (*chain_backward)(Chain* chain, const ChainBackward* call, Failure* failure);

    ortho_status (*streams_create)(Weights* weights, int64_t count, Streams** streams, Failure* failure);
    void (*streams_free)(Streams* streams);
    ortho_status (*streams_step)(Streams* streams, const uint8_t* resets, const void* inputs, void* outputs,
                                 Failure* failure);
    ortho_status (*streams_read)(const Streams* streams, void* states, Failure* failure);
    ortho_status (*streams_write)(Streams* streams, const void* states, Failure* failure);

    /** One for each operation. */
#define ORTHO_ENTRY(Operation)                                                                                         \
    ortho_status (*run_##Operation)(Device * device, const ortho::Operation* call, Failure* failure);
    ORTHO_OPERATIONS(ORTHO_ENTRY)
#undef ORTHO_ENTRY
};

static_assert(std::is_trivial_v<Table> && std::is_standard_layout_v<Table>);

#define ORTHO_IS_PLAIN(Operation)                                                                                      \
    static_assert(std::is_trivial_v<ortho::Operation> && std::is_standard_layout_v<ortho::Operation>);
ORTHO_OPERATIONS(ORTHO_IS_PLAIN)
#undef ORTHO_IS_PLAIN

/** Runs what may throw on either side of the table. */
template <class Body> ortho_status guard(Failure* failure, Body&& body) noexcept {
    return catch_errors(std::forward<Body>(body),
                        [failure](const Error& error) noexcept { failure->set(error.report()); });
}

/** Name of the library's one exported function, `const Table* ortho_plugin(void)`. */
inline constexpr char entry_point[] = "ortho_plugin";

} // namespace ortho::plugin
