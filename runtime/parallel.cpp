#include "octile/parallel.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "runtime/halide_runtime.h"
#include "runtime/parallel.h"

namespace octile {
namespace {

std::atomic<int> requested_threads = 0;
std::atomic<ParallelFor> custom_parallel_for = nullptr;
std::atomic<void*> custom_context = nullptr;

// A Halide loop of `size` steps cut into as few pieces as keep every thread busy: neighbouring steps share a panel's
// memory, and a piece costs a lock.
struct Pieces {
    octile_halide_task task;
    void* user_context;
    std::uint8_t* closure;
    int min, size, count;

    int run(int piece) const {
        const auto start = [&](int i) { return static_cast<int>(static_cast<long long>(size) * i / count); };
        for (int i = start(piece); i < start(piece + 1); i++) {
            if (const int code = task(user_context, min + i, closure)) return code;
        }
        return 0;
    }
};

int run_piece_for_halide(void*, int index, std::uint8_t* closure) {
    return reinterpret_cast<const Pieces*>(closure)->run(index);
}
int run_piece_for_caller(void* context, int index) {
    return static_cast<const Pieces*>(context)->run(index);
}

int do_par_for(void* user_context, octile_halide_task task, int min, int size, std::uint8_t* closure) {
    // More pieces than threads, so that one slow core does not hold up the rest.
    constexpr int kPiecesPerThread = 4;
    Pieces pieces{task, user_context, closure, min, size, 1};
    const int count = threads();
    if (count == 1 || size == 1) return pieces.run(0);
    pieces.count = std::min(size, count * kPiecesPerThread);
    if (const ParallelFor parallel_for = custom_parallel_for)
        return parallel_for(custom_context, pieces.count, run_piece_for_caller, &pieces);
    return octile_halide_default_do_par_for(user_context, run_piece_for_halide, 0, pieces.count,
                                            reinterpret_cast<std::uint8_t*>(&pieces));
}

int available_threads() {
    static const int count = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    return count;
}

}  // namespace

int threads() {
    const int requested = requested_threads;
    return requested > 0 ? requested : available_threads();
}

void set_threads(int count) {
    requested_threads = std::max(0, count);
    octile_halide_set_num_threads(threads());
}

void set_parallel_for(ParallelFor parallel_for, void* context) {
    custom_context = context;
    custom_parallel_for = parallel_for;
}

void install_parallel_for() {
    static const bool installed = (octile_halide_set_custom_do_par_for(do_par_for), true);
    (void)installed;
}

}  // namespace octile
