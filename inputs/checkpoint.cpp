#include "inputs/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <new>
#include <set>
#include <string>
#include <system_error>
#include <utility>

#include "base/input_files.h"
#include "base/json_document.h"
#include "inputs/messages.h"
#include "inputs/sentence_transformers.h"
#include "inputs/text_file.h"

namespace octile {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// What all names may begin with; the first that they do counts.
constexpr std::string_view kPrefixes[] = {"module._orig_mod.", "_orig_mod.module.", "base_model.model.", "module."};
// What may stand in any of them.
constexpr std::string_view kInserted[] = {"_orig_mod.", ".base_layer."};

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

// Of an index that does not fit: what else there is.
std::string whole_file_beside(const fs::path& index) {
    constexpr std::string_view kIndex = ".index.json";
    const std::string name = index.filename().string();
    if (!name.ends_with(kIndex)) return "";
    const fs::path whole = index.parent_path() / name.substr(0, name.size() - kIndex.size());
    std::error_code error;
    if (!fs::is_regular_file(whole, error)) return "";
    return fmt::format("; {} beside it is one file of its own: name that, if the index is an old one", display(whole));
}

}  // namespace

Checkpoint::Checkpoint(SafetensorsFile file) : path_(file.path()) {
    shards_.push_back(std::move(file));
    for (const TensorInfo& tensor : shards_.front().tensors())
        add(tensor);
}

Checkpoint::Checkpoint(GgufModel model)
    : path_(model.path()), gguf_(std::make_unique<const GgufModel>(std::move(model))) {
    for (const TensorInfo& tensor : gguf_->tensors())
        add(tensor);
}

Result<Checkpoint> Checkpoint::open(const fs::path& path, InputFormat format) try {
    if (format == InputFormat::kGguf) {
        Result<GgufModel> model = GgufModel::open(path);
        if (!model.ok()) return model.status();
        return Checkpoint(std::move(model).value());
    }
    Result<Checkpoint> checkpoint = [&]() -> Result<Checkpoint> {
        if (format == InputFormat::kSafetensorsIndex) return open_index(path);
        Result<SafetensorsFile> file = SafetensorsFile::open(path);
        if (!file.ok()) return file.status();
        return Checkpoint(std::move(file).value());
    }();
    if (!checkpoint.ok()) return checkpoint;
    checkpoint->follow_prefixes();
    checkpoint->note_adapter();
    if (Status status = checkpoint->add_modules(); !status.ok()) return status;
    if (Status status = checkpoint->read_quantization(); !status.ok()) return status;
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
            return Status(file.status().code(),
                          fmt::format("{}: weight_map.{}: {}{}", display(path), internal::quote(names.front()),
                                      file.status().message(), whole_file_beside(path)));
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

void Checkpoint::follow_prefixes() {
    const auto all_begin = [&](std::string_view prefix) {
        return !tensors_.empty() && std::all_of(tensors_.begin(), tensors_.end(), [&](const TensorInfo* tensor) {
            return tensor->name.size() > prefix.size() && tensor->name.starts_with(prefix);
        });
    };
    std::size_t cut = 0;
    std::set<std::string> names, removed;
    for (const std::string_view prefix : kPrefixes) {
        if (!all_begin(prefix)) continue;
        cut = prefix.size();
        removed.emplace(prefix);
        break;
    }
    const auto name_of = [&](const std::string& full) {
        std::string name = full.substr(std::min(cut, full.size()));
        for (const std::string_view part : kInserted) {
            for (std::size_t at; (at = name.find(part)) != std::string::npos;) {
                // A whole component.
                if (part.front() != '.' && at > 0 && name[at - 1] != '.') break;
                name.erase(at, part.size() - (part.front() == '.'));
                removed.emplace(part);
            }
        }
        return name;
    };
    for (const TensorInfo* const tensor : tensors_)
        names.insert(name_of(tensor->name));
    // Two tensors of one name after that: they mean something else here.
    if (removed.empty() || names.size() != tensors_.size()) return;
    for (SafetensorsFile& shard : shards_)
        shard.rename(name_of);
    index_.clear();
    for (const TensorInfo* const tensor : tensors_)
        index_.emplace(tensor->name, tensor);
    notes_.push_back(
        fmt::format("{}: names of tensors are taken without {}", display(path_), fmt::join(removed, " and ")));
}

Status Checkpoint::add_modules() {
    for (const ModuleWeights& weights : weights_of_modules(path_.parent_path())) {
        Result<SafetensorsFile> file = SafetensorsFile::open(weights.file);
        if (!file.ok()) return file.status();
        file->rename([&](const std::string& name) { return weights.prefix + name; });
        shards_.push_back(std::move(file).value());
        for (const TensorInfo& tensor : shards_.back().tensors()) {
            if (!find(tensor.name)) add(tensor);
        }
    }
    return {};
}

void Checkpoint::note_adapter() {
    const fs::path adapter = path_.parent_path() / "adapter_model.safetensors";
    std::error_code error;
    if (path_.filename() == adapter.filename() || !fs::exists(adapter, error)) return;
    notes_.push_back(fmt::format("{} is a LoRA adapter, and no part of what is read: merge it into its base first",
                                 display(adapter)));
}

Status Checkpoint::read_quantization() {
    const bool quantized = has_quantized_weights();
    for (const char* const name : {"config.json", "quantize_config.json", "quant_config.json"}) {
        const fs::path config = path_.parent_path() / name;
        std::error_code error;
        add_input(config);  // whether or not its content counts
        if (!fs::exists(config, error)) continue;
        // Weights in floats are what they are, whatever lies beside them.
        Result<QuantizationConfig> quantization = QuantizationConfig::read(config);
        if (!quantization.ok()) return quantized ? quantization.status() : Status();
        quantization_ = std::move(quantization).value();
        if (!quantization_.online_rotation().empty())
            return parse_error(fmt::format("{}: {}", display(config), quantization_.online_rotation()));
        // The files of the methods' own count where config.json says nothing of them.
        if (!quantized || !quantization_.packing().method.empty()) break;
    }
    return {};
}

bool Checkpoint::has_quantized_weights() const {
    return std::any_of(tensors_.begin(), tensors_.end(), [](const TensorInfo* tensor) {
        return tensor->type == DataType::kI8 || tensor->dtype.starts_with("F8_") ||
               (tensor->dtype == "I32" &&
                (tensor->name.ends_with(".qweight") || tensor->name.ends_with(".weight_packed")));
    });
}

const TensorInfo* Checkpoint::find(std::string_view name) const {
    const auto found = index_.find(name);
    return found == index_.end() ? nullptr : found->second;
}

}  // namespace octile
