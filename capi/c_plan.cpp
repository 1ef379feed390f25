#include <limits>
#include <utility>

#include "capi/boundary.h"
#include "capi/enums.h"
#include "capi/handles.h"
#include "capi/plan_options.h"
#include "capi/sized.h"
#include "octile/core.h"
#include "octile/planner.h"

namespace capi = octile::capi;

namespace {

double or_nan(const std::optional<double>& value) {
    return value.value_or(std::numeric_limits<double>::quiet_NaN());
}

const char* or_null(const std::string& text) {
    return text.empty() ? nullptr : text.c_str();
}

std::string_view bytes_at(const char* text, size_t bytes, const char* what) {
    return {&capi::object_at(text, what), bytes};
}

octile_planned_layer layer_of(const octile::PlannedLayer& from) {
    octile_planned_layer to = {};
    to.name = from.layer.name.c_str();
    to.m = from.layer.m;
    to.k = from.layer.k;
    to.n = from.layer.n;
    to.count = from.layer.count;
    to.op = capi::to_c(from.layer.op);
    to.activation = capi::to_c(from.layer.activation);
    to.bias = from.layer.bias;
    to.precision = capi::to_c(from.precision);
    to.reason = capi::to_c(from.reason);
    to.quantize_input = from.quantize_input;
    to.panel = capi::to_c(from.panel);
    to.panel_from = or_null(from.panel_from);
    to.gate = or_null(from.gate);
    to.ratio = or_nan(from.ratio);
    to.margin = or_nan(from.margin);
    to.int8_us = or_nan(from.cost.int8_us());
    to.fp16_us = or_nan(from.cost.fp16_us());
    to.int4_us = or_nan(from.cost.int4_us());
    return to;
}

}  // namespace

octile_status octile_plan_options_init(octile_plan_options* options, size_t size) {
    return capi::init(options, size, capi::default_plan_options());
}

octile_status octile_plan_make(const char* list, size_t list_bytes, octile_list_format format,
                               const octile_plan_options* options, octile_plan** plan, octile_error* error) {
    return capi::boundary(error, [&] {
        octile_plan*& made = capi::cleared(plan, "plan");
        const octile_plan_options given = capi::options_of(options, "options", capi::default_plan_options());
        const octile::Model model = capi::model_of(bytes_at(list, list_bytes, "list"), format, given);
        std::vector<std::string> notes;
        octile::Plan value =
            capi::take(octile::make_plan(model, capi::plan_options(given, model.layers.size()), &notes));
        made = new octile_plan{std::move(value), std::move(notes)};
    });
}

octile_status octile_plan_from_json(const char* json, size_t json_bytes, octile_plan** plan, octile_error* error) {
    return capi::boundary(error, [&] {
        octile_plan*& made = capi::cleared(plan, "plan");
        made = new octile_plan{capi::take(octile::plan_from_json(bytes_at(json, json_bytes, "json"))), {}};
    });
}

void octile_plan_free(octile_plan* plan) {
    delete plan;
}

octile_status octile_plan_to_json(const octile_plan* plan, char** json, octile_error* error) {
    return capi::boundary(error, [&] {
        char*& made = capi::cleared(json, "json");
        made = capi::copy_of(to_json(capi::object_at(plan, "plan").value));
    });
}

octile_status octile_plan_to_text(const octile_plan* plan, char** text, octile_error* error) {
    return capi::boundary(error, [&] {
        char*& made = capi::cleared(text, "text");
        made = capi::copy_of(to_text(capi::object_at(plan, "plan").value));
    });
}

octile_status octile_plan_compare(const octile_plan* before, const octile_plan* after, char** differences,
                                  octile_error* error) {
    return capi::boundary(error, [&] {
        char*& made = capi::cleared(differences, "differences");
        std::string lines;
        for (const octile::PlanDifference& difference :
             compare(capi::object_at(before, "before").value, capi::object_at(after, "after").value))
            lines.append(to_text(difference)).append("\n");
        made = capi::copy_of(lines);
    });
}

size_t octile_plan_layer_count(const octile_plan* plan) {
    return plan ? plan->value.layers.size() : 0;
}

octile_status octile_plan_get_layer(const octile_plan* plan, size_t index, octile_planned_layer* layer,
                                    octile_error* error) {
    return capi::boundary(error, [&] {
        capi::give(layer, "layer", layer_of(capi::element_at(capi::object_at(plan, "plan").value.layers, index)));
    });
}

octile_status octile_plan_find_layer(const octile_plan* plan, const char* name, size_t* index, octile_error* error) {
    return capi::boundary(error, [&] {
        const std::vector<octile::PlannedLayer>& layers = capi::object_at(plan, "plan").value.layers;
        const std::string_view wanted = capi::text_at(name, "name");
        size_t& found = capi::object_at(index, "index");
        for (size_t i = 0; i < layers.size(); i++)
            if (layers[i].layer.name == wanted) return void(found = i);
        capi::refuse_name("layer", wanted);
    });
}

octile_status octile_plan_get_summary(const octile_plan* plan, octile_plan_summary* summary, octile_error* error) {
    return capi::boundary(error, [&] {
        const octile::PlanSummary from = summarize(capi::object_at(plan, "plan").value);
        octile_plan_summary to = {};
        to.linears = from.linears;
        to.int8 = from.int8;
        to.fp16 = from.fp16;
        to.int4 = from.int4;
        to.plan_us = or_nan(from.plan_us);
        to.fp16_us = or_nan(from.fp16_us);
        capi::give(summary, "summary", to);
    });
}

size_t octile_plan_note_count(const octile_plan* plan) {
    return plan ? plan->notes.size() : 0;
}

const char* octile_plan_note(const octile_plan* plan, size_t index) {
    return index < octile_plan_note_count(plan) ? plan->notes[index].c_str() : nullptr;
}

size_t octile_core_count() {
    return capi::value_or(size_t{0}, [] { return octile::core_names().size(); });
}

const char* octile_core_name(size_t index) {
    return capi::value_or<const char*>(nullptr, [&] {
        const std::vector<std::string_view> names = octile::core_names();
        return index < names.size() ? names[index].data() : nullptr;
    });
}

octile_status octile_core_to_json(const char* name, char** json, octile_error* error) {
    return capi::boundary(error, [&] {
        char*& made = capi::cleared(json, "json");
        made = capi::copy_of(to_json(capi::take(octile::find_core(capi::text_at(name, "name")))));
    });
}
