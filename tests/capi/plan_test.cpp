// Plans of the C API: those of the C++ interface with every option, and every error.
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "base/limits.h"
#include "inputs/layer_lists/csv_layers.h"
#include "octile/core.h"
#include "octile/planner.h"
#include "tests/capi/c_handles.h"

namespace octile::test {
namespace {

const std::string kCsv =
    "name,m,k,n,act,bias\n"
    "q,8,768,768,none,1\n"
    "up,8,768,3072,gelu,1\n"
    "down,8,3072,768,none,1\n"
    "head,8,768,16,none,0\n";
const std::string kJson = R"({"layers": [{"name": "fc", "m": 4, "k": 768, "n": 3072, "act": "gelu"}]})";

octile_plan_options defaults() {
    return initial<octile_plan_options>(octile_plan_options_init);
}

CPlan plan_of(const std::string& list, octile_list_format format, const octile_plan_options* options) {
    octile_plan* plan = nullptr;
    octile_error error;
    require_ok(octile_plan_make(list.data(), list.size(), format, options, &plan, &error), error);
    return CPlan(plan);
}

std::string json_of(const octile_plan* plan) {
    char* text = nullptr;
    octile_error error;
    require_ok(octile_plan_to_json(plan, &text, &error), error);
    return CText(text).get();
}

void fails(const std::string& list, octile_list_format format, const octile_plan_options* options,
           octile_status expected, const std::vector<std::string>& words) {
    octile_error error;
    octile_plan* plan = reinterpret_cast<octile_plan*>(&error);
    require_error(octile_plan_make(list.data(), list.size(), format, options, &plan, &error), error, expected, words);
    CHECK(plan == nullptr);
}

std::string expected_json(const PlanOptions& options, std::int64_t tokens = 0) {
    Model model = parse_csv_layers(kCsv, "layers").value();
    for (Layer& layer : model.layers)
        if (tokens != 0) layer.m = tokens;
    return to_json(make_plan(model, options).value());
}

int32_t measure(void* context, const octile_measurement_key* key, double* microseconds) {
    *microseconds = *static_cast<double*>(context) * (key->precision == OCTILE_INT8 ? 1 : 2);
    return key->n != 16;
}

TEST_CASE("capi plan: those of the C++ interface, with every option") {
    CHECK(json_of(plan_of(kCsv, OCTILE_LIST_CSV, nullptr).get()) == expected_json({}));
    octile_plan_options options = defaults();
    CHECK(json_of(plan_of(kCsv, OCTILE_LIST_CSV, &options).get()) == expected_json({}));
    options.tokens = 3;
    CHECK(json_of(plan_of(kCsv, OCTILE_LIST_CSV, &options).get()) == expected_json({}, 3));

    options = defaults();
    const octile_force forces[] = {{"^up$", OCTILE_FP16}, {"d", OCTILE_INT8}};
    options.min_ratio = 10;
    options.forces = forces;
    options.force_count = 2;
    options.skip = "^q";
    CHECK(json_of(plan_of(kCsv, OCTILE_LIST_CSV, &options).get()) ==
          expected_json(
              {.min_ratio = 10, .forces = {{"^up$", Precision::kFp16}, {"d", Precision::kInt8}}, .skip = "^q"}));

    options = defaults();
    double us = 7;
    options.policy = OCTILE_POLICY_COST;
    options.core = "neoverse-v2";
    options.threads = 4;
    options.noise = 0.2;
    options.measurement = measure;
    options.measurement_context = &us;
    const PlanOptions cost{.policy = Policy::kCost,
                           .core = find_core("neoverse-v2").value(),
                           .threads = 4,
                           .noise = 0.2,
                           .measurements = [](const MeasurementKey& key) -> std::optional<double> {
                               if (key.n == 16) return std::nullopt;
                               return key.precision == Precision::kInt8 ? 7 : 14;
                           }};
    CHECK(json_of(plan_of(kCsv, OCTILE_LIST_CSV, &options).get()) == expected_json(cost));
    char* described = nullptr;
    REQUIRE(octile_core_to_json("neoverse-v2", &described, nullptr) == OCTILE_OK);
    const CText owner(described);
    options.core = nullptr;
    options.core_json = described;
    CHECK(json_of(plan_of(kCsv, OCTILE_LIST_CSV, &options).get()) == expected_json(cost));

    options = defaults();
    const octile_layer_error errors[] = {
        {1, 1, 40, 0.99, std::nan("")}, {1, 0, 20, 0.9, 0.5}, {0, 0, 0, 0, 0}, {1, 1, 30, 0.98, 0.25}};
    options.policy = OCTILE_POLICY_ACCURACY;
    options.errors = errors;
    options.error_count = 4;
    const PlanOptions accuracy{
        .policy = Policy::kAccuracy,
        .errors = {LayerError{.sqnr_db = 40, .cosine = 0.99, .int8 = true},
                   LayerError{.sqnr_db = 20, .cosine = 0.9, .smoothquant_alpha = 0.5}, std::nullopt,
                   LayerError{.sqnr_db = 30, .cosine = 0.98, .smoothquant_alpha = 0.25, .int8 = true}}};
    CHECK(json_of(plan_of(kCsv, OCTILE_LIST_CSV, &options).get()) == expected_json(accuracy));
}

TEST_CASE("capi plan: what a row, a summary, the text and the notes say") {
    octile_plan_options options = defaults();
    options.skip = "nobody";
    options.list_name = "lists/vit.csv";
    const CPlan plan = plan_of(kCsv, OCTILE_LIST_CSV, &options);
    octile_error error;
    auto layer = sized<octile_planned_layer>();
    require_ok(octile_plan_get_layer(plan.get(), 1, &layer, &error), error);
    CHECK(layer.name == std::string("up"));
    CHECK(layer.m == 8);
    CHECK(layer.k == 768);
    CHECK(layer.n == 3072);
    CHECK(layer.count == 1);
    CHECK(layer.op == OCTILE_OP_LINEAR);
    CHECK(layer.activation == OCTILE_GELU);
    CHECK(layer.bias == 1);
    CHECK(layer.precision == OCTILE_INT8);
    CHECK(layer.reason == OCTILE_RATIO_GE_MIN);
    CHECK(layer.quantize_input == 1);
    CHECK(layer.panel == OCTILE_PANEL_OWN);
    CHECK(layer.ratio == 614.4);
    CHECK(std::isnan(layer.int8_us));
    CHECK(layer.gate == nullptr);
    require_error(octile_plan_get_layer(plan.get(), 4, &layer, &error), error, OCTILE_INVALID_ARGUMENT,
                  {"index", "less than 4", "found 4"});
    std::size_t index = 9;
    require_ok(octile_plan_find_layer(plan.get(), "head", &index, &error), error);
    CHECK(index == 3);
    require_error(octile_plan_find_layer(plan.get(), "tail", &index, &error), error, OCTILE_INVALID_ARGUMENT,
                  {"no layer \"tail\""});
    REQUIRE(octile_plan_note_count(plan.get()) == 1);
    CHECK(std::string(octile_plan_note(plan.get(), 0)).find("nobody") != std::string::npos);
    CHECK(octile_plan_note(plan.get(), 1) == nullptr);
    char* text = nullptr;
    require_ok(octile_plan_to_text(plan.get(), &text, &error), error);
    const CText owner(text);
    CHECK(std::string(text).find("vit") != std::string::npos);
    CHECK(std::string(text).find("4 linears: 3 INT8, 1 FP16") != std::string::npos);
}

TEST_CASE("capi plan: INT4 rows, their time, and how many they are") {
    octile_plan_options options = defaults();
    const octile_force force{"^up$", OCTILE_INT4};
    options.forces = &force;
    options.force_count = 1;
    options.policy = OCTILE_POLICY_COST;
    options.core = "neoverse-v2";
    const CPlan plan = plan_of(kCsv, OCTILE_LIST_CSV, &options);
    const PlanOptions same{
        .policy = Policy::kCost, .forces = {{"^up$", Precision::kInt4}}, .core = find_core("neoverse-v2").value()};
    const Plan expected = make_plan(parse_csv_layers(kCsv, "layers").value(), same).value();
    octile_error error;
    auto layer = sized<octile_planned_layer>();
    require_ok(octile_plan_get_layer(plan.get(), 1, &layer, &error), error);
    CHECK(layer.precision == OCTILE_INT4);
    CHECK(layer.int4_us > 0);
    CHECK(layer.int4_us == expected.layers[1].cost.int4_us());
    require_ok(octile_plan_get_layer(plan.get(), 0, &layer, &error), error);
    CHECK(std::isnan(layer.int4_us));
    auto summary = sized<octile_plan_summary>();
    require_ok(octile_plan_get_summary(plan.get(), &summary, &error), error);
    CHECK(summary.int4 == 1);
    CHECK(summary.linears == 4);
    CHECK(summary.int8 + summary.int4 + summary.fp16 == 4);

    // A caller of the first version, whose structs end before these fields.
    summary.size = offsetof(octile_plan_summary, int4);
    layer.size = offsetof(octile_planned_layer, int4_us);
    summary.int4 = 77;
    layer.int4_us = 77;
    require_ok(octile_plan_get_summary(plan.get(), &summary, &error), error);
    require_ok(octile_plan_get_layer(plan.get(), 1, &layer, &error), error);
    CHECK(summary.linears == 4);
    CHECK(summary.int4 == 77);
    CHECK(layer.name == std::string("up"));
    CHECK(layer.int4_us == 77);
}

TEST_CASE("capi plan: JSON in and out, and differences") {
    octile_error error;
    octile_plan* read = nullptr;
    char* lines = nullptr;
    const CPlan plan = plan_of(kJson, OCTILE_LIST_JSON, nullptr);
    const std::string json = json_of(plan.get());
    require_ok(octile_plan_from_json(json.data(), json.size(), &read, &error), error);
    const CPlan again(read);
    CHECK(json_of(again.get()) == json);
    require_ok(octile_plan_compare(plan.get(), again.get(), &lines, &error), error);
    CHECK(CText(lines).get() == std::string());
    octile_plan_options options = defaults();
    options.min_ratio = 1e9;
    const CPlan other = plan_of(kJson, OCTILE_LIST_JSON, &options);
    require_ok(octile_plan_compare(plan.get(), other.get(), &lines, &error), error);
    CHECK(std::string(CText(lines).get()).find("fc: precision: int8 -> fp16\n") != std::string::npos);
    require_error(octile_plan_from_json("{}", 2, &read, &error), error, OCTILE_PARSE_ERROR, {});
    require_error(octile_plan_from_json("{", 1, &read, &error), error, OCTILE_PARSE_ERROR, {"line 1"});
    CHECK(read == nullptr);
}

TEST_CASE("capi plan: lists that are none") {
    fails("", OCTILE_LIST_CSV, nullptr, OCTILE_PARSE_ERROR, {"layers:1:", "header"});
    fails("name,m,k,n\nfc,1,2\n", OCTILE_LIST_CSV, nullptr, OCTILE_PARSE_ERROR, {"layers:2:"});
    fails("name,m,k,n\nfc,1,999999,2\n", OCTILE_LIST_CSV, nullptr, OCTILE_PARSE_ERROR, {"layers:2:", "131072"});
    fails("{", OCTILE_LIST_JSON, nullptr, OCTILE_PARSE_ERROR, {"layers:1:2"});
    fails("{\"layers\": 3}", OCTILE_LIST_JSON, nullptr, OCTILE_PARSE_ERROR, {"layers", "an array"});
    fails(std::string("name,m,k,n\n\0", 12), OCTILE_LIST_CSV, nullptr, OCTILE_PARSE_ERROR, {"layers:2:", "NUL"});
    fails(std::string(limits::kTextBytes + 1, '\n'), OCTILE_LIST_CSV, nullptr, OCTILE_PARSE_ERROR, {"at most"});
    fails(std::string(100000, '['), OCTILE_LIST_JSON, nullptr, OCTILE_PARSE_ERROR, {"levels"});
    fails(kCsv, 2, nullptr, OCTILE_INVALID_ARGUMENT, {"format", "found 2"});
    fails(kCsv, INT32_MIN, nullptr, OCTILE_INVALID_ARGUMENT, {"format"});
    octile_plan_options options = defaults();
    options.list_name = "a\nb";
    fails("", OCTILE_LIST_CSV, &options, OCTILE_PARSE_ERROR, {"\"a"});
}

TEST_CASE("capi plan: options that are wrong") {
    const auto wrong = [](void (*change)(octile_plan_options&), const std::vector<std::string>& words) {
        octile_plan_options options = defaults();
        change(options);
        fails(kCsv, OCTILE_LIST_CSV, &options, OCTILE_INVALID_ARGUMENT, words);
    };
    wrong([](auto& o) { o.policy = 3; }, {"options.policy", "0 to 2", "found 3"});
    wrong([](auto& o) { o.policy = OCTILE_POLICY_COST; }, {"core"});
    wrong([](auto& o) { o.policy = OCTILE_POLICY_ACCURACY; }, {"error"});
    wrong([](auto& o) { o.threads = 0; }, {"threads"});
    wrong([](auto& o) { o.min_ratio = -1; }, {"ratio"});
    wrong([](auto& o) { o.min_ratio = std::nan(""); }, {"ratio"});
    wrong([](auto& o) { o.noise = HUGE_VAL; }, {"noise"});
    wrong([](auto& o) { o.tokens = -1; }, {"options.tokens", "found -1"});
    wrong([](auto& o) { o.tokens = INT64_MAX; }, {"options.tokens"});
    wrong([](auto& o) { o.skip = "("; }, {"skip"});
    wrong([](auto& o) { o.core = "abacus"; }, {"abacus", "neoverse-v2"});
    wrong([](auto& o) { o.core = o.core_json = "x"; }, {"core or core_json"});
    wrong([](auto& o) { o.force_count = 2; }, {"options.forces", "NULL"});
    static const octile_force no_pattern[] = {{nullptr, OCTILE_INT8}}, no_precision[] = {{"x", 9}};
    wrong([](auto& o) { o.forces = no_pattern, o.force_count = 1; }, {"options.forces[0].pattern", "NULL"});
    wrong([](auto& o) { o.forces = no_precision, o.force_count = 1; }, {"options.forces[0].precision", "found 9"});
    static const octile_layer_error nan_error[4] = {{1, 1, std::numeric_limits<double>::quiet_NaN(), 1, 0}};
    wrong([](auto& o) { o.errors = nan_error, o.error_count = 4; }, {"options.errors[0]", "nan"});
    wrong([](auto& o) { o.errors = nan_error, o.error_count = 3; }, {"options.errors", "expected 4", "found 3"});
    wrong([](auto& o) { o.errors = nan_error, o.error_count = SIZE_MAX; }, {"options.errors", "expected 4"});
    octile_plan_options options = defaults();
    options.core_json = "{}";
    fails(kCsv, OCTILE_LIST_CSV, &options, OCTILE_PARSE_ERROR, {"core"});
}

TEST_CASE("capi plan: a measurement that is none, and one that throws") {
    octile_plan_options options = defaults();
    options.core = "neoverse-v2";
    options.measurement = measure;
    for (double us : {0.0, -1.0, std::nan(""), HUGE_VAL}) {
        options.measurement_context = &us;
        fails(kCsv, OCTILE_LIST_CSV, &options, OCTILE_INVALID_ARGUMENT, {"measurement of [8, 768, ", "microseconds"});
    }
    options.measurement = [](void*, const octile_measurement_key*, double*) -> int32_t { throw 3; };
    fails(kCsv, OCTILE_LIST_CSV, &options, OCTILE_INTERNAL, {"unknown"});
}

TEST_CASE("capi plan: cores") {
    const std::vector<std::string_view> names = core_names();
    REQUIRE(octile_core_count() == names.size());
    octile_error error;
    for (std::size_t i = 0; i < names.size(); i++) {
        CHECK(octile_core_name(i) == names[i]);
        char* json = nullptr;
        require_ok(octile_core_to_json(octile_core_name(i), &json, &error), error);
        CHECK(CText(json).get() == to_json(find_core(names[i]).value()));
    }
    char* json = nullptr;
    require_error(octile_core_to_json("abacus", &json, &error), error, OCTILE_INVALID_ARGUMENT, {"abacus"});
}

}  // namespace
}  // namespace octile::test
