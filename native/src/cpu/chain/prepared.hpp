// Prepared weights on the CPU: all layers packed.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>

#include "cpu/chain/cpu_chain.hpp"
#include "cpu/chain/streams.hpp"
#include "cpu/device.hpp"
#include "model/weights.hpp"

namespace ortho::cpu {

template <class Num, class Cell> class CpuWeights final : public ortho_weights {
public:
    using T = StateOf<Num>;

    CpuWeights(CpuDevice& owner, ChainSpec chain_spec, Cell cell)
        : ortho_weights(owner, std::move(chain_spec)), cpu_(owner), cell_(cell),
          packed_(spec, owner.kernels.template chain<Num>(), Packed::all_layers) {}

    std::unique_ptr<ortho_chain> make_chain() override {
        if constexpr (!CellOfGates<Cell>)
            if (!spec.recurrent())
                return std::make_unique<CpuChain<Num, Cell, LayerOrder>>(cpu_, *this, packed_, cell_);
        return std::make_unique<CpuChain<Num, Cell, RecurrentOrder>>(cpu_, *this, packed_, cell_);
    }

    std::unique_ptr<ortho_streams> make_streams(int64_t count) override {
        return std::make_unique<CpuStreams<Num, Cell>>(cpu_, *this, packed_, cell_, count);
    }

private:
    ~CpuWeights() override = default;

    void prepare_forward(const WeightsSource& source) override {
        const int64_t tiles = packed_.forward_tiles();
        for_each_tile(tiles, [&](int64_t layer, Span tile) {
            packed_.pack_forward(tile, layer, static_cast<const T*>(source.weights));
            if (layer == 0)
                packed_.pack_inputs(tile, static_cast<const T*>(source.input_weights));
            if (tile.begin == 0)
                packed_.copy_bias(layer, static_cast<const T*>(source.bias));
        });
    }

    void prepare_backward(const WeightsSource& source) override {
        for_each_tile(packed_.backward_tiles(), [&](int64_t layer, Span tile) {
            packed_.pack_backward(tile, layer, static_cast<const T*>(source.weights));
        });
        packed_.pack_inputs_transposed(static_cast<const T*>(source.input_weights));
    }

    /**
     * Calls body(layer, tile) for the tiles of all layers: on the threads of the device where that is worth it, unless
     * another call has them. All calls on the weights are refused meanwhile, so nothing long is waited for.
     */
    template <class Body> void for_each_tile(int64_t tiles, Body&& body) {
        const int64_t tasks = std::max<int64_t>(1, spec.layers) * tiles;
        const auto run = [&](int64_t task) { body(task / tiles, Span{task % tiles, task % tiles + 1}); };
        // Elements that take as long to pack as it takes to wake a thread.
        constexpr int64_t least = int64_t{1} << 17;
        if (spec.hidden_size * spec.hidden_size * std::max<int64_t>(1, spec.layers) < least)
            for (int64_t task = 0; task < tasks; ++task)
                run(task);
        else
            for_each_task(
                cpu_.pool, tasks, [&](int64_t task, int) { run(task); }, IfBusy::work_alone);
    }

    CpuDevice& cpu_;
    const Cell cell_;
    CellWeights<Num, Cell> packed_;
};

} // namespace ortho::cpu
