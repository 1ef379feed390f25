#include "inputs/quantization_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/json_document.h"
#include "base/limits.h"
#include "inputs/layer_lists/layer_rules.h"
#include "inputs/messages.h"
#include "inputs/text_file.h"

namespace octile {
namespace {

using nlohmann::json;

constexpr std::string_view kExpression = "re:";

internal::Pattern compile(const std::string& entry, const std::string& pointer) {
    const std::string_view text = std::string_view(entry).substr(kExpression.size());
    if (text.empty() || text.size() > limits::kPatternBytes) {
        fail_at(pointer, fmt::format("expected an expression of 1 to {} bytes, found {}", limits::kPatternBytes,
                                     internal::quote(entry)));
    }
    Result<internal::Pattern> pattern = internal::Pattern::compile(text);
    if (!pattern.ok()) {
        fail_at(pointer, fmt::format("expected a regular expression behind re:, found {}: {}", internal::quote(entry),
                                     pattern.status().message()));
    }
    return std::move(pattern).value();
}

// "transform_config": {"config_groups": {"R4": {"type": "hadamard", "apply": [{"location": "input", ...}]}}}. What is
// applied to weights has been, when the file was written; everything else happens while the network runs. Empty:
// nothing does.
std::string find_online_rotation(const json& transform, const std::string& place) {
    if (!transform.is_object() || !transform.contains("config_groups")) return "";
    const json& groups = transform["config_groups"];
    if (!groups.is_object()) fail_at(place + ".config_groups", "expected an object, found " + found(groups));
    for (const auto& [name, group] : groups.items()) {
        if (!group.is_object() || !group.contains("apply")) continue;
        const std::string at = fmt::format("{}.config_groups.{}.apply", place, internal::quote(name));
        const json& apply = group["apply"];
        if (!apply.is_array()) fail_at(at, "expected an array, found " + found(apply));
        for (std::size_t i = 0; i < apply.size(); ++i) {
            const std::string pointer = fmt::format("{}[{}].location", at, i);
            if (!apply[i].is_object() || !apply[i].contains("location"))
                fail_at(pointer, "expected the place of a rotation, found none");
            const std::string& location = string_at(apply[i]["location"], pointer);
            if (location == "weight_input" || location == "weight_output") continue;
            return fmt::format(
                "{}: expected rotations of weights alone (weight_input, weight_output), found {}, one that is made "
                "while "
                "the network runs: vLLM does",
                pointer, internal::quote(location));
        }
    }
    return "";
}

}  // namespace

Result<QuantizationConfig> QuantizationConfig::read(const std::filesystem::path& path) {
    const Result<std::string> text = read_text_file(path);
    if (!text.ok()) return text.status();
    QuantizationConfig config;
    Status status = read_json(text.value(), display(path), [&](const json& document) {
        if (!document.is_object()) fail_at("$", "expected an object, found " + found(document));
        std::string at = "quantization_config";
        const json* quantization = nullptr;
        if (document.contains(at)) {
            quantization = &document[at];
        } else if (document.contains("compression_config")) {  // before compressed-tensors 0.5
            at = "compression_config";
            quantization = &document[at];
        }
        if (quantization == nullptr || !quantization->is_object()) return;
        const auto ignore = quantization->find("ignore");
        if (ignore != quantization->end() && !ignore->is_null())
            config.ignored_ = config.read_names(*ignore, at + ".ignore");
        config.ignored_.every_linear = false;  // the class is a target, and never ignored
        const auto groups = quantization->find("config_groups");
        if (groups != quantization->end() && groups->is_object()) config.read_groups(*groups, at + ".config_groups");
        const auto types = quantization->find("quant_type");
        if (types != quantization->end() && types->is_object()) config.read_torchao(*types);
        const auto transform = quantization->find("transform_config");
        if (transform != quantization->end())
            config.online_rotation_ = find_online_rotation(*transform, at + ".transform_config");
    });
    if (!status.ok()) return status;
    return config;
}

QuantizationConfig::Names QuantizationConfig::read_names(const json& list, const std::string& place) {
    if (!list.is_array()) fail_at(place, "expected an array of layer names, found " + found(list));
    Names names;
    for (std::size_t i = 0; i < list.size(); ++i) {
        const std::string pointer = fmt::format("{}[{}]", place, i);
        const std::string& entry = string_at(list[i], pointer);
        if (entry.starts_with(kExpression)) {
            states_ += names.expressions.emplace_back(compile(entry, pointer)).states();
            if (states_ > limits::kIgnoreListStates) {
                fail_at(pointer, fmt::format("expected expressions of together at most {} states, found more",
                                             limits::kIgnoreListStates));
            }
        } else {
            names.every_linear |= entry == "Linear";
            names.names.insert(entry);
        }
    }
    return names;
}

// "config_groups": {"group_0": {"targets": ["Linear"], "weights": {...}, "input_activations": {...}}}, by any names.
void QuantizationConfig::read_groups(const json& groups, const std::string& place) {
    for (const auto& [name, group] : groups.items()) {
        if (!group.is_object()) continue;
        const auto inputs = group.find("input_activations");
        const bool has_inputs = inputs != group.end() && inputs->is_object();
        weights_alone_ |= !has_inputs && group.contains("weights") && group["weights"].is_object();
        if (!has_inputs) continue;
        const auto flag = [&](const char* key, bool missing) {
            const auto value = inputs->find(key);
            return value != inputs->end() && value->is_boolean() ? value->get<bool>() : missing;
        };
        if (flag("symmetric", true) || !flag("dynamic", false) || !group.contains("targets")) continue;
        const Names targets = read_names(group["targets"], fmt::format("{}.{}.targets", place, internal::quote(name)));
        asymmetric_.every_linear |= targets.every_linear;
        asymmetric_.names.insert(targets.names.begin(), targets.names.end());
        asymmetric_.expressions.insert(asymmetric_.expressions.end(), targets.expressions.begin(),
                                       targets.expressions.end());
    }
}

// "quant_type": {"default": {"_type": "Int8WeightOnlyConfig", "_data": {...}}}, as transformers writes torchao's.
void QuantizationConfig::read_torchao(const json& types) {
    const auto text = [](const json& object, const char* key) {
        const auto value = object.is_object() ? object.find(key) : object.end();
        return object.is_object() && value != object.end() && value->is_string() ? value->get<std::string>() : "";
    };
    for (const json& type : types) {
        weights_alone_ |= text(type, "_type").ends_with("WeightOnlyConfig");
        const json* inputs = type.is_object() && type.contains("_data") ? &type["_data"] : nullptr;
        if (inputs && inputs->is_object() && inputs->contains("act_mapping_type"))
            asymmetric_.every_linear |= text((*inputs)["act_mapping_type"], "_data") == "ASYMMETRIC";
    }
}

bool QuantizationConfig::Names::contain(const std::string& layer) const {
    return every_linear || names.contains(layer) ||
           std::any_of(expressions.begin(), expressions.end(),
                       [&](const internal::Pattern& expression) { return expression.begins(layer); });
}

bool QuantizationConfig::ignores(const std::string& layer) const {
    return ignored_.contain(layer);
}

bool QuantizationConfig::asymmetric_inputs(const std::string& layer) const {
    return asymmetric_.contain(layer);
}

}  // namespace octile
