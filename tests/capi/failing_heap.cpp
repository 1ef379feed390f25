#include "tests/capi/failing_heap.h"

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

constexpr int kNever = INT_MAX;
std::atomic<int> left = kNever;  // before the one that fails
std::atomic<bool> all_behind = false, failed = false;

bool grant() {
    if (left.load() == kNever) return true;
    const int before = left.fetch_sub(1);
    if (before > 0 || (before < 0 && !all_behind)) return true;
    failed = true;
    errno = ENOMEM;
    return false;
}

}  // namespace

namespace octile::test {

FailingHeap::FailingHeap(int number, bool all) {
    failed = false;
    all_behind = all;
    left = number;
}
FailingHeap::~FailingHeap() {
    left = kNever;
}
bool FailingHeap::has_failed() const {
    return failed;
}

}  // namespace octile::test

extern "C" {

void* __real_malloc(std::size_t size);
void* __real_calloc(std::size_t count, std::size_t size);
void* __real_realloc(void* memory, std::size_t size);
void* __real_aligned_alloc(std::size_t alignment, std::size_t size);
int __real_posix_memalign(void** memory, std::size_t alignment, std::size_t size);

void* __wrap_malloc(std::size_t size) {
    return grant() ? __real_malloc(size) : nullptr;
}
void* __wrap_calloc(std::size_t count, std::size_t size) {
    return grant() ? __real_calloc(count, size) : nullptr;
}
void* __wrap_realloc(void* memory, std::size_t size) {
    return grant() ? __real_realloc(memory, size) : nullptr;
}
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t size) {
    return grant() ? __real_aligned_alloc(alignment, size) : nullptr;
}
int __wrap_posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
    return grant() ? __real_posix_memalign(memory, alignment, size) : ENOMEM;
}
}

void* operator new(std::size_t size) {
    if (void* memory = grant() ? __real_malloc(size ? size : 1) : nullptr) return memory;
    throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return grant() ? __real_malloc(size ? size : 1) : nullptr;
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
