#include "tests/capi/failing_heap.h"

#include <atomic>
#include <climits>

#include "tests/support/wrapped_heap.h"

namespace octile::test {
namespace {

constexpr int kNever = INT_MAX;
std::atomic<int> left = kNever;  // before the one that fails
std::atomic<bool> all_behind = false, failed = false;

}  // namespace

bool grants_memory(std::size_t, Taker) {
    if (left.load() == kNever) return true;
    const int before = left.fetch_sub(1);
    if (before > 0 || (before < 0 && !all_behind)) return true;
    failed = true;
    return false;
}

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
