#include "inputs/onnx/left_out.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/printable.h"
#include "inputs/onnx/linear.h"
#include "inputs/onnx/tensor.h"

namespace octile {
namespace {

bool is_parameter(const onnx::TensorProto& tensor, const std::optional<Extents>& shape) {
    const int type = tensor.data_type();
    const std::optional<std::int64_t> elements = shape ? elements_of(*shape) : std::nullopt;
    return elements && *elements > 1 &&
           (is_onnx_float(type) || is_onnx_int8(type) || is_onnx_four_bit(type) ||
            (type >= kOnnxFloat8First && type <= kOnnxFloat8Last));
}

bool is_passed_over(const OnnxGraph& graph, const OnnxLayers& layers, int body) {
    const std::vector<int>& passed_over = layers.bodies_passed_over;
    for (; body >= 0; body = graph.bodies[static_cast<std::size_t>(body)].parent)
        if (std::find(passed_over.begin(), passed_over.end(), body) != passed_over.end()) return true;
    return false;
}

LeftOutReason reason_of(const OnnxGraph& graph, const OnnxNode& reader, std::string& text) {
    if (reader.op == "Gather" || reader.op == "GatherND" || reader.op == "GatherBlockQuantized" ||
        reader.op == "EmbedLayerNormalization") {
        text = "a table whose rows are looked up";
        return LeftOutReason::kTable;
    }
    text = why_no_linear(graph, reader);
    if (reader.op == "MoE" || reader.op == "QMoE" || text == "a batch of products") return LeftOutReason::kExperts;
    if (!text.empty()) return LeftOutReason::kShape;
    const std::string& op = reader.proto->op_type();
    text = fmt::format("read by {}", internal::is_printable(op) ? op : internal::quote(op));
    return LeftOutReason::kOther;
}

}  // namespace

void set_parameters(Model& model, const OnnxGraph& graph, const OnnxLayers& layers) {
    // What a parameter has become: the last value made of it that something reads.
    std::unordered_map<const onnx::TensorProto*, const OnnxNode*> readers;
    for (const OnnxValue& value : graph.values) {
        if (value.tensor == nullptr) continue;
        for (const int reader : value.readers) {
            const OnnxNode& node = graph.nodes[static_cast<std::size_t>(reader)];
            // Constants made of constants are looked through.
            const bool folded = std::all_of(node.outputs.begin(), node.outputs.end(),
                                            [&](int output) { return output < 0 || graph.is_constant(output); });
            if (!folded) readers.try_emplace(value.tensor, &node);
        }
    }
    for (const OnnxValue& value : graph.values) {
        if (value.producer >= 0 || value.tensor == nullptr || value.tensor->name() != value.name || value.quantizes ||
            !is_parameter(*value.tensor, value.shape)) {
            continue;
        }
        const std::int64_t elements = *elements_of(*value.shape);
        model.parameters = model.parameters > INT64_MAX - elements ? INT64_MAX : model.parameters + elements;
        if (layers.taken.contains(value.tensor)) continue;
        LeftOut left;
        left.tensor = value.name;
        const auto reader = readers.find(value.tensor);
        if (reader == readers.end()) {
            left.text = "read by nothing that depends on an input";
        } else if (is_passed_over(graph, layers, reader->second->body)) {
            left.text = "in a branch of an If, of which another one is listed";
        } else {
            left.reason = reason_of(graph, *reader->second, left.text);
        }
        left.parameters = elements;
        const std::int64_t bits = bits_of_onnx_type(value.tensor->data_type());
        if (__builtin_mul_overflow(left.parameters, bits, &left.bytes)) left.bytes = INT64_MAX;
        left.bytes = left.bytes / 8 + (left.bytes % 8 != 0 ? 1 : 0);
        model.left_out.push_back(std::move(left));
    }
}

}  // namespace octile
