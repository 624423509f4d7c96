// A block keeps its weights in shared memory for all steps. At each step it reads the state of its rows, which all
// blocks of these rows have written, from the second-level cache, and waits for those blocks alone: rows of the batch
// never depend on each other, so there is no barrier over the whole grid.
//
// The sum over the inner dimension is divided among the warps, each with a tile of all rows and outputs of the block in
// registers; the warps' parts are then added in a fixed order.
#include "cuda/library/persistent.hpp"

#include <algorithm>
#include <type_traits>

namespace ortho::cuda {
namespace {

constexpr int warps = block_threads / warp_size;
/** Elements between the counters of two groups of rows, so that they lie in different cache lines. */
constexpr int counter_stride = 32;

/** Floats that are loaded and stored at once. */
template <int width> struct __align__(4 * width) Pack {
    float at[width];
};

/** A warp's tile: which rows and outputs belong to a lane. */
template <int rows, int outputs> struct Tile {
    static constexpr int row_lanes = rows >= 8 ? 4 : 2;
    static constexpr int output_lanes = warp_size / row_lanes;
    static constexpr int lane_rows = rows / row_lanes;
    static constexpr int lane_outputs = outputs / output_lanes;
    /** Outputs that lie side by side. */
    static constexpr int width = lane_outputs < 4 ? lane_outputs : 4;
    using Outputs = Pack<width>;
    static_assert(lane_rows >= 1 && lane_outputs >= 1 && lane_outputs % width == 0, "a lane has a whole tile");

    // Interleaved, so that the lanes of a warp read different banks. Lanes whose numbers differ in the lowest bit read
    // the same weights, those that differ in the next one the same rows: loads of 16 bytes need fewer passes for such
    // pairs.
    static __device__ __forceinline__ int row(int lane, int i) {
        return (row_lanes == 4 ? (lane & 1) | (lane >> 1 & 2) : lane & 1) + i * row_lanes;
    }
    static __device__ __forceinline__ int output(int lane, int j) {
        const int across = row_lanes == 4 ? (lane >> 1 & 1) | (lane >> 2 & 6) : lane >> 1;
        return j / width * (output_lanes * width) + across * width + j % width;
    }
};

/** How the inner dimension is divided among the warps: in slices of a multiple of four. */
struct Inner {
    int size;
    int slice;

    __host__ __device__ explicit Inner(int64_t inner)
        : size(static_cast<int>(inner)), slice((static_cast<int>(inner) + 4 * warps - 1) / (4 * warps) * 4) {}
    /** Size with the zeros behind it. */
    __host__ __device__ int padded() const { return slice * warps; }
    /** Elements from one row of the operand to the next; four more, for the banks' sake. */
    __host__ __device__ int stride() const { return padded() + 4; }
};

/** Shared memory of a block: weights [padded, outputs], operand [rows, stride], parts [warps, rows, outputs]. */
struct SharedLayout {
    float* weights;
    float* operand;
    float* parts;

    __device__ SharedLayout(const Inner& inner, int rows, int outputs)
        : weights(shared_memory<float>()), operand(weights + inner.padded() * outputs),
          parts(operand + rows * inner.stride()) {}

    static size_t bytes(const Inner& inner, int rows, int outputs) {
        return sizeof(float) * (static_cast<size_t>(inner.padded()) * static_cast<size_t>(outputs) +
                                static_cast<size_t>(rows) * static_cast<size_t>(inner.stride()) +
                                static_cast<size_t>(warps * rows * outputs));
    }
};

// __threadfence() orders more than one flag needs, and is sequentially consistent.

/** Adds 1, after what the block wrote before its last __syncthreads(). */
__device__ __forceinline__ void add_one_release(unsigned* counter) {
#if defined(ORTHO_CUDA_EMULATOR)
    atomicAdd(counter, 1u);
#else
    asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(counter) : "memory");
#endif
}

/** Reads a counter; what was written before the additions that it shows can be read after the next __syncthreads(). */
__device__ __forceinline__ unsigned load_acquire(const unsigned* counter) {
#if defined(ORTHO_CUDA_EMULATOR)
    return *static_cast<const volatile unsigned*>(counter);
#else
    unsigned value;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(counter) : "memory");
    return value;
#endif
}

/** Lets the blocks of a group of rows wait for each other. */
class GroupBarrier {
public:
    __device__ GroupBarrier(unsigned* counters, int group, int blocks)
        : counter_(counters + group * counter_stride), blocks_(static_cast<unsigned>(blocks)) {}

    /** Says that what the block's threads wrote may be read; to be called by all of them. */
    __device__ __forceinline__ void arrive() {
        target_ += blocks_;
        __syncthreads();
        if (threadIdx.x == 0)
            add_one_release(counter_);
    }

    /** Returns when all blocks of the group have arrived as often as this one. */
    __device__ __forceinline__ void wait() const {
        if (threadIdx.x == 0) {
            for (int polls = 0; static_cast<int>(load_acquire(counter_) - target_) < 0; ++polls)
                if (polls >= eager_polls)
                    pause();
        }
        __syncthreads();
    }

private:
    unsigned* counter_;
    unsigned blocks_;
    unsigned target_ = 0;
};

/** Zeroes the part of the operand that loads leave alone: behind the inner dimension, and behind the batch. */
template <int rows> __device__ void clear_operand(float* operand, const Inner& inner) {
    for (int i = static_cast<int>(threadIdx.x); i < rows * inner.stride(); i += block_threads)
        operand[i] = 0;
}

/** Rows [.., units], `stride` apart. */
struct Rows {
    const float* data;
    int64_t stride;
};

/** Reads rows of the states into the operand, past the first-level cache. Divides once, not at each step. */
class RowLoader {
public:
    __device__ explicit RowLoader(int units)
        : width_(units % 4 == 0 ? 4 : 1), packs_(units / width_), down_(block_threads / packs_),
          across_(block_threads % packs_), first_row_(static_cast<int>(threadIdx.x) / packs_),
          first_pack_(static_cast<int>(threadIdx.x) % packs_) {}

    /** Reads `count` rows of each source, one source's columns behind the other's. */
    template <int sources>
    __device__ __forceinline__ void load(const Rows (&from)[sources], int count, float* operand, int stride) const {
        if (width_ == 4)
            load_packs<float4>(from, count, operand, stride);
        else
            load_packs<float>(from, count, operand, stride);
    }

private:
    template <class Value, int sources>
    __device__ __forceinline__ void load_packs(const Rows (&from)[sources], int count, float* operand,
                                               int stride) const {
        constexpr int width = sizeof(Value) / sizeof(float);
        // All are asked for before the first is stored: one after the other, each would take the cache's whole latency.
        constexpr int at_once = 8;
        int row = first_row_, pack = first_pack_;
        while (row < count) {
            Value values[sources][at_once];
            int to[at_once];
#pragma unroll
            for (int i = 0; i < at_once; ++i) {
                to[i] = row < count ? row * (stride / width) + pack : -1;
#pragma unroll
                for (int source = 0; source < sources; ++source)
                    if (row < count)
                        values[source][i] = __ldcg(reinterpret_cast<const Value*>(
                            from[source].data + row * from[source].stride + pack * width));
                row += down_;
                pack += across_;
                if (pack >= packs_) {
                    pack -= packs_;
                    ++row;
                }
            }
#pragma unroll
            for (int i = 0; i < at_once; ++i)
#pragma unroll
                for (int source = 0; source < sources; ++source)
                    if (to[i] >= 0)
                        reinterpret_cast<Value*>(operand)[to[i] + source * packs_] = values[source][i];
        }
    }

    int width_;
    int packs_; // of a row
    int down_;  // rows and packs from one of a thread's packs to its next
    int across_;
    int first_row_;
    int first_pack_;
};

/**
 * Where an element of a warp's part lies. Within their row, outputs change places in groups of 8 as the row says: rows
 * that a warp writes or reads at once then lie in different banks, without space between them.
 */
template <int outputs> __device__ __forceinline__ int part_at(int row, int output) {
    static_assert((outputs & (outputs - 1)) == 0 && outputs >= 16, "a row has a power of two of groups");
    return row * outputs + (output ^ (((row & 1) << 4 | (row & 2) << 2) & (outputs - 1)));
}

/** The warps' parts of operand [rows, inner] times weights [inner, outputs]. */
template <int rows, int outputs>
__device__ __forceinline__ void multiply_parts(const SharedLayout& shared, const Inner& inner) {
    using Lane = Tile<rows, outputs>;
    const int warp = static_cast<int>(threadIdx.x) / warp_size;
    const int lane = static_cast<int>(threadIdx.x) % warp_size;
    float sums[Lane::lane_rows][Lane::lane_outputs] = {};
    const float* const operand = shared.operand + Lane::row(lane, 0) * inner.stride();
    const int row_step = Lane::row_lanes * inner.stride();
    for (int k = warp * inner.slice; k < (warp + 1) * inner.slice; k += 4) {
        float4 x[Lane::lane_rows];
#pragma unroll
        for (int i = 0; i < Lane::lane_rows; ++i)
            x[i] = *reinterpret_cast<const float4*>(operand + i * row_step + k);
#pragma unroll
        for (int part = 0; part < 4; ++part) {
            const float* const weights = shared.weights + (k + part) * outputs;
            float w[Lane::lane_outputs];
#pragma unroll
            for (int j = 0; j < Lane::lane_outputs; j += Lane::width) {
                const auto pack = *reinterpret_cast<const typename Lane::Outputs*>(weights + Lane::output(lane, j));
#pragma unroll
                for (int v = 0; v < Lane::width; ++v)
                    w[j + v] = pack.at[v];
            }
#pragma unroll
            for (int i = 0; i < Lane::lane_rows; ++i) {
                const float value = part == 0 ? x[i].x : part == 1 ? x[i].y : part == 2 ? x[i].z : x[i].w;
#pragma unroll
                for (int j = 0; j < Lane::lane_outputs; ++j)
                    sums[i][j] += value * w[j];
            }
        }
    }
    float* const parts = shared.parts + warp * rows * outputs;
#pragma unroll
    for (int i = 0; i < Lane::lane_rows; ++i)
#pragma unroll
        for (int j = 0; j < Lane::lane_outputs; j += Lane::width) {
            typename Lane::Outputs pack;
#pragma unroll
            for (int v = 0; v < Lane::width; ++v)
                pack.at[v] = sums[i][j + v];
            const int at = part_at<outputs>(Lane::row(lane, i), Lane::output(lane, j));
            *reinterpret_cast<typename Lane::Outputs*>(parts + at) = pack;
        }
}

/** One element of the product: its parts, from the first warp's to the last's. */
template <int rows, int outputs> __device__ __forceinline__ float sum_parts(const float* parts, int row, int output) {
    float sum = 0;
#pragma unroll
    for (int warp = 0; warp < warps; ++warp)
        sum += parts[warp * rows * outputs + part_at<outputs>(row, output)];
    return sum;
}

/** Elements of a block that a thread finishes, one for each of its turns. */
template <int rows, int units> constexpr int turns = (rows * units + block_threads - 1) / block_threads;

/** The part of the batch and of the units that a block owns. */
template <int rows, int units> struct OwnPart {
    int first_unit;
    int64_t first_row;
    int row_count;
    int unit_count; // of the whole chain

    __device__ OwnPart(int64_t batch, int64_t all_units)
        : first_unit(static_cast<int>(blockIdx.x) * units), first_row(static_cast<int64_t>(blockIdx.y) * rows),
          row_count(static_cast<int>(batch - first_row < rows ? batch - first_row : rows)),
          unit_count(static_cast<int>(all_units)) {}

    /** Calls body(turn, row of the block, unit of the block, unit) for the elements that a thread finishes. */
    template <class Body> __device__ __forceinline__ void for_each(Body&& body) const {
#pragma unroll
        for (int turn = 0; turn < turns<rows, units>; ++turn) {
            const int element = turn * block_threads + static_cast<int>(threadIdx.x);
            const int row = element / units;
            const int own = element % units;
            if (row < row_count && first_unit + own < unit_count)
                body(turn, row, own, first_unit + own);
        }
    }
    /** Where an element lies in a state [batch, N]. */
    __device__ __forceinline__ int64_t at(int row, int unit) const {
        return (first_row + row) * unit_count + unit;
    }
};

/** The moves of a thread's elements, which are the same at each step; nothing where the filter is a matrix. */
template <int rows, int units, bool dense> struct OwnMoves {
    int source[turns<rows, units>] = {};
    float scale[turns<rows, units>] = {};

    __device__ OwnMoves(const OwnPart<rows, units>& part, const Moves<float>& moves) {
        if constexpr (!dense)
            part.for_each([&](int turn, int, int, int unit) {
                source[turn] = moves.source[unit];
                scale[turn] = moves.scale[unit];
            });
    }
};

// Each multiprocessor has one block at most, which may take all of its registers.
template <int rows, int units, bool dense>
__global__ void __launch_bounds__(block_threads, 1) persistent_forward_kernel(PersistentForward p, unsigned* counters) {
    constexpr int outputs = dense ? 2 * units : units;
    constexpr int weighted = outputs - units; // where W's outputs begin
    const int n = static_cast<int>(p.units);
    const Inner inner(n);
    const SharedLayout shared(inner, rows, outputs);
    const OwnPart<rows, units> part(p.batch, p.units);
    GroupBarrier barrier(counters, static_cast<int>(blockIdx.y), static_cast<int>(gridDim.x));

    for (int i = static_cast<int>(threadIdx.x); i < inner.padded() * outputs; i += block_threads) {
        // A warp takes 8 elements of each of 4 rows: whole sectors, and no more than 8 stores to a bank, where 32
        // elements of one row would all go to the same bank.
        const int eights = inner.padded() / 8;
        const int k = i / 32 % eights * 8 + i % 8;
        const int output = i / 32 / eights * 4 + i / 8 % 4;
        const int unit = part.first_unit + (output >= weighted ? output - weighted : output);
        const float* const matrix = output >= weighted ? p.weights : p.filter;
        shared.weights[k * outputs + output] = k < n && unit < n ? matrix[static_cast<int64_t>(unit) * n + k] : 0.0f;
    }
    clear_operand<rows>(shared.operand, inner);
    __syncthreads();

    float beta[turns<rows, units>] = {}, bias[turns<rows, units>] = {};
    OwnMoves<rows, units, dense> moves(part, p.moves);
    part.for_each([&](int turn, int, int, int unit) {
        beta[turn] = p.beta[unit];
        bias[turn] = p.bias[unit];
    });
    const RowLoader loader(n);
    const int64_t state_elements = p.batch * n;
    for (int64_t step = 0; step < p.steps; ++step) {
        // Read before the wait, so that both take place at once.
        float driven[turns<rows, units>] = {};
        part.for_each([&](int turn, int row, int, int unit) {
            driven[turn] =
                bias[turn] + (p.drive != nullptr ? p.drive[step * state_elements + part.at(row, unit)] : 0.0f);
        });
        if (step > 0)
            barrier.wait();
        loader.load<1>({{p.states + step * state_elements + part.first_row * n, n}}, part.row_count, shared.operand,
                       inner.stride());
        __syncthreads();
        multiply_parts<rows, outputs>(shared, inner);
        __syncthreads();
        part.for_each([&](int turn, int row, int own, int unit) {
            float filtered;
            if constexpr (dense)
                filtered = sum_parts<rows, outputs>(shared.parts, row, own);
            else
                filtered = moves.scale[turn] * shared.operand[row * inner.stride() + moves.source[turn]];
            const float a =
                phi(p.nonlinearity, sum_parts<rows, outputs>(shared.parts, row, weighted + own) + driven[turn]);
            p.activations[step * state_elements + part.at(row, unit)] = a;
            p.states[(step + 1) * state_elements + part.at(row, unit)] = chain_state(filtered, beta[turn], a);
        });
        barrier.arrive();
    }
}

template <int rows, int units, bool dense>
__global__ void __launch_bounds__(block_threads, 1)
    persistent_backward_kernel(PersistentBackward p, unsigned* counters) {
    const int n = static_cast<int>(p.units);
    const Inner inner(dense ? 2 * n : n); // [g, delta] or delta
    const SharedLayout shared(inner, rows, units);
    const OwnPart<rows, units> part(p.batch, p.units);
    const int64_t state_elements = p.batch * n;
    GroupBarrier barrier(counters, static_cast<int>(blockIdx.y), static_cast<int>(gridDim.x));

    for (int i = static_cast<int>(threadIdx.x); i < inner.padded() * units; i += block_threads) {
        const int k = i / units;
        const int unit = part.first_unit + i % units;
        const bool filters = dense && k < n;
        const float* const matrix = filters ? p.filter : p.weights;
        const int row = dense && !filters ? k - n : k;
        shared.weights[i] = k < inner.size && unit < n ? matrix[static_cast<int64_t>(row) * n + unit] : 0.0f;
    }
    clear_operand<rows>(shared.operand, inner);
    __syncthreads();

    float beta[turns<rows, units>] = {};
    OwnMoves<rows, units, dense> moves(part, p.moves);
    part.for_each([&](int turn, int, int, int unit) { beta[turn] = p.beta[unit]; });
    const RowLoader loader(n);
    // Writes g at the state before step `step`, or at the end for step = steps, and delta of the step before it.
    const auto finish = [&](int64_t step, int turn, int row, int unit, float gradient, float activation) {
        float* const to = (p.steps - step) % 2 == 0 ? p.gradients[0] : p.gradients[1];
        to[(part.first_row + row) * p.gradient_stride + unit] = gradient;
        if (step > 0)
            p.activations[(step - 1) * state_elements + part.at(row, unit)] =
                chain_delta(beta[turn], phi_slope(p.nonlinearity, activation, 1.0f), gradient);
    };

    part.for_each([&](int turn, int row, int, int unit) {
        float gradient = p.kept ? p.gradients[0][(part.first_row + row) * p.gradient_stride + unit] : 0.0f;
        if (p.arriving_at_end != nullptr)
            gradient += p.arriving_at_end[part.at(row, unit)];
        finish(p.steps, turn, row, unit, gradient, p.activations[(p.steps - 1) * state_elements + part.at(row, unit)]);
    });
    barrier.arrive();

    for (int64_t step = p.steps - 1; step >= 0; --step) {
        // Read before the wait, so that both take place at once.
        const int64_t arriving = step + p.arriving_offset;
        float arrived[turns<rows, units>] = {};
        float activation[turns<rows, units>] = {};
        part.for_each([&](int turn, int row, int, int unit) {
            arrived[turn] = p.arriving != nullptr && arriving >= 0
                                ? p.arriving[arriving * state_elements + part.at(row, unit)]
                                : 0.0f;
            activation[turn] = step > 0 ? p.activations[(step - 1) * state_elements + part.at(row, unit)] : 0.0f;
        });
        barrier.wait();
        const float* const gradient = (p.steps - 1 - step) % 2 == 0 ? p.gradients[0] : p.gradients[1];
        const Rows deltas{p.activations + step * state_elements + part.first_row * n, n};
        if constexpr (dense)
            loader.load<2>({{gradient + part.first_row * p.gradient_stride, p.gradient_stride}, deltas}, part.row_count,
                           shared.operand, inner.stride());
        else
            loader.load<1>({deltas}, part.row_count, shared.operand, inner.stride());
        __syncthreads();
        multiply_parts<rows, units>(shared, inner);
        __syncthreads();
        part.for_each([&](int turn, int row, int own, int unit) {
            float previous = sum_parts<rows, units>(shared.parts, row, own) + arrived[turn];
            if constexpr (!dense)
                previous += moves.scale[turn] *
                            __ldcg(gradient + (part.first_row + row) * p.gradient_stride + moves.source[turn]);
            finish(step, turn, row, unit, previous, activation[turn]);
        });
        barrier.arrive();
    }
}

/** Calls body(rows, units) with the sizes of a block as compile-time constants. */
template <class Body> bool with_sizes(const PersistentShape& shape, Body&& body) {
    const auto is = [&](int rows, int units) { return shape.rows == rows && shape.units == units; };
    using std::integral_constant;
    if (is(16, 32))
        return body(integral_constant<int, 16>(), integral_constant<int, 32>());
    if (is(16, 16))
        return body(integral_constant<int, 16>(), integral_constant<int, 16>());
    if (is(8, 32))
        return body(integral_constant<int, 8>(), integral_constant<int, 32>());
    if (is(8, 16))
        return body(integral_constant<int, 8>(), integral_constant<int, 16>());
    if (is(4, 16))
        return body(integral_constant<int, 4>(), integral_constant<int, 16>());
    return body(integral_constant<int, 2>(), integral_constant<int, 16>());
}

constexpr PersistentShape sizes[] = {{16, 32, 0, 0}, {16, 16, 0, 0}, {8, 32, 0, 0},
                                     {8, 16, 0, 0},  {4, 16, 0, 0},  {2, 16, 0, 0}};

size_t forward_bytes(const PersistentShape& shape, int64_t units, bool dense) {
    return SharedLayout::bytes(Inner(units), shape.rows, dense ? 2 * shape.units : shape.units);
}

size_t backward_bytes(const PersistentShape& shape, int64_t units, bool dense) {
    return SharedLayout::bytes(Inner(dense ? 2 * units : units), shape.rows, shape.units);
}

/** Launches a kernel with one counter for each group of rows. @return whether its blocks may all run at once */
template <class Kernel, class Problem>
bool launch_persistent(const char* name, Device& device, const PersistentShape& shape, size_t shared, Kernel kernel,
                       const Problem& problem) {
    const int64_t counters = int64_t{shape.row_blocks} * counter_stride;
    unsigned* const counter = device.scratch<unsigned>(counters);
    clear(device, counter, counters * static_cast<int64_t>(sizeof(unsigned)));
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)),
          "cudaFuncSetAttribute");
    const cudaError_t status =
        try_launch(kernel,
                   {dim3(static_cast<unsigned>(shape.unit_blocks), static_cast<unsigned>(shape.row_blocks)),
                    dim3(block_threads), shared, true},
                   device.stream, problem, counter);
    // Less of the GPU may be ours than it has, by the Multi-Process Service or a context of some multiprocessors.
    if (status == cudaErrorCooperativeLaunchTooLarge) {
        static_cast<void>(cudaGetLastError());
        return false;
    }
    check(status, name);
    return true;
}

} // namespace

std::optional<PersistentShape> choose_persistent_shape(const Device& device, const PersistentProblem& problem) {
    if (device.properties.cooperativeLaunch == 0 || problem.units > 2048)
        return std::nullopt;
    const bool dense = !problem.structured;
    std::optional<PersistentShape> best;
    double best_cost = 0;
    for (PersistentShape shape : sizes) {
        const int64_t row_blocks = (problem.batch + shape.rows - 1) / shape.rows;
        const int64_t unit_blocks = (problem.units + shape.units - 1) / shape.units;
        if (row_blocks * unit_blocks > device.properties.multiProcessorCount)
            continue;
        const size_t shared =
            std::max(forward_bytes(shape, problem.units, dense), backward_bytes(shape, problem.units, dense));
        if (shared > device.properties.sharedMemPerBlockOptin)
            continue;
        // Cycles of a step: multiply-adds at 128 a cycle, and the operand's bytes at 64 a cycle.
        const double multiply_adds = static_cast<double>(shape.rows * shape.units * problem.units) * (dense ? 2 : 1);
        const double cost = multiply_adds / 128 + static_cast<double>(shape.rows * problem.units) / 16;
        if (!best || cost < best_cost) {
            shape.row_blocks = static_cast<int>(row_blocks);
            shape.unit_blocks = static_cast<int>(unit_blocks);
            best = shape;
            best_cost = cost;
        }
    }
    return best;
}

bool persistent_forward(Device& device, const PersistentShape& shape, const PersistentForward& problem) {
    const bool dense = problem.filter != nullptr;
    return with_sizes(shape, [&](auto rows, auto units) {
        constexpr int r = decltype(rows)::value, u = decltype(units)::value;
        return launch_persistent("persistent_forward", device, shape, forward_bytes(shape, problem.units, dense),
                                 dense ? persistent_forward_kernel<r, u, true> : persistent_forward_kernel<r, u, false>,
                                 problem);
    });
}

bool persistent_backward(Device& device, const PersistentShape& shape, const PersistentBackward& problem) {
    const bool dense = problem.filter != nullptr;
    return with_sizes(shape, [&](auto rows, auto units) {
        constexpr int r = decltype(rows)::value, u = decltype(units)::value;
        return launch_persistent(
            "persistent_backward", device, shape, backward_bytes(shape, problem.units, dense),
            dense ? persistent_backward_kernel<r, u, true> : persistent_backward_kernel<r, u, false>, problem);
    });
}

} // namespace ortho::cuda
