#include "tuner/schedule_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "inputs/messages.h"
#include "inputs/text_file.h"
#include "planner/json_reader.h"
#include "tuner/schedule_format.h"

namespace octile::tuner {
namespace {

using nlohmann::json;

// The order that default.json has; what is not here follows by name.
constexpr auto kOrder =
    std::to_array<std::string_view>({"form", "panel", "lanes", "k_block", "cell", "segments", "panel_m", "panel_n",
                                     "packed_by", "block_rows", "block_columns", "order", "tiles", "row", "large"});

std::string text_of(const json& value) {
    return value.dump(-1, ' ', true, json::error_handler_t::replace);
}

std::string lines_of(const json& object) {
    std::string text;
    for (auto line = object.begin(); line != object.end(); ++line)
        text += fmt::format("{}\n    {}: {}", text.empty() ? "" : ",", text_of(line.key()), text_of(line.value()));
    return "{" + text + "\n  }";
}

// A line per field, and per tile. `margin`: of the line that it begins in.
std::string entry_text(const json& entry, const std::string& margin) {
    std::vector<std::string> keys;
    for (const std::string_view key : kOrder) {
        if (entry.contains(key)) keys.emplace_back(key);
    }
    for (auto field = entry.begin(); field != entry.end(); ++field) {
        if (std::find(keys.begin(), keys.end(), field.key()) == keys.end()) keys.push_back(field.key());
    }
    const std::string inner = margin + "  ";
    std::string text = "{";
    for (const std::string& key : keys) {
        text += fmt::format("{}\n{}{}: ", text.size() > 1 ? "," : "", inner, text_of(key));
        const json& value = entry[key];
        if (key == "large") {
            text += entry_text(value, inner);
        } else if (key == "tiles") {
            text += "[";
            for (std::size_t i = 0; i < value.size(); ++i)
                text += fmt::format("{}\n{}  {}", i ? "," : "", inner, text_of(value[i]));
            text += fmt::format("\n{}]", inner);
        } else {
            text += text_of(value);
        }
    }
    return fmt::format("{}\n{}}}", text, margin);
}

}  // namespace

Result<json> read_schedule(const std::filesystem::path& path) {
    const Result<std::string> text = read_text_file(path, schedule_file_bytes());
    if (!text.ok()) return text.status();
    Result<json> document = internal::parse_json(text.value());
    const Status status = document.ok() ? check_schedule(document.value()) : document.status();
    if (!status.ok()) return Status(status.code(), fmt::format("{}: {}", display(path), status.message()));
    return document;
}

Result<json> schedule_entry(const std::filesystem::path& folder, std::string_view core, Isa isa,
                            std::string_view kernel) {
    json found;
    const std::optional<std::string_view> kind = kind_of_kernel(kernel);
    if (!kind) return found;
    for (const std::string_view name : {std::string_view("default"), core}) {
        if (name.empty()) continue;
        const Result<json> schedule = read_schedule(folder / fmt::format("{}.json", name));
        if (!schedule.ok()) return schedule.status();
        const json& levels = schedule.value()["levels"];
        const auto level = levels.find(name_of(isa));
        if (level == levels.end()) continue;
        const auto entry = level->find(*kind);
        if (entry != level->end()) found = *entry;
    }
    return found;
}

json with_choices(json before, std::span<const Choice> choices, std::string_view core) {
    if (!before.is_object())
        before = {{"_", fmt::format("What octile tune chose for {}; docs/tuning.md.", core)},
                  {"levels", json::object()}};
    for (const Choice& choice : choices) {
        before["chosen"][fmt::format("{} on {}", choice.group.kernel, name_of(choice.group.isa))] =
            fmt::format("{}: {}", name_of(choice.group.source), verdict_of(choice));
        const std::string kind(kind_of_kernel(choice.group.kernel).value());
        before["levels"][std::string(name_of(choice.group.isa))][kind] = choice.params;
    }
    return before;
}

std::string schedule_text(const json& schedule) {
    std::string text = "{\n";
    for (auto field = schedule.begin(); field != schedule.end(); ++field) {
        if (field.key() == "levels") continue;
        text += fmt::format("  {}: {},\n", text_of(field.key()),
                            field->is_object() ? lines_of(field.value()) : text_of(field.value()));
    }
    text += "  \"levels\": {";
    const json& levels = schedule["levels"];
    for (auto level = levels.begin(); level != levels.end(); ++level) {
        text += fmt::format("{}\n    {}: {{", level == levels.begin() ? "" : ",", text_of(level.key()));
        for (auto entry = level->begin(); entry != level->end(); ++entry) {
            text += fmt::format("{}\n      {}: {}", entry == level->begin() ? "" : ",", text_of(entry.key()),
                                entry_text(entry.value(), "      "));
        }
        text += "\n    }";
    }
    return text + "\n  }\n}\n";
}

}  // namespace octile::tuner
