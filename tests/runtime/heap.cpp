#include "tests/runtime/heap.h"

#include <atomic>
#include <cstdint>

#include "tests/support/wrapped_heap.h"

namespace octile::test {
namespace {

std::atomic<int> counter = 0;
std::atomic<std::size_t> refused_from = SIZE_MAX;

}  // namespace

bool grants_memory(std::size_t bytes, Taker taker) {
    counter++;
    return taker == Taker::kNew || bytes < refused_from;
}

int allocations() {
    return counter;
}

FullHeap::FullHeap(std::size_t bytes) {
    refused_from = bytes;
}
FullHeap::~FullHeap() {
    refused_from = SIZE_MAX;
}

}  // namespace octile::test
