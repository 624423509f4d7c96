// A chain on the CPU: takes memory, checks, and lets a driver run.
#pragma once

#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <optional>
#include <utility>

#include "core/error.hpp"
#include "core/pace.hpp"
#include "cpu/chain/driver.hpp"
#include "cpu/chain/finite.hpp"
#include "cpu/chain/layers.hpp"
#include "cpu/chain/parts.hpp"
#include "cpu/chain/plan.hpp"
#include "cpu/chain/recurrent.hpp"
#include "cpu/chain/team.hpp"
#include "cpu/device.hpp"
#include "model/chain.hpp"

namespace ortho::cpu {

template <class Num, class Cell, template <class, class> class OrderOf> class CpuChain final : public ortho_chain {
public:
    using T = StateOf<Num>;
    using Order = OrderOf<Num, Cell>;

    /** With weights of its own. */
    CpuChain(CpuDevice& owner, ChainSpec chain_spec, Cell cell)
        : ortho_chain(owner, std::move(chain_spec)), cpu_(owner), kernels_(owner.kernels.template chain<Num>()),
          own_(std::in_place, spec, kernels_, Packed::two_layers), parts_(spec, kernels_, cell, *own_) {}
    /** On prepared weights. */
    CpuChain(CpuDevice& owner, ortho_weights& prepared, CellWeights<Num, Cell>& packed, Cell cell)
        : ortho_chain(prepared), cpu_(owner), kernels_(owner.kernels.template chain<Num>()),
          parts_(spec, kernels_, cell, packed) {}

    int64_t state_bytes(int64_t steps, int64_t batch, bool training) const override {
        return parts_.states.size_for(steps_of(steps), batch, training).elements * static_cast<int64_t>(sizeof(T));
    }

    int64_t sum_bytes(int64_t steps, int64_t batch) const override {
        const BatchPart part{batch, 0, batch, 0, true, 0};
        const Work work = work_of(BatchRows(batch, steps_of(steps)), part);
        const int64_t segment = parts_.states.size_for(steps_of(steps), batch, true).segments.length;
        // A call may take fewer threads than the device has, and fewer may form more groups.
        int64_t most = 0;
        for (int threads = 1; threads <= cpu_.pool.threads(); ++threads)
            most = std::max(
                most, parts_.sums.bytes(Order::sums_needed(parts_, Plan(work, threads, all_threads_), part, segment)));
        return most;
    }

    void forward(const ChainForward& call) override {
        const FlushSubnormals flush;
        // What can fail comes first, so that a call that fails leaves the forward pass before as it was.
        BatchRows rows(call, steps_of(call.steps));
        const int64_t steps = rows.steps();
        const auto size = parts_.states.size_for(steps, call.batch, call.training);
        CellWeights<Num, Cell>::check_batch("batch", spec, StateLayout(spec.hidden_size, call.batch, sizeof(T)));
        Memory grown = parts_.states.memory_beyond(size, steps, call, ready_for_backward_);
        Memory more_inputs = parts_.inputs.memory_beyond(rows, call.batch, ready_for_backward_);
        Team team(cpu_.pool, plan_for(rows, call.part, forward_pace_), call.part);
        parts_.weights.reserve_scratch(team.plan().groups);
        if (spec.check_finite) {
            require_finite(cpu_, "inputs", static_cast<const T*>(call.inputs), call, rows, spec.input_size);
            require_finite(cpu_, "initial", static_cast<const T*>(call.initial),
                           Cell::carried_vectors * call.batch * spec.hidden_size);
        }

        ready_for_backward_ = false;
        parts_.rows = std::move(rows);
        parts_.states.use(size, std::move(grown), steps_of(call.steps), call);
        parts_.inputs.use(std::move(more_inputs), call.batch);
        if (parts_.rows.varied() && spec.input_size > 0)
            team.for_each_task(steps, [&](int64_t step) {
                parts_.inputs.copy(parts_.rows, static_cast<const T*>(call.inputs), step);
            });
        part_ = call.part;
        if (own_)
            Order::pack_forward(parts_, team, call);
        parts_.binding.bind(parts_.weights, parts_.states.layout());
        const Driver<Num, Cell, Order> driver(parts_, Order(parts_, team, call));
        team.run(parts_.rows, multiply_adds(parts_.rows), forward_pace_,
                 [&](const Member& member) { driver.forward(member, call); });
        ready_for_backward_ = call.training;
    }

    void backward(const ChainBackward& call) override {
        const FlushSubnormals flush;
        if (!ready_for_backward_)
            fail(ORTHO_INVALID_STATE, "backward needs a training forward call before it, one for each");
        const int64_t batch = parts_.states.layout().batch;
        const int64_t output_steps = parts_.states.output_steps();
        if (output_steps > 0 && call.output_gradients == nullptr)
            fail(ORTHO_INVALID_ARGUMENT, Argument::missing("output_gradients"),
                 "is null; it must be given, since forward wrote %" PRId64 " output steps", output_steps);
        if (spec.check_finite) {
            require_finite(cpu_, "output_gradients", static_cast<const T*>(call.output_gradients),
                           output_steps * batch * spec.hidden_size);
            require_finite(cpu_, "final_gradients", static_cast<const T*>(call.final_gradients),
                           Cell::carried_vectors * batch * spec.hidden_size);
        }

        // What can fail comes first, so that backward can be called again.
        Team team(cpu_.pool, plan_for(parts_.rows, part_, backward_pace_), part_);
        parts_.weights.reserve_scratch(team.plan().groups);
        parts_.sums.reserve(Order::sums_needed(parts_, team.plan(), part_, parts_.states.segments().length));
        const Order order(parts_, team, call);
        if (own_) {
            Order::pack_backward(parts_, team, call);
            if (call.input_gradients)
                parts_.weights.pack_inputs_transposed(static_cast<const T*>(call.input_weights));
        }
        ready_for_backward_ = false;

        const Driver<Num, Cell, Order> driver(parts_, order);
        team.run(parts_.rows, multiply_adds(parts_.rows), backward_pace_,
                 [&](const Member& member) { driver.backward(member, call); });
        order.finish(team, call);
    }

private:
    int64_t steps_of(int64_t steps) const { return spec.recurrent() ? steps : spec.layers; }

    Work work_of(const BatchRows& rows, const BatchPart& part) const {
        // As if all samples took as many steps as the longest: batches of one kind get the same number of threads.
        return {part.samples, Order::leaves_of_groups(parts_, part), rows.steps(), multiply_adds_of(part.samples),
                Order::meets_at_every_step};
    }

    Plan plan_for(const BatchRows& rows, const BatchPart& part, Pace& pace) const {
        const Work work = work_of(rows, part);
        Plan plan(work, cpu_.pool.ready(), all_threads_);
        if (all_threads_ || plan.threads() == 1)
            return plan;
        if (const int threads = pace.threads(static_cast<int>(plan.threads())); threads < plan.threads())
            plan = Plan(work, threads, false);
        plan.paced = true;
        return plan;
    }

    /** @param samples  that take a step */
    int64_t multiply_adds_of(int64_t samples) const {
        return samples * (Cell::gates * spec.hidden_size * spec.hidden_size + spec.filter_elements());
    }
    double multiply_adds(const BatchRows& rows) const {
        return static_cast<double>(rows.all_steps()) * static_cast<double>(multiply_adds_of(1));
    }

    CpuDevice& cpu_;
    const ChainKernels<Num>& kernels_;
    std::optional<CellWeights<Num, Cell>> own_;
    ChainParts<Num, Cell> parts_;
    BatchPart part_{}; // of the forward pass that backward is to follow
    Pace forward_pace_;
    Pace backward_pace_;
    const bool all_threads_ = all_threads_of_environment();
    bool ready_for_backward_ = false;
};

} // namespace ortho::cpu
