#pragma once

#include "orthonative/orthonative.h"

namespace ortho {

/** The highest instruction set that this processor and this build have. */
ortho_instruction_set best_instruction_set() noexcept;

/**
 * The instruction set that the kernels use: the best one, or what the environment variable ORTHONATIVE_CPU names.
 * The first call that succeeds decides for the life of the process.
 * @throws Error ORTHO_NOT_SUPPORTED if ORTHONATIVE_CPU names one that is unknown or higher than the best one
 */
ortho_instruction_set active_instruction_set();

} // namespace ortho
