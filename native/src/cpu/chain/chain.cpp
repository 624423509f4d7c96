#include "cpu/chain/chain.hpp"

#include <utility>

#include "cpu/chain/cpu_chain.hpp"
#include "cpu/chain/filter_weights.hpp"
#include "cpu/chain/gate_weights.hpp"
#include "cpu/chain/prepared.hpp"

namespace ortho::cpu {

namespace {

/** Calls body with the numbers that a checked dtype names: body(Float32()) or body(Float64()). */
template <class Body> auto with_numbers(ortho_dtype dtype, Body&& body) {
    return dtype == ORTHO_FLOAT32 ? body(Float32()) : body(Float64());
}

/** The cell that a checked spec names. */
template <class Body> auto with_cell_of(const ChainSpec& spec, Body&& body) {
    return with_cell(spec.cell, [&]<class Cell>(Cell cell) {
        if constexpr (!CellOfGates<Cell>)
            cell.nonlinearity = static_cast<Nonlinearity>(spec.activation);
        return body(cell);
    });
}

} // namespace

std::unique_ptr<ortho_chain> make_chain(CpuDevice& device, ChainSpec spec) {
    return with_numbers(spec.dtype, [&]<class Num>(Num) {
        return with_cell_of(spec, [&]<class Cell>(Cell cell) -> std::unique_ptr<ortho_chain> {
            if constexpr (!CellOfGates<Cell>)
                if (!spec.recurrent())
                    return std::make_unique<CpuChain<Num, Cell, LayerOrder>>(device, std::move(spec), cell);
            return std::make_unique<CpuChain<Num, Cell, RecurrentOrder>>(device, std::move(spec), cell);
        });
    });
}

ortho_weights* make_weights(CpuDevice& device, ChainSpec spec) {
    return with_numbers(spec.dtype, [&]<class Num>(Num) {
        return with_cell_of(spec, [&]<class Cell>(Cell cell) -> ortho_weights* {
            return new CpuWeights<Num, Cell>(device, std::move(spec), cell);
        });
    });
}

} // namespace ortho::cpu
