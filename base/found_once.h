// What is found out once per process, by whoever asks first.
#pragma once

#include <atomic>

namespace octile {

// In static storage, in place of a function's static variable: threads that ask at the same time may all look, and find
// the same. Nobody waits for another one, so that a child process, forked while a thread looked, does not either.
template <typename T>
class FoundOnce {
  public:
    template <typename Find>
    T get(Find find) {
        if (known_.load(std::memory_order_acquire)) return value_.load(std::memory_order_relaxed);
        const T found = find();
        value_.store(found, std::memory_order_relaxed);
        known_.store(true, std::memory_order_release);
        return found;
    }

  private:
    std::atomic<T> value_{};
    std::atomic<bool> known_ = false;
};

}  // namespace octile
