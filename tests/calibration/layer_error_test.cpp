#include "calibration/layer_error.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "calibration/synthetic.h"
#include "tests/reference/linear.h"

using namespace octile;

TEST_CASE("error: the INT8 product is that of the normative arithmetic") {
    for (const auto& [m, k, n] : std::vector<std::array<std::int64_t, 3>>{{1, 1, 1}, {7, 33, 5}, {16, 300, 48}}) {
        const std::vector<float> x = normal_values(static_cast<std::size_t>(m * k), 1, 2);
        const std::vector<float> w = normal_values(static_cast<std::size_t>(n * k), 2, 0.1f);
        const std::vector<float> reference = float_product({x, w, m, k, n});
        const Result<ProductError> error = int8_error({x, w, m, k, n}, reference, usable_isas().value());
        REQUIRE(error.ok());
        const auto size = [](std::int64_t extent) { return static_cast<std::size_t>(extent); };
        const std::vector<float> y = reference::linear_s8(x, w, {}, size(m), size(k), size(n), Activation::kNone);
        const ProductError expected = compare_products(reference, y, n);
        CHECK(error.value().energy == expected.energy);  // the same bits, summed in the same order
        CHECK(error.value().signal == expected.signal);
        CHECK(error.value().dot == expected.dot);
    }
}

TEST_CASE("error: the float product is as exact as it says") {
    constexpr std::int64_t m = 3, k = 5000, n = 4;
    const std::vector<float> x = normal_values(m * k, 3, 1), w = normal_values(n * k, 4, 1);
    const std::vector<float> y = float_product({x, w, m, k, n});
    const std::vector<reference::ExactOutput> exact = reference::linear_exact(x, w, {}, m, k, n);
    for (std::size_t i = 0; i < y.size(); ++i)
        CHECK(std::fabs(static_cast<double>(y[i]) - exact[i].value) <= 0x1p-16 * exact[i].magnitude);
}

TEST_CASE("error: SQNR and cosine of known products") {
    // Channels (1, -1) with noise (0.5, 0.5), and (2, -2) without: (0.5 / 2 + 0) / 2.
    const ProductError error =
        compare_products(std::vector<float>{1, 2, -1, -2}, std::vector<float>{1.5f, 2, -1.5f, -2}, 2);
    CHECK(error.energy == 0.125);
    CHECK(error.sqnr_db() == Approx(9.0309));
    CHECK(error.cosine() == Approx(11 / std::sqrt(10.0 * 12.5)));
    CHECK(ProductError{}.sqnr_db() == std::numeric_limits<double>::infinity());
    CHECK(ProductError{}.cosine() == 1.0);
    // A single row: all of the noise over all of the signal.
    CHECK(compare_products(std::vector<float>{3, 4}, std::vector<float>{3, 5}, 2).energy == 1.0 / 25);
    CHECK(compare_products(std::vector<float>{0}, std::vector<float>{1}, 1).energy ==
          std::numeric_limits<double>::max());
}

TEST_CASE("error: a channel that is large in every row hides nothing") {
    constexpr std::size_t m = 16;
    std::vector<float> y, q;
    for (std::size_t row = 0; row < m; ++row) {
        const float varying = row % 2 == 0 ? 1.0f : -1.0f;
        y.insert(y.end(), {1000, varying});
        q.insert(q.end(), {1000, varying * 1.5f});
    }
    CHECK(compare_products(y, q, 2).energy == 0.25);
}

TEST_CASE("error: what holds no numbers is refused") {
    const std::vector<float> x = {1, NAN}, w = {1, 1}, reference = {0};
    CHECK(int8_error({x, w, 1, 2, 1}, reference, usable_isas().value()).status().code() == StatusCode::kNonFinite);
    CHECK(int8_error({w, x, 1, 2, 1}, reference, usable_isas().value()).status().code() == StatusCode::kNonFinite);
}

TEST_CASE("outliers: channels far above the others, and massive activations among them") {
    constexpr std::int64_t k = 64;
    std::vector<float> x = normal_values(16 * k, 5, 0.5f);
    CHECK(find_outliers(x, k).empty());
    for (std::size_t row = 0; row < 16; ++row)
        x[row * k + 9] *= 40;
    x[3 * k + 50] = -900;
    const std::vector<OutlierChannel> outliers = find_outliers(x, k);
    REQUIRE(outliers.size() == 2);
    CHECK(outliers[0].channel == 50);
    CHECK(outliers[0].absmax == 900);
    CHECK(outliers[0].massive);
    CHECK(outliers[1].channel == 9);
    CHECK_FALSE(outliers[1].massive);
    CHECK(outliers[1].ratio > kOutlierRatio);
    CHECK(find_outliers({}, k).empty());
    CHECK(find_outliers(std::vector<float>(k), k).empty());
}
