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

    static int64_t leaves_of_groups(const Parts&, const BatchPart& part) { return part.held().size(); }
    static constexpr bool meets_at_every_step = false;
    static constexpr bool weights_of_steps_differ = false;

    /** What the sums of a backward pass take. @param segment  steps of a segment */
    static typename WeightSums<Num>::Need sums_needed(const Parts& parts, const Plan& plan, const BatchPart& part,
                                                      int64_t segment) {
        return {part.held().size(), plan.groups, std::min(steps_of_sum(parts, part), segment) * rows_of_leaf(part)};
    }

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
    RecurrentOrder(Parts& parts, const Team& team, const Call&) : parts_(parts), part_(team.part()) {}

    void begin_step(const Member&, int64_t) const {}
    void end_step(const Member& member) const { member.wait_for_columns(); }
    void end_segment(const Member&) const {}

    void begin_backward_step(const Member& member, int64_t, bool sum_now) const {
        if (sum_now)
            member.wait();
        else
            member.wait_for_columns();
    }

    int64_t steps_of_sum() const { return steps_of_sum(parts_, part_); }

    /** Down to which step the rows of each leaf are summed. */
    struct Progress {
        int64_t begin[Leaves::most];
    };
    Progress begin_sums(const Member& member, int64_t step) const {
        Progress progress;
        std::fill_n(progress.begin, member.leaves.size(), step);
        return progress;
    }

    /**
     * Adds the products of the steps from `local` on, of a segment that begins with step `first`, to the sums. Where
     * few rows of a leaf take these steps, they wait for the next call, so that loading the sums pays.
     */
    void sum(const Member& member, const ChainBackward& call, int64_t first, int64_t local, Progress& progress) const {
        const ChainStates<Num, Cell>& states = parts_.states;
        const StateLayout& layout = states.layout();
        const int64_t d = parts_.spec.input_size, leaves = member.leaves.size();
        const Range units = member.share(layout.units);
        const int64_t tiles = parts_.outer_tiles();
        const Range pieces = member.share(leaves * tiles);
        for (int64_t i = 0; i < leaves; ++i) {
            const int64_t leaf = member.leaves.begin + i;
            const int64_t set = leaf - part_.held().begin;
            const Range rows = part_.rows_of(leaf);
            const Span unsummed = {first + local, progress.begin[i]};
            if (local > 0 && parts_.rows.steps_within(rows, unsummed) < rows.size() * steps_of_sum())
                continue;
            progress.begin[i] = unsummed.begin;
            // ∂V and ∂b have too few columns for all members, so they are shared by leaves as well.
            const auto tile_of = [&](int64_t piece) { return std::clamp<int64_t>(piece - i * tiles, 0, tiles); };
            for_runs(rows, unsummed, [&](Span steps, int64_t taking) {
                const bool continued = steps.end < parts_.rows.length(rows.begin);
                const LeafRows alone{rows.begin + taking, 0};
                GradientSums<Num> sums{
                    .layout = layout,
                    .steps = steps.size(),
                    .delta_step = Cell::kept_vectors * layout.size(),
                    .state_step = Cell::carried_vectors * layout.size(),
                    .input_step = layout.batch * d,
                    .delta = nullptr,
                    .state = states.state(steps.begin - first),
                    .input = parts_.inputs.of(parts_.rows, static_cast<const T*>(call.inputs), steps.begin),
                    .inputs = d,
                    .row_begin = rows.begin,
                    .leaves = &alone,
                    .leaf_count = 1,
                    .packed_delta = parts_.sums.packed_delta(member.group, units.begin),
                };
                const T* const deltas = states.kept(steps.begin - first);
                for (int gate = 0; gate < Cell::gates; ++gate) {
                    sums.delta = deltas + Cell::weight_sums[gate] * layout.size();
                    parts_.kernels.weight_gradients(sums, units.begin, units.end,
                                                    parts_.sums.weights(set, continued, gate));
                }
                for (int sum = 0; sum < Cell::sums; ++sum) {
                    const int gate = gate_of_sum(Cell::input_sums, sum);
                    sums.delta = deltas + sum * layout.size();
                    sums.inputs = gate < 0 ? 0 : d;
                    parts_.kernels.input_weight_gradients(sums, tile_of(pieces.begin), tile_of(pieces.end),
                                                          parts_.sums.inputs(set, continued, std::max(gate, 0)),
                                                          parts_.sums.bias(set, continued, sum));
                }
            });
        }
    }

    /** Adds the leaves and writes the gradients, once all members are done. */
    void finish(const Team& team, const ChainBackward& call) const {
        const WeightSums<Num>& sums = parts_.sums;
        SummedNodes leaves;
        const Range held = part_.held();
        for (int64_t leaf = held.begin; leaf < held.end; ++leaf) {
            leaves.add({0, leaf}, leaf - held.begin);
            // Of samples that take no step nothing was summed.
            if (parts_.rows.length(part_.rows_of(leaf).begin) == 0)
                parts_.sums.clear(leaf - held.begin);
        }
        const auto target = [&](void* gradients) {
            return GradientTarget<T>{static_cast<T*>(gradients), part_.stride, call.accumulate};
        };
        const int64_t n = parts_.spec.hidden_size, d = parts_.spec.input_size;
        team.for_each_task(Cell::gates * n,
                           [&](int64_t row) { sums.write_weights(leaves, row, target(call.weight_gradients)); });
        team.for_each_task(Cell::gates * d, [&](int64_t i) {
            sums.write_input_weights(leaves, i / d, i % d, target(call.input_weight_gradients));
        });
        // The second bias, where there is one, is added to what W gives.
        GradientTarget<T> bias = target(call.bias_gradients);
        for (const auto& of : {Cell::input_sums, Cell::weight_sums}) {
            for (int gate = 0; gate < Cell::gates; ++gate, bias.first += n)
                for (int64_t panel = 0; panel < sums.panels(); ++panel)
                    sums.write_bias(leaves, panel, bias, of[gate]);
            if (!parts_.spec.recurrent_bias)
                break;
        }
    }

private:
    /**
     * Calls body(steps, rows) for some steps from the last back, as many at once as are taken by the same number of the
     * first rows of a leaf and as δ can be packed of.
     */
    template <class Body> void for_runs(Span leaf, Span steps, Body&& body) const {
        const BatchRows& rows = parts_.rows;
        const int64_t packed = parts_.sums.packed_rows();
        for (int64_t end = steps.end; end > steps.begin;) {
            const BatchRows::Selected taking = rows.taking(leaf, end - 1);
            const int64_t taken = taking.count == 0 ? 0 : taking.ranges[0].size();
            // The next row of the leaf joins in at its last step.
            int64_t begin = taken < leaf.size() ? std::max(steps.begin, rows.length(leaf.begin + taken)) : steps.begin;
            if (taken > 0) {
                begin = std::max(begin, end - packed / taken);
                body(Span{begin, end}, taken);
            }
            end = begin;
        }
    }

    /** Rows of the largest leaf. */
    static int64_t rows_of_leaf(const BatchPart& part) { return divide_up(part.batch, part.leaves().count()); }
    /**
     * Steps whose weight gradients are summed in one go: enough rows of a leaf to pay for loading its sums. Where these
     * stay in a second-level cache, half as many do, and the δ of a leaf stays in the first; for 32 units or fewer it
     * does anyway.
     */
    static int64_t steps_of_sum(const Parts& parts, const BatchPart& part) {
        const bool sums_stay = parts.sums.set_bytes() <= int64_t{1} << 19;
        const int64_t rows = sums_stay && parts.spec.hidden_size > 32 ? 64 : 128;
        return std::max<int64_t>(1, rows / rows_of_leaf(part));
    }

    Parts& parts_;
    const BatchPart& part_;
};

} // namespace ortho::cpu
