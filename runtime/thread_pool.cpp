#include "runtime/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace octile {
namespace {

using Clock = std::chrono::steady_clock;

// How long a worker looks for the next loop: longer than what a network does on one thread between two of them.
constexpr std::chrono::microseconds kLookOut{500};
// How long whoever waits for a task that a worker has begun keeps the processor to itself.
constexpr std::chrono::microseconds kPatience{50};

void pause_processor() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Until `done` holds or `most` has passed; whether it held.
template <typename Condition>
bool spin(std::chrono::microseconds most, Condition done) {
    constexpr int kPausesPerLook = 64;
    const Clock::time_point end = Clock::now() + most;
    do {
        for (int i = 0; i < kPausesPerLook; i++) {
            if (done()) return true;
            pause_processor();
        }
    } while (Clock::now() < end);
    return done();
}

// One loop. Its fields are written while nobody can enter and read by those who have entered.
class Pool {
  public:
    int run(int threads, int count, int (*task)(void* context, int index), void* context) {
        start_workers(threads - 1);
        task_ = task;
        context_ = context;
        share_out(count, threads);
        result_ = 0;
        admitted_ = threads - 1;
        entrance_.store(kOpen, std::memory_order_release);
        loops_.fetch_add(1, std::memory_order_release);
        loops_.notify_all();
        work(0);
        entrance_.fetch_and(~kOpen, std::memory_order_acq_rel);
        const auto empty = [&] { return entrance_.load(std::memory_order_acquire) == 0; };
        while (!spin(kPatience, empty))
            sched_yield();
        return result_;
    }

    // Whether the caller has the workers now, until it gives them back.
    bool take() { return !taken_.exchange(true, std::memory_order_acquire); }
    void give_back() { taken_.store(false, std::memory_order_release); }

  private:
    static constexpr std::uint32_t kOpen = 1, kEntered = 2;

    // Neighbouring tasks that are a thread's in every loop of as many: the weights that it reads then are still in its
    // cache the next time. On a cache line of its own.
    struct alignas(64) Share {
        std::atomic<int> next = 0;
        int end = 0;
    };

    void start_workers(int wanted) {
        for (; workers_ < wanted; workers_++) {
            pthread_t thread;
            // Where the system has no more threads, those that there are do the work.
            if (pthread_create(&thread, nullptr, &Pool::worker, reinterpret_cast<void*>(std::intptr_t{workers_})) != 0)
                return;
            pthread_detach(thread);
        }
    }

    void share_out(int count, int threads) {
        if (threads > capacity_) {
            shares_ = std::make_unique<Share[]>(static_cast<std::size_t>(threads));
            capacity_ = threads;
        }
        threads_ = threads;
        for (int thread = 0; thread < threads; thread++) {
            Share& share = shares_[static_cast<std::size_t>(thread)];
            share.next.store(first_of(thread, count, threads), std::memory_order_relaxed);
            share.end = first_of(thread + 1, count, threads);
        }
    }

    static int first_of(int thread, int count, int threads) {
        return static_cast<int>(std::int64_t{count} * thread / threads);
    }

    // A thread's own tasks first, then what is left of the others'.
    void work(int thread) {
        for (int turn = 0; turn < threads_; turn++) {
            Share& share = shares_[static_cast<std::size_t>((thread + turn) % threads_)];
            for (int index; (index = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end;) {
                const int result = task_(context_, index);
                if (int none = 0; result != 0) result_.compare_exchange_strong(none, result);
            }
        }
    }

    bool enter() {
        std::uint32_t seen = entrance_.load(std::memory_order_acquire);
        while (seen & kOpen) {
            if (entrance_.compare_exchange_weak(seen, seen + kEntered, std::memory_order_acq_rel)) return true;
        }
        return false;
    }

    [[noreturn]] void serve(int index) {
        for (std::uint32_t seen = 0;;) {
            const auto another = [&] { return loops_.load(std::memory_order_acquire) != seen; };
            if (!spin(kLookOut, another)) loops_.wait(seen, std::memory_order_acquire);
            seen = loops_.load(std::memory_order_acquire);
            if (index >= admitted_.load(std::memory_order_relaxed) || !enter()) continue;
            work(index + 1);
            entrance_.fetch_sub(kEntered, std::memory_order_release);
        }
    }

    static void* worker(void* index);

    int (*task_)(void* context, int index) = nullptr;
    void* context_ = nullptr;
    std::unique_ptr<Share[]> shares_;
    int capacity_ = 0, threads_ = 0;  // shares that there is memory for, and of this loop
    int workers_ = 0;
    std::atomic<int> result_ = 0, admitted_ = 0;
    std::atomic<std::uint32_t> entrance_ = 0;  // kOpen while a loop runs, and kEntered for each worker in it
    std::atomic<std::uint32_t> loops_ = 0;     // begun so far
    std::atomic<bool> taken_ = false;
};

// Never destroyed: its workers are there until the process ends.
constinit Pool pool;

void* Pool::worker(void* index) {
    pool.serve(static_cast<int>(reinterpret_cast<std::intptr_t>(index)));
}

}  // namespace

int run_on_pool(int threads, int count, int (*task)(void* context, int index), void* context) {
    if (threads > 1 && count > 1 && pool.take()) {
        const int result = pool.run(std::min(threads, count), count, task, context);
        pool.give_back();
        return result;
    }
    int result = 0;
    for (int index = 0; index < count; index++) {
        const int code = task(context, index);
        if (result == 0) result = code;
    }
    return result;
}

}  // namespace octile
