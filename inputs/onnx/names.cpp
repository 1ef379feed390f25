#include "inputs/onnx/names.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace octile {
namespace {

constexpr int kNodeMetadata = 9;  // field of NodeProto that libonnx 1.12 does not know
constexpr std::string_view kScopes = "pkg.torch.onnx.name_scopes";

std::string metadata_of(const onnx::NodeProto& node, std::string_view key) {
    const auto& fields = node.unknown_fields();
    for (int i = 0; i < fields.field_count(); ++i) {
        if (fields.field(i).number() != kNodeMetadata ||
            fields.field(i).type() != google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED) {
            continue;
        }
        onnx::StringStringEntryProto entry;
        if (entry.ParseFromString(fields.field(i).length_delimited()) && entry.key() == key) return entry.value();
    }
    return {};
}

// The strings of a list as Python prints it: ['', 'encoder', 'linear_1'].
std::vector<std::string_view> listed(std::string_view text) {
    std::vector<std::string_view> strings;
    for (std::size_t open = text.find_first_of("'\""); open != std::string_view::npos;) {
        const std::size_t close = text.find(text[open], open + 1);
        if (close == std::string_view::npos) break;
        strings.push_back(text.substr(open + 1, close - open - 1));
        open = text.find_first_of("'\"", close + 1);
    }
    return strings;
}

// The innermost module that holds the node: what stands before the node's own name.
std::string scope_of(const onnx::NodeProto& node) {
    const std::string metadata = metadata_of(node, kScopes);
    const std::vector<std::string_view> scopes = listed(metadata);
    return scopes.size() < 2 ? std::string() : std::string(scopes[scopes.size() - 2]);
}

// "fc" of "fc.weight", and of what quantizers make of that; empty for a name that no module has.
std::string module_of(std::string_view parameter) {
    for (const std::string_view suffix : {"_DequantizeLinear_Output", "_quantized", "_fp16", "_Q4", "_transposed"}) {
        if (parameter.ends_with(suffix)) parameter.remove_suffix(suffix.size());
    }
    for (const std::string_view suffix : {".weight", ".gamma", ".weight_Q4", ".qweight"}) {
        if (!parameter.ends_with(suffix)) continue;
        parameter.remove_suffix(suffix.size());
        const bool named = !parameter.empty() && parameter.find("::") == std::string_view::npos;
        return named ? std::string(parameter) : std::string();
    }
    return {};
}

// "encoder.fc" of "/encoder/fc/MatMul".
std::string path_of(std::string_view name) {
    const std::size_t slash = name.rfind('/');
    if (!name.starts_with('/') || slash == 0 || slash == std::string_view::npos || slash + 1 == name.size()) return {};
    std::string path(name.substr(1, slash - 1));
    std::replace(path.begin(), path.end(), '/', '.');
    return path;
}

}  // namespace

OnnxNames::OnnxNames(const OnnxGraph& graph) : graph_(graph) {
    for (const OnnxValue& value : graph.values) {
        if (value.tensor != nullptr && value.producer < 0) readers_[value.tensor] += value.readers.size();
    }
}

std::string OnnxNames::layer_name(const OnnxNode& node, int parameter) const {
    const std::string& name = node.proto->name();
    const std::string scope = scope_of(*node.proto), path = path_of(name);
    const OnnxValue* const value = graph_.value(parameter);
    if (value != nullptr && value->tensor != nullptr) {
        const auto readers = readers_.find(value->tensor);
        const bool shared = (readers != readers_.end() && readers->second > 1) || value->readers.size() > 1;
        std::string module = module_of(value->tensor->name());
        // A module may read the parameters of the modules in it, as torch's MultiheadAttention does.
        const bool within = scope.empty() || module.starts_with(scope + '.');
        if (!module.empty() && within && (!shared || (path.empty() && scope.empty()))) return module;
    }
    if (!scope.empty()) return scope;
    if (!path.empty()) return path;
    if (!name.empty()) return name;
    return node.proto->output_size() > 0 ? node.proto->output(0) : std::string(node.op);
}

}  // namespace octile
