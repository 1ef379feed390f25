#include "inputs/config_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/printable.h"
#include "inputs/json_document.h"
#include "inputs/layer_rules.h"
#include "inputs/messages.h"
#include "octile/layer.h"

namespace octile {

using nlohmann::json;

std::int64_t Config::extent(const char* key) const {
    if (!has(key)) fail_at(key, "expected an integer, found no such key");
    const json& value = document_[key];
    if (value.is_number_unsigned() && value.get<std::uint64_t>() >= 1 &&
        value.get<std::uint64_t>() <= static_cast<std::uint64_t>(kMaxExtent)) {
        return static_cast<std::int64_t>(value.get<std::uint64_t>());
    }
    fail_at(key, wrong_extent("m", found(value)));
}

double Config::number(const char* key) const {
    if (!has(key)) fail_at(key, "expected a number > 0, found no such key");
    const json& value = document_[key];
    if (!value.is_number() || !is_positive(value.get<double>())) fail_at(key, wrong_number(found(value)));
    return value.get<double>();
}

std::optional<double> Config::epsilon(const char* key) const {
    return has(key) ? std::optional(number(key)) : std::nullopt;
}

bool Config::flag_or(const char* key, bool otherwise) const {
    if (!has(key)) return otherwise;
    if (!document_[key].is_boolean()) fail_at(key, "expected true or false, found " + found(document_[key]));
    return document_[key].get<bool>();
}

std::string Config::word_or(const char* key, const char* otherwise) const {
    return has(key) ? string_at(document_[key], key) : otherwise;
}

Activation Config::activation(const char* key, const char* otherwise) const {
    const std::string name = word_or(key, otherwise);
    if (name == "relu") return Activation::kRelu;
    if (name == "silu" || name == "swish") return Activation::kSilu;
    if (name == "relu6") return Activation::kRelu6;
    if (name == "hardswish") return Activation::kHardswish;
    if (name == "gelu" || name == "gelu_python") return Activation::kGelu;
    if (name == "gelu_new" || name == "gelu_fast" || name == "gelu_pytorch_tanh") return Activation::kGeluTanh;
    if (name == "quick_gelu") return Activation::kQuickGelu;
    return Activation::kNone;
}

bool Config::architecture_has(std::string_view part) const {
    if (!has("architectures")) return false;
    const json& list = document_["architectures"];
    if (!list.is_array()) fail_at("architectures", "expected an array of names, found " + found(list));
    return std::any_of(list.begin(), list.end(), [&](const json& name) {
        return string_at(name, "architectures").find(part) != std::string::npos;
    });
}

std::int64_t Config::labels() const {
    if (has("num_labels")) return extent("num_labels");
    if (!has("id2label")) return 2;
    const json& names = document_["id2label"];
    if (!names.is_object() || names.empty()) {
        fail_at("id2label", "expected an object of labels, found " + found(names));
    }
    return static_cast<std::int64_t>(names.size());
}

LlamaSizes llama_sizes(const Config& config) {
    const std::string type = config.word_or("model_type", "llama");
    LlamaSizes sizes{};
    sizes.hidden = config.extent("hidden_size");
    sizes.ffn = config.extent("intermediate_size");
    sizes.blocks = config.extent("num_hidden_layers");
    sizes.heads = config.extent("num_attention_heads");
    sizes.key_heads = config.extent_or("num_key_value_heads", sizes.heads);
    sizes.head =
        config.extent_or("head_dim", type == "qwen3" ? 128 : std::max<std::int64_t>(sizes.hidden / sizes.heads, 1));
    for (const auto& [key, count] :
         {std::pair("num_attention_heads", sizes.heads), {"num_key_value_heads", sizes.key_heads}}) {
        if (count > kMaxExtent / sizes.head)
            fail_at(key, fmt::format("expected heads of together at most {}, found more", kMaxExtent));
    }
    sizes.out_bias = config.flag_or("attention_bias", false);
    sizes.qkv_bias = type == "qwen2" || sizes.out_bias;
    sizes.ffn_bias = config.flag_or("mlp_bias", false);
    sizes.activation = config.activation("hidden_act", "silu");
    return sizes;
}

std::string name_of_model(const std::filesystem::path& path) {
    if (path.stem() != "config") return display(path.stem());
    const std::filesystem::path folder = path.parent_path().filename();
    return folder.empty() || !internal::is_printable(folder.native()) ? "config" : folder.native();
}

}  // namespace octile
