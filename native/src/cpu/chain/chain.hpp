// Chains and prepared weights on the CPU.
#pragma once

#include <memory>

#include "cpu/device.hpp"
#include "model/chain.hpp"

namespace ortho::cpu {

/** A chain with weights of its own. @throws Error */
std::unique_ptr<ortho_chain> make_chain(CpuDevice& device, ChainSpec spec);

/** The caller releases them. @throws Error */
ortho_weights* make_weights(CpuDevice& device, ChainSpec spec);

} // namespace ortho::cpu
