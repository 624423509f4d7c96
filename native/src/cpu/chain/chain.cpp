#include "cpu/chain/chain.hpp"

#include <utility>

#include "cpu/chain/cpu_chain.hpp"
#include "cpu/chain/prepared.hpp"

namespace ortho::cpu {

namespace {

/** Calls body with the numbers that a checked dtype names: body(Float32()) or body(Float64()). */
template <class Body> auto with_numbers(ortho_dtype dtype, Body&& body) {
    return dtype == ORTHO_FLOAT32 ? body(Float32()) : body(Float64());
}

FilterCell cell_of(const ChainSpec& spec) {
    return {static_cast<Nonlinearity>(spec.activation)};
}

} // namespace

std::unique_ptr<ortho_chain> make_chain(CpuDevice& device, ChainSpec spec) {
    const FilterCell cell = cell_of(spec);
    return with_numbers(spec.dtype, [&]<class Num>(Num) -> std::unique_ptr<ortho_chain> {
        if (spec.recurrent())
            return std::make_unique<CpuChain<Num, FilterCell, RecurrentOrder>>(device, std::move(spec), cell);
        return std::make_unique<CpuChain<Num, FilterCell, LayerOrder>>(device, std::move(spec), cell);
    });
}

ortho_weights* make_weights(CpuDevice& device, ChainSpec spec) {
    const FilterCell cell = cell_of(spec);
    return with_numbers(spec.dtype, [&]<class Num>(Num) -> ortho_weights* {
        return new CpuWeights<Num, FilterCell>(device, std::move(spec), cell);
    });
}

} // namespace ortho::cpu
