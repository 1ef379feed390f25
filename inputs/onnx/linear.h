// Linears: nodes that multiply rows by constant weights.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inputs/onnx/graph.h"
#include "octile/layer.h"
#include "octile/types.h"

namespace octile {

struct FoundLinear {
    int x = -1;                           // the value whose rows are multiplied
    std::optional<std::int64_t> m;        // empty: the rows are unknown
    std::int64_t k = 0, n = 0;            // as the weights have them, in range or not
    std::optional<std::int64_t> found_k;  // of the rows, where that is known
    bool reads_rows = true;               // false: rows are made of windows of x
    int weights = -1;                     // a constant
    bool bias = false;
    Activation activation = Activation::kNone;
    int output = -1;  // behind bias and activation
    WeightForm form = WeightForm::kFloat;
    std::string_view blocks;      // what a form of few bits, or of few-bit floats, is called; empty: another form
    std::vector<int> parameters;  // constants that it takes
};

// Throws nothing; a node that is no linear is empty.
std::optional<FoundLinear> find_linear(const OnnxGraph& graph, const OnnxNode& node);

// Why a node that multiplies by constants is no linear, in a few words; empty for any other node.
std::string why_no_linear(const OnnxGraph& graph, const OnnxNode& node);

// Whether a node has to have inputs that it has not: an operator of matrices with one operand, say. How many it needs,
// or 0.
std::size_t inputs_missing(const OnnxNode& node);

}  // namespace octile
