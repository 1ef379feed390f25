// Memory of a call: a workspace grows to what a call needs and keeps it: the second call of a shape takes nothing from
// the heap, and a heap that is full is an error like any other.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <memory>
#include <vector>

#include "octile/linear.h"
#include "tests/inputs/status_checks.h"
#include "tests/runtime/heap.h"
#include "tests/support/levels.h"
#include "tests/support/matrices.h"
#include "tests/support/process_settings.h"
#include "tests/support/seed.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {
namespace {

// Where the optimizer cannot see that the memory is not needed.
void* volatile sink;

TEST_CASE("the counter counts") {
    const int before = allocations();
    sink = std::malloc(10);
    std::free(sink);
    CHECK(allocations() == before + 1);
    sink = std::aligned_alloc(64, 64);
    std::free(sink);
    CHECK(allocations() == before + 2);
    sink = new int;
    delete static_cast<int*>(sink);
    CHECK(allocations() == before + 3);
    const FullHeap full(100);
    sink = std::malloc(100);
    CHECK(sink == nullptr);
    sink = std::malloc(99);
    CHECK(sink != nullptr);
    std::free(sink);
}

TEST_CASE("the second run of a shape, and any smaller one, allocates nothing") {
    // So many operations that packing and multiplying are cut into pieces.
    const std::int64_t k = 700, n = 330;
    Random random("workspace");
    const TypedMatrix w(DataType::kF32, n, k, make_values(random, n, k, Fill::kNormal));
    for (const auto& [precision, family] : {std::pair{Precision::kInt8, KernelFamily::kGemmS8},
                                            {Precision::kFp16, KernelFamily::kGemmF16},
                                            {Precision::kInt4, KernelFamily::kGemmS8}}) {
        for (const Level& level : levels_with(family)) {
            const LinearOptions options{.precision = precision, .activation = Activation::kGelu};
            std::vector<Result<Linear>> layers;
            layers.push_back(Linear::pack(w.view(), {}, options, level.isas));
            layers.push_back(Linear::pack_gated(w.view(), {}, w.view(), {}, options, level.isas));
            for (const Result<Linear>& linear : layers) {
                REQUIRE(linear.ok());
                for (const int thread_count : {1, 4}) {
                    const ThreadCount threads(thread_count);
                    for (int i = 0; i < 3; i++) {
                        const Combination how = draw_combination(random);
                        Workspace workspace;
                        std::size_t bytes = 0;
                        for (const std::int64_t m : {40, 40, 3, 1}) {
                            const TypedMatrix x(how.in, m, k, make_values(random, m, k, Fill::kNormal));
                            TypedMatrix y(how.out, m, n);
                            const int before = allocations();
                            const Status status = linear->run(x.view(), y.mutable_view(), workspace);
                            const int during = allocations() - before;
                            REQUIRE(status.ok());
                            INFO(linear->kernel_name(m) << ", " << how << ", " << thread_count << " threads, M " << m);
                            if (bytes != 0) CHECK(during == 0);
                            if (bytes != 0) CHECK(workspace.bytes() == bytes);
                            bytes = workspace.bytes();
                            CHECK(bytes > 0);
                        }
                    }
                }
            }
        }
    }
}

TEST_CASE("rows packed again allocate nothing, and running them neither") {
    Random random("packed rows memory");
    const std::int64_t k = 70, n = 130;
    const TypedMatrix w(DataType::kF32, n, k, make_values(random, n, k, Fill::kNormal));
    const Result<Linear> linear = Linear::pack(w.view(), {}, {.activation = Activation::kRelu}, supported_isas());
    REQUIRE(linear.ok());
    PackedRows rows;
    Workspace workspace;
    std::size_t bytes = 0;
    for (const std::int64_t m : {40, 40, 3, 1}) {
        const TypedMatrix x(DataType::kF32, m, k, make_values(random, m, k, Fill::kNormal));
        TypedMatrix y(DataType::kF16, m, n);
        const int before = allocations();
        const bool ok = linear->pack_rows(x.view(), rows).ok() && linear->run(rows, y.mutable_view(), workspace).ok();
        const int during = allocations() - before;
        REQUIRE(ok);
        if (bytes != 0) CHECK(during == 0);
        if (bytes != 0) CHECK(rows.bytes() == bytes);
        bytes = rows.bytes();
        CHECK(bytes > 0);
    }
}

TEST_CASE("a workspace serves layers of every size and can be moved") {
    Random random("workspace growth");
    Workspace workspace;
    CHECK(workspace.bytes() == 0);
    std::size_t bytes = 0;
    for (const std::int64_t k : {8, 64, 512}) {
        const TypedMatrix w(DataType::kF32, 3, k, make_values(random, 3, k, Fill::kNormal)),
            x(DataType::kF32, 9, k, make_values(random, 9, k, Fill::kNormal));
        TypedMatrix y(DataType::kF32, 9, 3);
        const Result<Linear> linear = Linear::pack(w.view(), {}, {}, supported_isas());
        REQUIRE(linear.ok());
        REQUIRE(linear.value().run(x.view(), y.mutable_view(), workspace).ok());
        CHECK(workspace.bytes() > bytes);
        bytes = workspace.bytes();
        Workspace moved = std::move(workspace);
        workspace = std::move(moved);
        CHECK(workspace.bytes() == bytes);
    }
}

TEST_CASE("memory that cannot be had is an error that says how much, and leaves everything as it was") {
    // Of the blocks that Octile asks for, those that grow with the layer are 64 KiB and more.
    constexpr std::size_t kLarge = 64 * 1024;
    const std::int64_t m = 100, k = 1000, n = 200;
    Random random("out of memory");
    const TypedMatrix w(DataType::kF32, n, k, make_values(random, n, k, Fill::kNormal)),
        x(DataType::kF32, m, k, make_values(random, m, k, Fill::kNormal));
    for (const Precision precision : {Precision::kInt8, Precision::kFp16, Precision::kInt4}) {
        const auto pack = [&] { return Linear::pack(w.view(), {}, {.precision = precision}, supported_isas()); };
        {
            const FullHeap full(kLarge);
            require_error(pack().status(), StatusCode::kOutOfMemory, {"allocate", "bytes"});
        }
        const Result<Linear> linear = pack();
        REQUIRE(linear.ok());
        Workspace workspace;
        TypedMatrix y(DataType::kF32, m, n);
        {
            const FullHeap full(kLarge);
            require_error(linear.value().run(x.view(), y.mutable_view(), workspace), StatusCode::kOutOfMemory,
                          {"allocate", "bytes"});
        }
        CHECK(y.untouched());
        CHECK(workspace.bytes() == 0);
        REQUIRE(linear.value().run(x.view(), y.mutable_view(), workspace).ok());
        CHECK_FALSE(y.untouched());
    }
}

TEST_CASE("rows that got no memory are no rows, and the next attempt works") {
    constexpr std::size_t kLarge = 64 * 1024;
    Random random("rows out of memory");
    const TypedMatrix w(DataType::kF32, 9, 1000, make_values(random, 9, 1000, Fill::kNormal)),
        few(DataType::kF32, 2, 1000, make_values(random, 2, 1000, Fill::kNormal)),
        many(DataType::kF32, 100, 1000, make_values(random, 100, 1000, Fill::kNormal));
    const Result<Linear> linear = Linear::pack(w.view(), {}, {}, supported_isas());
    REQUIRE(linear.ok());
    PackedRows rows;
    Workspace workspace;
    REQUIRE(linear->pack_rows(few.view(), rows).ok());
    {
        const FullHeap full(kLarge);
        require_error(linear->pack_rows(many.view(), rows), StatusCode::kOutOfMemory, {"allocate", "bytes"});
    }
    CHECK(rows.rows() == 0);
    CHECK_FALSE(linear->accepts(rows));
    TypedMatrix y(DataType::kF32, 100, 9);
    require_error(linear->run(rows, y.mutable_view(), workspace), StatusCode::kInvalidArgument, {"rows"});
    CHECK(y.untouched());
    REQUIRE(linear->pack_rows(many.view(), rows).ok());
    CHECK(linear->run(rows, y.mutable_view(), workspace).ok());
}

TEST_CASE("kernels take no memory of their own: once the workspace is there, a full heap is no error") {
    Random random("no memory inside");
    const TypedMatrix w(DataType::kF32, 90, 40, make_values(random, 90, 40, Fill::kNormal)),
        x(DataType::kF32, 21, 40, make_values(random, 21, 40, Fill::kNormal));
    const ThreadCount threads(1);
    for (const auto& [precision, scaling] : {std::pair{Precision::kInt8, InputScaling::kDynamic},
                                             {Precision::kInt8, InputScaling::kStatic},
                                             {Precision::kInt8, InputScaling::kAsymmetric},
                                             {Precision::kFp16, InputScaling::kDynamic}}) {
        const KernelFamily family = precision == Precision::kInt8 ? KernelFamily::kGemmS8 : KernelFamily::kGemmF16;
        for (const Level& level : levels_with(family)) {
            const Result<Linear> linear = Linear::pack(w.view(), {},
                                                       {.precision = precision,
                                                        .activation = Activation::kGelu,
                                                        .input_scaling = scaling,
                                                        .input_scale = 0.02f},
                                                       level.isas);
            REQUIRE(linear.ok());
            Workspace workspace;
            TypedMatrix y(DataType::kF32, 21, 90), again(DataType::kF32, 21, 90);
            REQUIRE(linear.value().run(x.view(), y.mutable_view(), workspace).ok());
            Status status;
            {
                const FullHeap full(0);
                status = linear.value().run(x.view(), again.mutable_view(), workspace);
            }
            INFO(linear->kernel_name(21) << ": " << status.message());
            REQUIRE(status.ok());
            CHECK(first_difference(again, y.values()) == "");
        }
    }
}

}  // namespace
}  // namespace octile::test
