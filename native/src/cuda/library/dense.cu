#include <algorithm>

#include "cuda/library/operations.hpp"
#include "cuda/library/partial_sums.hpp"
#include "cuda/library/products.hpp"
#include "cuda/library/reductions.hpp"

namespace ortho::cuda {
namespace {

template <class T> __global__ void add_bias_kernel(int64_t rows, int64_t columns, const T* bias, T* y) {
    for (int64_t i = flat_index(); i < rows * columns; i += flat_stride())
        y[i] += bias[i % columns];
}

template <class T>
void dense_forward(Device& device, const DenseShape& shape, const T* weights, const T* bias, const T* x, T* y) {
    multiply<T>(device, device.matrix_precision, {shape.rows, shape.outputs, shape.inputs}, {x, shape.inputs},
                {weights, shape.inputs, true}, false, {y, shape.outputs});
    if (bias != nullptr)
        launch("add_bias", add_bias_kernel<T>, flat_shape(shape.rows * shape.outputs), device.stream, shape.rows,
               shape.outputs, bias, y);
}

/** Rows of a leaf one behind another: all its samples of a step, then those of the next. */
template <class T>
__global__ void gather_kernel(int64_t steps, int64_t step_elements, int64_t step_stride, const T* from, T* to) {
    for (int64_t i = flat_index(); i < steps * step_elements; i += flat_stride())
        to[i] = from[i / step_elements * step_stride + i % step_elements];
}

/** The most slots that are in use at a time while leaves are put together. */
int64_t most_slots(Span leaves) {
    int64_t most = 0;
    for (int64_t end = leaves.begin + 1; end <= leaves.end; ++end)
        most = std::max(most, Cover({leaves.begin, end}).count());
    return most;
}

/** Elements, in a multiple of what memory is aligned to. */
int64_t aligned(int64_t elements) {
    return (elements + 63) / 64 * 64;
}

template <class T> class LeafGradients {
public:
    LeafGradients(Device& device, const DenseBackward& call)
        : device_(device), call_(call), steps_(call.shape.rows / call.part.samples), leaves_(call.part.held()) {
        int64_t most_rows = 0;
        for (int64_t leaf = leaves_.begin; leaf < leaves_.end; ++leaf)
            most_rows = std::max(most_rows, steps_ * call.part.rows_of(leaf).size());
        const int64_t inputs = call.shape.inputs, outputs = call.shape.outputs;
        const int64_t size = static_cast<int64_t>(sizeof(T));
        // What sum_columns takes comes first, since it asks for scratch memory itself.
        const int64_t for_columns = aligned(sum_columns_scratch<T>({most_rows, outputs, 1, 0}) / size);
        const int64_t gathered = leaves_.size() > 1 && steps_ > 1 ? most_rows : 0;
        const int64_t slots = leaves_.size() > 1 ? most_slots(leaves_) : 0;
        const int64_t x_at = for_columns + aligned(gathered * outputs);
        const int64_t weights_at = x_at + aligned(gathered * inputs);
        const int64_t bias_at = weights_at + slots * aligned(outputs * inputs);
        T* const memory = device.scratch<T>(bias_at + slots * aligned(outputs));
        if (gathered > 0) {
            y_gradients_ = memory + for_columns;
            x_ = memory + x_at;
        }
        slots_of_weights_ = memory + weights_at;
        slots_of_bias_ = memory + bias_at;
    }

    void run() const {
        auto* const weights = static_cast<T*>(call_.weight_gradients);
        auto* const bias = static_cast<T*>(call_.bias_gradients);
        if (leaves_.size() == 1) {
            sum_leaf(leaves_.begin, call_.accumulate, weights, bias);
            return;
        }
        const int64_t outputs = call_.shape.outputs, count = outputs * call_.shape.inputs;
        const auto weight_slot = [&](int64_t slot) { return slots_of_weights_ + slot * aligned(count); };
        const auto bias_slot = [&](int64_t slot) { return slots_of_bias_ + slot * aligned(outputs); };
        Folding folding;
        for (int64_t leaf = leaves_.begin; leaf < leaves_.end; ++leaf)
            folding.take(
                {0, leaf},
                [&](int64_t slot, bool joined) {
                    sum_leaf(leaf, joined, weight_slot(slot), bias != nullptr ? bias_slot(slot) : nullptr);
                },
                [&](int64_t into, int64_t from) {
                    add<T>(device_, count, weight_slot(into), weight_slot(from));
                    if (bias != nullptr)
                        add<T>(device_, outputs, bias_slot(into), bias_slot(from));
                });
        for (int64_t slot = 0; slot < folding.count(); ++slot) {
            write(count, weight_slot(slot), weights + slot * call_.part.stride);
            if (bias != nullptr)
                write(outputs, bias_slot(slot), bias + slot * call_.part.stride);
        }
    }

private:
    /** @param bias  may be null */
    void sum_leaf(int64_t leaf, bool accumulate, T* weights, T* bias) const {
        const Span samples = call_.part.rows_of(leaf);
        const int64_t rows = steps_ * samples.size(), inputs = call_.shape.inputs, outputs = call_.shape.outputs;
        const T* const y_gradients =
            rows_of_leaf(samples, outputs, static_cast<const T*>(call_.y_gradients), y_gradients_);
        const T* const x = rows_of_leaf(samples, inputs, static_cast<const T*>(call_.x), x_);
        multiply<T>(device_, device_.matrix_precision, {outputs, inputs, rows}, {y_gradients, outputs, true},
                    {x, inputs}, accumulate, {weights, inputs});
        if (bias != nullptr)
            sum_columns(device_, ColumnSums{rows, outputs, 1, 0}, y_gradients, accumulate, bias);
    }

    const T* rows_of_leaf(Span samples, int64_t columns, const T* values, T* gathered) const {
        const T* const first = values + samples.begin * columns;
        if (gathered == nullptr)
            return first;
        const int64_t step_elements = samples.size() * columns;
        launch("gather", gather_kernel<T>, flat_shape(steps_ * step_elements), device_.stream, steps_, step_elements,
               call_.part.samples * columns, first, gathered);
        return gathered;
    }

    void write(int64_t count, const T* slot, T* out) const {
        if (call_.accumulate)
            add(device_, count, out, slot);
        else
            copy_on_device(device_, out, slot, count * static_cast<int64_t>(sizeof(T)));
    }

    Device& device_;
    const DenseBackward& call_;
    const int64_t steps_;
    const Span leaves_;
    // Scratch memory. Null: the rows of a leaf lie one behind another already.
    T* y_gradients_ = nullptr;
    T* x_ = nullptr;
    T* slots_of_weights_;
    T* slots_of_bias_;
};

template <class T> void dense_backward(Device& device, const DenseBackward& call) {
    const DenseShape& shape = call.shape;
    const LeafGradients<T> gradients(device, call);
    if (call.x_gradients != nullptr)
        multiply<T>(device, device.matrix_precision, {shape.rows, shape.inputs, shape.outputs},
                    {static_cast<const T*>(call.y_gradients), shape.outputs},
                    {static_cast<const T*>(call.weights), shape.inputs}, false,
                    {static_cast<T*>(call.x_gradients), shape.inputs});
    gradients.run();
}

} // namespace

void run(Device& device, const DenseForward& call) {
    device.set_up_blas();
    dispatch(call.dtype, [&](auto* type) {
        using T = Pointee<decltype(type)>;
        dense_forward(device, call.shape, static_cast<const T*>(call.weights), static_cast<const T*>(call.bias),
                      static_cast<const T*>(call.x), static_cast<T*>(call.y));
    });
}

void run(Device& device, const DenseBackward& call) {
    device.set_up_blas();
    dispatch(call.dtype, [&](auto* type) { dense_backward<Pointee<decltype(type)>>(device, call); });
}

} // namespace ortho::cuda
