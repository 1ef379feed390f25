// config.json of Hugging Face transformers as a layer list: the layers that a checkpoint of that configuration holds.
//
// Families, by model_type: bert, roberta, xlm-roberta, camembert; vit, deit; llama, mistral, qwen2, qwen3; whisper.
// Layers are named as the checkpoint's tensors, with '*' for the number of a block: a block's layers are listed once,
// with the number of blocks as count. Heads are those of "architectures" (BertForMaskedLM, LlamaForCausalLM ...).
//
// M is `tokens`, except where the network says it: a pooler and an image's or sequence's classifier see one row, a
// vision transformer's blocks one per patch and one for each class token, Whisper's encoder max_source_positions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "octile/layer.h"
#include "octile/status.h"

namespace octile {

// `text` is the whole file; `path` names it in messages and its stem (or, where that is "config", its folder) names the
// model. kParseError with "path: field: expected ..., found ..."; kInvalidArgument when tokens are needed and missing.
Result<Model> read_model_config(std::string_view text, const std::filesystem::path& path,
                                std::optional<std::int64_t> tokens);

}  // namespace octile
