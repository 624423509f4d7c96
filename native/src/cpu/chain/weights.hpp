// The weights of a cell as its kernels read them: what all cells share.
#pragma once

#include <cstdint>

#include "core/memory.hpp"
#include "model/segments.hpp"

namespace ortho::cpu {

/** Gives out consecutive parts of one allocation, each starting on a cache line. */
class Carver {
public:
    /** @return where it starts, in bytes */
    template <class Element> int64_t take(const char* what, int64_t count) {
        constexpr int64_t line = 64;
        const int64_t at = total_;
        total_ += divide_up(checked_product(what, {count, static_cast<int64_t>(sizeof(Element))}), line) * line;
        return at;
    }
    int64_t total() const { return total_; }

private:
    int64_t total_ = 0;
};

/** Which layers of a feedforward chain are packed at the same time. */
enum class Packed {
    /** All of them: for weights that several chains read. */
    all_layers,
    /** Two that take turns, packed anew in every pass: L layers packed both ways would take three times the memory of
        the parameters. Each group of threads packs them for itself. */
    two_layers
};

/** Each cell has its own. What can fail is the constructor, which draws the filters, and reserve_scratch(). */
template <class Num, class Cell> class CellWeights;

} // namespace ortho::cpu
