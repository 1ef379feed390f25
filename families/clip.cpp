// CLIP and SigLIP: a tower of text and one of images, or one of them alone.
//
// transformers/models/{clip,siglip}/modeling_*.py and configuration_*.py, 4.57 and 5.24.
#include <utility>

#include "families/encoder_block.h"
#include "families/family.h"
#include "families/vision.h"

namespace octile {
namespace {

constexpr BlockNames kBlock = {.self = {.query = "self_attn.q_proj",
                                        .key = "self_attn.k_proj",
                                        .value = "self_attn.v_proj",
                                        .out = "self_attn.out_proj",
                                        .norm = "layer_norm1"},
                               .up = "mlp.fc1",
                               .down = "mlp.fc2",
                               .norm = "layer_norm2"};

constexpr Rows kOneRow = {.unit = Rows::Unit::kSequences};

// One of the two. `at` is what its names begin with, `config` its part of the configuration.
class Tower {
  public:
    Tower(NetworkBuilder& builder, Config config, std::string at)
        : b_(builder),
          config_(config),
          at_(std::move(at)),
          siglip_(b_.model_type.starts_with("siglip")),
          hidden_(size("hidden_size", 768)),
          ffn_(size("intermediate_size", 3072)),
          epsilon_(config_.number_or("layer_norm_eps", siglip_ ? 1e-6 : 1e-5)) {
        const std::string word = config_.word_or("hidden_act", siglip_ ? "gelu_pytorch_tanh" : "quick_gelu");
        activation_ = {activation_called(word), word, !config_.exists()};
    }

    // The row of each text that is read on.
    std::string text() {
        const std::string at = at_ + "embeddings.";
        const std::int64_t positions = config_.extent_or("max_position_embeddings", siglip_ ? 64 : 77);
        std::string x = b_.embedding(at_ + "embeddings",
                                     {{at + "token_embedding.weight", b_.indices("token_ids"), size("vocab_size", 0)},
                                      {at + "position_embedding.weight", "", config_.exists() ? positions : 0}},
                                     width(siglip_ ? 768 : 512));
        x = b_.layer_norm(at_ + "final_layer_norm", blocks(x, !siglip_), epsilon_);
        const std::string row = siglip_ ? b_.pool(at_ + "last", x, Pooling::kLast)
                                        : b_.other(at_ + "end", "the row of the end of a text", {x}, 0, kOneRow);
        if (!siglip_ || !b_.has(at_ + "head.weight", true)) return row;
        return b_.linear(at_ + "head", row,
                         {.features = size("projection_size", 0) > 0 ? size("projection_size", 0) : hidden_});
    }

    // The rows of each image.
    std::string image() {
        const std::int64_t side = config_.extent_or("image_size", 224),
                           patch = config_.extent_or("patch_size", siglip_ ? 16 : 32);
        const std::int64_t values = config_.exists() ? patch * patch * config_.extent_or("num_channels", 3) : 0;
        Patches patches = {config_.exists() ? (side / patch) * (side / patch) : 0, values};
        std::string x = add_patches(b_, at_ + "embeddings.patch_embedding", patches, hidden_, siglip_ ? 0 : 1, siglip_);
        if (!siglip_) x = b_.layer_norm(at_ + "pre_layrnorm", x, epsilon_);
        return blocks(x, false);
    }

    // The row that stands for an image.
    std::string image_row(const std::string& x) {
        const std::string norm = at_ + "post_layernorm";
        if (!siglip_) return b_.layer_norm(norm, row_of_image(b_, at_ + "class", x), epsilon_);
        const std::string y = b_.layer_norm(norm, x, epsilon_);
        return b_.has(at_ + "head.attention.in_proj_weight", config_.flag_or("vision_use_head", true)) ? pooled(y) : y;
    }

    std::int64_t hidden() const { return hidden_; }
    double epsilon() const { return epsilon_; }

  private:
    std::int64_t size(const char* key, std::int64_t otherwise) const {
        if (config_.has(key)) return config_.extent(key);
        return b_.knows_tensors() ? 0 : otherwise;
    }

    // What the blocks read, where no table tells it.
    std::int64_t width(std::int64_t otherwise) const {
        const TensorList::Shape* shape = b_.shape_of(at_ + "encoder.layers.0.self_attn.q_proj.weight");
        return shape && shape->size() == 2 ? shape->back() : size("hidden_size", otherwise);
    }

    std::string blocks(std::string x, bool causal) {
        const BlockFacts facts = {.names = kBlock,
                                  .norm_first = true,
                                  .hidden = hidden_,
                                  .ffn = ffn_,
                                  .heads = config_.exists() ? config_.extent_or("num_attention_heads", 12) : 0,
                                  .epsilon = epsilon_,
                                  .activation = activation_,
                                  .causal = causal};
        return add_blocks(b_, facts, "num_hidden_layers", at_ + "encoder.layers.", std::move(x),
                          config_.extent_or("num_hidden_layers", 12));
    }

    // SigLIP's: a query that was learned attends to all rows. One linear makes the queries of it, keys and values of
    // them.
    std::string pooled(const std::string& x) {
        const std::string at = at_ + "head.";
        const std::string both = b_.other(at + "probe", "the learned query and the rows", {x});
        const std::string qkv = b_.linear(at + "attention.in_proj", both,
                                          {.features = 3 * hidden_,
                                           .weight = at + "attention.in_proj_weight",
                                           .shift = at + "attention.in_proj_bias"});
        const std::string attended =
            b_.other(at + "attention", "attention over parts of one linear", {qkv}, b_.features_of(x), kOneRow);
        const std::string y = b_.linear(at + "attention.out_proj", attended, {.features = hidden_});
        const std::string z =
            b_.linear(at + "mlp.fc1", b_.layer_norm(at + "layernorm", y, epsilon_), {.features = ffn_});
        return b_.add(at + "residual", y,
                      b_.linear(at + "mlp.fc2", b_.activation(at + "mlp.act", z, activation_), {.features = hidden_}));
    }

    NetworkBuilder& b_;
    Config config_;
    std::string at_;
    bool siglip_;
    std::int64_t hidden_, ffn_;
    double epsilon_;
    ActivationFact activation_;
};

std::string project(NetworkBuilder& b, const std::string& name, const std::string& x) {
    if (!b.has(name + ".weight", true)) return x;
    return b.linear(name, x, {.features = b.config.exists() ? b.size("projection_dim", 512) : 0, .bias = false});
}

void refuse_others(NetworkBuilder& b) {
    if (!b.config.architecture().ends_with("WithProjection")) b.refuse_unless_bare();
}

void build_text(NetworkBuilder& b) {
    refuse_others(b);
    const std::string row = Tower(b, b.config, b.base).text();
    const bool projects = b.has("text_projection.weight", b.config.architecture_has("WithProjection"));
    b.output(projects ? project(b, "text_projection", row) : row);
}

void build_image(NetworkBuilder& b) {
    refuse_others(b);
    Tower tower(b, b.config, b.base);
    const std::string row = tower.image_row(tower.image());
    const bool projects = b.has("visual_projection.weight", b.config.architecture_has("WithProjection"));
    b.output(projects ? project(b, "visual_projection", row) : row);
}

// The mean of an image's rows, of which SigLIP has the norm before.
void build_classifier(NetworkBuilder& b, Tower& tower, const std::string& at, bool siglip) {
    std::string x = tower.image();
    if (siglip) x = b.layer_norm(at + "post_layernorm", x, tower.epsilon());
    const std::string mean = b.other("classifier.mean", "the mean of the rows", {x}, 0, kOneRow);
    b.output(b.linear("classifier", mean, {.features = b.config.labels()}));
}

void build_both(NetworkBuilder& b) {
    const bool siglip = b.is("siglip");
    const std::string text = "text_model.", image = "vision_model.";
    Tower tower(b, b.config.object("vision_config"), image);
    if (b.config.architecture_has("ForImageClassification") || b.has("classifier.weight"))
        return build_classifier(b, tower, image, siglip);
    refuse_others(b);
    const std::string picture = tower.image_row(tower.image());
    b.output(siglip ? picture : project(b, "visual_projection", picture));
    if (!b.has(text + "final_layer_norm.weight", true)) return;
    const std::string row = Tower(b, b.config.object("text_config"), text).text();
    b.output(siglip ? row : project(b, "text_projection", row));
}

}  // namespace

const Families& clip_families() {
    static const Words sizes = {"hidden_size",         "intermediate_size", "num_hidden_layers",
                                "num_attention_heads", "hidden_act",        "layer_norm_eps"};
    static const Words text =
                           sizes + Words{"vocab_size", "max_position_embeddings", "projection_dim", "projection_size"},
                       image = sizes +
                               Words{"image_size", "patch_size", "num_channels", "projection_dim", "vision_use_head"};
    static const Words both = {"text_config", "vision_config", "projection_dim"};
    // Of training; the older forms of the two parts, which transformers passes over where the newer are there.
    static const Words indifferent = {"logit_scale_init_value", "text_config_dict", "vision_config_dict",
                                      "initializer_factor"};
    static const Words tower = {"encoder.layers.*.self_attn.q_proj.weight", "encoder.layers.*.layer_norm1.weight"};
    static const Words towers = {"vision_model.encoder.layers.*.self_attn.q_proj.weight",
                                 "vision_model.post_layernorm.weight"};
    static const Words texts = {"text_model.encoder.layers.*.self_attn.q_proj.weight"};
    static const Families families = {
        {.model_types = {"clip"},
         .signatures = {{"clip",
                         towers + texts + Words{"visual_projection.weight", "vision_model.pre_layrnorm.weight"}}},
         .prefixes = {""},
         .honoured = both,
         .indifferent = indifferent,
         .build = build_both},
        {.model_types = {"siglip"},
         .signatures = {{"siglip", towers + texts + Words{"vision_model.head.probe"}}},
         .prefixes = {""},
         .honoured = both,
         .indifferent = indifferent,
         .build = build_both},
        {.model_types = {"clip_text_model", "siglip_text_model"},
         .signatures = {{"clip_text_model",
                         tower + Words{"embeddings.token_embedding.weight", "final_layer_norm.weight"},
                         {"head.weight"}},
                        {"siglip_text_model",
                         tower + Words{"embeddings.token_embedding.weight", "final_layer_norm.weight", "head.weight"}}},
         .prefixes = {"text_model.", ""},
         .honoured = text,
         .indifferent = indifferent,
         .build = build_text},
        {.model_types = {"clip_vision_model", "siglip_vision_model"},
         .signatures = {{"clip_vision_model",
                         tower + Words{"embeddings.patch_embedding.weight", "pre_layrnorm.weight"}},
                        {"siglip_vision_model", tower + Words{"embeddings.patch_embedding.weight", "head.probe"}}},
         .prefixes = {"vision_model.", ""},
         .honoured = image,
         .indifferent = indifferent,
         .build = build_image}};
    return families;
}

}  // namespace octile
