// The fixed tree of sums: what is summed over the samples of a batch is summed within leaves first and then over a
// binary tree, whatever threads, calls or machines compute it. The C interface describes it (orthonative.h, "Batches").
//
// Plain C++17, as the libraries of devices need it.
#pragma once

#include <cstdint>

namespace ortho {

/** Samples of a batch, or leaves of its tree: those from begin on, before end. */
struct Span {
    int64_t begin = 0;
    int64_t end = 0;

    int64_t size() const { return end - begin; }
};

/** A node of the tree: the sum of 2^level leaves from index 2^level on. */
struct Node {
    int64_t level = 0;
    int64_t index = 0;

    Span leaves() const { return {index << level, (index + 1) << level}; }
};

/**
 * The leaves of a batch and the tree over them.
 *
 * Their number follows from the size of the batch alone. It is a power of two, so that the tree is whole. More leaves
 * let more threads and machines work apart, but each costs a set of sums, which must be added to the others: for a
 * feedforward chain at every layer. With 16 samples to a leaf, training steps take as long as they did with few leaves;
 * with 8, recurrent steps of 16 samples took 2 to 4 % longer.
 */
class Leaves {
public:
    static constexpr int64_t most = 16;
    static constexpr int64_t least_samples = 16; // of a leaf, where there are several

    explicit Leaves(int64_t batch) : batch_(batch) {
        while (2 * count_ <= most && batch / (2 * count_) >= least_samples) {
            count_ *= 2;
            ++levels_;
        }
    }

    int64_t batch() const { return batch_; }
    int64_t count() const { return count_; }
    /** Level of the root. */
    int64_t levels() const { return levels_; }
    /** The first sample of a leaf; the size of the batch for the leaf behind the last. */
    int64_t begin(int64_t leaf) const { return batch_ * leaf / count_; }
    Span samples(int64_t leaf) const { return {begin(leaf), begin(leaf + 1)}; }

    /** The leaf that starts with a sample, count() at the end of the batch; -1 if none starts there. */
    int64_t starting_at(int64_t sample) const {
        for (int64_t leaf = 0; leaf <= count_; ++leaf)
            if (begin(leaf) == sample)
                return leaf;
        return -1;
    }

private:
    int64_t batch_;
    int64_t count_ = 1;
    int64_t levels_ = 0;
};

/** The fewest nodes that hold some consecutive leaves and no others, in the order of the leaves. */
class Cover {
public:
    /** Reached by 14 of 16 leaves, all but the first and the last. */
    static constexpr int64_t most = 6;

    /** @param leaves  not empty, within the tree */
    explicit Cover(Span leaves) {
        while (leaves.begin < leaves.end) {
            Node node{0, leaves.begin};
            while (node.index % 2 == 0 && Node{node.level + 1, node.index / 2}.leaves().end <= leaves.end)
                node = {node.level + 1, node.index / 2};
            nodes_[count_++] = node;
            leaves.begin = node.leaves().end;
        }
    }

    int64_t count() const { return count_; }
    const Node& operator[](int64_t i) const { return nodes_[i]; }
    const Node* begin() const { return nodes_; }
    const Node* end() const { return nodes_ + count_; }

private:
    Node nodes_[most];
    int64_t count_ = 0;
};

/**
 * Of leaves that are summed in their order from `first` on: how many nodes before a leaf it completes larger ones with,
 * the nearest first. What is left of all nodes then is their cover.
 */
inline int64_t joins_of(int64_t first, int64_t leaf) {
    int64_t joins = 0;
    for (int64_t size = 2; (leaf + 1) % size == 0 && leaf + 1 - size >= first; size *= 2)
        ++joins;
    return joins;
}

/**
 * Puts nodes together, from the first leaf to the last: the nodes so far lie in slots, and one that completes a larger
 * node is added to it. How slots are added is the caller's business.
 */
class Folding {
public:
    Folding() = default;
    /** Slots that already hold the nodes of a cover. */
    explicit Folding(const Cover& cover) {
        for (const Node& node : cover)
            slots_[count_++] = node;
    }

    /**
     * Takes the node that follows.
     * @param put  put(slot, joined): sets the slot to the value of the node, or adds it to the slot where joined
     * @param add  add(into, from): adds slot `from` to slot `into`, for a larger node that is now complete
     */
    template <class Put, class Add> void take(const Node& next, Put&& put, Add&& add) {
        const bool joined = count_ > 0 && last().level == next.level && last().index + 1 == next.index && right(next);
        if (!joined)
            slots_[count_++] = next;
        put(count_ - 1, joined);
        if (!joined)
            return;
        rise();
        while (count_ > 1 && slots_[count_ - 2].level == last().level && right(last())) {
            add(count_ - 2, count_ - 1);
            --count_;
            rise();
        }
    }

    int64_t count() const { return count_; }

private:
    static bool right(const Node& node) { return node.index % 2 == 1; }
    Node& last() { return slots_[count_ - 1]; }
    /** The last slot, with its sibling added, holds their parent. */
    void rise() { last() = {last().level + 1, last().index / 2}; }

    Node slots_[Leaves::most];
    int64_t count_ = 0;
};

} // namespace ortho
