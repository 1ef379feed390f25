// Swin: attention within windows, in stages of which each has a quarter of the rows of the one before it, twice as
// wide.
//
// transformers/models/swin/modeling_swin.py and configuration_swin.py, 4.57 and 5.24.
#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "base/json_document.h"
#include "families/encoder_block.h"
#include "families/family.h"
#include "families/vision.h"

namespace octile {
namespace {

constexpr BlockNames kBlock = {.self = {.query = "attention.self.query",
                                        .key = "attention.self.key",
                                        .value = "attention.self.value",
                                        .out = "attention.output.dense",
                                        .norm = "layernorm_before"},
                               .up = "intermediate.dense",
                               .down = "output.dense",
                               .norm = "layernorm_after"};

class Swin {
  public:
    explicit Swin(NetworkBuilder& builder) : b_(builder), epsilon_(b_.epsilon("layer_norm_eps", 1e-5)) {}

    void build() {
        const std::vector<std::int64_t> depths = depths_of();
        width_ = b_.config.exists() ? b_.size("embed_dim", 96) : 0;
        side_ = b_.config.exists() ? b_.config.pair_or("image_size", 224) / b_.config.pair_or("patch_size", 4) : 0;
        std::string x = embed();
        for (std::size_t stage = 0; stage < depths.size(); stage++)
            x = add_stage(fmt::format("{}encoder.layers.{}.", b_.base, stage), depths[stage], x);
        add_end(x);
    }

  private:
    // Blocks of each stage.
    std::vector<std::int64_t> depths_of() {
        std::vector<std::int64_t> depths;
        if (b_.config.has("depths")) {
            const nlohmann::json& array = b_.config.at("depths");
            if (!array.is_array()) fail_at("depths", "expected an array of numbers, found " + found(array));
            for (const nlohmann::json& depth : array) {
                if (!depth.is_number_integer() || depth < 1 || depth > 1000)
                    fail_at("depths", "expected numbers from 1 to 1000, found " + found(depth));
                depths.push_back(depth.get<std::int64_t>());
            }
        } else if (b_.config.exists()) {
            depths = {2, 2, 6, 2};
        } else {
            for (std::int64_t count = 1; count > 0;) {
                count = b_.blocks("", fmt::format("{}encoder.layers.{}.blocks.", b_.base, depths.size()));
                if (count > 0) depths.push_back(count);
            }
        }
        return depths;
    }

    Rows rows() const { return rows_of_image(side_ * side_); }

    std::string embed() {
        const std::int64_t channels = b_.config.extent_or("num_channels", 3),
                           patch = b_.config.pair_or("patch_size", 4);
        const std::int64_t values = b_.config.exists() ? patch * patch * channels : 0;
        const std::string at = b_.base + "embeddings.";
        const std::string x =
            b_.patches(at + "patch_embeddings.projection", b_.values("patches", values, rows()), values, width_);
        return b_.layer_norm(at + "norm", x, epsilon_);
    }

    std::string add_stage(const std::string& at, std::int64_t depth, std::string x) {
        const std::int64_t width = b_.features_of(x);
        const bool bias = b_.config.flag_or("qkv_bias", true);
        const std::int64_t ffn =
            b_.config.exists()
                ? std::llround(std::floor(static_cast<double>(width) * b_.config.number_or("mlp_ratio", 4)))
                : 0;
        const BlockFacts facts = {.names = kBlock,
                                  .norm_first = true,
                                  .qkv_bias = bias,
                                  .hidden = b_.config.exists() ? width : 0,
                                  .ffn = ffn,
                                  .epsilon = epsilon_,
                                  .activation = b_.activation_fact("hidden_act", "gelu"),
                                  .why = "attention within windows"};
        for (std::int64_t block = 0; block < depth; block++)
            x = add_block(b_, facts, fmt::format("{}blocks.{}.", at, block), x);
        return add_merging(at + "downsample.", x, width);
    }

    // Four neighbours become one row, in all stages but the last.
    std::string add_merging(const std::string& at, const std::string& x, std::int64_t width) {
        const bool last = !b_.knows_tensors() && at.find(fmt::format(".{}.", last_stage())) != std::string::npos;
        if (last || !b_.has(at + "reduction.weight", true)) return x;
        side_ = (side_ + 1) / 2;
        const std::string four = b_.other(at + "neighbours", "four rows beside each other", {x}, 4 * width, rows());
        return b_.linear(at + "reduction", b_.layer_norm(at + "norm", four, epsilon_),
                         {.features = 2 * width, .bias = false});
    }

    std::size_t last_stage() { return depths_of().size() - 1; }

    void add_end(const std::string& states) {
        const std::string norm = b_.base + "layernorm";
        const std::string x = b_.has(norm + ".weight", true) ? b_.layer_norm(norm, states, epsilon_) : states;
        if (b_.config.architecture_has("ForImageClassification") || b_.has("classifier.weight")) {
            const std::string mean =
                b_.other("pooler", "the mean of the rows", {x}, 0, Rows{.unit = Rows::Unit::kSequences});
            return b_.output(b_.linear("classifier", mean, {.features = b_.config.labels()}));
        }
        b_.refuse_unless_bare();
        b_.output(x);
    }

    NetworkBuilder& b_;
    double epsilon_;
    std::int64_t width_ = 0, side_ = 0;  // of the stage; 0: not known
};

void build(NetworkBuilder& builder) {
    Swin(builder).build();
}

}  // namespace

const Families& swin_families() {
    static const Families families = {
        {.model_types = {"swin"},
         .signatures = {{"swin",
                         {"encoder.layers.*.blocks.*.attention.self.query.weight",
                          "encoder.layers.*.blocks.*.layernorm_before.weight",
                          "encoder.layers.*.downsample.reduction.weight"}}},
         .prefixes = {"", "swin."},
         .honoured = {"image_size", "patch_size", "num_channels", "embed_dim", "depths", "num_heads", "window_size",
                      "mlp_ratio", "qkv_bias", "hidden_act", "layer_norm_eps", "use_absolute_embeddings"},
         // What follows from the others, and backbones.
         .indifferent = {"encoder_stride", "num_layers", "hidden_size", "stage_names", "out_features", "out_indices",
                         "path_norm"},
         .build = build}};
    return families;
}

}  // namespace octile
