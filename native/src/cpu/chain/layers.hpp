// The order of a feedforward chain: every layer has weights of its own, and gradients that are written at once. Its
// threads form one group, whose members meet at every layer.
#pragma once

#include <cstdint>

#include "cpu/chain/parts.hpp"
#include "cpu/chain/team.hpp"
#include "model/calls.hpp"

namespace ortho::cpu {

template <class Num, class Cell> class LayerOrder {
public:
    using T = StateOf<Num>;
    using Parts = ChainParts<Num, Cell>;

    static int64_t slices(int64_t) { return 1; }
    static constexpr bool meets_at_every_step = true;

    /** Layers are packed on the way, where the chain has weights of its own. */
    static void pack_forward(Parts&, const Team&, const ChainForward&) {}
    static void pack_backward(Parts&, const Team&, const ChainBackward&) {}

    /** @param call  of forward or backward; weights and bias are read where the chain has weights of its own */
    template <class Call>
    LayerOrder(Parts& parts, const Team&, const Call& call)
        : parts_(parts), weights_(static_cast<const T*>(call.weights)), bias_(static_cast<const T*>(call.bias)),
          packs_(parts.weights.packs_by_layer()), binds_(parts.spec.filter_per_layer && parts.spec.structured()) {}

    void prepare_sums(const Team& team) const { parts_.sums.reserve(team.plan(), parts_.states.layout().batch); }

    /** Prepares a layer's weights. Two buffers take turns, so that one barrier a layer is enough. */
    void begin_step(const Member& member, int64_t layer) const {
        prepare_filter(member, layer);
        if (packs_) {
            parts_.weights.pack_forward(member.share(parts_.weights.forward_tiles()), layer, weights_);
            if (member.index == 0)
                parts_.weights.copy_bias(layer, bias_);
        }
        if (packs_ || binds_)
            member.wait();
        else
            member.wait_for_columns();
    }
    void end_step(const Member&) const {}
    void end_segment(const Member& member) const { member.wait(); }

    void begin_backward_step(const Member& member, int64_t layer, bool) const {
        prepare_filter(member, layer);
        if (packs_)
            parts_.weights.pack_backward(member.share(parts_.weights.backward_tiles()), layer, weights_);
        member.wait();
    }

    int64_t steps_of_sum() const { return 1; }

    /** Sums the products of a layer, and writes its gradients. */
    void sum(const Member& member, const ChainBackward& call, int64_t first, int64_t local, int64_t) const {
        const ChainStates<Num, Cell>& states = parts_.states;
        const StateLayout& layout = states.layout();
        WeightSums<Num>& sums = parts_.sums;
        const int64_t n = layout.units, layer = first + local;
        const Range units = member.share(n);
        const Range panels = member.share(layout.panels);
        const GradientSums<Num> products{
            .layout = layout,
            .steps = 1,
            .step_size = layout.size(),
            .input_step = 0,
            .delta = states.kept(local),
            .state = states.state(local),
            .input = nullptr,
            .inputs = 0,
            .row_begin = 0,
            .row_end = layout.batch,
            .packed_delta = sums.packed_delta(0),
        };
        sums.clear(0, units, panels);
        parts_.kernels.weight_gradients(products, units.begin, units.end, sums.weights(0));
        parts_.kernels.input_weight_gradients(products, panels.begin, panels.end, sums.inputs(0), sums.bias(0));
        for (int64_t i = units.begin; i < units.end; ++i)
            sums.write_weights(i, call.accumulate, static_cast<T*>(call.weight_gradients) + layer * n * n);
        sums.write_bias(panels, call.accumulate, static_cast<T*>(call.bias_gradients) + layer * n);
    }

    void finish(const Team&, const ChainBackward&) const {}

private:
    /** A layer's own filter, on the first member. */
    void prepare_filter(const Member& member, int64_t layer) const noexcept {
        if (!parts_.spec.filter_per_layer || member.index != 0)
            return;
        if (packs_)
            parts_.weights.draw_filter(layer);
        parts_.binding.bind_layer(parts_.weights, layer, parts_.states.layout());
    }

    Parts& parts_;
    const T* const weights_;
    const T* const bias_;
    const bool packs_;
    const bool binds_;
};

} // namespace ortho::cpu
