// Sums over the steps and samples of a recurrent chain: the gradients of its parameters.
#pragma once

#include "cuda/library/leaf_sums.hpp"

namespace ortho::cuda {

/** The vectors [N] of a row of deltas, and which of them W and V are multiplied by. */
struct DeltaVectors {
    int64_t all;
    Span weights;
    Span inputs;
};

template <class T> class StepSums {
public:
    /** @param steps  the most that a call of add has */
    StepSums(const HeldLeaves& leaves, int64_t steps, int64_t units, int64_t inputs, const DeltaVectors& deltas,
             bool lengths)
        : units_(units), input_vectors_(deltas.inputs),
          // Inputs so few that their product with the deltas does hardly more than read these, as is done for the
          // biases.
          few_inputs_(inputs <= most_factors),
          products_(leaves, steps, deltas.all * units,
                    {{{of_units(deltas.weights), units}, {of_units(deltas.inputs), few_inputs_ ? 0 : inputs}}},
                    lengths),
          rows_(leaves, {steps, deltas.all * units, 1}, few_inputs_ ? inputs : 0), has_inputs_(inputs > 0) {}

    /** Elements of scratch memory. */
    int64_t elements() const { return products_.elements() + rows_.elements(); }

    /** Adds some steps. @param states  [steps, batch, N] before them @param inputs  [steps, batch, D] */
    void add(Device& device, const T* deltas, const T* states, const T* inputs, int64_t steps, const int32_t* remaining,
             bool accumulate, T* scratch) const {
        products_.add(device, deltas, {states, inputs}, steps, remaining, accumulate, scratch);
        rows_.add(device, deltas, inputs, steps, remaining, accumulate, of_rows(scratch));
    }

    /** Writes dW for some of W's vectors, counted from the first of W: [vectors N, N]. */
    void finish_weights(Device& device, const T* scratch, Span vectors, bool accumulate, T* out) const {
        products_.finish(device, scratch, 0, of_units(vectors), accumulate, out);
    }
    /** Writes dV, if there are inputs. */
    void finish_input_weights(Device& device, const T* scratch, bool accumulate, T* out) const {
        if (few_inputs_ && has_inputs_)
            rows_.finish_products(device, of_rows(scratch), of_units(input_vectors_), accumulate, out);
        else if (has_inputs_)
            products_.finish(device, scratch, 1, of_units({0, input_vectors_.size()}), accumulate, out);
    }
    /** Writes the sums of some vectors of the deltas: [vectors N]. */
    void finish_deltas(Device& device, const T* scratch, Span vectors, bool accumulate, T* out) const {
        rows_.finish_sums(device, of_rows(scratch), of_units(vectors), accumulate, out);
    }

private:
    Span of_units(Span vectors) const { return {vectors.begin * units_, vectors.end * units_}; }
    T* of_rows(T* scratch) const { return scratch + products_.elements(); }
    const T* of_rows(const T* scratch) const { return scratch + products_.elements(); }

    const int64_t units_;
    const Span input_vectors_;
    const bool few_inputs_;
    const LeafProducts<T> products_; // dW, and dV of many inputs
    const LeafRows<T> rows_;         // sums of deltas, and dV of few inputs
    const bool has_inputs_;
};

} // namespace ortho::cuda
