// Norms, attention and recurrent layers, of ONNX and of com.microsoft.
#include <algorithm>
#include <array>

#include "inputs/onnx/rules.h"

namespace octile {
namespace {

std::int64_t divided(std::int64_t extent, std::int64_t by) {
    return extent == kUnknownExtent || by < 1 || extent % by != 0 ? kUnknownExtent : extent / by;
}

// A norm; SkipLayerNormalization and its like hand out the sum that they normalize as their fourth output.
void norm(RuleContext& context) {
    context.yield(0, context.shape(0));
    context.yield(3, context.shape(0));
}

// [batch, tokens] of indices, and a table of as many columns as there are features.
void embed_layernorm(RuleContext& context) {
    const std::optional<Extents>&ids = context.shape(0), &table = context.shape(2);
    if (!ids) return;
    Extents out = *ids;
    out.push_back(table && !table->empty() ? table->back() : kUnknownExtent);
    context.yield(0, std::move(out));
}

// com.microsoft's: [batch, tokens, features], with the weights of queries, keys and values side by side.
// ONNX's own: queries [batch, heads, tokens, features of a head], or [batch, tokens, all features] with q_num_heads.
void attention(RuleContext& context) {
    const std::optional<Extents>& x = context.shape(0);
    if (!x || x->empty()) return;
    Extents out = *x;
    if (context.node().contrib()) {
        const std::optional<Extents>& weights = context.shape(1);
        out.back() = weights && weights->size() == 2 ? divided(weights->back(), 3) : kUnknownExtent;
        if (const auto sizes = integers_attribute(context.node(), "qkv_hidden_sizes"); sizes && sizes->size() == 3)
            out.back() = std::max((*sizes)[2], kUnknownExtent);
        return context.yield(0, std::move(out));
    }
    const std::optional<Extents>& v = context.shape(2);
    std::int64_t& features = out.back();
    if (!v || v->empty()) {
        features = kUnknownExtent;
    } else if (x->size() == 4) {
        features = v->back();
    } else {
        const std::int64_t head = divided(v->back(), context.integer("kv_num_heads", 0));
        features = product_of(head, std::max(context.integer("q_num_heads", kUnknownExtent), kUnknownExtent));
    }
    context.yield(0, std::move(out));
}

// Queries, keys and values apart: [batch, tokens, features]; queries alone may hold all three.
void multi_head_attention(RuleContext& context) {
    const std::optional<Extents>& q = context.shape(0);
    if (!q || q->empty()) return;
    Extents out = *q;
    if (q->size() == 5) {  // [batch, tokens, heads, 3, features of a head]
        out = {(*q)[0], (*q)[1], product_of((*q)[2], (*q)[4])};
        return context.yield(0, std::move(out));
    }
    const std::optional<Extents>& v = context.shape(2);
    if (context.has(2) && v && v->size() == 3) out.back() = v->back();
    if (context.has(2) && v && v->size() == 4) out.back() = product_of((*v)[1], (*v)[3]);
    context.yield(0, std::move(out));
}

void grouped_query_attention(RuleContext& context) {
    const std::optional<Extents>& q = context.shape(0);
    if (!q || q->size() != 3) return;
    Extents out = *q;
    const std::int64_t heads = context.integer("num_heads", 0), kv_heads = context.integer("kv_num_heads", 0);
    if (!context.has(1) && heads > 0 && kv_heads > 0 && heads < (1 << 20) && kv_heads < (1 << 20))
        out.back() = product_of(divided(out.back(), heads + 2 * kv_heads), heads);
    context.yield(0, std::move(out));
}

// x [steps, batch, features] or, with layout 1, [batch, steps, features]; out by step [.., directions, .., hidden].
void recurrent(RuleContext& context) {
    const std::optional<Extents>& x = context.shape(0);
    const std::int64_t hidden = std::max(context.integer("hidden_size", kUnknownExtent), kUnknownExtent);
    const std::int64_t directions = text_attribute(context.node(), "direction", "forward") == "bidirectional" ? 2 : 1;
    const bool batch_first = context.integer("layout", 0) != 0;
    const bool known = x && x->size() == 3;
    const std::int64_t steps = known ? (*x)[batch_first ? 1 : 0] : kUnknownExtent;
    const std::int64_t batch = known ? (*x)[batch_first ? 0 : 1] : kUnknownExtent;
    if (batch_first) {
        context.yield(0, Extents{batch, steps, directions, hidden});
        context.yield(1, Extents{batch, directions, hidden});
        context.yield(2, Extents{batch, directions, hidden});
    } else {
        context.yield(0, Extents{steps, directions, batch, hidden});
        context.yield(1, Extents{directions, batch, hidden});
        context.yield(2, Extents{directions, batch, hidden});
    }
}

void bias_split_gelu(RuleContext& context) {
    const std::optional<Extents>& x = context.shape(0);
    if (!x || x->empty()) return;
    Extents out = *x;
    out.back() = divided(out.back(), 2);
    context.yield(0, std::move(out));
}

// Rows of a table in blocks of 4 bits: two elements to a byte, where the table is of bytes.
void gather_block_quantized(RuleContext& context) {
    const std::optional<Extents>&table = context.shape(0), &indices = context.shape(1);
    if (!table || table->size() != 2 || !indices) return;
    Extents out = *indices;
    out.push_back(kUnknownExtent);
    context.yield(0, std::move(out));
}

constexpr std::array<Rule, 30> kRules = {{{"LayerNormalization", norm},
                                          {"SimplifiedLayerNormalization", norm},
                                          {"RMSNormalization", norm},
                                          {"SkipLayerNormalization", norm},
                                          {"SkipSimplifiedLayerNormalization", norm},
                                          {"SkipGroupNorm", norm},
                                          {"BatchNormalization", norm},
                                          {"InstanceNormalization", norm},
                                          {"GroupNormalization", norm},
                                          {"GroupNorm", norm},
                                          {"MeanVarianceNormalization", norm},
                                          {"RotaryEmbedding", norm},
                                          {"EmbedLayerNormalization", embed_layernorm},
                                          {"QEmbedLayerNormalization", embed_layernorm},
                                          {"Attention", attention},
                                          {"QAttention", attention},
                                          {"LongformerAttention", norm},
                                          {"MultiHeadAttention", multi_head_attention},
                                          {"DecoderMaskedMultiHeadAttention", multi_head_attention},
                                          {"PackedMultiHeadAttention", multi_head_attention},
                                          {"GroupQueryAttention", grouped_query_attention},
                                          {"SparseAttention", grouped_query_attention},
                                          {"LSTM", recurrent},
                                          {"GRU", recurrent},
                                          {"RNN", recurrent},
                                          {"DynamicQuantizeLSTM", recurrent},
                                          {"MoE", norm},
                                          {"QMoE", norm},
                                          {"BiasSplitGelu", bias_split_gelu},
                                          {"GatherBlockQuantized", gather_block_quantized}}};

}  // namespace

std::span<const Rule> network_rules() {
    return kRules;
}

}  // namespace octile
