#include "model/loss.hpp"

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
        check::addressable("rows x classes", rows, classes);
        check::half_open("label_smoothing", label_smoothing, 0, 1);
        check::not_null("logits", logits);
        check::not_null("targets", targets);
        dispatch(dtype, [&]<class T>(T*) {
            const Loss result =
                softmax_cross_entropy(*device, rows, classes, label_smoothing, static_cast<const T*>(logits), targets,
                                      static_cast<T*>(logit_gradients));
            if (loss != nullptr)
                *loss = result.mean;
            if (correct != nullptr)
                *correct = result.correct;
        });
    });
}

ortho_status ortho_mean_squared_error(ortho_device* device, int32_t dtype, int64_t count, const void* predictions,
                                      const void* targets, double* loss, void* prediction_gradients) {
    return guard([&] {
        check::device(device);
        check::dtype(dtype);
        check::at_least("count", count, 1);
        check::addressable("count", count, 1);
        check::not_null("predictions", predictions);
        check::not_null("targets", targets);
        dispatch(dtype, [&]<class T>(T*) {
            const double mean =
                mean_squared_error(*device, count, static_cast<const T*>(predictions), static_cast<const T*>(targets),
                                   static_cast<T*>(prediction_gradients));
            if (loss != nullptr)
                *loss = mean;
        });
    });
}
