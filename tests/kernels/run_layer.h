// Runs of octile::Linear: every choice here leaves the result as it is.
#pragma once

#include <array>
#include <catch2/catch.hpp>
#include <cstdint>
#include <optional>
#include <ostream>
#include <span>
#include <vector>

#include "octile/linear.h"
#include "tests/support/levels.h"
#include "tests/support/process_settings.h"
#include "tests/support/seed.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {

enum class Threading { kOne, kFour, kCallers };

// How a layer is run.
struct Way {
    std::int64_t x_padding = 0, y_padding = 0;
    Threading threading = Threading::kOne;
};

inline Way random_way(Random& random) {
    return {.x_padding = random.below(2) ? 1 + random.below(9) : 0,
            .y_padding = random.below(2) ? 1 + random.below(9) : 0,
            .threading = static_cast<Threading>(random.below(3))};
}

inline std::ostream& operator<<(std::ostream& out, const Way& way) {
    static constexpr std::array threading = {"one thread", "four threads", "the caller's pool"};
    return out << "x padding " << way.x_padding << ", y padding " << way.y_padding << ", "
               << threading[static_cast<std::size_t>(way.threading)];
}

inline Linear must(Result<Linear> linear) {
    INFO(linear.status().message());
    REQUIRE(linear.ok());
    return std::move(linear).value();
}

// y of type `out` for the rows of x, computed in a way, with the memory around it intact.
inline TypedMatrix run_layer(const Linear& linear, DataType in, std::span<const float> x_values, std::int64_t m,
                             DataType out, const Way& way = {}, const RunOptions& options = {}) {
    const TypedMatrix x(in, m, linear.k(), x_values, way.x_padding);
    TypedMatrix y(out, m, linear.n(), way.y_padding);
    Workspace workspace;
    Status status;
    {
        const ThreadCount threads(way.threading == Threading::kOne ? 1 : 4);
        std::optional<CallersPool> pool;
        if (way.threading == Threading::kCallers) pool.emplace(2);
        status = linear.run(x.view(), y.mutable_view(), workspace, options);
    }
    INFO(status.message());
    REQUIRE(status.ok());
    CHECK(y.surroundings_intact());
    return y;
}

// What a kernel sees of values that are handed over in a type.
inline std::vector<float> rounded_to(DataType type, std::int64_t rows, std::int64_t columns,
                                     std::span<const float> values) {
    return TypedMatrix(type, rows, columns, values).values();
}

}  // namespace octile::test
