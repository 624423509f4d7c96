#include <array>
#include <atomic>
#include <cinttypes>
#include <cmath>

#include "core/dtype.hpp"
#include "core/error.hpp"
#include "cpu/flat.hpp"
#include "cpu/leaf_blocks.hpp"
#include "model/losses.hpp"

namespace ortho::cpu {
namespace {

/**
 * Calls counted(begin, end) for rows of the call that count, and skipped(begin, end) for those that do not. A run of
 * rows ends with the step, unless there is one leaf and all rows count.
 * @param samples  of the call
 * @param range    rows of these samples, counted from the first one: all samples of a step, then those of the next
 */
template <class Counted, class Skipped>
void for_each_run(const LossRows& rows, Span samples, Span range, Counted&& counted, Skipped&& skipped) {
    const bool all_count = rows.lengths == nullptr && rows.weights == nullptr;
    if (all_count && samples.size() == rows.part.batch) {
        counted(range.begin, range.end); // the only leaf, whose rows follow each other
        return;
    }
    for_each_step(samples, range, [&](int64_t step, int64_t begin, int64_t end) {
        const int64_t first_row = step * rows.batch;
        if (all_count) {
            counted(first_row + begin, first_row + end);
            return;
        }
        const auto is_counted = [&](int64_t sample) {
            return (rows.lengths == nullptr || step < rows.lengths[sample]) &&
                   (rows.weights == nullptr || loss_weight(rows.weights[first_row + sample]) > 0);
        };
        while (begin < end) {
            const bool counts = is_counted(begin);
            int64_t next = begin + 1;
            while (next < end && is_counted(next) == counts)
                ++next;
            if (counts)
                counted(first_row + begin, first_row + next);
            else
                skipped(first_row + begin, first_row + next);
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
 * @param skipped  skipped(begin, end) is called for rows that do not count
 * @param total    total(state) is what the rows of a block add
 */
template <class State, class Counted, class Skipped, class Total>
LeafLosses sum_rows(CpuDevice& device, const LossRows& rows, int64_t row_elements, Counted&& counted, Skipped&& skipped,
                    Total&& total) {
    const LeafBlocks blocks(rows.part, rows.steps, std::max<int64_t>(1, flat_block / row_elements), row_elements);
    auto workspace = device.workspace();
    auto* const sums = static_cast<LossSum*>(
        workspace.reserve(blocks.count() * static_cast<int64_t>(sizeof(LossSum)), "scratch for partial sums"));
    blocks.for_each(device.pool, [&](int64_t block, Span samples, Span range) {
        State state{};
        for_each_run(
            rows, samples, range, [&](int64_t first_row, int64_t last_row) { counted(state, first_row, last_row); },
            skipped);
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

/**
 * @param all_good  all_good(values, count) tells whether all values may stay
 * @param is_good   the same of one value
 * @return index of the first value in rows that count that may not, -1 if there is none
 */
template <class T, class AllGood, class IsGood>
int64_t first_bad(CpuDevice& device, const LossRows& rows, int64_t row_elements, const T* values, AllGood&& all_good,
                  IsGood&& is_good) {
    const int64_t count = rows.steps * rows.batch;
    std::atomic<bool> found{false};
    const auto check = [&](int64_t begin, int64_t end) {
        if (!all_good(values + begin, end - begin))
            found.store(true, std::memory_order_relaxed);
    };
    const auto for_each_counted = [&](int64_t begin, int64_t end, auto&& body) {
        for_each_run(
            rows, {0, rows.batch}, {begin, end},
            [&](int64_t first, int64_t last) { body(first * row_elements, last * row_elements); },
            [](int64_t, int64_t) {});
    };
    if (rows.lengths == nullptr && rows.weights == nullptr)
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
        const T* const at = std::find_if_not(values + begin, values + end, is_good);
        if (at != values + end)
            index = at - values;
    });
    return index;
}

template <class T>
int64_t first_not_finite(CpuDevice& device, const LossRows& rows, int64_t row_elements, const T* values) {
    return first_bad(device, rows, row_elements, values, device.kernels.of<T>().vector.all_finite,
                     [](T value) { return std::isfinite(value); });
}

template <class T>
void require_finite(CpuDevice& device, const char* name, const LossRows& rows, int64_t row_elements, const T* values) {
    if (const int64_t index = first_not_finite(device, rows, row_elements, values); index >= 0)
        fail(ORTHO_NOT_FINITE, Argument{name, index}, "is %s; it must be finite", NumberText(values[index]).c_str());
}

/** Finite values are probabilities. */
template <class T>
void require_probabilities(CpuDevice& device, const char* name, const LossRows& rows, int64_t row_elements,
                           const T* values) {
    const auto is_probability = [](T value) { return value >= 0 && value <= 1; };
    const int64_t index = first_bad(
        device, rows, row_elements, values,
        [&](const T* some, int64_t count) { return std::all_of(some, some + count, is_probability); }, is_probability);
    if (index >= 0)
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range(name, index), "is %s; it must be from 0 to 1",
             NumberText(values[index]).c_str());
}

/** The gradient in rows that do not count. */
template <class T> auto clearing(T* gradients, int64_t row_elements) {
    return [=](int64_t begin, int64_t end) {
        if (gradients != nullptr)
            std::fill(gradients + begin * row_elements, gradients + end * row_elements, T{0});
    };
}

/** The mean, or the partial sums. @param mean_of  weight of the rows or elements */
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
    const SoftmaxProblem<T> problem{1 / mean_of,          classes,   call.label_smoothing, logits,
                                    call.targets,         gradients, call.rows.weights,    call.class_weights,
                                    call.class_weight_sum};
    const auto& kernels = device.kernels.of<T>().vector;
    const auto kernel = call.rows.weights == nullptr && call.class_weights == nullptr
                            ? kernels.softmax_cross_entropy
                            : kernels.weighted_softmax_cross_entropy;
    LeafLosses leaves = sum_rows<LossSum>(
        device, call.rows, classes, [&](LossSum& sum, int64_t begin, int64_t end) { kernel(problem, begin, end, sum); },
        clearing(gradients, classes), [](const LossSum& sum) { return sum; });
    if (call.loss != nullptr)
        write_loss(call.rows.part, leaves, mean_of, call.loss);
    if (call.correct != nullptr)
        *call.correct = leaves.correct;
}

template <class T> void elementwise_loss(CpuDevice& device, const ElementwiseLoss& call) {
    const int64_t units = call.units;
    const int64_t row_targets = call.kind == ORTHO_LOSS_QUANTILE ? units / call.parameter_count : units;
    const auto* predictions = static_cast<const T*>(call.predictions);
    const auto* targets = static_cast<const T*>(call.targets);
    auto* gradients = static_cast<T*>(call.gradients);
    require_finite(device, "predictions", call.rows, units, predictions);
    require_finite(device, "targets", call.rows, row_targets, targets);
    if (call.kind == ORTHO_LOSS_BINARY_CROSS_ENTROPY)
        require_probabilities(device, "targets", call.rows, row_targets, targets);
    const double mean_of = call.rows.part.weight * static_cast<double>(units);
    const auto& kernels = device.kernels.of<T>().vector;
    const auto sum = [&](auto&& counted) {
        return sum_rows<RunningSums>(device, call.rows, units, counted, clearing(gradients, units),
                                     [](const RunningSums& sums) {
                                         return LossSum{sums.total(), 0};
                                     });
    };
    LeafLosses leaves;
    if (call.kind == ORTHO_LOSS_SQUARED_ERROR && call.rows.weights == nullptr) {
        const T factor = static_cast<T>(2 / mean_of);
        leaves = sum([&](RunningSums& sums, int64_t begin, int64_t end) {
            const int64_t first = begin * units;
            kernels.squared_error(predictions + first, targets + first, (end - begin) * units, factor,
                                  gradients != nullptr ? gradients + first : nullptr, sums);
        });
    } else {
        const ElementwiseProblem<T> problem{
            call.kind,   call.parameters, call.parameter_count, 1 / mean_of, units, row_targets,
            predictions, targets,         call.rows.weights,    gradients};
        leaves = sum([&](RunningSums& sums, int64_t begin, int64_t end) {
            kernels.elementwise_loss(problem, begin, end, sums);
        });
    }
    if (call.loss != nullptr)
        write_loss(call.rows.part, leaves, mean_of, call.loss);
}

} // namespace

void run(CpuDevice& device, const SoftmaxCrossEntropy& call) {
    const FlushSubnormals flush;
    dispatch(call.dtype, [&]<class T>(T*) { softmax_cross_entropy<T>(device, call); });
}

void run(CpuDevice& device, const ElementwiseLoss& call) {
    const FlushSubnormals flush;
    dispatch(call.dtype, [&]<class T>(T*) { elementwise_loss<T>(device, call); });
}

} // namespace ortho::cpu
