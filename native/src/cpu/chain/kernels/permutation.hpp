// Structured filters: products with a signed permutation.
#pragma once

#include <cstdint>

#include "cpu/chain/types.hpp"
#include "cpu/shuffle.hpp"
#include "cpu/simd.hpp"

namespace ortho::cpu::ORTHO_ISA_NAMESPACE {

/**
 * Where the filter is a signed permutation: calls body(permuted) once, with permuted(row) giving αO x for one vector of
 * units of the state row that starts there. How its sources lie is decided once for all rows of a tile.
 */
template <class T, class Body>
[[gnu::always_inline]] inline void with_permutation(const StructuredFilter<T>& filter, int64_t unit, Body&& body) {
    using S = Simd<T>;
    const int32_t* const source = filter.source + unit;
    const typename S::vec scale = S::load(filter.scale + unit);
    const int64_t first = source[0];
    switch (filter.run[unit / S::width]) {
    case GatherRun::contiguous:
        body([=](const T* row) { return S::load(row + first) * scale; });
        break;
    case GatherRun::all_but_first:
        body([=, second = source[1]](const T* row) {
            typename S::vec x = rotate_lanes<S::width - 1, T>(S::load(row + second));
            x[0] = row[first];
            return x * scale;
        });
        break;
    case GatherRun::all_but_last:
        body([=, last = source[S::width - 1]](const T* row) {
            typename S::vec x = rotate_lanes<1, T>(S::load(row + first - 1));
            x[S::width - 1] = row[last];
            return x * scale;
        });
        break;
    default:
        body([=](const T* row) { return S::gather(row, source) * scale; });
    }
}

} // namespace ortho::cpu::ORTHO_ISA_NAMESPACE
