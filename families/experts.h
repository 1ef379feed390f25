// Feed-forward parts of which each token goes through some of many: a router and its experts.
#pragma once

#include <string>

#include "families/decoder.h"
#include "families/network_builder.h"

namespace octile {

// `at` is the block's beginning, `x` what the router and the experts read. Experts are linears of their own, or
// matrices of 3-D tensors, whose nodes end in the expert's number. Their M is an assumption.
std::string add_experts(NetworkBuilder& builder, const ExpertFacts& facts, const std::string& at, const std::string& x,
                        const ActivationFact& activation);

}  // namespace octile
