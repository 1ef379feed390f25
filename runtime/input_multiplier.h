// LinearOptions::input_multiplier: what every row of x is multiplied by, feature by feature, before it is quantized or
// packed.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "octile/linear.h"

namespace octile {

class InputMultiplier {
  public:
    // A copy of `values`.
    explicit InputMultiplier(std::span<const float> values) : copy_(values.begin(), values.end()), values_(copy_) {}
    // `values` themselves, which `owner` keeps alive.
    InputMultiplier(std::span<const float> values, std::shared_ptr<const void> owner)
        : owner_(std::move(owner)), values_(values) {}
    InputMultiplier(const InputMultiplier&) = delete;
    InputMultiplier& operator=(const InputMultiplier&) = delete;

    std::span<const float> values() const { return values_; }

    // product [x.rows, x.columns] dense f32; x is f32, f16 or bf16.
    void multiply(const MatrixView& x, float* product) const;

  private:
    std::vector<float> copy_;
    std::shared_ptr<const void> owner_;
    std::span<const float> values_;
};

// Whether both are absent or multiply by the same values.
bool same(const InputMultiplier* a, const InputMultiplier* b);

// `features`: K. The message names the first feature that is not positive and finite.
Status check_input_multiplier(std::span<const float> values, std::int64_t features);

}  // namespace octile
