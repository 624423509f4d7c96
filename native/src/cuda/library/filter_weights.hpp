// What chains of filter cells read at each step, on a GPU: the filter, which never changes, and the parameters.
#pragma once

#include <algorithm>
#include <type_traits>
#include <vector>

#include "cuda/library/chain_weights.hpp"
#include "cuda/library/filter_kernels.hpp"

namespace ortho::cuda {

/** The filter, with alpha in it, and of recurrent chains W behind it, so that both are one matrix [2N, N]. */
template <class T> class ChainWeights<T, FilterCell> final : public Weights {
public:
    /** Vectors [N] of a sample that a step's products with states and inputs make. */
    static constexpr int64_t product_vectors = 2;
    static constexpr int64_t drive_vectors = 1;

    /** @param keeps_all  the parameters that are not stacked are copied, too, so that the caller's need not stay */
    ChainWeights(Device& owner, const ChainParameters& given, bool keeps_all)
        : Weights(owner, given), n_(given.hidden_size), d_(given.input_size),
          layers_(std::max<int64_t>(given.layers, 1)), recurrent_(given.model == ORTHO_RECURRENT),
          keeps_all_(keeps_all), beta_(device.memory, size_of(2 * n_), "beta and b") {
        std::vector<T> beta(static_cast<size_t>(n_));
        for (int64_t i = 0; i < n_; ++i)
            beta[static_cast<size_t>(i)] = static_cast<T>(given.beta[i]);
        upload(device, beta_.as<T>(), beta);
        if (given.structured)
            upload_permutations(given);
        else
            upload_matrices(given);
        if (keeps_all && d_ > 0)
            input_weights_ = DeviceMemory(device.memory, size_of(n_ * d_), "the weights of inputs");
        if (keeps_all && !recurrent_) {
            layer_weights_ = DeviceMemory(device.memory, checked_product("the weights", {layers_, n_, n_, size_of(1)}),
                                          "the weights");
            layer_bias_ = DeviceMemory(device.memory, size_of(layers_ * n_), "the biases");
        }
    }

    ~ChainWeights() override {
        // Work may still be using what is about to be freed, also on other streams, on which a caller replays what was
        // captured.
        static_cast<void>(cudaDeviceSynchronize());
    }

    void prepare(const void* weights, const void* input_weights, const void* bias) override {
        load({static_cast<const T*>(weights), static_cast<const T*>(input_weights), static_cast<const T*>(bias)});
    }

    /** Copies what is kept of a caller's parameters, on the device's stream. */
    void load(const ParameterAddresses<T>& source) {
        if (recurrent_) {
            copy_on_device(device, weights_copy(), source.weights, size_of(n_ * n_));
            copy_on_device(device, bias_copy(), source.bias, size_of(n_));
        } else if (keeps_all_) {
            copy_on_device(device, layer_weights_.data(), source.weights, layer_weights_.bytes());
            copy_on_device(device, layer_bias_.data(), source.bias, layer_bias_.bytes());
        }
        if (keeps_all_)
            copy_on_device(device, input_weights_.data(), source.input_weights, input_weights_.bytes());
    }

    /** Where a chain reads the parameters, if a call is given these. */
    ParameterAddresses<T> addresses(const ParameterAddresses<T>& given) const {
        return {recurrent_   ? weights_copy()
                : keeps_all_ ? layer_weights_.as<T>()
                             : given.weights,
                keeps_all_ ? input_weights_.as<T>() : given.input_weights,
                recurrent_   ? bias_copy()
                : keeps_all_ ? layer_bias_.as<T>()
                             : given.bias};
    }

    FilterCell cell() const { return {static_cast<Nonlinearity>(parameters.activation)}; }

    /** Whether a step reads the state of other units beside multiplying it. */
    bool reads_other_units() const { return parameters.structured; }

    /** A structured filter of a layer, or its transpose; null where it is a matrix. */
    ScaledPermutation<T> permutation(int64_t layer, bool transposed) const {
        if (!parameters.structured)
            return {nullptr, nullptr};
        const int64_t at = (parameters.filter_per_layer ? layer * 2 * n_ : 0) + (transposed ? n_ : 0);
        return {sources_.as<int32_t>() + at, scales_.as<T>() + at};
    }

    /** alpha O of a layer, [N, N]. */
    const T* filter(int64_t layer) const {
        return filters_.as<T>() + (parameters.filter_per_layer ? layer * n_ * n_ : 0);
    }

    const T* beta() const { return beta_.as<T>(); }

    /** W and b of a layer, of what addresses() returned. */
    const T* weights(int64_t layer, const ParameterAddresses<T>& all) const {
        return all.weights + (recurrent_ ? 0 : layer * n_ * n_);
    }
    const T* bias(int64_t layer, const ParameterAddresses<T>& all) const {
        return all.bias + (recurrent_ ? 0 : layer * n_);
    }

    /** Whether alpha O and W are multiplied as one matrix. */
    bool stacked() const {
        return recurrent_ && !parameters.structured &&
               (std::is_same_v<T, double> || device.filter_precision == device.matrix_precision);
    }

    /** alpha O x, unless the filter is structured, and W x, side by side: products [rows, 2N] of states [rows, N]. */
    void multiply_states(int64_t rows, int64_t layer, const ParameterAddresses<T>& all, const T* states,
                         T* products) const {
        if (stacked()) {
            multiply<T>(device, device.matrix_precision, {rows, 2 * n_, n_}, {states, n_}, {filter(layer), n_, true},
                        false, {products, 2 * n_});
            return;
        }
        if (!parameters.structured)
            multiply<T>(device, device.filter_precision, {rows, n_, n_}, {states, n_}, {filter(layer), n_, true}, false,
                        {products, 2 * n_});
        multiply<T>(device, device.matrix_precision, {rows, n_, n_}, {states, n_}, {weights(layer, all), n_, true},
                    false, {products + n_, 2 * n_});
    }

    /** V u: [rows, N], which lie `stride` apart, of inputs [rows, D], which there are. */
    void multiply_inputs(int64_t rows, const ParameterAddresses<T>& all, const T* inputs, T* drive,
                         int64_t stride) const {
        multiply<T>(device, device.matrix_precision, {rows, n_, d_}, {inputs, d_}, {all.input_weights, d_, true}, false,
                    {drive, stride});
    }

private:
    static constexpr int64_t size_of(int64_t elements) { return elements * static_cast<int64_t>(sizeof(T)); }

    /** Makes alpha O, behind which a stacked chain has room for W. */
    void upload_matrices(const ChainParameters& given) {
        const int64_t matrices = given.filter_per_layer ? given.layers : 1;
        const int64_t matrix = checked_product("the filters", {n_, n_});
        filters_ = DeviceMemory(device.memory,
                                checked_product("the filters", {matrices + (recurrent_ ? 1 : 0), matrix, size_of(1)}),
                                "the filters");
        require_available(matrix * static_cast<int64_t>(sizeof(double) + sizeof(T)), "drawing the filters");
        std::vector<double> drawn(static_cast<size_t>(matrix));
        std::vector<T> scaled(static_cast<size_t>(matrix));
        for (int64_t layer = 0; layer < matrices; ++layer) {
            Failure failure{};
            if (const auto status = given.read_matrix(given.context, layer, drawn.data(), &failure); status != ORTHO_OK)
                throw failure.error(status);
            for (int64_t i = 0; i < matrix; ++i)
                scaled[static_cast<size_t>(i)] = static_cast<T>(given.alpha[i / n_] * drawn[static_cast<size_t>(i)]);
            upload(device, filters_.as<T>() + layer * matrix, scaled);
        }
    }

    void upload_permutations(const ChainParameters& given) {
        const int64_t layers = given.filter_per_layer ? given.layers : 1;
        const int64_t count = checked_product("the filters", {layers, 2 * n_});
        sources_ = DeviceMemory(device.memory, count * static_cast<int64_t>(sizeof(int32_t)), "the filters");
        scales_ = DeviceMemory(device.memory, size_of(count), "the filters");
        if (recurrent_)
            filters_ = DeviceMemory(device.memory, size_of(n_ * n_), "the weights");
        const auto units = static_cast<size_t>(n_);
        std::vector<int32_t> drawn(units), source(2 * units);
        std::vector<double> sign(units);
        std::vector<T> scale(2 * units);
        for (int64_t layer = 0; layer < layers; ++layer) {
            Failure failure{};
            if (const auto status = given.read_permutation(given.context, layer, drawn.data(), sign.data(), &failure);
                status != ORTHO_OK)
                throw failure.error(status);
            for (size_t i = 0; i < units; ++i) {
                const auto from = static_cast<size_t>(drawn[i]);
                const T factor = static_cast<T>(given.alpha[i] * sign[i]);
                source[i] = drawn[i];
                scale[i] = factor;
                source[units + from] = static_cast<int32_t>(i);
                scale[units + from] = factor;
            }
            upload(device, sources_.as<int32_t>() + layer * 2 * n_, source);
            upload(device, scales_.as<T>() + layer * 2 * n_, scale);
        }
    }

    T* weights_copy() const { return filters_.as<T>() + (parameters.structured ? 0 : n_ * n_); }
    T* bias_copy() const { return beta_.as<T>() + n_; }

    const int64_t n_;
    const int64_t d_;
    const int64_t layers_;
    const bool recurrent_;
    const bool keeps_all_;
    DeviceMemory beta_;    // [N], then b of a recurrent chain
    DeviceMemory filters_; // alpha O: [1 or L, N, N], then W of a recurrent chain
    DeviceMemory sources_; // [1 or L, 2, N]: forward and transposed
    DeviceMemory scales_;
    DeviceMemory input_weights_; // V, where all is kept
    DeviceMemory layer_weights_; // W and b of a feedforward chain, where all is kept
    DeviceMemory layer_bias_;
};

} // namespace ortho::cuda
