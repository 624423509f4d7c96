// The memory of a chain's states: all of a segment in training, two without, and their gradients.
#pragma once

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <utility>

#include "core/memory.hpp"
#include "cpu/chain/plan.hpp"
#include "cpu/chain/types.hpp"
#include "model/calls.hpp"
#include "model/chain.hpp"
#include "model/segments.hpp"

namespace ortho::cpu {

template <class Num, class Cell> class ChainStates {
public:
    using T = StateOf<Num>;

    struct Size {
        Segments segments;
        int64_t elements;
    };

    explicit ChainStates(const ChainSpec& spec) : spec_(spec) {}

    /** @throws Error ORTHO_OUT_OF_MEMORY if no segments fit into max_state_bytes */
    Size size_for(int64_t steps, int64_t batch, bool training) const {
        const int64_t n = spec_.hidden_size;
        const StateLayout layout(n, batch, element);
        checked_product("the states",
                        {steps, batch, layout.padded + 64, 2 * (Cell::carried_vectors + Cell::kept_vectors) * element});
        Segments segments{steps, steps};
        if (training)
            segments = choose_segments(
                spec_.checkpoint_every, spec_.max_state_bytes, {steps, batch, n},
                [&](const Segments& tried) { return elements_of(tried, layout.size(), true) * element; });
        return {segments, elements_of(segments, layout.size(), training)};
    }

    /**
     * What a call needs instead of the memory that there is; nothing where that is enough.
     * @param in_use  backward may still want what the memory holds
     */
    Memory memory_beyond(const Size& size, int64_t steps, const ChainForward& call, bool in_use) {
        const int64_t bytes = size.elements * element;
        if (bytes <= memory_.bytes())
            return Memory();
        // First, so that both need not fit at once.
        if (!in_use)
            memory_ = Memory();
        char what[160];
        std::snprintf(what, sizeof what,
                      "%" PRId64 " steps x batch %" PRId64 " x %" PRId64 " units of float%d states (%s)", steps,
                      call.batch, spec_.hidden_size, static_cast<int>(8 * sizeof(T)),
                      call.training ? "fewer with checkpointing or a smaller batch" : "fewer with a smaller batch");
        return Memory(bytes, what);
    }

    /**
     * Divides the memory for a call, once nothing can fail.
     * @param steps  of the call, whose samples may all be shorter
     */
    void use(const Size& size, Memory grown, int64_t steps, const ChainForward& call) noexcept {
        if (grown.bytes() > 0)
            memory_ = std::move(grown);
        layout_ = StateLayout(spec_.hidden_size, call.batch, element);
        segments_ = size.segments;
        first_output_ = steps - call.output_steps;
        output_steps_ = call.output_steps;
        training_ = call.training;
        if (!training_)
            return;
        kept_at_ = (segments_.length + 1) * carried_size();
        gradients_at_ = kept_at_ + segments_.length * kept_size();
        checkpoints_at_ = gradients_at_ + 2 * carried_size();
    }

    const StateLayout& layout() const { return layout_; }
    const Segments& segments() const { return segments_; }
    bool training() const { return training_; }
    int64_t output_steps() const { return output_steps_; }
    /** Steps of the call, whose samples may all be shorter. */
    int64_t output_end() const { return first_output_ + output_steps_; }
    /** Which of the outputs the state after step `step` is; negative: none. */
    int64_t output_of(int64_t step) const { return step - first_output_; }

    /** State before step `local` of the segment; without training only two of them are kept. */
    T* state(int64_t local) const { return at((training_ ? local : local % 2) * carried_size()); }
    /** What backward needs of step `local` of the segment, and δ once it has been there; training only. */
    T* kept(int64_t local) const { return at(kept_at_ + local * kept_size()); }
    T* checkpoint(int64_t segment) const { return at(checkpoints_at_ + segment * carried_size()); }
    /** Gradient at a state; two take turns. */
    T* gradient(int64_t which) const { return at(gradients_at_ + which * carried_size()); }

    /** Rows of all vectors that steps carry, whose panels follow each other. */
    void clear_rows(T* to, Span rows) const {
        for (int64_t panel = 0; panel < Cell::carried_vectors * layout_.panels; ++panel)
            std::memset(to + first_of(panel, rows), 0, bytes_of(rows));
    }
    void copy_rows(const T* from, T* to, Span rows) const {
        for (int64_t panel = 0; panel < Cell::carried_vectors * layout_.panels; ++panel)
            std::memcpy(to + first_of(panel, rows), from + first_of(panel, rows), bytes_of(rows));
    }

private:
    static constexpr int64_t element = sizeof(T);
    static int64_t elements_of(const Segments& segments, int64_t size, bool training) {
        const char* what = "the states";
        if (!training)
            return checked_product(what, {2 * Cell::carried_vectors, size});
        const int64_t checkpoints = segments.count() > 1 ? segments.count() : 0;
        const int64_t gradients = 2;
        const int64_t vectors = (segments.length + 1 + checkpoints + gradients) * Cell::carried_vectors +
                                segments.length * Cell::kept_vectors;
        return checked_product(what, {vectors, size, element}) / element;
    }

    int64_t carried_size() const { return Cell::carried_vectors * layout_.size(); }
    int64_t kept_size() const { return Cell::kept_vectors * layout_.size(); }

    T* at(int64_t offset) const { return memory_.template as<T>() + offset; }
    int64_t first_of(int64_t panel, Span rows) const {
        return panel * layout_.panel_stride() + rows.begin * layout_.width;
    }
    size_t bytes_of(Span rows) const {
        return static_cast<size_t>((rows.end - rows.begin) * layout_.width) * sizeof(T);
    }

    const ChainSpec& spec_;
    Memory memory_;
    StateLayout layout_;
    Segments segments_{};
    int64_t kept_at_ = 0, gradients_at_ = 0, checkpoints_at_ = 0;
    int64_t first_output_ = 0;
    int64_t output_steps_ = 0;
    bool training_ = false;
};

} // namespace ortho::cpu
