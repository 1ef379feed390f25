#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/printable.h"
#include "octile/planner.h"
#include "planner/plan_json.h"
#include "planner/validate.h"

namespace octile {
namespace {

using internal::quote;
using nlohmann::json;

// What stands where something else was expected. Containers are not printed: they may be large, or nested beyond what a
// recursive printer survives.
std::string found(const json& value) {
    if (value.is_string()) return quote(value.get_ref<const std::string&>());
    if (value.is_object()) return "an object";
    if (value.is_array()) return "an array";
    return value.dump();
}

// Reads one JSON object strictly. The first error is kept in `status`, shared by all readers of a document; after it
// every value is a default one, so that callers check once, at the end.
class ObjectReader {
  public:
    ObjectReader(const json& object, std::string path, Status& status)
        : object_(object), path_(std::move(path)), status_(status) {
        if (!object.is_object()) fail("", "an object", found(object));
    }

    std::string string(const char* key) {
        const json* value = member(key);
        if (value == nullptr) return {};
        if (value->is_string()) return value->get<std::string>();
        fail(key, "a string", found(*value));
        return {};
    }

    std::optional<std::string> string_or_null(const char* key) {
        const json* value = peek(key);
        if (value != nullptr && value->is_null()) {
            read_.push_back(key);
            return std::nullopt;
        }
        return string(key);
    }

    bool boolean(const char* key) {
        const json* value = member(key);
        if (value == nullptr) return false;
        if (value->is_boolean()) return value->get<bool>();
        fail(key, "true or false", found(*value));
        return false;
    }

    std::int64_t integer(const char* key, std::int64_t least, std::int64_t most) {
        const json* value = member(key);
        if (value == nullptr) return least;
        const bool fits = value->is_number_integer() &&
                          !(value->is_number_unsigned() && value->get<std::uint64_t>() > std::uint64_t(INT64_MAX));
        if (fits && value->get<std::int64_t>() >= least && value->get<std::int64_t>() <= most) {
            return value->get<std::int64_t>();
        }
        fail(key, fmt::format("an integer from {} to {}", least, most), found(*value));
        return least;
    }

    std::optional<double> number_or_null(const char* key) {
        const json* value = member(key);
        if (value == nullptr || value->is_null()) return std::nullopt;
        if (value->is_number()) return value->get<double>();
        fail(key, "a number or null", found(*value));
        return std::nullopt;
    }

    std::vector<std::string> strings(const char* key) {
        const json* value = member(key);
        if (value == nullptr) return {};
        std::vector<std::string> result;
        const bool fits = value->is_array() && std::all_of(value->begin(), value->end(),
                                                           [](const json& element) { return element.is_string(); });
        if (fits) return value->get<std::vector<std::string>>();
        fail(key, "an array of strings", value->is_array() ? "other elements" : found(*value));
        return {};
    }

    template <typename Enum>
    Enum name(const char* key, std::optional<Enum> (*parse)(std::string_view), std::string_view expected) {
        const json* value = member(key);
        if (value == nullptr) return Enum{};
        if (value->is_string()) {
            if (const auto parsed = parse(value->get_ref<const std::string&>())) return *parsed;
        }
        fail(key, expected, found(*value));
        return Enum{};
    }

    const json* member(const char* key) {
        if (!status_.ok()) return nullptr;
        const json* value = peek(key);
        if (value == nullptr) {
            status_ = {StatusCode::kParseError, fmt::format("{}: missing", path_to(key))};
        } else {
            read_.push_back(key);
        }
        return value;
    }

    // To be called after the last field: whatever has not been read by then does not belong here.
    void finish() {
        if (!status_.ok() || read_.size() == object_.size()) return;
        for (const auto& [key, value] : object_.items()) {
            if (std::find(read_.begin(), read_.end(), key) == read_.end()) {
                status_ = {StatusCode::kParseError, fmt::format("{}: unknown field {}", place(), quote(key))};
                return;
            }
        }
    }

    void fail(const std::string& key, std::string_view expected, std::string_view actual) {
        if (!status_.ok()) return;
        status_ = {StatusCode::kParseError,
                   fmt::format("{}: expected {}, found {}", key.empty() ? place() : path_to(key), expected, actual)};
    }

    std::string path_to(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }

  private:
    const json* peek(const char* key) const {
        if (!status_.ok()) return nullptr;
        const auto position = object_.find(key);
        return position == object_.end() ? nullptr : &*position;
    }

    std::string place() const { return path_.empty() ? "plan" : path_; }

    const json& object_;
    std::string path_;
    Status& status_;
    std::vector<std::string_view> read_;
};

std::optional<double> time_us(ObjectReader& reader, const char* key) {
    const std::optional<double> value = reader.number_or_null(key);
    if (value && !(*value >= 0)) reader.fail(key, "a time >= 0 or null", fmt::format("{}", *value));
    return value;
}

PlannedLayer read_layer(const json& object, const std::string& path, Status& status) {
    ObjectReader reader(object, path, status);
    PlannedLayer planned;
    Layer& layer = planned.layer;
    layer.name = reader.string("name");
    layer.op = reader.name("op", parse_op, "one of \"linear\", \"layernorm\", \"activation\"");
    layer.m = reader.integer("m", 1, kMaxExtent);
    layer.k = reader.integer("k", 1, kMaxExtent);
    layer.n = reader.integer("n", 1, kMaxExtent);
    layer.count = reader.integer("count", 1, kMaxExtent);
    layer.activation = reader.name("act", parse_activation, "one of \"none\", \"relu\", \"gelu\", \"silu\"");
    layer.bias = reader.boolean("bias");
    layer.inputs = reader.strings("inputs");
    planned.precision = reader.name("precision", parse_precision, "\"int8\" or \"fp16\"");
    planned.reason = reader.name("reason", parse_reason, "a reason code such as \"RATIO_GE_MIN\"");
    planned.ratio = reader.number_or_null("ratio");
    planned.margin = reader.number_or_null("margin");
    planned.quantize_input = reader.boolean("quantize_input");
    const std::string form = reader.string("fused");
    planned.replaces = reader.strings("replaces");
    planned.kernel = reader.string_or_null("kernel");
    if (const json* cost = reader.member("cost")) {
        ObjectReader cost_reader(*cost, reader.path_to("cost"), status);
        planned.cost.int8_us = time_us(cost_reader, "int8_us");
        planned.cost.fp16_us = time_us(cost_reader, "fp16_us");
        cost_reader.finish();
    }
    planned.cost.source = reader.name("cost_source", parse_cost_source, "\"ratio\"");
    reader.finish();
    if (!status.ok()) return planned;

    // What a plan promises its readers, so that a file edited by hand cannot break it.
    const bool linear = layer.op == Op::kLinear;
    const bool int8 = planned.precision == Precision::kInt8;
    if (int8 && !linear) reader.fail("precision", fmt::format("\"fp16\" for {}", name_of(layer.op)), "\"int8\"");
    if (int8 && layer.k > kMaxReduction) {
        reader.fail("k", fmt::format("at most {} for \"int8\"", kMaxReduction), fmt::format("{}", layer.k));
    }
    if (planned.quantize_input && !int8) reader.fail("quantize_input", "false for \"fp16\"", "true");
    if (planned.ratio.has_value() != linear) {
        reader.fail("ratio", linear ? "a number" : "null", linear ? "null" : "a number");
    }
    if (planned.margin.has_value() != linear) {
        reader.fail("margin", linear ? "a number" : "null", linear ? "null" : "a number");
    }
    if (form != fused_form(planned)) reader.fail("fused", quote(fused_form(planned)), quote(form));
    if (planned.replaces.empty()) reader.fail("replaces", "at least one name", "none");
    return planned;
}

PlanSummary read_summary(const json& object, const std::string& path, Status& status) {
    constexpr std::int64_t kMost = INT64_MAX;
    ObjectReader reader(object, path, status);
    PlanSummary summary;
    summary.linears = reader.integer("linears", 0, kMost);
    summary.int8 = reader.integer("int8", 0, kMost);
    summary.fp16 = reader.integer("fp16", 0, kMost);
    summary.left_by_ratio = reader.integer("left_by_ratio", 0, kMost);
    summary.left_by_skip = reader.integer("left_by_skip", 0, kMost);
    summary.left_no_kernel = reader.integer("left_no_kernel", 0, kMost);
    summary.left_by_force = reader.integer("left_by_force", 0, kMost);
    summary.not_linear = reader.integer("not_linear", 0, kMost);
    reader.finish();
    return summary;
}

Result<Plan> read_plan(const json& object, const std::string& path) {
    Status status;
    ObjectReader reader(object, path, status);
    if (object.is_object() && !object.contains("octile_plan")) {
        return Status(StatusCode::kParseError,
                      fmt::format("{}: missing: not a plan as `octile plan --format json` writes it",
                                  reader.path_to("octile_plan")));
    }
    Plan plan;
    reader.integer("octile_plan", 1, 1);
    plan.model = reader.string("model");
    plan.policy = reader.name("policy", parse_policy, "\"ratio\"");
    const std::optional<double> min_ratio = reader.number_or_null("min_ratio");
    if (!min_ratio || *min_ratio < 0) {
        reader.fail("min_ratio", "a number >= 0", min_ratio ? fmt::format("{}", *min_ratio) : "null");
    }
    plan.min_ratio = min_ratio.value_or(0);
    PlanSummary summary;
    if (const json* value = reader.member("summary")) summary = read_summary(*value, reader.path_to("summary"), status);
    const json* layers = reader.member("layers");
    if (layers != nullptr && !layers->is_array()) reader.fail("layers", "an array", found(*layers));
    if (!status.ok()) return status;

    std::vector<Layer> list;
    for (std::size_t i = 0; i < layers->size(); ++i) {
        plan.layers.push_back(read_layer((*layers)[i], fmt::format("{}[{}]", reader.path_to("layers"), i), status));
        if (!status.ok()) return status;
        list.push_back(plan.layers.back().layer);
    }
    reader.finish();
    if (const Result<Edges> edges = resolve_inputs(list); !edges.ok()) {
        reader.fail("layers", "a valid list", edges.status().message());
    }
    if (const Status name = validate_name("model", plan.model); !name.ok()) {
        reader.fail("model", "a valid name", name.message());
    }
    if (summary != summarize(plan)) {
        reader.fail("summary", to_text(summarize(plan)), to_text(summary));
    }
    if (!status.ok()) return status;
    return plan;
}

// nlohmann's message without its own error number, on one line.
std::string syntax_message(std::string_view what) {
    if (const std::size_t end = what.find("] "); end != std::string_view::npos) what.remove_prefix(end + 2);
    constexpr std::size_t kLongest = 200;
    if (what.size() <= kLongest && internal::is_printable(what)) return std::string(what);
    // It quotes the token it stumbled over, which may be long and anything.
    return std::string(what.substr(0, what.find(';')).substr(0, kLongest));
}

Result<json> parse(std::string_view text) {
    try {
        return json::parse(text);
    } catch (const json::exception& error) {
        return Status(StatusCode::kParseError, syntax_message(error.what()));
    }
}

}  // namespace

Result<Plan> plan_from_json(std::string_view text) {
    const Result<json> document = parse(text);
    if (!document.ok()) return document.status();
    return read_plan(document.value(), "");
}

Result<std::vector<Plan>> plans_from_json(std::string_view text) {
    const Result<json> document = parse(text);
    if (!document.ok()) return document.status();
    std::vector<Plan> plans;
    const json& root = document.value();
    if (!root.is_array()) {
        Result<Plan> plan = read_plan(root, "");
        if (!plan.ok()) return plan.status();
        plans.push_back(std::move(plan).value());
        return plans;
    }
    for (std::size_t i = 0; i < root.size(); ++i) {
        Result<Plan> plan = read_plan(root[i], fmt::format("[{}]", i));
        if (!plan.ok()) return plan.status();
        plans.push_back(std::move(plan).value());
    }
    return plans;
}

}  // namespace octile
