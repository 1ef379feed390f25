#include "inputs/format.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <span>
#include <string>
#include <system_error>

#include "base/names.h"
#include "inputs/gguf/header.h"
#include "inputs/onednn_problem.h"
#include "inputs/sentence_transformers.h"
#include "inputs/verbose_layers.h"

namespace octile {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 9> kFormatNames = {
    "csv", "json", "benchdnn", "onednn-verbose", "safetensors", "safetensors-index", "config", "onnx", "gguf"};

// Lines that are looked at before a text counts as CSV: a log may begin with what the program itself prints.
constexpr int kLinesToTell = 200;

std::optional<InputFormat> format_by_bytes(const fs::path& path) {
    std::error_code error;
    if (!fs::is_regular_file(path, error)) return std::nullopt;
    const std::uintmax_t size = fs::file_size(path, error);
    std::array<char, 9> start = {};
    std::ifstream file(path, std::ios::binary);
    if (error || !file.read(start.data(), start.size())) return std::nullopt;
    std::uint64_t header_bytes = 0;
    std::memcpy(&header_bytes, start.data(), sizeof(header_bytes));
    if (start[8] == '{' && header_bytes <= size - sizeof(header_bytes)) return InputFormat::kSafetensors;
    if (is_gguf_magic(std::as_bytes(std::span(start)))) return InputFormat::kGguf;
    // ModelProto's first field as every writer has it: ir_version, a varint of one byte; then another field.
    if (start[0] == 0x08 && start[1] > 0 && start[1] < 0x20 && start[2] != 0) return InputFormat::kOnnx;
    return std::nullopt;
}

InputFormat format_of_object(std::string_view text) {
    const auto has = [&](std::string_view key) { return text.find(key) != std::string_view::npos; };
    if (has("\"weight_map\"")) return InputFormat::kSafetensorsIndex;
    if (has("\"layers\"")) return InputFormat::kJson;
    if (has("\"model_type\"") || has("\"architectures\"")) return InputFormat::kModelConfig;
    return InputFormat::kJson;
}

}  // namespace

std::string_view name_of(InputFormat format) {
    return internal::enum_name(kFormatNames, format);
}

std::optional<InputFormat> parse_input_format(std::string_view name) {
    return internal::enum_from_name<InputFormat>(kFormatNames, name);
}

std::span<const std::string_view> input_format_names() {
    return kFormatNames;
}

std::optional<InputFormat> detect_format(const fs::path& path) {
    std::string name = path.filename().string();
    for (char& c : name)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (name.ends_with(".csv")) return InputFormat::kCsv;
    if (name.ends_with(".safetensors")) return InputFormat::kSafetensors;
    if (name.ends_with(".safetensors.index.json")) return InputFormat::kSafetensorsIndex;
    if (name.ends_with(".onnx")) return InputFormat::kOnnx;
    if (name.ends_with(".gguf")) return InputFormat::kGguf;
    if (name.ends_with(".json")) return std::nullopt;
    return format_by_bytes(path);
}

InputFormat detect_text_format(std::string_view text) {
    const std::size_t start = text.find_first_not_of(" \t\r\n");
    if (start == std::string_view::npos) return InputFormat::kCsv;
    if (text[start] == '{') return format_of_object(text);
    for (int line = 0; line < kLinesToTell && !text.empty(); ++line) {
        std::string_view content = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(content.size() + 1, text.size()));
        if (is_verbose_line(content)) return InputFormat::kOnednnVerbose;
        content.remove_prefix(std::min(content.find_first_not_of(" \t"), content.size()));
        if (line == 0 || !content.starts_with('#')) {
            if (content.starts_with("--") || looks_like_problem(content)) return InputFormat::kBenchdnn;
        }
    }
    return InputFormat::kCsv;
}

namespace {

constexpr std::string_view kWholeNames[] = {"model.safetensors", "diffusion_pytorch_model.safetensors"};
constexpr std::string_view kIndexEnding = ".index.json";
constexpr std::string_view kAdapter = "adapter_model.safetensors";

// The only *.safetensors of a folder that is no adapter and no part of several; empty: none, or more than one.
fs::path only_safetensors(const fs::path& folder) {
    fs::path only;
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
        const fs::path& file = entry->path();
        std::error_code ignored;
        if (file.extension() != ".safetensors" || file.filename() == kAdapter || is_shard(file) ||
            !entry->is_regular_file(ignored))
            continue;
        if (!only.empty()) return {};
        only = file;
    }
    return only;
}

// The only *.gguf of a folder, or the first part of the only one in parts; empty: none, or more than one.
fs::path only_gguf(const fs::path& folder) {
    fs::path only;
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
        const fs::path& file = entry->path();
        std::error_code ignored;
        const bool later = is_shard(file) && file.stem().string().find("-00001-of-") == std::string::npos;
        if (file.extension() != ".gguf" || later || !entry->is_regular_file(ignored)) continue;
        if (!only.empty()) return {};
        only = file;
    }
    return only;
}

fs::path weights_in(const fs::path& folder) {
    std::error_code error;
    for (const std::string_view whole : kWholeNames) {
        for (const std::string& name : {std::string(whole) + std::string(kIndexEnding), std::string(whole)})
            if (fs::is_regular_file(folder / name, error)) return folder / name;
    }
    if (fs::path only = only_safetensors(folder); !only.empty()) return only;
    return only_gguf(folder);
}

}  // namespace

bool is_shard(const fs::path& file) {
    // model-00001-of-00002.safetensors
    const std::string name = file.stem().string();
    const std::size_t of = name.rfind("-of-");
    if (of == std::string::npos || of < 6) return false;
    const auto is_number = [](std::string_view text) {
        return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
    };
    const std::size_t dash = name.rfind('-', of - 1);
    return dash != std::string::npos && is_number(std::string_view(name).substr(dash + 1, of - dash - 1)) &&
           is_number(std::string_view(name).substr(of + 4));
}

std::string checkpoint_names() {
    std::string names;
    for (const std::string_view whole : kWholeNames)
        names += std::string(whole) + std::string(kIndexEnding) + ", " + std::string(whole) + ", ";
    return names + "one *.safetensors or *.gguf, or config.json in it";
}

fs::path file_of_checkpoint(const fs::path& path) {
    std::error_code error;
    if (!fs::is_directory(path, error)) return path;
    if (fs::path weights = weights_in(path); !weights.empty()) return weights;
    const fs::path network = network_folder(path);
    if (fs::path weights = weights_in(network); !weights.empty()) return weights;
    if (fs::is_regular_file(network / "config.json", error)) return network / "config.json";
    return path;
}

}  // namespace octile
