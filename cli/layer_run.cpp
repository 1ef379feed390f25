#include "cli/layer_run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <new>
#include <optional>
#include <span>
#include <vector>

#include "calibration/smooth_quant.h"
#include "calibration/synthetic.h"
#include "cli/layer_check.h"
#include "cli/packed_run.h"
#include "inputs/tensor_values.h"
#include "octile/linear.h"
#include "runtime/linear_parts.h"

namespace octile::cli {
namespace {

// A layer's parameters: as they came, for the kernels, and as f32, for the check.
struct LayerParameters {
    std::vector<std::byte> original;
    DataType type = DataType::kF32;
    std::vector<float> weights;
    std::vector<float> bias;

    const void* data() const { return original.empty() ? static_cast<const void*>(weights.data()) : original.data(); }
    std::size_t bytes() const { return weights.size() * size_of(type) + bias.size() * sizeof(float); }
};

LayerParameters parameters_of(const Layer& layer, const LayerTensors& tensors) {
    LayerParameters parameters;
    if (tensors.weight.tensor) {
        // What is no matrix of floats in the file is packed from the floats that it stands for.
        const bool changed = !tensors.weight.in_place() || !tensors.smoothing.empty();
        parameters.type = changed ? DataType::kF32 : *tensors.weight.tensor->type;
        parameters.weights = values_of(tensors.weight);
        if (!tensors.smoothing.empty()) fold_into_weights(tensors.smoothing, parameters.weights);
        if (parameters.type != DataType::kF32)
            parameters.original.assign(tensors.weight.span().begin(), tensors.weight.span().end());
        if (tensors.bias) parameters.bias = values_of(*tensors.bias);
        return parameters;
    }
    const std::uint64_t seed = seed_of(layer.name);
    const float deviation = 1.0f / std::sqrt(static_cast<float>(layer.k));
    parameters.weights = normal_values(static_cast<std::size_t>(layer.k * layer.n), seed, deviation);
    if (layer.bias) parameters.bias = normal_values(static_cast<std::size_t>(layer.n), seed + 1, 0.1f);
    return parameters;
}

}  // namespace

double median_seconds(const Linear& linear, const MatrixView& x, const MutableMatrixView& y, Workspace& workspace) {
    using Clock = std::chrono::steady_clock;
    constexpr std::size_t kMostRuns = 101, kFewestRuns = 3;
    constexpr double kEnough = 0.03;
    std::vector<double> times;
    double total = 0;
    while (times.size() < kMostRuns && (times.size() < kFewestRuns || total < kEnough)) {
        const Clock::time_point start = Clock::now();
        if (!linear.run(x, y, workspace).ok()) return 0;  // it ran before with the same arguments
        times.push_back(std::chrono::duration<double>(Clock::now() - start).count());
        total += times.back();
    }
    std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
    return times[times.size() / 2];
}

namespace {

// What an INT4 layer's weights were fitted to; the check is of what is made of them, and SQNR says how close they are.
class FittedLevels {
  public:
    explicit FittedLevels(const Linear& linear)
        : parts_(LinearParts::of(linear)), levels_(static_cast<std::size_t>(parts_.n * parts_.k)) {
        parts_.unpack(0, levels_.data());
    }

    Quantized channel(std::size_t n) const {
        const auto k = static_cast<std::size_t>(parts_.k);
        Quantized channel{.values = {}, .scale = static_cast<double>(parts_.column_scale[n])};
        for (std::size_t i = 0; i < k; i++)
            channel.values.push_back(static_cast<double>(static_cast<std::int8_t>(levels_[n * k + i])));
        return channel;
    }

  private:
    LinearParts parts_;
    std::vector<std::byte> levels_;
};

void check(const PlannedLayer& planned, const LayerParameters& parameters, const Linear& linear,
           const std::vector<CheckedRow>& rows, LayerRun& run) {
    const Layer& layer = planned.layer;
    const auto k = static_cast<std::size_t>(layer.k);
    const bool f16_arithmetic = multiplies_f16(run.kernel);
    std::optional<FittedLevels> int4;
    if (planned.precision == Precision::kInt4) int4.emplace(linear);
    OutputCheck outputs;
    for (std::size_t n = 0; n < static_cast<std::size_t>(layer.n); n++) {
        const std::span<const float> w = std::span<const float>(parameters.weights).subspan(n * k, k);
        const Epilogue epilogue{parameters.bias.empty() ? 0 : static_cast<double>(parameters.bias[n]),
                                layer.activation};
        const Quantized channel = int4                                    ? int4->channel(n)
                                  : planned.precision == Precision::kInt8 ? quantize_channel(w)
                                                                          : Quantized{};
        for (const CheckedRow& row : rows) {
            outputs.compare(row, n, exact_output(row.x, w, epilogue),
                            is_quantized(planned.precision) ? int8_output(row.quantized, channel, epilogue)
                                                            : fp16_output(row.x, w, epilogue, f16_arithmetic));
        }
    }
    outputs.finish(rows.size(), run);
}

// Weights that came as int8, as a packed file has them.
Result<LayerRun> run_levels(const Layer& layer, const LayerTensors& tensors, IsaSet isas, std::int64_t check_rows) {
    const Int8Rows rows = int8_rows_of(tensors.weight);
    const std::vector<float> bias = tensors.bias ? values_of(*tensors.bias) : std::vector<float>();
    const Result<Linear> linear =
        Linear::pack_quantized({rows.levels.data(), DataType::kI8, layer.n, layer.k, layer.k}, rows.scales, bias,
                               {.precision = Precision::kInt8,
                                .activation = layer.activation,
                                .range = {},
                                .input_scaling = tensors.input.scaling,
                                .input_scale = tensors.input.scale},
                               isas);
    if (!linear.ok()) return linear.status();
    Result<LayerRun> run = run_packed_layer(linear.value(), layer, check_rows);
    if (run.ok())
        run->source_bytes = rows.levels.size() + rows.scales.size() * sizeof(float) + bias.size() * sizeof(float);
    return run;
}

}  // namespace

Status check_memory(const Layer& layer) {
    const double m = static_cast<double>(layer.m), k = static_cast<double>(layer.k), n = static_cast<double>(layer.n);
    const double needed = sizeof(float) * (n * k + m * k + m * n);
    const double present =
        static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE));
    if (needed <= present) return {};
    return {StatusCode::kOutOfMemory,
            fmt::format("M = {}, K = {} and N = {} need {:.1f} GB of memory; this machine has {:.1f} GB", layer.m,
                        layer.k, layer.n, needed * 1e-9, present * 1e-9)};
}

Result<LayerRun> run_layer(const PlannedLayer& planned, const LayerTensors& tensors, IsaSet isas,
                           std::int64_t check_rows) try {
    const Layer& layer = planned.layer;
    if (tensors.weight.is_int8() && planned.precision == Precision::kInt8)
        return run_levels(layer, tensors, isas, check_rows);
    const LayerParameters parameters = parameters_of(layer, tensors);
    std::vector<float> multiplier;
    for (const float s : tensors.smoothing)
        multiplier.push_back(1 / s);
    // By whoever quantized the weights.
    const bool fixed = is_quantized(planned.precision) && tensors.input.scaling != InputScaling::kDynamic;
    Result<Linear> linear =
        Linear::pack({parameters.data(), parameters.type, layer.n, layer.k, layer.k}, parameters.bias,
                     {.precision = planned.precision,
                      .activation = layer.activation,
                      .range = {},
                      .input_scaling = fixed ? tensors.input.scaling : InputScaling::kDynamic,
                      .input_scale = fixed ? tensors.input.scale : 0,
                      .input_multiplier = multiplier},
                     isas);
    if (!linear.ok()) return linear.status();
    if (fixed) {
        Result<LayerRun> run = run_packed_layer(linear.value(), layer, check_rows);
        if (run.ok()) run->source_bytes = parameters.bytes();
        return run;
    }

    const std::vector<float> x =
        normal_values(static_cast<std::size_t>(layer.m * layer.k), seed_of(layer.name) + 2, 1.0f);
    std::vector<float> y(static_cast<std::size_t>(layer.m * layer.n));
    const MatrixView x_view{x.data(), DataType::kF32, layer.m, layer.k, layer.k};
    const MutableMatrixView y_view{y.data(), DataType::kF32, layer.m, layer.n, layer.n};
    Workspace workspace;
    if (Status status = linear->run(x_view, y_view, workspace); !status.ok()) return status;

    LayerRun run;
    run.kernel = linear->kernel_name(layer.m);
    run.packed_bytes = linear->bytes();
    run.source_bytes = parameters.bytes();
    run.seconds = median_seconds(linear.value(), x_view, y_view, workspace);
    if (check_rows == 0) return run;
    // Powers of two: the products of the smoothed rows and weights are those of the ones they came from.
    std::vector<float> smooth_x = x;
    if (!tensors.smoothing.empty()) smooth_rows(tensors.smoothing, smooth_x);
    check(planned, parameters, linear.value(), spread_rows(layer, smooth_x, y, check_rows), run);
    return run;
} catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, "not enough memory to run it");
}

}  // namespace octile::cli
