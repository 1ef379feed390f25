#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

#include "octile/core.h"
#include "octile/cpu.h"
#include "octile/parallel.h"
#include "python/src/errors.h"
#include "python/src/linear.h"
#include "python/src/model.h"
#include "python/src/norm.h"
#include "python/src/plan.h"
#include "python/src/rows.h"
#include "runtime/schedule_in_use.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace octile::python {
namespace {

std::vector<std::string> levels() {
    const IsaSet usable = take(usable_isas());
    std::vector<std::string> names;
    for (int i = 0; i < kIsaCount; i++)
        if (usable.has(static_cast<Isa>(i))) names.emplace_back(name_of(static_cast<Isa>(i)));
    return names;
}

void set_thread_count(int count) {
    if (count < 0 || count > kMaxThreads)
        refuse("count: expected 0, the default, to " + std::to_string(kMaxThreads) + ", found " +
               std::to_string(count));
    set_threads(count);
}

nb::object core() {
    const CoreInUse in_use = take(core_in_use());
    return in_use.core.empty() ? nb::none() : nb::object(nb::str(in_use.core.c_str()));
}

}  // namespace
}  // namespace octile::python

NB_MODULE(_octile, module) {
    using namespace octile::python;
    module.doc() = "Octile's library; import octile instead.";
    module.attr("__version__") = OCTILE_VERSION;
    register_errors();
    module.def("isa_levels", levels,
               "Instruction-set levels that are used on this CPU, the lowest first; OCTILE_ISA limits them.");
    module.def(
        "threads", [] { return take(octile::thread_limit()).count; },
        "How many threads a call may use: what set_threads() said, OCTILE_NUM_THREADS, or the processors there are.");
    module.def("set_threads", set_thread_count, "count"_a, "For the whole process; 0: the default again.");
    module.def("core", core, nb::sig("def core() -> str | None"),
               "The core whose schedules run; OCTILE_CORE names another. None: one without a name.");
    module.def(
        "cores",
        [] {
            const auto names = octile::core_names();
            return std::vector<std::string>(names.begin(), names.end());
        },
        "Names of the cores that octile.plan() knows the costs of.");
    add_rows(module);
    add_linear(module);
    add_norm(module);
    add_plan(module);
    add_model(module);
}
