#include "bench/kernel_cells.h"

#include <fmt/format.h>

#include <memory>

#include "base/check.h"
#include "planner/select_kernel.h"
#include "runtime/aligned_buffer.h"
#include "runtime/halide_call.h"

namespace octile::bench {
namespace {

const halide_type_t kInt32(halide_type_int, 32);

bool is_gemm(KernelFamily family) {
    return family == KernelFamily::kGemmS8 || family == KernelFamily::kGemmF16;
}

bool is_int8(KernelFamily family) {
    return family == KernelFamily::kGemmS8 || family == KernelFamily::kQuantizeRows ||
           family == KernelFamily::kQuantizeWeights;
}

Side side_of(KernelFamily family) {
    return family == KernelFamily::kQuantizeRows || family == KernelFamily::kPackRowsF16 ? Side::kRows : Side::kWeights;
}

AlignedBuffer allocate(std::int64_t bytes) {
    AlignedBuffer buffer;
    OCTILE_CHECK_EQ(buffer.reserve(static_cast<std::size_t>(bytes)), true);
    return buffer;
}

// What a packing kernel writes: the panel and, for int8, the scale, magnitude and offset of each row, all padded to the
// tile.
class Packed {
  public:
    Packed(const Problem& problem, const KernelInfo& pack)
        : info_(pack), side_(side_of(pack.family)), padded_k_(problem.padded_k()) {
        const MatrixView source = problem.matrix(side_, pack.input);
        const std::int64_t tile = side_ == Side::kRows ? pack.tile_m : pack.tile_n;
        count_ = (source.rows + tile - 1) / tile;
        tile_ = tile;
        panel_ = allocate(count_ * tile * padded_k_ * size_of(pack.panel));
        scale_ = allocate(count_ * tile * static_cast<std::int64_t>(sizeof(float)));
        magnitude_ = allocate(count_ * tile * static_cast<std::int64_t>(sizeof(std::int32_t)));
        offset_ = allocate(count_ * tile * static_cast<std::int64_t>(sizeof(std::int32_t)));
    }

    Status pack(const Problem& problem, const Kernel& kernel) {
        const MatrixView source = problem.matrix(side_, info_.input);
        HalideBuffer x(source.data, halide_type_of(source.type), {source.columns, source.rows});
        HalideBuffer target = panel(), scales = scale(), offsets = offset();
        HalideBuffer magnitudes(magnitude_.data(), kInt32, {tile_ * count_});
        switch (info_.family) {
            case KernelFamily::kQuantizeRows:
                return call_kernel(kernel, {&x, &target, &scales, &magnitudes});
            case KernelFamily::kQuantizeWeights:
                return call_kernel(kernel, {&x, &target, &scales, &magnitudes, &offsets});
            default:
                return call_kernel(kernel, {&x, &target});
        }
    }

    Status check(const Problem& problem) const {
        const auto* scales = reinterpret_cast<const float*>(scale_.data());
        return problem.check_panel(info_, side_, panel_.data(), is_int8(info_.family) ? scales : nullptr);
    }

    HalideBuffer panel() const {
        const halide_type_t type = halide_type_of(info_.panel);
        if (!is_int8(info_.family)) return HalideBuffer(panel_.data(), type, {tile_, padded_k_, count_});
        const std::int64_t block = info_.k_block;
        return HalideBuffer(panel_.data(), type, {block, tile_, padded_k_ / block, count_});
    }
    HalideBuffer scale() const { return HalideBuffer(scale_.data(), halide_type_of(DataType::kF32), {tile_ * count_}); }
    HalideBuffer offset() const { return HalideBuffer(offset_.data(), kInt32, {tile_ * count_}); }
    std::int64_t padded_rows() const { return tile_ * count_; }

  private:
    KernelInfo info_;
    Side side_;
    std::int64_t padded_k_, tile_ = 0, count_ = 0;
    AlignedBuffer panel_, scale_, magnitude_, offset_;
};

// The kernel that packs f32 for one side of a GEMM.
const Kernel& packer(const KernelInfo& gemm, Side side) {
    const bool int8 = is_int8(gemm.family);
    const KernelFamily rows = int8 ? KernelFamily::kQuantizeRows : KernelFamily::kPackRowsF16;
    const KernelFamily weights = int8 ? KernelFamily::kQuantizeWeights : KernelFamily::kPackWeightsF16;
    const Kernel* found = find_kernel(IsaSet().add(gemm.isa), [&](const KernelInfo& info) {
        if (info.input != DataType::kF32 || info.k_block != gemm.k_block) return false;
        return side == Side::kRows ? info.family == rows && info.tile_m == gemm.tile_m
                                   : info.family == weights && info.tile_n == gemm.tile_n;
    });
    OCTILE_CHECK_EQ(found != nullptr, true);
    return *found;
}

}  // namespace

bool is_dispatched(const KernelInfo& kernel, std::int64_t m) {
    if (kernel.tile_m == 0) return true;
    std::vector<int> heights;
    for (const Kernel& other : kernel_table()) {
        if (other.info.family == kernel.family && other.info.isa == kernel.isa) heights.push_back(other.info.tile_m);
    }
    return heights[select_tile(heights, m)] == kernel.tile_m;
}

const Kernel& kernel_named(std::string_view name) {
    for (const Kernel& kernel : kernel_table()) {
        if (kernel.info.name == name) return kernel;
    }
    OCTILE_CHECK_EQ(name, "the name of a kernel");
    std::abort();
}

Result<Cell> linear_cell(const Problem& problem, Precision precision, Activation activation, DataType output,
                         IsaSet isas) {
    struct State {
        Linear linear;
        Workspace workspace;
        AlignedBuffer y;
    };
    Result<Linear> packed = Linear::pack(problem.matrix(Side::kWeights, DataType::kF32), problem.bias(),
                                         {.precision = precision, .activation = activation}, isas);
    if (!packed.ok()) return packed.status();
    const Shape& shape = problem.shape();
    auto state = std::make_shared<State>(
        State{std::move(packed).value(), {}, allocate(shape.m * shape.n * static_cast<std::int64_t>(size_of(output)))});
    const MatrixView x = problem.matrix(Side::kRows, DataType::kF32);
    const MutableMatrixView y{state->y.data(), output, shape.m, shape.n, shape.n};
    const Element panel = kernel_named(state->linear.kernel_name(shape.m, output)).info.panel;
    return Cell{.operations = shape.operations(),
                .run = [state, x, y] { return state->linear.run(x, y, state->workspace); },
                .check = [state, y, precision, panel, activation,
                          &problem] { return problem.check_output(y.data, y.type, precision, panel, activation); }};
}

Result<Cell> gemm_cell(const Problem& problem, const Kernel& gemm) {
    OCTILE_CHECK_EQ(is_gemm(gemm.info.family), true);
    struct State {
        Packed lhs, rhs;
        AlignedBuffer bias, y;
    };
    const Kernel &pack_rows = packer(gemm.info, Side::kRows), &pack_weights = packer(gemm.info, Side::kWeights);
    const Shape& shape = problem.shape();
    auto state =
        std::make_shared<State>(State{Packed(problem, pack_rows.info), Packed(problem, pack_weights.info), {}, {}});
    if (Status status = state->lhs.pack(problem, pack_rows); !status.ok()) return status;
    if (Status status = state->rhs.pack(problem, pack_weights); !status.ok()) return status;
    const std::int64_t padded_n = state->rhs.padded_rows();
    state->bias = allocate(padded_n * static_cast<std::int64_t>(sizeof(float)));
    std::copy(problem.bias().begin(), problem.bias().end(), reinterpret_cast<float*>(state->bias.data()));
    state->y = allocate(shape.m * shape.n * static_cast<std::int64_t>(size_of(gemm.info.output)));

    const bool int8 = is_int8(gemm.info.family);
    auto run = [state, shape, padded_n, int8, &gemm] {
        HalideBuffer lhs = state->lhs.panel(), rhs = state->rhs.panel();
        HalideBuffer bias(state->bias.data(), halide_type_of(DataType::kF32), {padded_n});
        HalideBuffer y(state->y.data(), halide_type_of(gemm.info.output), {shape.n, shape.m});
        if (!int8) return call_kernel(gemm, {&lhs, &rhs, &bias, &y});
        HalideBuffer row_scale = state->lhs.scale(), column_scale = state->rhs.scale(), offset = state->rhs.offset();
        return call_kernel(gemm, {&lhs, &rhs, &row_scale, &column_scale, &bias, &offset, &y});
    };
    auto check = [state, int8, &gemm, &problem] {
        return problem.check_output(state->y.data(), gemm.info.output, int8 ? Precision::kInt8 : Precision::kFp16,
                                    gemm.info.panel, gemm.info.activation);
    };
    return Cell{.operations = shape.operations(), .run = run, .check = check};
}

Result<Cell> pack_cell(const Problem& problem, const Kernel& pack) {
    OCTILE_CHECK_EQ(is_gemm(pack.info.family), false);
    auto state = std::make_shared<Packed>(problem, pack.info);
    const MatrixView source = problem.matrix(side_of(pack.info.family), pack.info.input);
    return Cell{.operations = static_cast<double>(source.rows) * static_cast<double>(source.columns),
                .run = [state, &problem, &pack] { return state->pack(problem, pack); },
                .check = [state, &problem] { return state->check(problem); }};
}

}  // namespace octile::bench
