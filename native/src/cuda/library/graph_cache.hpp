// Loops of kernels, captured once and replayed.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <list>
#include <new>
#include <utility>

#include "cuda/library/device.hpp"

namespace ortho::cuda {

/** Longer loops are given to the stream step by step: a graph of so many nodes takes too much memory. */
constexpr int64_t longest_captured_loop = 8192;

/** All that a captured loop depends on: sizes and addresses. */
struct LoopKey {
    bool backward;
    int64_t size; // steps
    int64_t first;
    int64_t first_output;
    int64_t batch;
    int64_t flags;
    std::array<const void*, 4> addresses;
    const void* remaining; // where the steps lie that each sample has; null: samples have all

    bool operator==(const LoopKey& other) const {
        return backward == other.backward && size == other.size && first == other.first &&
               first_output == other.first_output && batch == other.batch && flags == other.flags &&
               addresses == other.addresses && remaining == other.remaining;
    }
};

/**
 * Runs loops: as they are the first time, captured the second time, and replayed from then on.
 *
 * Graphs take memory by their nodes, so the steps of all of them together are bounded, and not their number: a deep
 * chain has hundreds of short loops, a long sequence two long ones. A loop for which there is no room is captured only
 * where graphs give way that have not been run since the loop's last run but one. So loops that take turns and do not
 * all fit are captured as far as they fit and otherwise run as they are; they do not evict each other. Graphs of sizes
 * that are no longer used give way at once.
 */
class GraphCache {
public:
    /** Runs body(), which gives work for key.size steps to the device's stream and must do nothing else. */
    template <class Body> void run(Device& device, const LoopKey& key, Body&& body) {
        const auto entry = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.key == key; });
        if (entry == entries_.end()) {
            // A loop that is run once is not worth capturing, which takes longer than the loop itself.
            body();
            remember(key);
            return;
        }
        const int64_t run_before = std::exchange(entry->last_run, ++runs_);
        entries_.splice(entries_.begin(), entries_, entry);
        if (entry->graph.get() == nullptr && !is_captured(device.stream) && make_room(key.size, run_before)) {
            entry->graph = capture(device, body);
            if (entry->graph.get() != nullptr)
                captured_steps_ += key.size;
        }
        if (entry->graph.get() == nullptr || !launch_graph(device, *entry))
            body();
    }

    /** Forgets all loops, since memory that they use is about to be freed. */
    void clear() {
        entries_.clear();
        captured_steps_ = 0;
    }

private:
    /** Four loops of the longest kind that is captured: forward and backward for training and for something else. */
    static constexpr int64_t most_captured_steps = 4 * longest_captured_loop;
    /** Loops that are remembered; so many that those of a training step of 50,000 layers with checkpoints fit. */
    static constexpr size_t most_entries = 1024;

    struct Entry {
        LoopKey key;
        GraphExec graph;
        int64_t last_run;
    };

    // A graph only saves time. Where there is no memory for it, loops run as they are: part of a call has been done, so
    // that it must not fail for want of memory any more.

    void remember(const LoopKey& key) noexcept {
        try {
            entries_.push_front(Entry{key, GraphExec(), ++runs_});
        } catch (const std::bad_alloc&) {
            return;
        }
        if (entries_.size() > most_entries) {
            forget_graph(entries_.back());
            entries_.pop_back();
        }
    }

    void forget_graph(Entry& entry) noexcept {
        if (entry.graph.get() == nullptr)
            return;
        entry.graph = GraphExec();
        captured_steps_ -= entry.key.size;
    }

    /** Makes room for a graph, if those that were last run before `run_before` leave enough. */
    bool make_room(int64_t steps, int64_t run_before) noexcept {
        int64_t room = most_captured_steps - captured_steps_;
        // The list is in the order of the runs.
        auto first_to_go = entries_.end();
        while (room < steps && first_to_go != entries_.begin()) {
            const auto older = std::prev(first_to_go);
            if (older->last_run > run_before)
                return false;
            if (older->graph.get() != nullptr)
                room += older->key.size;
            first_to_go = older;
        }
        if (room < steps)
            return false;
        for (auto entry = first_to_go; entry != entries_.end(); ++entry)
            forget_graph(*entry);
        return true;
    }

    /** @return false, having done nothing, if there is no memory for it */
    bool launch_graph(Device& device, Entry& entry) {
        const cudaError_t launched = cudaGraphLaunch(entry.graph.get(), device.stream);
        if (is_out_of_memory(launched)) {
            forget_graph(entry);
            return false;
        }
        check(launched, "cudaGraphLaunch");
        return true;
    }

    static bool is_out_of_memory(cudaError_t status) {
        if (status != cudaErrorMemoryAllocation)
            return false;
        static_cast<void>(cudaGetLastError());
        return true;
    }

    /**
     * @return none if there is no memory for it, or if the stream cannot be captured, as the default stream
     */
    template <class Body> static GraphExec capture(Device& device, Body&& body) {
        const cudaError_t begun = cudaStreamBeginCapture(device.stream, cudaStreamCaptureModeThreadLocal);
        if (begun == cudaErrorStreamCaptureUnsupported || begun == cudaErrorStreamCaptureImplicit) {
            static_cast<void>(cudaGetLastError());
            return GraphExec();
        }
        if (is_out_of_memory(begun))
            return GraphExec();
        check(begun, "cudaStreamBeginCapture");
        cudaGraph_t captured = nullptr;
        try {
            body();
        } catch (...) {
            // The stream must leave its capture before it can be used again; what failed is already known.
            static_cast<void>(cudaStreamEndCapture(device.stream, &captured));
            static_cast<void>(cudaGetLastError());
            const Graph discarded(captured);
            try {
                throw;
            } catch (const Error& error) {
                if (error.status() == ORTHO_OUT_OF_MEMORY)
                    return GraphExec();
                throw;
            }
        }
        const cudaError_t ended = cudaStreamEndCapture(device.stream, &captured);
        const Graph graph(captured);
        if (is_out_of_memory(ended) && !is_captured(device.stream))
            return GraphExec();
        check(ended, "cudaStreamEndCapture");
        cudaGraphExec_t executable = nullptr;
        const cudaError_t instantiated = cudaGraphInstantiateWithFlags(&executable, graph.get(), 0);
        if (is_out_of_memory(instantiated))
            return GraphExec();
        check(instantiated, "cudaGraphInstantiateWithFlags");
        return GraphExec(executable);
    }

    std::list<Entry> entries_; // the one that was run last comes first
    int64_t runs_ = 0;
    int64_t captured_steps_ = 0;
};

} // namespace ortho::cuda
