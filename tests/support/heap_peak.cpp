#include "tests/support/heap_peak.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::size_t> in_use{0}, most{0};

void* take(std::size_t bytes) {
    void* const block = std::malloc(bytes == 0 ? 1 : bytes);
    if (block == nullptr) return nullptr;
    const std::size_t now = in_use += ::malloc_usable_size(block);
    std::size_t seen = most;
    while (seen < now && !most.compare_exchange_weak(seen, now)) {
    }
    return block;
}

void give_back(void* block) {
    if (block == nullptr) return;
    in_use -= ::malloc_usable_size(block);
    std::free(block);
}

}  // namespace

namespace octile::test {

std::size_t heap_bytes() {
    return in_use;
}

std::size_t heap_peak() {
    return most;
}

void reset_heap_peak() {
    most = in_use.load();
}

}  // namespace octile::test

void* operator new(std::size_t bytes) {
    if (void* const block = take(bytes)) return block;
    throw std::bad_alloc();
}

void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    return take(bytes);
}

void operator delete(void* block) noexcept {
    give_back(block);
}

void operator delete(void* block, std::size_t) noexcept {
    give_back(block);
}
