#include "cuda/library/chain.hpp"

#include <algorithm>
#include <cstring>

#include "core/system.hpp"
#include "cuda/library/cells.hpp"
#include "cuda/library/operations.hpp"

namespace ortho::cuda {
namespace {

/** How the steps of a chain are run. */
enum class LoopPlan {
    automatic,
    /** Products by cuBLAS, kernel after kernel. */
    steps,
    /** The same, captured in a graph. */
    graph,
    /** One kernel for all steps, where there is one for the cell and the shape; otherwise as graph. */
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

/**
 * Runs a cell over the steps of a chain, segment by segment. It knows calls, segments, lengths and graphs; products,
 * epilogues and sums are the cell's (cell_steps.hpp).
 */
template <class T, class Cell> class CudaChain final : public Chain {
public:
    using Weights = ChainWeights<T, Cell>;
    using Steps = CellSteps<T, Cell>;

    /** @param prepared  whether the weights are prepared apart; otherwise each call does so */
    CudaChain(std::shared_ptr<Weights> weights, bool prepared)
        : Chain(weights->device), weights_(std::move(weights)), prepared_(prepared), p_(weights_->parameters),
          n_(p_.hidden_size), d_(p_.input_size), recurrent_(p_.model == ORTHO_RECURRENT), plan_(plan_of_environment()),
          memory_(device, p_, Steps::vectors),
          steps_of_cell_(*weights_, memory_, plan_ == LoopPlan::persistent || plan_ == LoopPlan::automatic) {}

    ~CudaChain() override {
        // Work may still be using what is about to be freed, also on other streams, on which a caller replays what was
        // captured.
        static_cast<void>(cudaDeviceSynchronize());
    }

    int64_t state_bytes(int64_t steps, int64_t batch, bool training) const override {
        return memory_.bytes(steps, batch, training);
    }

    /** Of a call with lengths, which takes at least as much as one without. */
    int64_t sum_bytes(int64_t steps, int64_t batch) const override {
        const HeldLeaves leaves(BatchPart{batch, 0, batch, 0, true, 0});
        const int64_t longest = memory_.segments_for(steps, batch, true).length;
        return steps_of_cell_.sum_elements(leaves, longest, true) * static_cast<int64_t>(sizeof(T));
    }

    void forward(const ChainForward& call) override {
        refuse_captured_lengths(device, call.lengths);
        // What can fail for want of memory comes first, so that the forward pass before stays as it was.
        prepare_memory(call);
        const int64_t batch = call.batch;
        if (memory_.has_lengths())
            copy_to_device(device, memory_.lengths(), call.lengths, batch * static_cast<int64_t>(sizeof(int32_t)));
        const auto* inputs = static_cast<const T*>(call.inputs);
        const auto* initial = static_cast<const T*>(call.initial);
        if (p_.check_finite) {
            if (inputs != nullptr && memory_.has_lengths())
                check_finite(device, Checked::inputs, {steps_, batch, d_, memory_.lengths()}, inputs);
            else if (inputs != nullptr)
                check_finite(device, Checked::inputs, steps_ * batch * d_, inputs);
            if (initial != nullptr)
                check_finite(device, recurrent_ ? Checked::initial : Checked::feedforward_inputs, carried_elements(),
                             initial);
        }
        const auto given = parameters_of(call);
        if (!prepared_)
            weights_->load(given);
        const ParameterAddresses<T> parameters = weights_->addresses(given);

        if (initial != nullptr)
            memory_.read_state(0, initial);
        else
            memory_.clear_state(0);
        const Segments& segments = memory_.segments();
        for (int64_t segment = 0; segment < segments.count(); ++segment) {
            if (segment > 0)
                memory_.copy_state(memory_.state(0), memory_.vector_stride(), memory_.state(segments.size(segment - 1)),
                                   memory_.vector_stride());
            if (call.training && segments.count() > 1)
                memory_.write_state(0, memory_.checkpoint(segment));
            forward_segment(segment_of(segment, parameters), inputs, call.training);
            copy_outputs(segment, static_cast<T*>(call.outputs));
        }
        if (call.final_states != nullptr)
            memory_.write_state(segments.size(segments.count() - 1), static_cast<T*>(call.final_states));
        ready_for_backward_ = call.training;
    }

    void backward(const ChainBackward& call) override {
        if (!ready_for_backward_)
            fail(ORTHO_INVALID_STATE, "backward needs a training forward call before it, one for each");
        if (lengths_given_ && is_captured(device.stream))
            fail(ORTHO_INVALID_STATE, "backward cannot be captured behind a forward call with lengths; a replay would "
                                      "use those of another call");
        const auto* outputs = static_cast<const T*>(call.output_gradients);
        if (output_steps_ > 0 && outputs == nullptr)
            fail(ORTHO_INVALID_ARGUMENT, Argument::missing("output_gradients"),
                 "is null; it must be given, since forward wrote %" PRId64 " output steps", output_steps_);
        const auto* const last = static_cast<const T*>(call.final_gradients);
        if (p_.check_finite && output_steps_ > 0)
            check_finite(device, Checked::output_gradients, output_steps_ * memory_.elements(), outputs);
        if (p_.check_finite && last != nullptr)
            check_finite(device, Checked::final_gradients, carried_elements(), last);
        const HeldLeaves leaves(part_);
        const Segments& segments = memory_.segments();
        T* const scratch =
            device.scratch<T>(steps_of_cell_.sum_elements(leaves, segments.length, memory_.has_lengths()));
        memory_.use_again();
        ready_for_backward_ = false;

        const auto* const inputs = static_cast<const T*>(call.inputs);
        const ParameterAddresses<T> parameters = weights_->addresses(parameters_of(call));
        const ArrivingGradients<T> arriving{output_steps_ > 0 ? outputs : nullptr, steps_ - output_steps_,
                                            memory_.elements()};
        current_ = 0;
        if (last != nullptr)
            steps_of_cell_.read_gradient(current_, last);
        for (int64_t number = segments.count() - 1; number >= 0; --number) {
            const SegmentCall<T> segment = segment_of(number, parameters);
            if (!segment.last) {
                memory_.read_state(0, memory_.checkpoint(number));
                forward_segment(segment, inputs, true);
            }
            backward_segment(segment, arriving, !segment.last || last != nullptr);
            steps_of_cell_.add_gradients(leaves, segment, inputs_of(segment, inputs), call, scratch);
        }
        steps_of_cell_.finish_gradients(leaves, call, scratch);
        if (call.initial_gradients != nullptr)
            steps_of_cell_.write_gradient(current_, static_cast<T*>(call.initial_gradients));
    }

private:
    template <class Call> static ParameterAddresses<T> parameters_of(const Call& call) {
        return {static_cast<const T*>(call.weights), static_cast<const T*>(call.input_weights),
                static_cast<const T*>(call.bias)};
    }
    /** Elements of the states of all samples. */
    int64_t carried_elements() const { return Cell::carried_vectors * memory_.elements(); }

    void prepare_memory(const ChainForward& call) {
        memory_.prepare(call, ready_for_backward_, graphs_);
        steps_ = call.steps;
        part_ = call.part;
        lengths_given_ = call.lengths != nullptr;
        output_steps_ = call.output_steps;
        ready_for_backward_ = false;
    }

    SegmentCall<T> segment_of(int64_t number, const ParameterAddresses<T>& parameters) const {
        const Segments& segments = memory_.segments();
        return {segments.first(number), segments.size(number), number == segments.count() - 1, parameters};
    }
    const T* inputs_of(const SegmentCall<T>& segment, const T* inputs) const {
        return d_ > 0 ? inputs + segment.first * memory_.batch() * d_ : nullptr;
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

    /** Forward through a segment, from state(0) to state(size). */
    void forward_segment(const SegmentCall<T>& segment, const T* inputs, bool training) {
        const int64_t batch = memory_.batch();
        if (memory_.has_lengths())
            launch("remaining_steps", remaining_steps_kernel, flat_shape(batch), device.stream, batch, segment.first,
                   memory_.lengths(), memory_.remaining());
        steps_of_cell_.make_drives(segment, inputs_of(segment, inputs));
        if (steps_of_cell_.forward_at_once(segment))
            return;
        const LoopKey key{false,
                          segment.size,
                          recurrent_ ? 0 : segment.first,
                          0,
                          batch,
                          memory_.segments().length * 2 + Steps::loop_kind(training),
                          {segment.parameters.weights, segment.parameters.bias, nullptr, nullptr},
                          memory_.remaining()};
        run_loop(key, [&] {
            for (int64_t local = 0; local < segment.size; ++local)
                steps_of_cell_.forward_step(segment, local, training);
        });
    }

    /** Copies those of a segment's states that are outputs. */
    void copy_outputs(int64_t segment, T* outputs) {
        const Segments& segments = memory_.segments();
        const int64_t first_output = steps_ - output_steps_; // steps done before the first output
        const int64_t begin = std::max(segments.first(segment), first_output);
        const int64_t end = segments.end(segment);
        if (begin < end)
            copy_on_device(device, outputs + (begin - first_output) * memory_.elements(),
                           memory_.state(begin - segments.first(segment) + 1), (end - begin) * memory_.size());
    }

    /** Backward through a segment: deltas take the place of what is kept, and the gradient ends up at its first state.
        @param started  the gradient holds what arrives at the segment's last state, but for `arriving` */
    void backward_segment(const SegmentCall<T>& segment, const ArrivingGradients<T>& arriving, bool started) {
        const int64_t first = segment.first, size = segment.size;
        // At the end of an earlier segment it was added when the segment behind was left.
        const T* const arriving_at_end = segment.last ? arriving.at(first + size) : nullptr;
        if (steps_of_cell_.backward_at_once(segment, current_, started, arriving_at_end, arriving))
            return;
        // Where only the last state is an output, all segments but the last are alike.
        const bool one_output = recurrent_ && output_steps_ <= 1;
        const LoopKey key{
            true,
            size,
            one_output ? 0 : first,
            one_output ? 0 : steps_ - output_steps_,
            memory_.batch(),
            memory_.segments().length * 8 + current_ * 4 + (started ? 2 : 0) + (first == 0 ? 1 : 0),
            {segment.parameters.weights, arriving_at_end, arriving.at(first + size - 1), arriving.at(first)},
            memory_.remaining()};
        run_loop(key, [&] {
            steps_of_cell_.begin_backward(segment, current_, started, arriving_at_end);
            for (int64_t local = size - 1; local >= 0; --local)
                steps_of_cell_.backward_step(segment, local, steps_of_cell_.gradient_after(current_, size - 1 - local),
                                             arriving.at(first + local));
        });
        // A replayed loop ends where the captured one did.
        current_ = steps_of_cell_.gradient_after(current_, size);
    }

    const std::shared_ptr<Weights> weights_;
    const bool prepared_;
    const ChainParameters& p_;
    const int64_t n_;
    const int64_t d_;
    const bool recurrent_;
    const LoopPlan plan_;

    ChainMemory<T> memory_;
    Steps steps_of_cell_;
    GraphCache graphs_;

    int64_t steps_ = 0;
    BatchPart part_{};
    bool lengths_given_ = false;
    int64_t output_steps_ = 0;
    int64_t current_ = 0; // which gradient holds g
    bool ready_for_backward_ = false;
};

} // namespace

std::shared_ptr<Weights> make_weights(Device& device, const ChainParameters& parameters) {
    return with_types(parameters, [&](auto types) -> std::shared_ptr<Weights> {
        using Types = decltype(types);
        return std::make_shared<ChainWeights<typename Types::Numbers, typename Types::Cell>>(device, parameters, true);
    });
}

std::unique_ptr<Chain> make_chain(Device& device, const ChainParameters& parameters) {
    return with_types(parameters, [&](auto types) -> std::unique_ptr<Chain> {
        using Types = decltype(types);
        using Made = CudaChain<typename Types::Numbers, typename Types::Cell>;
        return std::make_unique<Made>(std::make_shared<typename Made::Weights>(device, parameters, false), false);
    });
}

std::unique_ptr<Chain> make_chain(const std::shared_ptr<Weights>& weights) {
    return with_types(weights->parameters, [&](auto types) -> std::unique_ptr<Chain> {
        using Types = decltype(types);
        using Made = CudaChain<typename Types::Numbers, typename Types::Cell>;
        return std::make_unique<Made>(std::static_pointer_cast<typename Made::Weights>(weights), true);
    });
}

} // namespace ortho::cuda
