// The sums of weight gradients, one set for each slice of the batch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/memory.hpp"
#include "cpu/chain/plan.hpp"
#include "cpu/chain/types.hpp"
#include "model/chain.hpp"

namespace ortho::cpu {

template <class Num> class WeightSums {
public:
    using State = StateOf<Num>;
    using Sum = SumOf<Num>;

    explicit WeightSums(const ChainSpec& spec)
        : n_(spec.hidden_size), d_(spec.input_size), width_(StateLayout(n_, 1, sizeof(State)).width),
          panels_(StateLayout(n_, 1, sizeof(State)).panels), stride_(panels_ * width_) {}

    /**
     * @param rows  the most rows, of all steps together, that are summed in one go
     * @return whether the memory is new, and so zero
     */
    bool reserve(const Plan& plan, int64_t rows) {
        slices_ = plan.slices;
        rows_ = rows;
        const char* const what = "the sums of weight gradients";
        const int64_t sums = checked_product(what, {plan.slices * slice_size(), static_cast<int64_t>(sizeof(Sum))});
        const int64_t deltas = checked_product(what, {plan.groups * n_, rows, static_cast<int64_t>(sizeof(State))});
        if (sums + deltas <= memory_.bytes())
            return false;
        memory_ = Memory();
        memory_ = Memory(sums + deltas, what);
        return true;
    }

    void clear(int64_t slice) { std::memset(weights(slice), 0, static_cast<size_t>(slice_size()) * sizeof(Sum)); }
    /** Clears ∂W of some units and ∂b of some panels. */
    void clear(int64_t slice, Range units, Range panels) {
        for (int64_t panel = 0; panel < panels_; ++panel)
            std::memset(weights(slice) + weight_at(panel, units.begin), 0,
                        static_cast<size_t>((units.end - units.begin) * width_) * sizeof(Sum));
        std::memset(bias(slice) + panels.begin * width_, 0,
                    static_cast<size_t>((panels.end - panels.begin) * width_) * sizeof(Sum));
    }

    Sum* weights(int64_t slice) const { return memory_.template as<Sum>() + slice * slice_size(); }
    Sum* inputs(int64_t slice) const { return weights(slice) + n_ * stride_; }
    Sum* bias(int64_t slice) const { return inputs(slice) + d_ * stride_; }
    /** Scratch of a group for δ, packed. */
    State* packed_delta(int64_t group) const { return reinterpret_cast<State*>(weights(slices_)) + group * n_ * rows_; }
    int64_t panels() const { return panels_; }

    /** Adds the sums of all slices, in their order, to those of the first: ∂W of unit i. */
    void add_slices_of_weights(int64_t i) const {
        for (int64_t panel = 0; panel < panels_; ++panel)
            add_slices(weight_at(panel, i), width_);
    }
    /** ∂V of input d. */
    void add_slices_of_inputs(int64_t d) const { add_slices((n_ + d) * stride_, n_); }
    void add_slices_of_bias() const { add_slices((n_ + d_) * stride_, n_); }

    /** Writes ∂W of unit i, as the first slice has it. */
    void write_weights(int64_t i, bool accumulate, State* out) const {
        const Sum* const sums = weights(0);
        for (int64_t panel = 0; panel < panels_; ++panel) {
            const int64_t first = panel * width_;
            write(sums + weight_at(panel, i), std::min(width_, n_ - first), accumulate, out + i * n_ + first);
        }
    }
    /** Writes ∂V of input d. */
    void write_input_weights(int64_t d, bool accumulate, State* out) const {
        const Sum* const total = inputs(0) + d * stride_;
        for (int64_t i = 0; i < n_; ++i)
            out[i * d_ + d] = accumulate ? out[i * d_ + d] + total[i] : total[i];
    }
    /** Writes ∂b of the units of some panels. */
    void write_bias(Range panels, bool accumulate, State* out) const {
        const int64_t from = panels.begin * width_;
        write(bias(0) + from, std::min(panels.end * width_, n_) - from, accumulate, out + from);
    }

private:
    /** ∂W is summed as [panel of x][unit of δ][width]: what a tile adds to lies side by side. */
    int64_t weight_at(int64_t panel, int64_t unit) const { return (panel * n_ + unit) * width_; }
    int64_t slice_size() const { return (n_ + d_ + 1) * stride_; }

    void add_slices(int64_t at, int64_t count) const {
        Sum* const total = weights(0) + at;
        for (int64_t slice = 1; slice < slices_; ++slice) {
            const Sum* const part = weights(slice) + at;
            for (int64_t j = 0; j < count; ++j)
                total[j] += part[j];
        }
    }

    static void write(const Sum* sums, int64_t count, bool accumulate, State* out) {
        if (accumulate)
            for (int64_t i = 0; i < count; ++i)
                out[i] += sums[i];
        else
            for (int64_t i = 0; i < count; ++i)
                out[i] = sums[i];
    }

    const int64_t n_;
    const int64_t d_;
    const int64_t width_;
    const int64_t panels_;
    const int64_t stride_;
    int64_t slices_ = 0;
    int64_t rows_ = 0;
    Memory memory_;
};

} // namespace ortho::cpu
