// What chains read at each step, on a GPU: the parameters, and what else a cell multiplies or adds.
#pragma once

#include <vector>

#include "cuda/library/chain.hpp"
#include "cuda/library/products.hpp"

namespace ortho::cuda {

/** Parameters of a chain, on the device: as a caller gives them, or as the steps of a cell read them. */
template <class T> struct ParameterAddresses {
    const T* weights;       // W: [G N, N] recurrent, [L, N, N] feedforward
    const T* input_weights; // V: [G N, D]; null where D is 0
    const T* bias;          // b: [G N] or [2, G N] recurrent, [L, N] feedforward
};

/**
 * Of any number of chains and streams. What these read from here lies at addresses that do not change, so captured
 * loops stay valid when the parameters are others. One class for filter cells, filter_weights.hpp, and one for all
 * cells of gates, gate_weights.hpp.
 */
template <class T, class Cell> class ChainWeights;

/** Copies values to an address on the device. */
template <class Value> void upload(Device& device, Value* to, const std::vector<Value>& values) {
    copy_to_device(device, to, values.data(), static_cast<int64_t>(values.size() * sizeof(Value)));
}

} // namespace ortho::cuda
