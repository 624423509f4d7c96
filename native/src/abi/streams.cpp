#include "model/streams.hpp"

#include <algorithm>

#include "abi/arrays.hpp"
#include "abi/guard.hpp"
#include "abi/in_use.hpp"
#include "abi/prepared.hpp"
#include "core/check.hpp"

using namespace ortho;

namespace {

void check_streams(const ortho_streams* streams) {
    if (streams == nullptr)
        fail(ORTHO_INVALID_ARGUMENT, Argument::missing("streams"), "is null; it must be streams");
}

check::Arrays arrays_of(const ortho_streams& streams) {
    return check::Arrays(*streams.weights->device, streams.weights->spec.dtype);
}

} // namespace

ortho_status ortho_streams_create(ortho_streams** streams, ortho_weights* prepared, int64_t count) {
    return guard([&] {
        check::not_null("streams", streams);
        check::prepared(prepared);
        const ChainSpec& spec = prepared->spec;
        if (!spec.recurrent())
            fail(ORTHO_INVALID_ARGUMENT, Argument{"prepared"},
                 "is of a feedforward chain; streams need a recurrent one");
        check::at_least("count", count, 1);
        checked_product("the streams", {count, std::max(spec.hidden_size + 64, spec.input_size), 64});
        *streams = prepared->make_streams(count).release();
    });
}

ortho_status ortho_streams_step(ortho_streams* streams, const uint8_t* resets, const void* inputs, void* outputs) {
    // At once in the environment that chains compute in: changing it takes longer than a step of a small layer.
    return guard_in(FloatingPointEnvironment::without_subnormals(), [&] {
        check_streams(streams);
        const ChainSpec& spec = streams->weights->spec;
        const check::Arrays arrays = arrays_of(*streams);
        if (spec.input_size > 0)
            arrays.needed("inputs", inputs, streams->count * spec.input_size);
        else
            check::null("inputs", inputs, "where there are no inputs");
        arrays.optional("outputs", outputs, streams->count * spec.hidden_size);
        const InUse in_use(streams->in_use, "streams");
        const ReadingWeights reading(streams->weights, false);
        streams->step(resets, inputs, outputs);
    });
}

ortho_status ortho_streams_read(ortho_streams* streams, void* states) {
    return guard([&] {
        check_streams(streams);
        arrays_of(*streams).needed("states", states, streams->count * streams->weights->spec.state_count());
        const InUse in_use(streams->in_use, "streams");
        streams->read(states);
    });
}

ortho_status ortho_streams_write(ortho_streams* streams, const void* states) {
    return guard([&] {
        check_streams(streams);
        arrays_of(*streams).needed("states", states, streams->count * streams->weights->spec.state_count());
        const InUse in_use(streams->in_use, "streams");
        streams->write(states);
    });
}

void ortho_streams_free(ortho_streams* streams) {
    free_or_leave(streams, [](ortho_streams& abandoned) { abandoned.weights->release(); });
}
