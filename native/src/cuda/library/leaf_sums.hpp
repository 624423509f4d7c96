// Sums over the samples of a batch: within leaves first, then over the tree of model/fold.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "cuda/library/device.hpp"
#include "model/fold.hpp"
#include "model/part.hpp"

namespace ortho::cuda {

/** Where the leaves of a call begin, for kernels: leaf i has the call's samples begin[i] to begin[i + 1]. */
struct LeafBounds {
    int count;
    int64_t begin[Leaves::most + 1];
};

/** How sums of leaves become sums of nodes: what Folding does, written down for a kernel. */
struct FoldPlan {
    struct Step {
        int into; // a slot
        int from;
        bool from_leaf; // from is a leaf; otherwise a slot
        bool adds;      // otherwise the slot is set
    };
    int sums; // slots that are sums in the end, the first ones
    int count;
    Step steps[2 * Leaves::most];
};

/** The leaves that a call holds. What is cut by their sizes is cut by those of the whole batch, for parts too. */
class HeldLeaves {
public:
    explicit HeldLeaves(const BatchPart& part);

    int64_t batch() const { return part_.samples; }
    int64_t count() const { return bounds_.count; }
    /** Leaves of the whole batch. */
    int64_t all() const { return part_.leaves().count(); }
    /** Samples of the largest leaf of the whole batch. */
    int64_t most_samples() const { return (part_.batch + all() - 1) / all(); }
    bool are_equal() const { return part_.batch % all() == 0; }
    int64_t stride() const { return part_.stride; }
    const LeafBounds& bounds() const { return bounds_; }
    const FoldPlan& plan() const { return plan_; }

private:
    BatchPart part_;
    LeafBounds bounds_;
    FoldPlan plan_{};
};

/** Sums of leaves: [matrices, leaves, pieces, elements]. The sum of a leaf is that of its pieces. */
template <class T> struct LeafValues {
    const T* values;
    int64_t matrices;
    int64_t pieces;
    int64_t elements;
};

/**
 * Puts some elements of sums of leaves together to out[matrix, element], the partial sums of a part the part's stride
 * apart.
 */
template <class T>
void fold(Device& device, const HeldLeaves& leaves, const LeafValues<T>& sums, Span elements, bool accumulate, T* out);

/** Matrices [steps, batch, columns] whose rows are summed. */
struct RowSums {
    int64_t steps;
    int64_t columns;
    int64_t matrices;
};

/** Columns of a matrix by which rows are multiplied in the pass that sums them. */
constexpr int most_factors = 4;

/** The operand of layer normalization; rows of gradients are multiplied, element by element, by what it makes of it. */
template <class T> struct NormalisedRows {
    const T* x;          // [steps, batch, columns]
    const T* statistics; // [steps, batch, 2]
};

template <class T, class Factors> struct RowSumsCall;

/** Sums of the rows of matrices, and of their products with the rows of one that has few columns. */
template <class T> class LeafRows {
public:
    /**
     * @param shape    steps: the most that a call of add has
     * @param factors  columns of the other matrix, 0 to most_factors
     */
    LeafRows(const HeldLeaves& leaves, const RowSums& shape, int64_t factors);

    /** Elements of scratch memory. */
    int64_t elements() const { return sums() + products(); }

    /**
     * Sums the rows of some steps into scratch memory.
     * @param factors     [steps, batch, factors], the same for all matrices; read if there are any
     * @param remaining   [batch]: steps of each sample that count; null: all. What lies behind is not read
     * @param accumulate  adds to what is there
     */
    void add(Device& device, const T* rows, const T* factors, int64_t steps, const int32_t* remaining, bool accumulate,
             T* scratch) const;

    /** The same for products with the elements of normalised rows, one for each column, in place of one factor. */
    void add(Device& device, const T* rows, const NormalisedRows<T>& factors, int64_t steps, T* scratch) const;

    /** Writes the sums [matrices, columns] of some columns. */
    void finish_sums(Device& device, const T* scratch, Span columns, bool accumulate, T* out) const;
    /** Writes those of the products [matrices, columns, factors]. */
    void finish_products(Device& device, const T* scratch, Span columns, bool accumulate, T* out) const;

private:
    template <class Factors>
    void launch_sums(Device& device, void (*kernel)(RowSumsCall<T, Factors>), const T* rows, const Factors& factors,
                     int64_t steps, const int32_t* remaining, bool accumulate, T* scratch) const;
    int64_t sums() const { return shape_.matrices * leaves_.count() * parts_ * shape_.columns; }
    int64_t products() const { return sums() * factors_; }

    const HeldLeaves& leaves_;
    const RowSums shape_;
    const int64_t factors_;
    const int64_t parts_; // of the rows of a leaf
};

/** Which columns of a are multiplied by the rows of a matrix b, and how many columns b has; 0: there is none. */
struct RowsProduct {
    Span a;
    int64_t columns;
};

/**
 * Sums over steps and samples of a^T b, for a matrix a [steps, batch, row] and two matrices b. Each may belong to
 * other columns of a, which are multiplied where they lie.
 *
 * The rows of a leaf lie apart: some of each step. cuBLAS multiplies matrices with one stride between rows, so rows are
 * copied leaf by leaf first, some steps at a time. Then one call multiplies all leaves. A copy is so small that it
 * stays in the second-level cache between its kernel and the product, so the GPU's memory is read as often as without
 * it (unmeasured). Products of each sample's steps, or of each step's samples, need no copy, but write N^2 sums for
 * each of them, which are read again: for 28 steps between checkpoints, N = 512 and B = 128 that is 18 times the rows.
 *
 * Rows that lie leaf by leaf already are multiplied where they are: without lengths, those of a single leaf, and those
 * of equal leaves at a single step.
 */
template <class T> class LeafProducts {
public:
    /**
     * @param steps    the most that a call of add has
     * @param row      columns of a
     * @param lengths  whether remaining will be given
     */
    LeafProducts(const HeldLeaves& leaves, int64_t steps, int64_t row, const std::array<RowsProduct, 2>& products,
                 bool lengths);

    /** Elements of scratch memory. */
    int64_t elements() const;

    /** As LeafRows::add, for rows of a and of the factors. */
    void add(Device& device, const T* a, const std::array<const T*, 2>& factors, int64_t steps,
             const int32_t* remaining, bool accumulate, T* scratch) const;

    /** Writes some rows of a product's sums [columns of a, columns of b]. */
    void finish(Device& device, const T* scratch, size_t product, Span rows, bool accumulate, T* out) const;

private:
    /** Steps, and as many of zeros as make pieces of equal size. */
    int64_t padded(int64_t steps) const;
    int64_t copied_rows() const { return leaves_.count() * padded(chunk_) * leaves_.most_samples(); }
    int64_t sums(size_t product) const;
    int64_t sums_at(size_t product) const { return product > 0 ? sums(0) : 0; }
    int64_t most_columns() const { return std::max(products_[0].columns, products_[1].columns); }
    const T* copy(Device& device, const T* from, int64_t columns, int64_t first, int64_t steps,
                  const int32_t* remaining, T* to) const;

    const HeldLeaves& leaves_;
    const int64_t row_;
    const std::array<RowsProduct, 2> products_;
    const bool copies_;
    int64_t chunk_;      // steps that are copied together
    int64_t pieces_ = 1; // in which the rows of a leaf are multiplied at once, so that small products fill the GPU
};

/**
 * Sums over samples of a^T b and of a, for each of many layers: a and b [layers, batch, units], sums
 * [layers, units, units] and [layers, units].
 */
template <class T> class LayerSums {
public:
    LayerSums(const HeldLeaves& leaves, int64_t layers, int64_t units);

    /** Elements of scratch memory. */
    int64_t elements() const;

    void run(Device& device, const T* a, const T* b, int64_t layers, bool accumulate, T* scratch, T* products,
             T* sums) const;

private:
    int64_t products() const;

    const HeldLeaves& leaves_;
    const int64_t units_;
    int64_t chunk_; // layers whose sums of leaves are kept at once
};

} // namespace ortho::cuda
