// The filter cell's weights as its kernels read them.
#pragma once

#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "core/error.hpp"
#include "core/memory.hpp"
#include "cpu/chain/filter.hpp"
#include "cpu/chain/plan.hpp"
#include "cpu/chain/types.hpp"
#include "cpu/chain/weights.hpp"
#include "model/chain.hpp"
#include "model/segments.hpp"

namespace ortho::cpu {

template <class Num> class CellWeights<Num, FilterCell> {
public:
    using T = StateOf<Num>;
    using Storage = StorageOf<Num>;

    /** What of the weights depends on the batch, and so belongs to a chain. */
    class Binding {
    public:
        explicit Binding(const CellWeights& weights) : turns_(weights.spec_.filter_per_layer ? 1 : 0) {
            for (int64_t turn = 0; turn <= turns_; ++turn)
                filters_.emplace_back(weights.spec_, weights.kernels_);
        }

        /** Binds what all steps share. */
        void bind(const CellWeights& weights, const StateLayout& layout) noexcept {
            if (weights.spec_.filter_per_layer || batch_ == layout.batch)
                return;
            bind_layer(weights, 0, layout);
            batch_ = layout.batch;
        }
        /** Binds a layer's own. Two layers are bound at a time. */
        void bind_layer(const CellWeights& weights, int64_t layer, const StateLayout& layout) noexcept {
            if (weights.spec_.structured())
                at(layer).bind(weights.spec_, weights.kernels_, weights.filter(layer), layout);
        }

    private:
        friend CellWeights;
        BoundFilter<Num>& at(int64_t layer) { return filters_[static_cast<size_t>(layer & turns_)]; }
        const BoundFilter<Num>& at(int64_t layer) const { return filters_[static_cast<size_t>(layer & turns_)]; }

        const int64_t turns_; // 1: two layers take turns
        std::vector<BoundFilter<Num>> filters_;
        int64_t batch_ = 0;
    };

    CellWeights(const ChainSpec& spec, const ChainKernels<Num>& kernels, Packed packed)
        : spec_(spec), kernels_(kernels), packed_(packed), n_(spec.hidden_size), d_(spec.input_size),
          padded_(StateLayout(n_, 1, sizeof(T)).padded), block_tiles_(spec, kernels),
          forward_tile_(spec.structured() || block_tiles_.columns() ? kernels.single_tile : kernels.dual_tile),
          slots_(spec.recurrent()               ? 1
                 : packed == Packed::two_layers ? 2
                                                : spec.layers),
          slot_mask_(mask_of(slots_)), filter_mask_(spec.filter_per_layer ? slot_mask_ : 0) {
        const char* const what = "the packed weights";
        matrix_ = checked_product(what, {padded_, n_});
        checked_product(what, {slots_, matrix_, 4 * static_cast<int64_t>(sizeof(T))}); // beyond all parts together
        const int64_t matrices = slots_ * matrix_;
        const int64_t input_padded = StateLayout(std::max<int64_t>(d_, 1), 1, sizeof(T)).padded;
        Carver sizes;
        forward_ = sizes.take<Storage>(what, matrices);
        backward_ = sizes.take<Storage>(what, matrices);
        bias_ = sizes.take<T>(what, slots_ * padded_);
        group_bytes_ = sizes.total();
        input_weights_ = sizes.take<Storage>(what, padded_ * d_);
        input_weights_transposed_ = sizes.take<Storage>(what, input_padded * n_);
        beta_ = sizes.take<T>(what, padded_);
        memory_ = Memory(sizes.total(), what);
        for (int64_t i = 0; i < n_; ++i)
            at<T>(beta_)[i] = static_cast<T>(spec.beta[i]);
        take_filters();
    }

    /**
     * @param name  of the argument that layout.batch was given as
     * @throws Error ORTHO_INVALID_ARGUMENT if the offsets of a structured filter do not fit their type
     */
    static void check_batch(const char* name, const ChainSpec& spec, const StateLayout& layout) {
        if (spec.structured() && layout.size() > INT32_MAX)
            fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range(name),
                 "is %" PRId64 "; with a structured filter of %" PRId64 " units it must be at most %" PRId64,
                 layout.batch, layout.units, INT32_MAX / (layout.panels * layout.width));
    }

    /** Whether layers are packed by those who run through them, before each one. */
    bool packs_by_layer() const { return !spec_.recurrent() && packed_ == Packed::two_layers; }

    int64_t forward_tiles() const { return divide_up(padded_, forward_tile_); }
    int64_t backward_tiles() const { return divide_up(padded_, kernels_.single_tile); }

    /** Takes what packing layers in a pass by so many groups and drawing filters need, once for all passes. */
    void reserve_scratch(int64_t groups) {
        if (draws_by_layer() && !scratch_)
            scratch_.emplace(spec_);
        const char* const what = "the packed weights of several threads";
        if (const int64_t bytes = checked_product(what, {groups - 1, group_bytes_});
            packs_by_layer() && bytes > other_groups_.bytes()) {
            other_groups_ = Memory();
            other_groups_ = Memory(bytes, what);
        }
    }
    /** Draws a layer's own filter, where none is kept; after reserve_scratch(). */
    void draw_filter(int64_t layer) noexcept {
        if (draws_by_layer())
            filter(layer).draw(spec_, kernels_, block_tiles_, layer, *scratch_);
    }

    /**
     * Packs tiles of a layer.
     * @param weights  W of all layers
     * @param group    whose copy it is, where layers are packed by those who run through them
     */
    void pack_forward(Range tiles, int64_t layer, const T* weights, int64_t group = 0) {
        kernels_.pack_rows(weights + layer * n_ * n_, n_, n_, forward_tile_, tiles.begin, tiles.end,
                           slot<Storage>(forward_, layer, matrix_, group));
    }
    void pack_backward(Range tiles, int64_t layer, const T* weights, int64_t group = 0) {
        kernels_.pack_columns(weights + layer * n_ * n_, n_, n_, kernels_.single_tile, tiles.begin, tiles.end,
                              slot<Storage>(backward_, layer, matrix_, group));
    }
    /** @param bias  b of all layers */
    void copy_bias(int64_t layer, const T* bias, int64_t group = 0) {
        std::memcpy(slot<T>(bias_, layer, padded_, group), bias + layer * n_, static_cast<size_t>(n_) * sizeof(T));
    }
    void pack_inputs(Range tiles, const T* input_weights) {
        if (d_ > 0)
            kernels_.pack_rows(input_weights, n_, d_, forward_tile_, tiles.begin, tiles.end,
                               at<Storage>(input_weights_));
    }
    void pack_inputs_transposed(const T* input_weights) {
        if (d_ > 0)
            kernels_.pack_columns(input_weights, n_, d_, kernels_.single_tile, 0,
                                  divide_up(StateLayout(d_, 1, sizeof(T)).padded, kernels_.single_tile),
                                  at<Storage>(input_weights_transposed_));
    }

    /** @param group  that reads them */
    ForwardOperands<Num, FilterCell> forward(int64_t layer, const Binding& binding, int64_t group) const {
        return {.filter = filter(layer).forward(),
                .columns = block_tiles_.columns(),
                .structured = binding.at(layer).forward(),
                .weights = slot<Storage>(forward_, layer, matrix_, group),
                .input_weights = at<Storage>(input_weights_),
                .bias = slot<T>(bias_, layer, padded_, group),
                .beta = at<T>(beta_)};
    }
    BackwardOperands<Num, FilterCell> backward(int64_t layer, const Binding& binding, int64_t group) const {
        return {.filter = filter(layer).backward(),
                .columns = block_tiles_.columns(),
                .structured = binding.at(layer).backward(),
                .weights = slot<Storage>(backward_, layer, matrix_, group),
                .beta = at<T>(beta_)};
    }
    const Storage* input_weights_transposed() const { return at<Storage>(input_weights_transposed_); }

private:
    bool draws_by_layer() const { return spec_.filter_per_layer && packed_ == Packed::two_layers; }

    void take_filters() {
        const int64_t kept = spec_.filter_per_layer ? std::min(slots_, spec_.layers) : 1;
        filters_.reserve(static_cast<size_t>(kept));
        for (int64_t i = 0; i < kept; ++i)
            filters_.emplace_back(spec_, block_tiles_);
        if (draws_by_layer())
            return;
        FilterScratch<T> scratch(spec_);
        for (int64_t layer = 0; layer < kept; ++layer)
            filters_[static_cast<size_t>(layer)].draw(spec_, kernels_, block_tiles_, layer, scratch);
    }

    /** What a layer's number is cut with to find its slot: one slot, two that take turns, or one for each layer. */
    static int64_t mask_of(int64_t slots) { return slots <= 2 ? slots - 1 : INT64_MAX; }

    template <class Element> Element* at(int64_t offset) const {
        return reinterpret_cast<Element*>(memory_.template as<char>() + offset);
    }
    /** @param size  elements of a slot */
    template <class Element> Element* slot(int64_t offset, int64_t layer, int64_t size, int64_t group) const {
        char* const slots = group > 0 && packs_by_layer()
                                ? other_groups_.template as<char>() + (group - 1) * group_bytes_
                                : memory_.template as<char>();
        return reinterpret_cast<Element*>(slots + offset) + (layer & slot_mask_) * size;
    }
    DrawnFilter<Num>& filter(int64_t layer) { return filters_[static_cast<size_t>(layer & filter_mask_)]; }
    const DrawnFilter<Num>& filter(int64_t layer) const { return filters_[static_cast<size_t>(layer & filter_mask_)]; }

    const ChainSpec& spec_;
    const ChainKernels<Num>& kernels_;
    const Packed packed_;
    const int64_t n_;
    const int64_t d_;
    const int64_t padded_;
    const BlockTiles block_tiles_;
    const int64_t forward_tile_;
    const int64_t slots_; // layers that are packed at the same time
    const int64_t slot_mask_;
    const int64_t filter_mask_;
    int64_t matrix_; // elements of a packed W
    // Where the parts of the memory start, in bytes; the first three are what each group has for itself.
    int64_t forward_, backward_, bias_, input_weights_, input_weights_transposed_, beta_;
    int64_t group_bytes_;
    Memory memory_;
    Memory other_groups_;
    std::vector<DrawnFilter<Num>> filters_;
    std::optional<FilterScratch<T>> scratch_; // where layers' own filters are drawn anew in every pass
};

} // namespace ortho::cpu
