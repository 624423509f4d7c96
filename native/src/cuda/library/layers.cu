// Rows of the batch never depend on each other, so a block takes some of them through all layers on its own. Their
// state stays in shared memory; what is streamed are the layers' matrices, each element of which one thread of the
// block needs and uses for all rows. So it goes from memory straight into that thread's registers: as soon as a part of
// a layer's matrix has been used, the next layer's takes its place, which has almost a whole layer's time to arrive. A
// filter that all layers share is read once.
//
// A sum over the inner dimension is divided among eight lanes of a warp, each with four outputs of all rows; the lanes
// then add their parts up in a fixed order, after which each of them has some elements of the product and finishes
// these.
#include "cuda/library/layers.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace ortho::cuda {
namespace {

/** Outputs of a lane, and elements that it reads at once. */
constexpr int quad = 4;
/** Lanes among which a sum over the inner dimension is divided: one for each half of the rows of each output. */
constexpr int inner_lanes = 2 * quad;
/** Elements of the inner dimension that the lanes of a sum read at once. */
constexpr int chunk = inner_lanes * quad;
constexpr int warp_outputs = (warp_size / inner_lanes) * quad;
/** Layers between the one that is computed and the one whose matrices are fetched into the second-level cache. */
constexpr int64_t fetch_distance = 8;
constexpr int cache_line = 128 / sizeof(float);

/** Threads of a block, for N up to `units`. */
template <int units> constexpr int layer_threads = (units / warp_outputs) * warp_size;

/** What a thread computes. */
template <int rows> struct Lane {
    /** Of the four outputs that it has sums for. */
    int first_output;
    /** Of its four elements in the first chunk of the inner dimension. */
    int first_inner;
    /** The one of these outputs that it finishes, in own_rows rows from first_row on. */
    int unit;
    int first_row;
    static constexpr int own_rows = rows / 2;

    __device__ Lane() {
        const int warp = static_cast<int>(threadIdx.x) / warp_size;
        const int lane = static_cast<int>(threadIdx.x) % warp_size;
        const int inner_lane = lane % inner_lanes;
        first_output = warp * warp_outputs + lane / inner_lanes * quad;
        first_inner = inner_lane * quad;
        unit = first_output + inner_lane % quad;
        first_row = inner_lane / quad * own_rows;
    }
};

/** Sums of a lane: [output][row]. */
template <int rows> struct Sums {
    float values[quad * rows] = {};

    /** Adds the parts of all lanes of a sum. A lane is left with what it finishes, in the first places. */
    __device__ __forceinline__ void add_lanes() {
        // The lower two bits of a lane's number are that of its output, the third is which half of the rows it has.
        exchange_halves<quad * rows>(2);
        exchange_halves<quad * rows / 2>(1);
        exchange_halves<rows>(4);
    }

private:
    /** Two lanes have the first `count` sums: each keeps half of them and gives the other lane the other half. */
    template <int count> __device__ __forceinline__ void exchange_halves(int distance) {
        const bool upper = (static_cast<int>(threadIdx.x) & distance) != 0;
#pragma unroll
        for (int i = 0; i < count / 2; ++i) {
            const float kept = upper ? values[count / 2 + i] : values[i];
            const float given = upper ? values[i] : values[count / 2 + i];
            values[i] = kept + __shfl_xor_sync(whole_warp, given, distance);
        }
    }
};

/**
 * A thread's part of a matrix that each layer has, or all of them share; `quads` says that each of its rows can be read
 * four elements at once.
 */
template <int units, bool transposed, bool quads> class LayerMatrix {
public:
    static constexpr int chunks = units / chunk;

    /** @param stride  elements from the matrix of a step to that of the step after it; 0: all have the first one */
    template <int rows>
    __device__ LayerMatrix(const float* first, int64_t stride, int n, const Lane<rows>& lane)
        : matrix_(first), stride_(stride), n_(n), row_(transposed ? lane.first_inner : lane.first_output),
          column_(transposed ? lane.first_output : lane.first_inner) {}

    /** Reads the first step's matrix. */
    __device__ __forceinline__ void load() {
#pragma unroll
        for (int c = 0; c < chunks; ++c)
            load_chunk(matrix_, c);
    }

    /** Replaces a chunk by that of the next step. */
    __device__ __forceinline__ void replace(int c) {
        if (stride_ != 0)
            load_chunk(matrix_ + stride_, c);
    }

    /** Continues with the next step, for which all chunks have been replaced. */
    __device__ __forceinline__ void advance() {
        matrix_ += stride_;
    }

    /** Fetches the matrix of a later step into the second-level cache; the blocks share the work. */
    __device__ __forceinline__ void fetch() const {
        if (stride_ == 0)
            return;
        const float* const matrix = matrix_ + fetch_distance * stride_;
        for (unsigned at = (threadIdx.x * gridDim.x + blockIdx.x) * cache_line; at < static_cast<unsigned>(n_ * n_);
             at += blockDim.x * gridDim.x * cache_line)
            fetch_line(matrix + at);
    }

    /** Adds the product with a chunk of a row of the operand. */
    template <int rows>
    __device__ __forceinline__ void multiply(int c, const float4& operand, int row, Sums<rows>& sums) const {
#pragma unroll
        for (int output = 0; output < quad; ++output) {
            const float(&matrix)[quad] = values_[c][output];
            float& sum = sums.values[output * rows + row];
            sum += matrix[0] * operand.x;
            sum += matrix[1] * operand.y;
            sum += matrix[2] * operand.z;
            sum += matrix[3] * operand.w;
        }
    }

private:
    static __device__ __forceinline__ void fetch_line(const float* address) {
#if defined(ORTHO_CUDA_EMULATOR)
        static_cast<void>(address);
#else
        asm volatile("prefetch.global.L2 [%0];" ::"l"(address));
#endif
    }

    /** What lies outside of the matrix stays zero. */
    __device__ __forceinline__ void load_chunk(const float* matrix, int c) {
        const int row = row_ + (transposed ? c * chunk : 0);
        const int column = column_ + (transposed ? 0 : c * chunk);
#pragma unroll
        for (int i = 0; i < quad; ++i) {
            const float* const from = matrix + ((row + i) * n_ + column);
            if constexpr (quads) {
                if (row < n_ && column < n_) { // a quad of rows or columns is inside or outside as a whole
                    const float4 four = *reinterpret_cast<const float4*>(from);
                    value(c, i, 0) = four.x;
                    value(c, i, 1) = four.y;
                    value(c, i, 2) = four.z;
                    value(c, i, 3) = four.w;
                }
            } else {
#pragma unroll
                for (int j = 0; j < quad; ++j)
                    if (row + i < n_ && column + j < n_)
                        value(c, i, j) = from[j];
            }
        }
    }

    __device__ __forceinline__ float& value(int c, int row, int column) {
        return transposed ? values_[c][column][row] : values_[c][row][column];
    }

    float values_[chunks][quad][quad] = {}; // [chunk][output][inner]
    const float* matrix_;                   // of the step that is being computed
    int64_t stride_;
    int n_;
    int row_;
    int column_;
};

/** Four elements of a row of an operand [rows, units] in shared memory. */
template <int units, int rows>
__device__ __forceinline__ float4 operand_of(const float* operand, int row, int c, const Lane<rows>& lane) {
    return *reinterpret_cast<const float4*>(operand + row * units + c * chunk + lane.first_inner);
}

/** The rows of the batch that a block owns. */
template <int rows> struct OwnRows {
    int64_t first;
    int count;
    int n;

    __device__ OwnRows(int64_t batch, int64_t units)
        : first(static_cast<int64_t>(blockIdx.x) * rows),
          count(static_cast<int>(batch - first < rows ? batch - first : rows)), n(static_cast<int>(units)) {}

    /** Calls body(number, row of the block) for the elements that a thread finishes. */
    template <class Body> __device__ __forceinline__ void for_each(const Lane<rows>& lane, Body&& body) const {
#pragma unroll
        for (int i = 0; i < Lane<rows>::own_rows; ++i)
            if (lane.unit < n && lane.first_row + i < count)
                body(i, lane.first_row + i);
    }
    /** Where an element lies in a state [batch, N]. */
    __device__ __forceinline__ int64_t at(int row, int unit) const {
        return (first + row) * n + unit;
    }
};

template <int units, int rows, bool dense, bool quads>
__global__ void __launch_bounds__(layer_threads<units>)
    layers_forward_kernel(PersistentForward p, LayerStrides strides) {
    constexpr int operand_elements = rows * units;
    float* const operands = shared_memory<float>(); // of this layer and the next one, which take turns
    const int n = static_cast<int>(p.units);
    const int64_t state_elements = p.batch * n;
    const Lane<rows> lane;
    const OwnRows<rows> own(p.batch, p.units);
    LayerMatrix<units, false, quads> filter(p.filter, strides.filter, n, lane);
    LayerMatrix<units, false, quads> weights(p.weights, strides.weights, n, lane);

    // Rows beyond N and beyond the batch are zero padding.
    for (int i = static_cast<int>(threadIdx.x); i < operand_elements; i += layer_threads<units>) {
        const int row = i / units, unit = i % units;
        operands[i] = row < own.count && unit < n ? p.states[own.at(row, unit)] : 0.0f;
        operands[operand_elements + i] = 0;
    }
    if constexpr (dense)
        filter.load();
    weights.load();
    const float beta = lane.unit < n ? p.beta[lane.unit] : 0.0f;
    float bias = 0, scale = 0;
    int source = 0;
    // Reads what the unit has in the step that comes next.
    const auto load_unit = [&] {
        if (lane.unit >= n)
            return;
        bias = p.bias[lane.unit];
        p.bias += strides.bias;
        if constexpr (!dense) {
            scale = p.permutation.scale[lane.unit];
            source = p.permutation.source[lane.unit];
            p.permutation.scale += strides.permutation;
            p.permutation.source += strides.permutation;
        }
    };
    load_unit();
    __syncthreads();

    int64_t done = 0; // elements of the states before this one
    for (int64_t step = 0; step < p.steps; ++step) {
        const float* const operand = operands + step % 2 * operand_elements;
        float* const next = operands + (step + 1) % 2 * operand_elements;
        const bool more = step + 1 < p.steps;
        if (step + fetch_distance < p.steps) {
            if constexpr (dense)
                filter.fetch();
            weights.fetch();
        }
        Sums<rows> filtered, weighted;
#pragma unroll
        for (int c = 0; c < weights.chunks; ++c) {
#pragma unroll
            for (int row = 0; row < rows; ++row) {
                const float4 x = operand_of<units>(operand, row, c, lane);
                if constexpr (dense)
                    filter.multiply(c, x, row, filtered);
                weights.multiply(c, x, row, weighted);
            }
            if (more) {
                if constexpr (dense)
                    filter.replace(c);
                weights.replace(c);
            }
        }
        if constexpr (dense)
            filtered.add_lanes();
        weighted.add_lanes();
        own.for_each(lane, [&](int i, int row) {
            float kept;
            if constexpr (dense)
                kept = filtered.values[i];
            else
                kept = scale * operand[row * units + source];
            const auto [x, a] = p.cell.forward<CudaMath>(kept, weighted.values[i] + bias, beta);
            next[row * units + lane.unit] = x;
            p.activations[done + own.at(row, lane.unit)] = a;
            p.states[done + state_elements + own.at(row, lane.unit)] = x;
        });
        done += state_elements;
        if (more) {
            filter.advance();
            weights.advance();
            load_unit();
        }
        __syncthreads();
    }
}

template <int units, int rows, bool dense, bool quads>
__global__ void __launch_bounds__(layer_threads<units>)
    layers_backward_kernel(PersistentBackward p, LayerStrides strides) {
    constexpr int operand_elements = rows * units;
    float* const operands = shared_memory<float>(); // g and delta of this layer and the one before it, which take turns
    const int n = static_cast<int>(p.units);
    const int64_t state_elements = p.batch * n;
    const int64_t last = p.steps - 1;
    const Lane<rows> lane;
    const OwnRows<rows> own(p.batch, p.units);
    LayerMatrix<units, true, quads> filter(p.filter + last * strides.filter, -strides.filter, n, lane);
    LayerMatrix<units, true, quads> weights(p.weights + last * strides.weights, -strides.weights, n, lane);

    // Rows beyond N and beyond the batch are zero padding.
    for (int i = static_cast<int>(threadIdx.x); i < 4 * operand_elements; i += layer_threads<units>)
        operands[i] = 0;
    if constexpr (dense)
        filter.load();
    weights.load();
    const float beta = lane.unit < n ? p.beta[lane.unit] : 0.0f;
    float scale = 0;
    int source = 0;
    float arrived[Lane<rows>::own_rows] = {}, activation[Lane<rows>::own_rows] = {};
    // Reads what a step needs besides its matrices.
    const auto load_step = [&](int64_t step) {
        if constexpr (!dense) {
            if (lane.unit < n) {
                scale = p.permutation.scale[step * strides.permutation + lane.unit];
                source = p.permutation.source[step * strides.permutation + lane.unit];
            }
        }
        const int64_t arriving = step + p.arriving_offset;
        own.for_each(lane, [&](int i, int row) {
            arrived[i] = p.arriving != nullptr && arriving >= 0
                             ? p.arriving[arriving * state_elements + own.at(row, lane.unit)]
                             : 0.0f;
            activation[i] = step > 0 ? p.activations[(step - 1) * state_elements + own.at(row, lane.unit)] : 0.0f;
        });
    };
    // Leaves g at the state before step `step`, or at the end for step = steps, and delta of the step before it.
    const auto finish = [&](int64_t step, int row, float gradient, float a) {
        if (step == 0) {
            p.gradient[(own.first + row) * p.gradient_stride + lane.unit] = gradient;
            return;
        }
        const float delta = p.cell.backward<CudaMath>(a, gradient, beta);
        float* const to = operands + (p.steps - step) % 2 * 2 * operand_elements + row * units + lane.unit;
        to[0] = gradient;
        to[operand_elements] = delta;
        p.activations[(step - 1) * state_elements + own.at(row, lane.unit)] = delta;
    };
    __syncthreads();

    own.for_each(lane, [&](int, int row) {
        float gradient = p.started ? p.gradient[(own.first + row) * p.gradient_stride + lane.unit] : 0.0f;
        if (p.arriving_at_end != nullptr)
            gradient += p.arriving_at_end[own.at(row, lane.unit)];
        finish(p.steps, row, gradient, p.activations[last * state_elements + own.at(row, lane.unit)]);
    });
    load_step(last);
    __syncthreads();

    for (int64_t step = last; step >= 0; --step) {
        const float* const gradients = operands + (last - step) % 2 * 2 * operand_elements;
        const float* const deltas = gradients + operand_elements;
        if (step >= fetch_distance) {
            if constexpr (dense)
                filter.fetch();
            weights.fetch();
        }
        Sums<rows> sums;
#pragma unroll
        for (int c = 0; c < weights.chunks; ++c) {
#pragma unroll
            for (int row = 0; row < rows; ++row) {
                if constexpr (dense)
                    filter.multiply(c, operand_of<units>(gradients, row, c, lane), row, sums);
                weights.multiply(c, operand_of<units>(deltas, row, c, lane), row, sums);
            }
            if (step > 0) {
                if constexpr (dense)
                    filter.replace(c);
                weights.replace(c);
            }
        }
        sums.add_lanes();
        own.for_each(lane, [&](int i, int row) {
            float previous = sums.values[i] + arrived[i];
            if constexpr (!dense)
                previous += scale * gradients[row * units + source];
            finish(step, row, previous, activation[i]);
        });
        if (step > 0) {
            filter.advance();
            weights.advance();
            load_step(step - 1);
        }
        __syncthreads();
    }
}

constexpr int row_choices[] = {2, 4, 8};
/** Rows of a block where matrices cannot be read four elements at once, which is too rare for code of all sizes. */
constexpr int rows_without_quads = 4;
constexpr int most_units = 128;

/** N with the zeros behind it. */
int padded_units(int64_t units) {
    return units <= 32 ? 32 : units <= 64 ? 64 : most_units;
}

/** Calls body(padded units, rows, quads) with a block's properties as compile-time constants. */
template <class Body> void with_sizes(int64_t units, int rows, bool quads, Body&& body) {
    using std::integral_constant;
    const auto with_rows = [&](auto padded) {
        if (!quads)
            body(padded, integral_constant<int, rows_without_quads>(), std::false_type());
        else if (rows == 2)
            body(padded, integral_constant<int, 2>(), std::true_type());
        else if (rows == 4)
            body(padded, integral_constant<int, 4>(), std::true_type());
        else
            body(padded, integral_constant<int, 8>(), std::true_type());
    };
    const int padded = padded_units(units);
    if (padded == 32)
        with_rows(integral_constant<int, 32>());
    else if (padded == 64)
        with_rows(integral_constant<int, 64>());
    else
        with_rows(integral_constant<int, most_units>());
}

/** Whether rows of the matrices can be read four elements at once. */
template <class Problem> bool in_quads(const Problem& problem) {
    const auto aligned = [](const float* data) { return reinterpret_cast<uintptr_t>(data) % sizeof(float4) == 0; };
    return problem.units % quad == 0 && aligned(problem.weights) && aligned(problem.filter);
}

/** The shape of a kernel that has `operands` operands of its rows in shared memory. */
template <int units, int rows> LaunchShape layers_shape(int64_t batch, int operands) {
    return {dim3(static_cast<unsigned>((batch + rows - 1) / rows)), dim3(layer_threads<units>),
            sizeof(float) * static_cast<size_t>(operands * rows * units), false};
}

} // namespace

std::optional<int> choose_layer_rows(const Device& device, const LayersProblem& problem) {
    if (problem.units > most_units)
        return std::nullopt;
    // Cycles of a layer: a multiprocessor does 128 multiply-adds in each and reads 64 bytes, or 24 where all of them
    // read, which share the second-level cache.
    constexpr double latency = 400;      // of what takes place once for each layer: barrier, sums over lanes, phi
    constexpr double most_cycles = 8000; // in which the launches for a layer are through otherwise
    const double padded = padded_units(problem.units);
    const double multiprocessors = device.properties.multiProcessorCount;
    const double streamed = static_cast<double>(problem.units * problem.units) * sizeof(float) *
                            (problem.filter_per_layer && !problem.structured ? 2 : 1);
    std::optional<int> best;
    double best_cycles = most_cycles;
    for (const int rows : row_choices) {
        const double blocks = std::ceil(static_cast<double>(problem.batch) / rows);
        const double blocks_of_each = std::ceil(blocks / multiprocessors);
        const double multiply_adds = rows * padded * padded * (problem.structured ? 1 : 2);
        const double cycles = std::max({latency + blocks_of_each * multiply_adds / 128, blocks_of_each * streamed / 64,
                                        blocks / multiprocessors * streamed / 24});
        if (cycles < best_cycles) {
            best = rows;
            best_cycles = cycles;
        }
    }
    return best;
}

void layers_forward(Device& device, int rows, const PersistentForward& problem, const LayerStrides& strides) {
    with_sizes(problem.units, rows, in_quads(problem), [&](auto units, auto block_rows, auto quads) {
        constexpr int u = decltype(units)::value, r = decltype(block_rows)::value;
        constexpr bool q = decltype(quads)::value;
        launch("layers_forward",
               problem.filter != nullptr ? layers_forward_kernel<u, r, true, q> : layers_forward_kernel<u, r, false, q>,
               layers_shape<u, r>(problem.batch, 2), device.stream, problem, strides);
    });
}

void layers_backward(Device& device, int rows, const PersistentBackward& problem, const LayerStrides& strides) {
    with_sizes(problem.units, rows, in_quads(problem), [&](auto units, auto block_rows, auto quads) {
        constexpr int u = decltype(units)::value, r = decltype(block_rows)::value;
        constexpr bool q = decltype(quads)::value;
        launch("layers_backward",
               problem.filter != nullptr ? layers_backward_kernel<u, r, true, q>
                                         : layers_backward_kernel<u, r, false, q>,
               layers_shape<u, r>(problem.batch, 4), device.stream, problem, strides);
    });
}

} // namespace ortho::cuda
