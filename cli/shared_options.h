// Options that mean the same in every command that has them. What they set must outlive the parsing.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

namespace octile::cli {

// For an option's check(): a number from `least` to `most`, which NaN is not.
CLI::Validator within(double least, double most);

// --threads N, of octile::set_threads().
void add_threads_option(CLI::App& command, int& threads);

// --format table or json.
void add_format_option(CLI::App& command, std::string& format);

// --margin PERCENT, as tuner::choose() takes it: a share.
void add_margin_option(CLI::App& command, std::optional<double>& margin);

}  // namespace octile::cli
