#include "cpu/chain/chain.hpp"

#include <utility>

#include "cpu/chain/cpu_chain.hpp"

namespace ortho::cpu {

namespace {

template <class T> std::unique_ptr<ortho_chain> make_chain_of(CpuDevice& device, ChainSpec spec) {
    const FilterCell cell{static_cast<Nonlinearity>(spec.activation)};
    if (spec.recurrent())
        return std::make_unique<CpuChain<T, FilterCell, RecurrentOrder>>(device, std::move(spec), cell);
    return std::make_unique<CpuChain<T, FilterCell, LayerOrder>>(device, std::move(spec), cell);
}

} // namespace

std::unique_ptr<ortho_chain> make_chain(CpuDevice& device, ChainSpec spec) {
    if (spec.dtype == ORTHO_FLOAT32)
        return make_chain_of<float>(device, std::move(spec));
    return make_chain_of<double>(device, std::move(spec));
}

} // namespace ortho::cpu
