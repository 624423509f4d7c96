#include <algorithm>
#include <array>
#include <atomic>
#include <clocale>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <signal.h>
#include <unistd.h>

#include <fstream>

#include "fork.hpp"
#endif

#include "abi/guard.hpp"
#include "abi/structures.hpp"
#include "core/live_objects.hpp"
#include "core/memory.hpp"
#include "core/thread_pool.hpp"
#include "cpu/chain/filter_weights.hpp"
#include "cpu/chain/rows.hpp"
#include "cpu/chain/team.hpp"
#include "cpu/device.hpp"
#include "model/fold.hpp"
#include "model/segments.hpp"
#include "prepared_weights.hpp"
#include "support.hpp"

namespace ortho {

/** A structure that has grown by one field. */
struct Grown {
    uint32_t struct_size;
    int32_t kept;
    int64_t added;
};
template <> constexpr size_t first_size<Grown>() {
    return offsetof(Grown, added);
}

} // namespace ortho

namespace ortho::test {
namespace {

TEST(Structures, A_field_that_was_added_has_its_default_for_older_callers) {
    Grown given{sizeof(Grown), 5, 7};
    EXPECT_EQ(read_structure("grown", &given).added, 7);
    given.struct_size = 8;
    const Grown read = read_structure("grown", &given);
    EXPECT_EQ(read.struct_size, sizeof(Grown));
    EXPECT_EQ(read.kept, 5);
    EXPECT_EQ(read.added, 0);
    write_structure(&given, checked_size("grown", &given), Grown{0, 6, 9});
    EXPECT_EQ(given.struct_size, 8u);
    EXPECT_EQ(given.kept, 6);
    EXPECT_EQ(given.added, 7);
    // Volatile, since some compilers warn of the copy behind the check if they see that it is null.
    const Grown* volatile none = nullptr;
    EXPECT_TRUE(is_refused(guard([&] { read_structure<Grown>("grown", none); }), "grown is null"));
}

TEST(Guard, Turns_every_exception_into_a_status_and_a_message) {
    EXPECT_TRUE(succeeds(guard([] {})));
    EXPECT_TRUE(
        fails(guard([] { fail(ORTHO_INVALID_STATE, "%s is %d", "chain", 3); }), ORTHO_INVALID_STATE, "chain is 3"));
    EXPECT_TRUE(fails(guard([] { throw std::bad_alloc(); }), ORTHO_OUT_OF_MEMORY, "memory"));
    EXPECT_TRUE(fails(guard([] { throw std::logic_error("a fault"); }), ORTHO_INTERNAL, "a fault"));
    EXPECT_TRUE(fails(guard([] { throw 7; }), ORTHO_INTERNAL, "unknown C++ exception"));
}

TEST(Error, Message_is_one_line_and_cut_to_its_buffer) {
    const Error lines(ORTHO_INTERNAL, "one\ntwo\tthree");
    EXPECT_STREQ(lines.what(), "one two three");
    const std::string text(2 * Error::message_capacity, 'x');
    EXPECT_EQ(std::strlen(Error(ORTHO_INTERNAL, text.c_str()).what()),
              static_cast<size_t>(Error::message_capacity - 1));
}

TEST(Error, The_problem_follows_the_name_of_the_argument) {
    const Error whole(ORTHO_INVALID_ARGUMENT, "is null", Argument::missing("chain"));
    EXPECT_STREQ(whole.what(), "chain is null");
    EXPECT_STREQ(whole.report().problem(), "is null");
    const Error element(ORTHO_NOT_FINITE, "is NaN", Argument{"inputs", 7});
    EXPECT_STREQ(element.what(), "inputs[7] is NaN");
    EXPECT_STREQ(element.report().problem(), "is NaN");
    const Error field(ORTHO_INVALID_ARGUMENT, "is -1", Argument::out_of_range("groups[].count", 2));
    EXPECT_STREQ(field.what(), "groups[2].count is -1");
    EXPECT_STREQ(field.report().problem(), "is -1");
    EXPECT_STREQ(Error(ORTHO_INVALID_ARGUMENT, "overlap", Argument{"groups"}).what(), "groups overlap");
}

TEST(Error, Messages_that_are_cut_say_so_and_stay_whole_characters) {
    const std::string long_text(2 * Error::message_capacity, 'x');
    const std::string cut = Error(ORTHO_INTERNAL, long_text.c_str()).what();
    EXPECT_EQ(cut, std::string(Error::message_capacity - 4, 'x') + "...");
    EXPECT_TRUE(fails(guard([&] { fail(ORTHO_INTERNAL, "%s", long_text.c_str()); }), ORTHO_INTERNAL, cut));
    // Every position of a character of three bytes at the end.
    for (int before = 0; before < 3; ++before) {
        std::string text(static_cast<size_t>(before), 'x');
        while (text.size() < 2 * Error::message_capacity)
            text += "\u20ac";
        const std::string whole = Error(ORTHO_INTERNAL, text.c_str()).what();
        EXPECT_LT(whole.size(), static_cast<size_t>(Error::message_capacity));
        EXPECT_GE(whole.size(), static_cast<size_t>(Error::message_capacity - 6));
        EXPECT_EQ(whole.substr(whole.size() - 6), "\u20ac...");
        EXPECT_EQ(text.compare(0, whole.size() - 3, whole, 0, whole.size() - 3), 0);
    }
    const std::string fits(Error::message_capacity - 1, 'y');
    EXPECT_EQ(Error(ORTHO_INTERNAL, fits.c_str()).what(), fits);
}

TEST(Error, Messages_obey_no_control_characters_of_what_is_quoted) {
    EXPECT_STREQ(Error(ORTHO_INTERNAL, "a\x1b[31mb\x7f\u0085\u202ec\u2028d").what(), "a [31mb   c d");
    EXPECT_STREQ(Error(ORTHO_INTERNAL, "\xff"
                                       "a\xc3"
                                       "b\xe2\x82")
                     .what(),
                 "?a?b??");
    EXPECT_STREQ(Error(ORTHO_INTERNAL, "gr\u00fc\u00dfe \U0001f600").what(), "gr\u00fc\u00dfe \U0001f600");
}

TEST(Error, Text_from_elsewhere_is_escaped_and_cut) {
    EXPECT_STREQ(ForeignText("avx\n\t\r\x1b[2J\x7f").c_str(), "avx\\n\\t\\r\\x1b[2J\\x7f");
    EXPECT_STREQ(ForeignText("\u0085\u202eab \u20ac").c_str(), "\\u0085\\u202eab \u20ac");
    // No UTF-8: a lone byte, an overlong slash, half a character, a surrogate, beyond the last character.
    EXPECT_STREQ(ForeignText("\x80|\xc0\xaf|\xe2\x82|\xed\xa0\x80|\xf4\x90\x80\x80").c_str(),
                 "\\x80|\\xc0\\xaf|\\xe2\\x82|\\xed\\xa0\\x80|\\xf4\\x90\\x80\\x80");
    const std::string long_text(1 << 20, 'x');
    EXPECT_EQ(std::string(ForeignText(long_text.c_str()).c_str()), std::string(61, 'x') + "...");
    EXPECT_EQ(std::string(ForeignText(long_text.c_str(), 300).c_str()), std::string(297, 'x') + "...");
    EXPECT_EQ(std::strlen(ForeignText(long_text.c_str(), 1 << 20).c_str()), size_t{ForeignText::capacity - 1});
    EXPECT_STREQ(ForeignText("").c_str(), "");
}

#if defined(__GLIBC__)
/** Sets a locale with a decimal comma for the process, and restores the previous one at the end. */
class DecimalComma {
public:
    DecimalComma() : before_(std::setlocale(LC_ALL, nullptr)) {
        for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE.utf8", "de_DE"})
            if (std::setlocale(LC_ALL, name) != nullptr)
                return;
        // Few systems have more than C, but all can make one.
        char folder[] = "/tmp/ortho_localeXXXXXX";
        if (mkdtemp(folder) == nullptr)
            return;
        folder_ = folder;
        const std::string source = folder_ + "/source";
        if (std::FILE* const file = std::fopen(source.c_str(), "w")) {
            std::fputs("LC_NUMERIC\ndecimal_point \"<U002C>\"\nthousands_sep \"\"\ngrouping -1\nEND LC_NUMERIC\n",
                       file);
            std::fclose(file);
        }
        const std::string command = "localedef -c -i " + source + " -f UTF-8 " + folder_ + "/comma >/dev/null 2>&1";
        static_cast<void>(!std::system(command.c_str()));
        setenv("LOCPATH", folder, 1);
        std::setlocale(LC_NUMERIC, "comma");
    }
    ~DecimalComma() {
        std::setlocale(LC_ALL, before_.c_str());
        unsetenv("LOCPATH");
        if (!folder_.empty())
            static_cast<void>(!std::system(("rm -rf " + folder_).c_str()));
    }
    DecimalComma(const DecimalComma&) = delete;
    DecimalComma& operator=(const DecimalComma&) = delete;

    bool works() const {
        char text[8];
        std::snprintf(text, sizeof text, "%.1f", 0.5);
        return std::strcmp(text, "0,5") == 0;
    }

private:
    std::string before_, folder_;
};

TEST(Error, Numbers_do_not_depend_on_the_locale) {
    const DecimalComma locale;
    if (!locale.works())
        GTEST_SKIP() << "this system has no locale with a decimal comma, and localedef makes none";
    EXPECT_STREQ(NumberText(0.5).c_str(), "0.5");
    EXPECT_STREQ(ByteText(1536).c_str(), "1.5 KiB");
    EXPECT_TRUE(fails(guard([] { Memory(int64_t{3} << 59, "states"); }), ORTHO_OUT_OF_MEMORY,
                      "out of memory: 1.5 EiB needed for states, "));
    EXPECT_EQ(std::string(ortho_last_error()).find(','),
              std::string("out of memory: 1.5 EiB needed for states").size());
    // No number of what is free, either: the one comma is that of the sentence.
    EXPECT_EQ(std::count(ortho_last_error(), ortho_last_error() + std::strlen(ortho_last_error()), ','), 1);
}
#endif

TEST(Error, Numbers_are_spelled_as_in_csharp) {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    constexpr double infinity = std::numeric_limits<double>::infinity();
    EXPECT_STREQ(NumberText(nan).c_str(), "NaN");
    EXPECT_STREQ(NumberText(std::copysign(nan, -1.0)).c_str(), "NaN");
    EXPECT_STREQ(NumberText(infinity).c_str(), "Infinity");
    EXPECT_STREQ(NumberText(-infinity).c_str(), "-Infinity");
    EXPECT_STREQ(NumberText(0.1).c_str(), "0.1");
    EXPECT_STREQ(NumberText(1e-6).c_str(), "1e-06");
    EXPECT_STREQ(NumberText(0.1, 17).c_str(), "0.10000000000000001");
    // The longest that there is.
    EXPECT_STREQ(NumberText(-std::numeric_limits<double>::max(), 17).c_str(), "-1.7976931348623157e+308");
}

TEST(Memory, Ownership_moves) {
    Memory first(100, "first");
    void* const data = first.data();
    Memory second(std::move(first));
    EXPECT_EQ(second.data(), data);
    EXPECT_EQ(second.bytes(), 100);
    Memory third;
    third = std::move(second);
    EXPECT_EQ(third.data(), data);
    EXPECT_EQ(Memory(0, "nothing").data(), nullptr);
}

TEST(Allowance, Grants_at_most_half_of_the_reserve_between_two_looks) {
    Allowance allowance;
    EXPECT_FALSE(allowance.take(1)) << "before the limits were read once";
    for (const int64_t available : {int64_t{0}, int64_t{63}, int64_t{48} << 20, int64_t{4} << 30, int64_t{1} << 50}) {
        // What is free is less than all memory, of which memory_state() keeps a 32nd, at most 128 MiB.
        const int64_t reserve = std::min(available / 32, int64_t{128} << 20);
        for (const int64_t bytes : {int64_t{64}, int64_t{4096}, int64_t{1} << 20}) {
            allowance.renew(allowance.left(), 0, available);
            int64_t granted = 0;
            while (allowance.take(bytes))
                granted += bytes;
            EXPECT_LE(granted, reserve / 2);
            EXPECT_GT(granted + bytes, std::min(available / Allowance::share, Allowance::most));
            EXPECT_FALSE(allowance.take(bytes)) << "nothing is given back";
        }
    }
}

TEST(Allowance, Is_not_exceeded_by_several_threads_or_touched_by_what_it_refuses) {
    Allowance allowance;
    allowance.renew(0, 0, int64_t{1} << 40);
    EXPECT_FALSE(allowance.take(std::numeric_limits<int64_t>::max()));
    std::atomic<int64_t> granted{0};
    ThreadPool pool(4);
    pool.run([&](int) {
        while (allowance.take(64))
            granted += 64;
    });
    EXPECT_EQ(granted, Allowance::most);
}

TEST(Allowance, Is_renewed_once_by_threads_that_read_the_limits_at_the_same_time) {
    constexpr int64_t available = int64_t{1} << 40;
    Allowance allowance;
    const int64_t seen = allowance.left();
    allowance.renew(seen, 0, available);
    EXPECT_TRUE(allowance.take(Allowance::most));
    EXPECT_EQ(allowance.left(), 0);
    allowance.renew(0, 0, available);
    // The others were granted their bytes by the same look as the first, and take them from the allowance.
    allowance.renew(5, 1000, available);
    EXPECT_EQ(allowance.left(), Allowance::most - 1000);
    allowance.renew(5, 2 * Allowance::most, available);
    EXPECT_EQ(allowance.left(), 0);
}

TEST(Memory, Bytes_are_written_for_people) {
    EXPECT_STREQ(ByteText(1).c_str(), "1 byte");
    EXPECT_STREQ(ByteText(1023).c_str(), "1023 bytes");
    EXPECT_STREQ(ByteText(1536).c_str(), "1.5 KiB");
    EXPECT_STREQ(ByteText(int64_t{49} << 29).c_str(), "24.5 GiB");
    EXPECT_STREQ(ByteText(std::numeric_limits<int64_t>::max()).c_str(), "8.0 EiB");
}

TEST(Memory, Products_that_overflow_are_refused) {
    EXPECT_EQ(checked_product("states", {3, 5, 7}), 105);
    EXPECT_EQ(checked_product("states", {int64_t{1} << 62, int64_t{1} << 62, 0}), 0);
    EXPECT_TRUE(fails(guard([] {
                          checked_product("states", {int64_t{1} << 32, int64_t{1} << 31});
                      }),
                      ORTHO_OUT_OF_MEMORY, "out of memory: more than 8.0 EiB needed for states"));
}

TEST(ThreadPool, Runs_every_rank_once_each_time) {
    for (const int threads : {1, 2, 3, 8}) {
        ThreadPool pool(threads);
        std::vector<int> calls(static_cast<size_t>(threads));
        const auto caller = std::this_thread::get_id();
        for (int repeat = 0; repeat < 200; ++repeat)
            pool.run([&](int rank) {
                ++calls[static_cast<size_t>(rank)];
                if (rank == 0) {
                    EXPECT_EQ(std::this_thread::get_id(), caller);
                }
            });
        EXPECT_EQ(calls, std::vector<int>(static_cast<size_t>(threads), 200));
    }
}

TEST(ThreadPool, Works_again_after_it_fell_asleep) {
    ThreadPool pool(3);
    std::atomic<int> calls{0};
    for (int repeat = 0; repeat < 5; ++repeat) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        pool.run([&](int) { ++calls; });
    }
    EXPECT_EQ(calls, 15);
}

TEST(ThreadPool, Rethrows_the_exception_of_the_lowest_rank_and_continues) {
    ThreadPool pool(4);
    std::atomic<int> finished{0};
    try {
        pool.run([&](int rank) {
            if (rank >= 2)
                throw std::runtime_error(std::to_string(rank));
            ++finished;
        });
        FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "2");
    }
    EXPECT_EQ(finished, 2);
    pool.run([&](int) { ++finished; });
    EXPECT_EQ(finished, 6);
}

TEST(ThreadPool, Calls_from_several_threads_do_not_mix) {
    ThreadPool pool(2);
    std::atomic<bool> busy{false};
    std::atomic<int> mixed{0};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 3; ++caller)
        callers.emplace_back([&] {
            for (int repeat = 0; repeat < 100; ++repeat)
                pool.run([&](int rank) {
                    if (rank != 0)
                        return;
                    mixed += busy.exchange(true);
                    busy = false;
                });
        });
    for (std::thread& caller : callers)
        caller.join();
    EXPECT_EQ(mixed, 0);
}

TEST(ThreadPool, Runs_as_many_ranks_as_are_asked_for) {
    ThreadPool pool(5);
    EXPECT_EQ(pool.ready(), 5);
    for (const int threads : {1, 4, 2, 5, 3, 1}) {
        std::vector<std::atomic<int>> calls(5);
        for (int repeat = 0; repeat < 100; ++repeat)
            pool.run(threads, [&](int rank) { ++calls[static_cast<size_t>(rank)]; });
        for (int rank = 0; rank < 5; ++rank)
            EXPECT_EQ(calls[static_cast<size_t>(rank)], rank < threads ? 100 : 0) << rank << " of " << threads;
    }
}

#if defined(__linux__) && defined(ORTHO_CAN_FORK)

std::atomic<bool> is_held{false};

/** Keeps the thread that gets the signal from everything else, as if it had no core, until it is let go. */
void hold(int) {
    while (is_held)
        usleep(100);
}

TEST(ThreadPool, Tasks_are_done_without_a_thread_that_has_no_core) {
    in_child([] {
        struct sigaction action {};
        action.sa_handler = hold;
        sigaction(SIGUSR1, &action, nullptr);
        ThreadPool pool(3);
        std::vector<pthread_t> threads(3);
        pool.run([&](int rank) { threads[static_cast<size_t>(rank)] = pthread_self(); });
        for (const size_t held : {size_t{1}, size_t{2}})
            for (const int64_t tasks : {2, 3, 100}) {
                is_held = true;
                pthread_kill(threads[held], SIGUSR1);
                usleep(20000);
                std::vector<std::atomic<int>> done(static_cast<size_t>(tasks));
                for_each_task(pool, tasks, [&](int64_t task, int rank) {
                    EXPECT_NE(static_cast<size_t>(rank), held);
                    ++done[static_cast<size_t>(task)];
                });
                for (const auto& times : done)
                    EXPECT_EQ(times, 1);
                is_held = false;
                // It comes back, and is there for the next run.
                std::atomic<int> ranks{0};
                pool.run([&](int) { ++ranks; });
                EXPECT_EQ(ranks, 3);
            }
    });
}

/** Whether a thread of this process sleeps. */
bool sleeps(pid_t thread) {
    std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
    std::string text;
    std::getline(file, text);
    const size_t name_end = text.rfind(')');
    return name_end != std::string::npos && text.compare(name_end + 1, 2, " S") == 0;
}

TEST(Barrier, Threads_that_wait_long_sleep_and_leave_their_core) {
    in_child([] {
        for (const int parties : {2, 3}) {
            ThreadPool pool(parties);
            Barrier barrier(parties);
            std::vector<std::atomic<pid_t>> ids(static_cast<size_t>(parties));
            pool.run([&](int rank) {
                ids[static_cast<size_t>(rank)] = gettid();
                // The last one comes when all others sleep; threads that never do are waited for until the alarm.
                for (int other = 0; rank == parties - 1 && other < rank; ++other)
                    while (ids[static_cast<size_t>(other)] == 0 || !sleeps(ids[static_cast<size_t>(other)]))
                        std::this_thread::yield();
                barrier.wait();
            });
            EXPECT_GT(barrier.slept(), 0);
        }
    });
}

#endif

TEST(ThreadPool, Each_task_is_done_once) {
    ThreadPool pool(3);
    for (const int64_t tasks : {0, 1, 2, 100}) {
        std::vector<std::atomic<int>> done(static_cast<size_t>(tasks));
        for_each_task(pool, tasks, [&](int64_t task, int rank) {
            EXPECT_LT(rank, 3);
            ++done[static_cast<size_t>(task)];
        });
        for (const auto& times : done)
            EXPECT_EQ(times, 1);
    }
}

/** While it lives, another thread has all threads of a pool. */
class BusyPool {
public:
    explicit BusyPool(ThreadPool& pool)
        : other_([&] {
              pool.run([&](int) {
                  has_it_ = true;
                  while (!done_)
                      std::this_thread::yield();
              });
          }) {
        while (!has_it_)
            std::this_thread::yield();
    }
    ~BusyPool() {
        done_ = true;
        other_.join();
    }

private:
    std::atomic<bool> has_it_{false}, done_{false};
    std::thread other_; // last: it uses the others
};

TEST(ThreadPool, Tasks_are_done_by_the_caller_alone_while_another_call_has_the_pool) {
    ThreadPool pool(3);
    const auto expect_all_done = [&](bool alone) {
        const auto caller = std::this_thread::get_id();
        std::vector<std::atomic<int>> done(100);
        for_each_task(
            pool, 100,
            [&](int64_t task, int rank) {
                ++done[static_cast<size_t>(task)];
                if (alone) {
                    EXPECT_EQ(rank, 0);
                    EXPECT_EQ(std::this_thread::get_id(), caller);
                }
            },
            IfBusy::work_alone);
        for (const auto& times : done)
            EXPECT_EQ(times, 1);
    };
    {
        const BusyPool busy(pool);
        expect_all_done(true);
        EXPECT_FALSE(pool.try_run_with_who_comes([](int) { ADD_FAILURE() << "it was refused"; }));
    }
    expect_all_done(false);
    bool ran = false;
    EXPECT_TRUE(pool.try_run_with_who_comes([&](int rank) {
        if (rank == 0)
            ran = true;
    }));
    EXPECT_TRUE(ran);
}

// All streams on the weights are refused while they are prepared: that must not take as long as some chain's call.
TEST(Weights, Are_prepared_while_another_call_has_the_threads_of_their_device) {
    Problem p = make_problem({2, 3, 2, 400}); // so many units that the threads of the device share the work
    fill(p);
    const Device device = make_device(3);
    const Weights weights(device, p, ORTHO_FLOAT32), others(device, p, ORTHO_FLOAT32);
    others.prepare<float>(p, 1, false);
    const std::vector<float> inputs = convert<float>(p.inputs);
    const auto step = [&](ortho_weights* of) {
        const Streams streams(of, 3);
        std::vector<float> outputs(3 * 400);
        EXPECT_TRUE(succeeds(ortho_streams_step(streams, nullptr, inputs.data(), outputs.data())));
        return outputs;
    };
    const BusyPool busy(dynamic_cast<cpu::CpuDevice&>(*device.get()).pool);
    weights.prepare<float>(p, 1, false);
    EXPECT_EQ(step(weights), step(others));
}

// What is packed is what products run over: of each tile of units the columns of the blocks that these are in.
TEST(Blocks, Are_packed_without_what_is_zero_beside_them) {
    struct Columns {
        int64_t begin, end;
    };
    cpu::ChainKernels<Float32> kernels{};
    kernels.block_tile = 16;
    const auto expect = [&](const std::vector<std::pair<int64_t, ortho_filter_kind>>& blocks,
                            const std::vector<Columns>& expected, int64_t elements) {
        int64_t units = 0;
        for (const auto& block : blocks)
            units += block.first;
        Problem p = make_problem({1, 1, 0, units});
        set_blocks(p, blocks);
        p.alpha = p.beta = {1};
        const cpu::BlockTiles tiles(ChainSpec(options_of(p, ORTHO_FLOAT32)), kernels);
        EXPECT_EQ(tiles.elements(), elements);
        if (expected.empty()) {
            EXPECT_EQ(tiles.columns(), nullptr);
            return;
        }
        int64_t at = 0;
        for (size_t tile = 0; tile < expected.size(); ++tile) {
            EXPECT_EQ(tiles.columns()[tile].begin, expected[tile].begin) << tile;
            EXPECT_EQ(tiles.columns()[tile].end, expected[tile].end) << tile;
            EXPECT_EQ(tiles.columns()[tile].at, at) << tile;
            at += 16 * (expected[tile].end - expected[tile].begin);
        }
        EXPECT_EQ(at, elements);
    };
    constexpr ortho_filter_kind haar = ORTHO_FILTER_HAAR, cycle = ORTHO_FILTER_CYCLE;
    // 4 blocks take a quarter of the matrix; blocks within a tile take that tile.
    expect({{32, haar}, {32, cycle}, {32, haar}, {32, haar}},
           {{0, 32}, {0, 32}, {32, 64}, {32, 64}, {64, 96}, {64, 96}, {96, 128}, {96, 128}}, 128 * 32);
    expect({{8, haar}, {8, haar}, {4, haar}, {12, haar}}, {{0, 16}, {16, 32}}, 32 * 16);
    // A tile of two blocks takes the columns of both, and one that is not full is padded.
    expect({{20, haar}, {17, haar}}, {{0, 20}, {0, 37}, {20, 37}}, 16 * (20 + 37 + 17));
    expect({{1, haar}, {40, haar}, {1, cycle}}, {{0, 41}, {1, 41}, {1, 42}}, 16 * (41 + 40 + 41));
    // Nothing else is packed this way.
    expect({{37, haar}}, {}, 0);
    expect({{20, cycle}, {17, cycle}}, {}, 0);
}

TEST(Weights, The_largest_batch_of_a_structured_filter_is_named) {
    const auto check = [](const char* name, ortho_filter_kind filter, int64_t units, int64_t batch) {
        Problem p = make_problem({1, 1, 0, units});
        p.filter = filter;
        p.alpha = p.beta = {1};
        const ortho_chain_options options = options_of(p, ORTHO_FLOAT32);
        return guard([&] {
            cpu::CellWeights<Float32, FilterCell>::check_batch(name, ChainSpec(options),
                                                               cpu::StateLayout(units, batch, sizeof(float)));
        });
    };
    // 20 units take 64 elements of a row, and 65 take 128.
    EXPECT_TRUE(succeeds(check("batch", ORTHO_FILTER_CYCLE, 20, INT32_MAX / 64)));
    EXPECT_TRUE(fails(check("batch", ORTHO_FILTER_CYCLE, 20, INT32_MAX / 64 + 1), ORTHO_INVALID_ARGUMENT,
                      "batch is 33554432; with a structured filter of 20 units it must be at most 33554431"));
    EXPECT_TRUE(succeeds(check("count", ORTHO_FILTER_CYCLE, 65, INT32_MAX / 128)));
    EXPECT_TRUE(fails(check("count", ORTHO_FILTER_CYCLE, 65, INT32_MAX / 128 + 1), ORTHO_INVALID_ARGUMENT,
                      "count is 16777216; with a structured filter of 65 units it must be at most 16777215"));
    EXPECT_TRUE(succeeds(check("batch", ORTHO_FILTER_HAAR, 20, int64_t{INT32_MAX} + 1)));
}

TEST(Barrier, Shows_every_party_what_the_others_wrote) {
    for (const int parties : {1, 2, 5}) {
        ThreadPool pool(parties);
        Barrier barrier(parties);
        std::vector<int> written(static_cast<size_t>(parties));
        std::atomic<int> wrong{0};
        pool.run([&](int rank) {
            for (int phase = 1; phase <= 200; ++phase) {
                written[static_cast<size_t>(rank)] = phase;
                barrier.wait();
                for (const int value : written)
                    wrong += value != phase;
                barrier.wait();
            }
        });
        EXPECT_EQ(wrong, 0);
    }
}

TEST(Stages, Show_what_was_written_before_them) {
    constexpr int last = 200, turns = 3;
    for (const int threads : {1, 2, 5}) {
        ThreadPool pool(threads);
        Stages stages(threads);
        // Of the values that take turns, the one of a stage is read while others may already write the next two.
        std::vector<std::array<int, turns>> written(static_cast<size_t>(threads));
        std::atomic<int> wrong{0};
        pool.run([&](int rank) {
            for (int stage = 1; stage <= last; ++stage) {
                written[static_cast<size_t>(rank)][static_cast<size_t>(stage % turns)] = stage;
                stages.wait_for_all(static_cast<uint32_t>(stage - 1));
                for (const auto& values : written)
                    wrong += stage > 1 && values[static_cast<size_t>((stage - 1) % turns)] != stage - 1;
                stages.reach(rank, static_cast<uint32_t>(stage));
            }
        });
        EXPECT_EQ(wrong, 0);
    }
}

TEST(Segments, Cover_all_steps_and_only_the_first_is_shorter) {
    for (const int64_t steps : {1, 2, 7, 12, 100})
        for (int64_t length = 1; length <= steps; ++length) {
            const Segments segments{steps, length};
            int64_t at = 0;
            for (int64_t segment = 0; segment < segments.count(); ++segment) {
                EXPECT_EQ(segments.first(segment), at);
                EXPECT_GT(segments.size(segment), 0);
                EXPECT_LE(segments.size(segment), length);
                EXPECT_TRUE(segment == 0 || segments.size(segment) == length);
                at = segments.end(segment);
                EXPECT_EQ(segments.first(segment) + segments.size(segment), at);
            }
            EXPECT_EQ(at, steps);
        }
}

TEST(Segments, Are_as_long_as_fits_so_that_the_fewest_steps_are_recomputed) {
    const auto bytes_of = [](const Segments& s) { return 2 * s.length + (s.count() > 1 ? s.count() : 0); };
    for (const int64_t limit : {40, 99, 150, 199, 200, 1000}) {
        const Segments chosen = choose_segments(0, limit, {100, 1, 1}, bytes_of);
        EXPECT_LE(bytes_of(chosen), limit);
        EXPECT_TRUE(chosen.length == 100 || bytes_of(Segments{100, chosen.length + 1}) > limit);
    }
    for (const int64_t steps : {1, 2, 6, 7, 28, 100, 4999}) {
        int64_t least = bytes_of(Segments{steps, 1});
        for (int64_t length = 2; length <= steps; ++length)
            least = std::min(least, bytes_of(Segments{steps, length}));
        EXPECT_EQ(bytes_of(choose_segments(0, least, {steps, 1, 1}, bytes_of)), least) << steps;
        EXPECT_THROW(choose_segments(0, least - 1, {steps, 1, 1}, bytes_of), Error) << steps;
    }
}

TEST(Leaves, Divide_a_batch_evenly_by_its_size_alone) {
    struct {
        int64_t batch, count;
    } constexpr known[] = {{1, 1},   {31, 1},  {32, 2},   {63, 2},    {64, 4},     {127, 4},
                           {128, 8}, {255, 8}, {256, 16}, {1000, 16}, {100000, 16}};
    for (const auto& [batch, count] : known)
        EXPECT_EQ(Leaves(batch).count(), count) << batch;
    for (int64_t batch = 1; batch < 600; ++batch) {
        const Leaves leaves(batch);
        EXPECT_EQ(leaves.count(), int64_t{1} << leaves.levels());
        EXPECT_EQ(leaves.begin(0), 0);
        EXPECT_EQ(leaves.begin(leaves.count()), batch);
        EXPECT_EQ(leaves.starting_at(batch), leaves.count());
        for (int64_t leaf = 0; leaf < leaves.count(); ++leaf) {
            const Span samples = leaves.samples(leaf);
            EXPECT_TRUE(leaves.count() == 1 || samples.size() >= Leaves::least_samples);
            EXPECT_LE(samples.size(), batch / leaves.count() + 1);
            EXPECT_EQ(leaves.starting_at(samples.begin), leaf);
            EXPECT_EQ(leaves.starting_at(samples.begin + 1), samples.size() == 1 ? leaf + 1 : -1);
        }
    }
}

/** All ranges of leaves of a tree of 16. */
template <class Body> void for_all_spans(Body&& body) {
    for (int64_t begin = 0; begin < Leaves::most; ++begin)
        for (int64_t end = begin + 1; end <= Leaves::most; ++end)
            body(Span{begin, end});
}

TEST(Cover, Has_the_fewest_nodes_in_the_order_of_the_leaves) {
    for_all_spans([](Span span) {
        const Cover cover(span);
        int64_t at = span.begin;
        for (const Node& node : cover) {
            EXPECT_EQ(node.leaves().begin, at);
            EXPECT_EQ(node.leaves().begin % node.leaves().size(), 0);
            at = node.leaves().end;
        }
        EXPECT_EQ(at, span.end);
        // No two nodes are the halves of a larger one.
        for (int64_t i = 0; i + 1 < cover.count(); ++i)
            EXPECT_FALSE(cover[i].level == cover[i + 1].level && cover[i].index % 2 == 0);
        EXPECT_LE(cover.count(), Cover::most);
    });
    EXPECT_EQ(Cover({1, 15}).count(), Cover::most);
}

/** A sum that tells how it was added: "(a+b)". */
using Text = std::string;

/** The sum of a node as the tree has it. */
Text tree(const Node& node) {
    if (node.level == 0)
        return std::to_string(node.index);
    Text text = "(";
    text.append(tree({node.level - 1, 2 * node.index})).append("+");
    return text.append(tree({node.level - 1, 2 * node.index + 1})).append(")");
}

Text added(const Text& left, const Text& right) {
    Text text = "(";
    return text.append(left).append("+").append(right).append(")");
}

/** Folds nodes into slots as users of Folding do. */
struct Folded {
    Folding folding;
    Text slots[Leaves::most];

    void take(const Node& node, const Text& value) {
        folding.take(
            node, [&](int64_t slot, bool joined) { slots[slot] = joined ? added(slots[slot], value) : value; },
            [&](int64_t into, int64_t from) { slots[into] = added(slots[into], slots[from]); });
    }
    void expect(const Cover& cover) const {
        ASSERT_EQ(folding.count(), cover.count());
        for (int64_t i = 0; i < cover.count(); ++i)
            EXPECT_EQ(slots[i], tree(cover[i]));
    }
};

TEST(Folding, Adds_leaves_as_the_tree_does) {
    for_all_spans([](Span span) {
        Folded folded;
        for (int64_t leaf = span.begin; leaf < span.end; ++leaf)
            folded.take({0, leaf}, tree({0, leaf}));
        folded.expect(Cover(span));
    });
}

TEST(Folding, Adds_the_sums_of_parts_as_the_tree_does) {
    for_all_spans([](Span span) {
        for (int64_t cut = span.begin + 1; cut < span.end; ++cut) {
            Folded folded;
            for (const Span part : {Span{span.begin, cut}, Span{cut, span.end}})
                for (const Node& node : Cover(part))
                    folded.take(node, tree(node));
            folded.expect(Cover(span));
        }
    });
}

TEST(Folding, Joins_of_leaves_are_those_of_the_tree) {
    for_all_spans([](Span span) {
        std::vector<Text> waiting;
        for (int64_t leaf = span.begin; leaf < span.end; ++leaf) {
            Text sum = tree({0, leaf});
            for (int64_t join = joins_of(span.begin, leaf); join > 0; --join) {
                ASSERT_FALSE(waiting.empty());
                sum = added(waiting.back(), sum);
                waiting.pop_back();
            }
            waiting.push_back(sum);
            EXPECT_LE(waiting.size(), static_cast<size_t>(Cover::most) + 1);
        }
        const Cover cover(span);
        ASSERT_EQ(static_cast<int64_t>(waiting.size()), cover.count());
        for (int64_t i = 0; i < cover.count(); ++i)
            EXPECT_EQ(waiting[static_cast<size_t>(i)], tree(cover[i]));
    });
}

/** Work that no number of threads is too many for. */
cpu::Work much_work(int64_t batch, bool meets_at_every_step) {
    return {batch, Leaves(batch).count(), 1000, int64_t{1} << 30, meets_at_every_step};
}

TEST(Plan, Shares_rows_and_units_as_evenly_as_can_be) {
    constexpr int64_t batch = 128, units = 256;
    const BatchPart part{batch, 0, batch, 0, true, 0};
    for (const bool meets : {false, true})
        for (int64_t threads = 1; threads <= 16; ++threads) {
            const cpu::Plan plan(much_work(batch, meets), threads, false);
            EXPECT_EQ(plan.threads(), threads);
            EXPECT_EQ(plan.column_parts, 1);
            cpu::Barriers barriers(plan);
            const cpu::BatchRows rows(batch, 1000);
            int64_t largest = 0, all = 0;
            double products = 0;
            for (int64_t rank = 0; rank < plan.threads(); ++rank) {
                const cpu::Member member(plan, rank, part, rows, barriers);
                EXPECT_EQ(member.rows.begin, all) << "rows are missing or shared twice";
                all = member.rows.end;
                largest = std::max(largest, member.rows.size());
                const int64_t rows_of_sums =
                    part.rows_of(member.leaves.end - 1).end - part.rows_of(member.leaves.begin).begin;
                products = std::max(products, static_cast<double>(member.share(units).size() * rows_of_sums));
            }
            EXPECT_EQ(all, batch);
            EXPECT_EQ(largest, (batch + threads - 1) / threads) << threads;
            // Of 128 rows times 256 units each has a part, within one unit of all rows of its group.
            EXPECT_LE(products, static_cast<double>(batch * units) / static_cast<double>(threads) +
                                    static_cast<double>(batch / plan.groups))
                << threads;
        }
}

TEST(BatchRows, Are_shared_by_the_steps_that_they_take) {
    // A batch that is sorted by length: its first quarter takes nearly half of all steps.
    constexpr int64_t batch = 128;
    std::vector<int32_t> lengths;
    for (int32_t i = 0; i < batch; ++i)
        lengths.push_back(1000 - 7 * i);
    ChainForward call{};
    call.batch = batch;
    call.lengths = lengths.data();
    call.part = {batch, 0, batch, 0, true, 0};
    const cpu::BatchRows rows(call, 1000);
    const auto steps_of = [&](Span share) { return rows.steps_within(share, {0, 1000}); };
    for (const int64_t parts : {1, 2, 3, 5, 8}) {
        int64_t all = 0, leaves = 0;
        for (int64_t i = 0; i < parts; ++i) {
            const Span share = rows.share({0, batch}, i, parts), owned = rows.share_of_leaves(call.part, i, parts);
            EXPECT_EQ(share.begin, all);
            EXPECT_EQ(owned.begin, leaves);
            EXPECT_GE(owned.size(), 1);
            int64_t steps = 0;
            for (int64_t row = share.begin; row < share.end; ++row)
                steps += rows.length(row);
            EXPECT_NEAR(static_cast<double>(steps), static_cast<double>(rows.all_steps()) / static_cast<double>(parts),
                        1000);
            all = share.end;
            leaves = owned.end;
        }
        EXPECT_EQ(all, batch);
        EXPECT_EQ(leaves, Leaves(batch).count());
    }
    // The first leaf takes 15,160 steps, each next one 1,792 fewer. Half of all, 35,552, is nearer to three leaves
    // (40,104) than to two (28,528).
    EXPECT_EQ(rows.share_of_leaves(call.part, 0, 2).end, 3);
    EXPECT_EQ(steps_of({0, 16}), 16 * 1000 - 7 * 120);
}

TEST(Plan, Lets_groups_own_as_many_leaves_each) {
    for (const int64_t batch : {1, 16, 50, 64, 128, 131, 300})
        for (int64_t threads = 1; threads <= 20; ++threads) {
            const cpu::Plan plan(much_work(batch, true), threads, true);
            EXPECT_EQ(plan.threads(), threads) << "all were asked for";
            EXPECT_EQ(plan.members, plan.row_parts * plan.column_parts);
            EXPECT_EQ(Leaves(batch).count() % plan.groups, 0);
        }
    // Two of the eight leaves each, for one thread and for three, and one alone.
    EXPECT_EQ(cpu::Plan(much_work(128, true), 4, false).groups, 4);
    EXPECT_EQ(cpu::Plan(much_work(128, true), 12, false).groups, 4);
    EXPECT_EQ(cpu::Plan(much_work(128, true), 8, false).groups, 8);
}

TEST(Plan, Takes_fewer_threads_where_that_makes_no_share_larger) {
    // 17 threads share 128 rows by columns, for which they would wait at every step; 16 have 8 rows each.
    EXPECT_EQ(cpu::Plan(much_work(128, false), 17, false).threads(), 16);
    EXPECT_EQ(cpu::Plan(much_work(128, false), 17, true).threads(), 17);
    // One sample has columns alone to share out.
    EXPECT_EQ(cpu::Plan(much_work(1, false), 4, false).column_parts, 4);
    // Too little for a second thread, in all and between two waits.
    EXPECT_EQ(cpu::Plan({128, 8, 1, 1 << 20, false}, 4, false).threads(), 1);
    EXPECT_EQ(cpu::Plan({8, 1, 1000, 1 << 16, true}, 4, false).threads(), 1);
    // Groups of one thread do not wait at steps.
    EXPECT_EQ(cpu::Plan({128, 8, 1000, 1 << 16, true}, 8, false).threads(), 8);
}

TEST(LiveObject, Is_counted_while_it_lives) {
    const int64_t before = LiveObject::count();
    {
        LiveObject first;
        LiveObject second;
        EXPECT_EQ(LiveObject::count(), before + 2);
    }
    EXPECT_EQ(LiveObject::count(), before);
}

} // namespace
} // namespace ortho::test
