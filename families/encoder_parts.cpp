#include "families/encoder_parts.h"

#include <utility>
#include <vector>

namespace octile {

BlockFacts facts_of(NetworkBuilder& b, const BlockNames& names, const char* hidden, const char* ffn, const char* heads,
                    const char* activation, const char* activation_default) {
    BlockFacts facts;
    facts.names = names;
    facts.hidden = b.size(hidden);
    facts.ffn = b.size(ffn);
    facts.heads = b.config.exists() ? b.size(heads, 12) : 0;
    facts.epsilon = b.epsilon("layer_norm_eps", 1e-12);
    facts.activation = b.activation_fact(activation, activation_default);
    return facts;
}

std::string add_embeddings(NetworkBuilder& b, std::int64_t features, double epsilon, std::int64_t offset, bool types,
                           const char* norm, bool positions) {
    const std::string at = b.base + "embeddings.";
    const auto rows = [&](const char* key) { return b.config.has(key) ? b.config.extent(key) : 0; };
    const std::int64_t most = b.size("max_position_embeddings", b.knows_tensors() ? 0 : 512);
    std::vector<EmbeddingTable> tables = {{at + "word_embeddings.weight", b.indices("token_ids"), rows("vocab_size")}};
    if (types) {
        const std::int64_t kinds = b.config.exists() ? b.size("type_vocab_size", 2) : 0;
        tables.push_back({at + "token_type_embeddings.weight", b.indices("token_types", true), kinds});
    }
    if (positions) tables.push_back({at + "position_embeddings.weight", "", most, offset});
    const std::string x = b.embedding(b.base + "embeddings", std::move(tables), features);
    return b.layer_norm(b.base + norm, x, epsilon);
}

std::string first_token(NetworkBuilder& b, const std::string& name, const std::string& x) {
    return b.pool(name, x, Pooling::kFirst);
}

std::string add_pooler(NetworkBuilder& b, const std::string& x, std::int64_t hidden, const std::string& dense) {
    const std::string pooled = b.linear(dense, first_token(b, b.base + "pooler.first", x), {.features = hidden});
    return b.tanh(b.base + "pooler.tanh", pooled);
}

std::string add_vocabulary(NetworkBuilder& b, const std::string& name, const std::string& x, const std::string& shift) {
    const bool own = b.has(name + ".weight", !b.config.flag_or("tie_word_embeddings", true));
    return b.linear(name, x,
                    {.features = b.size("vocab_size"),
                     .weight = own ? "" : b.base + "embeddings.word_embeddings.weight",
                     .shift = b.has(name + ".bias", true) ? "" : shift});
}

bool add_simple_head(NetworkBuilder& b, EncoderHead head, const std::string& x) {
    if (head == EncoderHead::kTokens) b.output(b.linear("classifier", x, {.features = b.config.labels()}));
    if (head == EncoderHead::kQuestionAnswering) b.output(b.linear("qa_outputs", x, {.features = b.config.labels()}));
    return head == EncoderHead::kTokens || head == EncoderHead::kQuestionAnswering;
}

void add_dense_classifier(NetworkBuilder& b, const std::string& x, std::int64_t hidden,
                          const ActivationFact& activation) {
    const std::string dense = b.linear("classifier.dense", first_token(b, "classifier.first", x), {.features = hidden});
    b.output(b.linear("classifier.out_proj", b.activation("classifier.activation", dense, activation),
                      {.features = b.config.labels()}));
}

const Words& encoder_sizes() {
    static const Words sizes = {"vocab_size",        "hidden_size",  "num_hidden_layers",      "num_attention_heads",
                                "intermediate_size", "hidden_act",   "type_vocab_size",        "layer_norm_eps",
                                "embedding_size",    "pad_token_id", "max_position_embeddings"};
    return sizes;
}

}  // namespace octile
