#include "cli/layer_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/kernel_table.h"

namespace octile::cli {

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

bool multiplies_f16(std::string_view kernel_name) {
    for (const Kernel& kernel : kernel_table()) {
        if (kernel.info.name == kernel_name) return kernel.info.panel == Element::kF16;
    }
    return false;
}

void OutputCheck::compare(const CheckedRow& row, std::size_t n, double exact, const Bounded& expected) {
    const double found = static_cast<double>(row.y[n]);
    signal_ += exact * exact;
    noise_ += (found - exact) * (found - exact);
    if (mismatch_ || is_within(found, expected)) return;
    mismatch_ = fmt::format("row {}, column {}: {:.9g}; expected {:.9g} within {:.2g}", row.m, n, found, expected.value,
                            expected.tolerance);
}

void OutputCheck::finish(std::size_t rows, LayerRun& run) const {
    run.checked_rows = static_cast<std::int64_t>(rows);
    run.sqnr_db = noise_ > 0 ? 10 * std::log10(signal_ / noise_) : INFINITY;
    run.mismatch = mismatch_;
}

}  // namespace octile::cli
