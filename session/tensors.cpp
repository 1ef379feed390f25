#include "session/tensors.h"

#include <fmt/format.h>
#include <fp16.h>

#include <bit>
#include <cstring>

#include "base/printable.h"

namespace octile {
namespace {

using internal::quote;

}  // namespace

std::vector<TensorUse> tensors_of(const Node& node) {
    std::vector<TensorUse> uses;
    if (node.op == NodeOp::kLayerNorm || node.op == NodeOp::kRmsNorm) {
        uses.push_back({&node, node.weight, 1, node.features / node.heads});
        if (!node.bias.empty()) uses.push_back({&node, node.bias, 1, node.features});
    }
    for (const EmbeddingTable& table : node.tables)
        uses.push_back({&node, table.tensor, table.rows, node.features});
    if (node.distance_bias)
        uses.push_back({&node, node.distance_bias->tensor, node.distance_bias->buckets, node.heads});
    return uses;
}

std::vector<TensorUse> tensors_of(const Graph& graph) {
    std::vector<TensorUse> uses;
    for (const Node& node : graph.nodes)
        for (const TensorUse& use : tensors_of(node))
            uses.push_back(use);
    return uses;
}

Status check_tensor(const TensorUse& use, const MatrixView* tensor) {
    const auto fail = [&](const std::string& found) {
        return Status(StatusCode::kInvalidArgument,
                      fmt::format("node {}: expected a tensor {} [{}, {}] of f32, f16 or bf16, found {}",
                                  quote(use.node->name), quote(use.tensor), use.rows, use.columns, found));
    };
    if (!tensor) return fail("none");
    const bool fits = tensor->rows == use.rows && tensor->columns == use.columns && tensor->data;
    if (fits && tensor->type != DataType::kI8) return {};
    return fail(fmt::format("[{}, {}] of {}", tensor->rows, tensor->columns, name_of(tensor->type)));
}

std::vector<float> floats_of(const MatrixView& tensor) {
    std::vector<float> values;
    values.reserve(static_cast<std::size_t>(tensor.rows * tensor.columns));
    for (std::int64_t row = 0; row < tensor.rows; row++) {
        const auto* at = static_cast<const std::byte*>(tensor.data) +
                         row * tensor.row_stride * static_cast<std::int64_t>(size_of(tensor.type));
        for (std::int64_t column = 0; column < tensor.columns; column++, at += size_of(tensor.type)) {
            std::uint32_t bits = 0;
            std::memcpy(&bits, at, size_of(tensor.type));
            if (tensor.type == DataType::kF16)
                values.push_back(fp16_ieee_to_fp32_value(static_cast<std::uint16_t>(bits)));
            else
                values.push_back(std::bit_cast<float>(tensor.type == DataType::kBF16 ? bits << 16 : bits));
        }
    }
    return values;
}

}  // namespace octile
