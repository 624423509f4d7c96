// The filter chain on the CPU: memory, packing, and the order in which threads run the kernels.
#include <algorithm>
#include <bit>
#include <chrono>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>

#include "core/error.hpp"
#include "core/orthogonal.hpp"
#include "core/pace.hpp"
#include "cpu/chain_types.hpp"
#include "cpu/device.hpp"
#include "model/chain.hpp"
#include "model/segments.hpp"

namespace ortho::cpu {

namespace {

struct Range {
    int64_t begin;
    int64_t end;
};

/** Part `index` of `parts` nearly equal parts of a range. */
Range part_of(Range whole, int64_t index, int64_t parts) {
    const int64_t count = whole.end - whole.begin;
    return {whole.begin + count * index / parts, whole.begin + count * (index + 1) / parts};
}

/**
 * Slices of the batch whose weight gradients are summed apart. Cut by the shape alone, so that the order of every sum,
 * and with it every bit, is the same for any number of threads: a power of two, of 16 rows or more each, and not
 * more than four before they have 64 rows, since each costs a matrix of sums.
 */
int64_t slices_of(int64_t batch) {
    const auto power_of_two = [](int64_t n) { return static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(n))); };
    if (batch < 32)
        return 1;
    return std::min(power_of_two(batch / 16), std::max<int64_t>(4, power_of_two(batch / 64)));
}

/** What a chain computes in one call, for the number of threads that it is worth. */
struct Work {
    int64_t batch;
    int64_t slices;
    int64_t steps;
    int64_t multiply_adds; // of a step
    bool recurrent;
};

/**
 * Who does what. Threads form groups; a group owns consecutive slices of the batch and runs all steps of them without
 * waiting for other groups. Inside a group the members share the rows, or where there are few rows the column tiles;
 * only the latter must wait for each other at every step, or in a feedforward chain, whose layers have weights of their
 * own, all members.
 */
struct Plan {
    int64_t slices;
    int64_t groups;
    int64_t members;   // threads of a group
    int64_t row_parts; // members = row_parts · column_parts
    int64_t column_parts;
    bool paced = false; // a Pace decided how many threads

    /** @param all  every thread takes part, however little there is to do */
    Plan(const Work& work, int64_t threads, bool all) : slices(work.slices) {
        // Multiply-adds that take as long as it takes to wake a thread, some 50 us.
        constexpr int64_t least_of_call = int64_t{1} << 21;
        if (!all && work.multiply_adds < divide_up(least_of_call, work.steps))
            threads = 1;
        groups = std::min(slices, threads);
        members = threads / groups;
        divide(work.batch);
        while (!all && members > 1 && waits_too_often(work)) {
            --members;
            divide(work.batch);
        }
    }

    int64_t threads() const { return groups * members; }

    Range slices_of_group(int64_t group) const { return part_of({0, slices}, group, groups); }
    Range rows_of_slice(int64_t slice, int64_t batch) const { return part_of({0, batch}, slice, slices); }

private:
    /** Divides the members among rows and columns. */
    void divide(int64_t batch) {
        constexpr int64_t least_rows = 8; // of a member: below that, reading the weights costs more than using them
        row_parts = members;
        while (row_parts > 1 && (members % row_parts != 0 || batch / groups / row_parts < least_rows))
            --row_parts;
        column_parts = members / row_parts;
    }

    bool waits_too_often(const Work& work) const {
        // Multiply-adds of a member that take several times as long as waiting for another core, half a microsecond.
        // With as many, two threads were 1.4 to 1.8 times as fast as one on two free cores; with half as many 1.1
        // times, and far slower where other programs used the cores; with a quarter no faster.
        constexpr int64_t least_between_waits = int64_t{1} << 16;
        return (column_parts > 1 || !work.recurrent) && work.multiply_adds / threads() < least_between_waits;
    }
};

/** The environment variable ORTHONATIVE_CPU_THREADS, for tests: `all` lets every thread take part in any work. */
bool all_threads_of_environment() {
    const char* const value = environment("ORTHONATIVE_CPU_THREADS");
    if (value == nullptr)
        return false;
    if (std::strcmp(value, "all") != 0)
        fail(ORTHO_NOT_SUPPORTED, "ORTHONATIVE_CPU_THREADS is '%s'; it must be 'all'", ForeignText(value).c_str());
    return true;
}

/** What drawing a dense filter takes beside the packed one; of a structured filter nothing. */
template <class T> struct FilterScratch {
    explicit FilterScratch(const ChainSpec& spec)
        : matrix(spec.filter == ORTHO_FILTER_HAAR ? elements(spec) * static_cast<int64_t>(sizeof(double)) : 0,
                 "the filter"),
          scaled(spec.structured() ? 0 : elements(spec) * static_cast<int64_t>(sizeof(T)), "the filter"),
          haar(spec.filter == ORTHO_FILTER_HAAR ? spec.hidden_size : 0) {}

    Memory matrix;
    Memory scaled;
    HaarScratch haar;

private:
    static int64_t elements(const ChainSpec& spec) { return spec.hidden_size * spec.hidden_size; }
};

/** A filter made ready for the kernels: packed for both directions, or as moves. */
template <class T> class PreparedFilter {
public:
    /** Takes all the memory that the filter needs: what follows cannot fail. */
    void allocate(const ChainSpec& spec, const ChainKernels<T>& kernels) {
        const int64_t n = spec.hidden_size;
        const int64_t padded = StateLayout(n, 1, sizeof(T)).padded;
        if (spec.structured()) {
            moves_.source.resize(static_cast<size_t>(n));
            moves_.sign.resize(static_cast<size_t>(n));
            forward_moves_.resize(padded, kernels.lanes);
            backward_moves_.resize(padded, kernels.lanes);
        } else {
            const int64_t bytes = padded * n * static_cast<int64_t>(sizeof(T));
            forward_ = Memory(bytes, "the packed filter");
            backward_ = Memory(bytes, "the packed filter");
        }
    }

    /** Draws or reads the filter of a layer. */
    void prepare(const ChainSpec& spec, const ChainKernels<T>& kernels, int64_t layer,
                 FilterScratch<T>& scratch) noexcept {
        const int64_t n = spec.hidden_size;
        if (spec.structured()) {
            structured_filter(spec.filter_of(layer), moves_);
            batch_ = 0;
            return;
        }
        const double* matrix = scratch.matrix.template as<double>();
        if (spec.filter == ORTHO_FILTER_CUSTOM)
            matrix = spec.custom_matrix(layer);
        else
            haar_matrix(spec.filter_of(layer), scratch.haar, scratch.matrix.template as<double>());
        T* const scaled = scratch.scaled.template as<T>();
        for (int64_t i = 0; i < n; ++i)
            for (int64_t j = 0; j < n; ++j)
                scaled[i * n + j] = static_cast<T>(spec.alpha[i] * matrix[i * n + j]);
        const int64_t padded = StateLayout(n, 1, sizeof(T)).padded;
        kernels.pack_rows(scaled, n, n, kernels.dual_tile, 0, divide_up(padded, kernels.dual_tile),
                          forward_.template as<T>());
        kernels.pack_columns(scaled, n, n, kernels.single_tile, 0, divide_up(padded, kernels.single_tile),
                             backward_.template as<T>());
    }

    /** Turns units into offsets for a batch. */
    void bind(const ChainSpec& spec, const ChainKernels<T>& kernels, const StateLayout& layout) noexcept {
        if (!spec.structured() || batch_ == layout.batch)
            return;
        const int64_t n = spec.hidden_size;
        for (int64_t i = 0; i < n; ++i) {
            const int64_t source = moves_.source[i];
            const T scale = static_cast<T>(spec.alpha[i] * moves_.sign[i]);
            forward_moves_.set(i, layout.offset(source, 0), scale);
            backward_moves_.set(source, layout.offset(i, 0), scale);
        }
        for (int64_t i = n; i < layout.padded; ++i) {
            forward_moves_.set(i, layout.offset(i, 0), T(0));
            backward_moves_.set(i, layout.offset(i, 0), T(0));
        }
        forward_moves_.find_runs(kernels.lanes, layout.width);
        backward_moves_.find_runs(kernels.lanes, layout.width);
        batch_ = layout.batch;
    }

    const T* forward() const { return forward_.template as<T>(); }
    const T* backward() const { return backward_.template as<T>(); }
    StructuredFilter<T> forward_moves() const { return forward_moves_.view(); }
    StructuredFilter<T> backward_moves() const { return backward_moves_.view(); }

private:
    struct Moves {
        std::vector<int32_t> source;
        std::vector<T> scale;
        std::vector<uint8_t> run;

        void resize(int64_t padded, int64_t lanes) {
            source.resize(padded);
            scale.resize(padded);
            run.resize(padded / lanes);
        }
        void set(int64_t unit, int64_t offset, T factor) {
            source[unit] = static_cast<int32_t>(offset);
            scale[unit] = factor;
        }
        /** Only the unit's own row is read: its neighbours may belong to another thread. */
        void find_runs(int64_t lanes, int64_t width) {
            std::fill(run.begin(), run.end(), GatherRun::scattered);
            for (size_t v = 0; v < run.size(); ++v) {
                const int32_t* s = source.data() + v * lanes;
                const auto in_row = [&](int64_t offset) { return offset >= 0 && offset % width + lanes <= width; };
                const auto follows = [&](int64_t first, int64_t last) {
                    for (int64_t l = first; l < last; ++l)
                        if (s[l + 1] != s[l] + 1)
                            return false;
                    return true;
                };
                if (follows(0, lanes - 1))
                    run[v] = GatherRun::contiguous;
                else if (follows(1, lanes - 1) && in_row(s[1]))
                    run[v] = GatherRun::all_but_first;
                else if (follows(0, lanes - 2) && in_row(s[0] - 1))
                    run[v] = GatherRun::all_but_last;
            }
        }
        StructuredFilter<T> view() const { return {source.data(), scale.data(), run.data()}; }
    };

    Memory forward_;
    Memory backward_;
    SignedPermutation moves_;
    Moves forward_moves_;
    Moves backward_moves_;
    int64_t batch_ = 0;
};

template <class T> class CpuChain final : public ortho_chain {
public:
    CpuChain(CpuDevice& owner, ChainSpec chain_spec)
        : ortho_chain(owner, std::move(chain_spec)), cpu_(owner), kernels_(owner.kernels.template of<T>().chain),
          n_(spec.hidden_size), d_(spec.input_size) {
        const StateLayout layout(n_, 1, sizeof(T));
        padded_ = layout.padded;
        sum_stride_ = layout.panels * layout.width;
        forward_tile_ = spec.structured() ? kernels_.single_tile : kernels_.dual_tile;
        const int64_t element = sizeof(T);
        const int64_t matrix = checked_product("the packed weights", {padded_, n_});
        const int64_t buffers = spec.recurrent() ? 1 : 2;
        const int64_t input_padded = StateLayout(std::max<int64_t>(d_, 1), 1, element).padded;
        forward_weights_size_ = matrix;
        Carver sizes;
        forward_weights_ = sizes.take(buffers * matrix);
        backward_weights_ = sizes.take(buffers * matrix);
        input_weights_ = sizes.take(padded_ * d_);
        input_weights_transposed_ = sizes.take(input_padded * n_);
        bias_ = sizes.take(buffers * padded_);
        beta_ = sizes.take(padded_);
        packs_ = Memory(checked_product("the packed weights", {sizes.total(), element}), "the packed weights");
        for (int64_t i = 0; i < n_; ++i)
            packs_.as<T>()[beta_ + i] = static_cast<T>(spec.beta[i]);
        filters_[0].allocate(spec, kernels_);
        if (!spec.filter_per_layer) {
            FilterScratch<T> scratch(spec);
            filters_[0].prepare(spec, kernels_, 0, scratch);
        } else if (spec.layers > 1) {
            filters_[1].allocate(spec, kernels_);
        }
    }

    int64_t state_bytes(int64_t steps, int64_t batch, bool training) const override {
        const int64_t total_steps = spec.recurrent() ? steps : spec.layers;
        return states_for(total_steps, batch, training).elements * static_cast<int64_t>(sizeof(T));
    }

    void forward(const ChainForward& call) override {
        const FlushSubnormals flush;
        const int64_t steps = spec.recurrent() ? call.steps : spec.layers;
        // What can fail comes first, so that a call that fails leaves the forward pass before as it was.
        const States states = states_for(steps, call.batch, call.training);
        Memory grown = memory_beyond_states(states, steps, call);
        const Plan plan = plan_for(steps, call.batch, forward_pace_);
        Barriers barriers(plan);
        take_filter_scratch();
        if (spec.check_finite) {
            require_finite("inputs", static_cast<const T*>(call.inputs), steps * call.batch * d_);
            require_finite("initial", static_cast<const T*>(call.initial), call.batch * n_);
        }

        ready_for_backward_ = false;
        use_states(states, std::move(grown), call);
        const auto* weights = static_cast<const T*>(call.weights);
        if (spec.recurrent())
            pack_recurrent(plan, weights, call);
        if (!spec.filter_per_layer)
            filters_[0].bind(spec, kernels_, layout_);

        run(plan, barriers, steps, forward_pace_, [&](const Member& member) {
            const Range rows = member.all_rows_share;
            if (call.initial)
                kernels_.to_state(layout_, static_cast<const T*>(call.initial), rows.begin, rows.end, state(0));
            else
                clear_rows(state(0), rows);
            member.wait();
            for (int64_t segment = 0; segment < segments_.count(); ++segment) {
                if (segment > 0) {
                    // The chain goes on from the last state, which becomes the first of the next segment.
                    copy_rows(state(segments_.size(segment - 1)), state(0), rows);
                    member.wait();
                }
                if (segments_.count() > 1)
                    copy_rows(state(0), checkpoint(segment), rows);
                run_segment(member, segment, weights, static_cast<const T*>(call.bias),
                            static_cast<const T*>(call.inputs), static_cast<T*>(call.outputs));
            }
        });
        ready_for_backward_ = call.training;
    }

    void backward(const ChainBackward& call) override {
        const FlushSubnormals flush;
        if (!ready_for_backward_)
            fail(ORTHO_INVALID_STATE, "backward needs a training forward call before it, one for each");
        const auto* arriving = static_cast<const T*>(call.output_gradients);
        const int64_t batch = layout_.batch;
        if (output_steps_ > 0 && arriving == nullptr)
            fail(ORTHO_INVALID_ARGUMENT, Argument::missing("output_gradients"),
                 "is null; forward wrote %" PRId64 " output steps", output_steps_);
        if (spec.check_finite)
            require_finite("output_gradients", arriving, output_steps_ * batch * n_);

        // What can fail comes first, so that backward can be called again.
        const Plan plan = plan_for(segments_.steps, batch, backward_pace_);
        Barriers barriers(plan);
        take_filter_scratch();
        prepare_sums(plan);
        const auto* weights = static_cast<const T*>(call.weights);
        if (spec.recurrent()) {
            for_each_task(plan, tiles(kernels_.single_tile), [&](int64_t tile, int) {
                kernels_.pack_columns(weights, n_, n_, kernels_.single_tile, tile, tile + 1, pack(backward_weights_));
            });
        }
        if (call.input_gradients)
            kernels_.pack_columns(static_cast<const T*>(call.input_weights), n_, d_, kernels_.single_tile, 0,
                                  divide_up(StateLayout(d_, 1, sizeof(T)).padded, kernels_.single_tile),
                                  pack(input_weights_transposed_));
        ready_for_backward_ = false;

        run(plan, barriers, segments_.steps, backward_pace_,
            [&](const Member& member) { backward_group(member, plan, call); });
        if (spec.recurrent())
            reduce_sums(plan, call);
    }

private:
    /** Gives out consecutive parts of one allocation, each starting on a cache line. */
    class Carver {
    public:
        int64_t take(int64_t elements) {
            const int64_t line = 64 / static_cast<int64_t>(sizeof(T));
            const int64_t at = total_;
            total_ += divide_up(elements, line) * line;
            return at;
        }
        int64_t total() const { return total_; }

    private:
        int64_t total_ = 0;
    };

    struct States {
        Segments segments;
        int64_t elements;
    };

    /** Asks for the time only where it is wanted. */
    class Stopwatch {
    public:
        explicit Stopwatch(bool wanted) {
            if (wanted)
                begin_ = Clock::now();
        }
        int64_t nanoseconds() const {
            return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin_).count();
        }

    private:
        using Clock = std::chrono::steady_clock;
        Clock::time_point begin_;
    };

    /** One barrier for each group. */
    class Barriers {
    public:
        explicit Barriers(const Plan& plan) {
            for (int64_t group = 0; group < plan.groups; ++group)
                barriers_.push_back(std::make_unique<Barrier>(static_cast<int>(plan.members)));
        }
        Barrier& of(int64_t group) { return *barriers_[static_cast<size_t>(group)]; }
        int64_t slept() const {
            int64_t sum = 0;
            for (const auto& barrier : barriers_)
                sum += barrier->slept();
            return sum;
        }

    private:
        std::vector<std::unique_ptr<Barrier>> barriers_;
    };

    /** Takes what drawing each layer's own filter needs, once: every allocation asks the system what is free. */
    void take_filter_scratch() {
        if (spec.filter_per_layer && !filter_scratch_)
            filter_scratch_.emplace(spec);
    }

    /** A thread's part in a plan. */
    struct Member {
        bool works;
        int64_t group;
        int64_t members;
        int64_t index;        // in the group
        Range slices;         // of the group
        Range rows;           // that this member steps
        Range all_rows_share; // of the group's rows, where columns are not shared out
        int64_t column_part;
        int64_t column_parts;
        Barrier* barrier;

        Member(const Plan& plan, int rank, const CpuChain& chain, Barriers& barriers) {
            group = rank / plan.members;
            works = group < plan.groups;
            if (!works)
                return;
            members = plan.members;
            index = rank % plan.members;
            slices = plan.slices_of_group(group);
            const int64_t batch = chain.layout_.batch;
            const Range group_rows = {plan.rows_of_slice(slices.begin, batch).begin,
                                      plan.rows_of_slice(slices.end - 1, batch).end};
            rows = part_of(group_rows, index % plan.row_parts, plan.row_parts);
            all_rows_share = part_of(group_rows, index, members);
            column_part = index / plan.row_parts;
            column_parts = plan.column_parts;
            barrier = &barriers.of(group);
        }

        Range tiles(int64_t count) const { return part_of({0, count}, column_part, column_parts); }
        void wait() const {
            if (members > 1)
                barrier->wait();
        }
        /** After a step: only those who share out columns read what others wrote. */
        void wait_for_columns() const {
            if (column_parts > 1)
                barrier->wait();
        }
    };

    void require_finite(const char* name, const T* values, int64_t count) const {
        if (!values)
            return;
        constexpr int64_t block = int64_t(1) << 16;
        const auto& all_finite = cpu_.kernels.template of<T>().vector.all_finite;
        std::atomic<bool> found{false};
        ortho::for_each_task(cpu_.pool, divide_up(count, block), [&](int64_t task, int) {
            const int64_t begin = task * block;
            if (!all_finite(values + begin, std::min(count - begin, block)))
                found = true;
        });
        if (!found)
            return;
        const T* first = std::find_if_not(values, values + count, [](T value) { return std::isfinite(value); });
        fail(ORTHO_NOT_FINITE, Argument{name, first - values}, "is %s; all values must be finite",
             NumberText(*first).c_str());
    }

    int64_t tiles(int64_t tile) const { return divide_up(padded_, tile); }
    T* pack(int64_t at) const { return packs_.template as<T>() + at; }
    /** State before step `step` of the segment; without training only two of them are kept. */
    T* state(int64_t step) const { return states_.template as<T>() + (training_ ? step : step % 2) * layout_.size(); }
    T* activation(int64_t step) const { return states_.template as<T>() + activations_at_ + step * layout_.size(); }
    T* checkpoint(int64_t segment) const {
        return states_.template as<T>() + checkpoints_at_ + segment * layout_.size();
    }
    T* gradient(int64_t which) const { return states_.template as<T>() + gradients_at_ + which * layout_.size(); }
    T* weight_sums(int64_t slice) const { return sums_.template as<T>() + slice * sums_of_slice(); }
    /** ∂W is summed as [panel of x][unit of δ][width]: what a tile adds to lies side by side. */
    int64_t weight_sum_at(int64_t panel, int64_t unit) const { return (panel * n_ + unit) * layout_.width; }
    T* input_sums(int64_t slice) const { return weight_sums(slice) + n_ * sum_stride_; }
    T* bias_sums(int64_t slice) const { return input_sums(slice) + d_ * sum_stride_; }
    int64_t sums_of_slice() const { return (n_ + d_ + 1) * sum_stride_; }
    T* packed_delta(const Plan& plan, int64_t group) const {
        return sums_.template as<T>() + plan.slices * sums_of_slice() + group * n_ * rows_of_sum(plan);
    }

    Plan plan_for(int64_t steps, int64_t batch, Pace& pace) const {
        // A feedforward chain sums over one layer at a time, so its threads meet at every layer anyway.
        const int64_t slices = spec.recurrent() ? slices_of(batch) : 1;
        const Work work{batch, slices, steps, multiply_adds(batch), spec.recurrent()};
        Plan plan(work, cpu_.pool.ready(), all_threads_);
        if (all_threads_ || plan.threads() == 1)
            return plan;
        if (const int threads = pace.threads(static_cast<int>(plan.threads())); threads < plan.threads())
            plan = Plan(work, threads, false);
        plan.paced = true;
        return plan;
    }

    /** Of a step. */
    int64_t multiply_adds(int64_t batch) const { return (spec.structured() ? 1 : 2) * batch * n_ * n_; }

    int64_t elements_of(const Segments& segments, int64_t size, bool training) const {
        const char* what = "the states";
        if (!training)
            return checked_product(what, {2, size});
        const int64_t kept = segments.count() > 1 ? segments.count() : 0;
        return checked_product(what, {2 * segments.length + 1 + kept + 2, size, static_cast<int64_t>(sizeof(T))}) /
               static_cast<int64_t>(sizeof(T));
    }

    States states_for(int64_t steps, int64_t batch, bool training) const {
        const int64_t element = sizeof(T);
        checked_product("the states", {steps, batch, padded_ + 64, 4 * element});
        const StateLayout layout(n_, batch, element);
        Segments segments{steps, steps};
        if (training)
            segments = choose_segments(
                spec.checkpoint_every, spec.max_state_bytes, {steps, batch, n_},
                [&](const Segments& tried) { return elements_of(tried, layout.size(), true) * element; });
        return {segments, elements_of(segments, layout.size(), training)};
    }

    /** What the states need instead of the memory that they have; nothing where that is enough. */
    Memory memory_beyond_states(const States& states, int64_t steps, const ChainForward& call) {
        if (spec.structured() && StateLayout(n_, call.batch, sizeof(T)).size() > INT32_MAX)
            fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("batch"),
                 "is %" PRId64 ", with %" PRId64
                 " units each; with a structured filter the product must be at most 2^31 - 1",
                 call.batch, n_);
        const int64_t bytes = states.elements * static_cast<int64_t>(sizeof(T));
        if (bytes <= states_.bytes())
            return Memory();
        // First, so that both need not fit at once, unless backward may still want what is there.
        if (!ready_for_backward_)
            states_ = Memory();
        char what[160];
        std::snprintf(what, sizeof what,
                      "%" PRId64 " steps x batch %" PRId64 " x %" PRId64 " units of float%d states (%s)", steps,
                      call.batch, n_, static_cast<int>(8 * sizeof(T)),
                      call.training ? "fewer with checkpointing or a smaller batch" : "fewer with a smaller batch");
        return Memory(bytes, what);
    }

    void use_states(const States& states, Memory grown, const ChainForward& call) noexcept {
        if (grown.bytes() > 0)
            states_ = std::move(grown);
        layout_ = StateLayout(n_, call.batch, sizeof(T));
        segments_ = states.segments;
        output_steps_ = call.output_steps;
        training_ = call.training;
        if (!training_)
            return;
        activations_at_ = (segments_.length + 1) * layout_.size();
        gradients_at_ = activations_at_ + segments_.length * layout_.size();
        checkpoints_at_ = gradients_at_ + 2 * layout_.size();
    }

    /** Runs body(task, rank) for each task, on the threads of the device only where the plan wakes them anyway. */
    template <class Body> void for_each_task(const Plan& plan, int64_t tasks, Body&& body) const {
        if (plan.threads() > 1)
            ortho::for_each_task(cpu_.pool, tasks, body);
        else
            for (int64_t task = 0; task < tasks; ++task)
                body(task, 0);
    }

    void prepare_sums(const Plan& plan) {
        const int64_t bytes = checked_product(
            "the sums of weight gradients",
            {plan.slices * sums_of_slice() + plan.groups * n_ * rows_of_sum(plan), static_cast<int64_t>(sizeof(T))});
        if (bytes > sums_.bytes()) {
            sums_ = Memory();
            sums_ = Memory(bytes, "the sums of weight gradients");
        } else if (spec.recurrent()) {
            for_each_task(plan, plan.slices, [&](int64_t slice, int) {
                std::memset(weight_sums(slice), 0, static_cast<size_t>(sums_of_slice()) * sizeof(T));
            });
        }
    }

    void pack_recurrent(const Plan& plan, const T* weights, const ChainForward& call) {
        for_each_task(plan, tiles(forward_tile_), [&](int64_t tile, int) {
            kernels_.pack_rows(weights, n_, n_, forward_tile_, tile, tile + 1, pack(forward_weights_));
            if (d_ > 0)
                kernels_.pack_rows(static_cast<const T*>(call.input_weights), n_, d_, forward_tile_, tile, tile + 1,
                                   pack(input_weights_));
        });
        std::memcpy(pack(bias_), call.bias, static_cast<size_t>(n_) * sizeof(T));
    }

    void clear_rows(T* to, Range rows) const {
        for (int64_t panel = 0; panel < layout_.panels; ++panel)
            std::memset(to + panel * layout_.panel_stride() + rows.begin * layout_.width, 0,
                        static_cast<size_t>((rows.end - rows.begin) * layout_.width) * sizeof(T));
    }

    void copy_rows(const T* from, T* to, Range rows) const {
        for (int64_t panel = 0; panel < layout_.panels; ++panel) {
            const int64_t at = panel * layout_.panel_stride() + rows.begin * layout_.width;
            std::memcpy(to + at, from + at, static_cast<size_t>((rows.end - rows.begin) * layout_.width) * sizeof(T));
        }
    }

    /** Prepares a layer's own filter, on the group's first member: threads of a feedforward chain form one group. */
    void prepare_filter(const Member& member, int64_t layer) noexcept {
        if (!spec.filter_per_layer || member.index != 0)
            return;
        filters_[layer % 2].prepare(spec, kernels_, layer, *filter_scratch_);
        filters_[layer % 2].bind(spec, kernels_, layout_);
    }

    const PreparedFilter<T>& filter_of(int64_t layer) const { return filters_[spec.filter_per_layer ? layer % 2 : 0]; }

    /** Runs body(member) on the threads of a plan. */
    template <class Body> void run(const Plan& plan, Barriers& barriers, int64_t steps, Pace& pace, Body&& body) {
        const auto part = [&](int rank) {
            const Member member(plan, rank, *this, barriers);
            if (member.works)
                body(member);
        };
        const int threads = static_cast<int>(plan.threads());
        const Stopwatch stopwatch(plan.paced);
        int64_t slept = 0;
        if (threads == 1)
            part(0);
        else
            slept = cpu_.pool.run(threads, part);
        if (plan.paced)
            pace.record(threads, static_cast<double>(steps) * static_cast<double>(multiply_adds(layout_.batch)),
                        stopwatch.nanoseconds(), slept + barriers.slept());
    }

    /** Packs a member's share of a layer's weights; the two buffers take turns, so that one barrier a layer is enough.
     */
    void pack_layer(const Member& member, int64_t layer, const T* weights, const T* bias) {
        const Range share = part_of({0, tiles(forward_tile_)}, member.index, member.members);
        kernels_.pack_rows(weights + layer * n_ * n_, n_, n_, forward_tile_, share.begin, share.end,
                           pack(forward_weights_) + (layer % 2) * forward_weights_size_);
        if (member.index == 0)
            std::memcpy(pack(bias_) + (layer % 2) * padded_, bias + layer * n_, static_cast<size_t>(n_) * sizeof(T));
    }

    /** Forward through the steps of a segment, from state(0) to state(size). */
    void run_segment(const Member& member, int64_t segment, const T* weights, const T* bias, const T* inputs,
                     T* outputs) {
        const int64_t first = segments_.first(segment);
        const int64_t batch = layout_.batch;
        const Range columns = member.tiles(tiles(forward_tile_));
        for (int64_t local = 0; local < segments_.size(segment); ++local) {
            const int64_t step = first + local;
            const int64_t buffer = spec.recurrent() ? 0 : step % 2;
            if (!spec.recurrent()) {
                prepare_filter(member, step);
                pack_layer(member, step, weights, bias);
                member.wait();
            }
            const PreparedFilter<T>& filter = filter_of(step);
            const int64_t output = step - (segments_.steps - output_steps_);
            const ForwardStep<T> forward{
                .layout = layout_,
                .nonlinearity = static_cast<Nonlinearity>(spec.activation),
                .descending = descending(step),
                .filter = filter.forward(),
                .structured = filter.forward_moves(),
                .weights = pack(forward_weights_) + buffer * forward_weights_size_,
                .input_weights = pack(input_weights_),
                .bias = pack(bias_) + buffer * padded_,
                .beta = pack(beta_),
                .inputs = d_,
                .input = d_ > 0 ? inputs + step * batch * d_ : nullptr,
                .previous = state(local),
                .next = state(local + 1),
                .activation = training_ ? activation(local) : nullptr,
                .output = outputs && output >= 0 ? outputs + output * batch * n_ : nullptr,
            };
            kernels_.forward(forward, member.rows.begin, member.rows.end, columns.begin, columns.end);
            if (spec.recurrent())
                member.wait_for_columns();
        }
        if (!spec.recurrent())
            member.wait();
    }

    /** Steps go through the tiles there and back: the weights that one ends with are in the cache for the next. */
    static bool descending(int64_t step) { return step % 2 != 0; }

    /** Steps whose weight gradients are summed in one go: enough rows to pay for loading the sums. */
    int64_t steps_of_sum(const Plan& plan) const {
        if (!spec.recurrent())
            return 1;
        constexpr int64_t rows = 128;
        return std::max<int64_t>(1, rows / (layout_.batch / plan.slices));
    }

    /** The most rows, of all steps together, of one such sum. */
    int64_t rows_of_sum(const Plan& plan) const {
        return std::min(steps_of_sum(plan), segments_.length) * divide_up(layout_.batch, plan.slices);
    }

    void backward_group(const Member& member, const Plan& plan, const ChainBackward& call) {
        const auto* weights = static_cast<const T*>(call.weights);
        const auto* inputs = static_cast<const T*>(call.inputs);
        const auto* arriving = static_cast<const T*>(call.output_gradients);
        const int64_t batch = layout_.batch;
        const Range share = member.all_rows_share;
        const Range columns = member.tiles(tiles(kernels_.single_tile));
        // Gradient that arrives from outside at the state after `steps_done` steps.
        const auto arriving_at = [&](int64_t steps_done) -> const T* {
            const int64_t output = steps_done - 1 - (segments_.steps - output_steps_);
            return output >= 0 && steps_done > 0 ? arriving + output * batch * n_ : nullptr;
        };

        int64_t current = 0;
        clear_rows(gradient(current), share);
        for (int64_t segment = segments_.count() - 1; segment >= 0; --segment) {
            const int64_t first = segments_.first(segment);
            const int64_t size = segments_.size(segment);
            const bool last = segment == segments_.count() - 1;
            if (!last) {
                copy_rows(checkpoint(segment), state(0), share);
                member.wait();
                run_segment(member, segment, weights, static_cast<const T*>(call.bias), inputs, nullptr);
            }
            member.wait();
            BackwardStep<T> step{
                .layout = layout_,
                .nonlinearity = static_cast<Nonlinearity>(spec.activation),
                .descending = false,
                .filter = nullptr,
                .structured = {},
                .weights = nullptr,
                .beta = pack(beta_),
                .gradient = nullptr,
                .delta = nullptr,
                // At the end of an earlier segment it was added when the segment behind was left.
                .arriving = last ? arriving_at(first + size) : nullptr,
                .previous_gradient = gradient(current),
                .previous_delta = activation(size - 1),
                .previous_state = state(size - 1),
            };
            kernels_.backward(step, member.rows.begin, member.rows.end, columns.begin, columns.end);

            const int64_t chunk = steps_of_sum(plan);
            int64_t summed = size;
            for (int64_t local = size - 1; local >= 0; --local) {
                const int64_t layer = first + local;
                const int64_t buffer = spec.recurrent() ? 0 : layer % 2;
                T* packed = pack(backward_weights_) + buffer * forward_weights_size_;
                if (!spec.recurrent()) {
                    prepare_filter(member, layer);
                    const Range tile_share = part_of({0, tiles(kernels_.single_tile)}, member.index, member.members);
                    kernels_.pack_columns(weights + layer * n_ * n_, n_, n_, kernels_.single_tile, tile_share.begin,
                                          tile_share.end, packed);
                }
                const bool sum_now = summed - local >= chunk || local == 0;
                if (!spec.recurrent() || sum_now)
                    member.wait();
                else
                    member.wait_for_columns();
                if (sum_now) {
                    sum_gradients(member, plan, first, local, summed - local, call);
                    summed = local;
                }
                const PreparedFilter<T>& filter = filter_of(layer);
                step.descending = descending(layer);
                step.filter = filter.backward();
                step.structured = filter.backward_moves();
                step.weights = packed;
                step.gradient = gradient(current);
                step.delta = activation(local);
                step.arriving = arriving_at(layer);
                step.previous_gradient = gradient(1 - current);
                step.previous_delta = local > 0 ? activation(local - 1) : nullptr;
                step.previous_state = local > 0 ? state(local - 1) : nullptr;
                kernels_.backward(step, member.rows.begin, member.rows.end, columns.begin, columns.end);
                current = 1 - current;
            }
            // The next segment overwrites the states that others may still be summing.
            member.wait();
        }
        if (call.initial_gradients)
            kernels_.from_state(layout_, gradient(current), share.begin, share.end,
                                static_cast<T*>(call.initial_gradients));
    }

    /** Adds the products of `count` steps from `local` on to the sums; and writes the input gradients of these steps.
     */
    void sum_gradients(const Member& member, const Plan& plan, int64_t first, int64_t local, int64_t count,
                       const ChainBackward& call) {
        const int64_t batch = layout_.batch;
        const Range units = part_of({0, n_}, member.index, member.members);
        const Range panels = part_of({0, layout_.panels}, member.index, member.members);
        const int64_t step = first + local;
        for (int64_t slice = member.slices.begin; slice < member.slices.end; ++slice) {
            const Range rows = plan.rows_of_slice(slice, batch);
            const GradientSums<T> sums{
                .layout = layout_,
                .steps = count,
                .step_size = layout_.size(),
                .input_step = batch * d_,
                .delta = activation(local),
                .state = state(local),
                .input = d_ > 0 ? static_cast<const T*>(call.inputs) + step * batch * d_ : nullptr,
                .inputs = d_,
                .row_begin = rows.begin,
                .row_end = rows.end,
                .packed_delta = packed_delta(plan, member.group),
            };
            if (!spec.recurrent()) {
                for (int64_t panel = 0; panel < layout_.panels; ++panel)
                    std::memset(weight_sums(0) + weight_sum_at(panel, units.begin), 0,
                                static_cast<size_t>((units.end - units.begin) * layout_.width) * sizeof(T));
                std::memset(bias_sums(0) + panels.begin * layout_.width, 0,
                            static_cast<size_t>((panels.end - panels.begin) * layout_.width) * sizeof(T));
            }
            kernels_.weight_gradients(sums, units.begin, units.end, weight_sums(slice));
            kernels_.input_weight_gradients(sums, panels.begin, panels.end, input_sums(slice), bias_sums(slice));
        }
        if (!spec.recurrent()) {
            T* weight_out = static_cast<T*>(call.weight_gradients) + step * n_ * n_;
            for (int64_t i = units.begin; i < units.end; ++i)
                write_weights_out(i, call.accumulate, weight_out,
                                  [&](int64_t at, int64_t) { return weight_sums(0) + at; });
            const int64_t from = panels.begin * layout_.width;
            const int64_t to = std::min(panels.end * layout_.width, n_);
            write_out(bias_sums(0) + from, to - from, call.accumulate,
                      static_cast<T*>(call.bias_gradients) + step * n_ + from);
        }
        if (call.input_gradients) {
            const Range rows = member.all_rows_share;
            for (int64_t s = 0; s < count; ++s)
                kernels_.input_gradients(layout_, pack(input_weights_transposed_), d_, activation(local + s),
                                         rows.begin, rows.end,
                                         static_cast<T*>(call.input_gradients) + (step + s) * batch * d_);
        }
    }

    static void write_out(const T* sums, int64_t count, bool accumulate, T* out) {
        if (accumulate)
            for (int64_t i = 0; i < count; ++i)
                out[i] += sums[i];
        else
            for (int64_t i = 0; i < count; ++i)
                out[i] = sums[i];
    }

    /** Writes ∂W of unit i; sums(at, count) gives the totals of weight_sums from `at` on. */
    template <class Sums> void write_weights_out(int64_t i, bool accumulate, T* weight_out, Sums&& sums) {
        for (int64_t panel = 0; panel < layout_.panels; ++panel) {
            const int64_t first = panel * layout_.width;
            const int64_t count = std::min(layout_.width, n_ - first);
            write_out(sums(weight_sum_at(panel, i), count), count, accumulate, weight_out + i * n_ + first);
        }
    }

    /** Adds the sums of the slices, in their order, and writes the gradients of a recurrent chain. */
    void reduce_sums(const Plan& plan, const ChainBackward& call) {
        auto* weight_out = static_cast<T*>(call.weight_gradients);
        auto* input_out = static_cast<T*>(call.input_weight_gradients);
        auto* bias_out = static_cast<T*>(call.bias_gradients);
        const auto add_slices = [&](int64_t at, int64_t count) {
            T* total = weight_sums(0) + at;
            for (int64_t slice = 1; slice < plan.slices; ++slice) {
                const T* part = weight_sums(slice) + at;
                for (int64_t j = 0; j < count; ++j)
                    total[j] += part[j];
            }
            return total;
        };
        for_each_task(plan, n_, [&](int64_t i, int) { write_weights_out(i, call.accumulate, weight_out, add_slices); });
        for_each_task(plan, d_, [&](int64_t d, int) {
            const T* total = add_slices((n_ + d) * sum_stride_, n_);
            for (int64_t i = 0; i < n_; ++i)
                input_out[i * d_ + d] = call.accumulate ? input_out[i * d_ + d] + total[i] : total[i];
        });
        write_out(add_slices((n_ + d_) * sum_stride_, n_), n_, call.accumulate, bias_out);
    }

    CpuDevice& cpu_;
    const ChainKernels<T>& kernels_;
    const int64_t n_;
    const int64_t d_;
    int64_t padded_;
    int64_t sum_stride_;
    int64_t forward_tile_;
    int64_t forward_weights_size_;

    PreparedFilter<T> filters_[2]; // the second where every layer has its own
    Memory packs_;
    int64_t forward_weights_, backward_weights_, input_weights_, input_weights_transposed_, bias_, beta_;

    Memory states_;
    int64_t activations_at_ = 0, gradients_at_ = 0, checkpoints_at_ = 0;
    Memory sums_;

    StateLayout layout_;
    Segments segments_{};
    int64_t output_steps_ = 0;
    Pace forward_pace_;
    Pace backward_pace_;
    const bool all_threads_ = all_threads_of_environment();
    bool training_ = false;
    bool ready_for_backward_ = false;
    std::optional<FilterScratch<T>> filter_scratch_; // of chains that draw their filters anew
};

} // namespace

std::unique_ptr<ortho_chain> make_chain(CpuDevice& device, ChainSpec spec) {
    if (spec.dtype == ORTHO_FLOAT32)
        return std::make_unique<CpuChain<float>>(device, std::move(spec));
    return std::make_unique<CpuChain<double>>(device, std::move(spec));
}

} // namespace ortho::cpu
