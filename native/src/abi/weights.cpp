#include "model/weights.hpp"

#include <algorithm>

#include "abi/arrays.hpp"
#include "abi/guard.hpp"
#include "abi/prepared.hpp"
#include "abi/structures.hpp"
#include "core/check.hpp"

using namespace ortho;

ortho_status ortho_weights_create(ortho_weights** weights, ortho_device* device, const ortho_chain_options* options) {
    return guard([&] {
        check::not_null("weights", weights);
        check::device(device);
        *weights = device->make_weights(ChainSpec(read_structure("options", options)));
    });
}

ortho_status ortho_weights_prepare(ortho_weights* prepared, uint64_t version, int32_t training, const void* weights,
                                   const void* input_weights, const void* bias) {
    return guard([&] {
        check::prepared(prepared);
        check::flag("training", training);
        const ChainSpec& spec = prepared->spec;
        const check::Arrays arrays(*prepared->device, spec.dtype);
        arrays.needed("weights", weights, spec.weight_count());
        if (spec.input_size > 0)
            arrays.needed("input_weights", input_weights, spec.input_weight_count());
        else
            check::null("input_weights", input_weights, "where there are no inputs");
        arrays.needed("bias", bias, spec.bias_count());
        prepared->prepare(version, {training == 1, weights, input_weights, bias});
    });
}

void ortho_weights_free(ortho_weights* prepared) {
    if (prepared != nullptr)
        prepared->release();
}
