#include "cpu/chain/chain.hpp"

#include <utility>

#include "core/check.hpp"
#include "core/dtype.hpp"
#include "cpu/chain/cpu_chain.hpp"
#include "cpu/chain/prepared.hpp"

namespace ortho::cpu {

namespace {

FilterCell cell_of(const ChainSpec& spec) {
    return {static_cast<Nonlinearity>(spec.activation)};
}

} // namespace

std::unique_ptr<ortho_chain> make_chain(CpuDevice& device, ChainSpec spec) {
    const FilterCell cell = cell_of(spec);
    return dispatch(spec.dtype, [&]<class T>(T*) -> std::unique_ptr<ortho_chain> {
        if (spec.recurrent())
            return std::make_unique<CpuChain<T, FilterCell, RecurrentOrder>>(device, std::move(spec), cell);
        return std::make_unique<CpuChain<T, FilterCell, LayerOrder>>(device, std::move(spec), cell);
    });
}

ortho_weights* make_weights(CpuDevice& device, ChainSpec spec) {
    const FilterCell cell = cell_of(spec);
    return dispatch(spec.dtype, [&]<class T>(T*) -> ortho_weights* {
        return new CpuWeights<T, FilterCell>(device, std::move(spec), cell);
    });
}

} // namespace ortho::cpu
