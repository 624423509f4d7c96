#pragma once

#include <cstdint>
#include <vector>

#include "orthonative/orthonative.h"

namespace ortho {

/** Which orthogonal matrix: drawn from stream (seed, ORTHO_STREAM_FILTER, index). */
struct FilterSpec {
    ortho_filter_kind kind;
    int64_t size;
    uint64_t seed;
    uint32_t index;
};

/** (O x)_i = sign_i x[source_i]. */
struct SignedPermutation {
    std::vector<int32_t> source;
    std::vector<double> sign;
};

/**
 * A Haar-distributed orthogonal matrix [N, N], row-major; the same bits on every machine.
 * @param spec  kind must be ORTHO_FILTER_HAAR
 */
std::vector<double> haar_matrix(const FilterSpec& spec);

/** A filter that moves values. @param spec kind must be ORTHO_FILTER_CYCLE, _PERMUTATION or _IDENTITY */
SignedPermutation structured_filter(const FilterSpec& spec);

} // namespace ortho
