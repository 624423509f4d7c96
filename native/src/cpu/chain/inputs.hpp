// Inputs of a recurrent chain in the order of its rows.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#include "core/memory.hpp"
#include "cpu/chain/rows.hpp"

namespace ortho::cpu {

/**
 * The caller's inputs where rows are samples, otherwise a copy of what lies within the lengths, [steps, batch, D].
 * Products read the inputs of several rows together, so these must lie a fixed distance apart.
 */
template <class T> class RowInputs {
public:
    explicit RowInputs(int64_t inputs) : d_(inputs) {}

    /**
     * What a call needs instead of the memory that there is; nothing where that is enough.
     * @param in_use  backward may still want what the memory holds
     */
    Memory memory_beyond(const BatchRows& rows, int64_t batch, bool in_use) {
        if (!rows.varied() || d_ == 0)
            return Memory();
        constexpr const char* what = "inputs in the order of their lengths";
        const int64_t bytes = checked_product(what, {rows.steps(), batch, d_, static_cast<int64_t>(sizeof(T))});
        if (bytes <= memory_.bytes())
            return Memory();
        // First, so that both need not fit at once.
        if (!in_use)
            memory_ = Memory();
        return Memory(bytes, what);
    }
    void use(Memory grown, int64_t batch) noexcept {
        if (grown.bytes() > 0)
            memory_ = std::move(grown);
        batch_ = batch;
    }

    /** Copies the inputs of a step. */
    void copy(const BatchRows& rows, const T* inputs, int64_t step) noexcept {
        T* const to = memory_.template as<T>() + step * batch_ * d_;
        const T* const from = inputs + step * batch_ * d_;
        for (const Span& range : rows.taking({0, batch_}, step))
            for (int64_t row = range.begin; row < range.end; ++row) {
                const T* const sample = from + sample_of(rows.order(), row) * d_;
                if (d_ == 1)
                    to[row] = *sample;
                else
                    std::memcpy(to + row * d_, sample, static_cast<size_t>(d_) * sizeof(T));
            }
    }

    /** u of a step, [batch, D]. @param inputs  the caller's */
    const T* of(const BatchRows& rows, const T* inputs, int64_t step) const {
        return (rows.varied() && d_ > 0 ? memory_.template as<T>() : inputs) + step * batch_ * d_;
    }

private:
    const int64_t d_;
    int64_t batch_ = 0;
    Memory memory_;
};

} // namespace ortho::cpu
