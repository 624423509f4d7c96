// The order of a recurrent chain: all steps share their weights, and their gradients are summed over many steps.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/chain/parts.hpp"
#include "cpu/chain/team.hpp"
#include "model/calls.hpp"

namespace ortho::cpu {

template <class Num, class Cell> class RecurrentOrder {
public:
    using T = StateOf<Num>;
    using Parts = ChainParts<Num, Cell>;

    static int64_t slices(int64_t batch) { return slices_of(batch); }
    static constexpr bool meets_at_every_step = false;

    /** Packs weights for a pass, where the chain has its own. */
    static void pack_forward(Parts& parts, const Team& team, const ChainForward& call) {
        auto& weights = parts.weights;
        team.for_each_task(weights.forward_tiles(), [&](int64_t tile) {
            weights.pack_forward({tile, tile + 1}, 0, static_cast<const T*>(call.weights));
            weights.pack_inputs({tile, tile + 1}, static_cast<const T*>(call.input_weights));
        });
        weights.copy_bias(0, static_cast<const T*>(call.bias));
    }
    static void pack_backward(Parts& parts, const Team& team, const ChainBackward& call) {
        team.for_each_task(parts.weights.backward_tiles(), [&](int64_t tile) {
            parts.weights.pack_backward({tile, tile + 1}, 0, static_cast<const T*>(call.weights));
        });
    }

    template <class Call>
    RecurrentOrder(Parts& parts, const Team& team, const Call&) : parts_(parts), plan_(team.plan()) {}

    /** Takes the memory for sums, and clears it. */
    void prepare_sums(const Team& team) const {
        const int64_t rows = std::min(steps_of_sum(), parts_.states.segments().length) *
                             divide_up(parts_.states.layout().batch, plan_.slices);
        if (!parts_.sums.reserve(plan_, rows))
            team.for_each_task(plan_.slices, [&](int64_t slice) { parts_.sums.clear(slice); });
    }

    void begin_step(const Member&, int64_t) const {}
    void end_step(const Member& member) const { member.wait_for_columns(); }
    void end_segment(const Member&) const {}

    void begin_backward_step(const Member& member, int64_t, bool sum_now) const {
        if (sum_now)
            member.wait();
        else
            member.wait_for_columns();
    }

    /** Steps whose weight gradients are summed in one go: enough rows to pay for loading the sums. */
    int64_t steps_of_sum() const {
        constexpr int64_t rows = 128;
        return std::max<int64_t>(1, rows / (parts_.states.layout().batch / plan_.slices));
    }

    /** Adds the products of `count` steps from `local` on, of a segment that begins with step `first`, to the sums. */
    void sum(const Member& member, const ChainBackward& call, int64_t first, int64_t local, int64_t count) const {
        const ChainStates<Num, Cell>& states = parts_.states;
        const StateLayout& layout = states.layout();
        const int64_t d = parts_.spec.input_size;
        const Span units = member.share(layout.units);
        const Span panels = member.share(layout.panels);
        for (int64_t slice = member.slices.begin; slice < member.slices.end; ++slice) {
            const Span rows = plan_.rows_of_slice(slice, layout.batch);
            for_runs(rows, first + local, count, [&](Span steps, int64_t taking) {
                const GradientSums<Num> sums{
                    .layout = layout,
                    .steps = steps.size(),
                    .step_size = layout.size(),
                    .input_step = layout.batch * d,
                    .delta = states.kept(steps.begin - first),
                    .state = states.state(steps.begin - first),
                    .input = parts_.inputs.of(parts_.rows, static_cast<const T*>(call.inputs), steps.begin),
                    .inputs = d,
                    .row_begin = rows.begin,
                    .row_end = rows.begin + taking,
                    .packed_delta = parts_.sums.packed_delta(member.group),
                };
                parts_.kernels.weight_gradients(sums, units.begin, units.end, parts_.sums.weights(slice));
                parts_.kernels.input_weight_gradients(sums, panels.begin, panels.end, parts_.sums.inputs(slice),
                                                      parts_.sums.bias(slice));
            });
        }
    }

    /** Adds the sums of the slices and writes the gradients, once all members are done. */
    void finish(const Team& team, const ChainBackward& call) const {
        const WeightSums<Num>& sums = parts_.sums;
        team.for_each_task(parts_.spec.hidden_size, [&](int64_t i) {
            sums.add_slices_of_weights(i);
            sums.write_weights(i, call.accumulate, static_cast<T*>(call.weight_gradients));
        });
        team.for_each_task(parts_.spec.input_size, [&](int64_t d) {
            sums.add_slices_of_inputs(d);
            sums.write_input_weights(d, call.accumulate, static_cast<T*>(call.input_weight_gradients));
        });
        sums.add_slices_of_bias();
        sums.write_bias({0, sums.panels()}, call.accumulate, static_cast<T*>(call.bias_gradients));
    }

private:
    /**
     * Calls body(steps, rows) for the steps from the last of `count` back to `first`, as many at once as are taken by
     * the same number of the first rows of a leaf.
     */
    template <class Body> void for_runs(Span leaf, int64_t first, int64_t count, Body&& body) const {
        const BatchRows& rows = parts_.rows;
        for (int64_t end = first + count; end > first;) {
            const BatchRows::Selected taking = rows.taking(leaf, end - 1);
            const int64_t taken = taking.count == 0 ? 0 : taking.ranges[0].size();
            // The next row of the leaf joins in at its last step.
            const int64_t begin = taken < leaf.size() ? std::max(first, rows.length(leaf.begin + taken)) : first;
            if (taken > 0)
                body(Span{begin, end}, taken);
            end = begin;
        }
    }

    Parts& parts_;
    const Plan& plan_;
};

} // namespace ortho::cpu
