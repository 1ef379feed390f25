// Where the number of threads comes from: set_threads() before OCTILE_NUM_THREADS before what the process may use.
#include "runtime/thread_count.h"

#include <sched.h>

#include <catch2/catch.hpp>
#include <string>

#include "runtime/cpu_quota.h"
#include "tests/runtime/errors.h"
#include "tests/support/process_settings.h"

namespace octile::test {
namespace {

constexpr char kVariable[] = "OCTILE_NUM_THREADS";

// The calling thread's affinity, given back at the end of the scope.
class Affinity {
  public:
    Affinity() { REQUIRE(sched_getaffinity(0, sizeof before_, &before_) == 0); }
    Affinity(const Affinity&) = delete;
    Affinity& operator=(const Affinity&) = delete;
    ~Affinity() { sched_setaffinity(0, sizeof before_, &before_); }

    int processors() const { return CPU_COUNT(&before_); }
    void to_one_processor() const {
        cpu_set_t one;
        CPU_ZERO(&one);
        for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
            if (CPU_ISSET(cpu, &before_)) CPU_SET(cpu, &one);
        REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
    }

  private:
    cpu_set_t before_;
};

ThreadLimit limit() {
    const Result<ThreadLimit> limit = thread_limit();
    REQUIRE(limit.ok());
    CHECK(limit->count == threads());
    return limit.value();
}

TEST_CASE("threads: as many as the process may use, asked again by set_threads(0)") {
    const EnvironmentVariable unset(kVariable, std::nullopt);
    const ThreadCount back(0);
    const Affinity affinity;
    const double quota = cpu_quota().value_or(kMaxThreads);
    CHECK(limit().count <= affinity.processors());
    CHECK(limit().count < quota + 1);
    const int before = threads();
    affinity.to_one_processor();
    CHECK(threads() == before);
    set_threads(0);
    CHECK(threads() == 1);
    CHECK(limit().source == ThreadSource::kAffinity);
}

TEST_CASE("threads: the environment says otherwise, and the program goes before it") {
    const EnvironmentVariable three(kVariable, "3");
    const ThreadCount back(0);
    CHECK(limit().count == 3);
    CHECK(limit().source == ThreadSource::kEnvironment);
    set_threads(5);
    CHECK(limit().count == 5);
    CHECK(limit().source == ThreadSource::kProgram);
    set_threads(1 << 30);
    CHECK(limit().count == kMaxThreads);
    set_threads(0);
    CHECK(limit().count == 3);
}

TEST_CASE(
    "threads: a variable that holds no number is an error of whoever packs, unless the program has said a number") {
    const TypedMatrix w = make_matrix(DataType::kF32, 16, 16);
    const auto pack = [&] { return Linear::pack(w.view(), {}, {}, supported_isas()).status(); };
    for (const std::string text : {"0", "-1", "abc", "2x", " 2", "1025", "99999999999", "\x1b[2J"}) {
        INFO(text);
        const EnvironmentVariable bad(kVariable, text);
        const ThreadCount back(0);
        CHECK(threads() == 1);
        require_error(thread_limit().status(), StatusCode::kInvalidArgument, {kVariable, "from 1 to 1024"});
        require_error(pack(), StatusCode::kInvalidArgument, {kVariable});
        CHECK(pack().message().find('\x1b') == std::string::npos);
        set_threads(2);
        CHECK(limit().count == 2);
        CHECK(pack().ok());
    }
    const EnvironmentVariable empty(kVariable, "");
    const ThreadCount back(0);
    CHECK(limit().source != ThreadSource::kEnvironment);
}

TEST_CASE("threads: names of the sources") {
    CHECK(name_of(ThreadSource::kProgram) == "set_threads");
    CHECK(name_of(ThreadSource::kEnvironment) == kVariable);
    CHECK(name_of(ThreadSource::kAffinity) == "CPU affinity");
    CHECK(name_of(ThreadSource::kQuota) == "cgroup CPU quota");
}

}  // namespace
}  // namespace octile::test
