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
    const std::int64_t k = 70, n = 130;
    Random random("workspace");
    const TypedMatrix w(DataType::kF32, n, k, make_values(random, n, k, Fill::kNormal));
    for (const auto& [precision, family] :
         {std::pair{Precision::kInt8, KernelFamily::kGemmS8}, {Precision::kFp16, KernelFamily::kGemmF16}}) {
        for (const Level& level : levels_with(family)) {
            const Result<Linear> linear =
                Linear::pack(w.view(), {}, {.precision = precision, .activation = Activation::kGelu}, level.isas);
            REQUIRE(linear.ok());
            for (const int thread_count : {1, 4}) {
                const ThreadCount threads(thread_count);
                for (const DataType in : kActivationTypes) {
                    for (const DataType out : kActivationTypes) {
                        Workspace workspace;
                        std::size_t bytes = 0;
                        for (const std::int64_t m : {40, 40, 3, 1}) {
                            const TypedMatrix x(in, m, k, make_values(random, m, k, Fill::kNormal));
                            TypedMatrix y(out, m, n);
                            const int before = allocations();
                            const Status status = linear.value().run(x.view(), y.mutable_view(), workspace);
                            const int during = allocations() - before;
                            REQUIRE(status.ok());
                            INFO(linear.value().kernel_name(m, out)
                                 << ", " << name_of(in) << " in, " << thread_count << " threads, M " << m);
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
    for (const Precision precision : {Precision::kInt8, Precision::kFp16}) {
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

TEST_CASE("a kernel that gets no memory for itself fails with a status") {
    Random random("no memory inside");
    const TypedMatrix w(DataType::kF32, 9, 40, make_values(random, 9, 40, Fill::kNormal)),
        x(DataType::kF32, 20, 40, make_values(random, 20, 40, Fill::kNormal));
    for (const Precision precision : {Precision::kInt8, Precision::kFp16}) {
        const Result<Linear> linear = Linear::pack(w.view(), {}, {.precision = precision}, supported_isas());
        REQUIRE(linear.ok());
        Workspace workspace;
        TypedMatrix y(DataType::kF32, 20, 9), again(DataType::kF32, 20, 9);
        REQUIRE(linear.value().run(x.view(), y.mutable_view(), workspace).ok());
        Status status;
        {
            const FullHeap full(0);
            status = linear.value().run(x.view(), again.mutable_view(), workspace);
        }
        INFO(status.message());
        // A kernel that needs none works as before.
        if (status.ok())
            CHECK(first_difference(again, y.values()) == "");
        else
            CHECK(status.code() == StatusCode::kInternal);
    }
}

}  // namespace
}  // namespace octile::test
