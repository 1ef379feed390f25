// The commands of `octile`. Each adds itself to the application and, when chosen, runs from CLI11's callback and sets
// `exit_code`.
#pragma once

#include <CLI/CLI.hpp>

namespace octile::cli {

enum ExitCode : int {
    kExitOk = 0,
    kExitError = 1,        // an input, the system or Octile itself failed
    kExitUsage = 2,        // the command line is wrong
    kExitPlanChanged = 3,  // plan --compare --fail-on-change
    kExitNotVerified = 4,  // run: a wrong result; inspect: a damaged section
    kExitStopped = 130,    // tune: by Ctrl-C or SIGTERM, as shells report it
};

void add_core_command(CLI::App& app, int& exit_code);
void add_db_command(CLI::App& app, int& exit_code);
void add_info_command(CLI::App& app, int& exit_code);
void add_inspect_command(CLI::App& app, int& exit_code);
void add_plan_command(CLI::App& app, int& exit_code);
void add_quantize_command(CLI::App& app, int& exit_code);
void add_run_command(CLI::App& app, int& exit_code);
void add_tune_command(CLI::App& app, int& exit_code);

}  // namespace octile::cli
