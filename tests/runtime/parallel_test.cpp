// Threads: the caller's pool is used and its errors come back, and several threads may run one layer.
#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

#include "octile/linear.h"
#include "octile/parallel.h"
#include "tests/inputs/status_checks.h"
#include "tests/support/levels.h"
#include "tests/support/matrices.h"
#include "tests/support/process_settings.h"
#include "tests/support/seed.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {
namespace {

struct Case {
    // So many operations that packing and multiplying are cut into pieces.
    std::int64_t m = 64, k = 1000, n = 300;
    Precision precision;

    Linear pack(Activation activation = Activation::kSilu) const {
        Random random("parallel weights");
        const TypedMatrix w(DataType::kF32, n, k, make_values(random, n, k, Fill::kNormal));
        Result<Linear> linear =
            Linear::pack(w.view(), {}, {.precision = precision, .activation = activation}, supported_isas());
        REQUIRE(linear.ok());
        return std::move(linear).value();
    }
    TypedMatrix x(int seed = 0) const {
        Random random("parallel x " + std::to_string(seed));
        return {DataType::kF32, m, k, make_values(random, m, k, Fill::kNormal)};
    }
    TypedMatrix y() const { return {DataType::kF32, m, n}; }
};

TEST_CASE("the number of threads is what was asked for, or that of the machine") {
    const int machine = threads();
    CHECK(machine >= 1);
    {
        const ThreadCount three(3);
        CHECK(threads() == 3);
        set_threads(-5);
        CHECK(threads() == machine);
    }
    CHECK(threads() == machine);
}

TEST_CASE("kernels run on the caller's pool while there is one") {
    for (const Precision precision : {Precision::kInt8, Precision::kFp16}) {
        const Case layer{.precision = precision};
        const Linear linear = layer.pack();
        const TypedMatrix x = layer.x();
        TypedMatrix own = layer.y(), callers = layer.y(), again = layer.y();
        Workspace workspace;
        const ThreadCount threads(4);
        REQUIRE(linear.run(x.view(), own.mutable_view(), workspace).ok());
        int loops = 0;
        {
            const CallersPool pool(3);
            REQUIRE(linear.run(x.view(), callers.mutable_view(), workspace).ok());
            loops = pool.loops();
            CHECK(loops >= 2);  // packing and multiplying
            CHECK(pool.tasks() > loops);
        }
        REQUIRE(linear.run(x.view(), again.mutable_view(), workspace).ok());
        CHECK(first_difference(callers, own.values()) == "");
        CHECK(first_difference(again, own.values()) == "");
    }
}

TEST_CASE("an error of the caller's pool comes back as a status, whichever loop it hits, and the next call works") {
    for (const Precision precision : {Precision::kInt8, Precision::kFp16}) {
        const Case layer{.precision = precision};
        const Linear linear = layer.pack();
        const TypedMatrix x = layer.x();
        TypedMatrix y = layer.y(), expected = layer.y();
        Workspace workspace;
        const ThreadCount threads(4);
        REQUIRE(linear.run(x.view(), expected.mutable_view(), workspace).ok());
        CallersPool pool(2);
        REQUIRE(linear.run(x.view(), y.mutable_view(), workspace).ok());
        const int loops = pool.loops(), tasks = pool.tasks();
        REQUIRE(loops >= 2);
        REQUIRE(tasks > loops);
        for (int failing = 0; failing < tasks; failing++) {
            CallersPool broken(2);
            broken.fail_after(failing, 77);
            INFO("after " << failing << " tasks");
            require_error(linear.run(x.view(), y.mutable_view(), workspace), StatusCode::kInternal, {"kernel", "77"});
            CHECK(broken.loops() >= 1);
        }
        const CallersPool whole(2);
        REQUIRE(linear.run(x.view(), y.mutable_view(), workspace).ok());
        CHECK(first_difference(y, expected.values()) == "");
    }
}

TEST_CASE("packing weights runs on the caller's pool and reports its errors too") {
    const Case layer{.precision = Precision::kInt8};
    Random random("parallel pack");
    const TypedMatrix w(DataType::kF32, layer.n, layer.k, make_values(random, layer.n, layer.k, Fill::kNormal));
    const ThreadCount threads(4);
    CallersPool pool(2);
    pool.fail_after(0, 5);
    require_error(Linear::pack(w.view(), {}, {}, supported_isas()).status(), StatusCode::kInternal, {"kernel", "5"});
    CHECK(pool.loops() >= 1);
}

TEST_CASE("several threads run one layer at once, each with a workspace of its own") {
    constexpr int kCallers = 4, kRuns = 4;
    for (const Precision precision : {Precision::kInt8, Precision::kFp16}) {
        const Case layer{.precision = precision};
        const Linear linear = layer.pack();
        std::vector<std::vector<float>> expected;
        for (int i = 0; i < kCallers; i++) {
            TypedMatrix y = layer.y();
            Workspace workspace;
            REQUIRE(linear.run(layer.x(i).view(), y.mutable_view(), workspace).ok());
            expected.push_back(y.values());
        }
        for (const int thread_count : {1, 3}) {
            const ThreadCount threads(thread_count);
            std::vector<std::string> differences(kCallers);
            std::vector<std::thread> callers;
            for (int i = 0; i < kCallers; i++) {
                callers.emplace_back([&, i] {
                    const auto at = static_cast<std::size_t>(i);
                    const TypedMatrix x = layer.x(i);
                    Workspace workspace;
                    for (int run = 0; run < kRuns && differences[at].empty(); run++) {
                        TypedMatrix y = layer.y();
                        const Status status = linear.run(x.view(), y.mutable_view(), workspace);
                        differences[at] = status.ok() ? first_difference(y, expected[at]) : status.message();
                    }
                });
            }
            for (std::thread& caller : callers)
                caller.join();
            for (const std::string& difference : differences)
                CHECK(difference == "");
        }
    }
}

TEST_CASE("one thread's error is its own") {
    const Case layer{.precision = Precision::kInt8};
    const Linear linear = layer.pack();
    std::vector<Status> statuses(4);
    std::vector<std::thread> callers;
    for (std::size_t i = 0; i < statuses.size(); i++) {
        callers.emplace_back([&, i] {
            TypedMatrix x = layer.x(static_cast<int>(i)), y = layer.y();
            if (i % 2) x.set(static_cast<std::int64_t>(i), 0, std::numeric_limits<float>::quiet_NaN());
            Workspace workspace;
            statuses[i] = linear.run(x.view(), y.mutable_view(), workspace);
        });
    }
    for (std::thread& caller : callers)
        caller.join();
    CHECK(statuses[0].ok());
    CHECK(statuses[2].ok());
    require_error(statuses[1], StatusCode::kNonFinite, {"row 1 "});
    require_error(statuses[3], StatusCode::kNonFinite, {"row 3 "});
}

}  // namespace
}  // namespace octile::test
