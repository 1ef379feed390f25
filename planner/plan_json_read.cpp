#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "base/json_builder.h"
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

SideCost read_side(const json& object, const std::string& path, const char* input, Status& status) {
    ObjectReader reader(object, path, status, kDocument);
    SideCost cost;
    cost.input_us = reader.number(input, 0, true);
    cost.gemm_us = reader.number("gemm_us", 0, true);
    cost.epilogue_us = reader.number("epilogue_us", 0, true);
    cost.conversion_us = reader.number("conversion_us", 0, true);
    cost.bound = reader.name("bound", parse_bound, "one of \"compute\", \"loads\", \"cache\", \"memory\"");
    cost.isa = reader.name("isa", parse_isa, "a level such as \"dotprod\"");
    cost.measured = reader.boolean("measured");
    reader.finish();
    return cost;
}

Cost read_cost(const json& object, const std::string& path, Status& status) {
    ObjectReader reader(object, path, status, kDocument);
    Cost cost;
    const std::optional<double> int8_us = time_us(reader, "int8_us"), fp16_us = time_us(reader, "fp16_us");
    if (reader.has("int8")) cost.int8 = read_side(*reader.member("int8"), path + ".int8", "quantize_us", status);
    if (reader.has("fp16")) cost.fp16 = read_side(*reader.member("fp16"), path + ".fp16", "pack_us", status);
    if (reader.has("int4")) cost.int4 = read_side(*reader.member("int4"), path + ".int4", "quantize_us", status);
    reader.finish();
    const auto text = [](const std::optional<double>& value) { return value ? fmt::format("{}", *value) : "null"; };
    if (int8_us != cost.int8_us())
        reader.fail("int8_us", text(cost.int8_us()) + ", the sum of its parts", text(int8_us));
    if (fp16_us != cost.fp16_us())
        reader.fail("fp16_us", text(cost.fp16_us()) + ", the sum of its parts", text(fp16_us));
    return cost;
}

LayerError read_error(const json& object, const std::string& path, Status& status) {
    ObjectReader reader(object, path, status, kDocument);
    LayerError error;
    error.sqnr_db = reader.number("sqnr_db", std::numeric_limits<double>::lowest(), true);
    error.cosine = reader.number("cosine", -1, true);
    error.smoothquant_alpha = reader.number_or_null("smoothquant_alpha");
    error.int8 = reader.boolean("int8");
    reader.finish();
    return error;
}

std::vector<FrontierPoint> read_frontier(const json& array, const std::string& path, Status& status) {
    std::vector<FrontierPoint> points;
    for (std::size_t i = 0; i < array.size() && status.ok(); ++i) {
        ObjectReader reader(array[i], fmt::format("{}[{}]", path, i), status, kDocument);
        FrontierPoint& point = points.emplace_back();
        point.int8_layers = reader.integer("int8_layers", 0, INT64_MAX);
        point.saved_us = reader.number("saved_us", std::numeric_limits<double>::lowest(), true);
        point.sqnr_db = reader.number("sqnr_db", std::numeric_limits<double>::lowest(), true);
        reader.finish();
    }
    return points;
}

std::vector<LeftOut> read_left_out(const json& array, const std::string& path, Status& status) {
    std::vector<LeftOut> tensors;
    for (std::size_t i = 0; i < array.size() && status.ok(); ++i) {
        ObjectReader reader(array[i], fmt::format("{}[{}]", path, i), status, kDocument);
        LeftOut& left = tensors.emplace_back();
        left.tensor = reader.string("tensor");
        left.reason = reader.name("reason", parse_left_out_reason,
                                  "one of \"user\", \"table\", \"4-bit\", \"experts\", \"float8\", \"dtype\", "
                                  "\"shape\", \"name\", \"adapter\", \"other\"");
        left.text = reader.string("text");
        left.parameters = reader.integer("parameters", 0, INT64_MAX);
        left.bytes = reader.integer("bytes", 0, INT64_MAX);
        left.assumed = reader.has("assumed") && reader.boolean("assumed");
        reader.finish();
    }
    return tensors;
}

PlannedLayer read_layer(const json& object, const std::string& path, Policy policy, Status& status) {
    ObjectReader reader(object, path, status, kDocument);
    PlannedLayer planned;
    Layer& layer = planned.layer;
    layer.name = reader.string("name");
    layer.op = reader.name("op", parse_op, "one of \"linear\", \"layernorm\", \"activation\", \"add\", \"other\"");
    layer.m = reader.integer("m", 1, kMaxExtent);
    layer.k = reader.integer("k", 1, kMaxExtent);
    layer.n = reader.integer("n", 1, kMaxExtent);
    layer.count = reader.integer("count", 1, kMaxExtent);
    layer.activation = reader.name("act", parse_activation, "one of the activations that docs/inputs.md lists");
    layer.bias = reader.boolean("bias");
    if (reader.has("eps")) layer.epsilon = reader.number("eps", 0, true);
    if (reader.has("output_scale")) layer.output_scale = reader.number("output_scale", 0);
    layer.input_unknown = object.is_object() && object.contains("inputs") && object["inputs"].is_null();
    if (layer.input_unknown)
        reader.member("inputs");
    else
        layer.inputs = reader.strings("inputs");
    if (reader.has("residual")) layer.residual = reader.string("residual");
    if (reader.has("assumed")) layer.assumptions = reader.strings("assumed");
    planned.precision = reader.name("precision", parse_precision, "\"int8\", \"fp16\" or \"int4\"");
    planned.reason = reader.name("reason", parse_reason, "a reason code such as \"RATIO_GE_MIN\"");
    planned.ratio = reader.number_or_null("ratio");
    planned.margin = reader.number_or_null("margin");
    planned.quantize_input = reader.boolean("quantize_input");
    const std::string form = reader.string("fused");
    planned.replaces = reader.strings("replaces");
    planned.kernel = reader.string_or_null("kernel");
    planned.panel =
        reader.name("panel", parse_input_panel, "one of \"none\", \"own\", \"shared\", \"norm\", \"chain\"");
    planned.panel_from = reader.string_or_null("panel_from").value_or("");
    if (reader.has("gate")) planned.gate = reader.string("gate");
    if (const json* cost = reader.member("cost")) planned.cost = read_cost(*cost, reader.path_to("cost"), status);
    planned.cost.source =
        reader.name("cost_source", parse_cost_source, "one of \"ratio\", \"model\", \"measured\", \"mixed\"");
    if (reader.has("error")) planned.error = read_error(*reader.member("error"), reader.path_to("error"), status);
    reader.finish();
    if (!status.ok()) return planned;

    // What a plan promises its readers, so that a file edited by hand cannot break it.
    const bool linear = layer.op == Op::kLinear;
    const bool quantized = is_quantized(planned.precision);
    const std::string precision = quote(name_of(planned.precision));
    if (quantized && !linear) reader.fail("precision", fmt::format("\"fp16\" for {}", name_of(layer.op)), precision);
    if (quantized && layer.k > kMaxReduction) {
        reader.fail("k", fmt::format("at most {} for {}", kMaxReduction, precision), fmt::format("{}", layer.k));
    }
    if (planned.cost.int4 && planned.precision != Precision::kInt4)
        reader.fail("cost.int4", fmt::format("none for {}", precision), "one");
    if (planned.quantize_input && !quantized) reader.fail("quantize_input", "false for \"fp16\"", "true");
    if (planned.ratio.has_value() != linear) {
        reader.fail("ratio", linear ? "a number" : "null", linear ? "null" : "a number");
    }
    const bool margin = linear && policy != Policy::kAccuracy;
    if (planned.margin.has_value() != margin) {
        reader.fail("margin", margin ? "a number" : "null", margin ? "null" : "a number");
    }
    if ((planned.panel == InputPanel::kNone) == quantized) {
        reader.fail("panel", fmt::format("{} for {}", quantized ? "another than \"none\"" : "\"none\"", precision),
                    quote(name_of(planned.panel)));
    }
    const bool from = planned.panel != InputPanel::kNone && planned.panel != InputPanel::kOwn;
    if (planned.panel_from.empty() == from) {
        reader.fail("panel_from", from ? "a layer's name" : "null", from ? "null" : quote(planned.panel_from));
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
    if (reader.has("int4")) summary.int4 = reader.integer("int4", 1, kMost);
    summary.fp16 = reader.integer("fp16", 0, kMost);
    summary.left_by_ratio = reader.integer("left_by_ratio", 0, kMost);
    summary.left_by_cost = reader.integer("left_by_cost", 0, kMost);
    summary.left_by_accuracy = reader.integer("left_by_accuracy", 0, kMost);
    summary.left_by_skip = reader.integer("left_by_skip", 0, kMost);
    summary.left_no_kernel = reader.integer("left_no_kernel", 0, kMost);
    summary.left_by_force = reader.integer("left_by_force", 0, kMost);
    summary.not_linear = reader.integer("not_linear", 0, kMost);
    summary.plan_us = time_us(reader, "plan_us");
    summary.fp16_us = time_us(reader, "fp16_us");
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
    plan.model = reader.text("model");  // validate_name() below
    plan.policy = reader.name("policy", parse_policy, "one of \"ratio\", \"cost\", \"accuracy\"");
    const std::optional<double> min_ratio = reader.number_or_null("min_ratio");
    if (!min_ratio || *min_ratio < 0) {
        reader.fail("min_ratio", "a number >= 0", min_ratio ? fmt::format("{}", *min_ratio) : "null");
    }
    plan.min_ratio = min_ratio.value_or(0);
    plan.core = reader.string_or_null("core").value_or("");
    plan.threads = static_cast<int>(reader.integer("threads", 1, kMaxThreads));
    plan.noise = reader.number("noise", 0, true);
    if (reader.has("frontier")) {
        const json& frontier = *reader.member("frontier");
        if (!frontier.is_array()) reader.fail("frontier", "an array", found(frontier));
        if (status.ok()) plan.frontier = read_frontier(frontier, reader.path_to("frontier"), status);
    }
    if (reader.has("parameters")) plan.parameters = reader.integer("parameters", 0, INT64_MAX);
    if (reader.has("left_out")) {
        const json& left_out = *reader.member("left_out");
        if (!left_out.is_array()) reader.fail("left_out", "an array", found(left_out));
        if (status.ok()) plan.left_out = read_left_out(left_out, reader.path_to("left_out"), status);
    }
    PlanSummary summary;
    if (const json* value = reader.member("summary")) summary = read_summary(*value, reader.path_to("summary"), status);
    const json* layers = reader.member("layers");
    if (layers != nullptr && !layers->is_array()) reader.fail("layers", "an array", found(*layers));
    if (!status.ok()) return status;

    std::vector<Layer> list;
    for (std::size_t i = 0; i < layers->size(); ++i) {
        plan.layers.push_back(
            read_layer((*layers)[i], fmt::format("{}[{}]", reader.path_to("layers"), i), plan.policy, status));
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

Result<Plan> plan_from_json(const json& object, const std::string& path) {
    return read_plan(object, path);
}

Result<Plan> plan_from_json(std::string_view text) {
    Result<json> document = internal::parse_json(text);
    if (!document.ok()) return document.status();
    const internal::TakenApart apart(document.value());
    return read_plan(document.value(), "");
}

Result<std::vector<Plan>> plans_from_json(std::string_view text) {
    Result<json> document = internal::parse_json(text);
    if (!document.ok()) return document.status();
    const internal::TakenApart apart(document.value());
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
