#include "calibration/smooth_quant.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "calibration/layer_error.h"
#include "calibration/synthetic.h"

using namespace octile;

namespace {

constexpr std::int64_t kRows = 32, kFeatures = 96, kOutputs = 64;

// A layernorm (without its statistics: z stands for the normalized rows) and a linear behind it. Some channels of gamma
// are two hundred times the others.
struct Block {
    std::vector<float> z = normal_values(kRows * kFeatures, 1, 1);
    std::vector<float> gamma = std::vector<float>(kFeatures, 1);
    std::vector<float> beta = normal_values(kFeatures, 2, 0.1f);
    std::vector<float> w = normal_values(kOutputs * kFeatures, 3, 0.1f);

    explicit Block(bool outliers) {
        for (std::size_t k = 0; k < gamma.size(); ++k)
            gamma[k] = 0.5f + static_cast<float>(k % 7) / 5;
        if (!outliers) return;
        gamma[5] = 200;
        gamma[60] = 150;
    }

    std::vector<float> rows() const {
        std::vector<float> x = z;
        for (std::size_t i = 0; i < x.size(); ++i)
            x[i] = x[i] * gamma[i % gamma.size()] + beta[i % gamma.size()];
        return x;
    }

    std::vector<float> scales(double alpha) const {
        ChannelObserver x(kFeatures), weights(kFeatures);
        x.observe(rows());
        weights.observe(w);
        return smoothing_scales(x.absmax(), weights.absmax(), alpha);
    }

    Block folded(const std::vector<float>& scales) const {
        Block block = *this;
        fold_into_norm(scales, block.gamma);
        fold_into_norm(scales, block.beta);
        fold_into_weights(scales, block.w);
        return block;
    }

    std::vector<float> product() const { return float_product({rows(), w, kRows, kFeatures, kOutputs}); }
};

double sqnr(const Block& block, const std::vector<float>& reference) {
    const Result<ProductError> error =
        int8_error({block.rows(), block.w, kRows, kFeatures, kOutputs}, reference, usable_isas().value());
    INFO(error.status().message());
    REQUIRE(error.ok());
    return error.value().sqnr_db();
}

}  // namespace

TEST_CASE("smoothquant: scales are the formula's, rounded to powers of two") {
    const std::vector<float> x = {64, 1, 0, 3, 1e30f}, w = {1, 4, 1, 0, 1e-30f};
    CHECK(smoothing_scales(x, w, 0.5) == std::vector<float>{8, 0.5f, 1, 1, 0x1p24f});
    CHECK(smoothing_scales(x, w, 1.0) == std::vector<float>{64, 1, 1, 1, 0x1p24f});
    CHECK(smoothing_scales(x, w, 0.0) == std::vector<float>{1, 0.25f, 1, 1, 0x1p24f});
    for (const double alpha : kAlphaGrid) {
        const Block block(true);
        for (const float scale : block.scales(alpha)) {
            int exponent = 0;
            CHECK(std::frexp(scale, &exponent) == 0.5f);
        }
    }
}

TEST_CASE("smoothquant: folded in, the floating-point result has the same bits") {
    for (const bool outliers : {false, true}) {
        const Block block(outliers);
        const std::vector<float> reference = block.product();
        for (const double alpha : kAlphaGrid) {
            const std::vector<float> scales = block.scales(alpha);
            const Block folded = block.folded(scales);
            CHECK(folded.product() == reference);
            // What the folded norm puts out is what the observer of scales was told: x / s.
            std::vector<float> smoothed = block.rows();
            smooth_rows(scales, smoothed);
            CHECK(folded.rows() == smoothed);
        }
        // A norm without bias, as an RMS norm.
        fold_into_norm(block.scales(0.5), {});
    }
}

TEST_CASE("smoothquant: INT8 is better on a layer with outliers") {
    const Block block(true);
    const std::vector<float> reference = block.product();
    const double plain = sqnr(block, reference), smoothed = sqnr(block.folded(block.scales(0.5)), reference);
    INFO(plain << " dB as it is, " << smoothed << " dB smoothed");
    CHECK(smoothed > plain + 3);  // half the noise at least
    // And where there are none, there is nothing to gain and little to lose.
    const Block even(false);
    const std::vector<float> even_reference = even.product();
    CHECK(sqnr(even.folded(even.scales(0.5)), even_reference) > sqnr(even, even_reference) - 1);
}

TEST_CASE("smoothquant: the observer keeps each channel's largest magnitude") {
    ChannelObserver observer(3);
    const std::vector<float> first = {1, -2, 0, -3, 1, 0}, second = {2, 0.5f, -7};
    observer.observe(first);
    CHECK(observer.absmax() == std::vector<float>{3, 2, 0});
    observer.observe(second);
    CHECK(observer.absmax() == std::vector<float>{3, 2, 7});
}
