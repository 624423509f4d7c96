// Arguments of the operations that a backend implements, as the C interface has checked them.
#pragma once

#include <cstdint>

#include "orthonative/orthonative.h"

namespace ortho {

/** Which normal numbers noise is made of. */
struct NoiseStream {
    uint64_t seed;
    uint32_t source;
    uint64_t index;
};

/** The sizes of a dense layer's call, all at least 1 and with addressable products. */
struct DenseShape {
    int64_t rows;
    int64_t inputs;
    int64_t outputs;
};

/** Arguments of ortho_softmax_cross_entropy; gradients may be null. */
struct SoftmaxCrossEntropy {
    int64_t rows;
    int64_t classes;
    double label_smoothing;
    const void* logits;
    const int32_t* targets;
    void* gradients;
};

/** Arguments of ortho_mean_squared_error; gradients may be null. */
struct MeanSquaredError {
    int64_t count;
    const void* predictions;
    const void* targets;
    void* gradients;
};

/** A flat buffer of parameters, that of their gradients, and the groups that both are divided into. */
struct OptimizerStep {
    int64_t count;
    void* parameters;
    const void* gradients;
    const ortho_parameter_group* groups;
    int64_t group_count;
};

/** What ortho_sgd_step takes besides; velocity may be null where momentum is 0. */
struct SgdOptions {
    void* velocity;
    double momentum;
    bool nesterov;
};

/** What ortho_adam_step takes besides. */
struct AdamOptions {
    void* first_moment;
    void* second_moment;
    int64_t step;
    double beta1;
    double beta2;
    double epsilon;
    bool decoupled;
};

/** Arguments of ortho_chain_forward. */
struct ChainForward {
    int64_t steps;
    int64_t batch;
    int64_t output_steps;
    bool training;
    const void* weights;
    const void* input_weights;
    const void* bias;
    const void* inputs;
    const void* initial;
    void* outputs;
};

/** Arguments of ortho_chain_backward. */
struct ChainBackward {
    bool accumulate;
    const void* weights;
    const void* input_weights;
    const void* bias;
    const void* inputs;
    const void* output_gradients;
    void* weight_gradients;
    void* input_weight_gradients;
    void* bias_gradients;
    void* input_gradients;
    void* initial_gradients;
};

} // namespace ortho
