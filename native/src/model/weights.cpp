#include "model/weights.hpp"

#include <utility>

#include "core/error.hpp"

namespace ortho {

bool ReadersOrWriter::begin_write() noexcept {
    bool writing = false;
    if (!writing_.compare_exchange_strong(writing, true))
        return false;
    for (const Stripe& stripe : readers_)
        if (stripe.count.load() != 0) {
            end_write();
            return false;
        }
    return true;
}

bool ReadersOrWriter::forget_all() noexcept {
    for (Stripe& stripe : readers_)
        stripe.count.store(0, std::memory_order_relaxed);
    return writing_.exchange(false, std::memory_order_relaxed);
}

ReadingWeights::ReadingWeights(const WeightsReference& weights, bool training, uint64_t generation)
    : weights_(*weights), stripe_(weights.stripe()) {
    if (!weights_.users.begin_read(stripe_))
        fail(ORTHO_INVALID_STATE, Argument{"prepared"},
             "is being prepared by another thread; call again when that is done");
    const bool prepared = weights_.prepared_;
    const bool is_other = generation != 0 && generation != weights_.generation_;
    if (prepared && !is_other && (weights_.for_training_ || !training))
        return;
    weights_.users.end_read(stripe_);
    // First: other weights than those of forward do not help, however they are prepared.
    if (is_other)
        fail(ORTHO_INVALID_STATE, Argument{"chain"},
             "is on weights that were prepared anew after forward; run forward again");
    if (!prepared)
        fail(ORTHO_INVALID_STATE, Argument{"prepared"}, "is not prepared; prepare it first");
    fail(ORTHO_INVALID_STATE, Argument{"prepared"}, "is prepared for inference only; prepare it for training");
}

} // namespace ortho

using namespace ortho;

ortho_weights::ortho_weights(ortho_device& owner, ChainSpec chain_spec)
    : device(owner), spec(std::move(chain_spec)), fork_handler_(
                                                      [](void* context) noexcept {
                                                          // What a thread that is gone was preparing is half changed.
                                                          auto& weights = *static_cast<ortho_weights*>(context);
                                                          if (weights.users.forget_all())
                                                              weights.forget_contents();
                                                      },
                                                      this) {}

void ortho_weights::prepare(uint64_t version, const WeightsSource& source) {
    // Not as a reader: another preparation would be refused because of it. A thread that finds the version, and no
    // writer, sees everything that the writer of that version did.
    if (holds(version, source.training) && !users.is_written())
        return;
    if (!users.begin_write())
        fail(ORTHO_INVALID_STATE, Argument{"prepared"},
             "is in use by another thread; prepare it while no call uses it");
    try {
        if (!holds(version, source.training)) { // another thread may just have done it
            const bool adds_backward = holds(version, false);
            forget_contents();
            if (!adds_backward) {
                ++generation_;
                prepare_forward(source);
            }
            if (source.training)
                prepare_backward(source);
            for_training_ = source.training;
            prepared_ = true;
            version_ = version;
            training_version_ = source.training ? version : 0;
        }
        users.end_write();
    } catch (...) {
        users.end_write();
        throw;
    }
}
