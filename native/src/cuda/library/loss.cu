#include <algorithm>

#include "cuda/library/math.hpp"
#include "cuda/library/operations.hpp"
#include "cuda/library/reductions.hpp"
#include "model/arithmetic.hpp"
#include "model/losses.hpp"

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
    const float* weights;   // on the device, [steps, batch]; null: all are 1
    int64_t leaves;
    int64_t leaf_begin[Leaves::most + 1]; // samples of the call

    __device__ __forceinline__ int64_t count() const { return steps * batch; }
    __device__ __forceinline__ bool is_within_length(int64_t step, int64_t sample) const {
        return lengths == nullptr || step < lengths[sample];
    }
    /** 0: the row does not count. */
    __device__ __forceinline__ double weight(int64_t step, int64_t sample) const {
        if (!is_within_length(step, sample))
            return 0;
        return weights == nullptr ? 1.0 : loss_weight(weights[step * batch + sample]);
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
    double per_row; // 1 over the weight of the rows of which the mean is taken
    int64_t classes;
    double label_smoothing;
    const T* logits;
    const int32_t* targets;
    T* gradients; // null: not wanted
    RowLoss* row_losses;
    const float* class_weights; // on the device; null: 1
    double class_weight_sum;

    __device__ __forceinline__ double class_weight(int64_t j) const {
        return class_weights == nullptr ? 1.0 : loss_weight(class_weights[j]);
    }
};

/** One warp for each row. @tparam weighted  rows, classes or both have weights */
template <class T, bool weighted> __global__ void softmax_kernel(Rows rows, SoftmaxProblem<T> problem, Report* report) {
    const int lane = static_cast<int>(threadIdx.x) % warp_size;
    const int64_t classes = problem.classes;
    const double smoothing = problem.label_smoothing / static_cast<double>(classes);
    const double at_target = 1 - problem.label_smoothing;
    const double per_row = problem.per_row;
    for (int64_t row = flat_index() / warp_size; row < rows.count(); row += flat_stride() / warp_size) {
        const int64_t step = row / rows.batch, sample = row % rows.batch;
        const double weight = weighted ? rows.weight(step, sample) : 1;
        if (weighted ? weight == 0 : !rows.is_within_length(step, sample)) {
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
            const double distance = static_cast<double>(logits[j]) - static_cast<double>(largest);
            if constexpr (weighted) {
                const double of_class = problem.class_weight(j);
                distances += of_class > 0 ? of_class * distance : 0;
            } else {
                distances += distance;
            }
        }
        exponentials = sum_over_warp(exponentials);
        // An infinite sum (of values at the end of float64's range) counts only where it is wanted.
        distances = smoothing > 0 ? sum_over_warp(distances) : 0;
        const int64_t target = problem.targets[row];
        if constexpr (weighted) {
            // The loss is the sum over the classes c of w_c q_c (-log p_c), and its gradient p_j (sum of all w_c q_c)
            // - w_j q_j, with q the target distribution.
            const double at_weighted_target = at_target * problem.class_weight(target);
            const double all = at_weighted_target + smoothing * problem.class_weight_sum;
            if (lane == 0) {
                double loss = all * log(exponentials) - smoothing * distances;
                if (at_weighted_target > 0)
                    loss -= at_weighted_target * (static_cast<double>(logits[target]) - static_cast<double>(largest));
                problem.row_losses[row] = {weight * loss, first == target ? 1 : 0};
            }
            if (problem.gradients != nullptr) {
                const double factor = per_row * weight * all / exponentials;
                const double offset = per_row * weight * smoothing;
                for (int64_t j = lane; j < classes; j += warp_size) {
                    const auto power = static_cast<double>(CudaMath::exponential(logits[j] - largest));
                    T gradient = static_cast<T>(power * factor - offset * problem.class_weight(j));
                    if (j == target)
                        gradient -= static_cast<T>(per_row * weight * at_weighted_target);
                    problem.gradients[row * classes + j] = gradient;
                }
            }
        } else {
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
        if (!rows.is_within_length(place.step, place.sample)) {
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

template <class T> struct ElementwiseProblem {
    int64_t units;
    int64_t row_targets; // targets of a row
    const T* predictions;
    const T* targets;
    double per_element; // 1 over the weight of the elements of which the mean is taken
    T* gradients;       // null: not wanted
};

/** The same for any loss, with weights or without. */
template <class T, class Loss>
__global__ void elementwise_kernel(Rows rows, Loss loss, ElementwiseProblem<T> problem, double* partial,
                                   Report* report) {
    const int64_t leaf = blockIdx.y;
    sum_block_of(rows.leaf_size(leaf, problem.units), partial + leaf * gridDim.x, [&](int64_t position) {
        const Place place(rows, leaf, problem.units, position);
        const int64_t row = place.step * rows.batch + place.sample;
        const int64_t i = row * problem.units + place.column;
        const double weight = rows.weight(place.step, place.sample);
        if (weight == 0) {
            if (problem.gradients != nullptr)
                problem.gradients[i] = T(0);
            return 0.0;
        }
        const int64_t target_index = row * problem.row_targets + loss.target_of(place.column);
        const auto prediction = static_cast<double>(problem.predictions[i]);
        const auto target = static_cast<double>(problem.targets[target_index]);
        if (!(prediction - prediction == 0))
            report_not_finite(report, Checked::predictions, i);
        if (!(target - target == 0))
            report_not_finite(report, Checked::targets, target_index);
        if (problem.gradients != nullptr)
            problem.gradients[i] =
                static_cast<T>(loss.gradient(problem.per_element * weight, prediction, target, place.column));
        return weight * loss.value(prediction, target, place.column);
    });
}

/** One block for each leaf. */
__global__ void leaves_of_blocks_kernel(const double* partial, int64_t blocks, Report* report) {
    const double sum = sum_of(partial + blockIdx.x * blocks, blocks);
    if (threadIdx.x == 0)
        report->leaf_losses[blockIdx.x] = sum;
}

/** Bytes of an array, up to the next place where any type may lie. */
int64_t aligned(int64_t bytes) {
    constexpr int64_t alignment = sizeof(double);
    return (bytes + alignment - 1) / alignment * alignment;
}

int64_t length_bytes(const LossRows& rows) {
    return rows.lengths == nullptr ? 0 : aligned(rows.batch * static_cast<int64_t>(sizeof(int32_t)));
}

int64_t weight_bytes(const LossRows& rows) {
    return rows.weights == nullptr ? 0 : aligned(rows.steps * rows.batch * static_cast<int64_t>(sizeof(float)));
}

/** What rows_on_device() needs. */
int64_t row_bytes(const LossRows& rows) {
    return length_bytes(rows) + weight_bytes(rows);
}

/** @param room  row_bytes() on the device */
Rows rows_on_device(Device& device, const LossRows& call, char* room) {
    Rows rows{call.steps, call.batch, nullptr, nullptr, 0, {}};
    const Span held = call.part.held();
    for (int64_t leaf = held.begin; leaf < held.end; ++leaf)
        rows.leaf_begin[rows.leaves++] = call.part.rows_of(leaf).begin;
    rows.leaf_begin[rows.leaves] = call.batch;
    if (call.lengths != nullptr) {
        copy_to_device(device, room, call.lengths, call.batch * static_cast<int64_t>(sizeof *call.lengths));
        rows.lengths = reinterpret_cast<const int32_t*>(room);
    }
    if (call.weights != nullptr) {
        room += length_bytes(call);
        copy_to_device(device, room, call.weights,
                       call.steps * call.batch * static_cast<int64_t>(sizeof *call.weights));
        rows.weights = reinterpret_cast<const float*>(room);
    }
    return rows;
}

void refuse_captured_rows(const Device& device, const LossRows& rows) {
    refuse_captured_lengths(device, rows.lengths);
    refuse_captured(device, "row_weights", rows.weights);
}

LaunchShape leaf_shape(const Rows& rows) {
    LaunchShape shape = total_shape();
    shape.grid = dim3(static_cast<unsigned>(rows.leaves));
    return shape;
}

/** The mean, or the partial sums, of what the report has. @param mean_of  weight of the rows or elements */
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
    refuse_captured_rows(device, call.rows);
    refuse_captured(device, "class_weights", call.class_weights);
    const bool weighted = call.rows.weights != nullptr || call.class_weights != nullptr;
    const int64_t count = call.rows.steps * call.rows.batch;
    const int64_t loss_bytes = count * static_cast<int64_t>(sizeof(RowLoss));
    const int64_t target_bytes = aligned(count * static_cast<int64_t>(sizeof(int32_t)));
    const int64_t class_bytes =
        call.class_weights == nullptr ? 0 : call.classes * static_cast<int64_t>(sizeof *call.class_weights);
    char* const scratch = device.scratch<char>(loss_bytes + target_bytes + row_bytes(call.rows) + class_bytes);
    auto* const row_losses = reinterpret_cast<RowLoss*>(scratch);
    auto* const targets = reinterpret_cast<int32_t*>(scratch + loss_bytes);
    char* const room = scratch + loss_bytes + target_bytes;
    auto* const class_weights = reinterpret_cast<float*>(room + row_bytes(call.rows));
    copy_to_device(device, targets, call.targets, count * static_cast<int64_t>(sizeof *targets));
    const Rows rows = rows_on_device(device, call.rows, room);
    if (class_bytes > 0)
        copy_to_device(device, class_weights, call.class_weights, class_bytes);
    const auto mean_of = call.rows.part.weight;
    const SoftmaxProblem<T> problem{1 / mean_of,
                                    call.classes,
                                    call.label_smoothing,
                                    static_cast<const T*>(call.logits),
                                    targets,
                                    static_cast<T*>(call.gradients),
                                    row_losses,
                                    class_bytes > 0 ? class_weights : nullptr,
                                    call.class_weight_sum};
    launch("softmax_cross_entropy", weighted ? softmax_kernel<T, true> : softmax_kernel<T, false>,
           flat_shape(count * warp_size), device.stream, rows, problem, device.report());
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

template <class T> void elementwise_loss(Device& device, const ElementwiseLoss& call) {
    refuse_captured_rows(device, call.rows);
    refuse_captured(device, "parameters", call.parameters);
    int64_t most_samples = 0;
    const Span held = call.rows.part.held();
    for (int64_t leaf = held.begin; leaf < held.end; ++leaf)
        most_samples = std::max(most_samples, call.rows.part.rows_of(leaf).size());
    LaunchShape shape = sum_shape(call.rows.steps * most_samples * call.units);
    shape.grid.y = static_cast<unsigned>(held.size());
    const int64_t blocks = shape.grid.x;
    const int64_t partial_bytes = blocks * held.size() * static_cast<int64_t>(sizeof(double));
    const int64_t parameter_bytes = call.parameter_count * static_cast<int64_t>(sizeof(double));
    char* const scratch = device.scratch<char>(partial_bytes + parameter_bytes + row_bytes(call.rows));
    auto* const partial = reinterpret_cast<double*>(scratch);
    auto* const parameters = reinterpret_cast<double*>(scratch + partial_bytes);
    if (call.parameter_count > 0)
        copy_to_device(device, parameters, call.parameters, parameter_bytes);
    const Rows rows = rows_on_device(device, call.rows, scratch + partial_bytes + parameter_bytes);
    const auto* predictions = static_cast<const T*>(call.predictions);
    const auto* targets = static_cast<const T*>(call.targets);
    auto* gradients = static_cast<T*>(call.gradients);
    const double mean_of = call.rows.part.weight * static_cast<double>(call.units);
    if (call.kind == ORTHO_LOSS_SQUARED_ERROR && rows.weights == nullptr) {
        launch("squared_error", squared_error_kernel<T>, shape, device.stream, rows, call.units, predictions, targets,
               static_cast<T>(2 / mean_of), gradients, partial, device.report());
    } else {
        const int64_t row_targets = call.kind == ORTHO_LOSS_QUANTILE ? call.units / call.parameter_count : call.units;
        const ElementwiseProblem<T> problem{call.units, row_targets, predictions, targets, 1 / mean_of, gradients};
        with_loss(call.kind, call.parameters, call.parameter_count, call.parameter_count > 0 ? parameters : nullptr,
                  [&](auto loss) {
                      launch("elementwise_loss", elementwise_kernel<T, decltype(loss)>, shape, device.stream, rows,
                             loss, problem, partial, device.report());
                  });
    }
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

void run(Device& device, const ElementwiseLoss& call) {
    dispatch(call.dtype, [&](auto* type) { elementwise_loss<Pointee<decltype(type)>>(device, call); });
}

} // namespace ortho::cuda
