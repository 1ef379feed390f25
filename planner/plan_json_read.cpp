#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/printable.h"
#include "octile/planner.h"
#include "planner/json_reader.h"
#include "planner/plan_json.h"
#include "planner/validate.h"

namespace octile {
namespace {

using internal::found;
using internal::ObjectReader;
using internal::quote;
using nlohmann::json;

constexpr std::string_view kDocument = "plan";

std::optional<double> time_us(ObjectReader& reader, const char* key) {
    const std::optional<double> value = reader.number_or_null(key);
    if (value && !(*value >= 0)) reader.fail(key, "a time >= 0 or null", fmt::format("{}", *value));
    return value;
}

PlannedLayer read_layer(const json& object, const std::string& path, Status& status) {
    ObjectReader reader(object, path, status, kDocument);
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
        ObjectReader cost_reader(*cost, reader.path_to("cost"), status, kDocument);
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
    ObjectReader reader(object, path, status, kDocument);
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
    ObjectReader reader(object, path, status, kDocument);
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

}  // namespace

Result<Plan> plan_from_json(std::string_view text) {
    const Result<json> document = internal::parse_json(text);
    if (!document.ok()) return document.status();
    return read_plan(document.value(), "");
}

Result<std::vector<Plan>> plans_from_json(std::string_view text) {
    const Result<json> document = internal::parse_json(text);
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
