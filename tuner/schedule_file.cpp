#include "tuner/schedule_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "inputs/messages.h"
#include "inputs/text_file.h"
#include "planner/json_reader.h"

namespace octile::tuner {
namespace {

using nlohmann::json;

// The order that default.json has; what is not here follows by name.
constexpr auto kOrder =
    std::to_array<std::string_view>({"panel", "lanes", "k_block", "cell", "segments", "panel_m", "panel_n", "packed_by",
                                     "block_rows", "block_columns", "order", "tiles", "row", "large"});

std::string lines_of(const json& object) {
    std::string text;
    for (const auto& [key, value] : object.items())
        text += fmt::format("{}\n    {}: {}", text.empty() ? "" : ",", json(key).dump(), value.dump());
    return "{" + text + "\n  }";
}

// A line per field, and per tile. `margin`: of the line that it begins in.
std::string entry_text(const json& entry, const std::string& margin) {
    std::vector<std::string_view> keys;
    for (const std::string_view key : kOrder) {
        if (entry.contains(key)) keys.push_back(key);
    }
    for (const auto& [key, value] : entry.items()) {
        if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    }
    const std::string inner = margin + "  ";
    std::string text = "{";
    for (const std::string_view key : keys) {
        text += fmt::format("{}\n{}\"{}\": ", text.size() > 1 ? "," : "", inner, key);
        const json& value = entry[std::string(key)];
        if (key == "large") {
            text += entry_text(value, inner);
        } else if (key == "tiles") {
            text += "[";
            for (std::size_t i = 0; i < value.size(); ++i)
                text += fmt::format("{}\n{}  {}", i ? "," : "", inner, value[i].dump());
            text += fmt::format("\n{}]", inner);
        } else {
            text += value.dump();
        }
    }
    return fmt::format("{}\n{}}}", text, margin);
}

}  // namespace

std::string_view entry_of_kernel(std::string_view kernel) {
    return kernel == "gemm_f16" ? "fp16" : "int8";
}

Result<json> read_schedule(const std::filesystem::path& path) {
    const Result<std::string> text = read_text_file(path);
    if (!text.ok()) return text.status();
    Result<json> document = internal::parse_json(text.value());
    if (!document.ok()) return parse_error(fmt::format("{}: {}", display(path), document.status().message()));
    const json& content = document.value();
    if (!content.is_object() || !content.contains("levels") || !content["levels"].is_object())
        return parse_error(fmt::format("{}: levels: expected an object", display(path)));
    for (const auto& [level, entries] : content["levels"].items()) {
        if (!parse_isa(level) || !entries.is_object())
            return parse_error(fmt::format("{}: levels.{}: expected an ISA level's object", display(path), level));
        for (const auto& [kind, entry] : entries.items()) {
            if (!entry.is_object())
                return parse_error(fmt::format("{}: levels.{}.{}: expected an object, found {}", display(path), level,
                                               kind, internal::found(entry)));
        }
    }
    return document;
}

Result<json> schedule_entry(const std::filesystem::path& folder, std::string_view core, Isa isa,
                            std::string_view kernel) {
    json found;
    for (const std::string_view name : {std::string_view("default"), core}) {
        if (name.empty()) continue;
        const Result<json> schedule = read_schedule(folder / fmt::format("{}.json", name));
        if (!schedule.ok()) return schedule.status();
        const json& levels = schedule.value()["levels"];
        const auto level = levels.find(name_of(isa));
        if (level == levels.end()) continue;
        const auto entry = level->find(entry_of_kernel(kernel));
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
        before["levels"][std::string(name_of(choice.group.isa))][std::string(entry_of_kernel(choice.group.kernel))] =
            choice.params;
    }
    return before;
}

std::string schedule_text(const json& schedule) {
    std::string text = "{\n";
    for (const auto& [key, value] : schedule.items()) {
        if (key == "levels") continue;
        text += fmt::format("  \"{}\": {},\n", key, value.is_object() ? lines_of(value) : value.dump());
    }
    text += "  \"levels\": {";
    bool first_level = true;
    for (const auto& [level, entries] : schedule["levels"].items()) {
        text += fmt::format("{}\n    \"{}\": {{", first_level ? "" : ",", level);
        first_level = false;
        bool first_entry = true;
        for (const auto& [kind, entry] : entries.items()) {
            text += fmt::format("{}\n      \"{}\": {}", first_entry ? "" : ",", kind, entry_text(entry, "      "));
            first_entry = false;
        }
        text += "\n    }";
    }
    return text + "\n  }\n}\n";
}

}  // namespace octile::tuner
