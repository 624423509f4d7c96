#include <array>
#include <atomic>
#include <cinttypes>
#include <cmath>

#include "core/dtype.hpp"
#include "core/error.hpp"
#include "cpu/flat.hpp"
#include "cpu/leaf_blocks.hpp"

namespace ortho::cpu {
namespace {

/**
 * Calls counted(begin, end) for rows of the call that count, and padding(begin, end) for those that do not. A run of
 * rows ends with the step, unless there is one leaf and no lengths.
 * @param samples  of the call
 * @param range    rows of these samples, counted from the first one: all samples of a step, then those of the next
 */
template <class Counted, class Padding>
void for_each_run(const LossRows& rows, Span samples, Span range, Counted&& counted, Padding&& padding) {
    if (rows.lengths == nullptr && samples.size() == rows.part.batch) {
        counted(range.begin, range.end); // the only leaf, whose rows follow each other
        return;
    }
    for_each_step(samples, range, [&](int64_t step, int64_t begin, int64_t end) {
        const int64_t first_row = step * rows.batch;
        if (rows.lengths == nullptr) {
            counted(first_row + begin, first_row + end);
            return;
        }
        while (begin < end) {
            const bool counts = step < rows.lengths[begin];
            int64_t next = begin + 1;
            while (next < end && (step < rows.lengths[next]) == counts)
                ++next;
            if (counts)
                counted(first_row + begin, first_row + next);
            else
                padding(first_row + begin, first_row + next);
            begin = next;
        }
    });
}

/** What the leaves of a call add to a loss. */
struct LeafLosses {
    std::array<double, Leaves::most> losses{};
    int64_t correct = 0;
};

/**
 * Sums the rows of a call, on the device's threads. Blocks are cut by the size of a row alone.
 * @param row_elements  of a row
 * @param counted  counted(state, begin, end) adds rows to the state of a block
 * @param padding  padding(begin, end) is called for rows that do not count
 * @param total    total(state) is what the rows of a block add
 */
template <class State, class Counted, class Padding, class Total>
LeafLosses sum_rows(CpuDevice& device, const LossRows& rows, int64_t row_elements, Counted&& counted, Padding&& padding,
                    Total&& total) {
    const LeafBlocks blocks(rows.part, rows.steps, std::max<int64_t>(1, flat_block / row_elements), row_elements);
    auto workspace = device.workspace();
    auto* const sums = static_cast<LossSum*>(
        workspace.reserve(blocks.count() * static_cast<int64_t>(sizeof(LossSum)), "scratch for partial sums"));
    blocks.for_each(device.pool, [&](int64_t block, Span samples, Span range) {
        State state{};
        for_each_run(
            rows, samples, range, [&](int64_t first_row, int64_t last_row) { counted(state, first_row, last_row); },
            padding);
        sums[block] = total(state);
    });
    LeafLosses result;
    for (int64_t leaf = 0; leaf < blocks.leaves(); ++leaf)
        for (int64_t block = blocks.of_leaf(leaf).begin; block < blocks.of_leaf(leaf).end; ++block) {
            result.losses[static_cast<size_t>(leaf)] += sums[block].loss;
            result.correct += sums[block].correct;
        }
    return result;
}

/** @return index of the first value in rows that count that is NaN or infinite, -1 if there is none */
template <class T>
int64_t first_not_finite(CpuDevice& device, const LossRows& rows, int64_t row_elements, const T* values) {
    const auto all_finite = device.kernels.of<T>().vector.all_finite;
    const int64_t count = rows.steps * rows.batch;
    std::atomic<bool> found{false};
    const auto check = [&](int64_t begin, int64_t end) {
        if (!all_finite(values + begin, end - begin))
            found.store(true, std::memory_order_relaxed);
    };
    const auto for_each_counted = [&](int64_t begin, int64_t end, auto&& body) {
        for_each_run(
            rows, {0, rows.batch}, {begin, end},
            [&](int64_t first, int64_t last) { body(first * row_elements, last * row_elements); },
            [](int64_t, int64_t) {});
    };
    if (rows.lengths == nullptr)
        for_each_block(device.pool, count * row_elements, flat_block, check);
    else
        for_each_block(device.pool, count, std::max<int64_t>(1, flat_block / row_elements),
                       [&](int64_t begin, int64_t end) { for_each_counted(begin, end, check); });
    if (!found.load(std::memory_order_relaxed))
        return -1;
    int64_t index = -1;
    for_each_counted(0, count, [&](int64_t begin, int64_t end) {
        if (index >= 0)
            return;
        const T* const at = std::find_if(values + begin, values + end, [](T value) { return !std::isfinite(value); });
        if (at != values + end)
            index = at - values;
    });
    return index;
}

template <class T>
void require_finite(CpuDevice& device, const char* name, const LossRows& rows, int64_t row_elements, const T* values) {
    if (const int64_t index = first_not_finite(device, rows, row_elements, values); index >= 0)
        fail(ORTHO_NOT_FINITE, Argument{name, index}, "is %s; it must be finite", NumberText(values[index]).c_str());
}

/** The gradient in rows that do not count. */
template <class T> auto clearing(T* gradients, int64_t row_elements) {
    return [=](int64_t begin, int64_t end) {
        if (gradients != nullptr)
            std::fill(gradients + begin * row_elements, gradients + end * row_elements, T{0});
    };
}

/** The mean, or the partial sums. @param mean_of  rows or elements */
void write_loss(const BatchPart& part, LeafLosses& leaves, double mean_of, double* loss) {
    part.fold(leaves.losses.data());
    if (part.whole)
        *loss = leaves.losses[0] / mean_of;
    else
        std::copy_n(leaves.losses.data(), part.sums().count(), loss);
}

template <class T> void softmax_cross_entropy(CpuDevice& device, const SoftmaxCrossEntropy& call) {
    const int64_t classes = call.classes;
    const auto* logits = static_cast<const T*>(call.logits);
    auto* gradients = static_cast<T*>(call.gradients);
    if (const int64_t index = first_not_finite(device, call.rows, classes, logits); index >= 0)
        fail(ORTHO_NOT_FINITE, Argument{"logits", index},
             "(row %" PRId64 ", class %" PRId64 ") is %s; it must be finite", index / classes, index % classes,
             NumberText(logits[index]).c_str());
    const auto mean_of = call.rows.part.weight;
    const SoftmaxProblem<T> problem{1 / mean_of, classes, call.label_smoothing, logits, call.targets, gradients};
    const auto kernel = device.kernels.of<T>().vector.softmax_cross_entropy;
    LeafLosses leaves = sum_rows<LossSum>(
        device, call.rows, classes, [&](LossSum& sum, int64_t begin, int64_t end) { kernel(problem, begin, end, sum); },
        clearing(gradients, classes), [](const LossSum& sum) { return sum; });
    if (call.loss != nullptr)
        write_loss(call.rows.part, leaves, mean_of, call.loss);
    if (call.correct != nullptr)
        *call.correct = leaves.correct;
}

template <class T> void mean_squared_error(CpuDevice& device, const MeanSquaredError& call) {
    const int64_t units = call.units;
    const auto* predictions = static_cast<const T*>(call.predictions);
    const auto* targets = static_cast<const T*>(call.targets);
    auto* gradients = static_cast<T*>(call.gradients);
    require_finite(device, "predictions", call.rows, units, predictions);
    require_finite(device, "targets", call.rows, units, targets);
    const double mean_of = call.rows.part.weight * static_cast<double>(units);
    const T factor = static_cast<T>(2 / mean_of);
    const auto kernel = device.kernels.of<T>().vector.squared_error;
    LeafLosses leaves = sum_rows<RunningSums>(
        device, call.rows, units,
        [&](RunningSums& sums, int64_t begin, int64_t end) {
            const int64_t first = begin * units;
            kernel(predictions + first, targets + first, (end - begin) * units, factor,
                   gradients != nullptr ? gradients + first : nullptr, sums);
        },
        clearing(gradients, units),
        [](const RunningSums& sums) {
            return LossSum{sums.total(), 0};
        });
    if (call.loss != nullptr)
        write_loss(call.rows.part, leaves, mean_of, call.loss);
}

} // namespace

void run(CpuDevice& device, const SoftmaxCrossEntropy& call) {
    const FlushSubnormals flush;
    dispatch(call.dtype, [&]<class T>(T*) { softmax_cross_entropy<T>(device, call); });
}

void run(CpuDevice& device, const MeanSquaredError& call) {
    const FlushSubnormals flush;
    dispatch(call.dtype, [&]<class T>(T*) { mean_squared_error<T>(device, call); });
}

} // namespace ortho::cpu
