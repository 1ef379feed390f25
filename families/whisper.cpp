// Whisper.
//
// transformers/models/whisper/modeling_whisper.py and configuration_whisper.py, 4.57 and 5.24.
#include <fmt/format.h>

#include "base/printable.h"
#include "families/encoder_block.h"
#include "families/family.h"

namespace octile {
namespace {

constexpr AttentionNames kSelf = {.query = "self_attn.q_proj",
                                  .key = "self_attn.k_proj",
                                  .value = "self_attn.v_proj",
                                  .out = "self_attn.out_proj",
                                  .norm = "self_attn_layer_norm"};
constexpr AttentionNames kCross = {.query = "encoder_attn.q_proj",
                                   .key = "encoder_attn.k_proj",
                                   .value = "encoder_attn.v_proj",
                                   .out = "encoder_attn.out_proj",
                                   .norm = "encoder_attn_layer_norm"};

class Whisper {
  public:
    explicit Whisper(NetworkBuilder& builder) : b_(builder), hidden_(b_.size("d_model")) {
        facts_.names = {.self = kSelf, .up = "fc1", .down = "fc2", .norm = "final_layer_norm"};
        facts_.norm_first = true;
        facts_.key_bias = false;
        facts_.hidden = hidden_;
        facts_.activation = b_.activation_fact("activation_function", "gelu");
        if (b_.config.exists()) frames_ = b_.size("max_source_positions", 1500);
    }

    void build() {
        if (b_.config.architecture_has("ForAudioClassification")) return add_classifier(add_encoder());
        const bool language = b_.config.architecture().empty() ||
                              b_.config.architecture_has("ForConditionalGeneration") ||
                              b_.config.architecture_has("ForCausalLM");
        const bool alone = b_.config.architecture_has("ForCausalLM");
        const std::string states =
            alone || !has_part("encoder") ? b_.values("encoder_states", hidden_of_decoder(), frames()) : add_encoder();
        if (!has_part("decoder")) return b_.output(states);
        const std::string x = add_decoder(states);
        if (!language) return b_.output(x);
        const std::string table = b_.base + "decoder.embed_tokens.weight";
        const bool own = b_.has("proj_out.weight", true);
        // Names alone do not say whether there is a head that is tied.
        if (!own && (b_.config.architecture().empty() || !b_.has(table))) return b_.output(x);
        b_.output(
            b_.linear("proj_out", x, {.features = b_.size("vocab_size"), .bias = false, .weight = own ? "" : table}));
    }

  private:
    // A checkpoint may hold one of the two.
    bool has_part(const std::string& part) const {
        return !b_.knows_tensors() || b_.config.exists() ||
               b_.has(fmt::format("{}{}.layers.0.fc1.weight", b_.base, part)) ||
               b_.has(fmt::format("{}{}.layers.0.self_attn.q_proj.weight", b_.base, part));
    }

    Rows frames() const { return frames_ > 0 ? Rows{.unit = Rows::Unit::kFixed, .count = frames_} : Rows(); }

    std::int64_t hidden_of_decoder() const {
        const TensorList::Shape* shape = b_.shape_of(b_.base + "decoder.layers.0.self_attn.q_proj.weight");
        return shape && shape->size() == 2 ? shape->back() : hidden_;
    }

    std::string add_encoder() {
        const std::string at = b_.base + "encoder.";
        const TensorList::Shape* conv = b_.shape_of(at + "conv2.weight");
        const std::int64_t hidden = conv && !conv->empty() ? conv->front() : hidden_;
        const std::string sound = b_.values("input_features", b_.config.extent_or("num_mel_bins", 80));
        std::string x = b_.other(at + "embed_positions", "convolutions and positions", {sound}, hidden, frames());
        facts_.ffn = b_.size("encoder_ffn_dim");
        const std::int64_t count = b_.blocks("encoder_layers", at + "layers.");
        for (std::int64_t block = 0; block < count; block++)
            x = add_block(b_, facts_, fmt::format("{}layers.{}.", at, block), x);
        return norm(at + "layer_norm", x);
    }

    std::string norm(const std::string& name, const std::string& x) {
        return b_.config.exists() || b_.has(name + ".weight") ? b_.layer_norm(name, x, facts_.epsilon) : x;
    }

    std::string add_decoder(const std::string& states) {
        const std::string at = b_.base + "decoder.";
        const std::int64_t vocabulary = b_.config.has("vocab_size") ? b_.config.extent("vocab_size") : 0;
        const std::string ids = b_.indices("token_ids");
        std::string x;
        if (b_.has(at + "embed_tokens.weight", true)) {
            const std::vector<EmbeddingTable> tables = {{at + "embed_tokens.weight", ids, vocabulary}};
            x = b_.embedding(at + "embed_tokens", tables, hidden_);
        } else {
            x = b_.values("hidden_states", hidden_of_decoder());
        }
        x = b_.other(at + "embed_positions", "positions", {x});
        facts_.names.cross = kCross;
        facts_.ffn = b_.size("decoder_ffn_dim");
        const std::int64_t count = b_.blocks("decoder_layers", at + "layers.");
        for (std::int64_t block = 0; block < count; block++)
            x = add_block(b_, facts_, fmt::format("{}layers.{}.", at, block), x, states);
        return norm(at + "layer_norm", x);
    }

    void add_classifier(const std::string& states) {
        if (b_.config.flag_or("use_weighted_layer_sum", false))
            b_.refuse("use_weighted_layer_sum: expected false, found true");
        const std::string projected =
            b_.linear("projector", states, {.features = b_.size("classifier_proj_size", 256)});
        const std::string mean = b_.other("classifier.mean", "the mean of an audio's rows", {projected}, 0,
                                          Rows{.unit = Rows::Unit::kSequences});
        b_.output(b_.linear("classifier", mean, {.features = b_.config.labels()}));
    }

    NetworkBuilder& b_;
    std::int64_t hidden_, frames_ = 0;
    BlockFacts facts_;
};

void build(NetworkBuilder& builder) {
    Whisper(builder).build();
}

}  // namespace

const Families& whisper_families() {
    static const Families families = {
        {.model_types = {"whisper"},
         .signatures = {{"whisper",
                         {"decoder.layers.*.encoder_attn.q_proj.weight",
                          "decoder.layers.*.encoder_attn_layer_norm.weight",
                          "decoder.layers.*.self_attn_layer_norm.weight"},
                         {"decoder.layers.*.self_attn.k_proj.bias"}}},
         .prefixes = {"model.", ""},
         .honoured = {"vocab_size", "d_model", "encoder_layers", "decoder_layers", "encoder_attention_heads",
                      "decoder_attention_heads", "encoder_ffn_dim", "decoder_ffn_dim", "activation_function",
                      "max_source_positions", "num_mel_bins", "classifier_proj_size", "use_weighted_layer_sum",
                      "scale_embedding", "max_target_positions", "num_hidden_layers"},
         .indifferent = {"apply_spec_augment", "mask_time_prob", "mask_time_length", "mask_time_min_masks",
                         "mask_feature_prob", "mask_feature_length", "mask_feature_min_masks", "median_filter_width",
                         "max_length"},
         .build = build}};
    return families;
}

}  // namespace octile
