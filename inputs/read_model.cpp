#include "inputs/read_model.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <fstream>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>

#include "inputs/csv_layers.h"
#include "inputs/json_layers.h"
#include "inputs/layer_rules.h"
#include "inputs/linear_tensors.h"
#include "inputs/messages.h"
#include "inputs/safetensors.h"
#include "inputs/text_file.h"

namespace octile {
namespace {

enum class Format { kUnknown, kCsv, kJson, kSafetensors };

Format format_by_extension(const std::filesystem::path& path) {
    std::string extension = path.extension().string();
    for (char& c : extension)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (extension == ".csv") return Format::kCsv;
    if (extension == ".json") return Format::kJson;
    if (extension == ".safetensors") return Format::kSafetensors;
    return Format::kUnknown;
}

// Only a regular file can be looked at twice, and only a regular file can be mapped.
bool looks_like_safetensors(const std::filesystem::path& path) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error)) return false;
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    std::array<char, 9> start = {};
    std::ifstream file(path, std::ios::binary);
    if (error || !file.read(start.data(), start.size())) return false;
    std::uint64_t header_bytes = 0;
    std::memcpy(&header_bytes, start.data(), sizeof(header_bytes));
    return start[8] == '{' && header_bytes <= size - sizeof(header_bytes);
}

// kUnknown: some other text, which tells by its first character.
Format format_of(const std::filesystem::path& path) {
    const Format format = format_by_extension(path);
    return format == Format::kUnknown && looks_like_safetensors(path) ? Format::kSafetensors : format;
}

Result<Model> read_weights(const std::filesystem::path& path, const ReadOptions& options) {
    Result<SafetensorsFile> file = SafetensorsFile::open(path);
    if (!file.ok()) return file.status();
    if (!options.tokens) {
        return Status(StatusCode::kInvalidArgument,
                      display(path) + ": expected --tokens N: weights do not say how many rows they are applied to");
    }
    Result<LinearTensors> found = find_linear_tensors(*file.operator->(), *options.tokens, options.skip);
    if (!found.ok()) return found.status();
    Model model = {.name = display(path.stem()), .layers = {}};
    model.layers.reserve(found->layers.size());
    for (LinearTensor& tensor : found->layers)
        model.layers.push_back(std::move(tensor.layer));
    return model;
}

Result<Model> read_list(const std::filesystem::path& path, const ReadOptions& options, Format format) {
    if (!options.skip.empty()) {
        return Status(
            StatusCode::kInvalidArgument,
            display(path) +
                ": expected --skip with .safetensors files only: a layer list leaves a layer out by not naming it");
    }
    const Result<std::string> text = read_text_file(path);
    if (!text.ok()) return text.status();
    if (format == Format::kUnknown) {
        const std::size_t start = text.value().find_first_not_of(" \t\r\n");
        format = start != std::string::npos && text.value()[start] == '{' ? Format::kJson : Format::kCsv;
    }
    Result<Model> model =
        format == Format::kJson ? parse_json_layers(text.value(), path) : parse_csv_layers(text.value(), path);
    if (model.ok() && options.tokens) {
        for (Layer& layer : model->layers)
            layer.m = *options.tokens;
    }
    return model;
}

}  // namespace

bool is_weights_file(const std::filesystem::path& path) {
    return format_of(path) == Format::kSafetensors;
}

Result<Model> read_model(const std::filesystem::path& path, const ReadOptions& options) {
    try {
        if (options.tokens && (*options.tokens < 1 || *options.tokens > max_of("m"))) {
            return Status(StatusCode::kInvalidArgument,
                          "--tokens: " + wrong_extent("m", std::to_string(*options.tokens)));
        }
        const Format format = format_of(path);
        return format == Format::kSafetensors ? read_weights(path, options) : read_list(path, options, format);
    } catch (const std::bad_alloc&) {
        return Status(StatusCode::kOutOfMemory, display(path) + ": not enough memory to read it");
    }
}

}  // namespace octile
