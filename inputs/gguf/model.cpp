#include "inputs/gguf/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <unordered_set>
#include <utility>

#include "base/json_document.h"
#include "base/limits.h"
#include "inputs/foreign_files.h"
#include "inputs/format.h"
#include "inputs/gguf/values.h"
#include "inputs/messages.h"

namespace octile {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPart = "split.no", kParts = "split.count", kAllTensors = "split.tensors.count";

std::uint64_t count_or(const GgufHeader& header, std::string_view key, std::uint64_t otherwise) {
    const GgufValue* const value = header.find(key);
    return value ? gguf_count(*value, std::string(key)) : otherwise;
}

std::string word_or_nothing(const GgufHeader& header, std::string_view key) {
    const GgufValue* const value = header.find(key);
    return value ? gguf_word(*value, std::string(key)) : "";
}

// Part `index`, from 0 on, of the files that `path` is one of.
fs::path part_beside(const fs::path& path, std::uint64_t index, std::uint64_t count) {
    const std::string name = path.stem().string();
    const std::size_t end = name.rfind('-', name.rfind("-of-") - 1);
    return path.parent_path() /
           fmt::format("{}-{:05}-of-{:05}{}", name.substr(0, end), index + 1, count, path.extension().string());
}

}  // namespace

Result<GgufModel::Part> GgufModel::open_part(const fs::path& path) {
    Result<MappedFile> file = MappedFile::open(path);
    if (!file.ok()) return file.status();
    if (!is_gguf_magic(file->bytes())) {
        if (const std::string what = foreign_file(path); !what.empty())
            return parse_error(fmt::format("{}: found {}", display(path), what));
    }
    Result<GgufHeader> header = parse_gguf_header(file->bytes(), display(path));
    if (!header.ok()) return header.status();
    return Part{std::move(file).value(), std::move(header).value()};
}

Result<GgufModel> GgufModel::open(const fs::path& path) try {
    GgufModel model;
    model.path_ = path;
    Result<Part> first = open_part(path);
    if (!first.ok()) return first.status();
    model.parts_.push_back(std::move(first).value());
    if (Status status = model.open_parts(); !status.ok()) return status;
    model.architecture_name_ = word_or_nothing(model.header(), "general.architecture");
    if (const std::string type = word_or_nothing(model.header(), "general.type"); type == "adapter") {
        return parse_error(display(path) +
                           ": general.type: expected a network, found an adapter: merge it into its base first");
    }
    model.architecture_ = gguf_architecture(model.architecture_name_);
    if (Status status = model.read_tensors(); !status.ok()) return status;
    return model;
} catch (const WrongValue& wrong) {
    return parse_error(fmt::format("{}: {}: {}", display(path), wrong.pointer, wrong.text));
} catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, display(path) + ": not enough memory for its list of tensors");
}

// Of the part that was named, all.
Status GgufModel::open_parts() {
    const std::uint64_t count = count_or(header(), kParts, 1), own = count_or(header(), kPart, 0);
    if (count <= 1) return {};
    const std::string name = display(path_);
    if (count > limits::kGgufParts || own >= count) {
        return parse_error(fmt::format("{}: {}: expected a part below {} of at most {}, found {} of {}", name, kPart,
                                       count, limits::kGgufParts, own, count));
    }
    if (!is_shard(path_) || path_.filename() != part_beside(path_, own, count).filename()) {
        return parse_error(fmt::format("{}: expected the name of part {} of {}, ...-{:05}-of-{:05}.gguf, found another",
                                       name, own + 1, count, own + 1, count));
    }
    std::vector<Part> parts;
    std::uint64_t tensors = 0;
    for (std::uint64_t i = 0; i < count; i++) {
        const fs::path path = part_beside(path_, i, count);
        Result<Part> part = i == own ? Result<Part>(std::move(parts_.front())) : open_part(path);
        if (!part.ok()) {
            return Status(part.status().code(), fmt::format("{}: {}: {} parts make the network: {}", name, kParts,
                                                            count, part.status().message()));
        }
        const std::uint64_t no = count_or(part->header, kPart, 0), of = count_or(part->header, kParts, 1);
        if (no != i || of != count) {
            return parse_error(fmt::format("{}: {}: expected part {} of {}, found part {} of {}", display(path), kPart,
                                           i + 1, count, no + 1, of));
        }
        tensors += part->header.tensors.size();
        parts.push_back(std::move(part).value());
    }
    parts_ = std::move(parts);
    const std::uint64_t expected = count_or(header(), kAllTensors, tensors);
    if (tensors != expected) {
        return parse_error(
            fmt::format("{}: {}: expected {} tensors in all parts, found {}", name, kAllTensors, expected, tensors));
    }
    return {};
}

Status GgufModel::read_tensors() {
    std::size_t count = 0;
    for (const Part& part : parts_)
        count += part.header.tensors.size();
    tensors_.reserve(count);
    file_names_.reserve(count);
    std::unordered_set<std::string_view> names;
    for (Part& part : parts_) {
        for (GgufTensor& stored : part.header.tensors) {
            std::optional<std::string> name;
            if (architecture_) name = transformers_name(*architecture_, stored.name);
            TensorInfo& tensor = tensors_.emplace_back();
            tensor.name = name ? std::move(*name) : stored.name;
            tensor.dtype = stored.type->name;
            tensor.type = stored.type->type;
            tensor.shape = stored.shape;
            tensor.data = stored.data;
            file_names_.push_back(stored.name);
            restore(tensor, stored.name);
            if (names.insert(tensor.name).second) continue;
            fail_at(fmt::format("tensor {}", internal::quote(stored.name)),
                    fmt::format("expected one tensor that is {}, found another", internal::quote(tensor.name)));
        }
    }
    return {};
}

// What the converter did to a tensor, to be undone. Throws WrongValue.
void GgufModel::restore(TensorInfo& tensor, std::string_view file_name) const {
    if (!architecture_) return;
    if (architecture_->norms_plus_one && tensor.name.ends_with("norm.weight")) {
        tensor.shift = 1;
        tensor.type.reset();
    }
    const bool q = tensor.name.find(".q_proj.") != std::string::npos,
               k = tensor.name.find(".k_proj.") != std::string::npos;
    if (!architecture_->paired_rows || !(q || k) || tensor.shape.empty()) return;
    const std::string heads_key = architecture_name_ + ".attention.head_count", key_heads_key = heads_key + "_kv";
    const GgufValue* const heads = header().find(heads_key);
    if (!heads) fail_at(heads_key, "expected a number, found no such key");
    std::uint64_t count = gguf_count(*heads, heads_key);
    if (const GgufValue* const key_heads = header().find(key_heads_key); k && key_heads)
        count = gguf_count(*key_heads, key_heads_key);
    const auto rows = static_cast<std::uint64_t>(tensor.shape.front());
    if (count == 0 || count > rows || rows % (2 * count) != 0) {
        fail_at(fmt::format("tensor {}", internal::quote(file_name)),
                fmt::format("expected rows of {} heads, an even number of each, found {}", count, rows));
    }
    tensor.paired_rows = static_cast<std::int64_t>(rows / count);
    tensor.type.reset();
}

const TensorInfo* GgufModel::find_in_file(std::string_view name) const {
    const auto found = std::find(file_names_.begin(), file_names_.end(), name);
    return found == file_names_.end() ? nullptr : &tensors_[static_cast<std::size_t>(found - file_names_.begin())];
}

}  // namespace octile
