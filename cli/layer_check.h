// Outputs of a linear layer against what they should be, in double precision.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "cli/layer_run.h"
#include "cli/verify.h"

namespace octile::cli {

struct CheckedRow {
    std::span<const float> x, y;
    Quantized quantized;
    std::int64_t m;
};

// At most `most` of the layer's m rows, spread evenly, the first and the last among them.
std::vector<CheckedRow> spread_rows(const Layer& layer, std::span<const float> x, std::span<const float> y,
                                    std::int64_t most);

// Whether a kernel adds up in f16.
bool multiplies_f16(std::string_view kernel_name);

class OutputCheck {
  public:
    // Element n of the row: what the layer means, and what its arithmetic makes of it.
    void compare(const CheckedRow& row, std::size_t n, double exact, const Bounded& expected);
    // Into what was found of the run.
    void finish(std::size_t rows, LayerRun& run) const;

  private:
    double signal_ = 0, noise_ = 0;
    std::optional<std::string> mismatch_;
};

}  // namespace octile::cli
