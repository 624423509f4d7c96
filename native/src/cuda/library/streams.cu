#include "cuda/library/streams.hpp"

#include "cuda/library/cells.hpp"
#include "cuda/library/operations.hpp"

namespace ortho::cuda {
namespace {

/** Zeroes the rows [N] of all vectors [rows, N] whose flags are not 0. */
template <class T>
__global__ void reset_kernel(int64_t vectors, int64_t rows, int64_t units, const uint8_t* flags, T* states) {
    for_each_element(rows, units, [&](int64_t row, int64_t unit) {
        if (flags[row] != 0)
            for (int64_t vector = 0; vector < vectors; ++vector)
                states[(vector * rows + row) * units + unit] = T(0);
    });
}

/**
 * A step is the products and the epilogue of a chain's step, and takes no memory. It begins and ends at the same
 * addresses, so that a step that a caller captured can be replayed any number of times.
 */
template <class T, class Cell> class StreamStates final : public Streams {
public:
    using Prepared = ChainWeights<T, Cell>;

    StreamStates(const std::shared_ptr<Prepared>& prepared, int64_t streams)
        : Streams(prepared, streams), weights_(*prepared), n_(prepared->parameters.hidden_size),
          d_(prepared->parameters.input_size),
          parts_(device.memory, checked_product("the streams", {parts(), count, n_, element}), "the streams"),
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
            launch("reset", reset_kernel<T>, step_shape(count, n_), device.stream, carried, count, n_,
                   resets_.as<uint8_t>(), state());
        }
        const ParameterAddresses<T> parameters = weights_.addresses({});
        if (d_ > 0)
            weights_.multiply_inputs(count, parameters, u, drive(), Prepared::drive_vectors * n_);
        // What reads the states of other units must not read the new ones.
        const T* before = state();
        if (weights_.reads_other_units()) {
            copy_on_device(device, previous(), state(), size());
            before = previous();
        }
        forward_step<T>(weights_, {count,
                                   0,
                                   parameters,
                                   products(),
                                   d_ > 0 ? drive() : nullptr,
                                   Prepared::drive_vectors * n_,
                                   before,
                                   state(),
                                   count * n_,
                                   nullptr,
                                   {}});
        if (outputs != nullptr)
            copy_on_device(device, outputs, state(), count * n_ * element);
    }

    void read(void* states) const override { copy_on_device(device, states, state(), size()); }

    void write(const void* states) override {
        if (weights_.parameters.check_finite)
            check_finite(device, Checked::states, carried * count * n_, static_cast<const T*>(states));
        copy_on_device(device, state(), states, size());
    }

private:
    static constexpr int64_t element = sizeof(T);
    static constexpr int64_t carried = Cell::carried_vectors;
    /** The state, the products of a step with states and inputs, and where it is read the state before the step. */
    int64_t parts() const {
        return (weights_.reads_other_units() ? 2 : 1) * carried + Prepared::product_vectors + Prepared::drive_vectors;
    }

    int64_t size() const { return carried * count * n_ * element; }
    T* part(int64_t index) const { return parts_.as<T>() + index * count * n_; }
    T* state() const { return part(0); }
    T* products() const { return part(carried); }
    T* drive() const { return part(carried + Prepared::product_vectors); }
    T* previous() const { return part(carried + Prepared::product_vectors + Prepared::drive_vectors); }

    const Prepared& weights_; // Streams::weights
    const int64_t n_;
    const int64_t d_;
    DeviceMemory parts_;
    DeviceMemory resets_;
};

} // namespace

std::unique_ptr<Streams> make_streams(const std::shared_ptr<Weights>& weights, int64_t count) {
    return with_types(weights->parameters, [&](auto types) -> std::unique_ptr<Streams> {
        using Types = decltype(types);
        using Made = StreamStates<typename Types::Numbers, typename Types::Cell>;
        return std::make_unique<Made>(std::static_pointer_cast<typename Made::Prepared>(weights), count);
    });
}

} // namespace ortho::cuda
