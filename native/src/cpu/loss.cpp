#include <atomic>
#include <cinttypes>
#include <cmath>

#include "core/dtype.hpp"
#include "core/error.hpp"
#include "cpu/flat.hpp"

namespace ortho::cpu {
namespace {

struct CountedLoss {
    double loss = 0;
    int64_t correct = 0;

    CountedLoss& operator+=(const CountedLoss& other) {
        loss += other.loss;
        correct += other.correct;
        return *this;
    }
};

/** @return index of the first value that is NaN or infinite, -1 if there is none */
template <class T> int64_t first_not_finite(CpuDevice& device, const T* values, int64_t count) {
    std::atomic<bool> found{false};
    for_each_block(device.pool, count, flat_block, [&](int64_t begin, int64_t end) {
        if (!device.kernels.of<T>().vector.all_finite(values + begin, end - begin))
            found.store(true, std::memory_order_relaxed);
    });
    if (!found.load(std::memory_order_relaxed))
        return -1;
    return std::find_if(values, values + count, [](T value) { return !std::isfinite(value); }) - values;
}

template <class T> void require_finite(CpuDevice& device, const char* name, const T* values, int64_t count) {
    if (const int64_t index = first_not_finite(device, values, count); index >= 0)
        fail(ORTHO_NOT_FINITE, Argument{name, index}, "is %s; it must be finite", NumberText(values[index]).c_str());
}

template <class T> void softmax_cross_entropy(CpuDevice& device, const SoftmaxCrossEntropy& call) {
    if (call.rows.lengths || !call.rows.part.whole)
        fail(ORTHO_NOT_SUPPORTED, "lengths and parts of a batch are not supported yet");
    const int64_t rows = call.rows.steps * call.rows.batch, classes = call.classes;
    const auto* logits = static_cast<const T*>(call.logits);
    if (const int64_t index = first_not_finite(device, logits, rows * classes); index >= 0)
        fail(ORTHO_NOT_FINITE, Argument{"logits", index},
             "(row %" PRId64 ", class %" PRId64 ") is %s; it must be finite", index / classes, index % classes,
             NumberText(logits[index]).c_str());
    const SoftmaxProblem<T> problem{rows,   classes,      call.label_smoothing,
                                    logits, call.targets, static_cast<T*>(call.gradients)};
    const int64_t block_rows = std::max<int64_t>(1, flat_block / classes);
    const CountedLoss sum = sum_blocks<CountedLoss>(device, rows, block_rows, [&](int64_t begin, int64_t end) {
        const LossSum part = device.kernels.of<T>().vector.softmax_cross_entropy(problem, begin, end);
        return CountedLoss{part.loss, part.correct};
    });
    if (call.loss != nullptr)
        *call.loss = sum.loss / static_cast<double>(rows);
    if (call.correct != nullptr)
        *call.correct = sum.correct;
}

template <class T> void mean_squared_error(CpuDevice& device, const MeanSquaredError& call) {
    if (call.rows.lengths || !call.rows.part.whole)
        fail(ORTHO_NOT_SUPPORTED, "lengths and parts of a batch are not supported yet");
    const int64_t count = call.rows.steps * call.rows.batch * call.units;
    const auto* predictions = static_cast<const T*>(call.predictions);
    const auto* targets = static_cast<const T*>(call.targets);
    auto* gradients = static_cast<T*>(call.gradients);
    require_finite(device, "predictions", predictions, count);
    require_finite(device, "targets", targets, count);
    const T factor = static_cast<T>(2 / static_cast<double>(count));
    const double sum = sum_blocks<double>(device, count, flat_block, [&](int64_t begin, int64_t end) {
        return device.kernels.of<T>().vector.squared_error(predictions + begin, targets + begin, end - begin, factor,
                                                           gradients != nullptr ? gradients + begin : nullptr);
    });
    if (call.loss != nullptr)
        *call.loss = sum / static_cast<double>(count);
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
