// Any file that describes a network, as a Model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "inputs/checkpoint.h"
#include "inputs/format.h"
#include "inputs/linear_tensors.h"
#include "octile/layer.h"
#include "octile/status.h"

namespace octile {

struct ReadOptions {
    // M. Required for weights and configurations, which do not know it; in an ONNX graph the value of what it leaves
    // open; replaces every m of a layer list.
    std::optional<std::int64_t> tokens;
    // For weights only: layers whose name it finds are left out (find_linear_tensors()).
    std::string skip;
    // Empty: found out by detect_format() and detect_text_format().
    std::optional<InputFormat> format = std::nullopt;
    // Of weights: layers that are left out where they cannot be read, and linears that lie [K, N] (weight_rules.h). Of
    // no other format.
    std::string may_skip = {};
    std::string transposed = {};
    // Keys of config.json that are as if they were not there.
    std::set<std::string, std::less<>> ignore_keys = {};
    // Of an ONNX graph: extents that it leaves open, by name.
    std::map<std::string, std::int64_t> dims = {};
};

// The weights of a file, or of a folder that holds a checkpoint; empty when it is another description of a network.
Result<std::optional<Checkpoint>> open_weights(const std::filesystem::path& path, const ReadOptions& options);

// The layers of weights, by those options; `tokens` has to be there.
Result<LinearTensors> find_linear_tensors(const Checkpoint& checkpoint, const ReadOptions& options);

// Whether open_weights() finds weights. Looks at the file's name and content, and at no tensor.
bool is_weights(const std::filesystem::path& path, const ReadOptions& options);

// A folder stands for the checkpoint in it (file_of_checkpoint).
//
// kIoError for a file that cannot be read, kParseError for one that is not what it should be, kInvalidArgument for
// options that are wrong or do not go with the format, kUnsupported for ONNX in a build without its reader. Messages
// are one line and name the file (or option) and the line, field, tensor or node. Never throws.
Result<Model> read_model(const std::filesystem::path& path, const ReadOptions& options);

}  // namespace octile
