#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/json_document.h"
#include "base/limits.h"
#include "inputs/gguf/config_builder.h"
#include "inputs/gguf/rope_factors.h"
#include "inputs/gguf/values.h"
#include "inputs/tensor_values.h"

namespace octile {
namespace {

using nlohmann::json;

// What llama.cpp takes for granted, whatever a configuration's class does.
constexpr double kThetaOfNoKey = 10000;

class RotaryReader {
  public:
    RotaryReader(GgufConfigBuilder& builder, std::uint64_t width) : b_(builder), width_(width) {}

    void run() {
        if (!b_.has("rope_theta") && b_.architecture().rotary)
            b_.set("rope_theta", b_.full("rope.freq_base"), kThetaOfNoKey);
        if (const GgufValue* const rotated = b_.take("rope.dimension_count"); rotated && width_ > 0) {
            const std::uint64_t found = gguf_count(*rotated, b_.full("rope.dimension_count"));
            if (found > width_)
                fail_at(b_.full("rope.dimension_count"),
                        fmt::format("expected at most {}, the width of a head, found {}", width_, found));
            if (found < width_)
                b_.set("partial_rotary_factor", b_.full("rope.dimension_count"),
                       static_cast<double>(found) / static_cast<double>(width_));
        }
        add_scaling();
        if (const TensorInfo* const factors = b_.model().find_in_file("rope_freqs.weight")) add_llama3(*factors);
        const TensorInfo *const longs = b_.model().find_in_file("rope_factors_long.weight"),
                                *const shorts = b_.model().find_in_file("rope_factors_short.weight");
        if (longs && shorts) add_longrope(*longs, *shorts);
    }

  private:
    void add_scaling() {
        const GgufValue* const type = b_.take("rope.scaling.type");
        const GgufValue* const factor = b_.take("rope.scaling.factor");
        const GgufValue* const context = b_.take("rope.scaling.original_context_length");
        attention_factor_ = b_.take("rope.scaling.attn_factor");
        if (context) original_context_ = gguf_json(*context, b_.full("rope.scaling.original_context_length"));
        const std::string kind = type ? gguf_word(*type, b_.full("rope.scaling.type")) : factor ? "linear" : "none";
        if (kind == "none") return;
        json scaling = {{"rope_type", kind}};
        if (factor) scaling["factor"] = gguf_json(*factor, b_.full("rope.scaling.factor"));
        if (!original_context_.is_null()) scaling["original_max_position_embeddings"] = original_context_;
        b_.set("rope_scaling", b_.full(type ? "rope.scaling.type" : "rope.scaling.factor"), std::move(scaling));
    }

    // Factors of single frequencies: llama3's, or nobody's.
    void add_llama3(const TensorInfo& factors) {
        const json base = b_.config().document.value("rope_theta", json());
        const double theta = base.is_number() ? base.get<double>() : kThetaOfNoKey;
        const std::int64_t context = original_context_.is_number_integer() ? original_context_.get<std::int64_t>() : 0;
        if (!has_float_values(factors) || elements_of(factors) > limits::kRopeFactors)
            fail_at("rope_freqs.weight",
                    "expected factors in floats, found " + std::string(factors.dtype) + " " + shape_text(factors));
        const std::vector<float> values = values_of(factors);
        if (std::all_of(values.begin(), values.end(), [](float value) { return value == 1; })) return;
        json scaling = {{"rope_type", "factors of rope_freqs.weight that are not llama3's"}};
        if (const std::optional<Llama3Factors> found = llama3_factors(values, theta, width_, context)) {
            scaling = {{"rope_type", "llama3"},
                       {"factor", found->factor},
                       {"low_freq_factor", found->low},
                       {"high_freq_factor", found->high},
                       {"original_max_position_embeddings", static_cast<std::uint64_t>(found->context)}};
            b_.config().notes.push_back(
                fmt::format("rope_freqs.weight: the factors are those of llama3's scaling by {}, of {} tokens",
                            found->factor, found->context));
        }
        b_.set("rope_scaling", "rope_freqs.weight", std::move(scaling));
    }

    void add_longrope(const TensorInfo& longs, const TensorInfo& shorts) {
        json scaling = {{"rope_type", "longrope"}};
        for (const auto& [key, tensor] : {std::pair("long_factor", &longs), {"short_factor", &shorts}}) {
            if (!has_float_values(*tensor) || elements_of(*tensor) > limits::kRopeFactors)
                fail_at(
                    key == std::string_view("long_factor") ? "rope_factors_long.weight" : "rope_factors_short.weight",
                    "expected factors in floats, found " + std::string(tensor->dtype) + " " + shape_text(*tensor));
            scaling[key] = values_of(*tensor);
        }
        if (attention_factor_)
            scaling["attention_factor"] = gguf_json(*attention_factor_, b_.full("rope.scaling.attn_factor"));
        if (!original_context_.is_null())
            b_.set("original_max_position_embeddings", b_.full("rope.scaling.original_context_length"),
                   original_context_);
        b_.set("rope_scaling", "rope_factors_long.weight", std::move(scaling));
    }

    GgufConfigBuilder& b_;
    std::uint64_t width_;
    json original_context_;
    const GgufValue* attention_factor_ = nullptr;
};

}  // namespace

void add_gguf_rotary(GgufConfigBuilder& builder, std::uint64_t width) {
    RotaryReader(builder, width).run();
}

}  // namespace octile
