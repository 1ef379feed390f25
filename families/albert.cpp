// ALBERT.
//
// transformers/models/albert/modeling_albert.py and configuration_albert.py, 4.57 and 5.24.
#include <fmt/format.h>

#include "families/encoder_parts.h"

namespace octile {
namespace {

// Every block is one of few, run again and again: each run is a row, and runs share the block's packed weights.
std::string add_albert_blocks(NetworkBuilder& b, BlockFacts& facts, std::string x) {
    const std::string groups = "encoder.albert_layer_groups.";
    const std::int64_t count = b.blocks("num_hidden_groups", b.base + groups, 1);
    const std::int64_t runs = b.config.exists() ? b.size("num_hidden_layers", 12) : count;
    std::int64_t last = -1, blocks = 0;
    for (std::int64_t run = 0; run < runs; run++) {
        // Each group runs in as many layers, rounded as transformers does.
        const double layers = static_cast<double>(runs) / static_cast<double>(count);
        const auto group = static_cast<std::int64_t>(static_cast<double>(run) / layers);
        const std::string inner = fmt::format("{}{}.albert_layers.", groups, group);
        const bool again = group == last;
        last = group;
        if (!b.config.exists())
            x = b.other(fmt::format("{}{}{}.input", b.base, groups, group), "the rows of a block that runs again", {x},
                        facts.hidden);
        if (!again) blocks = b.blocks("inner_group_num", b.base + inner, 1);
        if (blocks == 0) break;  // of a part of a checkpoint
        for (std::int64_t block = 0; block < blocks; block++) {
            const std::string at = fmt::format("{}{}.", inner, block);
            facts.tensors = again ? b.base + at : "";
            const std::string beginning = again ? fmt::format("{}repeat.{}.", b.base, run) : b.base;
            x = add_block(b, facts, beginning + at, x);
        }
    }
    return x;
}

void build_albert(NetworkBuilder& b) {
    static constexpr BlockNames kBlock = {.self = {.query = "attention.query",
                                                   .key = "attention.key",
                                                   .value = "attention.value",
                                                   .out = "attention.dense",
                                                   .norm = "attention.LayerNorm"},
                                          .up = "ffn",
                                          .down = "ffn_output",
                                          .norm = "full_layer_layer_norm"};
    BlockFacts facts =
        facts_of(b, kBlock, "hidden_size", "intermediate_size", "num_attention_heads", "hidden_act", "gelu_new");
    const std::int64_t width = b.size("embedding_size", b.knows_tensors() ? 0 : 128);
    std::string x = add_embeddings(b, width, facts.epsilon, 0, true);
    x = b.linear(b.base + "encoder.embedding_hidden_mapping_in", x, {.features = facts.hidden});
    x = add_albert_blocks(b, facts, x);
    const EncoderHead head = encoder_head(b);
    if (add_simple_head(b, head, x)) return;
    std::string y;
    const bool language = head == EncoderHead::kMaskedLanguage || head == EncoderHead::kPretraining;
    if (language) {
        y = b.activation("predictions.activation", b.linear("predictions.dense", x, {.features = width}),
                         facts.activation);
        y = b.layer_norm("predictions.LayerNorm", y, facts.epsilon);
        b.output(add_vocabulary(b, "predictions.decoder", y, "predictions.bias"));
        if (head == EncoderHead::kMaskedLanguage) return;
    }
    const std::string dense = b.base + "pooler";
    std::string pooled = x;
    if (b.has(dense + ".weight", true)) pooled = add_pooler(b, x, facts.hidden, dense);
    if (language) return b.output(b.linear("sop_classifier.classifier", pooled, {.features = b.config.labels()}));
    if (head == EncoderHead::kSequence)
        return b.output(b.linear("classifier", pooled, {.features = b.config.labels()}));
    if (head == EncoderHead::kMultipleChoice) return b.output(b.linear("classifier", pooled, {.features = 1}));
    add_embedding(b, x);
}

}  // namespace

const Families& albert_families() {
    static const Families families = {
        {.model_types = {"albert"},
         .signatures = {{"albert",
                         {"encoder.albert_layer_groups.*.albert_layers.*.attention.query.weight",
                          "encoder.albert_layer_groups.*.albert_layers.*.ffn.weight",
                          "encoder.embedding_hidden_mapping_in.weight"}}},
         .prefixes = {"", "albert."},
         .honoured = encoder_sizes() + Words{"num_hidden_groups", "inner_group_num"},
         .indifferent = {"net_structure_type", "gap_size", "num_memory_blocks", "down_scale_factor"},
         .build = build_albert}};
    return families;
}

}  // namespace octile
