#include "session/distance_table.h"

#include <algorithm>
#include <limits>

#include "runtime/attention.h"

namespace octile {

std::int64_t distance_bucket(const DistanceBias& bias, std::int64_t distance) {
    const std::int64_t half = bias.buckets / 2, exact = half / 2, first = distance > 0 ? half : 0;
    const std::int64_t size = distance < 0 ? -distance : distance;
    if (size < exact) return first + size;
    if (size >= bias.max_distance) return first + half - 1;
    // exact * log(size / exact) / log(max_distance / exact), rounded down, without a logarithm: the most steps whose
    // power is not above. The bounds of both numbers keep every power finite.
    const auto unit = static_cast<double>(exact);
    const double ratio = static_cast<double>(size) / unit, whole = static_cast<double>(bias.max_distance) / unit;
    double power = 1, step = whole;
    for (std::int64_t i = 0; i < exact; i++)
        power *= ratio;
    std::int64_t steps = 0;
    for (; steps < exact - 1 && step <= power; steps++)
        step *= whole;
    return first + exact + steps;
}

DistanceTable make_distance_table(const Node& node, const std::vector<float>& tensor, std::int64_t keys) {
    DistanceTable table;
    table.by_head = node.distance_bias.has_value();
    table.centre = keys - 1;
    table.stride = 2 * keys - 1 + kKeyBlock;
    const std::int64_t rows = table.by_head ? node.heads : 1, window = node.window.value_or(keys);
    table.values.resize(static_cast<std::size_t>(rows * table.stride), -std::numeric_limits<float>::infinity());
    for (std::int64_t at = 0; at < table.stride; at++) {
        const std::int64_t distance = at - table.centre, size = distance < 0 ? -distance : distance;
        if (node.window && size > window) continue;
        const std::int64_t bucket = table.by_head ? distance_bucket(*node.distance_bias, distance) : 0;
        for (std::int64_t head = 0; head < rows; head++) {
            table.values[static_cast<std::size_t>(head * table.stride + at)] =
                table.by_head ? tensor[static_cast<std::size_t>(bucket * node.heads + head)] : 0.0f;
        }
    }
    return table;
}

const DistanceTable& DistanceTables::get(const Node& node, const std::vector<float>& tensor, std::int64_t keys) {
    for (const auto& entry : entries_) {
        if (entry->window == node.window && entry->bias == node.distance_bias && entry->heads == node.heads)
            return entry->table;
    }
    entries_.push_back(std::make_unique<const Entry>(
        Entry{node.window, node.distance_bias, node.heads, make_distance_table(node, tensor, keys)}));
    return entries_.back()->table;
}

std::size_t DistanceTables::bytes() const {
    std::size_t bytes = 0;
    for (const auto& entry : entries_)
        bytes += entry->table.values.size() * sizeof(float);
    return bytes;
}

}  // namespace octile
