// What a checkpoint's config.json says of how it was quantized: "quantization_config" of compressed-tensors, torchao,
// GPTQ and AWQ.
#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/pattern.h"
#include "octile/status.h"

namespace octile {

// How GPTQ and AWQ packed levels into words.
struct Packing {
    std::string method = {};  // "gptq", "awq", "compressed-tensors"; empty: nobody says
    std::string layout = {};  // checkpoint_format of GPTQ, version of AWQ, in lower case; empty: the usual one
    int bits = 0;             // of most linears; 0: nobody says
};

class QuantizationConfig {
  public:
    // Nothing is ignored, and nothing is asked of inputs.
    QuantizationConfig() = default;

    // Reads `path`: a config.json, or, with the same keys in no object of their own, quantize_config.json of AutoGPTQ
    // or quant_config.json of AutoAWQ. One that says nothing of those methods ignores nothing; kParseError for one that
    // is not JSON or whose lists are none.
    static Result<QuantizationConfig> read(const std::filesystem::path& path);

    // Whether a list of what was left as it is has the layer: "ignore", by its whole name, or by "re:" and an
    // expression (base/pattern.h) that matches from the name's beginning; "modules_to_not_convert", by a part of its
    // name; "dynamic", by "-:" and an expression likewise.
    bool ignores(const std::string& layer) const;

    // Whether the layer's input has a zero point, found row by row while the network runs.
    bool asymmetric_inputs(const std::string& layer) const;

    // Whether the layer's input becomes floats of few bits, whose scales are not those of int8.
    bool float_inputs(const std::string& layer) const;

    // What of transform_config happens while the network runs, as a message; empty: nothing. Weights that were rotated
    // when the file was written are like others.
    const std::string& online_rotation() const { return online_rotation_; }

    // Whether some weights were quantized for inputs that stay floats.
    bool weights_alone() const { return weights_alone_; }

    const Packing& packing() const { return packing_; }
    // Bits of a layer's weights by the config_groups of compressed-tensors; 0: they do not say.
    int weight_bits(const std::string& layer) const;

  private:
    // Names of layers: whole ones, parts, or an expression that matches from the name's beginning.
    struct Names {
        std::unordered_set<std::string> names;
        std::vector<internal::Pattern> expressions;
        std::vector<std::string> parts = {};  // of names
        bool every_linear = false;

        bool contain(const std::string& layer) const;
        void add(Names&& others);
    };
    Names read_names(const nlohmann::json& list, const std::string& place);
    void read_groups(const nlohmann::json& groups, const std::string& place);
    void read_torchao(const nlohmann::json& types);
    void read_packing(const nlohmann::json& quantization, const std::string& place);
    internal::Pattern counted(internal::Pattern expression, const std::string& pointer);

    // Of one of config_groups.
    struct Bits {
        Names targets;
        int bits = 0;
    };

    Names ignored_, asymmetric_, float_inputs_;
    std::vector<Bits> bits_;
    Packing packing_;
    std::size_t states_ = 0;  // of all expressions together
    std::string online_rotation_;
    bool weights_alone_ = false;
};

}  // namespace octile
