// The steps of a chain of filter cells.
#pragma once

#include <optional>
#include <type_traits>

#include "cuda/library/cell_steps.hpp"
#include "cuda/library/filter_weights.hpp"
#include "cuda/library/layers.hpp"
#include "cuda/library/persistent.hpp"
#include "cuda/library/step_sums.hpp"

namespace ortho::cuda {

/** One step forward of some rows: its products and its epilogue. */
template <class T> void forward_step(const ChainWeights<T, FilterCell>& weights, const StepForward<T>& step) {
    const int64_t n = weights.parameters.hidden_size;
    weights.multiply_states(step.rows, step.layer, step.parameters, step.previous, step.products);
    launch("filter_forward", filter_forward_kernel<T>, step_shape(step.rows, n), weights.device.stream,
           FilterForward<T>{weights.cell(), step.rows, n, weights.permutation(step.layer, false), step.products,
                            step.products + n, 2 * n, step.drive, step.drive_stride,
                            weights.bias(step.layer, step.parameters), weights.beta(), step.previous, step.next,
                            step.kept, step.samples});
}

template <class T> class CellSteps<T, FilterCell> {
public:
    using Weights = ChainWeights<T, FilterCell>;

    /** x, phi(z), and alpha O x and W x side by side, and g and delta side by side, of which two take turns. */
    static constexpr StepVectors vectors{1, 1, 6};

    /** @param at_once  whether kernels for all steps may take the place of products by cuBLAS */
    CellSteps(const Weights& weights, const ChainMemory<T>& memory, bool at_once)
        : weights_(weights), memory_(memory), device_(weights.device), p_(weights.parameters), n_(p_.hidden_size),
          d_(p_.input_size), recurrent_(p_.model == ORTHO_RECURRENT), stacked_(weights.stacked()), at_once_(at_once) {}

    /** Makes V u of a segment. Rows of padding are of no use, whatever they hold; no other row depends on them. */
    void make_drives(const SegmentCall<T>& segment, const T* inputs) const {
        if (d_ > 0)
            weights_.multiply_inputs(segment.size * batch(), segment.parameters, inputs, memory_.kept(0), n_);
    }

    /** From state(0) to state(size). */
    bool forward_at_once(const SegmentCall<T>& segment) {
        if constexpr (std::is_same_v<T, float>) {
            const int64_t first = segment.first;
            const PersistentForward problem{weights_.cell(),
                                            batch(),
                                            n_,
                                            segment.size,
                                            weights_.permutation(first, false),
                                            p_.structured ? nullptr : weights_.filter(first),
                                            weights_.weights(first, segment.parameters),
                                            d_ > 0 ? memory_.kept(0) : nullptr,
                                            weights_.bias(first, segment.parameters),
                                            weights_.beta(),
                                            memory_.state(0),
                                            memory_.kept(0)};
            if (const auto shape = persistent_shape()) {
                blocks_run_at_once_ = persistent_forward(device_, *shape, problem);
                return blocks_run_at_once_;
            }
            if (const auto rows = layer_rows()) {
                layers_forward(device_, *rows, problem, layer_strides());
                return true;
            }
        }
        return false;
    }

    /** What of a call's kind the loop over the steps depends on: phi(z) is kept in any case. */
    static constexpr int64_t loop_kind(bool) { return 0; }

    void forward_step(const SegmentCall<T>& segment, int64_t local, bool) const {
        cuda::forward_step<T>(weights_, {batch(),
                                         segment.first + local,
                                         segment.parameters,
                                         products(),
                                         d_ > 0 ? memory_.kept(local) : nullptr,
                                         n_,
                                         memory_.state(local),
                                         memory_.state(local + 1),
                                         memory_.vector_stride(),
                                         memory_.kept(local),
                                         {memory_.remaining(), local}});
    }

    /** Which gradient holds g after so many steps back. */
    int64_t gradient_after(int64_t which, int64_t steps) const { return p_.structured ? (which + steps) % 2 : which; }
    void read_gradient(int64_t which, const T* from) const { copy_rows(gradient(which), gradient_stride(), from, n_); }
    void write_gradient(int64_t which, T* to) const { copy_rows(to, n_, gradient(which), gradient_stride()); }

    /**
     * Backward through a segment: deltas take the place of what is kept, g ends up at the segment's first state.
     * @param which    the gradient that holds g
     * @param started  it holds what arrives at the segment's last state, but for `arriving`
     * @param at_end   of that, what arrives from outside
     */
    bool backward_at_once(const SegmentCall<T>& segment, int64_t which, bool started, const T* at_end,
                          const ArrivingGradients<T>& arriving) {
        if constexpr (std::is_same_v<T, float>) {
            const int64_t first = segment.first;
            const PersistentBackward problem{weights_.cell(),
                                             batch(),
                                             n_,
                                             segment.size,
                                             weights_.permutation(first, true),
                                             p_.structured ? nullptr : weights_.filter(first),
                                             weights_.weights(first, segment.parameters),
                                             weights_.beta(),
                                             memory_.kept(0),
                                             started,
                                             at_end,
                                             arriving.outputs,
                                             first - 1 - arriving.first_output,
                                             gradient(which),
                                             gradient_stride(),
                                             {reinterpret_cast<NumberedGradient*>(products()),
                                              reinterpret_cast<NumberedGradient*>(gradient(1 - which))}};
            if (const auto shape = persistent_shape()) {
                blocks_run_at_once_ = persistent_backward(device_, *shape, problem);
                return blocks_run_at_once_;
            }
            if (const auto rows = layer_rows()) {
                layers_backward(device_, *rows, problem, layer_strides());
                return true;
            }
        }
        return false;
    }

    /** The start at a segment's end: makes the last step's deltas. */
    void begin_backward(const SegmentCall<T>& segment, int64_t which, bool started, const T* arriving) const {
        launch_epilogue({weights_.cell(),
                         batch(),
                         n_,
                         {nullptr, nullptr},
                         nullptr,
                         started ? gradient(which) : nullptr,
                         arriving,
                         weights_.beta(),
                         gradient(which),
                         gradient_stride(),
                         memory_.kept(segment.size - 1),
                         delta_beside_gradient(which),
                         {memory_.remaining(), segment.size}});
    }

    void backward_step(const SegmentCall<T>& segment, int64_t local, int64_t which, const T* arriving) const {
        const int64_t layer = segment.first + local;
        T* const product = products();
        const T* const g = gradient(which);
        if (stacked_) {
            multiply<T>(device_, device_.matrix_precision, {batch(), n_, 2 * n_}, {g, 2 * n_},
                        {weights_.filter(layer), n_}, false, {product, n_});
        } else {
            if (!p_.structured)
                multiply<T>(device_, device_.filter_precision, {batch(), n_, n_}, {g, n_}, {weights_.filter(layer), n_},
                            false, {product, n_});
            multiply<T>(device_, device_.matrix_precision, {batch(), n_, n_}, {memory_.kept(local), n_},
                        {weights_.weights(layer, segment.parameters), n_}, !p_.structured, {product, n_});
        }
        // A structured filter reads other units' gradients, so those that are written must be others.
        const int64_t next = gradient_after(which, 1);
        launch_epilogue({weights_.cell(),
                         batch(),
                         n_,
                         weights_.permutation(layer, true),
                         product,
                         g,
                         arriving,
                         weights_.beta(),
                         gradient(next),
                         gradient_stride(),
                         local > 0 ? memory_.kept(local - 1) : nullptr,
                         delta_beside_gradient(next),
                         {memory_.remaining(), local}});
    }

    /** Elements of scratch memory for the sums of a backward pass. @param steps  those of the longest segment */
    int64_t sum_elements(const HeldLeaves& leaves, int64_t steps, bool lengths) const {
        return recurrent_ ? step_sums(leaves, steps, lengths).elements() : layer_sums(leaves, steps).elements();
    }

    /**
     * Adds a segment of a recurrent chain to the sums of leaves, and writes the gradients of its inputs; sums the
     * gradients of the layers of a segment.
     */
    void add_gradients(const HeldLeaves& leaves, const SegmentCall<T>& segment, const T* inputs,
                       const ChainBackward& call, T* scratch) const {
        const int64_t first = segment.first, length = memory_.segments().length;
        const T* const deltas = memory_.kept(0);
        if (!recurrent_) {
            layer_sums(leaves, length)
                .run(device_, deltas, memory_.state(0), segment.size, call.accumulate, scratch,
                     static_cast<T*>(call.weight_gradients) + first * n_ * n_,
                     static_cast<T*>(call.bias_gradients) + first * n_);
            return;
        }
        step_sums(leaves, length, memory_.has_lengths())
            .add(device_, deltas, memory_.state(0), inputs, segment.size, memory_.remaining(), !segment.last, scratch);
        if (d_ > 0 && call.input_gradients != nullptr)
            multiply<T>(device_, device_.matrix_precision, {segment.size * batch(), d_, n_}, {deltas, n_},
                        {segment.parameters.input_weights, d_}, false,
                        {static_cast<T*>(call.input_gradients) + first * batch() * d_, d_});
    }

    /** Folds the sums of leaves of a recurrent chain to the gradients of its parameters. */
    void finish_gradients(const HeldLeaves& leaves, const ChainBackward& call, const T* scratch) const {
        if (!recurrent_)
            return;
        const StepSums<T> sums = step_sums(leaves, memory_.segments().length, memory_.has_lengths());
        sums.finish_weights(device_, scratch, {0, 1}, call.accumulate, static_cast<T*>(call.weight_gradients));
        sums.finish_input_weights(device_, scratch, call.accumulate, static_cast<T*>(call.input_weight_gradients));
        sums.finish_deltas(device_, scratch, {0, 1}, call.accumulate, static_cast<T*>(call.bias_gradients));
    }

private:
    static constexpr int64_t size_of(int64_t elements) { return elements * static_cast<int64_t>(sizeof(T)); }

    int64_t batch() const { return memory_.batch(); }

    /** alpha O x and W x, side by side: [batch, 2N]. */
    T* products() const { return memory_.work(0); }
    /** g, and in a stacked chain delta beside it, so that both are one row [2N]; two of them take turns. */
    T* gradient(int64_t which) const { return memory_.work(2 + 2 * which); }
    int64_t gradient_stride() const { return stacked_ ? 2 * n_ : n_; }
    T* delta_beside_gradient(int64_t which) const { return stacked_ ? gradient(which) + n_ : nullptr; }

    /** Copies rows [batch, N], which lie so many elements apart. */
    void copy_rows(T* to, int64_t to_stride, const T* from, int64_t from_stride) const {
        check(cudaMemcpy2DAsync(to, static_cast<size_t>(size_of(to_stride)), from,
                                static_cast<size_t>(size_of(from_stride)), static_cast<size_t>(size_of(n_)),
                                static_cast<size_t>(batch()), cudaMemcpyDeviceToDevice, device_.stream),
              "cudaMemcpy2DAsync");
    }

    void launch_epilogue(const FilterBackward<T>& step) const {
        launch("filter_backward", filter_backward_kernel<T>, step_shape(batch(), n_), device_.stream, step);
    }

    /** Whether a kernel of our own may take the place of products by cuBLAS, whose precision it does not have. */
    bool one_launch_wanted() const {
        return at_once_ && device_.matrix_precision == ORTHO_MATRIX_FLOAT32 &&
               device_.filter_precision == ORTHO_MATRIX_FLOAT32;
    }

    /** How all steps of a recurrent chain are done in one launch; nothing where they are not. */
    std::optional<PersistentShape> persistent_shape() const {
        if (recurrent_ && !memory_.has_lengths() && blocks_run_at_once_ && one_launch_wanted())
            return choose_persistent_shape(device_, {batch(), n_, p_.structured});
        return std::nullopt;
    }

    /** How all layers of a feedforward chain are done in one launch; nothing where they are not. */
    std::optional<int> layer_rows() const {
        if (!recurrent_ && one_launch_wanted())
            return choose_layer_rows(device_, {batch(), n_, p_.structured, p_.filter_per_layer});
        return std::nullopt;
    }

    LayerStrides layer_strides() const {
        const bool permutation = p_.filter_per_layer && p_.structured, filter = p_.filter_per_layer && !p_.structured;
        return {permutation ? 2 * n_ : 0, filter ? n_ * n_ : 0, n_ * n_, n_};
    }

    StepSums<T> step_sums(const HeldLeaves& leaves, int64_t steps, bool lengths) const {
        return StepSums<T>(leaves, steps, n_, d_, {1, {0, 1}, {0, 1}}, lengths);
    }
    LayerSums<T> layer_sums(const HeldLeaves& leaves, int64_t layers) const { return LayerSums<T>(leaves, layers, n_); }

    const Weights& weights_;
    const ChainMemory<T>& memory_;
    Device& device_;
    const ChainParameters& p_;
    const int64_t n_;
    const int64_t d_;
    const bool recurrent_;
    /** alpha O and W are one matrix, and so one product a step. */
    const bool stacked_;
    const bool at_once_;
    bool blocks_run_at_once_ = true; // until CUDA refuses such a launch
};

} // namespace ortho::cuda
