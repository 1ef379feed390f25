// Loops over work that is cut into pieces, on the threads of octile/parallel.h. Kernels themselves are serial.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <new>
#include <type_traits>
#include <utility>

#include "octile/status.h"
#include "runtime/float_environment.h"

namespace octile {

// What a piece returns that had no memory, for a message as a rule: no exception passes through the loop of whoever
// runs it, a worker or the program's own pool.
inline constexpr int kNoMemory = -12'000;

// Collects the first failure of the pieces of a loop.
class FirstError {
  public:
    // Returns the non-zero result of a failed piece.
    int keep(Status status) {
        const std::lock_guard lock(mutex_);
        if (status_.ok()) status_ = std::move(status);
        return 1;
    }
    // `code`: what the loop returned. Non-zero without a failed piece, it is kNoMemory, or comes from the caller's
    // pool: kInternal.
    Status take(int code);

  private:
    std::mutex mutex_;
    Status status_;
};

// Runs task(context, i) for every i in [0, count): 0, or a non-zero result.
int parallel_for(int count, int (*task)(void* context, int index), void* context);

// In how many pieces to cut `steps` steps that take `operations` multiply-adds or the like in all: several per thread,
// so that one slow core does not hold up the rest, but none so small that handing it over costs more than doing it.
int piece_count(std::int64_t steps, double operations);

// The most that piece_count() says, as long as nobody changes the number of threads.
int max_pieces();

// Runs body(piece, begin, end) over [0, steps) cut into `pieces` ranges, on whatever threads, rounding to nearest. body
// returns 0, or what this returns; kNoMemory where it throws std::bad_alloc.
template <typename Body>
int parallel_pieces(std::int64_t steps, int pieces, Body&& body) {
    struct Context {
        std::int64_t steps;
        int pieces;
        std::remove_reference_t<Body>& body;

        int run(int piece) const {
            const DefaultFloats floats;
            try {
                return body(piece, steps * piece / pieces, steps * (piece + 1) / pieces);
            } catch (const std::bad_alloc&) {
                return kNoMemory;
            }
        }
    } context{steps, pieces, body};
    return parallel_for(
        pieces, [](void* c, int piece) { return static_cast<const Context*>(c)->run(piece); }, &context);
}

}  // namespace octile
