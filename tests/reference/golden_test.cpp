// The oracle gives the same bits on every machine: the golden hashes were made on x86-64 and hold on aarch64. A
// compiler that contracts, flushes denormals or divides by estimates changes them.
#include <bit>
#include <catch2/catch.hpp>
#include <cstdint>
#include <vector>

#include "tests/reference/activation.h"
#include "tests/reference/half.h"
#include "tests/reference/hash.h"
#include "tests/reference/linear.h"
#include "tests/reference/quantize.h"

namespace octile::reference {
namespace {

// Every 4099th bit pattern: both signs, denormals, all exponents, infinities' neighbours and NaNs. About a million.
std::uint64_t hash_over_floats(float (*function)(float)) {
    Hash hash;
    for (std::uint64_t bits = 0; bits <= 0xffffffffu; bits += 4099)
        hash.add(function(std::bit_cast<float>(static_cast<std::uint32_t>(bits))));
    return hash.value();
}

// Every 1021st float between 2^-33 and the clamp of silu, on both sides of zero.
std::uint64_t hash_of_exp_minus() {
    Hash hash;
    for (std::uint32_t bits = 0x2f000000u; bits < std::bit_cast<std::uint32_t>(86.0f); bits += 1021) {
        hash.add(exp_minus(std::bit_cast<float>(bits)));
        hash.add(exp_minus(-std::bit_cast<float>(bits)));
    }
    return hash.value();
}

std::uint64_t hash_of_halves() {
    Hash hash;
    for (std::uint32_t bits = 0; bits < 0x10000u; ++bits)
        hash.add(half_to_float(static_cast<std::uint16_t>(bits)));
    for (std::uint64_t bits = 0; bits <= 0xffffffffu; bits += 4099) {
        hash.add(static_cast<std::uint32_t>(float_to_half(std::bit_cast<float>(static_cast<std::uint32_t>(bits)))));
    }
    return hash.value();
}

// Values with about the spread of a normal distribution, from a generator whose numbers are the same everywhere.
std::vector<float> random_matrix(std::size_t size, std::uint32_t seed, float scale) {
    std::vector<float> values(size);
    for (float& value : values) {
        std::int32_t sum = 0;
        for (int i = 0; i < 4; ++i) {
            seed = seed * 1664525u + 1013904223u;
            sum += static_cast<std::int32_t>(seed >> 16) - 32768;
        }
        value = static_cast<float>(sum) * scale;
    }
    return values;
}

std::uint64_t hash_of_linears() {
    constexpr std::size_t m = 7, n = 13;
    Hash hash;
    for (const std::size_t k : {1u, 5u, 64u, 257u}) {
        const std::vector<float> x = random_matrix(m * k, 1, 0x1p-15f);
        const std::vector<float> w = random_matrix(n * k, 2, 0x1p-18f);
        const std::vector<float> bias = random_matrix(n, 3, 0x1p-17f);
        for (const QuantizedRows& operand : {quantize_rows(x, m, k), quantize_weights(w, n, k)}) {
            for (const std::int8_t value : operand.values)
                hash.add(static_cast<std::uint32_t>(value));
            for (const float scale : operand.scales)
                hash.add(scale);
        }
        for (const Activation activation :
             {Activation::kNone, Activation::kRelu, Activation::kGelu, Activation::kSilu}) {
            for (const float y : linear_s8(x, w, bias, m, k, n, activation)) {
                hash.add(y);
                hash.add(static_cast<std::uint32_t>(float_to_half(y)));
            }
        }
    }
    return hash.value();
}

TEST_CASE("golden bits of the activations") {
    CHECK(hash_over_floats(relu) == 0xca5d3941974210dc);
    CHECK(hash_over_floats(relu6) == 0xc0194d479c42ecf2);
    CHECK(hash_over_floats(hardswish) == 0x834971024da11d11);
    CHECK(hash_over_floats(gelu) == 0x4349522545bd695a);
    CHECK(hash_over_floats(silu) == 0x6b1e2846f2c680c9);
    CHECK(hash_over_floats(quick_gelu) == 0xd7efd0a826547fa6);
    CHECK(hash_over_floats(gelu_tanh) == 0x4cb83d5af95f1237);
    CHECK(hash_of_exp_minus() == 0xac4d037788859d3b);
}

TEST_CASE("golden bits of half conversions") {
    CHECK(hash_of_halves() == 0xb75c398515194ff6);
}

TEST_CASE("golden bits of quantized linear layers") {
    CHECK(hash_of_linears() == 0xae90feeed96ea997);
}

}  // namespace
}  // namespace octile::reference
