#include "cli/layer_run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <new>
#include <span>
#include <vector>

#include "calibration/synthetic.h"
#include "cli/verify.h"
#include "inputs/tensor_values.h"
#include "octile/linear.h"
#include "planner/kernel_info.h"
#include "runtime/kernel_table.h"

namespace octile::cli {
namespace {

// A layer's parameters: as they came, for the kernels, and as f32, for the check.
struct Parameters {
    std::vector<std::byte> original;
    DataType type = DataType::kF32;
    std::vector<float> weights;
    std::vector<float> bias;

    const void* data() const { return original.empty() ? static_cast<const void*>(weights.data()) : original.data(); }
    std::size_t bytes() const { return weights.size() * size_of(type) + bias.size() * sizeof(float); }
};

Parameters parameters_of(const Layer& layer, const LayerTensors& tensors) {
    Parameters parameters;
    if (tensors.weight) {
        // int8 weights are packed from the floats that they stand for.
        parameters.type = tensors.scale ? DataType::kF32 : *tensors.weight->type;
        parameters.weights = weights_of(*tensors.weight, tensors.scale);
        if (parameters.type != DataType::kF32)
            parameters.original.assign(tensors.weight->data.begin(), tensors.weight->data.end());
        if (tensors.bias) parameters.bias = values_of(*tensors.bias);
        return parameters;
    }
    const std::uint64_t seed = seed_of(layer.name);
    const float deviation = 1.0f / std::sqrt(static_cast<float>(layer.k));
    parameters.weights = normal_values(static_cast<std::size_t>(layer.k * layer.n), seed, deviation);
    if (layer.bias) parameters.bias = normal_values(static_cast<std::size_t>(layer.n), seed + 1, 0.1f);
    return parameters;
}

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

bool multiplies_f16(std::string_view kernel_name) {
    for (const Kernel& kernel : kernel_table()) {
        if (kernel.info.name == kernel_name) return kernel.info.panel == Element::kF16;
    }
    return false;
}

struct CheckedRow {
    std::span<const float> x, y;
    Quantized quantized;
    std::int64_t m;
};

std::vector<CheckedRow> spread_rows(const Layer& layer, std::span<const float> x, std::span<const float> y,
                                    std::int64_t most) {
    const std::int64_t count = std::min(most, layer.m);
    const auto row_of = [](std::span<const float> matrix, std::int64_t m, std::int64_t columns) {
        return matrix.subspan(static_cast<std::size_t>(m * columns), static_cast<std::size_t>(columns));
    };
    std::vector<CheckedRow> rows;
    for (std::int64_t i = 0; i < count; i++) {
        const std::int64_t m = count == 1 ? 0 : i * (layer.m - 1) / (count - 1);
        const std::span<const float> row = row_of(x, m, layer.k);
        rows.push_back({row, row_of(y, m, layer.n), quantize_row(row), m});
    }
    return rows;
}

void check(const PlannedLayer& planned, const Parameters& parameters, const std::vector<CheckedRow>& rows,
           LayerRun& run) {
    const Layer& layer = planned.layer;
    const auto k = static_cast<std::size_t>(layer.k);
    const bool f16_arithmetic = multiplies_f16(run.kernel);
    double signal = 0, noise = 0;
    for (std::size_t n = 0; n < static_cast<std::size_t>(layer.n); n++) {
        const std::span<const float> w = std::span<const float>(parameters.weights).subspan(n * k, k);
        const Epilogue epilogue{parameters.bias.empty() ? 0 : static_cast<double>(parameters.bias[n]),
                                layer.activation};
        const Quantized channel = planned.precision == Precision::kInt8 ? quantize_channel(w) : Quantized{};
        for (const CheckedRow& row : rows) {
            const double found = static_cast<double>(row.y[n]), exact = exact_output(row.x, w, epilogue);
            signal += exact * exact;
            noise += (found - exact) * (found - exact);
            const Bounded expected = planned.precision == Precision::kInt8
                                         ? int8_output(row.quantized, channel, epilogue)
                                         : fp16_output(row.x, w, epilogue, f16_arithmetic);
            if (!run.mismatch && !is_within(found, expected)) {
                run.mismatch = fmt::format("row {}, column {}: {:.9g}; expected {:.9g} within {:.2g}", row.m, n, found,
                                           expected.value, expected.tolerance);
            }
        }
    }
    run.checked_rows = static_cast<std::int64_t>(rows.size());
    run.sqnr_db = noise > 0 ? 10 * std::log10(signal / noise) : INFINITY;
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
    const Parameters parameters = parameters_of(layer, tensors);
    Result<Linear> linear =
        Linear::pack({parameters.data(), parameters.type, layer.n, layer.k, layer.k}, parameters.bias,
                     {.precision = planned.precision, .activation = layer.activation}, isas);
    if (!linear.ok()) return linear.status();

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
    if (check_rows > 0) check(planned, parameters, spread_rows(layer, x, y, check_rows), run);
    return run;
} catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, "not enough memory to run it");
}

}  // namespace octile::cli
