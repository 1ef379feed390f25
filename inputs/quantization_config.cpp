#include "inputs/quantization_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "base/json_document.h"
#include "base/limits.h"
#include "inputs/layer_lists/layer_rules.h"
#include "inputs/messages.h"
#include "inputs/text_file.h"

namespace octile {
namespace {

using nlohmann::json;

// In front of an expression: of compressed-tensors, and of what GPTQModel leaves as it is.
constexpr std::string_view kExpression = "re:", kExcept = "-:";

internal::Pattern compile(const std::string& entry, std::string_view prefix, const std::string& pointer) {
    const std::string_view text = std::string_view(entry).substr(prefix.size());
    if (text.empty() || text.size() > limits::kPatternBytes) {
        fail_at(pointer, fmt::format("expected an expression of 1 to {} bytes, found {}", limits::kPatternBytes,
                                     internal::quote(entry)));
    }
    Result<internal::Pattern> pattern = internal::Pattern::compile(text);
    if (!pattern.ok()) {
        fail_at(pointer, fmt::format("expected a regular expression behind {}, found {}: {}", prefix,
                                     internal::quote(entry), pattern.status().message()));
    }
    return std::move(pattern).value();
}

// From 1 to 8; 0 where there is no such number.
int bits_at(const json& object, const char* key) {
    const auto bits = object.find(key);
    if (bits == object.end() || !bits->is_number_integer()) return 0;
    const auto value = bits->get<std::int64_t>();
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 0;
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
        } else if (path.filename() != "config.json") {
            at = "$";
            quantization = &document;
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
        config.read_packing(*quantization, at);
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
            names.expressions.push_back(counted(compile(entry, kExpression, pointer), pointer));
        } else {
            names.every_linear |= entry == "Linear";
            names.names.insert(entry);
        }
    }
    return names;
}

internal::Pattern QuantizationConfig::counted(internal::Pattern expression, const std::string& pointer) {
    states_ += expression.states();
    if (states_ > limits::kIgnoreListStates) {
        fail_at(pointer, fmt::format("expected expressions of together at most {} states, found more",
                                     limits::kIgnoreListStates));
    }
    return expression;
}

// What GPTQ and AWQ say, by whichever of their names: {"quant_method": "gptq", "bits": 4, "checkpoint_format": "gptq",
// "dynamic": {"-:.*down.*": {}}}, {"quant_method": "awq", "w_bit": 4, "version": "GEMM", "modules_to_not_convert": []}.
void QuantizationConfig::read_packing(const json& quantization, const std::string& place) {
    const auto text = [&](const char* key) {
        const auto value = quantization.find(key);
        std::string lower = value != quantization.end() && value->is_string() ? value->get<std::string>() : "";
        std::transform(lower.begin(), lower.end(), lower.begin(),
                       [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
        return lower;
    };
    packing_.method = text("quant_method");
    // AutoRound says behind its own name whose form it wrote; the first versions of the others' files said nothing.
    const std::string form = text("packing_format");
    if (form.ends_with("gptq") || (packing_.method.empty() && quantization.contains("desc_act")))
        packing_.method = "gptq";
    if (form.ends_with("awq") || (packing_.method.empty() && quantization.contains("w_bit"))) packing_.method = "awq";
    if (packing_.method != "gptq" && packing_.method != "awq") return;
    weights_alone_ = true;
    packing_.bits = std::max(bits_at(quantization, "bits"), bits_at(quantization, "w_bit"));
    packing_.layout = text(packing_.method == "awq" ? "version" : "checkpoint_format");
    const auto marlin = quantization.find("is_marlin_format");
    if (marlin != quantization.end() && marlin->is_boolean() && marlin->get<bool>()) packing_.layout = "marlin";
    const auto kept = quantization.find("modules_to_not_convert");
    if (kept != quantization.end() && kept->is_array()) {
        for (std::size_t i = 0; i < kept->size(); ++i) {
            const std::string& part = string_at((*kept)[i], fmt::format("{}.modules_to_not_convert[{}]", place, i));
            if (!part.empty()) ignored_.parts.push_back(part);
        }
    }
    const auto dynamic = quantization.find("dynamic");
    if (dynamic == quantization.end() || !dynamic->is_object()) return;
    for (const auto& item : dynamic->items()) {
        const std::string& entry = item.key();
        if (!entry.starts_with(kExcept)) continue;
        const std::string pointer = fmt::format("{}.dynamic.{}", place, internal::quote(entry));
        ignored_.expressions.push_back(counted(compile(entry, kExcept, pointer), pointer));
    }
}

// "config_groups": {"group_0": {"targets": ["Linear"], "weights": {...}, "input_activations": {...}}}, by any names.
void QuantizationConfig::read_groups(const json& groups, const std::string& place) {
    for (const auto& [name, group] : groups.items()) {
        if (!group.is_object()) continue;
        const std::string at = fmt::format("{}.{}.targets", place, internal::quote(name));
        const auto weights = group.find("weights");
        if (weights != group.end() && weights->is_object() && group.contains("targets")) {
            if (const int bits = bits_at(*weights, "num_bits"); bits > 0)
                bits_.push_back({read_names(group["targets"], at), bits});
        }
        const auto inputs = group.find("input_activations");
        const bool has_inputs = inputs != group.end() && inputs->is_object();
        weights_alone_ |= !has_inputs && group.contains("weights") && group["weights"].is_object();
        if (!has_inputs) continue;
        const auto flag = [&](const char* key, bool missing) {
            const auto value = inputs->find(key);
            return value != inputs->end() && value->is_boolean() ? value->get<bool>() : missing;
        };
        const bool floats = inputs->contains("type") && (*inputs)["type"] == "float";
        weights_alone_ |= floats;
        const bool asymmetric = !flag("symmetric", true) && flag("dynamic", false);
        if (!(floats || asymmetric) || !group.contains("targets")) continue;
        (floats ? float_inputs_ : asymmetric_).add(read_names(group["targets"], at));
    }
}

void QuantizationConfig::Names::add(Names&& others) {
    every_linear |= others.every_linear;
    names.merge(others.names);
    std::move(others.expressions.begin(), others.expressions.end(), std::back_inserter(expressions));
    std::move(others.parts.begin(), others.parts.end(), std::back_inserter(parts));
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
    const auto has = [&](const std::string& part) { return layer.find(part) != std::string::npos; };
    return every_linear || names.contains(layer) || std::any_of(parts.begin(), parts.end(), has) ||
           std::any_of(expressions.begin(), expressions.end(),
                       [&](const internal::Pattern& expression) { return expression.begins(layer); });
}

bool QuantizationConfig::ignores(const std::string& layer) const {
    return ignored_.contain(layer);
}

int QuantizationConfig::weight_bits(const std::string& layer) const {
    // A name says more than the class.
    for (const bool by_class : {false, true})
        for (const Bits& group : bits_)
            if (group.targets.every_linear == by_class && group.targets.contain(layer)) return group.bits;
    return 0;
}

bool QuantizationConfig::float_inputs(const std::string& layer) const {
    return float_inputs_.contain(layer);
}

bool QuantizationConfig::asymmetric_inputs(const std::string& layer) const {
    return asymmetric_.contain(layer);
}

}  // namespace octile
