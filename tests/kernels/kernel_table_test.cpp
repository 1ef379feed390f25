// The kernel table is consistent with itself and with what dispatch relies on. Holds for every build, whatever CPU the
// test runs on.
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "runtime/kernel_table.h"
#include "tests/support/levels.h"

namespace octile::test {
namespace {

// Floating-point panels have no blocks of K.
bool is_f16(KernelFamily family) {
    return family == KernelFamily::kGemmF16 || family == KernelFamily::kPackRowsF16 ||
           family == KernelFamily::kPackWeightsF16;
}

std::string tile_name(const KernelInfo& info) {
    std::ostringstream name;
    const char* separator = "";
    for (const int extent : {info.tile_m, info.tile_n, is_f16(info.family) ? 0 : info.k_block}) {
        if (extent == 0) continue;
        name << separator << extent;
        separator = "x";
    }
    return name.str();
}

// The grammar of kernel names: family, types, activation, tile, level.
std::string name_from_fields(const KernelInfo& info) {
    static const std::map<KernelFamily, std::string> families = {
        {KernelFamily::kQuantizeRows, "quantize_rows"},
        {KernelFamily::kQuantizeWeights, "quantize_weights"},
        {KernelFamily::kPackRowsF16, "pack_rows"},
        {KernelFamily::kPackWeightsF16, "pack_weights"},
        {KernelFamily::kGemmS8, "gemm_s8"},
        {KernelFamily::kGemmF16, "gemm_f16"},
    };
    const bool gemm = info.family == KernelFamily::kGemmS8 || info.family == KernelFamily::kGemmF16;
    std::ostringstream name;
    name << families.at(info.family) << '_' << name_of(gemm ? info.output : info.input) << '_';
    if (gemm) name << name_of(info.activation) << '_';
    name << tile_name(info) << '_' << name_of(info.isa);
    return name.str();
}

std::vector<KernelInfo> rows_of(Isa isa, KernelFamily family) {
    std::vector<KernelInfo> rows;
    for (const Kernel& kernel : kernel_table()) {
        if (kernel.info.isa == isa && kernel.info.family == family) rows.push_back(kernel.info);
    }
    return rows;
}

// Levels of the build, not of the CPU.
std::vector<Isa> built_levels(KernelFamily family) {
    std::set<Isa> levels;
    for (const Kernel& kernel : kernel_table()) {
        if (kernel.info.family == family) levels.insert(kernel.info.isa);
    }
    return {levels.begin(), levels.end()};
}

struct Path {
    KernelFamily gemm, pack_rows, pack_weights;
};
constexpr Path kPaths[] = {{KernelFamily::kGemmS8, KernelFamily::kQuantizeRows, KernelFamily::kQuantizeWeights},
                           {KernelFamily::kGemmF16, KernelFamily::kPackRowsF16, KernelFamily::kPackWeightsF16}};

TEST_CASE("names are unique and spell the fields") {
    std::set<std::string_view> names;
    for (const Kernel& kernel : kernel_table()) {
        CHECK(names.insert(kernel.info.name).second);
        CHECK(kernel.entry != nullptr);
        CHECK(kernel.info.name == name_from_fields(kernel.info));
    }
    CHECK(names.size() > 0);
}

TEST_CASE("the build has the levels of its architecture") {
#if defined(__aarch64__)
    CHECK(built_levels(KernelFamily::kGemmS8) == std::vector{Isa::kNeon, Isa::kDotprod, Isa::kI8mm});
    CHECK(built_levels(KernelFamily::kGemmF16) == std::vector{Isa::kNeon, Isa::kFp16});
#else
    CHECK(built_levels(KernelFamily::kGemmS8) == std::vector{Isa::kAvx2, Isa::kAvx512vnni});
    CHECK(built_levels(KernelFamily::kGemmF16) == std::vector{Isa::kAvx2, Isa::kAvx512vnni});
#endif
}

TEST_CASE("the lowest level has kernels of both precisions, so that no CPU is left without") {
    for (const Path& path : kPaths)
        CHECK(built_levels(path.gemm).front() == built_levels(KernelFamily::kGemmS8).front());
}

TEST_CASE("all kernels of a level and a precision agree on tiles, k block and panel") {
    for (const Path& path : kPaths) {
        for (const Isa isa : built_levels(path.gemm)) {
            INFO(name_of(isa));
            const std::vector<KernelInfo> gemms = rows_of(isa, path.gemm);
            std::set<int> tiles_m, packed_tiles_m;
            for (const KernelInfo& info : gemms) {
                INFO(info.name);
                CHECK(info.tile_m >= 1);
                CHECK(info.tile_n >= 1);
                CHECK(info.tile_n == gemms[0].tile_n);
                CHECK(info.k_block == gemms[0].k_block);
                CHECK(info.panel == gemms[0].panel);
                tiles_m.insert(info.tile_m);
            }
            for (const KernelInfo& info : rows_of(isa, path.pack_rows)) {
                INFO(info.name);
                CHECK(info.k_block == gemms[0].k_block);
                CHECK(info.panel == gemms[0].panel);
                CHECK(info.tile_n == 0);
                packed_tiles_m.insert(info.tile_m);
            }
            CHECK(packed_tiles_m == tiles_m);
            for (const KernelInfo& info : rows_of(isa, path.pack_weights)) {
                INFO(info.name);
                CHECK(info.tile_n == gemms[0].tile_n);
                CHECK(info.k_block == gemms[0].k_block);
                CHECK(info.tile_m == 0);
                CHECK(info.panel == (path.gemm == KernelFamily::kGemmS8 ? Element::kS8 : Element::kF16));
            }
        }
    }
}

TEST_CASE("the padding of K holds every k block") {
    for (const Kernel& kernel : kernel_table()) {
        INFO(kernel.info.name);
        REQUIRE(kernel.info.k_block >= 1);
        CHECK(kReductionPadding % kernel.info.k_block == 0);
    }
}

TEST_CASE("every level has every activation and type at every tile height, once") {
    for (const Path& path : kPaths) {
        for (const Isa isa : built_levels(path.gemm)) {
            INFO(name_of(isa));
            std::map<std::tuple<int, DataType, Activation>, int> gemms;
            std::map<std::tuple<int, DataType>, int> pack_rows;
            std::map<DataType, int> pack_weights;
            std::set<int> tiles_m;
            for (const KernelInfo& info : rows_of(isa, path.gemm)) {
                gemms[{info.tile_m, info.output, info.activation}]++;
                tiles_m.insert(info.tile_m);
            }
            for (const KernelInfo& info : rows_of(isa, path.pack_rows))
                pack_rows[{info.tile_m, info.input}]++;
            for (const KernelInfo& info : rows_of(isa, path.pack_weights))
                pack_weights[info.input]++;
            for (const int tile_m : tiles_m) {
                for (const DataType type : kActivationTypes) {
                    CHECK(pack_rows[{tile_m, type}] == 1);
                    for (const Activation activation : kActivations)
                        CHECK(gemms[{tile_m, type, activation}] == 1);
                }
            }
            for (const DataType type : kWeightTypes)
                CHECK(pack_weights[type] == 1);
            // Looked up and found above: a count that grew would be a row that nobody can reach.
            CHECK(gemms.size() == tiles_m.size() * kActivationTypes.size() * kActivations.size());
            CHECK(pack_rows.size() == tiles_m.size() * kActivationTypes.size());
            CHECK(pack_weights.size() == kWeightTypes.size());
        }
    }
}

}  // namespace
}  // namespace octile::test
