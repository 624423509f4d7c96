// The steps of a chain of cells of gates.
#pragma once

#include "cuda/library/cell_steps.hpp"
#include "cuda/library/gate_weights.hpp"
#include "cuda/library/step_sums.hpp"

namespace ortho::cuda {

/** One step forward of some rows: its product and its epilogue. */
template <class T, class Cell> void forward_step(const ChainWeights<T, Cell>& weights, const StepForward<T>& step) {
    const int64_t n = weights.parameters.hidden_size;
    weights.multiply_states(step.rows, step.parameters, step.previous, step.products);
    launch("gate_forward", gate_forward_kernel<Cell, T>, step_shape(step.rows, n), weights.device.stream,
           GateForward<T>{step.rows, n, step.products, step.drive, step.drive_stride, step.parameters.bias,
                          step.previous, step.next, step.vector_stride, step.kept, step.samples});
}

template <class T, class Cell> class CellSteps {
public:
    using Weights = ChainWeights<T, Cell>;
    using Columns = GateColumns<Cell>;

    /** Products of all gates, in whose place backward puts that of the deltas, and gradients of carried vectors. */
    static constexpr StepVectors vectors{Cell::carried_vectors, Cell::kept_vectors,
                                         Cell::gates + Cell::carried_vectors};

    CellSteps(const Weights& weights, const ChainMemory<T>& memory, bool)
        : weights_(weights), memory_(memory), device_(weights.device), n_(weights.parameters.hidden_size),
          d_(weights.parameters.input_size) {}

    /** Makes V u of a segment, as filter cells do. */
    void make_drives(const SegmentCall<T>& segment, const T* inputs) const {
        if (d_ > 0)
            weights_.multiply_inputs(segment.size * batch(), segment.parameters, inputs, drive(0), row());
    }

    /** There is no kernel for all steps. */
    static constexpr bool forward_at_once(const SegmentCall<T>&) { return false; }
    static constexpr bool backward_at_once(const SegmentCall<T>&, int64_t, bool, const T*,
                                           const ArrivingGradients<T>&) {
        return false;
    }

    /** Without training nothing is kept, which saves an epilogue a quarter to a third of its memory traffic. */
    static constexpr int64_t loop_kind(bool training) { return training ? 1 : 0; }

    void forward_step(const SegmentCall<T>& segment, int64_t local, bool training) const {
        cuda::forward_step<T, Cell>(weights_, {batch(),
                                               0,
                                               segment.parameters,
                                               products(),
                                               d_ > 0 ? drive(local) : nullptr,
                                               row(),
                                               memory_.state(local),
                                               memory_.state(local + 1),
                                               memory_.vector_stride(),
                                               training ? memory_.kept(local) : nullptr,
                                               {memory_.remaining(), local}});
    }

    /** Elements of a unit depend on no others, so a gradient is written where it was read. */
    static constexpr int64_t gradient_after(int64_t which, int64_t) { return which; }
    void read_gradient(int64_t, const T* from) const {
        copy_on_device(device_, gradient(), from, Cell::carried_vectors * memory_.size());
    }
    void write_gradient(int64_t, T* to) const {
        copy_on_device(device_, to, gradient(), Cell::carried_vectors * memory_.size());
    }

    /** The start at a segment's end: makes the last step's deltas. */
    void begin_backward(const SegmentCall<T>& segment, int64_t, bool started, const T* arriving) const {
        launch_epilogue(segment.size, nullptr, !started, arriving);
    }

    void backward_step(const SegmentCall<T>& segment, int64_t local, int64_t, const T* arriving) const {
        multiply<T>(device_, device_.matrix_precision, {batch(), n_, Cell::gates * n_}, {memory_.kept(local), row()},
                    {segment.parameters.weights, n_}, false, {products(), n_});
        launch_epilogue(local, products(), false, arriving);
    }

    /** Elements of scratch memory for the sums of a backward pass. @param steps  those of the longest segment */
    int64_t sum_elements(const HeldLeaves& leaves, int64_t steps, bool lengths) const {
        return sums(leaves, steps, lengths).elements();
    }

    /** Adds a segment to the sums of leaves, and writes the gradients of its inputs. */
    void add_gradients(const HeldLeaves& leaves, const SegmentCall<T>& segment, const T* inputs,
                       const ChainBackward& call, T* scratch) const {
        sums(leaves, memory_.segments().length, memory_.has_lengths())
            .add(device_, memory_.kept(0), memory_.state(0), inputs, segment.size, memory_.remaining(), !segment.last,
                 scratch);
        if (d_ > 0 && call.input_gradients != nullptr)
            multiply<T>(device_, device_.matrix_precision, {segment.size * batch(), d_, Cell::gates * n_},
                        {memory_.kept(0) + Columns::first_input * n_, row()}, {segment.parameters.input_weights, d_},
                        false, {static_cast<T*>(call.input_gradients) + segment.first * batch() * d_, d_});
    }

    /** Folds the sums of leaves to the gradients of the parameters, in the caller's order of gates. */
    void finish_gradients(const HeldLeaves& leaves, const ChainBackward& call, const T* scratch) const {
        const StepSums<T> all = sums(leaves, memory_.segments().length, memory_.has_lengths());
        auto* const weight_gradients = static_cast<T*>(call.weight_gradients);
        auto* const bias_gradients = static_cast<T*>(call.bias_gradients);
        for_weight_gates<Cell>([&](int64_t gate, int64_t vector, int64_t count) {
            all.finish_weights(device_, scratch, {vector, vector + count}, call.accumulate,
                               weight_gradients + gate * n_ * n_);
        });
        all.finish_input_weights(device_, scratch, call.accumulate, static_cast<T*>(call.input_weight_gradients));
        all.finish_deltas(device_, scratch, {Columns::first_input, Cell::sums}, call.accumulate, bias_gradients);
        if (!weights_.parameters.recurrent_bias)
            return;
        for_weight_gates<Cell>([&](int64_t gate, int64_t vector, int64_t count) {
            all.finish_deltas(device_, scratch, {vector, vector + count}, call.accumulate,
                              bias_gradients + (Cell::gates + gate) * n_);
        });
    }

private:
    int64_t batch() const { return memory_.batch(); }
    /** Elements of what a step keeps of a sample, and of its deltas. */
    int64_t row() const { return Cell::kept_vectors * n_; }

    T* products() const { return memory_.work(0); }
    /** [carried, batch, N] */
    T* gradient() const { return memory_.work(Cell::gates); }
    /** V u of a step, where V's deltas will be, in rows of what is kept. */
    T* drive(int64_t local) const { return memory_.kept(local) + Columns::first_input * n_; }

    /** @param local  the step that was done; behind the last one none was */
    void launch_epilogue(int64_t local, const T* product, bool starts_from_zero, const T* arriving) const {
        const bool has_previous = local > 0;
        launch("gate_backward", gate_backward_kernel<Cell, T>, step_shape(batch(), n_), device_.stream,
               GateBackward<T>{batch(),
                               n_,
                               product,
                               starts_from_zero,
                               arriving,
                               gradient(),
                               has_previous ? memory_.state(local - 1) : nullptr,
                               memory_.vector_stride(),
                               has_previous ? memory_.kept(local - 1) : nullptr,
                               {memory_.remaining(), local}});
    }

    StepSums<T> sums(const HeldLeaves& leaves, int64_t steps, bool lengths) const {
        return StepSums<T>(leaves, steps, n_, d_, {Cell::sums, {0, Cell::gates}, {Columns::first_input, Cell::sums}},
                           lengths);
    }

    const Weights& weights_;
    const ChainMemory<T>& memory_;
    Device& device_;
    const int64_t n_;
    const int64_t d_;
};

} // namespace ortho::cuda
