// What a schedule may be: the bounds of schedules/format/bounds.json, which generators/variants.py holds its files to
// as well. Records, bundles, answers and schedule files are read by it, so that behind a reader every field is there,
// of its type, and something that a kernel can be made of.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "octile/cpu.h"
#include "octile/status.h"

namespace octile::tuner {

// Bytes of a schedule file, and of a line of text in one.
std::size_t schedule_file_bytes();
std::size_t schedule_text_bytes();

// Vector registers of a level.
int registers_of_level(Isa isa);

// What the form of a GEMM, the "form" of an "int8" entry, asks of its tiles.
struct ScheduleForm {
    std::string name;
    int columns = 1;        // theirs are a multiple of it
    bool prefetch = false;  // they may fetch weights ahead
};
ScheduleForm schedule_form(const nlohmann::json& entry);

// The entry of a level that a GEMM family reads: "int8" for gemm_s8, "fp16" for gemm_f16; nothing for another name.
std::optional<std::string_view> kind_of_kernel(std::string_view kernel);

// An entry of a level on its own, `kind` being one of a schedule file's. kParseError that names the field below
// `where`. A GEMM's tiles also have to fit the level's registers (LevelTraits), their chains the padding of K, and each
// other's columns.
Status check_schedule_entry(const nlohmann::json& entry, std::string_view kind, Isa isa, const std::string& where);

// The document of a schedule file, likewise.
Status check_schedule(const nlohmann::json& document);

}  // namespace octile::tuner
