#include "model/chain.hpp"

#include <algorithm>
#include <optional>

#include "abi/arrays.hpp"
#include "abi/batch.hpp"
#include "abi/guard.hpp"
#include "abi/in_use.hpp"
#include "abi/prepared.hpp"
#include "abi/structures.hpp"
#include "core/check.hpp"
#include "core/memory.hpp"

using namespace ortho;

namespace {

void check_chain(const ortho_chain* chain) {
    if (chain == nullptr)
        fail(ORTHO_INVALID_ARGUMENT, Argument::missing("chain"), "is null; it must be a chain");
}

/** A buffer that is needed exactly where there are elements of it. */
void check_given(const char* name, const void* pointer, bool needed) {
    if (needed)
        check::not_null(name, pointer);
    else
        check::null(name, pointer, "where there are no inputs");
}

/** The parameters, which a chain on prepared weights does not take. */
void check_parameters(const ortho_chain& chain, const void* weights, const void* input_weights, const void* bias) {
    if (!chain.weights) {
        check::not_null("weights", weights);
        check_given("input_weights", input_weights, chain.spec.input_size > 0);
        check::not_null("bias", bias);
        return;
    }
    const char* const when = "where the chain is on prepared weights";
    check::null("weights", weights, when);
    check::null("input_weights", input_weights, when);
    check::null("bias", bias, when);
}

void check_steps(const ChainSpec& spec, int64_t steps, int64_t batch) {
    if (spec.recurrent())
        check::at_least("steps", steps, 1);
    else
        check::range("steps", steps, 0, 0);
    check::at_least("batch", batch, 1);
    const int64_t all_steps = spec.recurrent() ? steps : spec.layers;
    checked_product("the states", {all_steps, batch, std::max(spec.hidden_size + 64, spec.input_size), 64});
}

/** The arrays of a backward call hold what the forward pass before it asks for. */
void check_backward_arrays(const ortho_chain& chain, const void* weights, const void* input_weights, const void* bias,
                           const void* inputs, const void* output_gradients, const void* final_gradients,
                           const void* weight_gradients, const void* input_weight_gradients, const void* bias_gradients,
                           const void* input_gradients, const void* initial_gradients) {
    const auto& [steps, batch, output_steps, part] = chain.pass;
    if (batch == 0)
        return; // there was none, which the chain refuses
    const ChainSpec& spec = chain.spec;
    const check::Arrays arrays(*chain.device, spec.dtype);
    const int64_t units = spec.hidden_size;
    arrays.optional("weights", weights, spec.weight_count());
    arrays.optional("input_weights", input_weights, spec.input_weight_count());
    arrays.optional("bias", bias, spec.bias_count());
    arrays.optional("inputs", inputs, steps * batch * spec.input_size);
    if (output_steps > 0)
        arrays.optional("output_gradients", output_gradients, output_steps * batch * units);
    arrays.optional("final_gradients", final_gradients, batch * spec.state_count());
    const int64_t before_last = (part.sums().count() - 1) * part.stride;
    arrays.needed("weight_gradients", weight_gradients, before_last + spec.weight_count());
    arrays.optional("input_weight_gradients", input_weight_gradients, before_last + spec.input_weight_count());
    arrays.needed("bias_gradients", bias_gradients, before_last + spec.bias_count());
    arrays.optional("input_gradients", input_gradients, steps * batch * spec.input_size);
    arrays.optional("initial_gradients", initial_gradients, batch * spec.state_count());
}

} // namespace

ortho_status ortho_chain_create(ortho_chain** chain, ortho_device* device, const ortho_chain_options* options) {
    return guard([&] {
        check::not_null("chain", chain);
        check::device(device);
        *chain = device->make_chain(ChainSpec(read_structure("options", options))).release();
    });
}

ortho_status ortho_chain_create_on(ortho_chain** chain, ortho_weights* prepared) {
    return guard([&] {
        check::not_null("chain", chain);
        check::prepared(prepared);
        *chain = prepared->make_chain().release();
    });
}

void ortho_chain_free(ortho_chain* chain) {
    free_or_leave(chain, [](ortho_chain& abandoned) {
        if (abandoned.weights)
            abandoned.weights->release();
        abandoned.device->release();
    });
}

ortho_status ortho_chain_filter(const ortho_chain* chain, int64_t layer, double* matrix) {
    return guard([&] {
        check_chain(chain);
        if (chain->spec.cell != ORTHO_CELL_FILTER)
            fail(ORTHO_INVALID_ARGUMENT, Argument{"chain"}, "has no filter; it must be of filter cells");
        check::range("layer", layer, 0, chain->spec.filter_per_layer ? chain->spec.layers - 1 : 0);
        const int64_t units = chain->spec.hidden_size;
        check::memory("matrix", matrix, units * units * static_cast<int64_t>(sizeof *matrix));
        chain->spec.write_matrix(layer, matrix);
    });
}

ortho_status ortho_chain_memory(const ortho_chain* chain, int64_t steps, int64_t batch, int32_t training,
                                int64_t* state_bytes, int64_t* sum_bytes) {
    return guard([&] {
        check_chain(chain);
        check_steps(chain->spec, steps, batch);
        check::flag("training", training);
        check::not_null("state_bytes", state_bytes);
        *state_bytes = chain->state_bytes(steps, batch, training == 1);
        if (sum_bytes != nullptr)
            *sum_bytes = training == 1 ? chain->sum_bytes(steps, batch) : 0;
    });
}

ortho_status ortho_chain_forward(ortho_chain* chain, int64_t steps, int64_t batch, const int32_t* lengths,
                                 const ortho_batch_part* part, int64_t output_steps, int32_t training,
                                 const void* weights, const void* input_weights, const void* bias, const void* inputs,
                                 const void* initial, void* outputs, void* final_states) {
    return guard([&] {
        check_chain(chain);
        const ChainSpec& spec = chain->spec;
        check_steps(spec, steps, batch);
        check::range("output_steps", output_steps, 0, spec.recurrent() ? steps : spec.layers);
        check::flag("training", training);
        if (spec.recurrent())
            check::lengths(lengths, steps, batch);
        else
            check::null("lengths", lengths, "where the chain is feedforward");
        const check::Arrays arrays(*chain->device, spec.dtype);
        check_parameters(*chain, weights, input_weights, bias);
        arrays.optional("weights", weights, spec.weight_count());
        arrays.optional("input_weights", input_weights, spec.input_weight_count());
        arrays.optional("bias", bias, spec.bias_count());
        check_given("inputs", inputs, spec.input_size > 0);
        arrays.optional("inputs", inputs, steps * batch * spec.input_size);
        arrays.optional("initial", initial, batch * spec.state_count());
        if (output_steps > 0)
            arrays.needed("outputs", outputs, output_steps * batch * spec.hidden_size);
        arrays.optional("final_states", final_states, batch * spec.state_count());
        const InUse in_use(chain->in_use, "chain");
        const ChainForward call{
            .steps = steps,
            .batch = batch,
            .lengths = lengths,
            .part = check::gradient_part(part, batch, "batch",
                                         std::max({spec.weight_count(), spec.input_weight_count(), spec.bias_count()})),
            .output_steps = output_steps,
            .training = training == 1,
            .weights = weights,
            .input_weights = input_weights,
            .bias = bias,
            .inputs = inputs,
            .initial = initial,
            .outputs = output_steps > 0 ? outputs : nullptr,
            .final_states = final_states};
        std::optional<ReadingWeights> reading;
        if (chain->weights)
            reading.emplace(chain->weights, call.training);
        chain->forward(call);
        chain->weights_generation = reading && call.training ? reading->generation() : 0;
        chain->pass = {steps, batch, output_steps, call.part};
    });
}

ortho_status ortho_chain_backward(ortho_chain* chain, int32_t accumulate, const void* weights,
                                  const void* input_weights, const void* bias, const void* inputs,
                                  const void* output_gradients, const void* final_gradients, void* weight_gradients,
                                  void* input_weight_gradients, void* bias_gradients, void* input_gradients,
                                  void* initial_gradients) {
    return guard([&] {
        check_chain(chain);
        const bool driven = chain->spec.input_size > 0;
        check::flag("accumulate", accumulate);
        check_parameters(*chain, weights, input_weights, bias);
        check_given("inputs", inputs, driven);
        check::not_null("weight_gradients", weight_gradients);
        check_given("input_weight_gradients", input_weight_gradients, driven);
        check::not_null("bias_gradients", bias_gradients);
        if (!driven)
            check_given("input_gradients", input_gradients, false);
        const InUse in_use(chain->in_use, "chain");
        check_backward_arrays(*chain, weights, input_weights, bias, inputs, output_gradients, final_gradients,
                              weight_gradients, input_weight_gradients, bias_gradients, input_gradients,
                              initial_gradients);
        const ChainBackward call{.accumulate = accumulate == 1,
                                 .weights = weights,
                                 .input_weights = input_weights,
                                 .bias = bias,
                                 .inputs = inputs,
                                 .output_gradients = output_gradients,
                                 .final_gradients = final_gradients,
                                 .weight_gradients = weight_gradients,
                                 .input_weight_gradients = input_weight_gradients,
                                 .bias_gradients = bias_gradients,
                                 .input_gradients = input_gradients,
                                 .initial_gradients = initial_gradients};
        std::optional<ReadingWeights> reading;
        // Without a forward pass to follow, the chain refuses before it reads any weights.
        if (chain->weights_generation != 0)
            reading.emplace(chain->weights, true, chain->weights_generation);
        chain->backward(call);
        chain->weights_generation = 0;
    });
}
