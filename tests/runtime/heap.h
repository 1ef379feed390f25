// Watches what the program takes from the heap: by operator new, and by the C functions as far as the code of this
// executable and of the archives linked into it call them. The executable is linked with --wrap for these
// (CMakeLists.txt).
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
