// How much of the heap a piece of code takes, by operator new: for executables that heap_peak.cpp is linked to.
#pragma once

#include <cstddef>
#include <utility>

namespace octile::test {

// Bytes in use now, and the most since reset_heap_peak(), on all threads.
std::size_t heap_bytes();
std::size_t heap_peak();
void reset_heap_peak();

// The most bytes that `code` had in use at a time, beyond those in use before.
template <typename Code>
std::size_t peak_of(Code&& code) {
    reset_heap_peak();
    const std::size_t before = heap_bytes();
    std::forward<Code>(code)();
    return heap_peak() - before;
}

}  // namespace octile::test
