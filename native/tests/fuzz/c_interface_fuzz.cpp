// Random sequences of calls of the C interface, with valid, extreme and wrong arguments, on one thread and on several.
//
//     orthonative_fuzz [--seconds S] [--seed N] [--cases N] [--verbose]
//
// A case is a sequence of calls that its seed determines. Each is run three times: on a device of its own, again on
// devices with other numbers of threads, and beside other cases on threads that share a device. It must hold that
//  - a call with valid arguments succeeds or says what is not finite, and a call with a wrong one fails;
//  - a status is one that the header names for the function, and never ORTHO_INTERNAL;
//  - a call that fails leaves a message of one line, and all memory of the caller as it was;
//  - all three runs give the same statuses and the same bits;
//  - nothing is left alive at the end.
// Whatever else is wrong (memory, races, undefined behaviour) is for the sanitizers to find: presets asan and tsan.
// A case that fails is run again call by call to find the shortest sequence that fails, which is printed. After a
// crash,
// `--seed N --cases 1 --verbose`, with the seed that was printed, prints each call before it is made.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cmath>
#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "orthonative/orthonative.h"

namespace {

/** SplitMix64. */
class Random {
public:
    explicit Random(uint64_t seed) : state_(seed) {}
    uint64_t next() {
        uint64_t z = state_ += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    int64_t below(int64_t bound) { return static_cast<int64_t>(next() % static_cast<uint64_t>(bound)); }
    int64_t from(int64_t low, int64_t high) { return low + below(high - low + 1); }
    bool one_in(int64_t n) { return below(n) == 0; }
    template <class T, size_t count> T of(const std::array<T, count>& values) {
        return values[static_cast<size_t>(below(count))];
    }

private:
    uint64_t state_;
};

std::atomic<uint64_t> seed_under_way{0};

void tell_seed(int signal) {
    // Only what a signal handler may do.
    char text[] = "\northonative_fuzz: died in the case of seed 00000000000000000000\n";
    uint64_t seed = seed_under_way.load();
    for (size_t i = sizeof text - 3; text[i] == '0'; --i, seed /= 10)
        text[i] = static_cast<char>('0' + seed % 10);
    static_cast<void>(!write(STDERR_FILENO, text, sizeof text - 1));
    std::signal(signal, SIG_DFL);
    std::raise(signal);
}

constexpr size_t slots = 14, slot_elements = 2048;

/** How a case is run. */
struct Run {
    uint64_t seed;
    /** Calls after this one are not made. */
    int64_t calls;
    /** Added to the number of threads of each device. */
    int more_threads;
    /** Taken by cases that share a device; null: none. */
    ortho_device* shared;
    bool verbose;
};

/** A case: the objects and the memory that its calls work on. */
class Case {
public:
    explicit Case(const Run& run) : run_(run), random_(run.seed) {
        for (size_t i = 0; i < floats_.size(); ++i) {
            const double value = random_value();
            floats_[i] = static_cast<float>(value);
            doubles_[i] = value;
        }
        for (int32_t& target : targets_)
            target = static_cast<int32_t>(random_.below(4));
        if (run.shared != nullptr)
            devices_[0] = run.shared;
    }
    ~Case() {
        for (Chain& chain : chains_)
            ortho_chain_free(chain.handle);
        for (Streams& streams : streams_)
            ortho_streams_free(streams.handle);
        for (Weights& weights : weights_)
            ortho_weights_free(weights.handle);
        for (Memory<ortho_buffer>& buffer : buffers_)
            ortho_buffer_free(buffer.handle);
        for (Memory<ortho_staging>& staging : stagings_)
            ortho_staging_free(staging.handle);
        for (ortho_device* const device : devices_)
            if (device != run_.shared)
                ortho_device_free(device);
    }
    Case(const Case&) = delete;
    Case& operator=(const Case&) = delete;

    void play() {
        for (int64_t i = 0; i < run_.calls && problem_.empty(); ++i)
            make_a_call();
    }

    /** What did not hold; empty if all did. */
    const std::string& problem() const { return problem_; }
    /** The calls, a line each. */
    const std::string& text() const { return text_; }
    /** Of all statuses and of all memory after each call. */
    uint64_t digest() const { return digest_; }
    int64_t calls() const { return calls_; }
    int64_t succeeded() const { return succeeded_; }

private:
    static constexpr unsigned ok = 1u << ORTHO_OK, argument = 1u << ORTHO_INVALID_ARGUMENT,
                              memory = 1u << ORTHO_OUT_OF_MEMORY, not_finite = 1u << ORTHO_NOT_FINITE,
                              state = 1u << ORTHO_INVALID_STATE, not_supported = 1u << ORTHO_NOT_SUPPORTED;

    template <class Handle> struct Memory {
        Handle* handle = nullptr;
        int64_t bytes = 0;
    };
    /** What prepared weights hold; chains and streams on them know it even after they have been freed. */
    struct Prepared {
        bool ready = false, training = false;
        uint64_t version = 0, generation = 0;
    };
    struct Weights {
        ortho_weights* handle = nullptr;
        ortho_chain_options options{};
        std::shared_ptr<Prepared> prepared;
    };
    struct Streams {
        ortho_streams* handle = nullptr;
        ortho_chain_options options{};
        std::shared_ptr<Prepared> prepared;
        int64_t count = 1;
    };
    struct Chain {
        ortho_chain* handle = nullptr;
        ortho_chain_options options{};
        /** Null: it has weights of its own. */
        std::shared_ptr<Prepared> prepared;
        /** Of the weights in the forward pass that waits for its backward pass. */
        uint64_t generation = 0;
        /** Of the forward pass that waits for its backward pass. */
        int64_t batch = 0, output_steps = 0;
        bool waits = false;
        bool recurrent() const { return options.model == ORTHO_RECURRENT; }
    };

    double random_value() {
        static constexpr std::array<double, 8> extremes = {0,
                                                           -0.0,
                                                           1e-45,
                                                           1e-310,
                                                           3e38,
                                                           -1e300,
                                                           std::numeric_limits<double>::infinity(),
                                                           std::numeric_limits<double>::quiet_NaN()};
        if (random_.one_in(4096))
            return random_.of(extremes);
        return static_cast<double>(random_.from(-1000, 1000)) / 1500;
    }

    // Arguments. One of a call's may be chosen to be wrong: `wrong_` counts down to it.

    bool is_wrong() {
        if (wrong_ < 0 || wrong_-- != 0)
            return false;
        has_wrong_ = true;
        return true;
    }
    /** @param least  smallest valid size */
    int64_t size(int64_t least, int64_t most) {
        static constexpr std::array<int64_t, 12> absurd = {
            INT64_MAX,        INT64_MAX / 2,    INT64_MAX / 8 + 1,   INT64_MAX / 16,
            int64_t{1} << 60, int64_t{1} << 56, int64_t{1} << 50,    -1,
            INT64_MIN,        INT64_MIN / 8,    -(int64_t{1} << 32), INT32_MIN};
        if (is_wrong())
            return random_.one_in(4) ? least - 1 : random_.of(absurd);
        return random_.one_in(5) ? least : random_.from(least, most);
    }
    int32_t choice(int32_t first, int32_t last) {
        const std::array<int32_t, 4> others = {first - 1, last + 1, INT32_MAX, INT32_MIN};
        return is_wrong() ? random_.of(others) : static_cast<int32_t>(random_.from(first, last));
    }
    int32_t flag() { return choice(0, 1); }
    /** A number in [0, below). */
    double number(double below) {
        static constexpr std::array<double, 4> others = {-0.5, std::numeric_limits<double>::infinity(),
                                                         -std::numeric_limits<double>::infinity(),
                                                         std::numeric_limits<double>::quiet_NaN()};
        if (is_wrong())
            return random_.of(others);
        return below * static_cast<double>(random_.below(1000)) / 1000;
    }
    /** Memory of its own for each array of a call. */
    void* slot(int32_t dtype) {
        if (is_wrong())
            return nullptr;
        const size_t at = order_[next_slot_++ % slots] * slot_elements;
        return dtype == ORTHO_FLOAT64 ? static_cast<void*>(doubles_.data() + at)
                                      : static_cast<void*>(floats_.data() + at);
    }
    void* slot_or_null(int32_t dtype) { return random_.one_in(3) ? nullptr : slot(dtype); }
    double* number_or_null() { return random_.one_in(3) ? nullptr : numbers_.data(); }
    ortho_device* device() {
        ortho_device* chosen = any(devices_);
        if (chosen == nullptr)
            chosen = devices_[0];
        return needed(chosen);
    }
    template <class Object, size_t count> Object& any(std::array<Object, count>& objects) {
        return objects[static_cast<size_t>(random_.below(count))];
    }
    /** One that has been created, where there is one of a few that are picked. */
    Chain& any_chain() {
        for (int i = 0; i < 5; ++i)
            if (Chain& chosen = any(chains_); chosen.handle != nullptr)
                return chosen;
        return chains_[0];
    }
    /** Parameters of a chain: none where it is on prepared weights. */
    const void* parameter(const Chain& chain, bool exists) {
        if (chain.prepared == nullptr && exists)
            return slot(chain.options.dtype);
        return is_wrong() ? floats_.data() : nullptr;
    }
    template <class Handle> Handle* needed(Handle* handle) {
        if (is_wrong())
            handle = nullptr;
        has_wrong_ = has_wrong_ || handle == nullptr;
        return handle;
    }

    /** The samples of a call, and which of a batch they are. */
    struct Samples {
        int64_t count;
        const ortho_batch_part* part;
    };
    /**
     * @param most     of the call
     * @param count    elements of a partial sum, all of which fit into a slot
     * @param is_loss  whose part has rows
     */
    Samples samples(int64_t most, int64_t count, bool is_loss) {
        if (random_.one_in(2))
            return {size(1, most), nullptr};
        const int64_t batch = random_.from(1, 4 * most), leaves = ortho_leaf_count(batch);
        const int64_t first = random_.below(leaves), last = random_.from(first, leaves - 1);
        part_ = ORTHO_BATCH_PART_INIT;
        part_.struct_size = sizeof part_;
        part_.batch = batch;
        part_.first = ortho_leaf_begin(batch, first);
        const int64_t own = (last + 1 < leaves ? ortho_leaf_begin(batch, last + 1) : batch) - part_.first;
        int64_t sums = 0;
        if (own > most || ortho_partial_sum_count(batch, part_.first, own, &sums) != ORTHO_OK)
            return {size(1, most), nullptr};
        if (is_loss) {
            part_.weight = static_cast<double>(is_wrong() ? random_.from(-1, 0) : 1000 * batch);
        } else {
            part_.stride = count > 0 ? count + random_.from(0, 3) : count;
            if (count < 1 || (sums - 1) * part_.stride + count > static_cast<int64_t>(slot_elements))
                return {size(1, most), nullptr};
            if (sums > 1 && is_wrong())
                part_.stride = random_.one_in(2) ? count - 1 : INT64_MAX;
        }
        if (is_wrong())
            ++part_.first; // leaves have several samples, or there is one
        if (is_wrong())
            part_.struct_size = 8;
        return {own, &part_};
    }
    /** Lengths; null where they are not given. */
    const int32_t* lengths_or_null(int64_t steps, int64_t batch) {
        if (random_.one_in(2))
            return nullptr;
        lengths_.fill(0);
        if (steps < 1 || steps > static_cast<int64_t>(slot_elements) || batch < 1 ||
            batch > static_cast<int64_t>(lengths_.size()))
            return lengths_.data();
        for (int64_t i = 0; i < batch; ++i)
            lengths_[static_cast<size_t>(i)] = static_cast<int32_t>(random_.from(0, steps));
        if (is_wrong())
            lengths_[static_cast<size_t>(random_.below(batch))] =
                random_.one_in(2) ? -1 : static_cast<int32_t>(steps + 1);
        return lengths_.data();
    }
    /** Whether arrays of so many elements fit into a slot; false also for sizes that are wrong. */
    static bool fits(int64_t steps, int64_t batch, int64_t columns) {
        constexpr auto most = static_cast<int64_t>(slot_elements);
        return steps >= 1 && batch >= 1 && columns >= 1 && steps <= most && batch <= most && columns <= most &&
               steps * batch * columns <= most;
    }
    /** Values [steps, batch, columns], or a copy of them with NaN beyond the lengths and where there is no weight. */
    const void* padded(const void* values, int32_t dtype, int64_t steps, int64_t batch, int64_t columns,
                       const int32_t* lengths, const float* weights = nullptr) {
        if (values == nullptr || (lengths == nullptr && weights == nullptr) || random_.one_in(3) ||
            !fits(steps, batch, columns))
            return values;
        double* const copy = padded_[next_padded_++ % padded_.size()].data();
        const auto fill = [&](auto* to, const auto* from) {
            for (int64_t i = 0; i < steps * batch * columns; ++i)
                to[i] = counts(i / columns, batch, lengths, weights)
                            ? from[i]
                            : std::numeric_limits<std::remove_reference_t<decltype(*to)>>::quiet_NaN();
        };
        if (dtype == ORTHO_FLOAT64)
            fill(copy, static_cast<const double*>(values));
        else
            fill(reinterpret_cast<float*>(copy), static_cast<const float*>(values));
        return copy;
    }

    /** Writes the call down before it is made. */
    __attribute__((format(printf, 2, 3))) void say(const char* format, ...) {
        char line[512];
        va_list arguments;
        va_start(arguments, format);
        std::vsnprintf(line, sizeof line, format, arguments);
        va_end(arguments);
        text_ += line;
        text_ += '\n';
        if (run_.verbose)
            std::fprintf(stderr, "%s\n", line);
    }

    void wrong(const std::string& what) {
        if (problem_.empty())
            problem_ = what;
    }

    /** Checks a call against what the header says of its function, `allowed`, and of all functions. */
    void returned(ortho_status status, unsigned allowed) {
        digest_ = mixed(digest_, static_cast<uint64_t>(status));
        ++calls_;
        succeeded_ += status == ORTHO_OK;
        const std::string message = ortho_last_error();
        if (status < ORTHO_OK || status > ORTHO_INTERNAL || (allowed >> status & 1) == 0)
            return wrong("status " + std::to_string(status) + " is not one of the function's: " + message);
        if (status == ORTHO_OK && has_wrong_)
            return wrong("a wrong argument was taken");
        if (status != ORTHO_OK && status != ORTHO_NOT_FINITE && !has_wrong_)
            return wrong("valid arguments were refused: " + message);
        const uint64_t contents = contents_digest();
        if (status != ORTHO_OK) {
            if (message.empty() || message.size() >= 512)
                return wrong("a message of " + std::to_string(message.size()) + " bytes");
            ortho_error error = ORTHO_ERROR_INIT;
            error.struct_size = sizeof error;
            if (ortho_get_last_error(&error) != ORTHO_OK || error.status != status || message != error.message)
                return wrong("parts of another failure: " + message);
            if (error.argument != nullptr && std::strpbrk(error.problem, "_>") != nullptr)
                return wrong("a name of the C interface in a problem: " + std::string(error.problem));
            for (const char c : message)
                if (static_cast<unsigned char>(c) < 0x20)
                    return wrong("a control character in a message: " + message);
            if (contents != contents_)
                return wrong("a call that failed has written: " + message);
        }
        contents_ = contents;
        digest_ = mixed(digest_, contents);
    }

    static uint64_t mixed(uint64_t digest, uint64_t value) {
        digest = (digest ^ value) * 0x9fb21c651e98df25u;
        return digest ^ (digest >> 29);
    }
    /** NaN counts as one value. */
    template <class T> static uint64_t bits(T value) {
        uint64_t all = 0;
        if (value == value)
            std::memcpy(&all, &value, sizeof value);
        else
            all = 1;
        return all;
    }
    uint64_t contents_digest() const {
        uint64_t digest = 1;
        for (const float value : floats_)
            digest = mixed(digest, bits(value));
        for (const double value : doubles_)
            digest = mixed(digest, bits(value));
        for (const int64_t value : permutation_)
            digest = mixed(digest, static_cast<uint64_t>(value));
        for (const double value : numbers_)
            digest = mixed(digest, bits(value));
        return mixed(digest, static_cast<uint64_t>(count_));
    }

    void make_a_call() {
        for (size_t i = slots; i > 1; --i)
            std::swap(order_[i - 1], order_[static_cast<size_t>(random_.below(static_cast<int64_t>(i)))]);
        next_slot_ = next_padded_ = 0;
        has_wrong_ = false;
        wrong_ = random_.one_in(3) ? random_.below(10) : -1;
        if (contents_ == 0)
            contents_ = contents_digest();
        switch (random_.below(36)) {
        case 0:
            return library_facts();
        case 1:
            return create_device();
        case 2:
            return random_.one_in(4) ? free_something() : describe_device();
        case 3:
            return create_buffer();
        case 4:
            return create_staging();
        case 5:
            return use_staging();
        case 6:
            return copy();
        case 7:
            return fill();
        case 8:
            return draw();
        case 9:
            return permute();
        case 10:
            return random_.one_in(2) ? add_noise() : drop_out();
        case 11:
        case 12:
            return create_chain();
        case 13:
            return ask_chain();
        case 14:
        case 15:
        case 16:
            return run_chain_forward();
        case 17:
        case 18:
            return run_chain_backward();
        case 19:
            return run_dense();
        case 20:
            return cross_entropy();
        case 21:
            return elementwise_loss();
        case 22:
            return random_.one_in(2) ? clip() : scale_or_average();
        case 23:
            return create_weights();
        case 24:
            return prepare_weights();
        case 25:
            return random_.one_in(3) ? create_streams() : create_chain_on();
        case 26:
            return random_.one_in(3) ? use_states() : step_streams();
        case 27:
        case 28:
            return random_.one_in(3) ? reverse() : pool();
        case 29:
            return add_partial_sums();
        case 30:
            return embed();
        case 31:
            return lay_out_windows();
        case 32:
            return random_.one_in(2) ? activate() : gate();
        case 33:
            return normalise();
        case 34:
            return random_.one_in(3) ? mask() : random_.one_in(2) ? add() : copy_columns();
        default:
            return step();
        }
    }

    void library_facts() {
        say("ortho_get_system_info, ortho_layout and others");
        if (ortho_abi_version() != ORTHO_ABI_VERSION || ortho_version()[0] == '\0' ||
            std::strlen(ortho_header_hash()) != 64 || ortho_live_objects() < 0 ||
            ortho_layout("ortho_chain_options") != sizeof(ortho_chain_options) || ortho_layout("no such") != -1 ||
            ortho_layout(nullptr) != -1)
            wrong("a fact about the library is wrong");
        ortho_system_info info{};
        info.struct_size = static_cast<uint32_t>(is_wrong() ? random_.next() << 8 : sizeof info);
        ortho_system_info* const target = needed(&info);
        returned(ortho_get_system_info(target), ok | argument | not_supported);
    }

    void create_device() {
        ortho_device*& place = devices_[1 + static_cast<size_t>(random_.below(devices_.size() - 1))];
        ortho_device* made = nullptr;
        ortho_device_options options{};
        // Of a caller that was compiled with the first header, which ends before the precisions, or with this one.
        const bool is_short = random_.one_in(4);
        options.struct_size = static_cast<uint32_t>(is_wrong() ? random_.next() << 8
                                                    : is_short ? offsetof(ortho_device_options, matrix_precision)
                                                               : sizeof options);
        options.kind = is_wrong() ? (random_.one_in(2) ? -1 : 2) : ORTHO_DEVICE_CPU;
        options.threads = is_wrong() ? (random_.one_in(2) ? -1 : 1025) : 1 + (random_.below(4) + run_.more_threads) % 4;
        options.index = is_wrong() ? 1 : 0;
        options.cuda_stream = is_short || is_wrong() ? &made : nullptr;
        ortho_device** const target = needed(&made);
        say("ortho_device_create(%s, {size %u, kind %d, threads %d, index %d})", target != nullptr ? "device" : "null",
            options.struct_size, options.kind, options.threads, options.index);
        returned(ortho_device_create(target, &options), ok | argument | memory | not_supported);
        if (made == nullptr)
            return;
        if (ortho_device_threads(made) != options.threads)
            wrong("a device has another number of threads");
        ortho_device_free(place); // what was made on it keeps it alive
        place = made;
    }

    void describe_device() {
        ortho_device* const chosen = device();
        ortho_device_info info{};
        info.struct_size = static_cast<uint32_t>(is_wrong() ? 3 : sizeof info);
        ortho_device_info* const target = needed(&info);
        say("ortho_device_get_info and ortho_device_synchronize(%s)", chosen != nullptr ? "device" : "null");
        if (std::strcmp(ortho_device_name(chosen), chosen != nullptr ? "cpu" : "") != 0)
            wrong("a device has another name");
        returned(ortho_device_get_info(chosen, target), ok | argument);
        has_wrong_ = chosen == nullptr;
        returned(ortho_device_synchronize(chosen), ok | argument);
    }

    void free_something() {
        switch (random_.below(6)) {
        case 4:
            say("ortho_weights_free");
            ortho_weights_free(std::exchange(any(weights_), {}).handle);
            break;
        case 5:
            say("ortho_streams_free");
            ortho_streams_free(std::exchange(any(streams_), {}).handle);
            break;
        case 0: {
            say("ortho_device_free");
            ortho_device*& place = devices_[1 + static_cast<size_t>(random_.below(devices_.size() - 1))];
            ortho_device_free(std::exchange(place, nullptr));
            break;
        }
        case 1: {
            say("ortho_buffer_free");
            ortho_buffer_free(std::exchange(any(buffers_), {}).handle);
            break;
        }
        case 2: {
            say("ortho_staging_free");
            ortho_staging_free(std::exchange(any(stagings_), {}).handle);
            break;
        }
        default: {
            say("ortho_chain_free");
            ortho_chain_free(std::exchange(any(chains_), {}).handle);
            break;
        }
        }
    }

    void create_buffer() {
        Memory<ortho_buffer>& place = any(buffers_);
        ortho_device* const on = device();
        const int64_t bytes = random_.one_in(50) ? int64_t{5} << 20 : size(1, 5000);
        const bool wraps = random_.one_in(3);
        void* const lent = wraps ? slot(ORTHO_FLOAT32) : nullptr;
        ortho_buffer* made = nullptr;
        say("ortho_buffer_%s(%s, %" PRId64 ")", wraps ? "wrap" : "create", on != nullptr ? "device" : "null", bytes);
        has_wrong_ = has_wrong_ || (wraps && bytes > static_cast<int64_t>(slot_elements * sizeof(float)));
        if (wraps && bytes > static_cast<int64_t>(slot_elements * sizeof(float)) && bytes < int64_t{1} << 40)
            return;
        const ortho_status status =
            wraps ? ortho_buffer_wrap(&made, on, lent, bytes) : ortho_buffer_create(&made, on, bytes);
        returned(status, ok | argument | memory);
        if (made == nullptr)
            return;
        if (ortho_buffer_bytes(made) != bytes || ortho_buffer_data(made) == nullptr)
            wrong("a buffer is not what was asked for");
        if (!wraps) {
            const auto* const data = static_cast<const char*>(ortho_buffer_data(made));
            if (std::any_of(data, data + bytes, [](char c) { return c != 0; }))
                wrong("a new buffer is not zero");
        }
        ortho_buffer_free(place.handle);
        place = {made, bytes};
    }

    void create_staging() {
        Memory<ortho_staging>& place = any(stagings_);
        ortho_device* const on = device();
        const int64_t bytes = size(1, 5000);
        ortho_staging* made = nullptr;
        ortho_staging** const target = needed(&made);
        say("ortho_staging_create(%s, %" PRId64 ")", on != nullptr ? "device" : "null", bytes);
        returned(ortho_staging_create(target, on, bytes), ok | argument | memory);
        if (made == nullptr)
            return;
        ortho_staging_free(place.handle);
        place = {made, bytes};
    }

    void use_staging() {
        const Memory<ortho_staging> chosen = any(stagings_);
        ortho_staging* const staging = needed(chosen.handle);
        const int64_t bytes = size(1, std::max<int64_t>(1, chosen.bytes));
        void* const target = slot(ORTHO_FLOAT32);
        say("ortho_staging_upload(%s, %" PRId64 "), join and wait", staging != nullptr ? "staging" : "null", bytes);
        if (staging != nullptr)
            std::memset(ortho_staging_data(staging), 1, static_cast<size_t>(chosen.bytes));
        returned(ortho_staging_upload(staging, target, bytes), ok | argument);
        has_wrong_ = staging == nullptr;
        returned(ortho_staging_join(staging), ok | argument);
        returned(ortho_staging_wait(staging), ok | argument);
    }

    void copy() {
        ortho_device* const on = device();
        void* const to = slot(ORTHO_FLOAT32);
        const void* const from = slot(ORTHO_FLOAT32);
        const int64_t bytes = size(1, slot_elements * sizeof(float));
        const int64_t which = random_.below(3);
        say("ortho_copy %d (%s, %" PRId64 ")", static_cast<int>(which), on != nullptr ? "device" : "null", bytes);
        returned(which == 0   ? ortho_copy(on, to, from, bytes)
                 : which == 1 ? ortho_copy_from_host(on, to, from, bytes)
                              : ortho_copy_to_host(on, to, from, bytes),
                 ok | argument);
    }

    void fill() {
        ortho_device* const on = device();
        const int32_t dtype = choice(0, 1);
        const int64_t count = size(1, slot_elements);
        void* const values = slot(dtype);
        say("ortho_fill(%s, %d, %" PRId64 ")", on != nullptr ? "device" : "null", dtype, count);
        returned(ortho_fill(on, dtype, count, values, random_value()), ok | argument);
    }

    void draw() {
        const int32_t purpose = choice(0, 5), dtype = choice(0, 1);
        const int64_t count = size(1, slot_elements);
        const bool normal = random_.one_in(2);
        const double deviation = number(2);
        void* const values = slot(dtype);
        say("ortho_random_%s(%d, %g, %d, %" PRId64 ")", normal ? "normal" : "uniform", purpose, deviation, dtype,
            count);
        const auto index = static_cast<uint32_t>(random_.next());
        if (!normal)
            has_wrong_ = has_wrong_ || !(deviation > -1);
        returned(normal ? ortho_random_normal(random_.next(), purpose, index, 0.5, deviation, dtype, 0, count, values)
                        : ortho_random_uniform(random_.next(), purpose, index, -1,
                                               std::isfinite(deviation) && deviation < 0 ? -2 : deviation, dtype, 0,
                                               count, values),
                 ok | argument);
    }

    void permute() {
        const int32_t purpose = choice(0, 5);
        const int64_t count = size(1, static_cast<int64_t>(permutation_.size()));
        int64_t* const target = needed(permutation_.data());
        say("ortho_random_permutation(%d, %" PRId64 ")", purpose, count);
        returned(ortho_random_permutation(random_.next(), purpose, 1, count, target), ok | argument);
    }

    /** The first sample of elements that have random numbers of their own. */
    int64_t first_sample() {
        constexpr int64_t most = int64_t{1} << 24;
        return is_wrong() ? (random_.one_in(2) ? -1 : most) : random_.of(std::array<int64_t, 3>{0, 100, most - 12});
    }

    void add_noise() {
        ortho_device* const on = device();
        const int32_t dtype = choice(0, 1);
        const int64_t first = first_sample(), steps = size(1, 12), batch = size(1, 10), units = size(1, 17);
        const double deviation = number(2);
        const void* const x = slot(dtype);
        void* const y = slot(dtype);
        const auto source = static_cast<uint32_t>(is_wrong() ? 1 << 20 : random_.below(1 << 20));
        say("ortho_add_normal_noise(%s, %d, %g, %" PRId64 ", %" PRId64 " x %" PRId64 " x %" PRId64 ")",
            on != nullptr ? "device" : "null", dtype, deviation, first, steps, batch, units);
        returned(
            ortho_add_normal_noise(on, dtype, random_.next(), source, 3, deviation, first, steps, batch, units, x, y),
            ok | argument);
    }

    void drop_out() {
        ortho_device* const on = device();
        const int32_t dtype = choice(0, 1), same_steps = flag();
        const int64_t first = first_sample(), steps = size(1, 12), batch = size(1, 10), units = size(1, 17);
        const double rate = is_wrong() ? (random_.one_in(2) ? 1 : -0.1) : 0.125 * static_cast<double>(random_.below(8));
        const void* const x = slot(dtype);
        void* const y = slot(dtype);
        const uint64_t index = is_wrong() ? uint64_t{1} << 32 : static_cast<uint64_t>(random_.below(int64_t{1} << 32));
        say("ortho_dropout(%s, %d, %g, %d, %" PRId64 ", %" PRId64 " x %" PRId64 " x %" PRId64 ")",
            on != nullptr ? "device" : "null", dtype, rate, same_steps, first, steps, batch, units);
        returned(ortho_dropout(on, dtype, random_.next(), 0, index, rate, same_steps, first, steps, batch, units, x, y),
                 ok | argument);
    }

    /** @return whether the options are known to be right or wrong */
    bool choose(ortho_chain_options& o) {
        o.struct_size = static_cast<uint32_t>(is_wrong() ? 7 : sizeof o);
        o.dtype = choice(0, 1);
        o.model = choice(0, 1);
        const bool recurrent = o.model == ORTHO_RECURRENT;
        o.filter_per_layer = recurrent ? (is_wrong() ? 1 : 0) : flag();
        o.hidden_size = size(1, random_.one_in(3) ? 22 : 9);
        // Where one filter serves all layers, any number of them is valid; only a forward call refuses absurd ones.
        o.layers = recurrent ? (is_wrong() ? 1 : 0) : size(1, 4);
        o.input_size = recurrent ? size(0, 5) : (is_wrong() ? 1 : 0);
        o.check_finite = flag();
        o.checkpoint_every = random_.one_in(2) ? 0 : (is_wrong() ? -1 : random_.from(1, 9));
        if (has_wrong_ && o.layers > INT32_MAX)
            o.layers = INT64_MAX;
        if (recurrent && random_.one_in(3)) {
            choose_gates(o);
            return true;
        }
        return choose_filter(o);
    }

    bool choose_filter(ortho_chain_options& o) {
        o.activation = choice(0, 1);
        if (random_.one_in(3))
            choose_blocks(o);
        else
            o.filter = choice(0, 3);
        o.seed = random_.next();
        o.filter_index = static_cast<uint32_t>(random_.next());
        alpha_ = number(1);
        beta_ = number(1);
        o.alpha = needed(&alpha_);
        o.beta = needed(&beta_);
        o.recurrent_bias = is_wrong() ? 1 : 0;
        has_wrong_ = has_wrong_ || !std::isfinite(alpha_) || !std::isfinite(beta_);
        if (std::isfinite(alpha_) && std::isfinite(beta_) && (alpha_ < 0 || beta_ < 0))
            return false; // negative factors are valid
        o.alpha_count = is_wrong() ? random_.from(23, 99) : 1;
        o.beta_count = is_wrong() ? -1 : 1;
        return true;
    }

    void choose_blocks(ortho_chain_options& o) {
        o.filter = ORTHO_FILTER_BLOCKS;
        o.block_count = 0;
        for (int64_t left = o.hidden_size; left > 0 && o.block_count < static_cast<int64_t>(blocks_.size());) {
            ortho_filter_block& block = blocks_[static_cast<size_t>(o.block_count++)];
            block.size = std::min(left, random_.from(1, 9));
            block.filter = choice(0, 3);
            block.reserved = is_wrong() ? 1 : 0;
            block.matrix = is_wrong() ? ones_.data() : nullptr;
            if (block.size == 1 && !has_wrong_ && random_.one_in(2)) { // an orthogonal matrix of each layer
                block.filter = ORTHO_FILTER_CUSTOM;
                block.matrix = ones_.data();
            }
            left -= block.size;
        }
        if (is_wrong())
            blocks_[0].size = random_.one_in(2) ? 0 : INT64_MAX;
        if (is_wrong())
            o.block_count = random_.one_in(2) ? 0 : INT64_MAX;
        o.blocks = needed(blocks_.data());
    }

    void choose_gates(ortho_chain_options& o) {
        o.cell = static_cast<int32_t>(is_wrong() ? random_.from(3, 99) : random_.from(1, 2));
        o.recurrent_bias = flag();
        o.activation = is_wrong() ? ORTHO_RELU : 0;
        o.filter = is_wrong() ? ORTHO_FILTER_CYCLE : 0;
        o.filter_index = is_wrong() ? 1 : 0;
        o.seed = is_wrong() ? 1 : 0;
        o.blocks = is_wrong() ? blocks_.data() : nullptr;
        o.block_count = is_wrong() ? 1 : 0;
        o.alpha = is_wrong() ? &alpha_ : nullptr;
        o.alpha_count = is_wrong() ? 1 : 0;
        o.beta_count = is_wrong() ? 1 : 0;
    }

    void say_options(const char* function, const ortho_device* on, const ortho_chain_options& o) {
        say("%s(%s, {size %u, dtype %d, model %d, activation %d, filter %d, per layer %d, N %" PRId64 ", L %" PRId64
            ", D %" PRId64 ", finite %d, every %" PRId64 ", cell %d, biases %d, blocks %" PRId64 "})",
            function, on != nullptr ? "device" : "null", o.struct_size, o.dtype, o.model, o.activation, o.filter,
            o.filter_per_layer, o.hidden_size, o.layers, o.input_size, o.check_finite, o.checkpoint_every, o.cell,
            1 + o.recurrent_bias, o.block_count);
    }

    void create_chain() {
        Chain& place = any(chains_);
        ortho_device* const on = device();
        ortho_chain_options o{};
        if (!choose(o))
            return;
        ortho_chain* made = nullptr;
        ortho_chain** const target = needed(&made);
        say_options("ortho_chain_create", on, o);
        returned(ortho_chain_create(target, on, &o), ok | argument | memory);
        if (made == nullptr)
            return;
        ortho_chain_free(place.handle);
        place = {made, o, nullptr, 0, 0, 0, false};
    }

    void create_weights() {
        Weights& place = any(weights_);
        ortho_device* const on = device();
        ortho_chain_options o{};
        if (!choose(o))
            return;
        ortho_weights* made = nullptr;
        ortho_weights** const target = needed(&made);
        say_options("ortho_weights_create", on, o);
        returned(ortho_weights_create(target, on, &o), ok | argument | memory);
        if (made == nullptr)
            return;
        ortho_weights_free(place.handle);
        place = {made, o, std::make_shared<Prepared>()};
    }

    /** The weights that a call is given, which may be wrong. */
    ortho_weights* given(const Weights& weights) { return needed(weights.handle); }

    void prepare_weights() {
        const Weights& chosen = any(weights_);
        ortho_weights* const weights = given(chosen);
        const ortho_chain_options& o = chosen.options;
        const auto version = static_cast<uint64_t>(random_.below(3));
        const int32_t training = flag();
        const void* const matrices = slot(o.dtype);
        const void* const input_weights = o.input_size > 0 ? slot(o.dtype) : (is_wrong() ? floats_.data() : nullptr);
        const void* const bias = slot(o.dtype);
        say("ortho_weights_prepare(%s, %" PRIu64 ", training %d)", weights != nullptr ? "weights" : "null", version,
            training);
        const ortho_status status = ortho_weights_prepare(weights, version, training, matrices, input_weights, bias);
        returned(status, ok | argument);
        if (status != ORTHO_OK)
            return;
        Prepared& prepared = *chosen.prepared;
        const bool same = prepared.ready && version != 0 && version == prepared.version;
        if (!same)
            ++prepared.generation;
        prepared.training = training == 1 || (same && prepared.training);
        prepared.ready = true;
        prepared.version = version;
    }

    void create_chain_on() {
        Chain& place = any(chains_);
        const Weights& chosen = any(weights_);
        ortho_weights* const weights = given(chosen);
        ortho_chain* made = nullptr;
        ortho_chain** const target = needed(&made);
        say("ortho_chain_create_on(%s)", weights != nullptr ? "weights" : "null");
        returned(ortho_chain_create_on(target, weights), ok | argument | memory);
        if (made == nullptr)
            return;
        ortho_chain_free(place.handle);
        place = {made, chosen.options, chosen.prepared, 0, 0, 0, false};
    }

    void create_streams() {
        Streams& place = any(streams_);
        const Weights& chosen = any(weights_);
        ortho_weights* const weights = given(chosen);
        const int64_t count = size(1, 40);
        ortho_streams* made = nullptr;
        ortho_streams** const target = needed(&made);
        has_wrong_ = has_wrong_ || chosen.options.model != ORTHO_RECURRENT;
        say("ortho_streams_create(%s, %" PRId64 ")", weights != nullptr ? "weights" : "null", count);
        returned(ortho_streams_create(target, weights, count), ok | argument | memory);
        if (made == nullptr)
            return;
        ortho_streams_free(place.handle);
        place = {made, chosen.options, chosen.prepared, count};
    }

    void step_streams() {
        const Streams& chosen = any(streams_);
        ortho_streams* const streams = needed(chosen.handle);
        const ortho_chain_options& o = chosen.options;
        const void* const inputs = o.input_size > 0 ? slot(o.dtype) : (is_wrong() ? floats_.data() : nullptr);
        void* const outputs = random_.one_in(3) ? nullptr : any_slot(o.dtype);
        std::array<uint8_t, 40> resets{};
        for (uint8_t& reset : resets)
            reset = random_.one_in(4) ? 255 : 0;
        const bool ready = chosen.prepared != nullptr && chosen.prepared->ready;
        has_wrong_ = has_wrong_ || !ready;
        say("ortho_streams_step(%s)", streams != nullptr ? "streams" : "null");
        returned(ortho_streams_step(streams, random_.one_in(2) ? nullptr : resets.data(), inputs, outputs),
                 ok | argument | (ready ? 0u : state) | (o.check_finite == 1 ? not_finite : 0u));
    }

    void use_states() {
        const Streams& chosen = any(streams_);
        ortho_streams* const streams = needed(chosen.handle);
        void* const states = slot(chosen.options.dtype);
        const bool reads = random_.one_in(2);
        say("ortho_streams_%s(%s)", reads ? "read" : "write", streams != nullptr ? "streams" : "null");
        returned(reads ? ortho_streams_read(streams, states) : ortho_streams_write(streams, states),
                 ok | argument | (!reads && chosen.options.check_finite == 1 ? not_finite : 0u));
    }

    void ask_chain() {
        const Chain& chosen = any_chain();
        ortho_chain* const chain = needed(chosen.handle);
        const ortho_chain_options& o = chosen.options;
        if (random_.one_in(2)) {
            const int64_t layer = o.filter_per_layer == 1 ? size(0, o.layers - 1) : size(0, 0);
            auto* const matrix = static_cast<double*>(slot(ORTHO_FLOAT64));
            has_wrong_ = has_wrong_ || o.cell != ORTHO_CELL_FILTER;
            say("ortho_chain_filter(%s, %" PRId64 ")", chain != nullptr ? "chain" : "null", layer);
            returned(ortho_chain_filter(chain, layer, matrix), ok | argument | memory);
        } else {
            // Of few units, 2^50 steps are a question like any other.
            const auto wrong_for_certain = [](int64_t n) { return n > INT32_MAX ? INT64_MAX : n; };
            const int64_t steps = chosen.recurrent() ? wrong_for_certain(size(1, 1000)) : (is_wrong() ? 1 : 0);
            const int64_t batch = wrong_for_certain(size(1, 1000));
            const int32_t training = flag();
            int64_t* const bytes = needed(&count_);
            say("ortho_chain_memory(%s, %" PRId64 ", %" PRId64 ", %d)", chain != nullptr ? "chain" : "null", steps,
                batch, training);
            returned(
                ortho_chain_memory(chain, steps, batch, training, bytes, random_.one_in(2) ? nullptr : &sum_bytes_),
                ok | argument | memory);
        }
    }

    void run_chain_forward() {
        Chain& chosen = any_chain();
        ortho_chain* const chain = needed(chosen.handle);
        const ortho_chain_options& o = chosen.options;
        const int64_t units = std::max<int64_t>(1, o.hidden_size);
        // All arrays fit into slots: up to 5 inputs and 22 units.
        const int64_t most_steps = random_.one_in(4) ? 40 : 6;
        const int64_t most_batch = static_cast<int64_t>(slot_elements) / (most_steps * std::max(units, int64_t{5}));
        const int64_t steps = chosen.recurrent() ? size(1, most_steps) : (is_wrong() ? 1 : 0);
        const int64_t gates = o.cell == ORTHO_CELL_GRU ? 3 : o.cell == ORTHO_CELL_LSTM ? 4 : 1;
        const int64_t matrices = gates * std::max<int64_t>(1, o.layers);
        const Samples held = samples(
            std::max<int64_t>(1, most_batch),
            matrices <= 4 ? std::max({matrices * units, gates * o.input_size, (1 + o.recurrent_bias) * gates}) * units
                          : 0,
            false);
        const int64_t batch = held.count;
        const int32_t* const lengths = chosen.recurrent() ? lengths_or_null(steps, batch)
                                       : is_wrong()       ? lengths_.data()
                                                          : nullptr;
        const int64_t all_steps = chosen.recurrent() ? steps : o.layers;
        const int64_t output_steps = size(0, std::clamp<int64_t>(all_steps, 0, most_steps));
        const int32_t training = flag();
        const bool driven = o.input_size > 0;
        if (!driven && steps > most_steps)
            return; // may be valid, as no array has T rows, and then takes years
        const void* const weights = parameter(chosen, true);
        const void* const input_weights = parameter(chosen, driven);
        const void* const bias = parameter(chosen, true);
        const void* const inputs = driven ? padded(slot(o.dtype), o.dtype, steps, batch, o.input_size, lengths)
                                          : (is_wrong() ? floats_.data() : nullptr);
        const void* const initial = random_.one_in(2) ? nullptr : any_slot(o.dtype);
        void* const outputs = output_steps != 0 ? slot(o.dtype) : nullptr;
        void* const final_states = random_.one_in(2) ? nullptr : any_slot(o.dtype);
        const Prepared* const prepared = chosen.prepared.get();
        const bool ready = prepared == nullptr || (prepared->ready && (prepared->training || training == 0));
        has_wrong_ = has_wrong_ || !ready;
        say("ortho_chain_forward(%s, T %" PRId64 ", B %" PRId64 "%s%s, K %" PRId64 ", training %d)",
            chain != nullptr ? "chain" : "null", steps, batch, lengths != nullptr ? " with lengths" : "",
            held.part != nullptr ? ", a part" : "", output_steps, training);
        const ortho_status status =
            ortho_chain_forward(chain, steps, batch, lengths, held.part, output_steps, training, weights, input_weights,
                                bias, inputs, initial, outputs, final_states);
        returned(status, ok | argument | memory | (ready ? 0u : state) | (o.check_finite == 1 ? not_finite : 0u));
        // A call that failed has left the pass before as it was.
        if (status == ORTHO_OK) {
            chosen.waits = training == 1;
            chosen.generation = prepared != nullptr ? prepared->generation : 0;
            chosen.batch = batch;
            chosen.output_steps = output_steps;
        }
    }

    /** Memory that cannot be left out by mistake. */
    void* any_slot(int32_t dtype) {
        const int64_t kept = std::exchange(wrong_, -1);
        void* const memory_of_slot = slot(dtype);
        wrong_ = kept;
        return memory_of_slot;
    }

    void run_chain_backward() {
        Chain& chosen = any_chain();
        ortho_chain* const chain = needed(chosen.handle);
        const ortho_chain_options& o = chosen.options;
        const int32_t accumulate = flag();
        const bool driven = o.input_size > 0;
        const void* const weights = parameter(chosen, true);
        const void* const input_weights = parameter(chosen, driven);
        const void* const bias = parameter(chosen, true);
        const void* const inputs = driven ? slot(o.dtype) : nullptr;
        const void* const arriving = chosen.output_steps > 0 ? slot(o.dtype) : nullptr;
        const void* const final_gradients = random_.one_in(2) ? nullptr : any_slot(o.dtype);
        void* const weight_gradients = slot(o.dtype);
        void* const input_weight_gradients = driven ? slot(o.dtype) : nullptr;
        void* const bias_gradients = slot(o.dtype);
        void* const input_gradients = driven && random_.one_in(2) ? any_slot(o.dtype) : nullptr;
        void* const initial_gradients = random_.one_in(2) ? any_slot(o.dtype) : nullptr;
        const bool waits =
            chosen.waits && (chosen.prepared == nullptr || chosen.prepared->generation == chosen.generation);
        has_wrong_ = has_wrong_ || !waits;
        say("ortho_chain_backward(%s, accumulate %d)", chain != nullptr ? "chain" : "null", accumulate);
        const ortho_status status = ortho_chain_backward(
            chain, accumulate, weights, input_weights, bias, inputs, arriving, final_gradients, weight_gradients,
            input_weight_gradients, bias_gradients, input_gradients, initial_gradients);
        returned(status, ok | argument | memory | (waits ? 0u : state) | (o.check_finite == 1 ? not_finite : 0u));
        if (status == ORTHO_OK)
            chosen.waits = false;
    }

    void run_dense() {
        ortho_device* const on = device();
        const int32_t dtype = choice(0, 1);
        const int64_t inputs = size(1, 40), outputs = size(1, 40);
        const bool forward = random_.one_in(2);
        const void* const weights = slot(dtype);
        const void* const x = slot(dtype);
        if (forward) {
            const int64_t rows = size(1, random_.one_in(3) ? 50 : 8);
            const void* const bias = random_.one_in(2) ? any_slot(dtype) : nullptr;
            void* const y = slot(dtype);
            say("ortho_dense_forward(%s, %d, %" PRId64 " x %" PRId64 " x %" PRId64 ")",
                on != nullptr ? "device" : "null", dtype, rows, inputs, outputs);
            return returned(ortho_dense_forward(on, dtype, rows, inputs, outputs, weights, bias, x, y),
                            ok | argument | memory);
        }
        const int64_t steps = random_.one_in(2) ? 1 : size(1, 5);
        const bool small = inputs > 0 && inputs <= 40 && outputs > 0 && outputs <= 40;
        const Samples held =
            samples(random_.one_in(3) ? 50 / std::clamp<int64_t>(steps, 1, 5) : 8, small ? inputs * outputs : 0, false);
        say("ortho_dense_backward(%s, %d, %" PRId64 " x %" PRId64 "%s, %" PRId64 " x %" PRId64 ")",
            on != nullptr ? "device" : "null", dtype, steps, held.count, held.part != nullptr ? ", a part" : "", inputs,
            outputs);
        const int32_t accumulate = flag();
        const void* const y_gradients = slot(dtype);
        void* const weight_gradients = slot(dtype);
        void* const bias_gradients = random_.one_in(2) ? any_slot(dtype) : nullptr;
        void* const x_gradients = weights != nullptr && random_.one_in(3) ? nullptr : any_slot(dtype);
        returned(ortho_dense_backward(on, dtype, held.part, accumulate, steps, held.count, inputs, outputs, weights, x,
                                      y_gradients, weight_gradients, bias_gradients, x_gradients),
                 ok | argument | memory);
    }

    /** Whether a row of a loss counts. */
    static bool counts(int64_t row, int64_t batch, const int32_t* lengths, const float* weights) {
        return (lengths == nullptr || row / batch < lengths[row % batch]) && (weights == nullptr || weights[row] > 0);
    }
    /** Weights of rows; null where they are not given. Beyond lengths they may be anything. */
    const float* weights_or_null(int64_t steps, int64_t batch, const int32_t* lengths) {
        if (random_.one_in(2))
            return nullptr;
        row_weights_.fill(1);
        if (!fits(steps, batch, 1))
            return row_weights_.data();
        for (int64_t row = 0; row < steps * batch; ++row) {
            float& weight = row_weights_[static_cast<size_t>(row)];
            weight = static_cast<float>(random_.from(0, 4)) / 2;
            if (lengths != nullptr && row / batch >= lengths[row % batch])
                weight = -1;
            else if (is_wrong())
                weight = random_.one_in(2) ? -1 : std::numeric_limits<float>::quiet_NaN();
        }
        return row_weights_.data();
    }
    /** Whether no row of a loss without a part has a weight. @param weight_of  the weight of a row that counts */
    template <class WeightOf>
    bool has_no_weight(const Samples& held, int64_t steps, const int32_t* lengths, const float* weights,
                       WeightOf&& weight_of) const {
        if (held.part != nullptr || !fits(steps, held.count, 1))
            return false;
        for (int64_t row = 0; row < steps * held.count; ++row)
            if (counts(row, held.count, lengths, weights) && weight_of(row) > 0)
                return false;
        return true;
    }

    void cross_entropy() {
        ortho_device* const on = device();
        const int32_t dtype = choice(0, 1);
        const int64_t steps = random_.one_in(2) ? 1 : size(1, 5);
        const Samples held = samples(static_cast<int64_t>(targets_.size()) / std::clamp<int64_t>(steps, 1, 5), 0, true);
        const int32_t* const lengths = lengths_or_null(steps, held.count);
        const float* const weights = weights_or_null(steps, held.count, lengths);
        const int64_t classes = size(1, 50);
        const float* class_weights = nullptr;
        if (random_.one_in(2)) {
            for (float& weight : class_weights_)
                weight = static_cast<float>(random_.from(0, 3));
            if (is_wrong())
                class_weights_[0] = random_.one_in(2) ? -1 : std::numeric_limits<float>::infinity();
            class_weights = class_weights_.data();
        }
        const double smoothing = number(1);
        const void* const logits = padded(slot(dtype), dtype, steps, held.count, classes, lengths, weights);
        const int32_t* const targets = needed(targets_.data());
        void* const gradients = random_.one_in(2) ? any_slot(dtype) : nullptr;
        // Targets are classes 0 to 3.
        const bool has_targets =
            fits(steps, held.count, 1) && steps * held.count <= static_cast<int64_t>(targets_.size());
        for (int64_t row = 0; has_targets && row < steps * held.count; ++row)
            has_wrong_ = has_wrong_ ||
                         (targets_[static_cast<size_t>(row)] >= classes && counts(row, held.count, lengths, weights));
        has_wrong_ =
            has_wrong_ || has_no_weight(held, steps, lengths, weights, [&](int64_t row) {
                return class_weights == nullptr || !has_targets ? 1 : class_weights[targets_[static_cast<size_t>(row)]];
            });
        say("ortho_softmax_cross_entropy(%s, %d, %" PRId64 " x %" PRId64 "%s%s%s%s x %" PRId64 ", %g)",
            on != nullptr ? "device" : "null", dtype, steps, held.count, lengths != nullptr ? " with lengths" : "",
            weights != nullptr ? " with weights" : "", class_weights != nullptr ? " of rows and classes" : "",
            held.part != nullptr ? ", a part" : "", classes, smoothing);
        returned(ortho_softmax_cross_entropy(on, dtype, steps, held.count, lengths, weights, held.part, classes,
                                             class_weights, smoothing, logits, targets, number_or_null(),
                                             random_.one_in(2) ? nullptr : &count_, gradients),
                 ok | argument | memory | not_finite);
    }

    void elementwise_loss() {
        ortho_device* const on = device();
        const int32_t dtype = choice(0, 1), kind = choice(ORTHO_LOSS_SQUARED_ERROR, ORTHO_LOSS_BINARY_CROSS_ENTROPY);
        const int64_t steps = random_.one_in(2) ? 1 : size(1, 8);
        const int64_t units = random_.one_in(2) ? 1 : size(1, 8);
        int64_t count = 0;
        if (kind == ORTHO_LOSS_HUBER)
            count = 1;
        else if (kind == ORTHO_LOSS_QUANTILE)
            count = units == 6 ? 3 : units == 8 ? 2 : 1;
        else if (kind == ORTHO_LOSS_BINARY_CROSS_ENTROPY && random_.one_in(2) && units >= 1 && units <= 8)
            count = units;
        for (double& parameter : parameters_)
            parameter = static_cast<double>(random_.from(1, 9)) / 10;
        if (count > 0 && is_wrong())
            parameters_[0] = random_.one_in(2) ? -1 : std::numeric_limits<double>::quiet_NaN();
        if (is_wrong())
            count = units >= 1 && units <= 8 ? 9 : -1;
        const Samples held = samples(static_cast<int64_t>(slot_elements) / std::clamp<int64_t>(units, 1, 8) /
                                         std::clamp<int64_t>(steps, 1, 8),
                                     0, true);
        const int32_t* const lengths = lengths_or_null(steps, held.count);
        const float* const weights = weights_or_null(steps, held.count, lengths);
        has_wrong_ = has_wrong_ || has_no_weight(held, steps, lengths, weights, [](int64_t) { return 1; });
        const void* const predictions = padded(slot(dtype), dtype, steps, held.count, units, lengths, weights);
        const int64_t row_targets = kind == ORTHO_LOSS_QUANTILE && count > 0 ? units / count : units;
        const void* targets = padded(slot(dtype), dtype, steps, held.count, row_targets, lengths, weights);
        if (kind == ORTHO_LOSS_BINARY_CROSS_ENTROPY && targets != nullptr && fits(steps, held.count, units))
            targets = dtype == ORTHO_FLOAT64
                          ? probabilities(static_cast<const double*>(targets), steps * held.count * units)
                          : probabilities(static_cast<const float*>(targets), steps * held.count * units);
        void* const gradients = random_.one_in(2) ? any_slot(dtype) : nullptr;
        say("ortho_elementwise_loss(%s, %d, kind %d, %" PRId64 " x %" PRId64 "%s%s%s x %" PRId64 ", %" PRId64
            " parameters)",
            on != nullptr ? "device" : "null", dtype, kind, steps, held.count,
            lengths != nullptr ? " with lengths" : "", weights != nullptr ? " with weights" : "",
            held.part != nullptr ? ", a part" : "", units, count);
        returned(ortho_elementwise_loss(on, dtype, kind, steps, held.count, lengths, weights, held.part, units,
                                        count != 0 ? parameters_.data() : nullptr, count, predictions, targets,
                                        number_or_null(), gradients),
                 ok | argument | memory | not_finite);
    }

    /** A copy of numbers that brings those that are finite into the range of probabilities. */
    template <class T> const void* probabilities(const T* values, int64_t count) {
        T* const copy = reinterpret_cast<T*>(probabilities_.data());
        for (int64_t i = 0; i < count; ++i)
            copy[i] = std::isfinite(values[i]) ? std::min(std::abs(values[i]), T{1}) : values[i];
        return copy;
    }

    void pool() {
        ortho_device* const on = device();
        const int32_t dtype = choice(0, 1), pooling = choice(0, 2);
        const int64_t steps = size(1, 12), batch = size(1, 10), units = size(1, 17);
        const int32_t* const lengths = lengths_or_null(steps, batch);
        const bool forward = random_.one_in(2);
        const void* const values = forward || pooling == ORTHO_POOL_MAX ? slot(dtype)
                                   : random_.one_in(2)                  ? nullptr
                                                                        : any_slot(dtype);
        const void* const x = padded(values, dtype, steps, batch, units, lengths);
        say("ortho_pool_%s(%s, %d, pooling %d, %" PRId64 " x %" PRId64 " x %" PRId64 "%s)",
            forward ? "forward" : "backward", on != nullptr ? "device" : "null", dtype, pooling, steps, batch, units,
            lengths != nullptr ? " with lengths" : "");
        void* const out = slot(dtype);
        if (forward)
            return returned(ortho_pool_forward(on, dtype, pooling, steps, batch, units, lengths, x, out),
                            ok | argument | memory);
        const void* const y_gradients = slot(dtype);
        returned(ortho_pool_backward(on, dtype, pooling, steps, batch, units, lengths, x, y_gradients, out),
                 ok | argument | memory);
    }

    void reverse() {
        ortho_device* const on = device();
        const int32_t dtype = choice(0, 1);
        const int64_t steps = size(1, 12), batch = size(1, 10), units = size(1, 17);
        const int32_t* const lengths = lengths_or_null(steps, batch);
        void* const y = slot(dtype);
        const void* const x = y != nullptr && is_wrong() ? y : padded(slot(dtype), dtype, steps, batch, units, lengths);
        say("ortho_reverse(%s, %d, %" PRId64 " x %" PRId64 " x %" PRId64 "%s)", on != nullptr ? "device" : "null",
            dtype, steps, batch, units, lengths != nullptr ? " with lengths" : "");
        returned(ortho_reverse(on, dtype, steps, batch, units, lengths, x, y), ok | argument | memory);
    }

    void embed() {
        ortho_device* const on = device();
        const int32_t dtype = choice(0, 1);
        const int64_t steps = size(1, 6), units = size(1, 9), entries = size(1, 12);
        const bool forward = random_.one_in(2), small = units > 0 && units <= 9 && entries > 0 && entries <= 12;
        const Samples held = forward ? Samples{size(1, 40), nullptr}
                                     : samples(random_.one_in(3) ? 40 : 8, small ? entries * units : 0, false);
        const int32_t* const lengths = lengths_or_null(steps, held.count);
        // What lies beyond the lengths is any number.
        const auto most = static_cast<int64_t>(indices_.size());
        for (int32_t& index : indices_)
            index = static_cast<int32_t>(random_.from(-3, 20));
        const auto counts = [&](int64_t row) {
            return lengths == nullptr || row / held.count < lengths[row % held.count];
        };
        if (small && steps > 0 && steps <= 6 && held.count > 0 && held.count <= most / steps) {
            for (int64_t row = 0; row < steps * held.count; ++row)
                if (counts(row))
                    indices_[static_cast<size_t>(row)] = static_cast<int32_t>(random_.below(entries));
            const int64_t row = random_.below(steps * held.count);
            if (counts(row) && is_wrong())
                indices_[static_cast<size_t>(row)] = random_.one_in(2) ? -1 : static_cast<int32_t>(entries);
        }
        const int32_t* const indices = needed(indices_.data());
        say("ortho_embedding_%s(%s, %d, %" PRId64 " x %" PRId64 "%s%s x %" PRId64 " of %" PRId64 ")",
            forward ? "forward" : "backward", on != nullptr ? "device" : "null", dtype, steps, held.count,
            lengths != nullptr ? " with lengths" : "", held.part != nullptr ? ", a part" : "", units, entries);
        if (forward) {
            const void* const table = slot(dtype);
            void* const y = slot(dtype);
            return returned(
                ortho_embedding_forward(on, dtype, steps, held.count, lengths, entries, units, table, indices, y),
                ok | argument | memory);
        }
        const int32_t accumulate = flag();
        const void* const y_gradients = padded(slot(dtype), dtype, steps, held.count, units, lengths);
        void* const table_gradients = slot(dtype);
        returned(ortho_embedding_backward(on, dtype, held.part, accumulate, steps, held.count, lengths, entries, units,
                                          indices, y_gradients, table_gradients),
                 ok | argument | memory);
    }

    void lay_out_windows() {
        ortho_device* const on = device();
        const int32_t dtype = choice(0, 1);
        const int64_t steps = size(1, 8), batch = size(1, 8), units = size(1, 5);
        // Any stride from 1 on is valid.
        const int64_t stride = is_wrong()          ? (random_.one_in(2) ? 0 : INT64_MIN)
                               : random_.one_in(8) ? INT64_MAX
                                                   : random_.from(1, 4);
        const int64_t window = size(1, 4), padding = window > 1 && window <= 4 ? size(0, window - 1) : 0;
        // One that is longer than the steps with their padding.
        has_wrong_ = has_wrong_ || (steps <= 8 && padding <= 4 && steps + 2 * padding < window);
        const int32_t* const lengths = lengths_or_null(steps, batch);
        const bool forward = random_.one_in(2);
        const void* const from = forward ? padded(slot(dtype), dtype, steps, batch, units, lengths) : slot(dtype);
        void* const to = slot(dtype);
        say("ortho_windows_%s(%s, %d, %" PRId64 " x %" PRId64 "%s x %" PRId64 ", window %" PRId64 ", stride %" PRId64
            ", padding %" PRId64 ")",
            forward ? "forward" : "backward", on != nullptr ? "device" : "null", dtype, steps, batch,
            lengths != nullptr ? " with lengths" : "", units, window, stride, padding);
        returned(
            forward
                ? ortho_windows_forward(on, dtype, steps, batch, units, lengths, window, stride, padding, from, to)
                : ortho_windows_backward(on, dtype, steps, batch, units, lengths, window, stride, padding, from, to),
            ok | argument | memory);
    }

    void activate() {
        ortho_device* const on = device();
        const int32_t dtype = choice(0, 1), activation = choice(0, 4);
        const int64_t count = size(1, slot_elements);
        const bool forward = random_.one_in(2), in_place = random_.one_in(3);
        const void* const x = slot(dtype);
        say("ortho_activation_%s(%s, %d, activation %d, %" PRId64 "%s)", forward ? "forward" : "backward",
            on != nullptr ? "device" : "null", dtype, activation, count, in_place ? " in place" : "");
        if (forward) {
            void* const y = in_place ? const_cast<void*>(x) : slot(dtype);
            return returned(ortho_activation_forward(on, dtype, activation, count, x, y), ok | argument);
        }
        const void* const y_gradients = slot(dtype);
        void* const x_gradients = in_place ? const_cast<void*>(y_gradients) : slot(dtype);
        returned(ortho_activation_backward(on, dtype, activation, count, x, y_gradients, x_gradients), ok | argument);
    }

    void gate() {
        ortho_device* const on = device();
        const int32_t dtype = choice(0, 1);
        const int64_t rows = size(1, 20), units = size(1, 51);
        const bool forward = random_.one_in(2);
        const void* const x = slot(dtype);
        say("ortho_gate_%s(%s, %d, %" PRId64 " x %" PRId64 ")", forward ? "forward" : "backward",
            on != nullptr ? "device" : "null", dtype, rows, units);
        void* const out = slot(dtype);
        if (forward)
            return returned(ortho_gate_forward(on, dtype, rows, units, x, out), ok | argument);
        const void* const y_gradients = slot(dtype);
        returned(ortho_gate_backward(on, dtype, rows, units, x, y_gradients, out), ok | argument);
    }

    void normalise() {
        ortho_device* const on = device();
        const int32_t dtype = choice(0, 1);
        const int64_t units = size(1, 40);
        const bool forward = random_.one_in(2);
        const void* const scale = slot(dtype);
        const void* const x = slot(dtype);
        if (forward) {
            static constexpr std::array<double, 4> others = {0, -1e-5, std::numeric_limits<double>::infinity(),
                                                             std::numeric_limits<double>::quiet_NaN()};
            const int64_t rows = size(1, 50);
            const double epsilon = is_wrong() ? random_.of(others) : 1e-5;
            const void* const offset = random_.one_in(2) ? nullptr : any_slot(dtype);
            void* const y = slot(dtype);
            void* const statistics = random_.one_in(3) ? nullptr : any_slot(dtype);
            say("ortho_layer_norm_forward(%s, %d, %" PRId64 " x %" PRId64 ", %g)", on != nullptr ? "device" : "null",
                dtype, rows, units, epsilon);
            return returned(ortho_layer_norm_forward(on, dtype, rows, units, epsilon, scale, offset, x, y, statistics),
                            ok | argument);
        }
        const int64_t steps = random_.one_in(2) ? 1 : size(1, 5);
        const Samples held = samples(static_cast<int64_t>(slot_elements) / std::clamp<int64_t>(units, 2, 40) /
                                         std::clamp<int64_t>(steps, 1, 5),
                                     units, false);
        const int32_t accumulate = flag();
        const void* const statistics = slot(dtype);
        const void* const y_gradients = slot(dtype);
        void* const scale_gradients = slot(dtype);
        void* const offset_gradients = random_.one_in(3) ? nullptr : any_slot(dtype);
        void* const x_gradients = random_.one_in(3) ? nullptr : any_slot(dtype);
        say("ortho_layer_norm_backward(%s, %d, %" PRId64 " x %" PRId64 "%s x %" PRId64 ")",
            on != nullptr ? "device" : "null", dtype, steps, held.count, held.part != nullptr ? ", a part" : "", units);
        returned(ortho_layer_norm_backward(on, dtype, held.part, accumulate, steps, held.count, units, scale, x,
                                           statistics, y_gradients, scale_gradients, offset_gradients, x_gradients),
                 ok | argument | memory);
    }

    void mask() {
        ortho_device* const on = device();
        const int32_t dtype = choice(0, 1);
        const int64_t steps = size(1, 12), batch = size(1, 10), units = size(1, 17);
        const int32_t* const lengths = lengths_or_null(steps, batch);
        const void* const x = slot(dtype);
        const bool in_place = random_.one_in(3);
        void* const y = in_place ? const_cast<void*>(x) : slot(dtype);
        say("ortho_mask(%s, %d, %" PRId64 " x %" PRId64 " x %" PRId64 "%s%s)", on != nullptr ? "device" : "null", dtype,
            steps, batch, units, lengths != nullptr ? " with lengths" : "", in_place ? " in place" : "");
        returned(ortho_mask(on, dtype, steps, batch, units, lengths,
                            in_place ? x : padded(x, dtype, steps, batch, units, lengths), y),
                 ok | argument | memory);
    }

    void add() {
        ortho_device* const on = device();
        const int32_t dtype = choice(0, 1);
        const int64_t count = size(1, slot_elements);
        const void* const x = slot(dtype);
        const void* const y = slot(dtype);
        void* const z = random_.one_in(3)   ? const_cast<void*>(x)
                        : random_.one_in(2) ? const_cast<void*>(y)
                                            : slot(dtype);
        say("ortho_add(%s, %d, %" PRId64 ")", on != nullptr ? "device" : "null", dtype, count);
        returned(ortho_add(on, dtype, count, x, y, z), ok | argument);
    }

    void copy_columns() {
        ortho_device* const on = device();
        const int32_t dtype = choice(0, 1);
        const int64_t rows = size(1, 40), columns = size(1, 10);
        // Of a wrong number of columns, rows are as long as they are else.
        const int64_t there = columns >= 1 && columns <= 10 ? columns : 1;
        const auto row = [&] { return is_wrong() ? there - 1 : there + random_.from(0, 40); };
        const int64_t x_columns = row(), y_columns = row();
        const auto first = [&](int64_t length) {
            return is_wrong() || length < there ? -1 : random_.from(0, length - there);
        };
        const int64_t x_first = first(x_columns), y_first = first(y_columns);
        const void* const x = slot(dtype);
        void* const y = slot(dtype);
        say("ortho_copy_columns(%s, %d, %" PRId64 " x %" PRId64 ", %" PRId64 " of %" PRId64 " to %" PRId64
            " of %" PRId64 ")",
            on != nullptr ? "device" : "null", dtype, rows, columns, x_first, x_columns, y_first, y_columns);
        returned(ortho_copy_columns(on, dtype, rows, columns, x, x_columns, x_first, y, y_columns, y_first),
                 ok | argument);
    }

    void add_partial_sums() {
        ortho_device* const on = device();
        const int32_t dtype = choice(0, 1);
        const int64_t count = size(1, 100), batch = random_.from(32, 400), leaves = ortho_leaf_count(batch);
        const int64_t first = random_.below(leaves - 1), next = random_.from(first + 1, leaves - 1),
                      end = random_.from(next + 1, leaves);
        const auto sample = [&](int64_t leaf) { return leaf < leaves ? ortho_leaf_begin(batch, leaf) : batch; };
        const auto samples_to = [&](int64_t from, int64_t to) {
            return sample(to) - sample(from) + (is_wrong() ? 1 : 0); // leaves have several samples
        };
        const int64_t samples_before = samples_to(first, next), samples_behind = samples_to(next, end);
        const int64_t enough = count > 100 ? count : count + 7; // what is wrong is of any size
        const auto stride = [&] {
            return is_wrong() ? (random_.one_in(2) ? std::max<int64_t>(count, 1) - 1 : INT64_MAX) : enough;
        };
        const int64_t stride_before = stride(), stride_behind = stride();
        void* const sums = slot(dtype);
        const void* const next_sums = slot(dtype);
        say("ortho_add_partial_sums(%s, %d, %" PRId64 ", %" PRId64 ": %" PRId64 ", %" PRId64 " + %" PRId64 ")",
            on != nullptr ? "device" : "null", dtype, count, batch, sample(first), samples_before, samples_behind);
        returned(ortho_add_partial_sums(on, dtype, count, batch, sample(first), samples_before, samples_behind, sums,
                                        stride_before, next_sums, stride_behind),
                 ok | argument | memory);
    }

    void clip() {
        ortho_device* const on = device();
        const int32_t dtype = choice(0, 1);
        const int64_t count = size(1, slot_elements);
        static constexpr std::array<double, 4> others = {0, -1, -std::numeric_limits<double>::infinity(),
                                                         std::numeric_limits<double>::quiet_NaN()};
        const double largest = is_wrong()          ? random_.of(others)
                               : random_.one_in(4) ? std::numeric_limits<double>::infinity()
                                                   : 0.5 + static_cast<double>(random_.below(100));
        void* const gradients = slot(dtype);
        say("ortho_clip_gradient_norm(%s, %d, %" PRId64 ", %g)", on != nullptr ? "device" : "null", dtype, count,
            largest);
        returned(ortho_clip_gradient_norm(on, dtype, count, gradients, largest, number_or_null()),
                 ok | argument | memory | not_finite);
    }

    void scale_or_average() {
        ortho_device* const on = device();
        const int32_t dtype = choice(0, 1);
        const int64_t count = size(1, slot_elements);
        void* const values = slot(dtype);
        if (random_.one_in(2)) {
            const double factor = is_wrong() ? std::numeric_limits<double>::infinity() : number(2);
            if (factor == -0.5)
                return; // valid, so there is nothing to refuse
            say("ortho_scale(%s, %d, %" PRId64 ", %g)", on != nullptr ? "device" : "null", dtype, count, factor);
            return returned(ortho_scale(on, dtype, count, factor, values), ok | argument);
        }
        void* const averages = is_wrong() ? values : slot(dtype);
        const double decay = number(1);
        say("ortho_average(%s, %d, %" PRId64 ", %g)", on != nullptr ? "device" : "null", dtype, count, decay);
        returned(ortho_average(on, dtype, count, decay, values, averages), ok | argument);
    }

    void step() {
        ortho_device* const on = device();
        const int32_t dtype = choice(0, 1);
        const int64_t count = size(1, slot_elements);
        void* const parameters = slot(dtype);
        const void* const gradients = slot(dtype);
        void* const first = slot(dtype);
        enum { sgd, adam, rmsprop, lion };
        const int64_t kind = random_.below(4);
        void* const second = kind == adam || kind == rmsprop ? slot(dtype) : nullptr;
        const bool has_third = second != nullptr && random_.one_in(2);
        void* const third = has_third ? slot(dtype) : nullptr;
        if (has_third && third == nullptr)
            return; // valid, so there is nothing to refuse
        const int64_t half = std::clamp<int64_t>(count / 2, 0, slot_elements);
        std::array<ortho_parameter_group, 2> groups = {
            {{half, std::clamp<int64_t>(count, 0, slot_elements) - half, number(0.1), number(0.1)},
             {0, half, number(0.1), number(0.1)}}};
        if (random_.one_in(2))
            std::swap(groups[0], groups[1]);
        if (is_wrong())
            groups[1].count = random_.one_in(2) ? INT64_MAX : slot_elements + 1;
        else if (half > 1 && is_wrong())
            groups[0].offset = groups[1].offset; // they overlap
        const int64_t group_count = is_wrong() ? (random_.one_in(2) ? 0 : INT64_MAX) : 2;
        const double decay = number(0.9);
        const int32_t option = flag();
        const char* const where = on != nullptr ? "device" : "null";
        if ((kind == sgd || kind == rmsprop) && decay == 0 && first == nullptr)
            return; // valid, so there is nothing to refuse
        if (kind == sgd) {
            say("ortho_sgd_step(%s, %d, %" PRId64 ", %g)", where, dtype, count, decay);
            return returned(ortho_sgd_step(on, dtype, count, parameters, gradients, first, decay, option, groups.data(),
                                           group_count),
                            ok | argument | memory | not_finite);
        }
        if (option != 0 && option != 1 && kind != adam)
            return; // which they do not take
        if (kind == rmsprop) {
            say("ortho_rmsprop_step(%s, %d, %" PRId64 ", %g)", where, dtype, count, decay);
            return returned(ortho_rmsprop_step(on, dtype, count, parameters, gradients, second, third, first, 0.99,
                                               decay, 1e-8, groups.data(), group_count),
                            ok | argument | memory | not_finite);
        }
        if (kind == lion) {
            say("ortho_lion_step(%s, %d, %" PRId64 ", %g)", where, dtype, count, decay);
            return returned(ortho_lion_step(on, dtype, count, parameters, gradients, first, decay, 0.99, groups.data(),
                                            group_count),
                            ok | argument | memory | not_finite);
        }
        const int64_t number_of_step = size(1, 1000);
        if (number_of_step > 1000)
            return; // valid, so there is nothing to refuse
        say("ortho_adam_step(%s, %d, %" PRId64 ", step %" PRId64 ", %g)", where, dtype, count, number_of_step, decay);
        returned(ortho_adam_step(on, dtype, count, parameters, gradients, first, second, third, number_of_step, decay,
                                 0.99, 1e-8, option, groups.data(), group_count),
                 ok | argument | memory | not_finite);
    }

    const Run run_;
    Random random_;
    int64_t sum_bytes_ = 0;
    std::vector<float> floats_ = std::vector<float>(slots * slot_elements);
    std::vector<double> doubles_ = std::vector<double>(slots * slot_elements);
    std::array<int32_t, 40> targets_{};
    std::array<int32_t, 240> indices_{};
    std::array<int64_t, 200> permutation_{};
    std::array<double, 6> numbers_{}; // a loss, or as many partial sums as there can be
    int64_t count_ = 5;
    std::array<int32_t, slot_elements> lengths_{};
    std::array<float, slot_elements> row_weights_{};
    std::array<float, 50> class_weights_{};
    std::array<double, 9> parameters_{};
    std::array<double, slot_elements> probabilities_{};
    ortho_batch_part part_{};
    std::array<std::array<double, slot_elements>, 2> padded_{};
    size_t next_padded_ = 0;
    std::array<ortho_device*, 3> devices_{};
    std::array<Memory<ortho_buffer>, 3> buffers_{};
    std::array<Memory<ortho_staging>, 2> stagings_{};
    std::array<Chain, 4> chains_{};
    std::array<Weights, 2> weights_{};
    std::array<Streams, 2> streams_{};
    double alpha_ = 1, beta_ = 1;                                  // of options
    std::array<ortho_filter_block, 22> blocks_{};                  // likewise, as many as a chain has units
    const std::vector<double> ones_ = std::vector<double>(4, 1.0); // and layers

    std::array<size_t, slots> order_ = [] {
        std::array<size_t, slots> order{};
        for (size_t i = 0; i < slots; ++i)
            order[i] = i;
        return order;
    }();
    size_t next_slot_ = 0;
    int64_t wrong_ = -1;
    bool has_wrong_ = false;
    std::string text_, problem_;
    uint64_t digest_ = 1, contents_ = 0;
    int64_t calls_ = 0, succeeded_ = 0;
};

constexpr int64_t calls_of_case = 60;

struct Outcome {
    std::string problem;
    std::string text;
    uint64_t digest = 0;
    int64_t calls = 0;
    int64_t succeeded = 0;
};

Outcome play(const Run& run) {
    Case one(run);
    one.play();
    return {one.problem(), one.text(), one.digest(), one.calls(), one.succeeded()};
}

ortho_device* make_device(int threads) {
    ortho_device_options options = ORTHO_DEVICE_OPTIONS_INIT;
    options.threads = threads;
    ortho_device* device = nullptr;
    if (ortho_device_create(&device, &options) != ORTHO_OK) {
        std::fprintf(stderr, "no device: %s\n", ortho_last_error());
        std::exit(2);
    }
    return device;
}

/** A case twice alone, on a device that it has for itself. */
Outcome play_alone(uint64_t seed, int64_t calls, bool verbose) {
    Outcome first;
    for (int more_threads = 0; more_threads < 2; ++more_threads) {
        ortho_device* const device = make_device(1 + 2 * more_threads);
        Outcome outcome = play({seed, calls, more_threads, device, verbose});
        ortho_device_free(device);
        if (ortho_live_objects() != 0 && outcome.problem.empty())
            outcome.problem = std::to_string(ortho_live_objects()) + " objects are left alive";
        if (more_threads == 1 && outcome.problem.empty() && outcome.digest != first.digest)
            outcome.problem = "other bits or statuses with another number of threads";
        if (!outcome.problem.empty())
            return outcome;
        first = std::move(outcome);
    }
    return first;
}

/** Cases on threads of their own that share a device. @return those that had another outcome than alone */
std::string play_together(uint64_t seed, const std::vector<Outcome>& alone) {
    ortho_device* const device = make_device(2);
    std::vector<Outcome> together(alone.size());
    std::vector<std::thread> threads;
    for (size_t i = 0; i < alone.size(); ++i)
        threads.emplace_back([&, i] { together[i] = play({seed + i, calls_of_case, 0, device, false}); });
    for (std::thread& thread : threads)
        thread.join();
    ortho_device_free(device);
    std::string problems;
    for (size_t i = 0; i < alone.size(); ++i)
        if (!together[i].problem.empty() || together[i].digest != alone[i].digest)
            problems += "seed " + std::to_string(seed + i) + " beside others: " +
                        (together[i].problem.empty() ? "other bits or statuses than alone" : together[i].problem) +
                        "\n" + together[i].text;
    if (ortho_live_objects() != 0)
        problems += std::to_string(ortho_live_objects()) + " objects are left alive\n";
    return problems;
}

/** Prints the shortest beginning of a case that fails. */
void report(uint64_t seed) {
    for (int64_t calls = 1; calls <= calls_of_case; ++calls)
        if (const Outcome outcome = play_alone(seed, calls, false); !outcome.problem.empty()) {
            std::fprintf(stderr, "seed %" PRIu64 ", call %" PRId64 ": %s\n%s", seed, calls, outcome.problem.c_str(),
                         outcome.text.c_str());
            return;
        }
}

} // namespace

int main(int argc, char** argv) {
    double seconds = 3;
    uint64_t seed = 1;
    int64_t cases = INT64_MAX;
    bool verbose = false;
    for (int i = 1; i < argc; ++i) {
        const std::string option = argv[i];
        const char* const value = i + 1 < argc ? argv[i + 1] : nullptr;
        if (option == "--verbose")
            verbose = true;
        else if (value != nullptr && option == "--seconds")
            seconds = std::atof(argv[++i]);
        else if (value != nullptr && option == "--seed")
            seed = std::strtoull(argv[++i], nullptr, 10);
        else if (value != nullptr && option == "--cases")
            cases = std::atoll(argv[++i]);
        else {
            std::fprintf(stderr, "usage: %s [--seconds S] [--seed N] [--cases N] [--verbose]\n", argv[0]);
            return 2;
        }
    }
    for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT})
        std::signal(signal, tell_seed);
    // Problems are so small that one thread would do most of them.
    setenv("ORTHONATIVE_CPU_THREADS", "all", 0);
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    constexpr int64_t beside = 3;
    int64_t played = 0, calls = 0, succeeded = 0;
    while (played < cases && std::chrono::steady_clock::now() < end) {
        std::vector<Outcome> alone;
        for (int64_t i = 0; i < beside && played < cases; ++i, ++played) {
            const uint64_t own = seed + static_cast<uint64_t>(played);
            seed_under_way = own;
            alone.push_back(play_alone(own, calls_of_case, verbose));
            calls += alone.back().calls;
            succeeded += alone.back().succeeded;
            if (!alone.back().problem.empty()) {
                report(own);
                return 1;
            }
        }
        const uint64_t first = seed + static_cast<uint64_t>(played) - alone.size();
        seed_under_way = first;
        if (const std::string problems = play_together(first, alone); !problems.empty()) {
            std::fputs(problems.c_str(), stderr);
            return 1;
        }
    }
    std::printf("%" PRId64 " cases, nothing found; %" PRId64 " of %" PRId64
                " calls succeeded, each made three times; the next seed is %" PRIu64 "\n",
                played, succeeded, calls, seed + static_cast<uint64_t>(played));
    return 0;
}
