// sentence_transformers/sentence_transformer/modules/pooling.py and model.py, 5.1 and 6.2.
#include "inputs/sentence_transformers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "base/json_document.h"
#include "inputs/messages.h"
#include "inputs/text_file.h"

namespace octile {
namespace {

using internal::quote;
using nlohmann::json;
namespace fs = std::filesystem;

constexpr const char* kModules = "modules.json";

struct Module {
    std::string type;  // the class's own name
    std::string path;  // of its folder; empty: the folder of modules.json
};

constexpr const char* kExpected = "expected one of mean_tokens, cls_token and lasttoken, found ";

std::vector<Module> modules_of(const json& list) {
    if (!list.is_array()) fail_at("$", "expected an array, found " + found(list));
    std::vector<Module> modules;
    for (std::size_t i = 0; i < list.size(); i++) {
        const auto field = [&](const char* key) { return fmt::format("[{}].{}", i, key); };
        if (!list[i].is_object() || !list[i].contains("type")) fail_at(field("type"), "expected a string, found none");
        const std::string& type = string_at(list[i]["type"], field("type"));
        Module& module = modules.emplace_back();
        module.type = type.substr(type.rfind('.') + 1);
        if (list[i].contains("path"))
            module.path = string_at(list[i]["path"], field("path"));
        else if (module.type == "Pooling")
            module.path = "1_Pooling";
    }
    // The one order that there is.
    static const std::array<std::string, 3> kOrder = {"Transformer", "Pooling", "Normalize"};
    for (std::size_t i = 0; i < modules.size(); i++) {
        if (i < kOrder.size() && modules[i].type == kOrder[i]) continue;
        const bool known = std::find(kOrder.begin(), kOrder.end(), modules[i].type) != kOrder.end();
        fail_at(fmt::format("[{}].type", i),
                known && i < kOrder.size()
                    ? fmt::format("expected {} in this place, found {}", kOrder[i], quote(modules[i].type))
                    : fmt::format("expected Transformer, Pooling or Normalize, found {}", quote(modules[i].type)));
    }
    if (modules.size() < 2) fail_at("$", "expected Transformer and Pooling, found " + std::to_string(modules.size()));
    return modules;
}

Pooling pooling_called(const std::string& key, const std::string& mode) {
    if (mode == "mean") return Pooling::kMean;
    if (mode == "cls") return Pooling::kFirst;
    if (mode == "lasttoken") return Pooling::kLast;
    fail_at(key, kExpected + quote(mode));
}

// Both forms of the file: flags, and, from version 5.4 on, a mode or several.
Pooling pooling_of(const json& document) {
    if (!document.is_object()) fail_at("$", "expected an object, found " + found(document));
    static constexpr std::array<std::pair<const char*, const char*>, 7> kFlags = {
        {{"pooling_mode_mean_tokens", "mean"},
         {"pooling_mode_cls_token", "cls"},
         {"pooling_mode_lasttoken", "lasttoken"},
         {"pooling_mode_max_tokens", "max"},
         {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"},
         {"pooling_mode_weightedmean_tokens", "weightedmean"},
         {"pooling_mode", ""}}};
    std::vector<std::pair<std::string, std::string>> modes;  // key, mode
    for (const auto& [key, value] : document.items()) {
        if (key == "word_embedding_dimension" || key == "embedding_dimension") continue;
        if (key == "include_prompt") {
            if (value != true) fail_at(key, "expected true, found " + found(value));
            continue;
        }
        const auto* const flag =
            std::find_if(kFlags.begin(), kFlags.end(), [&key = key](const auto& known) { return known.first == key; });
        if (flag == kFlags.end())
            fail_at(internal::brief(key), "expected a key of a pooling that Octile knows, found another");
        if (key != "pooling_mode") {
            if (!value.is_boolean()) fail_at(key, "expected true or false, found " + found(value));
            if (value == true) modes.emplace_back(key, flag->second);
            continue;
        }
        for (const json& mode : value.is_array() ? value : json::array({value}))
            modes.emplace_back(key, string_at(mode, key));
    }
    if (modes.size() > 1)
        fail_at(modes[1].first, fmt::format("expected one pooling, found {} and {}", modes[0].second, modes[1].second));
    // Without any, the class's default.
    return modes.empty() ? Pooling::kMean : pooling_called(modes[0].first, modes[0].second);
}

}  // namespace

fs::path network_folder(const fs::path& folder) {
    std::error_code error;
    if (!fs::exists(folder / kModules, error)) return folder;
    const Result<std::string> text = read_text_file(folder / kModules);
    if (!text.ok()) return folder;
    std::string path;
    const Status status = read_json(text.value(), kModules, [&](const json& list) {
        if (list.is_array() && !list.empty() && list[0].is_object() && list[0].contains("path"))
            path = string_at(list[0]["path"], "[0].path");
    });
    const fs::path below(path);
    const bool inside = status.ok() && !path.empty() && below.is_relative() &&
                        std::none_of(below.begin(), below.end(), [](const fs::path& part) { return part == ".."; });
    return inside ? folder / below : folder;
}

Result<std::optional<SentenceEmbedding>> read_sentence_embedding(const fs::path& folder) {
    std::error_code error;
    fs::path root = folder;
    if (!fs::exists(folder / kModules, error)) {
        root = folder.has_filename() ? folder.parent_path() : folder / "..";
        if (!fs::equivalent(network_folder(root), folder.empty() ? "." : folder, error))
            return std::optional<SentenceEmbedding>();
    }
    const fs::path file = root / kModules;
    if (!fs::exists(file, error)) return std::optional<SentenceEmbedding>();
    const Result<std::string> text = read_text_file(file);
    if (!text.ok()) return text.status();
    std::vector<Module> modules;
    Status status = read_json(text.value(), display(file), [&](const json& list) {
        modules = modules_of(list);
        if (root == folder && !modules[0].path.empty())
            fail_at("[0].path", "expected the network in the folder itself, found " + quote(modules[0].path));
    });
    if (!status.ok()) return status;
    SentenceEmbedding embedding{.normalize = modules.size() > 2};
    const fs::path pooling = root / modules[1].path / "config.json";
    if (!fs::exists(pooling, error)) {
        return parse_error(fmt::format("{}: [1].path: expected a folder with config.json, found none at {}",
                                       display(file), display(pooling)));
    }
    const Result<std::string> modes = read_text_file(pooling);
    if (!modes.ok()) return modes.status();
    status = read_json(modes.value(), display(pooling),
                       [&](const json& document) { embedding.pooling = pooling_of(document); });
    if (!status.ok()) return status;
    return std::optional(embedding);
}

}  // namespace octile
