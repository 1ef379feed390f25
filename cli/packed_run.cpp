#include "cli/packed_run.h"

#include <fp16.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>

#include "calibration/synthetic.h"
#include "cli/layer_check.h"
#include "runtime/linear_parts.h"

namespace octile::cli {
namespace {

// One matrix of a packed linear, as numbers again.
class UnpackedMatrix {
  public:
    UnpackedMatrix(const LinearParts& parts, int matrix)
        : parts_(parts),
          first_(matrix * (static_cast<std::int64_t>(parts.bias.size()) / parts.matrices)),
          rows_(static_cast<std::size_t>(parts.n * parts.k * parts.layout.element_bytes)) {
        parts.unpack(matrix, rows_.data());
    }

    float bias(std::size_t n) const { return parts_.bias[static_cast<std::size_t>(first_) + n]; }

    // The levels of an INT8 or INT4 channel.
    Quantized quantized(std::size_t n) const {
        const auto k = static_cast<std::size_t>(parts_.k);
        Quantized channel{.values = {},
                          .scale = static_cast<double>(parts_.column_scale[static_cast<std::size_t>(first_) + n])};
        for (std::size_t i = 0; i < k; i++)
            channel.values.push_back(static_cast<double>(static_cast<std::int8_t>(rows_[n * k + i])));
        return channel;
    }

    // The same, or an FP16 channel, as floats.
    std::vector<float> floats(std::size_t n) const {
        const auto k = static_cast<std::size_t>(parts_.k);
        std::vector<float> values;
        for (std::size_t i = 0; i < k; i++) {
            if (is_quantized(parts_.options.precision)) {
                values.push_back(static_cast<float>(static_cast<std::int8_t>(rows_[n * k + i])) *
                                 parts_.column_scale[static_cast<std::size_t>(first_) + n]);
            } else {
                std::uint16_t bits;
                std::memcpy(&bits, rows_.data() + (n * k + i) * sizeof(bits), sizeof(bits));
                values.push_back(fp16_ieee_to_fp32_value(bits));
            }
        }
        return values;
    }

  private:
    const LinearParts& parts_;
    std::int64_t first_;  // of what belongs to output channels
    std::vector<std::byte> rows_;
};

struct Output {
    double exact;
    Bounded expected;
};

Output output_of(const UnpackedMatrix& matrix, std::size_t n, const CheckedRow& row, const LinearParts& parts,
                 Activation activation, bool f16_arithmetic) {
    const std::vector<float> w = matrix.floats(n);
    const Epilogue epilogue{static_cast<double>(matrix.bias(n)), activation};
    return {exact_output(row.x, w, epilogue), is_quantized(parts.options.precision)
                                                  ? int8_output(row.quantized, matrix.quantized(n), epilogue)
                                                  : fp16_output(row.x, w, epilogue, f16_arithmetic)};
}

// act(gate) * up: both errors times the other's value, and the rounding of the product.
Output product_of(const Output& gate, const Output& up) {
    constexpr double kUnitF32 = 0x1p-24;
    const auto [g, g_error] = gate.expected;
    const auto [u, u_error] = up.expected;
    const double error = std::fabs(g) * u_error + std::fabs(u) * g_error + g_error * u_error;
    return {gate.exact * up.exact, {g * u, 1.01 * error + 1.01 * kUnitF32 * std::fabs(g * u)}};
}

void check(const LinearParts& parts, std::vector<CheckedRow> rows, LayerRun& run) {
    for (CheckedRow& row : rows) {
        if (parts.options.input_scaling == InputScaling::kStatic)
            row.quantized = quantize_static(row.x, parts.options.input_scale);
        if (parts.options.input_scaling == InputScaling::kAsymmetric) row.quantized = quantize_asymmetric(row.x);
    }
    const bool f16_arithmetic = multiplies_f16(run.kernel), gated = parts.matrices == 2;
    const UnpackedMatrix first(parts, 0);
    const std::optional<UnpackedMatrix> up =
        gated ? std::optional<UnpackedMatrix>(std::in_place, parts, 1) : std::nullopt;
    OutputCheck outputs;
    for (std::size_t n = 0; n < static_cast<std::size_t>(parts.n); n++) {
        for (const CheckedRow& row : rows) {
            Output output = output_of(first, n, row, parts, parts.options.activation, f16_arithmetic);
            if (up) output = product_of(output, output_of(*up, n, row, parts, Activation::kNone, f16_arithmetic));
            outputs.compare(row, n, output.exact, output.expected);
        }
    }
    outputs.finish(rows.size(), run);
}

}  // namespace

Result<LayerRun> run_packed_layer(const Linear& linear, const Layer& layer, std::int64_t check_rows) try {
    std::vector<float> x = normal_values(static_cast<std::size_t>(layer.m * layer.k), seed_of(layer.name) + 2, 1.0f);
    std::vector<float> y(static_cast<std::size_t>(layer.m * layer.n));
    const MatrixView x_view{x.data(), DataType::kF32, layer.m, layer.k, layer.k};
    const MutableMatrixView y_view{y.data(), DataType::kF32, layer.m, layer.n, layer.n};
    Workspace workspace;
    if (Status status = linear.run(x_view, y_view, workspace); !status.ok()) return status;
    LayerRun run;
    run.kernel = linear.kernel_name(layer.m);
    run.packed_bytes = linear.bytes();
    run.seconds = median_seconds(linear, x_view, y_view, workspace);
    const LinearParts parts = LinearParts::of(linear);
    const std::span<const float> multiplier = parts.options.input_multiplier;
    for (std::size_t i = 0; !multiplier.empty() && i < x.size(); i++)
        x[i] *= multiplier[i % multiplier.size()];
    check(parts, spread_rows(layer, x, y, check_rows), run);
    return run;
} catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, "not enough memory to run it");
}

}  // namespace octile::cli
