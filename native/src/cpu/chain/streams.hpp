// Streams on the CPU: one step at a time, on the thread that asks for it.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>

#include "core/error.hpp"
#include "core/memory.hpp"
#include "cpu/chain/finite.hpp"
#include "cpu/chain/parts.hpp"
#include "cpu/device.hpp"
#include "model/streams.hpp"

namespace ortho::cpu {

template <class Num, class Cell> class CpuStreams final : public ortho_streams {
public:
    using T = StateOf<Num>;
    using Weights = CellWeights<Num, Cell>;

    CpuStreams(CpuDevice& device, ortho_weights& prepared, const Weights& packed, Cell cell, int64_t stream_count)
        : ortho_streams(prepared, stream_count), kernels_(device.kernels.template chain<Num>()),
          all_finite_(device.kernels.template of<T>().vector.all_finite), spec_(prepared.spec), binding_(packed),
          tiles_(packed.forward_tiles()), rows_{0, stream_count} {
        const StateLayout layout(spec_.hidden_size, count, sizeof(T));
        Weights::check_batch("count", spec_, layout);
        states_ = Memory(checked_product("the states of streams",
                                         {2 * Cell::carried_vectors, layout.size(), static_cast<int64_t>(sizeof(T))}),
                         "the states of streams");
        binding_.bind(packed, layout);
        step_.layout = layout;
        step_.cell = cell;
        step_.operands = packed.forward(0, binding_, 0);
        step_.inputs = spec_.input_size;
        step_.previous = states_.template as<T>();
        step_.next = states_.template as<T>() + Cell::carried_vectors * layout.size();
    }

    void step(const uint8_t* resets, const void* inputs, void* outputs) override {
        step_.input = static_cast<const T*>(inputs);
        step_.output = static_cast<T*>(outputs);
        if (spec_.check_finite && spec_.input_size > 0)
            require_finite(all_finite_, "inputs", step_.input, count * spec_.input_size);
        if (resets)
            for (int64_t row = 0; row < count; ++row)
                if (resets[row])
                    clear_row(previous(), row);
        kernels_.of(step_.cell).forward(step_, {&rows_, 1}, 0, tiles_);
        T* const next = previous();
        step_.previous = step_.next;
        step_.next = next;
        // As in a chain: the weights that a step ends with are in the cache for the next.
        step_.descending = !step_.descending;
    }

    void read(void* states) const override {
        for (int64_t vector = 0; vector < Cell::carried_vectors; ++vector)
            kernels_.from_state(step_.layout, nullptr, step_.previous + vector * step_.layout.size(), rows_,
                                static_cast<T*>(states) + vector * count * spec_.hidden_size);
    }

    void write(const void* states) override {
        const T* const rows = static_cast<const T*>(states);
        if (spec_.check_finite)
            require_finite(all_finite_, "states", rows, Cell::carried_vectors * count * spec_.hidden_size);
        for (int64_t vector = 0; vector < Cell::carried_vectors; ++vector)
            kernels_.to_state(step_.layout, nullptr, rows + vector * count * spec_.hidden_size, rows_,
                              previous() + vector * step_.layout.size());
    }

private:
    T* previous() const { return const_cast<T*>(step_.previous); }

    void clear_row(T* state, int64_t row) const {
        const StateLayout& layout = step_.layout;
        // The panels of all vectors that the cell carries.
        for (int64_t panel = 0; panel < Cell::carried_vectors * layout.panels; ++panel)
            std::memset(state + panel * layout.panel_stride() + row * layout.width, 0,
                        static_cast<size_t>(layout.width) * sizeof(T));
    }

    const ChainKernels<Num>& kernels_;
    bool (*const all_finite_)(const T*, int64_t);
    const ChainSpec& spec_;
    typename Weights::Binding binding_;
    const int64_t tiles_;
    const Span rows_;
    Memory states_;
    ForwardStep<Num, Cell> step_{};
};

} // namespace ortho::cpu
