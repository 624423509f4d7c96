// The operations on buffers that every device has. From the list at the end follow the virtual functions of
// ortho_device, the overloads of run() that each backend defines, and the entries of the table through which libraries
// of devices are called. So a new operation is: a structure and a line here, a run() for each backend, and its function
// in abi/.
//
// Read by the core and by the libraries of devices, which other compilers may compile: plain C++17, and plain data.
#pragma once

#include <cstdint>

#include "model/part.hpp"
#include "orthonative/orthonative.h"

namespace ortho {

// Arguments have been checked by the C interface. Buffers are addresses on the device, unless a line says "host".

struct CopyFromHost {
    void* destination;
    const void* source; // host
    int64_t bytes;
};

struct CopyToHost {
    void* destination; // host
    const void* source;
    int64_t bytes;
};

struct CopyOnDevice {
    void* destination;
    const void* source;
    int64_t bytes;
};

struct Fill {
    ortho_dtype dtype;
    int64_t count;
    void* values;
    double value;
};

/** Adds the partial sums of some leaves to those of the leaves before them, as model/fold.hpp has it. */
struct AddPartialSums {
    ortho_dtype dtype;
    int64_t count; // elements of a sum
    int64_t first_leaf;
    int64_t next_leaf; // behind the leaves before, the first of those that are added
    int64_t end_leaf;  // behind the last of them
    void* sums;
    int64_t stride;
    const void* next_sums;
    int64_t next_stride;
};

/** Steps of samples, up to the length of each. */
struct SequenceShape {
    int64_t steps;
    int64_t batch;
    int64_t units;
    const int32_t* lengths; // host, [batch]; null: all are steps
};

struct PoolForward {
    ortho_dtype dtype;
    ortho_pooling pooling;
    SequenceShape shape;
    const void* x;
    void* y;
};

struct PoolBackward {
    ortho_dtype dtype;
    ortho_pooling pooling;
    SequenceShape shape;
    const void* x; // may be null unless it is a maximum
    const void* y_gradients;
    void* x_gradients;
};

struct Reverse {
    ortho_dtype dtype;
    SequenceShape shape;
    const void* x;
    void* y;
};

/** Which random numbers are drawn. */
struct NoiseStream {
    uint64_t seed;
    uint32_t source;
    uint64_t index;
};

struct AddNormalNoise {
    ortho_dtype dtype;
    NoiseStream stream;
    double standard_deviation;
    int64_t count;
    const void* x;
    void* y; // may be x
};

struct Dropout {
    ortho_dtype dtype;
    NoiseStream stream;
    double rate;
    int64_t count;
    const void* x;
    void* y; // may be x
};

/** The sizes of a dense layer's call, all at least 1 and with addressable products. */
struct DenseShape {
    int64_t rows;
    int64_t inputs;
    int64_t outputs;
};

struct DenseForward {
    ortho_dtype dtype;
    DenseShape shape;
    const void* weights;
    const void* bias; // may be null
    const void* x;
    void* y;
};

struct DenseBackward {
    ortho_dtype dtype;
    DenseShape shape; // rows: those of all steps and samples
    BatchPart part;
    bool accumulate;
    const void* weights; // may be null where x_gradients is
    const void* x;
    const void* y_gradients;
    void* weight_gradients;
    void* bias_gradients; // may be null
    void* x_gradients;    // may be null
};

/** The rows of a loss: time steps of samples, of which those count that lie within the sample's length. */
struct LossRows {
    int64_t steps;
    int64_t batch;
    const int32_t* lengths; // host, [batch]; null: all are steps
    BatchPart part;         // part.rows: of how many rows the mean is taken
};

struct SoftmaxCrossEntropy {
    ortho_dtype dtype;
    LossRows rows;
    int64_t classes;
    double label_smoothing;
    const void* logits;
    const int32_t* targets; // host; each is a class
    void* gradients;        // may be null
    double* loss;           // host, as many as part.sums(); may be null
    int64_t* correct;       // host; may be null
};

struct MeanSquaredError {
    ortho_dtype dtype;
    LossRows rows;
    int64_t units;
    const void* predictions;
    const void* targets;
    void* gradients; // may be null
    double* loss;    // host, as many as part.sums(); may be null
};

struct ClipGradientNorm {
    ortho_dtype dtype;
    int64_t count;
    void* gradients;
    double max_norm;
    double* norm; // host; may be null
};

/** A flat buffer of parameters, that of their gradients, and the groups that both are divided into. */
struct OptimizerStep {
    int64_t count;
    void* parameters;
    const void* gradients;
    const ortho_parameter_group* groups; // host
    int64_t group_count;
};

struct SgdOptions {
    void* velocity; // may be null where momentum is 0
    double momentum;
    bool nesterov;
};

struct SgdStep {
    ortho_dtype dtype;
    OptimizerStep step;
    SgdOptions options;
};

struct AdamOptions {
    void* first_moment;
    void* second_moment;
    int64_t step;
    double beta1;
    double beta2;
    double epsilon;
    bool decoupled;
};

struct AdamStep {
    ortho_dtype dtype;
    OptimizerStep step;
    AdamOptions options;
};

} // namespace ortho

/** Writes X(Operation) for every operation. */
#define ORTHO_OPERATIONS(X)                                                                                            \
    X(CopyFromHost)                                                                                                    \
    X(CopyToHost)                                                                                                      \
    X(CopyOnDevice)                                                                                                    \
    X(Fill)                                                                                                            \
    X(AddPartialSums)                                                                                                  \
    X(PoolForward)                                                                                                     \
    X(PoolBackward)                                                                                                    \
    X(Reverse)                                                                                                         \
    X(AddNormalNoise)                                                                                                  \
    X(Dropout)                                                                                                         \
    X(DenseForward)                                                                                                    \
    X(DenseBackward)                                                                                                   \
    X(SoftmaxCrossEntropy)                                                                                             \
    X(MeanSquaredError)                                                                                                \
    X(ClipGradientNorm)                                                                                                \
    X(SgdStep)                                                                                                         \
    X(AdamStep)
