// A heap that runs out at one allocation, of those that tests/support/wrapped_heap.h sees.
#pragma once

namespace octile::test {

// While it lives, the allocation of that number, from 0, has no memory, and none behind it if `all`; on all threads.
class FailingHeap {
  public:
    FailingHeap(int number, bool all);
    FailingHeap(const FailingHeap&) = delete;
    FailingHeap& operator=(const FailingHeap&) = delete;
    ~FailingHeap();

    // Whether that allocation was asked for.
    bool has_failed() const;
};

}  // namespace octile::test
