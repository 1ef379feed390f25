// The formats that describe a network, and how a file tells which of them it has.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace octile {

enum class InputFormat {
    kCsv,               // csv             layer list
    kJson,              // json            layer list
    kBenchdnn,          // benchdnn        problems of oneDNN's benchdnn, as in a --batch file
    kOnednnVerbose,     // onednn-verbose  log of a program run with ONEDNN_VERBOSE=1
    kSafetensors,       // safetensors     weights
    kSafetensorsIndex,  // safetensors-index  model.safetensors.index.json: weights in several files
    kModelConfig,       // config          config.json of Hugging Face transformers
    kOnnx,              // onnx
    kGguf,              // gguf            weights and what the network is, of llama.cpp
};

std::string_view name_of(InputFormat format);
std::optional<InputFormat> parse_input_format(std::string_view name);
std::span<const std::string_view> input_format_names();

// What the name (.csv, .safetensors, .safetensors.index.json, .onnx, .gguf, in any case) or the first bytes of a binary
// file tell. Empty: some text, which detect_text_format() tells apart once it has been read. Reads regular files only,
// for nothing else can be read twice.
std::optional<InputFormat> detect_format(const std::filesystem::path& path);

// By the first keys of a JSON object (weight_map: safetensors-index; model_type or architectures without layers:
// config; else json); by what a line begins with elsewhere (onednn_verbose or dnnl_verbose; an option or a problem of
// benchdnn); else csv.
InputFormat detect_text_format(std::string_view text);

// The file to read for a folder that holds a checkpoint: model.safetensors.index.json, model.safetensors, the same of
// diffusion_pytorch_model, the only *.safetensors there is, the only *.gguf (or the first part of the only one in
// parts), or config.json; the first of them. `path` itself for anything else.
std::filesystem::path file_of_checkpoint(const std::filesystem::path& path);

// Those names, for messages.
std::string checkpoint_names();

// Whether a file is called as one of several of a checkpoint, model-00001-of-00002.safetensors.
bool is_shard(const std::filesystem::path& file);

}  // namespace octile
