// Prepared weights on a device whose chains prepare theirs in each call: copies of the parameters, which the chains
// read.
#pragma once

#include "model/chain.hpp"

namespace ortho {

/** The caller releases it. @throws Error */
ortho_weights* make_copied_weights(ortho_device& device, ChainSpec spec);

} // namespace ortho
