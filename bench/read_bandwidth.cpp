#include "bench/read_bandwidth.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

namespace octile::bench {
namespace {

using Clock = std::chrono::steady_clock;

// Where the optimizer cannot see that nobody needs the sum.
volatile std::uint64_t sink;

// Four streams, a cache line of each in turn: more than one keeps more requests under way.
[[gnu::noinline]] void read_part(std::span<const std::byte> part) {
    constexpr std::size_t kStreams = 4, kLine = 64;
    using Vector [[gnu::vector_size(32)]] = std::uint64_t;
    const std::size_t length = part.size() / kStreams / kLine * kLine;
    Vector sums[4] = {};
    for (std::size_t at = 0; at < length; at += kLine) {
        for (std::size_t stream = 0; stream < kStreams; stream++) {
            Vector low, high;
            std::memcpy(&low, part.data() + stream * length + at, sizeof(low));
            std::memcpy(&high, part.data() + stream * length + at + sizeof(low), sizeof(high));
            sums[stream] += low ^ high;
        }
    }
    const Vector sum = sums[0] + sums[1] + sums[2] + sums[3];
    sink = sum[0] + sum[1] + sum[2] + sum[3];
}

}  // namespace

double read_bandwidth(std::span<const std::byte> memory, int threads) {
    const auto begin = Clock::now();
    const auto count = static_cast<std::size_t>(threads);
    std::vector<std::thread> others;
    for (std::size_t i = 1; i < count; i++) {
        const std::size_t first = memory.size() * i / count, last = memory.size() * (i + 1) / count;
        others.emplace_back(read_part, memory.subspan(first, last - first));
    }
    read_part(memory.first(memory.size() / count));
    for (std::thread& other : others)
        other.join();
    return static_cast<double>(memory.size()) / std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace octile::bench
