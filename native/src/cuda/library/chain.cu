#include "cuda/library/chain.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <optional>
#include <type_traits>
#include <vector>

#include "core/system.hpp"
#include "cuda/library/chain_weights.hpp"
#include "cuda/library/graph_cache.hpp"
#include "cuda/library/layers.hpp"
#include "cuda/library/leaf_sums.hpp"
#include "cuda/library/operations.hpp"
#include "cuda/library/persistent.hpp"
#include "cuda/library/products.hpp"
#include "cuda/library/step_kernels.hpp"
#include "model/segments.hpp"

namespace ortho::cuda {
namespace {

/** States that inference keeps, to copy outputs from and to make the drives of many steps in one product. */
constexpr int64_t inference_window_bytes = int64_t{32} << 20;

/** How the steps of a chain are run. */
enum class LoopPlan {
    automatic,
    /** Products by cuBLAS, kernel after kernel. */
    steps,
    /** The same, captured in a graph. */
    graph,
    /** One kernel for all steps, where it supports the shape; otherwise as graph. */
    persistent
};

/** The environment variable ORTHONATIVE_CUDA_CHAIN forces a plan, for tests and measurements. */
LoopPlan plan_of_environment() {
    const char* const name = environment("ORTHONATIVE_CUDA_CHAIN");
    if (name == nullptr)
        return LoopPlan::automatic;
    if (std::strcmp(name, "steps") == 0)
        return LoopPlan::steps;
    if (std::strcmp(name, "graph") == 0)
        return LoopPlan::graph;
    if (std::strcmp(name, "persistent") == 0)
        return LoopPlan::persistent;
    fail(ORTHO_NOT_SUPPORTED, "ORTHONATIVE_CUDA_CHAIN is '%s'; it must be 'steps', 'graph' or 'persistent'",
         ForeignText(name).c_str());
}

/** How many of the steps from `first` on each sample has, for kernels that count a segment's steps from 0. */
__global__ void remaining_steps_kernel(int64_t batch, int64_t first, const int32_t* lengths, int32_t* remaining) {
    for (int64_t i = flat_index(); i < batch; i += flat_stride())
        remaining[i] = lengths[i] > first ? static_cast<int32_t>(lengths[i] - first) : 0;
}

template <class T> class CudaChain final : public Chain {
public:
    /** @param prepared  whether the weights are prepared apart; otherwise each call does so */
    CudaChain(std::shared_ptr<ChainWeights<T>> weights, bool prepared)
        : Chain(weights->device), weights_(std::move(weights)), prepared_(prepared), p_(weights_->parameters),
          n_(p_.hidden_size), d_(p_.input_size),
          recurrent_(p_.model == ORTHO_RECURRENT), cell_{static_cast<Nonlinearity>(p_.activation)},
          plan_(plan_of_environment()), stacked_(weights_->stacked()) {}

    ~CudaChain() override {
        // Work may still be using what is about to be freed, also on other streams, on which a caller replays what was
        // captured.
        static_cast<void>(cudaDeviceSynchronize());
    }

    int64_t state_bytes(int64_t steps, int64_t batch, bool training) const override {
        return bytes_of(segments_for(steps, batch, training), batch, training);
    }

    /** Of a call with lengths, which takes at least as much as one without. */
    int64_t sum_bytes(int64_t steps, int64_t batch) const override {
        const HeldLeaves leaves(BatchPart{batch, 0, batch, 0, true, 0});
        return size_of(sum_elements(leaves, segments_for(steps, batch, true).length, true));
    }

    void forward(const ChainForward& call) override {
        refuse_captured_lengths(device, call.lengths);
        // What can fail for want of memory comes first, so that the forward pass before stays as it was.
        prepare_states(call);
        if (has_lengths_)
            copy_to_device(device, lengths(), call.lengths, batch_ * static_cast<int64_t>(sizeof(int32_t)));
        const auto* inputs = static_cast<const T*>(call.inputs);
        const auto* initial = static_cast<const T*>(call.initial);
        if (p_.check_finite) {
            if (inputs != nullptr && has_lengths_)
                check_finite(device, Checked::inputs, {steps_, batch_, d_, lengths()}, inputs);
            else if (inputs != nullptr)
                check_finite(device, Checked::inputs, steps_ * batch_ * d_, inputs);
            if (initial != nullptr)
                check_finite(device, recurrent_ ? Checked::initial : Checked::feedforward_inputs, batch_ * n_, initial);
        }
        const auto given = parameters_of(call);
        if (!prepared_)
            weights_->load(given);
        const ParameterAddresses<T> parameters = weights_->addresses(given);

        if (initial != nullptr)
            copy_on_device(device, state(0), initial, state_size());
        else
            clear(device, state(0), state_size());
        for (int64_t segment = 0; segment < segments_.count(); ++segment) {
            if (segment > 0)
                copy_on_device(device, state(0), state(segments_.size(segment - 1)), state_size());
            if (call.training && segments_.count() > 1)
                copy_on_device(device, checkpoint(segment), state(0), state_size());
            forward_segment(segment, parameters, inputs);
            copy_outputs(segment, static_cast<T*>(call.outputs));
        }
        if (call.final_states != nullptr)
            copy_on_device(device, call.final_states, state(segments_.size(segments_.count() - 1)), state_size());
        ready_for_backward_ = call.training;
    }

    void backward(const ChainBackward& call) override {
        if (!ready_for_backward_)
            fail(ORTHO_INVALID_STATE, "backward needs a training forward call before it, one for each");
        if (lengths_given_ && is_captured(device.stream))
            fail(ORTHO_INVALID_STATE, "backward cannot be captured behind a forward call with lengths; a replay would "
                                      "use those of another call");
        const auto* arriving = static_cast<const T*>(call.output_gradients);
        if (output_steps_ > 0 && arriving == nullptr)
            fail(ORTHO_INVALID_ARGUMENT, Argument::missing("output_gradients"),
                 "is null; it must be given, since forward wrote %" PRId64 " output steps", output_steps_);
        if (p_.check_finite && output_steps_ > 0)
            check_finite(device, Checked::output_gradients, output_steps_ * batch_ * n_, arriving);
        if (p_.check_finite && call.final_gradients != nullptr)
            check_finite(device, Checked::final_gradients, batch_ * n_, static_cast<const T*>(call.final_gradients));
        const HeldLeaves leaves(part_);
        T* const scratch = device.scratch<T>(sum_elements(leaves, segments_.length, has_lengths_));
        // They are there: this tells whether a caller captures their use by this call.
        states_.use(device.stream, DeviceMemory());
        work_.use(device.stream, DeviceMemory());
        ready_for_backward_ = false;

        const ParameterAddresses<T> parameters = weights_->addresses(parameters_of(call));
        current_ = 0;
        if (call.final_gradients != nullptr)
            copy_rows(gradient(current_), gradient_stride(), static_cast<const T*>(call.final_gradients), n_);
        for (int64_t segment = segments_.count() - 1; segment >= 0; --segment) {
            const bool last = segment == segments_.count() - 1;
            if (!last) {
                copy_on_device(device, state(0), checkpoint(segment), state_size());
                forward_segment(segment, parameters, static_cast<const T*>(call.inputs));
            }
            backward_segment(segment, parameters, arriving, !last || call.final_gradients != nullptr);
            if (recurrent_)
                add_gradients(leaves, segment, parameters, call, scratch);
            else
                sum_layer_gradients(leaves, segment, call, scratch);
        }
        if (recurrent_)
            finish_gradients(leaves, call, scratch);
        if (call.initial_gradients != nullptr)
            copy_rows(static_cast<T*>(call.initial_gradients), n_, gradient(current_), gradient_stride());
    }

private:
    static constexpr int64_t size_of(int64_t elements) { return elements * static_cast<int64_t>(sizeof(T)); }

    /** Copies rows [batch, N], which lie so many elements apart. */
    void copy_rows(T* to, int64_t to_stride, const T* from, int64_t from_stride) const {
        check(cudaMemcpy2DAsync(to, static_cast<size_t>(size_of(to_stride)), from,
                                static_cast<size_t>(size_of(from_stride)), static_cast<size_t>(size_of(n_)),
                                static_cast<size_t>(batch_), cudaMemcpyDeviceToDevice, device.stream),
              "cudaMemcpy2DAsync");
    }
    template <class Call> static ParameterAddresses<T> parameters_of(const Call& call) {
        return {static_cast<const T*>(call.weights), static_cast<const T*>(call.input_weights),
                static_cast<const T*>(call.bias)};
    }
    int64_t state_elements() const { return batch_ * n_; }
    int64_t state_size() const { return size_of(state_elements()); }
    T* state(int64_t step) const { return states_.as<T>() + step * state_elements(); }
    /** phi(z_k); V u before the step is done, delta_k once backward has been there. */
    T* activation(int64_t step) const { return state(segments_.length + 1 + step); }
    T* checkpoint(int64_t segment) const { return state(2 * segments_.length + 1 + segment); }

    /** alpha O x and W x, side by side: [batch, 2N]. */
    T* products() const { return work_.as<T>(); }
    /** g, and in a stacked chain delta beside it, so that both are one row [2N]; two of them take turns. */
    T* gradient(int64_t which) const { return work_.as<T>() + (1 + which) * 2 * state_elements(); }
    int64_t gradient_stride() const { return stacked_ ? 2 * n_ : n_; }
    T* delta_beside_gradient(int64_t which) const { return stacked_ ? gradient(which) + n_ : nullptr; }

    /** Steps of each sample: [batch]. */
    int32_t* lengths() const { return reinterpret_cast<int32_t*>(products() + 6 * state_elements()); }
    /** Those from the start of the segment on that is being computed; null: samples have all steps. */
    int32_t* remaining() const { return has_lengths_ ? lengths() + batch_ : nullptr; }

    /** Of products, gradients and lengths. */
    int64_t work_bytes(int64_t batch) const {
        return size_of(6 * batch * n_) + 2 * batch * static_cast<int64_t>(sizeof(int32_t));
    }
    int64_t bytes_of(const Segments& segments, int64_t batch, bool training) const {
        const char* what = "the states";
        const int64_t kept = training && segments.count() > 1 ? segments.count() : 0;
        return checked_product(what, {2 * segments.length + 1 + kept, batch, n_, size_of(1)}) + work_bytes(batch);
    }

    Segments segments_for(int64_t steps, int64_t batch, bool training) const {
        if (training)
            return choose_segments(p_.checkpoint_every, p_.max_state_bytes, {steps, batch, n_},
                                   [&](const Segments& tried) { return bytes_of(tried, batch, true); });
        const int64_t of_step = checked_product("the states", {2, batch, n_, size_of(1)});
        return {steps, std::clamp<int64_t>(inference_window_bytes / of_step, 1, steps)};
    }

    void prepare_states(const ChainForward& call) {
        const Segments segments = segments_for(call.steps, call.batch, call.training);
        const int64_t work = work_bytes(call.batch);
        const int64_t states = bytes_of(segments, call.batch, call.training) - work;
        char what[160];
        std::snprintf(what, sizeof what,
                      "%" PRId64 " steps x batch %" PRId64 " x %" PRId64 " units of float%d states (%s)", call.steps,
                      call.batch, n_, static_cast<int>(8 * sizeof(T)),
                      call.training ? "fewer with checkpointing or a smaller batch" : "fewer with a smaller batch");
        // A captured loop uses both.
        if (states > states_.bytes() || work > work_.bytes())
            graphs_.clear();
        // What is there goes first, so that both need not fit at once, unless backward may still want it.
        DeviceMemory more_states = states_.beyond(device.memory, states, what, ready_for_backward_);
        DeviceMemory more_work = work_.beyond(device.memory, work, what, ready_for_backward_);
        states_.use(device.stream, std::move(more_states));
        work_.use(device.stream, std::move(more_work));
        segments_ = segments;
        steps_ = call.steps;
        batch_ = call.batch;
        part_ = call.part;
        lengths_given_ = call.lengths != nullptr;
        has_lengths_ = call.lengths != nullptr && std::any_of(call.lengths, call.lengths + call.batch,
                                                              [&](int32_t length) { return length != call.steps; });
        output_steps_ = call.output_steps;
        ready_for_backward_ = false;
    }

    /** Inputs so few that their product with the deltas does hardly more than read these, as is done for the biases. */
    bool few_inputs() const { return d_ <= most_factors; }

    /** Sums of leaves of a recurrent chain: dW and dV, and db and dV of few inputs. */
    struct StepSums {
        LeafProducts<T> products;
        LeafRows<T> rows;

        int64_t elements() const { return products.elements() + rows.elements(); }
        T* scratch_of_rows(T* scratch) const { return scratch + products.elements(); }
    };

    /** @param steps  those of the longest segment */
    StepSums step_sums(const HeldLeaves& leaves, int64_t steps, bool lengths) const {
        return {LeafProducts<T>(leaves, steps, n_, {n_, few_inputs() ? 0 : d_}, lengths),
                LeafRows<T>(leaves, {steps, n_, 1}, few_inputs() ? d_ : 0)};
    }
    LayerSums<T> layer_sums(const HeldLeaves& leaves, int64_t layers) const { return LayerSums<T>(leaves, layers, n_); }

    /** Elements of scratch memory for the sums of a backward pass. */
    int64_t sum_elements(const HeldLeaves& leaves, int64_t steps, bool lengths) const {
        return recurrent_ ? step_sums(leaves, steps, lengths).elements() : layer_sums(leaves, steps).elements();
    }

    LoopPlan plan_for(int64_t steps) const {
        if (plan_ == LoopPlan::steps || steps < 2 || steps > longest_captured_loop)
            return LoopPlan::steps;
        return LoopPlan::graph;
    }

    /** Runs the loop over a segment's steps, as a graph where that pays. */
    template <class Body> void run_loop(const LoopKey& key, Body&& body) {
        if (plan_for(key.size) == LoopPlan::steps)
            body();
        else
            graphs_.run(device, key, body);
    }

    /** Whether a kernel of our own may take the place of products by cuBLAS, whose precision it does not have. */
    bool one_launch_wanted() const {
        return (plan_ == LoopPlan::persistent || plan_ == LoopPlan::automatic) &&
               device.matrix_precision == ORTHO_MATRIX_FLOAT32 && device.filter_precision == ORTHO_MATRIX_FLOAT32;
    }

    /** How all steps of a recurrent chain are done in one launch; nothing where they are not. */
    std::optional<PersistentShape> persistent_shape() const {
        if (recurrent_ && !has_lengths_ && blocks_run_at_once_ && one_launch_wanted())
            return choose_persistent_shape(device, {batch_, n_, p_.structured});
        return std::nullopt;
    }

    /** How all layers of a feedforward chain are done in one launch; nothing where they are not. */
    std::optional<int> layer_rows() const {
        if (!recurrent_ && one_launch_wanted())
            return choose_layer_rows(device, {batch_, n_, p_.structured, p_.filter_per_layer});
        return std::nullopt;
    }

    LayerStrides layer_strides() const {
        const bool permutation = p_.filter_per_layer && p_.structured, filter = p_.filter_per_layer && !p_.structured;
        return {permutation ? 2 * n_ : 0, filter ? n_ * n_ : 0, n_ * n_, n_};
    }

    /** Forward through a segment, from state(0) to state(size). */
    void forward_segment(int64_t segment, const ParameterAddresses<T>& parameters, const T* inputs) {
        const int64_t first = segments_.first(segment);
        const int64_t size = segments_.size(segment);
        if (has_lengths_)
            launch("remaining_steps", remaining_steps_kernel, flat_shape(batch_), device.stream, batch_, first,
                   lengths(), remaining());
        // Rows of padding are of no use, whatever numbers they hold; no other row depends on them.
        if (d_ > 0)
            multiply<T>(device, device.matrix_precision, {size * batch_, n_, d_}, {inputs + first * batch_ * d_, d_},
                        {parameters.input_weights, d_, true}, false, {activation(0), n_});
        if constexpr (std::is_same_v<T, float>) {
            const PersistentForward problem{cell_,
                                            batch_,
                                            n_,
                                            size,
                                            weights_->permutation(first, false),
                                            p_.structured ? nullptr : weights_->filter(first),
                                            weights_->weights(first, parameters),
                                            d_ > 0 ? activation(0) : nullptr,
                                            weights_->bias(first, parameters),
                                            weights_->beta(),
                                            state(0),
                                            activation(0)};
            if (const auto shape = persistent_shape()) {
                blocks_run_at_once_ = persistent_forward(device, *shape, problem);
                if (blocks_run_at_once_)
                    return;
            }
            if (const auto rows = layer_rows()) {
                layers_forward(device, *rows, problem, layer_strides());
                return;
            }
        }
        const LoopKey key{false,
                          size,
                          recurrent_ ? 0 : first,
                          0,
                          batch_,
                          segments_.length,
                          {parameters.weights, parameters.bias, nullptr, nullptr},
                          remaining()};
        run_loop(key, [&] {
            for (int64_t local = 0; local < size; ++local)
                forward_step(local, first + local, parameters);
        });
    }

    void forward_step(int64_t local, int64_t layer, const ParameterAddresses<T>& parameters) {
        const T* const previous = state(local);
        weights_->multiply_states(batch_, layer, parameters, previous, products());
        launch("forward_epilogue", forward_epilogue_kernel<FilterCell, T>, step_shape(batch_, n_), device.stream,
               ForwardEpilogue<FilterCell, T>{cell_,
                                              batch_,
                                              n_,
                                              weights_->permutation(layer, false),
                                              products(),
                                              products() + n_,
                                              2 * n_,
                                              d_ > 0 ? activation(local) : nullptr,
                                              weights_->bias(layer, parameters),
                                              weights_->beta(),
                                              previous,
                                              state(local + 1),
                                              activation(local),
                                              {remaining(), local}});
    }

    /** Copies those of a segment's states that are outputs. */
    void copy_outputs(int64_t segment, T* outputs) {
        const int64_t first_output = steps_ - output_steps_; // steps done before the first output
        const int64_t begin = std::max(segments_.first(segment), first_output);
        const int64_t end = segments_.end(segment);
        if (begin < end)
            copy_on_device(device, outputs + (begin - first_output) * state_elements(),
                           state(begin - segments_.first(segment) + 1), (end - begin) * state_size());
    }

    /** Gradient that arrives from outside at the state after so many steps; null: none. */
    const T* arriving_at(const T* arriving, int64_t steps_done) const {
        const int64_t output = steps_done - 1 - (steps_ - output_steps_);
        return output >= 0 && steps_done > 0 ? arriving + output * state_elements() : nullptr;
    }

    /** Backward through a segment: deltas take the place of activations, g ends up at the segment's first state.
        @param started  the gradient holds what arrives at the segment's last state, but for `arriving` */
    void backward_segment(int64_t segment, const ParameterAddresses<T>& parameters, const T* arriving, bool started) {
        const int64_t first = segments_.first(segment);
        const int64_t size = segments_.size(segment);
        const bool last = segment == segments_.count() - 1;
        // At the end of an earlier segment it was added when the segment behind was left.
        const T* const arriving_at_end = last ? arriving_at(arriving, first + size) : nullptr;
        if constexpr (std::is_same_v<T, float>) {
            const PersistentBackward problem{cell_,
                                             batch_,
                                             n_,
                                             size,
                                             weights_->permutation(first, true),
                                             p_.structured ? nullptr : weights_->filter(first),
                                             weights_->weights(first, parameters),
                                             weights_->beta(),
                                             activation(0),
                                             started,
                                             arriving_at_end,
                                             output_steps_ > 0 ? arriving : nullptr,
                                             first - 1 - (steps_ - output_steps_),
                                             gradient(current_),
                                             gradient_stride(),
                                             {reinterpret_cast<NumberedGradient*>(products()),
                                              reinterpret_cast<NumberedGradient*>(gradient(1 - current_))}};
            const auto shape = persistent_shape();
            const auto rows = layer_rows();
            if (shape)
                blocks_run_at_once_ = persistent_backward(device, *shape, problem);
            else if (rows)
                layers_backward(device, *rows, problem, layer_strides());
            if ((shape && blocks_run_at_once_) || rows)
                return;
        }
        const int64_t start = current_;
        // Where only the last state is an output, all segments but the last are alike.
        const bool one_output = recurrent_ && output_steps_ <= 1;
        const LoopKey key{true,
                          size,
                          one_output ? 0 : first,
                          one_output ? 0 : steps_ - output_steps_,
                          batch_,
                          segments_.length * 8 + start * 4 + (started ? 2 : 0) + (first == 0 ? 1 : 0),
                          {parameters.weights, arriving_at_end, arriving_at(arriving, first + size - 1),
                           arriving_at(arriving, first)},
                          remaining()};
        run_loop(key, [&] {
            current_ = start;
            launch_epilogue(BackwardEpilogue<FilterCell, T>{cell_,
                                                            batch_,
                                                            n_,
                                                            {nullptr, nullptr},
                                                            nullptr,
                                                            started ? gradient(current_) : nullptr,
                                                            arriving_at_end,
                                                            weights_->beta(),
                                                            gradient(current_),
                                                            gradient_stride(),
                                                            activation(size - 1),
                                                            delta_beside_gradient(current_),
                                                            {remaining(), size}});
            for (int64_t local = size - 1; local >= 0; --local)
                backward_step(local, first + local, parameters, arriving_at(arriving, first + local));
        });
        // A replayed loop ends where the captured one did: each of its steps turned the two gradients over.
        current_ = p_.structured ? (start + size) % 2 : start;
    }

    void backward_step(int64_t local, int64_t layer, const ParameterAddresses<T>& parameters, const T* arriving) {
        T* const product = products();
        const T* const g = gradient(current_);
        if (stacked_) {
            multiply<T>(device, device.matrix_precision, {batch_, n_, 2 * n_}, {g, 2 * n_},
                        {weights_->filter(layer), n_}, false, {product, n_});
        } else {
            if (!p_.structured)
                multiply<T>(device, device.filter_precision, {batch_, n_, n_}, {g, n_}, {weights_->filter(layer), n_},
                            false, {product, n_});
            multiply<T>(device, device.matrix_precision, {batch_, n_, n_}, {activation(local), n_},
                        {weights_->weights(layer, parameters), n_}, !p_.structured, {product, n_});
        }
        // A structured filter reads other units' gradients, so those that are written must be others.
        const int64_t next = p_.structured ? 1 - current_ : current_;
        launch_epilogue(BackwardEpilogue<FilterCell, T>{cell_,
                                                        batch_,
                                                        n_,
                                                        weights_->permutation(layer, true),
                                                        product,
                                                        g,
                                                        arriving,
                                                        weights_->beta(),
                                                        gradient(next),
                                                        gradient_stride(),
                                                        local > 0 ? activation(local - 1) : nullptr,
                                                        delta_beside_gradient(next),
                                                        {remaining(), local}});
        current_ = next;
    }

    void launch_epilogue(const BackwardEpilogue<FilterCell, T>& step) {
        launch("backward_epilogue", backward_epilogue_kernel<FilterCell, T>, step_shape(batch_, n_), device.stream,
               step);
    }

    /** Adds a segment of a recurrent chain to the sums of leaves, and writes the gradients of its inputs. */
    void add_gradients(const HeldLeaves& leaves, int64_t segment, const ParameterAddresses<T>& parameters,
                       const ChainBackward& call, T* scratch) {
        const int64_t first = segments_.first(segment);
        const int64_t size = segments_.size(segment);
        const bool accumulate = segment < segments_.count() - 1;
        const T* const deltas = activation(0);
        const T* const inputs = d_ > 0 ? static_cast<const T*>(call.inputs) + first * batch_ * d_ : nullptr;
        const StepSums sums = step_sums(leaves, segments_.length, has_lengths_);
        sums.products.add(device, deltas, {state(0), inputs}, size, remaining(), accumulate, scratch);
        sums.rows.add(device, deltas, inputs, size, remaining(), accumulate, sums.scratch_of_rows(scratch));
        if (d_ > 0 && call.input_gradients != nullptr)
            multiply<T>(device, device.matrix_precision, {size * batch_, d_, n_}, {deltas, n_},
                        {parameters.input_weights, d_}, false,
                        {static_cast<T*>(call.input_gradients) + first * batch_ * d_, d_});
    }

    /** Folds the sums of leaves of a recurrent chain to the gradients of its parameters. */
    void finish_gradients(const HeldLeaves& leaves, const ChainBackward& call, T* scratch) {
        auto* const input_weight_gradients = static_cast<T*>(call.input_weight_gradients);
        const StepSums sums = step_sums(leaves, segments_.length, has_lengths_);
        sums.products.finish(device, scratch, call.accumulate,
                             {static_cast<T*>(call.weight_gradients), input_weight_gradients});
        sums.rows.finish(device, sums.scratch_of_rows(scratch), call.accumulate, static_cast<T*>(call.bias_gradients),
                         input_weight_gradients);
    }

    /** Sums the gradients of the layers of a segment. */
    void sum_layer_gradients(const HeldLeaves& leaves, int64_t segment, const ChainBackward& call, T* scratch) {
        const int64_t first = segments_.first(segment);
        layer_sums(leaves, segments_.length)
            .run(device, activation(0), state(0), segments_.size(segment), call.accumulate, scratch,
                 static_cast<T*>(call.weight_gradients) + first * n_ * n_,
                 static_cast<T*>(call.bias_gradients) + first * n_);
    }

    const std::shared_ptr<ChainWeights<T>> weights_;
    const bool prepared_;
    const ChainParameters& p_;
    const int64_t n_;
    const int64_t d_;
    const bool recurrent_;
    const FilterCell cell_;
    const LoopPlan plan_;
    /** alpha O and W are one matrix, and so one product a step. */
    const bool stacked_;

    WorkMemory states_;
    WorkMemory work_;
    GraphCache graphs_;

    Segments segments_{};
    int64_t steps_ = 0;
    int64_t batch_ = 0;
    BatchPart part_{};
    bool lengths_given_ = false;
    bool has_lengths_ = false; // and they differ from steps_
    int64_t output_steps_ = 0;
    int64_t current_ = 0; // which gradient holds g
    bool ready_for_backward_ = false;
    bool blocks_run_at_once_ = true; // until CUDA refuses such a launch
};

} // namespace

std::shared_ptr<Weights> make_weights(Device& device, const ChainParameters& parameters) {
    if (parameters.dtype == ORTHO_FLOAT32)
        return std::make_shared<ChainWeights<float>>(device, parameters, true);
    return std::make_shared<ChainWeights<double>>(device, parameters, true);
}

std::unique_ptr<Chain> make_chain(Device& device, const ChainParameters& parameters) {
    if (parameters.dtype == ORTHO_FLOAT32)
        return std::make_unique<CudaChain<float>>(std::make_shared<ChainWeights<float>>(device, parameters, false),
                                                  false);
    return std::make_unique<CudaChain<double>>(std::make_shared<ChainWeights<double>>(device, parameters, false),
                                               false);
}

std::unique_ptr<Chain> make_chain(const std::shared_ptr<Weights>& weights) {
    if (weights->parameters.dtype == ORTHO_FLOAT32)
        return std::make_unique<CudaChain<float>>(std::static_pointer_cast<ChainWeights<float>>(weights), true);
    return std::make_unique<CudaChain<double>>(std::static_pointer_cast<ChainWeights<double>>(weights), true);
}

} // namespace ortho::cuda
