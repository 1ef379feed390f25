#include "inputs/onnx/dimensions.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/limits.h"
#include "inputs/layer_lists/layer_rules.h"
#include "inputs/messages.h"

namespace octile {
namespace {

using Dimension = onnx::TensorShapeProto::Dimension;

bool is_batch(std::string_view name) {
    return name.find("batch") != std::string_view::npos || name == "N";
}

bool is_fixed(const Dimension& dim) {
    return dim.has_dim_value() && dim.dim_value() > 0;
}

std::string name_of(const onnx::ValueInfoProto& input, int axis) {
    const std::string& name = input.type().tensor_type().shape().dim(axis).dim_param();
    return name.empty() ? fmt::format("{}[{}]", input.name(), axis) : name;
}

// Whether an extent is called batch: then the first one is none for being the first.
bool has_batch(const onnx::ValueInfoProto& input) {
    const auto& shape = input.type().tensor_type().shape();
    return std::any_of(shape.dim().begin(), shape.dim().end(),
                       [](const Dimension& dim) { return is_batch(dim.dim_param()); });
}

std::string_view trim(std::string_view text) {
    const std::size_t first = text.find_first_not_of(' ');
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

bool has_shape(const onnx::TypeProto& type) {
    return type.has_tensor_type() && type.tensor_type().has_shape() &&
           static_cast<std::size_t>(type.tensor_type().shape().dim_size()) <= limits::kRank;
}

// Some of the names, for a message.
std::string list_of(const std::vector<std::string>& names) {
    constexpr std::size_t kMost = 12;
    std::string text;
    for (std::size_t i = 0; i < std::min(names.size(), kMost); ++i)
        text += (i == 0 ? "" : ", ") + internal::quote(names[i]);
    if (names.size() > kMost) text += fmt::format(" and {} more", names.size() - kMost);
    return names.empty() ? "none, for every extent is fixed" : text;
}

}  // namespace

Result<Dimensions> Dimensions::bind(const onnx::GraphProto& graph, const std::string& file,
                                    const std::unordered_set<std::string_view>& constants,
                                    std::optional<std::int64_t> tokens,
                                    const std::map<std::string, std::int64_t>& dims) {
    Dimensions bound;
    bound.known_.insert(dims.begin(), dims.end());
    std::vector<std::string> open;
    std::unordered_set<std::string> listed;
    for (const onnx::ValueInfoProto& input : graph.input()) {
        if (constants.contains(input.name()) || !has_shape(input.type())) continue;
        const auto& shape = input.type().tensor_type().shape();
        for (int i = 0; i < shape.dim_size(); ++i) {
            const auto place = [&] {
                return fmt::format("{}: input {}: dimension {}", file, internal::quote(input.name()), i);
            };
            if (is_fixed(shape.dim(i))) {
                if (shape.dim(i).dim_value() <= kMaxExtent) continue;
                return parse_error(place() + ": " + wrong_extent("m", std::to_string(shape.dim(i).dim_value())));
            }
            const std::string name = name_of(input, i);
            if (listed.insert(name).second) open.push_back(name);
            if (bound.value_of(name)) continue;
            if (is_batch(name) || (i == 0 && shape.dim_size() > 1 && !has_batch(input))) {
                bound.known_.emplace(name, 1);
                bound.batches_.push_back(name);
                continue;
            }
            // Sizes of images and of caches are nothing that a number of tokens tells, and neither are sums of others.
            if (shape.dim_size() > 3 || name.find_first_of("+*/") != std::string::npos) continue;
            if (!tokens) {
                const bool named = !shape.dim(i).dim_param().empty();
                return Status(StatusCode::kInvalidArgument,
                              fmt::format("{} is open{}{}: expected --tokens N", place(), named ? ", " : "",
                                          named ? internal::quote(name) : ""));
            }
            bound.known_.emplace(name, *tokens);
            bound.tokens_.push_back(name);
        }
    }
    for (const auto& [name, extent] : dims) {
        if (listed.contains(name)) continue;
        return Status(StatusCode::kInvalidArgument,
                      fmt::format("--dim: {}: expected the name of an open extent, found {}; there are {}", file,
                                  internal::quote(name), list_of(open)));
    }
    return bound;
}

std::optional<std::int64_t> Dimensions::value_of(std::string_view expression) const {
    std::int64_t sum = 0;
    for (std::size_t plus = 0; plus != std::string_view::npos;) {
        plus = expression.find('+');
        const std::string_view term = trim(expression.substr(0, plus));
        expression = plus == std::string_view::npos ? std::string_view() : expression.substr(plus + 1);
        std::int64_t value = 0;
        if (const auto found = known_.find(term); found != known_.end()) {
            value = found->second;
        } else {
            const auto [end, error] = std::from_chars(term.data(), term.data() + term.size(), value);
            if (term.empty() || error != std::errc() || end != term.data() + term.size() || value < 0)
                return std::nullopt;
        }
        if (__builtin_add_overflow(sum, value, &sum)) return std::nullopt;
    }
    return sum;
}

std::int64_t Dimensions::extent_of(const Dimension& dim, const std::string& name) const {
    if (is_fixed(dim)) return dim.dim_value();
    return name.empty() ? kUnknownExtent : value_of(name).value_or(kUnknownExtent);
}

std::optional<Extents> Dimensions::extents_of(const onnx::TypeProto& type) const {
    if (!has_shape(type)) return std::nullopt;
    Extents extents;
    for (const Dimension& dim : type.tensor_type().shape().dim())
        extents.push_back(extent_of(dim, dim.dim_param()));
    return extents;
}

std::optional<Extents> Dimensions::input_extents(const onnx::ValueInfoProto& input) const {
    if (!has_shape(input.type())) return std::nullopt;
    Extents extents;
    for (int i = 0; i < input.type().tensor_type().shape().dim_size(); ++i)
        extents.push_back(extent_of(input.type().tensor_type().shape().dim(i), name_of(input, i)));
    return extents;
}

}  // namespace octile
