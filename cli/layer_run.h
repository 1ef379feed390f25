// Runs one linear layer of a plan through its kernel, times it, and checks it in double precision.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "inputs/weight_forms.h"
#include "inputs/weight_matrix.h"
#include "octile/cpu.h"
#include "octile/linear.h"
#include "octile/plan.h"
#include "octile/status.h"

namespace octile::cli {

// Where a layer's parameters come from: tensors of a checkpoint, or, where weight.tensor is null, values made from the
// layer's name, the same on every machine.
struct LayerTensors {
    WeightMatrix weight = {};
    std::optional<TensorInfo> bias = {};
    InputQuantization input = {};
    std::span<const float> smoothing = {};  // s of SmoothQuant, [K]; empty: none
};

struct LayerRun {
    std::string kernel;
    double seconds = 0;             // median of the repetitions
    std::size_t packed_bytes = 0;   // of weights, scales and bias, as they are held
    std::size_t source_bytes = 0;   // of the same values as they came
    std::int64_t checked_rows = 0;  // rows compared; 0: none
    double sqnr_db = 0;             // of the result against the unquantized layer, over those rows
    // Empty, or the first element that is further from the definition of its arithmetic than rounding explains.
    std::optional<std::string> mismatch;
};

// Median of several runs.
double median_seconds(const Linear& linear, const MatrixView& x, const MutableMatrixView& y, Workspace& workspace);

// kOutOfMemory if this machine could never hold the layer's matrices. Linux grants memory that is not there and ends
// the process that uses it: better refused in words, and before another layer has run for an hour.
Status check_memory(const Layer& layer);

// `check_rows`: how many of the m rows to check at most, spread evenly.
Result<LayerRun> run_layer(const PlannedLayer& planned, const LayerTensors& tensors, IsaSet isas,
                           std::int64_t check_rows);

}  // namespace octile::cli
