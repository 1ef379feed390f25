#include "inputs/post_ops.h"

#include <array>
#include <utility>

namespace octile {

Activation first_activation(std::string_view post_ops) {
    static constexpr std::array<std::pair<std::string_view, Activation>, 4> kAlgorithms = {{
        {"relu", Activation::kRelu},
        {"gelu_erf", Activation::kGelu},
        {"gelu_tanh", Activation::kGeluTanh},
        {"swish", Activation::kSilu},
    }};
    if (post_ops.starts_with('\'')) post_ops.remove_prefix(1);  // before version 2.3
    std::string_view first = post_ops.substr(0, post_ops.find_first_of("+';"));
    if (first.starts_with("eltwise_")) first.remove_prefix(8);
    const std::size_t colon = first.find(':');
    const std::string_view name = first.substr(0, colon);
    std::string_view alpha = colon == std::string_view::npos ? std::string_view() : first.substr(colon + 1);
    alpha = alpha.substr(0, alpha.find(':'));
    for (const auto& [algorithm, activation] : kAlgorithms) {
        if (name != algorithm) continue;
        // The parameter is relu's slope below zero and swish's factor; the gelus have none.
        if (activation == Activation::kRelu && !alpha.empty() && alpha != "0") return Activation::kNone;
        if (activation == Activation::kSilu && !alpha.empty() && alpha != "1") return Activation::kNone;
        return activation;
    }
    return Activation::kNone;
}

}  // namespace octile
