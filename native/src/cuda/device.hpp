// CUDA devices, as the core sees them: everything is done by the library orthonative_cuda, which is loaded when the
// first one is asked for.
#pragma once

#include "model/device.hpp"
#include "model/plugin.hpp"

namespace ortho::cuda {

/**
 * Makes a device.
 * @throws Error ORTHO_NOT_SUPPORTED if the library, the driver or the GPU is missing
 */
ortho_device* make_device(const ortho_device_options& options);

/**
 * Loads the library at the first call that finds it.
 * @throws Error ORTHO_NOT_SUPPORTED if it is missing, or belongs to another version
 */
const plugin::Table& table();

} // namespace ortho::cuda
