#include "abi/arrays.hpp"
#include "abi/guard.hpp"
#include "core/check.hpp"

using namespace ortho;

ortho_status ortho_softmax_cross_entropy(ortho_device* device, int32_t dtype, int64_t rows, int64_t classes,
                                         double label_smoothing, const void* logits, const int32_t* targets,
                                         double* loss, int64_t* correct, void* logit_gradients) {
    return guard([&] {
        check::device(device);
        check::dtype(dtype);
        check::at_least("rows", rows, 1);
        check::range("classes", classes, 1, std::numeric_limits<int32_t>::max());
        check::addressable("rows", rows, classes, "classes");
        check::half_open("label_smoothing", label_smoothing, 0, 1);
        const check::Arrays arrays(*device, dtype);
        arrays.needed("logits", logits, rows * classes);
        check::memory("targets", targets, rows * static_cast<int64_t>(sizeof *targets));
        arrays.optional("logit_gradients", logit_gradients, rows * classes);
        for (int64_t i = 0; i < rows; ++i)
            if (targets[i] < 0 || targets[i] >= classes)
                fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("targets", i),
                     "is %" PRId32 "; it must be from 0 to %" PRId64, targets[i], classes - 1);
        device->run(SoftmaxCrossEntropy{static_cast<ortho_dtype>(dtype), rows, classes, label_smoothing, logits,
                                        targets, logit_gradients, loss, correct});
    });
}

ortho_status ortho_mean_squared_error(ortho_device* device, int32_t dtype, int64_t count, const void* predictions,
                                      const void* targets, double* loss, void* prediction_gradients) {
    return guard([&] {
        check::device(device);
        check::dtype(dtype);
        check::count("count", count);
        const check::Arrays arrays(*device, dtype);
        arrays.needed("predictions", predictions, count);
        arrays.needed("targets", targets, count);
        arrays.optional("prediction_gradients", prediction_gradients, count);
        device->run(
            MeanSquaredError{static_cast<ortho_dtype>(dtype), count, predictions, targets, prediction_gradients, loss});
    });
}
