#include "planner/validate.h"

#include <fmt/format.h>

#include <cmath>
#include <string>
#include <unordered_map>

#include "base/printable.h"
#include "octile/planner.h"

namespace octile {
namespace {

using internal::quote;

struct Occurrence {
    std::size_t row = 0;  // the first
    std::size_t times = 0;
};

Status invalid(std::string message) {
    return {StatusCode::kInvalidArgument, std::move(message)};
}

Status in_row(const Layer& layer, std::size_t row, std::string_view message) {
    return invalid(fmt::format("layer {} (row {}): {}", quote(layer.name), row + 1, message));
}

Status validate_extent(std::string_view field, std::int64_t value) {
    if (value >= 1 && value <= kMaxExtent) return {};
    return invalid(fmt::format("{}: expected 1 to {}, found {}", field, kMaxExtent, value));
}

}  // namespace

Status validate_name(std::string_view what, std::string_view name) {
    if (name.size() > kMaxNameLength) {
        return invalid(fmt::format("{}: expected at most {} bytes, found {}", what, kMaxNameLength, name.size()));
    }
    if (!internal::is_printable(name)) {
        return invalid(fmt::format("{}: expected UTF-8 without control characters, found {}", what, quote(name)));
    }
    return {};
}

Status validate_layer(const Layer& layer) {
    if (layer.name.empty()) return invalid("name: expected a name, found none");
    if (Status status = validate_name("name", layer.name); !status.ok()) return status;
    if (Status status = validate_extent("m", layer.m); !status.ok()) return status;
    if (Status status = validate_extent("k", layer.k); !status.ok()) return status;
    if (Status status = validate_extent("n", layer.n); !status.ok()) return status;
    if (Status status = validate_extent("count", layer.count); !status.ok()) return status;
    if (layer.op != Op::kLinear && layer.k != layer.n) {
        return invalid(fmt::format("n: expected k = {} for {}, found {}", layer.k, name_of(layer.op), layer.n));
    }
    if (layer.op == Op::kActivation && layer.activation == Activation::kNone) {
        return invalid("act: expected a function for an activation, found \"none\"");
    }
    if (layer.op != Op::kLinear && layer.op != Op::kActivation && layer.activation != Activation::kNone) {
        return invalid(fmt::format("act: expected none for {} {}, found {}", layer.op == Op::kLayerNorm ? "a" : "an",
                                   name_of(layer.op), quote(name_of(layer.activation))));
    }
    if (layer.op == Op::kAdd && layer.inputs.size() != 2) {
        return invalid(fmt::format("inputs: expected the two layers that add sums, found {}", layer.inputs.size()));
    }
    if (layer.input_unknown && !layer.inputs.empty()) {
        return invalid(fmt::format("inputs: expected none where what is read is not known, found {}",
                                   quote(layer.inputs.front())));
    }
    if (layer.op != Op::kLinear && !layer.residual.empty()) {
        return invalid(
            fmt::format("residual: expected none for {}, found {}", name_of(layer.op), quote(layer.residual)));
    }
    if (const auto scale = layer.output_scale; scale && !(std::isfinite(*scale) && *scale > 0)) {
        return invalid(fmt::format("output_scale: expected a number > 0, found {}", *scale));
    }
    if (const auto epsilon = layer.epsilon; epsilon && !(std::isfinite(*epsilon) && *epsilon >= 0)) {
        return invalid(fmt::format("eps: expected a number >= 0, found {}", *epsilon));
    }
    return {};
}

Result<Edges> resolve_inputs(const std::vector<Layer>& layers) {
    if (layers.empty()) return invalid("the list holds no layers");
    std::unordered_map<std::string_view, Occurrence> rows;
    for (std::size_t row = 0; row < layers.size(); ++row) {
        const Layer& layer = layers[row];
        if (Status status = validate_layer(layer); !status.ok()) return in_row(layer, row, status.message());
        Occurrence& seen = rows.try_emplace(layer.name, Occurrence{row, 0}).first->second;
        ++seen.times;
    }
    Edges edges(layers.size());
    for (std::size_t row = 0; row < layers.size(); ++row) {
        const Layer& layer = layers[row];
        if (layer.inputs.empty() && !layer.input_unknown && row > 0) edges[row].push_back(row - 1);
        const auto resolve = [&](std::string_view field, const std::string& input) -> Result<std::size_t> {
            const auto found = rows.find(input);
            if (found == rows.end()) {
                return in_row(layer, row, fmt::format("{}: no layer is named {}", field, quote(input)));
            }
            const Occurrence& source = found->second;
            if (source.times > 1) {
                return in_row(layer, row, fmt::format("{}: {} layers are named {}", field, source.times, quote(input)));
            }
            if (source.row >= row) {
                return in_row(layer, row,
                              fmt::format("{}: expected a layer above this row, found {} (row {})", field, quote(input),
                                          source.row + 1));
            }
            return source.row;
        };
        for (const std::string& input : layer.inputs) {
            const Result<std::size_t> source = resolve("inputs", input);
            if (!source.ok()) return source.status();
            edges[row].push_back(source.value());
        }
        if (!layer.residual.empty()) {
            if (const Result<std::size_t> source = resolve("residual", layer.residual); !source.ok())
                return source.status();
        }
    }
    return edges;
}

}  // namespace octile
