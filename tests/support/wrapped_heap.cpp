#include "tests/support/wrapped_heap.h"

#include <cerrno>
#include <cstdlib>
#include <new>

using octile::test::Taker;

namespace {

bool grant(std::size_t bytes, Taker taker = Taker::kC) {
    if (octile::test::grants_memory(bytes, taker)) return true;
    errno = ENOMEM;
    return false;
}

}  // namespace

extern "C" {

void* __real_malloc(std::size_t size);
void* __real_calloc(std::size_t count, std::size_t size);
void* __real_realloc(void* memory, std::size_t size);
void* __real_aligned_alloc(std::size_t alignment, std::size_t size);
int __real_posix_memalign(void** memory, std::size_t alignment, std::size_t size);

void* __wrap_malloc(std::size_t size) {
    return grant(size) ? __real_malloc(size) : nullptr;
}
void* __wrap_calloc(std::size_t count, std::size_t size) {
    return grant(count * size) ? __real_calloc(count, size) : nullptr;
}
void* __wrap_realloc(void* memory, std::size_t size) {
    return grant(size) ? __real_realloc(memory, size) : nullptr;
}
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t size) {
    return grant(size) ? __real_aligned_alloc(alignment, size) : nullptr;
}
int __wrap_posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
    return grant(size) ? __real_posix_memalign(memory, alignment, size) : ENOMEM;
}
}

// The standard library's own calls of malloc are in a shared library and escape --wrap; these catch its operator new.
void* operator new(std::size_t size) {
    if (void* memory = grant(size, Taker::kNew) ? __real_malloc(size ? size : 1) : nullptr) return memory;
    throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return grant(size, Taker::kNew) ? __real_malloc(size ? size : 1) : nullptr;
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
