// Products of matrices.
#include <algorithm>
#include <array>
#include <map>

#include "inputs/onnx/einsum.h"
#include "inputs/onnx/rules.h"

namespace octile {
namespace {

// numpy's matmul of the inputs numbered `lhs` and `rhs`, the last two axes of each swapped where asked.
std::optional<Extents> product(const RuleContext& context, std::size_t lhs, std::size_t rhs, bool swap_lhs = false,
                               bool swap_rhs = false) {
    const std::optional<Extents>&a_shape = context.shape(lhs), &b_shape = context.shape(rhs);
    if (!b_shape || b_shape->empty()) return std::nullopt;
    if (!a_shape || a_shape->empty()) return std::nullopt;
    Extents a = *a_shape, b = *b_shape;
    const bool row = a.size() == 1, column = b.size() == 1;
    if (row) a.insert(a.begin(), 1);
    if (column) b.push_back(1);
    if (swap_lhs) std::swap(a[a.size() - 1], a[a.size() - 2]);
    if (swap_rhs) std::swap(b[b.size() - 1], b[b.size() - 2]);
    const std::int64_t m = a[a.size() - 2], n = b.back();
    a.resize(a.size() - 2);
    b.resize(b.size() - 2);
    std::optional<Extents> out = broadcast(a, b);
    if (!out) return std::nullopt;
    if (!row) out->push_back(m);
    if (!column) out->push_back(n);
    return out;
}

void matmul(RuleContext& context) {
    context.yield(0, product(context, 0, 1));
}

void fused_matmul(RuleContext& context) {
    if (context.integer("transBatchA", 0) != 0 || context.integer("transBatchB", 0) != 0) return;
    context.yield(0, product(context, 0, 1, context.integer("transA", 0) != 0, context.integer("transB", 0) != 0));
}

void qlinear_matmul(RuleContext& context) {
    context.yield(0, product(context, 0, 3));
}

void gemm_of(RuleContext& context, std::size_t rhs) {
    const bool swap_a = context.integer("transA", 0) != 0, swap_b = context.integer("transB", 0) != 0;
    const std::optional<Extents>&a = context.shape(0), &b = context.shape(rhs);
    Extents out = {kUnknownExtent, kUnknownExtent};
    if (a && a->size() == 2) out[0] = (*a)[swap_a ? 1 : 0];
    if (b && b->size() == 2) out[1] = (*b)[swap_b ? 0 : 1];
    context.yield(0, std::move(out));
}

void gemm(RuleContext& context) {
    gemm_of(context, 1);
}

void quantized_gemm(RuleContext& context) {
    gemm_of(context, 3);
}

// Rows of the first input, as many features as the attribute N says.
void packed_matmul(RuleContext& context) {
    const std::optional<Extents>& a = context.shape(0);
    if (!a || a->empty()) return;
    Extents out = *a;
    out.back() = std::max(context.integer("N", kUnknownExtent), kUnknownExtent);
    context.yield(0, std::move(out));
}

void einsum(RuleContext& context) {
    std::vector<std::size_t> ranks;
    for (std::size_t i = 0; i < context.inputs(); ++i) {
        if (!context.shape(i)) return;
        ranks.push_back(context.shape(i)->size());
    }
    const auto terms = parse_einsum(text_attribute(context.node(), "equation", ""), ranks);
    if (!terms) return;
    std::map<char, std::int64_t> extents;
    for (std::size_t i = 0; i < ranks.size(); ++i) {
        for (std::size_t axis = 0; axis < ranks[i]; ++axis) {
            const std::int64_t extent = (*context.shape(i))[axis];
            std::int64_t& known = extents.try_emplace(terms->operands[i][axis], extent).first->second;
            if (known == kUnknownExtent || known == 1) known = extent;
        }
    }
    Extents out;
    for (const char letter : terms->result) {
        const auto found = extents.find(letter);
        out.push_back(found == extents.end() ? kUnknownExtent : found->second);
    }
    context.yield(0, std::move(out));
}

constexpr std::array<Rule, 14> kRules = {{{"MatMul", matmul},
                                          {"MatMulInteger", matmul},
                                          {"MatMulIntegerToFloat", matmul},
                                          {"DynamicQuantizeMatMul", matmul},
                                          {"FusedDense", matmul},
                                          {"FusedMatMul", fused_matmul},
                                          {"FusedMatMulActivation", fused_matmul},
                                          {"QLinearMatMul", qlinear_matmul},
                                          {"Gemm", gemm},
                                          {"FusedGemm", gemm},
                                          {"QGemm", quantized_gemm},
                                          {"MatMulNBits", packed_matmul},
                                          {"MatMulBnb4", packed_matmul},
                                          {"Einsum", einsum}}};

}  // namespace

std::span<const Rule> product_rules() {
    return kRules;
}

}  // namespace octile
