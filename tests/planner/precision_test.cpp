#include "planner/precision.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "octile/planner.h"
#include "tests/planner/build_layers.h"

using namespace octile;
using test::linear;

namespace {

Choice by_ratio(std::int64_t k, std::int64_t n, double min_ratio = kDefaultMinRatio) {
    return choose_precision(linear("fc", 1, k, n), min_ratio, {});
}

constexpr Choice kTaken = {Precision::kInt8, Reason::kRatioGeMin};
constexpr Choice kLeft = {Precision::kFp16, Reason::kRatioLtMin};

}  // namespace

TEST_CASE("MobileViT-S feed-forward layers stay FP16", "[precision]") {
    CHECK(ratio_of(144, 288) == 96);
    CHECK(ratio_of(192, 384) == 128);
    CHECK(ratio_of(240, 480) == 160);
    CHECK(by_ratio(144, 288) == kLeft);
    CHECK(by_ratio(192, 384) == kLeft);
    CHECK(by_ratio(240, 480) == kLeft);
}

TEST_CASE("ViT-B/16 and MiniLM-L6 feed-forward layers go INT8", "[precision]") {
    CHECK(ratio_of(768, 3072) == Approx(614.4));
    CHECK(by_ratio(768, 3072) == kTaken);
    CHECK(by_ratio(3072, 768) == kTaken);
    CHECK(ratio_of(384, 1536) == Approx(307.2));
    CHECK(by_ratio(384, 1536) == kTaken);
    CHECK(by_ratio(384, 384) == kLeft);
}

TEST_CASE("The boundary itself goes INT8, the next shape below stays FP16", "[precision]") {
    CHECK(ratio_of(512, 512) == 256);
    CHECK(by_ratio(512, 512) == kTaken);
    CHECK(by_ratio(512, 511) == kLeft);
    CHECK(by_ratio(511, 512) == kLeft);
    CHECK(by_ratio(384, 768) == kTaken);  // 256 without a power of two
    CHECK(by_ratio(384, 767) == kLeft);
}

TEST_CASE("The threshold is a parameter", "[precision]") {
    CHECK(by_ratio(144, 288, 96) == kTaken);
    CHECK(by_ratio(144, 288, std::nextafter(96.0, 97.0)) == kLeft);
    CHECK(by_ratio(768, 3072, 615) == kLeft);
    CHECK(by_ratio(768, 3072, 0) == kTaken);
    CHECK(by_ratio(1, 1, 0.5) == kTaken);
    CHECK(by_ratio(1, 1, std::nextafter(0.5, 1.0)) == kLeft);
    CHECK(by_ratio(1, 2, 0.66) == kTaken);
    CHECK(by_ratio(1, 2, 0.67) == kLeft);
}

TEST_CASE("The comparison is exact where doubles are not", "[precision]") {
    // K*N = 2^62 - 2^32 + 1 needs 62 bits. The ratio is (2^31 - 1) / 2 exactly.
    CHECK(reaches_ratio(kMaxExtent, kMaxExtent, 1073741823.5));
    CHECK_FALSE(reaches_ratio(kMaxExtent, kMaxExtent, std::nextafter(1073741823.5, 2e9)));
    // (2^31 - 1)(2^31 - 2) / (2^32 - 3) lies 6e-11 below 2^30 - 0.75, which is the nearest double.
    CHECK_FALSE(reaches_ratio(kMaxExtent, kMaxExtent - 1, 1073741823.25));
    CHECK(reaches_ratio(kMaxExtent, kMaxExtent - 1, std::nextafter(1073741823.25, 0.0)));
    CHECK_FALSE(reaches_ratio(kMaxExtent, kMaxExtent, 0x1p30));
    CHECK_FALSE(reaches_ratio(kMaxExtent, kMaxExtent, std::numeric_limits<double>::max()));
    CHECK(reaches_ratio(1, 1, 0));
    CHECK(reaches_ratio(1, 1, std::numeric_limits<double>::denorm_min()));
}

TEST_CASE("Every K and N up to 700 agrees with integer arithmetic", "[precision]") {
    bool agrees = true;
    for (std::int64_t k = 1; k <= 700; ++k) {
        for (std::int64_t n = 1; n <= 700; ++n)
            agrees = agrees && reaches_ratio(k, n, 256) == (k * n >= 256 * (k + n));
    }
    CHECK(agrees);
}

TEST_CASE("Bias and unaligned shapes are no reason to leave a layer", "[precision]") {
    Layer layer = linear("fc", 7, 769, 3071);
    layer.bias = true;
    CHECK(choose_precision(layer, kDefaultMinRatio, {}) == kTaken);
}

TEST_CASE("K beyond int32 accumulation has no INT8 kernel", "[precision]") {
    const Choice no_kernel = {Precision::kFp16, Reason::kNoKernel};
    CHECK(by_ratio(kMaxReduction, 4096) == kTaken);
    CHECK(by_ratio(kMaxReduction + 1, 4096) == no_kernel);
    // Only where INT8 was wanted: otherwise the kernel is not what kept it.
    CHECK(by_ratio(kMaxReduction + 1, 10) == kLeft);
    const Layer deep = linear("fc", 1, kMaxReduction + 1, 4096);
    CHECK(choose_precision(deep, kDefaultMinRatio, {.skip = false, .force = Precision::kInt8}) == no_kernel);
    CHECK(choose_precision(deep, kDefaultMinRatio, {.skip = false, .force = Precision::kFp16}) ==
          Choice{Precision::kFp16, Reason::kForced});
}

TEST_CASE("Skip wins over force, force over the ratio", "[precision]") {
    const Layer wide = linear("fc", 1, 768, 3072);
    const Layer narrow = linear("fc", 1, 64, 64);
    CHECK(choose_precision(wide, 256, {.skip = false, .force = Precision::kFp16}) ==
          Choice{Precision::kFp16, Reason::kForced});
    CHECK(choose_precision(narrow, 256, {.skip = false, .force = Precision::kInt8}) ==
          Choice{Precision::kInt8, Reason::kForced});
    CHECK(choose_precision(wide, 256, {.skip = true, .force = Precision::kInt8}) ==
          Choice{Precision::kFp16, Reason::kSkipped});
    CHECK(choose_precision(wide, 256, {.skip = true, .force = {}}) == Choice{Precision::kFp16, Reason::kSkipped});
}

TEST_CASE("Weights that came as int8 stay so, and floats beside them too", "[precision]") {
    Layer narrow = linear("fc", 1, 64, 64), wide = linear("fc", 1, 768, 3072);
    narrow.weights = WeightForm::kInt8;
    wide.weights = WeightForm::kKeptFloat;
    CHECK(choose_precision(narrow, 256, {}) == Choice{Precision::kInt8, Reason::kPrequantized});
    CHECK(choose_precision(wide, 256, {}) == Choice{Precision::kFp16, Reason::kSkipped});
    for (Layer* layer : {&narrow, &wide}) {
        CHECK(choose_precision(*layer, 256, {.skip = true, .force = {}}) == Choice{Precision::kFp16, Reason::kSkipped});
        for (const Precision precision : {Precision::kInt8, Precision::kFp16}) {
            CHECK(choose_precision(*layer, 256, {.skip = false, .force = precision}) ==
                  Choice{precision, Reason::kForced});
        }
    }
    narrow.k = kMaxReduction + 1;
    CHECK(choose_precision(narrow, 256, {}) == Choice{Precision::kFp16, Reason::kNoKernel});
    // A plan says it in its reasons, and so is the same after a way through JSON.
    narrow.k = 64;
    wide.name = "other";
    const Result<Plan> plan = make_plan({"net", {narrow, wide}}, {});
    REQUIRE(plan.ok());
    const Result<Plan> read = plan_from_json(to_json(plan.value()));
    REQUIRE(read.ok());
    CHECK(read.value() == plan.value());
}

TEST_CASE("What is no linear keeps floating point, even if forced", "[precision]") {
    const Choice floating = {Precision::kFp16, Reason::kNotALinear};
    const Override int8 = {.skip = false, .force = Precision::kInt8};
    CHECK(choose_precision(test::layer_norm("ln", 197, 4096), 256, {}) == floating);
    CHECK(choose_precision(test::layer_norm("ln", 197, 4096), 256, int8) == floating);
    CHECK(choose_precision(test::activation("gelu", 197, 4096, Activation::kGelu), 256, int8) == floating);
}
