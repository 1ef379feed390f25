// The kernel table is consistent with itself and with what dispatch relies on. Holds for every build, whatever CPU the
// test runs on.
#include <algorithm>
#include <bit>
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

// Rows of the panels that several rows of activations come in.
int wide_panel(Isa isa, KernelFamily family) {
    int widest = 0;
    for (const KernelInfo& info : rows_of(isa, family))
        widest = std::max(widest, info.panel_m);
    return widest;
}

std::string scaling_name(Scaling scaling) {
    static const std::map<Scaling, std::string> names = {{Scaling::kDynamic, "dynamic"},
                                                         {Scaling::kStatic, "static"},
                                                         {Scaling::kAsymmetric, "asymmetric"},
                                                         {Scaling::kReady, "ready"}};
    return names.at(scaling);
}

std::string combine_name(Combine combine) {
    static const std::map<Combine, std::string> names = {
        {Combine::kNone, "none"}, {Combine::kResidual, "residual"}, {Combine::kGate, "gate"}};
    return names.at(combine);
}

// The grammar of kernel names: family, what it is a variant of, tile or panel, level.
std::string name_from_fields(const KernelInfo& info) {
    const bool ready = info.scaling == Scaling::kReady;
    const std::string input(octile::name_of(info.input)), output(octile::name_of(info.output));
    std::ostringstream name;
    switch (info.family) {
        case KernelFamily::kQuantizeRows:
            name << (ready ? "pack_rows" : "quantize_rows_" + scaling_name(info.scaling)) << '_' << input << '_'
                 << info.panel_m << 'x' << info.k_block;
            break;
        case KernelFamily::kQuantizeWeights:
            name << (ready ? "pack" : "quantize") << "_weights_" << input << '_' << info.panel_n << 'x' << info.k_block;
            break;
        case KernelFamily::kUnpackS4:
            name << "unpack_s4_" << info.panel_n << 'x' << info.k_block;
            break;
        case KernelFamily::kPackRowsF16:
            name << "pack_rows_" << input << '_' << info.panel_m;
            break;
        case KernelFamily::kPackWeightsF16:
            name << "pack_weights_" << input << '_' << info.panel_n;
            break;
        case KernelFamily::kGemmS8:
            name << "gemm_s8_" << (info.scaling == Scaling::kDynamic ? "" : scaling_name(info.scaling) + '_')
                 << info.tile_m << 'x' << info.tile_n << 'x' << info.k_block;
            break;
        case KernelFamily::kGemmF16:
            name << "gemm_f16_" << info.tile_m << 'x' << info.tile_n;
            break;
        case KernelFamily::kEpilogue:
            name << "epilogue_" << combine_name(info.combine) << '_' << output;
            break;
        case KernelFamily::kLayerNorm:
            name << "layernorm_" << combine_name(info.combine) << '_' << input;
            break;
        case KernelFamily::kRmsNorm:
            name << "rmsnorm_" << combine_name(info.combine) << '_' << input;
            break;
        case KernelFamily::kAttention:
            name << "attention_" << (info.combine == Combine::kResidual ? "biased_" : "") << info.tile_m;
            break;
        case KernelFamily::kSplitHeads:
            name << "split_heads";
            break;
        case KernelFamily::kRotary:
            name << "rotary";
            break;
        case KernelFamily::kEmbedding:
            name << "embedding_" << combine_name(info.combine) << '_' << input;
            break;
        case KernelFamily::kMeanPool:
            name << "mean_pool";
            break;
        case KernelFamily::kNormalize:
            name << "normalize";
            break;
    }
    const bool gemm = info.family == KernelFamily::kGemmS8 || info.family == KernelFamily::kGemmF16;
    if (gemm && is_for_single_row(info)) name << "_row";
    if (info.weights == WeightSize::kLarge) name << "_large";
    // What the first schedule does not have is called after the first that does.
    if (!info.is_of(0)) {
        std::string schedule(built_schedules()[static_cast<std::size_t>(std::countr_zero(info.schedules))]);
        std::replace_if(
            schedule.begin(), schedule.end(), [](char c) { return c == '-' || c == '.'; }, '_');
        name << '_' << schedule;
    }
    name << '_' << name_of(info.isa);
    return name.str();
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

#ifdef OCTILE_ALL_LEVELS
TEST_CASE("the build has the levels of its architecture") {
    const std::vector<Isa> int8 = built_levels(KernelFamily::kGemmS8), fp16 = built_levels(KernelFamily::kGemmF16);
    for (int i = 0; i < kIsaCount; i++) {
        const Isa isa = static_cast<Isa>(i);
#if defined(__aarch64__)
        const bool ours = isa >= Isa::kNeon;
#else
        const bool ours = isa < Isa::kNeon;
#endif
        INFO(name_of(isa));
        const bool has_int8 = std::count(int8.begin(), int8.end(), isa),
                   has_fp16 = std::count(fp16.begin(), fp16.end(), isa);
        CHECK((has_int8 || has_fp16) == ours);
        CHECK(has_int8 == (ours && isa != Isa::kFp16));
    }
}
#endif

TEST_CASE("the lowest level has kernels of every family, so that no CPU is left without") {
    const Isa lowest = built_levels(KernelFamily::kGemmS8).front();
    for (const Kernel& kernel : kernel_table()) {
        INFO(kernel.info.name);
        CHECK_FALSE(rows_of(lowest, kernel.info.family).empty());
        CHECK(kernel.info.isa >= lowest);
    }
    for (const KernelFamily family : {KernelFamily::kGemmF16, KernelFamily::kEpilogue})
        CHECK_FALSE(rows_of(lowest, family).empty());
}

// Rows of `family` that serve the GEMMs of a level: its own, or, where it has none, those of the highest level below.
std::vector<KernelInfo> packing_rows_of(Isa isa, KernelFamily family) {
    std::vector<KernelInfo> rows = rows_of(isa, family);
    for (int lower = static_cast<int>(isa) - 1; rows.empty() && lower >= 0; lower--)
        rows = rows_of(static_cast<Isa>(lower), family);
    return rows;
}

TEST_CASE("all kernels of a level and a precision agree on panels and k block") {
    for (const Path& path : kPaths) {
        for (const Isa isa : built_levels(path.gemm)) {
            INFO(name_of(isa));
            const std::vector<KernelInfo> gemms = rows_of(isa, path.gemm);
            const KernelInfo& first = gemms[0];
            std::set<int> panels_m, packed_panels_m;
            for (const KernelInfo& info : gemms) {
                INFO(info.name);
                CHECK(info.tile_m >= 1);
                CHECK(info.tile_m <= info.panel_m);
                CHECK(info.panel_n >= 1);
                CHECK(info.panel_n == first.panel_n);
                CHECK(info.tile_n >= info.panel_n);
                CHECK(info.tile_n % info.panel_n == 0);
                CHECK(info.k_block == first.k_block);
                CHECK(info.panel == first.panel);
                CHECK(info.output == DataType::kF32);
                panels_m.insert(info.panel_m);
            }
            // That of several rows and that of one.
            CHECK(panels_m.size() == 2);
            for (const KernelInfo& info : packing_rows_of(isa, path.pack_rows)) {
                INFO(info.name);
                CHECK(info.k_block == first.k_block);
                CHECK(info.panel == first.panel);
                CHECK(info.tile_m == 0);
                CHECK(info.panel_n == 0);
                packed_panels_m.insert(info.panel_m);
            }
            CHECK(packed_panels_m == panels_m);
            for (const KernelInfo& info : packing_rows_of(isa, path.pack_weights)) {
                INFO(info.name);
                CHECK(info.panel_n == first.panel_n);
                CHECK(info.k_block == first.k_block);
                CHECK(info.panel_m == 0);
                CHECK(info.panel == (path.gemm == KernelFamily::kGemmS8 ? Element::kS8 : Element::kF16));
            }
        }
    }
}

TEST_CASE("the widest tile of a level is a multiple of all others, which the padding of N relies on") {
    for (const Path& path : kPaths) {
        for (const Isa isa : built_levels(path.gemm)) {
            int widest = 0;
            for (const KernelInfo& info : rows_of(isa, path.gemm))
                widest = std::max(widest, info.tile_n);
            for (const KernelInfo& info : rows_of(isa, path.gemm)) {
                INFO(info.name);
                CHECK(widest % info.tile_n == 0);
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

TEST_CASE("every level has a GEMM of every scaling for every number of rows, once") {
    for (const Path& path : kPaths) {
        for (const Isa isa : built_levels(path.gemm)) {
            INFO(name_of(isa));
            std::set<Scaling> scalings = {Scaling::kDynamic};
            if (path.gemm == KernelFamily::kGemmS8) scalings.insert(Scaling::kAsymmetric);
            // Where rows of ready levels need kernels of their own, they do at every number of rows.
            for (const KernelInfo& info : rows_of(isa, path.gemm))
                if (info.scaling == Scaling::kReady) scalings.insert(Scaling::kReady);
            const int wide = wide_panel(isa, path.gemm);
            for (int schedule = 0; schedule < static_cast<int>(built_schedules().size()); schedule++) {
                INFO(built_schedules()[static_cast<std::size_t>(schedule)]);
                std::map<std::tuple<bool, int, Scaling, WeightSize>, int> gemms;
                std::set<WeightSize> sizes = {WeightSize::kAny};
                for (const KernelInfo& info : rows_of(isa, path.gemm)) {
                    if (!info.is_of(schedule)) continue;
                    gemms[{info.panel_m == wide, info.tile_m, info.scaling, info.weights}]++;
                    sizes.insert(info.weights);
                }
                for (const Scaling scaling : scalings) {
                    for (const WeightSize size : sizes) {
                        CHECK(gemms[{false, 1, scaling, size}] == 1);
                        for (int rows = 1; rows <= wide; rows++)
                            CHECK(gemms[{true, rows, scaling, size}] == 1);
                    }
                }
                // Looked up and found above: a count that grew would be a row that nobody can reach.
                CHECK(gemms.size() == scalings.size() * sizes.size() * static_cast<std::size_t>(wide + 1));
            }
        }
    }
}

TEST_CASE("every row is of a schedule of the archive, and but for GEMMs of all") {
    const auto schedules = static_cast<int>(built_schedules().size());
    REQUIRE(schedules >= 1);
    REQUIRE(schedules <= 32);
    for (const Kernel& kernel : kernel_table()) {
        INFO(kernel.info.name);
        int count = 0;
        for (int schedule = 0; schedule < schedules; schedule++)
            count += kernel.info.is_of(schedule);
        CHECK(count >= 1);
        const bool gemm = kernel.info.family == KernelFamily::kGemmS8 || kernel.info.family == KernelFamily::kGemmF16;
        if (!gemm) CHECK(count == schedules);
    }
}

TEST_CASE("every level packs every type, in every way, once") {
    for (const Path& path : kPaths) {
        const bool int8 = path.gemm == KernelFamily::kGemmS8;
        const std::vector<Scaling> scalings =
            int8 ? std::vector{Scaling::kDynamic, Scaling::kStatic, Scaling::kAsymmetric}
                 : std::vector{Scaling::kDynamic};
        for (const Isa isa : built_levels(path.gemm)) {
            INFO(name_of(isa));
            std::map<std::tuple<int, DataType, Scaling>, int> rows, weights;
            std::set<int> panels_m;
            for (const KernelInfo& info : rows_of(isa, path.gemm))
                panels_m.insert(info.panel_m);
            for (const KernelInfo& info : packing_rows_of(isa, path.pack_rows))
                rows[{info.panel_m, info.input, info.scaling}]++;
            for (const KernelInfo& info : packing_rows_of(isa, path.pack_weights))
                weights[{0, info.input, info.scaling}]++;
            for (const int panel_m : panels_m) {
                for (const DataType type : kActivationTypes) {
                    for (const Scaling scaling : scalings)
                        CHECK(rows[{panel_m, type, scaling}] == 1);
                }
                if (int8) CHECK(rows[{panel_m, DataType::kI8, Scaling::kReady}] == 1);
            }
            for (const DataType type : kWeightTypes)
                CHECK(weights[{0, type, Scaling::kDynamic}] == 1);
            if (int8) CHECK(weights[{0, DataType::kI8, Scaling::kReady}] == 1);
            CHECK(rows.size() == panels_m.size() * (kActivationTypes.size() * scalings.size() + int8));
            CHECK(weights.size() == kWeightTypes.size() + int8);
        }
    }
}

TEST_CASE("every level of epilogues combines in every way, once, and the lowest writes every type") {
    const std::vector<Isa> levels = built_levels(KernelFamily::kEpilogue);
    for (const Isa isa : levels) {
        INFO(name_of(isa));
        std::map<std::tuple<DataType, Combine>, int> found;
        std::set<DataType> types;
        for (const KernelInfo& info : rows_of(isa, KernelFamily::kEpilogue)) {
            found[{info.output, info.combine}]++;
            types.insert(info.output);
        }
        for (const DataType type : types) {
            for (const Combine combine : {Combine::kNone, Combine::kResidual, Combine::kGate})
                CHECK(found[{type, combine}] == 1);
        }
        CHECK(found.size() == types.size() * 3);
        // A higher level may leave a type to one below.
        if (isa == levels.front()) CHECK(types.size() == 4);
    }
}

}  // namespace
}  // namespace octile::test
