// The weights of a cell of gates as its kernels read them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/memory.hpp"
#include "cpu/chain/plan.hpp"
#include "cpu/chain/types.hpp"
#include "cpu/chain/weights.hpp"
#include "model/chain.hpp"
#include "model/segments.hpp"

namespace ortho::cpu {

template <class Num, CellOfGates Cell> class CellWeights<Num, Cell> {
public:
    using T = StateOf<Num>;
    using Storage = StorageOf<Num>;

    /** Nothing of the weights depends on the batch. */
    struct Binding {
        explicit Binding(const CellWeights&) {}
        void bind(const CellWeights&, const StateLayout&) noexcept {}
    };

    /** All steps share the weights, so these are packed once in any case. */
    CellWeights(const ChainSpec& spec, const ChainKernels<Num>& kernels, Packed)
        : spec_(spec), kernels_(kernels), n_(spec.hidden_size), d_(spec.input_size),
          padded_(StateLayout(n_, 1, sizeof(T)).padded) {
        const char* const what = "the packed weights";
        const int64_t input_padded = StateLayout(std::max<int64_t>(d_, 1), 1, sizeof(T)).padded;
        Carver sizes;
        weights_ = sizes.take<Storage>(what, Cell::gates * padded_ * n_);
        transposed_ = sizes.take<Storage>(what, Cell::gates * padded_ * n_);
        input_weights_ = sizes.take<Storage>(what, Cell::gates * padded_ * d_);
        input_weights_transposed_ = sizes.take<Storage>(what, Cell::gates * input_padded * n_);
        bias_ = sizes.take<T>(what, Cell::sums * padded_);
        memory_ = Memory(sizes.total(), what);
    }

    static void check_batch(const char*, const ChainSpec&, const StateLayout&) {}
    void reserve_scratch(int64_t) {}

    int64_t forward_tiles() const { return padded_ / kernels_.lanes; }
    int64_t backward_tiles() const { return divide_up(padded_, kernels_.single_tile); }

    /** Packs tiles of W: a tile is one vector of units, of all gates. */
    void pack_forward(Span tiles, int64_t, const T* weights) {
        kernels_.pack_gates(weights, Cell::gates, kernels_.of(Cell()).gates_together, n_, n_, tiles.begin, tiles.end,
                            at<Storage>(weights_));
    }
    void pack_backward(Span tiles, int64_t, const T* weights) {
        kernels_.pack_columns(weights, Cell::gates * n_, n_, kernels_.single_tile, tiles.begin, tiles.end,
                              at<Storage>(transposed_));
    }
    void pack_inputs(Span tiles, const T* input_weights) {
        kernels_.pack_gates(input_weights, Cell::gates, Cell::gates, n_, d_, tiles.begin, tiles.end,
                            at<Storage>(input_weights_));
    }
    void pack_inputs_transposed(const T* input_weights) {
        if (d_ > 0)
            kernels_.pack_columns(input_weights, Cell::gates * n_, d_, kernels_.single_tile, 0,
                                  divide_up(StateLayout(d_, 1, sizeof(T)).padded, kernels_.single_tile),
                                  at<Storage>(input_weights_transposed_));
    }
    /** Adds up the biases that go to each sum. @param bias  [1 or 2, gates, N] */
    void copy_bias(int64_t, const T* bias) {
        std::fill_n(at<T>(bias_), Cell::sums * padded_, T(0));
        for (const auto& of : {Cell::input_sums, Cell::weight_sums}) {
            for (int gate = 0; gate < Cell::gates; ++gate, bias += n_)
                for (int64_t i = 0; i < n_; ++i)
                    at<T>(bias_)[of[gate] * padded_ + i] += bias[i];
            if (!spec_.recurrent_bias)
                break;
        }
    }

    ForwardOperands<Num, Cell> forward(int64_t, const Binding&, int64_t) const {
        return {.weights = at<Storage>(weights_), .input_weights = at<Storage>(input_weights_), .bias = at<T>(bias_)};
    }
    BackwardOperands<Num, Cell> backward(int64_t, const Binding&, int64_t) const {
        return {.weights = at<Storage>(transposed_)};
    }
    const Storage* input_weights_transposed() const { return at<Storage>(input_weights_transposed_); }

private:
    template <class Element> Element* at(int64_t offset) const {
        return reinterpret_cast<Element*>(memory_.template as<char>() + offset);
    }

    const ChainSpec& spec_;
    const ChainKernels<Num>& kernels_;
    const int64_t n_;
    const int64_t d_;
    const int64_t padded_;
    // Where the parts of the memory start, in bytes.
    int64_t weights_, transposed_, input_weights_, input_weights_transposed_, bias_;
    Memory memory_;
};

} // namespace ortho::cpu
