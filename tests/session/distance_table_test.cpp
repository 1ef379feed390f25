// Tables of what distances add to scores, and tanh: against the reference's logarithm and the C library's.
#include "session/distance_table.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "session/elementary.h"
#include "tests/reference/network.h"

namespace octile {
namespace {

TEST_CASE("buckets of distances are those of the logarithm") {
    for (const auto& [buckets, most] : std::vector<std::pair<std::int64_t, std::int64_t>>{
             {32, 128}, {8, 20}, {4, 2}, {64, 1000}, {256, 32768}, {32, 9}}) {
        const DistanceBias bias{.tensor = "t", .buckets = buckets, .max_distance = most};
        for (std::int64_t distance = -40000; distance <= 40000; distance++) {
            INFO(buckets << ", " << most << ", " << distance);
            const std::int64_t bucket = distance_bucket(bias, distance);
            REQUIRE(bucket == reference::distance_bucket(buckets, most, distance));
        }
    }
}

TEST_CASE("a table has a row for each head, and -infinity beyond the window") {
    Node node{.name = "a", .op = NodeOp::kAttention, .heads = 2, .window = 3, .distance_bias = DistanceBias{"t", 4, 2}};
    const std::vector<float> tensor = {0, 10, 1, 11, 2, 12, 3, 13};  // [4, 2]
    const DistanceTable table = make_distance_table(node, tensor, 6);
    const float none = -std::numeric_limits<float>::infinity();
    const auto at = [&](std::int64_t head, std::int64_t distance) { return table.row(head)[table.centre + distance]; };
    CHECK(at(0, 0) == 0);
    CHECK(at(1, 0) == 10);
    CHECK(at(1, -1) == 11);
    CHECK(at(0, 1) == 3);
    CHECK(at(1, 3) == 13);
    CHECK(at(1, 4) == none);
    CHECK(at(0, -4) == none);
    node.distance_bias.reset();
    const DistanceTable plain = make_distance_table(node, {}, 6);
    CHECK(plain.row(1) == plain.row(0));
    CHECK(plain.row(1)[plain.centre + 3] == 0);
    CHECK(plain.row(1)[plain.centre - 4] == none);
}

TEST_CASE("tanh is within an ulp of the exact one, and keeps signs, ends and NaN") {
    for (float x = 1e-30f; x < 100; x *= 1.0007f) {
        for (const float y : {x, -x}) {
            const double exact = std::tanh(static_cast<double>(y));
            const double off = std::abs(static_cast<double>(hyperbolic_tangent(y)) - exact);
            CHECK(off <= std::abs(exact) * 0x1p-24 * (1 + 1e-6));
        }
    }
    CHECK(std::signbit(hyperbolic_tangent(-0.0f)));
    CHECK(hyperbolic_tangent(std::numeric_limits<float>::infinity()) == 1);
    CHECK(hyperbolic_tangent(-std::numeric_limits<float>::infinity()) == -1);
    CHECK(std::isnan(hyperbolic_tangent(std::numeric_limits<float>::quiet_NaN())));
}

}  // namespace
}  // namespace octile
