#include "cli/shared_options.h"

#include <fmt/format.h>

#include "tuner/ratios.h"

namespace octile::cli {

void add_threads_option(CLI::App& command, int& threads) {
    command.add_option("--threads", threads, "Threads; 0: as many as this process may use")
        ->check(CLI::Range(0, 1024))
        ->type_name("N")
        ->capture_default_str();
}

void add_format_option(CLI::App& command, std::string& format) {
    command.add_option("--format", format, "How the result is printed")
        ->check(CLI::IsMember({"table", "json"}))
        ->capture_default_str();
}

void add_margin_option(CLI::App& command, std::optional<double>& margin) {
    command
        .add_option_function<double>(
            "--margin", [&margin](double percent) { margin = percent / 100; },
            fmt::format(
                "By how much a schedule has to be faster than the default to replace it; unless given, {} where "
                "measured, {} by the model",
                100 * tuner::kTie, 100 * tuner::kModelTie))
        ->check(CLI::Range(0.0, 50.0))
        ->type_name("PERCENT");
}

}  // namespace octile::cli
