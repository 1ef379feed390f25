// Tables, pooling, normalization, elementwise operations: the reference's bits on every level and number of threads.
#include "runtime/network_kernels.h"

#include <catch2/catch.hpp>
#include <limits>
#include <vector>

#include "tests/reference/network.h"
#include "tests/support/levels.h"
#include "tests/support/matrices.h"
#include "tests/support/process_settings.h"
#include "tests/support/seed.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {
namespace {

constexpr std::int64_t kColumns[] = {1, 3, 15, 16, 17, 33, 100, 384};

template <typename Visit>
void on_every_level(Visit visit) {
    for (const Level& level : levels_with(KernelFamily::kMeanPool)) {
        for (const int count : {1, 4}) {
            const ThreadCount threads(count);
            INFO(name_of(level.isa) << ", " << count << " threads");
            Result<NetworkKernels> kernels = NetworkKernels::find(level.isas);
            REQUIRE(kernels.ok());
            visit(kernels.value());
        }
    }
}

TEST_CASE("rows of tables, and their sums") {
    const std::int64_t rows = 40, m = 700;
    for (const std::int64_t k : kColumns) {
        Random random("tables");
        std::vector<std::int32_t> index;
        for (std::int64_t i = 0; i < m; i++)
            index.push_back(static_cast<std::int32_t>(random.below(rows)));
        index.front() = 0;
        index.back() = rows - 1;
        for (const DataType type : kActivationTypes) {
            const TypedMatrix table(type, rows, k, make_values(random, rows, k, Fill::kNormal), 2);
            std::vector<float> once, twice;
            for (std::int64_t i = 0; i < m * k; i++) {
                once.push_back(table.at(index[static_cast<std::size_t>(i / k)], i % k));
                twice.push_back(once.back() + once.back());
            }
            on_every_level([&](const NetworkKernels& kernels) {
                TypedMatrix y(DataType::kF32, m, k, 3);
                REQUIRE(embed_rows(kernels, table.view(), index, false, y.mutable_view()).ok());
                CHECK(first_difference(y, once) == "");
                REQUIRE(embed_rows(kernels, table.view(), index, true, y.mutable_view()).ok());
                CHECK(first_difference(y, twice) == "");
                CHECK(y.surroundings_intact());
            });
        }
    }
}

TEST_CASE("means of rows") {
    for (const std::int64_t k : kColumns) {
        for (const std::int64_t m : {1, 2, 129}) {
            Random random("mean");
            const TypedMatrix x(DataType::kF32, m, k, make_values(random, m, k, Fill::kOutlier), 1);
            const std::vector<float> values = x.values();
            const std::vector<float> expected = reference::mean_of_rows(values, static_cast<std::size_t>(k));
            on_every_level([&](const NetworkKernels& kernels) {
                TypedMatrix y(DataType::kF32, 1, k);
                REQUIRE(mean_of_rows(kernels, x.view(), static_cast<float*>(y.mutable_view().data)).ok());
                CHECK(first_difference(y, expected) == "");
                CHECK(y.surroundings_intact());
            });
        }
    }
}

TEST_CASE("rows divided by their length") {
    const std::int64_t m = 20;
    for (const std::int64_t k : kColumns) {
        for (const Fill fill : {Fill::kNormal, Fill::kZero, Fill::kDenormal, Fill::kOutlier}) {
            Random random("length");
            TypedMatrix x(DataType::kF32, m, k, make_values(random, m, k, fill), 1);
            x.set(7, k / 2, std::numeric_limits<float>::quiet_NaN());
            const std::vector<float> values = x.values();
            std::vector<float> expected;
            for (std::int64_t row = 0; row < m; row++) {
                const auto part =
                    std::span(values).subspan(static_cast<std::size_t>(row * k), static_cast<std::size_t>(k));
                for (const float value : reference::normalize(part, 1e-12f))
                    expected.push_back(value);
            }
            on_every_level([&](const NetworkKernels& kernels) {
                TypedMatrix y(DataType::kF32, m, k, 2);
                REQUIRE(normalize_rows(kernels, x.view(), 1e-12f, y.mutable_view()).ok());
                CHECK(first_difference(y, expected) == "");
                CHECK(y.surroundings_intact());
            });
        }
    }
}

TEST_CASE("activations, sums and gates of whole matrices") {
    const std::int64_t m = 300, k = 75;
    Random random("elementwise");
    const TypedMatrix a(DataType::kF32, m, k, make_values(random, m, k, Fill::kNormal), 1),
        b(DataType::kF32, m, k, make_values(random, m, k, Fill::kNormal), 2);
    const std::vector<float> as = a.values(), bs = b.values();
    for (const Activation activation : kActivations) {
        std::vector<float> activated, added, gated;
        for (std::size_t i = 0; i < as.size(); i++) {
            activated.push_back(reference::activate(activation, as[i]));
            added.push_back(activated.back() + bs[i]);
            gated.push_back(activated.back() * bs[i]);
        }
        on_every_level([&](const NetworkKernels& kernels) {
            TypedMatrix y(DataType::kF32, m, k, 3);
            REQUIRE(activate_and_add(kernels, activation, a.view(), {}, y.mutable_view()).ok());
            CHECK(first_difference(y, activated) == "");
            REQUIRE(activate_and_add(kernels, activation, a.view(), b.view(), y.mutable_view()).ok());
            CHECK(first_difference(y, added) == "");
            REQUIRE(multiply_by_gate(kernels, activation, a.view(), b.view(), y.mutable_view()).ok());
            CHECK(first_difference(y, gated) == "");
            CHECK(y.surroundings_intact());
        });
    }
}

TEST_CASE("levels without kernels for a network are told") {
    CHECK(NetworkKernels::find({}).status().code() == StatusCode::kUnsupported);
}

}  // namespace
}  // namespace octile::test
