#include "abi/arrays.hpp"
#include "abi/batch.hpp"
#include "abi/guard.hpp"
#include "core/check.hpp"
#include "model/losses.hpp"

using namespace ortho;

namespace {

/** Sum of term(row) over the rows within the lengths; null: all rows. */
template <class Term> double sum_of_rows(int64_t steps, int64_t batch, const int32_t* lengths, Term&& term) {
    double sum = 0;
    for (int64_t step = 0; step < steps; ++step)
        for (int64_t sample = 0; sample < batch; ++sample)
            if (lengths == nullptr || step < lengths[sample])
                sum += term(step * batch + sample);
    return sum;
}

double checked_weight(const char* name, const float* weights, int64_t i) {
    if (!(std::isfinite(weights[i]) && weights[i] >= 0))
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range(name, i), "is %s; it must be finite and not negative",
             NumberText(weights[i]).c_str());
    return loss_weight(weights[i]);
}

/** The rows of a call. @param weight  written: the sum of the weights of those that count */
LossRows check_rows(int64_t steps, int64_t batch, const int32_t* lengths, const float* row_weights,
                    const ortho_batch_part* part, double& weight) {
    const int64_t counted = check::lengths(lengths, steps, batch);
    if (part == nullptr && counted == 0)
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("lengths"),
             "are all 0; at least one must be above 0, for the mean to have rows");
    // Lengths that are all T are none.
    const int32_t* const shorter = counted < steps * batch ? lengths : nullptr;
    weight = static_cast<double>(counted);
    if (row_weights != nullptr) {
        check::memory("row_weights", row_weights, steps * batch * static_cast<int64_t>(sizeof *row_weights));
        weight = sum_of_rows(steps, batch, shorter,
                             [&](int64_t row) { return checked_weight("row_weights", row_weights, row); });
        if (part == nullptr && weight == 0)
            fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("row_weights"),
                 "are all 0; at least one must be above 0, for the mean to have rows");
    }
    return {steps, batch, shorter, row_weights, {}};
}

/**
 * The weight of the rows whose targets have been checked, where classes have weights.
 * @return the sum of the weights of the rows, each multiplied by that of its target
 */
double weight_by_class(const LossRows& rows, const int32_t* targets, const float* class_weights, bool is_part) {
    const double weight = sum_of_rows(rows.steps, rows.batch, rows.lengths, [&](int64_t row) {
        const double of_row = rows.weights == nullptr ? 1 : loss_weight(rows.weights[row]);
        return of_row > 0 ? of_row * loss_weight(class_weights[targets[row]]) : 0;
    });
    if (!is_part && weight == 0)
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("class_weights"),
             "are 0 for the targets of all rows; at least one must be above 0, for the mean to have a weight");
    return weight;
}

/** The parameters of a kind of loss. */
void check_parameters(int32_t kind, int64_t units, const double* parameters, int64_t count) {
    switch (kind) {
    case ORTHO_LOSS_HUBER:
        check::range("parameter_count", count, 1, 1);
        break;
    case ORTHO_LOSS_QUANTILE:
        check::range("parameter_count", count, 1, units);
        if (units % count != 0)
            fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("units"),
                 "is %" PRId64 "; it must be a multiple of %" PRId64 ", the number of quantiles", units, count);
        break;
    case ORTHO_LOSS_BINARY_CROSS_ENTROPY:
        if (count != 0)
            check::range("parameter_count", count, units, units);
        break;
    default:
        check::range("parameter_count", count, 0, 0);
    }
    if (count == 0) {
        check::null("parameters", parameters, "where there are none");
        return;
    }
    check::memory("parameters", parameters, count * static_cast<int64_t>(sizeof *parameters));
    for (int64_t i = 0; i < count; ++i) {
        const double value = parameters[i];
        const char* const required = kind == ORTHO_LOSS_QUANTILE
                                         ? (value > 0 && value < 1 ? nullptr : "above 0 and below 1")
                                     : !std::isfinite(value)    ? "finite"
                                     : kind == ORTHO_LOSS_HUBER ? (value > 0 ? nullptr : "above 0")
                                                                : (value >= 0 ? nullptr : "not negative");
        if (required != nullptr)
            fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("parameters", i), "is %s; it must be %s",
                 NumberText(value).c_str(), required);
    }
}

} // namespace

ortho_status ortho_softmax_cross_entropy(ortho_device* device, int32_t dtype, int64_t steps, int64_t batch,
                                         const int32_t* lengths, const float* row_weights, const ortho_batch_part* part,
                                         int64_t classes, const float* class_weights, double label_smoothing,
                                         const void* logits, const int32_t* targets, double* loss, int64_t* correct,
                                         void* logit_gradients) {
    return guard([&] {
        check::device(device);
        check::dtype(dtype);
        check::range("classes", classes, 1, std::numeric_limits<int32_t>::max());
        check::rows(steps, batch, classes, "classes");
        check::half_open("label_smoothing", label_smoothing, 0, 1);
        double weight = 0;
        LossRows rows = check_rows(steps, batch, lengths, row_weights, part, weight);
        const int64_t count = steps * batch;
        const check::Arrays arrays(*device, dtype);
        arrays.needed("logits", logits, count * classes);
        check::memory("targets", targets, count * static_cast<int64_t>(sizeof *targets));
        arrays.optional("logit_gradients", logit_gradients, count * classes);
        check::numbers("targets", targets, classes, steps, batch, rows.lengths, rows.weights);
        auto class_weight_sum = static_cast<double>(classes);
        if (class_weights != nullptr) {
            check::memory("class_weights", class_weights, classes * static_cast<int64_t>(sizeof *class_weights));
            class_weight_sum = 0;
            for (int64_t c = 0; c < classes; ++c)
                class_weight_sum += checked_weight("class_weights", class_weights, c);
            weight = weight_by_class(rows, targets, class_weights, part != nullptr);
        }
        rows.part = check::loss_part(part, batch, "batch", weight);
        device->run(SoftmaxCrossEntropy{static_cast<ortho_dtype>(dtype), rows, classes, class_weights, class_weight_sum,
                                        label_smoothing, logits, targets, logit_gradients, loss, correct});
    });
}

ortho_status ortho_elementwise_loss(ortho_device* device, int32_t dtype, int32_t kind, int64_t steps, int64_t batch,
                                    const int32_t* lengths, const float* row_weights, const ortho_batch_part* part,
                                    int64_t units, const double* parameters, int64_t parameter_count,
                                    const void* predictions, const void* targets, double* loss,
                                    void* prediction_gradients) {
    return guard([&] {
        check::device(device);
        check::dtype(dtype);
        check::range("kind", kind, ORTHO_LOSS_SQUARED_ERROR, ORTHO_LOSS_BINARY_CROSS_ENTROPY);
        check::at_least("units", units, 1);
        check::rows(steps, batch, units, "units");
        check_parameters(kind, units, parameters, parameter_count);
        double weight = 0;
        LossRows rows = check_rows(steps, batch, lengths, row_weights, part, weight);
        const int64_t count = steps * batch * units;
        const check::Arrays arrays(*device, dtype);
        arrays.needed("predictions", predictions, count);
        arrays.needed("targets", targets, kind == ORTHO_LOSS_QUANTILE ? count / parameter_count : count);
        arrays.optional("prediction_gradients", prediction_gradients, count);
        rows.part = check::loss_part(part, batch, "batch", weight);
        device->run(ElementwiseLoss{static_cast<ortho_dtype>(dtype), static_cast<ortho_loss_kind>(kind), rows, units,
                                    parameters, parameter_count, predictions, targets, prediction_gradients, loss});
    });
}
