#include "tuner/answer_records.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <random>

#include "inputs/messages.h"
#include "tuner/kernel_versions.h"
#include "tuner/stages.h"

namespace octile::tuner {

std::string utc_time() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                       parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::string new_session(std::string_view kind) {
    return fmt::format("{}.{}.{:08x}", kind, utc_time(), std::random_device()());
}

Status check_level(const Answer& answer, std::string_view kernel, Isa isa) {
    if (answer.kernel == kernel && answer.isa == octile::name_of(isa)) return {};
    return parse_error(
        fmt::format("expected {} on {}, found {} on {}", kernel, octile::name_of(isa), answer.kernel, answer.isa));
}

Result<std::vector<Record>> records_of(const Answer& answer, const JobText& job, const RecordContext& context) {
    if (answer.kernels != digest_of_kernel(context.kernel))
        return Status(StatusCode::kInvalidArgument,
                      fmt::format("the measuring program's kernels ({} {}) are not those this octile was built with "
                                  "({}): build octile again",
                                  context.kernel, answer.kernels, digest_of_kernel(context.kernel)));
    if (!answer.emulated.empty()) {
        const auto right = std::count_if(answer.candidates.begin(), answer.candidates.end(),
                                         [](const CandidateAnswer& one) { return one.verified; });
        return Status(StatusCode::kUnsupported,
                      fmt::format("{} of {} schedules compute what they should, but this is an emulator ({}), whose "
                                  "time is never recorded",
                                  right, answer.candidates.size(), answer.emulated));
    }
    const TunedLayer layer{job.m, job.k, job.n, job.epilogue};
    const std::string time = utc_time();
    std::vector<Record> records;
    for (const CandidateAnswer& one : answer.candidates) {
        const NamedEntry& entry = context.entries.at(one.candidate);
        const LevelTraits traits = LevelTraits::of(context.kernel, context.isa, entry.entry);
        records.push_back({.key = {.kernel = context.kernel,
                                   .isa = context.isa,
                                   .shape_class = std::string(name_of(class_of(layer, traits, context.core))),
                                   .m = job.m,
                                   .k = job.k,
                                   .n = job.n,
                                   .epilogue = job.epilogue,
                                   .threads = job.threads,
                                   .core = answer.core,
                                   .vector_bits = answer.vector_bits},
                           .params = entry.entry,
                           .label = entry.label,
                           .is_default = one.candidate == context.default_name,
                           .source = context.source,
                           .ns = one.ns,
                           .verified = one.verified,
                           .error = one.error,
                           .session = context.session,
                           .job = job.job.substr(std::min(job.job.size(), context.session.size() + 1)),
                           .job_seconds = answer.seconds,
                           .kernels = answer.kernels,
                           .octile = answer.octile,
                           .halide = answer.halide,
                           .clang = answer.clang,
                           .time = time});
    }
    return records;
}

}  // namespace octile::tuner
