#include "tuner/host_core.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <thread>
#include <vector>

#include "base/statistics.h"
#include "octile/linear.h"
#include "octile/parallel.h"
#include "planner/cost_model.h"
#include "runtime/cache_levels.h"
#include "tuner/least_squares.h"

namespace octile {
namespace {

double seconds_of(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Values in [-1, 1], the same each time: what kernels do does not depend on them.
std::vector<float> values(std::size_t count) {
    std::vector<float> result(count);
    std::uint32_t state = 1;
    for (float& value : result) {
        state = state * 1664525u + 1013904223u;
        value = static_cast<float>(state >> 8) * 0x1p-23f - 1.0f;
    }
    return result;
}

Result<double> time_linear_us(const ProbeShape& shape, IsaSet isas, clockid_t clock) {
    const std::vector<float> weights = values(static_cast<std::size_t>(shape.n * shape.k));
    const std::vector<float> x = values(static_cast<std::size_t>(shape.m * shape.k));
    std::vector<float> y(static_cast<std::size_t>(shape.m * shape.n));
    const Result<Linear> linear = Linear::pack({weights.data(), DataType::kF32, shape.n, shape.k, shape.k}, {},
                                               {shape.precision, shape.activation}, isas);
    if (!linear.ok()) return linear.status();
    const MatrixView x_view{x.data(), DataType::kF32, shape.m, shape.k, shape.k};
    const MutableMatrixView y_view{y.data(), DataType::kF32, shape.m, shape.n, shape.n};
    Workspace workspace;
    const auto calls = [&](int count) -> Result<double> {
        const double start = seconds_of(clock);
        for (int i = 0; i < count; ++i) {
            if (Status status = linear->run(x_view, y_view, workspace); !status.ok()) return status;
        }
        return seconds_of(clock) - start;
    };
    constexpr double kSampleSeconds = 5e-4;
    constexpr int kSamples = 9;
    int count = 1;
    for (;;) {
        const Result<double> took = calls(count);
        if (!took.ok()) return took.status();
        if (took.value() >= kSampleSeconds || count >= 1 << 20) break;
        count = std::max(count * 2, static_cast<int>(kSampleSeconds / std::max(took.value(), 1e-9) * count));
    }
    std::vector<double> samples;
    for (int i = 0; i < kSamples; ++i) {
        const Result<double> took = calls(count);
        if (!took.ok()) return took.status();
        samples.push_back(took.value() / count * 1e6);
    }
    return median(std::move(samples));
}

// The clock, by operations that wait for each other: one a cycle on every core that Octile runs on. (Additions of a
// constant are not: some cores fold several into one.)
double measure_clock_ghz() {
    constexpr int kSteps = 400000, kUnrolled = 10, kSamples = 9;
    std::vector<double> samples;
    for (int sample = 0; sample < kSamples; ++sample) {
        std::uint64_t value = 1, other = 2;
        const double start = seconds_of(CLOCK_THREAD_CPUTIME_ID);
        for (int i = 0; i < kSteps; ++i) {
            for (int j = 0; j < kUnrolled; ++j) {
#if defined(__x86_64__)
                __asm__ volatile("xor %1, %0" : "+r"(value) : "r"(other));
#elif defined(__aarch64__)
                __asm__ volatile("eor %0, %0, %1" : "+r"(value) : "r"(other));
#else
#error "unknown architecture"
#endif
            }
        }
        samples.push_back(kSteps * double{kUnrolled} / (seconds_of(CLOCK_THREAD_CPUTIME_ID) - start) * 1e-9);
    }
    return median(std::move(samples));
}

// The levels that Linear takes here, in this order of preference.
std::optional<Isa> level_for(Precision precision, IsaSet isas) {
    std::optional<Isa> highest;
    for (const LevelTiles& level : all_level_tiles()) {
        if (level.precision == precision && isas.has(level.isa)) highest = level.isa;
    }
    return highest;
}

class HostMeasurement {
  public:
    HostMeasurement(IsaSet isas, Isa int8, Isa fp16) : isas_(isas), int8_(int8), fp16_(fp16) {}

    Result<Core> run() {
        core_.name = "host";
        core_.clock_ghz = measure_clock_ghz();
        core_.cores = std::max(1u, std::thread::hardware_concurrency());
        const bool zmm = int8_ == Isa::kAvx512vnni || fp16_ == Isa::kAvx512vnni;
        core_.vector_bits = zmm ? 512 : int8_ == Isa::kAvx2 ? 256 : 128;
        core_.vector_pipes = 2;
        core_.vector_loads = 2;
        core_.caches = read_caches(kCachesOfFirstCpu);
        // What a virtual machine or a board may not tell: the least that the cores Octile knows have.
        if (core_.caches.empty()) core_.caches = {{32, 1, 0}, {512, core_.cores, 0}};
        for (CacheLevel& cache : core_.caches)
            cache.shared_by = std::clamp(cache.shared_by, 1, core_.cores);
        core_.caches[0].shared_by = 1;

        // Widening shows where a single row uses each weight once, the rest where many rows do; each needs the other.
        for (int round = 0; round < 2 && status_.ok(); ++round) {
            fit_compute();
            fit_widening();
        }
        fit_activations();
        fit_bandwidth();
        fit_fork();
        if (!status_.ok()) return status_;
        core_.title =
            fmt::format("this machine: {} and {}, {:.2f} GHz", name_of(int8_), name_of(fp16_), core_.clock_ghz);
        core_.estimated = {"vector.loads", "caches.bytes_per_cycle"};
        if (!memory_measured_) core_.estimated.push_back("memory");
        round_figures();
        core_.sources = {"measured on this machine with Octile's kernels", "caches: the operating system"};
        return core_;
    }

  private:
    // No measurement has more than four digits.
    void round_figures() {
        const auto round = [](double& value) {
            value = value < 1e-6 ? 0 : std::strtod(fmt::format("{:.4g}", value).c_str(), nullptr);
        };
        CycleCosts& cycles = core_.cycles;
        for (double* value : {&core_.clock_ghz, &core_.vector_pipes, &core_.memory_gbps_core, &core_.memory_gbps,
                              &core_.call_us, &core_.fork_us, &cycles.quantize, &cycles.pack, &cycles.epilogue_int8,
                              &cycles.epilogue_fp16, &cycles.relu, &cycles.gelu, &cycles.silu, &cycles.tile})
            round(*value);
        for (std::size_t isa = 0; isa < kIsaCount; ++isa) {
            round(core_.int8_macs_per_cycle[isa]);
            round(core_.fp16_macs_per_cycle[isa]);
        }
        for (CacheLevel& cache : core_.caches)
            round(cache.bytes_per_cycle);
    }

    Isa isa_of(Precision precision) const { return precision == Precision::kInt8 ? int8_ : fp16_; }

    double cycles(const ProbeShape& shape) {
        if (!status_.ok()) return 1;
        const Result<double> us = probe_us(shape, isas_);
        if (!us.ok()) {
            status_ = us.status();
            return 1;
        }
        return us.value() * core_.clock_ghz * 1e3;
    }

    static Layer layer_of(const ProbeShape& shape) {
        Layer layer;
        layer.m = shape.m;
        layer.k = shape.k;
        layer.n = shape.n;
        layer.activation = shape.activation;
        return layer;
    }

    double widening(const ProbeShape& shape) const {
        const LinearWork work = work_of(layer_of(shape), level_tiles(isa_of(shape.precision), shape.precision));
        return work.widened * 128 / core_.vector_bits;
    }

    // Everything that is not bytes: rates, input, epilogue, tiles and calls, together from shapes that differ in which
    // of them they are made of. Relative errors count.
    void fit_compute() {
        constexpr std::array<std::array<std::int64_t, 3>, 12> kShapes = {{{48, 64, 64},
                                                                          {48, 512, 64},
                                                                          {48, 64, 512},
                                                                          {96, 256, 256},
                                                                          {96, 512, 512},
                                                                          {240, 64, 32},
                                                                          {240, 512, 32},
                                                                          {24, 256, 1024},
                                                                          {24, 1024, 256},
                                                                          {120, 384, 768},
                                                                          {12, 128, 128},
                                                                          {12, 64, 32}}};
        enum : std::size_t { kCall, kTile, kInput8, kMac8, kOut8, kInput16, kMac16, kOut16, kUnknowns };
        std::vector<std::vector<double>> rows;
        std::vector<double> targets;
        for (const Precision precision : {Precision::kInt8, Precision::kFp16}) {
            const bool int8 = precision == Precision::kInt8;
            for (const auto& [m, k, n] : kShapes) {
                const ProbeShape shape{m, k, n, precision};
                const LinearWork work = work_of(layer_of(shape), level_tiles(isa_of(precision), precision));
                const double measured = cycles(shape);
                std::vector<double> row(kUnknowns);
                row[kCall] = 2;
                row[kTile] = work.tiles;
                row[int8 ? kInput8 : kInput16] = work.input;
                row[int8 ? kMac8 : kMac16] = work.macs;
                row[int8 ? kOut8 : kOut16] = work.outputs;
                for (double& value : row)
                    value /= measured;
                rows.push_back(std::move(row));
                targets.push_back(std::max(0.0, 1 - widening(shape) / core_.vector_pipes / measured));
            }
        }
        if (!status_.ok()) return;
        const std::vector<double> x = solve_non_negative(rows, targets);
        // A rate that no measurement bounds: as fast as its vectors could be.
        const double fastest = core_.vector_bits;
        const auto rate = [&](double cycles_per_mac) {
            return cycles_per_mac * fastest > 1 ? 1 / cycles_per_mac : fastest;
        };
        core_.call_us = x[kCall] / (core_.clock_ghz * 1e3);
        core_.cycles.tile = x[kTile];
        core_.cycles.quantize = x[kInput8];
        core_.cycles.pack = x[kInput16];
        core_.cycles.epilogue_int8 = x[kOut8];
        core_.cycles.epilogue_fp16 = x[kOut16];
        core_.int8_macs_per_cycle[static_cast<std::size_t>(int8_)] = rate(x[kMac8]);
        core_.fp16_macs_per_cycle[static_cast<std::size_t>(fp16_)] = rate(x[kMac16]);
    }

    // Cycles around a GEMM: calls, input, tiles, outputs.
    double around(const ProbeShape& shape) const {
        const bool int8 = shape.precision == Precision::kInt8;
        const LinearWork work = work_of(layer_of(shape), level_tiles(isa_of(shape.precision), shape.precision));
        return 2 * core_.call_us * core_.clock_ghz * 1e3 +
               work.input * (int8 ? core_.cycles.quantize : core_.cycles.pack) + work.tiles * core_.cycles.tile +
               work.outputs * (int8 ? core_.cycles.epilogue_int8 : core_.cycles.epilogue_fp16);
    }

    void fit_widening() {
        const ProbeShape shape{1, 512, 32, Precision::kFp16};  // 32 KiB of weights: first cache
        if (widening(shape) == 0) return;
        const LinearWork work = work_of(layer_of(shape), level_tiles(fp16_, Precision::kFp16));
        const double multiplying = work.macs / core_.fp16_macs_per_cycle[static_cast<std::size_t>(fp16_)];
        const double rest = cycles(shape) - around(shape) - multiplying;
        core_.vector_pipes = std::clamp(widening(shape) / std::max(rest, 1.0), 0.25, 8.0);
    }

    void fit_activations() {
        const ProbeShape plain{48, 64, 512};
        const double outputs = static_cast<double>(plain.m * plain.n), base = cycles(plain);
        const auto extra = [&](Activation activation) {
            ProbeShape shape = plain;
            shape.activation = activation;
            return std::max(0.0, cycles(shape) - base) / outputs;
        };
        core_.cycles.relu = extra(Activation::kRelu);
        core_.cycles.gelu = extra(Activation::kGelu);
        core_.cycles.silu = extra(Activation::kSilu);
    }

    // Bytes per cycle that a single row's INT8 GEMM reads from a level, from weights of half its size.
    void fit_bandwidth() {
        constexpr double kMostBytes = 24 * 1024 * 1024, kRowBytes = 2048;
        const auto measure = [&](double bytes) {
            const ProbeShape shape{1, static_cast<std::int64_t>(kRowBytes),
                                   static_cast<std::int64_t>(bytes / kRowBytes)};
            return bytes / std::max(1.0, cycles(shape) - around(shape));
        };
        core_.caches[0].bytes_per_cycle = core_.vector_loads * core_.vector_bits / 8;
        double before = core_.caches[0].bytes_per_cycle, inside = core_.caches[0].kib * 1024;
        for (std::size_t level = 1; level < core_.caches.size() && status_.ok(); ++level) {
            const double bytes = core_.caches[level].kib * 1024;
            before = std::min(before, measure(std::min(std::max(bytes / 2, inside * 1.5), kMostBytes)));
            core_.caches[level].bytes_per_cycle = before;
            inside = bytes;
        }
        // Memory: weights of twice the last cache where that is not too much; otherwise as fast as the last cache.
        memory_measured_ = inside * 2 <= kMostBytes * 4;
        const double memory = memory_measured_ ? std::min(before, measure(inside * 2)) : before;
        core_.memory_gbps_core = memory * core_.clock_ghz;
        core_.memory_gbps = core_.memory_gbps_core * std::min(core_.cores, 4);
    }

    void fit_fork() {
        if (core_.cores == 1 || !status_.ok()) return;
        const ProbeShape shape{24, 64, 256};
        const Result<double> one = time_linear_us(shape, isas_, CLOCK_MONOTONIC);
        set_threads(2);
        const Result<double> two = time_linear_us(shape, isas_, CLOCK_MONOTONIC);
        set_threads(1);
        if (!one.ok() || !two.ok()) {
            status_ = one.ok() ? two.status() : one.status();
            return;
        }
        // Both kernels fork, and share what work there is.
        core_.fork_us = std::max(0.0, two.value() - one.value() / 2) / 2;
    }

    IsaSet isas_;
    Isa int8_, fp16_;
    Core core_;
    Status status_;
    bool memory_measured_ = false;
};

}  // namespace

Result<double> probe_us(const ProbeShape& shape, IsaSet isas) {
    return time_linear_us(shape, isas, CLOCK_THREAD_CPUTIME_ID);
}

Result<Core> measure_host_core(IsaSet isas) {
    const std::optional<Isa> int8 = level_for(Precision::kInt8, isas), fp16 = level_for(Precision::kFp16, isas);
    if (!int8 || !fp16) {
        return Status(StatusCode::kUnsupported, fmt::format("no kernels for this CPU, which has: {}", to_string(isas)));
    }
    const int threads_before = threads();
    set_threads(1);
    Result<Core> core = HostMeasurement(isas, *int8, *fp16).run();
    set_threads(threads_before);
    return core;
}

}  // namespace octile
