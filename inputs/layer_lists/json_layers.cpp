#include "inputs/layer_lists/json_layers.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "base/json_document.h"
#include "base/path_text.h"
#include "inputs/layer_lists/layer_rules.h"

namespace octile {
namespace {

using nlohmann::json;

void check_keys(const json& object, std::string_view pointer, std::initializer_list<std::string_view> known) {
    for (const auto& [key, value] : object.items()) {
        if (std::find(known.begin(), known.end(), key) != known.end()) continue;
        std::string list;
        for (const std::string_view word : known)
            list += (list.empty() ? "" : ", ") + std::string(word);
        fail_at(std::string(pointer), "expected the keys " + list + ", found " + internal::quote(key));
    }
}

std::int64_t extent_at(const json& value, const std::string& pointer, std::string_view field) {
    // Unsigned first: nlohmann stores every non-negative integer so, and 2^63 and above does not fit the signed type.
    if (value.is_number_unsigned()) {
        const auto number = value.get<std::uint64_t>();
        if (number >= 1 && number <= static_cast<std::uint64_t>(max_of(field)))
            return static_cast<std::int64_t>(number);
    }
    fail_at(pointer, wrong_extent(field, found(value)));
}

bool bool_at(const json& value, const std::string& pointer) {
    if (value.is_boolean()) return value.get<bool>();
    if (value.is_number_unsigned() && value.get<std::uint64_t>() <= 1) return value.get<std::uint64_t>() == 1;
    fail_at(pointer, "expected true or false, found " + found(value));
}

Layer layer_at(const json& object, const std::string& pointer) {
    if (!object.is_object()) fail_at(pointer, "expected an object, found " + found(object));
    check_keys(object, pointer, {"name", "op", "m", "k", "n", "count", "act", "bias", "inputs", "eps", "output_scale"});
    for (const char* const key : {"name", "m", "k", "n"}) {
        if (!object.contains(key)) fail_at(pointer + "." + key, "expected a value, found no such key");
    }

    Layer layer;
    layer.name = string_at(object["name"], pointer + ".name");
    const std::array<std::pair<const char*, std::int64_t*>, 4> extents = {
        {{"m", &layer.m}, {"k", &layer.k}, {"n", &layer.n}, {"count", &layer.count}}};
    for (const auto& [key, target] : extents) {
        if (object.contains(key)) *target = extent_at(object[key], pointer + "." + key, key);
    }
    if (object.contains("op")) {
        const std::optional<Op> op = parse_op(string_at(object["op"], pointer + ".op"));
        if (!op) fail_at(pointer + ".op", wrong_op(found(object["op"])));
        layer.op = *op;
    }
    if (object.contains("act")) {
        const std::optional<Activation> activation = parse_activation(string_at(object["act"], pointer + ".act"));
        if (!activation) fail_at(pointer + ".act", wrong_activation(found(object["act"])));
        layer.activation = *activation;
    }
    const std::array<std::pair<const char*, std::optional<double>*>, 2> numbers = {
        {{"eps", &layer.epsilon}, {"output_scale", &layer.output_scale}}};
    for (const auto& [key, target] : numbers) {
        if (!object.contains(key)) continue;
        const json& value = object[key];
        if (!value.is_number() || !is_positive(value.get<double>()))
            fail_at(pointer + "." + key, wrong_number(found(value)));
        *target = value.get<double>();
    }
    if (object.contains("bias")) layer.bias = bool_at(object["bias"], pointer + ".bias");
    if (object.contains("inputs")) {
        const json& inputs = object["inputs"];
        if (!inputs.is_array())
            fail_at(pointer + ".inputs", "expected an array of layer names, found " + found(inputs));
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            layer.inputs.push_back(string_at(inputs[i], pointer + ".inputs[" + std::to_string(i) + "]"));
        }
    }
    return layer;
}

Model model_at(const json& document, std::string default_name) {
    if (!document.is_object()) fail_at("$", "expected an object with a \"layers\" array, found " + found(document));
    check_keys(document, "$", {"model", "layers"});
    if (!document.contains("layers")) fail_at("layers", "expected an array of layers, found no such key");
    const json& layers = document["layers"];
    if (!layers.is_array()) fail_at("layers", "expected an array of layers, found " + found(layers));
    if (layers.empty()) fail_at("layers", "expected at least one layer, found none");

    Model model;
    model.name = document.contains("model") ? string_at(document["model"], "model") : std::move(default_name);
    if (std::string problem = check_name(model.name); !problem.empty()) fail_at("model", std::move(problem));
    LayerNames names;
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const std::string pointer = "layers[" + std::to_string(i) + "]";
        Layer layer = layer_at(layers[i], pointer);
        std::optional<FieldError> error = check_layer(layer);
        if (!error) error = names.add(layer);
        if (error) fail_at(pointer + "." + error->field, error->text);
        model.layers.push_back(std::move(layer));
    }
    return model;
}

}  // namespace

Result<Model> parse_json_layers(std::string_view text, const std::filesystem::path& path) {
    Model model;
    Status status =
        read_json(text, display(path), [&](const json& document) { model = model_at(document, display(path.stem())); });
    if (!status.ok()) return status;
    return model;
}

}  // namespace octile
