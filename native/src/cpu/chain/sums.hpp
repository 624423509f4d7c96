// The sums of parameters' gradients, node by node of the tree, and how they become gradients.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "core/memory.hpp"
#include "cpu/chain/plan.hpp"
#include "cpu/chain/types.hpp"
#include "model/chain.hpp"
#include "model/fold.hpp"

namespace ortho::cpu {

/** Nodes that hold consecutive leaves, in their order, and in which set of sums each is. */
class SummedNodes {
public:
    void add(const Node& node, int64_t set) { nodes_[count_++] = {node, set}; }
    /** Adds the nodes of a cover, which lie in consecutive sets. */
    void add(const Cover& cover, int64_t first_set) {
        for (const Node& node : cover)
            add(node, first_set++);
    }

    struct Item {
        Node node;
        int64_t set;
    };
    const Item* begin() const { return nodes_.data(); }
    const Item* end() const { return nodes_.data() + count_; }

private:
    std::array<Item, Leaves::most> nodes_;
    int64_t count_ = 0;
};

/** Where gradients go: the first of the partial sums that are wanted, and elements from one to the next. */
template <class T> struct GradientTarget {
    T* first;
    int64_t stride;
    bool accumulate;
};

/**
 * Sets of sums, each of one node: ∂W and ∂V of all gates, and ∂b, which is that of each sum of products; and scratch
 * for those who sum.
 */
template <class Num> class WeightSums {
public:
    using State = StateOf<Num>;
    using Sum = SumOf<Num>;

    template <class Cell>
    WeightSums(const ChainSpec& spec, Cell)
        : n_(spec.hidden_size), d_(spec.input_size), gates_(Cell::gates), sums_(Cell::sums),
          width_(StateLayout(n_, 1, sizeof(State)).width), panels_(StateLayout(n_, 1, sizeof(State)).panels),
          stride_(panels_ * width_) {}

    /** What a call takes. */
    struct Need {
        int64_t sets;
        int64_t groups; // that pack δ at the same time
        int64_t rows;   // the most rows, of all steps together, that a group sums in one go
    };

    int64_t bytes(const Need& need) const {
        const char* const what = "the sums of weight gradients";
        return checked_product(what, {need.sets, set_bytes()}) +
               checked_product(what, {need.groups, n_, need.rows, static_cast<int64_t>(sizeof(State))});
    }

    int64_t set_bytes() const {
        return checked_product("the sums of weight gradients", {set_size(), static_cast<int64_t>(sizeof(Sum))});
    }

    void reserve(const Need& need) {
        if (const int64_t needed = bytes(need); needed > memory_.bytes()) {
            memory_ = Memory(); // so that both need not fit at once
            memory_ = Memory(needed, "the sums of weight gradients");
        }
        need_ = need;
    }

    /** The most rows, of all steps together, of which a group can pack δ. */
    int64_t packed_rows() const { return need_.rows; }
    void clear(int64_t set) const { std::memset(at(set), 0, static_cast<size_t>(set_bytes())); }
    /** ∂W of a gate, of a set and of those behind it for further nodes: [panel of x][gate][unit of δ][width]. What a
       tile adds to lies side by side. */
    SumTarget<Num> weights(int64_t set, bool continued, int64_t gate = 0) const {
        return {at(set) + gate * n_ * width_, width_, gates_ * n_ * width_, stride_, set_size(), continued, false};
    }
    /** ∂V of a gate: [gate][input][unit]. */
    SumTarget<Num> inputs(int64_t set, bool continued, int64_t gate = 0) const {
        return {at(set) + (gates_ * n_ + gate * d_) * stride_, stride_, width_, stride_, set_size(), continued, false};
    }
    /** ∂b of a sum of products: [sum][unit]. */
    SumTarget<Num> bias(int64_t set, bool continued, int64_t sum = 0) const {
        return {at(set) + (gates_ * (n_ + d_) + sum) * stride_, stride_, width_, stride_, set_size(), continued, false};
    }
    /** Scratch of a group for δ, packed: for the units from `unit` on. Members of a group need not be at the same leaf.
     */
    State* packed_delta(int64_t group, int64_t unit) const {
        return reinterpret_cast<State*>(at(need_.sets)) + (group * n_ + unit) * need_.rows;
    }

    /** Adds nodes to those that are wanted, and writes ∂W [gates N, N] of a row. */
    void write_weights(const SummedNodes& nodes, int64_t row, const GradientTarget<State>& to) const {
        for (int64_t panel = 0; panel < panels_; ++panel)
            fold(nodes, (panel * gates_ * n_ + row) * width_, panel,
                 [&](int64_t sum, int64_t column, const Sum* values) {
                     write(to, sum, row * n_ + panel * width_, 1, column, values);
                 });
    }
    /** The same for ∂V [gates N, D] of an input of a gate. */
    void write_input_weights(const SummedNodes& nodes, int64_t gate, int64_t input,
                             const GradientTarget<State>& to) const {
        for (int64_t panel = 0; panel < panels_; ++panel)
            fold(nodes, (gates_ * n_ + gate * d_ + input) * stride_ + panel * width_, panel,
                 [&](int64_t sum, int64_t column, const Sum* values) {
                     write(to, sum, (gate * n_ + panel * width_) * d_ + input, d_, column, values);
                 });
    }
    /** The same for ∂b [N] of a panel of units. @param of  the sum of products whose bias it is */
    void write_bias(const SummedNodes& nodes, int64_t panel, const GradientTarget<State>& to, int64_t of = 0) const {
        fold(
            nodes, (gates_ * (n_ + d_) + of) * stride_ + panel * width_, panel,
            [&](int64_t sum, int64_t column, const Sum* values) { write(to, sum, panel * width_, 1, column, values); });
    }
    int64_t panels() const { return panels_; }

private:
    static constexpr int64_t widest = StateLayout::widest_bytes / static_cast<int64_t>(sizeof(State));

    int64_t set_size() const { return (gates_ * (n_ + d_) + sums_) * stride_; }
    Sum* at(int64_t set) const { return memory_.template as<Sum>() + set * set_size(); }

    /** Adds the sums at `offset` of the nodes' sets, a panel wide, and calls body(index, columns, values) for each. */
    template <class Body> void fold(const SummedNodes& nodes, int64_t offset, int64_t panel, Body&& body) const {
        const int64_t columns = std::min(width_, n_ - panel * width_);
        if (nodes.end() - nodes.begin() == 1) {
            body(0, columns, at(nodes.begin()->set) + offset);
            return;
        }
        Sum added[Leaves::most][widest];
        const Sum* slots[Leaves::most]; // a set's sums, or some that were added
        Folding folding;
        const auto add = [&](int64_t slot, const Sum* values) {
            for (int64_t i = 0; i < columns; ++i)
                added[slot][i] = slots[slot][i] + values[i];
            slots[slot] = added[slot];
        };
        for (const SummedNodes::Item& item : nodes) {
            const Sum* const values = at(item.set) + offset;
            folding.take(
                item.node,
                [&](int64_t slot, bool joined) {
                    if (joined)
                        add(slot, values);
                    else
                        slots[slot] = values;
                },
                [&](int64_t into, int64_t from) { add(into, slots[from]); });
        }
        for (int64_t sum = 0; sum < folding.count(); ++sum)
            body(sum, columns, slots[sum]);
    }

    static void write(const GradientTarget<State>& to, int64_t sum, int64_t offset, int64_t step, int64_t columns,
                      const Sum* values) {
        State* const out = to.first + sum * to.stride + offset;
        if (to.accumulate)
            for (int64_t i = 0; i < columns; ++i)
                out[i * step] += values[i];
        else
            for (int64_t i = 0; i < columns; ++i)
                out[i * step] = values[i];
    }

    const int64_t n_;
    const int64_t d_;
    const int64_t gates_;
    const int64_t sums_;
    const int64_t width_;
    const int64_t panels_;
    const int64_t stride_;
    Need need_{};
    Memory memory_;
};

} // namespace ortho::cpu
