#include "capi/plan_options.h"

#include <fmt/format.h>

#include <cmath>
#include <string>

#include "capi/boundary.h"
#include "capi/enums.h"
#include "capi/matrices.h"
#include "inputs/layer_lists/csv_layers.h"
#include "inputs/layer_lists/json_layers.h"
#include "inputs/layer_lists/list_text.h"

namespace octile::capi {
namespace {

// What the program has measured, as the planner asks for it.
Measurements measurements_of(octile_measurement measurement, void* context) {
    return [measurement, context](const MeasurementKey& key) -> std::optional<double> {
        const std::string core(key.core);
        octile_measurement_key asked = {};
        asked.core = core.c_str();
        asked.m = key.m;
        asked.k = key.k;
        asked.n = key.n;
        asked.threads = key.threads;
        asked.precision = to_c(key.precision);
        asked.activation = to_c(key.activation);
        double microseconds = 0;
        if (!measurement(context, &asked, &microseconds)) return std::nullopt;
        if (microseconds > 0 && std::isfinite(microseconds)) return microseconds;
        refuse(fmt::format("measurement of [{}, {}, {}] in {}: expected microseconds above 0, found {}", key.m, key.k,
                           key.n, name_of(key.precision), microseconds));
    };
}

std::optional<Core> core_of(const octile_plan_options& options) {
    if (options.core && options.core_json) refuse("options: expected core or core_json, found both");
    if (options.core) return take(find_core(options.core));
    if (options.core_json) return take(core_from_json(options.core_json));
    return std::nullopt;
}

std::vector<std::optional<LayerError>> errors_of(const octile_plan_options& options, std::size_t rows) {
    std::vector<std::optional<LayerError>> errors;
    // Before any of them is looked at.
    if (options.error_count != 0 && options.error_count != rows) {
        refuse(fmt::format("options.errors: expected {}, one for each row of the list, found {}", rows,
                           options.error_count));
    }
    for (const octile_layer_error& from : span_of(options.errors, options.error_count, "options.errors")) {
        std::optional<LayerError>& to = errors.emplace_back();
        if (!from.known) continue;
        to = LayerError{.sqnr_db = from.sqnr_db, .cosine = from.cosine, .int8 = from.int8 != 0};
        if (!std::isnan(from.smoothquant_alpha)) to->smoothquant_alpha = from.smoothquant_alpha;
        for (const double value : {from.sqnr_db, from.cosine, to->smoothquant_alpha.value_or(0)}) {
            if (!std::isfinite(value)) {
                refuse(fmt::format("options.errors[{}]: expected finite numbers, found {}", errors.size() - 1, value));
            }
        }
    }
    return errors;
}

}  // namespace

octile_plan_options default_plan_options() {
    const PlanOptions defaults;
    octile_plan_options options = {};
    options.size = sizeof(options);
    options.policy = to_c(defaults.policy);
    options.threads = defaults.threads;
    options.min_ratio = defaults.min_ratio;
    options.noise = defaults.noise;
    return options;
}

Model model_of(std::string_view list, octile_list_format format, const octile_plan_options& options) {
    const std::filesystem::path name = options.list_name ? options.list_name : "layers";
    if (options.tokens < 0 || options.tokens > kMaxExtent)
        refuse(fmt::format("options.tokens: expected 0 to {}, found {}", kMaxExtent, options.tokens));
    if (format != OCTILE_LIST_CSV && format != OCTILE_LIST_JSON)
        refuse(fmt::format("format: expected 0 to {}, found {}", int{OCTILE_LIST_JSON}, format));
    const std::string_view text = take(text_of(list, name));
    Model model = take(format == OCTILE_LIST_JSON ? parse_json_layers(text, name) : parse_csv_layers(text, name));
    for (Layer& layer : model.layers)
        if (options.tokens != 0) layer.m = options.tokens;
    return model;
}

PlanOptions plan_options(const octile_plan_options& options, std::size_t rows) {
    PlanOptions to;
    to.policy = to_cpp<Policy>(options.policy, "options.policy");
    to.min_ratio = options.min_ratio;
    to.noise = options.noise;
    to.threads = options.threads;
    if (options.skip) to.skip = options.skip;
    for (const octile_force& force : span_of(options.forces, options.force_count, "options.forces")) {
        const std::string what = fmt::format("options.forces[{}]", to.forces.size());
        const std::string_view pattern = text_at(force.pattern, (what + ".pattern").c_str());
        to.forces.push_back({std::string(pattern), to_cpp<Precision>(force.precision, (what + ".precision").c_str())});
    }
    to.core = core_of(options);
    if (options.measurement) to.measurements = measurements_of(options.measurement, options.measurement_context);
    to.errors = errors_of(options, rows);
    return to;
}

}  // namespace octile::capi
