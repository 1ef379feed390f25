// Any file that describes a network, as a Model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "octile/layer.h"
#include "octile/status.h"

namespace octile {

struct ReadOptions {
    // M. Required for weights, which do not know it; replaces every m of a layer list.
    std::optional<std::int64_t> tokens;
    // For weights only: see find_linear_tensors().
    std::string skip;
};

// Whether read_model() takes the file for weights (safetensors).
bool is_weights_file(const std::filesystem::path& path);

// The format follows the extension: .csv, .json or .safetensors in any case. Under another name the content tells: a
// JSON layer list begins with '{', a safetensors file with a length and then '{', and other text is CSV.
//
// kIoError for a file that cannot be read, kParseError for one that is not what it should be, kInvalidArgument for
// options that are wrong or do not go with the format. Messages are one line and name the file (or option) and the
// line, field or tensor. Never throws.
Result<Model> read_model(const std::filesystem::path& path, const ReadOptions& options);

}  // namespace octile
