#include "fibers.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <vector>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__x86_64__)
// Saves what a function must preserve, and continues where the other stack was left. swapcontext would do, but makes a
// system call each time.
extern "C" void ortho_switch_stack(void** from, void* to);
asm(R"(
    .text
    .type ortho_switch_stack, @function
ortho_switch_stack:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size ortho_switch_stack, .-ortho_switch_stack
)");
#endif

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace ortho_cuda_emulator {
namespace {

constexpr size_t stack_bytes = size_t{64} << 10;
constexpr unsigned warp_size = 32;
constexpr unsigned whole_warp = 0xffffffffu;

/** The number after `state` in a sequence that is always the same; its upper bits are like random ones. */
uint64_t next_random(uint64_t state) {
    return state * 6364136223846793005u + 1442695040888963407u;
}

struct Fiber;

struct Warp {
    /** Of two exchanges, one after another: a lane may be at the next one before others have read this one's. */
    uint64_t values[2][warp_size];
    unsigned arrived = 0;
    std::vector<Fiber*> waiting;
};

struct Block {
    uint3 index;
    std::vector<std::max_align_t> shared;
    std::vector<unsigned> order; // of its threads
    size_t started = 0;
    size_t running = 0; // not yet at their end
    std::vector<Fiber*> waiting;
    std::vector<Warp> warps;
};

/** Where a stack was left. */
class Context {
public:
    /** Makes the context of a new stack, on which entry() begins; it must not return. */
    void start(char* stack, void (*entry)()) {
#if defined(__x86_64__)
        constexpr int preserved = 6;
        auto** top = reinterpret_cast<void**>(stack + stack_bytes) - 2; // entry sees the stack as after a call
        *--top = nullptr;
        *--top = reinterpret_cast<void*>(entry);
        top -= preserved;
        std::fill_n(top, preserved, nullptr);
        stack_pointer_ = top;
#else
        getcontext(&context_);
        context_.uc_stack.ss_sp = stack;
        context_.uc_stack.ss_size = stack_bytes;
        context_.uc_link = nullptr;
        makecontext(&context_, entry, 0);
#endif
    }

    void switch_to(Context& other) {
#if defined(__x86_64__)
        ortho_switch_stack(&stack_pointer_, other.stack_pointer_);
#else
        swapcontext(&context_, &other.context_);
#endif
    }

private:
#if defined(__x86_64__)
    void* stack_pointer_ = nullptr;
#else
    ucontext_t context_;
#endif
};

struct Fiber {
    Context context;
    std::unique_ptr<char[]> stack;
    Block* block = nullptr;
    unsigned thread = 0;
    unsigned exchanges = 0; // that the thread has taken part in
#if defined(__SANITIZE_ADDRESS__)
    void* fake_stack = nullptr;
#endif
};

/** Runs one grid after another, or of a grid that is not cooperative one block after another; keeps the fibers. */
class Scheduler {
public:
    void run(const Launch& launch, std::vector<Block>& blocks) {
        launch_ = &launch;
        blocks_ = &blocks;
        next_block_ = 0;
        useless_polls_ = 0;
        for (;;) {
            if (start_next() || resume_next())
                continue;
            for (const Block& block : blocks)
                if (block.running > 0) {
                    std::fprintf(stderr, "CUDA emulator: a kernel's threads wait for each other for ever\n");
                    std::abort();
                }
            return;
        }
    }

    // Called by the running fiber.

    void synchronize() {
        Block& block = *current_->block;
        block.waiting.push_back(current_);
        if (block.waiting.size() == block.running)
            release(block.waiting);
        suspend();
    }

    void yield() {
        polling_.push_back(current_);
        suspend();
    }

    void interleave() {
        constexpr uint64_t one_in = 256;
        random_ = next_random(random_);
        if ((random_ >> 33) % one_in != 0)
            return;
        late_.push_back(current_);
        suspend();
    }

    uint64_t exchange(unsigned mask, uint64_t value, unsigned from_lane) {
        if (mask != whole_warp) {
            std::fprintf(stderr, "CUDA emulator: an exchange leaves lanes out\n");
            std::abort();
        }
        const unsigned lane = current_->thread % warp_size;
        Warp& warp = current_->block->warps[current_->thread / warp_size];
        uint64_t* const values = warp.values[current_->exchanges++ % 2];
        values[lane] = value;
        wait_for_warp(warp, lane);
        return values[from_lane % warp_size];
    }

    void* shared_memory() { return current_->block->shared.data(); }

    /** The emulator runs one grid at a time, whatever threads its callers are. */
    static Scheduler& instance() {
        static Scheduler* const scheduler = new Scheduler; // never destroyed, as the streams are not
        return *scheduler;
    }

private:
    void wait_for_warp(Warp& warp, unsigned lane) {
        warp.arrived |= 1u << lane;
        warp.waiting.push_back(current_);
        if (warp.arrived == whole_warp) {
            warp.arrived = 0;
            release(warp.waiting);
        }
        suspend();
    }

    void release(std::vector<Fiber*>& waiting) {
        ready_.insert(ready_.end(), waiting.begin(), waiting.end());
        waiting.clear();
    }

    /** Runs the next thread that was not begun, up to where it must wait. */
    bool start_next() {
        for (; next_block_ < blocks_->size(); ++next_block_)
            if ((*blocks_)[next_block_].started < (*blocks_)[next_block_].order.size())
                break;
        if (next_block_ == blocks_->size())
            return false;
        Fiber* fiber;
        if (!idle_.empty()) {
            fiber = idle_.back();
            idle_.pop_back();
        } else {
            fibers_.push_back(std::make_unique<Fiber>());
            fiber = fibers_.back().get();
            fiber->stack.reset(new char[stack_bytes]);
            fiber->context.start(fiber->stack.get(), &Scheduler::main_of_fiber);
        }
        resume(*fiber);
        return true;
    }

    /** Threads that wait for memory come after all others, and those that are late when nobody gets further. */
    bool resume_next() {
        if (!ready_.empty()) {
            useless_polls_ = 0;
            resume(take(ready_));
        } else if (useless_polls_ < polling_.size()) {
            Fiber& fiber = take(polling_);
            resume(fiber);
            const bool still_waits = !polling_.empty() && polling_.back() == &fiber;
            useless_polls_ = still_waits ? useless_polls_ + 1 : 0;
        } else if (!late_.empty()) {
            ready_.swap(late_);
        } else {
            return false;
        }
        return true;
    }

    static Fiber& take(std::deque<Fiber*>& queue) {
        Fiber& fiber = *queue.front();
        queue.pop_front();
        return fiber;
    }

    void resume(Fiber& fiber) {
        current_ = &fiber;
        place();
#if defined(__SANITIZE_ADDRESS__)
        void* fake_stack = nullptr;
        __sanitizer_start_switch_fiber(&fake_stack, fiber.stack.get(), stack_bytes);
#endif
        own_.switch_to(fiber.context);
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
        current_ = nullptr;
    }

    /** Back to the scheduler, until it resumes this fiber. */
    void suspend() {
        Fiber& fiber = *current_;
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_start_switch_fiber(&fiber.fake_stack, own_stack_, own_stack_bytes_);
#endif
        fiber.context.switch_to(own_);
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_finish_switch_fiber(fiber.fake_stack, &own_stack_, &own_stack_bytes_);
#endif
    }

    /** A fiber runs one thread after another for as long as none has to wait. */
    static void main_of_fiber() {
        Scheduler& scheduler = instance();
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_finish_switch_fiber(nullptr, &scheduler.own_stack_, &scheduler.own_stack_bytes_);
#endif
        for (;;) {
            scheduler.run_threads();
            scheduler.idle_.push_back(scheduler.current_);
            scheduler.suspend();
        }
    }

    void run_threads() {
        Fiber& fiber = *current_;
        while (next_block_ < blocks_->size() &&
               (*blocks_)[next_block_].started < (*blocks_)[next_block_].order.size()) {
            Block& block = (*blocks_)[next_block_];
            fiber.block = &block;
            fiber.thread = block.order[block.started++];
            fiber.exchanges = 0;
            place();
            launch_->thread();
            --block.running;
            if (block.running > 0 && block.waiting.size() == block.running)
                release(block.waiting);
        }
        fiber.block = nullptr;
    }

    /** Sets what the running fiber sees of its place. */
    void place() {
        if (current_->block == nullptr)
            return;
        const dim3& size = launch_->block;
        const unsigned thread = current_->thread;
        threadIdx = {thread % size.x, thread / size.x % size.y, thread / (size.x * size.y)};
        blockIdx = current_->block->index;
        blockDim = size;
        gridDim = launch_->grid;
    }

    const Launch* launch_ = nullptr;
    std::vector<Block>* blocks_ = nullptr;
    size_t next_block_ = 0;
    std::vector<std::unique_ptr<Fiber>> fibers_;
    std::vector<Fiber*> idle_;
    std::deque<Fiber*> ready_;
    std::deque<Fiber*> polling_;
    std::deque<Fiber*> late_;
    size_t useless_polls_ = 0; // one after another
    uint64_t random_ = 1;
    Fiber* current_ = nullptr;
    Context own_;
#if defined(__SANITIZE_ADDRESS__)
    const void* own_stack_ = nullptr;
    size_t own_stack_bytes_ = 0;
#endif
};

/** 0 to count-1 in an order that is always the same and like no order that code could rely on. */
std::vector<unsigned> scrambled(unsigned count, unsigned seed) {
    std::vector<unsigned> order(count);
    for (unsigned i = 0; i < count; ++i)
        order[i] = i;
    uint64_t state = seed * 2654435761u + 1;
    for (unsigned i = count; i > 1; --i) {
        state = next_random(state);
        std::swap(order[i - 1], order[static_cast<unsigned>(state >> 33) % i]);
    }
    return order;
}

Block make_block(const Launch& launch, unsigned number) {
    const unsigned threads = launch.block.x * launch.block.y * launch.block.z;
    Block block;
    block.index = {number % launch.grid.x, number / launch.grid.x % launch.grid.y,
                   number / (launch.grid.x * launch.grid.y)};
    block.shared.resize(launch.shared / sizeof(std::max_align_t) + 1);
    std::memset(block.shared.data(), 0xff, block.shared.size() * sizeof(std::max_align_t));
    block.order = scrambled(threads, number);
    block.running = threads;
    block.warps.resize((threads + warp_size - 1) / warp_size);
    return block;
}

} // namespace

void run_grid(const Launch& launch) {
    Scheduler& scheduler = Scheduler::instance();
    const std::vector<unsigned> order = scrambled(launch.grid.x * launch.grid.y * launch.grid.z, 1);
    std::vector<Block> blocks;
    for (const unsigned number : order) {
        blocks.push_back(make_block(launch, number));
        if (!launch.cooperative) {
            scheduler.run(launch, blocks);
            blocks.clear();
        }
    }
    if (launch.cooperative)
        scheduler.run(launch, blocks);
}

void* shared_memory() {
    return Scheduler::instance().shared_memory();
}

void yield() {
    Scheduler::instance().yield();
}

void interleave() {
    Scheduler::instance().interleave();
}

uint64_t exchange(unsigned mask, uint64_t value, unsigned from_lane) {
    return Scheduler::instance().exchange(mask, value, from_lane);
}

} // namespace ortho_cuda_emulator

void __syncthreads() {
    ortho_cuda_emulator::Scheduler::instance().synchronize();
}
