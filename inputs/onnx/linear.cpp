#include "inputs/onnx/linear.h"

#include <algorithm>
#include <array>

#include "inputs/onnx/activation.h"
#include "inputs/onnx/convolution.h"
#include "inputs/onnx/einsum.h"
#include "inputs/onnx/norm.h"
#include "inputs/onnx/rules.h"
#include "inputs/onnx/tensor.h"

namespace octile {
namespace {

// Where an operator has its operands; bias -1: none. Integer operators yield levels, which a Mul scales.
struct LinearOp {
    std::string_view op;
    std::size_t lhs, rhs;
    int bias;
    bool contrib_only = false;
    bool packed = false;  // K and N are attributes, weights are blocks of few bits
};
constexpr std::array<LinearOp, 15> kLinearOps = {{{"MatMul", 0, 1, -1},
                                                  {"Gemm", 0, 1, 2},
                                                  {"MatMulInteger", 0, 1, -1},
                                                  {"QLinearMatMul", 0, 3, -1},
                                                  {"FusedMatMul", 0, 1, -1, true},
                                                  {"FusedMatMulActivation", 0, 1, -1, true},
                                                  {"FusedGemm", 0, 1, 2, true},
                                                  {"MatMulIntegerToFloat", 0, 1, 6, true},
                                                  {"DynamicQuantizeMatMul", 0, 1, 4, true},
                                                  {"QGemm", 0, 3, 6, true},
                                                  {"Attention", 0, 1, 2, true},
                                                  {"QAttention", 0, 1, 2, true},
                                                  {"FusedDense", 0, 1, 2, true},
                                                  {"MatMulNBits", 0, 1, 5, true, true},
                                                  {"MatMulBnb4", 0, 1, -1, true, true}}};

const LinearOp* linear_op(const OnnxNode& node) {
    const auto* const found = std::find_if(kLinearOps.begin(), kLinearOps.end(), [&](const LinearOp& known) {
        return known.op == node.op && (!known.contrib_only || node.contrib());
    });
    return found == kLinearOps.end() ? nullptr : found;
}

bool is_attention(const OnnxNode& node) {
    return node.op == "Attention" || node.op == "QAttention";
}

// All but the last two extents are 1.
bool is_matrix(const Extents& extents) {
    return extents.size() >= 2 &&
           std::all_of(extents.begin(), extents.end() - 2, [](std::int64_t extent) { return extent == 1; });
}

void set_form(const OnnxGraph& graph, FoundLinear& linear) {
    const OnnxValue* const weights = graph.value(linear.weights);
    const int type = weights != nullptr && weights->tensor != nullptr ? weights->tensor->data_type() : 0;
    if (is_onnx_int8(type)) linear.form = WeightForm::kInt8;
    if (is_onnx_four_bit(type) || (type >= kOnnxFloat8First && type <= kOnnxFloat8Last))
        linear.blocks = name_of_onnx_type(type);
}

// Rows of x and features of the weights [K, N].
std::optional<FoundLinear> find_product(const OnnxGraph& graph, const OnnxNode& node, const LinearOp& op) {
    FoundLinear linear;
    linear.x = node.input(op.lhs);
    linear.weights = node.input(op.rhs);
    linear.output = node.output(0);
    if (linear.x < 0 || linear.output < 0 || !graph.is_constant(linear.weights) || graph.is_constant(linear.x))
        return std::nullopt;
    const std::optional<Extents>&x = graph.shape(linear.x), &w = graph.shape(linear.weights);
    const bool transposed_x = integer_attribute(node, "transA", 0) != 0;
    if (op.packed) {
        linear.k = integer_attribute(node, "K", 0);
        linear.n = integer_attribute(node, "N", 0);
        const std::int64_t bits = integer_attribute(node, "bits", 4);
        linear.blocks = bits == 8 ? "blocks of 8 bits" : bits == 4 ? "blocks of 4 bits" : "blocks of few bits";
    } else {
        if (!w || !is_matrix(*w)) return std::nullopt;
        const bool transposed_w = integer_attribute(node, "transB", 0) != 0;
        linear.k = (*w)[w->size() - (transposed_w ? 1 : 2)];
        linear.n = (*w)[w->size() - (transposed_w ? 2 : 1)];
        if (linear.k == kUnknownExtent || linear.n == kUnknownExtent) return std::nullopt;
        set_form(graph, linear);
    }
    if (x && !x->empty() && !(transposed_x && x->size() < 2)) {
        Extents rows = *x;
        if (transposed_x) std::swap(rows[rows.size() - 1], rows[rows.size() - 2]);
        if (rows.back() != kUnknownExtent) linear.found_k = rows.back();
        rows.pop_back();
        const std::int64_t m = product_of(rows);
        if (m != kUnknownExtent) linear.m = m;
    }
    linear.bias = op.bias >= 0 && node.input(static_cast<std::size_t>(op.bias)) >= 0;
    if (linear.bias) linear.parameters.push_back(node.input(static_cast<std::size_t>(op.bias)));
    linear.activation = built_in_activation(node);
    for (std::size_t i = 0; i < node.inputs.size() && (op.packed || node.op.starts_with("Q")); ++i)
        linear.parameters.push_back(node.inputs[i]);
    return linear;
}

// A contraction of x with a constant over letters that the result does not have.
std::optional<FoundLinear> find_einsum(const OnnxGraph& graph, const OnnxNode& node) {
    if (node.inputs.size() != 2 || node.output(0) < 0) return std::nullopt;
    const std::size_t w = graph.is_constant(node.input(1)) ? 1 : 0, x = 1 - w;
    const std::optional<Extents>&w_shape = graph.shape(node.input(w)), &x_shape = graph.shape(node.input(x));
    if (!graph.is_constant(node.input(w)) || graph.is_constant(node.input(x)) || !w_shape || !x_shape)
        return std::nullopt;
    std::vector<std::size_t> ranks(2);
    ranks[w] = w_shape->size();
    ranks[x] = x_shape->size();
    const auto terms = parse_einsum(text_attribute(node, "equation", ""), ranks);
    if (!terms) return std::nullopt;
    const auto in_result = [&](char letter) { return terms->result.find(letter) != std::string::npos; };
    const auto extents = [&](std::size_t operand, bool shared, bool kept) -> std::optional<Extents> {
        Extents out;
        const std::string &mine = terms->operands[operand], &others = terms->operands[1 - operand];
        for (std::size_t i = 0; i < mine.size(); ++i) {
            const bool both = others.find(mine[i]) != std::string::npos;
            if (both && in_result(mine[i])) return std::nullopt;    // a batch of products
            if (!both && !in_result(mine[i])) return std::nullopt;  // a sum over one operand
            if (both == shared && in_result(mine[i]) == kept) out.push_back((*graph.shape(node.input(operand)))[i]);
        }
        return out;
    };
    const auto k = extents(w, true, false), n = extents(w, false, true), m = extents(x, false, true),
               found_k = extents(x, true, false);
    if (!k || !n || !m || !found_k || k->empty() || n->empty()) return std::nullopt;
    FoundLinear linear;
    linear.x = node.input(x);
    linear.weights = node.input(w);
    linear.output = node.output(0);
    linear.k = product_of(*k);
    linear.n = product_of(*n);
    if (linear.k == kUnknownExtent || linear.n == kUnknownExtent) return std::nullopt;
    if (const std::int64_t rows = product_of(*m); rows != kUnknownExtent) linear.m = rows;
    if (const std::int64_t features = product_of(*found_k); features != kUnknownExtent) linear.found_k = features;
    set_form(graph, linear);
    return linear;
}

// Operators that lay the rows of a linear's output out anew and leave every row what it is.
bool keeps_rows(const OnnxGraph& graph, const OnnxNode& node, std::int64_t n) {
    if (node.op != "Reshape" && node.op != "Squeeze" && node.op != "Unsqueeze" && node.op != "Flatten") return false;
    return node.output(0) >= 0 && graph.last_extent(node.output(0)) == n;
}

// Whether an attention adds a bias of its own to the projection that it reads as queries, keys or values.
bool attention_adds_bias(const OnnxNode& reader, int value) {
    if (!reader.contrib() || (reader.op != "MultiHeadAttention" && reader.op != "DecoderMaskedMultiHeadAttention"))
        return false;
    const std::size_t bias = reader.op == "MultiHeadAttention" ? 3 : 10;
    return reader.input(bias) >= 0 &&
           (reader.input(0) == value || reader.input(1) == value || reader.input(2) == value);
}

// [N] is a bias; [1, N] is a constant that a network adds for another reason, as BART does behind its head.
bool is_bias(const OnnxGraph& graph, int value, std::int64_t n) {
    return is_vector(graph, value, n) && graph.shape(value)->size() == 1;
}

// Bias and activation behind a linear.
void follow(const OnnxGraph& graph, const OnnxNode& node, FoundLinear& linear) {
    bool levels = node.op == "MatMulInteger";
    int value = linear.output;
    // The last axis of a convolution's output is none of its features.
    for (int steps = is_convolution(node) ? 8 : 0; steps < 8; ++steps) {
        const std::optional<int> next = graph.only_reader(value);
        if (!next) break;
        const OnnxNode& reader = graph.nodes[static_cast<std::size_t>(*next)];
        if (attention_adds_bias(reader, value) && !linear.bias) {
            linear.bias = true;
            break;
        }
        if (const std::optional<FoundNorm> norm = find_norm(graph, reader); norm && norm->input_bias >= 0) {
            // Of two linears without a bias that a norm adds up, the first is taken to be the one it was.
            linear.bias |= reader.input(0) == value;
            break;
        }
        if (reader.outputs.size() != 1 || reader.outputs[0] < 0) break;
        const int operand = other_operand(reader, value);
        const bool vector = is_bias(graph, operand, linear.n);
        if ((reader.op == "BiasGelu" || reader.op == "FastGelu") && vector) {
            if (linear.bias) return;
            linear.bias = true;
            linear.activation = reader.op == "BiasGelu" ? Activation::kGelu : Activation::kGeluTanh;
            linear.output = reader.outputs[0];
            linear.parameters.push_back(operand);
            return;
        }
        if (reader.op == "Add" && vector) {
            if (linear.bias) return;
            linear.bias = true;
            linear.parameters.push_back(operand);
            linear.output = reader.outputs[0];
        } else if (levels && reader.op == "Mul") {
            levels = false;
            linear.output = reader.outputs[0];
        } else if (!keeps_rows(graph, reader, linear.n)) {
            break;
        }
        value = reader.outputs[0];
    }
    if (linear.activation != Activation::kNone) return;
    if (const auto found = find_activation(graph, value)) {
        linear.activation = found->activation;
        linear.output = found->output;
    }
}

}  // namespace

std::size_t inputs_missing(const OnnxNode& node) {
    const LinearOp* const op = linear_op(node);
    if (op == nullptr) return 0;
    const std::size_t needed = std::max(op->lhs, op->rhs) + 1;
    return node.inputs.size() < needed || node.outputs.empty() ? needed : 0;
}

std::optional<FoundLinear> find_linear(const OnnxGraph& graph, const OnnxNode& node) {
    std::optional<FoundLinear> linear;
    if (const LinearOp* const op = linear_op(node)) {
        linear = find_product(graph, node, *op);
    } else if (node.op == "Einsum") {
        linear = find_einsum(graph, node);
    } else if (is_convolution(node)) {
        linear = find_convolution(graph, node);
        if (linear) set_form(graph, *linear);
    }
    if (!linear) return std::nullopt;
    linear->parameters.push_back(linear->weights);
    if (!is_attention(node)) follow(graph, node, *linear);
    return linear;
}

std::string why_no_linear(const OnnxGraph& graph, const OnnxNode& node) {
    if (is_convolution(node)) return "a convolution";
    if (node.op == "LSTM" || node.op == "GRU" || node.op == "RNN" || node.op == "DynamicQuantizeLSTM")
        return std::string("linears inside ") + (node.op == "GRU" ? "a " : "an ") + std::string(node.op);
    if (node.op == "MoE" || node.op == "QMoE") return "experts of " + std::string(node.op);
    const LinearOp* const op = linear_op(node);
    if (op == nullptr && node.op != "Einsum") return {};
    const int lhs = op != nullptr ? node.input(op->lhs) : node.input(0);
    const int rhs = op != nullptr ? node.input(op->rhs) : node.input(1);
    if (graph.is_constant(lhs) && !graph.is_constant(rhs)) return "on the left of a product";
    if (!graph.is_constant(rhs)) return {};
    if (graph.is_constant(lhs)) return "a product of constants";
    const std::optional<Extents>& w = graph.shape(rhs);
    if (w && w->size() < 2) return "a product with a vector";
    return w && w->size() > 2 ? "a batch of products" : "a contraction that is no linear";
}

}  // namespace octile
