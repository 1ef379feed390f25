#include "cli/shared_options.h"

namespace octile::cli {

void add_threads_option(CLI::App& command, int& threads) {
    command.add_option("--threads", threads, "Threads; 0: one per core")
        ->check(CLI::Range(0, 1024))
        ->type_name("N")
        ->capture_default_str();
}

void add_format_option(CLI::App& command, std::string& format) {
    command.add_option("--format", format, "How the result is printed")
        ->check(CLI::IsMember({"table", "json"}))
        ->capture_default_str();
}

}  // namespace octile::cli
