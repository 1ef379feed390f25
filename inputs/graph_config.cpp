#include "inputs/graph_config.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "base/printable.h"
#include "inputs/config_values.h"
#include "inputs/json_document.h"
#include "inputs/messages.h"
#include "inputs/text_file.h"

namespace octile {
namespace {

using nlohmann::json;

Activation known_activation(const Config& config, const char* otherwise) {
    const Activation activation = config.activation("hidden_act", otherwise);
    if (activation == Activation::kNone)
        fail_at("hidden_act", "expected an activation that Octile has, found " + found(config.at("hidden_act")));
    return activation;
}

class EncoderGraph {
  public:
    EncoderGraph(const Config& config, std::string name, const GraphOptions& options)
        : config_(config), options_(options), g_(std::move(name)) {
        const std::string family = config.word_or("model_type", "bert");
        roberta_ = family != "bert";
        const std::string own = roberta_ ? "roberta." : "bert.";
        if (options.has_tensor && options.has_tensor(own + "embeddings.word_embeddings.weight")) prefix_ = own;
        hidden_ = config.extent("hidden_size");
        heads_ = config.extent("num_attention_heads");
        ffn_ = config.extent("intermediate_size");
        epsilon_ = config.epsilon("layer_norm_eps").value_or(1e-12);
        activation_ = known_activation(config, "gelu");
        if (const std::string kind = config.word_or("position_embedding_type", "absolute"); kind != "absolute")
            fail_at("position_embedding_type", "expected absolute, found " + internal::quote(kind));
        if (hidden_ % heads_ != 0)
            fail_at("num_attention_heads",
                    fmt::format("expected a divisor of hidden_size ({}), found {}", hidden_, heads_));
    }

    Result<Graph> build() && {
        std::string x = embed();
        const std::int64_t blocks = config_.extent("num_hidden_layers");
        for (std::int64_t block = 0; block < blocks; block++)
            x = add_block(fmt::format("{}encoder.layer.{}.", prefix_, block), x);
        x = g_.pool(options_.normalize ? "pooled" : "embedding", x, options_.pooling);
        if (options_.normalize) x = g_.normalize("embedding", x);
        return std::move(g_).finish({x});
    }

  private:
    std::string embed() {
        const std::string at = prefix_ + "embeddings.";
        // RoBERTa's positions begin behind that of padding.
        const std::int64_t positions = config_.extent("max_position_embeddings"),
                           offset = roberta_ ? config_.extent_or("pad_token_id", 1) + 1 : 0;
        if (offset >= positions)
            fail_at("max_position_embeddings", fmt::format("expected more than {}, found {}", offset, positions));
        const std::string ids = g_.indices("token_ids"), types = g_.indices("token_types", true);
        const std::string x =
            g_.embedding(prefix_ + "embeddings", hidden_,
                         {{at + "word_embeddings.weight", ids, config_.extent("vocab_size")},
                          {at + "token_type_embeddings.weight", types, config_.extent_or("type_vocab_size", 2)},
                          {at + "position_embeddings.weight", "", positions, offset}});
        return g_.layer_norm(at + "LayerNorm", x, epsilon_);
    }

    std::string add_block(const std::string& at, const std::string& x) {
        const std::string self = at + "attention.self", out = at + "attention.output";
        const std::string q = g_.linear(self + ".query", x, hidden_), k = g_.linear(self + ".key", x, hidden_),
                          v = g_.linear(self + ".value", x, hidden_);
        std::string y = g_.linear(out + ".dense", g_.attention(self, q, k, v, {.heads = heads_}), hidden_);
        const std::string middle = g_.layer_norm(out + ".LayerNorm", g_.add(out, y, x), epsilon_);
        y = g_.activation(at + "intermediate", g_.linear(at + "intermediate.dense", middle, ffn_), activation_);
        y = g_.linear(at + "output.dense", y, hidden_);
        return g_.layer_norm(at + "output.LayerNorm", g_.add(at + "output", y, middle), epsilon_);
    }

    const Config& config_;
    const GraphOptions& options_;
    GraphBuilder g_;
    std::string prefix_;
    bool roberta_ = false;
    std::int64_t hidden_, heads_, ffn_;
    double epsilon_;
    Activation activation_;
};

std::optional<RotaryScaling> rotary_scaling(const json& value, const char* key) {
    const Config scaling(value);
    const std::string kind =
        scaling.word_or("rope_type", scaling.has("type") ? scaling.word_or("type", "").c_str() : "default");
    if (kind == "default") return std::nullopt;
    if (kind != "llama3") fail_at(key, "expected rope_type default or llama3, found " + internal::quote(kind));
    return RotaryScaling{.factor = scaling.number("factor"),
                         .low_frequency = scaling.number_or("low_freq_factor", 1),
                         .high_frequency = scaling.number_or("high_freq_factor", 4),
                         .original_context = scaling.extent_or("original_max_position_embeddings", 8192)};
}

Rotary rotary_of(const Config& config) {
    Rotary rotary{config.number_or("rope_theta", 10000)};
    for (const char* key : {"rope_scaling", "rope_parameters"}) {
        if (!config.has(key)) continue;
        const json& value = config.at(key);
        if (!value.is_object()) fail_at(key, "expected an object, found " + found(value));
        rotary.theta = Config(value).number_or("rope_theta", rotary.theta);
        rotary.scaling = rotary_scaling(value, key);
    }
    return rotary;
}

Result<Graph> decoder_graph(const Config& config, std::string name, const GraphOptions& options) {
    const LlamaSizes sizes = llama_sizes(config);
    const Activation activation = known_activation(config, "silu");
    const Rotary rotary = rotary_of(config);
    const double epsilon = config.epsilon("rms_norm_eps").value_or(1e-6);
    const std::string type = config.word_or("model_type", "llama");
    if (config.has("sliding_window") && config.flag_or("use_sliding_window", type != "qwen2" && type != "qwen3"))
        fail_at("sliding_window", "expected none, found " + found(config.at("sliding_window")));

    GraphBuilder g(std::move(name));
    const std::int64_t vocabulary = config.extent("vocab_size");
    const std::string table = "model.embed_tokens.weight";
    std::string x = g.embedding("model.embed_tokens", sizes.hidden, {{table, g.indices("token_ids"), vocabulary}});
    for (std::int64_t block = 0; block < sizes.blocks; block++) {
        const std::string at = fmt::format("model.layers.{}.", block), self = at + "self_attn", mlp = at + "mlp";
        std::string y = g.rms_norm(at + "input_layernorm", x, epsilon);
        const std::int64_t keys = sizes.key_heads * sizes.head;
        std::string q = g.linear(self + ".q_proj", y, sizes.heads * sizes.head, sizes.qkv_bias),
                    k = g.linear(self + ".k_proj", y, keys, sizes.qkv_bias);
        const std::string v = g.linear(self + ".v_proj", y, keys, sizes.qkv_bias);
        if (type == "qwen3") {
            q = g.rms_norm(self + ".q_norm", q, epsilon, sizes.heads);
            k = g.rms_norm(self + ".k_norm", k, epsilon, sizes.key_heads);
        }
        y = g.attention(self, q, k, v,
                        {.heads = sizes.heads, .key_heads = sizes.key_heads, .causal = true, .rotary = rotary});
        x = g.add(self + ".residual", x, g.linear(self + ".o_proj", y, sizes.hidden, sizes.out_bias));
        y = g.rms_norm(at + "post_attention_layernorm", x, epsilon);
        const std::string gate = g.linear(mlp + ".gate_proj", y, sizes.ffn, sizes.ffn_bias),
                          up = g.linear(mlp + ".up_proj", y, sizes.ffn, sizes.ffn_bias);
        y = g.linear(mlp + ".down_proj", g.gate(mlp, gate, up, activation), sizes.hidden, sizes.ffn_bias);
        x = g.add(mlp + ".residual", x, y);
    }
    // A norm takes each row by itself: only the rows that are asked for.
    if (!options.all_logits) x = g.pool("last_token", x, Pooling::kLast);
    x = g.linear("lm_head", g.rms_norm("model.norm", x, epsilon), vocabulary, false);
    const bool tied = options.has_tensor ? !options.has_tensor("lm_head.weight")
                                         : config.flag_or("tie_word_embeddings", type == "llama" ? false : true);
    if (tied) g.last().weight = table;
    return std::move(g).finish({x});
}

Result<Graph> graph_of(const json& document, const std::filesystem::path& path, const GraphOptions& options) {
    if (!document.is_object()) fail_at("$", "expected an object, found " + found(document));
    const Config config(document);
    const std::string type = config.word_or("model_type", "");
    for (const char* encoder : {"bert", "roberta", "xlm-roberta", "camembert"})
        if (type == encoder) return EncoderGraph(config, name_of_model(path), options).build();
    for (const char* decoder : {"llama", "mistral", "qwen2", "qwen3"})
        if (type == decoder) return decoder_graph(config, name_of_model(path), options);
    fail_at("model_type",
            "expected one of bert, roberta, xlm-roberta, camembert, llama, mistral, qwen2, qwen3, found " +
                (document.contains("model_type") ? found(document["model_type"]) : "no such key"));
}

// What modules.json lists beyond the network itself.
Status read_modules(const std::filesystem::path& folder, GraphOptions& options) {
    const std::filesystem::path modules = folder / "modules.json", pooling = folder / "1_Pooling" / "config.json";
    std::error_code error;
    if (!std::filesystem::exists(modules, error)) return {};
    const Result<std::string> text = read_text_file(modules);
    if (!text.ok()) return text.status();
    options.normalize = false;
    Status status = read_json(text.value(), display(modules), [&](const json& list) {
        if (!list.is_array()) fail_at("$", "expected an array, found " + found(list));
        for (std::size_t i = 0; i < list.size(); i++) {
            if (!list[i].is_object() || !list[i].contains("type"))
                fail_at(fmt::format("[{}].type", i), "expected a string, found none");
            const std::string& type = string_at(list[i]["type"], fmt::format("[{}].type", i));
            const bool normalizes = type.ends_with(".Normalize");
            options.normalize = options.normalize || normalizes;
            if (!normalizes && !type.ends_with(".Transformer") && !type.ends_with(".Pooling"))
                fail_at(fmt::format("[{}].type", i),
                        "expected Transformer, Pooling or Normalize, found " + internal::quote(type));
        }
    });
    if (!status.ok() || !std::filesystem::exists(pooling, error)) return status;
    const Result<std::string> modes = read_text_file(pooling);
    if (!modes.ok()) return modes.status();
    return read_json(modes.value(), display(pooling), [&](const json& document) {
        if (!document.is_object()) fail_at("$", "expected an object, found " + found(document));
        const Config config(document);
        const bool mean = config.flag_or("pooling_mode_mean_tokens", false),
                   first = config.flag_or("pooling_mode_cls_token", false),
                   last = config.flag_or("pooling_mode_lasttoken", false);
        if (mean + first + last != 1)
            fail_at("pooling_mode_mean_tokens",
                    "expected one of mean_tokens, cls_token and lasttoken, found another pooling");
        options.pooling = mean ? Pooling::kMean : first ? Pooling::kFirst : Pooling::kLast;
    });
}

}  // namespace

Result<Graph> graph_of_config(std::string_view text, const std::filesystem::path& path, const GraphOptions& options) {
    Result<Graph> graph = Status(StatusCode::kInternal, "");
    Status status =
        read_json(text, display(path), [&](const json& document) { graph = graph_of(document, path, options); });
    if (!status.ok()) return status;
    if (!graph.ok()) return parse_error(fmt::format("{}: {}", display(path), graph.status().message()));
    return graph;
}

Result<Graph> read_graph(const std::filesystem::path& config, GraphOptions options) {
    if (Status status = read_modules(config.parent_path(), options); !status.ok()) return status;
    const Result<std::string> text = read_text_file(config);
    if (!text.ok()) return text.status();
    return graph_of_config(text.value(), config, options);
}

}  // namespace octile
