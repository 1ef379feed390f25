#include "runtime/packed_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "runtime/parallel.h"

namespace octile {
namespace {

template <typename T>
T* at(const SharedBuffer& buffer, std::int64_t index) {
    return reinterpret_cast<T*>(const_cast<std::byte*>(buffer.data())) + index;
}

}  // namespace

std::byte* PackedWeights::panel_at(std::int64_t index) const {
    const Element element = precision() == Precision::kInt8 ? Element::kS8 : Element::kF16;
    return at<std::byte>(panel, index * kernels->panel_n() * padded_k() * size_of(element));
}

HalideBuffer PackedWeights::panel_buffer(std::int64_t first, std::int64_t count) const {
    const std::int64_t columns = kernels->panel_n();
    if (precision() == Precision::kInt8) {
        const std::int64_t k_block = kernels->k_block();
        return HalideBuffer(panel_at(first), halide_type_of(Element::kS8),
                            {k_block, columns, padded_k() / k_block, count});
    }
    return HalideBuffer(panel_at(first), halide_type_of(Element::kF16), {columns, padded_k(), count});
}

Status PackedWeights::allocate() {
    padded_columns = round_up(n, kernels->column_unit());
    if (matrices * padded_n() > kMaxElements / padded_k())
        return invalid(fmt::format("weights: [{}, {}]; expected at most {} elements in all", n, k, kMaxElements));
    const bool int8 = precision() == Precision::kInt8;
    const auto all_columns = static_cast<std::size_t>(matrices * padded_n());
    const std::size_t panel_bytes = all_columns * static_cast<std::size_t>(padded_k()) * (int8 ? 1 : 2);
    const std::size_t column_bytes = all_columns * sizeof(float);
    if (!panel.reserve(panel_bytes)) return out_of_memory(panel_bytes);
    if (!bias.reserve(column_bytes)) return out_of_memory(column_bytes);
    std::memset(bias.own_data(), 0, column_bytes);
    if (!int8) return {};
    if (!column_scale.reserve(column_bytes) || !column_sum.reserve(column_bytes)) return out_of_memory(column_bytes);
    return {};
}

Status PackedWeights::pack(int matrix, const char* name, const MatrixView& weights, std::span<const float> scale) {
    const Kernel* kernel = kernels->pack_weights(weights.type);
    if (!kernel) {
        return Status(StatusCode::kUnsupported, fmt::format("no kernel packs {} weights of type {}",
                                                            name_of(precision()), name_of(weights.type)));
    }
    if (Status status = pack_panels(*kernel, matrix, weights); !status.ok()) return status;
    if (!scale.empty()) {
        float* scales = at<float>(column_scale, matrix * padded_n());
        std::memset(scales, 0, static_cast<std::size_t>(padded_n()) * sizeof(float));
        std::memcpy(scales, scale.data(), scale.size_bytes());
    }
    return check_finite(matrix, name, weights);
}

Status PackedWeights::pack_panels(const Kernel& kernel, int matrix, const MatrixView& weights) {
    const std::int64_t columns = kernels->panel_n(), panels = padded_n() / columns;
    const bool dynamic = precision() == Precision::kInt8 && kernel.info.scaling == Scaling::kDynamic;
    SharedBuffer magnitudes;
    const auto magnitude_bytes = static_cast<std::size_t>(padded_n()) * sizeof(std::int32_t);
    if (dynamic && !magnitudes.reserve(magnitude_bytes)) return out_of_memory(magnitude_bytes);
    FirstError error;
    const auto pack_range = [&](int, std::int64_t begin, std::int64_t end) {
        for (std::int64_t p = begin; p < end; p++) {
            // Columns beyond N repeat the last one: nothing is stored of them, and no kernel has to be told.
            const std::int64_t first = std::min(p * columns, n - 1), column = matrix * padded_n() + p * columns;
            HalideBuffer x = matrix_buffer(block_of(weights, first, std::min(columns, n - first), 0, k));
            HalideBuffer packed = panel_buffer(column / columns, 1);
            Status status;
            if (precision() == Precision::kFp16) {
                status = call_kernel(kernel, {x, packed});
            } else {
                HalideBuffer sum(at<std::int32_t>(column_sum, column), kInt32, {columns, std::int64_t{1}});
                HalideBuffer scale(at<float>(column_scale, column), kFloat32, {columns});
                HalideBuffer magnitude(at<std::int32_t>(magnitudes, p * columns), kInt32, {columns});
                status = dynamic ? call_kernel(kernel, {x, packed, scale, magnitude, sum})
                                 : call_kernel(kernel, {x, packed, sum});
            }
            if (!status.ok()) return error.keep(std::move(status));
        }
        return 0;
    };
    const int pieces = piece_count(panels, static_cast<double>(n) * static_cast<double>(k));
    return error.take(parallel_pieces(panels, pieces, pack_range));
}

Status PackedWeights::check_finite(int matrix, const char* name, const MatrixView& weights) const {
    if (precision() == Precision::kInt8) {
        const std::int64_t channel = first_non_finite(at<float>(column_scale, matrix * padded_n()), n);
        if (channel < 0) return {};
        return Status(StatusCode::kNonFinite,
                      fmt::format("{}: output channel {} holds NaN or infinity", name, channel));
    }
    const std::int64_t columns = kernels->panel_n(), first = matrix * padded_n() / columns;
    for (std::int64_t p = 0; p * columns < n; p++) {
        const auto* values = reinterpret_cast<const std::uint16_t*>(panel_at(first + p));
        const std::int64_t count = padded_k() * columns;
        if (all_finite_f16(values, count)) continue;
        constexpr std::uint16_t kInfinity = 0x7c00, kMagnitude = 0x7fff;
        std::int64_t lowest = columns;  // a panel holds its columns side by side
        for (std::int64_t i = 0; i < count; i++) {
            if ((values[i] & kMagnitude) >= kInfinity) lowest = std::min(lowest, i % columns);
        }
        const std::int64_t channel = std::min(p * columns + lowest, n - 1);
        const bool beyond =
            weights.type != DataType::kF16 && first_beyond_f16(block_of(weights, channel, 1, 0, k)) == 0;
        return Status(StatusCode::kNonFinite,
                      fmt::format("{}: output channel {} holds {}", name, channel,
                                  beyond ? "a magnitude beyond 65504, the largest of f16; INT8 has no such limit"
                                         : "NaN or infinity"));
    }
    return {};
}

void PackedWeights::set_bias(int matrix, std::span<const float> values) {
    if (!values.empty()) std::memcpy(at<float>(bias, matrix * padded_n()), values.data(), values.size_bytes());
}

}  // namespace octile
