// sentence_transformers/sentence_transformer/modules/pooling.py and model.py, 5.1 and 6.2.
#include "inputs/sentence_transformers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "base/json_document.h"
#include "families/config.h"
#include "inputs/messages.h"
#include "inputs/text_file.h"

namespace octile {
namespace {

using internal::quote;
using nlohmann::json;
namespace fs = std::filesystem;

constexpr const char *kModules = "modules.json", *kWeights = "model.safetensors";

struct Module {
    std::string type;  // the class's own name
    std::string path;  // of its folder; empty: the folder of modules.json
};

std::vector<Module> modules_of(const json& list) {
    if (!list.is_array()) fail_at("$", "expected an array, found " + found(list));
    std::vector<Module> modules;
    bool pooled = false;
    for (std::size_t i = 0; i < list.size(); i++) {
        const auto field = [&](const char* key) { return fmt::format("[{}].{}", i, key); };
        if (!list[i].is_object() || !list[i].contains("type")) fail_at(field("type"), "expected a string, found none");
        const std::string& type = string_at(list[i]["type"], field("type"));
        Module module;
        module.type = type.substr(type.rfind('.') + 1);
        module.path =
            list[i].contains("path") ? string_at(list[i]["path"], field("path")) : fmt::format("{}_{}", i, module.type);
        const fs::path path(module.path);
        if (path.is_absolute() ||
            std::any_of(path.begin(), path.end(), [](const fs::path& part) { return part == ".."; }))
            fail_at(field("path"), "expected a folder below this one, found " + quote(module.path));
        // At first the network, then what makes one row of its rows, then what stands behind that.
        const auto expect = [&](bool fits, const char* expected) {
            if (!fits) fail_at(field("type"), fmt::format("expected {}, found {}", expected, quote(module.type)));
        };
        if (i == 0) {
            expect(module.type == "Transformer", "Transformer in this place");
            if (!list[i].contains("path")) module.path.clear();
        } else if (!pooled) {
            expect(module.type == "Pooling", "Pooling in this place");
            pooled = true;
        } else {
            expect(module.type == "Dense" || module.type == "Normalize" || module.type == "Dropout",
                   "Dense, Normalize or Dropout behind Pooling");
        }
        modules.push_back(std::move(module));
    }
    if (modules.empty()) fail_at("$", "expected Transformer, found none");
    return modules;
}

Pooling pooling_called(const std::string& key, const std::string& mode) {
    static constexpr std::array<std::pair<const char*, Pooling>, 6> kModes = {
        {{"mean", Pooling::kMean},
         {"cls", Pooling::kFirst},
         {"lasttoken", Pooling::kLast},
         {"max", Pooling::kMax},
         {"mean_sqrt_len_tokens", Pooling::kMeanSqrtLength},
         {"weightedmean", Pooling::kWeightedMean}}};
    const auto* const known =
        std::find_if(kModes.begin(), kModes.end(), [&](const auto& one) { return one.first == mode; });
    if (known != kModes.end()) return known->second;
    fail_at(key,
            "expected one of mean, cls, lasttoken, max, mean_sqrt_len_tokens and weightedmean, found " + quote(mode));
}

// Both forms of the file: flags, and, from version 5.4 on, a mode or several, which count if both are there.
std::vector<Pooling> poolings_of(const json& document) {
    if (!document.is_object()) fail_at("$", "expected an object, found " + found(document));
    // In the order in which their rows are put side by side.
    static constexpr std::array<std::pair<const char*, Pooling>, 6> kFlags = {
        {{"pooling_mode_cls_token", Pooling::kFirst},
         {"pooling_mode_max_tokens", Pooling::kMax},
         {"pooling_mode_mean_tokens", Pooling::kMean},
         {"pooling_mode_mean_sqrt_len_tokens", Pooling::kMeanSqrtLength},
         {"pooling_mode_weightedmean_tokens", Pooling::kWeightedMean},
         {"pooling_mode_lasttoken", Pooling::kLast}}};
    for (const auto& [key, value] : document.items()) {
        const bool is_flag =
            std::any_of(kFlags.begin(), kFlags.end(), [&key = key](const auto& flag) { return flag.first == key; });
        if (is_flag && !value.is_boolean()) fail_at(key, "expected true or false, found " + found(value));
        if (key == "include_prompt" && value != true) fail_at(key, "expected true, found " + found(value));
        if (is_flag || key == "word_embedding_dimension" || key == "embedding_dimension" || key == "include_prompt" ||
            key == "pooling_mode")
            continue;
        fail_at(internal::brief(key), "expected a key of a pooling that Octile knows, found another");
    }
    std::vector<Pooling> poolings;
    if (document.contains("pooling_mode")) {
        const json& modes = document["pooling_mode"];
        for (const json& mode : modes.is_array() ? modes : json::array({modes}))
            poolings.push_back(pooling_called("pooling_mode", string_at(mode, "pooling_mode")));
    } else {
        for (const auto& [key, pooling] : kFlags)
            if (document.contains(key) && document[key] == true) poolings.push_back(pooling);
    }
    constexpr std::size_t kMost = 6;
    if (poolings.size() > kMost)
        fail_at("pooling_mode", fmt::format("expected at most {} modes, found {}", kMost, poolings.size()));
    // Without any, the class's default.
    return poolings.empty() ? std::vector{Pooling::kMean} : poolings;
}

// torch's module class behind a Dense; without one it is Tanh.
ActivationFact activation_of_dense(const json& document) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kClasses = {
        {{"torch.nn.modules.activation.Tanh", "tanh"},
         {"torch.nn.modules.linear.Identity", "linear"},
         {"torch.nn.modules.activation.ReLU", "relu"},
         {"torch.nn.modules.activation.ReLU6", "relu6"},
         {"torch.nn.modules.activation.GELU", "gelu"},
         {"torch.nn.modules.activation.SiLU", "silu"},
         {"torch.nn.modules.activation.Hardswish", "hardswish"}}};
    constexpr const char* kKey = "activation_function";
    const std::string name = document.contains(kKey) ? string_at(document[kKey], kKey) : std::string(kClasses[0].first);
    const auto* const known =
        std::find_if(kClasses.begin(), kClasses.end(), [&](const auto& one) { return one.first == name; });
    if (known == kClasses.end())
        fail_at(kKey, "expected torch's Tanh, Identity, ReLU, ReLU6, GELU, SiLU or Hardswish, found " + quote(name));
    return {activation_called(known->second), std::string(known->second), false};
}

SentenceModule dense_of(const json& document) {
    if (!document.is_object()) fail_at("$", "expected an object, found " + found(document));
    const Config config(document);
    SentenceModule dense{.kind = SentenceModule::Kind::kDense};
    dense.features = config.extent("out_features");
    dense.bias = config.flag_or("bias", true);
    dense.activation = activation_of_dense(document);
    for (const char* key : {"module_input_name", "module_output_name"}) {
        const std::string name = config.word_or(key, "sentence_embedding");
        if (name != "sentence_embedding") fail_at(key, "expected sentence_embedding, found " + quote(name));
    }
    if (config.flag_or("use_residual", false)) fail_at("use_residual", "expected false, found true");
    return dense;
}

// The folder of modules.json whose network is in `folder`; nothing: there is none.
std::optional<fs::path> root_of(const fs::path& folder) {
    std::error_code error;
    fs::path root = folder;
    if (!fs::exists(folder / kModules, error)) {
        root = folder.has_filename() ? folder.parent_path() : folder / "..";
        if (!fs::equivalent(network_folder(root), folder.empty() ? "." : folder, error)) return std::nullopt;
    }
    return fs::exists(root / kModules, error) ? std::optional(root) : std::nullopt;
}

Result<std::vector<Module>> read_modules(const fs::path& root, const fs::path& folder) {
    const fs::path file = root / kModules;
    const Result<std::string> text = read_text_file(file);
    if (!text.ok()) return text.status();
    std::vector<Module> modules;
    const Status status = read_json(text.value(), display(file), [&](const json& list) {
        modules = modules_of(list);
        if (root == folder && !modules[0].path.empty())
            fail_at("[0].path", "expected the network in the folder itself, found " + quote(modules[0].path));
    });
    if (!status.ok()) return status;
    return modules;
}

// Of one module, its place in modules.json said.
Result<SentenceModule> read_module(const fs::path& root, const Module& module, std::size_t place) {
    if (module.type == "Normalize")
        return SentenceModule{.kind = SentenceModule::Kind::kNormalize, .name = module.path};
    const fs::path config = root / module.path / "config.json";
    std::error_code error;
    if (!fs::exists(config, error)) {
        return parse_error(fmt::format("{}: [{}].path: expected a folder with config.json, found none at {}",
                                       display(root / kModules), place, display(config)));
    }
    const Result<std::string> text = read_text_file(config);
    if (!text.ok()) return text.status();
    SentenceModule read;
    const Status status = read_json(text.value(), display(config), [&](const json& document) {
        if (module.type == "Dense")
            read = dense_of(document);
        else
            read.poolings = poolings_of(document);
    });
    if (!status.ok()) return status;
    read.name = module.path;
    if (!read.is_linear() || fs::exists(root / module.path / kWeights, error)) return read;
    return parse_error(fmt::format("{}: [{}].path: expected a folder with {}, found none at {}",
                                   display(root / kModules), place, kWeights, display(root / module.path)));
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

Result<std::vector<SentenceModule>> read_sentence_modules(const fs::path& folder) {
    std::vector<SentenceModule> read;
    const std::optional<fs::path> root = root_of(folder);
    if (!root) return read;
    const Result<std::vector<Module>> modules = read_modules(*root, folder);
    if (!modules.ok()) return modules.status();
    for (std::size_t i = 1; i < modules->size(); i++) {
        const Module& module = modules.value()[i];
        if (module.type == "Dropout") continue;  // nothing at inference
        Result<SentenceModule> one = read_module(*root, module, i);
        if (!one.ok()) return one.status();
        read.push_back(std::move(one).value());
    }
    return read;
}

std::vector<ModuleWeights> weights_of_modules(const fs::path& folder) {
    std::vector<ModuleWeights> weights;
    const Result<std::vector<SentenceModule>> modules = read_sentence_modules(folder);
    if (!modules.ok()) return weights;
    for (const SentenceModule& module : modules.value())
        if (module.is_linear()) weights.push_back({*root_of(folder) / module.name / kWeights, module.name + "."});
    return weights;
}

}  // namespace octile
