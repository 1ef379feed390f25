// The enumerations of C and of C++, which have the same values: here and nowhere else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "capi/boundary.h"
#include "octile/c/linear.h"
#include "octile/c/machine.h"
#include "octile/c/norm.h"
#include "octile/c/plan.h"
#include "octile/cpu.h"
#include "octile/norm.h"
#include "octile/parallel.h"
#include "octile/plan.h"

namespace octile::capi {

template <typename Enum>
struct Pair {
    std::int32_t c;
    Enum cpp;
};

template <typename Enum>
inline constexpr bool kPairs = false;

template <>
inline constexpr Pair<StatusCode> kPairs<StatusCode>[] = {{OCTILE_OK, StatusCode::kOk},
                                                          {OCTILE_INVALID_ARGUMENT, StatusCode::kInvalidArgument},
                                                          {OCTILE_PARSE_ERROR, StatusCode::kParseError},
                                                          {OCTILE_IO_ERROR, StatusCode::kIoError},
                                                          {OCTILE_NON_FINITE, StatusCode::kNonFinite},
                                                          {OCTILE_UNSUPPORTED, StatusCode::kUnsupported},
                                                          {OCTILE_OUT_OF_MEMORY, StatusCode::kOutOfMemory},
                                                          {OCTILE_INTERNAL, StatusCode::kInternal}};

template <>
inline constexpr Pair<DataType> kPairs<DataType>[] = {{OCTILE_F32, DataType::kF32},
                                                      {OCTILE_F16, DataType::kF16},
                                                      {OCTILE_BF16, DataType::kBF16},
                                                      {OCTILE_I8, DataType::kI8}};

template <>
inline constexpr Pair<Precision> kPairs<Precision>[] = {
    {OCTILE_INT8, Precision::kInt8}, {OCTILE_FP16, Precision::kFp16}, {OCTILE_INT4, Precision::kInt4}};

template <>
inline constexpr Pair<Activation> kPairs<Activation>[] = {{OCTILE_ACTIVATION_NONE, Activation::kNone},
                                                          {OCTILE_RELU, Activation::kRelu},
                                                          {OCTILE_RELU6, Activation::kRelu6},
                                                          {OCTILE_HARDSWISH, Activation::kHardswish},
                                                          {OCTILE_GELU, Activation::kGelu},
                                                          {OCTILE_GELU_TANH, Activation::kGeluTanh},
                                                          {OCTILE_QUICK_GELU, Activation::kQuickGelu},
                                                          {OCTILE_SILU, Activation::kSilu}};

template <>
inline constexpr Pair<InputScaling> kPairs<InputScaling>[] = {{OCTILE_SCALING_DYNAMIC, InputScaling::kDynamic},
                                                              {OCTILE_SCALING_STATIC, InputScaling::kStatic},
                                                              {OCTILE_SCALING_ASYMMETRIC, InputScaling::kAsymmetric}};

template <>
inline constexpr Pair<NormKind> kPairs<NormKind>[] = {{OCTILE_LAYER_NORM, NormKind::kLayerNorm},
                                                      {OCTILE_RMS_NORM, NormKind::kRmsNorm}};

template <>
inline constexpr Pair<Isa> kPairs<Isa>[] = {
    {OCTILE_ISA_AVX2, Isa::kAvx2}, {OCTILE_ISA_AVXVNNI, Isa::kAvxvnni}, {OCTILE_ISA_AVX512VNNI, Isa::kAvx512vnni},
    {OCTILE_ISA_NEON, Isa::kNeon}, {OCTILE_ISA_FP16, Isa::kFp16},       {OCTILE_ISA_DOTPROD, Isa::kDotprod},
    {OCTILE_ISA_I8MM, Isa::kI8mm}, {OCTILE_ISA_SVE256, Isa::kSve256}};

template <>
inline constexpr Pair<ThreadSource> kPairs<ThreadSource>[] = {
    {OCTILE_THREADS_FROM_PROGRAM, ThreadSource::kProgram},
    {OCTILE_THREADS_FROM_ENVIRONMENT, ThreadSource::kEnvironment},
    {OCTILE_THREADS_FROM_AFFINITY, ThreadSource::kAffinity},
    {OCTILE_THREADS_FROM_QUOTA, ThreadSource::kQuota}};

template <>
inline constexpr Pair<Policy> kPairs<Policy>[] = {{OCTILE_POLICY_RATIO, Policy::kRatio},
                                                  {OCTILE_POLICY_COST, Policy::kCost},
                                                  {OCTILE_POLICY_ACCURACY, Policy::kAccuracy}};

template <>
inline constexpr Pair<Op> kPairs<Op>[] = {{OCTILE_OP_LINEAR, Op::kLinear},
                                          {OCTILE_OP_LAYERNORM, Op::kLayerNorm},
                                          {OCTILE_OP_ACTIVATION, Op::kActivation},
                                          {OCTILE_OP_ADD, Op::kAdd},
                                          {OCTILE_OP_OTHER, Op::kOther}};

template <>
inline constexpr Pair<Reason> kPairs<Reason>[] = {{OCTILE_RATIO_GE_MIN, Reason::kRatioGeMin},
                                                  {OCTILE_RATIO_LT_MIN, Reason::kRatioLtMin},
                                                  {OCTILE_FORCED, Reason::kForced},
                                                  {OCTILE_SKIPPED, Reason::kSkipped},
                                                  {OCTILE_PREQUANTIZED, Reason::kPrequantized},
                                                  {OCTILE_NO_KERNEL, Reason::kNoKernel},
                                                  {OCTILE_NOT_A_LINEAR, Reason::kNotALinear},
                                                  {OCTILE_COMPUTE_BOUND, Reason::kComputeBound},
                                                  {OCTILE_BANDWIDTH_BOUND, Reason::kBandwidthBound},
                                                  {OCTILE_PANEL_SHARED, Reason::kPanelShared},
                                                  {OCTILE_QDQ_DOMINATES, Reason::kQdqDominates},
                                                  {OCTILE_INT8_NOT_FASTER, Reason::kInt8NotFaster},
                                                  {OCTILE_TIE_KEEPS_FP16, Reason::kTieKeepsFp16},
                                                  {OCTILE_MEASURED_FASTER, Reason::kMeasuredFaster},
                                                  {OCTILE_WITHIN_BUDGET, Reason::kWithinBudget},
                                                  {OCTILE_ACCURACY_BUDGET, Reason::kAccuracyBudget}};

template <>
inline constexpr Pair<InputPanel> kPairs<InputPanel>[] = {{OCTILE_PANEL_NONE, InputPanel::kNone},
                                                          {OCTILE_PANEL_OWN, InputPanel::kOwn},
                                                          {OCTILE_PANEL_FROM_OTHER, InputPanel::kShared},
                                                          {OCTILE_PANEL_FROM_NORM, InputPanel::kNorm},
                                                          {OCTILE_PANEL_FROM_CHAIN, InputPanel::kChain}};

template <typename Enum>
inline constexpr std::size_t kCount = sizeof(kPairs<Enum>) / sizeof(Pair<Enum>);

// From 0 on, without a gap, and the same on both sides.
template <typename Enum>
constexpr bool agree() {
    for (std::size_t i = 0; i < kCount<Enum>; i++) {
        const auto& [c, cpp] = kPairs<Enum>[i];
        if (c != static_cast<std::int32_t>(i) || cpp != static_cast<Enum>(i)) return false;
    }
    return true;
}
static_assert(agree<StatusCode>() && agree<DataType>() && agree<Precision>() && agree<Activation>());
static_assert(agree<InputScaling>() && agree<NormKind>() && agree<Isa>() && agree<ThreadSource>());
static_assert(agree<Policy>() && agree<Op>() && agree<Reason>() && agree<InputPanel>());

template <typename Enum>
constexpr std::int32_t to_c(Enum value) {
    return static_cast<std::int32_t>(value);
}

template <typename Enum>
constexpr bool is_value(std::int32_t value) {
    return value >= 0 && static_cast<std::size_t>(value) < kCount<Enum>;
}

// Refuses a number that the enumeration does not have.
template <typename Enum>
Enum to_cpp(std::int32_t value, const char* what) {
    if (is_value<Enum>(value)) return static_cast<Enum>(value);
    refuse(std::string(what) + ": expected 0 to " + std::to_string(kCount<Enum> - 1) + ", found " +
           std::to_string(value));
}

}  // namespace octile::capi
