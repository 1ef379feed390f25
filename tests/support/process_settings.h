// What belongs to the whole process: a test that changes it gives it back at the end of the scope.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "octile/parallel.h"

namespace octile::test {

class ThreadCount {
  public:
    explicit ThreadCount(int count) { set_threads(count); }
    ThreadCount(const ThreadCount&) = delete;
    ThreadCount& operator=(const ThreadCount&) = delete;
    ~ThreadCount() { set_threads(0); }
};

// A pool of the caller's. Runs its tasks last first, so that nothing can depend on their order, on `threads` threads of
// its own.
class CallersPool {
  public:
    explicit CallersPool(int threads) : threads_(threads) { set_parallel_for(run, this); }
    CallersPool(const CallersPool&) = delete;
    CallersPool& operator=(const CallersPool&) = delete;
    ~CallersPool() { set_parallel_for(nullptr, nullptr); }

    // After this many tasks every further one is answered with `code` instead of being run.
    void fail_after(int tasks, int code) {
        allowed_ = tasks;
        code_ = code;
    }
    int loops() const { return loops_; }
    int tasks() const { return tasks_; }

  private:
    static int run(void* context, int count, int (*task)(void*, int), void* task_context) {
        return static_cast<CallersPool*>(context)->run(count, task, task_context);
    }

    int run(int count, int (*task)(void*, int), void* task_context) {
        loops_++;
        tasks_ += count;
        if (tasks_ > allowed_) return code_;
        std::vector<int> codes(static_cast<std::size_t>(threads_));
        const auto work = [&](int thread) {
            for (int i = count - 1 - thread; i >= 0; i -= threads_) {
                if (const int code = task(task_context, i)) codes[static_cast<std::size_t>(thread)] = code;
            }
        };
        std::vector<std::thread> workers;
        for (int thread = 1; thread < threads_; thread++)
            workers.emplace_back(work, thread);
        work(0);
        for (std::thread& worker : workers)
            worker.join();
        for (const int code : codes) {
            if (code) return code;
        }
        return 0;
    }

    int threads_, loops_ = 0, tasks_ = 0, allowed_ = 1 << 30, code_ = 0;
};

// An environment variable, set or (nullopt) absent, until the end of the scope.
class EnvironmentVariable {
  public:
    EnvironmentVariable(std::string name, const std::optional<std::string>& value) : name_(std::move(name)) {
        if (const char* before = std::getenv(name_.c_str())) before_ = before;
        set(value);
    }
    EnvironmentVariable(const EnvironmentVariable&) = delete;
    EnvironmentVariable& operator=(const EnvironmentVariable&) = delete;
    ~EnvironmentVariable() { set(before_); }

  private:
    void set(const std::optional<std::string>& value) const {
        if (value)
            ::setenv(name_.c_str(), value->c_str(), 1);
        else
            ::unsetenv(name_.c_str());
    }

    std::string name_;
    std::optional<std::string> before_;
};

}  // namespace octile::test
