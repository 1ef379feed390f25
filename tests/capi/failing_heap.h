// A heap that runs out at one allocation: of operator new, or of the C functions as the code of this executable and of
// the archives linked into it calls them (--wrap, CMakeLists.txt).
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
