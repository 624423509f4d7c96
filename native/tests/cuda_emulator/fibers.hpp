// Runs the threads of blocks as fibers on the calling thread.
#pragma once

#include <cuda_runtime.h>

namespace ortho_cuda_emulator {

/** Runs a whole grid. Ends the process with a message if its threads wait for each other for ever. */
void run_grid(const Launch& launch);

} // namespace ortho_cuda_emulator
