// Attention and what places its operands: the reference's bits on every level, for every number of queries and keys.
#include "runtime/attention.h"

#include <catch2/catch.hpp>
#include <limits>
#include <sstream>
#include <vector>

#include "tests/reference/network.h"
#include "tests/support/levels.h"
#include "tests/support/matrices.h"
#include "tests/support/seed.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {
namespace {

NetworkKernels kernels_of_level(const Level& level) {
    Result<NetworkKernels> kernels = NetworkKernels::find(level.isas);
    REQUIRE(kernels.ok());
    return std::move(kernels).value();
}

// Rows of one head among others: `columns` of a wider matrix.
const float* row_of(const TypedMatrix& matrix, std::int64_t row) {
    return static_cast<const float*>(matrix.view().data) + row * matrix.view().row_stride;
}

struct Case {
    std::int64_t head, queries, keys;
    bool causal;
};

// Keys where the kernels read them; what pads the last block is NaN.
std::vector<float> placed(const NetworkKernels& kernels, const TypedMatrix& keys) {
    const std::int64_t head = keys.columns(), count = keys.rows();
    std::vector<float> blocks(static_cast<std::size_t>(key_blocks(count) * kKeyBlock * head),
                              std::numeric_limits<float>::quiet_NaN());
    for (std::int64_t first = 0; first < count; first += kKeyBlock) {
        const std::int64_t tokens = std::min(kKeyBlock, count - first);
        const HeadView x{const_cast<float*>(row_of(keys, first)), 1, head, keys.view().row_stride};
        const HeadView y{blocks.data() + first * head, kKeyBlock, kKeyBlock * head, 1};
        REQUIRE(place_heads(kernels, x, y, head, 1, tokens, {}).ok());
    }
    return blocks;
}

struct Operands {
    TypedMatrix q, k, v;
    float scale;

    Operands(Random& random, const Case& c, Fill fill)
        : q(DataType::kF32, c.queries, c.head, make_values(random, c.queries, c.head, fill), 5),
          k(DataType::kF32, c.keys, c.head, make_values(random, c.keys, c.head, Fill::kNormal), 3),
          v(DataType::kF32, c.keys, c.head, make_values(random, c.keys, c.head, fill), 2),
          scale(1 / std::sqrt(static_cast<float>(c.head))) {}

    std::vector<float> expected(const Case& c) const {
        std::vector<float> y;
        for (std::int64_t m = 0; m < c.queries; m++) {
            const std::int64_t seen = c.causal ? c.keys - c.queries + m + 1 : c.keys;
            const std::vector<float> keys = k.values(), values = v.values(), query = q.values();
            const std::vector<float> row = reference::attend(
                std::span(query).subspan(static_cast<std::size_t>(m * c.head), static_cast<std::size_t>(c.head)),
                keys.data(), values.data(), static_cast<std::size_t>(c.head), static_cast<std::size_t>(seen), scale);
            y.insert(y.end(), row.begin(), row.end());
        }
        return y;
    }

    TypedMatrix run(const NetworkKernels& kernels, const Case& c, const float* bias = nullptr) const {
        const std::vector<float> keys = placed(kernels, k);
        TypedMatrix y(DataType::kF32, c.queries, c.head, 7);
        AttentionTile tile;
        tile.queries = row_of(q, 0);
        tile.query_stride = q.view().row_stride;
        tile.keys = keys.data();
        tile.values = row_of(v, 0);
        tile.value_stride = v.view().row_stride;
        tile.features = c.head;
        tile.scale = scale;
        tile.visible = static_cast<std::int32_t>(c.causal ? c.keys - c.queries + 1 : c.keys);
        tile.step = c.causal ? 1 : 0;
        tile.bias = bias;
        tile.bias_stride = -1;
        tile.y = static_cast<float*>(y.mutable_view().data);
        tile.y_stride = y.view().row_stride;
        std::vector<float> scratch(static_cast<std::size_t>(attention_scratch(kernels, c.keys)));
        REQUIRE(attend(kernels, tile, c.queries, scratch.data()).ok());
        CHECK(y.surroundings_intact());
        return y;
    }
};

TEST_CASE("attention: the reference's bits on every level") {
    std::vector<Case> cases;
    for (const std::int64_t head : {16, 32, 48, 64, 80, 96, 128, 256})
        for (const std::int64_t keys : {1, 31, 32, 33, 70})
            cases.push_back({head, 1 + keys % 9, keys, false});
    for (std::int64_t queries = 1; queries <= 20; queries++)
        cases.push_back({32, queries, queries + 17, queries % 2 == 0});
    cases.push_back({64, 4, 2048, false});
    cases.push_back({64, 9, 1000, true});
    for (const Case& c : cases) {
        for (const Fill fill : {Fill::kNormal, Fill::kOutlier, Fill::kDenormal}) {
            std::ostringstream key;
            key << "attention " << c.head << ' ' << c.queries << ' ' << c.keys << ' ' << name_of(fill);
            Random random(key.str());
            INFO(random);
            const Operands operands(random, c, fill);
            const std::vector<float> expected = operands.expected(c);
            for (const Level& level : levels_with(KernelFamily::kAttention)) {
                INFO(name_of(level.isa));
                CHECK(first_difference(operands.run(kernels_of_level(level), c), expected) == "");
            }
        }
    }
}

TEST_CASE("attention with a bias: the reference's bits on every level, and no weight where it is -infinity") {
    for (const Case& c :
         std::vector<Case>{{16, 1, 1, false}, {32, 7, 70, false}, {48, 20, 33, true}, {64, 9, 300, true}}) {
        Random random("attention bias");
        const Operands operands(random, c, Fill::kNormal);
        // By distance, as a window of 20 keys has it; a query's own key is always there.
        const std::int64_t reach = key_blocks(c.keys) * kKeyBlock;
        std::vector<float> table = make_values(random, 1, 2 * reach, Fill::kNormal);
        for (std::int64_t i = 0; i < 2 * reach; i++)
            if (std::abs(i - reach) > 20) table[static_cast<std::size_t>(i)] = -std::numeric_limits<float>::infinity();
        const std::int64_t first = c.keys - c.queries;  // the first query's place among the keys
        const float* bias = table.data() + reach - first;
        std::vector<float> expected;
        for (std::int64_t m = 0; m < c.queries; m++) {
            const std::int64_t seen = c.causal ? first + m + 1 : c.keys;
            const std::vector<float> keys = operands.k.values(), values = operands.v.values(),
                                     query = operands.q.values();
            const std::vector<float> row = reference::attend(
                std::span(query).subspan(static_cast<std::size_t>(m * c.head), static_cast<std::size_t>(c.head)),
                keys.data(), values.data(), static_cast<std::size_t>(c.head), static_cast<std::size_t>(seen),
                operands.scale, {bias - m, static_cast<std::size_t>(seen)});
            expected.insert(expected.end(), row.begin(), row.end());
        }
        for (const Level& level : levels_with(KernelFamily::kAttention)) {
            INFO(name_of(level.isa) << ", " << c.queries << " queries of " << c.keys << " keys");
            CHECK(first_difference(operands.run(kernels_of_level(level), c, bias), expected) == "");
        }
    }
}

// Sums of count and head terms: 2 gamma(head + 3) of the scores' magnitude in the exponent, and a rounding per key.
TEST_CASE("attention is near the exact one") {
    const Case c{64, 1, 500, false};
    Random random("attention accuracy");
    const Operands operands(random, c, Fill::kNormal);
    const std::vector<float> got = operands.expected(c), keys = operands.k.values(), values = operands.v.values(),
                             query = operands.q.values();
    const std::vector<double> want =
        reference::exact::attend(query, keys.data(), values.data(), 64, 500, static_cast<double>(operands.scale));
    double size = 0;
    for (std::size_t d = 0; d < 64; d++)
        size = std::max(size, std::abs(static_cast<double>(query[d])) * 3.5 * 64 / 8);
    const double bound = 3.5 * (2 * 67 * size + 560) * 0x1p-24;
    for (std::size_t d = 0; d < 64; d++)
        CHECK(std::abs(static_cast<double>(got[d]) - want[d]) <= bound);
}

TEST_CASE("a NaN is seen by those that see its key, and by no query of an earlier tile's call") {
    const Case c{32, 1, 40, true};
    Random random("attention NaN");
    const float nan = std::bit_cast<float>(0x7fc00155u);
    for (const Level& level : levels_with(KernelFamily::kAttention)) {
        const NetworkKernels kernels = kernels_of_level(level);
        for (int operand = 0; operand < 3; operand++) {
            Operands operands(random, c, Fill::kNormal);
            (operand == 0 ? operands.q : operand == 1 ? operands.k : operands.v).set(0, 3, nan);
            const TypedMatrix y = operands.run(kernels, c);
            INFO(name_of(level.isa) << ", operand " << operand);
            for (std::int64_t d = 0; d < 32; d++)
                CHECK(std::isnan(y.at(0, d)) == (operand < 2 || d == 3));
            // The last key is behind what a query of one key less sees.
            const Case before{32, 1, 39, true};
            Operands later(random, c, Fill::kNormal);
            const std::vector<float> keys = placed(kernels, later.k);
            later.k.set(39, 0, nan);
            later.v.set(39, 0, nan);
            const TypedMatrix row = later.run(kernels, before);
            for (std::int64_t d = 0; d < 32; d++)
                CHECK_FALSE(std::isnan(row.at(0, d)));
        }
    }
}

TEST_CASE("rotary embedding: the reference's bits, and keys in blocks") {
    for (const std::int64_t head : {16, 48, 64, 128}) {
        for (const std::int64_t tokens : {1, 3, 32}) {
            Random random("rotary");
            const std::int64_t heads = 3, columns = heads * head;
            const TypedMatrix x(DataType::kF32, tokens, columns, make_values(random, tokens, columns, Fill::kNormal),
                                4);
            const std::vector<float> cos = make_values(random, tokens, head / 2, Fill::kNormal),
                                     sin = make_values(random, tokens, head / 2, Fill::kNormal);
            std::vector<float> expected = x.values();
            for (std::int64_t i = 0; i < tokens * heads; i++) {
                const std::span row =
                    std::span(expected).subspan(static_cast<std::size_t>(i * head), static_cast<std::size_t>(head));
                reference::rotate_half(row, [&](std::size_t pair) {
                    const std::size_t at = static_cast<std::size_t>(i / heads * head / 2) + pair;
                    return reference::Angle{cos[at], sin[at]};
                });
            }
            for (const Level& level : levels_with(KernelFamily::kRotary)) {
                INFO(name_of(level.isa) << ", head " << head << ", tokens " << tokens);
                const NetworkKernels kernels = kernels_of_level(level);
                const HeadView source{const_cast<float*>(row_of(x, 0)), 1, head, x.view().row_stride};
                TypedMatrix y(DataType::kF32, tokens, columns, 1);
                const HeadView rows{static_cast<float*>(y.mutable_view().data), 1, head, y.view().row_stride};
                REQUIRE(place_heads(kernels, source, rows, head, heads, tokens, {cos.data(), sin.data()}).ok());
                CHECK(first_difference(y, expected) == "");
                CHECK(y.surroundings_intact());

                // [heads, head, 32]
                TypedMatrix blocks(DataType::kF32, columns, kKeyBlock);
                const HeadView keys{static_cast<float*>(blocks.mutable_view().data), kKeyBlock, head * kKeyBlock, 1};
                REQUIRE(place_heads(kernels, source, keys, head, heads, tokens, {cos.data(), sin.data()}).ok());
                bool same = true;
                for (std::int64_t t = 0; t < tokens; t++)
                    for (std::int64_t column = 0; column < columns; column++)
                        same = same && blocks.at(column, t) == expected[static_cast<std::size_t>(t * columns + column)];
                CHECK(same);
            }
        }
    }
}

TEST_CASE("heads of a width that no kernel has are padded with 0, turned by their own half") {
    for (const std::int64_t head : {1, 2, 10, 26, 31}) {
        const std::int64_t tokens = 3, heads = 2, wide = padded_head(head);
        Random random("padded heads");
        const TypedMatrix x(DataType::kF32, tokens, heads * head,
                            make_values(random, tokens, heads * head, Fill::kNormal), 4);
        const std::vector<float> cos = make_values(random, tokens, head / 2 + 1, Fill::kNormal),
                                 sin = make_values(random, tokens, head / 2 + 1, Fill::kNormal);
        for (const bool turned : {false, true}) {
            if (turned && head % 2 != 0) continue;
            std::vector<float> expected(static_cast<std::size_t>(tokens * heads * wide));
            for (std::int64_t i = 0; i < tokens * heads; i++) {
                const std::span to =
                    std::span(expected).subspan(static_cast<std::size_t>(i * wide), static_cast<std::size_t>(head));
                for (std::int64_t d = 0; d < head; d++)
                    to[static_cast<std::size_t>(d)] = x.at(i / heads, i % heads * head + d);
                if (!turned) continue;
                reference::rotate_half(to, [&](std::size_t pair) {
                    const std::size_t at = static_cast<std::size_t>(i / heads * (head / 2)) + pair;
                    return reference::Angle{cos[at], sin[at]};
                });
            }
            const NetworkKernels kernels = kernels_of_level(levels_with(KernelFamily::kRotary).front());
            const HeadView source{const_cast<float*>(row_of(x, 0)), 1, head, x.view().row_stride};
            TypedMatrix y(DataType::kF32, tokens, heads * wide, 1);
            const HeadView rows{static_cast<float*>(y.mutable_view().data), 1, wide, y.view().row_stride};
            const RotaryRows rotary = turned ? RotaryRows{cos.data(), sin.data()} : RotaryRows{};
            REQUIRE(place_heads(kernels, source, rows, head, heads, tokens, rotary).ok());
            INFO("head " << head << (turned ? ", turned" : ""));
            CHECK(first_difference(y, expected) == "");
            CHECK(y.surroundings_intact());
        }
    }
}

}  // namespace
}  // namespace octile::test
