#include "model/loss.hpp"

#include <atomic>
#include <cinttypes>
#include <cmath>

#include "core/error.hpp"
#include "model/flat.hpp"

namespace ortho {
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
template <class T> int64_t first_not_finite(ortho_device& device, const T* values, int64_t count) {
    std::atomic<bool> found{false};
    for_each_block(device.pool, count, flat_block, [&](int64_t begin, int64_t end) {
        if (!device.kernels.of<T>().vector.all_finite(values + begin, end - begin))
            found.store(true, std::memory_order_relaxed);
    });
    if (!found.load(std::memory_order_relaxed))
        return -1;
    return std::find_if(values, values + count, [](T value) { return !std::isfinite(value); }) - values;
}

template <class T> void require_finite(ortho_device& device, const char* name, const T* values, int64_t count) {
    if (const int64_t index = first_not_finite(device, values, count); index >= 0)
        fail(ORTHO_NOT_FINITE, "%s[%" PRId64 "] is %g; it must be finite", name, index,
             static_cast<double>(values[index]));
}

} // namespace

template <class T>
Loss softmax_cross_entropy(ortho_device& device, int64_t rows, int64_t classes, double label_smoothing, const T* logits,
                           const int32_t* targets, T* gradients) {
    for (int64_t i = 0; i < rows; ++i)
        if (targets[i] < 0 || targets[i] >= classes)
            fail(ORTHO_INVALID_ARGUMENT, "targets[%" PRId64 "] is %" PRId32 "; allowed are 0 to %" PRId64, i,
                 targets[i], classes - 1);
    if (const int64_t index = first_not_finite(device, logits, rows * classes); index >= 0)
        fail(ORTHO_NOT_FINITE, "logits[%" PRId64 ", %" PRId64 "] is %g; it must be finite", index / classes,
             index % classes, static_cast<double>(logits[index]));
    const cpu::SoftmaxProblem<T> problem{rows, classes, label_smoothing, logits, targets, gradients};
    const int64_t block_rows = std::max<int64_t>(1, flat_block / classes);
    const CountedLoss sum = sum_blocks<CountedLoss>(device, rows, block_rows, [&](int64_t begin, int64_t end) {
        const cpu::LossSum part = device.kernels.of<T>().vector.softmax_cross_entropy(problem, begin, end);
        return CountedLoss{part.loss, part.correct};
    });
    return {sum.loss / static_cast<double>(rows), sum.correct};
}

template <class T>
double mean_squared_error(ortho_device& device, int64_t count, const T* predictions, const T* targets, T* gradients) {
    require_finite(device, "predictions", predictions, count);
    require_finite(device, "targets", targets, count);
    const T factor = static_cast<T>(2 / static_cast<double>(count));
    const double sum = sum_blocks<double>(device, count, flat_block, [&](int64_t begin, int64_t end) {
        return device.kernels.of<T>().vector.squared_error(predictions + begin, targets + begin, end - begin, factor,
                                                           gradients != nullptr ? gradients + begin : nullptr);
    });
    return sum / static_cast<double>(count);
}

template Loss softmax_cross_entropy(ortho_device&, int64_t, int64_t, double, const float*, const int32_t*, float*);
template Loss softmax_cross_entropy(ortho_device&, int64_t, int64_t, double, const double*, const int32_t*, double*);
template double mean_squared_error(ortho_device&, int64_t, const float*, const float*, float*);
template double mean_squared_error(ortho_device&, int64_t, const double*, const double*, double*);

} // namespace ortho
