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

/** Memory for drawing a Haar-distributed matrix, beside the matrix itself; can be used again and again. */
struct HaarScratch {
    /** @param size  the largest matrix */
    explicit HaarScratch(int64_t size);

    std::vector<double> signs;
    std::vector<double> gaussian;
    std::vector<double> vectors;
    std::vector<double> factor;
};

/**
 * Draws a Haar-distributed orthogonal matrix [N, N], row-major; the same bits on every machine.
 * @param spec  kind must be ORTHO_FILTER_HAAR
 */
void haar_matrix(const FilterSpec& spec, HaarScratch& scratch, double* matrix) noexcept;
std::vector<double> haar_matrix(const FilterSpec& spec);

/**
 * Draws a signed permutation.
 * @param spec    kind must be ORTHO_FILTER_CYCLE, _PERMUTATION or _IDENTITY
 * @param source  [N], written; so is sign
 */
void structured_filter(const FilterSpec& spec, int32_t* source, double* sign) noexcept;
SignedPermutation structured_filter(const FilterSpec& spec);

} // namespace ortho
