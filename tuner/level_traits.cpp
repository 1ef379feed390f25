#include "tuner/level_traits.h"

#include <algorithm>
#include <cmath>

#include "tuner/schedule_format.h"

namespace octile::tuner {
namespace {

int ceil_div(int value, int by) {
    return (value + by - 1) / by;
}

}  // namespace

LevelTraits LevelTraits::of(std::string_view kernel, Isa isa, const nlohmann::json& entry) {
    LevelTraits traits{.kernel = std::string(kernel), .isa = isa};
    traits.registers = registers_of_level(isa);
    int form_columns = 1;
    const std::string panel = entry.at("panel");
    traits.lhs_bytes = panel == "f32" ? 4 : panel == "s16" || panel == "f16" ? 2 : 1;
    if (kernel == "gemm_f16") {
        traits.cell_n = entry.at("lanes");
        traits.weight_bytes = 2;
    } else {
        traits.cell_m = entry.at("cell").at(0);
        traits.cell_n = entry.at("cell").at(1).get<int>() * entry.value("segments", 1);
        traits.k_block = entry.at("k_block");
        const ScheduleForm form = schedule_form(entry);
        traits.prefetches = form.prefetch;
        traits.pairs = form.name == "gemm_s8_pairs";
        form_columns = form.columns;
    }
    traits.column_step = std::max(traits.cell_n, form_columns);
    traits.packs = !entry.contains("packed_by");
    return traits;
}

int LevelTraits::accumulators(int rows, int columns) const {
    return ceil_div(rows, cell_m) * ceil_div(columns, cell_n);
}

double LevelTraits::products(int rows, int columns) const {
    const double registers_multiplied = accumulators(rows, columns);
    if (isa == Isa::kAvx2 && kernel == "gemm_s8") return 2 * registers_multiplied;  // multiply, add
    if (pairs) return 3 * registers_multiplied;                                     // smull, smlal2, sadalp
    return registers_multiplied;
}

double LevelTraits::loads(int rows, int columns) const {
    const double weights = std::ceil(static_cast<double>(columns) * cell_m / (cell_m * cell_n));
    switch (isa) {
        case Isa::kAvx2:
        case Isa::kAvxvnni:
        case Isa::kAvx512vnni:
            return weights + rows;  // each row's element is repeated by its load
        case Isa::kNeon:
            return pairs ? columns + rows : weights / 2 + rows;
        case Isa::kFp16:
            return weights + std::ceil(rows / 8.0);
        case Isa::kDotprod:
            return weights + std::ceil(rows / 4.0);
        case Isa::kI8mm:
            return weights + std::ceil(rows / 2.0);
        case Isa::kSve256:
            return weights + std::ceil(rows / 2.0);
    }
    return weights + rows;
}

int LevelTraits::registers_of(int rows, int columns, int k_split) const {
    const int sums = accumulators(rows, columns) * k_split, weights = ceil_div(columns, cell_n);
    switch (isa) {
        case Isa::kAvx2:
            return sums + weights + (kernel == "gemm_s8" ? 2 : 1);  // the row's element; a product
        case Isa::kAvxvnni:
        case Isa::kAvx512vnni:
            return sums + (rows > 1 ? weights : 0) + 1;
        case Isa::kNeon:
            // Pairs: rows, columns, of which a single row takes four at a time, and four products.
            return pairs ? sums + rows + (rows > 1 ? weights : std::min(weights, 4)) + 4 : sums + weights + 1;
        case Isa::kFp16:
            return sums + weights + ceil_div(rows, 8);
        case Isa::kDotprod:
            return sums + weights + ceil_div(rows, 4);
        case Isa::kI8mm:
        case Isa::kSve256:
            // A column's register is needed for one row of cells after the other; the rows' stay.
            return sums + std::min(weights, ceil_div(rows, 2)) + 1;
    }
    return sums + weights + rows;
}

}  // namespace octile::tuner
