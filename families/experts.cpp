#include "families/experts.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace octile {
namespace {

class Experts {
  public:
    Experts(NetworkBuilder& builder, const ExpertFacts& facts, std::string at, const ActivationFact& activation)
        : b_(builder), facts_(facts), at_(std::move(at)), activation_(activation) {}

    std::string add(const std::string& x) {
        hidden_ = b_.features_of(x);
        ffn_ = b_.size(facts_.size_key);
        const bool stacked = b_.has(at_ + "experts.gate_up_proj", facts_.stacked);
        const std::string router = b_.has(at_ + "router.weight", facts_.stacked) ? at_ + "router" : at_ + "gate";
        const std::string logits = b_.linear(
            router, x,
            {.features = b_.config.exists() ? b_.size(facts_.count_key, facts_.count) : 0, .bias = facts_.stacked});
        count_ = b_.features_of(logits);
        each_ = std::clamp<std::int64_t>(b_.config.extent_or(facts_.each_key, facts_.each), 1, count_);
        std::vector<std::string> parts = {logits};
        for (std::int64_t expert = 0; expert < count_; expert++)
            parts.push_back(stacked ? add_stacked(expert, x) : add_expert(expert, x));
        if (facts_.shared) parts.push_back(add_shared(x));
        return b_.other(at_ + "experts", "a sum over experts", parts, hidden_, Rows());
    }

  private:
    std::string rows_of(std::int64_t expert, const std::string& x) {
        return b_.other(fmt::format("{}experts.{}.rows", at_, expert), "the rows of an expert", {x}, hidden_,
                        Rows{.part = each_, .of = count_});
    }

    std::string linear(const std::string& name, const std::string& x, const NetworkBuilder::LinearFacts& facts) {
        std::string added = b_.linear(name, x, facts);
        b_.assume(fmt::format("M: {} of {} experts for each token, alike; at most every token", each_, count_));
        return added;
    }

    std::string add_expert(std::int64_t expert, const std::string& x) {
        const std::string at = fmt::format("{}experts.{}.", at_, expert), rows = rows_of(expert, x);
        const std::string gate = linear(at + facts_.gate, rows, {.features = ffn_, .bias = false}),
                          up = linear(at + facts_.up, rows, {.features = ffn_, .bias = false});
        return linear(at + facts_.down, b_.gate(at + "gated", gate, up, activation_),
                      {.features = hidden_, .bias = false});
    }

    // gate_up_proj [experts, 2 ffn, hidden] and down_proj [experts, hidden, ffn], or the other way round.
    std::string add_stacked(std::int64_t expert, const std::string& x) {
        const std::string at = at_ + "experts.", number = fmt::format(".{}", expert), rows = rows_of(expert, x);
        const std::string both = linear(at + "gate_up_proj" + number, rows,
                                        {.features = 2 * ffn_,
                                         .bias = facts_.transposed,
                                         .weight = at + "gate_up_proj",
                                         .shift = at + "gate_up_proj_bias",
                                         .transposed = facts_.transposed,
                                         .index = expert});
        const std::string gated = b_.other(at + "gated" + number, "a gate of the two halves of its input", {both},
                                           std::max<std::int64_t>(b_.features_of(both) / 2, 1));
        return linear(at + "down_proj" + number, gated,
                      {.features = hidden_,
                       .bias = facts_.transposed,
                       .weight = at + "down_proj",
                       .shift = at + "down_proj_bias",
                       .transposed = facts_.transposed,
                       .index = expert});
    }

    std::string add_shared(const std::string& x) {
        const std::string at = at_ + "shared_expert.";
        const std::int64_t ffn = b_.size("shared_expert_intermediate_size");
        const std::string gate = b_.linear(at + facts_.gate, x, {.features = ffn, .bias = false}),
                          up = b_.linear(at + facts_.up, x, {.features = ffn, .bias = false});
        const std::string y = b_.linear(at + facts_.down, b_.gate(at + "gated", gate, up, activation_),
                                        {.features = hidden_, .bias = false});
        const std::string weight = b_.linear(at_ + "shared_expert_gate", x, {.features = 1, .bias = false});
        return b_.other(at_ + "shared_expert", "a product with a sigmoid", {y, weight}, hidden_);
    }

    NetworkBuilder& b_;
    const ExpertFacts& facts_;
    std::string at_;
    const ActivationFact& activation_;
    std::int64_t hidden_ = 0, ffn_ = 0, count_ = 0, each_ = 0;
};

}  // namespace

std::string add_experts(NetworkBuilder& builder, const ExpertFacts& facts, const std::string& at, const std::string& x,
                        const ActivationFact& activation) {
    return Experts(builder, facts, at + facts.part + ".", activation).add(x);
}

}  // namespace octile
