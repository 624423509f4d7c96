#include <algorithm>

#include "cuda/library/math.hpp"
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

/** The rows of a call and its leaves, for kernels. */
struct Rows {
    int64_t steps;
    int64_t batch;
    const int32_t* lengths; // on the device; null: all are steps
    int64_t leaves;
    int64_t leaf_begin[Leaves::most + 1]; // samples of the call

    __device__ __forceinline__ int64_t count() const { return steps * batch; }
    __device__ __forceinline__ bool is_counted(int64_t step, int64_t sample) const {
        return lengths == nullptr || step < lengths[sample];
    }
    /** Elements of a leaf, `columns` in a row. */
    __device__ __forceinline__ int64_t leaf_size(int64_t leaf, int64_t columns) const {
        return steps * (leaf_begin[leaf + 1] - leaf_begin[leaf]) * columns;
    }
};

/** A place in a leaf: all samples of a step, then those of the next. */
struct Place {
    int64_t step;
    int64_t sample;
    int64_t column;

    __device__ __forceinline__ Place(const Rows& rows, int64_t leaf, int64_t columns, int64_t i) {
        const int64_t samples = rows.leaf_begin[leaf + 1] - rows.leaf_begin[leaf];
        const int64_t row = columns == 1 ? i : i / columns;
        column = i - row * columns;
        step = rows.steps == 1 ? 0 : row / samples;
        sample = rows.leaf_begin[leaf] + row - step * samples;
    }
};

template <class T> struct SoftmaxProblem {
    double per_row; // 1 over the rows of which the mean is taken
    int64_t classes;
    double label_smoothing;
    const T* logits;
    const int32_t* targets;
    T* gradients; // null: not wanted
    RowLoss* row_losses;
};

/** One warp for each row. */
template <class T> __global__ void softmax_kernel(Rows rows, SoftmaxProblem<T> problem, Report* report) {
    const int lane = static_cast<int>(threadIdx.x) % warp_size;
    const int64_t classes = problem.classes;
    const double smoothing = problem.label_smoothing / static_cast<double>(classes);
    const double at_target = 1 - problem.label_smoothing;
    const double per_row = problem.per_row;
    for (int64_t row = flat_index() / warp_size; row < rows.count(); row += flat_stride() / warp_size) {
        if (!rows.is_counted(row / rows.batch, row % rows.batch)) {
            if (lane == 0)
                problem.row_losses[row] = {0, 0};
            if (problem.gradients != nullptr)
                for (int64_t j = lane; j < classes; j += warp_size)
                    problem.gradients[row * classes + j] = T(0);
            continue;
        }
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
            exponentials += static_cast<double>(CudaMath::exponential(logits[j] - largest));
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
                T gradient = CudaMath::exponential(logits[j] - largest) * factor - offset;
                if (j == target)
                    gradient -= static_cast<T>(per_row * at_target);
                gradients[j] = gradient;
            }
        }
    }
}

/** One block for each leaf. */
__global__ void leaves_of_rows_kernel(Rows rows, const RowLoss* row_losses, Report* report) {
    const int64_t leaf = blockIdx.x;
    double loss = 0;
    double correct = 0; // exact up to 2^53 rows
    for (int64_t i = threadIdx.x; i < rows.leaf_size(leaf, 1); i += blockDim.x) {
        const Place place(rows, leaf, 1, i);
        const RowLoss& row = row_losses[place.step * rows.batch + place.sample];
        loss += row.loss;
        correct += static_cast<double>(row.correct);
    }
    double* const shared = shared_memory<double>();
    loss = sum_over_block(loss, shared);
    correct = sum_over_block(correct, shared);
    if (threadIdx.x == 0) {
        report->leaf_losses[leaf] = loss;
        report->leaf_correct[leaf] = static_cast<long long>(correct);
    }
}

/** blockIdx.y is the leaf; partial: [leaves, blocks]. */
template <class T>
__global__ void squared_error_kernel(Rows rows, int64_t units, const T* predictions, const T* targets, T factor,
                                     T* gradients, double* partial, Report* report) {
    const int64_t leaf = blockIdx.y;
    sum_block_of(rows.leaf_size(leaf, units), partial + leaf * gridDim.x, [&](int64_t position) {
        const Place place(rows, leaf, units, position);
        const int64_t i = (place.step * rows.batch + place.sample) * units + place.column;
        if (!rows.is_counted(place.step, place.sample)) {
            if (gradients != nullptr)
                gradients[i] = T(0);
            return 0.0;
        }
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

/** One block for each leaf. */
__global__ void leaves_of_blocks_kernel(const double* partial, int64_t blocks, Report* report) {
    const double sum = sum_of(partial + blockIdx.x * blocks, blocks);
    if (threadIdx.x == 0)
        report->leaf_losses[blockIdx.x] = sum;
}

/** @param lengths  room for them on the device, where they are given */
Rows rows_on_device(Device& device, const LossRows& call, int32_t* lengths) {
    Rows rows{call.steps, call.batch, nullptr, 0, {}};
    const Span held = call.part.held();
    for (int64_t leaf = held.begin; leaf < held.end; ++leaf)
        rows.leaf_begin[rows.leaves++] = call.part.rows_of(leaf).begin;
    rows.leaf_begin[rows.leaves] = call.batch;
    if (call.lengths != nullptr) {
        copy_to_device(device, lengths, call.lengths, call.batch * static_cast<int64_t>(sizeof *lengths));
        rows.lengths = lengths;
    }
    return rows;
}

int64_t length_bytes(const LossRows& rows) {
    return rows.lengths == nullptr ? 0 : rows.batch * static_cast<int64_t>(sizeof(int32_t));
}

LaunchShape leaf_shape(const Rows& rows) {
    LaunchShape shape = total_shape();
    shape.grid = dim3(static_cast<unsigned>(rows.leaves));
    return shape;
}

/** The mean, or the partial sums, of what the report has. @param mean_of  rows or elements */
void write_loss(const Report& report, const BatchPart& part, double mean_of, double* loss) {
    double sums[Leaves::most];
    std::copy_n(report.leaf_losses, Leaves::most, sums);
    part.fold(sums);
    if (part.whole)
        *loss = sums[0] / mean_of;
    else
        std::copy_n(sums, part.sums().count(), loss);
}

template <class T> void softmax_cross_entropy(Device& device, const SoftmaxCrossEntropy& call) {
    refuse_captured_lengths(device, call.rows.lengths);
    const int64_t count = call.rows.steps * call.rows.batch;
    // Rows' losses first, since they are the largest type.
    const int64_t loss_bytes = count * static_cast<int64_t>(sizeof(RowLoss));
    const int64_t target_bytes = count * static_cast<int64_t>(sizeof(int32_t));
    char* const scratch = device.scratch<char>(loss_bytes + target_bytes + length_bytes(call.rows));
    auto* const row_losses = reinterpret_cast<RowLoss*>(scratch);
    auto* const targets = reinterpret_cast<int32_t*>(scratch + loss_bytes);
    copy_to_device(device, targets, call.targets, target_bytes);
    const Rows rows = rows_on_device(device, call.rows, targets + count);
    const auto mean_of = call.rows.part.weight;
    const SoftmaxProblem<T> problem{1 / mean_of,
                                    call.classes,
                                    call.label_smoothing,
                                    static_cast<const T*>(call.logits),
                                    targets,
                                    static_cast<T*>(call.gradients),
                                    row_losses};
    launch("softmax_cross_entropy", softmax_kernel<T>, flat_shape(count * warp_size), device.stream, rows, problem,
           device.report());
    if (call.loss == nullptr && call.correct == nullptr)
        return;
    launch("leaves_of_rows", leaves_of_rows_kernel, leaf_shape(rows), device.stream, rows, row_losses, device.report());
    device.wait();
    const Report& report = device.result();
    if (call.loss != nullptr)
        write_loss(report, call.rows.part, mean_of, call.loss);
    if (call.correct != nullptr) {
        *call.correct = 0;
        for (int64_t leaf = 0; leaf < rows.leaves; ++leaf)
            *call.correct += report.leaf_correct[leaf];
    }
}

template <class T> void mean_squared_error(Device& device, const MeanSquaredError& call) {
    refuse_captured_lengths(device, call.rows.lengths);
    int64_t most_samples = 0;
    const Span held = call.rows.part.held();
    for (int64_t leaf = held.begin; leaf < held.end; ++leaf)
        most_samples = std::max(most_samples, call.rows.part.rows_of(leaf).size());
    LaunchShape shape = sum_shape(call.rows.steps * most_samples * call.units);
    shape.grid.y = static_cast<unsigned>(held.size());
    const int64_t blocks = shape.grid.x;
    const int64_t partial_bytes = blocks * held.size() * static_cast<int64_t>(sizeof(double));
    char* const scratch = device.scratch<char>(partial_bytes + length_bytes(call.rows));
    auto* const partial = reinterpret_cast<double*>(scratch);
    const Rows rows = rows_on_device(device, call.rows, reinterpret_cast<int32_t*>(scratch + partial_bytes));
    const double mean_of = call.rows.part.weight * static_cast<double>(call.units);
    launch("squared_error", squared_error_kernel<T>, shape, device.stream, rows, call.units,
           static_cast<const T*>(call.predictions), static_cast<const T*>(call.targets), static_cast<T>(2 / mean_of),
           static_cast<T*>(call.gradients), partial, device.report());
    if (call.loss == nullptr)
        return;
    launch("leaves_of_blocks", leaves_of_blocks_kernel, leaf_shape(rows), device.stream, partial, blocks,
           device.report());
    device.wait();
    write_loss(device.result(), call.rows.part, mean_of, call.loss);
}

} // namespace

void run(Device& device, const SoftmaxCrossEntropy& call) {
    dispatch(call.dtype, [&](auto* type) { softmax_cross_entropy<Pointee<decltype(type)>>(device, call); });
}

void run(Device& device, const MeanSquaredError& call) {
    dispatch(call.dtype, [&](auto* type) { mean_squared_error<Pointee<decltype(type)>>(device, call); });
}

} // namespace ortho::cuda
