// Filters on the CPU: drawn and packed once, and bound to the batch of a chain.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/memory.hpp"
#include "core/orthogonal.hpp"
#include "cpu/chain/types.hpp"
#include "model/chain.hpp"
#include "model/segments.hpp"

namespace ortho::cpu {

/** What drawing a dense filter takes beside the packed one; of a structured filter nothing. */
template <class T> struct FilterScratch {
    explicit FilterScratch(const ChainSpec& spec)
        : matrix(spec.filter == ORTHO_FILTER_HAAR ? elements(spec) * static_cast<int64_t>(sizeof(double)) : 0,
                 "the filter"),
          scaled(spec.structured() ? 0 : elements(spec) * static_cast<int64_t>(sizeof(T)), "the filter"),
          haar(spec.filter == ORTHO_FILTER_HAAR ? spec.hidden_size : 0) {}

    Memory matrix;
    Memory scaled;
    HaarScratch haar;

private:
    static int64_t elements(const ChainSpec& spec) { return spec.hidden_size * spec.hidden_size; }
};

/** A filter as weights hold it: packed for both directions, or as a signed permutation. */
template <class Num> class DrawnFilter {
public:
    using T = StateOf<Num>;
    using Storage = StorageOf<Num>;

    /** Takes all the memory that the filter needs: what follows cannot fail. */
    DrawnFilter(const ChainSpec& spec) {
        const int64_t n = spec.hidden_size;
        if (spec.structured()) {
            permutation_.source.resize(static_cast<size_t>(n));
            permutation_.sign.resize(static_cast<size_t>(n));
            return;
        }
        const int64_t bytes = StateLayout(n, 1, sizeof(T)).padded * n * static_cast<int64_t>(sizeof(Storage));
        forward_ = Memory(bytes, "the packed filter");
        backward_ = Memory(bytes, "the packed filter");
    }

    /** Draws or reads the filter of a layer. */
    void draw(const ChainSpec& spec, const ChainKernels<Num>& kernels, int64_t layer,
              FilterScratch<T>& scratch) noexcept {
        const int64_t n = spec.hidden_size;
        if (spec.structured()) {
            structured_filter(spec.filter_of(layer), permutation_);
            return;
        }
        const double* matrix = scratch.matrix.template as<double>();
        if (spec.filter == ORTHO_FILTER_CUSTOM)
            matrix = spec.custom_matrix(layer);
        else
            haar_matrix(spec.filter_of(layer), scratch.haar, scratch.matrix.template as<double>());
        T* const scaled = scratch.scaled.template as<T>();
        for (int64_t i = 0; i < n; ++i)
            for (int64_t j = 0; j < n; ++j)
                scaled[i * n + j] = static_cast<T>(spec.alpha[i] * matrix[i * n + j]);
        const int64_t padded = StateLayout(n, 1, sizeof(T)).padded;
        kernels.pack_rows(scaled, n, n, kernels.dual_tile, 0, divide_up(padded, kernels.dual_tile),
                          forward_.template as<Storage>());
        kernels.pack_columns(scaled, n, n, kernels.single_tile, 0, divide_up(padded, kernels.single_tile),
                             backward_.template as<Storage>());
    }

    /** Null where the filter is structured. */
    const Storage* forward() const { return forward_.template as<Storage>(); }
    const Storage* backward() const { return backward_.template as<Storage>(); }
    const SignedPermutation& permutation() const { return permutation_; }

private:
    Memory forward_;
    Memory backward_;
    SignedPermutation permutation_;
};

/** A structured filter as offsets into states of one batch; nothing of a dense filter, which no batch changes. */
template <class Num> class BoundFilter {
public:
    using T = StateOf<Num>;

    /** Takes all the memory that binding needs. */
    BoundFilter(const ChainSpec& spec, const ChainKernels<Num>& kernels) {
        if (!spec.structured())
            return;
        const int64_t padded = StateLayout(spec.hidden_size, 1, sizeof(T)).padded;
        const bool looked_up = padded <= kernels.most_looked_up;
        forward_.resize(padded, kernels.lanes, looked_up);
        backward_.resize(padded, kernels.lanes, looked_up);
    }

    void bind(const ChainSpec& spec, const ChainKernels<Num>& kernels, const DrawnFilter<Num>& filter,
              const StateLayout& layout) noexcept {
        const SignedPermutation& permutation = filter.permutation();
        const int64_t n = spec.hidden_size;
        for (int64_t i = 0; i < n; ++i) {
            const int64_t source = permutation.source[i];
            const T scale = static_cast<T>(spec.alpha[i] * permutation.sign[i]);
            forward_.set(i, source, layout.offset(source, 0), scale);
            backward_.set(source, i, layout.offset(i, 0), scale);
        }
        for (int64_t i = n; i < layout.padded; ++i) {
            forward_.set(i, i, layout.offset(i, 0), T(0));
            backward_.set(i, i, layout.offset(i, 0), T(0));
        }
        forward_.find_runs(kernels.lanes, layout.width);
        backward_.find_runs(kernels.lanes, layout.width);
        forward_.find_pairs(kernels.lanes);
        backward_.find_pairs(kernels.lanes);
    }

    StructuredFilter<T> forward() const { return forward_.view(); }
    StructuredFilter<T> backward() const { return backward_.view(); }

private:
    struct Offsets {
        std::vector<int32_t> source;
        std::vector<T> scale;
        std::vector<uint8_t> run;
        std::vector<int32_t> source_unit;
        std::vector<uint16_t> lanes_of_pair;
        int64_t pairs = 0; // 0: sources are gathered

        void resize(int64_t padded, int64_t lanes, bool looked_up) {
            source.resize(padded);
            scale.resize(padded);
            run.resize(padded / lanes);
            if (!looked_up)
                return;
            pairs = divide_up(padded, 2 * lanes);
            source_unit.resize(padded);
            lanes_of_pair.resize(padded / lanes * pairs);
        }
        void set(int64_t unit, int64_t from, int64_t offset, T factor) {
            source[unit] = static_cast<int32_t>(offset);
            scale[unit] = factor;
            if (pairs > 0)
                source_unit[unit] = static_cast<int32_t>(from);
        }
        void find_pairs(int64_t lanes) {
            std::fill(lanes_of_pair.begin(), lanes_of_pair.end(), uint16_t{0});
            for (int64_t i = 0; i < static_cast<int64_t>(source_unit.size()); ++i)
                lanes_of_pair[i / lanes * pairs + source_unit[i] / (2 * lanes)] |=
                    static_cast<uint16_t>(1 << i % lanes);
        }
        /** Only the unit's own row is read: its neighbours may belong to another thread. */
        void find_runs(int64_t lanes, int64_t width) {
            std::fill(run.begin(), run.end(), GatherRun::scattered);
            for (size_t v = 0; v < run.size(); ++v) {
                const int32_t* s = source.data() + v * lanes;
                const auto in_row = [&](int64_t offset) { return offset >= 0 && offset % width + lanes <= width; };
                const auto follows = [&](int64_t first, int64_t last) {
                    for (int64_t l = first; l < last; ++l)
                        if (s[l + 1] != s[l] + 1)
                            return false;
                    return true;
                };
                if (follows(0, lanes - 1))
                    run[v] = GatherRun::contiguous;
                else if (follows(1, lanes - 1) && in_row(s[1]))
                    run[v] = GatherRun::all_but_first;
                else if (follows(0, lanes - 2) && in_row(s[0] - 1))
                    run[v] = GatherRun::all_but_last;
            }
        }
        StructuredFilter<T> view() const {
            return {
                source.data(), scale.data(), run.data(), source_unit.data(), pairs > 0 ? lanes_of_pair.data() : nullptr,
                pairs};
        }
    };

    Offsets forward_;
    Offsets backward_;
};

} // namespace ortho::cpu
