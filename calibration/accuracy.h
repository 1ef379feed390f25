// What INT8 costs every linear of a checkpoint in accuracy, with and without SmoothQuant.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "calibration/activations.h"
#include "calibration/layer_error.h"
#include "inputs/linear_tensors.h"
#include "octile/cpu.h"
#include "octile/status.h"

namespace octile {

// Rows of x that are looked at unless there are fewer.
inline constexpr std::int64_t kDefaultCalibrationRows = 64;

enum class Smoothing {
    kOff,
    kAuto,   // for each group the alpha of kAlphaGrid with the least noise, or none where none helps much
    kAlpha,  // the given alpha
};

struct AccuracyOptions {
    Smoothing smoothing = Smoothing::kAuto;
    double alpha = 0.5;  // with kAlpha, 0 to 1
    std::int64_t rows = kDefaultCalibrationRows;
};

// More noise than this, 40 dB, is not that of FP16 as it should be.
inline constexpr double kFp16Energy = 1e-4;

struct LayerAccuracy {
    std::size_t row = 0;      // of the layer, in LinearTensors::layers
    bool calibrated = false;  // on calibration data; else on synthetic rows
    ProductError plain;
    // In FP16; nothing where f16 does not hold the layer's numbers.
    std::optional<ProductError> fp16 = {};
    std::optional<ProductError> smoothed = {};  // where something is known of the channels
    double alpha = 0;                           // of `smoothed`
    bool smooth = false;                        // whether the layer is better off smoothed, or was told to be
    std::vector<float> scales = {};             // s of SmoothQuant, [K], where it is smoothed
    std::vector<OutlierChannel> outliers = {};  // of its input, before smoothing

    const ProductError& error() const { return smooth ? *smoothed : plain; }
    // Whether FP16 is no safe harbour: it cannot hold the layer, or is further off than INT8, as where weights vanish
    // among f16's subnormals. Of numbers that it holds it is at 60 dB and better.
    bool needs_int8() const { return !fp16 || (fp16->energy > kFp16Energy && fp16->energy > error().energy); }
};

// The rows that a linear without calibration data is measured on are synthetic: z is normal_values() of deviation 1
// with the layer's name as seed (of a group, the first's); behind a norm x = z * gamma + beta with the norm's own
// parameters, which is where outlier channels show; elsewhere x = z. Linears that read the same share their rows.
//
// Linears that read the same are smoothed alike, so that they can still share the rows. LinearOptions::input_multiplier
// applies it, whatever stands in front of them. Linears with neither calibration data nor a norm are not smoothed.
//
// One entry for each linear, in order. `progress` is called before each with the share of the work done, 0 to 1. Errors
// name the layer; kNonFinite, kParseError (calibration data), kUnsupported.
using AccuracyProgress = std::function<void(double, std::string_view)>;
Result<std::vector<LayerAccuracy>> measure_accuracy(const LinearTensors& tensors, const Activations& activations,
                                                    const AccuracyOptions& options, IsaSet isas,
                                                    const AccuracyProgress& progress = {});

}  // namespace octile
