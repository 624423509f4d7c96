// The order of a feedforward chain: every layer has weights of its own, and gradients that are written at once.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "cpu/chain/parts.hpp"
#include "cpu/chain/team.hpp"
#include "model/calls.hpp"
#include "model/segments.hpp"

namespace ortho::cpu {

/**
 * Groups run all layers of their own leaves without waiting for each other; the members of a group meet at every layer.
 *
 * Each group packs a copy of a layer's W for itself. For both directions that takes as long as 16 samples do; where W
 * is large, waiting for another member costs less.
 *
 * A group sums its leaves in the register tiles. One group alone writes the gradients from there. Several write the
 * nodes that their leaves make up into a window of some layers. When the next window is full, too, the groups add the
 * nodes and write the gradients: so late, hardly a thread waits for another.
 *
 * Two groups whose nodes are siblings take turns with the layers: one writes its node of a layer into the window, and
 * the other one sums its own only later, adds that of the window while its sums are in registers, and writes the
 * gradients. That takes half of the memory and a third of the traffic.
 */
template <class Num, class Cell> class LayerOrder {
public:
    using T = StateOf<Num>;
    using Parts = ChainParts<Num, Cell>;

    /** Leaves that groups may own, or pairs of leaves and so on. */
    static int64_t leaves_of_groups(const Parts& parts, const BatchPart& part) {
        // Filters that are drawn or bound on the way belong to all threads, so these then form one group.
        const bool packs = parts.weights.packs_by_layer();
        if (parts.spec.filter_per_layer && (packs || parts.spec.structured()))
            return 1;
        // Two members share the work of packing, but each waits for the other's rows, and reads them from its cache:
        // that grows with the units, packing with their square.
        constexpr int64_t least_to_share = 128, least_samples = 32;
        int64_t owned = part.held().size();
        while (packs && parts.spec.hidden_size >= least_to_share && owned % 2 == 0 &&
               part.samples / owned < least_samples)
            owned /= 2;
        // Windows of a layer for each group, whose memory no caller asked for.
        constexpr int64_t most_bytes = int64_t{1} << 26;
        const auto too_much = [&] { return owned > 1 && Windows::turns * owned * parts.sums.set_bytes() > most_bytes; };
        while (too_much() && owned % 2 == 0)
            owned /= 2;
        return too_much() ? 1 : owned;
    }
    static constexpr bool meets_at_every_step = true;
    static constexpr bool weights_of_steps_differ = true;

    /** What the sums of a backward pass take. */
    static typename WeightSums<Num>::Need sums_needed(const Parts& parts, const Plan& plan, const BatchPart& part,
                                                      int64_t) {
        const int64_t rows = divide_up(part.batch, part.leaves().count()) * (part.held().size() / plan.groups);
        const Windows windows(parts, plan, part);
        return {windows.sets(), plan.groups, rows};
    }

    /** Layers are packed on the way, where the chain has weights of its own. */
    static void pack_forward(Parts&, const Team&, const ChainForward&) {}
    static void pack_backward(Parts&, const Team&, const ChainBackward&) {}

    /** @param call  of forward or backward; weights and bias are read where the chain has weights of its own */
    template <class Call>
    LayerOrder(Parts& parts, const Team& team, const Call& call)
        : parts_(parts), part_(team.part()), windows_(parts, team.plan(), team.part()),
          weights_(static_cast<const T*>(call.weights)), bias_(static_cast<const T*>(call.bias)),
          packs_(parts.weights.packs_by_layer()), binds_(parts.spec.filter_per_layer && parts.spec.structured()) {
        const Range held = part_.held();
        for (int64_t group = 0; group < team.plan().groups; ++group) {
            const Range leaves = part_of(held, group, team.plan().groups);
            for (int64_t leaf = leaves.begin; leaf < leaves.end; ++leaf)
                rows_[static_cast<size_t>(leaf)] = {part_.rows_of(leaf).end, joins_of(leaves.begin, leaf)};
        }
    }

    /** Prepares a layer's weights. Two buffers take turns, so that one barrier a layer is enough. */
    void begin_step(const Member& member, int64_t layer) const {
        prepare_filter(member, layer);
        if (packs_) {
            parts_.weights.pack_forward(member.share(parts_.weights.forward_tiles()), layer, weights_, member.group);
            if (member.index == 0)
                parts_.weights.copy_bias(layer, bias_, member.group);
        }
        if (packs_ || binds_)
            member.wait();
        else
            member.wait_for_columns();
    }
    void end_step(const Member&) const {}
    void end_segment(const Member& member) const { member.wait(); }

    /**
     * The part of W that a member prefetches, for packing a layer, while it runs the step before.
     * @param tiles  of columns that it steps
     */
    Upcoming upcoming(const Member& member, int64_t layer, int64_t tiles) const {
        // Smaller ones are read faster than they are prefetched, and larger ones push out what the step works on. With
        // few rows the step takes no longer than the memory does.
        constexpr int64_t least_bytes = int64_t{1} << 14, most_bytes = int64_t{1} << 18, least_rows = 16;
        const int64_t size = parts_.spec.hidden_size * parts_.spec.hidden_size;
        const int64_t bytes = size * static_cast<int64_t>(sizeof(T)), rows = member.rows.size();
        if (!packs_ || layer < 0 || layer >= parts_.spec.layers || bytes < least_bytes || bytes > most_bytes ||
            rows < least_rows || tiles == 0) // there may be more members than tiles
            return {};
        constexpr int64_t rows_of_piece = 6; // or less
        const Range share = member.share(bytes);
        const auto* const w = reinterpret_cast<const char*>(weights_ + layer * size);
        return {w + share.begin, w + share.end, divide_up(share.size(), tiles * (rows / rows_of_piece))};
    }

    void begin_backward_step(const Member& member, int64_t layer, bool) const {
        prepare_filter(member, layer);
        if (packs_)
            parts_.weights.pack_backward(member.share(parts_.weights.backward_tiles()), layer, weights_, member.group);
        member.wait();
    }

    int64_t steps_of_sum() const { return 1; }

    /** Windows of a segment, from its last layer to the first. */
    struct Progress {
        int64_t end;          // the layer behind the segment
        int64_t first_window; // counted from the last segment on
    };
    Progress begin_sums(const Member&, int64_t end) const {
        if (windows_.groups == 1)
            return {end, 0};
        // Segments that were before this one all have the same length.
        const int64_t length = parts_.states.segments().length;
        return {end, (parts_.spec.layers - end) / length * divide_up(length, windows_.layers)};
    }

    /** Sums the products of a layer, and writes its gradients, or those of the window before one that it completes. */
    void sum(const Member& member, const ChainBackward& call, int64_t first, int64_t local,
             const Progress& progress) const {
        const int64_t layer = first + local;
        if (windows_.groups == 1) {
            sum_layer(member, local, gradients(call, layer));
            return;
        }
        const int64_t position = progress.end - 1 - layer;
        const int64_t window = progress.first_window + position / windows_.layers;
        const int64_t place = position % windows_.layers;
        if (!windows_.siblings || writes_window(member, layer))
            sum_layer(member, local, sums_of(windows_.set(window, place, member.group)));
        const bool segment_ends = local == 0;
        if (place < windows_.layers - 1 && !segment_ends)
            return;
        // Three windows take turns: while one group fills the next, another may still read the one before this.
        member.wait_for_all(window);
        if (position >= windows_.layers)
            write_window(member, call, first, window - 1, layer + place + 1, windows_.layers);
        member.reach(window + 1);
        if (segment_ends) { // the next one overwrites δ and states
            member.wait_for_all(window + 1);
            write_window(member, call, first, window, layer, place + 1);
        }
    }

    void finish(const Team&, const ChainBackward&) const {}

private:
    /** Where the nodes of groups lie among the sets of sums. */
    struct Windows {
        static constexpr int64_t turns = 3;

        int64_t groups;
        bool siblings = false; // two groups have one node each, and these are siblings
        int64_t sets_of_layer = 0;
        int64_t layers = 0; // of a window

        Windows(const Parts& parts, const Plan& plan, const BatchPart& part) : groups(plan.groups) {
            if (groups == 1)
                return;
            siblings = groups == 2 && Cover(part.held()).count() == 1;
            int64_t nodes = 0; // of a group, at most
            for (int64_t group = 0; group < groups; ++group)
                nodes = std::max(nodes, Cover(part_of(part.held(), group, groups)).count());
            sets_of_layer = siblings ? 1 : groups * nodes;
            // A quarter of a second-level cache of 1 MiB, and many times the work of a wait.
            constexpr int64_t bytes_of_group = int64_t{1} << 18;
            layers = std::clamp<int64_t>(bytes_of_group / (nodes * parts.sums.set_bytes()), 1, parts.spec.layers);
        }

        int64_t sets() const { return turns * layers * sets_of_layer; }
        /** The first set of a group's nodes. @param place  of the layer in its window */
        int64_t set(int64_t window, int64_t place, int64_t group) const {
            const int64_t of_layer = siblings ? 0 : group * (sets_of_layer / groups);
            return (window % turns * layers + place) * sets_of_layer + of_layer;
        }
    };

    /** Where a layer's sums go. */
    struct Targets {
        SumTarget<Num> weights;
        SumTarget<Num> bias;
    };
    Targets sums_of(int64_t set) const { return {parts_.sums.weights(set, false), parts_.sums.bias(set, false)}; }
    Targets gradients(const ChainBackward& call, int64_t layer) const {
        const int64_t n = parts_.spec.hidden_size, width = parts_.states.layout().width;
        return {{weight_gradients(call, layer).first, n, width, n, part_.stride, false, call.accumulate},
                {bias_gradients(call, layer).first, n, width, n, part_.stride, false, call.accumulate}};
    }

    /** Of two groups, which writes its node into the window, and which one adds it to its own later. */
    static bool writes_window(const Member& member, int64_t layer) { return (layer + member.group) % 2 == 0; }

    /** Sums the products of a layer over the leaves of the member's group. */
    void sum_layer(const Member& member, int64_t local, const Targets& targets) const {
        const ChainStates<Num, Cell>& states = parts_.states;
        const StateLayout& layout = states.layout();
        const Range units = member.share(layout.units);
        const GradientSums<Num> products{
            .layout = layout,
            .steps = 1,
            .delta_step = layout.size(),
            .state_step = layout.size(),
            .input_step = 0,
            .delta = states.kept(local),
            .state = states.state(local),
            .input = nullptr,
            .inputs = 0,
            .row_begin = part_.rows_of(member.leaves.begin).begin,
            .leaves = rows_.data() + member.leaves.begin,
            .leaf_count = member.leaves.size(),
            .packed_delta = parts_.sums.packed_delta(member.group, units.begin),
        };
        const Range tiles = member.share(parts_.outer_tiles());
        parts_.kernels.weight_gradients(products, units.begin, units.end, targets.weights);
        parts_.kernels.input_weight_gradients(products, tiles.begin, tiles.end, {}, targets.bias);
    }

    /** Writes the gradients of a window: `count` layers from `layer` on, in a segment that begins with `first`. */
    void write_window(const Member& member, const ChainBackward& call, int64_t first, int64_t window, int64_t layer,
                      int64_t count) const {
        const auto set_of = [&](int64_t written, int64_t group) {
            return windows_.set(window, layer + count - 1 - written, group);
        };
        if (windows_.siblings) {
            for (int64_t written = layer + count - 1; written >= layer; --written) {
                if (writes_window(member, written))
                    continue;
                Targets targets = gradients(call, written);
                const Targets sibling = sums_of(set_of(written, 0));
                sum_layer(member, written - first,
                          {targets.weights.with_sibling(sibling.weights), targets.bias.with_sibling(sibling.bias)});
            }
            return;
        }
        const WeightSums<Num>& sums = parts_.sums;
        const int64_t n = parts_.spec.hidden_size;
        const auto nodes_of = [&](int64_t written) {
            SummedNodes nodes;
            for (int64_t group = 0; group < windows_.groups; ++group)
                nodes.add(Cover(part_of(part_.held(), group, windows_.groups)), set_of(written, group));
            return nodes;
        };
        const Range rows = member.share_of_all(count * n);
        for (int64_t row = rows.begin; row < rows.end;) {
            const int64_t written = layer + row / n;
            const SummedNodes nodes = nodes_of(written);
            const GradientTarget<T> target = weight_gradients(call, written);
            for (const int64_t end = std::min(rows.end, (row / n + 1) * n); row < end; ++row)
                sums.write_weights(nodes, row % n, target);
        }
        const Range panels = member.share_of_all(count * sums.panels());
        for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
            const int64_t written = layer + panel / sums.panels();
            sums.write_bias(nodes_of(written), panel % sums.panels(), bias_gradients(call, written));
        }
    }

    GradientTarget<T> weight_gradients(const ChainBackward& call, int64_t layer) const {
        const int64_t n = parts_.spec.hidden_size;
        return {static_cast<T*>(call.weight_gradients) + layer * n * n, part_.stride, call.accumulate};
    }
    GradientTarget<T> bias_gradients(const ChainBackward& call, int64_t layer) const {
        return {static_cast<T*>(call.bias_gradients) + layer * parts_.spec.hidden_size, part_.stride, call.accumulate};
    }

    /** A layer's own filter, on the first member. */
    void prepare_filter(const Member& member, int64_t layer) const noexcept {
        if (!parts_.spec.filter_per_layer || member.index != 0)
            return;
        if (packs_)
            parts_.weights.draw_filter(layer);
        parts_.binding.bind_layer(parts_.weights, layer, parts_.states.layout());
    }

    Parts& parts_;
    const BatchPart& part_;
    const Windows windows_;
    std::array<LeafRows, Leaves::most> rows_{}; // of each leaf of the whole batch
    const T* const weights_;
    const T* const bias_;
    const bool packs_;
    const bool binds_;
};

} // namespace ortho::cpu
