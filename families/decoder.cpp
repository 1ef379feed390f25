#include "families/decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "base/json_document.h"
#include "base/printable.h"
#include "families/encoder_heads.h"
#include "families/experts.h"
#include "families/rotary.h"

namespace octile {
namespace {

using internal::quote;

class Decoder {
  public:
    Decoder(NetworkBuilder& builder, const DecoderFacts& facts)
        : b_(builder),
          f_(facts),
          hidden_(b_.size("hidden_size")),
          ffn_(b_.size("intermediate_size")),
          heads_(b_.config.exists() ? b_.size("num_attention_heads", f_.heads) : 0),
          key_heads_(key_heads()),
          epsilon_(b_.epsilon(f_.epsilon_key, f_.epsilon)),
          activation_(b_.activation_fact(f_.activation_key, f_.activation)),
          attention_(attention_facts(b_, f_.theta, f_.window, f_.windowed, f_.window_places)) {
        if (heads_ > 0)
            head_ =
                b_.config.extent_or("head_dim", f_.head > 0 ? f_.head : std::max<std::int64_t>(hidden_ / heads_, 1));
        for (const auto& [key, count] : {std::pair("num_attention_heads", heads_), {"num_key_value_heads", key_heads_}})
            if (head_ > 0 && count > kMaxExtent / head_)
                fail_at(key, fmt::format("expected heads of together at most {}, found more", kMaxExtent));
        qkv_bias_ = f_.bias_key ? b_.config.flag_or(f_.bias_key, f_.qkv_bias) : f_.qkv_bias;
        out_bias_ = f_.out_bias_key ? b_.config.flag_or(f_.out_bias_key, f_.out_bias) : f_.out_bias;
        ffn_bias_ = f_.ffn_bias_key ? b_.config.flag_or(f_.ffn_bias_key, f_.ffn_bias) : f_.ffn_bias;
        if (attention_.why.empty()) attention_.why = f_.attention;
        if (b_.config.flag_or("is_decoder", true) == false) b_.refuse("is_decoder: expected true, found false");
        if (b_.config.flag_or("add_cross_attention", false))
            b_.refuse("add_cross_attention: expected false, found true");
        if (f_.norm == NormKind::kRmsPlusOne)
            b_.refuse(fmt::format("model_type {}: no session runs norms that multiply by 1 + weight", b_.model_type));
        if (!activation_.known && b_.config.exists())
            b_.refuse(fmt::format("{}: expected an activation that Octile has, found {}", f_.activation_key,
                                  quote(activation_.word)));
    }

    void build() {
        if (f_.experts.count_key && !b_.knows_tensors()) read_dense_blocks();
        const std::string table = b_.base + "embed_tokens";
        const std::int64_t vocabulary = b_.config.has("vocab_size") ? b_.config.extent("vocab_size")
                                        : b_.knows_tensors()        ? 0
                                                                    : f_.vocabulary;
        // Of a part of a checkpoint: rows from nowhere.
        std::string x = b_.has(table + ".weight", true)
                            ? b_.embedding(table, {{table + ".weight", b_.indices("token_ids"), vocabulary}}, hidden_)
                            : b_.values("hidden_states", hidden_of_blocks());
        if (*f_.embedding) x = b_.other(table + ".scaled", f_.embedding, {x});
        const std::string blocks = b_.base + "layers.";
        const std::int64_t count = b_.blocks("num_hidden_layers", blocks);
        for (std::int64_t block = 0; block < count; block++)
            x = add_block(block, fmt::format("{}{}.", blocks, block), x);
        add_head(x, table + ".weight", vocabulary);
    }

  private:
    std::int64_t key_heads() const {
        static constexpr const char* kKey = "num_key_value_heads";
        const bool as_queries = f_.key_heads == 0 || b_.config.lists(kKey) || !b_.config.exists();
        return b_.config.extent_or(kKey, as_queries ? heads_ : f_.key_heads);
    }

    std::int64_t hidden_of_blocks() const {
        for (std::int64_t block = 0; block < 1000; block++)
            for (const char* name : {"self_attn.q_proj", "self_attn.qkv_proj", "mlp.gate_proj", "mlp.gate_up_proj"})
                if (const TensorList::Shape* shape =
                        b_.shape_of(fmt::format("{}layers.{}.{}.weight", b_.base, block, name));
                    shape && shape->size() == 2)
                    return shape->back();
        return hidden_;
    }

    std::string norm(const std::string& name, const std::string& x) {
        if (!b_.has(name + ".weight", true) && !b_.config.exists()) return x;
        if (f_.norm == NormKind::kLayer) return b_.layer_norm(name, x, epsilon_, f_.norm_bias);
        return b_.rms_norm(name, x, epsilon_);
    }

    std::string head_norm(const std::string& name, const std::string& x, std::int64_t heads) {
        if (f_.head_norms == HeadNorms::kNone) return x;
        if (!b_.has(name + ".weight", true)) return x;
        return b_.rms_norm(name, x, epsilon_, f_.head_norms == HeadNorms::kRows ? 1 : heads);
    }

    bool has_rotary(std::int64_t block) const {
        if (f_.no_rotary_interval == 0) return true;
        if (!b_.config.has("no_rope_layers"))
            return (block + 1) % b_.config.extent_or("no_rope_layer_interval", f_.no_rotary_interval) != 0;
        const nlohmann::json& layers = b_.config.at("no_rope_layers");
        if (!layers.is_array() || layers.size() <= static_cast<std::size_t>(block))
            fail_at("no_rope_layers", "expected a number for each layer, found " + found(layers));
        return layers[static_cast<std::size_t>(block)] != 0;
    }

    // Of one block: o_proj of what it attends to.
    std::string add_attention(std::int64_t block, const std::string& at, const std::string& x) {
        if (has_linear_attention(block, at)) return add_linear_attention(at, x);
        const std::string self = at + "self_attn";
        const std::int64_t queries = heads_ * head_, keys = key_heads_ * head_;
        std::string q, k, v, why = attention_.why;
        if (f_.fused_qkv) {
            const std::string qkv =
                b_.linear(self + ".qkv_proj", x, {.features = queries + 2 * keys, .bias = qkv_bias_});
            const std::int64_t all = b_.features_of(qkv);
            const std::int64_t rest = keys > 0 && all > 2 * keys ? all - 2 * keys : std::max<std::int64_t>(all / 3, 1);
            const std::string y = b_.other(self, "attention over parts of one linear", {qkv}, rest);
            return b_.linear(self + ".o_proj", y, {.features = hidden_, .bias = out_bias_});
        }
        q = b_.linear(self + ".q_proj", x, {.features = f_.gated_queries ? 2 * queries : queries, .bias = qkv_bias_});
        // The other half gates what attention yields.
        if (f_.gated_queries)
            q = b_.other(self + ".queries", "half of its input", {q}, std::max<std::int64_t>(b_.features_of(q) / 2, 1));
        k = b_.linear(self + ".k_proj", x, {.features = keys, .bias = qkv_bias_});
        v = b_.linear(self + ".v_proj", x, {.features = keys, .bias = qkv_bias_});
        q = head_norm(self + "." + f_.head_norm_names[0], q, heads_);
        k = head_norm(self + "." + f_.head_norm_names[1], k, key_heads_);
        const bool rotary = has_rotary(block);
        const double scale = b_.config.exists() ? b_.config.number_or("attention_multiplier", f_.attention_scale) : 0;
        const std::string y = b_.attention(self, {q, k, v},
                                           {.heads = heads_,
                                            .key_heads = key_heads_,
                                            .causal = true,
                                            .scale = scale,
                                            .rotary = rotary ? attention_.rotary : std::nullopt,
                                            .window = attention_.window_of(b_.config, block)},
                                           why);
        return b_.linear(self + "." + f_.out, y, {.features = hidden_, .bias = out_bias_});
    }

    bool has_linear_attention(std::int64_t block, const std::string& at) const {
        if (f_.linear_interval == 0) return false;
        if (b_.knows_tensors()) return !b_.has(at + "self_attn.q_proj.weight");
        if (b_.config.has("layer_types")) {
            const nlohmann::json& types = b_.config.at("layer_types");
            const auto place = static_cast<std::size_t>(block);
            return types.is_array() && place < types.size() && types[place] == "linear_attention";
        }
        return (block + 1) % b_.config.extent_or("full_attention_interval", f_.linear_interval) != 0;
    }

    // A recurrence instead of attention: qwen3_next, qwen3_5.
    std::string add_linear_attention(const std::string& at, const std::string& x) {
        const std::string self = at + "linear_attn.";
        const Config& c = b_.config;
        const std::int64_t key_heads = c.extent_or("linear_num_key_heads", 16),
                           value_heads = c.extent_or("linear_num_value_heads", 32),
                           keys = key_heads * c.extent_or("linear_key_head_dim", 128),
                           values = value_heads * c.extent_or("linear_value_head_dim", 128);
        const bool described = c.exists();
        const auto linear = [&](const char* name, std::int64_t features) {
            return b_.linear(self + name, x, {.features = described ? features : 0, .bias = false});
        };
        std::vector<std::string> parts;
        if (b_.has(self + "in_proj_qkvz.weight", b_.is("qwen3_next"))) {
            parts = {linear("in_proj_qkvz", 2 * keys + 2 * values), linear("in_proj_ba", 2 * value_heads)};
        } else {
            parts = {linear("in_proj_qkv", 2 * keys + values), linear("in_proj_z", values),
                     linear("in_proj_b", value_heads), linear("in_proj_a", value_heads)};
        }
        const TensorList::Shape* out = b_.shape_of(self + "out_proj.weight");
        const std::int64_t width = out && out->size() == 2 ? out->back() : values;
        const std::string y = b_.other(at + "linear_attn", "linear attention", parts, width);
        return b_.linear(self + "out_proj", y, {.features = hidden_, .bias = false});
    }

    void read_dense_blocks() {
        if (!b_.config.has("mlp_only_layers")) return;
        const nlohmann::json& list = b_.config.at("mlp_only_layers");
        if (!list.is_array()) fail_at("mlp_only_layers", "expected an array of numbers, found " + found(list));
        for (const nlohmann::json& block : list)
            if (block.is_number_integer()) dense_.insert(block.get<std::int64_t>());
    }

    bool has_experts(std::int64_t block, const std::string& at) const {
        if (!f_.experts.count_key) return false;
        if (b_.knows_tensors())
            return b_.has(fmt::format("{}{}.gate.weight", at, f_.experts.part)) ||
                   b_.has(fmt::format("{}{}.router.weight", at, f_.experts.part));
        return !dense_.contains(block) && (block + 1) % b_.config.extent_or("decoder_sparse_step", 1) == 0;
    }

    std::string add_feed_forward(std::int64_t block, const std::string& at, const std::string& x) {
        if (has_experts(block, at)) return add_experts(b_, f_.experts, at, x, activation_);
        const std::string mlp = at + "mlp";
        if (f_.feed_forward == FeedForward::kPlain) {
            const std::string up = b_.linear(mlp + "." + f_.up, x, {.features = ffn_, .bias = ffn_bias_});
            return b_.linear(mlp + "." + f_.down, b_.activation(mlp + ".act", up, activation_),
                             {.features = hidden_, .bias = ffn_bias_});
        }
        if (f_.feed_forward == FeedForward::kFusedGated) {
            const std::string both = b_.linear(mlp + ".gate_up_proj", x, {.features = 2 * ffn_, .bias = ffn_bias_});
            const std::string gated = b_.other(mlp, "a gate of the two halves of its input", {both},
                                               std::max<std::int64_t>(b_.features_of(both) / 2, 1));
            return b_.linear(mlp + ".down_proj", gated, {.features = hidden_, .bias = ffn_bias_});
        }
        const std::string gate = b_.linear(mlp + ".gate_proj", x, {.features = ffn_, .bias = ffn_bias_}),
                          up = b_.linear(mlp + ".up_proj", x, {.features = ffn_, .bias = ffn_bias_});
        return b_.linear(mlp + ".down_proj", b_.gate(mlp, gate, up, activation_),
                         {.features = hidden_, .bias = ffn_bias_});
    }

    std::string residual(const std::string& name, const std::string& x, std::string y) {
        if (b_.config.number_or("residual_multiplier", 1) != 1)
            y = b_.other(name + ".scaled", "a product with residual_multiplier", {y});
        return b_.add(name + ".residual", x, y);
    }

    std::string add_block(std::int64_t block, const std::string& at, const std::string& x) {
        const std::string self = at + "self_attn", mlp = at + (has_experts(block, at) ? f_.experts.part : "mlp");
        if (f_.norms == NormPlaces::kParallel) {
            const std::string y = norm(at + "input_layernorm", x), attended = add_attention(block, at, y);
            return residual(mlp, residual(self, x, attended), add_feed_forward(block, at, y));
        }
        const bool before = f_.norms != NormPlaces::kAfter, after = f_.norms != NormPlaces::kBefore;
        std::string y = add_attention(block, at, before ? norm(at + "input_layernorm", x) : x);
        if (after) y = norm(at + "post_attention_layernorm", y);
        const std::string middle = residual(self, x, y);
        const char* second = after ? "pre_feedforward_layernorm" : "post_attention_layernorm";
        y = add_feed_forward(block, at, before ? norm(at + second, middle) : middle);
        if (after) y = norm(at + "post_feedforward_layernorm", y);
        return residual(mlp, middle, y);
    }

    void add_head(const std::string& x, const std::string& table, std::int64_t vocabulary) {
        const Config& config = b_.config;
        const bool embeds = b_.options.sentence_embedding;
        const bool language =
            !embeds && (config.architecture_has("ForCausalLM") || config.architecture_has("ForConditionalGeneration"));
        const std::string last_norm = b_.base + f_.last_norm;
        if (!embeds && config.architecture_has("ForSequenceClassification"))
            return b_.output(
                b_.linear("score", norm(last_norm, last_tokens(x)), {.features = config.labels(), .bias = false}));
        if (!embeds && config.architecture_has("ForTokenClassification"))
            return b_.output(b_.linear("score", norm(last_norm, x), {.features = config.labels()}));
        if (!embeds && config.architecture_has("ForQuestionAnswering"))
            return b_.output(b_.linear("qa_outputs", norm(last_norm, x), {.features = 2}));
        const bool by_names = !config.exists() && b_.has("lm_head.weight");
        if (language || by_names)
            return b_.output(add_language_head(norm(last_norm, last_tokens(x)), table, vocabulary));
        if (!embeds) b_.refuse_unless_bare();
        add_states(norm(last_norm, x));
    }

    // A norm takes each row by itself: only the rows that are asked for.
    std::string last_tokens(const std::string& x) {
        return b_.options.all_logits ? x : b_.pool("last_token", x, Pooling::kLast);
    }

    std::string add_language_head(const std::string& x, const std::string& table, std::int64_t vocabulary) {
        const bool says_tied = b_.config.flag_or("tie_word_embeddings", f_.tied);
        const bool own = b_.has("lm_head.weight", !says_tied);
        if (!own && !says_tied && b_.config.exists() && b_.knows_tensors())
            b_.refuse("tie_word_embeddings: expected lm_head.weight in the checkpoint where it is false, found none");
        const std::string logits = b_.linear("lm_head", x,
                                             {.features = vocabulary > 0 ? vocabulary : b_.size("vocab_size"),
                                              .bias = f_.head_bias,
                                              .weight = own ? "" : table});
        for (const char* key : {"logits_scaling", "logit_scale"})
            if (b_.config.number_or(key, 1) != 1)
                b_.refuse(fmt::format("{}: expected 1, found {}", key, b_.config.number(key)));
        for (const char* key : {"final_logit_softcapping", "attn_logit_softcapping"})
            if (b_.config.has(key))
                b_.refuse(fmt::format("{}: expected none, found {}", key, found(b_.config.at(key))));
        return logits;
    }

    // The bare network: an embedding where sentence-transformers says which, else the states of all tokens.
    void add_states(const std::string& x) {
        if (!b_.options.modules.empty()) return add_embedding(b_, x);
        if (!b_.options.pooling_is_said) return b_.output(x);
        std::string y = b_.pool(b_.options.normalize ? "pooled" : "embedding", x, b_.options.pooling);
        if (!b_.options.normalize) return b_.output(y);
        y = b_.normalize("embedding", y);
        if (b_.options.normalization_is_assumed) b_.assume("normalization");
        b_.output(y);
    }

    NetworkBuilder& b_;
    const DecoderFacts& f_;
    std::int64_t hidden_, ffn_, heads_, key_heads_, head_ = 0;
    double epsilon_;
    ActivationFact activation_;
    AttentionFacts attention_;
    std::unordered_set<std::int64_t> dense_;  // blocks without experts, where only the configuration is known
    bool qkv_bias_ = false, out_bias_ = false, ffn_bias_ = false;
};

}  // namespace

void build_decoder(NetworkBuilder& builder, const DecoderFacts& facts) {
    Decoder(builder, facts).build();
}

}  // namespace octile
