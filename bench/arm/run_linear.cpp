// Runs one whole INT8 linear, f32 in and out and with bias, for `make bench-arm` to count what is executed.
//
//   octile_run_linear M K N      one run to make the workspace, then one between the marks that trace_blocks looks for
//   octile_run_linear --levels   the levels this CPU has INT8 kernels for, one per line
//   octile_run_linear --kernels  name, level and tile (MxNxK) of every kernel, one per line
//
// OCTILE_ISA sets the level of the first form. One thread.
#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "octile/cpu.h"
#include "octile/linear.h"
#include "octile/parallel.h"
#include "runtime/kernel_table.h"

// The marks: names that survive in the symbol table, calls that survive the optimizer.
extern "C" {
__attribute__((noinline)) void octile_measured_begin() {
    asm volatile("");
}
__attribute__((noinline)) void octile_measured_end() {
    asm volatile("");
}
}

namespace octile::bench {
namespace {

// Numbers in [-1.28, 1.27] without a pattern.
std::vector<float> random_values(std::int64_t count, std::uint32_t seed) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) {
        seed = seed * 1664525u + 1013904223u;
        value = static_cast<float>(static_cast<int>(seed >> 24) - 128) * 0.01f;
    }
    return values;
}

Result<Linear> make_linear(std::int64_t k, std::int64_t n, IsaSet isas) {
    const std::vector<float> weights = random_values(n * k, 1), bias = random_values(n, 2);
    return Linear::pack({weights.data(), DataType::kF32, n, k, k}, bias, {}, isas);
}

Status run(std::int64_t m, std::int64_t k, std::int64_t n) {
    set_threads(1);
    const Result<IsaSet> isas = usable_isas();
    if (!isas.ok()) return isas.status();
    const Result<Linear> linear = make_linear(k, n, isas.value());
    if (!linear.ok()) return linear.status();
    const std::vector<float> x = random_values(m * k, 3);
    std::vector<float> y(static_cast<std::size_t>(m * n));
    Workspace workspace;
    for (int repetition = 0; repetition < 2; repetition++) {
        octile_measured_begin();
        Status status =
            linear->run({x.data(), DataType::kF32, m, k, k}, {y.data(), DataType::kF32, m, n, n}, workspace);
        octile_measured_end();
        if (!status.ok()) return status;
    }
    return {};
}

// A level counts as one if an INT8 linear that is limited to it runs on its own kernels and not on those of a lower
// one.
Status print_levels() {
    const IsaSet supported = supported_isas();
    for (int i = 0; i < kIsaCount; i++) {
        const Isa isa = static_cast<Isa>(i);
        if (!supported.has(isa)) continue;
        const Result<IsaSet> isas = limit_isas(supported, name_of(isa));
        if (!isas.ok()) return isas.status();
        const Result<Linear> linear = make_linear(16, 16, isas.value());
        if (!linear.ok()) continue;
        const std::string_view name = linear->kernel_name(1);
        for (const Kernel& kernel : kernel_table()) {
            if (kernel.info.name == name && kernel.info.isa == isa) fmt::print("{}\n", name_of(isa));
        }
    }
    return {};
}

int main(int argc, char** argv) {
    const std::string_view first = argc > 1 ? argv[1] : "";
    Status status;
    if (argc == 2 && first == "--levels") {
        status = print_levels();
    } else if (argc == 2 && first == "--kernels") {
        for (const Kernel& kernel : kernel_table())
            fmt::print("{} {} {}x{}x{}\n", kernel.info.name, name_of(kernel.info.isa), kernel.info.tile_m,
                       kernel.info.tile_n, kernel.info.k_block);
    } else if (argc == 4 && std::atoll(argv[1]) > 0 && std::atoll(argv[2]) > 0 && std::atoll(argv[3]) > 0) {
        status = run(std::atoll(argv[1]), std::atoll(argv[2]), std::atoll(argv[3]));
    } else {
        fmt::print(stderr, "usage: octile_run_linear M K N | --levels | --kernels; M, K and N from 1 up\n");
        return 2;
    }
    if (status.ok()) return 0;
    fmt::print(stderr, "octile_run_linear: {}\n", status.message());
    return 1;
}

}  // namespace
}  // namespace octile::bench

int main(int argc, char** argv) {
    return octile::bench::main(argc, argv);
}
