#include "runtime/packed_rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "octile/layer.h"

#include "runtime/parallel.h"

namespace octile {
namespace {

Scaling kernel_scaling(InputScaling scaling, DataType input) {
    if (input == DataType::kI8) return Scaling::kReady;
    switch (scaling) {
        case InputScaling::kDynamic:
            return Scaling::kDynamic;
        case InputScaling::kStatic:
            return Scaling::kStatic;
        case InputScaling::kAsymmetric:
            break;
    }
    return Scaling::kAsymmetric;
}

}  // namespace

HalideBuffer PackedRows::State::panel_buffer(std::int64_t first, std::int64_t count) const {
    const std::int64_t rows_of_panel = panel_m(), k_block = kernels->k_block();
    std::byte* data = panels + first * rows_of_panel * padded_k() * size_of(kernels->element());
    const halide_type_t type = halide_type_of(kernels->element());
    if (kernels->precision() == Precision::kInt8)
        return HalideBuffer(data, type, {k_block, rows_of_panel, padded_k() / k_block, count});
    return HalideBuffer(data, type, {rows_of_panel, padded_k(), count});
}

Status PackedRows::State::allocate() {
    const std::int64_t padded_rows = panel_count() * panel_m();
    const auto panel_bytes = static_cast<std::size_t>(
        round_up(padded_rows * padded_k() * size_of(kernels->element()), AlignedBuffer::kAlignment));
    const std::size_t per_row = kernels->precision() == Precision::kFp16 ? 0
                                : scaling == InputScaling::kAsymmetric   ? 5
                                                                         : 2;
    const std::size_t bytes = panel_bytes + per_row * static_cast<std::size_t>(padded_rows) * sizeof(float);
    if (!memory.reserve(bytes)) return out_of_memory(bytes);
    panels = memory.data();
    scale = reinterpret_cast<float*>(panels + panel_bytes);
    magnitude = reinterpret_cast<std::int32_t*>(scale + padded_rows);
    low = scale + 2 * padded_rows;
    high = scale + 3 * padded_rows;
    zero_point = reinterpret_cast<std::int32_t*>(scale + 4 * padded_rows);
    return {};
}

Status PackedRows::State::begin(std::int64_t row_count, std::int64_t columns, DataType type) {
    rows = row_count;
    k = columns;
    single_row = rows == 1;
    beyond_f16 = rows;
    if (multiplier && type == DataType::kI8)
        return invalid("x of type i8 for a layer with an input multiplier; expected f32, f16 or bf16");
    const Scaling how = kernels->precision() == Precision::kInt8 ? kernel_scaling(scaling, type) : Scaling::kDynamic;
    kernel_ = kernels->pack_rows(multiplier ? DataType::kF32 : type, how, single_row);
    if (!kernel_ || (how == Scaling::kReady && scaling != InputScaling::kStatic)) {
        return Status(StatusCode::kUnsupported,
                      fmt::format("x of type {}; expected f32, f16, bf16, or i8 with INT8 and a static input scale",
                                  name_of(type)));
    }
    // Of quantized levels none is -128; of given ones all may be, and so many products of -128 with itself are 2^31.
    if (how == Scaling::kReady && k >= kMaxReduction)
        return invalid(fmt::format("x of type i8 with K = {}; expected less than {}", k, kMaxReduction));
    if (panel_count() * panel_m() > kMaxElements / padded_k())
        return invalid(fmt::format("x: [{}, {}]; expected at most {} elements in all", rows, k, kMaxElements));
    return allocate();
}

Status PackedRows::State::prepare(int pieces) {
    if (!multiplier) return {};
    const std::size_t bytes = static_cast<std::size_t>(pieces * panel_m() * k) * sizeof(float);
    return products.reserve(bytes) ? Status() : out_of_memory(bytes);
}

Status PackedRows::State::pack_panels(const MatrixView& strip, std::int64_t first, std::int64_t count, int piece) {
    if (!multiplier) return call_pack_kernel(strip, first, count);
    // Panel by panel, so that the products stay in the cache.
    auto* product = reinterpret_cast<float*>(products.data()) + piece * panel_m() * k;
    for (std::int64_t p = 0; p < count; p++) {
        const std::int64_t row = p * panel_m(), panel_rows = std::min<std::int64_t>(panel_m(), strip.rows - row);
        multiplier->multiply(block_of(strip, row, panel_rows, 0, k), product);
        if (Status status = call_pack_kernel({product, DataType::kF32, panel_rows, k, k}, first + p, 1); !status.ok())
            return status;
    }
    return {};
}

Status PackedRows::State::call_pack_kernel(const MatrixView& strip, std::int64_t first, std::int64_t count) {
    const std::int64_t row = first * panel_m(), padded = single_row ? 1 : count * panel_m();
    HalideBuffer source = matrix_buffer(strip);
    HalideBuffer panel = panel_buffer(first, count);
    if (kernels->precision() == Precision::kFp16) {
        Status status = call_kernel(*kernel_, {source, panel});
        if (status.ok() && strip.type != DataType::kF16) find_beyond_f16(strip, first, count);
        return status;
    }
    HalideBuffer scales(scale + row, kFloat32, {padded}), magnitudes(magnitude + row, kInt32, {padded});
    switch (kernel_->info.scaling) {
        case Scaling::kDynamic:
            return call_kernel(*kernel_, {source, panel, scales, magnitudes});
        case Scaling::kStatic:
            return call_kernel(*kernel_, {source, input_scale, panel, magnitudes});
        case Scaling::kReady:
            return call_kernel(*kernel_, {source, panel});
        case Scaling::kAsymmetric:
            break;
    }
    HalideBuffer lows(low + row, kFloat32, {padded}), highs(high + row, kFloat32, {padded}),
        zero_points(zero_point + row, kInt32, {padded});
    return call_kernel(*kernel_, {source, panel, scales, magnitudes, lows, highs, zero_points});
}

// The panel, which is still in the cache, says whether there is anything to be found.
void PackedRows::State::find_beyond_f16(const MatrixView& strip, std::int64_t first, std::int64_t count) {
    const std::int64_t elements = count * panel_m() * padded_k();
    const std::byte* panel = panels + first * panel_m() * padded_k() * size_of(kernels->element());
    const bool finite = kernels->element() == Element::kF16
                            ? all_finite_f16(reinterpret_cast<const std::uint16_t*>(panel), elements)
                            : all_finite_f32(reinterpret_cast<const std::uint32_t*>(panel), elements);
    if (finite) return;
    const std::int64_t row = first_beyond_f16(strip);
    if (row < 0) return;
    std::int64_t seen = beyond_f16, found = first * panel_m() + row;
    while (found < seen && !beyond_f16.compare_exchange_weak(seen, found)) {
    }
}

Status PackedRows::State::finish(Status status) {
    if (status.ok() && beyond_f16 < rows) {
        status = {StatusCode::kNonFinite,
                  fmt::format("x: row {} holds a magnitude beyond 65504, the largest of f16; INT8 has no such limit",
                              beyond_f16.load())};
    }
    if (status.ok() && kernels->precision() == Precision::kInt8) {
        if (scaling == InputScaling::kStatic) std::fill_n(scale, scaled_rows(), input_scale);
        if (kernel_->info.scaling != Scaling::kReady) {
            const std::int64_t row = first_non_finite(reinterpret_cast<const float*>(magnitude), rows);
            if (row >= 0) status = {StatusCode::kNonFinite, fmt::format("x: row {} holds NaN or infinity", row)};
        }
        const std::int64_t wide = scaling == InputScaling::kAsymmetric ? first_non_finite(scale, rows) : -1;
        if (status.ok() && wide >= 0)
            status = {StatusCode::kNonFinite, fmt::format("x: row {} spans more than the largest f32", wide)};
    }
    // Nobody must run what was packed in part.
    if (!status.ok()) rows = k = 0;
    return status;
}

Status PackedRows::State::pack(const MatrixView& x) {
    if (Status status = begin(x.rows, x.columns, x.type); !status.ok()) return finish(std::move(status));
    // Panels that are packed at once: their rows are read twice, for the maximum and for the levels, the second time
    // from the cache.
    constexpr std::int64_t kBytesAtOnce = 64 << 10;
    const std::int64_t panel_bytes = panel_m() * k * static_cast<std::int64_t>(size_of(x.type));
    const std::int64_t at_once = std::max<std::int64_t>(1, kBytesAtOnce / panel_bytes);
    // Quantizing an element costs what some eight multiply-adds do.
    const double operations = 8.0 * static_cast<double>(rows) * static_cast<double>(k);
    const int pieces = piece_count(panel_count(), operations);
    if (Status status = prepare(pieces); !status.ok()) return finish(std::move(status));
    FirstError error;
    const auto pack_range = [&](int piece, std::int64_t begin, std::int64_t end) {
        for (std::int64_t p = begin; p < end; p += at_once) {
            const std::int64_t count = std::min(at_once, end - p), row = p * panel_m();
            const MatrixView strip = block_of(x, row, std::min(count * panel_m(), rows - row), 0, k);
            if (Status status = pack_panels(strip, p, count, piece); !status.ok()) return error.keep(std::move(status));
        }
        return 0;
    };
    return finish(error.take(parallel_pieces(panel_count(), pieces, pack_range)));
}

PackedRows::PackedRows() : state_(std::make_unique<State>()) {}
PackedRows::~PackedRows() = default;
PackedRows::PackedRows(PackedRows&&) noexcept = default;
PackedRows& PackedRows::operator=(PackedRows&&) noexcept = default;
std::int64_t PackedRows::rows() const {
    return state_ ? state_->rows : 0;
}
std::int64_t PackedRows::columns() const {
    return state_ ? state_->k : 0;
}
std::size_t PackedRows::bytes() const {
    return state_ ? state_->memory.bytes() + state_->products.bytes() : 0;
}

}  // namespace octile
