// Options that mean the same in every command that has them. What they set must outlive the parsing.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace octile::cli {

// --threads N, of octile::set_threads().
void add_threads_option(CLI::App& command, int& threads);

// --format table or json.
void add_format_option(CLI::App& command, std::string& format);

}  // namespace octile::cli
