// Norms of the C API: the bits of the C++ interface, and every error.
#include "octile/norm.h"

#include <cmath>
#include <limits>
#include <vector>

#include "tests/capi/c_handles.h"

namespace octile::test {
namespace {

constexpr std::int64_t kM = 3, kK = 48, kN = 20;

std::vector<float> values(std::int64_t count, float phase) {
    std::vector<float> made;
    for (std::int64_t i = 0; i < count; i++)
        made.push_back(std::sin(phase + 0.37f * static_cast<float>(i)));
    return made;
}

octile_matrix in(const std::vector<float>& data, std::int64_t columns) {
    return {data.data(), static_cast<std::int64_t>(data.size()) / columns, columns, 0, OCTILE_F32};
}
octile_mutable_matrix out(std::vector<float>& data, std::int64_t columns) {
    return {data.data(), static_cast<std::int64_t>(data.size()) / columns, columns, 0, OCTILE_F32};
}

CNorm make(octile_norm_kind kind, const std::vector<float>& weight, const std::vector<float>& bias) {
    octile_norm* norm = nullptr;
    octile_error error;
    require_ok(octile_norm_make(kind, weight.data(), weight.size(), bias.empty() ? nullptr : bias.data(), bias.size(),
                                1e-5f, 0, &norm, &error),
               error);
    return CNorm(norm);
}

CLinear pack() {
    const std::vector<float> w = values(kN * kK, 1);
    const octile_matrix weights = in(w, kK);
    octile_linear* linear = nullptr;
    REQUIRE(octile_linear_pack(&weights, nullptr, 0, nullptr, &linear, nullptr) == OCTILE_OK);
    return CLinear(linear);
}

TEST_CASE("capi norm: the bits of the C++ interface, with a residual and into a layer's rows") {
    const std::vector<float> weight = values(kK, 2), bias = values(kK, 3), x = values(kM * kK, 4),
                             residual = values(kM * kK, 5);
    const CLinear consumer = pack();
    const CWorkspace workspace = make_workspace();
    for (const NormKind kind : {NormKind::kLayerNorm, NormKind::kRmsNorm}) {
        const std::vector<float> shift = kind == NormKind::kLayerNorm ? bias : std::vector<float>();
        const CNorm norm = make(static_cast<octile_norm_kind>(kind), weight, shift);
        const Norm cpp = Norm::make(kind, weight, shift, 1e-5f, usable_isas().value()).value();
        std::vector<float> y(x.size()), sum(x.size()), expected(x.size()), expected_sum(x.size());
        Workspace scratch;
        const NormAddition addition{{residual.data(), DataType::kF32, kM, kK, kK},
                                    {expected_sum.data(), DataType::kF32, kM, kK, kK}};
        REQUIRE(cpp.run({x.data(), DataType::kF32, kM, kK, kK}, {expected.data(), DataType::kF32, kM, kK, kK}, scratch,
                        addition)
                    .ok());

        octile_error error;
        const octile_matrix from = in(x, kK), add = in(residual, kK), normal = in(y, kK);
        const octile_mutable_matrix to = out(y, kK), to_sum = out(sum, kK);
        const CRows rows = make_rows(), of_y = make_rows();
        auto options = initial<octile_norm_options>(octile_norm_options_init);
        options.residual = &add;
        options.sum = &to_sum;
        options.consumer = consumer.get();
        options.rows = rows.get();
        require_ok(octile_norm_run(norm.get(), &from, &to, workspace.get(), &options, &error), error);
        CHECK(y == expected);
        CHECK(sum == expected_sum);
        // The rows are those of y.
        std::vector<float> by_norm(kM * kN), by_y(kM * kN);
        const octile_mutable_matrix a = out(by_norm, kN), b = out(by_y, kN);
        require_ok(octile_linear_run_rows(consumer.get(), rows.get(), &a, workspace.get(), nullptr, &error), error);
        require_ok(octile_linear_run(consumer.get(), &normal, &b, workspace.get(), nullptr, &error), error);
        CHECK(by_norm == by_y);
        // Without y, the same rows.
        std::fill(by_norm.begin(), by_norm.end(), 0.0f);
        require_ok(octile_norm_run(norm.get(), &from, nullptr, workspace.get(), &options, &error), error);
        require_ok(octile_linear_run_rows(consumer.get(), rows.get(), &a, workspace.get(), nullptr, &error), error);
        CHECK(by_norm == by_y);
    }
}

TEST_CASE("capi norm: what cannot be made") {
    octile_error error;
    octile_norm* norm = nullptr;
    std::vector<float> weight(kK, 1), bias(kK);
    const auto make = [&](octile_norm_kind kind, std::size_t count, std::size_t bias_count, float epsilon,
                          octile_isa_set isas = 0) {
        return octile_norm_make(kind, count ? weight.data() : nullptr, count, bias_count ? bias.data() : nullptr,
                                bias_count, epsilon, isas, &norm, &error);
    };
    require_error(make(2, kK, 0, 0), error, OCTILE_INVALID_ARGUMENT, {"kind", "found 2"});
    require_error(make(OCTILE_LAYER_NORM, 0, 0, 0), error, OCTILE_INVALID_ARGUMENT, {"0 weights"});
    require_error(make(OCTILE_LAYER_NORM, std::size_t{1} << 40, 0, 0), error, OCTILE_INVALID_ARGUMENT, {"weights"});
    require_error(make(OCTILE_LAYER_NORM, kK, 3, 0), error, OCTILE_INVALID_ARGUMENT, {"bias of 3"});
    require_error(make(OCTILE_RMS_NORM, kK, kK, 0), error, OCTILE_INVALID_ARGUMENT, {"no bias"});
    for (const float epsilon : {-1.0f, HUGE_VALF, std::numeric_limits<float>::quiet_NaN()})
        require_error(make(OCTILE_LAYER_NORM, kK, 0, epsilon), error, OCTILE_INVALID_ARGUMENT, {"epsilon"});
    require_error(make(OCTILE_LAYER_NORM, kK, 0, 0, ~octile_supported_isas() & 0xff), error, OCTILE_UNSUPPORTED,
                  {"this CPU lacks"});
    weight[5] = HUGE_VALF;
    require_error(make(OCTILE_LAYER_NORM, kK, 0, 0), error, OCTILE_NON_FINITE, {"feature 5"});
    CHECK(norm == nullptr);
}

TEST_CASE("capi norm: what cannot be run") {
    const CNorm norm = make(OCTILE_RMS_NORM, std::vector<float>(kN, 1), {});
    const CLinear consumer = pack();  // of other features
    const CWorkspace workspace = make_workspace();
    const CRows rows = make_rows();
    std::vector<float> x(kM * kN), y(kM * kN);
    octile_error error;
    octile_matrix from = in(x, kN);
    octile_mutable_matrix to = out(y, kN);
    auto options = initial<octile_norm_options>(octile_norm_options_init);
    const auto run = [&] { return octile_norm_run(norm.get(), &from, &to, workspace.get(), &options, &error); };
    options.residual = &from;
    require_error(run(), error, OCTILE_INVALID_ARGUMENT, {"residual and sum"});
    octile_mutable_matrix nothing = to;
    nothing.data = nullptr;
    options.sum = &nothing;
    require_error(run(), error, OCTILE_INVALID_ARGUMENT, {"residual and sum", "NULL"});
    options = initial<octile_norm_options>(octile_norm_options_init);
    options.rows = rows.get();
    require_error(run(), error, OCTILE_INVALID_ARGUMENT, {"consumer and rows"});
    options.consumer = consumer.get();
    require_error(run(), error, OCTILE_INVALID_ARGUMENT, {"20 features", "48"});
    options = initial<octile_norm_options>(octile_norm_options_init);
    from.columns--;
    require_error(run(), error, OCTILE_INVALID_ARGUMENT, {"[3, 19]"});
    from.columns++;
    to.type = OCTILE_I8;
    require_error(run(), error, OCTILE_UNSUPPORTED, {"i8"});
}

}  // namespace
}  // namespace octile::test
