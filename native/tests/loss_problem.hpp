// Losses with all that they may be given, and what they are by definition.
#pragma once

#include <functional>
#include <ostream>

#include "batch.hpp"

namespace ortho::test {

/** A loss and its options, whatever the batch. */
struct LossCase {
    /** ortho_loss_kind; below 0: the cross-entropy of softmax(predictions) with classes. */
    int kind;
    int64_t units;
    std::vector<double> parameters;
    std::vector<float> class_weights;
    double smoothing;

    bool has_classes() const { return kind < 0; }
    int64_t row_targets() const {
        return kind == ORTHO_LOSS_QUANTILE ? units / static_cast<int64_t>(parameters.size()) : units;
    }
};

constexpr int cross_entropy = -1;

inline void PrintTo(const LossCase& c, std::ostream* stream) {
    *stream << "kind " << c.kind << ", " << c.units << " units, " << c.parameters.size() << " parameters, "
            << c.class_weights.size() << " class weights, smoothing " << c.smoothing;
}

inline std::vector<LossCase> loss_cases() {
    return {{cross_entropy, 5, {}, {}, 0},
            {cross_entropy, 5, {}, {}, 0.1},
            {cross_entropy, 5, {}, {0.5f, 0, 3, 1, 0.25f}, 0},
            {cross_entropy, 5, {}, {0.5f, 0, 3, 1, 0.25f}, 0.1},
            {cross_entropy, 37, {}, {}, 0.1},
            {ORTHO_LOSS_SQUARED_ERROR, 1, {}, {}, 0},
            {ORTHO_LOSS_SQUARED_ERROR, 70, {}, {}, 0},
            {ORTHO_LOSS_ABSOLUTE_ERROR, 1, {}, {}, 0},
            {ORTHO_LOSS_ABSOLUTE_ERROR, 70, {}, {}, 0},
            {ORTHO_LOSS_HUBER, 3, {0.75}, {}, 0},
            {ORTHO_LOSS_QUANTILE, 1, {0.9}, {}, 0},
            {ORTHO_LOSS_QUANTILE, 6, {0.1, 0.5, 0.9}, {}, 0},
            {ORTHO_LOSS_BINARY_CROSS_ENTROPY, 4, {}, {}, 0},
            {ORTHO_LOSS_BINARY_CROSS_ENTROPY, 4, {1, 0, 2.5, 0.25}, {}, 0}};
}

/** A loss of a batch. */
template <class T> struct LossProblem {
    LossCase loss;
    int64_t steps, batch;
    std::vector<int32_t> lengths;   // [batch], or none
    std::vector<float> row_weights; // [steps, batch], or none
    std::vector<T> predictions;     // [steps, batch, units]
    std::vector<T> targets;         // [steps, batch, row targets]
    std::vector<int32_t> classes;   // [steps, batch]

    /** Rows that do not count hold what must not be read. */
    LossProblem(const LossCase& options, int64_t step_count, int64_t samples, bool with_lengths, bool with_weights)
        : loss(options), steps(step_count), batch(samples) {
        const int64_t rows = steps * batch;
        if (with_lengths)
            lengths = some_lengths(steps, batch, 3);
        for (int64_t row = 0; with_weights && row < rows; ++row)
            row_weights.push_back(row % 3 == 2 ? 0 : 0.25f * static_cast<float>(1 + row * 5 % 7));
        predictions = normal_values<T>(rows * loss.units, 1);
        for (T& prediction : predictions)
            prediction *= 3;
        targets = normal_values<T>(rows * loss.row_targets(), 2);
        if (loss.kind == ORTHO_LOSS_BINARY_CROSS_ENTROPY)
            for (T& target : targets)
                target = target < -1 ? T(0) : target > 1 ? T(1) : (target + 1) / 2;
        for (int64_t row = 0; row < rows; ++row)
            classes.push_back(static_cast<int32_t>(row * 7 % loss.units));
        constexpr T nan = std::numeric_limits<T>::quiet_NaN();
        for (int64_t row = 0; row < rows; ++row) {
            if (weight(row) != 0)
                continue;
            std::fill_n(predictions.begin() + row * loss.units, loss.units, nan);
            std::fill_n(targets.begin() + row * loss.row_targets(), loss.row_targets(), nan);
            classes[static_cast<size_t>(row)] = -7;
        }
    }

    /** 0 where the row does not count. */
    double weight(int64_t row) const {
        if (!lengths.empty() && row / batch >= lengths[static_cast<size_t>(row % batch)])
            return 0;
        return row_weights.empty() ? 1 : static_cast<double>(row_weights[static_cast<size_t>(row)]);
    }
    double class_weight(int64_t c) const {
        return loss.class_weights.empty() ? 1 : static_cast<double>(loss.class_weights[static_cast<size_t>(c)]);
    }
    /** Of what weight of rows the mean is taken. */
    double weight_sum() const {
        double sum = 0;
        for (int64_t row = 0; row < steps * batch; ++row)
            if (weight(row) > 0)
                sum += weight(row) * (loss.has_classes() ? class_weight(classes[static_cast<size_t>(row)]) : 1);
        return sum;
    }
    /** Of how many times that the sum of the leaves is the mean. */
    double mean_of() const { return weight_sum() * (loss.has_classes() ? 1.0 : static_cast<double>(loss.units)); }

    /** The samples of a part. */
    LossProblem samples(Samples some) const {
        LossProblem part = *this;
        part.batch = some.count;
        if (!lengths.empty())
            part.lengths = part_of(lengths, 1, batch, 1, some);
        if (!row_weights.empty())
            part.row_weights = part_of(row_weights, steps, batch, 1, some);
        part.predictions = part_of(predictions, steps, batch, loss.units, some);
        part.targets = part_of(targets, steps, batch, loss.row_targets(), some);
        part.classes = part_of(classes, steps, batch, 1, some);
        return part;
    }

    /** Calls the C interface with arrays on the device. */
    ortho_status call(ortho_device* device, const ortho_batch_part* part, const T* on_device_predictions,
                      const T* on_device_targets, double* sums, int64_t* correct, T* gradients) const {
        const auto given = [](const auto& values) { return values.empty() ? nullptr : values.data(); };
        if (loss.has_classes())
            return ortho_softmax_cross_entropy(device, dtype_of<T>, steps, batch, given(lengths), given(row_weights),
                                               part, loss.units, given(loss.class_weights), loss.smoothing,
                                               on_device_predictions, classes.data(), sums, correct, gradients);
        return ortho_elementwise_loss(device, dtype_of<T>, loss.kind, steps, batch, given(lengths), given(row_weights),
                                      part, loss.units, given(loss.parameters),
                                      static_cast<int64_t>(loss.parameters.size()), on_device_predictions,
                                      on_device_targets, sums, gradients);
    }

    struct Outcome {
        std::vector<double> sums; // the mean, or partial sums
        int64_t correct = 0;
        std::vector<T> gradients;
    };

    /** On a CPU. */
    Outcome run(ortho_device* device, const ortho_batch_part* part = nullptr) const {
        Outcome outcome;
        const int64_t sums = part == nullptr ? 1 : partial_sums(part->batch, {part->first, batch});
        outcome.sums.assign(static_cast<size_t>(sums), 77);
        outcome.gradients.assign(predictions.size(), T(5));
        EXPECT_TRUE(succeeds(call(device, part, predictions.data(), targets.data(), outcome.sums.data(),
                                  &outcome.correct, outcome.gradients.data())));
        return outcome;
    }

    /** A number, and what the terms that it is a sum of come to in magnitude. */
    struct Exact {
        long double value = 0;
        long double magnitude = 0;

        void add(long double term) {
            value += term;
            magnitude += std::abs(term);
        }
    };
    struct Reference {
        Exact mean;
        int64_t correct = 0;
        std::vector<Exact> gradients;
    };

    /** The definition. */
    Reference reference() const {
        using Real = long double;
        Reference all;
        all.gradients.resize(predictions.size());
        for (int64_t row = 0; row < steps * batch; ++row) {
            if (weight(row) == 0)
                continue;
            const Real share = static_cast<Real>(weight(row)) / static_cast<Real>(mean_of());
            const T* const p = predictions.data() + row * loss.units;
            Exact* const gradients = all.gradients.data() + row * loss.units;
            if (loss.has_classes()) {
                const int64_t target = classes[static_cast<size_t>(row)];
                const T largest = *std::max_element(p, p + loss.units);
                all.correct += std::find(p, p + loss.units, largest) - p == target;
                std::vector<Real> powers;
                for (int64_t j = 0; j < loss.units; ++j)
                    powers.push_back(std::exp(static_cast<Real>(p[j]) - static_cast<Real>(largest)));
                const Real exponentials = std::accumulate(powers.begin(), powers.end(), Real{0});
                for (int64_t c = 0; c < loss.units; ++c) {
                    const Real wanted = static_cast<Real>(class_weight(c)) *
                                        ((c == target ? 1 - static_cast<Real>(loss.smoothing) : 0) +
                                         static_cast<Real>(loss.smoothing) / static_cast<Real>(loss.units));
                    if (wanted == 0)
                        continue;
                    const Real distance = static_cast<Real>(p[c]) - static_cast<Real>(largest);
                    all.mean.add(share * wanted * std::log(exponentials));
                    all.mean.add(-share * wanted * distance);
                    gradients[c].add(-share * wanted);
                    for (int64_t j = 0; j < loss.units; ++j)
                        gradients[j].add(share * wanted * powers[static_cast<size_t>(j)] / exponentials);
                }
                continue;
            }
            for (int64_t u = 0; u < loss.units; ++u) {
                const auto parameter = [&](int64_t i) {
                    return static_cast<Real>(loss.parameters[static_cast<size_t>(i)]);
                };
                const auto count = static_cast<int64_t>(loss.parameters.size());
                const int64_t t_index = row * loss.row_targets() + (loss.kind == ORTHO_LOSS_QUANTILE ? u / count : u);
                const auto x = static_cast<Real>(p[u]);
                const auto t = static_cast<Real>(targets[static_cast<size_t>(t_index)]);
                const Real e = x - t;
                switch (loss.kind) {
                case ORTHO_LOSS_SQUARED_ERROR:
                    all.mean.add(share * e * e);
                    gradients[u].add(share * 2 * e);
                    break;
                case ORTHO_LOSS_ABSOLUTE_ERROR:
                    all.mean.add(share * std::abs(e));
                    gradients[u].add(e == 0 ? 0 : std::copysign(share, e));
                    break;
                case ORTHO_LOSS_HUBER: {
                    const Real d = parameter(0);
                    all.mean.add(share * (std::abs(e) <= d ? e * e / 2 : d * (std::abs(e) - d / 2)));
                    gradients[u].add(share * std::clamp(e, -d, d));
                    break;
                }
                case ORTHO_LOSS_QUANTILE: {
                    const Real q = parameter(u % count);
                    all.mean.add(share * std::max(-q * e, (1 - q) * e));
                    gradients[u].add(e == 0 ? 0 : share * (e < 0 ? -q : 1 - q));
                    break;
                }
                default: {
                    const Real w = count == 0 ? 1 : parameter(u);
                    all.mean.add(share * w * t * std::log1p(std::exp(-x)));
                    all.mean.add(share * (1 - t) * std::log1p(std::exp(x)));
                    gradients[u].add(share * (1 - t) / (1 + std::exp(-x)));
                    gradients[u].add(-share * w * t / (1 + std::exp(x)));
                }
                }
            }
        }
        return all;
    }
};

} // namespace ortho::test
