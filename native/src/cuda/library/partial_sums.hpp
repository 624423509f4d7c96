// Sums that are added to others on the device.
#pragma once

#include "cuda/library/device.hpp"

namespace ortho::cuda {

/** into[i] += from[i] */
template <class T> void add(Device& device, int64_t count, T* into, const T* from);

} // namespace ortho::cuda
