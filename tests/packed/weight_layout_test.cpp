// Panels of weights taken apart and put together again, by the rules of docs/layouts.md as data.
#include "runtime/weight_layout.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <map>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

#include "runtime/level_kernels.h"
#include "runtime/linear_parts.h"
#include "tests/kernels/run_layer.h"
#include "tests/support/levels.h"
#include "tests/support/matrices.h"

namespace octile::test {
namespace {

std::vector<std::byte> random_bytes(Random& random, std::int64_t count) {
    std::vector<std::byte> bytes;
    for (std::int64_t i = 0; i < count; i++)
        bytes.push_back(static_cast<std::byte>(random.below(256)));
    return bytes;
}

TEST_CASE("weight layout: the levels of this build are those of its kernels") {
    std::set<std::pair<Isa, Precision>> built;
    for (const Kernel& kernel : kernel_table()) {
        const KernelInfo& info = kernel.info;
        const bool int8 = info.family == KernelFamily::kGemmS8;
        if (!int8 && info.family != KernelFamily::kGemmF16) continue;
        const Precision precision = int8 ? Precision::kInt8 : Precision::kFp16;
        built.emplace(info.isa, precision);
        bool found = false;
        for (const LevelLayout& level : level_layouts()) {
            if (level.isa != info.isa || level.precision != precision) continue;
            found = true;
            INFO(info.name);
            CHECK(level.layout.panel_n == info.panel_n);
            if (int8) CHECK(level.layout.k_block == info.k_block);
            CHECK(level.layout.element_bytes == (int8 ? 1 : 2));
            CHECK(level.column_unit % info.tile_n == 0);
        }
        CHECK(found);
    }
    CHECK(built.size() >= 2);
    CHECK(level_layouts().size() > built.size());  // of other architectures too
}

TEST_CASE("weight layout: every element is where the page says, and comes back") {
    for (const LevelLayout& level : level_layouts()) {
        const WeightLayout& layout = level.layout;
        for (const auto& [n, k] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {5, 7}, {50, 33}, {97, 600}}) {
            std::ostringstream key;
            key << "layout " << static_cast<int>(level.isa) << ' ' << n << ' ' << k;
            Random random(key.str());
            INFO(random);
            const std::int64_t columns = (n + level.column_unit - 1) / level.column_unit * level.column_unit;
            const PanelShape shape{n, k, columns, (k + 15) / 16 * 16};
            const std::vector<std::byte> rows = random_bytes(random, n * k * layout.element_bytes);
            std::vector<std::byte> panels(static_cast<std::size_t>(shape.bytes(layout)), std::byte{0xee});
            to_panels(layout, shape, rows.data(), panels.data());
            std::size_t at = 0, wrong = 0;
            for (std::int64_t p = 0; p < columns / layout.panel_n; p++) {
                for (std::int64_t k_out = 0; k_out < shape.padded_k / layout.k_block; k_out++) {
                    for (std::int64_t row = 0; row < layout.panel_n; row++) {
                        for (std::int64_t k_in = 0; k_in < layout.k_block; k_in++) {
                            const std::int64_t of_n = std::min(row + layout.panel_n * p, n - 1),
                                               of_k = k_in + layout.k_block * k_out;
                            for (std::int64_t byte = 0; byte < layout.element_bytes; byte++, at++) {
                                const std::byte expected = of_k < k
                                                               ? rows[static_cast<std::size_t>(
                                                                     (of_n * k + of_k) * layout.element_bytes + byte)]
                                                               : std::byte{0};
                                wrong += panels[at] != expected;
                            }
                        }
                    }
                }
            }
            CHECK(at == panels.size());
            CHECK(wrong == 0);
            std::vector<std::byte> back(rows.size());
            from_panels(layout, shape, panels.data(), back.data());
            CHECK(back == rows);
        }
    }
}

TEST_CASE("weight layout: what the kernels pack is what the rules pack") {
    for (const Precision precision : {Precision::kInt8, Precision::kFp16}) {
        const KernelFamily family = precision == Precision::kInt8 ? KernelFamily::kGemmS8 : KernelFamily::kGemmF16;
        for (const Level& level : levels_with(family)) {
            const std::int64_t k = 45, n = 77;
            Random random("kernels and rules");
            const TypedMatrix w(DataType::kBF16, n, k, make_values(random, n, k, Fill::kNormal));
            const Linear linear = must(Linear::pack(w.view(), {}, {.precision = precision}, level.isas));
            const LinearParts parts = LinearParts::of(linear);
            std::vector<std::byte> rows(static_cast<std::size_t>(n * k * parts.layout.element_bytes)),
                panels(parts.panels.size());
            from_panels(parts.layout, parts.shape(), parts.panels.data(), rows.data());
            to_panels(parts.layout, parts.shape(), rows.data(), panels.data());
            INFO(linear.kernel_name(2));
            CHECK(std::memcmp(panels.data(), parts.panels.data(), panels.size()) == 0);
        }
    }
}

TEST_CASE("linear parts: borrowed, and packed again from every other level, a layer has its own bits") {
    for (const Precision precision : {Precision::kInt8, Precision::kFp16, Precision::kInt4}) {
        const KernelFamily family = is_quantized(precision) ? KernelFamily::kGemmS8 : KernelFamily::kGemmF16;
        for (const bool gated : {false, true}) {
            const std::int64_t m = 6, k = 61, n = 53;
            Random random("linear parts");
            const TypedMatrix w(DataType::kF32, n, k, make_values(random, n, k, Fill::kNormal)),
                up(DataType::kF32, n, k, make_values(random, n, k, Fill::kNormal));
            const std::vector<float> bias = make_values(random, 1, n, Fill::kNormal),
                                     x = make_values(random, m, k, Fill::kNormal);
            const std::vector<float> multiplier(static_cast<std::size_t>(k), 0.5f);
            const LinearOptions options{
                .precision = precision, .activation = Activation::kGelu, .input_multiplier = multiplier};
            const auto pack = [&](IsaSet isas) {
                return gated ? must(Linear::pack_gated(w.view(), bias, up.view(), {}, options, isas))
                             : must(Linear::pack(w.view(), bias, options, isas));
            };
            for (const Level& from : levels_with(family)) {
                const auto source = std::make_shared<const Linear>(pack(from.isas));
                const LinearParts parts = LinearParts::of(*source);
                const std::int64_t padded = padded_channels(parts.layout, precision, n);
                CHECK(LinearParts::fits(parts.layout, padded, n, precision, from.isas));
                CHECK(readers_of(parts.layout, precision, padded, n).has(from.isa));
                for (const Level& to : levels_with(family)) {
                    const bool fits = LinearParts::fits(parts.layout, parts.padded_n, n, precision, to.isas);
                    if (from.isa == to.isa) CHECK(fits);
                    const Linear made = must(LinearParts::make(parts, source, to.isas));
                    const std::byte* panels = LinearParts::of(made).panels.data();
                    CHECK((panels == parts.panels.data()) == fits);
                    const TypedMatrix expected = run_layer(pack(to.isas), DataType::kF32, x, m, DataType::kF32);
                    INFO(made.kernel_name(m) << " from " << source->kernel_name(m));
                    CHECK(first_difference(run_layer(made, DataType::kF32, x, m, DataType::kF32), expected.values()) ==
                          "");
                }
            }
        }
    }
}

}  // namespace
}  // namespace octile::test
