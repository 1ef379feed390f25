// config.json of Hugging Face transformers as a layer list: the linears and norms of its network (families/), blocks
// listed once.
//
// Layers are named as the checkpoint's tensors, with '*' for the number of a block, and count says how many there are.
// Heads are those of "architectures" (BertForMaskedLM, LlamaForCausalLM ...).
//
// M is `tokens`, except where the network says it: a pooler and an image's or sequence's classifier see one row, a
// vision transformer's blocks one per patch and one for each class token, Whisper's encoder max_source_positions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "octile/layer.h"
#include "octile/status.h"

namespace octile {

struct ConfigReading {
    std::optional<std::int64_t> tokens;
    std::set<std::string, std::less<>> ignore_keys = {};
};

// `text` is the whole file; `path` names it in messages and its stem (or, where that is "config", its folder) names the
// model. kParseError with "path: field: expected ..., found ..."; kInvalidArgument when tokens are needed and missing.
// The model's notes name each key that nobody knows.
Result<Model> read_model_config(std::string_view text, const std::filesystem::path& path, const ConfigReading& reading);

// What a configuration at `path` calls its network: the file's stem, or, where that is "config", its folder.
std::string name_of_model(const std::filesystem::path& path);

std::string unknown_key_note(const std::filesystem::path& config, std::string_view key, std::string_view model_type);

}  // namespace octile
