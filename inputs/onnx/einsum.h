// The equation of an Einsum, taken apart.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inputs/onnx/graph.h"

namespace octile {

// Letters of each operand and of the result, in order. An ellipsis is written out as digits, '0' for the outermost of
// the axes that it stands for.
struct EinsumTerms {
    std::vector<std::string> operands;
    std::string result;
};

// Empty for an equation that does not go with operands of those ranks.
std::optional<EinsumTerms> parse_einsum(std::string_view equation, const std::vector<std::size_t>& ranks);

}  // namespace octile
