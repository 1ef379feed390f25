#include "families/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/json_document.h"
#include "octile/layer.h"

namespace octile {

using nlohmann::json;

std::optional<Activation> activation_called(std::string_view name) {
    // transformers/activations.py, ACT2FN, 4.57 and 5.24.
    static constexpr std::array<std::pair<std::string_view, Activation>, 14> kNames = {
        {{"relu", Activation::kRelu},
         {"silu", Activation::kSilu},
         {"swish", Activation::kSilu},
         {"relu6", Activation::kRelu6},
         {"hardswish", Activation::kHardswish},
         {"gelu", Activation::kGelu},
         {"gelu_python", Activation::kGelu},
         {"gelu_new", Activation::kGeluTanh},
         {"gelu_fast", Activation::kGeluTanh},
         {"gelu_accurate", Activation::kGeluTanh},
         {"gelu_pytorch_tanh", Activation::kGeluTanh},
         {"gelu_python_tanh", Activation::kGeluTanh},
         {"quick_gelu", Activation::kQuickGelu},
         {"linear", Activation::kNone}}};
    const auto* const found =
        std::find_if(kNames.begin(), kNames.end(), [&](const auto& known) { return known.first == name; });
    return found == kNames.end() ? std::nullopt : std::optional(found->second);
}

bool Config::has(const char* key) const {
    return document_ != nullptr && document_->contains(key) && !at(key).is_null();
}

Config Config::object(const char* key) const {
    if (!has(key)) return Config();
    if (!at(key).is_object()) fail_at(key, "expected an object, found " + found(at(key)));
    return Config(at(key));
}

std::int64_t Config::extent(const char* key) const {
    if (!has(key)) fail_at(key, "expected an integer, found no such key");
    const json& value = at(key);
    if (value.is_number_unsigned() && value.get<std::uint64_t>() >= 1 &&
        value.get<std::uint64_t>() <= static_cast<std::uint64_t>(kMaxExtent)) {
        return static_cast<std::int64_t>(value.get<std::uint64_t>());
    }
    fail_at(key, fmt::format("expected an integer from 1 to {}, found {}", kMaxExtent, found(value)));
}

std::int64_t Config::count_or(const char* key, std::int64_t otherwise) const {
    return has(key) && at(key) == 0 ? 0 : extent_or(key, otherwise);
}

double Config::number(const char* key) const {
    if (!has(key)) fail_at(key, "expected a number > 0, found no such key");
    const json& value = at(key);
    if (value.is_number() && std::isfinite(value.get<double>()) && value.get<double>() > 0) return value.get<double>();
    fail_at(key, "expected a number > 0, found " + found(value));
}

bool Config::flag_or(const char* key, bool otherwise) const {
    if (!has(key)) return otherwise;
    if (!at(key).is_boolean()) fail_at(key, "expected true or false, found " + found(at(key)));
    return at(key).get<bool>();
}

std::string Config::word_or(const char* key, const char* otherwise) const {
    return has(key) ? string_at(at(key), key) : otherwise;
}

std::int64_t Config::pair_or(const char* key, std::int64_t otherwise) const {
    if (!has(key) || !at(key).is_array()) return extent_or(key, otherwise);
    const json& pair = at(key);
    const bool square = pair.size() == 2 && pair[0].is_number_unsigned() && pair[0] == pair[1];
    if (!square) fail_at(key, "expected one number or the same twice, found another array");
    const json one = {{key, pair[0]}};
    return Config(one).extent(key);
}

bool Config::architecture_has(std::string_view part) const {
    if (!has("architectures")) return false;
    const json& list = at("architectures");
    if (!list.is_array()) fail_at("architectures", "expected an array of names, found " + found(list));
    return std::any_of(list.begin(), list.end(), [&](const json& name) {
        return string_at(name, "architectures").find(part) != std::string::npos;
    });
}

std::string Config::architecture() const {
    if (!architecture_has("")) return {};
    return string_at(at("architectures")[0], "architectures");
}

std::int64_t Config::labels() const {
    if (has("num_labels")) return extent("num_labels");
    if (!has("id2label")) return 2;
    const json& names = at("id2label");
    if (!names.is_object() || names.empty()) fail_at("id2label", "expected an object of labels, found " + found(names));
    return static_cast<std::int64_t>(names.size());
}

}  // namespace octile
