// From a checkpoint and its plan to a packed file, tensor by tensor: what is mapped of the checkpoint and what is made
// of it are a few megabytes at any time, whatever the size of the network or of its largest tensor.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "inputs/linear_tensors.h"
#include "octile/cpu.h"
#include "octile/plan.h"
#include "octile/status.h"

namespace octile {

// s of SmoothQuant by layer, [K], powers of two.
using SmoothingScales = std::map<std::string, std::vector<float>, std::less<>>;

struct QuantizeOptions {
    IsaSet isas;    // levels of this machine's CPU, which quantize
    IsaSet levels;  // the highest levels of the CPUs that the file is for (runtime/weight_layout.h: layouts_of)
    std::string producer;
    std::string graph;  // JSON text; empty: none
    // Tensors that are kept as they are although a linear is made of them: tables that are tied to a head.
    std::set<std::string, std::less<>> keep;
    SmoothingScales smoothing;  // of layers that are INT8 or INT4 and came as floats, and whose LayerError has an alpha
    // Called before each tensor with the share of the work done, 0 to 1, and its name.
    std::function<void(double, std::string_view)> progress;
};

// A linear that came in few bits, and what of the values that these stand for is left in its panels.
struct RequantizedLinear {
    std::string name;
    std::string stored;  // stored_form(): "Q4_K"
    Precision precision = Precision::kInt8;
    double sqnr_db = 0;  // of the weights; infinite where they are the same
};

struct QuantizeReport {
    std::uint64_t source_bytes = 0;         // of all tensors
    std::uint64_t source_linear_bytes = 0;  // of those that became linears
    std::uint64_t file_bytes = 0;
    std::uint64_t linear_bytes = 0;                           // of linears, all levels
    std::uint64_t source_tensor_bytes = 0, tensor_bytes = 0;  // of what is kept, before and after
    std::int64_t int8_linears = 0, int4_linears = 0, fp16_linears = 0, gated_pairs = 0, smoothed = 0, prequantized = 0;
    std::int64_t tensors = 0;
    std::vector<RequantizedLinear> requantized;  // in the order of the file
};

// Writes the packed file of `plan`, which was made from `tensors`, themselves found in `checkpoint`. Weights that came
// as int8 are taken as they are where the plan has them INT8. Errors name the layer or the file; the file at `path` is
// then what it was before. kNonFinite for weights that are no numbers, kIoError for a disk that is full.
Result<QuantizeReport> quantize_checkpoint(const Checkpoint& checkpoint, const LinearTensors& tensors, const Plan& plan,
                                           const QuantizeOptions& options, const std::filesystem::path& path);

}  // namespace octile
