#include "cli/shared_options.h"

#include <fmt/format.h>

#include "base/printable.h"
#include "tuner/ratios.h"

namespace octile::cli {

CLI::Validator within(double least, double most) {
    const auto check = [least, most](const std::string& text) {
        double value = 0;
        const bool number = CLI::detail::lexical_cast(text, value);
        if (number && value >= least && value <= most) return std::string();
        return fmt::format("expected a number from {} to {}, found {}", least, most, internal::quote(text));
    };
    return CLI::Validator(check, fmt::format("in [{} - {}]", least, most));
}

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
        ->check(within(0, 50))
        ->type_name("PERCENT");
}

}  // namespace octile::cli
