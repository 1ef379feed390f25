#include <catch2/catch.hpp>

#include "octile/cpu.h"
#include "octile/plan.h"

using namespace octile;

namespace {

// Every enumerator up to `last` has the name it should have, and only that name leads back to it.
template <typename Enum>
void check_names(const std::vector<std::string_view>& names, std::optional<Enum> (*parse)(std::string_view)) {
    for (std::size_t i = 0; i < names.size(); ++i) {
        CHECK(name_of(static_cast<Enum>(i)) == names[i]);
        CHECK(parse(names[i]) == static_cast<Enum>(i));
    }
    for (const std::string_view wrong : {"", " ", "INT", "Linear", "int8 ", "fp32", "swish"})
        CHECK(parse(wrong) == std::nullopt);
}

}  // namespace

TEST_CASE("Spellings", "[types]") {
    check_names<DataType>({"f32", "f16", "bf16", "i8"}, parse_data_type);
    check_names<Activation>({"none", "relu", "relu6", "hardswish", "gelu", "gelu_tanh", "quick_gelu", "silu"},
                            parse_activation);
    check_names<Precision>({"int8", "fp16", "int4"}, parse_precision);
    check_names<Op>({"linear", "layernorm", "activation", "add", "other"}, parse_op);
    check_names<Policy>({"ratio", "cost", "accuracy"}, parse_policy);
    check_names<Reason>({"RATIO_GE_MIN", "RATIO_LT_MIN", "FORCED", "SKIPPED", "PREQUANTIZED", "NO_KERNEL",
                         "NOT_A_LINEAR", "COMPUTE_BOUND", "BANDWIDTH_BOUND", "PANEL_SHARED", "QDQ_DOMINATES",
                         "INT8_NOT_FASTER", "TIE_KEEPS_FP16", "MEASURED_FASTER", "WITHIN_BUDGET", "ACCURACY_BUDGET"},
                        parse_reason);
    check_names<CostSource>({"ratio", "model", "measured", "mixed"}, parse_cost_source);
    check_names<Bound>({"compute", "loads", "cache", "memory"}, parse_bound);
    check_names<InputPanel>({"none", "own", "shared", "norm", "chain"}, parse_input_panel);
    check_names<Isa>({"avx2", "avxvnni", "avx512vnni", "neon", "fp16", "dotprod", "i8mm", "sve256"}, parse_isa);
    CHECK(name_of(Reason::kNoKernel) == "NO_KERNEL");
    CHECK(name_of(Reason::kNotALinear) == "NOT_A_LINEAR");
    CHECK(name_of(Op::kLayerNorm) == "layernorm");
    CHECK(name_of(StatusCode::kOk) == "ok");
    CHECK(name_of(StatusCode::kInvalidArgument) == "invalid argument");
    CHECK(name_of(StatusCode::kUnsupported) == "unsupported");
    CHECK(name_of(StatusCode::kInternal) == "internal error");
}

TEST_CASE("Sizes", "[types]") {
    CHECK(size_of(DataType::kF32) == 4);
    CHECK(size_of(DataType::kF16) == 2);
    CHECK(size_of(DataType::kBF16) == 2);
    CHECK(size_of(DataType::kI8) == 1);
}
