#include "inputs/weight_forms.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "inputs/messages.h"
#include "inputs/tensor_values.h"

namespace octile {
namespace {

constexpr WeightSpelling kSpellings[] = {
    {"._weight_qdata", ".bias"},  // torchao, flattened
    {".weight", ".bias"},
    {"_weight", "_bias"},  // in_proj_weight of torch's attention
};

// Scales of a weight by the ending of their name.
struct ScaleSpelling {
    std::string_view ending;
    float divisor = 1;
};
constexpr ScaleSpelling kScales[] = {
    {".weight_scale"},      // compressed-tensors, ModelOpt, FBGEMM
    {".weight_scale_inv"},  // DeepSeek's blocks: multiplied all the same
    {"._weight_scale"},     // torchao
    {".SCB", 127},          // LLM.int8(): the largest magnitude of each row
    {".scale_weight"},      // ComfyUI
};
constexpr std::string_view kZeroPoints[] = {".weight_zero_point", "._weight_zero_point"};
constexpr std::string_view kInputScales[] = {".input_scale", "._weight_act_quant_scale"};
constexpr std::string_view kInputZeroPoints[] = {".input_zero_point", "._weight_act_quant_zero_point"};
// What multiplies the input before it is quantized.
constexpr std::string_view kInputFactors[] = {"._weight_act_pre_scale", ".pre_quant_scale"};
// Says how LLM.int8() ordered the bytes: 0 is row by row.
constexpr std::string_view kWeightFormat = ".weight_format";

bool all_zero(const TensorInfo& tensor) {
    return std::all_of(tensor.data.begin(), tensor.data.end(), [](std::byte byte) { return byte == std::byte{0}; });
}

// How many weights a scale is for where `scales` of them cover an extent: a power of two, as in every published form,
// or an even part; 0: no number fits.
std::int64_t block_of(std::int64_t extent, std::int64_t scales) {
    if (scales == 1) return extent;
    if (scales == extent) return 1;
    for (std::int64_t block = 1; block < extent; block *= 2)
        if ((extent + block - 1) / block == scales) return block;
    return scales > 0 && extent % scales == 0 ? extent / scales : 0;
}

class Parts {
  public:
    Parts(const Checkpoint& file, const std::string& module, const WeightMatrix& weights)
        : file_(file), module_(module), weights_(weights), weight_(*weights.tensor) {}

    Result<WeightParts> run() {
        const bool int8 = weight_.type == DataType::kI8;
        const bool float8 = has_float_values(weight_) && !has_unscaled_floats(weight_);
        if (int8 || float8) {
            if (Status status = find_scale(); !status.ok()) return status;
        }
        if (int8 && !parts_.scale) return wrong_dtype(weight_);
        if (!int8 && !has_float_values(weight_)) return wrong_dtype(weight_);
        if (!int8) {
            if (file_.quantization().ignores(module_)) parts_.form = WeightForm::kKeptFloat;
            return std::move(parts_);
        }
        for (const auto& check : {&Parts::check_ignored, &Parts::check_weights, &Parts::find_input})
            if (Status status = (this->*check)(); !status.ok()) return status;
        return std::move(parts_);
    }

    Result<WeightParts> run_packed() {
        parts_.form = WeightForm::kInt8;
        for (const auto& check : {&Parts::check_ignored, &Parts::find_input})
            if (Status status = (this->*check)(); !status.ok()) return status;
        return std::move(parts_);
    }

  private:
    Status fail(const TensorInfo& tensor, const std::string& text) const {
        return parse_error(display(file_.path()) + ": tensor " + internal::quote(tensor.name) + ": " + text);
    }

    Status wrong_dtype(const TensorInfo& tensor) const {
        return fail(tensor,
                    "dtype: expected F32, F16 or BF16, found " + std::string(tensor.dtype) + " (--skip leaves it out)");
    }

    const TensorInfo* take(std::string_view ending) {
        const TensorInfo* const tensor = file_.find(module_ + std::string(ending));
        if (tensor) parts_.tensors.push_back(tensor);
        return tensor;
    }

    Status find_scale() {
        for (const ScaleSpelling& spelling : kScales) {
            const TensorInfo* const scale = take(spelling.ending);
            if (!scale) continue;
            if (!has_float_values(*scale))
                return fail(*scale, "dtype: expected F32, F16 or BF16, found " + std::string(scale->dtype));
            return add_scale(*scale, spelling.divisor);
        }
        return {};
    }

    Status add_scale(const TensorInfo& scale, float divisor) {
        const std::int64_t n = weights_.n, k = weights_.k, count = elements_of(scale);
        std::int64_t rows = 1, columns = 1;
        if (scale.shape.size() == 2) {
            rows = scale.shape[0];
            columns = scale.shape[1];
        } else if (scale.shape.size() <= 1) {
            rows = count;
        } else {
            rows = columns = 0;
        }
        // [1, N] and [N] are a row's each too; no form has one for each column.
        if (count == n && columns == n && k != n) std::swap(rows, columns);
        WeightScale found{.tensor = &scale,
                          .block_rows = block_of(n, rows),
                          .block_columns = block_of(k, columns),
                          .divisor = divisor};
        if (weight_.type == DataType::kI8 && found.block_columns > 0 && found.block_columns < k) {
            return fail(scale, "shape: expected one scale for each row of the int8 weights, found " +
                                   shape_text(scale) + ": int8 in groups of " + std::to_string(found.block_columns) +
                                   " along K is not read (--skip leaves it out)");
        }
        if (found.block_rows == 0 || found.block_columns == 0 ||
            (n + found.block_rows - 1) / found.block_rows * ((k + found.block_columns - 1) / found.block_columns) !=
                count) {
            return fail(scale, "shape: expected one scale or [" + std::to_string(n) + ", 1] to go with the weight's " +
                                   shape_text(weight_) + ", found " + shape_text(scale));
        }
        parts_.scale = found;
        return {};
    }

    Status check_ignored() {
        if (!file_.quantization().ignores(module_)) return {};
        return fail(weight_, "dtype: expected floats, as config.json has the layer on its ignore list, found " +
                                 std::string(weight_.dtype));
    }

    Status check_weights() {
        parts_.form = WeightForm::kInt8;
        for (const float scale : values_of(*parts_.scale->tensor)) {
            if (std::isfinite(scale) && scale >= 0) continue;
            return fail(*parts_.scale->tensor, "expected finite scales of 0 and above, found " + std::to_string(scale));
        }
        for (const std::string_view ending : kZeroPoints) {
            const TensorInfo* const zero_point = take(ending);
            if (zero_point && !all_zero(*zero_point))
                return fail(*zero_point, "expected zeros, for weights are symmetric, found others");
        }
        const TensorInfo* const order = take(kWeightFormat);
        if (order && !all_zero(*order))
            return fail(*order, "expected 0, rows of weights one after the other, found another order");
        for (const std::string_view ending : kInputFactors) {
            if (const TensorInfo* const factors = take(ending))
                return fail(*factors, "expected an input as it is, found factors for it (--skip leaves the layer out)");
        }
        return {};
    }

    Status find_input() {
        for (std::size_t i = 0; i < std::size(kInputScales); i++) {
            const TensorInfo* const scale = take(kInputScales[i]);
            const TensorInfo* const zero_point = take(kInputZeroPoints[i]);
            if (zero_point && !scale && !all_zero(*zero_point))
                return fail(*zero_point, "expected an input scale beside it, found none");
            if (!scale || file_.quantization().float_inputs(module_)) continue;
            if (!has_float_values(*scale) || elements_of(*scale) != 1) {
                return fail(*scale, "expected one value of F32, F16 or BF16 for all rows, found " +
                                        std::string(scale->dtype) + " " + shape_text(*scale));
            }
            const float value = values_of(*scale).front();
            if (!std::isnormal(value) || value < 0 || !std::isnormal(1 / value))
                return fail(*scale, "expected a positive, normal number, found " + std::to_string(value));
            parts_.input = {.scaling = InputScaling::kStatic, .scale = value};
            if (zero_point && !all_zero(*zero_point))
                parts_.input = {.scaling = InputScaling::kAsymmetric, .scale = 0, .static_zero_point = true};
            return {};
        }
        if (file_.quantization().asymmetric_inputs(module_)) parts_.input.scaling = InputScaling::kAsymmetric;
        return {};
    }

    const Checkpoint& file_;
    const std::string& module_;
    const WeightMatrix& weights_;
    const TensorInfo& weight_;
    WeightParts parts_;
};

}  // namespace

const WeightSpelling* spelling_of(std::string_view tensor) {
    const auto* const found = std::find_if(std::begin(kSpellings), std::end(kSpellings),
                                           [&](const WeightSpelling& one) { return tensor.ends_with(one.weight); });
    return found == std::end(kSpellings) ? nullptr : found;
}

std::string family_name(std::string_view tensor) {
    const std::string_view flattened = kSpellings[0].weight;
    if (!tensor.ends_with(flattened)) return std::string(tensor);
    return std::string(tensor.substr(0, tensor.size() - flattened.size())) + ".weight";
}

Result<WeightParts> find_weight_parts(const Checkpoint& checkpoint, const std::string& module,
                                      const WeightMatrix& weights) {
    return Parts(checkpoint, module, weights).run();
}

Result<WeightParts> find_packed_parts(const Checkpoint& checkpoint, const std::string& module,
                                      const WeightMatrix& weights) {
    return Parts(checkpoint, module, weights).run_packed();
}

}  // namespace octile
