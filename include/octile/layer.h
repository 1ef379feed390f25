// A network as the planner sees it: a list of layers with their shapes. Plain data, no weights.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "octile/export.h"
#include "octile/types.h"

namespace OCTILE_API octile {

enum class Op {
    kLinear,      // y[m, n] = act(x[m, k] * w[n, k]^T + bias[n])
    kLayerNorm,   // over n features of each of m rows; k == n
    kActivation,  // element by element on [m, n]; k == n
    kAdd,         // the sum of its two inputs, [m, n] each; k == n
    kOther,  // anything else that reads and yields floating point, attention for one: k == n; nothing is fused with it
};

std::string_view name_of(Op op);  // "linear" "layernorm" "activation" "add" "other"
std::optional<Op> parse_op(std::string_view name);

// Largest m, k or n that a layer may have: what int32 accumulation allows for k (127 * 127 * k < 2^31), and 2^31 - 1
// for the others.
inline constexpr std::int64_t kMaxReduction = 131072;
inline constexpr std::int64_t kMaxExtent = 2147483647;

// What a layer's weights have become before they reach Octile.
enum class WeightForm {
    kFloat,      // as trained: the planner decides
    kInt8,       // quantized already, per output channel or as a whole, with their scales beside them
    kKeptFloat,  // left in floating point by whoever quantized the rest of the network
};

struct Layer {
    std::string name;
    Op op = Op::kLinear;
    std::int64_t m = 0;      // rows: tokens times batch
    std::int64_t k = 0;      // input features
    std::int64_t n = 0;      // output features
    std::int64_t count = 1;  // how many times the network holds this layer
    Activation activation = Activation::kNone;
    bool bias = false;
    std::optional<double> epsilon = {};  // of a layernorm, where the list says it
    // Scale of this layer's output in INT8, where a calibration has fixed it: INT8 linears behind it may then read
    // INT8.
    std::optional<double> output_scale = {};
    // Names of the layers whose output this one reads; empty: the layer before it in the list (the first reads the
    // network's input).
    std::vector<std::string> inputs = {};
    // Name of the layer above whose output, [m, n], is added to this linear's, after its activation; empty: none.
    std::string residual = {};
    // Of a layer list, not of a plan, where the reason says it.
    WeightForm weights = WeightForm::kFloat;
    // What this layer reads is not in the list, or nobody knows it: it shares its input with no other layer, and
    // nothing before it writes its panel. `inputs` is empty then.
    bool input_unknown = false;
    // What of this row no file says and a reader took for granted, each in a few words. Empty: everything is said.
    std::vector<std::string> assumptions = {};

    bool operator==(const Layer&) const = default;
};

// Why a tensor of a file is in no layer of a list. The names are stable: scripts and stored plans rely on them.
enum class LeftOutReason {
    kUser,     // user     the caller said so
    kTable,    // table    rows of it are looked up and nothing is multiplied: where it belongs
    kFourBit,  // 4-bit    a packed form of few bits that is not read
    kExperts,  // experts  matrices of a mixture of experts in one tensor
    kFloat8,   // float8   a form of eight-bit floats that is not read
    kDtype,    // dtype    an element type, or a form of quantization, that is not read
    kShape,    // shape    no matrix
    kName,     // name     its name says nothing of a linear
    kAdapter,  // adapter  changes another tensor
    kOther,    // other    what the text says
};

std::string_view name_of(LeftOutReason reason);
std::optional<LeftOutReason> parse_left_out_reason(std::string_view name);

// A tensor of a file that no layer takes.
struct LeftOut {
    std::string tensor;
    LeftOutReason reason = LeftOutReason::kOther;
    std::string text;             // in words
    std::int64_t parameters = 0;  // how many values it stands for; 0 for what goes with others: scales, indices
    std::int64_t bytes = 0;
    bool assumed = false;  // a table: told by its name alone

    bool operator==(const LeftOut&) const = default;
};

struct Model {
    std::string name;
    std::vector<Layer> layers = {};
    // Of the file that the list was made of: how many parameters it has, as far as it has any, and those of its tensors
    // that no layer takes.
    std::int64_t parameters = 0;
    std::vector<LeftOut> left_out = {};
    // What else there is to say of the file as a whole, a line each.
    std::vector<std::string> notes = {};

    bool operator==(const Model&) const = default;
};

}  // namespace octile
