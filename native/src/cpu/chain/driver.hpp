// Runs a cell over the steps of a chain, forward and backward, segment by segment. In which order steps take their
// weights and sum their gradients is said by an Order: RecurrentOrder or LayerOrder.
//
// Beyond its length a sample takes no part in a step: nothing of it is computed, read or written.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/chain/parts.hpp"
#include "cpu/chain/team.hpp"
#include "model/calls.hpp"

namespace ortho::cpu {

/** Steps go through the tiles there and back: the weights that one ends with are in the cache for the next. */
inline bool descending(int64_t step) {
    return step % 2 != 0;
}

template <class Num, class Cell, class Order> class Driver {
public:
    using T = StateOf<Num>;

    Driver(ChainParts<Num, Cell>& parts, Order order)
        : parts_(parts), states_(parts.states), rows_(parts.rows), kernels_(parts.kernels), order_(order),
          n_(parts.spec.hidden_size), d_(parts.spec.input_size) {}

    /** A member's part in a forward pass. */
    void forward(const Member& member, const ChainForward& call) const {
        const Segments& segments = states_.segments();
        const Span share = member.all_rows_share;
        if (call.initial)
            read_state(static_cast<const T*>(call.initial), share, states_.state(0));
        else
            states_.clear_rows(states_.state(0), share);
        const Results results{static_cast<T*>(call.outputs), static_cast<T*>(call.final_states)};
        member.wait();
        for (int64_t segment = 0; segment < segments.count(); ++segment) {
            if (segment > 0) {
                // The chain continues from the last state, which becomes the first of the next segment.
                states_.copy_rows(states_.state(segments.size(segment - 1)), states_.state(0), share);
                member.wait();
            }
            if (segments.count() > 1)
                states_.copy_rows(states_.state(0), states_.checkpoint(segment), share);
            run_segment(member, segment, static_cast<const T*>(call.inputs), results);
        }
        write_last_states(member, rows_.of_lengths(member.rows, segments.steps, segments.steps), segments.steps,
                          states_.state(segments.size(segments.count() - 1)), results);
    }

    /** A member's part in a backward pass. */
    void backward(const Member& member, const ChainBackward& call) const {
        const auto* inputs = static_cast<const T*>(call.inputs);
        const auto* arriving = static_cast<const T*>(call.output_gradients);
        const Segments& segments = states_.segments();
        const StateLayout& layout = states_.layout();
        const Span share = member.all_rows_share;
        const Span columns = member.columns(parts_.weights.backward_tiles());
        const auto& kernels = kernels_.of(parts_.cell);
        // Gradient that arrives from outside at the state after `steps_done` steps.
        const auto arriving_at = [&](int64_t steps_done) -> const T* {
            const int64_t output = states_.output_of(steps_done - 1);
            return output >= 0 && steps_done > 0 ? arriving + output * layout.batch * n_ : nullptr;
        };

        const bool varied = rows_.varied();
        int64_t current = 0;
        states_.clear_rows(states_.gradient(0), share);
        if (varied)
            states_.clear_rows(states_.gradient(1), share);
        if (call.final_gradients)
            start_gradients(share, static_cast<const T*>(call.final_gradients));
        clear_padding(member, call);
        member.wait();
        for (int64_t steps_done = states_.output_end(); steps_done >= segments.steps; --steps_done)
            pass_through(member, rows_.of_lengths(member.rows, 0, steps_done - 1), arriving_at(steps_done));
        for (int64_t segment = segments.count() - 1; segment >= 0; --segment) {
            const int64_t first = segments.first(segment);
            const int64_t size = segments.size(segment);
            if (segment < segments.count() - 1) {
                states_.copy_rows(states_.checkpoint(segment), states_.state(0), share);
                member.wait();
                run_segment(member, segment, inputs, {});
            }
            member.wait();
            BackwardStep<Num, Cell> step{
                .layout = layout,
                .cell = parts_.cell,
                .descending = false,
                .operands = parts_.weights.backward(first + size - 1, parts_.binding, member.group),
                .gradient = nullptr,
                .delta = nullptr,
                .arriving = nullptr,
                .order = order(),
                .previous_gradient = states_.gradient(current),
                .previous_delta = states_.kept(size - 1),
                .previous_state = states_.state(size - 1),
                .upcoming = {},
            };
            // Of rows that go on behind the segment, what arrives was added when the segment behind was left.
            kernels.backward(step, rows_.of_lengths(member.rows, first + size + 1, segments.steps), columns.begin,
                             columns.end);
            step.arriving = arriving_at(first + size);
            kernels.backward(step, rows_.of_lengths(member.rows, first + size, first + size), columns.begin,
                             columns.end);

            BatchRows::Cursor taking(rows_, member.rows, first + size), joining(rows_, member.rows, first + size - 1);
            auto progress = order_.begin_sums(member, first + size);
            const int64_t chunk = order_.steps_of_sum();
            int64_t summed = size;
            for (int64_t local = size - 1; local >= 0; --local) {
                const int64_t layer = first + local;
                const bool sum_now = summed - local >= chunk || local == 0;
                order_.begin_backward_step(member, layer, sum_now);
                if (sum_now) {
                    order_.sum(member, call, first, local, progress);
                    input_gradients(member, call, first, local, summed - local);
                    summed = local;
                }
                step.descending = descending(layer);
                if constexpr (Order::weights_of_steps_differ) {
                    step.operands = parts_.weights.backward(layer, parts_.binding, member.group);
                    step.upcoming = order_.upcoming(member, layer - 1, columns.size());
                }
                step.gradient = states_.gradient(current);
                step.delta = states_.kept(local);
                step.arriving = arriving_at(layer);
                step.previous_gradient = states_.gradient(1 - current);
                step.previous_delta = local > 0 ? states_.kept(local - 1) : nullptr;
                step.previous_state = local > 0 ? states_.state(local - 1) : nullptr;
                if (!varied) {
                    kernels.backward(step, {&member.rows, 1}, columns.begin, columns.end);
                } else {
                    taking.move_to(layer);
                    kernels.backward(step, taking.taking(), columns.begin, columns.end);
                    // Samples that end here begin their way back; at the start of a segment, with the segment before.
                    joining.move_to(layer - 1);
                    step.gradient = nullptr;
                    if (local > 0)
                        kernels.backward(step, joining.changed(), columns.begin, columns.end);
                    pass_through(member, joining.others(), step.arriving);
                }
                current = 1 - current;
            }
            // The next segment overwrites the states that others may still be summing.
            member.wait();
        }
        if (call.initial_gradients)
            write_state(states_.gradient(current), share, static_cast<T*>(call.initial_gradients));
    }

private:
    /** What a forward pass writes: each null where it is not wanted. */
    struct Results {
        T* outputs = nullptr;
        T* final_states = nullptr;
    };

    SampleOrder order() const { return rows_.order(); }

    /** The vectors that steps carry, [vectors, batch, N] by samples, to the rows of a state, and back. */
    void read_state(const T* samples, Span rows, T* state) const {
        for (int64_t vector = 0; vector < Cell::carried_vectors; ++vector)
            kernels_.to_state(states_.layout(), order(), samples + vector * states_.layout().batch * n_, rows,
                              state + vector * states_.layout().size());
    }
    void write_state(const T* state, Span rows, T* samples) const {
        for (int64_t vector = 0; vector < Cell::carried_vectors; ++vector)
            kernels_.from_state(states_.layout(), order(), state + vector * states_.layout().size(), rows,
                                samples + vector * states_.layout().batch * n_);
    }

    /** Which of the two gradients that take turns is the one at a row's last state. */
    T* last_gradient(int64_t row) const { return states_.gradient((states_.segments().steps - rows_.length(row)) % 2); }

    /** Starts with the gradients at the last states. */
    void start_gradients(Span rows, const T* final_gradients) const {
        if (!rows_.varied()) {
            read_state(final_gradients, rows, states_.gradient(0));
            return;
        }
        for (int64_t row = rows.begin; row < rows.end; ++row)
            read_state(final_gradients, {row, row + 1}, last_gradient(row));
    }

    /** Forward through the steps of a segment, from state(0) to state(size). */
    void run_segment(const Member& member, int64_t segment, const T* inputs, const Results& results) const {
        const StateLayout& layout = states_.layout();
        const int64_t first = states_.segments().first(segment);
        const Span columns = member.columns(parts_.weights.forward_tiles());
        const auto& kernels = kernels_.of(parts_.cell);
        // What no step changes is looked up once: the steps of a small chain take some 100 ns.
        const bool varied = rows_.varied();
        const SampleOrder order = rows_.order();
        const T* const row_inputs = parts_.inputs.of(rows_, inputs, 0);
        const int64_t input_step = layout.batch * d_;
        ForwardStep<Num, Cell> forward{
            .layout = layout,
            .cell = parts_.cell,
            .descending = false,
            .operands = parts_.weights.forward(first, parts_.binding, member.group),
            .inputs = d_,
            .input = nullptr,
            .previous = nullptr,
            .next = nullptr,
            .kept = nullptr,
            .output = nullptr,
            .order = order,
            .upcoming = {},
        };
        BatchRows::Cursor taking(rows_, member.rows, first - 1);
        for (int64_t local = 0; local < states_.segments().size(segment); ++local) {
            const int64_t step = first + local;
            order_.begin_step(member, step);
            const int64_t output = states_.output_of(step);
            forward.descending = descending(step);
            if constexpr (Order::weights_of_steps_differ) {
                forward.operands = parts_.weights.forward(step, parts_.binding, member.group);
                forward.upcoming = order_.upcoming(member, step + 1, columns.size());
            }
            forward.input = row_inputs + step * input_step;
            forward.previous = states_.state(local);
            forward.next = states_.state(local + 1);
            forward.kept = states_.training() ? states_.kept(local) : nullptr;
            forward.output = results.outputs && output >= 0 ? results.outputs + output * layout.batch * n_ : nullptr;
            if (!varied) {
                kernels.forward(forward, {&member.rows, 1}, columns.begin, columns.end);
            } else {
                taking.move_to(step);
                write_last_states(member, taking.changed(), step, states_.state(local), results);
                kernels.forward(forward, taking.taking(), columns.begin, columns.end);
            }
            order_.end_step(member);
        }
        order_.end_segment(member);
    }

    /**
     * Writes the last states of samples: as all outputs beyond their length, and as final states.
     * @param ended  rows of that length
     * @param state  the state after so many steps
     */
    void write_last_states(const Member& member, const BatchRows::Selected& ended, int64_t length, const T* state,
                           const Results& results) const {
        if (member.column_part != 0)
            return;
        const StateLayout& layout = states_.layout();
        for (const Span& range : ended) {
            if (results.outputs)
                for (int64_t output = std::max<int64_t>(0, states_.output_of(length)); output < states_.output_steps();
                     ++output)
                    kernels_.from_state(layout, order(), state, range, results.outputs + output * layout.batch * n_);
            if (results.final_states)
                write_state(state, range, results.final_states);
        }
    }

    /**
     * Adds the gradient that arrives from outside behind the ends of samples to that of their last states, which is
     * kept where the backward step that reaches the end will write: two memories take turns.
     * @param ended  rows of shorter lengths
     */
    void pass_through(const Member& member, const BatchRows::Selected& ended, const T* arriving) const {
        if (!arriving || member.column_part != 0)
            return;
        for (const Span& range : ended)
            for (int64_t row = range.begin; row < range.end; ++row)
                kernels_.add_to_state(states_.layout(), order(), arriving, {row, row + 1}, last_gradient(row));
    }

    /** Writes zeros as the input gradients beyond the lengths. */
    void clear_padding(const Member& member, const ChainBackward& call) const {
        if (!call.input_gradients)
            return;
        const int64_t batch = states_.layout().batch;
        auto* const gradients = static_cast<T*>(call.input_gradients);
        for (int64_t row = member.all_rows_share.begin; row < member.all_rows_share.end; ++row)
            for (int64_t step = rows_.length(row); step < states_.output_end(); ++step)
                std::fill_n(gradients + (step * batch + sample_of(order(), row)) * d_, d_, T(0));
    }

    /** Writes the input gradients of `count` steps from `local` on. */
    void input_gradients(const Member& member, const ChainBackward& call, int64_t first, int64_t local,
                         int64_t count) const {
        if (!call.input_gradients)
            return;
        const int64_t step_size = states_.layout().batch * d_;
        BatchRows::Cursor taking(rows_, member.all_rows_share, first + local);
        for (int64_t s = local; s < local + count; ++s) {
            taking.move_to(first + s);
            GateDeltas<Num> deltas{{}, Cell::gates};
            for (int gate = 0; gate < Cell::gates; ++gate)
                deltas.of[gate] = states_.kept(s) + Cell::input_sums[gate] * states_.layout().size();
            for (const Span& rows : taking.taking())
                kernels_.input_gradients(states_.layout(), order(), parts_.weights.input_weights_transposed(), d_,
                                         deltas, rows, static_cast<T*>(call.input_gradients) + (first + s) * step_size);
        }
    }

    ChainParts<Num, Cell>& parts_;
    const ChainStates<Num, Cell>& states_;
    const BatchRows& rows_;
    const ChainKernels<Num>& kernels_;
    const Order order_;
    const int64_t n_;
    const int64_t d_;
};

} // namespace ortho::cpu
