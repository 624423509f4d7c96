// What the driver of chains asks of a cell: its products and epilogues, and the sums of its gradients.
#pragma once

#include "cuda/library/chain_memory.hpp"
#include "cuda/library/chain_weights.hpp"
#include "cuda/library/step_kernels.hpp"

namespace ortho::cuda {

/** One step forward of some rows. */
template <class T> struct StepForward {
    int64_t rows;
    int64_t layer;
    ParameterAddresses<T> parameters;
    T* products;    // room: [rows, product vectors N]
    const T* drive; // V u: [rows, drive vectors N], rows drive_stride apart; null: none. May be what is kept.
    int64_t drive_stride;
    const T* previous; // carried vectors [rows, N], vector_stride apart
    T* next;           // likewise; not previous if the cell reads the state of other units
    int64_t vector_stride;
    T* kept; // null: not wanted
    StepOfSamples samples;
};

/** A segment of the steps of a chain, the one that the chain's memory holds. */
template <class T> struct SegmentCall {
    int64_t first;
    int64_t size;
    bool last;
    ParameterAddresses<T> parameters;
};

/** Gradients that arrive at the states of a chain from outside. */
template <class T> struct ArrivingGradients {
    const T* outputs;     // [outputs, batch, N]; null: there are none
    int64_t first_output; // steps before it
    int64_t elements;     // of an output

    /** At the state after so many steps; null: none. */
    const T* at(int64_t steps_done) const {
        const int64_t output = steps_done - 1 - first_output;
        return outputs != nullptr && output >= 0 && steps_done > 0 ? outputs + output * elements : nullptr;
    }
};

/**
 * The steps of a chain. One class for filter cells, filter_steps.hpp, and one for all cells of gates, gate_steps.hpp.
 * Both have:
 *
 *     vectors                        what a chain's memory is made of
 *     make_drives                    V u of all steps of a segment
 *     forward_at_once, backward_at_once
 *                                    all steps of a segment in a launch of their own; false: not done
 *     forward_step, begin_backward, backward_step
 *                                    the products of a step and its epilogue: the loops that graphs are captured of
 *     loop_kind                      tells loops apart that do different things in training and without
 *     gradient_after, read_gradient, write_gradient
 *                                    the gradient that is handed from step to step
 *     sum_elements, add_gradients, finish_gradients
 *                                    sums over steps and samples
 */
template <class T, class Cell> class CellSteps;

} // namespace ortho::cuda
