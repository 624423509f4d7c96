// What chains of cells of gates read at each step, on a GPU.
#pragma once

#include "cuda/library/chain_weights.hpp"
#include "cuda/library/gate_kernels.hpp"

namespace ortho::cuda {

/** W in the order of a row's vectors (gate_columns.hpp), and what the biases add to each sum. */
template <class T, class Cell> class ChainWeights final : public Weights {
public:
    /** Vectors [N] of a sample that a step's products with states and inputs make. */
    static constexpr int64_t product_vectors = Cell::gates;
    static constexpr int64_t drive_vectors = Cell::gates;

    /** @param keeps_all  V is copied, too, so that the caller's need not stay */
    ChainWeights(Device& owner, const ChainParameters& given, bool keeps_all)
        : Weights(owner, given), n_(given.hidden_size), d_(given.input_size), keeps_all_(keeps_all),
          weights_(device.memory, checked_product("the weights", {Cell::gates, n_, n_, size_of(1)}), "the weights"),
          bias_(device.memory, size_of(Cell::sums * n_), "the biases") {
        if (keeps_all && d_ > 0)
            input_weights_ =
                DeviceMemory(device.memory, checked_product("the weights of inputs", {Cell::gates, n_, d_, size_of(1)}),
                             "the weights of inputs");
    }

    ~ChainWeights() override {
        // As those of filter cells.
        static_cast<void>(cudaDeviceSynchronize());
    }

    void prepare(const void* weights, const void* input_weights, const void* bias) override {
        load({static_cast<const T*>(weights), static_cast<const T*>(input_weights), static_cast<const T*>(bias)});
    }

    /** Copies what is kept of a caller's parameters, on the device's stream. */
    void load(const ParameterAddresses<T>& source) {
        const int64_t matrix = n_ * n_;
        for_weight_gates<Cell>([&](int64_t gate, int64_t vector, int64_t count) {
            copy_on_device(device, weights_.as<T>() + vector * matrix, source.weights + gate * matrix,
                           size_of(count * matrix));
        });
        launch("sum_biases", sum_biases_kernel<Cell, T>, flat_shape(n_), device.stream, n_, parameters.recurrent_bias,
               source.bias, bias_.as<T>());
        if (keeps_all_)
            copy_on_device(device, input_weights_.data(), source.input_weights, input_weights_.bytes());
    }

    /** Where a chain reads the parameters, if a call is given these. */
    ParameterAddresses<T> addresses(const ParameterAddresses<T>& given) const {
        return {weights_.as<T>(), keeps_all_ ? input_weights_.as<T>() : given.input_weights, bias_.as<T>()};
    }

    static constexpr bool reads_other_units() { return false; }

    /** W h: products [rows, G N] of states [rows, N]. */
    void multiply_states(int64_t rows, const ParameterAddresses<T>& all, const T* states, T* products) const {
        multiply<T>(device, device.matrix_precision, {rows, Cell::gates * n_, n_}, {states, n_},
                    {all.weights, n_, true}, false, {products, Cell::gates * n_});
    }

    /** V u: [rows, G N], which lie `stride` apart, of inputs [rows, D], which there are. */
    void multiply_inputs(int64_t rows, const ParameterAddresses<T>& all, const T* inputs, T* drive,
                         int64_t stride) const {
        multiply<T>(device, device.matrix_precision, {rows, Cell::gates * n_, d_}, {inputs, d_},
                    {all.input_weights, d_, true}, false, {drive, stride});
    }

private:
    static constexpr int64_t size_of(int64_t elements) { return elements * static_cast<int64_t>(sizeof(T)); }

    const int64_t n_;
    const int64_t d_;
    const bool keeps_all_;
    DeviceMemory weights_;       // [G N, N]
    DeviceMemory bias_;          // [sums, N]
    DeviceMemory input_weights_; // [G N, D], where all is kept
};

} // namespace ortho::cuda
