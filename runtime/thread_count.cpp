#include "runtime/thread_count.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "base/printable.h"
#include "runtime/cpu_quota.h"

namespace octile {
namespace {

constexpr char kVariable[] = "OCTILE_NUM_THREADS";

// Processors of the calling thread's affinity mask, which is as long as the kernel says.
int usable_processors() {
    constexpr int kMostProcessors = 1 << 16;
    for (int count = CPU_SETSIZE; count <= kMostProcessors; count *= 2) {
        const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> mask(CPU_ALLOC(static_cast<std::size_t>(count)),
                                                                    [](cpu_set_t* set) { CPU_FREE(set); });
        const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(count));
        if (!mask) break;
        if (sched_getaffinity(0, bytes, mask.get()) == 0) return std::max(1, CPU_COUNT_S(bytes, mask.get()));
        if (errno != EINVAL) break;
    }
    return static_cast<int>(std::clamp<long>(sysconf(_SC_NPROCESSORS_ONLN), 1, kMaxThreads));
}

// A ThreadLimit in one word, so that whoever reads it sees one that was; 0: not known. A count of 0: the variable holds
// no number.
using Packed = std::uint32_t;
Packed pack(const ThreadLimit& limit) {
    return 1u << 31 | static_cast<Packed>(limit.source) << 16 | static_cast<Packed>(limit.count);
}
ThreadLimit unpack(Packed packed) {
    return {static_cast<int>(packed & 0xffff), static_cast<ThreadSource>(packed >> 16 & 0xff)};
}

constinit std::atomic<Packed> requested = 0, found = 0;

ThreadLimit current() {
    if (const Packed limit = requested.load(std::memory_order_relaxed)) return unpack(limit);
    if (const Packed limit = found.load(std::memory_order_relaxed)) return unpack(limit);
    const Result<ThreadLimit> limit = default_threads(std::getenv(kVariable));
    const ThreadLimit now = limit.ok() ? limit.value() : ThreadLimit{0, ThreadSource::kEnvironment};
    found.store(pack(now), std::memory_order_relaxed);
    return now;
}

}  // namespace

Result<ThreadLimit> default_threads(const char* variable) {
    if (variable && *variable) {
        const std::string_view text = variable;
        int count = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
        if (error == std::errc() && end == text.data() + text.size() && count >= 1 && count <= kMaxThreads)
            return ThreadLimit{count, ThreadSource::kEnvironment};
        return Status(StatusCode::kInvalidArgument, fmt::format("{}: expected a number from 1 to {}, found {}",
                                                                kVariable, kMaxThreads, internal::quote(text)));
    }
    const int processors = std::min(usable_processors(), kMaxThreads);
    const double quota = std::ceil(cpu_quota().value_or(processors));
    if (quota < processors) return ThreadLimit{std::max(1, static_cast<int>(quota)), ThreadSource::kQuota};
    return ThreadLimit{processors, ThreadSource::kAffinity};
}

std::string_view name_of(ThreadSource source) {
    switch (source) {
        case ThreadSource::kProgram:
            return "set_threads";
        case ThreadSource::kEnvironment:
            return kVariable;
        case ThreadSource::kAffinity:
            return "CPU affinity";
        case ThreadSource::kQuota:
            break;
    }
    return "cgroup CPU quota";
}

int threads() {
    return std::max(1, current().count);
}

Result<ThreadLimit> thread_limit() {
    const ThreadLimit limit = current();
    if (limit.count > 0) return limit;
    // What the variable holds may have changed since.
    Result<ThreadLimit> again = default_threads(std::getenv(kVariable));
    if (again.ok()) found.store(pack(again.value()), std::memory_order_relaxed);
    return again;
}

void set_threads(int count) {
    found.store(0, std::memory_order_relaxed);
    const ThreadLimit limit{std::min(count, kMaxThreads), ThreadSource::kProgram};
    requested.store(count > 0 ? pack(limit) : 0, std::memory_order_relaxed);
}

}  // namespace octile
