#include <fmt/format.h>

#include <cmath>
#include <initializer_list>
#include <limits>
#include <span>
#include <utility>

#include "base/json.h"
#include "base/json_builder.h"
#include "octile/core.h"
#include "octile/planner.h"
#include "planner/json_reader.h"
#include "planner/validate.h"

namespace octile {
namespace {

using internal::ObjectReader;
using nlohmann::json;

constexpr std::string_view kDocument = "core";
// Of any figure, whatever its unit: far beyond every core, and products of a few of them are still numbers.
constexpr double kMostFigure = 1e9;

constexpr std::array<Isa, 7> kInt8Levels = {Isa::kAvx2,    Isa::kAvxvnni, Isa::kAvx512vnni, Isa::kNeon,
                                            Isa::kDotprod, Isa::kI8mm,    Isa::kSve256};
constexpr std::array<Isa, 4> kFp16Levels = {Isa::kAvx2, Isa::kAvx512vnni, Isa::kNeon, Isa::kFp16};

// Vector instructions per element on 128 bits, where nothing was measured on the core. INT8: what remains, beside the
// products, of the cycles that llvm-mca finds for whole linears on Neoverse N1, N2 and V2 (K = 384 and 1536, M = 128),
// times the pipes: 1.3 to 1.5 to quantize, 1.9 to 2.2 per output with the tile's own. The others are counted by hand
// from the operations that docs/quantization.md lists, 4 f32 per instruction.
struct Instructions {
    static constexpr double kQuantize = 1.4, kPack = 0.8, kEpilogueInt8 = 1.7, kEpilogueFp16 = 1.2;
    static constexpr double kRelu = 0.25, kGelu = 9, kSilu = 7;
};
// Loads before the first product and the latency of the last, which no neighbouring tile hides.
constexpr double kCyclesPerTile = 20;
constexpr double kCallUs = 0.15, kForkUs = 3;

CycleCosts default_cycles(const Core& core) {
    const double per_cycle = core.vector_pipes * core.vector_bits / 128;
    return {.quantize = Instructions::kQuantize / per_cycle,
            .pack = Instructions::kPack / per_cycle,
            .epilogue_int8 = Instructions::kEpilogueInt8 / per_cycle,
            .epilogue_fp16 = Instructions::kEpilogueFp16 / per_cycle,
            .relu = Instructions::kRelu / per_cycle,
            .gelu = Instructions::kGelu / per_cycle,
            .silu = Instructions::kSilu / per_cycle,
            .tile = kCyclesPerTile};
}

double figure(ObjectReader& reader, const char* key) {
    return reader.number(key, 0, false, kMostFigure);
}

// A figure that may be nothing.
double cost(ObjectReader& reader, const char* key) {
    return reader.number(key, 0, true, kMostFigure);
}

template <std::size_t N>
std::array<double, kIsaCount> read_rates(ObjectReader& parent, const char* key, const std::array<Isa, N>& levels,
                                         Status& status) {
    std::array<double, kIsaCount> rates{};
    const json* value = parent.member(key);
    if (value == nullptr) return rates;
    ObjectReader reader(*value, parent.path_to(key), status, kDocument);
    bool any = false;
    for (const Isa isa : levels) {
        const std::string name(name_of(isa));
        if (!reader.has(name.c_str())) continue;
        rates[static_cast<std::size_t>(isa)] = figure(reader, name.c_str());
        any = true;
    }
    reader.finish();
    if (!any) {
        std::string names;
        for (const Isa isa : levels)
            names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", name_of(isa));
        parent.fail(key, fmt::format("at least one of {}", names), "none");
    }
    return rates;
}

std::vector<CacheLevel> read_caches(ObjectReader& parent, int cores, Status& status) {
    std::vector<CacheLevel> caches;
    const json* value = parent.member("caches");
    if (value == nullptr) return caches;
    if (!value->is_array() || value->empty()) {
        parent.fail("caches", "an array of at least one level", value->is_array() ? "none" : internal::found(*value));
        return caches;
    }
    if (value->size() > kMaxCacheLevels) {
        parent.fail("caches", fmt::format("at most {} levels", kMaxCacheLevels), fmt::format("{}", value->size()));
        return caches;
    }
    for (std::size_t i = 0; i < value->size() && status.ok(); ++i) {
        ObjectReader reader((*value)[i], fmt::format("{}[{}]", parent.path_to("caches"), i), status, kDocument);
        CacheLevel cache;
        cache.kib = figure(reader, "kib");
        cache.shared_by = static_cast<int>(reader.integer("shared_by", 1, std::numeric_limits<int>::max()));
        cache.bytes_per_cycle = figure(reader, "bytes_per_cycle");
        reader.finish();
        const double before = caches.empty() ? 0 : caches.back().kib;
        if (cache.kib <= before) {
            reader.fail("kib", fmt::format("more than {}, the level before it", before), fmt::format("{}", cache.kib));
        }
        if (i == 0 && cache.shared_by > cores) {
            reader.fail("shared_by", fmt::format("at most {}, the number of cores", cores),
                        fmt::format("{}", cache.shared_by));
        }
        caches.push_back(cache);
    }
    return caches;
}

void read_cycles(ObjectReader& parent, CycleCosts& cycles, Status& status) {
    if (!parent.has("cycles_per_element")) return;
    ObjectReader reader(*parent.member("cycles_per_element"), parent.path_to("cycles_per_element"), status, kDocument);
    cycles.quantize = cost(reader, "quantize");
    cycles.pack = cost(reader, "pack");
    cycles.epilogue_int8 = cost(reader, "epilogue_int8");
    cycles.epilogue_fp16 = cost(reader, "epilogue_fp16");
    cycles.relu = cost(reader, "relu");
    cycles.gelu = cost(reader, "gelu");
    cycles.silu = cost(reader, "silu");
    cycles.tile = cost(reader, "tile");
    reader.finish();
}

using Member = std::pair<std::string_view, double>;

std::string number(double value) {
    return std::isfinite(value) ? fmt::format("{}", value) : "null";
}

// Written by hand, as the files of schedules/cores are: an object of numbers a line.
std::string numbers(std::span<const Member> members) {
    std::string text = "{";
    for (const auto& [name, value] : members) {
        text += fmt::format("{}\"{}\": {}", text.size() > 1 ? ", " : "", name, number(value));
    }
    return text + "}";
}

std::string numbers(std::initializer_list<Member> members) {
    return numbers(std::span(members.begin(), members.size()));
}

template <std::size_t N>
std::string rates_text(const std::array<double, kIsaCount>& rates, const std::array<Isa, N>& levels) {
    std::vector<Member> members;
    for (const Isa isa : levels) {
        const double rate = rates[static_cast<std::size_t>(isa)];
        if (rate > 0) members.emplace_back(name_of(isa), rate);
    }
    return numbers(members);
}

std::string caches_text(const std::vector<CacheLevel>& caches) {
    std::string text;
    for (const CacheLevel& cache : caches) {
        text += text.empty() ? "\n    " : ",\n    ";
        text +=
            numbers({{"kib", cache.kib}, {"shared_by", cache.shared_by}, {"bytes_per_cycle", cache.bytes_per_cycle}});
    }
    return "[" + text + "\n  ]";
}

std::string strings_text(const std::vector<std::string>& values) {
    std::string text;
    for (const std::string& value : values)
        text += (text.empty() ? "\n    " : ",\n    ") + internal::json_string(value);
    return values.empty() ? "[]" : "[" + text + "\n  ]";
}

}  // namespace

Result<Core> core_from_json(std::string_view text) {
    Result<json> document = internal::parse_json(text);
    if (!document.ok()) return document.status();
    const internal::TakenApart apart(document.value());
    Status status;
    ObjectReader reader(document.value(), "", status, kDocument);
    if (document->is_object() && !document->contains("core")) {
        return Status(StatusCode::kParseError, "core: missing: not the description of a core");
    }
    Core core;
    core.name = reader.string("core");
    if (status.ok()) {
        if (const Status name = validate_name("core", core.name); !name.ok())
            return Status(StatusCode::kParseError, name.message());
        if (core.name.empty()) reader.fail("core", "a name", "none");
    }
    core.title = reader.line("title", kMaxNameLength);
    core.clock_ghz = figure(reader, "clock_ghz");
    core.cores = static_cast<int>(reader.integer("cores", 1, std::numeric_limits<int>::max()));
    if (const json* value = reader.member("vector")) {
        ObjectReader vector(*value, reader.path_to("vector"), status, kDocument);
        core.vector_bits = static_cast<int>(vector.integer("bits", 128, 2048));
        core.vector_pipes = figure(vector, "pipes");
        core.vector_loads = figure(vector, "loads");
        vector.finish();
    }
    core.int8_macs_per_cycle = read_rates(reader, "int8_macs_per_cycle", kInt8Levels, status);
    core.fp16_macs_per_cycle = read_rates(reader, "fp16_macs_per_cycle", kFp16Levels, status);
    core.caches = read_caches(reader, core.cores, status);
    if (const json* value = reader.member("memory")) {
        ObjectReader memory(*value, reader.path_to("memory"), status, kDocument);
        core.memory_gbps_core = figure(memory, "gbps_per_core");
        core.memory_gbps = figure(memory, "gbps");
        memory.finish();
        if (core.memory_gbps < core.memory_gbps_core) {
            memory.fail("gbps", fmt::format("at least gbps_per_core = {}", core.memory_gbps_core),
                        fmt::format("{}", core.memory_gbps));
        }
    }
    if (!status.ok()) return status;
    core.cycles = default_cycles(core);
    read_cycles(reader, core.cycles, status);
    core.call_us = kCallUs;
    core.fork_us = kForkUs;
    if (reader.has("overhead_us")) {
        ObjectReader overhead(*reader.member("overhead_us"), reader.path_to("overhead_us"), status, kDocument);
        core.call_us = cost(overhead, "call");
        core.fork_us = cost(overhead, "fork");
        overhead.finish();
    }
    core.estimated = reader.strings("estimated");
    core.sources = reader.strings("sources");
    if (status.ok() && core.sources.empty()) reader.fail("sources", "where the figures come from", "none");
    reader.finish();
    if (!status.ok()) return status;
    return core;
}

std::string to_json(const Core& core) {
    const CycleCosts& cycles = core.cycles;
    std::string text = "{";
    const auto add = [&](std::string_view key, std::string_view value) {
        text += fmt::format("{}\n  \"{}\": {}", text.size() > 1 ? "," : "", key, value);
    };
    const auto add_number = [&](std::string_view key, double value) { add(key, number(value)); };
    add("core", internal::json_string(core.name));
    add("title", internal::json_string(core.title));
    add_number("clock_ghz", core.clock_ghz);
    add_number("cores", core.cores);
    add("vector", numbers({{"bits", core.vector_bits}, {"pipes", core.vector_pipes}, {"loads", core.vector_loads}}));
    add("int8_macs_per_cycle", rates_text(core.int8_macs_per_cycle, kInt8Levels));
    add("fp16_macs_per_cycle", rates_text(core.fp16_macs_per_cycle, kFp16Levels));
    add("caches", caches_text(core.caches));
    add("memory", numbers({{"gbps_per_core", core.memory_gbps_core}, {"gbps", core.memory_gbps}}));
    add("cycles_per_element", numbers({{"quantize", cycles.quantize},
                                       {"pack", cycles.pack},
                                       {"epilogue_int8", cycles.epilogue_int8},
                                       {"epilogue_fp16", cycles.epilogue_fp16},
                                       {"relu", cycles.relu},
                                       {"gelu", cycles.gelu},
                                       {"silu", cycles.silu},
                                       {"tile", cycles.tile}}));
    add("overhead_us", numbers({{"call", core.call_us}, {"fork", core.fork_us}}));
    add("estimated", strings_text(core.estimated));
    add("sources", strings_text(core.sources));
    return text + "\n}\n";
}

}  // namespace octile
