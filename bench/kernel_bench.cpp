// Google Benchmark over every row of the kernel table, the whole linear layers made of them, the peer and the register
// peaks. Each is checked once before it is timed; one that computes something wrong is an error, and so is the exit
// code.
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

#include "bench/kernel_cells.h"
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

void add_kernel(const Kernel& kernel, const Shape& shape) {
    if (kernel.info.activation != Activation::kNone && !shape.epilogues) return;
    if (!is_dispatched(kernel.info, shape.m)) return;
    const bool gemm = kernel.info.family == KernelFamily::kGemmS8 || kernel.info.family == KernelFamily::kGemmF16;
    add(
        fmt::format("{}/{}x{}x{}", kernel.info.name, shape.m, shape.k, shape.n),
        [&kernel, shape, gemm]() -> Result<Cell> {
            if (!supported_isas().has(kernel.info.isa)) {
                return Status(StatusCode::kUnsupported, fmt::format("this CPU has no {}", name_of(kernel.info.isa)));
            }
            const Problem& problem = problem_for(shape);
            return gemm ? gemm_cell(problem, kernel) : pack_cell(problem, kernel);
        },
        gemm ? "GOPS" : "Gelements");
}

// One linear layer per GEMM that dispatch can take for it.
void add_linear(const KernelInfo& gemm, const Shape& shape) {
    if (gemm.family != KernelFamily::kGemmS8 && gemm.family != KernelFamily::kGemmF16) return;
    if (gemm.activation != Activation::kNone && !shape.epilogues) return;
    if (!is_dispatched(gemm, shape.m)) return;
    const Precision precision = gemm.family == KernelFamily::kGemmS8 ? Precision::kInt8 : Precision::kFp16;
    add(fmt::format("linear_{}_{}_{}_{}/{}x{}x{}", name_of(precision), name_of(gemm.output), name_of(gemm.activation),
                    name_of(gemm.isa), shape.m, shape.k, shape.n),
        [&gemm, shape, precision]() -> Result<Cell> {
            const Result<IsaSet> isas = limit_isas(supported_isas(), name_of(gemm.isa));
            if (!isas.ok()) return isas.status();
            return linear_cell(problem_for(shape), precision, gemm.activation, gemm.output, isas.value());
        });
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
        for (const Kernel& kernel : kernel_table()) {
            add_kernel(kernel, shape);
            add_linear(kernel.info, shape);
        }
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
