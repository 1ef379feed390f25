#include "bench/cells.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "base/check.h"
#include "octile/parallel.h"
#include "runtime/aligned_buffer.h"
#include "runtime/kernel_table.h"
#include "runtime/parallel.h"

namespace octile::bench {
namespace {

AlignedBuffer allocate(std::size_t bytes) {
    AlignedBuffer buffer;
    OCTILE_CHECK_EQ(buffer.reserve(bytes), true);
    return buffer;
}

Result<Linear> pack(const Problem& problem, const LayerKind& kind, IsaSet isas) {
    return Linear::pack(problem.matrix(Side::kWeights, DataType::kF32), problem.bias(),
                        {.precision = kind.precision, .activation = kind.activation}, isas);
}

// A layer with everything that its calls work on.
struct Layer {
    Layer(const Problem& the_problem, const LayerKind& the_kind, Linear the_linear)
        : problem(the_problem),
          kind(the_kind),
          linear(std::move(the_linear)),
          x(problem.matrix(Side::kRows, kind.input)),
          memory(allocate(static_cast<std::size_t>(problem.shape().m * problem.shape().n) * size_of(kind.output))),
          y{memory.data(), kind.output, problem.shape().m, problem.shape().n, problem.shape().n} {}

    Status run_packed() { return linear.run(rows, y, workspace); }
    Status check() const {
        const bool f16_arithmetic = linear.kernel_name(x.rows).ends_with(name_of(Isa::kFp16));
        return problem.check_output(y.data, kind.output, kind.precision, f16_arithmetic, kind.activation, kind.input);
    }

    const Problem& problem;
    LayerKind kind;
    Linear linear;
    MatrixView x;
    AlignedBuffer memory;
    MutableMatrixView y;
    PackedRows rows;
    Workspace workspace;
};

Result<std::shared_ptr<Layer>> make_layer(const Problem& problem, const LayerKind& kind, IsaSet isas) {
    Result<Linear> linear = pack(problem, kind, isas);
    if (!linear.ok()) return linear.status();
    return std::make_shared<Layer>(problem, kind, std::move(linear).value());
}

double elements(const MatrixView& matrix) {
    return static_cast<double>(matrix.rows) * static_cast<double>(matrix.columns);
}

// Every byte into a few registers. A vector of 64 bytes is as many registers as the target needs.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
std::uint64_t
read_all(const std::byte* data, std::int64_t bytes) {
    using Block = std::uint64_t __attribute__((vector_size(64)));
    constexpr int kChains = 4;
    Block sums[kChains] = {};
    const auto* blocks = reinterpret_cast<const Block*>(data);
    const std::int64_t count = bytes / static_cast<std::int64_t>(sizeof(Block));
    std::int64_t i = 0;
    for (; i + kChains <= count; i += kChains) {
        for (int chain = 0; chain < kChains; chain++)
            sums[chain] += blocks[i + chain];
    }
    for (; i < count; i++)
        sums[0] += blocks[i];
    const Block sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    std::uint64_t total = 0;
    for (int lane = 0; lane < 8; lane++)
        total += sum[lane];
    return total;
}

}  // namespace

Result<Cell> linear_cell(const Problem& problem, const LayerKind& kind, IsaSet isas) {
    Result<std::shared_ptr<Layer>> made = make_layer(problem, kind, isas);
    if (!made.ok()) return made.status();
    const std::shared_ptr<Layer> layer = made.value();
    return Cell{.operations = problem.shape().operations(),
                .run = [layer] { return layer->linear.run(layer->x, layer->y, layer->workspace); },
                .check = [layer] { return layer->check(); }};
}

Result<Cell> gemm_cell(const Problem& problem, const LayerKind& kind, IsaSet isas) {
    Result<std::shared_ptr<Layer>> made = make_layer(problem, kind, isas);
    if (!made.ok()) return made.status();
    const std::shared_ptr<Layer> layer = made.value();
    if (Status status = layer->linear.pack_rows(layer->x, layer->rows); !status.ok()) return status;
    return Cell{.operations = problem.shape().operations(),
                .run = [layer] { return layer->run_packed(); },
                .check = [layer] { return layer->check(); }};
}

Result<Cell> pack_rows_cell(const Problem& problem, const LayerKind& kind, IsaSet isas) {
    Result<std::shared_ptr<Layer>> made = make_layer(problem, kind, isas);
    if (!made.ok()) return made.status();
    const std::shared_ptr<Layer> layer = made.value();
    return Cell{.operations = elements(layer->x),
                .run = [layer] { return layer->linear.pack_rows(layer->x, layer->rows); },
                .check =
                    [layer] {
                        const Status status = layer->run_packed();
                        return status.ok() ? layer->check() : status;
                    }};
}

Result<Cell> pack_weights_cell(const Problem& problem, const LayerKind& kind, IsaSet isas) {
    Result<std::shared_ptr<Layer>> made = make_layer(problem, kind, isas);
    if (!made.ok()) return made.status();
    const std::shared_ptr<Layer> layer = made.value();
    return Cell{.operations = elements(problem.matrix(Side::kWeights, DataType::kF32)),
                .run =
                    [layer, isas] {
                        Result<Linear> packed = pack(layer->problem, layer->kind, isas);
                        if (!packed.ok()) return packed.status();
                        layer->linear = std::move(packed).value();
                        return Status();
                    },
                .check =
                    [layer] {
                        const Status status = layer->linear.run(layer->x, layer->y, layer->workspace);
                        return status.ok() ? layer->check() : status;
                    }};
}

Result<Cell> read_weights_cell(const Problem& problem, const LayerKind& kind, IsaSet isas) {
    const Result<Linear> linear = pack(problem, kind, isas);
    if (!linear.ok()) return linear.status();
    struct State {
        AlignedBuffer memory;
        std::int64_t bytes;
        std::atomic<std::uint64_t> sum = 0;
    };
    auto state = std::make_shared<State>();
    state->memory = allocate(linear->bytes());
    state->bytes = static_cast<std::int64_t>(linear->bytes());
    std::fill_n(state->memory.data(), state->bytes, std::byte{1});
    const auto run = [state] {
        constexpr std::int64_t kStep = 4096;
        const std::int64_t steps = state->bytes / kStep, pieces = std::min<std::int64_t>(threads(), steps);
        state->sum = 0;
        parallel_pieces(steps, static_cast<int>(pieces), [&](int, std::int64_t begin, std::int64_t end) {
            state->sum += read_all(state->memory.data() + begin * kStep, (end - begin) * kStep);
            return 0;
        });
        return Status();
    };
    const auto check = [state] {
        const std::uint64_t words = static_cast<std::uint64_t>(state->bytes / 4096 * 4096 / 8);
        if (state->sum == words * 0x0101010101010101u) return Status();
        return Status(StatusCode::kInternal, "wrong sum of the bytes that were read");
    };
    return Cell{.operations = static_cast<double>(linear->bytes()), .run = run, .check = check};
}

Result<Isa> level_of(Precision precision, IsaSet isas) {
    const KernelFamily family = precision == Precision::kInt8 ? KernelFamily::kGemmS8 : KernelFamily::kGemmF16;
    const Kernel* kernel = find_kernel(isas, [&](const KernelInfo& info) { return info.family == family; });
    if (kernel) return kernel->info.isa;
    return Status(StatusCode::kUnsupported, "no kernel for these ISA levels");
}

}  // namespace octile::bench
