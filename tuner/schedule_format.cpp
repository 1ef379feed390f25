#include "tuner/schedule_format.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/printable.h"
#include "planner/json_reader.h"
#include "planner/kernel_info.h"
#include "tuner/level_traits.h"

namespace octile::tuner {
namespace {

using nlohmann::json;

constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kKinds = {
    {{"gemm_s8", "int8"}, {"gemm_f16", "fp16"}}};

// bounds.json, as a string literal.
constexpr std::string_view kBounds =
#include "schedule_bounds.inc"
    ;

// Rules that say "with" get the fields that they share with others.
void expand(json& value, const json& shared) {
    if (!value.is_structured()) return;
    if (value.is_object() && value.contains("with")) {
        for (const json& name : value["with"])
            value["fields"].update(shared[name.get<std::string>()]);
        value.erase("with");
    }
    for (json& element : value)
        expand(element, shared);
}

const json& bounds() {
    static const json document = [] {
        json parsed = internal::parse_json(kBounds).value();
        const json shared = parsed["rules"];
        expand(parsed["kinds"], shared);
        return parsed;
    }();
    return document;
}

Status wrong(const std::string& where, std::string_view expected, std::string_view found) {
    return {StatusCode::kParseError, fmt::format("{}: expected {}, found {}", where, expected, found)};
}

std::string words(const json& names) {
    return fmt::format("{}", fmt::join(names.get<std::vector<std::string>>(), ", "));
}

Status check(const std::string& where, const json& value, const json& rule);

// `fields`: name -> rule. What is in the object must be among them, and what is among them in the object.
Status check_fields(const std::string& where, const json& value, const json& fields) {
    for (auto field = value.begin(); field != value.end(); ++field) {
        if (!fields.contains(field.key()))
            return {StatusCode::kParseError, fmt::format("{}: unknown field {}", where, internal::quote(field.key()))};
    }
    for (auto field = fields.begin(); field != fields.end(); ++field) {
        const std::string place = where + "." + field.key();
        const auto found = value.find(field.key());
        if (found != value.end()) {
            if (Status status = check(place, *found, field.value()); !status.ok()) return status;
        } else if (!field->contains("optional")) {
            return {StatusCode::kParseError, place + ": missing"};
        }
    }
    return {};
}

Status check_elements(const std::string& where, const json& value, const json& rule) {
    if (!value.is_array()) return wrong(where, "an array", internal::found(value));
    const auto least = rule["from"].get<std::size_t>(), most = rule["to"].get<std::size_t>();
    if (value.size() < least || value.size() > most)
        return wrong(where, fmt::format("{} to {} elements", least, most), fmt::format("{}", value.size()));
    for (std::size_t i = 0; i < value.size(); ++i) {
        if (Status status = check(fmt::format("{}[{}]", where, i), value[i], rule["list"]); !status.ok()) return status;
    }
    return {};
}

Status check_map(const std::string& where, const json& value, const json& rule) {
    const json& keys = rule["keys"];
    for (auto element = value.begin(); element != value.end(); ++element) {
        if (std::find(keys.begin(), keys.end(), element.key()) == keys.end())
            return wrong(where, "some of " + words(keys), internal::quote(element.key()));
        if (Status status = check(where + "." + element.key(), element.value(), rule["map"]); !status.ok())
            return status;
    }
    return {};
}

// Holds a value to a rule of the file.
Status check(const std::string& where, const json& value, const json& rule) {
    if (rule.contains("fields") || rule.contains("map")) {
        if (!value.is_object()) return wrong(where, "an object", internal::found(value));
        return rule.contains("map") ? check_map(where, value, rule) : check_fields(where, value, rule["fields"]);
    }
    if (rule.contains("list")) return check_elements(where, value, rule);
    if (rule.contains("level")) {
        if (value.is_string() && parse_isa(value.get_ref<const std::string&>())) return {};
        return wrong(where, "the name of an ISA level", internal::found(value));
    }
    if (rule.contains("one_of")) {
        const json& names = rule["one_of"];
        if (value.is_string() && std::find(names.begin(), names.end(), value) != names.end()) return {};
        return wrong(where, "one of " + words(names), internal::found(value));
    }
    const auto least = rule["from"].get<std::int64_t>(), most = rule["to"].get<std::int64_t>();
    const bool fits = value.is_number_integer() &&
                      !(value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t(INT64_MAX)) &&
                      value.get<std::int64_t>() >= least && value.get<std::int64_t>() <= most;
    if (fits) return {};
    return wrong(where, fmt::format("an integer from {} to {}", least, most), internal::found(value));
}

struct PlacedTile {
    std::string where;
    int rows, panels, k_split, prefetch;
};

PlacedTile placed(std::string where, int rows, const json& tile) {
    return {std::move(where), rows, tile.value("panels", 1), tile.value("k_split", 1), tile.value("prefetch", 0)};
}

Status check_tile(const PlacedTile& tile, const LevelTraits& traits, int panel_n, int widest) {
    const int columns = panel_n * tile.panels;
    if (columns % traits.column_step != 0)
        return wrong(tile.where, fmt::format("a multiple of {} columns", traits.column_step),
                     fmt::format("{}", columns));
    if (tile.prefetch != 0 && traits.pairs)
        return wrong(tile.where + ".prefetch", "0 for gemm_s8_pairs", fmt::format("{}", tile.prefetch));
    if (tile.k_split * traits.k_block > kReductionPadding)
        return wrong(tile.where + ".k_split", fmt::format("chains of at most {} elements of K", kReductionPadding),
                     fmt::format("{}", tile.k_split * traits.k_block));
    if (const int registers = traits.registers_of(tile.rows, columns, tile.k_split); registers > traits.registers)
        return wrong(tile.where, fmt::format("at most {} registers", traits.registers), fmt::format("{}", registers));
    if (widest % tile.panels != 0)
        return wrong(tile.where + ".panels", fmt::format("a divisor of {}, the most that a tile spans", widest),
                     fmt::format("{}", tile.panels));
    return {};
}

// Tiles of weights of one size: `fields` of the entry, or of its "large" over it.
Status check_size_class(const json& entry, const json& fields, const LevelTraits& traits, const std::string& where) {
    const int panel_m = entry["panel_m"].get<int>(), panel_n = entry["panel_n"].get<int>();
    std::vector<PlacedTile> tiles;
    std::vector<int> heights;
    for (const json& tile : fields["tiles"]) {
        const int rows = tile["m"].get<int>();
        tiles.push_back(placed(fmt::format("{}.tiles[{}]", where, tiles.size()), rows, tile));
        heights.push_back(rows);
    }
    std::sort(heights.begin(), heights.end());
    bool every = heights.size() == static_cast<std::size_t>(panel_m);
    for (std::size_t i = 0; i < heights.size(); ++i)
        every &= heights[i] == static_cast<int>(i) + 1;
    if (!every)
        return wrong(where + ".tiles", fmt::format("every height from 1 to panel_m, {}, once", panel_m),
                     fmt::format("{}", fmt::join(heights, ", ")));
    tiles.push_back(placed(where + ".row", 1, fields["row"]));
    int widest = 1;
    for (const PlacedTile& tile : tiles)
        widest = std::max(widest, tile.panels);
    for (const PlacedTile& tile : tiles) {
        if (Status status = check_tile(tile, traits, panel_n, widest); !status.ok()) return status;
    }
    return {};
}

}  // namespace

std::size_t schedule_file_bytes() {
    return bounds()["file_bytes"].get<std::size_t>();
}

std::size_t schedule_text_bytes() {
    return bounds()["text_bytes"].get<std::size_t>();
}

int registers_of_level(Isa isa) {
    return bounds()["registers_of_level"].value(std::string(name_of(isa)), bounds()["registers"].get<int>());
}

ScheduleForm schedule_form(const json& entry) {
    const std::string name = entry.value("form", "gemm_s8");
    const json& form = bounds()["forms"][name];
    return {name, form["columns"].get<int>(), form["prefetch"].get<bool>()};
}

std::optional<std::string_view> kind_of_kernel(std::string_view kernel) {
    for (const auto& [name, kind] : kKinds) {
        if (name == kernel) return kind;
    }
    return std::nullopt;
}

Status check_schedule_entry(const json& entry, std::string_view kind, Isa isa, const std::string& where) {
    const json& kinds = bounds()["kinds"];
    const auto rule = kinds.find(kind);
    if (rule == kinds.end()) return wrong(where, "one of a schedule's kinds", internal::quote(kind));
    if (Status status = check(where, entry, *rule); !status.ok()) return status;
    const auto gemm =
        std::find_if(kKinds.begin(), kKinds.end(), [&](const auto& known) { return known.second == kind; });
    if (gemm == kKinds.end()) return {};
    const LevelTraits traits = LevelTraits::of(gemm->first, isa, entry);
    const int panel_m = entry["panel_m"].get<int>();
    if (panel_m % traits.cell_m != 0 || panel_m == traits.cell_m)
        return wrong(where + ".panel_m", fmt::format("a multiple of {} above it", traits.cell_m),
                     fmt::format("{}", panel_m));
    if (Status status = check_size_class(entry, entry, traits, where); !status.ok()) return status;
    if (!entry.contains("large")) return {};
    json large = entry;
    large.update(entry["large"]);
    return check_size_class(entry, large, traits, where + ".large");
}

Status check_schedule(const json& document) {
    Status status;
    internal::ObjectReader reader(document, "", status, "schedule");
    if (reader.has("_")) reader.line("_", schedule_text_bytes());
    if (reader.has("chosen")) {
        const json& chosen = *reader.member("chosen");
        internal::ObjectReader lines(chosen, "chosen", status, "chosen");
        if (chosen.is_object()) {
            for (auto line = chosen.begin(); line != chosen.end() && status.ok(); ++line) {
                if (!internal::is_printable(line.key()))
                    lines.fail("", "names without control characters", internal::quote(line.key()));
                lines.line(line.key().c_str(), schedule_text_bytes());
            }
        }
    }
    const json* levels = reader.member("levels");
    if (levels != nullptr && !levels->is_object()) reader.fail("levels", "an object", internal::found(*levels));
    reader.finish();
    if (!status.ok()) return status;
    for (auto level = levels->begin(); level != levels->end(); ++level) {
        const auto isa = parse_isa(level.key());
        if (!isa) return wrong("levels", "ISA levels", internal::quote(level.key()));
        const std::string where = "levels." + level.key();
        if (!level->is_object()) return wrong(where, "an object", internal::found(level.value()));
        for (auto entry = level->begin(); entry != level->end(); ++entry) {
            if (!bounds()["kinds"].contains(entry.key()))
                return {StatusCode::kParseError,
                        fmt::format("{}: unknown field {}", where, internal::quote(entry.key()))};
            status = check_schedule_entry(entry.value(), entry.key(), *isa, where + "." + entry.key());
            if (!status.ok()) return status;
        }
    }
    return {};
}

}  // namespace octile::tuner
