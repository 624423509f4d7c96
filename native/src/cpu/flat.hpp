#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/device.hpp"

// Passes over flat buffers, cut into blocks of a fixed size: what a block computes, and the order in which the blocks'
// sums are added, never depends on the number of threads.

namespace ortho::cpu {

constexpr int64_t flat_block = 16384;

/** Calls body(begin, end) for blocks of [0, count). */
template <class Body> void for_each_block(ThreadPool& pool, int64_t count, int64_t block, Body&& body) {
    for_each_task(pool, (count + block - 1) / block,
                  [&](int64_t task, int) { body(task * block, std::min(count, (task + 1) * block)); });
}

/** Sum of body(begin, end) over blocks of [0, count), from the first block to the last. */
template <class Sum, class Body> Sum sum_blocks(CpuDevice& device, int64_t count, int64_t block, Body&& body) {
    const int64_t blocks = (count + block - 1) / block;
    auto workspace = device.workspace();
    Sum* const sums =
        static_cast<Sum*>(workspace.reserve(blocks * static_cast<int64_t>(sizeof(Sum)), "scratch for partial sums"));
    for_each_block(device.pool, count, block,
                   [&](int64_t begin, int64_t end) { sums[begin / block] = body(begin, end); });
    Sum total{};
    for (int64_t i = 0; i < blocks; ++i)
        total += sums[i];
    return total;
}

} // namespace ortho::cpu
