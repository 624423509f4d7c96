// A block keeps its weights in shared memory for all steps. At each step it reads the state of its rows, which all
// blocks of these rows have written, from the second-level cache, and waits for those blocks alone: rows of the batch
// never depend on each other, so there is no barrier over the whole grid.
//
// Nor is there one among the blocks of the same rows: each element that they exchange tells itself whether it is there.
// A counter that blocks add to and wait for would have to be ordered behind their stores and before their loads, which
// takes several ways through the second-level cache where this takes one.
//
// The sum over the inner dimension is divided among the warps, each with a tile of all rows and outputs of the block in
// registers; the warps' parts are then added in a fixed order.
#include "cuda/library/persistent.hpp"

#include <algorithm>
#include <type_traits>

namespace ortho::cuda {
namespace {

constexpr int warps = block_threads / warp_size;

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

/**
 * Shared memory of a block: weights [padded, outputs], operand [rows, stride], parts [warps, rows, outputs], and behind
 * them what only backward keeps.
 */
struct SharedLayout {
    float* weights;
    float* operand;
    float* parts;
    float* rest;

    __device__ SharedLayout(const Inner& inner, int rows, int outputs)
        : weights(shared_memory<float>()), operand(weights + inner.padded() * outputs),
          parts(operand + rows * inner.stride()), rest(parts + warps * rows * outputs) {}

    static size_t bytes(const Inner& inner, int rows, int outputs) {
        return sizeof(float) * (static_cast<size_t>(inner.padded()) * static_cast<size_t>(outputs) +
                                static_cast<size_t>(rows) * static_cast<size_t>(inner.stride()) +
                                static_cast<size_t>(warps * rows * outputs));
    }
};

// Exchanged elements are loaded and stored in one piece each, in no order among each other: relaxed, at the scope of
// the GPU. Acquire and release are not needed:
//  - They would order other data behind a flag. Here there is no other data: each element is its own flag. A state
//    differs from missing_state, and a gradient shares its 8 bytes with its number. Relaxed accesses of the GPU's
//    scope to one location are coherent, so whoever sees an element that is there sees its value. A wide load makes
//    no promise about its elements together, and each of them is tested by itself.
//  - What was there before the launch (weights, drives, what was cleared) is visible to it, and all that it stores is
//    visible to the next launch on the stream.
//  - Where memory is overwritten (exchange buffers, and activations by deltas), what must not be passed is a load by a
//    later store of another block. That store waits for an element computed from what the load returned. So between
//    the two lie dependences alone: loaded value -> sums -> stored element, polled element -> branch -> store, and
//    within a block __syncthreads(). No store is issued before the branches and barriers ahead of it are decided, and
//    PTX excludes values out of thin air, which a load that returned the later store's would be. `volatile` and
//    "memory" keep the compiler from moving the accesses.

/** Bits of a state that is not there yet. No state has them: NaN is written with other ones. */
constexpr unsigned missing_state = 0xffffffffu;
constexpr unsigned written_nan = 0x7fffffffu;

template <int width> __device__ __forceinline__ Pack<width> load_relaxed(const float* from) {
    static_assert(width == 1 || width == 4, "there are loads for these");
    Pack<width> pack;
#if defined(ORTHO_CUDA_EMULATOR)
    for (int i = 0; i < width; ++i) {
        ortho_cuda_emulator::interleave();
        pack.at[i] = from[i];
    }
#else
    if constexpr (width == 4)
        asm volatile("ld.relaxed.gpu.global.v4.f32 {%0, %1, %2, %3}, [%4];"
                     : "=f"(pack.at[0]), "=f"(pack.at[1]), "=f"(pack.at[2]), "=f"(pack.at[3])
                     : "l"(from)
                     : "memory");
    else
        asm volatile("ld.relaxed.gpu.global.f32 %0, [%1];" : "=f"(pack.at[0]) : "l"(from) : "memory");
#endif
    return pack;
}

__device__ __forceinline__ void store_relaxed(float* to, float value) {
#if defined(ORTHO_CUDA_EMULATOR)
    ortho_cuda_emulator::interleave();
    *to = value;
#else
    asm volatile("st.relaxed.gpu.global.f32 [%0], %1;" ::"l"(to), "f"(value) : "memory");
#endif
}

template <int width>
__device__ __forceinline__ void load_relaxed(const NumberedGradient* from, NumberedGradient (&to)[width]) {
    static_assert(width == 1 || width == 4, "there are loads for these");
#if defined(ORTHO_CUDA_EMULATOR)
    for (int i = 0; i < width; ++i) {
        ortho_cuda_emulator::interleave();
        to[i] = from[i];
    }
#else
    const auto unpack = [](uint64_t bits) {
        return NumberedGradient{__uint_as_float(static_cast<unsigned>(bits)), static_cast<unsigned>(bits >> 32)};
    };
    if constexpr (width == 4) {
#pragma unroll
        for (int i = 0; i < width; i += 2) {
            uint64_t first, second;
            asm volatile("ld.relaxed.gpu.global.v2.u64 {%0, %1}, [%2];"
                         : "=l"(first), "=l"(second)
                         : "l"(from + i)
                         : "memory");
            to[i] = unpack(first);
            to[i + 1] = unpack(second);
        }
    } else {
        uint64_t bits;
        asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(bits) : "l"(from) : "memory");
        to[0] = unpack(bits);
    }
#endif
}

__device__ __forceinline__ void store_relaxed(NumberedGradient* to, NumberedGradient gradient) {
#if defined(ORTHO_CUDA_EMULATOR)
    ortho_cuda_emulator::interleave();
    *to = gradient;
#else
    const uint64_t bits = static_cast<uint64_t>(gradient.number) << 32 | __float_as_uint(gradient.value);
    asm volatile("st.relaxed.gpu.global.u64 [%0], %1;" ::"l"(to), "l"(bits) : "memory");
#endif
}

/** Brings what will be read into the second-level cache, where memory takes longer than the steps before. */
__device__ __forceinline__ void prefetch([[maybe_unused]] const float* from) {
#if !defined(ORTHO_CUDA_EMULATOR)
    asm volatile("prefetch.global.L2 [%0];" ::"l"(from));
#endif
}

/** Units with what is added so that packs of four may lie behind them. */
__host__ __device__ constexpr int padded_units(int units) {
    return (units + 3) / 4 * 4;
}

/** Zeroes the part of the operand that loads leave alone: behind the inner dimension, and behind the batch. */
template <int rows> __device__ void clear_operand(float* operand, const Inner& inner) {
    for (int i = static_cast<int>(threadIdx.x); i < rows * inner.stride(); i += block_threads)
        operand[i] = 0;
}

// Readers, for RowLoader: skip() makes an element that is not to be read count as there, load_early() asks for what is
// there already, load() for what is waited for.

/** Reads the states before a step into the operand. */
template <int width> struct StateReader {
    using Element = Pack<width>;

    const float* states; // [rows, units]
    bool given;          // by what was there before the launch
    float* operand;
    int stride;

    __device__ __forceinline__ void skip(Element& element) const { element = {}; }
    __device__ __forceinline__ void load_early(Element&, int) const {}
    __device__ __forceinline__ void load(Element& element, int at) const { element = load_relaxed<width>(states + at); }
    __device__ __forceinline__ bool is_there(const Element& element) const {
        bool there = true;
#pragma unroll
        for (int i = 0; i < width; ++i)
            there = there && __float_as_uint(element.at[i]) != missing_state;
        return there || given;
    }
    __device__ __forceinline__ void store(const Element& element, int row, int column) const {
        *reinterpret_cast<Element*>(operand + row * stride + column) = element;
    }
};

/** Waits for the gradients g of an exchange, and leaves them where they are. */
template <int width> struct GradientWait {
    struct Element {
        NumberedGradient gradients[width];
    };

    const NumberedGradient* exchanged; // [rows, units]
    unsigned number;

    __device__ __forceinline__ void skip(Element& element) const {
#pragma unroll
        for (int i = 0; i < width; ++i)
            element.gradients[i] = {0, number};
    }
    __device__ __forceinline__ void load_early(Element&, int) const {}
    __device__ __forceinline__ void load(Element& element, int at) const {
        load_relaxed<width>(exchanged + at, element.gradients);
    }
    __device__ __forceinline__ bool is_there(const Element& element) const {
        bool there = true;
#pragma unroll
        for (int i = 0; i < width; ++i)
            there = there && element.gradients[i].number == number;
        return there;
    }
    __device__ __forceinline__ void store(const Element&, int, int) const {}
};

/** Reads the gradients g behind a step into shared memory, and makes that step's deltas of them. */
template <int width> struct GradientReader : GradientWait<width> {
    struct Element : GradientWait<width>::Element {
        Pack<width> activations;
    };

    const float* activations; // [rows, units]
    FilterCell cell;
    const float* beta; // [units]
    float* gradients;  // rows gradient_stride apart
    int gradient_stride;
    float* deltas; // rows delta_stride apart
    int delta_stride;

    __device__ __forceinline__ void load_early(Element& element, int at) const {
        element.activations = load_relaxed<width>(activations + at);
    }
    __device__ __forceinline__ void store(const Element& element, int row, int column) const {
        const auto betas = *reinterpret_cast<const Pack<width>*>(beta + column);
        Pack<width> gradient, delta;
#pragma unroll
        for (int i = 0; i < width; ++i) {
            gradient.at[i] = element.gradients[i].value;
            delta.at[i] = cell.backward<CudaMath>(element.activations.at[i], gradient.at[i], betas.at[i]);
        }
        *reinterpret_cast<Pack<width>*>(gradients + row * gradient_stride + column) = gradient;
        *reinterpret_cast<Pack<width>*>(deltas + row * delta_stride + column) = delta;
    }
};

/** Divides rows, which lie one behind another, among the threads of a block, in packs of 4 units or of one. */
class RowLoader {
public:
    __device__ explicit RowLoader(int units)
        : width_(units % 4 == 0 ? 4 : 1), packs_(units / width_),
          inverse_(0xffffffffu / static_cast<unsigned>(packs_)) {}

    /** Waits for the elements of `count` rows and stores them, by a reader made for the width of a pack. */
    template <class MakeReader> __device__ __forceinline__ void load(int count, MakeReader&& make_reader) const {
        if (width_ == 4)
            load_rows<4>(count * packs_, make_reader(std::integral_constant<int, 4>()));
        else
            load_rows<1>(count * packs_, make_reader(std::integral_constant<int, 1>()));
    }

private:
    template <int width, class Reader>
    __device__ __forceinline__ void load_rows(int packs, const Reader& reader) const {
        constexpr int most_at_once = 8;
        const int first = static_cast<int>(threadIdx.x);
        if (packs <= block_threads)
            load_packs<width, 1>(first, packs, reader);
        else
            for (int at = first; at < packs; at += most_at_once * block_threads)
                load_packs<width, most_at_once>(at, packs, reader);
    }

    template <int width, int at_once, class Reader>
    __device__ __forceinline__ void load_packs(int first, int packs, const Reader& reader) const {
        // All are asked for before the first is stored: one after the other, each would take the cache's whole latency.
        typename Reader::Element elements[at_once];
#pragma unroll
        for (int i = 0; i < at_once; ++i) {
            reader.skip(elements[i]);
            if (first + i * block_threads < packs)
                reader.load_early(elements[i], (first + i * block_threads) * width);
        }
        // Asking for all until all are there would keep the cache from what they wait for. When the first one is,
        // so are most.
        wait<0, 1, width>(reader, elements, first, packs);
        wait<1, at_once, width>(reader, elements, first, packs);
#pragma unroll
        for (int i = 0; i < at_once; ++i) {
            const int pack = first + i * block_threads;
            if (pack < packs) {
                // A division: inverse_ + 1 is 2^32 / packs_ and less than 1 more, too little to matter for so few
                // packs.
                const int row =
                    static_cast<int>((static_cast<uint64_t>(pack) * inverse_ + static_cast<unsigned>(pack)) >> 32);
                reader.store(elements[i], row, (pack - row * packs_) * width);
            }
        }
    }

    template <int from, int to, int width, class Reader, int count>
    __device__ __forceinline__ static void wait(const Reader& reader, typename Reader::Element (&elements)[count],
                                                int first, int packs) {
        bool missing[count];
#pragma unroll
        for (int i = from; i < to; ++i)
            missing[i] = first + i * block_threads < packs;
        for (int polls = 0;; ++polls) {
#pragma unroll
            for (int i = from; i < to; ++i)
                if (missing[i])
                    reader.load(elements[i], (first + i * block_threads) * width);
            bool any = false;
            // Looked at whether it was missing or not: otherwise ptxas puts what is done to each one together, so that
            // each load waits for the one before.
#pragma unroll
            for (int i = from; i < to; ++i) {
                missing[i] = !reader.is_there(elements[i]);
                any = any || missing[i];
            }
            if (!any)
                return;
            if (polls >= eager_polls)
                pause();
        }
    }

    int width_;
    int packs_; // of a row
    unsigned inverse_;
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

/** The rows of the batch that a launch computes. */
struct BatchPart {
    int64_t first;
    int64_t end;
};

/** The part of the batch and of the units that a block owns. */
template <int rows, int units> struct OwnPart {
    int first_unit;
    int64_t first_row;
    int row_count;
    int unit_count; // of the whole chain

    __device__ OwnPart(const BatchPart& launched, int64_t all_units)
        : first_unit(static_cast<int>(blockIdx.x) * units),
          first_row(launched.first + static_cast<int64_t>(blockIdx.y) * rows),
          row_count(static_cast<int>(launched.end - first_row < rows ? launched.end - first_row : rows)),
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

/** Where a structured filter takes the elements of a thread from, at each step; nothing where it is a matrix. */
template <int rows, int units, bool dense> struct OwnPermutation {
    int source[turns<rows, units>] = {};
    float scale[turns<rows, units>] = {};

    __device__ OwnPermutation(const OwnPart<rows, units>& part, const ScaledPermutation<float>& permutation) {
        if constexpr (!dense)
            part.for_each([&](int turn, int, int, int unit) {
                source[turn] = permutation.source[unit];
                scale[turn] = permutation.scale[unit];
            });
    }
};

// Each multiprocessor has one block at most, which may take all of its registers.
template <int rows, int units, bool dense>
__global__ void __launch_bounds__(block_threads, 1) persistent_forward_kernel(PersistentForward p, BatchPart launched) {
    constexpr int outputs = dense ? 2 * units : units;
    constexpr int weighted = outputs - units; // where W's outputs begin
    const int n = static_cast<int>(p.units);
    const Inner inner(n);
    const SharedLayout shared(inner, rows, outputs);
    const OwnPart<rows, units> part(launched, p.units);

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
    OwnPermutation<rows, units, dense> permutation(part, p.permutation);
    part.for_each([&](int turn, int, int, int unit) {
        beta[turn] = p.beta[unit];
        bias[turn] = p.bias[unit];
    });
    const RowLoader loader(n);
    const int64_t state_elements = p.batch * n;
    for (int64_t step = 0; step < p.steps; ++step) {
        loader.load(part.row_count, [&](auto width) {
            return StateReader<decltype(width)::value>{p.states + step * state_elements + part.first_row * n, step == 0,
                                                       shared.operand, inner.stride()};
        });
        __syncthreads();
        // Before the product, which takes the time that reading the drives takes; behind it other threads may write the
        // operand of the next step. Not before the wait, which would then be for the drives, too.
        float driven[turns<rows, units>] = {};
        float filtered[turns<rows, units>] = {};
        part.for_each([&](int turn, int row, int, int unit) {
            if (p.drive != nullptr)
                driven[turn] = p.drive[step * state_elements + part.at(row, unit)];
            if constexpr (!dense)
                filtered[turn] =
                    permutation.scale[turn] * shared.operand[row * inner.stride() + permutation.source[turn]];
        });
        multiply_parts<rows, outputs>(shared, inner);
        __syncthreads();
        float activation[turns<rows, units>] = {}, state[turns<rows, units>] = {};
        part.for_each([&](int turn, int row, int own, int) {
            if constexpr (dense)
                filtered[turn] = sum_parts<rows, outputs>(shared.parts, row, own);
            const float weighted_sum = sum_parts<rows, outputs>(shared.parts, row, weighted + own);
            const auto done =
                p.cell.forward<CudaMath>(filtered[turn], weighted_sum + (bias[turn] + driven[turn]), beta[turn]);
            activation[turn] = done.kept;
            state[turn] = done.state;
        });
        // What others wait for comes first.
        part.for_each([&](int turn, int row, int, int unit) {
            store_relaxed(p.states + (step + 1) * state_elements + part.at(row, unit),
                          __float_as_uint(state[turn]) == missing_state ? __uint_as_float(written_nan) : state[turn]);
        });
        part.for_each([&](int turn, int row, int, int unit) {
            const int64_t at = part.at(row, unit);
            p.activations[step * state_elements + at] = activation[turn];
            if (step + 2 <= p.steps)
                prefetch(p.states + (step + 2) * state_elements + at);
            if (p.drive != nullptr && step + 1 < p.steps)
                prefetch(p.drive + (step + 1) * state_elements + at);
        });
    }
}

template <int rows, int units, bool dense>
__global__ void __launch_bounds__(block_threads, 1)
    persistent_backward_kernel(PersistentBackward p, BatchPart launched) {
    const int n = static_cast<int>(p.units);
    const Inner inner(dense ? 2 * n : n); // [g, delta] or delta
    const SharedLayout shared(inner, rows, units);
    const OwnPart<rows, units> part(launched, p.units);
    const int64_t state_elements = p.batch * n;
    float* const betas = shared.rest;
    float* const gradients = dense ? shared.operand : shared.rest + padded_units(n);
    const int gradient_stride = dense ? inner.stride() : n;

    for (int i = static_cast<int>(threadIdx.x); i < inner.padded() * units; i += block_threads) {
        const int k = i / units;
        const int unit = part.first_unit + i % units;
        const bool filters = dense && k < n;
        const float* const matrix = filters ? p.filter : p.weights;
        const int row = dense && !filters ? k - n : k;
        shared.weights[i] = k < inner.size && unit < n ? matrix[static_cast<int64_t>(row) * n + unit] : 0.0f;
    }
    clear_operand<rows>(shared.operand, inner);
    for (int i = static_cast<int>(threadIdx.x); i < n; i += block_threads)
        betas[i] = p.beta[i];
    __syncthreads();

    float beta[turns<rows, units>] = {};
    OwnPermutation<rows, units, dense> permutation(part, p.permutation);
    part.for_each([&](int turn, int, int, int unit) { beta[turn] = betas[unit]; });
    const RowLoader loader(n);
    const auto exchange = [&](int64_t step) { return p.exchange[(p.steps - step) % 2] + part.first_row * n; };
    const auto number = [&](int64_t step) { return static_cast<unsigned>(p.steps - step + 1); };

    // Deltas of a step take the place of its activations once all blocks have read those: when their gradients before
    // that step are there. Until then they are kept: delta of the step behind, and of the one behind that. There is no
    // fence: what is overwritten, here and in the exchange, was read by whoever made the gradients that were waited for
    // out of it, and nothing is stored before what it depends on.
    float delta[turns<rows, units>] = {};
    float unwritten[turns<rows, units>] = {};
    float gradient[turns<rows, units>] = {};
    float activation[turns<rows, units>] = {}; // of the step before
    const auto write_delta = [&](int64_t step, int turn, int row, int unit) {
        store_relaxed(p.activations + step * state_elements + part.at(row, unit), unwritten[turn]);
    };
    // Gives away g at the state before step `step`, or at the end for step = steps, and makes delta of the step before.
    const auto finish = [&](int64_t step) {
        // What others wait for comes first.
        part.for_each([&](int turn, int row, int, int unit) {
            store_relaxed(exchange(step) + row * n + unit, {gradient[turn], number(step)});
        });
        part.for_each([&](int turn, int row, int, int unit) {
            if (step + 1 < p.steps)
                write_delta(step + 1, turn, row, unit);
            unwritten[turn] = delta[turn];
            delta[turn] = p.cell.backward<CudaMath>(activation[turn], gradient[turn], beta[turn]);
            const int64_t arriving = step - 1 + p.arriving_offset;
            if (step >= 2)
                prefetch(p.activations + (step - 2) * state_elements + part.at(row, unit));
            if (p.arriving != nullptr && arriving >= 0)
                prefetch(p.arriving + arriving * state_elements + part.at(row, unit));
        });
    };

    part.for_each([&](int turn, int row, int, int unit) {
        if (p.started)
            gradient[turn] = p.gradient[(part.first_row + row) * p.gradient_stride + unit];
        if (p.arriving_at_end != nullptr)
            gradient[turn] += p.arriving_at_end[part.at(row, unit)];
        activation[turn] = p.activations[(p.steps - 1) * state_elements + part.at(row, unit)];
    });
    finish(p.steps);

    for (int64_t step = p.steps - 1; step >= 0; --step) {
        loader.load(part.row_count, [&](auto width) {
            return GradientReader<decltype(width)::value>{{exchange(step + 1), number(step + 1)},
                                                          p.activations + step * state_elements + part.first_row * n,
                                                          p.cell,
                                                          betas,
                                                          gradients,
                                                          gradient_stride,
                                                          dense ? shared.operand + n : shared.operand,
                                                          inner.stride()};
        });
        __syncthreads();
        // As in the forward kernel: neither before the wait nor behind the product.
        const int64_t arriving = step + p.arriving_offset;
        float arrived[turns<rows, units>] = {};
        part.for_each([&](int turn, int row, int, int unit) {
            if (p.arriving != nullptr && arriving >= 0)
                arrived[turn] = p.arriving[arriving * state_elements + part.at(row, unit)];
            if (step > 0)
                activation[turn] = p.activations[(step - 1) * state_elements + part.at(row, unit)];
            if constexpr (!dense)
                arrived[turn] += permutation.scale[turn] * gradients[row * gradient_stride + permutation.source[turn]];
        });
        multiply_parts<rows, units>(shared, inner);
        __syncthreads();
        part.for_each([&](int turn, int row, int own, int) {
            gradient[turn] = sum_parts<rows, units>(shared.parts, row, own) + arrived[turn];
        });
        finish(step);
    }
    part.for_each([&](int turn, int row, int, int unit) {
        p.gradient[(part.first_row + row) * p.gradient_stride + unit] = gradient[turn];
    });
    // Nothing is wanted of the last gradients but the certainty that all blocks have read the first activations.
    loader.load(part.row_count, [&](auto width) {
        return GradientWait<decltype(width)::value>{exchange(0), number(0)};
    });
    __syncthreads();
    part.for_each([&](int turn, int row, int, int unit) { write_delta(0, turn, row, unit); });
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
    // Behind the layout: beta, and g where it is no part of the operand.
    const int64_t rest = padded_units(static_cast<int>(units)) + (dense ? 0 : shape.rows * units);
    return SharedLayout::bytes(Inner(dense ? 2 * units : units), shape.rows, shape.units) +
           sizeof(float) * static_cast<size_t>(rest);
}

/**
 * Whether a status says that CUDA does not take a launch, which then has done nothing and leaves the GPU as it was. The
 * other plans need less: small blocks, few registers, no blocks at once.
 */
bool is_refusal(cudaError_t status) {
    switch (status) {
    // Less of the GPU may be ours than it has, by the Multi-Process Service or a context of some multiprocessors.
    case cudaErrorCooperativeLaunchTooLarge:
    // Registers or shared memory that a driver or a debugger keeps for itself.
    case cudaErrorLaunchOutOfResources:
    // Blocks that wait for each other, on some virtual GPUs; the same while a stream is captured.
    case cudaErrorNotSupported:
    case cudaErrorStreamCaptureUnsupported:
    // Code is loaded when it is first launched, and needs memory.
    case cudaErrorMemoryAllocation:
        static_cast<void>(cudaGetLastError());
        return true;
    default:
        return false;
    }
}

/** Whether a call was taken. @throws Error if it failed otherwise than by a refusal */
bool is_taken(cudaError_t status, const char* call) {
    if (is_refusal(status))
        return false;
    check(status, call);
    return true;
}

/** Whether a launch can be captured, which is tried on a stream of our own: an error would end the caller's capture. */
template <class Kernel, class Problem>
bool can_be_captured(const char* name, Device& device, const LaunchShape& shape, Kernel kernel, const Problem& problem,
                     const BatchPart& part) {
    if (!is_taken(cudaStreamBeginCapture(device.rehearsal_stream, cudaStreamCaptureModeThreadLocal),
                  "cudaStreamBeginCapture"))
        return false;
    const cudaError_t launched = try_launch(kernel, shape, device.rehearsal_stream, problem, part);
    cudaGraph_t captured = nullptr;
    const cudaError_t ended = cudaStreamEndCapture(device.rehearsal_stream, &captured);
    const Graph discarded(captured);
    return is_taken(launched, name) && is_taken(ended, "cudaStreamEndCapture");
}

/**
 * Launches a kernel whose blocks wait for each other, once for each part of the batch.
 * @return whether CUDA takes it; if not, nothing was done
 * @throws Error if a launch fails otherwise, as the second would that is refused: it is like the first, and no larger
 */
template <class Kernel, class Problem>
bool launch_persistent(const char* name, Device& device, const PersistentShape& shape, size_t shared, Kernel kernel,
                       const Problem& problem) {
    int blocks_of_each = 0;
    if (!is_taken(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)),
                  "cudaFuncSetAttribute") ||
        !is_taken(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks_of_each, kernel, block_threads, shared),
                  "cudaOccupancyMaxActiveBlocksPerMultiprocessor") ||
        shape.unit_blocks * shape.row_blocks > blocks_of_each * device.properties.multiProcessorCount)
        return false;
    const int64_t most_rows = static_cast<int64_t>(shape.row_blocks) * shape.rows;
    for (BatchPart part{0, 0}; part.first < problem.batch; part.first = part.end) {
        part.end = std::min(part.first + most_rows, problem.batch);
        const int64_t row_blocks = (part.end - part.first + shape.rows - 1) / shape.rows;
        const LaunchShape launched{dim3(static_cast<unsigned>(shape.unit_blocks), static_cast<unsigned>(row_blocks)),
                                   dim3(block_threads), shared, true};
        if (part.first > 0) {
            launch(name, kernel, launched, device.stream, problem, part);
            continue;
        }
        if (is_captured(device.stream) && !can_be_captured(name, device, launched, kernel, problem, part))
            return false;
        if (!is_taken(try_launch(kernel, launched, device.stream, problem, part), name))
            return false;
    }
    return true;
}

// Cycles of a step. The numbers are those of an H100, and derived: nothing was measured.

/** A multiprocessor's multiply-adds, and the bytes that it reads from its shared memory. */
constexpr double multiply_adds_a_cycle = 128, bytes_a_cycle = 64;

struct ShapeCost {
    PersistentShape shape;
    double cycles;
};

/** The shape that computes a step fastest, if the batch is divided among so many launches; nothing if none fits. */
std::optional<ShapeCost> cheapest_shape(const Device& device, const PersistentProblem& problem, int launches) {
    const bool dense = !problem.structured;
    std::optional<ShapeCost> best;
    for (PersistentShape shape : sizes) {
        const int64_t all_row_blocks = (problem.batch + shape.rows - 1) / shape.rows;
        const int64_t row_blocks = (all_row_blocks + launches - 1) / launches;
        const int64_t unit_blocks = (problem.units + shape.units - 1) / shape.units;
        if (row_blocks * unit_blocks > device.properties.multiProcessorCount)
            continue;
        const size_t shared =
            std::max(forward_bytes(shape, problem.units, dense), backward_bytes(shape, problem.units, dense));
        if (shared > device.properties.sharedMemPerBlockOptin)
            continue;
        const double multiply_adds = static_cast<double>(shape.rows * shape.units * problem.units) * (dense ? 2 : 1);
        const double operand_bytes = static_cast<double>(shape.rows * problem.units) * sizeof(float);
        const double cycles = multiply_adds / multiply_adds_a_cycle + operand_bytes / bytes_a_cycle;
        if (!best || cycles < best->cycles) {
            shape.row_blocks = static_cast<int>(row_blocks);
            shape.unit_blocks = static_cast<int>(unit_blocks);
            best = ShapeCost{shape, cycles};
        }
    }
    return best;
}

/**
 * Whether two launches, each for half of the batch and all steps, take less time than a graph of products and
 * epilogues.
 *
 * A step of a launch is the cycles above and the exchange: a store that arrives in the second-level cache, a load that
 * finds it there, two barriers and the epilogue. A step of the graph is two kernels, each of which begins when the one
 * before has ended and reads what that one wrote, and the product, which for so few rows has too few tiles to keep more
 * than half of the GPU's multiply-adds busy.
 *
 * With N = 512 and B = 256 on 132 multiprocessors: 2 (4096 + 512 + 1500) = 12,200 cycles against 2 x 2500 + 15,900 =
 * 20,900; with B = 129, 12,200 against 13,000. Only with more than 1000 units or so would the graph be faster, for
 * which blocks of 16 rows have no room. Three launches and more are not considered: with so many rows products have
 * enough tiles.
 */
bool are_two_launches_faster(const Device& device, const PersistentProblem& problem, double cycles) {
    constexpr double exchange = 1500, kernel_of_graph = 2500, busy = 0.5;
    const double multiply_adds =
        static_cast<double>(problem.batch * problem.units * problem.units) * (problem.structured ? 1 : 2);
    const double product = multiply_adds / (multiply_adds_a_cycle * device.properties.multiProcessorCount * busy);
    return 2 * (cycles + exchange) < 2 * kernel_of_graph + product;
}

} // namespace

std::optional<PersistentShape> choose_persistent_shape(const Device& device, const PersistentProblem& problem) {
    if (device.properties.cooperativeLaunch == 0 || problem.units > 2048)
        return std::nullopt;
    if (const auto whole = cheapest_shape(device, problem, 1))
        return whole->shape;
    const auto half = cheapest_shape(device, problem, 2);
    if (half && are_two_launches_faster(device, problem, half->cycles))
        return half->shape;
    return std::nullopt;
}

bool persistent_forward(Device& device, const PersistentShape& shape, const PersistentForward& problem) {
    const bool dense = problem.filter != nullptr;
    const int64_t state_elements = problem.batch * problem.units;
    fill_bytes(device, problem.states + state_elements, missing_state & 0xff,
               problem.steps * state_elements * static_cast<int64_t>(sizeof(float)));
    return with_sizes(shape, [&](auto rows, auto units) {
        constexpr int r = decltype(rows)::value, u = decltype(units)::value;
        return launch_persistent("persistent_forward", device, shape, forward_bytes(shape, problem.units, dense),
                                 dense ? persistent_forward_kernel<r, u, true> : persistent_forward_kernel<r, u, false>,
                                 problem);
    });
}

bool persistent_backward(Device& device, const PersistentShape& shape, const PersistentBackward& problem) {
    const bool dense = problem.filter != nullptr;
    for (NumberedGradient* const exchange : problem.exchange)
        clear(device, exchange, problem.batch * problem.units * static_cast<int64_t>(sizeof(NumberedGradient)));
    return with_sizes(shape, [&](auto rows, auto units) {
        constexpr int r = decltype(rows)::value, u = decltype(units)::value;
        return launch_persistent(
            "persistent_backward", device, shape, backward_bytes(shape, problem.units, dense),
            dense ? persistent_backward_kernel<r, u, true> : persistent_backward_kernel<r, u, false>, problem);
    });
}

} // namespace ortho::cuda
