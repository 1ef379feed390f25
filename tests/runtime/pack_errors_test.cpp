// What packing a Linear refuses: the code and the words of every message.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "octile/layer.h"
#include "octile/linear.h"
#include "tests/runtime/errors.h"
#include "tests/support/levels.h"

namespace octile::test {
namespace {

Status pack_status(const MatrixView& w, std::span<const float> bias = {}, Precision precision = Precision::kInt8) {
    return Linear::pack(w, bias, {.precision = precision}, supported_isas()).status();
}

TEST_CASE("pack: shapes that can never be right") {
    const TypedMatrix w = make_matrix(DataType::kF32, 3, 4);
    const struct {
        std::int64_t rows, columns, row_stride;
        std::vector<std::string> words;
    } cases[] = {
        {0, 4, 4, {"weights", "[0, 4]"}},
        {-1, 4, 4, {"weights", "[-1, 4]"}},
        {3, 0, 4, {"weights", "[3, 0]"}},
        {3, -4, 4, {"weights", "[3, -4]"}},
        {3, kMaxExtent + 1, kMaxExtent + 1, {"weights", "[3, 2147483648]", "2147483647"}},
        {kMaxExtent + 1, 4, 4, {"weights", "[2147483648, 4]", "2147483647"}},
        {std::numeric_limits<std::int64_t>::max(), 4, 4, {"weights", "[9223372036854775807, 4]"}},
        {3, 4, 3, {"weights", "row stride 3", "4"}},
        {3, 4, 0, {"weights", "row stride 0"}},
        {3, 4, -4, {"weights", "row stride -4"}},
        {3, 4, kMaxExtent + 1, {"weights", "row stride 2147483648"}},
    };
    for (const Precision precision : kPrecisions) {
        for (const auto& [rows, columns, row_stride, words] : cases) {
            MatrixView view = w.view();
            view.rows = rows;
            view.columns = columns;
            view.row_stride = row_stride;
            require_error(pack_status(view, {}, precision), StatusCode::kInvalidArgument, words);
        }
        MatrixView no_data = w.view();
        no_data.data = nullptr;
        require_error(pack_status(no_data, {}, precision), StatusCode::kInvalidArgument, {"weights", "no data"});
    }
}

TEST_CASE("pack: INT8 refuses a K whose sum might not fit int32, FP16 takes it") {
    const TypedMatrix longest = make_matrix(DataType::kF32, 1, kMaxReduction),
                      longer = make_matrix(DataType::kF32, 1, kMaxReduction + 1);
    CHECK(pack_status(longest.view()).ok());
    require_error(pack_status(longer.view()), StatusCode::kInvalidArgument, {"K = 131073", "131072"});
    CHECK(pack_status(longer.view(), {}, Precision::kFp16).ok());
}

TEST_CASE("pack: types that weights do not come in") {
    const TypedMatrix w = make_matrix(DataType::kF32, 3, 4);
    MatrixView view = w.view();
    view.type = DataType::kI8;
    for (const Precision precision : kPrecisions)
        require_error(pack_status(view, {}, precision), StatusCode::kInvalidArgument,
                      {"weights", "i8", "f32, f16 or bf16"});
}

TEST_CASE("pack: no level to run on") {
    const TypedMatrix w = make_matrix(DataType::kF32, 3, 4);
    for (const Precision precision : kPrecisions) {
        const Status status =
            Linear::pack(w.view(), {}, {.precision = precision, .activation = Activation::kGelu}, IsaSet()).status();
        require_error(status, StatusCode::kUnsupported, {std::string(name_of(precision)), "ISA levels: none"});
    }
}

TEST_CASE("pack: a bias of another length, or not of numbers") {
    const TypedMatrix w = make_matrix(DataType::kF32, 3, 4);
    for (const Precision precision : kPrecisions) {
        for (const std::size_t size : {1u, 2u, 4u}) {
            const std::vector<float> bias(size);
            require_error(pack_status(w.view(), bias, precision), StatusCode::kInvalidArgument,
                          {"bias", std::to_string(size), "expected 3"});
        }
        for (const float bad : {kNan, kInfinity, -kInfinity}) {
            require_error(pack_status(w.view(), std::vector<float>{0, bad, bad}, precision), StatusCode::kNonFinite,
                          {"bias", "output channel 1 "});
        }
    }
}

TEST_CASE("pack: the first channel that is not of numbers is named") {
    for (const Precision precision : kPrecisions) {
        for (const Level& level :
             levels_with(precision == Precision::kInt8 ? KernelFamily::kGemmS8 : KernelFamily::kGemmF16)) {
            for (const DataType type : kWeightTypes) {
                for (const float bad : {kNan, kInfinity, -kInfinity}) {
                    for (const std::int64_t channel : {0, 7, 40}) {
                        TypedMatrix w = make_matrix(type, 41, 19);
                        w.set(channel, 18, bad);
                        w.set(40, 0, bad);
                        const Status status = Linear::pack(w.view(), {}, {.precision = precision}, level.isas).status();
                        INFO(name_of(level.isa) << ' ' << name_of(type));
                        require_error(status, StatusCode::kNonFinite,
                                      {"weights", "output channel " + std::to_string(channel) + " "});
                    }
                }
            }
        }
    }
}

TEST_CASE("pack: FP16 refuses a weight beyond the largest number of f16") {
    for (const Level& level : levels_with(KernelFamily::kGemmF16)) {
        for (const float value : {65519.0f, -65519.0f, 65504.0f, 65520.0f, -65520.0f, 1e30f}) {
            TypedMatrix w = make_matrix(DataType::kF32, 5, 19);
            w.set(3, 2, value);
            const Status status = Linear::pack(w.view(), {}, {.precision = Precision::kFp16}, level.isas).status();
            INFO(value);
            if (std::abs(value) < 65520)
                CHECK(status.ok());  // rounds to 65504
            else
                require_error(status, StatusCode::kNonFinite, {"weights", "output channel 3 ", "65504"});
        }
    }
    CHECK(pack_status([] {
              static TypedMatrix w = make_matrix(DataType::kF32, 5, 19);
              w.set(3, 2, 1e30f);
              return w.view();
          }())
              .ok());
}

TEST_CASE("pack: options that contradict each other or are out of range") {
    const TypedMatrix w = make_matrix(DataType::kF32, 3, 4);
    const auto refused = [&](const LinearOptions& options, const std::vector<std::string>& words) {
        require_error(Linear::pack(w.view(), {}, options, supported_isas()).status(), StatusCode::kInvalidArgument,
                      words);
        require_error(Linear::pack_gated(w.view(), {}, w.view(), {}, options, supported_isas()).status(),
                      StatusCode::kInvalidArgument, words);
    };
    for (const Precision precision : kPrecisions) {
        refused({.precision = precision, .activation = Activation::kRelu, .range = OutputRange{0, 6}},
                {"output range", "relu"});
        for (const OutputRange& range : {OutputRange{2, 1}, {kNan, 1}, {0, kNan}})
            refused({.precision = precision, .range = range}, {"output range from"});
        CHECK(Linear::pack(w.view(), {}, {.precision = precision, .range = OutputRange{1, 1}}, supported_isas()).ok());
    }
    for (const InputScaling scaling : {InputScaling::kStatic, InputScaling::kAsymmetric}) {
        refused({.precision = Precision::kFp16, .input_scaling = scaling, .input_scale = 1}, {"input scaling", "INT8"});
    }
    for (const float scale : {0.0f, -1.0f, kNan, kInfinity, 0x1p-127f, 0x1p-149f, 0x1p127f, -kInfinity})
        refused({.input_scaling = InputScaling::kStatic, .input_scale = scale}, {"input scale", "positive, normal"});
    for (const float scale : {0x1p-126f, 1.0f, 0x1p126f}) {
        CHECK(
            Linear::pack(w.view(), {}, {.input_scaling = InputScaling::kStatic, .input_scale = scale}, supported_isas())
                .ok());
    }
}

TEST_CASE("pack: a zero point takes a bit, and so half of K") {
    const TypedMatrix longest = make_matrix(DataType::kF32, 1, kMaxReduction / 2),
                      longer = make_matrix(DataType::kF32, 1, kMaxReduction / 2 + 1);
    const LinearOptions options{.input_scaling = InputScaling::kAsymmetric};
    CHECK(Linear::pack(longest.view(), {}, options, supported_isas()).ok());
    require_error(Linear::pack(longer.view(), {}, options, supported_isas()).status(), StatusCode::kInvalidArgument,
                  {"K = 65537", "65536"});
}

TEST_CASE("pack_quantized: what is no level or no scale") {
    const TypedMatrix levels(DataType::kI8, 3, 4, std::vector<float>(12, 5.0f)),
        floats = make_matrix(DataType::kF32, 3, 4);
    const std::vector<float> scale = {1, 2, 3};
    const auto status = [&](const MatrixView& view, const std::vector<float>& scales,
                            const LinearOptions& options = {}) {
        return Linear::pack_quantized(view, scales, {}, options, supported_isas()).status();
    };
    CHECK(status(levels.view(), scale).ok());
    require_error(status(floats.view(), scale), StatusCode::kInvalidArgument, {"quantized weights", "f32", "i8"});
    require_error(status(levels.view(), scale, {.precision = Precision::kFp16}), StatusCode::kInvalidArgument,
                  {"quantized weights", "fp16", "int8"});
    for (const std::size_t size : {0u, 2u, 4u}) {
        require_error(status(levels.view(), std::vector<float>(size, 1.0f)), StatusCode::kInvalidArgument,
                      {"scale", std::to_string(size) + " elements", "expected 3"});
    }
    for (const float bad : {0.0f, -1.0f, kNan, kInfinity}) {
        require_error(status(levels.view(), {1, bad, bad}), StatusCode::kInvalidArgument,
                      {"scale", "output channel 1 ", "positive, finite"});
    }
    MatrixView empty = levels.view();
    empty.rows = 0;
    require_error(status(empty, {}), StatusCode::kInvalidArgument, {"weights", "[0, 4]"});
    empty.rows = -1;
    require_error(status(empty, {}), StatusCode::kInvalidArgument, {"-1"});
}

TEST_CASE("pack_gated: matrices that do not belong together") {
    const TypedMatrix gate = make_matrix(DataType::kF32, 3, 4), levels(DataType::kI8, 3, 4);
    for (const Precision precision : kPrecisions) {
        const auto status = [&](const MatrixView& g, const MatrixView& u, const std::vector<float>& gate_bias = {},
                                const std::vector<float>& up_bias = {}) {
            return Linear::pack_gated(g, gate_bias, u, up_bias, {.precision = precision}, supported_isas()).status();
        };
        CHECK(status(gate.view(), gate.view()).ok());
        for (const TypedMatrix& other : {make_matrix(DataType::kF32, 2, 4), make_matrix(DataType::kF32, 3, 5)}) {
            require_error(status(gate.view(), other.view()), StatusCode::kInvalidArgument,
                          {"gate [3, 4]", "up [", "same shape"});
        }
        require_error(status(gate.view(), levels.view()), StatusCode::kInvalidArgument, {"gate and up", "i8"});
        require_error(status(levels.view(), gate.view()), StatusCode::kInvalidArgument, {"gate and up", "i8"});
        require_error(status(gate.view(), gate.view(), {1, 2}), StatusCode::kInvalidArgument,
                      {"gate bias", "2 elements", "expected 3"});
        require_error(status(gate.view(), gate.view(), {}, {1, 2}), StatusCode::kInvalidArgument,
                      {"up bias", "2 elements", "expected 3"});
        require_error(status(gate.view(), gate.view(), {}, {1, kNan, 2}), StatusCode::kNonFinite,
                      {"up bias", "output channel 1 "});
        TypedMatrix bad = make_matrix(DataType::kF32, 3, 4);
        bad.set(2, 0, kInfinity);
        require_error(status(bad.view(), gate.view()), StatusCode::kNonFinite, {"gate: ", "output channel 2 "});
        require_error(status(gate.view(), bad.view()), StatusCode::kNonFinite, {"up: ", "output channel 2 "});
        MatrixView strided = gate.view();
        strided.row_stride = 3;
        require_error(status(gate.view(), strided), StatusCode::kInvalidArgument, {"up", "row stride 3"});
    }
}

TEST_CASE("pack: more elements than an int32 can index") {
    const float value = 1;
    for (const Precision precision : kPrecisions) {
        const MatrixView weights{&value, DataType::kF32, kMaxExtent, 100, 100};
        require_error(pack_status(weights, {}, precision), StatusCode::kInvalidArgument,
                      {"weights", "2147483647 elements"});
    }
}

}  // namespace
}  // namespace octile::test
