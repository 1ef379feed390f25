#include "octile/linear.h"

#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "base/check.h"
#include "octile/layer.h"
#include "planner/select_kernel.h"
#include "runtime/aligned_buffer.h"
#include "runtime/halide_call.h"
#include "runtime/kernel_table.h"
#include "runtime/parallel.h"

namespace octile {
namespace {

std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
}

// Types that activations come and go in; the order indexes the tables below.
constexpr std::array<DataType, 2> kActivationTypes = {DataType::kF32, DataType::kF16};

std::optional<std::size_t> activation_type_index(DataType type) {
    for (std::size_t i = 0; i < kActivationTypes.size(); i++) {
        if (kActivationTypes[i] == type) return i;
    }
    return std::nullopt;
}

// The kernels for one tile height: what packs x of either type, and the GEMM for y of either type.
struct TileKernels {
    int tile_m = 0;
    std::array<const Kernel*, kActivationTypes.size()> pack_rows{};
    std::array<const Kernel*, kActivationTypes.size()> gemm{};

    bool complete() const {
        for (const Kernel* kernel : pack_rows) {
            if (!kernel) return false;
        }
        for (const Kernel* kernel : gemm) {
            if (!kernel) return false;
        }
        return true;
    }
};

struct Families {
    KernelFamily gemm, pack_rows, pack_weights;
};

Families families_of(Precision precision) {
    if (precision == Precision::kInt8)
        return {KernelFamily::kGemmS8, KernelFamily::kQuantizeRows, KernelFamily::kQuantizeWeights};
    return {KernelFamily::kGemmF16, KernelFamily::kPackRowsF16, KernelFamily::kPackWeightsF16};
}

const halide_type_t kInt32(halide_type_int, 32);

// Halide counts the elements of a buffer in an int32.
constexpr std::int64_t kMaxElements = 2147483647;

Status invalid(std::string message) {
    return Status(StatusCode::kInvalidArgument, std::move(message));
}

template <typename View>
Status check_matrix(const char* what, const View& view) {
    if (view.rows < 0 || view.columns < 1 || view.rows > kMaxExtent || view.columns > kMaxExtent) {
        return invalid(fmt::format("{}: shape [{}, {}]; expected extents from 1 to {}", what, view.rows, view.columns,
                                   kMaxExtent));
    }
    if (view.row_stride < view.columns || view.row_stride > kMaxExtent) {
        return invalid(
            fmt::format("{}: row stride {}; expected {} to {}", what, view.row_stride, view.columns, kMaxExtent));
    }
    if (view.rows > kMaxElements / view.row_stride) {
        return invalid(fmt::format("{}: {} rows of {} elements; expected at most {} elements in all", what, view.rows,
                                   view.row_stride, kMaxElements));
    }
    if (view.rows > 0 && !view.data) return invalid(fmt::format("{}: no data", what));
    return {};
}

template <typename View>
HalideBuffer matrix_buffer(const View& view) {
    return HalideBuffer(
        view.data, halide_type_of(view.type),
        std::initializer_list<HalideBuffer::Dimension>{{view.columns, 1}, {view.rows, view.row_stride}});
}

std::int64_t first_non_finite(const float* values, std::int64_t count) {
    for (std::int64_t i = 0; i < count; i++) {
        if (!std::isfinite(values[i])) return i;
    }
    return -1;
}

Status out_of_memory(std::size_t bytes) {
    return Status(StatusCode::kOutOfMemory, fmt::format("cannot allocate {} bytes", bytes));
}

}  // namespace

struct Workspace::State {
    AlignedBuffer memory;
};

Workspace::Workspace() : state_(std::make_unique<State>()) {}
Workspace::~Workspace() = default;
Workspace::Workspace(Workspace&&) noexcept = default;
Workspace& Workspace::operator=(Workspace&&) noexcept = default;
std::size_t Workspace::bytes() const {
    return state_->memory.bytes();
}

struct Linear::State {
    std::int64_t k = 0, n = 0;
    Precision precision = Precision::kInt8;
    Activation activation = Activation::kNone;

    std::vector<TileKernels> tiles;
    std::vector<int> tiles_m;  // of `tiles`, for select_tile()
    int tile_n = 0, k_block = 1;
    Element lhs_element = Element::kS8;

    AlignedBuffer panel, column_scale, bias, offset;

    std::int64_t padded_k() const { return round_up(k, kReductionPadding); }
    std::int64_t panels_n() const { return (n + tile_n - 1) / tile_n; }
    std::int64_t padded_n() const { return panels_n() * tile_n; }
    const TileKernels& tile_for(std::int64_t m) const { return tiles[select_tile(tiles_m, m)]; }

    // Panels as their kernels see them; `tile` rows or columns each.
    HalideBuffer panel_buffer(const void* data, halide_type_t type, std::int64_t tile, std::int64_t count) const {
        if (precision == Precision::kInt8)
            return HalideBuffer(data, type, {std::int64_t{k_block}, tile, padded_k() / k_block, count});
        return HalideBuffer(data, type, {tile, padded_k(), count});
    }

    Status select_kernels(IsaSet isas);
    Status pack_weights(const MatrixView& weights, IsaSet isas);
    Status check_weights() const;
    Status run_int8(const TileKernels& tile, std::size_t in, std::size_t out, const MatrixView& x,
                    const MutableMatrixView& y, AlignedBuffer& memory) const;
    Status run_fp16(const TileKernels& tile, std::size_t in, std::size_t out, const MatrixView& x,
                    const MutableMatrixView& y, AlignedBuffer& memory) const;
};

Status Linear::State::select_kernels(IsaSet isas) {
    const Families families = families_of(precision);
    const auto is_gemm = [&](const KernelInfo& info) {
        return info.family == families.gemm && info.activation == activation;
    };
    const Kernel* best = find_kernel(isas, is_gemm);
    if (!best) {
        return Status(StatusCode::kUnsupported, fmt::format("no {} kernel with activation {} for ISA levels: {}",
                                                            name_of(precision), name_of(activation), to_string(isas)));
    }
    const Isa isa = best->info.isa;
    tile_n = best->info.tile_n;
    k_block = best->info.k_block;
    lhs_element = best->info.panel;

    const auto tile_with = [&](int tile_m) -> TileKernels& {
        for (TileKernels& tile : tiles) {
            if (tile.tile_m == tile_m) return tile;
        }
        tiles.push_back({.tile_m = tile_m});
        return tiles.back();
    };
    for (const Kernel& kernel : kernel_table()) {
        if (kernel.info.isa != isa) continue;
        if (is_gemm(kernel.info)) {
            tile_with(kernel.info.tile_m).gemm[*activation_type_index(kernel.info.output)] = &kernel;
        } else if (kernel.info.family == families.pack_rows) {
            tile_with(kernel.info.tile_m).pack_rows[*activation_type_index(kernel.info.input)] = &kernel;
        }
    }
    for (const TileKernels& tile : tiles) {
        OCTILE_CHECK_EQ(tile.complete(), true);
        tiles_m.push_back(tile.tile_m);
    }
    return {};
}

Status Linear::State::pack_weights(const MatrixView& weights, IsaSet isas) {
    const KernelFamily family = families_of(precision).pack_weights;
    const Kernel* pack = find_kernel(isas, [&](const KernelInfo& info) {
        return info.family == family && info.input == weights.type && info.isa == tiles[0].gemm[0]->info.isa;
    });
    if (!pack)
        return Status(StatusCode::kUnsupported,
                      fmt::format("no kernel packs weights of type {}", name_of(weights.type)));

    if (padded_n() > kMaxElements / padded_k()) {
        return invalid(fmt::format("weights: [{}, {}]; expected at most {} elements in all", n, k, kMaxElements));
    }
    const auto elements = static_cast<std::size_t>(padded_n() * padded_k());
    const std::size_t column_bytes = static_cast<std::size_t>(padded_n()) * sizeof(float);
    const std::size_t panel_bytes = elements * static_cast<std::size_t>(size_of(pack->info.panel));
    if (!panel.reserve(panel_bytes)) return out_of_memory(panel_bytes);
    HalideBuffer x = matrix_buffer(weights);
    HalideBuffer packed = panel_buffer(panel.data(), halide_type_of(pack->info.panel), tile_n, panels_n());
    if (precision == Precision::kFp16) return call_kernel(*pack, {&x, &packed});

    if (!column_scale.reserve(column_bytes) || !offset.reserve(column_bytes)) return out_of_memory(column_bytes);
    HalideBuffer scales(column_scale.data(), halide_type_of(DataType::kF32), {padded_n()});
    AlignedBuffer magnitude;
    if (!magnitude.reserve(column_bytes)) return out_of_memory(column_bytes);
    HalideBuffer magnitudes(magnitude.data(), kInt32, {padded_n()});
    HalideBuffer offsets(offset.data(), kInt32, {padded_n()});
    return call_kernel(*pack, {&x, &packed, &scales, &magnitudes, &offsets});
}

Status Linear::State::check_weights() const {
    if (precision == Precision::kInt8) {
        const std::int64_t channel = first_non_finite(reinterpret_cast<const float*>(column_scale.data()), n);
        if (channel < 0) return {};
        return Status(StatusCode::kNonFinite, fmt::format("weights: output channel {} holds NaN or infinity", channel));
    }
    constexpr unsigned kExponentF16 = 0x7c00;
    const auto* values = reinterpret_cast<const std::uint16_t*>(panel.data());
    for (std::int64_t p = 0; p < panels_n(); p++) {
        for (std::int64_t at = 0; at < padded_k() * tile_n; at++) {
            if ((values[p * padded_k() * tile_n + at] & kExponentF16) != kExponentF16) continue;
            return Status(
                StatusCode::kNonFinite,
                fmt::format(
                    "weights: output channel {} holds NaN, infinity or a magnitude beyond 65504, the largest of f16",
                    std::min(p * tile_n + at % tile_n, n - 1)));
        }
    }
    return {};
}

Status Linear::State::run_int8(const TileKernels& tile, std::size_t in, std::size_t out, const MatrixView& x,
                               const MutableMatrixView& y, AlignedBuffer& memory) const {
    const std::int64_t panels_m = (x.rows + tile.tile_m - 1) / tile.tile_m, padded_m = panels_m * tile.tile_m;
    const auto panel_bytes =
        static_cast<std::size_t>(round_up(padded_m * padded_k() * size_of(lhs_element), AlignedBuffer::kAlignment));
    const std::size_t row_bytes = static_cast<std::size_t>(padded_m) * sizeof(float);
    const std::size_t bytes = panel_bytes + 2 * row_bytes;
    if (!memory.reserve(bytes)) return out_of_memory(bytes);
    auto* row_scale = reinterpret_cast<float*>(memory.data() + panel_bytes);

    HalideBuffer source = matrix_buffer(x);
    HalideBuffer lhs = panel_buffer(memory.data(), halide_type_of(lhs_element), tile.tile_m, panels_m);
    HalideBuffer row_scales(row_scale, halide_type_of(DataType::kF32), {padded_m});
    HalideBuffer magnitudes(memory.data() + panel_bytes + row_bytes, kInt32, {padded_m});
    if (Status status = call_kernel(*tile.pack_rows[in], {&source, &lhs, &row_scales, &magnitudes}); !status.ok()) {
        return status;
    }
    if (const std::int64_t row = first_non_finite(row_scale, x.rows); row >= 0) {
        return Status(StatusCode::kNonFinite, fmt::format("x: row {} holds NaN or infinity", row));
    }

    HalideBuffer rhs = panel_buffer(panel.data(), halide_type_of(Element::kS8), tile_n, panels_n());
    HalideBuffer column_scales(column_scale.data(), halide_type_of(DataType::kF32), {padded_n()});
    HalideBuffer biases(bias.data(), halide_type_of(DataType::kF32), {padded_n()});
    HalideBuffer offsets(offset.data(), kInt32, {padded_n()});
    HalideBuffer target = matrix_buffer(y);
    return call_kernel(*tile.gemm[out], {&lhs, &rhs, &row_scales, &column_scales, &biases, &offsets, &target});
}

Status Linear::State::run_fp16(const TileKernels& tile, std::size_t in, std::size_t out, const MatrixView& x,
                               const MutableMatrixView& y, AlignedBuffer& memory) const {
    const std::int64_t panels_m = (x.rows + tile.tile_m - 1) / tile.tile_m;
    const auto bytes = static_cast<std::size_t>(panels_m * tile.tile_m * padded_k() * size_of(lhs_element));
    if (!memory.reserve(bytes)) return out_of_memory(bytes);
    HalideBuffer source = matrix_buffer(x);
    HalideBuffer lhs = panel_buffer(memory.data(), halide_type_of(lhs_element), tile.tile_m, panels_m);
    if (Status status = call_kernel(*tile.pack_rows[in], {&source, &lhs}); !status.ok()) return status;
    HalideBuffer rhs = panel_buffer(panel.data(), halide_type_of(Element::kF16), tile_n, panels_n());
    HalideBuffer biases(bias.data(), halide_type_of(DataType::kF32), {padded_n()});
    HalideBuffer target = matrix_buffer(y);
    return call_kernel(*tile.gemm[out], {&lhs, &rhs, &biases, &target});
}

Linear::Linear(std::unique_ptr<State> state) : state_(std::move(state)) {}
Linear::~Linear() = default;
Linear::Linear(Linear&&) noexcept = default;
Linear& Linear::operator=(Linear&&) noexcept = default;

Result<Linear> Linear::pack(const MatrixView& weights, std::span<const float> bias, const LinearOptions& options,
                            IsaSet isas) {
    if (Status status = check_matrix("weights", weights); !status.ok()) return status;
    if (weights.rows < 1)
        return invalid(fmt::format("weights: shape [{}, {}] has no rows", weights.rows, weights.columns));
    if (options.precision == Precision::kInt8 && weights.columns > kMaxReduction) {
        return invalid(
            fmt::format("weights: K = {}; INT8 sums up to {} products exactly", weights.columns, kMaxReduction));
    }
    if (!bias.empty() && bias.size() != static_cast<std::size_t>(weights.rows)) {
        return invalid(fmt::format("bias: {} elements; expected {}", bias.size(), weights.rows));
    }
    if (const std::int64_t channel = first_non_finite(bias.data(), static_cast<std::int64_t>(bias.size()));
        channel >= 0) {
        return Status(StatusCode::kNonFinite, fmt::format("bias: output channel {} is NaN or infinity", channel));
    }

    install_parallel_for();
    auto state = std::make_unique<State>();
    state->k = weights.columns;
    state->n = weights.rows;
    state->precision = options.precision;
    state->activation = options.activation;
    if (Status status = state->select_kernels(isas); !status.ok()) return status;
    if (Status status = state->pack_weights(weights, isas); !status.ok()) return status;
    if (Status status = state->check_weights(); !status.ok()) return status;

    const std::size_t bias_bytes = static_cast<std::size_t>(state->padded_n()) * sizeof(float);
    if (!state->bias.reserve(bias_bytes)) return out_of_memory(bias_bytes);
    std::memset(state->bias.data(), 0, bias_bytes);
    if (!bias.empty()) std::memcpy(state->bias.data(), bias.data(), bias.size_bytes());
    return Linear(std::move(state));
}

Status Linear::run(const MatrixView& x, const MutableMatrixView& y, Workspace& workspace) const {
    const State& state = *state_;
    if (Status status = check_matrix("x", x); !status.ok()) return status;
    if (Status status = check_matrix("y", y); !status.ok()) return status;
    if (x.columns != state.k || y.columns != state.n || x.rows != y.rows) {
        return invalid(fmt::format("x [{}, {}] and y [{}, {}] do not fit a linear layer from {} to {} features", x.rows,
                                   x.columns, y.rows, y.columns, state.k, state.n));
    }
    const std::optional<std::size_t> in = activation_type_index(x.type), out = activation_type_index(y.type);
    if (!in || !out) {
        return Status(StatusCode::kUnsupported, fmt::format("x of type {} and y of type {}; expected f32 or f16",
                                                            name_of(x.type), name_of(y.type)));
    }
    if (x.rows == 0) return {};
    const TileKernels& tile = state.tile_for(x.rows);
    if (round_up(x.rows, tile.tile_m) > kMaxElements / state.padded_k()) {
        return invalid(
            fmt::format("x: [{}, {}]; expected at most {} elements in all", x.rows, x.columns, kMaxElements));
    }
    AlignedBuffer& memory = workspace.state_->memory;
    return state.precision == Precision::kInt8 ? state.run_int8(tile, *in, *out, x, y, memory)
                                               : state.run_fp16(tile, *in, *out, x, y, memory);
}

std::int64_t Linear::k() const {
    return state_->k;
}
std::int64_t Linear::n() const {
    return state_->n;
}
Precision Linear::precision() const {
    return state_->precision;
}
Activation Linear::activation() const {
    return state_->activation;
}

std::size_t Linear::bytes() const {
    return state_->panel.bytes() + state_->column_scale.bytes() + state_->bias.bytes() + state_->offset.bytes();
}

std::string_view Linear::kernel_name(std::int64_t m, DataType output) const {
    const std::optional<std::size_t> out = activation_type_index(output);
    OCTILE_CHECK_EQ(out.has_value(), true);
    return state_->tile_for(m).gemm[*out]->info.name;
}

}  // namespace octile
