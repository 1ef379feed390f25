// What the tests of refusals share.
#pragma once

#include <catch2/catch.hpp>
#include <limits>
#include <span>
#include <utility>

#include "octile/linear.h"
#include "tests/inputs/status_checks.h"
#include "tests/support/matrices.h"
#include "tests/support/seed.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity(),
                       kNan = std::numeric_limits<float>::quiet_NaN();
inline constexpr Precision kPrecisions[] = {Precision::kInt8, Precision::kFp16};

inline TypedMatrix make_matrix(DataType type, std::int64_t rows, std::int64_t columns) {
    Random random("errors");
    return {type, rows, columns, make_values(random, rows, columns, Fill::kNormal)};
}

inline Linear pack(std::int64_t k, std::int64_t n, Precision precision, IsaSet isas = supported_isas()) {
    Result<Linear> linear = Linear::pack(make_matrix(DataType::kF32, n, k).view(), {}, {.precision = precision}, isas);
    REQUIRE(linear.ok());
    return std::move(linear).value();
}

}  // namespace octile::test
