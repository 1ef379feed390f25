#include "runtime/thread_pool.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>
#include <vector>

using namespace octile;

namespace {

template <typename Body>
int run(int threads, int count, Body& body) {
    return run_on_pool(
        threads, count, [](void* context, int index) { return (*static_cast<Body*>(context))(index); }, &body);
}

}  // namespace

TEST_CASE("thread pool: every task runs once, whatever the number of threads and tasks") {
    for (const int threads : {1, 2, 3, 8}) {
        for (const int count : {0, 1, 2, 7, 100}) {
            for (int repeat = 0; repeat < 20; repeat++) {
                std::vector<std::atomic<int>> runs(static_cast<std::size_t>(count));
                auto body = [&](int index) {
                    runs[static_cast<std::size_t>(index)]++;
                    return 0;
                };
                REQUIRE(run(threads, count, body) == 0);
                for (const auto& times : runs)
                    REQUIRE(times == 1);
            }
        }
    }
}

TEST_CASE("thread pool: a failed task's result comes back, and all others have run") {
    for (const int threads : {1, 4}) {
        std::atomic<int> ran = 0;
        auto body = [&](int index) {
            ran++;
            return index == 5 ? 42 : 0;
        };
        CHECK(run(threads, 20, body) == 42);
        CHECK(ran == 20);
        auto well = [](int) { return 0; };
        CHECK(run(threads, 20, well) == 0);
    }
}

TEST_CASE("thread pool: loops within loops, and of several threads at once") {
    std::atomic<int> ran = 0;
    auto inner = [&](int) {
        ran++;
        return 0;
    };
    auto outer = [&](int) { return run(4, 5, inner); };
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 3; caller++) {
        callers.emplace_back([&] {
            for (int repeat = 0; repeat < 50; repeat++)
                run(4, 6, outer);
        });
    }
    for (std::thread& caller : callers)
        caller.join();
    CHECK(ran == 3 * 50 * 6 * 5);
}

TEST_CASE("thread pool: workers that have gone to sleep wake up") {
    std::atomic<int> started = 0;
    // Each task waits for another to begin: two threads are needed.
    auto body = [&](int) {
        started++;
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (started < 2 && std::chrono::steady_clock::now() < end)
            std::this_thread::yield();
        return started < 2 ? 1 : 0;
    };
    for (int repeat = 0; repeat < 3; repeat++) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        started = 0;
        CHECK(run(2, 2, body) == 0);
    }
}
