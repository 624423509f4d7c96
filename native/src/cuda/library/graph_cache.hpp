// Loops of kernels, captured once and replayed.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <new>

#include "cuda/library/device.hpp"

namespace ortho::cuda {

/** All that a captured loop depends on: sizes and addresses. */
struct LoopKey {
    bool backward;
    int64_t size;
    int64_t first;
    int64_t first_output;
    int64_t batch;
    int64_t flags;
    std::array<const void*, 4> addresses;

    bool operator==(const LoopKey& other) const {
        return backward == other.backward && size == other.size && first == other.first &&
               first_output == other.first_output && batch == other.batch && flags == other.flags &&
               addresses == other.addresses;
    }
};

/** Runs loops: as they are the first time, captured the second time, and replayed from then on. */
class GraphCache {
public:
    /** Runs body(), which gives work to the device's stream and must do nothing else. */
    template <class Body> void run(Device& device, const LoopKey& key, Body&& body) {
        for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
            if (!(entry->key == key))
                continue;
            entries_.splice(entries_.begin(), entries_, entry);
            if (entry->graph.get() == nullptr)
                entry->graph = capture(device, body);
            if (entry->graph.get() == nullptr || !launch_graph(device, *entry))
                body();
            return;
        }
        // A loop that is run once is not worth capturing, which takes longer than the loop itself.
        body();
        remember(key);
    }

    /** Forgets all loops, since memory that they use is about to be freed. */
    void clear() { entries_.clear(); }

private:
    static constexpr size_t most_entries = 32;

    struct Entry {
        LoopKey key;
        GraphExec graph;
    };

    // A graph only saves time. Where there is no memory for it, loops run as they are: part of a call has been done, so
    // that it must not fail for want of memory any more.

    void remember(const LoopKey& key) noexcept {
        try {
            entries_.push_front(Entry{key, GraphExec()});
        } catch (const std::bad_alloc&) {
            return;
        }
        if (entries_.size() > most_entries)
            entries_.pop_back();
    }

    /** @return false, having done nothing, if there is no memory for it */
    static bool launch_graph(Device& device, Entry& entry) {
        const cudaError_t launched = cudaGraphLaunch(entry.graph.get(), device.stream);
        if (is_out_of_memory(launched)) {
            entry.graph = GraphExec();
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
     * @return none if there is no memory for it, or if the stream cannot be captured: the default stream, or one that
     *         its owner is capturing
     */
    template <class Body> static GraphExec capture(Device& device, Body&& body) {
        if (is_captured(device.stream))
            return GraphExec();
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

    std::list<Entry> entries_;
};

} // namespace ortho::cuda
