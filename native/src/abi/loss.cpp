#include "abi/arrays.hpp"
#include "abi/batch.hpp"
#include "abi/guard.hpp"
#include "core/check.hpp"

using namespace ortho;

namespace {

LossRows check_rows(int64_t steps, int64_t batch, const int32_t* lengths, const float* row_weights,
                    const ortho_batch_part* part) {
    if (row_weights != nullptr)
        fail(ORTHO_NOT_SUPPORTED, Argument{"row_weights"}, "are given; they must be null");
    const int64_t counted = check::lengths(lengths, steps, batch);
    if (part == nullptr && counted == 0)
        fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("lengths"),
             "are all 0; at least one must be above 0, for the mean to have rows");
    // Lengths that are all T are none.
    return {steps, batch, counted < steps * batch ? lengths : nullptr,
            check::loss_part(part, batch, "batch", static_cast<double>(counted))};
}

} // namespace

ortho_status ortho_softmax_cross_entropy(ortho_device* device, int32_t dtype, int64_t steps, int64_t batch,
                                         const int32_t* lengths, const float* row_weights, const ortho_batch_part* part,
                                         int64_t classes, const float* class_weights, double label_smoothing,
                                         const void* logits, const int32_t* targets, double* loss, int64_t* correct,
                                         void* logit_gradients) {
    return guard([&] {
        check::null("class_weights", class_weights, "yet");
        check::device(device);
        check::dtype(dtype);
        check::range("classes", classes, 1, std::numeric_limits<int32_t>::max());
        check::rows(steps, batch, classes, "classes");
        check::half_open("label_smoothing", label_smoothing, 0, 1);
        const LossRows rows = check_rows(steps, batch, lengths, row_weights, part);
        const int64_t count = steps * batch;
        const check::Arrays arrays(*device, dtype);
        arrays.needed("logits", logits, count * classes);
        check::memory("targets", targets, count * static_cast<int64_t>(sizeof *targets));
        arrays.optional("logit_gradients", logit_gradients, count * classes);
        check::numbers("targets", targets, classes, steps, batch, rows.lengths);
        device->run(SoftmaxCrossEntropy{static_cast<ortho_dtype>(dtype), rows, classes, label_smoothing, logits,
                                        targets, logit_gradients, loss, correct});
    });
}

ortho_status ortho_elementwise_loss(ortho_device* device, int32_t dtype, int32_t kind, int64_t steps, int64_t batch,
                                    const int32_t* lengths, const float* row_weights, const ortho_batch_part* part,
                                    int64_t units, const double* parameters, int64_t parameter_count,
                                    const void* predictions, const void* targets, double* loss,
                                    void* prediction_gradients) {
    return guard([&] {
        check::range("kind", kind, ORTHO_LOSS_SQUARED_ERROR, ORTHO_LOSS_SQUARED_ERROR);
        check::null("parameters", parameters, "where there are none");
        check::range("parameter_count", parameter_count, 0, 0);
        check::device(device);
        check::dtype(dtype);
        check::at_least("units", units, 1);
        check::rows(steps, batch, units, "units");
        const LossRows rows = check_rows(steps, batch, lengths, row_weights, part);
        const int64_t count = steps * batch * units;
        const check::Arrays arrays(*device, dtype);
        arrays.needed("predictions", predictions, count);
        arrays.needed("targets", targets, count);
        arrays.optional("prediction_gradients", prediction_gradients, count);
        device->run(MeanSquaredError{static_cast<ortho_dtype>(dtype), rows, units, predictions, targets,
                                     prediction_gradients, loss});
    });
}
