#include "runtime/thread_pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>

#include "octile/parallel.h"
#include "runtime/futex.h"

namespace octile {
namespace {

using Clock = std::chrono::steady_clock;

// How long a worker looks for the next loop: longer than what a network does on one thread between two of them, and no
// longer than was measured to pay (docs/embedding.md).
constexpr std::chrono::microseconds kLookOut{100};
// How long whoever waits for a task that a worker has begun keeps the processor to itself.
constexpr std::chrono::microseconds kPatience{50};
// How long a caller that has lost time by its workers does without them, as a multiple of what it has lost: the first
// of these, and twice as long each time that it happens again before sharing can have paid for it, up to the second.
constexpr int kLeastPause = 1, kMostPause = 64;
// A worker that has had nothing to do for so long ends: a process whose own threads have all ended must end as well.
constexpr std::chrono::milliseconds kIdle{1000};

void pause_processor() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Until `done` holds or `most` has passed; whether it held. `yields`: whoever else wants this processor has it in
// between.
template <typename Condition>
bool spin(std::chrono::microseconds most, bool yields, Condition done) {
    constexpr int kPausesPerLook = 64;
    const Clock::time_point end = Clock::now() + most;
    do {
        for (int i = 0; i < kPausesPerLook; i++) {
            if (done()) return true;
            pause_processor();
        }
        if (yields) sched_yield();
    } while (Clock::now() < end);
    return done();
}

// Signals are the program's, and its handlers run on its threads: none but those that a thread causes itself reaches
// the threads that are started in this object's scope.
class SignalsBlocked {
  public:
    SignalsBlocked() {
        sigset_t all;
        sigfillset(&all);
        for (const int own : {SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP, SIGSYS, SIGPROF})
            sigdelset(&all, own);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  private:
    sigset_t before_;
};

// One loop. Its fields are written while nobody can enter and read by those who have entered. What starts and ends
// workers belongs to whoever has taken the pool.
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
        loops_.fetch_add(1);
        if (sleepers_ > 0) futex_wake_all(loops_);
        const Clock::time_point begin = Clock::now();
        const int own = work(0);
        entrance_.fetch_and(~kOpen, std::memory_order_acq_rel);
        if (!is_empty()) wait_until_empty(begin, own, count);
        return result_;
    }

    // Whether the last loops have shown that the workers do not get a processor, and their callers are better off alone
    // for now.
    bool pauses() const { return pause_end_ != Clock::time_point() && Clock::now() < pause_end_; }

    // Whether the caller has the workers now, until it gives them back.
    bool take() { return !closed_.load(std::memory_order_relaxed) && become_owner(); }
    void give_back() { owner_.store(kNobody, std::memory_order_release); }

    // Ends the workers. From now on every loop is its caller's alone.
    void close() {
        closed_ = true;
        while (!become_owner()) {
            // Called in a loop, by a signal's handler: the process is about to end, and this loop will not.
            if (owner_ == myself()) return;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        loops_.fetch_add(1);
        futex_wake_all(loops_);
        for (Worker& worker : workers_)
            join(worker);
    }

    // In a child process, which has only the thread that forked: no workers, and nobody has taken the pool.
    void start_over() {
        for (Worker& worker : workers_) {
            worker.started = false;
            worker.serves = false;
        }
        entrance_ = 0;
        sleepers_ = 0;
        pause_end_ = {};
        owner_ = kNobody;
    }

  private:
    static constexpr std::uintptr_t kNobody = 0;

    static std::uintptr_t myself() { return (std::uintptr_t)pthread_self(); }  // NOLINT: a number or a pointer
    bool become_owner() {
        std::uintptr_t nobody = kNobody;
        return owner_.compare_exchange_strong(nobody, myself(), std::memory_order_acquire);
    }

    static constexpr std::uint32_t kOpen = 1, kSleeps = 2, kEntered = 4;

    // Neighbouring tasks that are a thread's in every loop of as many: the weights that it reads then are still in its
    // cache the next time. On a cache line of its own.
    struct alignas(64) Share {
        std::atomic<int> next = 0;
        int end = 0;
    };

    struct Worker {
        pthread_t thread{};
        bool started = false;              // and not joined since
        std::atomic<bool> serves = false;  // false: has ended, or is about to
    };

    void start_workers(int wanted) {
        for (int index = 0; index < wanted; index++) {
            Worker& worker = workers_[static_cast<std::size_t>(index)];
            if (worker.serves.load(std::memory_order_acquire)) continue;
            join(worker);
            // Where the system has no more threads, those that there are do the work.
            if (!start(worker, index)) return;
        }
    }

    bool start(Worker& worker, int index) {
        // Registered with the first worker; without it, a child process would wait for workers that it does not have.
        if (!fork_is_known_ && pthread_atfork(nullptr, nullptr, &Pool::forked) != 0) return false;
        fork_is_known_ = true;
        const SignalsBlocked blocked;
        worker.serves = true;
        void* argument = reinterpret_cast<void*>(std::intptr_t{index});
        worker.started = pthread_create(&worker.thread, nullptr, &Pool::worker, argument) == 0;
        worker.serves = worker.started;
        return worker.started;
    }

    static void join(Worker& worker) {
        // A process whose last thread is a worker ends on it: it does not wait for itself.
        if (worker.started && !pthread_equal(worker.thread, pthread_self())) pthread_join(worker.thread, nullptr);
        worker.started = false;
    }

    void share_out(int count, int threads) {
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

    // A thread's own tasks first, then what is left of the others'. How many it were.
    int work(int thread) {
        int done = 0;
        for (int turn = 0; turn < threads_; turn++) {
            Share& share = shares_[static_cast<std::size_t>((thread + turn) % threads_)];
            for (int index; (index = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end;) {
                const int result = task_(context_, index);
                if (int none = 0; result != 0) result_.compare_exchange_strong(none, result);
                done++;
            }
        }
        return done;
    }

    bool is_empty() const { return entrance_.load(std::memory_order_acquire) == 0; }

    // `own`: how many of the loop's tasks the caller has done since `begin`.
    void wait_until_empty(Clock::time_point begin, int own, int count) {
        const Clock::time_point end = Clock::now();
        if (spin(kPatience, false, [&] { return is_empty(); })) return;
        // A worker that has begun a task waits for a processor, perhaps for this one.
        std::uint32_t seen = entrance_.fetch_or(kSleeps, std::memory_order_acq_rel) | kSleeps;
        for (; seen >= kEntered; seen = entrance_.load(std::memory_order_acquire))
            futex_wait(entrance_, seen, std::chrono::seconds(1));
        entrance_.store(0, std::memory_order_relaxed);
        const Clock::time_point now = Clock::now();
        if (own > 0) keep_account(now, now - begin - (end - begin) / own * count);
    }

    // `lost`: how much longer the loop has taken than it would have taken the caller alone.
    void keep_account(Clock::time_point now, Clock::duration lost) {
        if (lost < kPatience) return;
        const bool paid = now - pause_end_ > 2 * lost;  // by the loops that were shared since
        pause_ = paid ? kLeastPause : std::min(2 * pause_, kMostPause);
        pause_end_ = now + pause_ * lost;
    }

    bool enter() {
        std::uint32_t seen = entrance_.load(std::memory_order_acquire);
        while (seen & kOpen) {
            if (entrance_.compare_exchange_weak(seen, seen + kEntered, std::memory_order_acq_rel)) return true;
        }
        return false;
    }

    void leave() {
        if (entrance_.fetch_sub(kEntered, std::memory_order_acq_rel) == (kEntered | kSleeps)) futex_wake_all(entrance_);
    }

    void serve(int index) {
        Clock::time_point idle_since = Clock::now();
        for (std::uint32_t seen = 0;;) {
            const auto another = [&] { return loops_.load(std::memory_order_acquire) != seen; };
            if (!spin(kLookOut, true, another) && !sleep(seen, idle_since + kIdle)) return;
            seen = loops_.load(std::memory_order_acquire);
            if (closed_) return;
            if (index >= admitted_.load(std::memory_order_relaxed) || !enter()) continue;
            work(index + 1);
            leave();
            idle_since = Clock::now();
        }
    }

    // Whether there was another loop than `seen` before `end`.
    bool sleep(std::uint32_t seen, Clock::time_point end) {
        bool another = false;
        sleepers_.fetch_add(1);
        while (!(another = loops_.load(std::memory_order_acquire) != seen)) {
            const Clock::duration rest = end - Clock::now();
            if (rest <= Clock::duration::zero()) break;
            futex_wait(loops_, seen, rest);
        }
        sleepers_.fetch_sub(1);
        return another;
    }

    static void* worker(void* index);
    static void forked();

    int (*task_)(void* context, int index) = nullptr;
    void* context_ = nullptr;
    std::array<Share, kMaxThreads> shares_{};
    int threads_ = 0;  // of this loop
    int pause_ = kLeastPause;
    Clock::time_point pause_end_;
    std::array<Worker, kMaxThreads - 1> workers_{};
    bool fork_is_known_ = false;
    std::atomic<int> result_ = 0, admitted_ = 0;
    FutexWord entrance_ = 0;  // kOpen while a loop runs, kEntered for each worker in it, kSleeps if the caller does
    FutexWord loops_ = 0;     // begun so far
    std::atomic<int> sleepers_ = 0;                // workers that wait for loops_ to change
    std::atomic<std::uintptr_t> owner_ = kNobody;  // the thread that has taken it
    std::atomic<bool> closed_ = false;
};

// Never destroyed: destructors of the program's own objects may still run loops, alone.
constinit Pool pool;

void* Pool::worker(void* index) {
    const int which = static_cast<int>(reinterpret_cast<std::intptr_t>(index));
    pool.serve(which);
    pool.workers_[static_cast<std::size_t>(which)].serves.store(false, std::memory_order_release);
    return nullptr;
}

void Pool::forked() {
    pool.start_over();
}

// When the process ends, or the shared object that Octile was linked into is unloaded: before the latter's memory is
// gone, and behind the destructors of a program's static objects.
[[gnu::destructor]] void close_pool() {
    pool.close();
}

}  // namespace

int run_on_pool(int threads, int count, int (*task)(void* context, int index), void* context) {
    if (threads > 1 && count > 1 && pool.take()) {
        const bool shares = !pool.pauses();
        const int result = shares ? pool.run(std::min(threads, count), count, task, context) : 0;
        pool.give_back();
        if (shares) return result;
    }
    int result = 0;
    for (int index = 0; index < count; index++) {
        const int code = task(context, index);
        if (result == 0) result = code;
    }
    return result;
}

}  // namespace octile
