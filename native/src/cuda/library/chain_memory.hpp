// The memory of a chain's calls on a GPU: the states of a segment, what its steps keep, checkpoints, and work memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>

#include "cuda/library/device.hpp"
#include "cuda/library/graph_cache.hpp"
#include "model/segments.hpp"

namespace ortho::cuda {

/** States that inference keeps, to copy outputs from and to make the drives of many steps in one product. */
constexpr int64_t inference_window_bytes = int64_t{32} << 20;

/** Vectors [batch, N]. */
struct StepVectors {
    int64_t carried; // from step to step
    int64_t kept;    // of each step
    int64_t work;    // of all steps together: products and gradients
};

template <class T> class ChainMemory {
public:
    ChainMemory(Device& owner, const ChainParameters& parameters, const StepVectors& vectors)
        : device_(owner), p_(parameters), vectors_(vectors), n_(parameters.hidden_size) {}

    /** Of a call. */
    int64_t bytes(int64_t steps, int64_t batch, bool training) const {
        return bytes_of(segments_for(steps, batch, training), batch, training);
    }

    Segments segments_for(int64_t steps, int64_t batch, bool training) const {
        if (training)
            return choose_segments(p_.checkpoint_every, p_.max_state_bytes, {steps, batch, n_},
                                   [&](const Segments& tried) { return bytes_of(tried, batch, true); });
        const int64_t of_step =
            checked_product("the states", {vectors_.carried + vectors_.kept, batch, n_, size_of(1)});
        return {steps, std::clamp<int64_t>(inference_window_bytes / of_step, 1, steps)};
    }

    /**
     * Takes the memory of a call and divides it. If that fails, what the memory holds stays as it is.
     * @param in_use  backward may still want what it holds
     * @param graphs  forgotten where memory moves that captured loops use
     */
    void prepare(const ChainForward& call, bool in_use, GraphCache& graphs) {
        const Segments segments = segments_for(call.steps, call.batch, call.training);
        const int64_t work = work_bytes(call.batch);
        const int64_t states = bytes_of(segments, call.batch, call.training) - work;
        char what[160];
        std::snprintf(what, sizeof what,
                      "%" PRId64 " steps x batch %" PRId64 " x %" PRId64 " units of float%d states (%s)", call.steps,
                      call.batch, n_, static_cast<int>(8 * sizeof(T)),
                      call.training ? "fewer with checkpointing or a smaller batch" : "fewer with a smaller batch");
        if (states > states_.bytes() || work > work_.bytes())
            graphs.clear();
        // What is there goes first, so that both need not fit at once, unless backward may still want it.
        DeviceMemory more_states = states_.beyond(device_.memory, states, what, in_use);
        DeviceMemory more_work = work_.beyond(device_.memory, work, what, in_use);
        states_.use(device_.stream, std::move(more_states));
        work_.use(device_.stream, std::move(more_work));
        segments_ = segments;
        batch_ = call.batch;
        has_lengths_ = call.lengths != nullptr && std::any_of(call.lengths, call.lengths + call.batch,
                                                              [&](int32_t length) { return length != call.steps; });
    }

    /** Before a call that uses what the call before took: tells whether a caller captures that. */
    void use_again() {
        states_.use(device_.stream, DeviceMemory());
        work_.use(device_.stream, DeviceMemory());
    }

    const Segments& segments() const { return segments_; }
    int64_t batch() const { return batch_; }
    int64_t units() const { return n_; }
    /** Whether some samples have fewer steps than the call. */
    bool has_lengths() const { return has_lengths_; }

    /** Elements of a vector of all samples. */
    int64_t elements() const { return batch_ * n_; }
    int64_t size() const { return size_of(elements()); }
    /**
     * A carried vector before a step of the segment. Those of successive steps follow each other, so they are outputs
     * and factors of sums as they lie.
     */
    T* state(int64_t step, int64_t vector = 0) const {
        return states_.as<T>() + vector * vector_stride() + step * elements();
    }
    /** Elements from one carried vector to the next. */
    int64_t vector_stride() const { return (segments_.length + 1) * elements(); }
    /** What backward needs of a step, [batch, kept N]; V u before the step is done, deltas once backward was there. */
    T* kept(int64_t step) const { return behind_states() + step * vectors_.kept * elements(); }
    /** [carried, batch, N] */
    T* checkpoint(int64_t segment) const { return kept(segments_.length) + segment * vectors_.carried * elements(); }
    T* work(int64_t vector) const { return work_.as<T>() + vector * elements(); }

    /** Steps of each sample: [batch]. */
    int32_t* lengths() const { return reinterpret_cast<int32_t*>(work(vectors_.work)); }
    /** Those from the start of the segment on that is being computed; null: samples have all steps. */
    int32_t* remaining() const { return has_lengths_ ? lengths() + batch_ : nullptr; }

    /** Copies carried vectors [batch, N] that lie so many elements apart: too far for the pitch of a single copy. */
    void copy_state(T* to, int64_t to_stride, const T* from, int64_t from_stride) const {
        for (int64_t vector = 0; vector < vectors_.carried; ++vector)
            copy_on_device(device_, to + vector * to_stride, from + vector * from_stride, size());
    }
    /** Copies a state of a caller's or a checkpoint, [carried, batch, N], before a step of the segment, or from there.
     */
    void read_state(int64_t step, const T* from) const { copy_state(state(step), vector_stride(), from, elements()); }
    void write_state(int64_t step, T* to) const { copy_state(to, elements(), state(step), vector_stride()); }
    void clear_state(int64_t step) const {
        for (int64_t vector = 0; vector < vectors_.carried; ++vector)
            clear(device_, state(step, vector), size());
    }

private:
    static constexpr int64_t size_of(int64_t elements) { return elements * static_cast<int64_t>(sizeof(T)); }

    T* behind_states() const { return states_.as<T>() + vectors_.carried * vector_stride(); }

    /** Of products, gradients and lengths. */
    int64_t work_bytes(int64_t batch) const {
        return size_of(vectors_.work * batch * n_) + 2 * batch * static_cast<int64_t>(sizeof(int32_t));
    }
    int64_t bytes_of(const Segments& segments, int64_t batch, bool training) const {
        const int64_t checkpoints = training && segments.count() > 1 ? segments.count() : 0;
        const int64_t vectors =
            (segments.length + 1 + checkpoints) * vectors_.carried + segments.length * vectors_.kept;
        return checked_product("the states", {vectors, batch, n_, size_of(1)}) + work_bytes(batch);
    }

    Device& device_;
    const ChainParameters& p_;
    const StepVectors vectors_;
    const int64_t n_;
    WorkMemory states_;
    WorkMemory work_;
    Segments segments_{};
    int64_t batch_ = 0;
    bool has_lengths_ = false;
};

} // namespace ortho::cuda
