#include "inputs/onnx/layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "inputs/layer_lists/layer_rules.h"
#include "inputs/messages.h"
#include "inputs/onnx/flatten.h"
#include "inputs/onnx/linear.h"
#include "inputs/onnx/names.h"
#include "inputs/onnx/norm.h"
#include "inputs/onnx/rules.h"
#include "inputs/onnx/sources.h"
#include "inputs/unique_layers.h"

namespace octile {
namespace {

// Thrown and caught in this file.
struct Wrong {
    Status status;
};

class LayerReader {
  public:
    LayerReader(const OnnxGraph& graph, const std::string& file, std::optional<std::int64_t> tokens)
        : graph_(graph), file_(file), tokens_(tokens), names_(graph), sources_(graph) {}

    OnnxLayers run() {
        find_all();
        choose_branches();
        for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
            const OnnxNode& node = graph_.nodes[i];
            const bool listed = !passed_over(node.body);
            if (const auto norm = norms_.find(i); norm != norms_.end() && listed) {
                add_norm(node, norm->second);
            } else if (const auto linear = linears_.find(i); linear != linears_.end() && listed) {
                add_linear(node, linear->second);
            } else {
                sources_.pass_on(node);
            }
        }
        out_.layers = std::move(layers_.model().layers);
        return std::move(out_);
    }

  private:
    [[noreturn]] void fail(const OnnxNode& node, std::string_view text,
                           StatusCode code = StatusCode::kParseError) const {
        throw Wrong{Status(code, fmt::format("{}: {}: {}", file_, describe(*node.proto), text))};
    }

    // What is a norm or a linear, before anything is listed: which values several linears read has to be known.
    void find_all() {
        for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
            const OnnxNode& node = graph_.nodes[i];
            if (std::optional<FoundNorm> norm = find_norm(graph_, node)) {
                norms_.emplace(i, std::move(*norm));
                continue;
            }
            if (const std::size_t needed = inputs_missing(node)) {
                fail(node, fmt::format("expected at least {} inputs and an output, found {} and {}", needed,
                                       node.inputs.size(), node.outputs.size()));
            }
            if (std::optional<FoundLinear> linear = find_linear(graph_, node)) linears_.emplace(i, std::move(*linear));
        }
    }

    // Of each If, the branch with more linears is listed; the first, where both have as many.
    void choose_branches() {
        std::vector<std::size_t> linears(graph_.bodies.size());
        for (const auto& [index, linear] : linears_) {
            for (int body = graph_.nodes[index].body; body >= 0; body = body_at(body).parent)
                ++linears[static_cast<std::size_t>(body)];
        }
        std::map<std::pair<const onnx::NodeProto*, const OnnxCall*>, int> chosen;
        passed_over_.assign(graph_.bodies.size(), false);
        for (std::size_t i = 0; i < graph_.bodies.size(); ++i) {
            const OnnxBody& body = graph_.bodies[i];
            if (body.node->op_type() != "If") continue;
            const auto [best, first] = chosen.try_emplace({body.node, body.call}, static_cast<int>(i));
            if (first) continue;
            const bool better = linears[i] > linears[static_cast<std::size_t>(best->second)];
            passed_over_[better ? static_cast<std::size_t>(best->second) : i] = true;
            if (better) best->second = static_cast<int>(i);
        }
        for (std::size_t i = 0; i < graph_.bodies.size(); ++i) {
            if (linears[i] == 0) continue;
            (passed_over(static_cast<int>(i)) ? out_.bodies_passed_over : out_.bodies_listed)
                .push_back(static_cast<int>(i));
        }
        for (const auto& [index, linear] : linears_) {
            if (!passed_over(graph_.nodes[index].body)) sources_.add_reader(linear.x);
        }
    }

    const OnnxBody& body_at(int index) const { return graph_.bodies[static_cast<std::size_t>(index)]; }

    bool passed_over(int body) const {
        for (; body >= 0; body = body_at(body).parent) {
            if (passed_over_[static_cast<std::size_t>(body)]) return true;
        }
        return false;
    }

    void add_linear(const OnnxNode& node, const FoundLinear& found) {
        Layer layer;
        layer.name = names_.layer_name(node, found.weights);
        layer.k = found.k;
        layer.n = found.n;
        layer.bias = found.bias;
        layer.activation = found.activation;
        layer.weights = found.form;
        std::optional<std::int64_t> m = found.m;
        if (found.found_k && *found.found_k != found.k) {
            // Of a shape that the file states, an error; of any other, one that has come out wrong.
            if (graph_.values[static_cast<std::size_t>(found.x)].is_input)
                fail(node, fmt::format("k: expected {} as in the weights, found {}", found.k, *found.found_k));
            m.reset();
        }
        layer.m = m ? *m : assumed_rows(node, layer);
        if (layer.m < 1 || layer.m > kMaxExtent) fail(node, "m: " + wrong_extent("m", std::to_string(layer.m)));
        if (!found.blocks.empty()) ++out_.few_bits[std::string(found.blocks)];
        take(found.parameters);
        set_inputs(layer, found);
        emit(node, std::move(layer), found.output);
    }

    std::int64_t assumed_rows(const OnnxNode& node, Layer& layer) {
        if (!tokens_) {
            fail(node, "m: expected a shape that can be inferred, found none: --tokens N says how many rows there are",
                 StatusCode::kInvalidArgument);
        }
        ++out_.assumed_rows;
        layer.assumptions.push_back("m: --tokens, for its shape is unknown");
        return *tokens_;
    }

    void take(const std::vector<int>& parameters) {
        for (const int id : parameters) {
            const OnnxValue* const value = graph_.value(id);
            if (value != nullptr && value->tensor != nullptr) out_.taken.insert(value->tensor);
        }
    }

    // What a linear reads. A value that is no layer's output and that several linears read becomes a row of its own, so
    // that they can be seen to share it.
    void set_inputs(Layer& layer, const FoundLinear& found) {
        const std::vector<Layer>& layers = layers_.model().layers;
        const Input input = sources_.input_of(found.x, [&](std::size_t row) { return layers[row].activation; });
        const bool one = input.kind == Input::Kind::kLayers && input.layers.size() == 1;
        const bool fits =
            !one || (layers[input.layers[0]].m == layer.m && layers[input.layers[0]].n == layer.k && found.reads_rows);
        if (input.kind == Input::Kind::kLayers && fits) return name_inputs(layer, input.layers);
        if (input.kind == Input::Kind::kNetwork && layers.empty() && !input.shared) return;
        if (!input.shared || !fits || !found.reads_rows) {
            layer.input_unknown = true;
            return;
        }
        Layer other = {.name = std::string(input.name), .op = Op::kOther, .m = layer.m, .k = layer.k, .n = layer.k};
        if (!check_name(other.name).empty()) other.name = "value";
        if (input.layers.empty()) {
            other.input_unknown = !layers.empty();
        } else {
            name_inputs(other, input.layers);
        }
        layers_.add(std::move(other), UniqueLayers::Recurrence::kOtherLayer);
        const std::size_t row = layers.size() - 1;
        sources_.set_layer(input.root, row);
        name_inputs(layer, {row});
    }

    // None where the default, the layer before, is right.
    void name_inputs(Layer& layer, const std::vector<std::size_t>& rows) {
        const std::vector<Layer>& layers = layers_.model().layers;
        if (rows.size() == 1 && rows.front() + 1 == layers.size()) return;
        for (const std::size_t row : rows)
            layer.inputs.push_back(layers[row].name);
    }

    void add_norm(const OnnxNode& node, const FoundNorm& norm) {
        const int like = norm.input >= 0 ? norm.input : norm.output;
        const std::optional<Extents>& shape = graph_.shape(like);
        std::optional<std::int64_t> features = graph_.last_extent(like);
        if (!features) features = graph_.last_extent(norm.scale);
        if (!features) return sources_.pass_on(node);  // nothing of its size is known
        Layer layer;
        layer.op = Op::kLayerNorm;
        layer.name = names_.layer_name(node, norm.scale);
        layer.k = layer.n = *features;
        layer.bias = norm.bias;
        const std::int64_t rows = shape && !shape->empty()
                                      ? product_of(std::span<const std::int64_t>(*shape).first(shape->size() - 1))
                                      : kUnknownExtent;
        if (rows == kUnknownExtent && !tokens_) return sources_.pass_on(node);
        layer.m = rows != kUnknownExtent ? rows : assumed_rows(node, layer);
        if (layer.m < 1 || layer.m > kMaxExtent) fail(node, "m: " + wrong_extent("m", std::to_string(layer.m)));
        // Written as a float: the decimal that stands for it, 1e-12 and not 9.99999996004197e-13.
        if (norm.epsilon && *norm.epsilon > 0 && *norm.epsilon < 1)
            layer.epsilon = std::stod(fmt::format("{}", static_cast<float>(*norm.epsilon)));
        take(norm.parameters);
        const std::vector<std::size_t> rows_read =
            norm.input >= 0 ? sources_.layers_of(norm.input) : std::vector<std::size_t>();
        if (rows_read.empty()) {
            layer.input_unknown = !layers_.model().layers.empty();
        } else {
            name_inputs(layer, rows_read);
        }
        emit(node, std::move(layer), norm.output);
        // What is between its nodes, and the sum that a norm hands out which adds first, are no rows of a layer.
        if (norm.output != node.output(0)) sources_.set_derived(node.output(0), layers_.model().layers.size() - 1);
        if (norm.sum >= 0) sources_.set_derived(norm.sum, layers_.model().layers.size() - 1);
    }

    void emit(const OnnxNode& node, Layer layer, int output) {
        if (const auto error = check_layer(layer)) fail(node, fmt::format("{}: {}", error->field, error->text));
        layers_.add(std::move(layer), UniqueLayers::Recurrence::kOtherLayer);
        sources_.set_layer(output, layers_.model().layers.size() - 1);
        for (const int made : node.outputs) {
            if (made >= 0 && made != output) sources_.set_derived(made, layers_.model().layers.size() - 1);
        }
    }

    const OnnxGraph& graph_;
    const std::string& file_;
    std::optional<std::int64_t> tokens_;
    std::map<std::size_t, FoundNorm> norms_;
    std::map<std::size_t, FoundLinear> linears_;
    std::vector<bool> passed_over_;
    UniqueLayers layers_;
    OnnxNames names_;
    Sources sources_;
    OnnxLayers out_;
};

}  // namespace

Result<OnnxLayers> layers_of(const OnnxGraph& graph, const std::string& file, std::optional<std::int64_t> tokens) {
    try {
        return LayerReader(graph, file, tokens).run();
    } catch (const Wrong& wrong) {
        return wrong.status;
    }
}

}  // namespace octile
