// schedules/*.json as the tuner reads and writes them. generators/variants.py documents the format.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "octile/cpu.h"
#include "octile/status.h"
#include "tuner/selection.h"

namespace octile::tuner {

// A file's content, held to schedule_format.h. kIoError, or kParseError that names file and field.
Result<nlohmann::json> read_schedule(const std::filesystem::path& path);

// What schedules/default.json, with schedules/<core>.json over it unless `core` is empty, has for a level and kernel:
// null where there is none. `folder`: schedules/.
Result<nlohmann::json> schedule_entry(const std::filesystem::path& folder, std::string_view core, Isa isa,
                                      std::string_view kernel);

// `before`, a schedule file's content or null, with the choices' entries and, under "chosen", what is said of them.
nlohmann::json with_choices(nlohmann::json before, std::span<const Choice> choices, std::string_view core);

// A schedule file's text: a line per field of an entry.
std::string schedule_text(const nlohmann::json& schedule);

}  // namespace octile::tuner
