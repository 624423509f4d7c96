#include "cuda/library/operations.hpp"
#include "cuda/library/reductions.hpp"
#include "model/arithmetic.hpp"

namespace ortho::cuda {
namespace {

/** What a row adds to the loss. */
struct RowLoss {
    double loss;
    long long correct;
};

template <class T> struct SoftmaxProblem {
    int64_t rows;
    int64_t classes;
    double label_smoothing;
    const T* logits;
    const int32_t* targets;
    T* gradients; // null: not wanted
    RowLoss* row_losses;
};

__device__ __forceinline__ double sum_over_warp(double value) {
    for (int distance = warp_size / 2; distance > 0; distance /= 2)
        value += __shfl_xor_sync(whole_warp, value, distance);
    return value;
}

__device__ __forceinline__ float exponential(float x) {
    return expf(x);
}
__device__ __forceinline__ double exponential(double x) {
    return exp(x);
}

/** One warp for each row. */
template <class T> __global__ void softmax_kernel(SoftmaxProblem<T> problem, Report* report) {
    const int lane = static_cast<int>(threadIdx.x) % warp_size;
    const int64_t classes = problem.classes;
    const double smoothing = problem.label_smoothing / static_cast<double>(classes);
    const double at_target = 1 - problem.label_smoothing;
    const double per_row = 1 / static_cast<double>(problem.rows);
    for (int64_t row = flat_index() / warp_size; row < problem.rows; row += flat_stride() / warp_size) {
        const T* const logits = problem.logits + row * classes;
        // The largest logit, and where it stands first; the lanes of a warp agree on it.
        T largest = logits[0];
        int64_t first = 0;
        for (int64_t j = lane; j < classes; j += warp_size) {
            if (!(logits[j] - logits[j] == T(0)))
                report_not_finite(report, Checked::logits, row * classes + j);
            if (logits[j] > largest) {
                largest = logits[j];
                first = j;
            }
        }
        for (int distance = warp_size / 2; distance > 0; distance /= 2) {
            const T other = __shfl_xor_sync(whole_warp, largest, distance);
            const auto at = static_cast<int64_t>(__shfl_xor_sync(whole_warp, static_cast<long long>(first), distance));
            if (other > largest || (other == largest && at < first)) {
                largest = other;
                first = at;
            }
        }
        double exponentials = 0;
        double distances = 0;
        for (int64_t j = lane; j < classes; j += warp_size) {
            exponentials += static_cast<double>(exponential(logits[j] - largest));
            distances += static_cast<double>(logits[j]) - static_cast<double>(largest);
        }
        exponentials = sum_over_warp(exponentials);
        // An infinite sum (of values at the end of float64's range) counts only where it is wanted.
        distances = smoothing > 0 ? sum_over_warp(distances) : 0;
        const int64_t target = problem.targets[row];
        if (lane == 0) {
            const double target_distance = static_cast<double>(logits[target]) - static_cast<double>(largest);
            problem.row_losses[row] = {log(exponentials) - at_target * target_distance - smoothing * distances,
                                       first == target ? 1 : 0};
        }
        if (problem.gradients != nullptr) {
            T* const gradients = problem.gradients + row * classes;
            const T factor = static_cast<T>(per_row / exponentials);
            const T offset = static_cast<T>(per_row * smoothing);
            for (int64_t j = lane; j < classes; j += warp_size) {
                T gradient = exponential(logits[j] - largest) * factor - offset;
                if (j == target)
                    gradient -= static_cast<T>(per_row * at_target);
                gradients[j] = gradient;
            }
        }
    }
}

__global__ void total_of_rows_kernel(int64_t rows, const RowLoss* row_losses, Report* report) {
    double loss = 0;
    double correct = 0; // exact up to 2^53 rows
    for (int64_t i = threadIdx.x; i < rows; i += blockDim.x) {
        loss += row_losses[i].loss;
        correct += static_cast<double>(row_losses[i].correct);
    }
    double* const shared = shared_memory<double>();
    loss = sum_over_block(loss, shared);
    correct = sum_over_block(correct, shared);
    if (threadIdx.x == 0) {
        report->value = loss / static_cast<double>(rows);
        report->count = static_cast<long long>(correct);
    }
}

template <class T>
__global__ void squared_error_kernel(int64_t count, const T* predictions, const T* targets, T factor, T* gradients,
                                     double* partial, Report* report) {
    sum_block_of(count, partial, [&](int64_t i) {
        const T prediction = predictions[i];
        const T target = targets[i];
        if (!(prediction - prediction == T(0)))
            report_not_finite(report, Checked::predictions, i);
        if (!(target - target == T(0)))
            report_not_finite(report, Checked::targets, i);
        if (gradients != nullptr)
            gradients[i] = squared_error_gradient(factor, prediction, target);
        const double error = static_cast<double>(prediction) - static_cast<double>(target);
        return error * error;
    });
}

__global__ void mean_kernel(const double* partial, int64_t parts, int64_t count, Report* report) {
    const double sum = sum_of(partial, parts);
    if (threadIdx.x == 0)
        report->value = sum / static_cast<double>(count);
}

template <class T> void softmax_cross_entropy(Device& device, const SoftmaxCrossEntropy& call) {
    // Rows' losses first, since they are the larger type.
    const int64_t loss_bytes = call.rows.steps * call.rows.batch * static_cast<int64_t>(sizeof(RowLoss));
    const int64_t target_bytes = call.rows.steps * call.rows.batch * static_cast<int64_t>(sizeof(int32_t));
    char* const scratch = device.scratch<char>(loss_bytes + target_bytes);
    auto* const row_losses = reinterpret_cast<RowLoss*>(scratch);
    auto* const targets = reinterpret_cast<int32_t*>(scratch + loss_bytes);
    copy_to_device(device, targets, call.targets, target_bytes);
    const SoftmaxProblem<T> problem{call.rows.steps * call.rows.batch,
                                    call.classes,
                                    call.label_smoothing,
                                    static_cast<const T*>(call.logits),
                                    targets,
                                    static_cast<T*>(call.gradients),
                                    row_losses};
    launch("softmax_cross_entropy", softmax_kernel<T>, flat_shape(call.rows.steps * call.rows.batch * warp_size), device.stream, problem,
           device.report());
    if (call.loss == nullptr && call.correct == nullptr)
        return;
    launch("total_of_rows", total_of_rows_kernel, total_shape(), device.stream, call.rows.steps * call.rows.batch, row_losses, device.report());
    device.wait();
    if (call.loss != nullptr)
        *call.loss = device.result().value;
    if (call.correct != nullptr)
        *call.correct = device.result().count;
}

template <class T> void mean_squared_error(Device& device, const MeanSquaredError& call) {
    const LaunchShape shape = sum_shape((call.rows.steps * call.rows.batch * call.units));
    double* const partial = device.scratch<double>(shape.grid.x);
    launch("squared_error", squared_error_kernel<T>, shape, device.stream, (call.rows.steps * call.rows.batch * call.units),
           static_cast<const T*>(call.predictions), static_cast<const T*>(call.targets),
           static_cast<T>(2 / static_cast<double>((call.rows.steps * call.rows.batch * call.units))), static_cast<T*>(call.gradients), partial,
           device.report());
    if (call.loss == nullptr)
        return;
    launch("mean", mean_kernel, total_shape(), device.stream, partial, static_cast<int64_t>(shape.grid.x), (call.rows.steps * call.rows.batch * call.units),
           device.report());
    device.wait();
    *call.loss = device.result().value;
}

} // namespace

void run(Device& device, const SoftmaxCrossEntropy& call) {
    dispatch(call.dtype, [&](auto* type) { softmax_cross_entropy<Pointee<decltype(type)>>(device, call); });
}

void run(Device& device, const MeanSquaredError& call) {
    dispatch(call.dtype, [&](auto* type) { mean_squared_error<Pointee<decltype(type)>>(device, call); });
}

} // namespace ortho::cuda
