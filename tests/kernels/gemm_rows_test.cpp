// Every GEMM of the table by itself, on panels that this test packs: so that each is seen at numbers of tiles for which
// octile::Linear takes another, and with operands that quantization never gives.
#include <catch2/catch.hpp>
#include <cmath>
#include <sstream>
#include <vector>

#include "octile/layer.h"
#include "runtime/halide_call.h"
#include "tests/kernels/fp16_check.h"
#include "tests/kernels/panel.h"
#include "tests/reference/linear.h"
#include "tests/support/levels.h"
#include "tests/support/matrices.h"
#include "tests/support/seed.h"
#include "tests/support/shapes.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {
namespace {

enum class Operands { kRandom, kLargest };

// Whole tiles of a kernel: what it is called with.
struct Tiles {
    std::int64_t rows, columns, k;

    // Only the tallest tile comes in numbers.
    bool fit(const KernelInfo& info) const { return rows == 1 || (info.tile_m == info.panel_m && info.tile_m > 1); }
    Shape shape(const KernelInfo& info) const { return {rows * info.tile_m, k, columns * info.tile_n}; }
};

// [rows, k] of levels from `lowest` to 127, or all of them `lowest`.
reference::QuantizedRows make_quantized(Random& random, std::int64_t rows, std::int64_t k, int lowest,
                                        Operands operands) {
    reference::QuantizedRows result{.rows = static_cast<std::size_t>(rows),
                                    .k = static_cast<std::size_t>(k),
                                    .values = {},
                                    .scales = {},
                                    .non_finite_row = {}};
    for (std::int64_t i = 0; i < rows * k; i++) {
        const int value =
            operands == Operands::kLargest ? lowest : lowest + static_cast<int>(random.below(128 - lowest));
        result.values.push_back(static_cast<std::int8_t>(value));
    }
    for (std::int64_t i = 0; i < rows; i++)
        result.scales.push_back((1.0f + random.normal() / 8) * 0x1p-7f);
    return result;
}

// Puts the rows of x where the kernel's tiles read them. What else the panels hold must not matter.
void fill_tiles(Panel& panel, const KernelInfo& info, const Shape& shape, std::span<const float> x) {
    for (std::int64_t row = 0; row < shape.m; row++) {
        for (std::int64_t k = 0; k < panel.k(); k++) {
            panel.set(row / info.tile_m * info.panel_m + row % info.tile_m, k,
                      k < shape.k ? x[static_cast<std::size_t>(row * shape.k + k)] : 0);
        }
    }
}

// y as the kernel wants it: rows split into those of a tile and tiles.
HalideBuffer tiled_buffer(const MutableMatrixView& y, std::int64_t tile_m) {
    return {y.data, halide_type_of(y.type),
            std::initializer_list<HalideBuffer::Dimension>{
                {y.columns, 1}, {tile_m, y.row_stride}, {y.rows / tile_m, tile_m * y.row_stride}}};
}

template <typename T>
GuardedVector<T> to_guarded(const std::vector<T>& values) {
    GuardedVector<T> vector(static_cast<std::int64_t>(values.size()), T{});
    for (std::size_t i = 0; i < values.size(); i++)
        vector.set(static_cast<std::int64_t>(i), values[i]);
    return vector;
}

// The lowest levels of the kinds of rows that a kernel multiplies. Symmetric quantization ends at -127; what comes
// ready need not, and has the kernels for dynamic rows where the level has none of its own.
std::vector<int> lowest_levels(const KernelInfo& info) {
    if (info.scaling != Scaling::kDynamic) return {-128};
    for (const Kernel* kernel : kernels_of(KernelFamily::kGemmS8))
        if (kernel->info.isa == info.isa && kernel->info.scaling == Scaling::kReady) return {-127};
    return {-127, -128};
}

void check_int8_row(const Kernel& kernel, const Tiles& tiles, Operands operands, int lowest) {
    const KernelInfo& info = kernel.info;
    const bool asymmetric = info.scaling == Scaling::kAsymmetric, largest = operands == Operands::kLargest;
    const Shape shape = tiles.shape(info);
    const auto [m, k, n] = shape;
    std::ostringstream key;
    key << "gemm_s8 row " << shape << (largest ? " largest" : "");
    Random random(key.str());
    INFO(info.name << ", levels from " << lowest << ", " << random);
    reference::QuantizedRows x = make_quantized(random, m, k, lowest, operands),
                             w = make_quantized(random, n, k, -128, operands);
    if (asymmetric) {
        for (std::int64_t i = 0; i < m; i++)
            x.zero_points.push_back(largest ? 127 : static_cast<std::int32_t>(random.below(256)) - 128);
    }
    const std::vector<float> bias = make_values(random, 1, n, Fill::kNormal);

    Panel lhs(info.panel, info.panel_m, info.k_block, tiles.rows * info.panel_m, k),
        rhs(Element::kS8, info.panel_n, info.k_block, n, k);
    fill_tiles(lhs, info, shape, std::vector<float>(x.values.begin(), x.values.end()));
    rhs.fill(n, k, std::vector<float>(w.values.begin(), w.values.end()));
    std::vector<std::int32_t> sums(w.rows, 0);
    for (std::size_t i = 0; i < w.values.size(); i++)
        sums[i / w.k] += w.values[i];
    GuardedVector<float> row_scale = to_guarded(x.scales), column_scale = to_guarded(w.scales),
                         biases = to_guarded(bias);
    // A cell of two rows reads the zero point of the row beside an odd tile too, which every panel has room for.
    std::vector<std::int32_t> zero_points = x.zero_points;
    if (info.tile_m % 2 == 1) zero_points.push_back(1 << 20);
    GuardedVector<std::int32_t> column_sum = to_guarded(sums), zero_point = to_guarded(zero_points);
    TypedMatrix y(DataType::kF32, m, n, 3);
    HalideBuffer lhs_buffer = lhs.buffer(), rhs_buffer = rhs.buffer(), row_buffer = row_scale.buffer(info.tile_m),
                 column_buffer = column_scale.buffer(), bias_buffer = biases.buffer(), sum_buffer = column_sum.buffer(),
                 zero_buffer = zero_point.buffer(info.tile_m), y_buffer = tiled_buffer(y.mutable_view(), info.tile_m);
    const Status status = asymmetric ? call_kernel(kernel, {lhs_buffer, rhs_buffer, row_buffer, column_buffer,
                                                            bias_buffer, sum_buffer, zero_buffer, y_buffer})
                                     : call_kernel(kernel, {lhs_buffer, rhs_buffer, row_buffer, column_buffer,
                                                            bias_buffer, sum_buffer, y_buffer});
    INFO(status.message());
    REQUIRE(status.ok());
    CHECK(first_difference(y, reference::linear_s8(x, w, bias, Activation::kNone)) == "");
    CHECK(y.surroundings_intact());
}

TEST_CASE("every int8 GEMM row, at one and several tiles") {
    for (const Kernel* kernel : kernels_of(KernelFamily::kGemmS8)) {
        for (const Tiles& tiles :
             {Tiles{1, 1, 1}, {1, 2, 17}, {2, 1, 16}, {1, 3, 50}, {3, 3, 50}, {33, 1, 9}, {1, 5, 65}})
            if (tiles.fit(kernel->info))
                for (const int lowest : lowest_levels(kernel->info))
                    check_int8_row(*kernel, tiles, Operands::kRandom, lowest);
    }
}

TEST_CASE("every int8 GEMM with the largest sum there is: as many products of the lowest levels as int32 holds") {
    for (const Kernel* kernel : kernels_of(KernelFamily::kGemmS8)) {
        // The others differ from these in the number of accumulators alone, and take long.
        if (kernel->info.tile_m != 1) continue;
        for (const int lowest : lowest_levels(kernel->info)) {
            const std::int64_t symmetric = lowest == -128 ? kMaxReduction - 1 : kMaxReduction;
            const std::int64_t k = kernel->info.scaling == Scaling::kAsymmetric ? kMaxReduction / 2 : symmetric;
            check_int8_row(*kernel, {1, 1, k}, Operands::kLargest, lowest);
        }
    }
}

void check_f16_row(const Kernel& kernel, const Tiles& tiles) {
    const KernelInfo& info = kernel.info;
    const Shape shape = tiles.shape(info);
    const auto [m, k, n] = shape;
    std::ostringstream key;
    key << "gemm_f16 row " << shape;
    Random random(key.str());
    INFO(info.name << ", " << random);
    const std::vector<float> x = TypedMatrix(DataType::kF16, m, k, make_values(random, m, k, Fill::kNormal)).values();
    const std::vector<float> w = TypedMatrix(DataType::kF16, n, k, make_values(random, n, k, Fill::kNormal)).values();
    const std::vector<float> bias = make_values(random, 1, n, Fill::kNormal);

    Panel lhs(info.panel, info.panel_m, 1, tiles.rows * info.panel_m, k), rhs(Element::kF16, info.panel_n, 1, n, k);
    fill_tiles(lhs, info, shape, x);
    rhs.fill(n, k, w);
    GuardedVector<float> biases = to_guarded(bias);
    TypedMatrix y(DataType::kF32, m, n, 3);
    HalideBuffer lhs_buffer = lhs.buffer(), rhs_buffer = rhs.buffer(), bias_buffer = biases.buffer(),
                 y_buffer = tiled_buffer(y.mutable_view(), info.tile_m);
    const Status status = call_kernel(kernel, {lhs_buffer, rhs_buffer, bias_buffer, y_buffer});
    INFO(status.message());
    REQUIRE(status.ok());
    CHECK(first_beyond_tolerance(y, ExactLayer(x, w, bias, m, k, n), Activation::kNone, arithmetic_of(info.isa)) == "");
    CHECK(y.surroundings_intact());
}

TEST_CASE("every fp16 GEMM row, at one and several tiles, below, at and above its chunk") {
    for (const Kernel* kernel : kernels_of(KernelFamily::kGemmF16)) {
        for (const Tiles& tiles :
             {Tiles{1, 1, 1}, {1, 2, 17}, {1, 1, 127}, {2, 1, 127}, {1, 3, 128}, {3, 3, 128}, {33, 1, 9}, {1, 1, 1000}})
            if (tiles.fit(kernel->info)) check_f16_row(*kernel, tiles);
    }
}

}  // namespace
}  // namespace octile::test
