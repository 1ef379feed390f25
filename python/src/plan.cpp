#include "python/src/plan.h"

#include <fmt/format.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <span>
#include <utility>

#include "base/printable.h"
#include "cli/accuracy_plan.h"
#include "cli/html_report.h"
#include "cli/plan_network.h"
#include "cli/plan_options.h"
#include "cli/plan_output.h"
#include "inputs/layer_lists/json_layers.h"
#include "packed/packed_file.h"
#include "planner/explain.h"
#include "python/src/errors.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace octile::python {
namespace {

using cli::AccuracyArguments;
using cli::PlanArguments;

// `--policy all` is several plans; a program asks for each.
PlanOptions one_policy(const PlanArguments& arguments, std::vector<std::string>& notes) {
    std::vector<PlanOptions> options = take(cli::parse_plan_options(arguments, &notes));
    if (options.size() != 1)
        refuse(fmt::format("--policy: expected one policy, found {}", internal::quote(arguments.policy)));
    return std::move(options.front());
}

void add(std::vector<std::string>& notes, const std::vector<std::string>& more) {
    notes.insert(notes.end(), more.begin(), more.end());
}

// `path` encoded as the file system has it.
PythonPlan plan_file(const nb::bytes& path, const PlanArguments& arguments, const AccuracyArguments& accuracy) {
    const std::string file(path.c_str(), path.size());
    const nb::gil_scoped_release released;
    PythonPlan plan;
    PlanOptions options = one_policy(arguments, plan.notes);
    if (is_packed_file(file)) {
        plan.value = take(PackedFile::open(file)).directory().plan;
        return plan;
    }
    const cli::AccuracySettings settings = take(cli::parse_accuracy_options(accuracy));
    cli::Network network = take(cli::load_network(file, arguments, {std::move(options)}, settings));
    add(plan.notes, network.model.notes);
    plan.value = take(cli::plan_of(network, network.options.front(), file, &plan.notes));
    if (network.study) add(plan.notes, network.study->notes);
    plan.origin = {std::move(network.model), std::move(network.options.front())};
    return plan;
}

// A layer list in memory, as JSON; `name` is what messages call it.
PythonPlan plan_layers(const std::string& json, const std::string& name, const PlanArguments& arguments) {
    const nb::gil_scoped_release released;
    PythonPlan plan;
    PlanOptions options = one_policy(arguments, plan.notes);
    if (options.policy == Policy::kAccuracy)
        refuse("--policy: expected weights in a file for policy accuracy, found a list of layers");
    Model model = take(parse_json_layers(json, name));
    check(cli::check_assumptions(arguments, model, name));
    plan.value = take(make_plan(model, options, &plan.notes));
    plan.origin = {std::move(model), std::move(options)};
    return plan;
}

// A member of the plan's JSON.
nb::object member_of(const PythonPlan& plan, const char* name) {
    return nb::module_::import_("json").attr("loads")(to_json(plan.value))[name];
}

std::string text_of(const PythonPlan& plan, const char* format) {
    return cli::format_plans(std::span(&plan.value, 1), 1, format, false);
}

std::string explain_layer(const PythonPlan& plan, const std::string& layer) {
    if (!plan.origin) refuse("explain: expected a plan that octile.plan() has made of a network, found a stored one");
    return to_text(take(explain(plan.origin->model, plan.origin->options, layer)), plan.value);
}

std::vector<std::string> differences(const PythonPlan& plan, const PythonPlan& before) {
    std::vector<std::string> lines;
    for (const PlanDifference& difference : compare(before.value, plan.value))
        lines.push_back(to_text(difference));
    return lines;
}

void add_arguments(nb::module_& module) {
    nb::class_<PlanArguments>(module, "_PlanArguments")
        .def(nb::init<>())
        .def_rw("policy", &PlanArguments::policy)
        .def_rw("min_ratio", &PlanArguments::min_ratio)
        .def_rw("forces", &PlanArguments::forces)
        .def_rw("skip", &PlanArguments::skip)
        .def_rw("transposed", &PlanArguments::transposed)
        .def_rw("tokens", &PlanArguments::tokens)
        .def_rw("dims", &PlanArguments::dims)
        .def_rw("format", &PlanArguments::from)
        .def_rw("core", &PlanArguments::core)
        .def_rw("noise", &PlanArguments::noise)
        .def_rw("threads", &PlanArguments::threads)
        .def_rw("database", &PlanArguments::database)
        .def_rw("accept_stale", &PlanArguments::accept_stale)
        .def_rw("strict", &PlanArguments::strict)
        .def_rw("ignore_keys", &PlanArguments::ignore_keys);
    nb::class_<AccuracyArguments>(module, "_AccuracyArguments")
        .def(nb::init<>())
        .def_rw("calibration", &AccuracyArguments::calibration)
        .def_rw("min_sqnr", &AccuracyArguments::min_sqnr)
        .def_rw("max_error", &AccuracyArguments::max_error)
        .def_rw("smooth_quant", &AccuracyArguments::smooth_quant)
        .def_rw("calibration_rows", &AccuracyArguments::rows);
}

}  // namespace

void add_plan(nb::module_& module) {
    add_arguments(module);
    module.def("_plan_file", plan_file, "path"_a, "arguments"_a, "accuracy"_a);
    module.def("_plan_layers", plan_layers, "json"_a, "name"_a, "arguments"_a);
    const std::vector<std::string> formats(input_format_names().begin(), input_format_names().end());
    module.attr("_INPUT_FORMATS") = nb::cast(formats);

    nb::class_<PythonPlan>(
        module, "Plan", "What was decided for every layer of a network, and why. Prints as a table, in a notebook too.")
        .def_static(
            "from_json", [](const std::string& json) { return PythonPlan{take(plan_from_json(json))}; }, "json"_a,
            "A plan that to_json() or `octile plan --format json` has written.")
        .def_prop_ro(
            "model", [](const PythonPlan& plan) { return plan.value.model; }, "The network's name.")
        .def_prop_ro("policy", [](const PythonPlan& plan) { return std::string(name_of(plan.value.policy)); })
        .def_prop_ro(
            "rows", [](const PythonPlan& plan) { return member_of(plan, "layers"); },
            nb::sig("def rows(self) -> list[dict[str, typing.Any]]"),
            "A dict for each layer, in execution order, with the keys of to_json().")
        .def_prop_ro(
            "totals", [](const PythonPlan& plan) { return member_of(plan, "summary"); },
            nb::sig("def totals(self) -> dict[str, typing.Any]"),
            "How many linears are INT8 and FP16, why the others were left, and both times.")
        .def_ro("notes", &PythonPlan::notes, "Lines that octile plan prints beside the plan.")
        .def(
            "to_json", [](const PythonPlan& plan) { return to_json(plan.value); }, "As octile plan --format json.")
        .def(
            "to_html", [](const PythonPlan& plan) { return text_of(plan, "html"); },
            "One HTML file, as octile plan --format html.")
        .def("to_csv", [](const PythonPlan& plan) { return text_of(plan, "csv"); })
        .def("to_markdown", [](const PythonPlan& plan) { return text_of(plan, "md"); })
        .def("explain", explain_layer, "layer"_a, "Why a layer is what it is, and at which M it would be the other.")
        .def("compare", differences, "before"_a,
             "What has changed since another plan, a line each; none: they are equal.")
        .def("__len__", [](const PythonPlan& plan) { return plan.value.layers.size(); })
        .def("__eq__",
             [](const PythonPlan& plan, nb::handle other) {
                 return nb::isinstance<PythonPlan>(other) && plan.value == nb::cast<const PythonPlan&>(other).value;
             })
        .def("__str__", [](const PythonPlan& plan) { return text_of(plan, "table"); })
        .def("_repr_html_", [](const PythonPlan& plan) { return cli::html_table(plan.value); })
        .def("__repr__",
             [](const PythonPlan& plan) {
                 return fmt::format("<octile.Plan {}: {}>", internal::printable(plan.value.model),
                                    to_text(summarize(plan.value)));
             })
        .def("__reduce__", [](nb::object self) {
            return nb::make_tuple(nb::module_::import_("octile._plan").attr("from_json"),
                                  nb::make_tuple(self.attr("to_json")()));
        });
}

}  // namespace octile::python
