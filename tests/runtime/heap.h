// Watches what the program takes from the heap, as far as tests/support/wrapped_heap.h sees it.
#pragma once

#include <cstddef>

namespace octile::test {

// Since the program started, on all threads.
int allocations();

// While it lives, the C functions have no memory left for blocks of `bytes` and more. operator new has.
class FullHeap {
  public:
    explicit FullHeap(std::size_t bytes);
    FullHeap(const FullHeap&) = delete;
    FullHeap& operator=(const FullHeap&) = delete;
    ~FullHeap();
};

}  // namespace octile::test
