// Google Benchmark over linear layers and their parts on every ISA level, the peer and the register peaks. Each is
// checked once before it is timed; one that computes something wrong is an error, and so is the exit code.
//
//   octile_kernel_bench [--shape=MxKxN]... [--threads=N] [Google Benchmark's own options]
//
// For ratios read octile_bench, which interleaves; this program is for looking at one kernel.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <string>

#include "bench/cells.h"
#include "bench/onednn.h"
#include "bench/options.h"
#include "bench/register_peak.h"
#include "octile/parallel.h"

namespace octile::bench {
namespace {

bool any_wrong = false;

// Only the operands of the last shape are kept: benchmarks run in the order of their shapes.
const Problem& problem_for(const Shape& shape) {
    static std::unique_ptr<Problem> last;
    const auto same = [&](const Shape& other) {
        return other.m == shape.m && other.k == shape.k && other.n == shape.n;
    };
    if (!last || !same(last->shape())) last = std::make_unique<Problem>(shape);
    return *last;
}

void time_cell(benchmark::State& state, const Result<Cell>& cell, const char* unit) {
    const Status status = cell.ok() ? cell->verify() : cell.status();
    if (!status.ok()) {
        any_wrong |= status.code() != StatusCode::kUnsupported;
        state.SkipWithError(status.message().c_str());
        return;
    }
    for (auto _ : state) {
        if (Status run = cell->run(); !run.ok()) {
            any_wrong = true;
            state.SkipWithError(run.message().c_str());
            return;
        }
    }
    const double operations = cell->operations * static_cast<double>(state.iterations());
    state.counters[unit] = benchmark::Counter(operations * 1e-9, benchmark::Counter::kIsRate);
}

// `make` runs when the benchmark does, so that a filter saves the work of the others. One thread is timed by its own
// clock, which stands still while another process has the core; several by the wall's.
void add(const std::string& name, std::function<Result<Cell>()> make, const char* unit = "GOPS") {
    benchmark::internal::Benchmark* benchmark = benchmark::RegisterBenchmark(
        name.c_str(), [make = std::move(make), unit](benchmark::State& state) { time_cell(state, make(), unit); });
    benchmark->Unit(benchmark::kMicrosecond);
    if (threads() > 1) benchmark->UseRealTime();
}

using MakeCell = Result<Cell> (*)(const Problem&, const LayerKind&, IsaSet);

// A part of a layer on one level.
void add_part(const char* part, MakeCell make, const LayerKind& kind, Isa isa, const Shape& shape, const char* unit) {
    std::string name = fmt::format("{}_{}", part, name_of(kind.precision));
    if (kind.input != DataType::kF32) name += fmt::format("_from_{}", name_of(kind.input));
    if (kind.output != DataType::kF32) name += fmt::format("_to_{}", name_of(kind.output));
    if (kind.activation != Activation::kNone) name += fmt::format("_{}", name_of(kind.activation));
    add(
        fmt::format("{}_{}/{}x{}x{}", name, name_of(isa), shape.m, shape.k, shape.n),
        [make, kind, isa, shape]() -> Result<Cell> {
            const Result<IsaSet> isas = limit_isas(supported_isas(), name_of(isa));
            if (!isas.ok()) return isas.status();
            return make(problem_for(shape), kind, isas.value());
        },
        unit);
}

void add_layer(Precision precision, Isa isa, const Shape& shape) {
    const LayerKind plain{.precision = precision};
    add_part("linear", linear_cell, plain, isa, shape, "GOPS");
    add_part("gemm", gemm_cell, plain, isa, shape, "GOPS");
    for (const DataType input : {DataType::kF32, DataType::kF16, DataType::kBF16})
        add_part("pack_rows", pack_rows_cell, {.precision = precision, .input = input}, isa, shape, "Gelements");
    add_part("pack_weights", pack_weights_cell, plain, isa, shape, "Gelements");
    if (!shape.epilogues) return;
    for (const DataType output : {DataType::kF16, DataType::kBF16})
        add_part("gemm", gemm_cell, {.precision = precision, .output = output}, isa, shape, "GOPS");
    for (const Activation activation :
         {Activation::kRelu, Activation::kRelu6, Activation::kHardswish, Activation::kGelu, Activation::kGeluTanh,
          Activation::kQuickGelu, Activation::kSilu}) {
        add_part("gemm", gemm_cell, {.precision = precision, .activation = activation}, isa, shape, "GOPS");
    }
}

// The levels that have GEMMs of a precision.
bool is_level_of(Precision precision, Isa isa) {
    const Result<Isa> found = level_of(precision, IsaSet().add(isa));
    return found.ok();
}

int run(int argc, char** argv) {
    std::vector<char*> arguments(argv, argv + argc);
    const Result<Options> options = take_options(arguments);
    if (!options.ok()) {
        fmt::print(stderr, "octile_kernel_bench: {}\n", options.status().message());
        return 2;
    }
    int count = static_cast<int>(arguments.size());
    arguments.push_back(nullptr);
    benchmark::Initialize(&count, arguments.data());
    if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
    set_threads(options->threads);
    configure_onednn(OneDnnIsa::kVnni, options->threads);
    benchmark::AddCustomContext("peer", describe_onednn());
    benchmark::AddCustomContext("threads", std::to_string(options->threads));
    benchmark::AddCustomContext("ISA levels", to_string(supported_isas()));

    for (int i = 0; i < kIsaCount; i++) {
        const Isa isa = static_cast<Isa>(i);
        if (!register_peak(isa)) continue;
        add(fmt::format("register_peak_{}", name_of(isa)), [isa]() -> Result<Cell> { return *register_peak(isa); });
    }
    for (const Shape& shape : options->shapes) {
        for (const Precision precision : {Precision::kInt8, Precision::kFp16}) {
            for (int i = 0; i < kIsaCount; i++) {
                const Isa isa = static_cast<Isa>(i);
                if (is_level_of(precision, isa)) add_layer(precision, isa, shape);
            }
        }
        add(fmt::format("onednn_linear/{}x{}x{}", shape.m, shape.k, shape.n),
            [shape] { return onednn_linear_cell(problem_for(shape)); });
        for (const OneDnnOutput output : {OneDnnOutput::kS32, OneDnnOutput::kF32}) {
            add(fmt::format("onednn_u8s8_{}/{}x{}x{}", output == OneDnnOutput::kS32 ? "s32" : "f32", shape.m, shape.k,
                            shape.n),
                [shape, output] { return onednn_cell(problem_for(shape), output); });
        }
    }
    benchmark::RunSpecifiedBenchmarks();
    return any_wrong ? 1 : 0;
}

}  // namespace
}  // namespace octile::bench

int main(int argc, char** argv) {
    return octile::bench::run(argc, argv);
}
