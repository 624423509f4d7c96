#include "cuda/library/streams.hpp"

#include "cuda/library/chain_weights.hpp"
#include "cuda/library/operations.hpp"

namespace ortho::cuda {
namespace {

/** Zeroes the rows [N] whose flags are not 0. */
template <class T> __global__ void reset_kernel(int64_t rows, int64_t units, const uint8_t* flags, T* states) {
    for_each_element(rows, units, [&](int64_t row, int64_t unit) {
        if (flags[row] != 0)
            states[row * units + unit] = T(0);
    });
}

/**
 * A step is the products and the epilogue of a chain's step, and takes no memory. It begins and ends at the same
 * addresses, so that a step that a caller captured can be replayed any number of times.
 */
template <class T> class StreamStates final : public Streams {
public:
    StreamStates(const std::shared_ptr<ChainWeights<T>>& prepared, int64_t streams)
        : Streams(prepared, streams), weights_(*prepared), n_(prepared->parameters.hidden_size),
          d_(prepared->parameters.input_size),
          parts_(device.memory, checked_product("the streams", {parts_per_stream, count, n_, element}), "the streams"),
          resets_(device.memory, count, "the streams' resets") {
        clear(device, state(), size());
    }

    ~StreamStates() override {
        // As that of a chain.
        static_cast<void>(cudaDeviceSynchronize());
    }

    void step(const uint8_t* resets, const void* inputs, void* outputs) override {
        if (resets != nullptr && is_captured(device.stream))
            fail(ORTHO_INVALID_STATE, Argument{"resets"},
                 "is given while the stream is captured; a replay would not read the host's memory again");
        const auto* const u = static_cast<const T*>(inputs);
        if (weights_.parameters.check_finite && u != nullptr)
            check_finite(device, Checked::inputs, count * d_, u);
        if (resets != nullptr) {
            copy_to_device(device, resets_.data(), resets, count);
            launch("reset", reset_kernel<T>, step_shape(count, n_), device.stream, count, n_, resets_.as<uint8_t>(),
                   state());
        }
        const ParameterAddresses<T> parameters = weights_.addresses({});
        if (d_ > 0)
            multiply<T>(device, device.matrix_precision, {count, n_, d_}, {u, d_}, {parameters.input_weights, d_, true},
                        false, {kept(), n_});
        weights_.multiply_states(count, 0, parameters, state(), products());
        const FilterCell cell{static_cast<Nonlinearity>(weights_.parameters.activation)};
        // A structured filter reads the states of other units, which must not be the new ones yet.
        const bool reads_others = weights_.parameters.structured;
        if (reads_others)
            copy_on_device(device, previous(), state(), size());
        launch("forward_epilogue", forward_epilogue_kernel<FilterCell, T>, step_shape(count, n_), device.stream,
               ForwardEpilogue<FilterCell, T>{cell,
                                              count,
                                              n_,
                                              weights_.permutation(0, false),
                                              products(),
                                              products() + n_,
                                              2 * n_,
                                              d_ > 0 ? kept() : nullptr,
                                              parameters.bias,
                                              weights_.beta(),
                                              reads_others ? previous() : nullptr,
                                              state(),
                                              kept(),
                                              {}});
        if (outputs != nullptr)
            read(outputs);
    }

    void read(void* states) const override { copy_on_device(device, states, state(), size()); }

    void write(const void* states) override {
        if (weights_.parameters.check_finite)
            check_finite(device, Checked::states, count * n_, static_cast<const T*>(states));
        copy_on_device(device, state(), states, size());
    }

private:
    static constexpr int64_t element = sizeof(T);
    /** The state, that of before a step, products [2N], and what a step keeps. */
    static constexpr int64_t parts_per_stream = 5;

    int64_t size() const { return count * n_ * element; }
    T* part(int64_t index) const { return parts_.as<T>() + index * count * n_; }
    T* state() const { return part(0); }
    T* previous() const { return part(1); }
    T* products() const { return part(2); }
    T* kept() const { return part(4); }

    const ChainWeights<T>& weights_; // Streams::weights
    const int64_t n_;
    const int64_t d_;
    DeviceMemory parts_;
    DeviceMemory resets_;
};

} // namespace

std::unique_ptr<Streams> make_streams(const std::shared_ptr<Weights>& weights, int64_t count) {
    if (weights->parameters.dtype == ORTHO_FLOAT32)
        return std::make_unique<StreamStates<float>>(std::static_pointer_cast<ChainWeights<float>>(weights), count);
    return std::make_unique<StreamStates<double>>(std::static_pointer_cast<ChainWeights<double>>(weights), count);
}

} // namespace ortho::cuda
