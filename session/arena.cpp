#include "session/arena.h"

#include <algorithm>
#include <numeric>

namespace octile {
namespace {

std::size_t rounded(std::size_t bytes) {
    return (bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
}

}  // namespace

ArenaPlan plan_arena(std::span<const Lifetime> values) {
    ArenaPlan plan;
    plan.offsets.resize(values.size());
    std::vector<std::size_t> order(values.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return values[a].bytes > values[b].bytes; });
    std::vector<std::size_t> placed, neighbours;
    for (const std::size_t value : order) {
        const std::size_t bytes = rounded(values[value].bytes);
        plan.sum += bytes;
        neighbours.clear();
        for (const std::size_t other : placed)
            if (values[value].overlaps(values[other])) neighbours.push_back(other);
        std::sort(neighbours.begin(), neighbours.end(),
                  [&](std::size_t a, std::size_t b) { return plan.offsets[a] < plan.offsets[b]; });
        std::size_t at = 0;
        for (const std::size_t other : neighbours) {
            if (plan.offsets[other] >= at + bytes) break;
            at = std::max(at, plan.offsets[other] + rounded(values[other].bytes));
        }
        plan.offsets[value] = at;
        plan.bytes = std::max(plan.bytes, at + bytes);
        placed.push_back(value);
    }
    for (const Lifetime& at : values) {
        std::size_t alive = 0;
        for (const Lifetime& other : values)
            if (other.first <= at.first && at.first <= other.last) alive += rounded(other.bytes);
        plan.least = std::max(plan.least, alive);
    }
    return plan;
}

}  // namespace octile
