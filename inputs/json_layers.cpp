#include "inputs/json_layers.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "inputs/layer_rules.h"
#include "inputs/messages.h"

namespace octile {
namespace {

using nlohmann::json;

// A list is an object of an array of objects of an array: 4 deep. Anything beyond is refused before memory is spent on
// it.
constexpr std::size_t kMaxDepth = 16;

// "line:column", both from 1; the column counts bytes.
std::string place_of(std::string_view text, std::size_t at) {
    const std::string_view before = text.substr(0, at);
    const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 == 0
    return std::to_string(std::count(before.begin(), before.end(), '\n') + 1) + ":" +
           std::to_string(at - line_start + 1);
}

std::optional<std::size_t> find_too_deep(std::string_view text) {
    std::size_t depth = 0;
    bool in_string = false;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        if (in_string) {
            if (c == '\\') ++at;
            if (c == '"') in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > kMaxDepth) return at;
        } else if ((c == ']' || c == '}') && depth > 0) {
            --depth;
        }
    }
    return std::nullopt;
}

std::string found(const json& value) {
    if (value.is_object()) return "an object";
    if (value.is_array()) return "an array";
    if (value.is_string()) return internal::quote(value.get_ref<const std::string&>());
    return value.dump();
}

// An error at a place in the document, thrown and caught inside this file: the walk below is deep, its error path is
// one.
struct WrongValue {
    std::string pointer;
    std::string text;
};

[[noreturn]] void fail(std::string pointer, std::string text) {
    throw WrongValue{std::move(pointer), std::move(text)};
}

void check_keys(const json& object, std::string_view pointer, std::initializer_list<std::string_view> known) {
    for (const auto& [key, value] : object.items()) {
        if (std::find(known.begin(), known.end(), key) != known.end()) continue;
        std::string list;
        for (const std::string_view word : known)
            list += (list.empty() ? "" : ", ") + std::string(word);
        fail(std::string(pointer), "expected the keys " + list + ", found " + internal::quote(key));
    }
}

const std::string& string_at(const json& value, const std::string& pointer) {
    if (!value.is_string()) fail(pointer, "expected a string, found " + found(value));
    return value.get_ref<const std::string&>();
}

std::int64_t extent_at(const json& value, const std::string& pointer, std::string_view field) {
    // Unsigned first: nlohmann stores every non-negative integer so, and 2^63 and above does not fit the signed type.
    if (value.is_number_unsigned()) {
        const auto number = value.get<std::uint64_t>();
        if (number >= 1 && number <= static_cast<std::uint64_t>(max_of(field)))
            return static_cast<std::int64_t>(number);
    }
    fail(pointer, wrong_extent(field, found(value)));
}

bool bool_at(const json& value, const std::string& pointer) {
    if (value.is_boolean()) return value.get<bool>();
    if (value.is_number_unsigned() && value.get<std::uint64_t>() <= 1) return value.get<std::uint64_t>() == 1;
    fail(pointer, "expected true or false, found " + found(value));
}

Layer layer_at(const json& object, const std::string& pointer) {
    if (!object.is_object()) fail(pointer, "expected an object, found " + found(object));
    check_keys(object, pointer, {"name", "op", "m", "k", "n", "count", "act", "bias", "inputs", "eps", "output_scale"});
    for (const char* const key : {"name", "m", "k", "n"}) {
        if (!object.contains(key)) fail(pointer + "." + key, "expected a value, found no such key");
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
        if (!op) fail(pointer + ".op", wrong_op(found(object["op"])));
        layer.op = *op;
    }
    // Whether it is one that can be is check_layer's to say.
    const std::array<std::pair<const char*, std::optional<double>*>, 2> numbers = {
        {{"eps", &layer.epsilon}, {"output_scale", &layer.output_scale}}};
    for (const auto& [key, target] : numbers) {
        if (object.contains(key)) *target = object[key].is_number() ? object[key].get<double>() : NAN;
    }
    if (object.contains("act")) {
        const std::optional<Activation> activation = parse_activation(string_at(object["act"], pointer + ".act"));
        if (!activation) fail(pointer + ".act", wrong_activation(found(object["act"])));
        layer.activation = *activation;
    }
    if (object.contains("bias")) layer.bias = bool_at(object["bias"], pointer + ".bias");
    if (object.contains("inputs")) {
        const json& inputs = object["inputs"];
        if (!inputs.is_array()) fail(pointer + ".inputs", "expected an array of layer names, found " + found(inputs));
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            layer.inputs.push_back(string_at(inputs[i], pointer + ".inputs[" + std::to_string(i) + "]"));
        }
    }
    return layer;
}

Model model_at(const json& document, std::string default_name) {
    if (!document.is_object()) fail("$", "expected an object with a \"layers\" array, found " + found(document));
    check_keys(document, "$", {"model", "layers"});
    if (!document.contains("layers")) fail("layers", "expected an array of layers, found no such key");
    const json& layers = document["layers"];
    if (!layers.is_array()) fail("layers", "expected an array of layers, found " + found(layers));
    if (layers.empty()) fail("layers", "expected at least one layer, found none");

    Model model;
    model.name = document.contains("model") ? string_at(document["model"], "model") : std::move(default_name);
    if (std::string problem = check_name(model.name); !problem.empty()) fail("model", std::move(problem));
    LayerNames names;
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const std::string pointer = "layers[" + std::to_string(i) + "]";
        Layer layer = layer_at(layers[i], pointer);
        std::optional<FieldError> error = check_layer(layer);
        if (!error) error = names.add(layer);
        if (error) fail(pointer + "." + error->field, error->text);
        model.layers.push_back(std::move(layer));
    }
    return model;
}

// What the parser objects to, without its own prefix "[json.exception...] parse error at line 1, column 2: ".
std::string reason_of(const json::exception& error) {
    std::string_view what = error.what();
    if (const std::size_t at = what.find("syntax error"); at != std::string_view::npos) what = what.substr(at);
    what = what.substr(0, 200);
    return internal::is_printable(what) ? std::string(what) : internal::quote(what);
}

}  // namespace

Result<Model> parse_json_layers(std::string_view text, const std::filesystem::path& path) {
    const std::string name = display(path);
    if (const auto at = find_too_deep(text)) {
        return parse_error(name + ":" + place_of(text, *at) + ": expected at most " + std::to_string(kMaxDepth) +
                           " levels of nesting, found more");
    }
    try {
        return model_at(json::parse(text), display(path.stem()));
    } catch (const WrongValue& wrong) {
        return parse_error(name + ": " + wrong.pointer + ": " + wrong.text);
    } catch (const json::parse_error& error) {
        const std::size_t at = std::min(error.byte == 0 ? 0 : error.byte - 1, text.size());
        return parse_error(name + ":" + place_of(text, at) + ": expected JSON, found " + reason_of(error));
    } catch (const json::exception& error) {  // a number beyond double's range
        return parse_error(name + ": expected JSON, found " + reason_of(error));
    } catch (const std::bad_alloc&) {
        return Status(StatusCode::kOutOfMemory, name + ": not enough memory to read it");
    }
}

}  // namespace octile
