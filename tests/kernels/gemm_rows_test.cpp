// Every GEMM of the table by itself, on panels that this test packs: so that each is seen at row counts for which
// octile::Linear takes another, and with operands that quantization never gives.
#include <catch2/catch.hpp>
#include <cmath>
#include <sstream>
#include <vector>

#include "runtime/halide_call.h"
#include "runtime/parallel.h"
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

// What lies beside the matrix in a panel: a kernel computes with it and must not store what comes out.
constexpr float kUnused = 1e10f;

enum class Operands { kRandom, kLargest };

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

void check_int8_row(const Kernel& kernel, const Shape& shape, Operands operands) {
    const KernelInfo& info = kernel.info;
    const auto [m, k, n] = shape;
    std::ostringstream key;
    key << "gemm_s8 row " << shape << (operands == Operands::kLargest ? " largest" : "");
    Random random(key.str());
    INFO(info.name << ", " << random);
    const reference::QuantizedRows x = make_quantized(random, m, k, -127, operands),
                                   w = make_quantized(random, n, k, -128, operands);
    const std::vector<float> bias = make_values(random, 1, n, Fill::kNormal);

    Panel lhs(info.panel, info.tile_m, info.k_block, m, k), rhs(Element::kS8, info.tile_n, info.k_block, n, k);
    lhs.fill(m, k, std::vector<float>(x.values.begin(), x.values.end()));
    rhs.fill(n, k, std::vector<float>(w.values.begin(), w.values.end()));
    GuardedVector<float> row_scale(lhs.rows(), kUnused), column_scale(rhs.rows(), kUnused), biases(rhs.rows(), kUnused);
    GuardedVector<std::int32_t> offsets(rhs.rows(), 1 << 30);
    for (std::int64_t i = 0; i < m; i++)
        row_scale.set(i, x.scales[static_cast<std::size_t>(i)]);
    for (std::int64_t i = 0; i < n; i++) {
        column_scale.set(i, w.scales[static_cast<std::size_t>(i)]);
        biases.set(i, bias[static_cast<std::size_t>(i)]);
        std::int32_t sum = 0;
        for (std::int64_t at = 0; at < k; at++)
            sum += w.values[static_cast<std::size_t>(i * k + at)];
        // The kernel adds modulo 2^32, and at the deepest K the offset alone does not fit.
        offsets.set(i, static_cast<std::int32_t>(std::int64_t{-128} * sum));
    }
    TypedMatrix y(info.output, m, n, 3);
    HalideBuffer lhs_buffer = lhs.buffer(), rhs_buffer = rhs.buffer(), row_buffer = row_scale.buffer(),
                 column_buffer = column_scale.buffer(), bias_buffer = biases.buffer(), offset_buffer = offsets.buffer(),
                 y_buffer = matrix_buffer(y.mutable_view());
    const Status status = call_kernel(
        kernel, {&lhs_buffer, &rhs_buffer, &row_buffer, &column_buffer, &bias_buffer, &offset_buffer, &y_buffer});
    INFO(status.message());
    REQUIRE(status.ok());
    CHECK(first_difference(y, reference::linear_s8(x, w, bias, info.activation)) == "");
    CHECK(y.surroundings_intact());
}

TEST_CASE("every int8 GEMM row, below, at and above its own tile") {
    install_parallel_for();
    for (const Kernel* kernel : kernels_of(KernelFamily::kGemmS8)) {
        const KernelInfo& info = kernel->info;
        const std::int64_t tile_m = info.tile_m, tile_n = info.tile_n;
        for (const Shape& shape : {Shape{1, 1, 1},
                                   {tile_m, 16, tile_n},
                                   {tile_m + 1, 17, tile_n + 1},
                                   {2 * tile_m - 1, 50, 2 * tile_n - 1},
                                   {3 * tile_m + 1, 65, tile_n - 1},
                                   {32 * tile_m + 1, 9, 5}}) {
            check_int8_row(*kernel, shape, Operands::kRandom);
        }
    }
}

TEST_CASE("every int8 GEMM row with the largest sum there is: -127 times -128, 131072 times") {
    install_parallel_for();
    for (const Kernel* kernel : kernels_of(KernelFamily::kGemmS8)) {
        if (kernel->info.activation != Activation::kNone) continue;
        check_int8_row(*kernel, {1, 131072, 1}, Operands::kLargest);
    }
}

void check_f16_row(const Kernel& kernel, const Shape& shape) {
    const KernelInfo& info = kernel.info;
    const auto [m, k, n] = shape;
    std::ostringstream key;
    key << "gemm_f16 row " << shape;
    Random random(key.str());
    INFO(info.name << ", " << random);
    const std::vector<float> x = TypedMatrix(DataType::kF16, m, k, make_values(random, m, k, Fill::kNormal)).values();
    const std::vector<float> w = TypedMatrix(DataType::kF16, n, k, make_values(random, n, k, Fill::kNormal)).values();
    const std::vector<float> bias = make_values(random, 1, n, Fill::kNormal);

    Panel lhs(info.panel, info.tile_m, 1, m, k), rhs(Element::kF16, info.tile_n, 1, n, k);
    lhs.fill(m, k, x);
    rhs.fill(n, k, w);
    GuardedVector<float> biases(rhs.rows(), kUnused);
    for (std::int64_t i = 0; i < n; i++)
        biases.set(i, bias[static_cast<std::size_t>(i)]);
    TypedMatrix y(info.output, m, n, 3);
    HalideBuffer lhs_buffer = lhs.buffer(), rhs_buffer = rhs.buffer(), bias_buffer = biases.buffer(),
                 y_buffer = matrix_buffer(y.mutable_view());
    const Status status = call_kernel(kernel, {&lhs_buffer, &rhs_buffer, &bias_buffer, &y_buffer});
    INFO(status.message());
    REQUIRE(status.ok());
    CHECK(first_beyond_tolerance(y, ExactLayer(x, w, bias, m, k, n), info.activation, arithmetic_of(info.isa)) == "");
    CHECK(y.surroundings_intact());
}

TEST_CASE("every fp16 GEMM row, below, at and above its own tile and chunk") {
    install_parallel_for();
    for (const Kernel* kernel : kernels_of(KernelFamily::kGemmF16)) {
        const KernelInfo& info = kernel->info;
        const std::int64_t tile_m = info.tile_m, tile_n = info.tile_n;
        for (const Shape& shape : {Shape{1, 1, 1},
                                   {tile_m, 16, tile_n},
                                   {tile_m + 1, 17, tile_n + 1},
                                   {2 * tile_m - 1, 127, 2 * tile_n - 1},
                                   {tile_m + 1, 128, tile_n - 1},
                                   {3 * tile_m + 1, 129, 3},
                                   {2, 1000, 3},
                                   {32 * tile_m + 1, 9, 5}}) {
            check_f16_row(*kernel, shape);
        }
    }
}

}  // namespace
}  // namespace octile::test
