// What a checkpoint's config.json says of how it was quantized: "quantization_config" of compressed-tensors.
#pragma once

#include <filesystem>
#include <regex>
#include <string>
#include <vector>

#include "octile/status.h"

namespace octile {

class QuantizationConfig {
  public:
    // Nothing is ignored.
    QuantizationConfig() = default;

    // Reads `path`, a config.json. One that says nothing of compressed-tensors ignores nothing; kParseError for one
    // that is not JSON or whose ignore list is none.
    static Result<QuantizationConfig> read(const std::filesystem::path& path);

    // Whether the ignore list has the layer: by its whole name, or by "re:" and an expression that matches from the
    // name's beginning.
    bool ignores(const std::string& layer) const;

  private:
    std::vector<std::string> names_;
    std::vector<std::regex> expressions_;
};

}  // namespace octile
