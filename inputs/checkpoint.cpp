#include "inputs/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <new>
#include <string>
#include <system_error>
#include <utility>

#include "base/input_files.h"
#include "inputs/json_document.h"
#include "inputs/messages.h"
#include "inputs/text_file.h"

namespace octile {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Shard -> names of its tensors.
using Shards = std::map<std::string, std::vector<std::string>>;

Result<Shards> read_index(const fs::path& path) {
    const Result<std::string> text = read_text_file(path);
    if (!text.ok()) return text.status();
    Shards shards;
    Status status = read_json(text.value(), display(path), [&](const json& document) {
        if (!document.is_object()) fail_at("$", "expected an object with a \"weight_map\", found " + found(document));
        if (!document.contains("weight_map")) fail_at("weight_map", "expected an object, found no such key");
        const json& map = document["weight_map"];
        if (!map.is_object()) fail_at("weight_map", "expected an object, found " + found(map));
        for (const auto& [tensor, file] : map.items()) {
            const std::string pointer = "weight_map." + internal::quote(tensor);
            const std::string& shard = string_at(file, pointer);
            // A name and no path: an index does not reach beyond its folder.
            if (shard.empty() || shard.find('/') != std::string::npos || shard == "." || shard == ".." ||
                !internal::is_printable(shard)) {
                fail_at(pointer, "expected the name of a file in the same folder, found " + internal::quote(shard));
            }
            shards[shard].push_back(tensor);
        }
        if (shards.empty()) fail_at("weight_map", "expected at least one tensor, found none");
    });
    if (!status.ok()) return status;
    return shards;
}

}  // namespace

Checkpoint::Checkpoint(SafetensorsFile file) : path_(file.path()) {
    shards_.push_back(std::move(file));
    for (const TensorInfo& tensor : shards_.front().tensors())
        add(tensor);
}

Result<Checkpoint> Checkpoint::open(const fs::path& path, InputFormat format) try {
    Result<Checkpoint> checkpoint = [&]() -> Result<Checkpoint> {
        if (format == InputFormat::kSafetensorsIndex) return open_index(path);
        Result<SafetensorsFile> file = SafetensorsFile::open(path);
        if (!file.ok()) return file.status();
        return Checkpoint(std::move(file).value());
    }();
    if (!checkpoint.ok()) return checkpoint;
    const fs::path config = path.parent_path() / "config.json";
    std::error_code error;
    add_input(config);  // not for every checkpoint it is read
    if (checkpoint->has_int8_weights() && fs::exists(config, error)) {
        Result<QuantizationConfig> quantization = QuantizationConfig::read(config);
        if (!quantization.ok()) return quantization.status();
        checkpoint->quantization_ = std::move(quantization).value();
    }
    return checkpoint;
} catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, display(path) + ": not enough memory for its list of tensors");
}

Result<Checkpoint> Checkpoint::open_index(const fs::path& path) {
    const Result<Shards> shards = read_index(path);
    if (!shards.ok()) return shards.status();
    Checkpoint checkpoint;
    checkpoint.path_ = path;
    checkpoint.shards_.reserve(shards->size());
    for (const auto& [shard, names] : shards.value()) {
        Result<SafetensorsFile> file = SafetensorsFile::open(path.parent_path() / shard);
        if (!file.ok()) {
            return Status(file.status().code(), fmt::format("{}: weight_map.{}: {}", display(path),
                                                            internal::quote(names.front()), file.status().message()));
        }
        checkpoint.shards_.push_back(std::move(file).value());
        const SafetensorsFile& opened = checkpoint.shards_.back();
        for (const std::string& name : names) {
            if (opened.find(name) != nullptr) continue;
            return parse_error(fmt::format("{}: weight_map.{}: expected the tensor in {}, found none of that name",
                                           display(path), internal::quote(name), shard));
        }
        const auto& listed = names;  // sorted: keys of a JSON object
        for (const TensorInfo& tensor : opened.tensors()) {
            if (std::binary_search(listed.begin(), listed.end(), tensor.name)) checkpoint.add(tensor);
        }
    }
    return checkpoint;
}

void Checkpoint::add(const TensorInfo& tensor) {
    tensors_.push_back(&tensor);
    index_.emplace(tensor.name, &tensor);
}

bool Checkpoint::has_int8_weights() const {
    return std::any_of(tensors_.begin(), tensors_.end(), [](const TensorInfo* tensor) {
        return tensor->type == DataType::kI8 && tensor->name.ends_with(".weight");
    });
}

const TensorInfo* Checkpoint::find(std::string_view name) const {
    const auto found = index_.find(name);
    return found == index_.end() ? nullptr : found->second;
}

}  // namespace octile
