#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <set>

#include "base/join.h"
#include "base/json.h"
#include "base/json_builder.h"
#include "base/limits.h"
#include "base/names.h"
#include "base/printable.h"
#include "octile/layer.h"
#include "octile/planner.h"
#include "packed/packed_format.h"
#include "planner/json_reader.h"
#include "planner/plan_json.h"
#include "runtime/int4_panels.h"
#include "runtime/matrix.h"

namespace octile {
namespace {

using internal::join;
using internal::json_string;
using internal::ObjectReader;
using nlohmann::json;

constexpr std::string_view kDocument = "directory";
constexpr std::array<std::string_view, 3> kInputScalingNames = {"dynamic", "static", "asymmetric"};

std::optional<InputScaling> parse_input_scaling(std::string_view name) {
    return internal::enum_from_name<InputScaling>(kInputScalingNames, name);
}

struct DtypeBytes {
    std::string_view name;
    std::uint64_t bytes;
};

constexpr DtypeBytes kDtypes[] = {{"F64", 8},     {"I64", 8},     {"U64", 8},         {"C64", 8},        {"F32", 4},
                                  {"I32", 4},     {"U32", 4},     {"F16", 2},         {"BF16", 2},       {"I16", 2},
                                  {"U16", 2},     {"I8", 1},      {"U8", 1},          {"BOOL", 1},       {"F8_E4M3", 1},
                                  {"F8_E5M2", 1}, {"F8_E8M0", 1}, {"F8_E4M3FNUZ", 1}, {"F8_E5M2FNUZ", 1}};

// Writing -------------------------------------------------------------------------------------------------------------

std::string text_of(const Section& section) {
    return fmt::format(R"({{"offset": {}, "bytes": {}, "checksum": "{:016x}"}})", section.offset, section.bytes,
                       section.checksum);
}

std::string text_of(const PanelSection& panels) {
    return fmt::format(R"({{"k_block": {}, "panel_n": {}, "padded_n": {}, "section": {}{}}})", panels.layout.k_block,
                       panels.layout.panel_n, panels.padded_n, text_of(panels.section),
                       panels.steps ? fmt::format(R"(, "steps": {})", text_of(*panels.steps)) : "");
}

std::string text_of(const LinearEntry& linear) {
    std::string text = fmt::format(
        R"({{"name": {}, "precision": "{}", "k": {}, "n": {}, "channels": {}, "gated": {}, "activation": "{}", )",
        json_string(linear.name), name_of(linear.precision), linear.k, linear.n, linear.channels, linear.gated,
        name_of(linear.activation));
    if (linear.input_scaling != InputScaling::kDynamic) {
        text += fmt::format(R"("input_scaling": "{}", "input_scale": {}, )",
                            internal::enum_name(kInputScalingNames, linear.input_scaling), linear.input_scale);
    }
    std::vector<std::string> panels;
    for (const PanelSection& section : linear.panels)
        panels.push_back(text_of(section));
    text += fmt::format(R"("panels": [{}], "bias": {})", join(panels, ", "), text_of(linear.bias));
    const auto add = [&](const char* key, const std::optional<Section>& section) {
        if (section) text += fmt::format(R"(, "{}": {})", key, text_of(*section));
    };
    add("column_scale", linear.column_scale);
    add("column_sum", linear.column_sum);
    add("input_multiplier", linear.input_multiplier);
    return text + "}";
}

std::string text_of(const TensorEntry& tensor) {
    std::vector<std::string> shape;
    for (const std::int64_t extent : tensor.shape)
        shape.push_back(std::to_string(extent));
    return fmt::format(R"({{"name": {}, "dtype": "{}", "shape": [{}], "section": {}}})", json_string(tensor.name),
                       tensor.dtype, join(shape, ", "), text_of(tensor.section));
}

template <typename Entry>
std::string list_of(const std::vector<Entry>& entries) {
    std::string text = "[";
    for (const Entry& entry : entries)
        text += fmt::format("{}\n  {}", text.size() == 1 ? "" : ",", text_of(entry));
    return text + "]";
}

// Reading -------------------------------------------------------------------------------------------------------------

class DirectoryReader {
  public:
    explicit DirectoryReader(const PackedHeader& header) : header_(header) {}

    Result<PackedDirectory> read(const json& document) {
        PackedDirectory directory;
        ObjectReader reader(document, "", status_, kDocument);
        directory.producer = reader.string("producer");
        directory.source_bytes = static_cast<std::uint64_t>(reader.integer("source_bytes", 0, INT64_MAX));
        if (reader.has("graph")) directory.graph = reader.text("graph");
        if (const json* plan = reader.member("plan")) {
            Result<Plan> read = plan_from_json(*plan, "plan");
            if (!read.ok()) return read.status();
            directory.plan = std::move(read).value();
        }
        for_each(reader, "linears", [&](const json& entry, const std::string& path) {
            directory.linears.push_back(read_linear(entry, path));
            check_name(directory.linears.back().name, path, linears_);
        });
        for_each(reader, "tensors", [&](const json& entry, const std::string& path) {
            directory.tensors.push_back(read_tensor(entry, path));
            check_name(directory.tensors.back().name, path, tensors_);
        });
        reader.finish();
        if (status_.ok()) check_apart(directory);
        if (!status_.ok()) return std::move(status_);
        return directory;
    }

  private:
    template <typename Visit>
    void for_each(ObjectReader& reader, const char* key, Visit visit) {
        const json* array = reader.member(key);
        if (array == nullptr) return;
        if (!array->is_array()) return reader.fail(key, "an array", internal::found(*array));
        for (std::size_t i = 0; i < array->size() && status_.ok(); i++)
            visit((*array)[i], fmt::format("{}[{}]", reader.path_to(key), i));
    }

    void fail(const std::string& path, const std::string& expected, const std::string& found) {
        if (status_.ok())
            status_ = {StatusCode::kParseError, fmt::format("{}: expected {}, found {}", path, expected, found)};
    }

    void check_name(const std::string& name, const std::string& path, std::set<std::string>& names) {
        if (name.empty() || name.size() > kMaxNameLength || !internal::is_printable(name))
            return fail(path + ".name", fmt::format("1 to {} bytes of printable UTF-8", kMaxNameLength),
                        internal::quote(name));
        if (!names.insert(name).second) fail(path + ".name", "every name once", internal::quote(name) + " again");
    }

    // Layers that share an input share its multiplier. Whatever else two entries had in common would be checked, and
    // perhaps packed again, once for each: more work than the file is large.
    void check_apart(const PackedDirectory& directory) {
        struct Place {
            Section section;
            const std::string* owner;
            bool multiplier;
        };
        std::vector<Place> places;
        for (const LinearEntry& linear : directory.linears) {
            const auto add = [&](const Section& section) { places.push_back({section, &linear.name, false}); };
            for (const PanelSection& panels : linear.panels) {
                add(panels.section);
                if (panels.steps) add(*panels.steps);
            }
            add(linear.bias);
            if (linear.column_scale) add(*linear.column_scale);
            if (linear.column_sum) add(*linear.column_sum);
            if (linear.input_multiplier) places.push_back({*linear.input_multiplier, &linear.name, true});
        }
        for (const TensorEntry& tensor : directory.tensors)
            places.push_back({tensor.section, &tensor.name, false});
        std::erase_if(places, [](const Place& place) { return place.section.bytes == 0; });
        std::sort(places.begin(), places.end(),
                  [](const Place& a, const Place& b) { return a.section.offset < b.section.offset; });
        for (std::size_t i = 1; i < places.size(); i++) {
            const Place &before = places[i - 1], &here = places[i];
            if (before.section.offset + before.section.bytes <= here.section.offset) continue;
            if (before.multiplier && here.multiplier && before.section == here.section) continue;
            return fail("sections", "all of them apart",
                        fmt::format("{} of {} at byte {} and {} of {} at byte {}", before.section.bytes,
                                    internal::quote(*before.owner), before.section.offset, here.section.bytes,
                                    internal::quote(*here.owner), here.section.offset));
        }
    }

    std::uint64_t hexadecimal(ObjectReader& reader, const char* key) {
        const std::string text = reader.string(key);
        std::uint64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
        if (error != std::errc() || end != text.data() + text.size() || text.size() != 16)
            fail(reader.path_to(key), "16 hexadecimal digits", internal::quote(text));
        return value;
    }

    // `bytes`: what it has to hold.
    Section read_section(const json* value, const std::string& path, std::uint64_t bytes) {
        Section section;
        if (value == nullptr) return section;
        ObjectReader reader(*value, path, status_, kDocument);
        section.offset = static_cast<std::uint64_t>(reader.integer("offset", 0, INT64_MAX));
        section.bytes = static_cast<std::uint64_t>(reader.integer("bytes", 0, INT64_MAX));
        section.checksum = hexadecimal(reader, "checksum");
        reader.finish();
        if (section.bytes != bytes)
            fail(path + ".bytes", fmt::format("{}, as shape and type say", bytes), fmt::format("{}", section.bytes));
        const std::uint64_t end = header_.directory_offset;
        if (section.offset % kSectionAlignment != 0 || section.offset < kPackedHeaderBytes || section.offset > end ||
            section.bytes > end - section.offset) {
            fail(path + ".offset",
                 fmt::format("a multiple of {} within the {} bytes before the directory", kSectionAlignment, end),
                 fmt::format("{} for {} bytes", section.offset, section.bytes));
        }
        return section;
    }

    std::optional<Section> read_optional(ObjectReader& reader, const char* key, bool wanted, std::uint64_t bytes) {
        if (!wanted) return std::nullopt;
        return read_section(reader.member(key), reader.path_to(key), bytes);
    }

    LinearEntry read_linear(const json& value, const std::string& path) {
        ObjectReader reader(value, path, status_, kDocument);
        LinearEntry linear;
        linear.name = reader.string("name");
        linear.precision = reader.name("precision", parse_precision, "\"int8\", \"fp16\" or \"int4\"");
        if (linear.precision == Precision::kInt4 && header_.version < kInt4Version)
            fail(path + ".precision", fmt::format("none of version {}", kInt4Version), "\"int4\"");
        const bool quantized = is_quantized(linear.precision);
        linear.k = reader.integer("k", 1, quantized ? kMaxReduction : kMaxExtent);
        linear.n = reader.integer("n", 1, kMaxExtent);
        linear.channels = reader.integer("channels", linear.n, kMaxElements);
        linear.gated = reader.boolean("gated");
        linear.activation = reader.name("activation", parse_activation, "an activation such as \"gelu\"");
        if (reader.has("input_scaling")) {
            linear.input_scaling = reader.name("input_scaling", parse_input_scaling, "\"static\" or \"asymmetric\"");
            linear.input_scale = static_cast<float>(reader.number("input_scale", 0, true));
            check_scaling(linear, path);
        }
        if (!status_.ok()) return linear;
        if (linear.matrices() * linear.channels > kMaxElements / linear.padded_k()) {
            fail(path + ".channels", fmt::format("at most {} weights in all", kMaxElements),
                 fmt::format("{} channels of {}", linear.matrices() * linear.channels, linear.padded_k()));
            return linear;
        }
        const auto column_bytes = static_cast<std::uint64_t>(linear.matrices() * linear.channels) * sizeof(float);
        for_each(reader, "panels", [&](const json& entry, const std::string& at) {
            linear.panels.push_back(read_panels(linear, entry, at));
        });
        if (linear.panels.empty()) fail(path + ".panels", "at least one level's panels", "none");
        linear.bias = read_section(reader.member("bias"), path + ".bias", column_bytes);
        linear.column_scale = read_optional(reader, "column_scale", quantized, column_bytes);
        linear.column_sum = read_optional(reader, "column_sum", quantized, column_bytes);
        linear.input_multiplier = read_optional(reader, "input_multiplier", reader.has("input_multiplier"),
                                                static_cast<std::uint64_t>(linear.k) * sizeof(float));
        reader.finish();
        return linear;
    }

    void check_scaling(const LinearEntry& linear, const std::string& path) {
        if (!is_quantized(linear.precision)) fail(path + ".input_scaling", "none with fp16", "one");
        const bool usable = std::isnormal(linear.input_scale) && std::isnormal(1.0f / linear.input_scale);
        if (linear.input_scaling == InputScaling::kStatic && !usable)
            fail(path + ".input_scale", "a positive, normal number", fmt::format("{}", linear.input_scale));
        if (linear.input_scaling == InputScaling::kAsymmetric && linear.k > kMaxReduction / 2)
            fail(path + ".k", fmt::format("at most {} with a zero point", kMaxReduction / 2),
                 fmt::format("{}", linear.k));
    }

    PanelSection read_panels(const LinearEntry& linear, const json& value, const std::string& path) {
        ObjectReader reader(value, path, status_, kDocument);
        PanelSection panels;
        const bool quantized = is_quantized(linear.precision), int4 = linear.precision == Precision::kInt4;
        panels.layout.element_bytes = quantized ? 1 : 2;
        panels.layout.k_block = static_cast<int>(reader.integer("k_block", 1, quantized ? kReductionPadding : 1));
        panels.layout.panel_n = static_cast<int>(reader.integer("panel_n", 1, 1024));
        panels.padded_n = reader.integer("padded_n", linear.n, linear.channels);
        if (!status_.ok()) return panels;
        if (kReductionPadding % panels.layout.k_block != 0)
            fail(path + ".k_block", fmt::format("a divisor of {}", kReductionPadding),
                 fmt::format("{}", panels.layout.k_block));
        const int together = int4 ? 2 : 1;  // panels that are stored as one
        if (panels.padded_n % (together * panels.layout.panel_n) != 0 ||
            (linear.gated && panels.padded_n != linear.channels)) {
            const std::string_view whole = int4 ? "whole pairs of panels" : "whole panels";
            fail(path + ".padded_n", fmt::format("{}{}", whole, linear.gated ? ", and as many channels as scales" : ""),
                 fmt::format("{} for panels of {}", panels.padded_n, panels.layout.panel_n));
        }
        panels.section = read_section(reader.member("section"), path + ".section", linear.panel_bytes(panels));
        panels.steps = read_optional(reader, "steps", int4, linear.step_bytes(panels));
        reader.finish();
        return panels;
    }

    TensorEntry read_tensor(const json& value, const std::string& path) {
        ObjectReader reader(value, path, status_, kDocument);
        TensorEntry tensor;
        tensor.name = reader.string("name");
        tensor.dtype = reader.string("dtype");
        const std::optional<std::uint64_t> element = element_bytes_of(tensor.dtype);
        if (!element) fail(path + ".dtype", "a type of whole bytes such as F32", internal::quote(tensor.dtype));
        std::uint64_t bytes = element.value_or(1);
        bool fits = true;
        if (const json* shape = reader.member("shape")) {
            if (!shape->is_array() || shape->size() > limits::kRank) fits = false;
            for (std::size_t i = 0; fits && i < shape->size(); i++) {
                const json& extent = (*shape)[i];
                fits = extent.is_number_unsigned() && extent.get<std::uint64_t>() <= INT64_MAX &&
                       !__builtin_mul_overflow(bytes, extent.get<std::uint64_t>(), &bytes);
                if (fits) tensor.shape.push_back(extent.get<std::int64_t>());
            }
        }
        if (!fits) fail(path + ".shape", "an array of extents whose product fits 64 bits", "another one");
        if (!status_.ok()) return tensor;
        tensor.section = read_section(reader.member("section"), path + ".section", bytes);
        reader.finish();
        return tensor;
    }

    const PackedHeader& header_;
    Status status_;
    std::set<std::string> linears_, tensors_;
};

}  // namespace

std::int64_t LinearEntry::padded_k() const {
    return round_up(k, kReductionPadding);
}

std::uint64_t LinearEntry::panel_bytes(const PanelSection& of) const {
    const Int4Panels int4{of.layout.k_block, of.layout.panel_n, n, k};
    const PanelShape dense{n, k, of.padded_n, padded_k()};
    const std::int64_t bytes = precision == Precision::kInt4 ? int4.q4_bytes() : dense.bytes(of.layout);
    return static_cast<std::uint64_t>(matrices() * bytes);
}

std::uint64_t LinearEntry::step_bytes(const PanelSection& of) const {
    const Int4Panels int4{of.layout.k_block, of.layout.panel_n, n, k};
    return precision == Precision::kInt4 ? static_cast<std::uint64_t>(matrices() * int4.step_bytes()) : 0;
}

namespace {

// Whether a graph is of a version that the first readers do not know.
bool is_new_graph(const std::string& graph) {
    if (graph.empty()) return false;
    Result<json> document = internal::parse_json(graph);
    if (!document.ok()) return false;
    const internal::TakenApart apart(document.value());
    const auto version = document->find("octile_graph");
    return version != document->end() && version->is_number_integer() && *version > 1;
}

}  // namespace

std::uint32_t version_of(const PackedDirectory& directory) {
    if (is_new_graph(directory.graph)) return kGraphVersion;
    const bool int4 = std::any_of(directory.linears.begin(), directory.linears.end(),
                                  [](const LinearEntry& linear) { return linear.precision == Precision::kInt4; });
    return int4 ? kInt4Version : kFirstVersion;
}

std::optional<std::uint64_t> element_bytes_of(std::string_view dtype) {
    const auto* const found = std::find_if(std::begin(kDtypes), std::end(kDtypes),
                                           [&](const DtypeBytes& type) { return type.name == dtype; });
    return found == std::end(kDtypes) ? std::nullopt : std::optional(found->bytes);
}

std::string to_json(const PackedDirectory& directory) {
    std::string text = fmt::format("{{\"producer\": {},\n \"source_bytes\": {},\n", json_string(directory.producer),
                                   directory.source_bytes);
    if (!directory.graph.empty()) text += fmt::format(" \"graph\": {},\n", json_string(directory.graph));
    text += fmt::format(" \"plan\": {},\n \"linears\": {},\n \"tensors\": {}}}\n", to_json(directory.plan),
                        list_of(directory.linears), list_of(directory.tensors));
    return text;
}

Result<PackedDirectory> directory_from_json(std::string_view text, const PackedHeader& header) {
    Result<json> document = internal::parse_json(text);
    if (!document.ok()) return document.status();
    const internal::TakenApart apart(document.value());
    return DirectoryReader(header).read(document.value());
}

}  // namespace octile
