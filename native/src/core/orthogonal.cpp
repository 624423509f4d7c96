#include "core/orthogonal.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/random.hpp"

// Written so that vectorising reorders no sum: the filter of a seed is the same bits on every machine.

namespace ortho {
namespace {

/** Reflections gathered into one I - V T V^T. */
constexpr int64_t block_size = 32;
/** Columns of the matrix that a reflection block works on at a time: their product with V stays in the first cache. */
constexpr int64_t column_block = 64;

/**
 * Reflections first to first+count-1 as I - V T V^T; reflection k acts on rows k to N-1 and maps the Gaussian vector
 * drawn for it to a multiple of the first axis.
 */
struct ReflectionBlock {
    int64_t first;
    int64_t count;
    /** V: [N - first, block_size] */
    double* vectors;
    /** T: [block_size, block_size], upper triangular */
    double* factor;
};

/**
 * Draws reflection k's vector into column `column` of the block. @return the sign of R's diagonal, times the
 * reflection's scale tau in `tau`.
 */
double draw_reflection(const RandomStream& stream, int64_t size, int64_t k, double* gaussian,
                       const ReflectionBlock& block, double& tau) {
    const int64_t length = size - k;
    stream.normal(static_cast<uint64_t>(k * size + k), length, gaussian);
    double squares = 0;
    for (int64_t i = 1; i < length; ++i)
        squares += gaussian[i] * gaussian[i];
    const double head = gaussian[0];
    const int64_t column = k - block.first;
    double* rows = block.vectors + column * block_size + column;
    if (squares == 0) {
        // Nothing lies below the diagonal (always so in the last column): no reflection, R's diagonal is the value.
        for (int64_t i = 0; i < length; ++i)
            rows[i * block_size] = i == 0 ? 1 : 0;
        tau = 0;
        return head < 0 ? -1 : 1;
    }
    const double norm = std::sqrt(head * head + squares);
    const double diagonal = head < 0 ? norm : -norm;
    const double scale = 1 / (head - diagonal);
    rows[0] = 1;
    for (int64_t i = 1; i < length; ++i)
        rows[i * block_size] = gaussian[i] * scale;
    tau = (diagonal - head) / diagonal;
    return diagonal < 0 ? -1 : 1;
}

/** T of H_1 H_2 ... H_n = I - V T V^T (Schreiber, Van Loan 1989), column by column. */
void form_factor(const ReflectionBlock& block, int64_t rows, const double* tau) {
    double products[block_size * block_size] = {};
    for (int64_t i = 0; i < rows; ++i) {
        const double* row = block.vectors + i * block_size;
        for (int64_t a = 0; a < block.count; ++a)
            for (int64_t b = 0; b < block.count; ++b)
                products[a * block_size + b] += row[a] * row[b];
    }
    for (int64_t k = 0; k < block.count; ++k) {
        for (int64_t a = 0; a < k; ++a) {
            double sum = 0;
            for (int64_t b = a; b < k; ++b)
                sum += block.factor[a * block_size + b] * products[b * block_size + k];
            block.factor[a * block_size + k] = -tau[k] * sum;
        }
        block.factor[k * block_size + k] = tau[k];
    }
}

/** matrix[first.., first..] = (I - V T V^T) matrix[first.., first..]; the matrix is the identity outside. */
void apply_reflections(const ReflectionBlock& block, int64_t size, double* matrix) {
    double projected[block_size * column_block];
    double scaled[block_size * column_block];
    for (int64_t left = block.first; left < size; left += column_block) {
        const int64_t columns = std::min(column_block, size - left);
        std::fill_n(projected, block.count * column_block, 0.0);
        for (int64_t i = block.first; i < size; ++i) {
            const double* vector = block.vectors + (i - block.first) * block_size;
            const double* row = matrix + i * size + left;
            for (int64_t k = 0; k < block.count; ++k)
                for (int64_t j = 0; j < columns; ++j)
                    projected[k * column_block + j] += vector[k] * row[j];
        }
        std::fill_n(scaled, block.count * column_block, 0.0);
        for (int64_t a = 0; a < block.count; ++a)
            for (int64_t b = a; b < block.count; ++b)
                for (int64_t j = 0; j < columns; ++j)
                    scaled[a * column_block + j] += block.factor[a * block_size + b] * projected[b * column_block + j];
        for (int64_t i = block.first; i < size; ++i) {
            const double* vector = block.vectors + (i - block.first) * block_size;
            double* row = matrix + i * size + left;
            for (int64_t k = 0; k < block.count; ++k)
                for (int64_t j = 0; j < columns; ++j)
                    row[j] -= vector[k] * scaled[k * column_block + j];
        }
    }
}

} // namespace

HaarScratch::HaarScratch(int64_t size)
    : signs(static_cast<size_t>(size)), gaussian(static_cast<size_t>(size)),
      vectors(static_cast<size_t>(size * block_size)), factor(static_cast<size_t>(block_size * block_size)) {}

// The Q of a Gaussian matrix's QR is a product of Householder reflections. The column that reflection k is made from
// has been reflected by its predecessors only, so it is Gaussian and independent of them (Stewart 1980): it is drawn as
// such, and the matrix is never factored.
void haar_matrix(const FilterSpec& spec, HaarScratch& scratch, double* matrix) noexcept {
    const int64_t size = spec.size;
    const RandomStream stream(spec.seed, ORTHO_STREAM_FILTER, spec.index);
    double* const signs = scratch.signs.data();
    std::fill_n(matrix, size * size, 0.0);
    for (int64_t i = 0; i < size; ++i)
        matrix[i * size + i] = 1;
    ReflectionBlock block{0, 0, scratch.vectors.data(), scratch.factor.data()};
    const int64_t blocks = (size + block_size - 1) / block_size;
    for (int64_t b = blocks - 1; b >= 0; --b) {
        block.first = b * block_size;
        block.count = std::min(block_size, size - block.first);
        std::fill_n(block.vectors, (size - block.first) * block_size, 0.0);
        std::fill_n(block.factor, block_size * block_size, 0.0);
        double tau[block_size];
        for (int64_t k = 0; k < block.count; ++k)
            signs[block.first + k] =
                draw_reflection(stream, size, block.first + k, scratch.gaussian.data(), block, tau[k]);
        form_factor(block, size - block.first, tau);
        apply_reflections(block, size, matrix);
    }
    for (int64_t i = 0; i < size; ++i)
        for (int64_t j = 0; j < size; ++j)
            matrix[i * size + j] *= signs[j];
}

std::vector<double> haar_matrix(const FilterSpec& spec) {
    HaarScratch scratch(spec.size);
    std::vector<double> matrix(static_cast<size_t>(spec.size * spec.size));
    haar_matrix(spec, scratch, matrix.data());
    return matrix;
}

void structured_filter(const FilterSpec& spec, int32_t* source, double* sign) noexcept {
    std::iota(source, source + spec.size, 0);
    std::fill_n(sign, spec.size, 1.0);
    if (spec.kind == ORTHO_FILTER_CYCLE) {
        std::rotate(source, source + spec.size - 1, source + spec.size);
    } else if (spec.kind == ORTHO_FILTER_PERMUTATION) {
        RandomReader reader(RandomStream(spec.seed, ORTHO_STREAM_FILTER, spec.index));
        reader.permutation(spec.size, source);
        for (int64_t i = 0; i < spec.size; ++i)
            sign[i] = reader.next() >> 63 != 0 ? -1 : 1;
    }
}

SignedPermutation structured_filter(const FilterSpec& spec) {
    const size_t size = static_cast<size_t>(spec.size);
    SignedPermutation filter{std::vector<int32_t>(size), std::vector<double>(size)};
    structured_filter(spec, filter.source.data(), filter.sign.data());
    return filter;
}

} // namespace ortho
