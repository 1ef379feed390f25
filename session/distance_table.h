// What attention adds to its scores by how far a key is from its query: a network's own numbers, a window, or both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "octile/graph.h"

namespace octile {

struct DistanceTable {
    // [heads, stride], or one row for all heads; `centre` is the place of the query itself, and that of key j of query
    // i is centre + j - i. Keys beyond the window have -infinity. There are numbers up to the end of the last block.
    std::vector<float> values;
    std::int64_t stride = 0, centre = 0;
    bool by_head = false;

    const float* row(std::int64_t head) const { return values.data() + (by_head ? head * stride : 0); }
    // Between the rows of two heads.
    std::int64_t head_stride() const { return by_head ? stride : 0; }
};

// The row of the tensor for a distance: key minus query.
std::int64_t distance_bucket(const DistanceBias& bias, std::int64_t distance);

// For attention over up to `keys` keys. `tensor` [buckets, heads] is that of node.distance_bias; empty: it has none.
DistanceTable make_distance_table(const Node& node, const std::vector<float>& tensor, std::int64_t keys);

// Tables of a session: attention of the same numbers shares one.
class DistanceTables {
  public:
    const DistanceTable& get(const Node& node, const std::vector<float>& tensor, std::int64_t keys);
    std::size_t bytes() const;

  private:
    struct Entry {
        std::optional<std::int64_t> window;
        std::optional<DistanceBias> bias;
        std::int64_t heads;
        DistanceTable table;
    };
    std::vector<std::unique_ptr<const Entry>> entries_;
};

}  // namespace octile
