// The kinds of numbers that a chain computes with.
#pragma once

namespace ortho {

/**
 * Storage: of packed weights. State: of states, of what is kept of a step, of gradients, and of all buffers of the C
 * interface. Sum: of the sums of products. Kernels load Storage as vectors of Sum.
 */
template <class StorageType, class StateType, class SumType> struct Numeric {
    using Storage = StorageType;
    using State = StateType;
    using Sum = SumType;
};

template <class Num> using StorageOf = typename Num::Storage;
template <class Num> using StateOf = typename Num::State;
template <class Num> using SumOf = typename Num::Sum;

using Float32 = Numeric<float, float, float>;
using Float64 = Numeric<double, double, double>;

} // namespace ortho
