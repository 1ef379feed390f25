#include "octile/parallel.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "runtime/parallel.h"
#include "runtime/thread_pool.h"

namespace octile {
namespace {

constexpr int kPiecesPerThread = 4;

std::atomic<ParallelFor> custom_parallel_for = nullptr;
std::atomic<void*> custom_context = nullptr;

}  // namespace

void set_parallel_for(ParallelFor parallel_for, void* context) {
    custom_context = context;
    custom_parallel_for = parallel_for;
}

int parallel_for(int count, int (*task)(void* context, int index), void* context) {
    if (count == 1) return task(context, 0);
    if (const ParallelFor callers = custom_parallel_for) return callers(custom_context, count, task, context);
    return run_on_pool(threads(), count, task, context);
}

Status FirstError::take(int code) {
    if (code == 0 || !status_.ok()) return std::move(status_);
    if (code == kNoMemory) return Status(StatusCode::kOutOfMemory, "not enough memory");
    return Status(StatusCode::kInternal,
                  fmt::format("the loop over the pieces of a kernel's work failed with code {}", code));
}

int max_pieces() {
    const int count = threads();
    return count == 1 ? 1 : count * kPiecesPerThread;
}

int piece_count(std::int64_t steps, double operations) {
    constexpr double kOperationsPerPiece = 1 << 17;  // some microseconds
    if (threads() == 1) return 1;
    const auto worthwhile = static_cast<std::int64_t>(std::min(operations / kOperationsPerPiece, 1e9));
    return static_cast<int>(std::clamp<std::int64_t>(std::min(steps, worthwhile), 1, max_pieces()));
}

}  // namespace octile
