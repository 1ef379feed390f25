// Every epilogue of the table by itself: the bits of the reference for every activation, operand and output type, at
// widths that no vector divides, and at the edges of each output type.
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <sstream>
#include <vector>

#include "runtime/epilogue.h"
#include "runtime/halide_call.h"
#include "tests/kernels/panel.h"
#include "tests/reference/activation.h"
#include "tests/reference/epilogue.h"
#include "tests/support/levels.h"
#include "tests/support/matrices.h"
#include "tests/support/seed.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

// Of the second operand.
DataType other_type(const KernelInfo& info) {
    return info.combine == Combine::kGate || info.output == DataType::kI8 ? DataType::kF32 : info.output;
}

// What the kernel must make of z and other.
std::vector<float> expected_of(const KernelInfo& info, const Epilogue& epilogue, const TypedMatrix& z,
                               const TypedMatrix* other) {
    std::vector<float> values = z.values();
    for (std::size_t i = 0; i < values.size(); i++) {
        const auto row = static_cast<std::int64_t>(i) / z.columns(),
                   column = static_cast<std::int64_t>(i) % z.columns();
        const float second = other ? other->at(row, column) : 0;
        const float argument = info.combine == Combine::kGate ? second : values[i];
        float v = epilogue.range ? reference::clamp(argument, epilogue.range->low, epilogue.range->high)
                                 : reference::activate(epilogue.activation, argument);
        if (info.combine == Combine::kResidual) v = v + second;
        if (info.combine == Combine::kGate) v = v * values[i];
        values[i] = info.output == DataType::kI8 ? reference::output_level(v, epilogue.output_scale) : v;
    }
    return values;
}

void check(const Kernel& kernel, const Epilogue& epilogue, const TypedMatrix& z, const TypedMatrix* other,
           TypedMatrix& y) {
    const std::vector<float> expected = expected_of(kernel.info, epilogue, z, other);
    const Status status = epilogue.run(kernel, z.view(), other ? other->view() : MatrixView{}, y.mutable_view());
    INFO(status.message());
    REQUIRE(status.ok());
    CHECK(first_difference(y, expected) == "");
    CHECK(y.surroundings_intact());
}

std::vector<Epilogue> all_epilogues() {
    std::vector<Epilogue> epilogues;
    for (const Activation activation : kActivations)
        epilogues.push_back({.activation = activation, .range = {}, .output_scale = 0.03f, .residual = {}});
    for (const OutputRange& range : {OutputRange{-0.5f, 0.75f}, {0, 6}, {2, 2}, {-kInfinity, 1}})
        epilogues.push_back({.activation = Activation::kNone, .range = range, .output_scale = 0.03f, .residual = {}});
    return epilogues;
}

TEST_CASE("every epilogue: all activations and a range, at ragged widths and strides") {
    for (const Kernel* kernel : kernels_of(KernelFamily::kEpilogue)) {
        for (const Epilogue& epilogue : all_epilogues()) {
            for (const std::int64_t columns : {1, 3, 16, 37, 65}) {
                const std::int64_t rows = columns == 37 ? 5 : 1;
                std::ostringstream key;
                key << "epilogue " << rows << ' ' << columns << ' ' << octile::name_of(epilogue.activation);
                Random random(key.str());
                INFO(kernel->info.name << ", " << random << (epilogue.range ? ", range" : ""));
                const auto draw = [&](DataType type, float scale) {
                    std::vector<float> values = make_values(random, rows, columns, Fill::kNormal);
                    for (float& value : values)
                        value *= scale;
                    return TypedMatrix(type, rows, columns, values, random.below(2) * 3);
                };
                const TypedMatrix z = draw(DataType::kF32, 3), other = draw(other_type(kernel->info), 2);
                TypedMatrix y(kernel->info.output, rows, columns, random.below(2) * 5);
                check(*kernel, epilogue, z, kernel->info.combine == Combine::kNone ? nullptr : &other, y);
            }
        }
    }
}

TEST_CASE("every epilogue: the bits of every magnitude, both signs, NaN and infinities") {
    std::vector<float> values;
    for (std::uint64_t bits = 0; bits <= 0xffffffffu; bits += 0x7ffff3)
        values.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    for (const float value : {0.0f, 6.0f, 3.0f, 86.0f, 9.875f, 50.0f, std::numeric_limits<float>::max(), kInfinity}) {
        values.push_back(value);
        values.push_back(-value);
    }
    values.push_back(kNan);
    const auto columns = static_cast<std::int64_t>(values.size());
    const TypedMatrix z(DataType::kF32, 1, columns, values);
    for (const Kernel* kernel : kernels_of(KernelFamily::kEpilogue)) {
        Random random("epilogue magnitudes");
        const TypedMatrix other(other_type(kernel->info), 1, columns, make_values(random, 1, columns, Fill::kNormal));
        for (const Epilogue& epilogue : all_epilogues()) {
            INFO(kernel->info.name << ' ' << octile::name_of(epilogue.activation) << (epilogue.range ? ", range" : ""));
            TypedMatrix y(kernel->info.output, 1, columns);
            check(*kernel, epilogue, z, kernel->info.combine == Combine::kNone ? nullptr : &other, y);
        }
    }
}

TEST_CASE("every epilogue with a residual may write over it") {
    for (const Kernel* kernel : kernels_of(KernelFamily::kEpilogue)) {
        const KernelInfo& info = kernel->info;
        if (info.combine != Combine::kResidual || info.output == DataType::kI8) continue;
        for (const Activation activation : kActivations) {
            Random random("epilogue in place");
            INFO(info.name << ", " << random);
            const std::int64_t rows = 3, columns = 53;
            const TypedMatrix z(DataType::kF32, rows, columns, make_values(random, rows, columns, Fill::kNormal));
            TypedMatrix y(info.output, rows, columns, make_values(random, rows, columns, Fill::kNormal), 4);
            const Epilogue epilogue{.activation = activation, .range = {}, .output_scale = 0, .residual = {}};
            const std::vector<float> expected = expected_of(info, epilogue, z, &y);
            REQUIRE(epilogue.run(*kernel, z.view(), y.view(), y.mutable_view()).ok());
            CHECK(first_difference(y, expected) == "");
            CHECK(y.surroundings_intact());
        }
    }
}

// One value at a time through every epilogue without a second operand that writes `type`.
template <typename Visit>
void write_values(DataType type, const std::vector<float>& values, float output_scale, Visit visit) {
    const auto columns = static_cast<std::int64_t>(values.size());
    const TypedMatrix z(DataType::kF32, 1, columns, values);
    int kernels = 0;
    for (const Kernel* kernel : kernels_of(KernelFamily::kEpilogue)) {
        if (kernel->info.output != type || kernel->info.combine != Combine::kNone) continue;
        kernels++;
        TypedMatrix y(type, 1, columns);
        const Epilogue epilogue{
            .activation = Activation::kNone, .range = {}, .output_scale = output_scale, .residual = {}};
        REQUIRE(epilogue.run(*kernel, z.view(), {}, y.mutable_view()).ok());
        INFO(kernel->info.name);
        visit(y);
    }
    CHECK(kernels > 0);
}

TEST_CASE("bf16 results: nearest, ties to even, overflow to infinity, and NaN stays one") {
    const std::vector<std::pair<std::uint32_t, std::uint32_t>> cases = {
        {0x3f800000, 0x3f80},  // 1
        {0x3f808000, 0x3f80},  // ties, to the even one
        {0x3f818000, 0x3f82},
        {0xbf808000, 0xbf80},
        {0xbf818000, 0xbf82},
        {0x3f807fff, 0x3f80},  // beside a tie
        {0x3f808001, 0x3f81},
        {0x00000001, 0x0000},  // denormals
        {0x00008001, 0x0001},
        {0x80018000, 0x8002},
        {0x7f7f7fff, 0x7f7f},  // the largest number, and what rounds beyond
                               // it
        {0x7f7f8000, 0x7f80},
        {0xff7fffff, 0xff80},
        {0x7f800000, 0x7f80},
        {0xff800000, 0xff80},
        {0x80000000, 0x8000},
        {0x7f800001, 0x7fc0},  // a NaN whose payload would be rounded away
        {0x7fffffff, 0x7fff},
        {0xff80ffff, 0xffc0},
    };
    std::vector<float> values;
    for (const auto& [from, to] : cases)
        values.push_back(std::bit_cast<float>(from));
    write_values(DataType::kBF16, values, 0, [&](const TypedMatrix& y) {
        for (std::size_t i = 0; i < cases.size(); i++) {
            INFO(std::hex << cases[i].first);
            if (std::isnan(values[i]))
                CHECK(std::isnan(y.at(0, static_cast<std::int64_t>(i))));
            else
                CHECK(y.bits(0, static_cast<std::int64_t>(i)) == cases[i].second);
        }
    });
}

TEST_CASE("int8 results: rounded to even, saturated on both sides, and NaN is the lowest") {
    const std::vector<std::pair<float, int>> cases = {
        {0.0f, 0},       {-0.0f, 0},     {0.25f, 0},     {0.75f, 2},     {-0.25f, 0},      {-0.75f, -2},
        {63.25f, 126},   {63.5f, 127},   {63.75f, 127},  {64.0f, 127},   {-63.25f, -126},  {-63.5f, -127},
        {-63.75f, -127}, {-64.0f, -127}, {1e30f, 127},   {-1e30f, -127}, {kInfinity, 127}, {-kInfinity, -127},
        {kNan, -127},    {-kNan, -127},  {0x1p-140f, 0},
    };
    std::vector<float> values;
    for (const auto& [from, to] : cases)
        values.push_back(from);
    write_values(DataType::kI8, values, 0.5f, [&](const TypedMatrix& y) {
        for (std::size_t i = 0; i < cases.size(); i++) {
            INFO(cases[i].first);
            CHECK(y.at(0, static_cast<std::int64_t>(i)) == static_cast<float>(cases[i].second));
        }
    });
}

TEST_CASE("f16 results: ties, subnormals and overflow") {
    std::vector<float> values = {65504.0f, 65519.996f, 65520.0f, -65520.0f, 0x1p-24f, 0x1p-25f, 0x1.8p-24f, kInfinity};
    for (int i = 0; i < 64; i++)
        values.push_back(1 + static_cast<float>(i) * 0x1p-13f);
    write_values(DataType::kF16, values, 0, [&](const TypedMatrix& y) { CHECK(first_difference(y, values) == ""); });
}

}  // namespace
}  // namespace octile::test
