// What weights become in INT4, against a search that leaves nothing out.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <sstream>
#include <vector>

#include "octile/parallel.h"
#include "runtime/int4_fit.h"
#include "tests/reference/half.h"
#include "tests/reference/int4.h"
#include "tests/support/matrices.h"
#include "tests/support/process_settings.h"
#include "tests/support/seed.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {
namespace {

Int4Weights fit(const TypedMatrix& w) {
    Result<Int4Weights> result = fit_int4("weights", w.view());
    INFO(result.status().message());
    REQUIRE(result.ok());
    return std::move(result).value();
}

void check_fit(const TypedMatrix& w) {
    const Int4Weights actual = fit(w);
    const reference::Int4Matrix expected =
        reference::fit_int4(w.values(), static_cast<std::size_t>(w.rows()), static_cast<std::size_t>(w.columns()));
    CHECK(std::equal(actual.s4.begin(), actual.s4.end(), expected.s4.begin(), expected.s4.end()));
    CHECK(std::equal(actual.c8.begin(), actual.c8.end(), expected.c8.begin(), expected.c8.end()));
    CHECK(std::equal(actual.q4.begin(), actual.q4.end(), expected.q4.begin(), expected.q4.end()));
    CHECK(actual.scale == expected.scales);
}

// Signal to noise in dB.
double sqnr(std::span<const float> exact, std::span<const double> approximate) {
    double signal = 0, noise = 0;
    for (std::size_t i = 0; i < exact.size(); i++) {
        const auto value = static_cast<double>(exact[i]);
        signal += value * value;
        noise += (value - approximate[i]) * (value - approximate[i]);
    }
    return 10 * std::log10(signal / noise);
}

std::vector<double> values_of(const Int4Weights& w) {
    std::vector<double> values;
    const std::int64_t groups = int4_groups(w.k);
    for (std::int64_t i = 0; i < w.n * w.k; i++) {
        const auto row = static_cast<std::size_t>(i / w.k),
                   group = static_cast<std::size_t>(i / w.k * groups + i % w.k / kInt4Group);
        const int level = w.s4[group] * w.q4[static_cast<std::size_t>(i)] + w.c8[group];
        values.push_back(static_cast<double>(w.scale[row]) * level);
    }
    return values;
}

// GGUF's Q4_1: of each 32 weights the minimum and a step, both f16; 5 bits.
std::vector<double> q4_1(std::span<const float> w) {
    const auto rounded = [](float value) { return reference::half_to_float(reference::float_to_half(value)); };
    std::vector<double> values;
    for (std::size_t first = 0; first < w.size(); first += 32) {
        const auto [low, high] = std::minmax_element(&w[first], &w[first] + 32);
        const float step = (*high - *low) / 15;
        for (std::size_t i = first; i < first + 32; i++) {
            const float q = std::clamp(std::floor((w[i] - *low) / step + 0.5f), 0.0f, 15.0f);
            values.push_back(static_cast<double>(rounded(step) * q + rounded(*low)));
        }
    }
    return values;
}

TEST_CASE("fit_int4: the best of all fits, whatever the type, shape, stride and values") {
    for (const DataType type : {DataType::kF32, DataType::kF16, DataType::kBF16}) {
        for (const Fill fill : kFills) {
            for (const auto& [n, k] : {std::pair{1, 1}, {3, 31}, {2, 33}, {2, 64}, {1, 97}}) {
                std::ostringstream key;
                key << "fit_int4 " << name_of(type) << ' ' << name_of(fill) << ' ' << n << ' ' << k;
                Random random(key.str());
                INFO(random);
                check_fit({type, n, k, make_values(random, n, k, fill), random.below(2) * 3});
            }
        }
    }
}

// Groups that lie in different places of their channel's range, and are as wide in one as they are narrow in another.
TEST_CASE("fit_int4: groups of every width and place") {
    Random random("fit_int4 groups");
    const std::int64_t n = 6, k = 32 * 8;
    std::vector<float> values;
    for (std::int64_t i = 0; i < n * (k / 32); i++) {
        const float width = static_cast<float>(random.below(100)) * 0.01f, center = random.normal() * 0.3f;
        for (int j = 0; j < 32; j++)
            values.push_back(center + width * random.normal());
    }
    INFO(random);
    check_fit({DataType::kF32, n, k, values});
}

TEST_CASE("fit_int4: what the form holds exactly, up to its scale") {
    Random random("fit_int4 exact");
    const std::int64_t k = 32 * 20;
    std::vector<float> values;
    for (std::int64_t group = 0; group < k / 32; group++) {
        const auto s4 = static_cast<int>(1 + random.below(15));
        const int c8 = static_cast<int>(random.below(static_cast<std::uint32_t>(254 - 15 * s4 + 1))) - 127;
        for (int i = 0; i < 32; i++)
            values.push_back(static_cast<float>(s4 * static_cast<int>(random.below(16)) + c8));
    }
    values[5] = values[5] < 0 ? -127.0f : 127.0f;  // S is tried as this over 127
    for (int i = 0; i < 32; i++)
        if (i != 5)
            values[static_cast<std::size_t>(i)] =
                values[5] - (values[5] < 0 ? -8.0f : 8.0f) * static_cast<float>(i % 16);
    const std::vector<double> fitted = values_of(fit({DataType::kF32, 1, k, values}));
    INFO(random);
    for (std::size_t i = 0; i < values.size(); i++)
        CHECK(fitted[i] == static_cast<double>(values[i]));
}

TEST_CASE("fit_int4: levels stay within 127, and a step reaches from c8 to the middle of its own range") {
    Random random("fit_int4 range");
    for (const Fill fill : kFills) {
        const Int4Weights w = fit({DataType::kF32, 20, 200, make_values(random, 20, 200, fill)});
        const auto groups = static_cast<std::size_t>(int4_groups(w.k));
        for (std::size_t i = 0; i < w.q4.size(); i++) {
            const std::size_t group = i / 200 * groups + i % 200 / 32;
            REQUIRE(w.q4[i] <= 15);
            REQUIRE((w.s4[group] >= 1 && w.s4[group] <= 15));
            REQUIRE(std::abs(w.s4[group] * w.q4[i] + w.c8[group]) <= 127);
            REQUIRE(w.c8[group] + 8 * w.s4[group] <= 127);
        }
    }
}

TEST_CASE("fit_int4: the same on any number of threads") {
    Random random("fit_int4 threads");
    const TypedMatrix w(DataType::kF32, 67, 160, make_values(random, 67, 160, Fill::kNormal));
    const Int4Weights expected = fit(w);
    for (const int threads : {1, 2, 3, 7}) {
        const ThreadCount count(threads);
        const Int4Weights actual = fit(w);
        CHECK(actual.q4 == expected.q4);
        CHECK(actual.s4 == expected.s4);
        CHECK(actual.c8 == expected.c8);
        CHECK(actual.scale == expected.scale);
    }
}

TEST_CASE("fit_int4: closer than Q4_1, in fewer bits") {
    Random random("fit_int4 sqnr");
    const std::int64_t n = 64, k = 1024;
    const TypedMatrix w(DataType::kF32, n, k, make_values(random, n, k, Fill::kNormal));
    const std::vector<float> exact = w.values();
    INFO(random);
    CHECK(sqnr(exact, values_of(fit(w))) > sqnr(exact, q4_1(exact)) + 0.5);
}

TEST_CASE("fit_int4: NaN and infinity are refused, naming the first channel") {
    for (const DataType type : {DataType::kF32, DataType::kF16, DataType::kBF16}) {
        for (const float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                                std::numeric_limits<float>::quiet_NaN()}) {
            Random random("fit_int4 non-finite");
            TypedMatrix w(type, 9, 70, make_values(random, 9, 70, Fill::kNormal));
            w.set(4, 69, bad);
            w.set(7, 0, bad);
            const Result<Int4Weights> result = fit_int4("gate", w.view());
            CHECK(result.status().code() == StatusCode::kNonFinite);
            CHECK(result.status().message() == "gate: output channel 4 holds NaN or infinity");
        }
    }
}

}  // namespace
}  // namespace octile::test
