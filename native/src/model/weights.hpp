// Prepared weights: what is packed and converted once per change of the parameters, for any number of chains and
// streams on any threads.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "core/fork.hpp"
#include "core/live_objects.hpp"
#include "model/calls.hpp"
#include "model/chain_spec.hpp"
#include "model/device.hpp"
#include "orthonative/orthonative.h"

namespace ortho {

/**
 * Tells readers and a writer of each other, so that one of them is refused; nobody waits. Readers count themselves in
 * stripes, since all threads would write one common counter's cache line at every step of a stream.
 */
class ReadersOrWriter {
public:
    static constexpr uint32_t stripes = 16;

    /** A stripe for a reader to be. */
    uint32_t next_stripe() noexcept { return next_.fetch_add(1, std::memory_order_relaxed) % stripes; }

    /** @return false if there is a writer */
    bool begin_read(uint32_t stripe) noexcept {
        // Either this reader sees the writer's flag, or the writer sees this reader's count: both are sequentially
        // consistent.
        readers_[stripe].count.fetch_add(1);
        if (!writing_.load())
            return true;
        end_read(stripe);
        return false;
    }
    void end_read(uint32_t stripe) noexcept { readers_[stripe].count.fetch_sub(1, std::memory_order_release); }

    bool is_written() const noexcept { return writing_.load(std::memory_order_relaxed); }

    /** @return false if there are readers, or another writer */
    bool begin_write() noexcept;
    void end_write() noexcept { writing_.store(false, std::memory_order_release); }

    /** In the child of a fork, which has none of them. @return whether there was a writer */
    bool forget_all() noexcept;

private:
    struct alignas(64) Stripe {
        std::atomic<int64_t> count{0};
    };

    std::array<Stripe, stripes> readers_;
    std::atomic<bool> writing_{false};
    std::atomic<uint32_t> next_{0};
};

class ReadingWeights;

} // namespace ortho

/** Lives until its owner and all chains and streams made on it have released it; a backend implements it. */
struct ortho_weights {
    ortho_weights(ortho_device& owner, ortho::ChainSpec chain_spec);
    ortho_weights(const ortho_weights&) = delete;
    ortho_weights& operator=(const ortho_weights&) = delete;

    void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            delete this;
    }

    /** @throws Error ORTHO_INVALID_STATE while others use the weights */
    void prepare(uint64_t version, const ortho::WeightsSource& source);

    virtual std::unique_ptr<ortho_chain> make_chain() = 0;
    virtual std::unique_ptr<ortho_streams> make_streams(int64_t count) = 0;

    const ortho::DeviceReference device;
    const ortho::ChainSpec spec;
    ortho::ReadersOrWriter users;

protected:
    virtual ~ortho_weights() = default;

    /** Prepares the weights for one direction, in memory that was taken before. */
    virtual void prepare_forward(const ortho::WeightsSource& source) = 0;
    virtual void prepare_backward(const ortho::WeightsSource& source) = 0;

private:
    friend class ortho::ReadingWeights;

    /** Whether a version is prepared, as far as it can be told while there may be a writer. */
    bool holds(uint64_t version, bool training) const noexcept {
        return version != 0 && version == (training ? training_version_ : version_).load(std::memory_order_acquire);
    }
    void forget_contents() noexcept {
        prepared_ = false;
        version_ = training_version_ = 0;
    }

    std::atomic<int64_t> references_{1};
    // Read by readers, written by a writer.
    bool prepared_ = false;
    bool for_training_ = false;
    uint64_t generation_ = 0; // counts the contents that the weights have had
    // Written by a writer, read by anybody. 0: none, or one without a name.
    std::atomic<uint64_t> version_{0};
    std::atomic<uint64_t> training_version_{0}; // the same if it is prepared for training, too
    ortho::LiveObject live_;
    ortho::ForkHandler fork_handler_;
};

namespace ortho {

/** Keeps weights alive for an object that was made on them; may hold none. */
class WeightsReference {
public:
    WeightsReference() noexcept = default;
    explicit WeightsReference(ortho_weights& weights) noexcept
        : weights_(&weights), stripe_(weights.users.next_stripe()) {
        weights.retain();
    }
    WeightsReference(WeightsReference&& other) noexcept
        : weights_(std::exchange(other.weights_, nullptr)), stripe_(other.stripe_) {}
    WeightsReference& operator=(WeightsReference&& other) noexcept {
        std::swap(weights_, other.weights_);
        std::swap(stripe_, other.stripe_);
        return *this;
    }
    ~WeightsReference() {
        if (weights_ != nullptr)
            weights_->release();
    }

    explicit operator bool() const noexcept { return weights_ != nullptr; }
    ortho_weights& operator*() const noexcept { return *weights_; }
    ortho_weights* operator->() const noexcept { return weights_; }
    uint32_t stripe() const noexcept { return stripe_; }

private:
    ortho_weights* weights_ = nullptr;
    uint32_t stripe_ = 0;
};

/** Held while a call reads weights, so that they are not prepared meanwhile. */
class ReadingWeights {
public:
    /**
     * @param generation  what the weights must still have; 0: any
     * @throws Error ORTHO_INVALID_STATE while they are being prepared, and unless they are prepared for the call
     */
    ReadingWeights(const WeightsReference& weights, bool training, uint64_t generation = 0);
    ~ReadingWeights() { weights_.users.end_read(stripe_); }
    ReadingWeights(const ReadingWeights&) = delete;
    ReadingWeights& operator=(const ReadingWeights&) = delete;

    /** Tells contents from those that the weights had before; never 0. */
    uint64_t generation() const noexcept { return weights_.generation_; }

private:
    ortho_weights& weights_;
    const uint32_t stripe_;
};

} // namespace ortho
