#include "inputs/onnx/graph.h"
#include "base/limits.h"

#include <algorithm>

namespace octile {
namespace {

const onnx::AttributeProto* find_in(const OnnxAttributes& attributes, std::string_view name) {
    for (const onnx::AttributeProto& attribute : attributes) {
        if (attribute.name() == name) return &attribute;
    }
    return nullptr;
}

}  // namespace

bool is_known(const Extents& extents) {
    return std::none_of(extents.begin(), extents.end(), [](std::int64_t extent) { return extent == kUnknownExtent; });
}

std::optional<std::int64_t> elements_of(const Extents& extents) {
    std::int64_t elements = 1;
    for (const std::int64_t extent : extents) {
        if (extent == kUnknownExtent || __builtin_mul_overflow(elements, extent, &elements)) return std::nullopt;
    }
    return elements;
}

const OnnxNode* OnnxGraph::producer(int id) const {
    const OnnxValue* const made = value(id);
    return made == nullptr || made->producer < 0 ? nullptr : &nodes[static_cast<std::size_t>(made->producer)];
}

std::optional<double> OnnxGraph::scalar(int id) const {
    const OnnxValue* const found = value(id);
    if (found == nullptr || !found->contents || found->contents->size() != 1) return std::nullopt;
    return found->contents->front().as_real();
}

const std::optional<Extents>& OnnxGraph::shape(int id) const {
    static const std::optional<Extents> kNone;
    const OnnxValue* const found = value(id);
    return found == nullptr ? kNone : found->shape;
}

std::optional<std::int64_t> OnnxGraph::last_extent(int id) const {
    const std::optional<Extents>& extents = shape(id);
    if (!extents || extents->empty() || extents->back() == kUnknownExtent) return std::nullopt;
    return extents->back();
}

std::optional<int> OnnxGraph::only_reader(int id) const {
    const OnnxValue* const found = value(id);
    if (found == nullptr || found->is_output || found->readers.size() != 1) return std::nullopt;
    return found->readers.front();
}

const onnx::AttributeProto* find_attribute(const OnnxNode& node, std::string_view name) {
    const onnx::AttributeProto* found = find_in(node.proto->attribute(), name);
    // A node inside functions may refer outwards call by call, of which there are limits::kOnnxDepth at most.
    for (const OnnxCall* call = node.call; found != nullptr && !found->ref_attr_name().empty();) {
        if (call == nullptr) return nullptr;
        const std::string& wanted = found->ref_attr_name();
        found = find_in(call->node->attribute(), wanted);
        if (found == nullptr && call->defaults != nullptr) return find_in(*call->defaults, wanted);
        call = call->caller;
    }
    return found;
}

std::int64_t integer_attribute(const OnnxNode& node, std::string_view name, std::int64_t absent) {
    const onnx::AttributeProto* const found = find_attribute(node, name);
    return found == nullptr ? absent : found->i();
}

double real_attribute(const OnnxNode& node, std::string_view name, double absent) {
    const onnx::AttributeProto* const found = find_attribute(node, name);
    return found == nullptr ? absent : static_cast<double>(found->f());
}

std::string_view text_attribute(const OnnxNode& node, std::string_view name, std::string_view absent) {
    const onnx::AttributeProto* const found = find_attribute(node, name);
    return found == nullptr ? absent : std::string_view(found->s());
}

std::optional<std::vector<std::int64_t>> integers_attribute(const OnnxNode& node, std::string_view name) {
    const onnx::AttributeProto* const found = find_attribute(node, name);
    if (found == nullptr || static_cast<std::size_t>(found->ints_size()) > limits::kOnnxElements) return std::nullopt;
    return std::vector<std::int64_t>(found->ints().begin(), found->ints().end());
}

}  // namespace octile
