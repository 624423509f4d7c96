// The operations on buffers that every device has. From the list at the end follow the virtual functions of
// ortho_device, the overloads of run() that each backend defines, and the entries of the table through which libraries
// of devices are called. So a new operation is: a structure and a line here, a run() for each backend, and its function
// in abi/.
//
// Read by the core and by the libraries of devices, which other compilers may compile: plain C++17, and plain data.
#pragma once

#include <cstdint>

#include "core/host_device.hpp"
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

struct Mask {
    ortho_dtype dtype;
    SequenceShape shape;
    const void* x;
    void* y; // may be x
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

/** The windows of a convolution over time. */
struct WindowsShape {
    SequenceShape sequences;
    int64_t window;
    int64_t stride;
    int64_t padding; // below window
    int64_t count;   // windows of a sample of all steps, at least 1

    /** Windows of a sample. */
    ORTHO_HOST_DEVICE int64_t of(int64_t length) const {
        return length == 0 || length + 2 * padding < window ? 0 : (length + 2 * padding - window) / stride + 1;
    }
    /** Those of them that a step is in. */
    ORTHO_HOST_DEVICE Span with(int64_t step, int64_t length) const {
        const int64_t at = step + padding, last = at / stride + 1, all = of(length);
        return {at < window ? 0 : (at - window) / stride + 1, last < all ? last : all};
    }
};

struct WindowsForward {
    ortho_dtype dtype;
    WindowsShape shape;
    const void* x;
    void* y; // [count, batch, units, window]
};

struct WindowsBackward {
    ortho_dtype dtype;
    WindowsShape shape;
    const void* y_gradients; // [count, batch, units, window]
    void* x_gradients;
};

struct EmbeddingForward {
    ortho_dtype dtype;
    SequenceShape shape;
    const void* table;
    const int32_t* indices; // host, [steps, batch]; each is one of an entry up to the sample's length
    void* y;
};

struct EmbeddingBackward {
    ortho_dtype dtype;
    SequenceShape shape;
    int64_t rows; // that count: the sum of the lengths
    BatchPart part;
    bool accumulate;
    int64_t entries;
    const int32_t* indices; // host, [steps, batch]; each is one of an entry up to the sample's length
    const void* y_gradients;
    void* table_gradients; // [entries, units]
};

/** Which random numbers are drawn. */
struct NoiseStream {
    uint64_t seed;
    uint32_t source;
    uint32_t index;
};

/** Elements [steps, batch, units], numbered as those of the whole batch are. */
struct NoiseShape {
    int64_t first; // sample of the whole batch that is the call's first
    int64_t steps;
    int64_t batch;
    int64_t units;
};

struct AddNormalNoise {
    ortho_dtype dtype;
    NoiseStream stream;
    double standard_deviation;
    NoiseShape shape;
    const void* x;
    void* y; // may be x
};

struct Dropout {
    ortho_dtype dtype;
    NoiseStream stream;
    double rate;
    bool same_steps;
    NoiseShape shape;
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

struct ActivationForward {
    ortho_dtype dtype;
    ortho_activation activation;
    int64_t count;
    const void* x;
    void* y; // may be x
};

struct ActivationBackward {
    ortho_dtype dtype;
    ortho_activation activation;
    int64_t count;
    const void* x;
    const void* y_gradients;
    void* x_gradients; // may be y_gradients
};

/** The gate of a gated linear unit; cells of gates are no operations. */
struct LinearGateForward {
    ortho_dtype dtype;
    int64_t rows;
    int64_t units;
    const void* x; // [rows, 2, units]
    void* y;
};

struct LinearGateBackward {
    ortho_dtype dtype;
    int64_t rows;
    int64_t units;
    const void* x; // [rows, 2, units]
    const void* y_gradients;
    void* x_gradients;
};

struct LayerNormForward {
    ortho_dtype dtype;
    int64_t rows;
    int64_t units;
    double epsilon;
    const void* scale;
    const void* offset; // may be null
    const void* x;
    void* y;
    void* statistics; // [rows, 2]; may be null
};

struct LayerNormBackward {
    ortho_dtype dtype;
    int64_t rows; // those of all steps and samples
    int64_t units;
    BatchPart part;
    bool accumulate;
    const void* scale;
    const void* x;
    const void* statistics; // [rows, 2]
    const void* y_gradients;
    void* scale_gradients;
    void* offset_gradients; // may be null
    void* x_gradients;      // may be null
};

struct AddElements {
    ortho_dtype dtype;
    int64_t count;
    const void* x;
    const void* y;
    void* z; // may be x or y
};

/** Copies columns of rows to columns of other rows. */
struct CopyColumns {
    ortho_dtype dtype;
    int64_t rows;
    int64_t columns; // that are copied
    const void* x;
    int64_t x_columns; // elements of a row
    int64_t x_first;
    void* y;
    int64_t y_columns;
    int64_t y_first;
};

/** The rows of a loss: time steps of samples. Those count that lie within the sample's length and have a weight. */
struct LossRows {
    int64_t steps;
    int64_t batch;
    const int32_t* lengths; // host, [batch]; null: all are steps
    const float* weights;   // host, [steps, batch], which loss_weight() reads; null: all are 1
    BatchPart part;         // part.weight: of what weight of rows the mean is taken
};

struct SoftmaxCrossEntropy {
    ortho_dtype dtype;
    LossRows rows;
    int64_t classes;
    const float* class_weights; // host, [classes], which loss_weight() reads; null: all are 1
    double class_weight_sum;    // of all classes
    double label_smoothing;
    const void* logits;
    const int32_t* targets; // host; each is a class
    void* gradients;        // may be null
    double* loss;           // host, as many as part.sums(); may be null
    int64_t* correct;       // host; may be null
};

struct ElementwiseLoss {
    ortho_dtype dtype;
    ortho_loss_kind kind;
    LossRows rows;
    int64_t units;            // predictions of a row
    const double* parameters; // host; null where there are none
    int64_t parameter_count;
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

/** Multiplies by a factor. */
struct Scale {
    ortho_dtype dtype;
    int64_t count;
    double factor;
    void* values;
};

/** An exponential moving average: averages = decay averages + (1 - decay) values. */
struct Average {
    ortho_dtype dtype;
    int64_t count;
    double decay;
    const void* values;
    void* averages;
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
    void* largest_second_moment; // null: not AMSGrad
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

struct RmspropOptions {
    void* square_mean;
    void* gradient_mean; // null: not centered
    void* velocity;      // may be null where momentum is 0
    double decay;
    double momentum;
    double epsilon;
};

struct RmspropStep {
    ortho_dtype dtype;
    OptimizerStep step;
    RmspropOptions options;
};

struct LionOptions {
    void* first_moment;
    double beta1;
    double beta2;
};

struct LionStep {
    ortho_dtype dtype;
    OptimizerStep step;
    LionOptions options;
};

} // namespace ortho

/** Writes X(Operation) for every operation. */
#define ORTHO_OPERATIONS(X)                                                                                            \
    X(CopyFromHost)                                                                                                    \
    X(CopyToHost)                                                                                                      \
    X(CopyOnDevice)                                                                                                    \
    X(Fill)                                                                                                            \
    X(AddPartialSums)                                                                                                  \
    X(WindowsForward)                                                                                                  \
    X(WindowsBackward)                                                                                                 \
    X(EmbeddingForward)                                                                                                \
    X(EmbeddingBackward)                                                                                               \
    X(PoolForward)                                                                                                     \
    X(PoolBackward)                                                                                                    \
    X(Reverse)                                                                                                         \
    X(Mask)                                                                                                            \
    X(AddNormalNoise)                                                                                                  \
    X(Dropout)                                                                                                         \
    X(DenseForward)                                                                                                    \
    X(DenseBackward)                                                                                                   \
    X(ActivationForward)                                                                                               \
    X(ActivationBackward)                                                                                              \
    X(LinearGateForward)                                                                                               \
    X(LinearGateBackward)                                                                                              \
    X(LayerNormForward)                                                                                                \
    X(LayerNormBackward)                                                                                               \
    X(AddElements)                                                                                                     \
    X(CopyColumns)                                                                                                     \
    X(SoftmaxCrossEntropy)                                                                                             \
    X(ElementwiseLoss)                                                                                                 \
    X(ClipGradientNorm)                                                                                                \
    X(Scale)                                                                                                           \
    X(Average)                                                                                                         \
    X(SgdStep)                                                                                                         \
    X(AdamStep)                                                                                                        \
    X(RmspropStep)                                                                                                     \
    X(LionStep)
