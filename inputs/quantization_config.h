// What a checkpoint's config.json says of how it was quantized: "quantization_config" of compressed-tensors.
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

class QuantizationConfig {
  public:
    // Nothing is ignored, and nothing is asked of inputs.
    QuantizationConfig() = default;

    // Reads `path`, a config.json. One that says nothing of compressed-tensors or torchao ignores nothing; kParseError
    // for one that is not JSON or whose lists are none.
    static Result<QuantizationConfig> read(const std::filesystem::path& path);

    // Whether the ignore list has the layer: by its whole name, or by "re:" and an expression (base/pattern.h) that
    // matches from the name's beginning.
    bool ignores(const std::string& layer) const;

    // Whether the layer's input has a zero point, found row by row while the network runs.
    bool asymmetric_inputs(const std::string& layer) const;

    // What of transform_config happens while the network runs, as a message; empty: nothing. Weights that were rotated
    // when the file was written are like others.
    const std::string& online_rotation() const { return online_rotation_; }

    // Whether some weights were quantized for inputs that stay floats.
    bool weights_alone() const { return weights_alone_; }

  private:
    // Names of layers: whole ones, or "re:" and an expression that matches from the name's beginning.
    struct Names {
        std::unordered_set<std::string> names;
        std::vector<internal::Pattern> expressions;
        bool every_linear = false;

        bool contain(const std::string& layer) const;
    };
    Names read_names(const nlohmann::json& list, const std::string& place);
    void read_groups(const nlohmann::json& groups, const std::string& place);
    void read_torchao(const nlohmann::json& types);

    Names ignored_, asymmetric_;
    std::size_t states_ = 0;  // of all expressions together
    std::string online_rotation_;
    bool weights_alone_ = false;
};

}  // namespace octile
