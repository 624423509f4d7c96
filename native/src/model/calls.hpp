// Arguments of the calls of objects that lie on a device, as the C interface has checked them. Operations on buffers
// are in operations.hpp.
#pragma once

#include <cstdint>

#include "model/part.hpp"
#include "orthonative/orthonative.h"

namespace ortho {

/** Arguments of ortho_chain_forward. */
struct ChainForward {
    int64_t steps;
    int64_t batch;
    const int32_t* lengths; // host, [batch]; null: all are steps
    BatchPart part;         // for backward
    int64_t output_steps;
    bool training;
    const void* weights;
    const void* input_weights;
    const void* bias;
    const void* inputs;
    const void* initial;
    void* outputs;
    void* final_states;
};

/** Arguments of ortho_chain_backward. */
struct ChainBackward {
    bool accumulate;
    const void* weights;
    const void* input_weights;
    const void* bias;
    const void* inputs;
    const void* output_gradients;
    const void* final_gradients;
    void* weight_gradients;
    void* input_weight_gradients;
    void* bias_gradients;
    void* input_gradients;
    void* initial_gradients;
};

/** Parameters of ortho_weights_prepare. */
struct WeightsSource {
    bool training;
    const void* weights;
    const void* input_weights;
    const void* bias;
};

} // namespace ortho
