// Shapes [M, K] x [K, N] by what they are meant to find, most of them derived from the tiles of the kernels under test.
#pragma once

#include <algorithm>
#include <cstdint>
#include <ostream>
#include <set>
#include <vector>

#include "planner/kernel_info.h"
#include "runtime/kernel_table.h"

namespace octile::test {

struct Shape {
    std::int64_t m = 0, k = 0, n = 0;
    bool operator==(const Shape&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Shape& shape) {
    return out << "M " << shape.m << " K " << shape.k << " N " << shape.n;
}

// Tile heights or widths of a GEMM family, over all levels of the build: all CPUs of an architecture test the same
// shapes.
inline std::set<std::int64_t> tiles_of(KernelFamily family, int KernelInfo::*tile) {
    std::set<std::int64_t> tiles;
    for (const Kernel& kernel : kernel_table()) {
        if (kernel.info.family == family) tiles.insert(kernel.info.*tile);
    }
    return tiles;
}

// `values` and those around each of `edges` and of its double, from 1 up, sorted and once each.
inline std::vector<std::int64_t> with_edges(std::initializer_list<std::int64_t> values,
                                            const std::set<std::int64_t>& edges) {
    std::set<std::int64_t> all(values);
    for (const std::int64_t edge : edges) {
        for (const std::int64_t at : {edge, 2 * edge})
            all.insert({at - 1, at, at + 1});
    }
    return {all.upper_bound(0), all.end()};
}

// Every M from 1 to two panels and a row.
inline std::vector<Shape> row_sweep(KernelFamily family) {
    std::vector<Shape> shapes;
    const std::int64_t widest = *tiles_of(family, &KernelInfo::panel_m).rbegin();
    for (std::int64_t m = 1; m <= 2 * widest + 1; m++)
        shapes.push_back({m, 19, 14});
    return shapes;
}

// Every K that an unrolled or blocked loop over K might get wrong: below and above each block, powers of two, and
// `chunk`, the number of steps after which a kernel starts a new sum.
inline std::vector<Shape> reduction_sweep(std::int64_t chunk) {
    std::vector<Shape> shapes;
    for (const std::int64_t k : with_edges({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}, {32, chunk})) {
        shapes.push_back({9, k, 5});
    }
    return shapes;
}

inline std::vector<Shape> column_sweep(KernelFamily family) {
    std::vector<Shape> shapes;
    for (const std::int64_t n : with_edges({1, 2, 3, 4, 5, 7, 8, 9}, tiles_of(family, &KernelInfo::tile_n))) {
        shapes.push_back({3, 20, n});
    }
    return shapes;
}

// Powers of two and their neighbours, every side once above, at and below.
inline std::vector<Shape> powers_of_two() {
    std::vector<Shape> shapes;
    for (const std::int64_t p : {16, 32, 64, 128}) {
        shapes.push_back({p - 1, p + 1, p});
        shapes.push_back({p, p - 1, p + 1});
        shapes.push_back({p + 1, p, p - 1});
    }
    return shapes;
}

// Shapes whose sides are far apart, and one that is large and ragged in every direction.
inline std::vector<Shape> extreme_shapes(KernelFamily family) {
    // Between GEMM and epilogue lie strips of some 32 rows.
    const std::int64_t tallest = *tiles_of(family, &KernelInfo::tile_m).rbegin(), beyond_strips = 32 * tallest + 3;
    return {
        {2, 4099, 3},           // deep
        {9, 4096, 2},           //
        {70, 1, 50},            // shallow
        {65, 64, 1},            // narrow
        {beyond_strips, 5, 3},  // tall
        {140, 16384, 2},        // more than a second-level cache holds of x
        {2, 3, 515},            // wide
        {1, 384, 400},          // one token
        {65, 129, 97},
    };
}

}  // namespace octile::test
