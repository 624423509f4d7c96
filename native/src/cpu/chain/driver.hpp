// Runs a cell over the steps of a chain, forward and backward, segment by segment. In which order steps take their
// weights and sum their gradients is said by an Order: RecurrentOrder or LayerOrder.
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
        : parts_(parts), states_(parts.states), kernels_(parts.kernels), order_(order), n_(parts.spec.hidden_size),
          d_(parts.spec.input_size) {}

    /** A member's part in a forward pass. */
    void forward(const Member& member, const ChainForward& call) const {
        const Segments& segments = states_.segments();
        const Range rows = member.all_rows_share;
        if (call.initial)
            kernels_.to_state(states_.layout(), static_cast<const T*>(call.initial), rows.begin, rows.end,
                              states_.state(0));
        else
            states_.clear_rows(states_.state(0), rows);
        member.wait();
        for (int64_t segment = 0; segment < segments.count(); ++segment) {
            if (segment > 0) {
                // The chain continues from the last state, which becomes the first of the next segment.
                states_.copy_rows(states_.state(segments.size(segment - 1)), states_.state(0), rows);
                member.wait();
            }
            if (segments.count() > 1)
                states_.copy_rows(states_.state(0), states_.checkpoint(segment), rows);
            run_segment(member, segment, static_cast<const T*>(call.inputs), static_cast<T*>(call.outputs));
        }
    }

    /** A member's part in a backward pass. */
    void backward(const Member& member, const ChainBackward& call) const {
        const auto* inputs = static_cast<const T*>(call.inputs);
        const auto* arriving = static_cast<const T*>(call.output_gradients);
        const Segments& segments = states_.segments();
        const StateLayout& layout = states_.layout();
        const Range share = member.all_rows_share;
        const Range columns = member.columns(parts_.weights.backward_tiles());
        const auto& kernels = kernels_.of(parts_.cell);
        // Gradient that arrives from outside at the state after `steps_done` steps.
        const auto arriving_at = [&](int64_t steps_done) -> const T* {
            const int64_t output = states_.output_of(steps_done - 1);
            return output >= 0 && steps_done > 0 ? arriving + output * layout.batch * n_ : nullptr;
        };

        int64_t current = 0;
        states_.clear_rows(states_.gradient(current), share);
        for (int64_t segment = segments.count() - 1; segment >= 0; --segment) {
            const int64_t first = segments.first(segment);
            const int64_t size = segments.size(segment);
            const bool last = segment == segments.count() - 1;
            if (!last) {
                states_.copy_rows(states_.checkpoint(segment), states_.state(0), share);
                member.wait();
                run_segment(member, segment, inputs, nullptr);
            }
            member.wait();
            BackwardStep<Num, Cell> step{
                .layout = layout,
                .cell = parts_.cell,
                .descending = false,
                .operands = parts_.weights.backward(first + size - 1, parts_.binding, member.group),
                .gradient = nullptr,
                .delta = nullptr,
                // At the end of an earlier segment it was added when the segment behind was left.
                .arriving = last ? arriving_at(first + size) : nullptr,
                .previous_gradient = states_.gradient(current),
                .previous_delta = states_.kept(size - 1),
                .previous_state = states_.state(size - 1),
            };
            kernels.backward(step, member.rows.begin, member.rows.end, columns.begin, columns.end);

            const int64_t chunk = order_.steps_of_sum();
            int64_t summed = size;
            for (int64_t local = size - 1; local >= 0; --local) {
                const int64_t layer = first + local;
                const bool sum_now = summed - local >= chunk || local == 0;
                order_.begin_backward_step(member, layer, sum_now);
                if (sum_now) {
                    order_.sum(member, call, first, local, summed - local);
                    input_gradients(member, call, first, local, summed - local);
                    summed = local;
                }
                step.descending = descending(layer);
                step.operands = parts_.weights.backward(layer, parts_.binding, member.group);
                step.gradient = states_.gradient(current);
                step.delta = states_.kept(local);
                step.arriving = arriving_at(layer);
                step.previous_gradient = states_.gradient(1 - current);
                step.previous_delta = local > 0 ? states_.kept(local - 1) : nullptr;
                step.previous_state = local > 0 ? states_.state(local - 1) : nullptr;
                kernels.backward(step, member.rows.begin, member.rows.end, columns.begin, columns.end);
                current = 1 - current;
            }
            // The next segment overwrites the states that others may still be summing.
            member.wait();
        }
        if (call.initial_gradients)
            kernels_.from_state(layout, states_.gradient(current), share.begin, share.end,
                                static_cast<T*>(call.initial_gradients));
    }

private:
    /** Forward through the steps of a segment, from state(0) to state(size). */
    void run_segment(const Member& member, int64_t segment, const T* inputs, T* outputs) const {
        const StateLayout& layout = states_.layout();
        const int64_t first = states_.segments().first(segment);
        const Range columns = member.columns(parts_.weights.forward_tiles());
        const auto& kernels = kernels_.of(parts_.cell);
        for (int64_t local = 0; local < states_.segments().size(segment); ++local) {
            const int64_t step = first + local;
            order_.begin_step(member, step);
            const int64_t output = states_.output_of(step);
            const ForwardStep<Num, Cell> forward{
                .layout = layout,
                .cell = parts_.cell,
                .descending = descending(step),
                .operands = parts_.weights.forward(step, parts_.binding, member.group),
                .inputs = d_,
                .input = d_ > 0 ? inputs + step * layout.batch * d_ : nullptr,
                .previous = states_.state(local),
                .next = states_.state(local + 1),
                .kept = states_.training() ? states_.kept(local) : nullptr,
                .output = outputs && output >= 0 ? outputs + output * layout.batch * n_ : nullptr,
            };
            kernels.forward(forward, member.rows.begin, member.rows.end, columns.begin, columns.end);
            order_.end_step(member);
        }
        order_.end_segment(member);
    }

    /** Writes the input gradients of `count` steps from `local` on. */
    void input_gradients(const Member& member, const ChainBackward& call, int64_t first, int64_t local,
                         int64_t count) const {
        if (!call.input_gradients)
            return;
        const Range rows = member.all_rows_share;
        const int64_t step_size = states_.layout().batch * d_;
        for (int64_t s = 0; s < count; ++s)
            kernels_.input_gradients(states_.layout(), parts_.weights.input_weights_transposed(), d_,
                                     states_.kept(local + s), rows.begin, rows.end,
                                     static_cast<T*>(call.input_gradients) + (first + local + s) * step_size);
    }

    ChainParts<Num, Cell>& parts_;
    const ChainStates<Num, Cell>& states_;
    const ChainKernels<Num>& kernels_;
    const Order order_;
    const int64_t n_;
    const int64_t d_;
};

} // namespace ortho::cpu
