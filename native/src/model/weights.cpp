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

ReadingWeights::ReadingWeights(const WeightsReference& weights, bool training)
    : weights_(*weights), stripe_(weights.stripe()) {
    if (!weights_.users.begin_read(stripe_))
        fail(ORTHO_INVALID_STATE, Argument{"prepared"},
             "is being prepared by another thread; call again when that is done");
    const bool prepared = weights_.prepared_;
    if (prepared && (weights_.for_training_ || !training))
        return;
    weights_.users.end_read(stripe_);
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
                                                              weights.prepared_ = false;
                                                      },
                                                      this) {}

void ortho_weights::prepare(uint64_t version, const WeightsSource& source) {
    const uint32_t stripe = users.next_stripe();
    if (users.begin_read(stripe)) {
        const bool done = holds(version, source.training);
        users.end_read(stripe);
        if (done)
            return;
    }
    if (!users.begin_write())
        fail(ORTHO_INVALID_STATE, Argument{"prepared"},
             "is in use by another thread; prepare it while no call uses it");
    try {
        if (!holds(version, source.training)) { // another thread may just have done it
            const bool adds_backward = holds(version, false);
            prepared_ = false;
            if (!adds_backward) {
                ++generation_;
                prepare_forward(source);
            }
            if (source.training)
                prepare_backward(source);
            for_training_ = source.training;
            version_ = version;
            prepared_ = true;
        }
        users.end_write();
    } catch (...) {
        users.end_write();
        throw;
    }
}
