#include <fmt/format.h>

#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/core_option.h"
#include "cli/output.h"
#include "cli/table.h"

namespace octile::cli {
namespace {

std::string list_of_cores() {
    Table table({{"core"}, {"GHz", Align::kRight}, {"cores", Align::kRight}, {"levels"}, {"what it is"}});
    for (const std::string_view name : core_names()) {
        const Result<Core> core = find_core(name);
        IsaSet levels;
        for (int isa = 0; isa < kIsaCount; ++isa) {
            const auto i = static_cast<std::size_t>(isa);
            if (core->int8_macs_per_cycle[i] > 0 || core->fp16_macs_per_cycle[i] > 0) levels.add(static_cast<Isa>(isa));
        }
        table.add_row({{core->name},
                       {fmt::format("{:g}", core->clock_ghz)},
                       {fmt::format("{}", core->cores)},
                       {to_string(levels)},
                       {core->title}});
    }
    return table.text(false);
}

int run_core(const std::string& name) {
    std::string text;
    if (name.empty()) {
        text = list_of_cores();
    } else {
        const Result<Core> core = load_core(name);
        if (!core.ok()) {
            const bool usage = core.status().code() == StatusCode::kInvalidArgument;
            return fail(usage ? kExitUsage : kExitError, core.status().message());
        }
        text = to_json(core.value());
    }
    const Status written = write_stdout(text);
    return written.ok() ? kExitOk : fail_by(written);
}

}  // namespace

void add_core_command(CLI::App& app, int& exit_code) {
    auto name = std::make_shared<std::string>();
    CLI::App* command = app.add_subcommand(
        "core", "The cores that costs can be for; with a name, its description as `plan --core FILE.json` reads it");
    command->add_option("NAME", *name, "One of them, host to measure this machine, or a file")->type_name("");
    command->callback([name, &exit_code] { exit_code = run_core(*name); });
}

}  // namespace octile::cli
