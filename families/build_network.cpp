#include "families/build_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>

#include "base/json_document.h"
#include "base/printable.h"
#include "families/family.h"
#include "families/keys.h"

namespace octile {
namespace {

using internal::quote;
using nlohmann::json;

struct Recognized {
    const Family* family = nullptr;
    std::string model_type;
    std::string base;
};

// The least beginning that all names of a signature have which have to be there, and none of those that have not;
// nothing: there is none.
std::optional<std::string> fitting_base(const Signature& signature, const TensorList& tensors) {
    std::set<std::string, std::less<>> bases = tensors.beginnings_of(signature.has.front());
    const auto keep = [&](std::string_view name, bool there) {
        if (bases.empty()) return;
        const std::set<std::string, std::less<>> others = tensors.beginnings_of(name);
        std::erase_if(bases, [&](const std::string& base) { return others.contains(base) != there; });
    };
    for (std::size_t i = 1; i < signature.has.size(); ++i)
        keep(signature.has[i], true);
    for (const std::string_view name : signature.has_not)
        keep(name, false);
    if (bases.empty()) return std::nullopt;
    return *bases.begin();
}

// By names alone.
std::optional<Recognized> recognize(const TensorList& tensors) {
    std::optional<Recognized> best;
    std::size_t most = 0;
    for (const Family* family : all_families()) {
        for (const Signature& signature : family->signatures) {
            if (signature.has.size() <= most) continue;
            const std::optional<std::string> base = fitting_base(signature, tensors);
            if (!base) continue;
            best = {family, std::string(signature.model_type), *base};
            most = signature.has.size();
        }
    }
    return best;
}

// What precedes the backbone's names: where the family's first names are, its own prefixes before others.
std::string base_of(const Family& family, const TensorList* tensors) {
    const std::string usual(family.prefixes.empty() ? "" : family.prefixes.front());
    if (!tensors) return usual;
    std::optional<std::string> first;
    std::set<std::string, std::less<>> found;
    for (const Signature& signature : family.signatures) {
        found.merge(tensors->beginnings_of(signature.has.front()));
        if (!first && !found.empty()) first = *found.begin();
    }
    for (const std::string_view prefix : family.prefixes)
        if (found.contains(prefix)) return std::string(prefix);
    return first.value_or(usual);
}

std::string known_types_text() {
    return fmt::format("{}", fmt::join(known_model_types(), ", "));
}

Result<FamilyNetwork> build(const Recognized& known, const Config& config, const json* document,
                            const TensorList* tensors, const std::string& wrapper, const NetworkOptions& options) {
    NetworkBuilder builder(known.model_type, config, tensors, known.base, options);
    builder.set_wrapper(wrapper);
    FamilyNetwork network;
    network.model_type = known.model_type;
    network.by_names = document == nullptr;
    if (document) {
        for (const std::string& key : unknown_keys(*known.family, *document)) {
            builder.refuse(
                fmt::format("{}: expected a key that Octile knows of model_type {}, found another (--ignore-key {})",
                            internal::brief(key), quote(known.model_type), internal::brief(key)));
            network.unknown_keys.push_back(key);
        }
    } else {
        builder.refuse("no config.json says what the network is");
    }
    known.family->build(builder);
    network.obstacles = builder.obstacles();
    network.notes = builder.notes();
    network.places = builder.places();
    network.says_epsilon = builder.says_epsilon();
    const std::vector<std::string> outputs = builder.outputs();
    Result<Graph> graph = std::move(builder).finish(outputs);
    if (!graph.ok()) return Status(StatusCode::kUnsupported, graph.status().message());
    network.graph = std::move(graph).value();
    const Graph needed = needed_part(network.graph);
    if (const Node* other = first_other(needed))
        network.obstacles.push_back(fmt::format("model_type {}: node {}: no session runs {}", known.model_type,
                                                quote(other->name), other->what));
    if (network.by_names) {
        for (Node& node : network.graph.nodes)
            node.assumptions.insert(node.assumptions.begin(), fmt::format("{} by its names", known.model_type));
    }
    return network;
}

// The configuration without the keys that somebody wants to be ignored.
json without_ignored(const json& document, const NetworkOptions& options) {
    json kept = document;
    for (const std::string& key : options.ignore_keys)
        kept.erase(key);
    return kept;
}

}  // namespace

std::vector<std::string_view> known_model_types() {
    std::vector<std::string_view> types;
    for (const Family* family : all_families())
        types.insert(types.end(), family->model_types.begin(), family->model_types.end());
    return types;
}

Result<FamilyNetwork> build_network(const json* config, const TensorList* tensors, const NetworkOptions& options) {
    const std::string wrapper = tensors ? tensors->wrapper() : "";
    TensorList inner;
    if (tensors && !wrapper.empty()) {
        inner = tensors->without(wrapper);
        tensors = &inner;
    }
    try {
        if (!config) {
            if (const std::optional<Recognized> known = recognize(*tensors))
                return build(*known, Config(), nullptr, tensors, wrapper, options);
            return Status(StatusCode::kUnsupported, "expected names of a network that Octile knows, found others");
        }
        if (!config->is_object()) fail_at("$", "expected an object, found " + found(*config));
        if (!config->contains("model_type")) fail_at("model_type", "expected a string, found no such key");
        const std::string& type = string_at((*config)["model_type"], "model_type");
        const Family* family = family_of(type);
        if (!family) {
            return Status(StatusCode::kUnsupported,
                          fmt::format("model_type: expected one of {}, found {}", known_types_text(), quote(type)));
        }
        json document = without_ignored(*config, options);
        if (family->part && document.contains(family->part)) {
            json part = document[family->part];
            if (!part.is_object()) fail_at(family->part, "expected an object, found " + found(part));
            // The head is that of the whole.
            for (const char* key : {"architectures", "tie_word_embeddings"})
                if (document.contains(key) && !part.contains(key)) part[key] = document[key];
            document = without_ignored(part, options);
        }
        return build({family, type, base_of(*family, tensors)}, Config(document), &document, tensors, wrapper, options);
    } catch (const WrongValue& wrong) {
        return Status(StatusCode::kParseError, wrong.pointer + ": " + wrong.text);
    }
}

std::vector<std::string_view> transposed_linears(const json* config, const TensorList& tensors) {
    if (config && config->is_object() && config->contains("model_type") && (*config)["model_type"].is_string()) {
        const Family* family = family_of((*config)["model_type"].get_ref<const std::string&>());
        return family ? family->transposed : Words();
    }
    const std::optional<Recognized> known = recognize(tensors.without(tensors.wrapper()));
    return known ? known->family->transposed : Words();
}

}  // namespace octile
