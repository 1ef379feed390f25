// What of a file's parameters is in no layer of its plan, for people and for scripts.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "cli/table.h"
#include "octile/plan.h"

namespace octile::cli {

// "38.1 % of the parameters are left out (4 tensors, 1.2 GB): ..."; empty unless more than 1 % of them are, for reasons
// that are not the user's. Tables that are looked up are not left out.
std::string left_out_warning(const Plan& plan);

// The warnings of plans that hold the same layers `policies` at a time, a line each; once for each file.
std::string left_out_warnings(std::span<const Plan> plans, std::size_t policies = 1);

// The same as words to stderr.
void warn_left_out(std::span<const Plan> plans);

// "left out: ..." and "tables: ...", a line each; empty for a plan of a file that has no tensors.
std::string left_out_text(const Plan& plan);

// A row for each reason, the largest first. No rows: nothing is left out.
Table left_out_table(const Plan& plan);

// left_out_text() around the table.
std::string left_out_summary(const Plan& plan, bool markdown);

// {"parameters": ..., "left_out": [{"tensor", "reason", "text", "parameters", "bytes"}]}, as a plan's JSON has them.
void add_left_out(nlohmann::ordered_json& document, const Plan& plan);

}  // namespace octile::cli
