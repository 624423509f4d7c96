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

/**
 * Where the packed elements of a filter of several blocks lie, if it is no signed permutation: of each column tile
 * those of its blocks alone. Such a filter takes about as much memory as its blocks.
 */
class BlockTiles {
public:
    template <class Num>
    BlockTiles(const ChainSpec& spec, const ChainKernels<Num>& kernels) : tile_units_(kernels.block_tile) {
        if (spec.structured() || spec.blocks.size() <= 1)
            return;
        padded_ = StateLayout(spec.hidden_size, 1, sizeof(StateOf<Num>)).padded;
        const auto* block = spec.blocks.data();
        const auto end_of = [](const FilterBlock* of) { return of->first + of->size; };
        for (int64_t unit = 0; unit < padded_; unit += tile_units_) {
            BlockColumns tile{spec.hidden_size, spec.hidden_size, elements_};
            if (unit < spec.hidden_size) {
                const int64_t last = std::min(unit + tile_units_, spec.hidden_size) - 1;
                while (end_of(block) <= unit)
                    ++block;
                tile.begin = block->first;
                while (end_of(block) <= last)
                    ++block;
                tile.end = end_of(block);
            }
            elements_ += (tile.end - tile.begin) * width(unit);
            columns_.push_back(tile);
        }
    }

    /** By tile; null where the filter is packed in another way. */
    const BlockColumns* columns() const { return columns_.empty() ? nullptr : columns_.data(); }
    /** Of all tiles. */
    int64_t elements() const { return elements_; }

    /** Calls body(units of the block that are in a tile, their first element in it, tile units) for its tiles. */
    template <class Body> void for_tiles_of(const FilterBlock& block, Body&& body) const {
        const int64_t end = block.first + block.size;
        for (int64_t tile = block.first / tile_units_; tile * tile_units_ < end; ++tile) {
            const int64_t first = tile * tile_units_;
            const Span units{std::max(first, block.first), std::min(first + tile_units_, end)};
            const BlockColumns& columns = columns_[static_cast<size_t>(tile)];
            body(units, columns.at + (block.first - columns.begin) * width(first) + units.begin - first, width(first));
        }
    }

private:
    /** Units of the tile that begins with one. */
    int64_t width(int64_t unit) const { return std::min(tile_units_, padded_ - unit); }

    const int64_t tile_units_;
    int64_t padded_ = 0;
    int64_t elements_ = 0;
    std::vector<BlockColumns> columns_;
};

/** What drawing a dense filter takes beside the packed one; of a structured filter nothing. */
template <class T> struct FilterScratch {
    explicit FilterScratch(const ChainSpec& spec)
        : matrix(spec.structured() ? 0 : square(spec.largest_block(drawn), sizeof(double)), "the filter"),
          scaled(spec.structured() || spec.blocks.size() > 1 ? 0 : square(spec.hidden_size, sizeof(T)), "the filter"),
          blocks(spec) {}

    Memory matrix; // of a block
    Memory scaled; // of a filter of one block
    BlockScratch blocks;

private:
    static bool drawn(const FilterBlock& block) { return !block.custom(); }
    static int64_t square(int64_t size, size_t element) { return size * size * static_cast<int64_t>(element); }
};

/** A filter as weights hold it: packed for both directions, or as a signed permutation. */
template <class Num> class DrawnFilter {
public:
    using T = StateOf<Num>;
    using Storage = StorageOf<Num>;

    /** Takes all the memory that the filter needs: what follows cannot fail. */
    DrawnFilter(const ChainSpec& spec, const BlockTiles& tiles) {
        const int64_t n = spec.hidden_size;
        if (spec.structured()) {
            permutation_.source.resize(static_cast<size_t>(n));
            permutation_.sign.resize(static_cast<size_t>(n));
            return;
        }
        const int64_t elements = tiles.columns() ? tiles.elements() : StateLayout(n, 1, sizeof(T)).padded * n;
        forward_ = Memory(elements * static_cast<int64_t>(sizeof(Storage)), "the packed filter");
        backward_ = Memory(elements * static_cast<int64_t>(sizeof(Storage)), "the packed filter");
    }

    /** Draws or reads the filter of a layer. */
    void draw(const ChainSpec& spec, const ChainKernels<Num>& kernels, const BlockTiles& tiles, int64_t layer,
              FilterScratch<T>& scratch) noexcept {
        if (spec.structured()) {
            spec.write_permutation(layer, permutation_.source.data(), permutation_.sign.data());
            return;
        }
        for (const FilterBlock& block : spec.blocks) {
            const double* matrix = scratch.matrix.template as<double>();
            if (block.custom())
                matrix = spec.custom_block(layer, block);
            else
                spec.write_block(layer, block, scratch.blocks, scratch.matrix.template as<double>());
            if (tiles.columns())
                pack_block(spec, tiles, block, matrix);
            else
                pack_whole(spec, kernels, matrix, scratch.scaled.template as<T>());
        }
    }

    /** Null where the filter is structured. */
    const Storage* forward() const { return forward_.template as<Storage>(); }
    const Storage* backward() const { return backward_.template as<Storage>(); }
    const SignedPermutation& permutation() const { return permutation_; }

private:
    void pack_whole(const ChainSpec& spec, const ChainKernels<Num>& kernels, const double* matrix, T* scaled) noexcept {
        const int64_t n = spec.hidden_size;
        for (int64_t i = 0; i < n; ++i)
            for (int64_t j = 0; j < n; ++j)
                scaled[i * n + j] = static_cast<T>(spec.alpha[i] * matrix[i * n + j]);
        const int64_t padded = StateLayout(n, 1, sizeof(T)).padded;
        kernels.pack_rows(scaled, n, n, kernels.dual_tile, 0, divide_up(padded, kernels.dual_tile),
                          forward_.template as<Storage>());
        kernels.pack_columns(scaled, n, n, kernels.single_tile, 0, divide_up(padded, kernels.single_tile),
                             backward_.template as<Storage>());
    }

    /** One of several. What is beside blocks in their tiles stays zero, as it was allocated. */
    void pack_block(const ChainSpec& spec, const BlockTiles& tiles, const FilterBlock& block,
                    const double* matrix) noexcept {
        const double* const alpha = spec.alpha.data() + block.first;
        tiles.for_tiles_of(block, [&](Span units, int64_t at, int64_t tile_units) {
            Storage* forward = forward_.template as<Storage>() + at;
            Storage* backward = backward_.template as<Storage>() + at;
            const int64_t first = units.begin - block.first;
            for (int64_t k = 0; k < block.size; ++k, forward += tile_units, backward += tile_units)
                for (int64_t u = 0; u < units.size(); ++u) {
                    const int64_t i = first + u;
                    forward[u] = static_cast<T>(alpha[i] * matrix[i * block.size + k]);
                    backward[u] = static_cast<T>(alpha[k] * matrix[k * block.size + i]);
                }
        });
    }

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
