// A CPU core as the planner's cost model sees it: plain data. The cores that Octile knows come with the library, as
// schedules/cores/<name>.json; the same format is read from a file.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "octile/cpu.h"
#include "octile/export.h"
#include "octile/status.h"

namespace OCTILE_API octile {

// Most levels of cache that a description may have.
inline constexpr std::size_t kMaxCacheLevels = 4;

// One level of cache, from the first on.
struct CacheLevel {
    double kib = 0;              // of one instance of this cache, data
    int shared_by = 1;           // cores that share an instance
    double bytes_per_cycle = 0;  // that one core reads, sustained

    bool operator==(const CacheLevel&) const = default;
};

// Work around the multiplications, on one core. Cycles per element unless said otherwise.
struct CycleCosts {
    double quantize = 0;       // of x: absmax, scale, round, pack; f32 in
    double pack = 0;           // of x for an FP16 layer
    double epilogue_int8 = 0;  // of y: scale, bias, store; f32 out
    double epilogue_fp16 = 0;
    double relu = 0;  // of y, on top
    double gelu = 0;
    double silu = 0;
    double tile = 0;  // per output tile: first loads, last results

    bool operator==(const CycleCosts&) const = default;
};

struct Core {
    std::string name;   // "neoverse-v2"
    std::string title;  // in words
    double clock_ghz = 0;
    int cores = 1;

    int vector_bits = 128;
    double vector_pipes = 0;  // arithmetic operations per cycle on vectors
    double vector_loads = 0;  // vector loads per cycle, from the first cache

    // Multiply-accumulates per cycle and core that the kernels of a level reach, as INT8 and as FP16; 0: the core has
    // no such level. Indexed by Isa.
    std::array<double, kIsaCount> int8_macs_per_cycle{};
    std::array<double, kIsaCount> fp16_macs_per_cycle{};

    std::vector<CacheLevel> caches;
    double memory_gbps_core = 0;  // 1e9 bytes per second that one core reads
    double memory_gbps = 0;       // that all of them read together

    CycleCosts cycles;
    double call_us = 0;  // starting one kernel
    double fork_us = 0;  // starting the other threads on one kernel and waiting for them

    std::vector<std::string> estimated;  // fields whose figures have no source of their own
    std::vector<std::string> sources;

    bool operator==(const Core&) const = default;
};

// Names of the cores that come with the library, in alphabetical order.
std::vector<std::string_view> core_names();

// One of them. kInvalidArgument, listing the names, for another.
Result<Core> find_core(std::string_view name);

// Strict: an unknown, missing or impossible field is an error that names it. `cycles_per_element` and `overhead_us` may
// be missing; they then follow from the number of vector pipes (docs/planner.md).
Result<Core> core_from_json(std::string_view json);

// core_from_json(to_json(core)) == core.
std::string to_json(const Core& core);

}  // namespace octile
